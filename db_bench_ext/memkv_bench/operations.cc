// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How a plan is done.

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "plugin/memkv.h"
#include "rocksdb/table.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

// Does operations of one thread.
class Actor {
 public:
  Actor(Workload workload, const DatabaseUnderTest& subject)
      : workload_(workload),
        database_(*subject.database),
        db_(database_.db()),
        has_ranks_(db_->GetOptions().table_factory->IsInstanceOf("FstTable")) {}

  // `latencies`: of each call, if not null.
  void Run(const std::vector<Operation>& operations,
           std::vector<uint64_t>* latencies) {
    const size_t stride = workload_ == Workload::kMultiGet ? kMultiGetKeys : 1;
    for (size_t i = 0; i < operations.size(); i += stride) {
      const uint64_t start = latencies == nullptr ? 0 : WallNanos();
      if (stride > 1) {
        MultiGet(&operations[i], std::min(stride, operations.size() - i));
      } else {
        Do(operations[i]);
      }
      if (latencies != nullptr) {
        latencies->push_back(WallNanos() - start);
      }
    }
  }

 private:
  void Do(const Operation& op) {
    switch (op.act) {
      case Act::kGet:
        Get(op);
        break;
      case Act::kReadModifyWrite:
        Get(op);
        [[fallthrough]];
      case Act::kUpdate:
      case Act::kInsert:
        Check(db_->Put(rocksdb::WriteOptions(), op.key, op.value));
        break;
      case Act::kSeek:
        if (iterator_ == nullptr) {
          iterator_.reset(db_->NewIterator(read_));
        }
        Walk(op, iterator_.get());
        break;
      case Act::kCount:
        Count(op);
        break;
      default:
        Scan(op);
        break;
    }
  }

  void Expect(const Operation& op, const Tally& found) const {
    if (op.at_least ? found.found < op.expected.found
                    : !(found == op.expected)) {
      Wrong(op, found.ToString());
    }
  }
  void Wrong(const Operation& op, const std::string& found) const {
    database_.Mismatch(
        std::string(InfoOf(workload_).name) + " of " + Quoted(op.key),
        op.expected.ToString(), found);
  }
  void ExpectGet(const Operation& op, const Status& s,
                 const rocksdb::PinnableSlice& value) const {
    Tally found;
    if (s.ok()) {
      found.Count(op.key.size() + value.size());
    } else if (!s.IsNotFound()) {
      Check(s);
    }
    Expect(op, found);
  }

  void Get(const Operation& op) {
    value_.Reset();
    const Status s =
        db_->Get(read_, db_->DefaultColumnFamily(), op.key, &value_);
    ExpectGet(op, s, value_);
  }
  void MultiGet(const Operation* ops, size_t n) {
    Slice keys[kMultiGetKeys];
    rocksdb::PinnableSlice values[kMultiGetKeys];
    Status statuses[kMultiGetKeys];
    for (size_t i = 0; i < n; i++) {
      keys[i] = ops[i].key;
    }
    db_->MultiGet(read_, db_->DefaultColumnFamily(), n, keys, values, statuses);
    for (size_t i = 0; i < n; i++) {
      ExpectGet(ops[i], statuses[i], values[i]);
    }
  }

  // As a program does that has a new range each time: an iterator each.
  void Scan(const Operation& op) {
    rocksdb::ReadOptions read;
    read.iterate_upper_bound = op.end.empty() ? nullptr : &op.end;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
    Walk(op, it.get());
  }
  void Walk(const Operation& op, rocksdb::Iterator* it) {
    Tally found;
    auto count = [&] { found.Count(it->key().size() + it->value().size()); };
    if (op.act == Act::kScanAll) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        count();
      }
    } else if (op.act == Act::kReverseScan) {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        count();
      }
    } else {
      it->Seek(op.key);
      if (op.at_least &&
          (!it->Valid() || it->key() != op.key ||
           it->key().size() + it->value().size() != op.expected.bytes)) {
        Check(it->status());
        Wrong(op, "another record first");
      }
      for (; it->Valid(); it->Next()) {
        count();
        if (found.found == op.most) {
          break;
        }
      }
    }
    Check(it->status());
    Expect(op, found);
  }

  // Where ranks do not tell exactly, and in any other table, one by one.
  void Count(const Operation& op) {
    Tally found;
    KeyCount count;
    if (has_ranks_) {
      Check(CountKeys(db_, db_->DefaultColumnFamily(), read_,
                      rocksdb::RangePtr(&op.key, &op.end), &count));
    }
    if (has_ranks_ && count.exact()) {
      found.found = count.at_most;
    } else {
      rocksdb::ReadOptions read;
      read.iterate_upper_bound = &op.end;
      std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
      for (it->Seek(op.key); it->Valid(); it->Next()) {
        found.found++;
      }
      Check(it->status());
    }
    Expect(op, found);
  }

  const Workload workload_;
  const BenchDatabase& database_;
  rocksdb::DB* const db_;
  const bool has_ranks_;
  const rocksdb::ReadOptions read_;
  rocksdb::PinnableSlice value_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

void RunPass(Workload workload, const Plan::Pass& pass,
             const DatabaseUnderTest& subject, bool clocked,
             Measured* measured) {
  const auto threads = static_cast<unsigned>(pass.size());
  std::vector<std::vector<uint64_t>> latencies(threads);
  RunThreads(threads, measured, [&](unsigned thread) {
    Actor(workload, subject)
        .Run(pass[thread], clocked ? &latencies[thread] : nullptr);
  });
  for (unsigned thread = 0; thread < threads; thread++) {
    const std::vector<Operation>& operations = pass[thread];
    // Of a scan of all, each record is one.
    measured->ops += InfoOf(workload).IsScanOfAll()
                         ? operations[0].expected.found
                         : operations.size();
    measured->AddLatencies(latencies[thread]);
  }
}

}  // namespace

void RunPlan(Workload workload, const Plan& plan,
             const DatabaseUnderTest& subject, Measured* measured) {
  Measured others;
  RunPass(workload, plan.warm_up, subject, false, &others);
  RunPass(workload, plan.timed, subject, false, measured);
  Measured clocked;
  RunPass(workload, plan.clocked, subject, true, &clocked);
  measured->latencies = std::move(clocked.latencies);
}

void RunReadWhileWriting(const Plan& plan, const BenchRecords& records,
                         uint64_t seed, DatabaseUnderTest* subject,
                         Measured* measured, Measured* writes) {
  std::atomic<bool> done{false};
  Status written;
  std::thread writer([&] {
    const Stopwatch watch;
    const CpuClock clock;
    RandomSource random(seed);
    std::string buffer;
    while (written.ok() && !done.load(std::memory_order_relaxed)) {
      const size_t i = random.Uniform(records.size());
      const uint16_t version = ++subject->model.versions[i];
      written =
          subject->database->db()->Put(rocksdb::WriteOptions(), records.key(i),
                                       records.Value(i, version, &buffer));
      writes->ops++;
    }
    writes->wall_nanos = watch.wall_nanos();
    writes->cpu_nanos = clock.nanos();
  });
  Status read;
  try {
    RunPlan(Workload::kReadWhileWriting, plan, *subject, measured);
  } catch (const Failure& failure) {
    read = failure.status();
  }
  done.store(true, std::memory_order_relaxed);
  writer.join();
  Check(read);
  Check(written);
}

}  // namespace memkv
