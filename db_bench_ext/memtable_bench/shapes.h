// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench --sets=shapes: every shape of keys (key_shapes.h) in every
// memtable. It has its own clock and report (shape_report.h) instead of Google
// Benchmark's, because what it looks for are ratios of ten and more: each
// repeat takes all memtables through a shape, one behind the other.
//
//   insert      an entry of the whole load, one writer
//   worst       the slowest insert of a load: of each entry the least time of
//               all repeats, and of those the most. What disturbs one repeat
//               is not in it
//   memory      bytes an entry, the entry included, by the Allocator's account
//               and the rep's own
//   hit, miss   Get of the newest version; of a key one byte from one
//   old         Get of a version at random, where keys have several
//   seek        Seek to a hit or a miss by turns, and the entry met is read
//   next, prev  a step of a full iteration, the entry's sizes are read
//   count       ApproximateNumEntries between two random keys
//   count_off   by what factor that is wrong, the geometric mean
//   prefix_off  the same of all keys with a common prefix
//   sample      UniqueRandomSample of a quarter of the square root of all, an
//               entry of the sample
//   sample_10%  the same of a tenth of all
//
// Shapes that ask for it are run by 1, 2, 4 and 8 threads, too, each number in
// a row of its own:
//
//   insert      as many writers insert at once
//   hit         as many readers, while one writer inserts
//   busy_insert what an insert takes that writer
//
// All times are CPU time of the threads that did it. The memtable is never
// marked as read-only: it is read as the one that is written.
//
// Every answer is checked, except counts and samples, which may be about right.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "db_bench_ext/common/shape_report.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "db_bench_ext/memtable_bench/table.h"
#include "rocksdb/status.h"

namespace memkv {

struct ShapeCaseOptions {
  ShapeOptions shape;
  size_t value_size = 8;
  uint64_t repeats = 3;
  // A shape that has taken so long is not repeated once more.
  double seconds = 20;
};

// Measures these shapes in all subjects, compared with the first, and prints
// the report to `out`. Memtables that cannot be written by several threads are
// left out. A wrong answer is Corruption.
rocksdb::Status RunMemtableShapes(const std::vector<std::string>& shapes,
                                  const std::vector<Subject>& subjects,
                                  const ShapeCaseOptions& options, FILE* out);

}  // namespace memkv
