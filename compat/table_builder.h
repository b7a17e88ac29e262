// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a table builder asks RocksDB for.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compat/version.h"
#include "db/table_properties_collector.h"
#include "rocksdb/options.h"
#include "table/block_based/block_based_table_builder.h"
#include "table/meta_blocks.h"
#include "table/table_builder.h"

namespace memkv {
namespace compat {

using Collector = ROCKSDB_NAMESPACE::InternalTblPropColl;
using Collectors = std::vector<std::unique_ptr<Collector>>;

// Makes the table properties collectors that `tbo` asks for.
inline void MakeCollectors(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                           Collectors* out) {
  if (tbo.internal_tbl_prop_coll_factories == nullptr) return;
  for (const auto& factory : *tbo.internal_tbl_prop_coll_factories) {
    std::unique_ptr<Collector> collector(factory->CreateInternalTblPropColl(
        tbo.column_family_id, tbo.level_at_creation, tbo.ioptions.num_levels,
        tbo.last_level_inclusive_max_seqno_threshold));
    if (collector != nullptr) out->push_back(std::move(collector));
  }
}

// Whether the caller wants no filter whatever the options say.  11.0 has no
// such callers any more.
inline bool SkipsFilters(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo) {
#if MEMKV_ROCKSDB >= 1100
  (void)tbo;
  return false;
#else
  return tbo.skip_filters;
#endif
}

// RocksDB's text for compression options, as the properties carry it.  9.10
// asks for a mutable argument.
inline std::string CompressionOptionsName(
    ROCKSDB_NAMESPACE::CompressionOptions options) {
  return ROCKSDB_NAMESPACE::CompressionOptionsToString(options);
}

}  // namespace compat
}  // namespace memkv
