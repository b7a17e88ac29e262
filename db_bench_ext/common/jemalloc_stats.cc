// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/jemalloc_stats.h"

#include <cstdint>

// Weak, so that a build without jemalloc still links and says "n/a".
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size,
                       void* new_value, size_t new_size) __attribute__((weak));

namespace memkv {

namespace {

bool ReadSize(const char* name, size_t* value) {
  size_t size = sizeof(*value);
  return mallctl(name, value, &size, nullptr, 0) == 0;
}

}  // namespace

bool ReadJemallocBytes(JemallocBytes* bytes) {
  if (mallctl == nullptr) {
    return false;
  }
  // jemalloc caches its statistics; a new epoch refreshes them.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  if (mallctl("epoch", &epoch, &size, &epoch, size) != 0) {
    return false;
  }
  JemallocBytes read;
  if (!ReadSize("stats.allocated", &read.allocated) ||
      !ReadSize("stats.active", &read.active) ||
      !ReadSize("stats.resident", &read.resident)) {
    return false;
  }
  *bytes = read;
  return true;
}

bool JemallocAllocated(size_t* bytes) {
  JemallocBytes read;
  if (!ReadJemallocBytes(&read)) {
    return false;
  }
  *bytes = read.allocated;
  return true;
}

void ReleaseFreedMemory() {
  if (mallctl != nullptr) {
    (void)mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
    // 4096 is MALLCTL_ARENAS_ALL.
    (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  }
}

}  // namespace memkv
