// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/pinned_version.h"

#include "db/arena_wrapped_db_iter.h"
#include "db/db_impl/db_impl.h"
#include "view/file_readers.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::DBImpl;

PinnedVersion::PinnedVersion(
    ROCKSDB_NAMESPACE::DB* db,
    ROCKSDB_NAMESPACE::ColumnFamilyHandle* column_family,
    const ROCKSDB_NAMESPACE::Snapshot* snapshot)
    : db_(ROCKSDB_NAMESPACE::static_cast_with_check<DBImpl>(db)),
      handle_(ROCKSDB_NAMESPACE::static_cast_with_check<
              ROCKSDB_NAMESPACE::ColumnFamilyHandleImpl>(column_family)),
      super_version_(handle_->cfd()->GetReferencedSuperVersion(db_)) {
  // Behind the SuperVersion, as DBImpl::NewIterator() does: a flush in between
  // may drop what the older sequence number would see.
  snapshot_.number = snapshot != nullptr ? snapshot->GetSequenceNumber()
                                         : db_->GetLatestSequenceNumber();
}

PinnedVersion::~PinnedVersion() { db_->CleanupSuperVersion(super_version_); }

const FileReaders& PinnedVersion::readers() const {
  std::call_once(readers_made_, [this] {
    readers_ = std::make_unique<const FileReaders>(*this);
  });
  return *readers_;
}

ROCKSDB_NAMESPACE::DB* PinnedVersion::db() const { return db_; }

ROCKSDB_NAMESPACE::Iterator* PinnedVersion::NewRocksDBIterator(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options) const {
  super_version_->Ref();  // The iterator's own.
  ROCKSDB_NAMESPACE::ReadOptions options(read_options);
  options.snapshot = &snapshot_;
  return db_->NewIteratorImpl(options, handle_, super_version_, sequence(),
                              /*read_callback=*/nullptr);
}

}  // namespace view
}  // namespace memkv
