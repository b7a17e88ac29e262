// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv::View: a column family as it is at one moment, for reads that walk. Its
// iterators answer as RocksDB's do, and walk FST files without RocksDB's
// merging iterator above them:
//
//   std::unique_ptr<memkv::View> view;
//   rocksdb::Status s = memkv::View::Open(db, cf, nullptr, &view);
//   std::unique_ptr<rocksdb::Iterator> it(view->NewIterator({}));
//   for (it->SeekToFirst(); it->Valid(); it->Next()) ...
//
// docs/view.md says what is faster, by how much, and what is not served here.
//
// Only public RocksDB headers are included here.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "rocksdb/iterator.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "rocksdb/types.h"

namespace ROCKSDB_NAMESPACE {
class ColumnFamilyHandle;
class DB;
class Snapshot;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {

class Automaton;

// A view keeps memtables and files alive, as an iterator of RocksDB's does, but
// takes no snapshot: to make one costs less than a microsecond.  It sees what
// was written when it was made, and nothing later.
//
// Thread safety: all methods may be called by any number of threads at once.
// An iterator belongs to one thread at a time, as RocksDB's do, and may outlive
// its view.  The database and the handle must outlive both.
class View {
 public:
  // Of the present if `snapshot` is null; it must exist only during the call.
  //
  // InvalidArgument where `db` wraps another database (a TransactionDB, a
  // DBWithTTL, ...), which may show other records than that: db->GetRootDB() is
  // the one below.  NotSupported where memkv::RegisterMemkv() returns false.
  static ROCKSDB_NAMESPACE::Status Open(
      ROCKSDB_NAMESPACE::DB* db,
      ROCKSDB_NAMESPACE::ColumnFamilyHandle* column_family,
      const ROCKSDB_NAMESPACE::Snapshot* snapshot, std::unique_ptr<View>* view);
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // Moves the view to the present, or to a snapshot.  Iterators that were made
  // before stay where they are.
  void Refresh(const ROCKSDB_NAMESPACE::Snapshot* snapshot = nullptr);

  // What is written up to this number is seen.
  ROCKSDB_NAMESPACE::SequenceNumber sequence() const;

  // An iterator over the view, owned by the caller.  It obeys every option that
  // RocksDB's obeys; `snapshot` must be null or have the view's sequence
  // number. Refresh() takes it, not the view, to the present.  With
  // allow_unprepared_value, value() needs PrepareValue() before it.
  ROCKSDB_NAMESPACE::Iterator* NewIterator(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) const;

  // Lists what is directly below a prefix, as a directory is listed: of the
  // keys that begin with `prefix`, what each has up to the first `separator`
  // behind the prefix, with it, or the whole key if none follows; each of these
  // once, in order.  What is below a listed prefix is sought past, not read.
  // Stops early if `take` returns false; `entry` is good until it returns.
  //
  // NotSupported unless the comparator is bytewise; errors of reading.
  ROCKSDB_NAMESPACE::Status DistinctPrefixes(
      const ROCKSDB_NAMESPACE::Slice& prefix, char separator,
      const std::function<bool(const ROCKSDB_NAMESPACE::Slice& entry)>& take)
      const;

  // An iterator over the view's keys that the automaton matches, owned by the
  // caller; <memkv/search.h> has automata for regular expressions, globs, edit
  // distances and prefixes.  Keys that it cannot match are sought past. Options
  // and rules are those of NewIterator(); the automaton matches keys, whatever
  // the direction.  Each step may pass any number of keys, so bounds limit what
  // is read.
  //
  // The iterator's status() is NotSupported unless the comparator is bytewise
  // or the reverse of it, and with prefix_same_as_start; what the automaton's
  // status() says where that has given up.
  ROCKSDB_NAMESPACE::Iterator* Search(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      std::unique_ptr<Automaton> automaton) const;

  // How many iterators of this view were handed over to RocksDB's own, from
  // the beginning or from a record on.
  uint64_t handed_over() const;

 private:
  struct Rep;
  explicit View(std::unique_ptr<Rep> rep);

  const std::unique_ptr<Rep> rep_;
};

}  // namespace memkv
