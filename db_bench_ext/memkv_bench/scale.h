// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchScale: memkv_bench --scale, how size, memory and speed grow with the
// number of keys. For each configuration, each order (sorted, shuffled) and
// each of three numbers of generated URLs, the largest of which is the budget
// and each a tenth of the next, a database is loaded, compacted, opened again
// and read whole, every record compared (generated_records.h). What the sizes
// of the three come to at more keys is said by a straight line in the
// logarithm.
//
// Of this program's own, memory does not grow with the keys.
//
// Thread safety: none; results may be read by others meanwhile.

#pragma once

#include <cstdint>
#include <string>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/memory_limit.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "rocksdb/status.h"

namespace memkv {

class BenchScale {
 public:
  BenchScale(const BenchOptions& options, uint64_t budget,
             const std::string& dir, BenchResults* results);

  rocksdb::Status Run();

 private:
  rocksdb::Status Point(const BenchConfig& config, bool sorted,
                        const GeneratedRecords& records, Json* point);
  rocksdb::Status Load(const GeneratedRecords& records, bool sorted,
                       BenchDatabase* database, Json* point);
  void Publish();

  const BenchOptions& options_;
  const uint64_t budget_;
  const std::string dir_;
  BenchResults* const results_;
  const MemoryLimit limit_;
  ProgressBar progress_;
  Json runs_ = Json::array();
};

}  // namespace memkv
