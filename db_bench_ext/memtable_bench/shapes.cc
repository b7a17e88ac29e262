// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/shapes.h"

#include <fmt/format.h>

#include <memory>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/memtable_bench/cases.h"

namespace memkv {

using rocksdb::Status;

namespace {

using Unit = ShapeReport::Unit;

const ShapeReport::Operation kOperations[] = {
    {"insert", Unit::kNanos},     {"worst", Unit::kNanos},
    {"memory", Unit::kBytes},     {"hit", Unit::kNanos},
    {"old", Unit::kNanos},        {"miss", Unit::kNanos},
    {"seek", Unit::kNanos},       {"next", Unit::kNanos},
    {"prev", Unit::kNanos},       {"count", Unit::kNanos},
    {"count_off", Unit::kFactor}, {"prefix_off", Unit::kFactor},
    {"sample", Unit::kNanos},     {"sample_10%", Unit::kNanos},
    {"busy_insert", Unit::kNanos}};

constexpr const char* kMeasured[] = {
    "insert", "hit",   "old",        "miss",   "seek",      "next",
    "prev",   "count", "prefix_off", "sample", "sample_10%"};
constexpr size_t kThreads[] = {1, 2, 4, 8};

std::string RowOf(const KeyShape& shape, size_t threads) {
  return fmt::format("{}, {} thread{}", shape.name, threads,
                     threads == 1 ? "" : "s");
}

// Those figures that the report has a column for.
void AddFigures(const std::string& row, size_t subject, const Figures& figures,
                ShapeReport* report) {
  for (const auto& [name, figure] : figures) {
    for (const ShapeReport::Operation& operation : kOperations) {
      if (operation.name == name) {
        report->Add(row, name, subject, figure);
      }
    }
  }
}

class MemtableShapeRun : public ShapeRun {
 public:
  MemtableShapeRun(const KeyShape& shape, const std::vector<Subject>& subjects,
                   const CaseOptions& options, ShapeReport* report)
      : shape_(shape),
        num_subjects_(subjects.size()),
        cases_(shape, subjects, options),
        report_(report) {
    for (size_t threads : kThreads) {
      if (shape.threads) {
        report->AddShape(RowOf(shape, threads), "");
      }
    }
  }

  Status Repeat() override {
    Status s;
    for (size_t subject = 0; subject < num_subjects_ && s.ok(); subject++) {
      s = RunOnce(subject);
    }
    return s;
  }

  void Finish() override {
    for (size_t subject = 0; subject < num_subjects_; subject++) {
      report_->Add(shape_.name, "worst", subject, cases_.Worst(subject));
    }
  }

 private:
  Status RunOnce(size_t subject) {
    Figures figures;
    Status s;
    for (const char* operation : kMeasured) {
      s = s.ok() ? cases_.Measure(operation, subject, &figures) : s;
    }
    cases_.Drop(subject);
    AddFigures(shape_.name, subject, figures, report_);
    s = s.ok() ? cases_.Measure("insert_each", subject, &figures) : s;
    for (size_t threads : kThreads) {
      if (s.ok() && shape_.threads) {
        Figures of_threads;
        s = cases_.Measure(fmt::format("threads_{}", threads), subject,
                           &of_threads);
        AddFigures(RowOf(shape_, threads), subject, of_threads, report_);
      }
    }
    return s;
  }

  const KeyShape& shape_;
  const size_t num_subjects_;
  MemtableCases cases_;
  ShapeReport* const report_;
};

}  // namespace

Status RunMemtableShapes(const std::vector<std::string>& shapes,
                         const std::vector<Subject>& subjects,
                         const ShapeRunOptions& options, size_t value_size,
                         FILE* out) {
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
  CaseOptions case_options;
  case_options.seed = options.shape.seed + 2;
  case_options.value_size = value_size;
  ShapeReport report(names, {std::begin(kOperations), std::end(kOperations)});
  PinToCpu(0);
  return RunShapes(
      shapes, options,
      [&](const KeyShape& shape) {
        return std::make_unique<MemtableShapeRun>(shape, compared, case_options,
                                                  &report);
      },
      &report, out);
}

}  // namespace memkv
