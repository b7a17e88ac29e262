// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// MemtableCases: everything that is measured of memtables on one set of keys
// in one order of arrival (a KeyShape), each operation a name. What an
// operation takes are figures; the first is nanoseconds unless said otherwise:
//
//   insert       InsertKey, as a single writer does, of the whole load; and
//     memory     bytes an entry, the entry included, by the Allocator's account
//                and the rep's own; index_B, those beyond the encoded entry
//   insert_each  insert with a clock around each: the mean, p50, p99, p999 and
//                slowest of the load
//   hit, miss    Get of the newest version, and of a key one byte from one; the
//                callback reads the entry as MemTable's does. The making of the
//                LookupKey is counted
//   multi_hit    hit by MultiGet, 32 keys at a time in their order, as
//                DB::MultiGet asks; the making of the LookupKeys is counted,
//                the sorting is not
//   hit_waits    the places in memory that a hit must have read before it knows
//                the next one: what it compares with, each in a node of its
//                own, and of the ART the nodes it passes and the entry at their
//                end. Not a time; in a table of its own that counts
//   old          Get of a version at random, where keys have several
//   seek         Seek to a hit or a miss by turns, and the entry met is read
//   step,        one step of a full iteration, key() taken only, forwards and
//   step_back    backwards
//   next, prev   the same, and every entry is read, as a flush and a scan do
//   count        ApproximateNumEntries between two random keys; count_off, by
//                what factor that is wrong, the geometric mean
//   prefix_off   the same of all keys with a common prefix. Not a time
//   sample       UniqueRandomSample of a quarter of the square root of all, an
//                entry of the sample; sample_10%, the same of a tenth of all
//   threads_N    N writers insert at once, in batches of 64: wall, time an
//                insert; insert, their CPU time. Then N readers beside one
//                writer: hit, what a Get takes them, and busy_insert, what an
//                insert takes the writer
//
// Times are CPU time of the threads that did it, but for threads_N. Operations
// that insert start with an empty table; the others share the last one that was
// loaded. Every answer is checked, except counts and samples, which may be
// about right: a wrong one is a Failure, of Corruption.
//
// Known weakness: a thread that has once met another in a ConcurrentArena goes
// on using that class's per-core shards, in other arenas too. So index_B of
// small sets depends on what ran before, by up to a shard (128 KiB) in all.
//
// RunMemtableShapes (memtable_bench --sets=shapes): every shape of keys
// (key_shapes.h) in every memtable. It has a clock and report of its own
// instead of Google Benchmark's, because what it looks for are ratios of ten
// and more: each repeat takes all memtables through a shape, one behind the
// other. `worst` is the slowest insert of a load: of each entry the least time
// of all repeats, and of those the most. Shapes that ask for it are run by 1,
// 2, 4 and 8 threads, too, each number in a row of its own. The memtable is
// never marked as read-only: it is read as the one that is written.
//
// Thread safety: none; what operations do with threads is their affair.

#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/shape_run.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "db_bench_ext/keys/shape_probes.h"
#include "db_bench_ext/memtable_bench/table.h"

namespace memkv {

struct CaseOptions {
  uint64_t seed = 1;
  size_t value_size = 8;
  size_t probes = ShapeProbes::kProbes;  // of each kind at most
  // Tables are read as ones that were set aside, as a flush and most look-ups
  // find them, not as the one that is written (the vector is too slow before);
  // and freed memory goes back to the system before every load, so that each
  // pays for its own pages.
  bool set_aside = false;
};

using Figures = std::vector<std::pair<std::string, double>>;

// The row of a report for the figures of an operation: "urls", or of threads_2
// "urls, 2 threads".
std::string RowOf(const KeyShape& shape, const std::string& operation);

class MemtableCases {
 public:
  // `shape` must outlive this.
  MemtableCases(const KeyShape& shape, const std::vector<Subject>& subjects,
                const CaseOptions& options);

  const KeyShape& shape() const { return shape_; }
  // What can be asked of a subject, in the order of a report; by `threads`
  // threads at most.
  std::vector<std::string> OperationsOf(size_t subject, size_t threads) const;
  Figures Measure(const std::string& name, size_t subject);
  // Of each entry the least time of all insert_each, and of those the most.
  double Worst(size_t subject) const { return least_[subject].Worst(); }
  // Lets the loaded table go.
  void Drop(size_t subject) { tables_[subject].reset(); }

 private:
  struct Operation {
    std::string name;
    // For whom it is, by set and memtable: what others do not have.
    enum When { kAlways, kVersions, kConcurrent, kRanges } when;
    std::function<void()> run;
  };

  void Add(const std::string& figure, double value) {
    figures_.emplace_back(figure, value);
  }
  void Expect(bool right, const std::string& otherwise) const;
  std::unique_ptr<BenchTable> NewTable() const;
  // The one loaded last, or a new one.
  BenchTable* Table();
  bool InsertEntry(BenchTable* table, size_t entry) const {
    return table->Insert(load_[entry], shape_.SequenceOf(entry), value_);
  }
  rocksdb::Slice KeyOf(size_t entry) const {
    return shape_.keys[shape_.entries[entry]];
  }
  double PerEntry(double total) const {
    return total / static_cast<double>(shape_.entries.size());
  }
  // Whether the table has exactly the entries, in order.
  bool Holds(BenchTable* table) const;

  // What Measure() is asked: of subject_, into figures_.
  void Insert();
  void InsertEach();
  void Gets(const ShapeProbes::Gets& gets);
  void MultiGets(const ShapeProbes::Gets& gets);
  void Waits();
  void Seeks();
  void Steps(bool forwards, bool read);
  void Counts(const std::vector<ShapeProbes::Range>& ranges, bool timed);
  void Sample(size_t target);
  void Writers(size_t threads);
  void ReadersBesideWriter(size_t threads);

  const KeyShape& shape_;
  const std::vector<Subject> subjects_;
  const CaseOptions options_;
  const std::string value_;
  const ShapeProbes probes_;
  std::vector<Operation> operations_;
  KeySequence load_;  // of all entries, in the order of arrival
  std::vector<std::unique_ptr<BenchTable>> tables_;
  std::vector<bool> read_only_;    // of those
  std::vector<LeastTimes> least_;  // by subject, of the inserts
  std::string operation_;          // what is measured now
  size_t subject_ = 0;
  Figures figures_;
};

// Of the figures that are not nanoseconds.
extern const Comparison::Units kMemtableUnits;

// Measures shapes in all subjects, compared with the first, and prints the
// report to `out`. Memtables that cannot be written by several threads are left
// out. A wrong answer is a Failure, of Corruption.
void RunMemtableShapes(const std::vector<Subject>& subjects,
                       const ShapeRunOptions& options, size_t value_size,
                       FILE* out);

}  // namespace memkv
