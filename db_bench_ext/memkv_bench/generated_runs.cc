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

#include "compat/wait_for_compact.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/workloads.h"
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

double PerKey(int64_t bytes, const GeneratedRecords& records) {
  return static_cast<double>(bytes) / static_cast<double>(records.distinct());
}

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

class GeneratedRun {
 public:
  GeneratedRun(const char* section, const RunContext& context, uint64_t budget,
               uint64_t steps)
      : section_(section),
        options_(context.options),
        budget_(budget),
        path_(context.dir + "/" + section),
        results_(context.results),
        progress_(section, steps) {}

  void Scale(const std::vector<std::string>& orders) {
    const std::vector<uint64_t> numbers = NumbersOfKeys(budget_);
    if (numbers.size() < 2) {
      Refuse("--budget must be 10000 or more");
    }
    Json runs = Json::array();
    for (const BenchConfig& config : options_.configs) {
      for (const std::string& order : orders) {
        runs.push_back({{"config", config.name},
                        {"order", order},
                        {"points", Json::array()},
                        {"fits", Json::array()}});
      }
    }
    for (uint64_t n : numbers) {
      const auto records = MakeRecords(n);
      for (size_t i = 0; i < runs.size(); i++) {
        AddScalePoint(options_.configs[i / orders.size()], *records, &runs[i]);
        Report(runs,
               {{"targets", kTargets}, {"extrapolate_to", kExtrapolateTo}});
      }
    }
    progress_.Finish();
  }

  void ChangeMemtable(const std::vector<uint64_t>& sizes) {
    const auto records = MakeRecords(budget_);
    Json runs = Json::array();
    for (const BenchConfig& config : options_.configs) {
      runs.push_back({{"config", config.name}, {"points", Json::array()}});
    }
    // All configurations with one size before the next, so that a disturbance
    // of the machine meets all alike.
    for (uint64_t size : sizes) {
      for (size_t i = 0; i < runs.size(); i++) {
        progress_.SetLabel(ShowSize(size) + " " + options_.configs[i].name);
        runs[i]["points"].push_back(
            MemtablePoint(options_.configs[i], size, *records));
        Report(runs);
      }
    }
    progress_.Finish();
  }

 private:
  std::unique_ptr<GeneratedRecords> MakeRecords(uint64_t count) {
    progress_.SetLabel("making keys");
    auto records = std::make_unique<GeneratedRecords>(
        options_.seed, count, value_size_, options_.value_ratio);
    KeyStats stats;
    records->MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
    results_->SetKeys(fmt::format("generated URL-like keys of {} hosts",
                                  records->num_hosts()),
                      stats, records->distinct() * value_size_);
    return records;
  }

  std::unique_ptr<BenchDatabase> Configure(const BenchConfig& config) const {
    auto database = std::make_unique<BenchDatabase>(config, path_);
    limit_.Prepare(database.get());
    return database;
  }

  // Loads all keys; `batch_done` is told after each batch how many. Adds to
  // *point how fast that was; `finish` is the end of it.
  void Load(const GeneratedRecords& records, bool sorted,
            const BenchDatabase& database,
            const GeneratedRecords::Progress& batch_done,
            const std::function<void()>& finish, Json* point) {
    const Stopwatch load;
    uint64_t written = 0;
    records.Load(sorted, database, [&](uint64_t so_far) {
      progress_.Add((so_far - written) * (kStepsOfKey - 1));
      written = so_far;
      batch_done(so_far);
    });
    finish();
    (*point)["load_seconds"] = load.seconds();
    (*point)["load_cpu_seconds"] = load.cpu_nanos() / 1e9;
    (*point)["keys_a_second"] = static_cast<double>(written) / load.seconds();
  }

  // Look-ups of keys that are there, drawn while no clock runs. What one takes
  // is the median of ten tenths, so that neither an empty cache nor another
  // program counts for much; after them half as many others are timed one by
  // one, and their values compared, and that a key one byte longer is not
  // there. Where memory is limited, as many as in the ten tenths, of other
  // keys, go before untimed. Adds the fields that begin with `prefix` to
  // *point.
  void LookUp(const GeneratedRecords& records, const std::string& prefix,
              const BenchDatabase& database, Json* point) const {
    constexpr uint64_t kParts = 10;
    const uint64_t part =
        std::max<uint64_t>(std::min(options_.ops, records.count()) / kParts, 1);
    RandomSource random(options_.seed + 1);
    Plan plan;
    // Look-ups of keys that are there, or with `behind` of keys that are not;
    // with values to compare only where that is not timed.
    auto draw = [&](uint64_t count, const std::string& behind, bool compare) {
      Plan::Pass pass(1);
      for (uint64_t i = 0; i < count; i++) {
        const std::string key = records.KeyAt(random.Uniform(records.count()));
        Operation op;
        op.key = plan.owned.emplace_back(key + behind);
        if (behind.empty()) {
          op.expected.Count(op.key.size() + records.value_size());
          if (compare) {
            op.value = plan.owned.emplace_back(records.ValueOf(key));
          }
        }
        pass[0].push_back(op);
      }
      return pass;
    };
    limit_.Apply(database);
    std::vector<double> cpu;
    std::vector<double> wall;
    Measured all;
    for (uint64_t i = 0; i < kParts; i++) {
      plan.warm_up =
          draw(i == 0 && limit_.limited() ? kParts * part : 0, "", false);
      plan.timed = draw(part, "", false);
      const Measured before = all;
      RunPlan(Workload::kGet, plan, database, &all);
      plan.owned.clear();
      cpu.push_back((all.cpu_nanos - before.cpu_nanos) /
                    static_cast<double>(part));
      wall.push_back((all.wall_nanos - before.wall_nanos) /
                     static_cast<double>(part));
    }
    plan = Plan();
    plan.clocked = draw((kParts * part + 1) / 2, "", true);
    Measured clocked;
    RunPlan(Workload::kGet, plan, database, &clocked);
    auto set = [&](const char* name, const Json& value) {
      (*point)[prefix + name] = value;
    };
    set("get_cpu_nanos", Median(cpu));
    set("get_wall_nanos", Median(wall));
    set("get_p50_nanos", Percentile(0.5, &clocked.latencies));
    set("get_p99_nanos", Percentile(0.99, &clocked.latencies));
    if (limit_.limited()) {
      const auto timed = static_cast<double>(all.ops);
      set("get_bytes_read", static_cast<double>(all.file_bytes) / timed);
      set("get_reads", static_cast<double>(all.file_reads) / timed);
    }
    set("table_reader_bytes",
        database.Property(Names::kEstimateTableReadersMem));
    set("block_cache_bytes", database.Property(Names::kBlockCacheUsage));
    plan = Plan();
    plan.timed = draw(kParts * part / 2, "\x01", true);
    RunPlan(Workload::kMiss, plan, database, &clocked);
  }

  void Verify(const GeneratedRecords& records, const BenchDatabase& database) {
    records.Verify(database, [this](uint64_t read) { progress_.Add(read); });
  }

  // Sets the section of the report: those runs that have been at some point.
  void Report(const Json& runs, const Json& more = Json::object()) const {
    Json section = {{"budget", budget_}, {"value_size", value_size_}};
    section.update(more);
    section["runs"] = Json::array();
    for (const Json& run : runs) {
      if (!run["points"].empty()) {
        section["runs"].push_back(run);
      }
    }
    results_->Set(section_, section);
  }

  // ---- --scale -------------------------------------------------------------

  void AddScalePoint(const BenchConfig& config, const GeneratedRecords& records,
                     Json* run) {
    const std::string order = (*run)["order"];
    progress_.SetLabel(order + " " + config.name);
    Json& points = (*run)["points"];
    points.push_back(ScalePoint(config, order == "sorted", records));
    (*run)["fits"] = Json::array();
    for (const Json& fit : {Fit("table files", points, "disk_bytes_a_key"),
                            Fit("memory", points, "memory_bytes_a_key")}) {
      if (!fit.is_null()) {
        (*run)["fits"].push_back(fit);
      }
    }
  }

  Json ScalePoint(const BenchConfig& config, bool sorted,
                  const GeneratedRecords& records) {
    Json point = {{"keys", records.distinct()}};
    ResetPeakResident();
    auto database = Configure(config);
    database->Open();
    const Stopwatch load;
    Json timeline = Json::array();
    Load(
        records, sorted, *database,
        [&](uint64_t so_far) {
          // At the end of the batch in which another part of all is complete.
          if (so_far * kTimelinePoints >=
              records.count() * (timeline.size() + 1)) {
            timeline.push_back({so_far, load.seconds()});
          }
        },
        [&] { database->Settle(); }, &point);
    point["timeline"] = timeline;
    const Stopwatch compact;
    database->CompactAll();
    point["compact_seconds"] = compact.seconds();
    database->Close();
    // Afresh: the block cache must go with what is in it.
    database = Configure(config);
    const JemallocBytes before = MemoryBefore();
    const Stopwatch open;
    database->Open();
    point["open_seconds"] = open.seconds();
    limit_.Apply(*database);
    const Stopwatch read_all;
    Verify(records, *database);
    point["read_all_seconds"] = read_all.seconds();
    point["checked"] = records.distinct();
    LookUp(records, "", *database, &point);
    const Sizes memory = MeasureMemory(*database, before);
    const auto cache =
        static_cast<int64_t>(database->Property(Names::kBlockCacheUsage));
    point["disk_bytes_a_key"] = PerKey(MeasureDisk(*database).total, records);
    point["memory_bytes_a_key"] = PerKey(memory.total - cache, records);
    point["block_cache_bytes"] = cache;
    point["peak_resident_bytes"] = PeakResident();
    database->Drop();
    return point;
  }

  // ---- --delta -------------------------------------------------------------

  // Loads all keys, and tells how much memory is allocated then, and at most
  // meanwhile, beyond `before`.
  void LoadAll(const GeneratedRecords& records, const BenchDatabase& database,
               size_t before, Json* point) {
    size_t peak = 0;
    auto allocated = [&] {
      const size_t now = ReadJemallocBytes().allocated;
      const size_t more = std::max(now, before) - before;
      peak = std::max(peak, more);
      return more;
    };
    uint64_t next_sample = 0;
    auto sample = [&](uint64_t so_far) {
      if (so_far >= next_sample) {
        allocated();
        next_sample = so_far + kKeysOfSample;
      }
    };
    Load(
        records, false, database, sample, [] {}, point);
    rocksdb::DB* const db = database.db();
    (*point)["stall_seconds"] = StallSeconds(db);
    // What the load left to do, but for the memtable.
    Check(compat::WaitForCompact(db));
    (*point)["delta_keys"] =
        database.Property(Names::kNumEntriesActiveMemTable);
    (*point)["delta_bytes"] = database.Property(Names::kSizeAllMemTables);
    (*point)["level0_files"] = LevelZeroFiles(db);
    ReleaseFreedMemory();
    (*point)["memory_bytes"] = allocated();
    (*point)["peak_bytes"] = peak;
  }

  Json MemtablePoint(const BenchConfig& config, uint64_t size,
                     const GeneratedRecords& records) {
    const auto database = Configure(config);
    const auto counter = std::make_shared<FileCounter>();
    database->options()->write_buffer_size = size;
    database->options()->listeners.push_back(counter);
    const size_t before = MemoryBefore().allocated;
    database->Open();
    Json point = {{"write_buffer_size", size}, {"keys", records.distinct()}};
    const Stopwatch all;
    LoadAll(records, *database, before, &point);
    LookUp(records, "", *database, &point);
    const Stopwatch settle;
    database->Settle();
    point["settle_seconds"] = settle.seconds();
    point["cpu_seconds"] = all.cpu_nanos() / 1e9;
    LookUp(records, "settled_", *database, &point);
    const uint64_t user_bytes =
        records.key_bytes() + records.distinct() * value_size_;
    point["flushes"] = counter->flushes.load();
    point["flushed_bytes"] = counter->flushed.load();
    point["compacted_bytes"] = counter->compacted.load();
    point["write_amplification"] =
        static_cast<double>(counter->flushed + counter->compacted) /
        static_cast<double>(user_bytes);
    point["disk_bytes"] = database->Property(Names::kLiveSstFilesSize);
    Verify(records, *database);
    database->Drop();
    return point;
  }

  // --------------------------------------------------------------------------

  const std::string section_;
  const BenchOptions& options_;
  const uint64_t budget_;
  const std::string path_;
  BenchResults* const results_;
  const MemoryLimit limit_{options_.memory_limit, options_.block_cache};
  ProgressBar progress_;
  // Values are empty unless the options say otherwise.
  const size_t value_size_ =
      static_cast<size_t>(std::max<int64_t>(options_.value_size, 0));
};

}  // namespace

void RunScale(const RunContext& context, uint64_t budget,
              const std::vector<std::string>& orders) {
  const size_t loads = context.options.configs.size() * orders.size();
  uint64_t steps = 0;
  for (uint64_t n : NumbersOfKeys(budget)) {
    steps += n * (1 + kStepsOfKey * loads);
  }
  GeneratedRun("scale", context, budget, steps).Scale(orders);
}

void RunMemtableSize(const RunContext& context, uint64_t budget,
                     const std::vector<uint64_t>& sizes) {
  const size_t points = sizes.size() * context.options.configs.size();
  GeneratedRun("delta", context, budget, budget * (1 + kStepsOfKey * points))
      .ChangeMemtable(sizes);
}

}  // namespace memkv
