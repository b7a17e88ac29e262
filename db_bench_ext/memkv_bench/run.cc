// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/sizes.h"
#include "db_bench_ext/memkv_bench/verify.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

namespace {

constexpr size_t kSlices = 8;
constexpr size_t kMemtableRecords = 500000;

bool IsRead(Workload workload) {
  return workload >= Workload::kGet && workload <= Workload::kCount;
}
bool IsMixed(Workload workload) { return workload >= Workload::kMixedA; }

class Run {
 public:
  Run(const BenchOptions& options, const BenchRecords& records,
      const std::string& dir, BenchResults* results)
      : options_(options),
        records_(records),
        dir_(dir),
        results_(results),
        limit_(options.memory_limit, 0),
        progress_("measuring", options.repeat * StepsOfRepeat()),
        ascending_(records.size()) {
    std::iota(ascending_.begin(), ascending_.end(), 0);
    shuffled_ = ascending_;
    RandomSource(options.seed).Shuffle(&shuffled_);
  }

  void All() {
    for (unsigned repeat = 0; repeat < options_.repeat; repeat++) {
      Repeat(repeat);
    }
    progress_.Finish();
  }

 private:
  // A step is about what a look-up takes.
  uint64_t StepsOfRepeat() const {
    const uint64_t n = records_.size();
    uint64_t steps = 2 * n + n / 4;  // shuffled load, and reading all
    for (Workload workload : options_.workloads) {
      if (workload == Workload::kLoadSorted ||
          workload == Workload::kOverwrite) {
        steps += 2 * n;
      } else if (workload >= Workload::kCompact) {
        steps += StepsOf(workload);
      }
    }
    return steps * options_.configs.size();
  }
  uint64_t StepsOf(Workload workload) const {
    const bool all =
        workload == Workload::kScan || workload == Workload::kReverseScan;
    return all                              ? records_.size() / 8
           : workload <= Workload::kCompact ? records_.size() / 2
                                            : 2 * options_.ops;
  }

  void Step(const std::string& what, const DatabaseUnderTest& database) {
    progress_.SetLabel(what + " " + database.config.name);
  }

  void Configure(const std::string& path, DatabaseUnderTest* database) {
    database->database =
        std::make_unique<BenchDatabase>(database->config.name, path);
    Check(database->database->Configure(database->config.options));
    Check(limit_.Prepare(database->database.get()));
  }

  void MakeDatabases(const std::string& name, unsigned turn) {
    databases_.clear();
    const size_t n = options_.configs.size();
    for (size_t i = 0; i < n; i++) {
      DatabaseUnderTest database;
      database.config = options_.configs[(i + turn) % n];
      database.model = std::make_unique<BenchModel>(records_.size());
      Configure(dir_ + "/" + name + std::to_string(i), &database);
      Check(database.database->Open());
      databases_.push_back(std::move(database));
    }
  }

  void DropDatabases() {
    for (DatabaseUnderTest& database : databases_) {
      Check(database.database->Close());
    }
    databases_.clear();
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir_, error)) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }

  void Repeat(unsigned repeat) {
    const uint64_t seed = options_.seed + 1000003 * (repeat + 1);
    const size_t count = std::min(records_.size(), kMemtableRecords);
    progress_.SetLabel("memtable");
    for (const BenchConfig& config : options_.configs) {
      results_->AddSizes("memtable", config.name, count,
                         MeasureMemtable(config, dir_ + "/memtable", records_,
                                         shuffled_, count));
    }
    if (options_.Wants(Workload::kLoadSorted)) {
      Load(Workload::kLoadSorted, ascending_, repeat);
      for (const DatabaseUnderTest& database : databases_) {
        Verify(database, false);
      }
      DropDatabases();
    }
    Load(Workload::kLoadShuffled, shuffled_, repeat);
    for (Workload workload : options_.workloads) {
      if (workload >= Workload::kOverwrite && workload <= Workload::kCompact) {
        Writes(workload);
      }
    }
    Reopen(repeat == 0);
    if (options_.demo && repeat == 0) {
      Ask();
    }
    for (Workload workload : options_.workloads) {
      if (IsRead(workload) || IsMixed(workload)) {
        Reads(workload, seed);
      }
    }
    if (!options_.workloads.empty() && IsMixed(options_.workloads.back())) {
      for (const DatabaseUnderTest& database : databases_) {
        Verify(database, repeat == 0);
      }
    }
    // The last databases may be kept.
    if (!(options_.keep && repeat + 1 == options_.repeat)) {
      DropDatabases();
    }
  }

  void Load(Workload workload, const std::vector<uint32_t>& order,
            unsigned turn) {
    MakeDatabases(InfoOf(workload).name, turn);
    std::vector<Measured> measured(databases_.size());
    for (size_t slice = 0; slice < kSlices; slice++) {
      const size_t begin = order.size() * slice / kSlices;
      const size_t end = order.size() * (slice + 1) / kSlices;
      for (size_t i = 0; i < databases_.size(); i++) {
        Step(InfoOf(workload).name, databases_[i]);
        const Stopwatch watch;
        WriteRecords(records_, order, begin, end, false, options_.threads,
                     &databases_[i],
                     [this](uint64_t n) { progress_.Add(2 * n); });
        Check(databases_[i].database->Settle());
        measured[i].Add(watch, end - begin);
      }
    }
    for (size_t i = 0; i < databases_.size() && options_.Wants(workload); i++) {
      results_->Add(workload, databases_[i].config.name, measured[i]);
    }
  }

  void Writes(Workload workload) {
    for (DatabaseUnderTest& database : databases_) {
      Step(InfoOf(workload).name, database);
      Measured measured;
      const Stopwatch watch;
      if (workload == Workload::kFlush) {
        RunFlush(records_, shuffled_, &database, &measured);
      } else if (workload == Workload::kOverwrite) {
        const size_t count = std::min<size_t>(records_.size(), options_.ops);
        WriteRecords(records_, shuffled_, 0, count, true, options_.threads,
                     &database, nullptr);
        Check(database.database->Settle());
        measured.Add(watch, count);
      } else {
        Check(database.database->CompactAll());
        measured.Add(watch, records_.size());
      }
      progress_.Add(records_.size() / 2);
      results_->Add(workload, database.config.name, std::move(measured));
    }
  }

  void Reopen(bool thoroughly) {
    // All are closed before one is measured: its memory is the only that grows.
    for (DatabaseUnderTest& database : databases_) {
      Check(database.database->Close());
      // The options own the block cache, which must go with what is in it.
      Configure(database.database->path(), &database);
    }
    for (DatabaseUnderTest& database : databases_) {
      Step("reading all of", database);
      const JemallocBytes before = MemoryBefore();
      const Stopwatch open;
      Check(database.database->Open());
      results_->AddOpenSeconds(database.config.name, open.seconds());
      Check(limit_.Apply(database.database.get()));
      Verify(database, thoroughly);
      const std::string& name = database.config.name;
      results_->AddSizes("memory", name, records_.size(),
                         MeasureMemory(*database.database, before));
      results_->AddSizes("disk", name, records_.size(),
                         MeasureDisk(*database.database));
      progress_.Add(records_.size() / 4);
    }
  }

  void Ask() {
    for (const DatabaseUnderTest& database : databases_) {
      if (database.config.name == options_.configs.back().name) {
        std::vector<std::string> lines;
        Check(AnswerQuestions(*database.database, records_.keys(),
                              options_.keys, &lines));
        results_->Set("questions", lines);
      }
    }
  }

  void Reads(Workload workload, uint64_t seed) {
    Plan plan;
    for (DatabaseUnderTest& database : databases_) {
      Step(InfoOf(workload).name, database);
      // What is mixed changes each database's own model.
      const bool mixed =
          !IsRead(workload) && workload != Workload::kReadWhileWriting;
      if (mixed || &database == &databases_.front()) {
        plan =
            MakePlan(workload, records_, options_.ops, seed, options_.threads,
                     limit_.limited() && !mixed, database.model.get());
      }
      Measured measured;
      Measured writes;
      Check(limit_.Apply(database.database.get()));
      if (workload == Workload::kReadWhileWriting) {
        RunReadWhileWriting(plan, records_, seed, &database, &measured,
                            &writes);
      } else {
        RunPlan(workload, plan, database, &measured);
      }
      results_->Add(workload, database.config.name, std::move(measured),
                    &writes);
      progress_.Add(StepsOf(workload));
    }
  }

  void Verify(const DatabaseUnderTest& database, bool thoroughly) {
    const ModelExpected expected(records_, *database.model);
    Check(VerifyByScan(*database.database, expected, true));
    if (thoroughly) {
      Check(VerifyByScan(*database.database, expected, false));
      Check(VerifyByGet(*database.database, expected));
    }
  }

  const BenchOptions& options_;
  const BenchRecords& records_;
  const std::string dir_;
  BenchResults* const results_;
  // Before each workload: what mixed ones have flushed has readers, too.
  const MemoryLimit limit_;
  ProgressBar progress_;
  std::vector<uint32_t> ascending_;
  std::vector<uint32_t> shuffled_;
  std::vector<DatabaseUnderTest> databases_;  // in the turn of this repeat
};

}  // namespace

void RunWorkloads(const BenchOptions& options, const BenchRecords& records,
                  const std::string& dir, BenchResults* results) {
  Run(options, records, dir, results).All();
}

}  // namespace memkv
