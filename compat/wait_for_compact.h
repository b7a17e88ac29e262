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
  const auto busy = [db] {
    for (const auto& property :
         {Properties::kMemTableFlushPending, Properties::kNumRunningFlushes,
          Properties::kCompactionPending, Properties::kNumRunningCompactions}) {
      uint64_t n = 0;
      if (db->GetIntProperty(property, &n) && n != 0) return true;
    }
    return false;
  };
  while (busy()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
