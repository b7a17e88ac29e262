// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The version of RocksDB that memkv is being compiled for.  What changes from
// release to release has its place in the files of this folder, one a topic; no
// file elsewhere asks for the version.

#pragma once

#include <string>

#include "rocksdb/version.h"

// 708 for 7.8, 910 for 9.10, 1104 for 11.4.
#define MEMKV_ROCKSDB (ROCKSDB_MAJOR * 100 + ROCKSDB_MINOR)

#if MEMKV_ROCKSDB < 708
#error "memkv needs RocksDB 7.8 or later"
#endif

namespace memkv {
namespace compat {

// As GetRocksVersionAsString() says it: "9.10.0".
inline std::string RocksDBVersion() {
  return std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) +
         "." + std::to_string(ROCKSDB_PATCH);
}

}  // namespace compat
}  // namespace memkv
