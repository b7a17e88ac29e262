// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/cases.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <numeric>
#include <thread>
#include <unordered_set>

#include "db/lookup_key.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/timing.h"
#include "memtable/art_memtable_rep.h"

namespace memkv {

using rocksdb::kMaxSequenceNumber;
using rocksdb::LookupKey;
using rocksdb::MemTableRep;
using rocksdb::Slice;
using rocksdb::Status;

namespace {

// Writers take turns by so many entries.
constexpr size_t kTurn = 64;
// A reader reads so often at least, however soon its writer is done.
constexpr uint64_t kLeastReads = 1000;
constexpr size_t kWaitProbes = 20000;
constexpr size_t kSnapshots = 10;

// Starts `threads` threads that call run(thread), lets all go at once, and
// waits for them.
void RunTogether(size_t threads, const std::function<void(size_t)>& run) {
  std::atomic<size_t> ready{0};
  std::vector<std::thread> running;
  for (size_t t = 0; t < threads; t++) {
    running.emplace_back([&, t] {
      PinToCpu(t);
      ready.fetch_add(1);
      while (ready.load() < threads) {
        std::this_thread::yield();
      }
      run(t);
    });
  }
  for (std::thread& thread : running) {
    thread.join();
  }
}

template <typename T>
T Sum(const std::vector<T>& values) {
  return std::accumulate(values.begin(), values.end(), T{});
}

}  // namespace

MemtableCases::MemtableCases(const KeyShape& shape,
                             const std::vector<Subject>& subjects,
                             const CaseOptions& options)
    : shape_(shape),
      subjects_(subjects),
      options_(options),
      value_(options.value_size, 'v'),
      probes_(shape, options.seed, options.probes),
      tables_(subjects.size()),
      read_only_(subjects.size()),
      least_(subjects.size()) {
  for (size_t entry = 0; entry < shape.entries.size(); entry++) {
    load_.Add(KeyOf(entry));
  }
}

std::vector<std::string> MemtableCases::OperationsOf(size_t subject) const {
  std::vector<std::string> operations = {"encode", "insert", "insert_each",
                                         "hit"};
  if (Versions()) {
    operations.push_back("old");
  }
  operations.insert(operations.end(), {"miss", "seek", "seek_10", "step",
                                       "step_back", "next", "prev"});
  // What the vector does not have.
  if (Concurrent(subject)) {
    operations.insert(operations.end(), {"hit_waits", "count", "prefix_off",
                                         "sample", "sample_10%"});
  }
  return operations;
}

Status MemtableCases::Measure(const std::string& operation, size_t subject,
                              Figures* figures) {
  operation_ = operation;
  subject_ = subject;
  figures_ = figures;
  const size_t all = shape_.entries.size();
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(all)));
  const auto is = [&](const char* name) { return operation == name; };
  const auto number_after = [&](const std::string& name) {
    return operation.rfind(name, 0) == 0
               ? std::stoul(operation.substr(name.size()))
               : 0;
  };
  if (const size_t snapshot = number_after("read_at_"); snapshot > 0) {
    return ReadAt(snapshot);
  }
  if (const size_t threads = number_after("threads_"); threads > 0) {
    const Status s = Writers(threads);
    return s.ok() ? ReadersBesideWriter(threads) : s;
  }
  return is("encode")        ? Encode()
         : is("insert")      ? Insert()
         : is("insert_each") ? InsertEach()
         : is("hit")         ? Gets(probes_.hits())
         : is("old")         ? Gets(probes_.old())
         : is("miss")        ? Misses()
         : is("hit_waits")   ? Waits()
         : is("seek")        ? Seeks(0)
         : is("seek_10")     ? Seeks(10)
         : is("step")        ? Steps(true, false)
         : is("step_back")   ? Steps(false, false)
         : is("next")        ? Steps(true, true)
         : is("prev")        ? Steps(false, true)
         : is("count")       ? Counts(probes_.ranges(), true)
         : is("prefix_off")  ? Counts(probes_.prefix_ranges(), false)
         : is("sample")      ? Sample(root / 4)
         : is("sample_10%")
             ? Sample(all / 10)
             : Status::InvalidArgument("there is no operation " + operation);
}

Status MemtableCases::Wrong(const std::string& what) const {
  return Status::Corruption(subjects_[subject_].name + ", " + shape_.name,
                            what);
}

std::unique_ptr<BenchTable> MemtableCases::NewTable() const {
  if (options_.purge) {
    ReleaseFreedMemory();
  }
  return std::make_unique<BenchTable>(subjects_[subject_].factory.get());
}

BenchTable* MemtableCases::Table() {
  if (tables_[subject_] == nullptr) {
    tables_[subject_] = NewTable();
    read_only_[subject_] = false;
    for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
      InsertEntry(tables_[subject_].get(), entry);
    }
  }
  if (options_.read_only && !read_only_[subject_]) {
    tables_[subject_]->rep()->MarkReadOnly();
    read_only_[subject_] = true;
  }
  return tables_[subject_].get();
}

bool MemtableCases::Holds(BenchTable* table) const {
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  const std::vector<uint32_t>& sorted = probes_.sorted();
  size_t at = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next(), at++) {
    if (at == sorted.size()) {
      return false;
    }
    Slice internal_key;
    Slice value;
    ReadEntry(it->key(), &internal_key, &value);
    if (rocksdb::ExtractUserKey(internal_key) != KeyOf(sorted[at]) ||
        rocksdb::ExtractInternalKeyFooter(internal_key) >> 8 !=
            shape_.SequenceOf(sorted[at]) ||
        value != Slice(value_)) {
      return false;
    }
  }
  return at == sorted.size();
}

Status MemtableCases::Encode() {
  const std::unique_ptr<BenchTable> table = NewTable();
  size_t encoded = 0;
  const CpuClock clock;
  for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
    encoded += table->Encode(load_[entry], shape_.SequenceOf(entry), value_) !=
               nullptr;
  }
  Add("encode", clock.PerOperation(encoded));
  return Status::OK();
}

Status MemtableCases::Insert() {
  const size_t all = shape_.entries.size();
  size_t inserted = 0;
  double nanos = 0;
  for (size_t round = 0; round < probes_.rounds(); round++) {
    tables_[subject_].reset();
    tables_[subject_] = NewTable();
    read_only_[subject_] = false;
    const CpuClock clock;
    for (size_t entry = 0; entry < all; entry++) {
      inserted += InsertEntry(tables_[subject_].get(), entry);
    }
    nanos += clock.PerOperation(all);
  }
  if (inserted != probes_.rounds() * all) {
    return Wrong("an insert was refused");
  }
  double encoded = 0;
  for (size_t entry = 0; entry < all; entry++) {
    encoded += static_cast<double>(
        EncodedEntryBytes(load_[entry].size(), value_.size()));
  }
  const auto used = static_cast<double>(tables_[subject_]->UsedBytes());
  Add("insert", nanos / static_cast<double>(probes_.rounds()));
  Add("memory", PerEntry(used));
  Add("index_B", PerEntry(used - encoded));
  return Status::OK();
}

Status MemtableCases::InsertEach() {
  const std::unique_ptr<BenchTable> table = NewTable();
  std::vector<uint64_t> nanos(shape_.entries.size());
  LeastTimes& least = least_[subject_];
  least.SetSize(nanos.size());
  const CpuClock clock;
  double last = ThreadCpuNanos();
  for (size_t entry = 0; entry < nanos.size(); entry++) {
    InsertEntry(table.get(), entry);
    const double now = ThreadCpuNanos();
    nanos[entry] = static_cast<uint64_t>(now - last);
    least.Add(entry, now - last);
    last = now;
  }
  Add("insert_each", clock.PerOperation(nanos.size()));
  if (options_.read_only) {
    table->rep()->MarkReadOnly();
  }
  Add("p50", Percentile(0.5, &nanos));
  Add("p99", Percentile(0.99, &nanos));
  Add("p999", Percentile(0.999, &nanos));
  Add("slowest", Percentile(1, &nanos));
  return Holds(table.get()) ? Status::OK()
                            : Wrong("it does not hold its entries");
}

Status MemtableCases::Gets(const ShapeProbes::Gets& gets) {
  const size_t n = gets.size();
  if (n == 0) {
    return Status::OK();
  }
  MemTableRep* const rep = Table()->rep();
  Found found;
  uint64_t wrong = 0;
  const CpuClock clock;
  for (size_t i = 0; i < n; i++) {
    GetAt(rep, gets.keys[i], gets.read_at[i], &found);
    wrong += found.last_sequence != gets.found[i];
  }
  Add(operation_, clock.PerOperation(n));
  return found.count == n && wrong == 0 ? Status::OK()
                                        : Wrong(operation_ + ": wrong answers");
}

Status MemtableCases::Misses() {
  MemTableRep* const rep = Table()->rep();
  Found found;
  const CpuClock clock;
  for (size_t i = 0; i < probes_.misses().size(); i++) {
    GetAt(rep, probes_.misses()[i], kMaxSequenceNumber, &found);
  }
  Add("miss", clock.PerOperation(probes_.misses().size()));
  return found.count == 0 ? Status::OK() : Wrong("a miss was found");
}

Status MemtableCases::Waits() {
  uint64_t waits = 0;
  BenchTable table(subjects_[subject_].factory.get(), &waits);
  for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
    InsertEntry(&table, entry);
  }
  table.rep()->MarkReadOnly();
  waits = 0;
  const auto* const art = dynamic_cast<ArtMemTableRep*>(table.rep());
  Found found;
  const size_t n = std::min(probes_.hits().size(), kWaitProbes);
  for (size_t i = 0; i < n; i++) {
    const Slice key = probes_.hits().keys[i];
    GetAt(table.rep(), key, kMaxSequenceNumber, &found);
    if (art != nullptr) {
      waits += 1 + art->tree().NodesOnPath(ArtKey(key.data(), key.size(),
                                                  kMaxSequenceNumber,
                                                  art->tree().order()));
    }
  }
  Add("hit_waits", static_cast<double>(waits) / static_cast<double>(n));
  return found.count == n ? Status::OK() : Wrong("keys not found");
}

Status MemtableCases::ReadAt(size_t snapshot) {
  const size_t entry =
      std::max<size_t>(1, shape_.entries.size() * snapshot / kSnapshots) - 1;
  const Slice key = KeyOf(entry);
  const uint64_t sequence = shape_.SequenceOf(entry);
  MemTableRep* const rep = Table()->rep();
  Found found;
  uint64_t wrong = 0;
  const CpuClock clock;
  for (size_t i = 0; i < options_.probes; i++) {
    GetAt(rep, key, sequence, &found);
    wrong += found.last_sequence != sequence;
  }
  Add(operation_, clock.PerOperation(options_.probes));
  return found.count == options_.probes && wrong == 0
             ? Status::OK()
             : Wrong("other versions were read");
}

Status MemtableCases::Seeks(size_t steps) {
  std::unique_ptr<MemTableRep::Iterator> it(Table()->rep()->GetIterator());
  const size_t n = probes_.misses().size();
  uint64_t bytes = 0;
  auto seek = [&](const Slice& key) {
    const LookupKey target(key, kMaxSequenceNumber);
    it->Seek(target.internal_key(), nullptr);
    for (size_t step = 0; it->Valid(); step++, it->Next()) {
      bytes += EntryBytes(it->key());
      if (step == steps) {
        break;
      }
    }
  };
  const CpuClock clock;
  for (size_t i = 0; i < n; i++) {
    seek(probes_.hits().keys[i]);
    seek(probes_.misses()[i]);
  }
  Add(operation_, clock.PerOperation(2 * n));
  // User keys and values of the entries that must be met.
  uint64_t expected = 0;
  auto expect = [&](size_t rank) {
    const std::vector<uint32_t>& sorted = probes_.sorted();
    const size_t first = probes_.FirstOf(rank);
    for (size_t at = first; at < std::min(sorted.size(), first + steps + 1);
         at++) {
      expected += KeyOf(sorted[at]).size() + value_.size();
    }
  };
  for (size_t i = 0; i < n; i++) {
    expect(probes_.hits().ranks[i]);
    expect(probes_.miss_ranks()[i]);
  }
  return bytes == expected ? Status::OK() : Wrong("seeks met other entries");
}

Status MemtableCases::Steps(bool forwards, bool read) {
  std::unique_ptr<MemTableRep::Iterator> it(Table()->rep()->GetIterator());
  const size_t rounds = read ? probes_.rounds() : probes_.step_rounds();
  const size_t all = shape_.entries.size();
  uint64_t bytes = 0;
  size_t entries = 0;
  auto visit = [&] {
    const char* volatile entry = it->key();
    bytes += read ? EntryBytes(entry) : 0;
    entries++;
  };
  const CpuClock clock;
  for (size_t round = 0; round < rounds; round++) {
    if (forwards) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        visit();
      }
    } else {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        visit();
      }
    }
  }
  Add(operation_, clock.PerOperation(rounds * all));
  const uint64_t entry_bytes = probes_.entry_key_bytes() + all * value_.size();
  return entries == rounds * all && (!read || bytes == rounds * entry_bytes)
             ? Status::OK()
             : Wrong("steps met other entries");
}

Status MemtableCases::Counts(const std::vector<ShapeProbes::Range>& ranges,
                             bool timed) {
  if (ranges.empty()) {
    return Status::OK();
  }
  MemTableRep* const rep = Table()->rep();
  std::vector<uint64_t> counts;
  const CpuClock clock;
  for (const ShapeProbes::Range& range : ranges) {
    const LookupKey begin(range.begin, kMaxSequenceNumber);
    const LookupKey end(range.end, kMaxSequenceNumber);
    counts.push_back(
        rep->ApproximateNumEntries(begin.internal_key(), end.internal_key()));
  }
  if (timed) {
    Add("count", clock.PerOperation(ranges.size()));
  }
  double off = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    off += std::abs(std::log((static_cast<double>(counts[i]) + 1) /
                             (static_cast<double>(ranges[i].entries) + 1)));
  }
  Add(timed ? "count_off" : "prefix_off",
      std::exp(off / static_cast<double>(ranges.size())));
  return Status::OK();
}

Status MemtableCases::Sample(size_t target) {
  MemTableRep* const rep = Table()->rep();
  size_t calls = 0;
  size_t sampled = 0;
  double nanos = 0;
  const CpuClock clock;
  // A few milliseconds of it, or ten calls.
  while (calls < 10 && nanos < 5e6) {
    std::unordered_set<const char*> sample;
    rep->UniqueRandomSample(shape_.entries.size(), std::max<size_t>(1, target),
                            &sample);
    sampled += sample.size();
    calls++;
    nanos = clock.PerOperation(1);
  }
  if (sampled == 0) {
    return Wrong("a sample of nothing");
  }
  Add(operation_, nanos / static_cast<double>(sampled));
  return Status::OK();
}

Status MemtableCases::Writers(size_t threads) {
  const size_t all = shape_.entries.size();
  const std::unique_ptr<BenchTable> table = NewTable();
  std::vector<double> nanos(threads);
  std::vector<size_t> done(threads);
  const Stopwatch watch;
  RunTogether(threads, [&](size_t t) {
    const CpuClock clock;
    for (size_t turn = t * kTurn; turn < all; turn += threads * kTurn) {
      const size_t end = std::min(all, turn + kTurn);
      for (size_t entry = turn; entry < end; entry++) {
        done[t] += table->InsertConcurrently(load_[entry],
                                             shape_.SequenceOf(entry), value_);
      }
    }
    nanos[t] = clock.PerOperation(1);
  });
  Add(operation_, PerEntry(watch.wall_nanos()));
  Add("insert", PerEntry(Sum(nanos)));
  return Sum(done) == all && Holds(table.get())
             ? Status::OK()
             : Wrong("it does not hold its entries");
}

// Readers of keys of the first half of the entries, a writer of the others.
Status MemtableCases::ReadersBesideWriter(size_t threads) {
  const size_t all = shape_.entries.size();
  const size_t half = (all + 1) / 2;
  const std::unique_ptr<BenchTable> table = NewTable();
  for (size_t entry = 0; entry < half; entry++) {
    InsertEntry(table.get(), entry);
  }
  std::atomic<bool> writing{true};
  std::vector<double> nanos(threads);
  std::vector<size_t> reads(threads);
  std::vector<size_t> wrong(threads);
  double write_nanos = 0;
  RunTogether(threads + 1, [&](size_t t) {
    const CpuClock clock;
    if (t == threads) {
      for (size_t entry = half; entry < all; entry++) {
        InsertEntry(table.get(), entry);
      }
      write_nanos = clock.PerOperation(1);
      writing.store(false);
      return;
    }
    RandomSource random(options_.seed + 1 + t);
    Found found;
    size_t n = 0;
    while (n < kLeastReads || writing.load(std::memory_order_relaxed)) {
      const size_t entry = random.Uniform(half);
      GetAt(table->rep(), KeyOf(entry), kMaxSequenceNumber, &found);
      wrong[t] += found.last_sequence < shape_.SequenceOf(entry);
      n++;
    }
    wrong[t] += found.count != n;
    reads[t] = n;
    nanos[t] = clock.PerOperation(1);
  });
  Add("hit", Sum(nanos) / static_cast<double>(Sum(reads)));
  if (all > half) {
    Add("busy_insert", write_nanos / static_cast<double>(all - half));
  }
  return Sum(wrong) == 0 && Holds(table.get())
             ? Status::OK()
             : Wrong("reads beside a writer: wrong answers");
}

}  // namespace memkv
