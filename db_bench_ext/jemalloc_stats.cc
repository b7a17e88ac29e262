// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/jemalloc_stats.h"

#include <cstdint>

// Weak, so that a build without jemalloc still links and says "n/a".
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size,
                       void* new_value, size_t new_size) __attribute__((weak));

namespace memkv {

bool JemallocAllocated(size_t* bytes) {
  if (mallctl == nullptr) {
    return false;
  }
  // jemalloc caches its statistics; a new epoch refreshes them.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  if (mallctl("epoch", &epoch, &size, &epoch, size) != 0) {
    return false;
  }
  size_t allocated = 0;
  size = sizeof(allocated);
  if (mallctl("stats.allocated", &allocated, &size, nullptr, 0) != 0) {
    return false;
  }
  *bytes = allocated;
  return true;
}

}  // namespace memkv
