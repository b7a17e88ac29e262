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

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

struct SizeComponent {
  std::string name;
  int64_t bytes = 0;
};

struct Sizes {
  int64_t total = 0;
  // Of memory alone: jemalloc's other two figures.
  int64_t active = 0;
  int64_t resident = 0;
  // Their sum is the total.
  std::vector<SizeComponent> components;

  // Bytes of a component, 0 if there is none of that name.
  int64_t Of(const std::string& name) const;
};

// Of all live table files.
Sizes MeasureDisk(const BenchDatabase& database);

// jemalloc's figures with nothing freed kept back, to be taken before a
// database is opened.
JemallocBytes MemoryBefore();
// What the open database has added since `before`.
Sizes MeasureMemory(const BenchDatabase& database, const JemallocBytes& before);

// A memtable of the first `count` records of `order`, in a database of its own
// at `path`, which is gone afterwards.
Sizes MeasureMemtable(const BenchConfig& config, const std::string& path,
                      const BenchRecords& records,
                      const std::vector<uint32_t>& order, size_t count);

}  // namespace memkv
