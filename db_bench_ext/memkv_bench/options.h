// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchOptions: what memkv_bench is asked for, checked before anything runs.
//
// Thread safety: none needed; built once, then read.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb/status.h"

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
  kMixedA,
  kMixedB,
  kMixedC,
  kMixedD,
  kMixedE,
  kMixedF,
  kReadWhileWriting,
};
constexpr int kNumWorkloads = 20;

struct WorkloadInfo {
  const char* name;
  const char* what;  // one line for people
  const char* per;   // what the time is of: "a key"
  // Work that one thread does alone in memory is measured in that thread's CPU
  // time, which other programs disturb less; what has background work, or waits
  // for files, in wall time.
  bool background;
};
const WorkloadInfo& InfoOf(Workload workload);

struct BenchOptions {
  std::string command;
  std::string keys;
  // Negative: the values that the source has.
  int64_t value_size = -1;
  double value_ratio = 0.5;
  std::vector<BenchConfig> configs;  // the first is what others are compared to
  std::vector<Workload> workloads;   // in the order they run
  unsigned threads = 1;
  uint64_t memory_limit = 0;  // bytes; 0: none
  unsigned repeat = 3;
  uint64_t ops = 200000;
  uint64_t seed = 1;
  std::string dir;
  bool keep = false;
  bool demo = false;  // ask questions as well

  bool Wants(Workload workload) const;
};

// `list`: names of built-in configurations and name=options, by commas outside
// of braces. Options that begin with @NAME are that built-in's and what
// follows. A built-in that the RocksDB of this program cannot make is
// NotSupported.
rocksdb::Status ParseConfigs(const std::string& list,
                             std::vector<BenchConfig>* configs);
// What --list_configs prints.
std::string DescribeConfigs();

// `list`: names by commas; `all`, `writes`, `reads` and `mixed` stand for
// several. The result is without repetition, in the order of running.
rocksdb::Status ParseWorkloads(const std::string& list,
                               std::vector<Workload>* workloads);

// A number of bytes, perhaps with K, M, G or T behind it (powers of 1024).
rocksdb::Status ParseBytes(const std::string& text, uint64_t* bytes);

}  // namespace memkv
