// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What each workload asks.

#include <algorithm>
#include <unordered_set>

#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

using rocksdb::Slice;

namespace {

constexpr double kZipf = 0.99;
constexpr uint64_t kSeekSteps = 10;
constexpr uint64_t kPrefixKeys = 100;
constexpr uint64_t kCountKeys = 1000;
constexpr uint64_t kMostScanned = 100;  // by mixed-e

// How many operations take about as long as `ops` look-ups.
uint64_t OperationsOf(Workload workload, uint64_t ops) {
  return std::max<uint64_t>(ops / InfoOf(workload).look_ups, 1);
}

// What a mixed workload does, of each hundred: so many of the first act, and
// the second otherwise.
struct Mix {
  Act first;
  unsigned percent;
  Act second;
};

Mix MixOf(Workload workload) {
  switch (workload) {
    case Workload::kMixedA:
      return {Act::kGet, 50, Act::kUpdate};
    case Workload::kMixedB:
      return {Act::kGet, 95, Act::kUpdate};
    case Workload::kMixedD:
      return {Act::kGet, 95, Act::kInsert};
    case Workload::kMixedE:
      return {Act::kScan, 95, Act::kInsert};
    case Workload::kMixedF:
      return {Act::kGet, 50, Act::kReadModifyWrite};
    default:
      return {Act::kGet, 100, Act::kGet};
  }
}

class Planner {
 public:
  Planner(Workload workload, const BenchRecords& records, unsigned threads,
          uint64_t seed, BenchModel* model, Plan* plan)
      : workload_(workload),
        records_(records),
        threads_(threads),
        mix_(MixOf(workload)),
        zipf_(std::max<uint64_t>(records.size(), 2), kZipf),
        random_(seed ^ (static_cast<uint64_t>(workload) << 32)),
        model_(model),
        before_(records, *model),
        inserted_(model->inserted.begin(), model->inserted.end()),
        own_(threads),
        plan_(plan) {}

  Operation Next(unsigned thread) {
    return InfoOf(workload_).group == Group::kMixed ? Mixed(thread) : Read();
  }

  Operation ScanAll() {
    Operation op;
    op.act = workload_ == Workload::kScan ? Act::kScanAll : Act::kReverseScan;
    op.expected = {before_.size(),
                   records_.keys().KeyBytes() + records_.ValueBytes()};
    for (size_t k = 0; k < model_->inserted.size(); k++) {
      op.expected.bytes +=
          model_->inserted[k].size() + records_.ValueSize(records_.size() + k);
    }
    return op;
  }

 private:
  // ---- Reads: of what the model has ----------------------------------------

  Operation Read() {
    Operation op;
    switch (workload_) {
      case Workload::kMiss:
        op.key = Miss();
        break;
      case Workload::kSeek:
        op.act = Act::kSeek;
        op.key = random_.OneIn(2) ? Miss() : Hit();
        op.most = kSeekSteps + 1;
        ExpectRange(&op);
        break;
      case Workload::kPrefixScan:
        op.act = Act::kScan;
        op.key = Own(ExamplePrefix(Hit()));
        op.end = Own(PrefixEnd(op.key.ToString()));
        op.most = kPrefixKeys;
        ExpectRange(&op);
        break;
      case Workload::kCount: {
        op.act = Act::kCount;
        const size_t at = random_.Uniform(before_.size());
        op.key = Own(before_.key(at).ToString());
        op.end = Own(before_.key(std::min(before_.size() - 1, at + kCountKeys))
                         .ToString());
        op.most = kCountKeys;
        ExpectRange(&op);
        op.expected.bytes = 0;  // counting reads nothing
        break;
      }
      default: {
        const size_t i = random_.Uniform(records_.size());
        op.key = Own(records_.key(i).ToString());
        op.expected.Count(op.key.size() + records_.ValueSize(i));
        break;
      }
    }
    return op;
  }

  // Keys are the plan's own, in the order in which they are asked for: an
  // application has a key at hand when it looks it up, and not somewhere in
  // hundreds of megabytes of all keys.
  Slice Own(std::string text) {
    plan_->owned.push_back(std::move(text));
    return plan_->owned.back();
  }
  Slice Hit() {
    return Own(records_.key(random_.Uniform(records_.size())).ToString());
  }
  Slice Miss() {
    for (;;) {
      std::string miss = NearMiss(records_.keys(), &random_);
      if (inserted_.count(miss) == 0) {
        return Own(std::move(miss));
      }
    }
  }
  void ExpectRange(Operation* op) const {
    const size_t stop =
        op->end.empty() ? before_.size() : before_.LowerBound(op->end);
    std::string buffer;
    for (size_t at = before_.LowerBound(op->key);
         op->expected.found < op->most && at < stop; at++) {
      op->expected.Count(before_.key(at).size() +
                         before_.value(at, &buffer).size());
    }
  }

  // ---- Mixed ---------------------------------------------------------------

  // Of a record, only thread (i mod threads) writes, so that its last version
  // is known; reads go anywhere.
  Operation Mixed(unsigned thread) {
    Operation op;
    op.act = random_.Uniform(100) < mix_.percent ? mix_.first : mix_.second;
    const size_t n = records_.size();
    if (op.act == Act::kInsert) {
      Insert(thread, &op);
      return op;
    }
    const uint64_t rank = zipf_.Draw(&random_);
    if (workload_ == Workload::kMixedD && rank < own_[thread].size()) {
      // The latest: a thread's own, which are certainly there.
      const size_t k = own_[thread][own_[thread].size() - 1 - rank];
      op.key = model_->inserted[k];
      op.expected.Count(op.key.size() + records_.ValueSize(n + k));
      return op;
    }
    // Popular keys lie anywhere.
    size_t i = RandomSource(rank).Next() % n;
    if (op.act == Act::kUpdate || op.act == Act::kReadModifyWrite) {
      i = i / threads_ * threads_ + thread;
      i = i < n ? i : thread % n;
      op.value = Value(i, ++model_->versions[i]);
    }
    op.key = records_.key(i);
    op.expected.Count(op.key.size() + records_.ValueSize(i));
    if (op.act == Act::kScan) {
      op.most = 1 + random_.Uniform(kMostScanned);
      op.expected.found = std::min<uint64_t>(op.most, n - i);
      op.at_least = true;
    }
    return op;
  }

  void Insert(unsigned thread, Operation* op) {
    std::string key;
    do {
      key = NearMiss(records_.keys(), &random_);
    } while (!inserted_.insert(key).second);
    const size_t k = model_->inserted.size();
    model_->inserted.push_back(std::move(key));
    own_[thread].push_back(k);
    op->key = model_->inserted.back();
    op->value = Value(records_.size() + k, 0);
  }

  Slice Value(size_t i, uint16_t version) {
    plan_->owned.emplace_back();
    return records_.Value(i, version, &plan_->owned.back());
  }

  const Workload workload_;
  const BenchRecords& records_;
  const unsigned threads_;
  const Mix mix_;
  const ZipfSource zipf_;
  RandomSource random_;
  BenchModel* const model_;
  const ModelExpected before_;  // only reads ask it: they change nothing
  std::unordered_set<std::string> inserted_;
  std::vector<std::vector<size_t>> own_;  // of each thread's inserts
  Plan* const plan_;
};

}  // namespace

Plan MakePlan(Workload workload, const BenchRecords& records, uint64_t ops,
              uint64_t seed, unsigned threads, bool warm_up,
              BenchModel* model) {
  Plan plan;
  Planner planner(workload, records, threads, seed, model, &plan);
  if (InfoOf(workload).IsScanOfAll()) {
    plan.timed = {{planner.ScanAll()}};
    plan.warm_up = warm_up ? plan.timed : Plan::Pass();
    return plan;
  }
  auto make = [&](uint64_t all, Plan::Pass* pass) {
    uint64_t each = (all + threads - 1) / threads;
    if (workload == Workload::kMultiGet) {
      each = (each + kMultiGetKeys - 1) / kMultiGetKeys * kMultiGetKeys;
    }
    for (unsigned thread = 0; thread < threads; thread++) {
      pass->emplace_back();
      for (uint64_t i = 0; i < each; i++) {
        pass->back().push_back(planner.Next(thread));
      }
    }
  };
  const uint64_t timed = OperationsOf(workload, ops);
  make(timed, &plan.timed);
  make(OperationsOf(workload, (ops + 1) / 2), &plan.clocked);
  // Last, so that what is timed is the same with it and without.
  if (warm_up) {
    make(timed, &plan.warm_up);
  }
  return plan;
}

}  // namespace memkv
