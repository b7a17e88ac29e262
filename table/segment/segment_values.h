// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The values of a segment that is being built, and where they go: all into the
// segment itself, or all into value blocks before it.
//
// Values stay inside as long as none is longer than Limits::inline_size, or as
// an entry takes no more than that with equal values kept once.  From the first
// value for which neither is true they go into blocks, those before it, too.
//
// Not thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/segment/value_run.h"

namespace memkv {

// Where a block is stored: as RocksDB's BlockHandle, `size` without trailer.
struct BlockLocation {
  uint64_t offset = 0;
  uint64_t size = 0;
};

class SegmentValues {
 public:
  struct Limits {
    size_t inline_size;
    size_t block_size;  // a block is full when its values take as much
  };

  explicit SegmentValues(const Limits& limits) : limits_(limits) {}

  void Add(std::string_view value) {
    pending_.Add(value);
    ++num_values_;
  }
  // What those in no block are held in; and allocates as much.
  ValueRunBuilder::Room room() const { return pending_.room(); }
  void Reserve(const ValueRunBuilder::Room& room) { pending_.Reserve(room); }
  // If a value block is due, moves its values to the end of *out; AddBlock()
  // with the place they were written to must follow, for each block in turn,
  // before Seal().  With `all`, no more values will come.
  bool TakeBlock(bool all, std::string* out);
  void AddBlock(const BlockLocation& location);

  // Whether a block was taken.
  bool in_blocks() const { return num_blocks_ != 0; }
  // Stored bytes of all value blocks, without trailers.
  uint64_t block_bytes() const { return block_bytes_; }
  // About what Seal() would append now: without values that are in blocks, or
  // will be, by what is known of them.
  size_t EstimatedSize() const;
  // About what the next block would hold now, in bytes.
  size_t waiting_bytes() const {
    return leaves() ? pending_.EstimatedSize() : 0;
  }
  // What is allocated, in bytes.
  size_t MemoryUsage() const;

  // Appends what a segment holds of its values: a value run, or the places of
  // value blocks.  Frees all else.
  // REQUIRES: TakeBlock(true) has said that no block is due, and all that were
  // taken were added
  void Seal(std::string* out);
  void Reset();

 private:
  bool KeepInside(bool all);
  // Whether those in no block wait for one, as it looks now.
  bool leaves() const {
    return in_blocks() || (pending_.largest_value() > limits_.inline_size &&
                           !pending_.keeps_distinct());
  }

  const Limits limits_;
  ValueRunBuilder pending_;  // those in no block
  uint64_t num_values_ = 0;
  // Of value blocks: the first value of each, and where it is.
  std::vector<uint64_t> first_values_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> sizes_;
  uint32_t num_blocks_ = 0;
  uint64_t block_bytes_ = 0;
};

}  // namespace memkv
