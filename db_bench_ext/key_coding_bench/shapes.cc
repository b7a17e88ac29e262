// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/key_coding_bench/shapes.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/key_coding_bench/table_file.h"
#include "db_bench_ext/keys/shape_probes.h"
#include "rocksdb/convenience.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

struct Subject {
  const char* name;
  size_t base;
  // Of a file; null: a coding of that name.
  const char* options;
};

constexpr Subject kSubjects[] = {
    {"front_coding", 0, nullptr},
    {"key_trie", 0, nullptr},
    {"block_based", 2,
     "compression=kLZ4Compression;"
     "table_factory={id=BlockBasedTable;block_cache=8G}"},
    {"fst", 2,
     "compression=kLZ4Compression;"
     "table_factory={id=fst;block_based={block_cache=8G}}"},
    {"fst_cache", 2,
     "compression=kLZ4Compression;"
     "table_factory={id=fst;residency=cache;block_based={block_cache=8G}}"},
};
constexpr size_t kNumSubjects = std::size(kSubjects);

std::vector<ShapeReport::Operation> Operations() {
  using Unit = ShapeReport::Unit;
  return {{"build", Unit::kNanos},     {"bytes", Unit::kBytes},
          {"memory", Unit::kBytes},    {"hit", Unit::kNanos},
          {"worst_hit", Unit::kNanos}, {"old", Unit::kNanos},
          {"miss", Unit::kNanos},      {"hits", Unit::kNanos},
          {"seek", Unit::kNanos},      {"next", Unit::kNanos},
          {"prev", Unit::kNanos},      {"size", Unit::kNanos}};
}

std::string_view View(const Slice& s) { return {s.data(), s.size()}; }

std::vector<std::string> Strings(const KeySequence& keys) {
  std::vector<std::string> strings;
  for (size_t i = 0; i < keys.size(); i++) {
    strings.push_back(keys[i].ToString());
  }
  return strings;
}

// One shape through everything.
class KeyCodingShapeRun : public ShapeRun {
 public:
  KeyCodingShapeRun(const KeyShape& shape, uint64_t seed,
                    const KeyCodingOptions& coding, const std::string& dir,
                    ShapeReport* report)
      : shape_(shape),
        coding_options_(coding),
        dir_(dir),
        report_(report),
        probes_(shape, seed),
        keys_(shape.keys.begin(), shape.keys.end()),
        least_(kNumSubjects) {
    coding_probes_ = {
        Strings(probes_.hits().keys),
        {probes_.hits().ranks.begin(), probes_.hits().ranks.end()},
        Strings(probes_.misses()),
        {probes_.miss_ranks().begin(), probes_.miss_ranks().end()},
        keys_.size(),
        0,
        probes_.rounds()};
    // Over the keys of all entries.
    for (const uint32_t entry : probes_.sorted()) {
      coding_probes_.key_sum += KeySum(keys_[shape.entries[entry]]);
    }
  }

  Status Repeat() override {
    Status s;
    for (size_t i = 0; i < kNumSubjects && s.ok(); i++) {
      s = kSubjects[i].options != nullptr ? RunFile(i) : RunCoding(i);
    }
    return s;
  }

  void Finish() override {
    for (size_t i = 0; i < kNumSubjects; i++) {
      if (!least_[i].empty()) {
        Add("worst_hit", i, least_[i].Worst());
      }
    }
  }

 private:
  void Add(const char* operation, size_t subject, double figure) {
    report_->Add(shape_.name, operation, subject, figure);
  }
  // Measures what each of `count` operations takes that run() does together.
  template <typename Run>
  void Time(const char* operation, size_t subject, size_t count, Run run) {
    const CpuClock clock;
    run();
    Add(operation, subject, clock.PerOperation(count));
  }
  // Calls find(i) for each hit, and keeps the least time of each.
  template <typename Find>
  void TimeEach(size_t subject, Find find) {
    least_[subject].SetSize(probes_.hits().size());
    uint64_t last = WallNanos();
    for (size_t i = 0; i < probes_.hits().size(); i++) {
      find(i);
      const uint64_t now = WallNanos();
      least_[subject].Add(i, static_cast<double>(now - last));
      last = now;
    }
  }
  Status Wrong(size_t subject, const std::string& what) const {
    return Status::Corruption(
        std::string(kSubjects[subject].name) + ", " + shape_.name, what);
  }
  Status Wrong(size_t subject, uint64_t answers) const {
    return answers == 0
               ? Status::OK()
               : Wrong(subject, std::to_string(answers) + " wrong answers");
  }

  Status RunCoding(size_t subject) {
    if (shape_.entries.size() != keys_.size()) {
      return Status::OK();
    }
    const std::unique_ptr<KeyCoding> coding =
        NewKeyCoding(kSubjects[subject].name, coding_options_);
    std::string reason;
    bool built = false;
    Time("build", subject, keys_.size(),
         [&] { built = coding->Build(keys_, &reason); });
    if (!built || !coding->Validate(&reason)) {
      return Wrong(subject, reason);
    }
    Add("bytes", subject,
        static_cast<double>(coding->Bytes()) /
            static_cast<double>(keys_.size()));
    uint64_t wrong = MeasureCoding(*coding, coding_probes_,
                                   [&](const char* operation, double nanos) {
                                     Add(operation, subject, nanos);
                                   });
    TimeEach(subject, [&](size_t i) {
      wrong += coding->Find(coding_probes_.hits[i]) != coding_probes_.ranks[i];
    });
    return Wrong(subject, wrong);
  }

  Status RunFile(size_t subject) {
    rocksdb::ConfigOptions config;
    config.ignore_unsupported_options = false;
    rocksdb::Options options;
    Status s = rocksdb::GetOptionsFromString(
        config, rocksdb::Options(), kSubjects[subject].options, &options);
    if (!s.ok()) {
      return s;
    }
    BenchFile file(options, dir_ + "/" + kSubjects[subject].name + ".sst");
    const auto all = static_cast<double>(shape_.entries.size());
    Time("build", subject, shape_.entries.size(),
         [&] { s = file.Build(shape_, probes_.sorted()); });
    if (s.ok()) {
      s = file.VerifyChecksum();
    }
    if (!s.ok()) {
      return Wrong(subject, s.ToString());
    }
    Add("bytes", subject, static_cast<double>(file.bytes()) / all);
    // Everything is in memory before anything is timed.
    const std::unique_ptr<rocksdb::InternalIterator> it = file.NewIterator();
    uint64_t wrong = ScanSum(it.get(), true) != coding_probes_.key_sum;
    wrong += GetAll(file, probes_.hits());
    Add("memory", subject, static_cast<double>(file.MemoryUsage()) / all);
    wrong += AskFile(subject, file, it.get());
    TimeEach(subject, [&](size_t i) {
      wrong += !Finds(file, probes_.hits().keys[i], ShapeProbes::kNewest,
                      probes_.hits().found[i]);
    });
    wrong += !it->status().ok();
    return Wrong(subject, wrong);
  }

  // Everything that is timed together. Returns the number of wrong answers.
  uint64_t AskFile(size_t subject, const BenchFile& file,
                   rocksdb::InternalIterator* it) {
    const ShapeProbes::Gets& hits = probes_.hits();
    const KeySequence& misses = probes_.misses();
    uint64_t wrong = 0;
    Time("hit", subject, hits.size(), [&] { wrong += GetAll(file, hits); });
    if (probes_.old().size() > 0) {
      Time("old", subject, probes_.old().size(),
           [&] { wrong += GetAll(file, probes_.old()); });
    }
    Time("miss", subject, misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        wrong += !Finds(file, misses[i], ShapeProbes::kNewest, 0);
      }
    });
    Time("seek", subject, 2 * misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        wrong += !SeekFinds(it, hits.keys[i], hits.ranks[i]);
        wrong += !SeekFinds(it, misses[i], probes_.miss_ranks()[i]);
      }
    });
    for (const bool forwards : {true, false}) {
      Time(forwards ? "next" : "prev", subject,
           probes_.rounds() * shape_.entries.size(), [&] {
             for (size_t round = 0; round < probes_.rounds(); round++) {
               wrong += ScanSum(it, forwards) != coding_probes_.key_sum;
             }
           });
    }
    if (!probes_.ranges().empty()) {
      uint64_t sum = 0;
      Time("size", subject, probes_.ranges().size(), [&] {
        for (const ShapeProbes::Range& range : probes_.ranges()) {
          sum += file.ApproximateSize(range.begin, range.end);
        }
      });
    }
    return wrong;
  }

  static bool Finds(const BenchFile& file, const Slice& key, uint64_t read_at,
                    uint64_t expected) {
    uint64_t found = 0;
    return file.Get(key, read_at, &found).ok() && found == expected;
  }
  static uint64_t GetAll(const BenchFile& file, const ShapeProbes::Gets& gets) {
    uint64_t wrong = 0;
    for (size_t i = 0; i < gets.size(); i++) {
      wrong += !Finds(file, gets.keys[i], gets.read_at[i], gets.found[i]);
    }
    return wrong;
  }

  // The sum of all keys, each entry's value read.
  static uint64_t ScanSum(rocksdb::InternalIterator* it, bool forwards) {
    uint64_t sum = 0;
    auto add = [&] {
      sum += it->value().size() == 8 ? KeySum(View(it->user_key())) : 0;
    };
    if (forwards) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        add();
      }
    } else {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        add();
      }
    }
    return sum;
  }

  // Whether a seek to `target` meets the key of that rank, or the end.
  bool SeekFinds(rocksdb::InternalIterator* it, const Slice& target,
                 size_t rank) const {
    const rocksdb::InternalKey key(target, rocksdb::kMaxSequenceNumber,
                                   rocksdb::kValueTypeForSeek);
    it->Seek(key.Encode());
    return it->Valid()
               ? rank < keys_.size() && View(it->user_key()) == keys_[rank] &&
                     it->value().size() == 8
               : rank == keys_.size();
  }

  const KeyShape& shape_;
  const KeyCodingOptions coding_options_;
  const std::string dir_;
  ShapeReport* const report_;
  const ShapeProbes probes_;
  CodingProbes coding_probes_;  // the same, but for files
  const std::vector<std::string_view> keys_;
  std::vector<LeastTimes> least_;  // by subject, of the hits
};

}  // namespace

uint64_t MeasureCoding(
    const KeyCoding& coding, const CodingProbes& probes,
    const std::function<void(const char* operation, double nanos)>& add) {
  uint64_t wrong = 0;
  const size_t n = probes.hits.size();
  auto each = [&](const char* operation, const std::vector<std::string>& keys,
                  auto is_right) {
    const CpuClock clock;
    for (size_t i = 0; i < keys.size(); i++) {
      wrong += !is_right(keys[i], i);
    }
    add(operation, clock.PerOperation(keys.size()));
  };
  each("hit", probes.hits, [&](const std::string& key, size_t i) {
    return coding.Find(key) == probes.ranks[i];
  });
  const CpuClock clock;
  for (size_t i = 0; i < n; i += KeyCoding::kMaxBatch) {
    uint64_t ranks[KeyCoding::kMaxBatch];
    const size_t batch = std::min(KeyCoding::kMaxBatch, n - i);
    coding.FindAll(&probes.hits[i], batch, ranks);
    for (size_t j = 0; j < batch; j++) {
      wrong += ranks[j] != probes.ranks[i + j];
    }
  }
  add("hits", clock.PerOperation(n));
  each("miss", probes.misses, [&](const std::string& key, size_t) {
    return coding.Find(key) == KeyCoding::kNotFound;
  });
  each("seek", probes.misses, [&](const std::string& key, size_t i) {
    return coding.Rank(key) == probes.miss_ranks[i];
  });
  for (const bool forwards : {true, false}) {
    const CpuClock scan;
    for (size_t i = 0; i < probes.scans; i++) {
      wrong += coding.Scan(forwards) != probes.key_sum;
    }
    add(forwards ? "next" : "prev",
        scan.PerOperation(probes.scans * probes.num_keys));
  }
  return wrong;
}

Status RunKeyCodingShapes(const std::vector<std::string>& shapes,
                          const ShapeRunOptions& options,
                          const KeyCodingOptions& coding,
                          const std::string& dir, FILE* out) {
  std::vector<ShapeReport::Subject> subjects;
  for (const Subject& subject : kSubjects) {
    subjects.push_back({subject.name, subject.base});
  }
  ShapeReport report(subjects, Operations());
  return RunShapes(
      shapes, options,
      [&](const KeyShape& shape) {
        return std::make_unique<KeyCodingShapeRun>(
            shape, options.shape.seed + 2, coding, dir, &report);
      },
      &report, out);
}

}  // namespace memkv
