// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RunMemory: what reading costs by how much memory there is.  Each database is
// loaded once.  With each capacity of its block cache it is compacted anew, for
// what a table is like may depend on that, then opened, read, and measured.

#include <fmt/format.h>

#include <map>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

namespace {

constexpr Workload kMeasured[] = {Workload::kGet, Workload::kMiss,
                                  Workload::kMultiGet, Workload::kSeek,
                                  Workload::kScan};

class MemoryRun {
 public:
  MemoryRun(const RunContext& context, const BenchRecords& records,
            const std::vector<uint64_t>& capacities, bool direct_reads)
      : options_(context.options),
        records_(records),
        capacities_(capacities),
        direct_reads_(direct_reads),
        results_(context.results),
        progress_("measuring", context.options.configs.size() *
                                   (1 + capacities.size() *
                                            (2 + context.options.repeat *
                                                     std::size(kMeasured)))) {
    for (size_t i = 0; i < options_.configs.size(); i++) {
      databases_.push_back(std::make_unique<BenchDatabase>(
          options_.configs[i], fmt::format("{}/memory{}", context.dir, i)));
      databases_.back()->model.versions.resize(records.size());
      runs_.push_back(
          {{"config", options_.configs[i].name}, {"points", Json::array()}});
    }
  }

  void All() {
    std::vector<uint32_t> order(records_.size());
    std::iota(order.begin(), order.end(), 0);
    RandomSource(options_.seed).Shuffle(&order);
    for (const auto& database : databases_) {
      Step("loading", *database);
      // Whatever its capacity is: it is compacted with another.
      Configure(capacities_.back(), database.get());
      database->Open();
      WriteRecords(records_, order, 0, order.size(), /*next_version=*/false,
                   /*threads=*/1, database.get());
      database->Settle();
      database->Close();
      progress_.Add(1);
    }
    for (const uint64_t capacity : capacities_) Measure(capacity);
    for (const auto& database : databases_) {
      database->Open();
      database->Drop();
    }
    progress_.Finish();
  }

 private:
  void Step(const std::string& what, const BenchDatabase& database) {
    progress_.SetLabel(what + " " + database.name());
  }

  void Configure(uint64_t capacity, BenchDatabase* database) const {
    database->Configure();
    database->SetBlockCache(capacity);
    database->options()->use_direct_reads = direct_reads_;
  }

  void Measure(uint64_t capacity) {
    const std::string of = ShowSize(capacity) + ", ";
    for (const auto& database : databases_) {
      Step(of + "compacting", *database);
      Configure(capacity, database.get());
      database->Open();
      database->CompactAll();
      database->Close();
      progress_.Add(1);
    }
    std::vector<Json> points;
    // The memory of each is measured before the next is opened.
    for (const auto& database : databases_) {
      Step(of + "reading all of", *database);
      points.push_back(OpenAndRead(capacity, database.get()));
      progress_.Add(1);
    }
    MeasureReads(of, &points);
    for (size_t i = 0; i < databases_.size(); i++) {
      databases_[i]->Close();
      // Afresh: the block cache must go with what is in it.
      Configure(capacity, databases_[i].get());
      runs_[i]["points"].push_back(points[i]);
    }
    results_->Set("memory", {{"direct_reads", direct_reads_}, {"runs", runs_}});
  }

  // Compares every record, and asks as many other keys as are measured later:
  // what is held in memory then is what stays.
  Json OpenAndRead(uint64_t capacity, BenchDatabase* database) const {
    Configure(capacity, database);
    const JemallocBytes before = MemoryBefore();
    database->Open();
    ModelExpected(records_, database->model).VerifyByScan(*database, true);
    Measured ignored;
    for (const Workload workload : kMeasured) {
      RunPlan(workload, PlanOf(workload, options_.seed, &database->model),
              *database, &ignored);
    }
    const auto a_key = [this](int64_t bytes) {
      return static_cast<double>(bytes) / static_cast<double>(records_.size());
    };
    return {
        {"block_cache_size", capacity},
        {"keys", records_.size()},
        {"disk_bytes_a_key", a_key(MeasureDisk(*database).total)},
        {"memory_bytes_a_key", a_key(MeasureMemory(*database, before).total)}};
  }

  Plan PlanOf(Workload workload, uint64_t seed, BenchModel* model) const {
    return MakePlan(workload, records_, options_.ops, seed, /*threads=*/1,
                    /*warm_up=*/false, model);
  }

  // Medians of the repeats; in each, all databases before the next workload,
  // and another one first.
  void MeasureReads(const std::string& of, std::vector<Json>* points) {
    std::vector<std::map<std::string, std::vector<double>>> samples(
        points->size());
    for (unsigned repeat = 0; repeat < options_.repeat; repeat++) {
      const uint64_t seed = options_.seed + 1000003 * (repeat + 1);
      for (const Workload workload : kMeasured) {
        const std::string name = InfoOf(workload).name;
        const Plan plan = PlanOf(workload, seed, &databases_[0]->model);
        for (size_t turn = 0; turn < databases_.size(); turn++) {
          const size_t i = (turn + repeat) % databases_.size();
          Step(of + name, *databases_[i]);
          Measured measured;
          RunPlan(workload, plan, *databases_[i], &measured);
          const auto ops = static_cast<double>(measured.ops);
          const auto add = [&](const char* field, double sum) {
            samples[i][name + field].push_back(sum / ops);
          };
          add("_cpu_nanos", measured.cpu_nanos);
          add("_wall_nanos", measured.wall_nanos);
          add("_reads", static_cast<double>(measured.file_reads));
          add("_bytes_read", static_cast<double>(measured.file_bytes));
          progress_.Add(1);
        }
      }
    }
    for (size_t i = 0; i < points->size(); i++) {
      for (const auto& [field, values] : samples[i]) {
        (*points)[i][field] = Median(values);
      }
    }
  }

  const BenchOptions& options_;
  const BenchRecords& records_;
  const std::vector<uint64_t> capacities_;
  const bool direct_reads_;
  BenchResults* const results_;
  ProgressBar progress_;
  std::vector<std::unique_ptr<BenchDatabase>> databases_;
  Json runs_ = Json::array();
};

}  // namespace

void RunMemory(const RunContext& context, const BenchRecords& records,
               const std::vector<uint64_t>& capacities, bool direct_reads) {
  MemoryRun(context, records, capacities, direct_reads).All();
}

}  // namespace memkv
