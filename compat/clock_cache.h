// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's HyperClockCache, which no options string can make.

#pragma once

#include <cstddef>
#include <memory>

#include "compat/version.h"
#include "rocksdb/cache.h"

namespace memkv {
namespace compat {

// Old versions want to know how large an entry is about.
inline std::shared_ptr<ROCKSDB_NAMESPACE::Cache> NewHyperClockCache(
    size_t capacity) {
  constexpr size_t kEntryCharge = MEMKV_ROCKSDB >= 810 ? 0 : 4096;
  return ROCKSDB_NAMESPACE::HyperClockCacheOptions(capacity, kEntryCharge)
      .MakeSharedCache();
}

}  // namespace compat
}  // namespace memkv
