// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/shapes.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <unordered_set>
#include <utility>

#include "db/lookup_key.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/shape_probes.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTableRep;

namespace {

// Writers take turns by so many entries.
constexpr size_t kTurn = 64;
// A reader reads so often at least, however soon its writer is done.
constexpr uint64_t kLeastReads = 1000;

const std::vector<ShapeReport::Operation>& Operations() {
  using Unit = ShapeReport::Unit;
  static const std::vector<ShapeReport::Operation> operations = {
      {"insert", Unit::kNanos},      {"worst", Unit::kNanos},
      {"memory", Unit::kBytes},      {"hit", Unit::kNanos},
      {"old", Unit::kNanos},         {"miss", Unit::kNanos},
      {"seek", Unit::kNanos},        {"next", Unit::kNanos},
      {"prev", Unit::kNanos},        {"count", Unit::kNanos},
      {"count_off", Unit::kFactor},  {"prefix_off", Unit::kFactor},
      {"sample", Unit::kNanos},      {"sample_10%", Unit::kNanos},
      {"busy_insert", Unit::kNanos},
  };
  return operations;
}

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

// A shape, what is asked of it, and the right answers.
class ShapeCases {
 public:
  ShapeCases(const KeyShape& shape, const std::vector<Subject>& subjects,
             const ShapeCaseOptions& options, ShapeReport* report);

  // Every repeat of everything.
  Status Run();

 private:
  void Add(const char* operation, size_t subject, double figure) {
    report_->Add(shape_.name, operation, subject, figure);
  }
  Status Wrong(size_t subject, const std::string& what) const {
    return Status::Corruption(subjects_[subject].name + ", " + shape_.name,
                              what);
  }

  std::unique_ptr<BenchTable> NewTable(size_t subject) const {
    return std::make_unique<BenchTable>(subjects_[subject].factory.get());
  }
  bool InsertEntry(BenchTable* table, size_t entry) const {
    return table->Insert(KeyOf(entry), shape_.SequenceOf(entry), value_);
  }
  Slice KeyOf(size_t entry) const { return shape_.keys[shape_.entries[entry]]; }
  // User keys and values of all entries.
  uint64_t EntryBytesOfAll() const {
    return probes_.entry_key_bytes() + shape_.entries.size() * value_.size();
  }
  double PerEntry(double total) const {
    return total / static_cast<double>(shape_.entries.size());
  }
  // Whether the table has exactly the entries, in order.
  bool Holds(BenchTable* table) const;

  Status RunOnce(size_t subject);
  // Leaves the table of the last load.
  Status Load(size_t subject, std::unique_ptr<BenchTable>* table);
  Status LoadTimed(size_t subject);
  Status RunGets(size_t subject, const char* operation,
                 const ShapeProbes::Gets& gets, BenchTable* table);
  Status RunMisses(size_t subject, BenchTable* table);
  Status RunSeeks(size_t subject, BenchTable* table);
  Status RunSteps(size_t subject, BenchTable* table, bool forwards);
  // `time` may be null.
  void RunCounts(size_t subject, BenchTable* table,
                 const std::vector<ShapeProbes::Range>& ranges,
                 const char* time, const char* error);
  Status RunSample(size_t subject, const char* operation, size_t target,
                   BenchTable* table);
  Status RunThreads(size_t subject, size_t threads);
  std::string NameWith(size_t threads) const {
    return shape_.name + ", " + std::to_string(threads) +
           (threads == 1 ? " thread" : " threads");
  }

  const KeyShape& shape_;
  const std::vector<Subject>& subjects_;
  const ShapeCaseOptions& options_;
  ShapeReport* const report_;
  const std::string value_;
  const ShapeProbes probes_;
  // What the seeks must meet, all together: user keys and values.
  uint64_t seek_bytes_ = 0;
  // By subject and entry: the least nanoseconds of its insert.
  std::vector<std::vector<float>> least_;
};

ShapeCases::ShapeCases(const KeyShape& shape,
                       const std::vector<Subject>& subjects,
                       const ShapeCaseOptions& options, ShapeReport* report)
    : shape_(shape),
      subjects_(subjects),
      options_(options),
      report_(report),
      value_(options.value_size, 'v'),
      probes_(shape, options.shape.seed + 2),
      least_(subjects.size()) {
  for (size_t i = 0; i < probes_.misses().size(); i++) {
    seek_bytes_ += probes_.hits().keys[i].size() + value_.size();
    const size_t met = probes_.miss_ranks()[i];
    if (met < shape.keys.size()) {
      seek_bytes_ += shape.keys[met].size() + value_.size();
    }
  }
}

bool ShapeCases::Holds(BenchTable* table) const {
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
    if (ROCKSDB_NAMESPACE::ExtractUserKey(internal_key) != KeyOf(sorted[at]) ||
        ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key) >> 8 !=
            shape_.SequenceOf(sorted[at]) ||
        value != Slice(value_)) {
      return false;
    }
  }
  return at == sorted.size();
}

Status ShapeCases::Load(size_t subject, std::unique_ptr<BenchTable>* table) {
  size_t inserted = 0;
  double nanos = 0;
  for (size_t round = 0; round < probes_.rounds(); round++) {
    table->reset();
    *table = NewTable(subject);
    const double start = ThreadCpuNanos();
    for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
      inserted += InsertEntry(table->get(), entry);
    }
    nanos += ThreadCpuNanos() - start;
  }
  if (inserted != probes_.rounds() * shape_.entries.size()) {
    return Wrong(subject, "an insert was refused");
  }
  Add("insert", subject,
      PerEntry(nanos) / static_cast<double>(probes_.rounds()));
  Add("memory", subject, PerEntry(static_cast<double>((*table)->UsedBytes())));
  return Status::OK();
}

Status ShapeCases::LoadTimed(size_t subject) {
  const std::unique_ptr<BenchTable> table = NewTable(subject);
  std::vector<float>& least = least_[subject];
  least.resize(shape_.entries.size(), INFINITY);
  double last = ThreadCpuNanos();
  for (size_t entry = 0; entry < shape_.entries.size(); entry++) {
    InsertEntry(table.get(), entry);
    const double now = ThreadCpuNanos();
    least[entry] = std::min(least[entry], static_cast<float>(now - last));
    last = now;
  }
  return Holds(table.get()) ? Status::OK()
                            : Wrong(subject, "it does not hold its entries");
}

Status ShapeCases::RunGets(size_t subject, const char* operation,
                           const ShapeProbes::Gets& gets, BenchTable* table) {
  const size_t n = gets.size();
  if (n == 0) {
    return Status::OK();
  }
  Found found;
  uint64_t wrong = 0;
  const double start = ThreadCpuNanos();
  for (size_t i = 0; i < n; i++) {
    GetAt(table->rep(), gets.keys[i], gets.read_at[i], &found);
    wrong += found.last_sequence != gets.found[i];
  }
  Add(operation, subject, (ThreadCpuNanos() - start) / static_cast<double>(n));
  return found.count == n && wrong == 0
             ? Status::OK()
             : Wrong(subject, std::string(operation) + ": wrong answers");
}

Status ShapeCases::RunMisses(size_t subject, BenchTable* table) {
  Found found;
  const double start = ThreadCpuNanos();
  for (size_t i = 0; i < probes_.misses().size(); i++) {
    GetAt(table->rep(), probes_.misses()[i], kMaxSequenceNumber, &found);
  }
  Add("miss", subject,
      (ThreadCpuNanos() - start) /
          static_cast<double>(probes_.misses().size()));
  return found.count == 0 ? Status::OK() : Wrong(subject, "a miss was found");
}

Status ShapeCases::RunSeeks(size_t subject, BenchTable* table) {
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  uint64_t bytes = 0;
  auto seek = [&](const Slice& key) {
    const LookupKey target(key, kMaxSequenceNumber);
    it->Seek(target.internal_key(), nullptr);
    bytes += it->Valid() ? EntryBytes(it->key()) : 0;
  };
  const double start = ThreadCpuNanos();
  for (size_t i = 0; i < probes_.misses().size(); i++) {
    seek(probes_.hits().keys[i]);
    seek(probes_.misses()[i]);
  }
  Add("seek", subject,
      (ThreadCpuNanos() - start) /
          static_cast<double>(2 * probes_.misses().size()));
  return bytes == seek_bytes_ ? Status::OK()
                              : Wrong(subject, "seeks met other entries");
}

Status ShapeCases::RunSteps(size_t subject, BenchTable* table, bool forwards) {
  std::unique_ptr<MemTableRep::Iterator> it(table->rep()->GetIterator());
  uint64_t bytes = 0;
  const double start = ThreadCpuNanos();
  for (size_t round = 0; round < probes_.step_rounds(); round++) {
    if (forwards) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        bytes += EntryBytes(it->key());
      }
    } else {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        bytes += EntryBytes(it->key());
      }
    }
  }
  const double nanos = ThreadCpuNanos() - start;
  Add(forwards ? "next" : "prev", subject,
      PerEntry(nanos) / static_cast<double>(probes_.step_rounds()));
  return bytes == probes_.step_rounds() * EntryBytesOfAll()
             ? Status::OK()
             : Wrong(subject, "steps met other entries");
}

void ShapeCases::RunCounts(size_t subject, BenchTable* table,
                           const std::vector<ShapeProbes::Range>& ranges,
                           const char* time, const char* error) {
  if (ranges.empty()) {
    return;
  }
  std::vector<uint64_t> counts;
  const double start = ThreadCpuNanos();
  for (const ShapeProbes::Range& range : ranges) {
    const LookupKey begin(range.begin, kMaxSequenceNumber);
    const LookupKey end(range.end, kMaxSequenceNumber);
    counts.push_back(table->rep()->ApproximateNumEntries(begin.internal_key(),
                                                         end.internal_key()));
  }
  const double nanos = ThreadCpuNanos() - start;
  const auto n = static_cast<double>(ranges.size());
  double off = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    off += std::abs(std::log((static_cast<double>(counts[i]) + 1) /
                             (static_cast<double>(ranges[i].entries) + 1)));
  }
  if (time != nullptr) {
    Add(time, subject, nanos / n);
  }
  Add(error, subject, std::exp(off / n));
}

Status ShapeCases::RunSample(size_t subject, const char* operation,
                             size_t target, BenchTable* table) {
  const size_t all = shape_.entries.size();
  target = std::max<size_t>(1, target);
  size_t calls = 0;
  size_t sampled = 0;
  const double start = ThreadCpuNanos();
  double nanos = 0;
  // A few milliseconds of it, or ten calls.
  while (calls < 10 && nanos < 5e6) {
    std::unordered_set<const char*> sample;
    table->rep()->UniqueRandomSample(all, target, &sample);
    sampled += sample.size();
    calls++;
    nanos = ThreadCpuNanos() - start;
  }
  if (sampled == 0) {
    return Wrong(subject, "a sample of nothing");
  }
  Add(operation, subject, nanos / static_cast<double>(sampled));
  return Status::OK();
}

Status ShapeCases::RunThreads(size_t subject, size_t threads) {
  const size_t all = shape_.entries.size();
  const std::string row = NameWith(threads);
  // As many writers.
  std::unique_ptr<BenchTable> table = NewTable(subject);
  std::vector<double> nanos(threads);
  std::vector<size_t> done(threads);
  RunTogether(threads, [&](size_t t) {
    const double start = ThreadCpuNanos();
    size_t inserted = 0;
    for (size_t turn = t * kTurn; turn < all; turn += threads * kTurn) {
      const size_t end = std::min(all, turn + kTurn);
      for (size_t entry = turn; entry < end; entry++) {
        inserted += table->InsertConcurrently(KeyOf(entry),
                                              shape_.SequenceOf(entry), value_);
      }
    }
    done[t] = inserted;
    nanos[t] = ThreadCpuNanos() - start;
  });
  report_->Add(row, "insert", subject,
               PerEntry(std::accumulate(nanos.begin(), nanos.end(), 0.0)));
  if (std::accumulate(done.begin(), done.end(), size_t{0}) != all ||
      !Holds(table.get())) {
    return Wrong(subject, "it does not hold its entries");
  }

  // As many readers, of keys of the first half of the entries, and one writer
  // of the others.
  const size_t half = (all + 1) / 2;
  table = NewTable(subject);
  for (size_t entry = 0; entry < half; entry++) {
    InsertEntry(table.get(), entry);
  }
  std::atomic<bool> writing{true};
  std::vector<size_t> reads(threads);
  std::vector<size_t> wrong(threads);
  double write_nanos = 0;
  RunTogether(threads + 1, [&](size_t t) {
    const double start = ThreadCpuNanos();
    if (t == threads) {
      for (size_t entry = half; entry < all; entry++) {
        InsertEntry(table.get(), entry);
      }
      write_nanos = ThreadCpuNanos() - start;
      writing.store(false);
      return;
    }
    RandomSource random(options_.shape.seed + 3 + t);
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
    nanos[t] = ThreadCpuNanos() - start;
  });
  const auto total = static_cast<double>(
      std::accumulate(reads.begin(), reads.end(), size_t{0}));
  report_->Add(row, "hit", subject,
               std::accumulate(nanos.begin(), nanos.end(), 0.0) / total);
  if (all > half) {
    report_->Add(row, "busy_insert", subject,
                 write_nanos / static_cast<double>(all - half));
  }
  return std::accumulate(wrong.begin(), wrong.end(), size_t{0}) == 0 &&
                 Holds(table.get())
             ? Status::OK()
             : Wrong(subject, "reads beside a writer: wrong answers");
}

Status ShapeCases::RunOnce(size_t subject) {
  std::unique_ptr<BenchTable> table;
  const size_t all = shape_.entries.size();
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(all)));
  Status s = Load(subject, &table);
  if (s.ok()) s = RunGets(subject, "hit", probes_.hits(), table.get());
  if (s.ok()) s = RunGets(subject, "old", probes_.old(), table.get());
  if (s.ok()) s = RunMisses(subject, table.get());
  if (s.ok()) s = RunSeeks(subject, table.get());
  if (s.ok()) s = RunSteps(subject, table.get(), true);
  if (s.ok()) s = RunSteps(subject, table.get(), false);
  if (s.ok()) {
    RunCounts(subject, table.get(), probes_.ranges(), "count", "count_off");
    RunCounts(subject, table.get(), probes_.prefix_ranges(), nullptr,
              "prefix_off");
  }
  if (s.ok()) s = RunSample(subject, "sample", root / 4, table.get());
  if (s.ok()) s = RunSample(subject, "sample_10%", all / 10, table.get());
  table.reset();
  if (s.ok()) s = LoadTimed(subject);
  for (size_t threads : {1, 2, 4, 8}) {
    if (s.ok() && shape_.threads) s = RunThreads(subject, threads);
  }
  return s;
}

Status ShapeCases::Run() {
  const uint64_t start = WallNanos();
  report_->AddShape(shape_.name,
                    Format("%zu of %.0f B", shape_.entries.size(),
                           PerEntry(static_cast<double>(EntryBytesOfAll())) -
                               static_cast<double>(value_.size())));
  for (size_t threads : {1, 2, 4, 8}) {
    if (shape_.threads) {
      report_->AddShape(NameWith(threads), "");
    }
  }
  for (uint64_t repeat = 0; repeat < options_.repeats; repeat++) {
    if (repeat > 0 && SecondsSince(start) > options_.seconds) {
      break;
    }
    for (size_t subject = 0; subject < subjects_.size(); subject++) {
      Status s = RunOnce(subject);
      if (!s.ok()) {
        return s;
      }
    }
  }
  for (size_t subject = 0; subject < subjects_.size(); subject++) {
    Add("worst", subject,
        *std::max_element(least_[subject].begin(), least_[subject].end()));
  }
  std::fprintf(stderr, "%s: %.1f s\n", shape_.name.c_str(),
               SecondsSince(start));
  return Status::OK();
}

}  // namespace

Status RunMemtableShapes(const std::vector<std::string>& shapes,
                         const std::vector<Subject>& subjects,
                         const ShapeCaseOptions& options, FILE* out) {
  std::vector<Subject> compared;
  std::vector<ShapeReport::Subject> names;
  for (const Subject& subject : subjects) {
    if (subject.factory->IsInsertConcurrentlySupported()) {
      compared.push_back(subject);
      names.push_back({subject.name, 0});
    }
  }
  if (compared.size() < 2) {
    return Status::InvalidArgument(
        "--sets=shapes: fewer than two --memtables that several threads may "
        "write");
  }
  ShapeReport report(names, Operations());
  PinToCpu(0);
  Status s;
  for (const std::string& name : shapes) {
    KeyShape shape;
    if (!MakeShape(name, options.shape, &shape)) {
      return Status::InvalidArgument("there is no shape " + name);
    }
    s = ShapeCases(shape, compared, options, &report).Run();
    if (!s.ok()) {
      break;
    }
  }
  report.Print(out);
  return s;
}

}  // namespace memkv
