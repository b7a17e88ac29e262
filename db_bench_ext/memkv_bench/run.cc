// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random_source.h"
#include "db_bench_ext/memkv_bench/sizes.h"

namespace memkv {

using rocksdb::Status;

namespace {

constexpr size_t kSlices = 8;
constexpr size_t kMemtableRecords = 500000;

bool IsRead(Workload workload) {
  return workload >= Workload::kGet && workload <= Workload::kCount;
}
bool IsMixed(Workload workload) { return workload >= Workload::kMixedA; }

}  // namespace

BenchRun::BenchRun(const BenchOptions& options, const BenchRecords& records,
                   const std::string& dir, BenchResults* results)
    : options_(options),
      records_(records),
      dir_(dir),
      results_(results),
      limit_(options.memory_limit, 0),
      progress_("measuring", options.repeat * StepsOfRepeat()),
      order_(records.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  RandomSource random(options.seed);
  random.Shuffle(&order_);
}

// A step is about what a look-up takes.
uint64_t BenchRun::StepsOfRepeat() const {
  const uint64_t n = records_.size();
  uint64_t steps = 2 * n + n / 4;  // shuffled load, and reading all
  for (Workload workload : options_.workloads) {
    if (workload == Workload::kLoadSorted || workload == Workload::kOverwrite) {
      steps += 2 * n;
    } else if (IsRead(workload) || IsMixed(workload)) {
      steps += workload == Workload::kScan || workload == Workload::kReverseScan
                   ? n / 8
                   : 2 * options_.ops;
    } else if (workload == Workload::kCompact) {
      steps += n / 2;
    }
  }
  return steps * options_.configs.size();
}

void BenchRun::Step(const std::string& what, const DatabaseUnderTest* subject) {
  progress_.SetLabel(what +
                     (subject == nullptr ? "" : " " + subject->config.name));
}

Status BenchRun::Run() {
  Status s;
  for (unsigned repeat = 0; s.ok() && repeat < options_.repeat; repeat++) {
    turn_ = repeat;
    s = Repeat(repeat);
  }
  if (s.ok()) {
    progress_.Finish();
  }
  return s;
}

Status BenchRun::Configure(const std::string& path,
                           DatabaseUnderTest* subject) {
  subject->database =
      std::make_unique<BenchDatabase>(subject->config.name, path);
  Status s = subject->database->Configure(subject->config.options);
  return s.ok() ? limit_.Prepare(subject->database.get()) : s;
}

Status BenchRun::MakeSubjects(const std::string& name) {
  subjects_.clear();
  const size_t n = options_.configs.size();
  Status s;
  for (size_t i = 0; s.ok() && i < n; i++) {
    DatabaseUnderTest subject;
    subject.config = options_.configs[(i + turn_) % n];
    subject.model = std::make_unique<BenchModel>(records_.size());
    s = Configure(dir_ + "/" + name + std::to_string(i), &subject);
    if (s.ok()) {
      s = subject.database->Open();
    }
    subjects_.push_back(std::move(subject));
  }
  return s;
}

Status BenchRun::DropSubjects() {
  Status s;
  for (DatabaseUnderTest& subject : subjects_) {
    if (s.ok() && subject.database->db() != nullptr) {
      s = subject.database->Close();
    }
  }
  subjects_.clear();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir_, error)) {
    std::filesystem::remove_all(entry.path(), error);
  }
  return s;
}

Status BenchRun::Repeat(unsigned repeat) {
  const uint64_t seed = options_.seed + 1000003 * (repeat + 1);
  Status s;
  for (const BenchConfig& config : options_.configs) {
    Step("memtable", nullptr);
    Sizes sizes;
    const size_t count = std::min(records_.size(), kMemtableRecords);
    s = MeasureMemtable(config, dir_ + "/memtable", records_, order_, count,
                        &sizes);
    if (!s.ok()) {
      return s;
    }
    results_->AddSizes("memtable", config.name, count, sizes);
  }
  if (options_.Wants(Workload::kLoadSorted)) {
    s = Load(Workload::kLoadSorted);
    if (s.ok()) {
      s = DropSubjects();
    }
  }
  if (s.ok()) {
    s = Load(Workload::kLoadShuffled);
  }
  for (Workload workload : options_.workloads) {
    const bool writes =
        workload >= Workload::kOverwrite && workload <= Workload::kCompact;
    if (s.ok() && writes) {
      s = Writes(workload);
    }
  }
  if (s.ok()) {
    s = Reopen(repeat == 0);
  }
  for (Workload workload : options_.workloads) {
    if (s.ok() && IsRead(workload)) {
      s = Reads(workload, seed);
    } else if (s.ok() && IsMixed(workload)) {
      s = Mixed(workload, seed);
    }
  }
  for (const DatabaseUnderTest& subject : subjects_) {
    if (s.ok() && !options_.workloads.empty() &&
        IsMixed(options_.workloads.back())) {
      s = Verify(subject, repeat == 0);
    }
  }
  // The last databases may be kept.
  if (s.ok() && !(options_.keep && repeat + 1 == options_.repeat)) {
    s = DropSubjects();
  }
  return s;
}

Status BenchRun::Load(Workload workload) {
  Status s = MakeSubjects(InfoOf(workload).name);
  const bool sorted = workload == Workload::kLoadSorted;
  std::vector<uint32_t> ascending;
  if (sorted) {
    ascending.resize(records_.size());
    std::iota(ascending.begin(), ascending.end(), 0);
  }
  const std::vector<uint32_t>& order = sorted ? ascending : order_;
  std::vector<Measured> measured(subjects_.size());
  for (size_t slice = 0; s.ok() && slice < kSlices; slice++) {
    const size_t begin = order.size() * slice / kSlices;
    const size_t end = order.size() * (slice + 1) / kSlices;
    for (size_t i = 0; s.ok() && i < subjects_.size(); i++) {
      Step(InfoOf(workload).name, &subjects_[i]);
      const uint64_t start = WallNanos();
      const double cpu = ProcessCpuNanos();
      s = WriteRecords(records_, order, begin, end, false, options_.threads,
                       &subjects_[i],
                       [this](uint64_t n) { progress_.Add(2 * n); });
      if (s.ok()) {
        s = subjects_[i].database->Settle();
      }
      measured[i].wall_nanos += static_cast<double>(WallNanos() - start);
      measured[i].cpu_nanos += ProcessCpuNanos() - cpu;
      measured[i].ops += end - begin;
    }
  }
  for (size_t i = 0; s.ok() && i < subjects_.size(); i++) {
    if (sorted) {
      s = Verify(subjects_[i], false);
    }
    if (s.ok() && options_.Wants(workload)) {
      results_->Add(workload, subjects_[i].config.name, measured[i]);
    }
  }
  return s;
}

Status BenchRun::Writes(Workload workload) {
  Status s;
  for (DatabaseUnderTest& subject : subjects_) {
    Step(InfoOf(workload).name, &subject);
    Measured measured;
    const uint64_t start = WallNanos();
    const double cpu = ProcessCpuNanos();
    if (workload == Workload::kFlush) {
      s = RunFlush(records_, order_, &subject, &measured);
    } else if (workload == Workload::kOverwrite) {
      measured.ops = std::min<uint64_t>(records_.size(), options_.ops);
      s = WriteRecords(records_, order_, 0, measured.ops, true,
                       options_.threads, &subject, nullptr);
      if (s.ok()) {
        s = subject.database->Settle();
      }
    } else {
      measured.ops = records_.size();
      s = subject.database->CompactAll();
    }
    if (workload != Workload::kFlush) {
      measured.wall_nanos = static_cast<double>(WallNanos() - start);
      measured.cpu_nanos = ProcessCpuNanos() - cpu;
    }
    if (!s.ok()) {
      return s;
    }
    progress_.Add(records_.size() / 2);
    results_->Add(workload, subject.config.name, std::move(measured));
  }
  return s;
}

Status BenchRun::Reopen(bool thoroughly) {
  Status s;
  // All are closed before one is measured: its memory is the only that grows.
  for (DatabaseUnderTest& subject : subjects_) {
    if (s.ok()) {
      s = subject.database->Close();
    }
    // The options own the block cache, which must go with what is in it.
    if (s.ok()) {
      s = Configure(subject.database->path(), &subject);
    }
  }
  for (DatabaseUnderTest& subject : subjects_) {
    Step("reading all of", &subject);
    JemallocBytes before;
    const bool known = MemoryBefore(&before);
    if (s.ok()) {
      s = subject.database->Open();
    }
    if (s.ok()) {
      s = limit_.Apply(subject.database.get());
    }
    if (s.ok()) {
      s = Verify(subject, thoroughly);
    }
    Sizes memory;
    if (s.ok()) {
      s = MeasureMemory(subject, known, before, &memory);
    }
    Sizes disk;
    if (s.ok()) {
      s = MeasureDisk(subject, &disk);
    }
    if (!s.ok()) {
      return s;
    }
    const std::string& name = subject.config.name;
    results_->AddSizes("memory", name, records_.size(), memory);
    results_->AddSizes("disk", name, records_.size(), disk);
    results_->SetOpenSeconds(name, subject.database->times().open);
    progress_.Add(records_.size() / 4);
  }
  return s;
}

Status BenchRun::Reads(Workload workload, uint64_t seed) {
  Probes probes;
  MakeProbes(workload, records_, *subjects_.front().model, options_.ops, seed,
             limit_.limited(), &probes);
  for (const DatabaseUnderTest& subject : subjects_) {
    Step(InfoOf(workload).name, &subject);
    Measured measured;
    Status s = limit_.Apply(subject.database.get());
    if (s.ok()) {
      s = RunReads(workload, probes, options_.threads, subject, &measured);
    }
    if (!s.ok()) {
      return s;
    }
    results_->Add(workload, subject.config.name, std::move(measured));
    progress_.Add(workload == Workload::kScan ||
                          workload == Workload::kReverseScan
                      ? records_.size() / 8
                      : 2 * options_.ops);
  }
  return Status::OK();
}

Status BenchRun::Mixed(Workload workload, uint64_t seed) {
  Probes probes;
  if (workload == Workload::kReadWhileWriting) {
    MakeProbes(workload, records_, *subjects_.front().model, options_.ops, seed,
               limit_.limited(), &probes);
  }
  for (DatabaseUnderTest& subject : subjects_) {
    Step(InfoOf(workload).name, &subject);
    Measured measured;
    Measured writes;
    Status s = limit_.Apply(subject.database.get());
    if (s.ok()) {
      s = workload == Workload::kReadWhileWriting
              ? RunReadWhileWriting(records_, probes, options_.threads, seed,
                                    &subject, &measured, &writes)
              : RunMixed(workload, records_, options_.ops, seed,
                         options_.threads, &subject, &measured);
    }
    if (!s.ok()) {
      return s;
    }
    results_->Add(workload, subject.config.name, std::move(measured), &writes);
    progress_.Add(2 * options_.ops);
  }
  return Status::OK();
}

Status BenchRun::Verify(const DatabaseUnderTest& subject, bool thoroughly) {
  const ModelExpected expected(records_, *subject.model);
  Status s = VerifyByScan(*subject.database, expected, true, nullptr);
  if (s.ok() && thoroughly) {
    s = VerifyByScan(*subject.database, expected, false, nullptr);
    if (s.ok()) {
      s = VerifyByGet(*subject.database, expected, nullptr);
    }
  }
  return s;
}

}  // namespace memkv
