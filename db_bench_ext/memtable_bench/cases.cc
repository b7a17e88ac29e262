// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/cases.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "db/lookup_key.h"
#include "db_bench_ext/common/jemalloc_stats.h"
#include "db_bench_ext/common/machine.h"
#include "memtable/art_memtable_rep.h"
#include "monitoring/histogram.h"

namespace memkv {

using benchmark::State;
using ROCKSDB_NAMESPACE::HistogramImpl;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::Slice;

namespace {

constexpr size_t kBatch = 64;
constexpr int kSeekSteps = 10;
constexpr size_t kWaitProbes = 20000;
constexpr benchmark::IterationCount kHotReads = 200000;

void Expect(State& state, uint64_t expected, uint64_t found, const char* what) {
  if (expected != found) {
    const std::string message = std::string(what) + ": expected " +
                                std::to_string(expected) + ", found " +
                                std::to_string(found);
    state.SkipWithError(message.c_str());
  }
}

// Which key of the load order is the i-th of `thread`: batches go around.
size_t TurnOf(size_t i, size_t thread, size_t threads) {
  return (i / kBatch * threads + thread) * kBatch + i % kBatch;
}

// How many whole turns `threads` threads have in `count` keys, each.
benchmark::IterationCount KeysPerThread(size_t count, size_t threads) {
  return threads == 1 ? count : count / (threads * kBatch) * kBatch;
}

using Body = std::function<void(State&)>;

enum class Clock { kCpu, kWall };

void AddCase(const std::string& name, benchmark::IterationCount iterations,
             int threads, Clock clock, Body body) {
  auto pinned = [body = std::move(body)](State& state) {
    PinToCpu(static_cast<size_t>(state.thread_index()));
    body(state);
  };
  auto* added = benchmark::RegisterBenchmark(name.c_str(), std::move(pinned));
  added->Iterations(iterations)->Threads(threads);
  if (clock == Clock::kWall) {
    added->UseRealTime();
  }
  added->ComputeStatistics("min", [](const std::vector<double>& values) {
    return *std::min_element(values.begin(), values.end());
  });
  added->ComputeStatistics("max", [](const std::vector<double>& values) {
    return *std::max_element(values.begin(), values.end());
  });
}

}  // namespace

KeyCases::KeyCases(const std::string& name, const RecordSet& set,
                   LoadOrder order, const CaseOptions& options)
    : name_(name),
      set_(set),
      options_(options),
      value_(options.value_size, 'v'),
      keys_(MakeBenchKeys(set, order, options.probes, options.seed)) {}

void KeyCases::Register(const std::vector<Subject>& subjects) {
  const size_t n = keys_.load.size();
  for (const Subject& subject : subjects) {
    // `subject` is copied into the closures: the caller's may go.
    auto add = [&](const std::string& operation, size_t iterations, int threads,
                   Clock clock, auto body) {
      AddCase(name_ + "/" + operation + "/" + subject.name,
              static_cast<benchmark::IterationCount>(iterations), threads,
              clock, [subject, body](State& state) { body(state, subject); });
    };
    auto add_insert = [&](const std::string& operation, int threads,
                          Clock clock, Insertion insertion) {
      add(operation, KeysPerThread(n, static_cast<size_t>(threads)), threads,
          clock, [this, insertion](State& state, const Subject& s) {
            RunInsert(state, s, insertion);
          });
    };
    add_insert("encode", 1, Clock::kCpu, Insertion::kEncodeOnly);
    add_insert("insert", 1, Clock::kCpu, Insertion::kPlain);
    add("insert_latency", n, 1, Clock::kCpu,
        [this](State& state, const Subject& s) { RunInsertLatency(state, s); });
    if (subject.factory->IsInsertConcurrentlySupported()) {
      add_insert("insert_concurrent", 1, Clock::kWall, Insertion::kConcurrent);
      const size_t mixed_inserts = KeysPerThread(n / 2, 2);
      if (options_.two_threads && mixed_inserts > 0) {
        add_insert("insert_concurrent", 2, Clock::kWall,
                   Insertion::kConcurrent);
        add("mixed", 2 * mixed_inserts, 2, Clock::kWall,
            [this](State& state, const Subject& s) { RunMixed(state, s); });
      }
    }
    add("hit", keys_.hits.size(), 1, Clock::kCpu,
        [this](State& state, const Subject& s) {
          RunGet(state, s, keys_.hits, true);
        });
    add("miss", keys_.misses.size(), 1, Clock::kCpu,
        [this](State& state, const Subject& s) {
          RunGet(state, s, keys_.misses, false);
        });
    if (subject.factory->IsInsertConcurrentlySupported()) {
      add("hit_waits", std::min(keys_.hits.size(), kWaitProbes), 1, Clock::kCpu,
          [this](State& state, const Subject& s) { RunWaits(state, s); });
    }
    add("seek_10", keys_.hits.size(), 1, Clock::kCpu,
        [this](State& state, const Subject& s) { RunSeek(state, s); });
    for (Direction direction : {Direction::kForwards, Direction::kBackwards}) {
      for (bool read : {false, true}) {
        add(std::string(direction == Direction::kForwards ? "next" : "prev") +
                (read ? "_read" : ""),
            n, 1, Clock::kCpu,
            [this, direction, read](State& state, const Subject& s) {
              RunScan(state, s, direction, read);
            });
      }
    }
  }
}

size_t KeyCases::EncodedBytes() const {
  size_t bytes = 0;
  for (size_t i = 0; i < keys_.load.size(); i++) {
    bytes += EncodedEntryBytes(keys_.load[i].size(), value_.size());
  }
  return bytes;
}

void KeyCases::StartFresh(const Subject& subject) {
  if (options_.purge) {
    ReleaseFreedMemory();
  }
  fresh_ = std::make_unique<BenchTable>(subject.factory.get());
}

bool KeyCases::HoldsTheSet(BenchTable* table) const {
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  size_t at = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next(), at++) {
    Slice internal_key;
    Slice value;
    ReadEntry(it->key(), &internal_key, &value);
    if (at == set_.size() ||
        ROCKSDB_NAMESPACE::ExtractUserKey(internal_key) != set_.key(at) ||
        value != Slice(value_)) {
      return false;
    }
  }
  return at == set_.size();
}

BenchTable* KeyCases::Loaded(State& state, const Subject& subject) {
  std::unique_ptr<BenchTable>& table = loaded_[subject.name];
  if (table == nullptr) {
    table = std::make_unique<BenchTable>(subject.factory.get());
    for (size_t i = 0; i < keys_.load.size(); i++) {
      table->Insert(keys_.load[i], i + 1, value_);
    }
    table->rep()->MarkReadOnly();
    if (!HoldsTheSet(table.get())) {
      table.reset();
    }
  }
  if (table == nullptr) {
    state.SkipWithError("the loaded table does not hold the key set");
  }
  return table.get();
}

void KeyCases::RunInsert(State& state, const Subject& subject,
                         Insertion insertion) {
  const auto thread = static_cast<size_t>(state.thread_index());
  const auto threads = static_cast<size_t>(state.threads());
  if (thread == 0) {
    StartFresh(subject);
  }
  size_t i = 0;
  uint64_t inserted = 0;
  for (auto _ : state) {
    const size_t at = TurnOf(i++, thread, threads);
    const Slice key = keys_.load[at];
    switch (insertion) {
      case Insertion::kEncodeOnly:
        benchmark::DoNotOptimize(fresh_->Encode(key, at + 1, value_));
        inserted++;
        break;
      case Insertion::kPlain:
        inserted += fresh_->Insert(key, at + 1, value_);
        break;
      case Insertion::kConcurrent:
        inserted += fresh_->InsertConcurrently(key, at + 1, value_);
        break;
    }
  }
  Expect(state, i, inserted, "inserts");
  if (thread == 0) {
    // With two threads a few keys at the end may be nobody's.
    const size_t total = i * threads;
    const double encoded = static_cast<double>(EncodedBytes()) *
                           static_cast<double>(total) /
                           static_cast<double>(keys_.load.size());
    if (insertion != Insertion::kEncodeOnly) {
      state.counters["index_B"] =
          (static_cast<double>(fresh_->UsedBytes()) - encoded) /
          static_cast<double>(total);
    }
    fresh_.reset();
  }
}

void KeyCases::RunInsertLatency(State& state, const Subject& subject) {
  using std::chrono::steady_clock;
  StartFresh(subject);
  HistogramImpl histogram;
  size_t i = 0;
  uint64_t inserted = 0;
  for (auto _ : state) {
    const Slice key = keys_.load[i++];
    const auto start = steady_clock::now();
    inserted += fresh_->Insert(key, i, value_);
    const auto spent = steady_clock::now() - start;
    histogram.Add(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count()));
  }
  Expect(state, i, inserted, "inserts");
  state.counters["p50"] = histogram.Percentile(50);
  state.counters["p99"] = histogram.Percentile(99);
  state.counters["p999"] = histogram.Percentile(99.9);
  state.counters["worst"] = static_cast<double>(histogram.max());
  fresh_.reset();
}

void KeyCases::RunGet(State& state, const Subject& subject,
                      const KeySequence& probes, bool present) {
  BenchTable* table = Loaded(state, subject);
  if (table == nullptr) {
    return;
  }
  Found found;
  size_t i = 0;
  for (auto _ : state) {
    GetAt(table->rep(), probes[i++], kMaxSequenceNumber, &found);
  }
  Expect(state, present ? i : 0, found.count, "keys found");
  Expect(state, present ? i * value_.size() : 0, found.bytes, "value bytes");
}

void KeyCases::RunWaits(State& state, const Subject& subject) {
  uint64_t waits = 0;
  BenchTable table(subject.factory.get(), &waits);
  for (size_t i = 0; i < keys_.load.size(); i++) {
    table.Insert(keys_.load[i], i + 1, value_);
  }
  table.rep()->MarkReadOnly();
  waits = 0;
  const auto* const art = dynamic_cast<ArtMemTableRep*>(table.rep());
  Found found;
  size_t i = 0;
  for (auto _ : state) {
    const Slice key = keys_.hits[i++];
    GetAt(table.rep(), key, kMaxSequenceNumber, &found);
    if (art != nullptr) {
      waits += 1 + art->tree().NodesOnPath(ArtKey(key.data(), key.size(),
                                                  kMaxSequenceNumber,
                                                  art->tree().order()));
    }
  }
  Expect(state, i, found.count, "keys found");
  state.counters["waits"] = static_cast<double>(waits) / static_cast<double>(i);
}

Slice KeyCases::SeekTarget(size_t i) const {
  return (i % 2 == 0 ? keys_.hits : keys_.misses)[i];
}

KeyCases::Met KeyCases::ExpectedSeeks() const {
  Met met;
  for (size_t i = 0; i < keys_.hits.size(); i++) {
    size_t at = set_.LowerBound(SeekTarget(i));
    for (int step = 0; step <= kSeekSteps && at < set_.size(); step++, at++) {
      met.entries++;
      met.bytes += set_.key(at).size() + value_.size();
    }
  }
  return met;
}

void KeyCases::RunSeek(State& state, const Subject& subject) {
  BenchTable* table = Loaded(state, subject);
  if (table == nullptr) {
    return;
  }
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  size_t i = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    const LookupKey target(SeekTarget(i++), kMaxSequenceNumber);
    it->Seek(target.internal_key(), nullptr);
    for (int step = 0; it->Valid(); step++, it->Next()) {
      bytes += EntryBytes(it->key());
      entries++;
      if (step == kSeekSteps) {
        break;
      }
    }
  }
  // The look-ups in the key set take longer than the benchmark: once only.
  if (seeks_.entries == 0) {
    seeks_ = ExpectedSeeks();
  }
  Expect(state, seeks_.entries, entries, "entries met");
  Expect(state, seeks_.bytes, bytes, "bytes met");
}

void KeyCases::RunScan(State& state, const Subject& subject,
                       Direction direction, bool read) {
  BenchTable* table = Loaded(state, subject);
  if (table == nullptr) {
    return;
  }
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  if (direction == Direction::kForwards) {
    it->SeekToFirst();
  } else {
    it->SeekToLast();
  }
  size_t steps = 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    if (!it->Valid()) {
      continue;
    }
    const char* entry = it->key();
    if (read) {
      bytes += EntryBytes(entry);
    } else {
      benchmark::DoNotOptimize(entry);
    }
    steps++;
    if (direction == Direction::kForwards) {
      it->Next();
    } else {
      it->Prev();
    }
  }
  Expect(state, keys_.load.size(), steps, "entries met");
  Expect(state, 0, it->Valid(), "entries left");
  if (read) {
    Expect(state, keys_.key_bytes + steps * value_.size(), bytes, "bytes met");
  }
}

void KeyCases::RunMixed(State& state, const Subject& subject) {
  const auto thread = static_cast<size_t>(state.thread_index());
  const auto threads = static_cast<size_t>(state.threads());
  const size_t half = keys_.load.size() / 2;
  if (thread == 0) {
    StartFresh(subject);
    for (size_t at = 0; at < half; at++) {
      fresh_->Insert(keys_.load[at], at + 1, value_);
    }
  }
  const KeySequence& probes = keys_.first_half_hits;
  // Each thread has its own part of the probes, and starts again at its end.
  const size_t part = probes.size() / threads;
  size_t i = 0;
  uint64_t inserted = 0;
  Found found;
  for (auto _ : state) {
    if (i % 2 == 0) {
      const size_t at = half + TurnOf(i / 2, thread, threads);
      inserted += fresh_->InsertConcurrently(keys_.load[at], at + 1, value_);
    } else {
      GetAt(fresh_->rep(), probes[thread * part + i / 2 % part],
            kMaxSequenceNumber, &found);
    }
    i++;
  }
  Expect(state, (i + 1) / 2, inserted, "inserts");
  Expect(state, i / 2, found.count, "keys found");
  if (thread == 0) {
    fresh_.reset();
  }
}

HotKeyCases::HotKeyCases(uint64_t overwrites, const CaseOptions& options)
    : overwrites_(overwrites),
      options_(options),
      key_("the one hot key!"),
      value_(options.value_size, 'v') {}

void HotKeyCases::Register(const std::vector<Subject>& subjects) {
  for (const Subject& subject : subjects) {
    const std::string end = "/" + subject.name;
    AddCase("hot_key/overwrite" + end,
            static_cast<benchmark::IterationCount>(overwrites_), 1, Clock::kCpu,
            [this, subject](State& state) { RunOverwrite(state, subject); });
    for (uint64_t snapshot = 1; snapshot <= kSnapshots; snapshot++) {
      AddCase("hot_key/read_at_" + std::to_string(snapshot) + end, kHotReads, 1,
              Clock::kCpu, [this, subject, snapshot](State& state) {
                RunRead(state, subject, snapshot);
              });
    }
  }
}

std::unique_ptr<BenchTable> HotKeyCases::NewTable(
    const Subject& subject) const {
  if (options_.purge) {
    ReleaseFreedMemory();
  }
  return std::make_unique<BenchTable>(subject.factory.get());
}

void HotKeyCases::RunOverwrite(State& state, const Subject& subject) {
  std::unique_ptr<BenchTable> table = NewTable(subject);
  uint64_t sequence = 0;
  uint64_t inserted = 0;
  for (auto _ : state) {
    inserted += table->Insert(key_, ++sequence, value_);
  }
  Expect(state, sequence, inserted, "inserts");
  const auto count = static_cast<double>(sequence);
  state.counters["index_B"] =
      static_cast<double>(table->UsedBytes()) / count -
      static_cast<double>(EncodedEntryBytes(key_.size(), value_.size()));
}

void HotKeyCases::RunRead(State& state, const Subject& subject,
                          uint64_t snapshot) {
  std::unique_ptr<BenchTable>& table = loaded_[subject.name];
  if (table == nullptr) {
    table = NewTable(subject);
    for (uint64_t sequence = 1; sequence <= overwrites_; sequence++) {
      table->Insert(key_, sequence, value_);
    }
    table->rep()->MarkReadOnly();
  }
  const uint64_t at = overwrites_ * snapshot / kSnapshots;
  Found found;
  uint64_t wrong = 0;
  for (auto _ : state) {
    GetAt(table->rep(), key_, at, &found);
    wrong += found.last_sequence != at;
  }
  Expect(state, static_cast<uint64_t>(kHotReads), found.count, "keys found");
  Expect(state, 0, wrong, "other versions read");
}

}  // namespace memkv
