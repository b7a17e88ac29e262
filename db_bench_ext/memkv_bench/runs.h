// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The four kinds of run of memkv_bench. A step that fails, a wrong answer
// among them, is a Failure; what was measured until then is in the results.
//
// docs/benchmarks.md says what each does, in which order, and what it compares.
//
// Thread safety: none; results may be read by others meanwhile.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/results.h"

namespace memkv {

struct RunContext {
  const BenchOptions& options;
  std::string dir;  // databases are made below it
  BenchResults* results;
};

void RunWorkloads(const RunContext& context, const BenchRecords& records);
// How size, memory and speed grow with the number of keys, up to `budget`.
// `orders` are of "sorted" and "shuffled".
void RunScale(const RunContext& context, uint64_t budget,
              const std::vector<std::string>& orders);
// What the size of the memtable buys and costs. `sizes` ascend.
void RunMemtableSize(const RunContext& context, uint64_t budget,
                     const std::vector<uint64_t>& sizes);

// What reading costs with each of these capacities of the block cache, which
// ascend. `direct_reads`: past the page cache.
void RunMemory(const RunContext& context, const BenchRecords& records,
               const std::vector<uint64_t>& capacities, bool direct_reads);

}  // namespace memkv
