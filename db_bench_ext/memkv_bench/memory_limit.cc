// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/memory_limit.h"

#include <string>

#include "rocksdb/advanced_cache.h"
#include "rocksdb/table.h"

namespace memkv {

using rocksdb::Status;

namespace {

// Null if there is none.
rocksdb::Cache* BlockCacheOf(BenchDatabase* database) {
  const auto* const table =
      database->options()
          ->table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  // A cache that is not wanted goes only when the database is opened.
  return table == nullptr || table->no_block_cache ? nullptr
                                                   : table->block_cache.get();
}

}  // namespace

Status MemoryLimit::Prepare(BenchDatabase* database) const {
  rocksdb::Cache* const cache = BlockCacheOf(database);
  if (!limited()) {
    if (cache != nullptr && otherwise_ > 0) {
      cache->SetCapacity(otherwise_);
    }
    return Status::OK();
  }
  if (cache == nullptr) {
    return Status::InvalidArgument("--memory_limit: " + database->name() +
                                   " has no block cache");
  }
  cache->SetCapacity(bytes_);
  database->options()->use_direct_reads = true;
  return Status::OK();
}

Status MemoryLimit::Apply(BenchDatabase* database) const {
  if (!limited()) {
    return Status::OK();
  }
  const uint64_t readers =
      database->Property(rocksdb::DB::Properties::kEstimateTableReadersMem);
  if (readers + kLeastBlockCache > bytes_) {
    return Status::MemoryLimit(
        "--memory_limit=" + std::to_string(bytes_) + ": " + database->name() +
            " needs " + std::to_string(readers + kLeastBlockCache) +
            " bytes for table readers and the least of block caches",
        "residency=cache pins no segments; cache_index_and_filter_blocks "
        "no index");
  }
  BlockCacheOf(database)->SetCapacity(bytes_ - readers);
  return Status::OK();
}

}  // namespace memkv
