// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/pinned_version.h"

#include "db/arena_wrapped_db_iter.h"
#include "db/db_impl/db_impl.h"
#include "db/job_context.h"
#include "view/file_readers.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::DBImpl;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

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

PinnedVersion::~PinnedVersion() {
  if (!super_version_->Unref()) return;
  // As RocksDB's iterators do when they go: files that were compacted meanwhile
  // are deleted now, and not by the next flush.
  const bool in_background =
      db_->immutable_db_options().avoid_unnecessary_blocking_io;
  ROCKSDB_NAMESPACE::JobContext job(/*_job_id=*/0);
  db_->mutex()->Lock();
  super_version_->Cleanup();
  db_->FindObsoleteFiles(&job, /*force=*/false, /*no_full_scan=*/true);
  if (in_background) {
    db_->ScheduleBgLogWriterClose(&job);
    db_->AddSuperVersionsToFreeQueue(super_version_);
    db_->SchedulePurge();
  }
  db_->mutex()->Unlock();
  if (!in_background) delete super_version_;
  if (job.HaveSomethingToDelete()) {
    db_->PurgeObsoleteFiles(job, /*schedule_only=*/in_background);
  }
  job.Clean();
}

Status PinnedVersion::CheckTimestamp(const Slice* timestamp) const {
  const ROCKSDB_NAMESPACE::Comparator* const order = cfd()->user_comparator();
  const size_t size = timestamp == nullptr ? 0 : timestamp->size();
  if (order->timestamp_size() != size) {
    return Status::InvalidArgument(
        "ReadOptions::timestamp is not of the size that the comparator has");
  }
  const Slice low = super_version_->full_history_ts_low;
  if (size != 0 && !low.empty() &&
      order->CompareTimestamp(*timestamp, low) < 0) {
    return Status::InvalidArgument(
        "Read timestamp: " + order->TimestampToString(*timestamp) +
        " is smaller than full_history_ts_low: " +
        order->TimestampToString(low));
  }
  return Status::OK();
}

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
                              /*read_callback=*/nullptr,
                              /*expose_blob_index=*/false,
                              /*allow_refresh=*/false);
}

}  // namespace view
}  // namespace memkv
