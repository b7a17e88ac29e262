// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The filter that an open file holds in memory, outside of the block cache:
// from the beginning, or once there is room for it in a budget.  One that is
// held stays until the file is closed.
//
// Thread safety: Start() comes before all else; then all methods may be called
// from any thread.
//
// Invariants
// (P1) The filter is null, and then for good the block that was added.
// Memory order: it is stored with release, after the block is whole, and loaded
// with acquire.  Adding takes a mutex, below which the file is read and the
// budget's is taken; who finds it taken does without the filter.

#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "rocksdb/status.h"
#include "table/fst/blocks.h"
#include "table/fst/pin_budget.h"

namespace memkv {

class PinnedFilter {
 public:
  // share: where the bytes come from; null: nothing is asked, and the file
  // holds its filter after the first Add() that succeeds.
  void Start(std::unique_ptr<PinBudget::FilterShare> share) {
    share_ = std::move(share);
  }
  // Whether there is a budget, without whose room the filter is not asked.
  bool budgeted() const { return share_ != nullptr; }

  // The filter, or null if it is not held.
  FilterBlock* Find() const { return held_.load(std::memory_order_acquire); }
  // Whether Add() may find room, about.
  // REQUIRES: budgeted()
  bool MayAdd() const { return share_->MayTake(); }

  // Reads the filter by `read(std::unique_ptr<FilterBlock>*)` and holds it,
  // unless there is no room for it or another thread is about to.
  template <typename ReadFn>
  ROCKSDB_NAMESPACE::Status Add(const ReadFn& read) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || block_ != nullptr ||
        (share_ != nullptr && !share_->Take())) {
      return ROCKSDB_NAMESPACE::Status::OK();
    }
    const ROCKSDB_NAMESPACE::Status s = read(&block_);
    if (s.ok()) {
      held_.store(block_.get(), std::memory_order_release);
    } else if (share_ != nullptr) {
      share_->PutBack();
    }
    return s;
  }

  // What is allocated, in bytes; and how much of that the budget has charged.
  size_t MemoryUsage() const {
    const FilterBlock* const held = Find();
    return held == nullptr ? 0 : held->ApproximateMemoryUsage();
  }
  size_t charged_bytes() const {
    // The bytes of a mapped file are not allocated.
    return budgeted() ? std::min<size_t>(share_->bytes(), MemoryUsage()) : 0;
  }

 private:
  std::unique_ptr<PinBudget::FilterShare> share_;
  std::mutex mutex_;
  std::unique_ptr<FilterBlock> block_;  // guarded by mutex_
  std::atomic<FilterBlock*> held_{nullptr};
};

}  // namespace memkv
