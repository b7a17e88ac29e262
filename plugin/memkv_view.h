// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv::View: a column family as it is at one moment. Its iterators and gets
// answer as RocksDB's do, and read FST files without RocksDB's merging iterator
// and look-up contexts above them:
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

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

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

  // As DB::Get() at the view's sequence number: OK and the value, NotFound, or
  // an error.  Of `read_options` it obeys what that obeys; `snapshot` as above.
  // What memkv does not serve, RocksDB's iterator over the same version is
  // sought for, key by key, which takes several times as long; handed_over()
  // counts these.
  //
  // NotSupported with read_tier=kPersistedTier.
  ROCKSDB_NAMESPACE::Status Get(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& key,
      ROCKSDB_NAMESPACE::PinnableSlice* value) const;
  // The same of n keys, in any order: the look-ups in a file go side by side.
  // values[i] and statuses[i] are keys[i]'s.
  void MultiGet(const ROCKSDB_NAMESPACE::ReadOptions& read_options, size_t n,
                const ROCKSDB_NAMESPACE::Slice* keys,
                ROCKSDB_NAMESPACE::PinnableSlice* values,
                ROCKSDB_NAMESPACE::Status* statuses) const;

  // The keys that the view shows are numbered from 0, in their order.  The
  // numbers are exact, whatever the tree: deletions, old versions and range
  // deletions are accounted for.
  //
  // The first of these calls, and the first after Refresh(), prepares them, and
  // others wait for it.  If one sorted run of FST files holds one visible value
  // a key, and all others together have at most a sixteenth of its keys and
  // 131072, each of theirs is looked up once; a call then takes O(log n) and
  // reads no value.  Otherwise the whole view is walked once, keys alone; a
  // call then takes a seek and at most n / 8192 steps of an iterator, or 256 if
  // that is more (more of both where keys are longer than 1 KiB).  A view keeps
  // at most 16 MiB of keys, or one, and 40 bytes for each of them for that.
  //
  // NotSupported with user-defined timestamps; errors of reading.

  // How many keys come before `key`, which need not be there.
  ROCKSDB_NAMESPACE::Status Rank(const ROCKSDB_NAMESPACE::Slice& key,
                                 uint64_t* rank) const;
  // The key of that number; NotFound if there are not so many.
  ROCKSDB_NAMESPACE::Status KeyAt(uint64_t number, std::string* key) const;
  // Draws n of the keys, or all if there are not so many: each set of n is as
  // likely as any other, in a tree of several runs, too.  They are in order.
  // The same seed draws the same numbers.
  ROCKSDB_NAMESPACE::Status Sample(size_t n, uint64_t seed,
                                   std::vector<std::string>* keys) const;

  // How many iterators of this view were handed over to RocksDB's own, from
  // the beginning or from a record on, and how many keys of gets.
  uint64_t handed_over() const;

 private:
  struct Rep;
  explicit View(std::unique_ptr<Rep> rep);

  const std::unique_ptr<Rep> rep_;
};

}  // namespace memkv
