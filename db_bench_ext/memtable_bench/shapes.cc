// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/shapes.h"

#include <fmt/format.h>

#include <memory>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/memtable_bench/cases.h"

namespace memkv {

namespace {

using Unit = Comparison::Unit;

const Comparison::Operation kShapeOperations[] = {
    {"insert", Unit::kNanos},     {"worst", Unit::kNanos},
    {"memory", Unit::kBytes},     {"hit", Unit::kNanos},
    {"old", Unit::kNanos},        {"miss", Unit::kNanos},
    {"seek", Unit::kNanos},       {"next", Unit::kNanos},
    {"prev", Unit::kNanos},       {"count", Unit::kNanos},
    {"count_off", Unit::kFactor}, {"prefix_off", Unit::kFactor},
    {"sample", Unit::kNanos},     {"sample_10%", Unit::kNanos},
    {"busy_insert", Unit::kNanos}};

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
      "insert", "hit",   "old",        "miss",   "seek",       "next",
      "prev",   "count", "prefix_off", "sample", "sample_10%", "insert_each"};
  MemtableCases cases_;
  Comparison* const report_;
};

}  // namespace

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
                    {std::begin(kShapeOperations), std::end(kShapeOperations)});
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
