// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/segment/segment_values.h"

#include <cassert>

#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {

bool SegmentValues::KeepInside(bool all) {
  if (in_blocks()) return false;
  if (pending_.largest_value() <= limits_.inline_size) return true;
  if (!pending_.keeps_distinct()) {
    // A look now and then, and when a block is full.
    const size_t n = pending_.num_values();
    const bool look =
        pending_.value_bytes() >= limits_.block_size || (n & (n - 1)) == 0;
    if (!look || !pending_.SeemsRepetitive()) return false;
    pending_.KeepDistinct();
  }
  return pending_.EstimatedSize() <=
         limits_.inline_size * pending_.num_values() +
             (all ? 0 : limits_.block_size);
}

bool SegmentValues::TakeBlock(bool all, std::string* out) {
  if (KeepInside(all) || pending_.empty() ||
      (!all && pending_.value_bytes() < limits_.block_size)) {
    return false;
  }
  ++num_blocks_;
  first_values_.push_back(num_values_ - pending_.num_values());
  pending_.TakeFront(limits_.block_size, out);
  return true;
}

void SegmentValues::AddBlock(const BlockLocation& location) {
  offsets_.push_back(location.offset);
  sizes_.push_back(location.size);
  block_bytes_ += location.size;
  assert(offsets_.size() <= first_values_.size());
}

size_t SegmentValues::EstimatedSize() const {
  constexpr size_t kBlock = 8;
  const size_t blocks = kBlock * first_values_.size();
  return leaves() ? blocks + kBlock : blocks + pending_.EstimatedSize();
}

size_t SegmentValues::MemoryUsage() const {
  size_t places = 0;
  for (const auto* part : {&first_values_, &offsets_, &sizes_}) {
    places += part->capacity();
  }
  return places * sizeof(uint64_t) + pending_.MemoryUsage();
}

void SegmentValues::Seal(std::string* out) {
  assert(!in_blocks() || pending_.empty());
  assert(offsets_.size() == first_values_.size());
  if (!in_blocks()) {
    pending_.TakeAll(out);
  } else {
    PutVarint32(out, num_blocks_);
    for (auto* part : {&first_values_, &offsets_, &sizes_}) {
      PackedArrayBuilder::Encode(part->data(), part->size(), out);
      std::vector<uint64_t>().swap(*part);
    }
  }
  pending_.ReleaseMemory();
}

void SegmentValues::Reset() {
  num_values_ = 0;
  num_blocks_ = 0;
  first_values_.clear();
  offsets_.clear();
  sizes_.clear();
  block_bytes_ = 0;
}

}  // namespace memkv
