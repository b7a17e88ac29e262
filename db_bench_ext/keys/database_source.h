// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Records of an existing RocksDB database, of stock or memkv tables, so that
// people decide on their own data. The database is opened read-only and left as
// it is; what its write-ahead log has is read as well.
//
// Thread safety: a function without shared state.

#pragma once

#include <cstdint>
#include <string>

#include "db_bench_ext/keys/key_source.h"
#include "rocksdb/status.h"

namespace memkv {

// Reads the column family `column_family` of the database at `path`: all of
// it, or `sample` records (0: all) that lie evenly among all, of which the
// first is one. Options are those of the database's OPTIONS file. A column
// family that is not there is InvalidArgument that names those that are, and so
// is a family without a record.
//
// A sample is taken in a second pass. Memory: the sample, or all records.
//
// Known weakness: of wide columns only the default column is taken, and keys
// are compared bytewise from here on, whatever the database's comparator is.
// REQUIRES: RegisterMemkv() was called.
rocksdb::Status ReadDatabase(const std::string& path,
                             const std::string& column_family, uint64_t sample,
                             KeySet* input);

}  // namespace memkv
