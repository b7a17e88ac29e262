// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// PinnedVersion: what a column family holds at one sequence number, for as long
// as the object lives: a referenced SuperVersion (memtables and files), and the
// sequence number up to which entries of it are seen.  It is what RocksDB's
// iterators hold, too; making one takes no lock of the database's, and letting
// go of it takes one only if it was the last to hold its SuperVersion.
//
// Thread safety: immutable; any number of threads.  The column family's handle
// and the database must outlive it.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "db/column_family.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/snapshot.h"
#include "rocksdb/status.h"
#include "rocksdb/types.h"

namespace ROCKSDB_NAMESPACE {
class DB;
class DBImpl;
class Iterator;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {
namespace view {

class FileReaders;

class PinnedVersion {
 public:
  // Of the present if `snapshot` is null, which need not outlive the object
  // otherwise.
  // REQUIRES: `db` is not a wrapper of another one
  PinnedVersion(ROCKSDB_NAMESPACE::DB* db,
                ROCKSDB_NAMESPACE::ColumnFamilyHandle* column_family,
                const ROCKSDB_NAMESPACE::Snapshot* snapshot);
  ~PinnedVersion();
  PinnedVersion(const PinnedVersion&) = delete;
  PinnedVersion& operator=(const PinnedVersion&) = delete;

  ROCKSDB_NAMESPACE::DB* db() const;
  ROCKSDB_NAMESPACE::ColumnFamilyHandleImpl* handle() const { return handle_; }
  ROCKSDB_NAMESPACE::ColumnFamilyData* cfd() const { return handle_->cfd(); }
  ROCKSDB_NAMESPACE::SuperVersion* super_version() const {
    return super_version_;
  }
  ROCKSDB_NAMESPACE::SequenceNumber sequence() const {
    return snapshot_.GetSequenceNumber();
  }
  // Says the sequence number to those of RocksDB's functions that ask
  // ReadOptions for it; the database does not know it, and keeps nothing for
  // it.
  const ROCKSDB_NAMESPACE::Snapshot* snapshot() const { return &snapshot_; }

  // Whether there is a read at this timestamp, null for none; the status that
  // DB::Get() has if there is not.
  ROCKSDB_NAMESPACE::Status CheckTimestamp(
      const ROCKSDB_NAMESPACE::Slice* timestamp) const;

  // Made when they are first asked for.
  const FileReaders& readers() const;

  // RocksDB's own iterator over the same, which stays there, whatever the
  // options say of refreshing it; owned by the caller.
  ROCKSDB_NAMESPACE::Iterator* NewRocksDBIterator(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) const;

 private:
  class Sequence final : public ROCKSDB_NAMESPACE::Snapshot {
   public:
    ROCKSDB_NAMESPACE::SequenceNumber GetSequenceNumber() const override {
      return number;
    }
    int64_t GetUnixTime() const override { return 0; }
    uint64_t GetTimestamp() const override { return 0; }

    ROCKSDB_NAMESPACE::SequenceNumber number = 0;
  };

  ROCKSDB_NAMESPACE::DBImpl* const db_;
  ROCKSDB_NAMESPACE::ColumnFamilyHandleImpl* const handle_;
  ROCKSDB_NAMESPACE::SuperVersion* const super_version_;
  Sequence snapshot_;
  mutable std::once_flag readers_made_;
  mutable std::unique_ptr<const FileReaders> readers_;
};

}  // namespace view
}  // namespace memkv
