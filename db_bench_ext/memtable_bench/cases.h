// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The benchmarks of memtable_bench, as Google Benchmark runs them. One
// iteration is one operation, so the time shown is that of one operation; the
// number of iterations is fixed by the keys. Names are set/operation/memtable:
//
//   encode              an entry is written and not indexed: the part of an
//                       insert that no index can save
//   insert              InsertKey, as a single writer does
//   insert_concurrent   InsertKeyConcurrently, by 1 thread and by 2, which
//                       take turns by batches of the load order
//   insert_latency      insert with a clock around each
//   hit, miss           Get as a point look-up of the newest version; the
//                       callback reads the entry as MemTable's does. The
//                       making of the LookupKey is counted
//   seek_10             Seek to a key that is there or one byte from one, ten
//                       Next, and every entry met is read
//   next, prev          one step of a full iteration, key() taken only
//   next_read,          the same, and every entry is read, as a flush and a
//   prev_read           scan do
//   mixed               2 threads on a table that is half loaded: insert of a
//                       new key and look-up of an old one, alternating
//   overwrite           the hot key: every insert is a newer version of it
//   read_at_K           the hot key, read at the K-th snapshot, 1 is oldest
//
// Benchmarks that insert start with an empty table; the others share one per
// memtable, loaded at first use, compared with the key set, and marked
// read-only (the vector sorts itself then, and is too slow before).
// insert_concurrent and mixed are left out for a memtable that says it cannot.
//
//   hit_waits           as hit, fewer of them, in a table of its own that
//                       counts; its time says nothing
//
// Counters: index_B, bytes an entry beyond the encoded entries, by the
// Allocator's account; p50, p99, p999 and worst, nanoseconds of an insert;
// waits, the places in memory a look-up must have read before it knows the next
// one: what it compares with, each in a node of its own, and of the ART the
// nodes it passes and the entry at their end.
//
// Every benchmark checks what it found and fails otherwise.
//
// Known weakness: a thread that has once met another in a ConcurrentArena goes
// on using that class's per-core shards, in other arenas too. So index_B of
// small sets depends on what ran before, by up to a shard (128 KiB) in all.
//
// Thread safety: none; what the benchmarks do with threads is their affair.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "benchmark/benchmark.h"
#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memtable_bench/keys.h"
#include "db_bench_ext/memtable_bench/table.h"
#include "rocksdb/memtablerep.h"

namespace memkv {

struct CaseOptions {
  size_t value_size = 8;
  size_t probes = 1000000;
  uint64_t seed = 1;
  bool two_threads = true;
  // Before every load, give freed memory back to the system.
  bool purge = true;
};

// One key set in one order of loading. Must live until its benchmarks have
// run.
class KeyCases {
 public:
  // REQUIRES: `set` is sorted and outlives this.
  KeyCases(const std::string& name, const RecordSet& set, LoadOrder order,
           const CaseOptions& options);

  void Register(const std::vector<Subject>& subjects);

 private:
  enum class Insertion { kEncodeOnly, kPlain, kConcurrent };
  enum class Direction { kForwards, kBackwards };
  struct Met {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };

  void RunInsert(benchmark::State& state, const Subject& subject,
                 Insertion insertion);
  void RunInsertLatency(benchmark::State& state, const Subject& subject);
  void RunGet(benchmark::State& state, const Subject& subject,
              const KeySequence& probes, bool present);
  void RunWaits(benchmark::State& state, const Subject& subject);
  void RunSeek(benchmark::State& state, const Subject& subject);
  void RunScan(benchmark::State& state, const Subject& subject,
               Direction direction, bool read);
  void RunMixed(benchmark::State& state, const Subject& subject);

  // Null, with an error in `state`, if the table does not hold the set.
  BenchTable* Loaded(benchmark::State& state, const Subject& subject);
  bool HoldsTheSet(BenchTable* table) const;
  void StartFresh(const Subject& subject);
  size_t EncodedBytes() const;
  ROCKSDB_NAMESPACE::Slice SeekTarget(size_t i) const;
  // What the seeks of a run must meet, all together.
  Met ExpectedSeeks() const;

  const std::string name_;
  const RecordSet& set_;
  const CaseOptions options_;
  const std::string value_;
  const BenchKeys keys_;
  Met seeks_;
  std::unordered_map<std::string, std::unique_ptr<BenchTable>> loaded_;
  // The table of the running benchmark that inserts: made and dropped by its
  // thread 0, outside the loop, whose ends are barriers.
  std::unique_ptr<BenchTable> fresh_;
};

// One key, overwritten again and again, and read at ten snapshots taken at even
// distances. Must live until its benchmarks have run.
class HotKeyCases {
 public:
  static constexpr uint64_t kSnapshots = 10;

  HotKeyCases(uint64_t overwrites, const CaseOptions& options);

  void Register(const std::vector<Subject>& subjects);

 private:
  void RunOverwrite(benchmark::State& state, const Subject& subject);
  void RunRead(benchmark::State& state, const Subject& subject,
               uint64_t snapshot);
  std::unique_ptr<BenchTable> NewTable(const Subject& subject) const;

  const uint64_t overwrites_;
  const CaseOptions options_;
  const std::string key_;
  const std::string value_;
  std::unordered_map<std::string, std::unique_ptr<BenchTable>> loaded_;
};

}  // namespace memkv
