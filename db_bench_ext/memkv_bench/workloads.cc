// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/workloads.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <unordered_set>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/walk.h"
#include "db_bench_ext/keys/random.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/iostats_context.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace memkv {

namespace {

// Adds all that the calling thread has ever read; at the begin of what is
// measured, takes it away. Calls are counted only by temperature: BenchDatabase
// gives files one.
void CountFileReads(bool at_end, Measured* measured) {
  const rocksdb::IOStatsContext& context = *rocksdb::get_iostats_context();
  const auto& files = context.file_io_stats_by_temperature;
  const uint64_t calls = files.hot_file_read_count +
                         files.warm_file_read_count +
                         files.cold_file_read_count;
  measured->file_bytes += at_end ? context.bytes_read : -context.bytes_read;
  measured->file_reads += at_end ? calls : -calls;
}

}  // namespace

void RunThreads(unsigned threads, Measured* measured,
                const std::function<void(unsigned)>& body) {
  std::vector<Status> results(threads);
  std::vector<Measured> parts(threads);
  const Stopwatch watch;
  auto timed = [&](unsigned thread) {
    CountFileReads(false, &parts[thread]);
    const CpuClock clock;
    try {
      body(thread);
    } catch (const Failure& failure) {
      results[thread] = failure.status();
    }
    parts[thread].cpu_nanos = clock.nanos();
    CountFileReads(true, &parts[thread]);
  };
  if (threads == 1) {
    timed(0);
  } else {
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; thread++) {
      running.emplace_back(timed, thread);
    }
    for (std::thread& thread : running) {
      thread.join();
    }
  }
  measured->wall_nanos += watch.wall_nanos();
  for (unsigned thread = 0; thread < threads; thread++) {
    measured->cpu_nanos += parts[thread].cpu_nanos;
    measured->file_bytes += parts[thread].file_bytes;
    measured->file_reads += parts[thread].file_reads;
    Check(results[thread]);
  }
}

// ---- What each workload asks -----------------------------------------------

namespace {

constexpr double kZipf = 0.99;
constexpr uint64_t kSeekSteps = 10;
constexpr uint64_t kPrefixKeys = 100;
constexpr uint64_t kCountKeys = 1000;
constexpr uint64_t kMostScanned = 100;  // by mixed-e
// Of all keys; hot-get asks for one. Seeds of repeats differ by 3 more than a
// multiple of it.
constexpr uint64_t kHotParts = 20;

// How many operations take about as long as `ops` look-ups.
uint64_t OperationsOf(Workload workload, uint64_t ops) {
  return std::max<uint64_t>(ops / InfoOf(workload).look_ups, 1);
}

// What the workloads from kMixedA on do, of each hundred: so many of the first
// act, and the second otherwise.
constexpr struct {
  Act first;
  unsigned percent;
  Act second;
} kMixes[] = {
    {Act::kGet, 50, Act::kUpdate},  {Act::kGet, 95, Act::kUpdate},
    {Act::kGet, 100, Act::kGet},    {Act::kGet, 95, Act::kInsert},
    {Act::kScan, 95, Act::kInsert}, {Act::kGet, 50, Act::kReadModifyWrite}};

class Planner {
 public:
  Planner(Workload workload, const BenchRecords& records, unsigned threads,
          uint64_t seed, BenchModel* model, Plan* plan)
      : workload_(workload),
        records_(records),
        threads_(threads),
        zipf_(std::max<uint64_t>(records.size(), 2), kZipf),
        random_(seed ^ (static_cast<uint64_t>(workload) << 32)),
        hot_part_(seed % kHotParts),
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
    op.act =
        workload_ == Workload::kReverseScan ? Act::kReverseScan : Act::kScanAll;
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
    switch (AskedBy(workload_)) {
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
        const size_t i = workload_ == Workload::kHotGet
                             ? HotRecord()
                             : random_.Uniform(records_.size());
        op.key = Own(records_.key(i).ToString());
        op.expected.Count(op.key.size() + records_.ValueSize(i));
        break;
      }
    }
    return op;
  }

  size_t HotRecord() {
    const uint64_t first = records_.size() * hot_part_ / kHotParts;
    const uint64_t behind = records_.size() * (hot_part_ + 1) / kHotParts;
    return std::min<uint64_t>(
        first + random_.Uniform(std::max<uint64_t>(behind - first, 1)),
        records_.size() - 1);
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
    const auto& mix = kMixes[static_cast<int>(workload_) -
                             static_cast<int>(Workload::kMixedA)];
    op.act = random_.Uniform(100) < mix.percent ? mix.first : mix.second;
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
  const ZipfSource zipf_;
  RandomSource random_;
  const uint64_t hot_part_;
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

void WriteRecords(const BenchRecords& records,
                  const std::vector<uint32_t>& order, size_t begin, size_t end,
                  bool next_version, unsigned threads,
                  BenchDatabase* database) {
  std::atomic<size_t> next{begin};
  Measured ignored;
  RunThreads(threads, &ignored, [&](unsigned) {
    rocksdb::WriteBatch batch;
    std::string buffer;
    for (;;) {
      const size_t from = next.fetch_add(kBatchRecords);
      if (from >= end) {
        return;
      }
      const size_t to = std::min(end, from + kBatchRecords);
      for (size_t at = from; at < to; at++) {
        const size_t i = order[at];
        // A record is in `order` once, so this thread has it to itself.
        uint16_t& version = database->model.versions[i];
        version = static_cast<uint16_t>(version + (next_version ? 1 : 0));
        Check(batch.Put(records.key(i), records.Value(i, version, &buffer)));
      }
      Check(database->db()->Write(rocksdb::WriteOptions(), &batch));
      batch.Clear();
    }
  });
}

// ---- How a plan is done ----------------------------------------------------

namespace {

// Does operations of one thread.
class Actor {
 public:
  Actor(Workload workload, const BenchDatabase& database)
      : workload_(workload),
        database_(database),
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
      if (op.act == Act::kGet && !op.value.empty() && value != op.value) {
        Wrong(op, Quoted(value));
      }
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
    if (op.act == Act::kScanAll || op.act == Act::kReverseScan) {
      WalkAll(it, op.act == Act::kScanAll, count);
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
             const BenchDatabase& database, bool clocked, Measured* measured) {
  const auto threads = static_cast<unsigned>(pass.size());
  std::vector<std::vector<uint64_t>> latencies(threads);
  RunThreads(threads, measured, [&](unsigned thread) {
    Actor(workload, database)
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

void RunPlan(Workload workload, const Plan& plan, const BenchDatabase& database,
             Measured* measured) {
  Measured others;
  RunPass(workload, plan.warm_up, database, false, &others);
  RunPass(workload, plan.timed, database, false, measured);
  Measured clocked;
  RunPass(workload, plan.clocked, database, true, &clocked);
  measured->latencies = std::move(clocked.latencies);
}

void RunReadWhileWriting(const Plan& plan, const BenchRecords& records,
                         uint64_t seed, BenchDatabase* database,
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
      const uint16_t version = ++database->model.versions[i];
      written = database->db()->Put(rocksdb::WriteOptions(), records.key(i),
                                    records.Value(i, version, &buffer));
      writes->ops++;
    }
    writes->wall_nanos = watch.wall_nanos();
    writes->cpu_nanos = clock.nanos();
  });
  Status read;
  try {
    RunPlan(Workload::kReadWhileWriting, plan, *database, measured);
  } catch (const Failure& failure) {
    read = failure.status();
  }
  done.store(true, std::memory_order_relaxed);
  writer.join();
  Check(read);
  Check(written);
}

}  // namespace memkv
