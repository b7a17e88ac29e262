// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a database takes, by component: bytes of its files, by their table
// properties, and bytes of memory, by jemalloc's account and RocksDB's own.
// What the components do not explain is shown as the rest, not spread over
// them.
//
// Thread safety: functions without shared state; nothing else may allocate
// while memory is measured.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/common/jemalloc_stats.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "rocksdb/status.h"

namespace memkv {

struct SizeComponent {
  std::string name;
  int64_t bytes = 0;
};

struct Sizes {
  // False: this program does not run on jemalloc, and nothing is known.
  bool known = true;
  int64_t total = 0;
  // Of memory alone: jemalloc's other two figures.
  int64_t active = 0;
  int64_t resident = 0;
  // Their sum is the total.
  std::vector<SizeComponent> components;
};

// Of all live table files.
rocksdb::Status MeasureDisk(const DatabaseUnderTest& subject, Sizes* sizes);

// jemalloc's figures with nothing freed kept back, to be taken before a
// database is opened. False without jemalloc.
bool MemoryBefore(JemallocBytes* before);
// What the open database of a subject has added since `before`.
rocksdb::Status MeasureMemory(const DatabaseUnderTest& subject, bool known,
                              const JemallocBytes& before, Sizes* sizes);

// A memtable of the first `count` records of `order`, in a database of its own
// at `path`, which is gone afterwards.
rocksdb::Status MeasureMemtable(const BenchConfig& config,
                                const std::string& path,
                                const BenchRecords& records,
                                const std::vector<uint32_t>& order,
                                size_t count, Sizes* sizes);

}  // namespace memkv
