// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Opening a database in a program that compiles with any RocksDB, by its public
// headers alone.

#pragma once

#include <memory>
#include <type_traits>

#include "rocksdb/db.h"

// open(out) is DB::Open() or its like, with `out` for where the database goes:
// a std::unique_ptr<DB>* where RocksDB takes one, from 9.11 on, otherwise a
// DB**. `open` names its return type by decltype, so that it can be asked
// which.
template <typename Open>
rocksdb::Status OpenDatabase(const Open& open,
                             std::unique_ptr<rocksdb::DB>* db) {
  if constexpr (std::is_invocable_v<const Open&,
                                    std::unique_ptr<rocksdb::DB>*>) {
    return open(db);
  } else {
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status s = open(&opened);
    db->reset(opened);
    return s;
  }
}
