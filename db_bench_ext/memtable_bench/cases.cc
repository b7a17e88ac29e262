// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <numeric>
#include <optional>
#include <thread>
#include <unordered_set>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/walk.h"
#include "memtable/art_memtable_rep.h"
#include "rocksdb/perf_context.h"

namespace memkv {

using rocksdb::kMaxSequenceNumber;
using rocksdb::LookupKey;
using rocksdb::MemTableRep;

namespace {

// Writers take turns by so many entries.
constexpr size_t kTurn = 64;
// A reader reads so often at least, however soon its writer is done.
constexpr uint64_t kLeastReads = 1000;
constexpr size_t kWaitProbes = 20000;
// As many keys as RocksDB asks a memtable for at once.
constexpr ptrdiff_t kMultiGetBatch = 32;

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

// "threads_8": 8; 0 for other operations.
size_t ThreadsOf(const std::string& operation) {
  const std::string prefix = "threads_";
  return operation.rfind(prefix, 0) == 0
             ? std::stoul(operation.substr(prefix.size()))
             : 0;
}

template <typename T>
T Sum(const std::vector<T>& values) {
  return std::accumulate(values.begin(), values.end(), T{});
}

}  // namespace

std::string RowOf(const KeyShape& shape, const std::string& operation) {
  const size_t threads = ThreadsOf(operation);
  return threads == 0 ? shape.name
                      : fmt::format("{}, {} thread{}", shape.name, threads,
                                    threads == 1 ? "" : "s");
}

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
  const size_t all = shape.entries.size();
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(all)));
  operations_ = {
      {"insert", Operation::kAlways, [this] { Insert(); }},
      {"insert_each", Operation::kAlways, [this] { InsertEach(); }},
      {"hit", Operation::kAlways, [this] { Gets(probes_.hits); }},
      {"old", Operation::kVersions, [this] { Gets(probes_.old); }},
      {"miss", Operation::kAlways, [this] { Gets(probes_.misses); }},
      {"seek", Operation::kAlways, [this] { Seeks(); }},
      {"step", Operation::kAlways, [this] { Steps(true, false); }},
      {"step_back", Operation::kAlways, [this] { Steps(false, false); }},
      {"next", Operation::kAlways, [this] { Steps(true, true); }},
      {"prev", Operation::kAlways, [this] { Steps(false, true); }},
      {"multi_hit", Operation::kAlways, [this] { MultiGets(probes_.hits); }},
      {"hit_waits", Operation::kConcurrent, [this] { Waits(); }},
      {"count", Operation::kRanges, [this] { Counts(probes_.ranges, true); }},
      {"prefix_off", Operation::kConcurrent,
       [this] { Counts(probes_.prefix_ranges, false); }},
      {"sample", Operation::kConcurrent, [this, root] { Sample(root / 4); }},
      {"sample_10%", Operation::kConcurrent,
       [this, all] { Sample(all / 10); }}};
  for (size_t threads : {1, 2, 4, 8}) {
    operations_.push_back({fmt::format("threads_{}", threads),
                           Operation::kConcurrent, [this, threads] {
                             Writers(threads);
                             ReadersBesideWriter(threads);
                           }});
  }
}

std::vector<std::string> MemtableCases::OperationsOf(size_t subject,
                                                     size_t threads) const {
  const bool versions = shape_.entries.size() > shape_.keys.size();
  const bool concurrent =
      subjects_[subject].factory->IsInsertConcurrentlySupported();
  std::vector<std::string> names;
  for (const Operation& operation : operations_) {
    if (ThreadsOf(operation.name) <= threads &&
        (operation.when != Operation::kVersions || versions) &&
        (operation.when < Operation::kConcurrent || concurrent) &&
        (operation.when != Operation::kRanges || !probes_.ranges.empty())) {
      names.push_back(operation.name);
    }
  }
  return names;
}

Figures MemtableCases::Measure(const std::string& name, size_t subject) {
  const auto operation =
      std::find_if(operations_.begin(), operations_.end(),
                   [&](const Operation& known) { return known.name == name; });
  if (operation == operations_.end()) {
    Refuse("there is no operation " + name);
  }
  operation_ = name;
  subject_ = subject;
  figures_.clear();
  operation->run();
  return figures_;
}

void MemtableCases::Expect(bool right, const std::string& otherwise) const {
  if (!right) {
    Check(Status::Corruption(subjects_[subject_].name + ", " + shape_.name,
                             otherwise));
  }
}

std::unique_ptr<BenchTable> MemtableCases::NewTable() const {
  if (options_.set_aside) {
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
  if (options_.set_aside && !read_only_[subject_]) {
    tables_[subject_]->rep()->MarkReadOnly();
    read_only_[subject_] = true;
  }
  return tables_[subject_].get();
}

bool MemtableCases::Holds(BenchTable* table) const {
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  const std::vector<uint32_t>& sorted = probes_.sorted;
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

void MemtableCases::Insert() {
  const size_t all = shape_.entries.size();
  size_t inserted = 0;
  double nanos = 0;
  for (size_t round = 0; round < probes_.rounds; round++) {
    tables_[subject_].reset();
    tables_[subject_] = NewTable();
    read_only_[subject_] = false;
    const CpuClock clock;
    for (size_t entry = 0; entry < all; entry++) {
      inserted += InsertEntry(tables_[subject_].get(), entry);
    }
    nanos += clock.PerOperation(all);
  }
  Expect(inserted == probes_.rounds * all, "an insert was refused");
  double encoded = 0;
  for (size_t entry = 0; entry < all; entry++) {
    encoded += static_cast<double>(
        EncodedEntryBytes(load_[entry].size(), value_.size()));
  }
  const auto used = static_cast<double>(tables_[subject_]->UsedBytes());
  Add("insert", nanos / static_cast<double>(probes_.rounds));
  Add("memory", PerEntry(used));
  Add("index_B", PerEntry(used - encoded));
}

void MemtableCases::InsertEach() {
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
  if (options_.set_aside) {
    table->rep()->MarkReadOnly();
  }
  Add("p50", Percentile(0.5, &nanos));
  Add("p99", Percentile(0.99, &nanos));
  Add("p999", Percentile(0.999, &nanos));
  Add("slowest", Percentile(1, &nanos));
  Expect(Holds(table.get()), "it does not hold its entries");
}

void MemtableCases::Gets(const ShapeProbes::Gets& gets) {
  const size_t n = gets.size();
  if (n == 0) {
    return;
  }
  MemTableRep* const rep = Table()->rep();
  Found found;
  uint64_t wrong = 0;
  const CpuClock clock;
  for (size_t i = 0; i < n; i++) {
    found.last_sequence = 0;
    GetAt(rep, gets.keys[i], gets.read_at[i], &found);
    wrong += found.last_sequence != gets.found[i];
  }
  Add(operation_, clock.PerOperation(n));
  Expect(wrong == 0, operation_ + ": wrong answers");
  Expect(found.count == (gets.found[0] == 0 ? 0 : n),
         operation_ + ": several answers");
}

void MemtableCases::MultiGets(const ShapeProbes::Gets& gets) {
  const size_t n = gets.size();
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (auto batch = order.begin(); batch != order.end();) {
    const auto end = batch + std::min(order.end() - batch, kMultiGetBatch);
    std::sort(batch, end, [&gets](uint32_t a, uint32_t b) {
      return gets.ranks[a] < gets.ranks[b];
    });
    batch = end;
  }
  MemTableRep* const rep = Table()->rep();
  std::array<std::optional<LookupKey>, kMultiGetBatch> lookups;
  std::array<const char*, kMultiGetBatch> keys;
  std::array<Found, kMultiGetBatch> found;
  std::array<void*, kMultiGetBatch> args;
  uint64_t wrong = 0;
  const CpuClock clock;
  for (size_t begin = 0; begin < n; begin += kMultiGetBatch) {
    const size_t size = std::min<size_t>(n - begin, kMultiGetBatch);
    for (size_t i = 0; i < size; i++) {
      const uint32_t get = order[begin + i];
      lookups[i].emplace(gets.keys[get], gets.read_at[get]);
      keys[i] = lookups[i]->memtable_key().data();
      found[i].user_key = gets.keys[get];
      found[i].last_sequence = 0;
      args[i] = &found[i];
    }
    compat::EntryChecks checks;
    checks.order = false;
    Check(compat::MultiGet(rep, size, keys.data(), args.data(), Found::Save,
                           checks));
    for (size_t i = 0; i < size; i++) {
      wrong += found[i].last_sequence != gets.found[order[begin + i]];
    }
  }
  Add(operation_, clock.PerOperation(n));
  Expect(wrong == 0, operation_ + ": wrong answers");
}

void MemtableCases::Waits() {
  BenchTable table(subjects_[subject_].factory.get());
  for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
    InsertEntry(&table, entry);
  }
  table.rep()->MarkReadOnly();
  // RocksDB counts what a comparator compares.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  uint64_t waits = 0;
  const auto* const art = dynamic_cast<ArtMemTableRep*>(table.rep());
  Found found;
  const size_t n = std::min(probes_.hits.size(), kWaitProbes);
  for (size_t i = 0; i < n; i++) {
    const Slice key = probes_.hits.keys[i];
    GetAt(table.rep(), key, kMaxSequenceNumber, &found);
    if (art != nullptr) {
      waits += 1 + art->tree().NodesOnPath(ArtKey(key.data(), key.size(),
                                                  kMaxSequenceNumber,
                                                  art->tree().order()));
    }
  }
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  waits += rocksdb::get_perf_context()->user_key_comparison_count;
  Add("hit_waits", static_cast<double>(waits) / static_cast<double>(n));
  Expect(found.count == n, "keys not found");
}

void MemtableCases::Seeks() {
  std::unique_ptr<MemTableRep::Iterator> it(Table()->rep()->GetIterator());
  const size_t n = probes_.misses.size();
  uint64_t bytes = 0;
  auto seek = [&](const Slice& key) {
    const LookupKey target(key, kMaxSequenceNumber);
    it->Seek(target.internal_key(), nullptr);
    bytes += it->Valid() ? EntryBytes(it->key()) : 0;
  };
  const CpuClock clock;
  for (size_t i = 0; i < n; i++) {
    seek(probes_.hits.keys[i]);
    seek(probes_.misses.keys[i]);
  }
  Add(operation_, clock.PerOperation(2 * n));
  // User keys and values of the entries that must be met.
  uint64_t expected = 0;
  for (const ShapeProbes::Gets* gets : {&probes_.hits, &probes_.misses}) {
    for (size_t i = 0; i < n; i++) {
      const size_t rank = gets->ranks[i];
      expected += rank == shape_.keys.size()
                      ? 0
                      : shape_.keys[rank].size() + value_.size();
    }
  }
  Expect(bytes == expected, "seeks met other entries");
}

void MemtableCases::Steps(bool forwards, bool read) {
  std::unique_ptr<MemTableRep::Iterator> it(Table()->rep()->GetIterator());
  const size_t rounds = read ? probes_.rounds : probes_.step_rounds;
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
    WalkAll(it.get(), forwards, visit);
  }
  Add(operation_, clock.PerOperation(rounds * all));
  const uint64_t entry_bytes = probes_.entry_key_bytes + all * value_.size();
  Expect(entries == rounds * all && (!read || bytes == rounds * entry_bytes),
         "steps met other entries");
}

void MemtableCases::Counts(const std::vector<ShapeProbes::Range>& ranges,
                           bool timed) {
  if (ranges.empty()) {
    return;
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
}

void MemtableCases::Sample(size_t target) {
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
    nanos = clock.nanos();
  }
  Expect(sampled > 0, "a sample of nothing");
  Add(operation_, nanos / static_cast<double>(sampled));
}

void MemtableCases::Writers(size_t threads) {
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
      compat::FinishBatch(table->rep());
    }
    nanos[t] = clock.nanos();
  });
  Add("wall", PerEntry(watch.wall_nanos()));
  Add("insert", PerEntry(Sum(nanos)));
  Expect(Sum(done) == all && Holds(table.get()),
         "it does not hold its entries");
}

// Readers of keys of the first half of the entries, a writer of the others.
void MemtableCases::ReadersBesideWriter(size_t threads) {
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
      write_nanos = clock.nanos();
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
    nanos[t] = clock.nanos();
  });
  Add("hit", Sum(nanos) / static_cast<double>(Sum(reads)));
  if (all > half) {
    Add("busy_insert", write_nanos / static_cast<double>(all - half));
  }
  Expect(Sum(wrong) == 0 && Holds(table.get()),
         "reads beside a writer: wrong answers");
}

// ---- Shapes ----------------------------------------------------------------

namespace {

class MemtableShapeRun : public ShapeRun {
 public:
  MemtableShapeRun(const KeyShape& shape, const std::vector<Subject>& subjects,
                   const CaseOptions& options, Comparison* report)
      : num_subjects_(subjects.size()),
        cases_(shape, subjects, options),
        report_(report) {
    for (int threads = 1; shape.threads && threads <= 8; threads *= 2) {
      operations_.push_back(fmt::format("threads_{}", threads));
      report->AddRow(RowOf(shape, operations_.back()));
    }
  }

  void Repeat() override {
    for (size_t subject = 0; subject < num_subjects_; subject++) {
      for (const std::string& operation : operations_) {
        if (operation == "insert_each") {
          cases_.Drop(subject);  // what comes next has tables of its own
        }
        const std::string row = RowOf(cases_.shape(), operation);
        for (const auto& [name, figure] : cases_.Measure(operation, subject)) {
          report_->Add(row, name, subject, figure);
        }
      }
    }
  }

  void Finish() override {
    for (size_t subject = 0; subject < num_subjects_; subject++) {
      report_->Add(cases_.shape().name, "worst", subject,
                   cases_.Worst(subject));
    }
  }

 private:
  const size_t num_subjects_;
  std::vector<std::string> operations_ = {
      "insert", "hit",        "old",        "miss",  "seek",
      "next",   "prev",       "multi_hit",  "count", "prefix_off",
      "sample", "sample_10%", "insert_each"};
  MemtableCases cases_;
  Comparison* const report_;
};

}  // namespace

const Comparison::Units kMemtableUnits = {
    {"memory", Comparison::Unit::kBytes},
    {"index_B", Comparison::Unit::kBytes},
    {"hit_waits", Comparison::Unit::kFactor},
    {"count_off", Comparison::Unit::kFactor},
    {"prefix_off", Comparison::Unit::kFactor}};

void RunMemtableShapes(const std::vector<Subject>& subjects,
                       const ShapeRunOptions& options, size_t value_size,
                       FILE* out) {
  std::vector<Subject> compared;
  std::vector<Comparison::Subject> names;
  for (const Subject& subject : subjects) {
    if (subject.factory->IsInsertConcurrentlySupported()) {
      compared.push_back(subject);
      names.push_back({subject.name, 0});
    }
  }
  if (compared.size() < 2) {
    Refuse(
        "--sets=shapes: fewer than two --memtables that several threads may "
        "write");
  }
  CaseOptions case_options;
  case_options.seed = options.shape.seed + 2;
  case_options.value_size = value_size;
  Comparison report(names,
                    {"insert", "worst", "memory", "hit", "multi_hit", "old",
                     "miss", "seek", "next", "prev", "count", "count_off",
                     "prefix_off", "sample", "sample_10%", "busy_insert"},
                    kMemtableUnits);
  PinToCpu(0);
  RunShapes(
      options,
      [&](const KeyShape& shape) {
        return std::make_unique<MemtableShapeRun>(shape, compared, case_options,
                                                  &report);
      },
      &report, out);
}

}  // namespace memkv
