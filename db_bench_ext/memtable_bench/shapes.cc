// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/shapes.h"

#include <fmt/format.h>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/shape_report.h"
#include "db_bench_ext/common/timing.h"
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

Status RunOnce(const KeyShape& shape, size_t subject, MemtableCases* cases,
               ShapeReport* report) {
  Figures figures;
  for (const char* operation : kMeasured) {
    const Status s = cases->Measure(operation, subject, &figures);
    if (!s.ok()) {
      return s;
    }
  }
  cases->Drop(subject);
  AddFigures(shape.name, subject, figures, report);
  Status s = cases->Measure("insert_each", subject, &figures);
  for (size_t threads : kThreads) {
    if (s.ok() && shape.threads) {
      Figures of_threads;
      s = cases->Measure(fmt::format("threads_{}", threads), subject,
                         &of_threads);
      AddFigures(RowOf(shape, threads), subject, of_threads, report);
    }
  }
  return s;
}

Status RunShape(const KeyShape& shape, const std::vector<Subject>& subjects,
                const ShapeCaseOptions& options, ShapeReport* report) {
  const Stopwatch watch;
  CaseOptions case_options;
  case_options.seed = options.shape.seed + 2;
  case_options.value_size = options.value_size;
  MemtableCases cases(shape, subjects, case_options);
  report->AddShape(shape.name,
                   fmt::format("{} of {:.0f} B", shape.entries.size(),
                               cases.KeyBytesPerEntry()));
  for (size_t threads : kThreads) {
    if (shape.threads) {
      report->AddShape(RowOf(shape, threads), "");
    }
  }
  for (uint64_t repeat = 0; repeat < options.repeats; repeat++) {
    if (repeat > 0 && watch.seconds() > options.seconds) {
      break;
    }
    for (size_t subject = 0; subject < subjects.size(); subject++) {
      const Status s = RunOnce(shape, subject, &cases, report);
      if (!s.ok()) {
        return s;
      }
    }
  }
  for (size_t subject = 0; subject < subjects.size(); subject++) {
    report->Add(shape.name, "worst", subject, cases.Worst(subject));
  }
  fmt::print(stderr, "{}: {:.1f} s\n", shape.name, watch.seconds());
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
  ShapeReport report(names, {std::begin(kOperations), std::end(kOperations)});
  PinToCpu(0);
  Status s;
  for (const std::string& name : shapes) {
    KeyShape shape;
    if (!MakeShape(name, options.shape, &shape)) {
      return Status::InvalidArgument("there is no shape " + name);
    }
    s = RunShape(shape, compared, options, &report);
    if (!s.ok()) {
      break;
    }
  }
  report.Print(out);
  return s;
}

}  // namespace memkv
