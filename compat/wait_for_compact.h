// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Waiting for a database's flushes and compactions, as tests do.

#pragma once

#include "compat/version.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#if MEMKV_ROCKSDB < 804
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#endif

namespace memkv {
namespace compat {

// Until nothing runs and nothing is due.
inline ROCKSDB_NAMESPACE::Status WaitForCompact(ROCKSDB_NAMESPACE::DB* db) {
#if MEMKV_ROCKSDB >= 804
  return db->WaitForCompact(ROCKSDB_NAMESPACE::WaitForCompactOptions());
#else
  using Properties = ROCKSDB_NAMESPACE::DB::Properties;
  const auto is_set = [db](const std::string& property) {
    uint64_t n = 0;
    return db->GetIntProperty(property, &n) && n != 0;
  };
  // A compaction may be due for which nothing can be picked (universal style):
  // if none begins for so long, none will.
  constexpr int kIdlePolls = 100;
  for (int idle = 0; idle < kIdlePolls;) {
    if (is_set(Properties::kMemTableFlushPending) ||
        is_set(Properties::kNumRunningFlushes) ||
        is_set(Properties::kNumRunningCompactions)) {
      idle = 0;
    } else if (is_set(Properties::kCompactionPending)) {
      ++idle;
    } else {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
