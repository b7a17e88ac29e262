// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether it pays to ask a file's filter before tries that are in memory.  A
// key that is not in the file costs a search of the trie without the filter,
// which is three times what asking costs each key that is.  So it pays where at
// least a quarter of the keys that are sought in the file are not in it.  That
// is found out while the file is read: by a walk that goes three steps up for
// a key that is not there and one step down for one that is, within bounds.
//
// Thread safety: all methods may be called from any thread.
//
// Memory order: relaxed.  Threads that count at the same time lose counts of
// each other, which changes nothing but how soon the answer changes.  Where
// all keys are there, or almost none, the walk stands at a bound, and nothing
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

  // Of a get, or of several: so many keys were in the file, and were not.
  void Count(int64_t found, int64_t missed) {
    if (ROCKSDB_NAMESPACE::Random::GetTLSInstance()->OneIn(kSampled)) {
      CountAll(found, missed);
    }
  }
  // The same of the calls that are looked at.
  void CountAll(int64_t found, int64_t missed) {
    const int64_t at = walk_.load(std::memory_order_relaxed);
    const int64_t next =
        std::clamp(at + 3 * missed - found, int64_t{-kBound}, kBound);
    if (next != at) walk_.store(next, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> walk_{kBound};
};

}  // namespace memkv
