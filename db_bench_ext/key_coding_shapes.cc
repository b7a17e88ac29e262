// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/key_coding_shapes.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

#include "db_bench_ext/file_codings.h"
#include "db_bench_ext/format.h"
#include "db_bench_ext/shape_report.h"
#include "db_bench_ext/timing.h"

namespace memkv {

namespace {

// Probes of one kind, and their bytes, at most; one at least.
constexpr size_t kProbes = 20000;
constexpr size_t kProbeBytes = size_t{16} << 20;
// Few keys are scanned again until so many were, unless that would be more
// bytes.
constexpr size_t kLeastKeys = 20000;
constexpr size_t kMostBytes = size_t{32} << 20;

std::vector<ShapeReport::Subject> Subjects() {
  return {{"front_coding", 0}, {"key_trie", 0}, {"block_based", 2}, {"fst", 2}};
}

std::vector<ShapeReport::Operation> Operations() {
  using Unit = ShapeReport::Unit;
  return {{"build", Unit::kNanos}, {"bytes", Unit::kBytes},
          {"hit", Unit::kNanos},   {"worst_hit", Unit::kNanos},
          {"miss", Unit::kNanos},  {"hits", Unit::kNanos},
          {"rank", Unit::kNanos},  {"next", Unit::kNanos},
          {"prev", Unit::kNanos}};
}

class ShapeRun {
 public:
  ShapeRun(const KeyShape& shape, const KeyCodingShapeOptions& options,
           ShapeReport* report)
      : shape_(shape),
        options_(options),
        report_(report),
        keys_(shape.keys.begin(), shape.keys.end()),
        rounds_(
            std::max<size_t>(1, std::min(kLeastKeys / keys_.size(),
                                         kMostBytes / (shape.KeyBytes() + 1)))),
        least_(Subjects().size()) {
    for (const std::string_view& key : keys_) {
      key_sum_ += KeySum(key);
    }
    RandomSource random(options.shape.seed + 2);
    size_t bytes = 0;
    while (hits_.empty() || (hits_.size() < kProbes && bytes < kProbeBytes)) {
      const uint64_t rank = random.Uniform(keys_.size());
      hits_.push_back(shape.keys[rank]);
      hit_ranks_.push_back(rank);
      misses_.push_back(NearMissOf(shape, &random));
      miss_ranks_.push_back(static_cast<uint64_t>(
          std::lower_bound(shape.keys.begin(), shape.keys.end(),
                           misses_.back()) -
          shape.keys.begin()));
      bytes += hits_.back().size() + misses_.back().size();
    }
  }

  bool Run(std::string* reason) {
    const uint64_t start = WallNanos();
    report_->AddShape(shape_.name,
                      Format("%zu of %.0f B", keys_.size(),
                             static_cast<double>(shape_.KeyBytes()) /
                                 static_cast<double>(keys_.size())));
    for (uint64_t repeat = 0; repeat < options_.repeats; repeat++) {
      if (repeat > 0 && SecondsSince(start) > options_.seconds) {
        break;
      }
      for (size_t i = 0; i < Subjects().size(); i++) {
        if (!RunOnce(i, reason)) {
          *reason = Subjects()[i].name + ", " + shape_.name + ": " + *reason;
          return false;
        }
      }
    }
    for (size_t i = 0; i < least_.size(); i++) {
      report_->Add(shape_.name, "worst_hit", i,
                   *std::max_element(least_[i].begin(), least_[i].end()));
    }
    std::fprintf(stderr, "%s: %.1f s\n", shape_.name.c_str(),
                 SecondsSince(start));
    return true;
  }

 private:
  // Adds what each of `count` operations took since `start`.
  void Add(const char* operation, size_t subject, double start, size_t count) {
    report_->Add(shape_.name, operation, subject,
                 (ThreadCpuNanos() - start) / static_cast<double>(count));
  }

  bool RunOnce(size_t subject, std::string* reason) {
    const std::string name = Subjects()[subject].name;
    std::unique_ptr<KeyCoding> coding = NewKeyCoding(name, options_.coding);
    if (coding == nullptr) {
      coding = NewFileCoding(name, options_.dir);
    }
    double start = ThreadCpuNanos();
    if (!coding->Build(keys_, reason)) {
      return false;
    }
    Add("build", subject, start, keys_.size());
    report_->Add(shape_.name, "bytes", subject,
                 static_cast<double>(coding->Bytes()) /
                     static_cast<double>(keys_.size()));
    if (!coding->Validate(reason)) {
      return false;
    }
    uint64_t wrong = 0;
    // Before anything is timed, so that everything was read once.
    wrong += coding->Scan(true) != key_sum_;
    const size_t n = hits_.size();
    start = ThreadCpuNanos();
    for (size_t i = 0; i < n; i++) {
      wrong += coding->Find(hits_[i]) != hit_ranks_[i];
    }
    Add("hit", subject, start, n);
    start = ThreadCpuNanos();
    for (size_t i = 0; i < n; i++) {
      wrong += coding->Find(misses_[i]) != KeyCoding::kNotFound;
    }
    Add("miss", subject, start, n);
    start = ThreadCpuNanos();
    for (size_t i = 0; i < n; i += KeyCoding::kMaxBatch) {
      uint64_t ranks[KeyCoding::kMaxBatch];
      const size_t batch = std::min(KeyCoding::kMaxBatch, n - i);
      coding->FindAll(&hits_[i], batch, ranks);
      for (size_t j = 0; j < batch; j++) {
        wrong += ranks[j] != hit_ranks_[i + j];
      }
    }
    Add("hits", subject, start, n);
    start = ThreadCpuNanos();
    for (size_t i = 0; i < n; i++) {
      wrong += coding->Rank(misses_[i]) != miss_ranks_[i];
    }
    Add("rank", subject, start, n);
    for (bool forwards : {true, false}) {
      start = ThreadCpuNanos();
      for (size_t round = 0; round < rounds_; round++) {
        wrong += coding->Scan(forwards) != key_sum_;
      }
      Add(forwards ? "next" : "prev", subject, start, rounds_ * keys_.size());
    }
    std::vector<double>& least = least_[subject];
    least.resize(n, INFINITY);
    uint64_t last = WallNanos();
    for (size_t i = 0; i < n; i++) {
      wrong += coding->Find(hits_[i]) != hit_ranks_[i];
      const uint64_t now = WallNanos();
      least[i] = std::min(least[i], static_cast<double>(now - last));
      last = now;
    }
    *reason = std::to_string(wrong) + " wrong answers";
    return wrong == 0;
  }

  const KeyShape& shape_;
  const KeyCodingShapeOptions& options_;
  ShapeReport* const report_;
  const std::vector<std::string_view> keys_;
  const size_t rounds_;
  uint64_t key_sum_ = 0;
  std::vector<std::string> hits_;
  std::vector<uint64_t> hit_ranks_;
  std::vector<std::string> misses_;
  std::vector<uint64_t> miss_ranks_;
  // By subject and hit: the least nanoseconds.
  std::vector<std::vector<double>> least_;
};

}  // namespace

bool RunKeyCodingShapes(const std::vector<std::string>& shapes,
                        const KeyCodingShapeOptions& options, FILE* out,
                        std::string* reason) {
  ShapeReport report(Subjects(), Operations());
  bool ok = true;
  for (const std::string& name : shapes) {
    KeyShape shape;
    if (!MakeShape(name, options.shape, &shape)) {
      *reason = "there is no shape called " + name;
      return false;
    }
    if (shape.keys.size() < 2) {
      continue;
    }
    ok = ShapeRun(shape, options, &report).Run(reason);
    if (!ok) {
      break;
    }
  }
  report.Print(out);
  return ok;
}

}  // namespace memkv
