// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_look_ups.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/sizes.h"

namespace memkv {

namespace {

constexpr uint64_t kExtrapolateTo = 340000000;
constexpr double kTargets[] = {10, 5, 3};  // bytes a key
constexpr uint64_t kTimelinePoints = 50;
// Loading, counting and reading a key, as parts of the progress bar.
constexpr uint64_t kStepsOfKey = 4;

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

uint64_t StepsOf(uint64_t budget, size_t configs) {
  uint64_t steps = 0;
  for (uint64_t n : NumbersOfKeys(budget)) {
    steps += n * (1 + 2 * kStepsOfKey * configs);
  }
  return steps;
}

class Scale {
 public:
  Scale(const BenchOptions& options, uint64_t budget, const std::string& dir,
        BenchResults* results)
      : options_(options),
        budget_(budget),
        dir_(dir),
        results_(results),
        limit_(options.memory_limit, kGeneratedBlockCache),
        progress_("scale", StepsOf(budget, options.configs.size())) {}

  void Run() {
    const std::vector<uint64_t> numbers = NumbersOfKeys(budget_);
    if (numbers.size() < 2) {
      Refuse("--budget must be 10000 or more");
    }
    for (const BenchConfig& config : options_.configs) {
      for (const char* order : {"sorted", "shuffled"}) {
        runs_.push_back({{"config", config.name},
                         {"order", order},
                         {"points", Json::array()},
                         {"fits", Json::array()}});
      }
    }
    for (uint64_t n : numbers) {
      progress_.SetLabel("making keys");
      GeneratedRecords records(options_, n);
      KeyStats stats;
      records.MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
      // Those of the last, unless it is stopped before.
      results_->SetGeneratedKeys(records, stats);
      for (Json& run : runs_) {
        AddPoint(records, &run);
      }
    }
    progress_.Finish();
  }

 private:
  void AddPoint(const GeneratedRecords& records, Json* run) {
    const auto config = std::find_if(
        options_.configs.begin(), options_.configs.end(),
        [run](const BenchConfig& c) { return (*run)["config"] == c.name; });
    const std::string order = (*run)["order"];
    progress_.SetLabel(order + " " + config->name);
    (*run)["points"].push_back(Point(*config, order == "sorted", records));
    (*run)["fits"] = Json::array();
    for (const auto& [what, field] :
         {std::make_pair("table files", "disk_bytes_a_key"),
          std::make_pair("memory", "memory_bytes_a_key")}) {
      const Json fit = Fit(what, (*run)["points"], field);
      if (!fit.is_null()) {
        (*run)["fits"].push_back(fit);
      }
    }
    results_->Set("scale", {{"budget", budget_},
                            {"value_size", records.value_size()},
                            {"targets", kTargets},
                            {"extrapolate_to", kExtrapolateTo},
                            {"runs", RunsWithPoints(runs_)}});
  }

  void Load(const GeneratedRecords& records, bool sorted,
            BenchDatabase* database, Json* point) {
    const Stopwatch load;
    Json timeline = Json::array();
    uint64_t written = 0;
    Check(records.Load(sorted, database, [&](uint64_t so_far) {
      progress_.Add((so_far - written) * (kStepsOfKey - 1));
      written = so_far;
      // At the end of the batch in which another part of all is complete.
      if (so_far * kTimelinePoints >= records.count() * (timeline.size() + 1)) {
        timeline.push_back({so_far, load.seconds()});
      }
    }));
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
    Json point;
    const std::string path = dir_ + "/scale";
    std::unique_ptr<BenchDatabase> database;
    auto make = [&] {
      database = std::make_unique<BenchDatabase>(config.name, path);
      Check(database->Configure(config.options));
      Check(limit_.Prepare(database.get()));
    };
    ResetPeakResident();
    point["keys"] = records.distinct();
    make();
    Check(database->Open());
    Load(records, sorted, database.get(), &point);
    // Afresh: the block cache must go with what is in it.
    make();
    const JemallocBytes before = MemoryBefore();
    const Stopwatch open;
    Check(database->Open());
    point["open_seconds"] = open.seconds();
    Check(limit_.Apply(database.get()));
    const Stopwatch read_all;
    Check(records.Verify(*database,
                         [this](uint64_t read) { progress_.Add(read); }));
    point["read_all_seconds"] = read_all.seconds();
    point["checked"] = records.distinct();
    MeasureLookUps(records, options_.ops, options_.seed + 1, limit_, "",
                   database.get(), &point);
    const Sizes memory = MeasureMemory(*database, before);
    const Sizes disk = MeasureDisk(*database);
    const auto keys = static_cast<double>(records.distinct());
    const int64_t cache = memory.Of("block cache");
    point["disk_bytes_a_key"] = static_cast<double>(disk.total) / keys;
    point["memory_bytes_a_key"] =
        static_cast<double>(memory.total - cache) / keys;
    point["block_cache_bytes"] = cache;
    point["peak_resident_bytes"] = PeakResident();
    Check(database->Close());
    std::error_code error;
    std::filesystem::remove_all(path, error);
    return point;
  }

  const BenchOptions& options_;
  const uint64_t budget_;
  const std::string dir_;
  BenchResults* const results_;
  const MemoryLimit limit_;
  ProgressBar progress_;
  Json runs_ = Json::array();
};

}  // namespace

void RunScale(const BenchOptions& options, uint64_t budget,
              const std::string& dir, BenchResults* results) {
  Scale(options, budget, dir, results).Run();
}

}  // namespace memkv
