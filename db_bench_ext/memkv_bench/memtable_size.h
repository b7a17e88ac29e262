// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchDelta: memkv_bench --delta, what the size of the delta (the memtable,
// write_buffer_size) buys and costs. For each size and configuration, generated
// URLs are loaded in no order into a database of its own; then, with the
// memtable as the load left it, and again after it was flushed and all
// compactions due are done, keys are looked up. All of it is compared with what
// was loaded.
//
// Thread safety: none; results may be read by others meanwhile.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/memory_limit.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "rocksdb/status.h"

namespace memkv {

class BenchDelta {
 public:
  // `sizes` of a memtable, ascending.
  BenchDelta(const BenchOptions& options, uint64_t budget,
             const std::vector<uint64_t>& sizes, const std::string& dir,
             BenchResults* results);

  rocksdb::Status Run();

 private:
  rocksdb::Status Point(const BenchConfig& config, uint64_t size, Json* point);
  void Publish();

  const BenchOptions& options_;
  const uint64_t budget_;
  const std::vector<uint64_t> sizes_;
  const std::string dir_;
  BenchResults* const results_;
  const MemoryLimit limit_;
  GeneratedRecords records_;
  ProgressBar progress_;
  Json runs_ = Json::array();
};

}  // namespace memkv
