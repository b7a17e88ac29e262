// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Counts the cache lines that a look-up waits for one after the other: what it
// costs when they are not in a cache.  Lines that are asked for ahead, all at
// once, count as the first of them.
//
// Only where MEMKV_COUNT_LINES is defined, for the whole program
// (key_coding_lines); otherwise nothing is compiled.
//
// Thread safety: a count a thread.

#pragma once

#include <cstddef>
#include <cstdint>

namespace memkv {

#if defined(MEMKV_COUNT_LINES)

class CacheLineCounter {
 public:
  static void Start() { Count() = 0; }
  // Different lines since Start.
  static size_t Lines() { return Count(); }
  static void Add(const void* p) {
    const uintptr_t line = reinterpret_cast<uintptr_t>(p) / kLineSize;
    size_t& count = Count();
    for (size_t i = 0; i < count && i < kRemembered; ++i) {
      if (Seen()[i] == line) {
        return;
      }
    }
    if (count < kRemembered) {
      Seen()[count] = line;
    }
    ++count;
  }

 private:
  static constexpr size_t kLineSize = 64;
  static constexpr size_t kRemembered = 1024;

  static size_t& Count() {
    static thread_local size_t count = 0;
    return count;
  }
  static uintptr_t* Seen() {
    static thread_local uintptr_t seen[kRemembered];
    return seen;
  }
};

// Says that what comes next waits for the line at p.
inline void CountCacheLine(const void* p) { CacheLineCounter::Add(p); }

#else

inline void CountCacheLine(const void* /*p*/) {}

#endif

}  // namespace memkv
