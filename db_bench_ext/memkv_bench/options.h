// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchOptions: what memkv_bench is asked for, checked before anything runs. A
// name that is not known is a Failure.
//
// Thread safety: none needed; built once, then read.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace memkv {

// A database to compare, by its options string.
struct BenchConfig {
  std::string name;
  std::string options;
};

enum class Workload {
  kLoadSorted,
  kLoadShuffled,
  kOverwrite,
  kFlush,
  kCompact,
  kGet,
  kMiss,
  kMultiGet,
  kSeek,
  kScan,
  kReverseScan,
  kPrefixScan,
  kCount,
  kHotGet,
  kMixedA,
  kMixedB,
  kMixedC,
  kMixedD,
  kMixedE,
  kMixedF,
  kReadWhileWriting,
  // Of a live tree: after a load with the compactions that it brings, with
  // files at level 0 and records in the memtable.
  kLiveGet,
  kLiveMiss,
  kLiveSeek,
  kLiveScan,
};
constexpr int kNumWorkloads = 25;

enum class Group { kWrites, kReads, kMixed, kNone, kLive };

struct WorkloadInfo {
  const char* name;
  const char* what;  // one line for people
  const char* per;   // what the time is of: "a key"
  Group group;
  // About as long as how many look-ups an operation takes.
  uint64_t look_ups = 1;

  bool IsScanOfAll() const;
};
const WorkloadInfo& InfoOf(Workload workload);
// What a workload asks: of those of a live tree, the other one that asks the
// same.
Workload AskedBy(Workload workload);

struct BenchOptions {
  std::string command = {};
  std::string keys = {};
  // Negative: the values that the source has.
  int64_t value_size = -1;
  double value_ratio = 0.5;
  // The first is what others are compared to.
  std::vector<BenchConfig> configs = {};
  std::vector<Workload> workloads = {};  // in the order they run
  unsigned threads = 1;
  uint64_t memory_limit = 0;  // bytes; 0: none
  // Bytes, of a database of generated keys if there is no limit.
  uint64_t block_cache = uint64_t{256} << 20;
  unsigned repeat = 3;
  uint64_t ops = 200000;
  uint64_t seed = 1;
  std::string dir = {};
  bool keep = false;
  bool demo = false;  // ask questions as well

  bool Wants(Workload workload) const;
};

// `list`: names of built-in configurations and name=options, by commas outside
// of braces. Options that begin with @NAME are that built-in's and what
// follows. A built-in that the RocksDB of this program cannot make is
// NotSupported.
std::vector<BenchConfig> ParseConfigs(const std::string& list);
// What --list_configs prints.
std::string DescribeConfigs();

// `list`: names by commas; `all`, `writes`, `reads` and `mixed` stand for
// several. The result is without repetition, in the order of running.
std::vector<Workload> ParseWorkloads(const std::string& list);

// A number of bytes, perhaps with K, M, G or T behind it (powers of 1024).
uint64_t ParseBytes(const std::string& text);

}  // namespace memkv
