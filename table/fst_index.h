// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The index of an FST file: which segment holds a user key, where it is, and
// how many keys and entries come before it.  It stays in memory while the file
// is open.  FORMAT.md, "Index", describes the bytes.
//
// It knows no RocksDB type.
//
// Thread safety: the builder needs external synchronisation, a FileIndex is
// immutable after Open().
//
// Invariants
// (X1) Segments are numbered in the file's key order.  The separators hold the
//      last user key (in that order) of every segment, so they are all
//      distinct.
// (X2) Counts are cumulative and ascend strictly: every segment has a key, and
//      at least its own bytes.
// (X3) Segments lie in the file in their order and do not overlap.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/fst_segment.h"
#include "table/key_trie_separators.h"
#include "table/packed_array.h"

namespace memkv {

class FileIndexBuilder {
 public:
  explicit FileIndexBuilder(bool mirrored) : mirrored_(mirrored) {}

  // Adds the next segment in the file's order.
  // value_bytes: stored bytes of the segment's value blocks.
  void AddSegment(std::string_view last_key, const BlockLocation& location,
                  uint64_t num_keys, uint64_t num_entries,
                  uint64_t value_bytes);
  size_t num_segments() const { return offsets_.size(); }
  uint64_t num_keys() const { return keys_.empty() ? 0 : keys_.back(); }
  size_t EstimatedSize() const;
  // Appends the encoding to *out.  False, with a reason, if a limit of the
  // format is exceeded.
  bool Finish(std::string* out, std::string* reason);

 private:
  const bool mirrored_;
  std::vector<std::string> last_keys_;
  size_t last_key_bytes_ = 0;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> sizes_;
  std::vector<uint64_t> keys_;     // cumulative
  std::vector<uint64_t> entries_;  // cumulative
  std::vector<uint64_t> bytes_;    // cumulative
};

class FileIndex {
 public:
  static constexpr uint32_t kCorrupt = Segment::kCorrupt;

  // Binds to `data`, which must outlive the index.
  static bool Open(std::string_view data, FileIndex* out, std::string* reason);

  bool mirrored() const { return mirrored_; }
  uint32_t num_segments() const { return num_segments_; }
  // The first segment whose last key is not before `user_key` in the file's
  // order: the only one that can hold it.  num_segments() if there is none,
  // kCorrupt if the index is damaged.
  uint32_t SegmentFor(const key_trie::Target& user_key) const;
  uint32_t SegmentFor(std::string_view user_key) const {
    return SegmentFor(key_trie::Target(user_key));
  }
  // The same of n keys at once, as KeyTrieReader::FindAll().
  void SegmentsFor(const key_trie::Target* const* user_keys, size_t n,
                   uint32_t* segments) const;
  // The last key of segment i; false if damaged.
  bool LastKey(uint32_t i, std::string* user_key) const;
  BlockLocation Location(uint32_t i) const { return {offsets_[i], sizes_[i]}; }
  // Keys and entries in the segments [0, i), and stored bytes of them and of
  // their value blocks.  REQUIRES: i <= num_segments().
  uint64_t KeysBefore(uint32_t i) const { return i == 0 ? 0 : keys_[i - 1]; }
  uint64_t EntriesBefore(uint32_t i) const {
    return i == 0 ? 0 : entries_[i - 1];
  }
  uint64_t BytesBefore(uint32_t i) const { return i == 0 ? 0 : bytes_[i - 1]; }

  bool Validate(std::string* reason) const;

 private:
  bool ValidateSeparators() const;
  uint32_t SegmentAt(const key_trie::SeparatorTrie::Place& place) const {
    return mirrored_
               ? num_segments_ - (place.ordinal + (has_empty_key_ ? 1 : 0))
               : place.ordinal;
  }

  bool mirrored_ = false;
  uint32_t num_segments_ = 0;
  // A bytewise file: the empty string, and every last key with a zero byte
  // behind it, so that as many last keys are before a key as its place says.  A
  // mirrored one: the empty string, and every last key; they ascend from the
  // last segment to the first.
  key_trie::SeparatorTrie separators_;
  // In a mirrored file the empty string is a last key itself.
  bool has_empty_key_ = false;
  PackedArrayView offsets_;
  PackedArrayView sizes_;
  PackedArrayView keys_;
  PackedArrayView entries_;
  PackedArrayView bytes_;
};

}  // namespace memkv
