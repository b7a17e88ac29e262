// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RunScale and RunMemtableSize: runs of generated keys, a database at a time.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/sizes.h"
#include "rocksdb/listener.h"

namespace memkv {

namespace {

using Names = rocksdb::DB::Properties;

constexpr uint64_t kExtrapolateTo = 340000000;
constexpr double kTargets[] = {10, 5, 3};  // bytes a key
constexpr uint64_t kTimelinePoints = 50;
// Loading, counting and reading a key, as parts of the progress bar.
constexpr uint64_t kStepsOfKey = 4;
// Between two looks at the memory that is allocated.
constexpr uint64_t kKeysOfSample = 10000;
// Without a limit: what a database holds should be its own, and not grow until
// all of its blocks are there.
constexpr uint64_t kBlockCache = uint64_t{256} << 20;

// Those that have been at some point.
Json RunsWithPoints(const Json& runs) {
  Json done = Json::array();
  for (const Json& run : runs) {
    if (!run["points"].empty()) {
      done.push_back(run);
    }
  }
  return done;
}

// What both kinds of run have in common.
class GeneratedRun {
 public:
  GeneratedRun(const char* section, const BenchOptions& options,
               uint64_t budget, uint64_t steps, const std::string& dir,
               BenchResults* results)
      : section_(section),
        options_(options),
        budget_(budget),
        path_(dir + "/" + section),
        results_(results),
        limit_(options.memory_limit, kBlockCache),
        progress_(section, steps) {}

 protected:
  std::unique_ptr<GeneratedRecords> MakeRecords(uint64_t count) {
    progress_.SetLabel("making keys");
    auto records = std::make_unique<GeneratedRecords>(
        options_.seed, count, ValueSize(), options_.value_ratio);
    KeyStats stats;
    records->MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
    results_->SetKeys("generated URL-like keys of " +
                          std::to_string(records->num_hosts()) + " hosts",
                      stats, records->distinct() * ValueSize());
    return records;
  }

  std::unique_ptr<BenchDatabase> Configure(const BenchConfig& config) const {
    auto database = std::make_unique<BenchDatabase>(config.name, path_);
    Check(database->Configure(config.options));
    Check(limit_.Prepare(database.get()));
    return database;
  }

  // Loads all keys; `batch_done` is told after each batch how many. Returns how
  // many were written.
  uint64_t Load(const GeneratedRecords& records, bool sorted,
                BenchDatabase* database,
                const std::function<void(uint64_t)>& batch_done) {
    uint64_t written = 0;
    Check(records.Load(sorted, database, [&](uint64_t so_far) {
      progress_.Add((so_far - written) * (kStepsOfKey - 1));
      written = so_far;
      batch_done(so_far);
    }));
    return written;
  }

  void LookUp(const GeneratedRecords& records, const std::string& prefix,
              BenchDatabase* database, Json* point) const {
    MeasureLookUps(records, options_.ops, options_.seed + 1, limit_, prefix,
                   database, point);
  }

  void Verify(const GeneratedRecords& records, const BenchDatabase& database) {
    Check(records.Verify(database,
                         [this](uint64_t read) { progress_.Add(read); }));
  }

  // Sets the section of the report.
  void Report(const Json& runs, const Json& more = Json::object()) const {
    Json section = {{"budget", budget_}, {"value_size", ValueSize()}};
    section.update(more);
    section["runs"] = RunsWithPoints(runs);
    results_->Set(section_, section);
  }

  // Values are empty unless the options say otherwise.
  size_t ValueSize() const {
    return static_cast<size_t>(std::max<int64_t>(options_.value_size, 0));
  }

  const std::string section_;
  const BenchOptions& options_;
  const uint64_t budget_;
  const std::string path_;
  BenchResults* const results_;
  const MemoryLimit limit_;
  ProgressBar progress_;
};

// ---- --scale ---------------------------------------------------------------

std::vector<uint64_t> NumbersOfKeys(uint64_t budget) {
  std::vector<uint64_t> numbers;
  for (uint64_t n = budget; n >= 1000 && numbers.size() < 3; n /= 10) {
    numbers.insert(numbers.begin(), n);
  }
  return numbers;
}

// coefficient * keys^exponent, by least squares of the logarithms; null if
// fewer than two points are of a size.
Json Fit(const std::string& what, const Json& points, const char* field) {
  double n = 0;
  double sum_x = 0;
  double sum_y = 0;
  double sum_xx = 0;
  double sum_xy = 0;
  for (const Json& point : points) {
    if (point[field].get<double>() > 0) {
      const double x = std::log(point["keys"].get<double>());
      const double y = std::log(point[field].get<double>());
      n++;
      sum_x += x;
      sum_y += y;
      sum_xx += x * x;
      sum_xy += x * y;
    }
  }
  if (n < 2) {
    return nullptr;
  }
  const double exponent =
      (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
  const double coefficient = std::exp((sum_y - exponent * sum_x) / n);
  auto at = [&](double keys) { return coefficient * std::pow(keys, exponent); };
  double largest = 0;
  for (const Json& point : points) {
    largest = std::max(largest, std::fabs(at(point["keys"].get<double>()) -
                                          point[field].get<double>()));
  }
  return {{"of", what},
          {"field", field},
          {"keys", kExtrapolateTo},
          {"at", at(double{kExtrapolateTo})},
          {"coefficient", coefficient},
          {"exponent", exponent},
          {"largest_error", largest},
          {"points", static_cast<uint64_t>(n)}};
}

uint64_t StepsOfScale(uint64_t budget, size_t configs) {
  uint64_t steps = 0;
  for (uint64_t n : NumbersOfKeys(budget)) {
    steps += n * (1 + 2 * kStepsOfKey * configs);
  }
  return steps;
}

class Scale : public GeneratedRun {
 public:
  Scale(const BenchOptions& options, uint64_t budget, const std::string& dir,
        BenchResults* results)
      : GeneratedRun("scale", options, budget,
                     StepsOfScale(budget, options.configs.size()), dir,
                     results) {}

  void Run() {
    const std::vector<uint64_t> numbers = NumbersOfKeys(budget_);
    if (numbers.size() < 2) {
      Refuse("--budget must be 10000 or more");
    }
    Json runs = Json::array();
    for (const BenchConfig& config : options_.configs) {
      for (const char* order : {"sorted", "shuffled"}) {
        runs.push_back({{"config", config.name},
                        {"order", order},
                        {"points", Json::array()},
                        {"fits", Json::array()}});
      }
    }
    for (uint64_t n : numbers) {
      const auto records = MakeRecords(n);
      for (size_t i = 0; i < runs.size(); i++) {
        AddPoint(options_.configs[i / 2], *records, &runs[i]);
        Report(runs,
               {{"targets", kTargets}, {"extrapolate_to", kExtrapolateTo}});
      }
    }
    progress_.Finish();
  }

 private:
  void AddPoint(const BenchConfig& config, const GeneratedRecords& records,
                Json* run) {
    const std::string order = (*run)["order"];
    progress_.SetLabel(order + " " + config.name);
    (*run)["points"].push_back(Point(config, order == "sorted", records));
    (*run)["fits"] = Json::array();
    for (const auto& [what, field] :
         {std::make_pair("table files", "disk_bytes_a_key"),
          std::make_pair("memory", "memory_bytes_a_key")}) {
      const Json fit = Fit(what, (*run)["points"], field);
      if (!fit.is_null()) {
        (*run)["fits"].push_back(fit);
      }
    }
  }

  void LoadAndCompact(const GeneratedRecords& records, bool sorted,
                      BenchDatabase* database, Json* point) {
    const Stopwatch load;
    Json timeline = Json::array();
    const uint64_t written =
        Load(records, sorted, database, [&](uint64_t so_far) {
          // At the end of the batch in which another part of all is complete.
          if (so_far * kTimelinePoints >=
              records.count() * (timeline.size() + 1)) {
            timeline.push_back({so_far, load.seconds()});
          }
        });
    Check(database->Settle());
    (*point)["load_seconds"] = load.seconds();
    (*point)["load_cpu_seconds"] = load.cpu_nanos() / 1e9;
    (*point)["keys_a_second"] = static_cast<double>(written) / load.seconds();
    (*point)["timeline"] = timeline;
    const Stopwatch compact;
    Check(database->CompactAll());
    (*point)["compact_seconds"] = compact.seconds();
    Check(database->Close());
  }

  Json Point(const BenchConfig& config, bool sorted,
             const GeneratedRecords& records) {
    Json point = {{"keys", records.distinct()}};
    ResetPeakResident();
    auto database = Configure(config);
    Check(database->Open());
    LoadAndCompact(records, sorted, database.get(), &point);
    // Afresh: the block cache must go with what is in it.
    database = Configure(config);
    const JemallocBytes before = MemoryBefore();
    const Stopwatch open;
    Check(database->Open());
    point["open_seconds"] = open.seconds();
    Check(limit_.Apply(database.get()));
    const Stopwatch read_all;
    Verify(records, *database);
    point["read_all_seconds"] = read_all.seconds();
    point["checked"] = records.distinct();
    LookUp(records, "", database.get(), &point);
    const Sizes memory = MeasureMemory(*database, before);
    const auto keys = static_cast<double>(records.distinct());
    const int64_t cache = memory.Of("block cache");
    point["disk_bytes_a_key"] =
        static_cast<double>(MeasureDisk(*database).total) / keys;
    point["memory_bytes_a_key"] =
        static_cast<double>(memory.total - cache) / keys;
    point["block_cache_bytes"] = cache;
    point["peak_resident_bytes"] = PeakResident();
    Check(database->Drop());
    return point;
  }
};

// ---- --delta ---------------------------------------------------------------

// Counts the files that flushes and compactions write.
class FileCounter : public rocksdb::EventListener {
 public:
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    if (info.status.ok() &&
        info.reason == rocksdb::TableFileCreationReason::kFlush) {
      flushes++;
      flushed += info.file_size;
    } else if (info.status.ok()) {
      compacted += info.file_size;
    }
  }

  std::atomic<uint64_t> flushes{0};
  std::atomic<uint64_t> flushed{0};
  std::atomic<uint64_t> compacted{0};
};

double StallSeconds(rocksdb::DB* db) {
  std::map<std::string, std::string> stats;
  db->GetMapProperty(Names::kDBStats, &stats);
  return std::strtod(stats["db.user_write_stall_micros"].c_str(), nullptr) /
         1e6;
}

uint64_t LevelZeroFiles(rocksdb::DB* db) {
  std::string count;
  db->GetProperty(Names::kNumFilesAtLevelPrefix + "0", &count);
  return std::strtoull(count.c_str(), nullptr, 10);
}

class MemtableSize : public GeneratedRun {
 public:
  MemtableSize(const BenchOptions& options, uint64_t budget, size_t sizes,
               const std::string& dir, BenchResults* results)
      : GeneratedRun(
            "delta", options, budget,
            budget * (1 + kStepsOfKey * sizes * options.configs.size()), dir,
            results) {}

  void Run(const std::vector<uint64_t>& sizes) {
    const auto records = MakeRecords(budget_);
    Json runs = Json::array();
    for (const BenchConfig& config : options_.configs) {
      runs.push_back({{"config", config.name}, {"points", Json::array()}});
    }
    // All configurations with one size before the next, so that a disturbance
    // of the machine meets all alike.
    for (uint64_t size : sizes) {
      for (size_t i = 0; i < runs.size(); i++) {
        progress_.SetLabel(std::to_string(size >> 20) + " MB " +
                           options_.configs[i].name);
        runs[i]["points"].push_back(Point(options_.configs[i], size, *records));
        Report(runs);
      }
    }
    progress_.Finish();
  }

 private:
  // Loads all keys, and tells how much memory is allocated at most meanwhile,
  // beyond `before`.
  size_t LoadAll(const GeneratedRecords& records, BenchDatabase* database,
                 size_t before, Json* point) {
    auto allocated = [before] {
      const size_t now = ReadJemallocBytes().allocated;
      return std::max(now, before) - before;
    };
    size_t peak = 0;
    uint64_t next_sample = 0;
    const Stopwatch load;
    const uint64_t written =
        Load(records, false, database, [&](uint64_t so_far) {
          if (so_far >= next_sample) {
            peak = std::max(peak, allocated());
            next_sample = so_far + kKeysOfSample;
          }
        });
    (*point)["load_seconds"] = load.seconds();
    (*point)["keys_a_second"] = static_cast<double>(written) / load.seconds();
    rocksdb::DB* const db = database->db();
    (*point)["stall_seconds"] = StallSeconds(db);
    // What the load left to do, but for the memtable.
    Check(db->WaitForCompact(rocksdb::WaitForCompactOptions()));
    (*point)["delta_keys"] =
        database->Property(Names::kNumEntriesActiveMemTable);
    (*point)["delta_bytes"] = database->Property(Names::kSizeAllMemTables);
    (*point)["level0_files"] = LevelZeroFiles(db);
    ReleaseFreedMemory();
    (*point)["memory_bytes"] = allocated();
    return std::max(peak, allocated());
  }

  Json Point(const BenchConfig& config, uint64_t size,
             const GeneratedRecords& records) {
    const auto database = Configure(config);
    const auto counter = std::make_shared<FileCounter>();
    database->options()->write_buffer_size = size;
    database->options()->listeners.push_back(counter);
    const size_t before = MemoryBefore().allocated;
    Check(database->Open());
    Json point = {{"write_buffer_size", size}, {"keys", records.distinct()}};
    const Stopwatch all;
    point["peak_bytes"] = LoadAll(records, database.get(), before, &point);
    LookUp(records, "", database.get(), &point);
    const Stopwatch settle;
    Check(database->Settle());
    point["settle_seconds"] = settle.seconds();
    point["cpu_seconds"] = all.cpu_nanos() / 1e9;
    LookUp(records, "settled_", database.get(), &point);
    const uint64_t user_bytes =
        records.key_bytes() + records.distinct() * ValueSize();
    point["flushes"] = counter->flushes.load();
    point["flushed_bytes"] = counter->flushed.load();
    point["compacted_bytes"] = counter->compacted.load();
    point["write_amplification"] =
        static_cast<double>(counter->flushed + counter->compacted) /
        static_cast<double>(user_bytes);
    point["disk_bytes"] = database->SstBytes();
    Verify(records, *database);
    Check(database->Drop());
    return point;
  }
};

}  // namespace

void RunScale(const BenchOptions& options, uint64_t budget,
              const std::string& dir, BenchResults* results) {
  Scale(options, budget, dir, results).Run();
}

void RunMemtableSize(const BenchOptions& options, uint64_t budget,
                     const std::vector<uint64_t>& sizes, const std::string& dir,
                     BenchResults* results) {
  MemtableSize(options, budget, sizes.size(), dir, results).Run(sizes);
}

}  // namespace memkv
