// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/file.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Cleanable;
using ROCKSDB_NAMESPACE::kDisableGlobalSequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

uint64_t FstFile::EffectiveTag(const Segment& segment, uint32_t e) const {
  const uint64_t tag = segment.Tag(e);
  if (global_seqno_ == kDisableGlobalSequenceNumber) return tag;
  // Not PackSequenceAndType(), which ends where a damaged file has a type that
  // there is not.  Who takes the entry finds out.
  return global_seqno_ << 8 | (tag & 0xff);
}

uint32_t FstFile::SeekEntry(const Segment& segment, uint32_t begin,
                            uint32_t end, uint64_t tag) const {
  if (global_seqno_ == kDisableGlobalSequenceNumber) {
    return segment.SeekEntry(begin, end, tag);
  }
  while (begin < end && EffectiveTag(segment, begin) > tag) ++begin;
  return begin;
}

Status FstFile::ReadValue(const BlockReadContext& context, uint32_t i,
                          const Segment& segment, uint32_t e, ValueEntry* block,
                          uint32_t* block_number, Cleanable* pinner,
                          ValueRunView::NumberBytes* number,
                          Slice* value) const {
  std::string_view bytes;
  uint64_t at;
  bool found;
  if (segment.values_inline()) {
    at = index_.Location(i).offset;
    found = segment.InlineValue(e, number, &bytes);
  } else {
    // A scan mostly stays in its block, and need not search for it.
    uint32_t b = *block_number;
    const bool same_block = block->GetValue() != nullptr &&
                            e >= segment.ValueBlockFirstEntry(b) &&
                            e < segment.ValueBlockFirstEntry(b + 1);
    if (!same_block) b = segment.ValueBlockOf(e);
    at = segment.ValueBlockLocation(b).offset;
    if (!same_block) {
      ReleaseTo(pinner, block);
      const Status s = store_.GetValues(context, segment, b, block);
      if (!s.ok()) return s;
      *block_number = b;
    }
    const ValueRunView& values = block->GetValue()->values();
    const uint32_t first = segment.ValueBlockFirstEntry(b);
    found = e >= first && e - first < values.size() &&
            values.Get(e - first, number, &bytes);
  }
  if (!found) {
    return store_.Corrupt(
        at, "value of entry " + std::to_string(e) + " lies outside it");
  }
  // RocksDB cuts the preferred sequence number off without a look at the size.
  if (compat::HasPreferredSeqno(segment.Tag(e)) &&
      bytes.size() < sizeof(uint64_t)) {
    return store_.Corrupt(at, "a preferred sequence number in " +
                                  std::to_string(bytes.size()) +
                                  " bytes, expected 8 or more");
  }
  *value = Slice(bytes.data(), bytes.size());
  return Status::OK();
}

Status FstFile::CorruptSegment(uint32_t i, const std::string& what) const {
  return store_.Corrupt(index_.Location(i).offset, "segment: " + what);
}

Status FstFile::CorruptIndex() const {
  return store_.Corrupt(directory_.index.offset(), "index: damaged trie");
}

Status FstFile::GetContinuation(const BlockReadContext& context, uint32_t i,
                                const Slice& user_key,
                                SegmentEntry* entry) const {
  const Status s = store_.GetSegment(context, index_, i, entry);
  if (!s.ok()) return s;
  const Segment& segment = entry->GetValue()->segment();
  if (segment.num_keys() != 1 ||
      segment.FindKey(user_key.ToStringView()) != 0) {
    return CorruptSegment(i, "it does not continue the key before it");
  }
  return s;
}

size_t FstFile::MemoryUsage() const {
  return sizeof(*this) + store_.pinned_bytes() +
         index_contents_.ApproximateMemoryUsage() +
         (properties_ != nullptr ? properties_->ApproximateMemoryUsage() : 0);
}

}  // namespace memkv
