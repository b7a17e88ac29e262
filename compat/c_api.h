// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What is inside the structs of rocksdb/c.h, which RocksDB defines in db/c.cc
// alone.  In every version that memkv compiles for, the C++ object is the first
// member of each.

#pragma once

#include "rocksdb/c.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {
namespace compat {

inline ROCKSDB_NAMESPACE::DB* CppDB(rocksdb_t* db) {
  return *reinterpret_cast<ROCKSDB_NAMESPACE::DB**>(db);
}

inline ROCKSDB_NAMESPACE::ColumnFamilyHandle* CppColumnFamily(
    rocksdb_column_family_handle_t* column_family) {
  return *reinterpret_cast<ROCKSDB_NAMESPACE::ColumnFamilyHandle**>(
      column_family);
}

inline const ROCKSDB_NAMESPACE::ReadOptions& CppReadOptions(
    const rocksdb_readoptions_t* options) {
  return *reinterpret_cast<const ROCKSDB_NAMESPACE::ReadOptions*>(options);
}

}  // namespace compat
}  // namespace memkv
