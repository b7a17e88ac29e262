// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Where DB::Open() and its like put the database: in a DB*, and from 9.11
// on in a std::unique_ptr<DB>, which is the only way from 11 on.

#pragma once

#include <memory>

#include "compat/version.h"
#include "rocksdb/db.h"

namespace memkv {
namespace compat {

// For one call: DB::Open(options, path, compat::Into(&db)).  The caller owns
// *db, which is set when the statement ends; it is null if opening failed.
class Into {
 public:
  explicit Into(ROCKSDB_NAMESPACE::DB** db) : db_(db) {}
  Into(const Into&) = delete;
  Into& operator=(const Into&) = delete;

  // As an argument it is what this version of RocksDB takes.
#if MEMKV_ROCKSDB >= 911
  ~Into() { *db_ = owner_.release(); }
  // NOLINTNEXTLINE(google-explicit-constructor): as said
  operator std::unique_ptr<ROCKSDB_NAMESPACE::DB>*() { return &owner_; }
#else
  // NOLINTNEXTLINE(google-explicit-constructor): as said
  operator ROCKSDB_NAMESPACE::DB**() { return db_; }
#endif

 private:
  ROCKSDB_NAMESPACE::DB** const db_;
#if MEMKV_ROCKSDB >= 911
  std::unique_ptr<ROCKSDB_NAMESPACE::DB> owner_;
#endif
};

}  // namespace compat
}  // namespace memkv
