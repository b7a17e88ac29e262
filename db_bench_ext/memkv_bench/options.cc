// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/options.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/version.h"

namespace memkv {

using rocksdb::Status;

namespace {

constexpr char kStockTable[] =
    "memtable_factory=skip_list;table_factory={id=BlockBasedTable;"
    "filter_policy=bloomfilter:10:false;block_cache=8G};compression=";

// A built-in configuration. `needs`: what RocksDB of some version does not
// have, or null.
struct BuiltInConfig {
  BenchConfig config;
  const char* needs = nullptr;
};

std::vector<BuiltInConfig> BuiltIn() {
  const std::string stock = kStockTable;
  auto memkv = [](const std::string& table, const std::string& compression,
                  const std::string& block_based = "") {
    return "memtable_factory=art;table_factory={id=fst;" + table +
           "block_based={block_cache=8G" + block_based +
           "}};compression=" + compression;
  };
  return {
      {{"stock-lz4", stock + "kLZ4Compression"}},
      {{"stock-zstd", stock + "kZSTD"}},
      {{"plain", stock + "kNoCompression"}},
      {{"memkv", memkv("", "kLZ4Compression")}},
      {{"memkv-bloom",
        memkv("", "kLZ4Compression", ";filter_policy=bloomfilter:10:false")}},
      {{"memkv-zstd", memkv("", "kZSTD")}},
      {{"memkv-cache", memkv("residency=cache;", "kLZ4Compression")}},
      {{"memkv-cache-bloom", memkv("residency=cache;", "kLZ4Compression",
                                   ";filter_policy=bloomfilter:10:false")}},
      {{"memkv-memtable",
        "memtable_factory=art;table_factory={id=BlockBasedTable;"
        "filter_policy=bloomfilter:10:false;block_cache=8G};"
        "compression=kLZ4Compression"}},
      // Without use_udi_as_primary_index no look-up would ask the trie.
      {{"trie-index",
        "memtable_factory=skip_list;table_factory={id=BlockBasedTable;"
        "filter_policy=bloomfilter:10:false;block_cache=8G;"
        "user_defined_index_factory=trie_index;use_udi_as_primary_index=true};"
        "compression=kLZ4Compression"},
       "the trie index of RocksDB's own (user_defined_index_factory)"},
  };
}

std::string RocksDbVersion() {
  return "RocksDB " + rocksdb::GetRocksVersionAsString();
}

// Whether the RocksDB of this program can make it, by its own parser of options
// and its registry.
Status TryBuiltIn(const BuiltInConfig& built_in) {
  if (built_in.needs == nullptr) {
    return Status::OK();
  }
  const Status s = BenchDatabase(built_in.config.name, "")
                       .Configure(built_in.config.options);
  return s.ok() ? s
                : Status::NotSupported("--configs: " + built_in.config.name +
                                           " needs " + built_in.needs +
                                           ", which " + RocksDbVersion() +
                                           ", of this program, does not have",
                                       s.ToString());
}

const BenchConfig* FindConfig(const std::vector<BenchConfig>& configs,
                              const std::string& name) {
  for (const BenchConfig& config : configs) {
    if (config.name == name) {
      return &config;
    }
  }
  return nullptr;
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
     "a key", true},
    {"load-shuffled", "every record, shuffled, to the last compaction due",
     "a key", true},
    {"overwrite", "new values for random keys, to the last compaction due",
     "a key", true},
    {"flush", "a full memtable of shuffled keys to a file", "a key", true},
    {"compact", "everything into the last level", "a key", true},
    {"get", "point look-up of a key that is there", "a look-up", false},
    {"miss", "point look-up of a key one byte from one", "a look-up", false},
    {"multiget", "32 keys that are there, in one call", "a key", false},
    {"seek", "seek, and 10 steps", "a seek", false},
    {"scan", "all of the database, forwards", "a key", false},
    {"rscan", "all of the database, backwards", "a key", false},
    {"prefix-scan", "at most 100 keys below a prefix", "a scan", false},
    {"count", "keys of a range counted, 1000 or so", "a range", false},
    {"mixed-a", "YCSB A: 50 % reads, 50 % updates, Zipf 0.99", "an operation",
     false},
    {"mixed-b", "YCSB B: 95 % reads, 5 % updates, Zipf 0.99", "an operation",
     false},
    {"mixed-c", "YCSB C: reads, Zipf 0.99", "an operation", false},
    {"mixed-d", "YCSB D: 95 % reads of the latest, 5 % inserts", "an operation",
     false},
    {"mixed-e", "YCSB E: 95 % short scans, 5 % inserts", "an operation", false},
    {"mixed-f", "YCSB F: 50 % reads, 50 % read-modify-writes", "an operation",
     false},
    {"readwhilewriting", "point look-ups while one more thread overwrites",
     "a look-up", false},
};

}  // namespace

const WorkloadInfo& InfoOf(Workload workload) {
  return kInfos[static_cast<int>(workload)];
}

bool BenchOptions::Wants(Workload workload) const {
  return std::find(workloads.begin(), workloads.end(), workload) !=
         workloads.end();
}

Status ParseConfigs(const std::string& list,
                    std::vector<BenchConfig>* configs) {
  const std::vector<BuiltInConfig> built_in = BuiltIn();
  for (const std::string& item : SplitOutsideBraces(list)) {
    const size_t equals = item.find('=');
    BenchConfig config;
    config.name = item.substr(0, equals);
    if (config.name.empty()) {
      return Status::InvalidArgument("--configs: an empty name in " + list);
    }
    std::string base = config.name;
    std::string more;
    if (equals != std::string::npos) {
      config.options = item.substr(equals + 1);
      base.clear();
      if (config.options[0] == '@') {
        const size_t end = config.options.find(';');
        base =
            config.options.substr(1, end == std::string::npos ? end : end - 1);
        more = end == std::string::npos ? "" : config.options.substr(end);
      }
    }
    if (!base.empty()) {
      const auto known = std::find_if(
          built_in.begin(), built_in.end(),
          [&base](const BuiltInConfig& b) { return b.config.name == base; });
      if (known == built_in.end()) {
        return Status::InvalidArgument(
            "--configs: no built-in is called " + base,
            "--list_configs shows them; or give name=options");
      }
      Status s = TryBuiltIn(*known);
      if (!s.ok()) {
        return s;
      }
      config.options = known->config.options + more;
    }
    if (FindConfig(*configs, config.name) != nullptr) {
      return Status::InvalidArgument("--configs: twice " + config.name);
    }
    configs->push_back(std::move(config));
  }
  return Status::OK();
}

std::string DescribeConfigs() {
  std::string text;
  for (const BuiltInConfig& built_in : BuiltIn()) {
    text += built_in.config.name + "\n    " + built_in.config.options + "\n" +
            (TryBuiltIn(built_in).ok()
                 ? ""
                 : "    not with " + RocksDbVersion() +
                       ", of this program: needs " + built_in.needs + "\n");
  }
  return text;
}

Status ParseWorkloads(const std::string& list,
                      std::vector<Workload>* workloads) {
  std::set<int> wanted;
  auto add = [&wanted](Workload first, Workload last) {
    for (int i = static_cast<int>(first); i <= static_cast<int>(last); i++) {
      wanted.insert(i);
    }
  };
  for (const std::string& name : SplitOutsideBraces(list)) {
    if (name == "all") {
      add(Workload::kLoadSorted, Workload::kReadWhileWriting);
    } else if (name == "writes") {
      add(Workload::kLoadSorted, Workload::kCompact);
    } else if (name == "reads") {
      add(Workload::kGet, Workload::kCount);
    } else if (name == "mixed") {
      add(Workload::kMixedA, Workload::kMixedF);
    } else {
      int i = 0;
      while (i < kNumWorkloads && name != kInfos[i].name) {
        i++;
      }
      if (i == kNumWorkloads) {
        return Status::InvalidArgument("--workloads: none is called " + name);
      }
      wanted.insert(i);
    }
  }
  for (int i : wanted) {
    workloads->push_back(static_cast<Workload>(i));
  }
  return Status::OK();
}

Status ParseBytes(const std::string& text, uint64_t* bytes) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const std::string units = "KMGT";
  const size_t power = unit.empty() ? 0 : units.find(unit) + 1;
  if (end == text.c_str() || number < 0 || number > 1e15 ||
      (!unit.empty() && (unit.size() != 1 || power == 0))) {
    return Status::InvalidArgument("'" + text + "' is no number of bytes",
                                   "expected 512M, say");
  }
  *bytes =
      static_cast<uint64_t>(number * static_cast<double>(1ULL << (10 * power)));
  return Status::OK();
}

}  // namespace memkv
