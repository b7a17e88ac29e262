// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Writing an OPTIONS file.

#pragma once

#include <string>
#include <vector>

#include "compat/version.h"
#include "options/options_parser.h"

namespace memkv {
namespace compat {

// Below 8.11 RocksDB takes no WriteOptions for it.
inline ROCKSDB_NAMESPACE::Status PersistOptions(
    const ROCKSDB_NAMESPACE::DBOptions& options,
    const std::vector<std::string>& family_names,
    const std::vector<ROCKSDB_NAMESPACE::ColumnFamilyOptions>& families,
    const std::string& file, ROCKSDB_NAMESPACE::FileSystem* fs) {
  return ROCKSDB_NAMESPACE::PersistRocksDBOptions(
#if MEMKV_ROCKSDB >= 811
      ROCKSDB_NAMESPACE::WriteOptions(),
#endif
      options, family_names, families, file, fs);
}

}  // namespace compat
}  // namespace memkv
