// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/results.h"

#include <fmt/chrono.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/timing.h"
#include "rocksdb/version.h"
#include "util/simd.h"

namespace memkv {

namespace {

// What differs by less than runs differ among themselves, or by this much, is
// no difference.
constexpr double kSameWithin = 1.03;

// How many threads do a workload's operations.
unsigned ThreadsOf(Workload workload, const BenchOptions& options) {
  return InfoOf(workload).IsScanOfAll() ? 1 : options.threads;
}

// Work of one thread in memory is compared by its CPU time; what waits, for
// other threads or for files, by wall time.
bool ByWallTime(Workload workload, const BenchOptions& options) {
  return InfoOf(workload).group == Group::kWrites ||
         ThreadsOf(workload, options) > 1 || options.memory_limit > 0;
}

Json MachineJson() {
  const std::string cpu = LineOf("/proc/cpuinfo", "model name\t: ");
  utsname system = {};
  uname(&system);
  // Without what a distribution appends to the number.
  const std::string release = system.release;
#ifdef __clang__
  constexpr char kCompiler[] = "clang " __clang_version__;
#else
  constexpr char kCompiler[] = "gcc " __VERSION__;
#endif
  return {{"cpu", cpu.empty() ? "unknown" : cpu},
          {"cpus", std::thread::hardware_concurrency()},
          {"memory_bytes", static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                               static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE))},
          {"kernel",
           fmt::format("{} {} {}", system.sysname,
                       release.substr(0, release.find('-')), system.machine)},
          {"compiler", kCompiler},
          {"kernels", SimdName(kSimd)}};
}

// How many times as good as the baseline, repeat by repeat. Less is better in
// every series. Nothing, or less (jemalloc's account of a database that is
// smaller than what was freed beside it), is in no ratio to anything.
Json Compare(const std::vector<double>& baseline,
             const std::vector<double>& own) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(baseline.size(), own.size()); i++) {
    if (baseline[i] > 0 && own[i] > 0) {
      ratios.push_back(baseline[i] / own[i]);
    }
  }
  if (ratios.empty()) {
    return nullptr;
  }
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  const double median = Median(ratios);
  const char* const verdict = *low > 1 && median > kSameWithin        ? "better"
                              : *high < 1 && median < 1 / kSameWithin ? "worse"
                                                                      : "same";
  return {
      {"median", median}, {"low", *low}, {"high", *high}, {"verdict", verdict}};
}

}  // namespace

void BenchResults::SetKeys(const std::string& description, const KeyStats& keys,
                           uint64_t value_bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  keys_ = {{"source", options_.keys},
           {"description", description},
           {"count", keys.count()},
           {"key_bytes", keys.bytes()},
           {"value_bytes", value_bytes},
           {"mean_length", keys.MeanLength()},
           {"mean_shared_prefix", keys.MeanShared()},
           {"suffix_length",
            {{"p10", keys.SuffixQuantile(0.1)},
             {"p50", keys.SuffixQuantile(0.5)},
             {"p90", keys.SuffixQuantile(0.9)},
             {"p99", keys.SuffixQuantile(0.99)}}}};
}

void BenchResults::Set(const std::string& section, const Json& content) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sections_[section] = content;
}

void BenchResults::Add(Workload workload, const std::string& config,
                       Measured measured, const Measured* writes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Series& series = series_[{workload, config}];
  const double ops = std::max<double>(1, static_cast<double>(measured.ops));
  // Threads that wait for each other count in full.
  const double parallel =
      InfoOf(workload).group == Group::kWrites
          ? 1
          : static_cast<double>(ThreadsOf(workload, options_));
  auto add = [&](const char* field, double sample) {
    series.samples[field].push_back(sample);
  };
  add("wall", measured.wall_nanos * parallel / ops);
  add("cpu", measured.cpu_nanos / ops);
  add("bytes_read", static_cast<double>(measured.file_bytes) / ops);
  add("reads", static_cast<double>(measured.file_reads) / ops);
  if (measured.user_bytes > 0) {
    add("bytes_written", static_cast<double>(measured.table_bytes) / ops);
    add("write_amplification", static_cast<double>(measured.table_bytes) /
                                   static_cast<double>(measured.user_bytes));
  }
  if (writes != nullptr && writes->ops > 0) {
    add("writer", writes->wall_nanos / static_cast<double>(writes->ops));
  }
  series.ops += measured.ops;
  series.latencies.insert(series.latencies.end(), measured.latencies.begin(),
                          measured.latencies.end());
}

void BenchResults::AddSizes(const std::string& what, const std::string& config,
                            uint64_t records, const Sizes& sizes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SizesSeries& series = sizes_[{what, config}];
  series.records = records;
  series.sizes = sizes;
  series.totals.push_back(static_cast<double>(sizes.total));
}

void BenchResults::AddOpenSeconds(const std::string& config, double seconds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  opens_[config].push_back(seconds);
}

Json BenchResults::ResultJson(Workload workload, const std::string& config,
                              Series* series) const {
  const std::string clock = ByWallTime(workload, options_) ? "wall" : "cpu";
  auto& samples = series->samples;
  Json result = {{"config", config},
                 {"median", Median(samples[clock])},
                 {"spread", Spread(samples[clock])},
                 {"samples", samples[clock]},
                 {"wall", Median(samples["wall"])},
                 {"cpu", Median(samples["cpu"])},
                 {"operations", series->ops}};
  // The field of a comparison, and what is compared.
  std::vector<std::pair<std::string, std::string>> compared = {
      {"times_as_good", clock}};
  if (clock == "wall") {
    compared.emplace_back("cpu_times_as_good", "cpu");
  }
  // Of flushes and compactions, other threads read.
  if (options_.memory_limit > 0 && InfoOf(workload).group != Group::kWrites) {
    for (const std::string field : {"bytes_read", "reads"}) {
      result[field] = Median(samples[field]);
      compared.emplace_back(field + "_times_as_good", field);
    }
  }
  if (samples.count("bytes_written") > 0) {
    for (const std::string field : {"bytes_written", "write_amplification"}) {
      result[field] = Median(samples[field]);
    }
    compared.emplace_back("bytes_written_times_as_good", "bytes_written");
  }
  const std::string& first = options_.configs.front().name;
  const auto baseline = series_.find({workload, first});
  if (config != first && baseline != series_.end()) {
    for (const auto& [name, field] : compared) {
      result[name] = Compare(baseline->second.samples[field], samples[field]);
    }
  }
  if (samples.count("writer") > 0) {
    result["writer"] = Median(samples["writer"]);
  }
  if (!series->latencies.empty()) {
    auto at = [series](double fraction) {
      return Percentile(fraction, &series->latencies);
    };
    result["latency"] = {{"p50", at(0.5)},
                         {"p99", at(0.99)},
                         {"p999", at(0.999)},
                         {"max", at(1)},
                         {"samples", series->latencies.size()}};
  }
  return result;
}

Json BenchResults::WorkloadJson(Workload workload) const {
  const WorkloadInfo& info = InfoOf(workload);
  Json results = Json::array();
  for (const BenchConfig& config : options_.configs) {
    const auto found = series_.find({workload, config.name});
    if (found != series_.end()) {
      results.push_back(ResultJson(workload, config.name, &found->second));
    }
  }
  return {{"name", info.name},
          {"what", info.what},
          {"unit", std::string("ns ") + info.per},
          {"clock", ByWallTime(workload, options_) ? "wall" : "cpu"},
          {"results", results}};
}

Json BenchResults::SizesJson(const std::string& what) const {
  Json all = Json::array();
  const std::string& first = options_.configs.front().name;
  const auto baseline = sizes_.find({what, first});
  for (const BenchConfig& config : options_.configs) {
    const auto found = sizes_.find({what, config.name});
    if (found == sizes_.end()) {
      continue;
    }
    const SizesSeries& series = found->second;
    Json components = Json::array();
    for (const SizeComponent& component : series.sizes.components) {
      if (component.bytes != 0) {
        components.push_back(
            {{"name", component.name}, {"bytes", component.bytes}});
      }
    }
    Json one = {{"config", config.name},
                {"total", Median(series.totals)},
                {"bytes_a_key",
                 Median(series.totals) / static_cast<double>(series.records)},
                {"records", series.records},
                {"samples", series.totals},
                {"components", components}};
    if (what != "disk") {
      one["active"] = series.sizes.active;
      one["resident"] = series.sizes.resident;
    }
    if (config.name != first && baseline != sizes_.end()) {
      one["times_as_good"] = Compare(baseline->second.totals, series.totals);
    }
    all.push_back(one);
  }
  return all;
}

Json BenchResults::Document(bool complete) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Json configs = Json::array();
  for (const BenchConfig& config : options_.configs) {
    Json one = {{"name", config.name}, {"options", config.options}};
    const auto open = opens_.find(config.name);
    if (open != opens_.end()) {
      one["open_seconds"] = Median(open->second);
    }
    configs.push_back(one);
  }
  Json workloads = Json::array();
  for (Workload workload : options_.workloads) {
    Json one = WorkloadJson(workload);
    if (!one["results"].empty()) {
      workloads.push_back(one);
    }
  }
  Json document = {
      {"report", "memkv_bench"},
      {"version", kReportVersion},
      {"complete", complete},
      {"created", fmt::format("{:%FT%TZ}", fmt::gmtime(time(nullptr)))},
      {"command", options_.command},
      {"rocksdb", rocksdb::GetRocksVersionAsString()},
      {"machine", MachineJson()},
      {"settings",
       {{"threads", options_.threads},
        {"memory_limit", options_.memory_limit},
        {"repeat", options_.repeat},
        {"ops", options_.ops},
        {"seed", options_.seed},
        {"value_size",
         options_.value_size < 0 ? Json() : Json(options_.value_size)},
        {"value_ratio", options_.value_ratio}}},
      {"configs", configs},
      {"keys", keys_}};
  if (!workloads.empty()) {
    document["workloads"] = workloads;
  }
  Json sizes = Json::object();
  for (const char* what : {"disk", "memory", "memtable"}) {
    Json one = SizesJson(what);
    if (!one.empty()) {
      sizes[what] = one;
    }
  }
  if (!sizes.empty()) {
    document["sizes"] = sizes;
  }
  document.update(sections_);
  return document;
}

}  // namespace memkv
