// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/version.h"
#include "util/string_util.h"

namespace memkv {

namespace {

// A built-in configuration. `needs`: what RocksDB of some version does not
// have, or null.
struct BuiltInConfig {
  BenchConfig config;
  const char* needs = nullptr;
};

std::vector<BuiltInConfig> BuiltIn() {
  const std::string lz4 = "compression=kLZ4Compression";
  auto stock = [](const std::string& compression,
                  const std::string& memtable = "skip_list",
                  const std::string& more = "") {
    return "memtable_factory=" + memtable +
           ";table_factory={id=BlockBasedTable;"
           "filter_policy=bloomfilter:10:false;block_cache=8G" +
           more + "};" + compression;
  };
  auto memkv = [](const std::string& table, const std::string& filter,
                  const std::string& compression) {
    return "memtable_factory=art;table_factory={id=fst;" + table +
           "block_based={block_cache=8G" + filter + "}};" + compression;
  };
  const std::string cache = "residency=cache;";
  const std::string bloom = ";filter_policy=bloomfilter:10:false";
  return {
      {{"stock-lz4", stock(lz4)}},
      {{"stock-zstd", stock("compression=kZSTD")}},
      {{"plain", stock("compression=kNoCompression")}},
      // What RocksDB has been given since, in the newest format of the version.
      {{"stock-tuned",
        "hyper_clock_cache=8G;" +
            stock(lz4, "skip_list",
                  ";data_block_index_type=kDataBlockBinaryAndHash;"
                  "index_type=kTwoLevelIndexSearch;partition_filters=true;"
                  "pin_top_level_index_and_filter=true")}},
      {{"memkv", memkv("", "", lz4)}},
      {{"memkv-bloom", memkv("", bloom, lz4)}},
      {{"memkv-no-filter", memkv("default_filter=none;", "", lz4)}},
      {{"memkv-zstd", memkv("", "", "compression=kZSTD")}},
      {{"memkv-cache", memkv(cache, "", lz4)}},
      {{"memkv-cache-bloom", memkv(cache, bloom, lz4)}},
      {{"memkv-memtable", stock(lz4, "art")}},
      // Without use_udi_as_primary_index no look-up would ask the trie.
      {{"trie-index", stock(lz4, "skip_list",
                            ";user_defined_index_factory=trie_index;"
                            "use_udi_as_primary_index=true")},
       "the trie index of RocksDB's own (user_defined_index_factory)"},
  };
}

std::string RocksDbVersion() {
  return "RocksDB " + rocksdb::GetRocksVersionAsString();
}

// Whether the RocksDB of this program can make it, by its own parser of options
// and its registry.
Status TryBuiltIn(const BuiltInConfig& built_in) {
  try {
    if (built_in.needs != nullptr) {
      BenchDatabase(built_in.config, "");
    }
    return Status::OK();
  } catch (const Failure& failure) {
    return Status::NotSupported(
        fmt::format("--configs: {} needs {}, which {}, of this program, does "
                    "not have",
                    built_in.config.name, built_in.needs, RocksDbVersion()),
        failure.what());
  }
}

// By commas that are in no braces.
std::vector<std::string> SplitOutsideBraces(const std::string& list) {
  std::vector<std::string> items(1);
  int depth = 0;
  for (char c : list) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (c == ',' && depth == 0) {
      items.emplace_back();
    } else {
      items.back().push_back(c);
    }
  }
  return items;
}

constexpr WorkloadInfo kInfos[kNumWorkloads] = {
    {"load-sorted", "every record, in the order of keys, to the last flush",
     "a key", Group::kWrites},
    {"load-shuffled", "every record, shuffled, to the last compaction due",
     "a key", Group::kWrites},
    {"overwrite", "new values for random keys, to the last compaction due",
     "a key", Group::kWrites},
    {"flush", "a full memtable of shuffled keys to a file", "a key",
     Group::kWrites},
    {"compact", "everything into the last level", "a key", Group::kWrites},
    {"get", "point look-up of a key that is there", "a look-up", Group::kReads},
    {"miss", "point look-up of a key one byte from one", "a look-up",
     Group::kReads},
    {"multiget", "32 keys that are there, in one call", "a key", Group::kReads},
    {"seek", "seek, and 10 steps", "a seek", Group::kReads, 4},
    {"scan", "all of the database, forwards", "a key", Group::kReads},
    {"rscan", "all of the database, backwards", "a key", Group::kReads},
    {"prefix-scan", "at most 100 keys below a prefix", "a scan", Group::kReads,
     8},
    {"count", "keys of a range counted, 1000 or so", "a range", Group::kReads,
     200},
    {"hot-get", "get, of keys in one twentieth, another one in each repeat",
     "a look-up", Group::kReads},
    {"mixed-a", "YCSB A: 50 % reads, 50 % updates, Zipf 0.99", "an operation",
     Group::kMixed},
    {"mixed-b", "YCSB B: 95 % reads, 5 % updates, Zipf 0.99", "an operation",
     Group::kMixed},
    {"mixed-c", "YCSB C: reads, Zipf 0.99", "an operation", Group::kMixed},
    {"mixed-d", "YCSB D: 95 % reads of the latest, 5 % inserts", "an operation",
     Group::kMixed},
    {"mixed-e", "YCSB E: 95 % short scans, 5 % inserts", "an operation",
     Group::kMixed, 10},
    {"mixed-f", "YCSB F: 50 % reads, 50 % read-modify-writes", "an operation",
     Group::kMixed},
    {"readwhilewriting", "point look-ups while one more thread overwrites",
     "a look-up", Group::kNone},
    {"live-get", "get, in a tree that was loaded and not compacted whole",
     "a look-up", Group::kLive},
    {"live-miss", "miss, in such a tree", "a look-up", Group::kLive},
    {"live-seek", "seek, in such a tree", "a seek", Group::kLive, 4},
    {"live-scan", "scan, of such a tree", "a key", Group::kLive},
};
// What --workloads calls all of a group.
constexpr const char* kGroups[] = {"writes", "reads", "mixed",
                                   "readwhilewriting", "live"};

}  // namespace

bool WorkloadInfo::IsScanOfAll() const {
  return this == &InfoOf(Workload::kScan) ||
         this == &InfoOf(Workload::kReverseScan) ||
         this == &InfoOf(Workload::kLiveScan);
}

Workload AskedBy(Workload workload) {
  switch (workload) {
    case Workload::kLiveGet:
      return Workload::kGet;
    case Workload::kLiveMiss:
      return Workload::kMiss;
    case Workload::kLiveSeek:
      return Workload::kSeek;
    case Workload::kLiveScan:
      return Workload::kScan;
    default:
      return workload;
  }
}

const WorkloadInfo& InfoOf(Workload workload) {
  return kInfos[static_cast<int>(workload)];
}

bool BenchOptions::Wants(Workload workload) const {
  return std::find(workloads.begin(), workloads.end(), workload) !=
         workloads.end();
}

std::vector<BenchConfig> ParseConfigs(const std::string& list) {
  const std::vector<BuiltInConfig> built_in = BuiltIn();
  std::vector<BenchConfig> configs;
  for (const std::string& item : SplitOutsideBraces(list)) {
    const size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (name.empty()) {
      Refuse("--configs: an empty name in " + list);
    }
    std::string options =
        equals == std::string::npos ? "@" + name : item.substr(equals + 1);
    if (options[0] == '@') {
      const size_t end = std::min(options.find(';'), options.size());
      const std::string base = options.substr(1, end - 1);
      const auto known = std::find_if(
          built_in.begin(), built_in.end(),
          [&base](const BuiltInConfig& b) { return b.config.name == base; });
      if (known == built_in.end()) {
        Refuse("--configs: no built-in is called " + base,
               "--list_configs shows them; or give name=options");
      }
      Check(TryBuiltIn(*known));
      options = known->config.options + options.substr(end);
    }
    for (const BenchConfig& other : configs) {
      if (other.name == name) {
        Refuse("--configs: twice " + name);
      }
    }
    configs.push_back({name, options});
  }
  return configs;
}

std::string DescribeConfigs() {
  std::string text;
  for (const BuiltInConfig& built_in : BuiltIn()) {
    text += fmt::format("{}\n    {}\n", built_in.config.name,
                        built_in.config.options);
    if (!TryBuiltIn(built_in).ok()) {
      text += fmt::format("    not with {}, of this program: needs {}\n",
                          RocksDbVersion(), built_in.needs);
    }
  }
  return text;
}

std::vector<Workload> ParseWorkloads(const std::string& list) {
  std::vector<bool> wanted(kNumWorkloads);
  for (const std::string& name : rocksdb::StringSplit(list, ',')) {
    bool found = false;
    for (size_t i = 0; i < kNumWorkloads; i++) {
      if (name == "all" || name == kInfos[i].name ||
          name == kGroups[static_cast<int>(kInfos[i].group)]) {
        wanted[i] = found = true;
      }
    }
    if (!found) {
      Refuse("--workloads: none is called " + name);
    }
  }
  std::vector<Workload> workloads;
  for (int i = 0; i < kNumWorkloads; i++) {
    if (wanted[static_cast<size_t>(i)]) {
      workloads.push_back(static_cast<Workload>(i));
    }
  }
  return workloads;
}

uint64_t ParseBytes(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const size_t power = unit.empty() ? 0 : std::string("KMGT").find(unit) + 1;
  if (end == text.c_str() || number < 0 || number > 1e15 || unit.size() > 1 ||
      (!unit.empty() && power == 0)) {
    Refuse("'" + text + "' is no number of bytes", "expected 512M, say");
  }
  return static_cast<uint64_t>(number *
                               static_cast<double>(1ULL << (10 * power)));
}

}  // namespace memkv
