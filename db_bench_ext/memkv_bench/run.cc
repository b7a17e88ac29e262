// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

namespace {

constexpr size_t kSlices = 8;
constexpr size_t kMemtableRecords = 500000;

class Run {
 public:
  Run(const RunContext& context, const BenchRecords& records)
      : options_(context.options),
        records_(records),
        dir_(context.dir),
        results_(context.results),
        progress_("measuring", options_.repeat * StepsOfRepeat()),
        ascending_(records.size()) {
    std::iota(ascending_.begin(), ascending_.end(), 0);
    shuffled_ = ascending_;
    RandomSource(options_.seed).Shuffle(&shuffled_);
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
      steps += workload == Workload::kLoadSorted     ? 2 * n
               : workload == Workload::kLoadShuffled ? 0
                                                     : StepsOf(workload);
    }
    return steps * options_.configs.size();
  }
  uint64_t StepsOf(Workload workload) const {
    const WorkloadInfo& info = InfoOf(workload);
    return info.IsScanOfAll()             ? records_.size() / 8
           : info.group == Group::kWrites ? records_.size() / 2
                                          : 2 * options_.ops;
  }

  void Step(const std::string& what, const DatabaseUnderTest& database) {
    progress_.SetLabel(what + " " + database.config.name);
  }

  void Configure(const std::string& path, DatabaseUnderTest* subject) {
    subject->database = std::make_unique<BenchDatabase>(subject->config, path);
    limit_.Prepare(subject->database.get());
  }

  void MakeDatabases(const std::string& name, unsigned turn) {
    databases_.clear();
    const size_t n = options_.configs.size();
    for (size_t i = 0; i < n; i++) {
      databases_.push_back({options_.configs[(i + turn) % n], nullptr,
                            BenchModel(records_.size())});
      Configure(dir_ + "/" + name + std::to_string(i), &databases_.back());
      databases_.back().database->Open();
    }
  }

  void DropDatabases() {
    for (DatabaseUnderTest& database : databases_) {
      database.database->Close();
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
      VerifyAll(false);
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
    bool written = false;
    for (Workload workload : options_.workloads) {
      if (InfoOf(workload).group != Group::kWrites) {
        Reads(workload, seed);
        written = InfoOf(workload).group != Group::kReads;
      }
    }
    if (written) {
      VerifyAll(repeat == 0);
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
        databases_[i].database->Settle();
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
        database.database->Settle();
        measured.Add(watch, count);
      } else {
        database.database->CompactAll();
        measured.Add(watch, records_.size());
      }
      progress_.Add(records_.size() / 2);
      results_->Add(workload, database.config.name, std::move(measured));
    }
  }

  void Reopen(bool thoroughly) {
    // All are closed before one is measured: its memory is the only that grows.
    for (DatabaseUnderTest& database : databases_) {
      database.database->Close();
      // The options own the block cache, which must go with what is in it.
      Configure(database.database->path(), &database);
    }
    for (DatabaseUnderTest& database : databases_) {
      Step("reading all of", database);
      const JemallocBytes before = MemoryBefore();
      const Stopwatch open;
      database.database->Open();
      results_->AddOpenSeconds(database.config.name, open.seconds());
      limit_.Apply(*database.database);
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
        results_->Set("questions",
                      AnswerQuestions(*database.database, records_.keys(),
                                      options_.keys));
      }
    }
  }

  void Reads(Workload workload, uint64_t seed) {
    Plan plan;
    for (DatabaseUnderTest& database : databases_) {
      Step(InfoOf(workload).name, database);
      // What is mixed changes each database's own model.
      const bool mixed = InfoOf(workload).group == Group::kMixed;
      if (mixed || &database == &databases_.front()) {
        plan =
            MakePlan(workload, records_, options_.ops, seed, options_.threads,
                     limit_.limited() && !mixed, &database.model);
      }
      Measured measured;
      Measured writes;
      limit_.Apply(*database.database);
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
    const ModelExpected expected(records_, database.model);
    expected.VerifyByScan(*database.database, true);
    if (thoroughly) {
      expected.VerifyByScan(*database.database, false);
      expected.VerifyByGet(*database.database);
    }
  }
  void VerifyAll(bool thoroughly) {
    for (const DatabaseUnderTest& database : databases_) {
      Verify(database, thoroughly);
    }
  }

  const BenchOptions& options_;
  const BenchRecords& records_;
  const std::string dir_;
  BenchResults* const results_;
  // Before each workload: what mixed ones have flushed has readers, too.
  const MemoryLimit limit_{options_.memory_limit, 0};
  ProgressBar progress_;
  std::vector<uint32_t> ascending_;
  std::vector<uint32_t> shuffled_;
  std::vector<DatabaseUnderTest> databases_;  // in the turn of this repeat
};

}  // namespace

void RunWorkloads(const RunContext& context, const BenchRecords& records) {
  Run(context, records).All();
}

}  // namespace memkv
