// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The segments that an open file holds in memory, outside of the block cache:
// all of them from the start (residency=pin), or each from its first use on, as
// long as there is room in a budget (residency=auto).  A segment that is held
// stays until the file is closed.
//
// Thread safety: Start() comes before all else; then Find() and Add() may be
// called from any thread.
//
// Invariants
// (P1) A slot is null, and then for good the block that was added first.
// Memory order: a slot is stored with release, after its block is whole, and
// loaded with acquire.  Adding takes a mutex, below which only the budget's is
// taken; all else that changes is guarded by it.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rocksdb/status.h"
#include "table/format.h"
#include "table/fst/blocks.h"
#include "table/fst/pin_budget.h"
#include "util/pinned_bytes.h"

namespace memkv {

class PinnedSegments {
 public:
  // From now on segments can be held, of `num_segments`.  expected_bytes: what
  // they are together, 0 if that is not known.  share: null for no limit.
  void Start(uint32_t num_segments, uint64_t expected_bytes,
             std::unique_ptr<PinBudget::Share> share);

  // Segment i, or null if it is not held.
  SegmentBlock* Find(uint32_t i) const {
    return slots_ == nullptr ? nullptr
                             : slots_[i].load(std::memory_order_acquire);
  }

  // Whether all segments are held.
  bool complete() const { return complete_.load(std::memory_order_relaxed); }

  // Whether a segment of `stored` bytes in the file may find room, about.
  // sequential: it is the next one of a walk, which uses it once.
  bool MayAdd(uint64_t stored, bool sequential) const {
    return slots_ != nullptr &&
           (share_ == nullptr ||
            (MayHaveRoom(stored) && (!sequential || share_->FitsAll())));
  }

  // Holds segment i of these bytes from now on, unless another thread was
  // first, and returns it.  Null, with *reason set, if the bytes are damaged;
  // null, with *reason empty and *contents untouched, if there is no room.
  // parse(block, reason): makes it a segment, if it can.
  using ParseFn = std::function<bool(SegmentBlock*, std::string*)>;
  SegmentBlock* Add(uint32_t i, ROCKSDB_NAMESPACE::BlockContents* contents,
                    const ParseFn& parse, std::string* reason);

  // What is allocated, in bytes.
  size_t MemoryUsage() const {
    return memory_usage_.load(std::memory_order_relaxed);
  }

 private:
  bool MayHaveRoom(uint64_t stored) const {
    const uint64_t too_large = too_large_.load(std::memory_order_relaxed);
    return (too_large == 0 &&
            paid_.load(std::memory_order_relaxed) >= sizeof(SegmentBlock)) ||
           share_->MayTake(std::max(stored, too_large));
  }
  // Takes from the budget what one more segment needs: an object, and, unless
  // *piece is 0, a piece of that size for its `size` bytes and others', or as
  // large a one as there is room for.
  // REQUIRES: share_, mutex_
  bool TakeRoom(size_t size, size_t* piece);

  std::unique_ptr<std::atomic<SegmentBlock*>[]> slots_;
  uint32_t num_segments_ = 0;
  std::unique_ptr<PinBudget::Share> share_;
  std::mutex mutex_;
  PinnedBytes bytes_;
  std::vector<std::unique_ptr<SegmentBlock>> blocks_;  // of slots; in bytes_
  // Written with the mutex.
  std::atomic<bool> complete_{false};
  std::atomic<size_t> memory_usage_{0};
  // Taken of the share for objects to come, which have room in a piece.
  std::atomic<uint64_t> paid_{0};
  // Bytes that there was no room for, when a segment was last read in vain.
  std::atomic<uint64_t> too_large_{0};
};

}  // namespace memkv
