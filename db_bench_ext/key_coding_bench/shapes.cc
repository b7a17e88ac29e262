// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/key_coding_bench/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

#include "db_bench_ext/common/shape_report.h"
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

// One shape through everything.
class ShapeRun {
 public:
  ShapeRun(const KeyShape& shape, const KeyCodingShapeOptions& options,
           ShapeReport* report)
      : shape_(shape),
        options_(options),
        report_(report),
        probes_(shape, options.shape.seed + 2),
        keys_(shape.keys.begin(), shape.keys.end()),
        least_(kNumSubjects) {
    for (size_t i = 0; i < probes_.hits().size(); i++) {
      hits_.push_back(probes_.hits().keys[i].ToString());
    }
    for (const uint32_t entry : probes_.sorted()) {
      entry_sum_ += KeySum(keys_[shape.entries[entry]]);
    }
  }

  Status Run() {
    const uint64_t start = WallNanos();
    const size_t entries = shape_.entries.size();
    report_->AddShape(
        shape_.name,
        fmt::format("{} of {:.0f} B", entries,
                    static_cast<double>(probes_.entry_key_bytes()) /
                        static_cast<double>(entries)));
    for (uint64_t repeat = 0; repeat < options_.repeats; repeat++) {
      if (repeat > 0 && SecondsSince(start) > options_.seconds) {
        break;
      }
      for (size_t i = 0; i < kNumSubjects; i++) {
        const Status s =
            kSubjects[i].options != nullptr ? RunFile(i) : RunCoding(i);
        if (!s.ok()) {
          return s;
        }
      }
    }
    for (size_t i = 0; i < kNumSubjects; i++) {
      if (!least_[i].empty()) {
        report_->Add(shape_.name, "worst_hit", i,
                     *std::max_element(least_[i].begin(), least_[i].end()));
      }
    }
    std::fprintf(stderr, "%s: %.1f s\n", shape_.name.c_str(),
                 SecondsSince(start));
    return Status::OK();
  }

 private:
  void AddFigure(const char* operation, size_t subject, double figure) {
    report_->Add(shape_.name, operation, subject, figure);
  }
  // Measures what each of `count` operations takes that run() does together.
  template <typename Run>
  void Time(const char* operation, size_t subject, size_t count, Run run) {
    const double start = ThreadCpuNanos();
    run();
    AddFigure(operation, subject,
              (ThreadCpuNanos() - start) / static_cast<double>(count));
  }
  // Calls find(i) for each hit, and keeps the least time of each.
  template <typename Find>
  void TimeEach(size_t subject, Find find) {
    std::vector<double>& least = least_[subject];
    least.resize(hits_.size(), INFINITY);
    uint64_t last = WallNanos();
    for (size_t i = 0; i < hits_.size(); i++) {
      find(i);
      const uint64_t now = WallNanos();
      least[i] = std::min(least[i], static_cast<double>(now - last));
      last = now;
    }
  }
  Status Wrong(size_t subject, const std::string& what) const {
    return Status::Corruption(
        std::string(kSubjects[subject].name) + ", " + shape_.name, what);
  }

  Status RunCoding(size_t subject) {
    if (shape_.entries.size() != keys_.size()) {
      return Status::OK();
    }
    const std::unique_ptr<KeyCoding> coding =
        NewKeyCoding(kSubjects[subject].name, options_.coding);
    std::string reason;
    bool built = false;
    Time("build", subject, keys_.size(),
         [&] { built = coding->Build(keys_, &reason); });
    if (!built || !coding->Validate(&reason)) {
      return Wrong(subject, reason);
    }
    AddFigure("bytes", subject,
              static_cast<double>(coding->Bytes()) /
                  static_cast<double>(keys_.size()));
    const ShapeProbes::Gets& gets = probes_.hits();
    const size_t n = hits_.size();
    uint64_t wrong = 0;
    Time("hit", subject, n, [&] {
      for (size_t i = 0; i < n; i++) {
        wrong += coding->Find(hits_[i]) != gets.ranks[i];
      }
    });
    Time("hits", subject, n, [&] {
      for (size_t i = 0; i < n; i += KeyCoding::kMaxBatch) {
        uint64_t ranks[KeyCoding::kMaxBatch];
        const size_t batch = std::min(KeyCoding::kMaxBatch, n - i);
        coding->FindAll(&hits_[i], batch, ranks);
        for (size_t j = 0; j < batch; j++) {
          wrong += ranks[j] != gets.ranks[i + j];
        }
      }
    });
    const KeySequence& misses = probes_.misses();
    Time("miss", subject, misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        wrong += coding->Find(View(misses[i])) != KeyCoding::kNotFound;
      }
    });
    Time("seek", subject, misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        wrong += coding->Rank(View(misses[i])) != probes_.miss_ranks()[i];
      }
    });
    for (const bool forwards : {true, false}) {
      Time(forwards ? "next" : "prev", subject, probes_.rounds() * keys_.size(),
           [&] {
             for (size_t round = 0; round < probes_.rounds(); round++) {
               wrong += coding->Scan(forwards) != entry_sum_;
             }
           });
    }
    TimeEach(subject, [&](size_t i) {
      wrong += coding->Find(hits_[i]) != gets.ranks[i];
    });
    return wrong == 0
               ? Status::OK()
               : Wrong(subject, std::to_string(wrong) + " wrong answers");
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
    BenchFile file(options,
                   options_.dir + "/" + kSubjects[subject].name + ".sst");
    const size_t all = shape_.entries.size();
    Time("build", subject, all,
         [&] { s = file.Build(shape_, probes_.sorted()); });
    if (s.ok()) s = file.VerifyChecksum();
    if (!s.ok()) {
      return Wrong(subject, s.ToString());
    }
    AddFigure("bytes", subject,
              static_cast<double>(file.bytes()) / static_cast<double>(all));
    uint64_t wrong = 0;
    const std::unique_ptr<rocksdb::InternalIterator> it = file.NewIterator();
    // Everything is read once before anything is timed.
    wrong += ScanSum(it.get(), true) != entry_sum_;
    const KeySequence& misses = probes_.misses();
    auto get = [&](const Slice& key, uint64_t read_at, uint64_t expected) {
      uint64_t found = 0;
      wrong += !file.Get(key, read_at, &found).ok() || found != expected;
    };
    auto get_all = [&](const ShapeProbes::Gets& gets) {
      for (size_t i = 0; i < gets.size(); i++) {
        get(gets.keys[i], gets.read_at[i], gets.found[i]);
      }
    };
    get_all(probes_.hits());
    AddFigure(
        "memory", subject,
        static_cast<double>(file.MemoryUsage()) / static_cast<double>(all));
    Time("hit", subject, hits_.size(), [&] { get_all(probes_.hits()); });
    if (probes_.old().size() > 0) {
      Time("old", subject, probes_.old().size(),
           [&] { get_all(probes_.old()); });
    }
    Time("miss", subject, misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        get(misses[i], ShapeProbes::kNewest, 0);
      }
    });
    Time("seek", subject, 2 * misses.size(), [&] {
      for (size_t i = 0; i < misses.size(); i++) {
        wrong += !SeekFinds(it.get(), probes_.hits().keys[i],
                            probes_.hits().ranks[i]);
        wrong += !SeekFinds(it.get(), misses[i], probes_.miss_ranks()[i]);
      }
    });
    for (const bool forwards : {true, false}) {
      Time(forwards ? "next" : "prev", subject, probes_.rounds() * all, [&] {
        for (size_t round = 0; round < probes_.rounds(); round++) {
          wrong += ScanSum(it.get(), forwards) != entry_sum_;
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
    TimeEach(subject, [&](size_t i) {
      get(hits_[i], ShapeProbes::kNewest, probes_.hits().found[i]);
    });
    wrong += !it->status().ok();
    return wrong == 0
               ? Status::OK()
               : Wrong(subject, std::to_string(wrong) + " wrong answers");
  }

  // The sum of all keys, each entry's value read.
  uint64_t ScanSum(rocksdb::InternalIterator* it, bool forwards) const {
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
  const KeyCodingShapeOptions& options_;
  ShapeReport* const report_;
  const ShapeProbes probes_;
  const std::vector<std::string_view> keys_;
  std::vector<std::string> hits_;
  // Over the keys of all entries.
  uint64_t entry_sum_ = 0;
  // By subject and hit: the least nanoseconds.
  std::vector<std::vector<double>> least_;
};

}  // namespace

Status RunKeyCodingShapes(const std::vector<std::string>& shapes,
                          const KeyCodingShapeOptions& options, FILE* out) {
  std::vector<ShapeReport::Subject> subjects;
  for (const Subject& subject : kSubjects) {
    subjects.push_back({subject.name, subject.base});
  }
  ShapeReport report(subjects, Operations());
  Status s;
  for (const std::string& name : shapes) {
    KeyShape shape;
    if (!MakeShape(name, options.shape, &shape)) {
      return Status::InvalidArgument("there is no shape called " + name);
    }
    s = ShapeRun(shape, options, &report).Run();
    if (!s.ok()) {
      break;
    }
  }
  report.Print(out);
  return s;
}

}  // namespace memkv
