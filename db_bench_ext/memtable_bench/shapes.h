// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench --sets=shapes: every shape of keys (key_shapes.h) in every
// memtable. It has a clock and report of its own instead of Google Benchmark's,
// because what it looks for are ratios of ten and more: each repeat takes all
// memtables through a shape, one behind the other. Operations are those of
// cases.h; `worst` is the slowest insert of a load: of each entry the least
// time of all repeats, and of those the most. Shapes that ask for it are run by
// 1, 2, 4 and 8 threads, too, each number in a row of its own. The memtable is
// never marked as read-only: it is read as the one that is written.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <vector>

#include "db_bench_ext/common/shape_run.h"
#include "db_bench_ext/memtable_bench/table.h"

namespace memkv {

// Measures shapes in all subjects, compared with the first, and prints the
// report to `out`. Memtables that cannot be written by several threads are left
// out. A wrong answer is a Failure, of Corruption.
void RunMemtableShapes(const std::vector<Subject>& subjects,
                       const ShapeRunOptions& options, size_t value_size,
                       FILE* out);

}  // namespace memkv
