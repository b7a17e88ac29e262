// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Compares a database with the records it was loaded from, record by record.
// A difference is Corruption naming the database, the operation, the key, what
// was expected and what was found.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>

#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace memkv {

// Every record by Get. Compares values byte by byte.
rocksdb::Status VerifyByGet(const BenchDatabase& database,
                            const ModelExpected& records);

// Every record by one iterator from end to end, in either direction. Compares
// keys, values, order and count.
rocksdb::Status VerifyByScan(const BenchDatabase& database,
                             const ModelExpected& records, bool forwards);

// `bytes` in quotes, what is not printable as \xNN, cut short if very long.
std::string Quoted(const rocksdb::Slice& bytes);

}  // namespace memkv
