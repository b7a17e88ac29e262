// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The segments that an open file holds in memory, outside of the block cache:
// all of them from the start (residency=pin), or each from its first use on, as
// long as there is room in a budget (residency=auto).
//
// Large segments stay until the file is closed: they were written while all
// keys fitted, and readers use them without a reference.  They lie in pieces of
// memory that they share.  Where segments are small, for keys did not fit, each
// has its own memory and may be let go, for others that are used more: readers
// count themselves (util/held_slots.h).
//
// Thread safety: Start() comes before all else; then all may be called from any
// thread.
//
// Locks: Add() and LetGo() take a mutex, below which the budget's is taken; all
// that changes, but for the slots, is guarded by it.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "rocksdb/status.h"
#include "table/format.h"
#include "table/fst/blocks.h"
#include "table/fst/pin_budget.h"
#include "table/fst/segment_entry.h"
#include "util/pinned_bytes.h"

namespace memkv {

class PinnedSegments final : private PinBudget::Holder {
 public:
  PinnedSegments() = default;
  ~PinnedSegments() override;
  PinnedSegments(const PinnedSegments&) = delete;
  PinnedSegments& operator=(const PinnedSegments&) = delete;

  // From now on segments can be held, of `num_segments`.  expected_bytes: what
  // they are together, 0 if that is not known.  share: null for no limit.
  void Start(uint32_t num_segments, uint64_t expected_bytes,
             std::unique_ptr<PinBudget::Share> share);

  // Makes *entry segment i.  False, and it stays empty, if that is not held.
  // counts: as a use, for which it shall stay.
  bool Find(uint32_t i, bool counts, SegmentEntry* entry) const {
    return slots_ != nullptr && FindIn((*slots_)[i], counts, entry);
  }
  // Whether it is held, at the moment.
  bool Holds(uint32_t i) const {
    return slots_ != nullptr && (*slots_)[i].holds();
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
  // first, and makes *entry that.  It stays empty, with *reason set, if the
  // bytes are damaged; or, with *reason empty and *contents untouched, if there
  // is no room.  parse(block, reason): makes it a segment, if it can.
  using ParseFn = std::function<bool(SegmentBlock*, std::string*)>;
  void Add(uint32_t i, ROCKSDB_NAMESPACE::BlockContents* contents,
           const ParseFn& parse, SegmentEntry* entry, std::string* reason);

  // A segment was read for which there was no room: makes some, now and then.
  void CountUnheldRead() const {
    if (share_ != nullptr) share_->CountUnheldRead();
  }

  // Who has a reference may destroy an entry when the file is closed; null if
  // segments stay, whose entries need none.
  std::shared_ptr<const void> ShareSlots() const {
    return lets_go_ ? slots_ : nullptr;
  }

  // What is allocated, in bytes.
  size_t MemoryUsage() const {
    return memory_usage_.load(std::memory_order_relaxed);
  }

 private:
  bool FindIn(SegmentEntry::Slot& slot, bool counts,
              SegmentEntry* entry) const {
    SegmentBlock* const block = lets_go_ ? slot.Use(counts) : slot.Kept();
    if (block == nullptr) return false;
    SetEntry(block, &slot, entry);
    return true;
  }
  void SetEntry(SegmentBlock* block, SegmentEntry::Slot* slot,
                SegmentEntry* entry) const {
    if (lets_go_) {
      entry->SetUsed(slots_.get(), slot, block);
    } else {
      entry->SetKept(block);
    }
  }
  bool MayHaveRoom(uint64_t stored) const {
    if (lets_go_) {
      return share_->MayTake(
          std::max(stored, usual_size_.load(std::memory_order_relaxed)));
    }
    const uint64_t too_large = too_large_.load(std::memory_order_relaxed);
    return (too_large == 0 &&
            paid_.load(std::memory_order_relaxed) >= sizeof(SegmentBlock)) ||
           share_->MayTake(std::max(stored, too_large));
  }
  // Takes from the budget what one more segment needs, of those that stay: an
  // object, and, unless *piece is 0, a piece of that size for its `size` bytes
  // and others', or as large a one as there is room for.
  // REQUIRES: share_, mutex_
  bool TakeRoom(size_t size, size_t* piece);
  // The block of *contents, with room taken for it, and how much that is; null
  // if there is none.  REQUIRES: mutex_
  std::unique_ptr<SegmentBlock> HoldToStay(
      ROCKSDB_NAMESPACE::BlockContents* contents, size_t* usage);
  std::unique_ptr<SegmentBlock> HoldAlone(
      ROCKSDB_NAMESPACE::BlockContents* contents, size_t* usage);
  // num_held_ and memory_usage_.  REQUIRES: mutex_
  void Count(uint32_t num_held, size_t memory_usage);
  bool LetGo(size_t* steps) override;

  std::unique_ptr<PinBudget::Share> share_;
  std::shared_ptr<SegmentEntry::Slots> slots_;
  bool lets_go_ = false;
  std::mutex mutex_;
  PinnedBytes bytes_;  // of segments that stay
  uint32_t num_held_ = 0;
  uint32_t hand_ = 0;  // the slot that is asked next whether it is used
  // Written with the mutex.
  std::atomic<bool> complete_{false};
  std::atomic<size_t> memory_usage_{0};
  // What a segment takes that may be let go, on average.
  std::atomic<uint64_t> usual_size_{0};
  // Taken of the share for objects to come, which have room in a piece.
  std::atomic<uint64_t> paid_{0};
  // Bytes that there was no room for, when a segment was last read in vain; of
  // segments that stay.
  std::atomic<uint64_t> too_large_{0};
};

}  // namespace memkv
