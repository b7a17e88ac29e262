// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_set>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr double kZipf = 0.99;
constexpr uint64_t kMostScanned = 100;

enum class Act { kRead, kUpdate, kInsert, kScan, kReadModifyWrite };

// Made before the clock starts, so that no drawing is timed.
struct MixedOperation {
  Act act = Act::kRead;
  Slice key;
  Slice value;              // to be written
  uint64_t value_size = 0;  // to be found
  uint64_t least = 0;       // records a scan must at least meet,
  uint64_t most = 0;        // and where it stops
};

struct Share {
  Act act;
  unsigned percent;
};

std::vector<Share> SharesOf(Workload workload) {
  switch (workload) {
    case Workload::kMixedA:
      return {{Act::kRead, 50}, {Act::kUpdate, 50}};
    case Workload::kMixedB:
      return {{Act::kRead, 95}, {Act::kUpdate, 5}};
    case Workload::kMixedD:
      return {{Act::kRead, 95}, {Act::kInsert, 5}};
    case Workload::kMixedE:
      return {{Act::kScan, 95}, {Act::kInsert, 5}};
    case Workload::kMixedF:
      return {{Act::kRead, 50}, {Act::kReadModifyWrite, 50}};
    default:
      return {{Act::kRead, 100}};
  }
}

// The operations of all threads. Of a record, only thread (i mod threads)
// writes, so that its last version is known; reads go anywhere.
class Planner {
 public:
  Planner(Workload workload, const BenchRecords& records, unsigned threads,
          uint64_t seed, BenchModel* model)
      : workload_(workload),
        records_(records),
        threads_(threads),
        shares_(SharesOf(workload)),
        zipf_(std::max<uint64_t>(records.size(), 2), kZipf),
        random_(seed ^ (static_cast<uint64_t>(workload) << 32)),
        model_(model),
        inserted_(model->inserted.begin(), model->inserted.end()),
        own_(threads) {}

  MixedOperation Plan(unsigned thread) {
    MixedOperation op;
    uint64_t percent = random_.Uniform(100);
    for (const Share& share : shares_) {
      op.act = share.act;
      if (percent < share.percent) {
        break;
      }
      percent -= share.percent;
    }
    if (op.act == Act::kInsert) {
      Insert(thread, &op);
      return op;
    }
    const size_t n = records_.size();
    const uint64_t rank = zipf_.Draw(&random_);
    if (workload_ == Workload::kMixedD && rank < own_[thread].size()) {
      // The latest: a thread's own, which are certainly there.
      const size_t k = own_[thread][own_[thread].size() - 1 - rank];
      op.key = model_->inserted[k];
      op.value_size = records_.ValueSize(n + k);
      return op;
    }
    // Popular keys lie anywhere.
    size_t i = RandomSource(rank).Next() % n;
    if (op.act == Act::kUpdate || op.act == Act::kReadModifyWrite) {
      i = i / threads_ * threads_ + thread;
      i = i < n ? i : thread % n;
      uint16_t& version = model_->versions[i];
      version++;
      values_.emplace_back();
      op.value = records_.Value(i, version, &values_.back());
    }
    op.key = records_.key(i);
    op.value_size = records_.ValueSize(i);
    op.most = 1 + random_.Uniform(kMostScanned);
    op.least = std::min<uint64_t>(op.most, n - i);
    return op;
  }

 private:
  void Insert(unsigned thread, MixedOperation* op) {
    std::string key;
    do {
      key = NearMiss(records_.keys(), &random_);
    } while (!inserted_.insert(key).second);
    const size_t k = model_->inserted.size();
    model_->inserted.push_back(std::move(key));
    own_[thread].push_back(k);
    values_.emplace_back();
    op->key = model_->inserted.back();
    op->value = records_.Value(records_.size() + k, 0, &values_.back());
  }

  const Workload workload_;
  const BenchRecords& records_;
  const unsigned threads_;
  const std::vector<Share> shares_;
  const ZipfSource zipf_;
  RandomSource random_;
  BenchModel* const model_;
  std::unordered_set<std::string> inserted_;
  std::vector<std::vector<size_t>> own_;
  // A deque leaves what it holds in place.
  std::deque<std::string> values_;
};

// Does operations; what is not as it must be is a Mismatch.
class Actor {
 public:
  Actor(Workload workload, const DatabaseUnderTest& database)
      : workload_(workload),
        database_(database),
        db_(database.database->db()) {}

  void Do(const MixedOperation& op) {
    if (op.act == Act::kRead || op.act == Act::kReadModifyWrite) {
      Read(op);
    }
    if (op.act == Act::kScan) {
      Scan(op);
    } else if (op.act != Act::kRead) {
      Check(db_->Put(rocksdb::WriteOptions(), op.key, op.value));
    }
  }

 private:
  void Read(const MixedOperation& op) {
    value_.Reset();
    const Status s = db_->Get(rocksdb::ReadOptions(),
                              db_->DefaultColumnFamily(), op.key, &value_);
    if (!s.IsNotFound()) {
      Check(s);
    }
    if (!s.ok() || value_.size() != op.value_size) {
      Mismatch(database_, workload_, fmt::format("{} bytes", op.value_size),
               s.ok() ? fmt::format("{} bytes", value_.size()) : s.ToString());
    }
  }
  void Scan(const MixedOperation& op) {
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions()));
    uint64_t met = 0;
    uint64_t bytes = 0;
    it->Seek(op.key);
    const bool right = it->Valid() && it->key() == op.key &&
                       it->value().size() == op.value_size;
    for (; it->Valid() && met < op.most; it->Next(), met++) {
      bytes += it->key().size() + it->value().size();
    }
    Check(it->status());
    if (!right || met < op.least || bytes == 0) {
      Mismatch(database_, workload_, fmt::format("{} records", op.least),
               right ? fmt::format("{} records", met) : "another record first");
    }
  }

  const Workload workload_;
  const DatabaseUnderTest& database_;
  rocksdb::DB* const db_;
  rocksdb::PinnableSlice value_;
};

}  // namespace

void RunMixed(Workload workload, const BenchRecords& records, uint64_t ops,
              uint64_t seed, unsigned threads, DatabaseUnderTest* database,
              Measured* measured) {
  // Scans of 50 on average.
  const uint64_t all = workload == Workload::kMixedE ? ops / 10 + 1 : ops;
  const uint64_t each = (all + threads - 1) / threads;
  Planner planner(workload, records, threads, seed, database->model.get());
  std::vector<std::vector<MixedOperation>> plans(threads);
  for (unsigned thread = 0; thread < threads; thread++) {
    for (uint64_t i = 0; i < each + (each + 1) / 2; i++) {
      plans[thread].push_back(planner.Plan(thread));
    }
  }
  RunThreads(threads, measured, [&](unsigned thread) {
    Actor actor(workload, *database);
    for (size_t i = 0; i < each; i++) {
      actor.Do(plans[thread][i]);
    }
  });
  measured->ops = each * threads;
  std::vector<std::vector<uint64_t>> latencies(threads);
  Measured clocked;
  RunThreads(threads, &clocked, [&](unsigned thread) {
    Actor actor(workload, *database);
    for (size_t i = each; i < plans[thread].size(); i++) {
      const uint64_t start = WallNanos();
      actor.Do(plans[thread][i]);
      latencies[thread].push_back(WallNanos() - start);
    }
  });
  for (const std::vector<uint64_t>& nanos : latencies) {
    measured->AddLatencies(nanos);
  }
}

}  // namespace memkv
