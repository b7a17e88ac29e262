// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench --sets=shapes: every shape of keys (key_shapes.h) in every
// memtable. It has its own clock and report (shape_report.h) instead of Google
// Benchmark's, because what it looks for are ratios of ten and more: each
// repeat takes all memtables through a shape, one behind the other. Operations
// are those of cases.h; `worst` is the slowest insert of a load: of each entry
// the least time of all repeats, and of those the most.
//
// Shapes that ask for it are run by 1, 2, 4 and 8 threads, too, each number in
// a row of its own: insert by as many writers at once; hit by as many readers
// while one writer inserts; busy_insert, what an insert takes that writer.
//
// The memtable is never marked as read-only: it is read as the one that is
// written.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "db_bench_ext/common/shape_report.h"
#include "db_bench_ext/memtable_bench/table.h"
#include "rocksdb/status.h"

namespace memkv {

// Measures these shapes in all subjects, compared with the first, and prints
// the report to `out`. Memtables that cannot be written by several threads are
// left out. A wrong answer is Corruption.
rocksdb::Status RunMemtableShapes(const std::vector<std::string>& shapes,
                                  const std::vector<Subject>& subjects,
                                  const ShapeRunOptions& options,
                                  size_t value_size, FILE* out);

}  // namespace memkv
