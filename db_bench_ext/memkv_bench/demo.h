// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What one would ask the records just loaded (memkv_bench --demo), answered by
// a database with ordinary RocksDB calls and compared with the input once more.
//
// Thread safety: a function without shared state.

#pragma once

#include <string>
#include <vector>

#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memkv_bench/database.h"

namespace memkv {

// Questions and answers, line by line. For apt-contents as the `source`: which
// packages ship some files, and what lies under one folder. For other keys:
// what shares the first part of a key of the middle. An answer that the input
// contradicts is a Failure.
std::vector<std::string> AnswerQuestions(const BenchDatabase& database,
                                         const RecordSet& records,
                                         const std::string& source);

}  // namespace memkv
