// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/jemalloc_stats.h"

#include <jemalloc/jemalloc.h>

#include <cstdint>

#include "db_bench_ext/common/check.h"

namespace memkv {

namespace {

size_t ReadSize(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  if (mallctl(name, &value, &size, nullptr, 0) != 0) {
    throw Failure(rocksdb::Status::NotSupported(
        "jemalloc, of this program, has no statistics", name));
  }
  return value;
}

}  // namespace

JemallocBytes ReadJemallocBytes() {
  // jemalloc caches its statistics; a new epoch refreshes them.
  uint64_t epoch = 1;
  (void)mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch));
  return {ReadSize("stats.allocated"), ReadSize("stats.active"),
          ReadSize("stats.resident")};
}

void ReleaseFreedMemory() {
  (void)mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  // 4096 is MALLCTL_ARENAS_ALL.
  (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace memkv
