// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/key_prefix.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "plugin/memkv.h"
#include "rocksdb/table.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr int kSeekSteps = 10;
constexpr size_t kMultiGetKeys = 32;
constexpr size_t kPrefixKeys = 100;
constexpr size_t kCountKeys = 1000;

// How many operations of a kind take about as long as `ops` look-ups.
size_t OperationsOf(Workload workload, uint64_t ops) {
  switch (workload) {
    case Workload::kSeek:
      return std::max<size_t>(ops / 4, 1);
    case Workload::kPrefixScan:
      return std::max<size_t>(ops / 8, 1);
    case Workload::kCount:
      return std::max<size_t>(ops / 200, 1);
    case Workload::kMultiGet:
      return (ops + kMultiGetKeys - 1) / kMultiGetKeys * kMultiGetKeys;
    default:
      return ops;
  }
}

class ProbeMaker {
 public:
  ProbeMaker(Workload workload, const BenchRecords& records,
             const BenchModel& model, uint64_t seed, Probes* probes)
      : workload_(workload),
        records_(records),
        expected_(records, model),
        random_(seed ^ (static_cast<uint64_t>(workload) << 32)),
        probes_(probes) {}

  void Make(Tally* tally) {
    Probe probe;
    switch (workload_) {
      case Workload::kMiss:
        probe.key = Miss();
        break;
      case Workload::kSeek:
        probe.key = random_.OneIn(2) ? Miss() : Hit(nullptr);
        CountFrom(probe, kSeekSteps + 1, tally);
        break;
      case Workload::kPrefixScan:
        probe.key = Own(ExamplePrefix(Hit(nullptr)));
        probe.end = Own(PrefixEnd(probe.key.ToString()));
        CountFrom(probe, kPrefixKeys, tally);
        break;
      case Workload::kCount: {
        size_t at = random_.Uniform(expected_.size());
        probe.key = Own(expected_.key(at).ToString());
        at = std::min(expected_.size() - 1, at + kCountKeys);
        probe.end = Own(expected_.key(at).ToString());
        CountFrom(probe, kCountKeys, tally);
        break;
      }
      default:
        probe.key = Hit(tally);
        break;
    }
    probes_->probes.push_back(probe);
  }

 private:
  // Probes have their own keys, in the order in which they are asked for: an
  // application has a key at hand when it looks it up, and not somewhere in
  // hundreds of megabytes of all keys.
  Slice Own(std::string text) {
    probes_->owned.push_back(std::move(text));
    return probes_->owned.back();
  }
  Slice Hit(Tally* tally) {
    const size_t i = random_.Uniform(records_.size());
    if (tally != nullptr) {
      tally->Count(records_.key(i).size() + records_.ValueSize(i));
    }
    return Own(records_.key(i).ToString());
  }
  Slice Miss() {
    for (;;) {
      std::string miss = NearMiss(records_.keys(), &random_);
      const size_t at = LowerBound(miss);
      if (at == expected_.size() || expected_.key(at) != miss) {
        return Own(std::move(miss));
      }
    }
  }
  size_t LowerBound(const Slice& target) const {
    size_t low = 0;
    size_t high = expected_.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (expected_.key(middle).compare(target) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  void CountFrom(const Probe& probe, size_t most, Tally* tally) {
    size_t at = LowerBound(probe.key);
    const size_t stop =
        probe.end.empty() ? expected_.size() : LowerBound(probe.end);
    std::string buffer;
    for (; most > 0 && at < stop; most--, at++) {
      const Slice key = expected_.key(at);
      // Counting reads nothing.
      tally->Count(workload_ == Workload::kCount
                       ? 0
                       : key.size() + expected_.value(at, &buffer).size());
    }
  }

  const Workload workload_;
  const BenchRecords& records_;
  const ModelExpected expected_;
  RandomSource random_;
  Probes* const probes_;
};

// One thread's part of a pass.
class Reader {
 public:
  Reader(Workload workload, rocksdb::DB* db)
      : workload_(workload),
        db_(db),
        has_ranks_(db->GetOptions().table_factory->IsInstanceOf("FstTable")) {}

  void Run(const Probe* begin, const Probe* end,
           std::vector<uint64_t>* latency) {
    if (workload_ == Workload::kMultiGet) {
      Loop(begin, end, kMultiGetKeys, latency, &Reader::MultiGet);
      return;
    }
    iterator_.reset(workload_ == Workload::kSeek ? db_->NewIterator(read_)
                                                 : nullptr);
    Loop(begin, end, 1, latency,
         workload_ == Workload::kSeek         ? &Reader::Seek
         : workload_ == Workload::kPrefixScan ? &Reader::PrefixScan
         : workload_ == Workload::kCount      ? &Reader::Count
                                              : &Reader::Get);
  }

  void Scan(bool forwards) {
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read_));
    if (forwards) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        tally_.Count(it->key(), it->value());
      }
    } else {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        tally_.Count(it->key(), it->value());
      }
    }
    Check(it->status());
  }

  const Tally& tally() const { return tally_; }

 private:
  // Does something of the probes at `p`, as many as go together.
  using Operation = void (Reader::*)(const Probe* p, size_t n);

  void Loop(const Probe* begin, const Probe* end, size_t stride,
            std::vector<uint64_t>* latency, Operation operation) {
    for (const Probe* p = begin; p < end; p += stride) {
      const size_t n = std::min(stride, static_cast<size_t>(end - p));
      const uint64_t start = latency == nullptr ? 0 : WallNanos();
      (this->*operation)(p, n);
      if (latency != nullptr) {
        latency->push_back(WallNanos() - start);
      }
    }
  }

  void Get(const Probe* probe, size_t /*n*/) {
    value_.Reset();
    const Status s =
        db_->Get(read_, db_->DefaultColumnFamily(), probe->key, &value_);
    if (s.ok()) {
      tally_.Count(probe->key, value_);
    } else if (!s.IsNotFound()) {
      Check(s);
    }
  }
  void MultiGet(const Probe* probes, size_t n) {
    Slice keys[kMultiGetKeys];
    rocksdb::PinnableSlice values[kMultiGetKeys];
    Status statuses[kMultiGetKeys];
    for (size_t i = 0; i < n; i++) {
      keys[i] = probes[i].key;
    }
    db_->MultiGet(read_, db_->DefaultColumnFamily(), n, keys, values, statuses);
    for (size_t i = 0; i < n; i++) {
      if (statuses[i].ok()) {
        tally_.Count(keys[i], values[i]);
      } else if (!statuses[i].IsNotFound()) {
        Check(statuses[i]);
      }
    }
  }
  void Seek(const Probe* probe, size_t /*n*/) {
    rocksdb::Iterator* const it = iterator_.get();
    it->Seek(probe->key);
    for (int step = 0; it->Valid(); step++, it->Next()) {
      tally_.Count(it->key(), it->value());
      if (step == kSeekSteps) {
        break;
      }
    }
    Check(it->status());
  }
  // As a program does that has a new range each time: an iterator each.
  void PrefixScan(const Probe* probe, size_t /*n*/) {
    rocksdb::ReadOptions read;
    read.iterate_upper_bound = probe->end.empty() ? nullptr : &probe->end;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
    size_t left = kPrefixKeys;
    for (it->Seek(probe->key); left > 0 && it->Valid(); it->Next(), left--) {
      tally_.Count(it->key(), it->value());
    }
    Check(it->status());
  }
  // Where ranks do not tell exactly, and in any other table, one by one.
  void Count(const Probe* probe, size_t /*n*/) {
    if (has_ranks_) {
      KeyCount count;
      Check(CountKeys(db_, db_->DefaultColumnFamily(), read_,
                      rocksdb::RangePtr(&probe->key, &probe->end), &count));
      if (count.exact()) {
        tally_.found += count.at_most;
        return;
      }
    }
    rocksdb::ReadOptions read;
    read.iterate_upper_bound = &probe->end;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
    for (it->Seek(probe->key); it->Valid(); it->Next()) {
      tally_.found++;
    }
    Check(it->status());
  }

  const Workload workload_;
  rocksdb::DB* const db_;
  const bool has_ranks_;
  const rocksdb::ReadOptions read_;
  rocksdb::PinnableSlice value_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  Tally tally_;
};

void Expect(const DatabaseUnderTest& database, Workload workload,
            const Tally& expected, const Tally& found) {
  if (!(found == expected)) {
    Mismatch(database, workload, expected.ToString(), found.ToString());
  }
}

// All threads, each a contiguous part of the pass's probes.
void RunPass(Workload workload, const Probes& probes, const ProbePass& pass,
             unsigned threads, const DatabaseUnderTest& database, bool clocked,
             Measured* measured) {
  std::vector<Tally> tallies(threads);
  std::vector<std::vector<uint64_t>> latencies(threads);
  // A part begins with a whole batch of MultiGet.
  const size_t batches =
      (pass.end - pass.begin + kMultiGetKeys - 1) / kMultiGetKeys;
  RunThreads(threads, measured, [&](unsigned thread) {
    auto part = [&](size_t of) {
      return probes.probes.data() +
             std::min(pass.end,
                      pass.begin + batches * of / threads * kMultiGetKeys);
    };
    Reader reader(workload, database.database->db());
    reader.Run(part(thread), part(thread + 1),
               clocked ? &latencies[thread] : nullptr);
    tallies[thread] = reader.tally();
  });
  measured->ops = pass.end - pass.begin;
  Tally found;
  for (unsigned thread = 0; thread < threads; thread++) {
    found.Add(tallies[thread]);
    measured->AddLatencies(latencies[thread]);
  }
  Expect(database, workload, pass.expected, found);
}

void RunScan(Workload workload, const ProbePass& pass,
             const DatabaseUnderTest& database, Measured* measured) {
  Tally found;
  RunThreads(1, measured, [&](unsigned) {
    Reader reader(workload, database.database->db());
    reader.Scan(workload == Workload::kScan);
    found = reader.tally();
  });
  measured->ops = found.found;
  Expect(database, workload, pass.expected, found);
}

bool IsScan(Workload workload) {
  return workload == Workload::kScan || workload == Workload::kReverseScan;
}

}  // namespace

void MakeProbes(Workload workload, const BenchRecords& records,
                const BenchModel& model, uint64_t ops, uint64_t seed,
                bool warm_up, Probes* probes) {
  if (IsScan(workload)) {
    const ModelExpected expected(records, model);
    Tally all = {expected.size(),
                 records.keys().KeyBytes() + records.ValueBytes()};
    for (size_t k = 0; k < model.inserted.size(); k++) {
      all.bytes +=
          model.inserted[k].size() + records.ValueSize(records.size() + k);
    }
    probes->timed.expected = all;
    if (warm_up) {
      probes->warm_up.expected = all;
    }
    return;
  }
  const size_t timed = OperationsOf(workload, ops);
  const size_t clocked = OperationsOf(workload, (ops + 1) / 2);
  ProbeMaker maker(workload, records, model, seed, probes);
  auto make = [&](size_t count, ProbePass* pass) {
    pass->begin = probes->probes.size();
    for (size_t i = 0; i < count; i++) {
      maker.Make(&pass->expected);
    }
    pass->end = probes->probes.size();
  };
  make(timed, &probes->timed);
  make(clocked, &probes->clocked);
  // Last, so that what is timed is the same with it and without.
  make(warm_up ? timed : 0, &probes->warm_up);
}

void RunReads(Workload workload, const Probes& probes, unsigned threads,
              const DatabaseUnderTest& database, Measured* measured) {
  Measured untimed;
  if (IsScan(workload)) {
    if (probes.warm_up.expected.found > 0) {
      RunScan(workload, probes.warm_up, database, &untimed);
    }
    RunScan(workload, probes.timed, database, measured);
    return;
  }
  Measured clocked;
  RunPass(workload, probes, probes.warm_up, threads, database, false, &untimed);
  RunPass(workload, probes, probes.timed, threads, database, false, measured);
  RunPass(workload, probes, probes.clocked, threads, database, true, &clocked);
  measured->latencies = std::move(clocked.latencies);
}

void RunReadWhileWriting(const BenchRecords& records, const Probes& probes,
                         unsigned threads, uint64_t seed,
                         DatabaseUnderTest* database, Measured* measured,
                         Measured* writes) {
  std::atomic<bool> done{false};
  Status written;
  std::thread writer([&] {
    const uint64_t start = WallNanos();
    RandomSource random(seed);
    std::string buffer;
    while (written.ok() && !done.load(std::memory_order_relaxed)) {
      const size_t i = random.Uniform(records.size());
      uint16_t& version = database->model->versions[i];
      version++;
      written =
          database->database->db()->Put(rocksdb::WriteOptions(), records.key(i),
                                        records.Value(i, version, &buffer));
      writes->ops++;
    }
    writes->wall_nanos = static_cast<double>(WallNanos() - start);
    writes->cpu_nanos = ThreadCpuNanos();
  });
  Status read;
  try {
    RunReads(Workload::kReadWhileWriting, probes, threads, *database, measured);
  } catch (const Failure& failure) {
    read = failure.status();
  }
  done.store(true, std::memory_order_relaxed);
  writer.join();
  Check(read);
  Check(written);
}

}  // namespace memkv
