// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/bench_scale.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "db_bench_ext/bench_sizes.h"
#include "db_bench_ext/bench_verify.h"
#include "db_bench_ext/random_source.h"
#include "db_bench_ext/shuffled_range.h"
#include "db_bench_ext/timing.h"
#include "rocksdb/advanced_cache.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr uint64_t kExtrapolateTo = 340000000;
constexpr double kTargets[] = {10, 5, 3};  // bytes a key
constexpr size_t kBatchRecords = 1000;
constexpr uint64_t kTimelinePoints = 50;
constexpr uint64_t kProbes = 10000;
// Of the block cache, unless --memory_limit says otherwise.
constexpr uint64_t kCacheBytes = uint64_t{256} << 20;
// Loading, counting and reading a key, as parts of the progress bar.
constexpr uint64_t kStepsOfKey = 4;

double Seconds(uint64_t since) {
  return static_cast<double>(WallNanos() - since) / 1e9;
}

uint64_t PeakResident() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
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
      progress_("scale", StepsOf(budget, options.configs.size())) {}

std::string BenchScale::ValueOf(const std::string& key) const {
  const size_t size =
      options_.value_size < 0 ? 0 : static_cast<size_t>(options_.value_size);
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  RandomSource random(hash ^ options_.seed);
  std::string value;
  const auto random_bytes = static_cast<size_t>(
      static_cast<double>(size) * options_.value_ratio + 0.999);
  while (value.size() < size) {
    value.push_back(
        value.size() < random_bytes ? static_cast<char>(random.Next() & 0xff)
        : value.empty()
            ? '.'
            : value[value.size() % std::max<size_t>(1, random_bytes)]);
  }
  return value;
}

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
    const UrlGenerator urls(options_.seed, n);
    uint64_t distinct = 0;
    Status s = CountKeys(urls, n == numbers.back(), &distinct);
    for (Json& run : runs_) {
      if (!s.ok()) {
        return s;
      }
      const auto config = std::find_if(
          options_.configs.begin(), options_.configs.end(),
          [&run](const BenchConfig& c) { return run["config"] == c.name; });
      progress_.SetLabel(run["order"].get<std::string>() + " " + config->name);
      Json point;
      s = Point(*config, run["order"] == "sorted", urls, distinct, &point);
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

Status BenchScale::CountKeys(const UrlGenerator& urls, bool describe,
                             uint64_t* distinct) {
  KeyStats stats;
  UrlGenerator::SortedStream stream(urls);
  for (std::string key; stream.Next(&key);) {
    (*distinct)++;
    if (describe) {
      stats.Add(key);
    }
    if (*distinct % kBatchRecords == 0) {
      progress_.Add(kBatchRecords);
    }
  }
  if (describe) {
    results_->SetKeys("generated URL-like keys of " +
                          std::to_string(urls.num_hosts()) + " hosts",
                      stats,
                      *distinct * static_cast<uint64_t>(std::max<int64_t>(
                                      options_.value_size, 0)));
  }
  return Status::OK();
}

Status BenchScale::Load(const UrlGenerator& urls, bool sorted,
                        BenchDatabase* database, Json* point) {
  UrlGenerator::SortedStream stream(urls);
  const ShuffledRange shuffled(urls.count(), options_.seed);
  rocksdb::WriteBatch batch;
  const uint64_t start = WallNanos();
  const double cpu = ProcessCpuNanos();
  Json timeline = Json::array();
  const uint64_t every = std::max<uint64_t>(1, urls.count() / kTimelinePoints);
  uint64_t written = 0;
  Status s;
  std::string key;
  for (bool more = true; s.ok() && more;) {
    if (sorted) {
      more = stream.Next(&key);
    } else {
      more = written < urls.count();
      if (more) {
        key = urls.KeyAt(shuffled.At(written));
      }
    }
    if (more) {
      s = batch.Put(key, ValueOf(key));
      written++;
    }
    if (s.ok() && (!more || written % kBatchRecords == 0)) {
      s = database->db()->Write(rocksdb::WriteOptions(), &batch);
      progress_.Add(batch.Count() * (kStepsOfKey - 1));
      batch.Clear();
    }
    if (more && written % every == 0) {
      timeline.push_back({written, Seconds(start)});
    }
  }
  if (s.ok()) {
    s = database->Settle();
  }
  const double seconds = Seconds(start);
  (*point)["load_seconds"] = seconds;
  (*point)["load_cpu_seconds"] = (ProcessCpuNanos() - cpu) / 1e9;
  (*point)["keys_a_second"] = static_cast<double>(written) / seconds;
  (*point)["timeline"] = timeline;
  if (s.ok()) {
    const uint64_t before = WallNanos();
    s = database->CompactAll();
    (*point)["compact_seconds"] = Seconds(before);
  }
  return s;
}

Status BenchScale::ReadAll(const UrlGenerator& urls, uint64_t distinct,
                           BenchDatabase* database, Json* point) {
  UrlGenerator::SortedStream stream(urls);
  rocksdb::ReadOptions read;
  std::unique_ptr<rocksdb::Iterator> it(database->db()->NewIterator(read));
  const uint64_t start = WallNanos();
  uint64_t checked = 0;
  std::string key;
  auto mismatch = [&](const std::string& found) {
    return Status::Corruption("MISMATCH in " + database->name() + ", key " +
                                  std::to_string(checked) + " of " +
                                  std::to_string(distinct),
                              "expected " + Quoted(key) + ", found " + found);
  };
  for (it->SeekToFirst(); it->Valid() && stream.Next(&key); it->Next()) {
    if (it->key() != key || it->value() != ValueOf(key)) {
      return mismatch(Quoted(it->key()));
    }
    if (++checked % kBatchRecords == 0) {
      progress_.Add(kBatchRecords);
    }
  }
  if (!it->status().ok()) {
    return it->status();
  }
  if (checked != distinct || it->Valid()) {
    return mismatch(it->Valid() ? "more" : "the end");
  }
  (*point)["read_all_seconds"] = Seconds(start);
  it.reset();
  // Single look-ups as well, for which the keys need no order.
  RandomSource random(options_.seed + 1);
  std::string value;
  double nanos = 0;
  for (uint64_t i = 0; i < kProbes; i++) {
    key = urls.KeyAt(random.Uniform(urls.count()));
    const double before = ThreadCpuNanos();
    Status s = database->db()->Get(read, key, &value);
    nanos += ThreadCpuNanos() - before;
    if (!s.ok() || value != ValueOf(key)) {
      return mismatch(s.ToString());
    }
    key.push_back('\x01');
    s = database->db()->Get(read, key, &value);
    if (!s.IsNotFound()) {
      return mismatch("a key that is not there, " + s.ToString());
    }
  }
  (*point)["get_cpu_nanos"] = nanos / static_cast<double>(kProbes);
  (*point)["checked"] = checked;
  return Status::OK();
}

Status BenchScale::Point(const BenchConfig& config, bool sorted,
                         const UrlGenerator& urls, uint64_t distinct,
                         Json* point) {
  const std::string path = dir_ + "/scale";
  Subject subject;
  subject.config = config;
  auto make = [&] {
    subject.database = std::make_unique<BenchDatabase>(config.name, path);
    Status s = subject.database->Configure(config.options);
    auto* const table =
        s.ok()
            ? subject.database->options()
                  ->table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()
            : nullptr;
    if (table != nullptr && table->block_cache != nullptr) {
      table->block_cache->SetCapacity(
          options_.memory_limit > 0 ? options_.memory_limit : kCacheBytes);
    }
    return s;
  };
  (*point)["keys"] = distinct;
  Status s = make();
  if (s.ok()) {
    s = subject.database->Open();
  }
  if (s.ok()) {
    s = Load(urls, sorted, subject.database.get(), point);
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
  s = ReadAll(urls, distinct, subject.database.get(), point);
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
  const auto keys = static_cast<double>(distinct);
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
