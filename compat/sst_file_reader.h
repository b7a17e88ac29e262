// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's reader of single files, and what its ingestion does, as tests use
// them.

#pragma once

#include "compat/version.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_reader.h"

namespace memkv {
namespace compat {

// A file whose records cannot be read is not ingested.
constexpr bool kIngestionReadsRecords = MEMKV_ROCKSDB >= 810;

// Compares the entries with their number in the properties; nothing below 9.1.
inline ROCKSDB_NAMESPACE::Status VerifyNumEntries(
    ROCKSDB_NAMESPACE::SstFileReader* reader) {
#if MEMKV_ROCKSDB >= 901
  return reader->VerifyNumEntries(ROCKSDB_NAMESPACE::ReadOptions());
#else
  (void)reader;
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
