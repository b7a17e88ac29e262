// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Read timings of two databases that hold the same records, taken in pairs:
// every round runs every operation on both, the same probes for both, with the
// side that goes first alternating, and the median over the rounds is the
// figure. Times are CPU time of the one thread that reads (everything is in
// memory by then), which a busy machine disturbs less than wall time.
//
// Every timed operation also checks itself: what was found, missed or scanned
// must add up to what the input says, on both sides.
//
// Thread safety: functions without shared state.
//
// Known weakness: a round's probes touch the caches that the other side has
// just filled with the input's keys; alternation makes that fair, not free.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/status.h"

namespace memkv {

struct Timing {
  std::string label;
  double stock_ns = 0;  // per operation, or per key for scans
  double memkv_ns = 0;
};

struct MeasureOptions {
  uint64_t seed = 1;
  unsigned rounds = 3;
  size_t point_probes = 200000;
  size_t seek_probes = 50000;
};

// How many steps MeasureReads adds to its progress bar.
uint64_t MeasureSteps(const MeasureOptions& options);

rocksdb::Status MeasureReads(const BenchDatabase& stock,
                             const BenchDatabase& memkv,
                             const RecordSet& records,
                             const MeasureOptions& options,
                             ProgressBar* progress,
                             std::vector<Timing>* timings);

}  // namespace memkv
