// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Compares a database with the records it was loaded from. A difference is
// Corruption naming the database, what it was asked, what was expected and what
// was found.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>
#include <vector>

#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "rocksdb/status.h"

namespace memkv {

// Every record by Get.
rocksdb::Status VerifyByGet(const BenchDatabase& database,
                            const ModelExpected& records);

// Every record by one iterator from end to end, in either direction. Compares
// keys, values, order and count.
rocksdb::Status VerifyByScan(const BenchDatabase& database,
                             const ModelExpected& records, bool forwards);

// What one would ask the records just loaded (--demo), answered with ordinary
// RocksDB calls: questions and answers, line by line. For apt-contents as the
// `source`: which packages ship some files, and what lies under one folder. For
// other keys: what shares the first part of a key of the middle.
rocksdb::Status AnswerQuestions(const BenchDatabase& database,
                                const RecordSet& records,
                                const std::string& source,
                                std::vector<std::string>* lines);

}  // namespace memkv
