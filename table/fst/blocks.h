// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The blocks of an FST file in memory: their bytes, and what was parsed of
// them.  The block cache, or who pins them, holds them as these.
//
// Thread safety: immutable after Parse().

#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "compat/block_cache.h"
#include "rocksdb/filter_policy.h"
#include "table/block_based/cachable_entry.h"
#include "table/block_based/filter_policy_internal.h"
#include "table/format.h"
#include "table/key_trie/tokens.h"
#include "table/segment/segment.h"
#include "table/segment/value_run.h"
#include "util/fastrange.h"
#include "util/hash.h"
#include "util/trie_coding.h"

namespace memkv {

// A block and its parsed form, as the block cache holds them.
class SegmentBlock {
 public:
  static constexpr ROCKSDB_NAMESPACE::CacheEntryRole kCacheEntryRole =
      ROCKSDB_NAMESPACE::CacheEntryRole::kIndexBlock;
  explicit SegmentBlock(ROCKSDB_NAMESPACE::BlockContents&& contents)
      : contents_(std::move(contents)) {}
  // tokens: the file's token table, or null; store: of whom it is, or 0 if
  // null. What uses the segment must not outlive it.
  bool Parse(bool mirrored, const key_trie::Tokens* tokens, uint64_t store,
             std::string* reason);
  bool own_bytes() const { return contents_.own_bytes(); }
  const ROCKSDB_NAMESPACE::Slice& bytes() const { return contents_.data; }
  uint64_t store() const { return store_; }
  const Segment& segment() const { return segment_; }
  size_t ApproximateMemoryUsage() const { return MemoryUsageOf(contents_); }
  // The same of a block that is made of `contents`.
  static size_t MemoryUsageOf(
      const ROCKSDB_NAMESPACE::BlockContents& contents) {
    return sizeof(SegmentBlock) + contents.ApproximateMemoryUsage() -
           sizeof(contents);
  }

 private:
  ROCKSDB_NAMESPACE::BlockContents contents_;
  uint64_t store_ = 0;
  Segment segment_;
};

class ValueBlock {
 public:
  static constexpr ROCKSDB_NAMESPACE::CacheEntryRole kCacheEntryRole =
      ROCKSDB_NAMESPACE::CacheEntryRole::kDataBlock;
  explicit ValueBlock(ROCKSDB_NAMESPACE::BlockContents&& contents)
      : contents_(std::move(contents)) {}
  bool Parse(size_t num_values, std::string* reason);
  bool own_bytes() const { return contents_.own_bytes(); }
  const ValueRunView& values() const { return values_; }
  size_t ApproximateMemoryUsage() const {
    return sizeof(*this) + contents_.ApproximateMemoryUsage() -
           sizeof(contents_);
  }

 private:
  ROCKSDB_NAMESPACE::BlockContents contents_;
  ValueRunView values_;
};

// A filter of RocksDB's over user keys, their prefixes, or both.
class FilterBlock {
 public:
  static constexpr ROCKSDB_NAMESPACE::CacheEntryRole kCacheEntryRole =
      ROCKSDB_NAMESPACE::CacheEntryRole::kFilterBlock;
  // RocksDB's Bloom filter is made of lines of so many bytes; all bits of an
  // entry are in one.
  static constexpr size_t kBloomLineSize = 64;
  explicit FilterBlock(ROCKSDB_NAMESPACE::BlockContents&& contents)
      : contents_(std::move(contents)) {}
  bool Parse(const ROCKSDB_NAMESPACE::FilterPolicy& policy,
             std::string* reason);
  bool own_bytes() const { return contents_.own_bytes(); }
  // One that is to be looked up.
  struct Sought {
    ROCKSDB_NAMESPACE::Slice entry;
    uint64_t hash = 0;
  };
  // Asks memory for what MayMatch() will read, so that the caller can do
  // something else meanwhile.
  Sought Seek(const ROCKSDB_NAMESPACE::Slice& entry) const {
    Sought sought{entry};
    if (hashed_ != nullptr) {
      sought.hash = ROCKSDB_NAMESPACE::GetSliceHash64(entry);
      const uint32_t line = ROCKSDB_NAMESPACE::FastRange32(
          ROCKSDB_NAMESPACE::Lower32of64(sought.hash), bloom_lines_);
      const auto* const bytes =
          reinterpret_cast<const uint8_t*>(contents_.data.data()) +
          size_t{line} * kBloomLineSize;
      PrefetchLines(bytes, 1, 1);
      PrefetchLines(bytes + kBloomLineSize - 1, 1, 1);  // if not aligned
    }
    return sought;
  }
  // False only if the entry was not added to the filter.
  bool MayMatch(const Sought& sought) const {
    return hashed_ != nullptr
               ? hashed_->HashMayMatch(sought.hash)
               : bits_ == nullptr || bits_->MayMatch(sought.entry);
  }
  // The same of n entries.
  void MayMatch(int n, ROCKSDB_NAMESPACE::Slice** entries,
                bool* may_match) const {
    if (bits_ != nullptr) bits_->MayMatch(n, entries, may_match);
  }
  size_t ApproximateMemoryUsage() const {
    return sizeof(*this) + contents_.ApproximateMemoryUsage() -
           sizeof(contents_);
  }

 private:
  ROCKSDB_NAMESPACE::BlockContents contents_;
  std::unique_ptr<ROCKSDB_NAMESPACE::FilterBitsReader> bits_;
  // The same, if it is such a Bloom filter; else null.
  ROCKSDB_NAMESPACE::BuiltinFilterBitsReader* hashed_ = nullptr;
  uint32_t bloom_lines_ = 0;
};

using FilterEntry = ROCKSDB_NAMESPACE::CachableEntry<FilterBlock>;
using ValueEntry = ROCKSDB_NAMESPACE::CachableEntry<ValueBlock>;

// Gives up a block: to `pinner`, which will release it, unless that is null.
template <typename TEntry>
void ReleaseTo(ROCKSDB_NAMESPACE::Cleanable* pinner, TEntry* entry) {
  if (pinner != nullptr) {
    entry->TransferTo(pinner);
  } else {
    entry->Reset();
  }
}

// A copy of the bytes, in memory of the allocator, or, if that is null, of
// malloc.
inline ROCKSDB_NAMESPACE::BlockContents CopyOf(
    const ROCKSDB_NAMESPACE::Slice& bytes,
    ROCKSDB_NAMESPACE::MemoryAllocator* allocator) {
  auto copy = ROCKSDB_NAMESPACE::AllocateBlock(bytes.size(), allocator);
  memcpy(copy.get(), bytes.data(), bytes.size());
  return ROCKSDB_NAMESPACE::BlockContents(std::move(copy), bytes.size());
}

// Makes a copy of the bytes where they are those of a mapped file: what may
// outlive the file must own them.
inline void OwnBytes(ROCKSDB_NAMESPACE::BlockContents* contents) {
  if (!contents->own_bytes()) *contents = CopyOf(contents->data, nullptr);
}

}  // namespace memkv
