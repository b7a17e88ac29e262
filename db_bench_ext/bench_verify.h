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

#include "db_bench_ext/bench_database.h"
#include "db_bench_ext/progress_bar.h"
#include "db_bench_ext/record_set.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace memkv {

// Every record by Get. Compares values byte by byte.
rocksdb::Status VerifyByGet(const BenchDatabase& database,
                            const RecordSet& records, ProgressBar* progress);

// Every record by one iterator from end to end, in either direction. Compares
// keys, values, order and count.
rocksdb::Status VerifyByScan(const BenchDatabase& database,
                             const RecordSet& records, bool forwards,
                             ProgressBar* progress);

// `bytes` in quotes, what is not printable as \xNN, cut short if very long.
std::string Quoted(const rocksdb::Slice& bytes);

}  // namespace memkv
