// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// HistoryRunner: runs one seeded history of mixed operations on two databases
// in lockstep and compares every answer: statuses, values, columns, iterator
// positions; and all records after every reopening and, in both directions,
// every 10,000 operations.
// It knows nothing of either database's insides: both sides are RocksDB with
// options, and the first difference ends the history.
//
// Operations: put, wide-column put, delete, single delete, delete range, merge,
// batches of these, writes of disjoint keys from several threads at once, get,
// get entity, multi-get of both, all of these under held snapshots, short scans
// with bounds both ways, held iterators moved now and then, prefix seeks,
// flush, compaction of ranges and of all, ingestion of an external file,
// options changed live, reopening.
//
// What is not compared, since RocksDB leaves it to the layout of files:
// sequence numbers after an ingestion, approximate sizes, KeyMayExist, merge
// operands.
//
// RocksDB's contracts are kept: a single-deleted key was put once since its
// last single delete and never touched by anything else; with a prefix
// extractor, reads are total-order ones or stay within the prefix they seek.
//
// Thread safety: none; one object, one thread (it starts its own writers).

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "db_bench_ext/keys/random.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"
#include "tests/db/history_keys.h"

namespace memkv {

// What a history does with its databases, beside their options.
struct HistoryPlan {
  using Changes = std::unordered_map<std::string, std::string>;

  // Whether ReadOptions::prefix_same_as_start has a meaning.
  bool has_prefixes = false;
  // Whose keys it draws from; see HistoryKeys.
  std::string key_shape;
  // Threads that write at once.
  size_t writers = 3;
  // What SetOptions() is called with: on both databases, and then on the second
  // one alone; some of each by turns.  Empty: never.
  std::vector<Changes> changes_of_both;
  std::vector<Changes> changes_of_second;
};

class HistoryRunner {
 public:
  // `first` and `second`: the options of the two databases, by reopening.
  // REQUIRES: same comparator, merge operator and prefix extractor in all.
  HistoryRunner(uint64_t seed, const std::string& dir,
                std::vector<rocksdb::Options> first,
                std::vector<rocksdb::Options> second, const HistoryPlan& plan);
  ~HistoryRunner();
  HistoryRunner(const HistoryRunner&) = delete;
  HistoryRunner& operator=(const HistoryRunner&) = delete;

  // Just before operation `at`, `change` is done to the second database alone.
  void DisturbSecond(size_t at, std::function<void(rocksdb::DB*)> change);

  // Runs `operations` by their weights, and then each kind that none of them
  // was. Empty if all answers were identical; else which operation of which
  // number differed, and how. REQUIRES: called at most once.
  std::string Run(size_t operations);

  // How often the operation of this name was run.
  size_t TimesRun(const std::string& name) const;

 private:
  static constexpr size_t kSides = 2;
  static constexpr size_t kMaxSnapshots = 5;

  struct Side {
    std::string path;
    std::vector<rocksdb::Options> options;
    std::unique_ptr<rocksdb::DB> db;
  };
  struct SnapshotPair {
    const rocksdb::Snapshot* of[kSides];
  };
  // Two iterators of equal ReadOptions; lives on the heap since the bounds
  // point into it.
  struct Cursor {
    std::string lower;
    std::string upper;
    rocksdb::Slice lower_slice;
    rocksdb::Slice upper_slice;
    bool unprepared = false;
    std::unique_ptr<rocksdb::Iterator> of[kSides];
  };
  struct Operation {
    const char* name;
    unsigned weight;
    void (HistoryRunner::*run)();
  };
  using OnSide = std::function<rocksdb::Status(rocksdb::DB*, size_t side)>;

  static const Operation kOperations[];

  // Runs on both sides, and compares the statuses' codes. A status that is
  // neither OK nor, where that is fine, NotFound is a difference too: no
  // operation of a history may fail. Returns whether both said OK.
  bool Both(const OnSide& run, bool not_found_is_fine = false);
  void Differ(const std::string& what);
  bool failed() const { return !difference_.empty(); }

  // An index into kOperations, by their weights.
  size_t Draw();
  void RunOperation(size_t chosen);

  bool OpenBoth();
  void CloseBoth();
  // Draws one update that any key but a single-delete one may get.
  void AddUpdate(rocksdb::WriteBatch* batch);

  void Put();
  void PutEntity();
  void Delete();
  void SinglePutOrDelete();
  void DeleteRange();
  void Merge();
  void Batch();
  void ParallelWrites();
  void Get();
  void GetEntity();
  void MultiGet();
  void MultiGetEntity();
  void ShortScan();
  void MoveCursor();
  void PrefixSeek();
  void TakeSnapshot();
  void ReleaseSnapshot();
  void Flush();
  void Compact();
  void Ingest();
  void SetOptions();
  void Reopen();

  // Equal ReadOptions for both sides, under a held snapshot or under none.
  void DrawReading(rocksdb::ReadOptions (&reading)[kSides]);
  std::unique_ptr<Cursor> NewCursor();
  // Calls `move` on both and compares where they are then.
  bool MoveBoth(Cursor* cursor, const char* how,
                const std::function<void(rocksdb::Iterator*)>& move);
  void WalkCursor(Cursor* cursor, size_t steps);
  bool CompareCursor(Cursor* cursor, const std::string& how);
  void CompareAll(bool forwards);
  void CompareAllBothWays();

  RandomSource random_;
  HistoryKeys keys_;
  const HistoryPlan plan_;
  const rocksdb::Comparator* const comparator_;
  const std::string dir_;
  Side sides_[kSides];
  size_t opened_ = 0;
  size_t ingested_ = 0;
  size_t times_changed_ = 0;
  std::set<std::string> single_present_;
  std::vector<SnapshotPair> snapshots_;
  std::vector<std::unique_ptr<Cursor>> cursors_;
  std::vector<size_t> times_run_;

  size_t disturb_at_ = static_cast<size_t>(-1);
  std::function<void(rocksdb::DB*)> disturb_;

  size_t index_ = 0;
  std::string current_;  // the operation under way, with its arguments
  std::string difference_;
};

}  // namespace memkv
