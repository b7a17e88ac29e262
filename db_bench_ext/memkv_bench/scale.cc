// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/scale.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/generated_look_ups.h"
#include "db_bench_ext/memkv_bench/sizes.h"

namespace memkv {

using rocksdb::Status;

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

}  // namespace

BenchScale::BenchScale(const BenchOptions& options, uint64_t budget,
                       const std::string& dir, BenchResults* results)
    : options_(options),
      budget_(budget),
      dir_(dir),
      results_(results),
      limit_(options.memory_limit, kGeneratedBlockCache),
      progress_("scale", StepsOf(budget, options.configs.size())) {}

Status BenchScale::Run() {
  const std::vector<uint64_t> numbers = NumbersOfKeys(budget_);
  if (numbers.size() < 2) {
    return Status::InvalidArgument("--budget must be 10000 or more");
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
    GeneratedRecords records(
        options_.seed, n,
        static_cast<size_t>(std::max<int64_t>(options_.value_size, 0)),
        options_.value_ratio);
    KeyStats stats;
    records.MakeAll(&stats, [this](uint64_t made) { progress_.Add(made); });
    // Those of the last, unless it is stopped before.
    results_->SetGeneratedKeys(records, stats);
    Status s;
    for (Json& run : runs_) {
      if (!s.ok()) {
        return s;
      }
      const auto config = std::find_if(
          options_.configs.begin(), options_.configs.end(),
          [&run](const BenchConfig& c) { return run["config"] == c.name; });
      progress_.SetLabel(run["order"].get<std::string>() + " " + config->name);
      Json point;
      s = Point(*config, run["order"] == "sorted", records, &point);
      if (s.ok()) {
        run["points"].push_back(point);
        run["fits"] = Json::array();
        for (const auto& [what, field] :
             {std::make_pair("table files", "disk_bytes_a_key"),
              std::make_pair("memory", "memory_bytes_a_key")}) {
          const Json fit = Fit(what, run["points"], field);
          if (!fit.is_null()) {
            run["fits"].push_back(fit);
          }
        }
        Publish();
      }
    }
    if (!s.ok()) {
      return s;
    }
  }
  progress_.Finish();
  return Status::OK();
}

void BenchScale::Publish() {
  Json done = Json::array();
  for (const Json& run : runs_) {
    if (!run["points"].empty()) {
      done.push_back(run);
    }
  }
  results_->SetScale({{"budget", budget_},
                      {"value_size", std::max<int64_t>(options_.value_size, 0)},
                      {"targets", kTargets},
                      {"extrapolate_to", kExtrapolateTo},
                      {"runs", done}});
}

Status BenchScale::Load(const GeneratedRecords& records, bool sorted,
                        BenchDatabase* database, Json* point) {
  const uint64_t start = WallNanos();
  const double cpu = ProcessCpuNanos();
  Json timeline = Json::array();
  uint64_t written = 0;
  Status s = records.Load(sorted, database, [&](uint64_t so_far) {
    progress_.Add((so_far - written) * (kStepsOfKey - 1));
    written = so_far;
    // At the end of the batch in which another part of all is complete.
    if (so_far * kTimelinePoints >= records.count() * (timeline.size() + 1)) {
      timeline.push_back({so_far, SecondsSince(start)});
    }
  });
  if (s.ok()) {
    s = database->Settle();
  }
  const double seconds = SecondsSince(start);
  (*point)["load_seconds"] = seconds;
  (*point)["load_cpu_seconds"] = (ProcessCpuNanos() - cpu) / 1e9;
  (*point)["keys_a_second"] = static_cast<double>(written) / seconds;
  (*point)["timeline"] = timeline;
  if (s.ok()) {
    const uint64_t before = WallNanos();
    s = database->CompactAll();
    (*point)["compact_seconds"] = SecondsSince(before);
  }
  return s;
}

Status BenchScale::Point(const BenchConfig& config, bool sorted,
                         const GeneratedRecords& records, Json* point) {
  const std::string path = dir_ + "/scale";
  DatabaseUnderTest subject;
  subject.config = config;
  auto make = [&] {
    subject.database = std::make_unique<BenchDatabase>(config.name, path);
    Status s = subject.database->Configure(config.options);
    if (s.ok()) {
      s = limit_.Prepare(subject.database.get());
    }
    return s;
  };
  ResetPeakResident();
  (*point)["keys"] = records.distinct();
  Status s = make();
  if (s.ok()) {
    s = subject.database->Open();
  }
  if (s.ok()) {
    s = Load(records, sorted, subject.database.get(), point);
  }
  if (s.ok()) {
    s = subject.database->Close();
  }
  // Afresh: the block cache must go with what is in it.
  if (s.ok()) {
    s = make();
  }
  JemallocBytes before;
  const bool known = MemoryBefore(&before);
  if (s.ok()) {
    s = subject.database->Open();
  }
  if (!s.ok()) {
    return s;
  }
  (*point)["open_seconds"] = subject.database->times().open;
  s = limit_.Apply(subject.database.get());
  if (!s.ok()) {
    return s;
  }
  const uint64_t start = WallNanos();
  s = records.Verify(*subject.database,
                     [this](uint64_t read) { progress_.Add(read); });
  (*point)["read_all_seconds"] = SecondsSince(start);
  if (s.ok()) {
    (*point)["checked"] = records.distinct();
    s = MeasureLookUps(records, options_.ops, options_.seed + 1, limit_, "",
                       subject.database.get(), point);
  }
  Sizes memory;
  Sizes disk;
  if (s.ok()) {
    s = MeasureMemory(subject, known, before, &memory);
  }
  if (s.ok()) {
    s = MeasureDisk(subject, &disk);
  }
  if (!s.ok()) {
    return s;
  }
  if (!memory.known) {
    return Status::NotSupported("--scale needs a build with jemalloc");
  }
  const auto keys = static_cast<double>(records.distinct());
  int64_t cache = 0;
  for (const SizeComponent& component : memory.components) {
    if (component.name == "block cache") {
      cache = component.bytes;
    }
  }
  (*point)["disk_bytes_a_key"] = static_cast<double>(disk.total) / keys;
  (*point)["memory_bytes_a_key"] =
      static_cast<double>(memory.total - cache) / keys;
  (*point)["block_cache_bytes"] = cache;
  (*point)["peak_resident_bytes"] = PeakResident();
  s = subject.database->Close();
  subject.database.reset();
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return s;
}

}  // namespace memkv
