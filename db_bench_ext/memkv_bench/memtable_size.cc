// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/memtable_size.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_look_ups.h"
#include "db_bench_ext/memkv_bench/sizes.h"
#include "rocksdb/listener.h"

namespace memkv {

using rocksdb::Status;

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

}  // namespace

BenchDelta::BenchDelta(const BenchOptions& options, uint64_t budget,
                       const std::vector<uint64_t>& sizes,
                       const std::string& dir, BenchResults* results)
    : options_(options),
      budget_(budget),
      sizes_(sizes),
      dir_(dir),
      results_(results),
      limit_(options.memory_limit, kGeneratedBlockCache),
      records_(options.seed, budget,
               static_cast<size_t>(std::max<int64_t>(options.value_size, 0)),
               options.value_ratio),
      progress_("delta", budget * (1 + kStepsOfKey * sizes.size() *
                                           options.configs.size())) {}

Status BenchDelta::Run() {
  progress_.SetLabel("making keys");
  KeyStats stats;
  records_.MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
  results_->SetGeneratedKeys(records_, stats);
  for (const BenchConfig& config : options_.configs) {
    runs_.push_back({{"config", config.name}, {"points", Json::array()}});
  }
  // All configurations with one size before the next, so that a disturbance of
  // the machine meets all alike.
  for (uint64_t size : sizes_) {
    for (size_t i = 0; i < options_.configs.size(); i++) {
      progress_.SetLabel(std::to_string(size >> 20) + " MB " +
                         options_.configs[i].name);
      Json point;
      Status s = Point(options_.configs[i], size, &point);
      if (!s.ok()) {
        return s;
      }
      runs_[i]["points"].push_back(point);
      Publish();
    }
  }
  progress_.Finish();
  return Status::OK();
}

void BenchDelta::Publish() {
  Json done = Json::array();
  for (const Json& run : runs_) {
    if (!run["points"].empty()) {
      done.push_back(run);
    }
  }
  results_->SetDelta({{"budget", budget_},
                      {"value_size", records_.value_size()},
                      {"runs", done}});
}

Status BenchDelta::Point(const BenchConfig& config, uint64_t size,
                         Json* point) {
  const std::string path = dir_ + "/delta";
  BenchDatabase database(config.name, path);
  Status s = database.Configure(config.options);
  if (s.ok()) {
    s = limit_.Prepare(&database);
  }
  if (!s.ok()) {
    return s;
  }
  const auto counter = std::make_shared<FileCounter>();
  rocksdb::Options* const options = database.options();
  options->write_buffer_size = size;
  options->listeners.push_back(counter);
  JemallocBytes before;
  if (!MemoryBefore(&before)) {
    return Status::NotSupported("--delta needs a build with jemalloc");
  }
  auto allocated = [&before] {
    size_t now = 0;
    JemallocAllocated(&now);
    return std::max(now, before.allocated) - before.allocated;
  };
  s = database.Open();
  size_t peak = 0;
  uint64_t written = 0;
  uint64_t next_sample = 0;
  const uint64_t start = WallNanos();
  const double cpu = ProcessCpuNanos();
  if (s.ok()) {
    s = records_.Load(false, &database, [&](uint64_t so_far) {
      progress_.Add((so_far - written) * (kStepsOfKey - 1));
      written = so_far;
      if (written >= next_sample) {
        peak = std::max(peak, allocated());
        next_sample = written + kKeysOfSample;
      }
    });
  }
  if (!s.ok()) {
    return s;
  }
  rocksdb::DB* const db = database.db();
  const double load_seconds = SecondsSince(start);
  const double stall_seconds = StallSeconds(db);
  // What the load left to do, but for the memtable.
  s = db->WaitForCompact(rocksdb::WaitForCompactOptions());
  using Names = rocksdb::DB::Properties;
  const uint64_t delta_keys =
      database.Property(Names::kNumEntriesActiveMemTable);
  const uint64_t delta_bytes = database.Property(Names::kSizeAllMemTables);
  ReleaseFreedMemory();
  const size_t memory = allocated();
  *point = {{"write_buffer_size", size},
            {"keys", records_.distinct()},
            {"load_seconds", load_seconds},
            {"keys_a_second", static_cast<double>(written) / load_seconds},
            {"stall_seconds", stall_seconds},
            {"delta_keys", delta_keys},
            {"delta_bytes", delta_bytes},
            {"level0_files", LevelZeroFiles(db)},
            {"memory_bytes", memory},
            {"peak_bytes", std::max(peak, memory)}};
  auto look_up = [&](const char* prefix) {
    return MeasureLookUps(records_, options_.ops, options_.seed + 1, limit_,
                          prefix, &database, point);
  };
  if (s.ok()) {
    s = look_up("");
  }
  const uint64_t settling = WallNanos();
  if (s.ok()) {
    s = database.Settle();
  }
  (*point)["settle_seconds"] = SecondsSince(settling);
  (*point)["cpu_seconds"] = (ProcessCpuNanos() - cpu) / 1e9;
  if (s.ok()) {
    s = look_up("settled_");
  }
  const double user_bytes = static_cast<double>(
      records_.key_bytes() + records_.distinct() * records_.value_size());
  (*point)["flushes"] = counter->flushes();
  (*point)["flushed_bytes"] = counter->flushed();
  (*point)["compacted_bytes"] = counter->compacted();
  (*point)["write_amplification"] =
      static_cast<double>(counter->flushed() + counter->compacted()) /
      user_bytes;
  (*point)["disk_bytes"] = database.SstBytes();
  if (s.ok()) {
    s = records_.Verify(database,
                        [this](uint64_t read) { progress_.Add(read); });
  }
  const Status closed = database.Close();
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return s.ok() ? closed : s;
}

}  // namespace memkv
