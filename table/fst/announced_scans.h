// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Ranges of keys that a reader has announced, in one file: when it comes to one
// of them, the segments of that and of those behind it are read with one call,
// and then the value blocks of the ranges' entries with another one.  What it
// is for, and that ranges ascend, is RocksDB's MultiScan
// (BlockBasedTableIterator::Prepare).  It reads all of them at once; here no
// more is read at a time than kMostSegments and BlocksTogether::kMostBytes, and
// no more than the reader allows.
//
// It is a hint.  What was not read, or read with an error, is read again alone
// by whoever needs it; so an error has the words, and the time, that it has
// without.
//
// Memory: the ranges; of one reading, the segments that are not taken, in the
// block cache or not, and at most kMostHeld bytes of them; and the value
// blocks, as they are stored.  While it reads, a batch of look-ups'
// (BlocksTogether).
//
// Thread safety: none; it is the iterator's.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compat/table_iterator.h"
#include "table/fst/blocks_together.h"
#include "table/fst/file.h"
#include "table/key_trie/cursor.h"

namespace memkv {

class AnnouncedScans {
 public:
  static constexpr size_t kMostSegments = 32;
  static constexpr size_t kMostHeld = size_t{8} << 20;

  // `file` and `read_options` must outlive the object's use.  most_bytes: of
  // stored blocks that are read at a time; 0: the most there is.
  AnnouncedScans(const FstFile& file,
                 const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                 std::vector<compat::ScanRange> ranges, uint64_t most_bytes);

  // Hands segment i out, once, if it lies in a range, and reads those that
  // follow with it, if it was not read yet.
  bool TakeSegment(uint32_t i, SegmentEntry* entry);
  // The value blocks that were read last; null if none.
  BlocksTogether* values() const { return values_.get(); }

 private:
  // A range, and the segments that its keys are in.
  struct Span {
    uint32_t first = 0;
    uint32_t last = 0;
    compat::ScanRange range;
  };
  struct Read {
    uint32_t number = 0;
    SegmentEntry entry;  // empty if it was taken
  };

  BlockReadContext Context() const { return BlockReadContext{read_options_}; }
  // The first span that does not end before segment i.
  size_t SpanFrom(uint32_t i) const;
  void ReadFrom(uint32_t i);
  void ReadValues();
  // The first entry of the segment that is not before the key; num_entries() if
  // there is none, or the segment is damaged.
  uint32_t EntryFrom(const Segment& segment, const std::string& user_key);

  const FstFile& file_;
  const ROCKSDB_NAMESPACE::ReadOptions& read_options_;
  const uint64_t most_bytes_;  // of segments, and of values
  std::vector<Span> spans_;    // by `first`, and by `last`
  uint32_t next_ = 0;          // no segment from here on was read
  std::vector<Read> read_;
  std::unique_ptr<BlocksTogether> values_;
  KeyTrieCursor cursor_;
};

}  // namespace memkv
