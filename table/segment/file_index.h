// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The index of an FST file: which segment holds a user key, where it is, and
// how many keys and entries come before it.  It stays in memory while the file
// is open.  FORMAT.md, "Index", describes the bytes.
//
// It knows no RocksDB type.
//
// Vocabulary
//   continuation  a segment that holds older entries of the last key of the
//                 segment before it, and nothing else.
//   group         a segment that is no continuation, and those that continue
//                 it.  In a file without continuations, a segment.
//   bound         a string between the keys of a group and those of the next.
//
// Thread safety: the builder needs external synchronisation, a FileIndex is
// immutable after Open().
//
// Invariants
// (X1) Segments are numbered in the file's key order.  The separators are the
//      bounds of all groups.  They ascend strictly, so they are all distinct.
// (X2) Counts are cumulative and ascend strictly: every segment has an entry,
//      and at least its own bytes, and every one but continuations has a key.
// (X3) Segments lie in the file in their order and do not overlap.  Open()
//      looks: so the segments of damaged indexes, too, take no more than the
//      file has, and there are no more of them than the index has bits.
// (X4) The numbers of continuations ascend strictly; none is 0.  The tags that
//      those of one group begin with descend strictly.
// (X5) The builder holds what bounds do not share with their neighbours, the
//      last of them, and some bytes a segment: no key as a whole.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/separators.h"
#include "table/segment/segment.h"
#include "util/packed_array.h"

namespace memkv {

class FileIndexBuilder {
 public:
  // The format's; a test may have smaller ones.
  struct Limits {
    uint64_t groups = key_trie::SeparatorTrieBuilder::kMaxSeparators - 1;
    uint64_t segments = 0x7fffffff;
    uint64_t bytes = 0x7fffffff;  // of the index
  };

  explicit FileIndexBuilder(bool mirrored)
      : FileIndexBuilder(mirrored, Limits()) {}
  FileIndexBuilder(bool mirrored, const Limits& limits)
      : mirrored_(mirrored), limits_(limits), bounds_(mirrored) {
    Estimate();
  }

  // The segments are cut first, and may be added later, when they are written.
  // Both must be done in the file's order, and no segment may be added before
  // the cut in front of it was made.

  // Ends a group: `last_key` is its last user key, `next_key` the next group's
  // first.  Cost: O(size of the bound), and now and then of all bounds;
  // amortised, a constant number of times.
  void Cut(std::string_view last_key, std::string_view next_key);
  // What Cut() would add to the index: the bytes of the bound that it does not
  // share with the one before.
  size_t CutBytes(std::string_view last_key, std::string_view next_key) const;
  // Ends a segment whose last key goes on in the next one, with an entry of
  // this tag.
  void CutKey(uint64_t next_tag);
  // Segments that are ended.
  uint64_t num_cuts() const { return num_cuts_; }

  // How large segments shall be behind so many cuts if they begin with `size`:
  // twice as large with every `doubling` cuts, so that no file has too many,
  // but not over kMaxSegmentSize, unless they began so.
  static constexpr uint64_t kMaxSegmentSize = uint64_t{16} << 20;
  static constexpr uint64_t kDoubling = uint64_t{1} << 19;
  static uint64_t SegmentSize(uint64_t size, uint64_t num_cuts,
                              uint64_t doubling = kDoubling);

  // Adds the next segment.
  // num_keys: also of a continuation the number of keys in the segment, 1.
  // value_bytes: stored bytes of the segment's value blocks.
  void AddSegment(const BlockLocation& location, uint64_t num_keys,
                  uint64_t num_entries, uint64_t value_bytes);
  size_t num_segments() const { return offsets_.size(); }
  size_t num_continuations() const { return continuations_.size(); }
  uint64_t num_keys() const { return keys_.empty() ? 0 : keys_.back(); }

  // What Finish() would append now if the segments that were cut were added:
  // within a tenth, if the bounds to come are like those before.  It is a
  // member: RocksDB asks after every entry.
  size_t EstimatedSize() const { return estimated_size_; }

  // Appends the encoding to *out.  False, with a reason, if a limit of the
  // format is exceeded.
  // last_key: of the file; not used if there are no segments.
  // REQUIRES: as many segments as cuts and one more, or neither
  bool Finish(std::string_view last_key, std::string* out, std::string* reason);

 private:
  // The numbers of a packed array, and the least and greatest of them.
  struct Column {
    void Add(uint64_t v) {
      min = values.empty() || v < min ? v : min;
      max = values.empty() || v > max ? v : max;
      values.push_back(v);
    }
    size_t EncodedSize() const {
      return PackedArrayBuilder::EncodedSize(min, max, values.size());
    }
    bool empty() const { return values.empty(); }
    uint64_t back() const { return values.back(); }
    size_t size() const { return values.size(); }

    std::vector<uint64_t> values;
    uint64_t min = 0;
    uint64_t max = 0;
  };

  // The size of bounds in the separator trie, about, by what they own.
  static constexpr size_t kBytesABound = 12;
  size_t RawBounds() const {
    return bounds_.own_bytes() + kBytesABound * bounds_.size();
  }

  // Sets estimated_size_.
  void Estimate();

  const bool mirrored_;
  const Limits limits_;
  size_t estimated_size_ = 0;
  key_trie::SeparatorList bounds_;
  // What the bounds took when they were encoded last, to estimate what they
  // take now.
  size_t measured_raw_ = 0;
  size_t measured_size_ = 0;
  size_t longest_bound_ = 0;
  int num_longest_ = 0;    // times that it grew
  uint64_t num_cuts_ = 0;  // those within a key, too
  Column continuations_;   // their numbers
  Column tags_;            // that they begin with
  Column offsets_;
  Column sizes_;
  Column keys_;     // cumulative
  Column entries_;  // cumulative
  Column bytes_;    // cumulative
};

class FileIndex {
 public:
  static constexpr uint32_t kCorrupt = Segment::kCorrupt;

  // Binds to `data`, which must outlive the index.  O(number of segments).
  [[nodiscard]] static bool Open(std::string_view data, FileIndex* out,
                                 std::string* reason);

  bool mirrored() const { return mirrored_; }
  uint32_t num_segments() const { return num_segments_; }
  // The segment that holds the first entry of `user_key`, if any does: all keys
  // of the segments before it are before the key, and all of groups behind it
  // behind the key.  num_segments() if all keys are before it; kCorrupt if the
  // index is damaged.
  uint32_t SegmentFor(const key_trie::SoughtKey& user_key) const;
  uint32_t SegmentFor(std::string_view user_key) const {
    return SegmentFor(key_trie::SoughtKey(user_key));
  }
  // The same of n keys at once, as KeyTrieReader::FindAll().
  void SegmentsFor(const key_trie::SoughtKey* const* user_keys, size_t n,
                   uint32_t* segments) const;
  // The bound of segment i's group; false if damaged.  Bytewise, keys of the
  // group are less and those behind are not; in a mirrored file, keys of the
  // group are not less and those behind are.
  [[nodiscard]] bool Bound(uint32_t i, std::string* bound) const;

  bool has_continuations() const { return continuations_.size() != 0; }
  bool IsContinuation(uint32_t i) const;
  // The first segment of the group behind that of segment i, or num_segments().
  uint32_t NextGroup(uint32_t i) const;
  // Where to look for the newest entry of segment i's last key whose tag is not
  // greater than `tag`: in this segment of the group, or else at the beginning
  // of the one behind, if that continues it.
  // REQUIRES: !IsContinuation(i)
  uint32_t Continue(uint32_t i, uint64_t tag) const;
  // The tag that segment i begins with.  REQUIRES: IsContinuation(i)
  uint64_t FirstTag(uint32_t i) const { return tags_[NumContinuations(i)]; }

  BlockLocation Location(uint32_t i) const { return {offsets_[i], sizes_[i]}; }
  // Keys and entries in the segments [0, i), and stored bytes of them and of
  // their value blocks.  REQUIRES: i <= num_segments().
  uint64_t KeysBefore(uint32_t i) const { return i == 0 ? 0 : keys_[i - 1]; }
  uint64_t EntriesBefore(uint32_t i) const {
    return i == 0 ? 0 : entries_[i - 1];
  }
  uint64_t BytesBefore(uint32_t i) const { return i == 0 ? 0 : bytes_[i - 1]; }

  [[nodiscard]] bool Validate(std::string* reason) const;

 private:
  bool OpenParts(std::string_view rest, std::string* reason);
  // What that begins with: each takes its section off *rest.
  bool TakeHeader(std::string_view* rest, std::string_view* separators,
                  bool* has_continuations, std::string* reason);
  bool TakeColumns(bool has_continuations, std::string_view* rest,
                   std::string* reason);
  // (X3)
  bool CheckLocations(std::string* reason) const;
  bool ValidateSeparators() const;
  bool ValidateContinuations(std::string* reason) const;
  uint32_t num_groups() const {
    return num_segments_ - static_cast<uint32_t>(continuations_.size());
  }
  // How many continuations are numbered less than i.
  uint32_t NumContinuations(uint32_t i) const;
  // How many come before group g: those of the groups before it.
  uint32_t NumBeforeGroup(uint32_t g) const;
  uint32_t SegmentAt(const key_trie::SeparatorTrie::FloorResult& place) const;

  bool mirrored_ = false;
  uint32_t num_segments_ = 0;
  // The empty string and all bounds.
  key_trie::SeparatorTrie separators_;
  // In a mirrored file the empty string is a bound itself.
  bool has_empty_bound_ = false;
  PackedArrayView offsets_;
  PackedArrayView sizes_;
  PackedArrayView keys_;
  PackedArrayView entries_;
  PackedArrayView bytes_;
  PackedArrayView continuations_;
  PackedArrayView tags_;
};

}  // namespace memkv
