// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's TableReader as memkv implements it, and how a live file's reader is
// found.

#pragma once

#include <memory>

#include "compat/version.h"
#include "db/column_family.h"
#include "db/table_cache.h"
#include "db/version_edit.h"
#include "rocksdb/convenience.h"
#include "table/table_builder.h"
#include "table/table_reader.h"

namespace memkv {
namespace compat {

// Functions that have got more parameters since 9.10 end here, and go on under
// another name without them.
class TableReaderBase : public ROCKSDB_NAMESPACE::TableReader {
 public:
  // Writes what is in the table as text.
  virtual ROCKSDB_NAMESPACE::Status Dump(
      ROCKSDB_NAMESPACE::WritableFile* out) = 0;
  // Reads and checks the whole table.
  virtual ROCKSDB_NAMESPACE::Status Verify(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) = 0;

#if MEMKV_ROCKSDB >= 1010
  // show_sequence_number_type: block-based files' alone.
  ROCKSDB_NAMESPACE::Status DumpTable(
      ROCKSDB_NAMESPACE::WritableFile* out,
      bool /*show_sequence_number_type*/ = false) final {
    return Dump(out);
  }
#else
  ROCKSDB_NAMESPACE::Status DumpTable(
      ROCKSDB_NAMESPACE::WritableFile* out) final {
    return Dump(out);
  }
#endif
#if MEMKV_ROCKSDB >= 1008
  // meta_blocks_only: of a file that was just written and read again.  More is
  // checked than was asked for.
  ROCKSDB_NAMESPACE::Status VerifyChecksum(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/,
      bool /*meta_blocks_only*/ = false) final {
    return Verify(read_options);
  }
#else
  ROCKSDB_NAMESPACE::Status VerifyChecksum(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return Verify(read_options);
  }
#endif
};

// What a table is opened with beside its file; all else as by default.
inline ROCKSDB_NAMESPACE::TableReaderOptions ReaderOptionsOf(
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    const std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform>&
        prefix_extractor,
    const ROCKSDB_NAMESPACE::EnvOptions& env_options,
    const ROCKSDB_NAMESPACE::InternalKeyComparator& comparator) {
  constexpr uint8_t kProtectionBytes = 0;
#if MEMKV_ROCKSDB >= 1004
  return {ioptions,    prefix_extractor, /*_compression_manager=*/nullptr,
          env_options, comparator,       kProtectionBytes};
#else
  return {ioptions, prefix_extractor, env_options, comparator,
          kProtectionBytes};
#endif
}

// The reader of a live file.  *handle is to be released if it is not null.
inline ROCKSDB_NAMESPACE::Status FindTable(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::ColumnFamilyData* cfd,
    const ROCKSDB_NAMESPACE::MutableCFOptions& mutable_cf_options,
    const ROCKSDB_NAMESPACE::FileMetaData& file,
    ROCKSDB_NAMESPACE::TableCache::TypedHandle** handle,
    ROCKSDB_NAMESPACE::TableReader** reader) {
  ROCKSDB_NAMESPACE::TableCache* const cache = cfd->table_cache();
  *handle = nullptr;
#if MEMKV_ROCKSDB >= 1101
  *reader = file.fd.pinned_reader.Get();
  if (*reader != nullptr) return ROCKSDB_NAMESPACE::Status::OK();
  return cache->FindTable(read_options, *cfd->soptions(),
                          cfd->internal_comparator(), file, handle,
                          mutable_cf_options, reader);
#else
  *reader = file.fd.table_reader;
  if (*reader != nullptr) return ROCKSDB_NAMESPACE::Status::OK();
  const ROCKSDB_NAMESPACE::Status s = cache->FindTable(
      read_options, *cfd->soptions(), cfd->internal_comparator(), file, handle,
      mutable_cf_options);
  if (s.ok()) *reader = cache->get_cache().Value(*handle);
  return s;
#endif
}

}  // namespace compat
}  // namespace memkv
