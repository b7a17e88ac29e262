// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether it pays to ask a file's filter before tries that are in memory.  A
// key that is not in the file costs a search of the trie without the filter,
// which is three times what asking costs each key that is.  So it pays where at
// least a quarter of the keys that are sought in the file are not in it.  That
// is found out while the file is read: by a walk that goes three steps up for
// a key that is not there and one step down for one that is, within bounds.
// Another walk, of one step up and three down, tells where most keys are not in
// the file: there a get need not do anything else while it waits for the
// filter.
//
// Thread safety: all methods may be called from any thread.
//
// Memory order: relaxed.  Threads that count at the same time lose counts of
// each other, which changes nothing but how soon the answer changes.  Where
// all keys are there, or almost none, both walks stand at a bound, and nothing
// is written; else one call in kSampled writes at most, to a line of its own.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "util/random.h"

namespace memkv {

class alignas(64) FilterUse {
 public:
  // One call of Count() in so many is looked at.
  static constexpr int kSampled = 16;
  static constexpr int64_t kBound = 64;

  // At the beginning it does.
  bool Pays() const { return walk_.load(std::memory_order_relaxed) > 0; }
  // Whether three quarters or more of the keys are not in the file.
  bool MostAreMissed() const {
    return missed_walk_.load(std::memory_order_relaxed) > 0;
  }

  // Of a get, or of several: so many keys were in the file, and were not.
  void Count(int64_t found, int64_t missed) {
    if (ROCKSDB_NAMESPACE::Random::GetTLSInstance()->OneIn(kSampled)) {
      CountAll(found, missed);
    }
  }
  // The same of the calls that are looked at.
  void CountAll(int64_t found, int64_t missed) {
    Step(3 * missed - found, &walk_);
    Step(missed - 3 * found, &missed_walk_);
  }

 private:
  static void Step(int64_t by, std::atomic<int64_t>* walk) {
    const int64_t at = walk->load(std::memory_order_relaxed);
    const int64_t next = std::clamp(at + by, int64_t{-kBound}, kBound);
    if (next != at) walk->store(next, std::memory_order_relaxed);
  }

  std::atomic<int64_t> walk_{kBound};
  std::atomic<int64_t> missed_walk_{0};
};

}  // namespace memkv
