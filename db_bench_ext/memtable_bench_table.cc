// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench_table.h"

#include "rocksdb/comparator.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BytewiseComparator;
using ROCKSDB_NAMESPACE::InternalKeyComparator;

namespace {

// What column family options come to by default: an eighth of the write
// buffer, and no more than this.
constexpr size_t kArenaBlockBytes = size_t{1} << 20;

}  // namespace

BenchTable::BenchTable(ROCKSDB_NAMESPACE::MemTableRepFactory* factory)
    : arena_(kArenaBlockBytes),
      comparator_(InternalKeyComparator(BytewiseComparator())),
      rep_(factory->CreateMemTableRep(comparator_, &arena_, nullptr, nullptr)) {
}

size_t BenchTable::UsedBytes() const {
  return arena_.ApproximateMemoryUsage() + rep_->ApproximateMemoryUsage();
}

}  // namespace memkv
