// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The workloads of memkv_bench. What is asked of a database is planned before a
// clock starts, with the right answers; each answer is compared, and a wrong
// one is a Failure that names database, workload, what was expected and found.
//
// A plan is timed twice over: a first pass without a clock inside, which gives
// the time of an operation, and a second of half as many with a clock around
// each, which gives the percentiles. Where memory is limited, as many reads as
// in the first, of other keys, go before it untimed.
//
// Thread safety: one workload at a time on a database; each starts as many
// threads as it is told.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "rocksdb/slice.h"

namespace memkv {

// What an operation found, added up. Cheap enough for a timed loop, and equal
// to the input's own only if every answer was of the right size.
struct Tally {
  uint64_t found = 0;
  uint64_t bytes = 0;

  void Count(uint64_t record_bytes) {
    found++;
    bytes += record_bytes;
  }
  bool operator==(const Tally& other) const {
    return found == other.found && bytes == other.bytes;
  }
  std::string ToString() const {
    return std::to_string(found) + " records of " + std::to_string(bytes) +
           " bytes";
  }
};

struct Measured {
  uint64_t ops = 0;
  double wall_nanos = 0;
  // Of the threads that did the operations; of the whole process for
  // workloads with background work.
  double cpu_nanos = 0;
  // Of table files, by the threads that did the operations: what RocksDB asked
  // for and in how many calls, as its IOStatsContext has it.
  uint64_t file_bytes = 0;
  uint64_t file_reads = 0;
  // Of writes, by all threads: bytes of the table files that were made, and of
  // the keys and values that were written.
  uint64_t table_bytes = 0;
  uint64_t user_bytes = 0;
  std::vector<uint64_t> latencies;  // nanoseconds of single operations

  // What a process did since `watch` was made.
  void Add(const Stopwatch& watch, uint64_t more_ops) {
    wall_nanos += watch.wall_nanos();
    cpu_nanos += watch.cpu_nanos();
    ops += more_ops;
  }
  void AddLatencies(const std::vector<uint64_t>& more) {
    latencies.insert(latencies.end(), more.begin(), more.end());
  }
};

// Runs body(0) ... body(threads - 1) side by side, adds their CPU time and
// what they read of files, and the wall time of all, to *measured. The Failure
// of the first that has one is thrown here.
void RunThreads(unsigned threads, Measured* measured,
                const std::function<void(unsigned)>& body);

// Writes records order[begin, end) in batches: their next version, or as they
// are loaded. Waits for nothing.
void WriteRecords(const BenchRecords& records,
                  const std::vector<uint32_t>& order, size_t begin, size_t end,
                  bool next_version, unsigned threads, BenchDatabase* database);

enum class Act {
  kGet,
  kUpdate,           // a version of a record that is there
  kInsert,           // a record that is not
  kReadModifyWrite,  // kGet and kUpdate
  kSeek,
  kScan,         // a new iterator
  kCount,        // likewise, or by ranks
  kScanAll,      // forwards
  kReverseScan,  // of all
};

struct Operation {
  Act act = Act::kGet;
  rocksdb::Slice key;
  rocksdb::Slice end;    // where a scan stops; empty: nowhere
  rocksdb::Slice value;  // to be written; of kGet, to be found; empty: any
  uint64_t most = 0;     // records after which a scan stops
  Tally expected;        // to be found
  // Others insert meanwhile: a scan begins with `key`, and finds as many
  // records or more.
  bool at_least = false;
};

// What a workload asks. All databases are asked the same.
struct Plan {
  using Pass = std::vector<std::vector<Operation>>;  // by thread

  Pass warm_up;  // untimed; nothing, unless asked for
  Pass timed;
  Pass clocked;                   // each
  std::deque<std::string> owned;  // keys and values, where they are
};

// Keys of a call of multiget.
constexpr size_t kMultiGetKeys = 32;

// Of some `ops` look-ups, or of so many other operations as take as long.
// Changes the model as the plan will change a database.
// REQUIRES: a workload from kGet on.
Plan MakePlan(Workload workload, const BenchRecords& records, uint64_t ops,
              uint64_t seed, unsigned threads, bool warm_up, BenchModel* model);
void RunPlan(Workload workload, const Plan& plan, const BenchDatabase& database,
             Measured* measured);
// While one more thread overwrites; `writes` is what it did.
void RunReadWhileWriting(const Plan& plan, const BenchRecords& records,
                         uint64_t seed, BenchDatabase* database,
                         Measured* measured, Measured* writes);

}  // namespace memkv
