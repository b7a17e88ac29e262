// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The inside of a database: the reader of a live file, and memtables'
// iterators.

#pragma once

#include <vector>

#include "compat/version.h"
#include "db/column_family.h"
#include "db/memtable.h"
#include "db/memtable_list.h"
#include "db/table_cache.h"
#include "db/version_edit.h"
#include "memory/arena.h"
#include "rocksdb/convenience.h"
#include "table/internal_iterator.h"

namespace memkv {
namespace compat {

// What does not change while the database is open.
inline const ROCKSDB_NAMESPACE::ImmutableOptions& OptionsOf(
    const ROCKSDB_NAMESPACE::ColumnFamilyData& cfd) {
#if MEMKV_ROCKSDB >= 911
  return cfd.ioptions();
#else
  return *cfd.ioptions();
#endif
}

// Whether a blob file that a failed flush or compaction has not finished stays
// in the folder: from 11.2 on it could be one of writes that go to blob files
// at once, whose log is still needed.
constexpr bool kUnfinishedBlobFilesStay = MEMKV_ROCKSDB >= 1102;

// Whether a managed iterator is asked for, which no version has; from 11.0 on
// there is no option for it any more.
inline bool AsksForManagedIterator(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options) {
#if MEMKV_ROCKSDB >= 1100
  (void)read_options;
  return false;
#else
  return read_options.managed;
#endif
}

// The reader of a live file, which stays open as long as this exists.
// Thread safety: none.
class LiveReader {
 public:
  // REQUIRES: cfd outlives this
  explicit LiveReader(ROCKSDB_NAMESPACE::ColumnFamilyData* cfd) : cfd_(cfd) {}
  LiveReader(const LiveReader&) = delete;
  LiveReader& operator=(const LiveReader&) = delete;
  ~LiveReader() {
    if (handle_ == nullptr) return;
#if MEMKV_ROCKSDB >= 800
    cfd_->table_cache()->get_cache().Release(handle_);
#else
    cfd_->table_cache()->ReleaseHandle(handle_);
#endif
  }

  ROCKSDB_NAMESPACE::Status Find(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::MutableCFOptions& mutable_cf_options,
      const ROCKSDB_NAMESPACE::FileMetaData& file) {
    ROCKSDB_NAMESPACE::TableCache* const cache = cfd_->table_cache();
#if MEMKV_ROCKSDB >= 1101
    reader_ = file.fd.pinned_reader.Get();
#else
    reader_ = file.fd.table_reader;
#endif
    if (reader_ != nullptr) return ROCKSDB_NAMESPACE::Status::OK();
    const ROCKSDB_NAMESPACE::Status s =
        cache->FindTable(read_options, *cfd_->soptions(),
                         cfd_->internal_comparator(), file, &handle_,
#if MEMKV_ROCKSDB >= 1101
                         mutable_cf_options, &reader_);
    return s;
#else
#if MEMKV_ROCKSDB >= 908
                         mutable_cf_options);
#elif MEMKV_ROCKSDB >= 803
                         mutable_cf_options.block_protection_bytes_per_key,
                         mutable_cf_options.prefix_extractor);
#else
                         mutable_cf_options.prefix_extractor);
#endif
    if (!s.ok()) return s;
#if MEMKV_ROCKSDB >= 800
    reader_ = cache->get_cache().Value(handle_);
#else
    reader_ = cache->GetTableReaderFromHandle(handle_);
#endif
    return s;
#endif
  }

  // REQUIRES: Find() has returned OK
  ROCKSDB_NAMESPACE::TableReader* get() const { return reader_; }
  // Whether it stays open without this, as long as a version has the file.
  bool stays_open() const { return handle_ == nullptr; }

 private:
  ROCKSDB_NAMESPACE::ColumnFamilyData* const cfd_;
  ROCKSDB_NAMESPACE::TableReader* reader_ = nullptr;
#if MEMKV_ROCKSDB >= 800
  ROCKSDB_NAMESPACE::TableCache::TypedHandle* handle_ = nullptr;
#else
  ROCKSDB_NAMESPACE::Cache::Handle* handle_ = nullptr;
#endif
};

// Iterators over all memtables, the newest first, in memory of `arena`: each is
// to be destroyed, and not deleted.  With a prefix extractor they may be for
// the keys of one prefix alone, as read_options say.
inline std::vector<ROCKSDB_NAMESPACE::InternalIterator*> MemTableIterators(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    const ROCKSDB_NAMESPACE::SuperVersion& sv,
    const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
    ROCKSDB_NAMESPACE::Arena* arena) {
  std::vector<ROCKSDB_NAMESPACE::InternalIterator*> iters;
#if MEMKV_ROCKSDB >= 907
  const auto times = sv.GetSeqnoToTimeMapping();
  iters.push_back(sv.mem->NewIterator(read_options, times, arena,
                                      prefix_extractor
#if MEMKV_ROCKSDB >= 910
                                      ,
                                      /*for_flush=*/false
#endif
                                      ));
  sv.imm->AddIterators(read_options, times, prefix_extractor, &iters, arena);
#else
  (void)prefix_extractor;  // It is the memtable's own.
#if MEMKV_ROCKSDB >= 901
  const auto times = sv.GetSeqnoToTimeMapping();
  iters.push_back(sv.mem->NewIterator(read_options, times, arena));
  sv.imm->AddIterators(read_options, times, &iters, arena);
#else
  iters.push_back(sv.mem->NewIterator(read_options, arena));
  sv.imm->AddIterators(read_options, &iters, arena);
#endif
#endif
  return iters;
}

}  // namespace compat
}  // namespace memkv
