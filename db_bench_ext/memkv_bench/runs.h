// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The three kinds of run of memkv_bench. A step that fails, a wrong answer
// among them, is a Failure; what was measured until then is in the results.
//
// RunWorkloads: each repeat makes every configuration's database anew and takes
// all of them through one workload before the next, so that a disturbance of
// the machine meets all alike; who goes first rotates. Loads go in slices, in
// turns. After what writes, the databases are compared with what they must
// hold: all of it, scanning forwards; in the first repeat scanning backwards
// and by Get as well.
//
// RunScale: how size, memory and speed grow with the number of keys. For each
// configuration, each order (sorted, shuffled) and each of three numbers of
// generated URLs, the largest of which is the budget and each a tenth of the
// next, a database is loaded, compacted, opened again and read whole, every
// record compared (generated_records.h). What the sizes of the three come to at
// more keys is said by a straight line in the logarithm. Of this program's own,
// memory does not grow with the keys.
//
// RunMemtableSize: what the size of the memtable (write_buffer_size) buys and
// costs. For each size and configuration, generated URLs are loaded in no order
// into a database of its own; then, with the memtable as the load left it, and
// again after it was flushed and all compactions due are done, keys are looked
// up. All of it is compared with what was loaded.
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
void RunScale(const RunContext& context, uint64_t budget);
// `sizes` ascend.
void RunMemtableSize(const RunContext& context, uint64_t budget,
                     const std::vector<uint64_t>& sizes);

}  // namespace memkv
