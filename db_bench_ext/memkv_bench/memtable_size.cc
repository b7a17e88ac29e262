// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_look_ups.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/sizes.h"
#include "rocksdb/listener.h"

namespace memkv {

namespace {

// Loading and reading a key, as parts of the progress bar.
constexpr uint64_t kStepsOfKey = 4;
// Between two looks at the memory that is allocated.
constexpr uint64_t kKeysOfSample = 10000;

// Counts the files that flushes and compactions write.
class FileCounter : public rocksdb::EventListener {
 public:
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    if (!info.status.ok()) {
      return;
    }
    if (info.reason == rocksdb::TableFileCreationReason::kFlush) {
      flushes_.fetch_add(1, std::memory_order_relaxed);
      flushed_.fetch_add(info.file_size, std::memory_order_relaxed);
    } else {
      compacted_.fetch_add(info.file_size, std::memory_order_relaxed);
    }
  }

  uint64_t flushes() const { return flushes_.load(std::memory_order_relaxed); }
  uint64_t flushed() const { return flushed_.load(std::memory_order_relaxed); }
  uint64_t compacted() const {
    return compacted_.load(std::memory_order_relaxed);
  }

 private:
  // Read when no flush or compaction is left: WaitForCompact orders them.
  std::atomic<uint64_t> flushes_{0};
  std::atomic<uint64_t> flushed_{0};
  std::atomic<uint64_t> compacted_{0};
};

double StallSeconds(rocksdb::DB* db) {
  std::map<std::string, std::string> stats;
  db->GetMapProperty(rocksdb::DB::Properties::kDBStats, &stats);
  const auto stall = stats.find("db.user_write_stall_micros");
  return stall == stats.end()
             ? 0
             : std::strtod(stall->second.c_str(), nullptr) / 1e6;
}

uint64_t LevelZeroFiles(rocksdb::DB* db) {
  std::string count;
  db->GetProperty(rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0",
                  &count);
  return std::strtoull(count.c_str(), nullptr, 10);
}

class MemtableSize {
 public:
  MemtableSize(const BenchOptions& options, uint64_t budget,
               const std::vector<uint64_t>& sizes, const std::string& dir,
               BenchResults* results)
      : options_(options),
        budget_(budget),
        sizes_(sizes),
        dir_(dir),
        results_(results),
        limit_(options.memory_limit, kGeneratedBlockCache),
        records_(options, budget),
        progress_("delta", budget * (1 + kStepsOfKey * sizes.size() *
                                             options.configs.size())) {}

  void Run() {
    progress_.SetLabel("making keys");
    KeyStats stats;
    records_.MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
    results_->SetGeneratedKeys(records_, stats);
    Json runs = Json::array();
    for (const BenchConfig& config : options_.configs) {
      runs.push_back({{"config", config.name}, {"points", Json::array()}});
    }
    // All configurations with one size before the next, so that a disturbance
    // of the machine meets all alike.
    for (uint64_t size : sizes_) {
      for (size_t i = 0; i < options_.configs.size(); i++) {
        progress_.SetLabel(
            fmt::format("{} MB {}", size >> 20, options_.configs[i].name));
        runs[i]["points"].push_back(Point(options_.configs[i], size));
        results_->Set("delta", {{"budget", budget_},
                                {"value_size", records_.value_size()},
                                {"runs", RunsWithPoints(runs)}});
      }
    }
    progress_.Finish();
  }

 private:
  // Loads all keys, and tells how much memory is allocated at most meanwhile,
  // beyond `before`.
  size_t Load(BenchDatabase* database, size_t before, Json* point) {
    auto allocated = [before] {
      const size_t now = ReadJemallocBytes().allocated;
      return std::max(now, before) - before;
    };
    size_t peak = 0;
    uint64_t written = 0;
    uint64_t next_sample = 0;
    const Stopwatch load;
    Check(records_.Load(false, database, [&](uint64_t so_far) {
      progress_.Add((so_far - written) * (kStepsOfKey - 1));
      written = so_far;
      if (written >= next_sample) {
        peak = std::max(peak, allocated());
        next_sample = written + kKeysOfSample;
      }
    }));
    (*point)["load_seconds"] = load.seconds();
    (*point)["keys_a_second"] = static_cast<double>(written) / load.seconds();
    rocksdb::DB* const db = database->db();
    (*point)["stall_seconds"] = StallSeconds(db);
    // What the load left to do, but for the memtable.
    Check(db->WaitForCompact(rocksdb::WaitForCompactOptions()));
    using Names = rocksdb::DB::Properties;
    (*point)["delta_keys"] =
        database->Property(Names::kNumEntriesActiveMemTable);
    (*point)["delta_bytes"] = database->Property(Names::kSizeAllMemTables);
    (*point)["level0_files"] = LevelZeroFiles(db);
    ReleaseFreedMemory();
    (*point)["memory_bytes"] = allocated();
    return std::max(peak, allocated());
  }

  Json Point(const BenchConfig& config, uint64_t size) {
    const std::string path = dir_ + "/delta";
    BenchDatabase database(config.name, path);
    Check(database.Configure(config.options));
    Check(limit_.Prepare(&database));
    const auto counter = std::make_shared<FileCounter>();
    database.options()->write_buffer_size = size;
    database.options()->listeners.push_back(counter);
    const size_t before = MemoryBefore().allocated;
    Check(database.Open());
    Json point = {{"write_buffer_size", size}, {"keys", records_.distinct()}};
    const Stopwatch all;
    point["peak_bytes"] = Load(&database, before, &point);
    auto look_up = [&](const char* prefix) {
      MeasureLookUps(records_, options_.ops, options_.seed + 1, limit_, prefix,
                     &database, &point);
    };
    look_up("");
    const Stopwatch settle;
    Check(database.Settle());
    point["settle_seconds"] = settle.seconds();
    point["cpu_seconds"] = all.cpu_nanos() / 1e9;
    look_up("settled_");
    const double user_bytes = static_cast<double>(
        records_.key_bytes() + records_.distinct() * records_.value_size());
    point["flushes"] = counter->flushes();
    point["flushed_bytes"] = counter->flushed();
    point["compacted_bytes"] = counter->compacted();
    point["write_amplification"] =
        static_cast<double>(counter->flushed() + counter->compacted()) /
        user_bytes;
    point["disk_bytes"] = database.SstBytes();
    Check(records_.Verify(database,
                          [this](uint64_t read) { progress_.Add(read); }));
    Check(database.Close());
    std::error_code error;
    std::filesystem::remove_all(path, error);
    return point;
  }

  const BenchOptions& options_;
  const uint64_t budget_;
  const std::vector<uint64_t> sizes_;
  const std::string dir_;
  BenchResults* const results_;
  const MemoryLimit limit_;
  GeneratedRecords records_;
  ProgressBar progress_;
};

}  // namespace

void RunMemtableSize(const BenchOptions& options, uint64_t budget,
                     const std::vector<uint64_t>& sizes, const std::string& dir,
                     BenchResults* results) {
  MemtableSize(options, budget, sizes, dir, results).Run();
}

}  // namespace memkv
