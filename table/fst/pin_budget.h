// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How much of their segments the open files of a process may pin with
// residency=auto: a share of the block cache's capacity, charged to it, so that
// what is pinned and what is cached are together what the user configured.  All
// files that share a block cache share one budget, whatever database they are
// of.
//
// A file takes bytes when a segment of it is first used, and gives all back
// when it is closed: segments of a file that is open are not let go, for
// readers use them without a reference.  So who comes first is served, until
// compaction replaces the file.
//
// Thread safety: all methods are thread-safe.
//
// Locks: one mutex, below which only the block cache's are taken.
// Memory order: the counters are also read without the mutex, relaxed: such an
// answer is a guess, and Take() has the last word.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cache/cache_reservation_manager.h"
#include "compat/block_cache.h"

namespace memkv {

class PinBudget {
 public:
  // The budget of all who use this block cache, or, if it is null, of all who
  // use none.
  static std::shared_ptr<PinBudget> Of(
      const std::shared_ptr<ROCKSDB_NAMESPACE::Cache>& block_cache);

  explicit PinBudget(std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache);
  PinBudget(const PinBudget&) = delete;
  PinBudget& operator=(const PinBudget&) = delete;

  // The most that may be pinned: `limit`, or, if that is 0, three quarters of
  // the capacity the block cache has now; nothing if there is none, or if its
  // limit is strict.
  uint64_t Limit(uint64_t limit) const;
  // Whether the segments of all open files would fit, and `more` with them.
  bool FitsAll(uint64_t limit, uint64_t more) const {
    return segments_.load(std::memory_order_relaxed) + more <= Limit(limit);
  }
  // Bytes that are pinned.
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

  // What one open file has of it.
  class Share {
   public:
    // `segments`: bytes of all segments of the file, about, or of its filter;
    // `limit` as above.
    Share(std::shared_ptr<PinBudget> budget, uint64_t limit, uint64_t segments);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Whether there is room for so many bytes, about: by the capacity that the
    // block cache had when a file was last opened or closed.
    bool MayTake(uint64_t bytes) const {
      return budget_->used() + bytes <= limit_.load(std::memory_order_relaxed);
    }
    // Whether the segments of all open files fit, about.
    bool FitsAll() const {
      return budget_->segments_.load(std::memory_order_relaxed) <=
             limit_.load(std::memory_order_relaxed);
    }
    // Takes `most` bytes, or as many as are left, but no fewer than `least`.
    // Returns how many: 0 if there is no room for them.
    uint64_t Take(uint64_t least, uint64_t most);

   private:
    const std::shared_ptr<PinBudget> budget_;
    const uint64_t asked_limit_;
    const uint64_t segments_;
    std::atomic<uint64_t> limit_;
    uint64_t taken_ = 0;  // of budget_->mutex_
  };

 private:
  // Charges `used` to the block cache.  False if it has no room.
  // REQUIRES: mutex_
  bool Charge(uint64_t used);

  const std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache_;  // may be null
  std::mutex mutex_;
  // Null without a block cache.  Guarded by mutex_.
  const std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
      reservation_;
  std::atomic<uint64_t> used_{0};      // written with mutex_
  std::atomic<uint64_t> segments_{0};  // of all open files
};

}  // namespace memkv
