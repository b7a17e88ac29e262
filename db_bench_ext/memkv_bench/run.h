// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchRun: memkv_bench's plan. Each repeat makes every configuration's
// database anew and takes all of them through one workload before the next, so
// that a disturbance of the machine meets all alike; who goes first rotates.
// Loads go in slices, in turns. After what writes, the databases are compared
// with what they must hold: all of it, scanning forwards; in the first repeat
// scanning backwards and by Get as well.
//
// Thread safety: none; results may be read by others meanwhile.

#pragma once

#include <string>
#include <vector>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/memkv_bench/memory_limit.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

class BenchRun {
 public:
  // Databases are made below `dir`.
  BenchRun(const BenchOptions& options, const BenchRecords& records,
           const std::string& dir, BenchResults* results);

  rocksdb::Status Run();

 private:
  rocksdb::Status Repeat(unsigned repeat);
  rocksdb::Status Configure(const std::string& path,
                            DatabaseUnderTest* subject);
  rocksdb::Status MakeSubjects(const std::string& name);
  rocksdb::Status DropSubjects();
  rocksdb::Status Load(Workload workload);
  rocksdb::Status Writes(Workload workload);
  rocksdb::Status Reopen(bool thoroughly);
  rocksdb::Status Reads(Workload workload, uint64_t seed);
  rocksdb::Status Mixed(Workload workload, uint64_t seed);
  rocksdb::Status Verify(const DatabaseUnderTest& subject, bool thoroughly);
  void Step(const std::string& what, const DatabaseUnderTest* subject);
  uint64_t StepsOfRepeat() const;

  const BenchOptions& options_;
  const BenchRecords& records_;
  const std::string dir_;
  BenchResults* const results_;
  // Before each workload: what mixed ones have flushed has readers, too.
  const MemoryLimit limit_;
  ProgressBar progress_;
  std::vector<uint32_t> order_;              // shuffled
  std::vector<DatabaseUnderTest> subjects_;  // in the turn of this repeat
  unsigned turn_ = 0;
};

}  // namespace memkv
