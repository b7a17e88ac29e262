// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How much of their segments and default filters the open files of a process
// may pin with residency=auto: a share of the block cache's capacity, charged
// to it, so that what is pinned and what is cached are together what the user
// configured.  All files that share a block cache share one budget, whatever
// database they are of.
//
// A file takes bytes when a segment of it is first used, and gives all back
// when it is closed.  Files whose segments are large give back none before.
// Those whose segments are small are *holders*: when segments are read that
// there was no room for, a hand goes over what they hold, and lets go of what
// was not used since it last came by, as that of a clock cache.  For
// each such read it moves by an eighth of a segment that is held, or by two
// that are not.  So where all segments are used alike it lets go of few: in a
// round, a segment that is held is used 8 h / (1 - h) times and more, if h is
// the part of them that is.
//
// A filter is held whole or not at all.  Its bytes are promised when its file
// is opened, if filters have not been promised three quarters of the limit.
// What is promised is kept from segments, which would fill the room for good,
// and taken when there is room: a compaction opens its output while the files
// that it replaces still hold theirs.
//
// Invariants
// (B1) used <= the limit, as it was when bytes were last taken: of segments,
// and
//      of filters that are held.
// (B2) promised filters <= three quarters of the limit, when each was promised.
// (B3) A segment takes nothing that used + owed would exceed the limit by; owed
//      is what is promised and not yet taken.
//
// Thread safety: all methods are thread-safe.
//
// Locks: one mutex of what is taken, below which only the block cache's are
// taken; and one of the holders, below which theirs are, and then that one.
// Memory order: the counters are also read without the mutex, relaxed: such an
// answer is a guess, and Take() has the last word.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cache/cache_reservation_manager.h"
#include "compat/block_cache.h"
#include "util/random.h"

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
  // Bytes that filters have, or will have when there is room.
  uint64_t filters() const { return filters_.load(std::memory_order_relaxed); }
  // The most that filters may be promised of a limit.
  static uint64_t FilterLimit(uint64_t limit) { return limit / 4 * 3; }

  // Who holds what may be let go.
  class Holder {
   public:
    virtual ~Holder() = default;
    // Looks at as many of what is held as *steps says, from where the last call
    // ended, and lets go of what was not used since it was last looked at.
    // Subtracts from *steps.  True if it has come to the end, and will begin
    // anew.
    virtual bool LetGo(size_t* steps) = 0;

   private:
    friend class PinBudget;
    size_t place_ = 0;  // in holders_
  };

  // What the segments of one open file have of it.
  class Share {
   public:
    // `segments`: bytes of all segments of the file, about; `limit` as above.
    Share(std::shared_ptr<PinBudget> budget, uint64_t limit, uint64_t segments);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Whether there is room for so many bytes, about: by the capacity that the
    // block cache had when the file was opened or last took some.  While a
    // block cache with a strict limit has refused them, one call in
    // kAskedAgain.
    bool MayTake(uint64_t bytes) const {
      return budget_->used() + budget_->owed_.load(std::memory_order_relaxed) +
                     bytes <=
                 limit_.load(std::memory_order_relaxed) &&
             (!refused_.load(std::memory_order_relaxed) ||
              ROCKSDB_NAMESPACE::Random::GetTLSInstance()->OneIn(kAskedAgain));
    }
    // Whether the segments and default filters of all open files fit, about.
    bool FitsAll() const {
      return budget_->segments_.load(std::memory_order_relaxed) <=
             limit_.load(std::memory_order_relaxed);
    }
    // Takes `most` bytes, or as many as are left, but no fewer than `least`.
    // Returns how many: 0 if there is no room for them.
    uint64_t Take(uint64_t least, uint64_t most);
    // Gives back bytes that were taken.
    void GiveBack(uint64_t bytes);
    // By how much what is pinned exceeds the limit, the largest of all files'.
    uint64_t Excess() const;

    // A holder is asked from AddHolder() on, and not after RemoveHolder() has
    // returned.
    void AddHolder(Holder* holder);
    void RemoveHolder(Holder* holder);
    // A segment was read for which there was no room: moves the hand, if it is
    // time.
    void CountUnheldRead() { budget_->CountUnheldRead(); }

   private:
    static constexpr int kAskedAgain = 1024;

    const std::shared_ptr<PinBudget> budget_;
    const uint64_t asked_limit_;
    const uint64_t segments_;
    std::atomic<uint64_t> limit_;
    std::atomic<bool> refused_{false};  // by the block cache; see MayTake()
    uint64_t taken_ = 0;                // of budget_->mutex_
    bool little_room_ = false;          // the same
  };

  // What the filter of one open file has of it: its bytes, or nothing.
  class FilterShare {
   public:
    // Promises it `bytes` if filters may have so many more.
    FilterShare(std::shared_ptr<PinBudget> budget, uint64_t limit,
                uint64_t bytes);
    ~FilterShare();
    FilterShare(const FilterShare&) = delete;
    FilterShare& operator=(const FilterShare&) = delete;

    uint64_t bytes() const { return bytes_; }
    // Whether Take() would change anything, about.
    bool MayTake() const;
    // Takes the bytes if there is room, else promises them if that may be.
    // Whether they are taken, now or before.
    bool Take();
    // What was taken stays promised.  REQUIRES: it is taken
    void PutBack();

   private:
    // REQUIRES: budget_->mutex_
    void Promise(uint64_t limit);

    const std::shared_ptr<PinBudget> budget_;
    const uint64_t asked_limit_;
    const uint64_t bytes_;
    // As Share::limit_.
    std::atomic<uint64_t> limit_;
    std::atomic<bool> promised_{false};  // written with budget_->mutex_
    bool taken_ = false;                 // of budget_->mutex_
  };

 private:
  // How often the hand moves, and by how many segments.
  static constexpr uint64_t kReadsAMove = 64;
  static constexpr size_t kStepsAMove = 8;

  void CountUnheldRead();
  // Charges `used` to the block cache.  False if it has no room.
  // REQUIRES: mutex_
  bool Charge(uint64_t used);
  // Takes bytes and charges them.  False if the block cache has no room.
  // REQUIRES: mutex_
  bool Use(uint64_t bytes);
  // REQUIRES: mutex_
  void GiveBack(uint64_t bytes);

  const std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache_;  // may be null
  std::mutex mutex_;
  // Null without a block cache.  Guarded by mutex_.
  const std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
      reservation_;
  std::atomic<uint64_t> used_{0};      // written with mutex_
  std::atomic<uint64_t> filters_{0};   // promised; written with mutex_
  std::atomic<uint64_t> owed_{0};      // of that, not taken; with mutex_
  std::atomic<uint64_t> segments_{0};  // and filters, of all open files
  // The limits that open files were given, and how many of them; with mutex_.
  std::map<uint64_t, size_t> asked_limits_;
  std::atomic<uint64_t> unheld_reads_{0};

  std::mutex holders_mutex_;
  std::vector<Holder*> holders_;  // guarded by holders_mutex_
  size_t hand_ = 0;               // at one of them; the same
};

}  // namespace memkv
