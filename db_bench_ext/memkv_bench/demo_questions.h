// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What one would ask the records just loaded, answered by the database with
// ordinary RocksDB calls, printed, and compared with the input once more.
//
// Thread safety: functions without shared state.

#pragma once

#include <cstdio>

#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/status.h"

namespace memkv {

// For Contents: which packages ship some files, and what lies under one
// folder. For other keys: what shares the first part of a key of the middle.
// An answer that the input contradicts is Corruption.
rocksdb::Status AnswerQuestions(const BenchDatabase& database,
                                const KeySet& input, FILE* out);

}  // namespace memkv
