// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's TableFactory as memkv implements it, and the block-based one that
// it wraps.

#pragma once

#include <memory>

#include "compat/version.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "table/block_based/block_based_table_factory.h"

namespace memkv {
namespace compat {

// From 9.8 on SetOptions() changes a clone of the factory, which then takes its
// place.  Before, it changed the factory that is in use.
constexpr bool kTableOptionsChangeLive = MEMKV_ROCKSDB >= 908;

class TableFactoryBase : public ROCKSDB_NAMESPACE::TableFactory {
#if MEMKV_ROCKSDB < 908
 public:
  virtual std::unique_ptr<ROCKSDB_NAMESPACE::TableFactory> Clone() const = 0;
#endif
};

// A copy of a block-based factory, to be configured.
inline std::unique_ptr<ROCKSDB_NAMESPACE::TableFactory> CloneBlockBased(
    const ROCKSDB_NAMESPACE::TableFactory& block_based) {
#if MEMKV_ROCKSDB >= 908
  return block_based.Clone();
#else
  using Options = ROCKSDB_NAMESPACE::BlockBasedTableOptions;
  const auto& options = *block_based.GetOptions<Options>();
  std::unique_ptr<ROCKSDB_NAMESPACE::TableFactory> clone(
      ROCKSDB_NAMESPACE::NewBlockBasedTableFactory(options));
  // The constructor has prepared its own.
  *clone->GetOptions<Options>() = options;
  return clone;
#endif
}

// The factory for one file, whose options are as its builder or reader counts
// on them.  What SetOptions() has set one by one is not prepared; of
// partitioned filters without a partitioned index, a builder would crash.
inline std::shared_ptr<ROCKSDB_NAMESPACE::TableFactory> PreparedBlockBased(
    const std::shared_ptr<ROCKSDB_NAMESPACE::TableFactory>& block_based) {
#if MEMKV_ROCKSDB >= 908
  using Options = ROCKSDB_NAMESPACE::BlockBasedTableOptions;
  Options options = *block_based->GetOptions<Options>();
  // Else each file would get a cache of its own.
  if (options.block_cache == nullptr) options.no_block_cache = true;
  // The constructor prepares them.  PrepareOptions() would prepare the filter
  // policy, too, which is shared and in use.
  ROCKSDB_NAMESPACE::BlockBasedTableFactory constructed(options);
  // The clone shares what the inner factory counts.
  std::shared_ptr<ROCKSDB_NAMESPACE::TableFactory> prepared =
      block_based->Clone();
  *prepared->GetOptions<Options>() = *constructed.GetOptions<Options>();
  return prepared;
#else
  // Options were prepared with the database's, and have not changed since.
  return block_based;
#endif
}

}  // namespace compat
}  // namespace memkv
