// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What memtable_bench prints: Google Benchmark's own report, and from the same
// figures one table of the memtables side by side.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "db_bench_ext/memtable_bench/cases.h"

namespace memkv {

// Passes everything to a reporter of Google Benchmark's, and lets
// RunSpecifiedBenchmarks be called several times for one report: the other one
// sees one context at the beginning and one end, so that JSON is one document.
class OneReport : public benchmark::BenchmarkReporter {
 public:
  explicit OneReport(std::unique_ptr<benchmark::BenchmarkReporter> inner)
      : inner_(std::move(inner)) {}

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override {
    inner_->ReportRuns(runs);
  }
  void Finalize() override {}
  // Ends the other reporter's report.
  void FinishAll();

 private:
  const std::unique_ptr<benchmark::BenchmarkReporter> inner_;
  bool begun_ = false;
};

class SideBySide {
 public:
  // The first memtable is the one that the others are compared with.
  explicit SideBySide(std::vector<std::string> memtables)
      : memtables_(std::move(memtables)) {}

  // An operation of a set. Rows are in the order in which they come here.
  void AddOperation(const std::string& set, const std::string& operation);
  // What a repetition has measured: the operation's time, and its counters.
  void Add(const std::string& set, const std::string& operation,
           size_t memtable, const Figures& figures);
  void AddFailure() { failures_++; }

  // Median and spread ((max - min) / median) for each memtable, then how many
  // times the first memtable's figure the others are better. Less is better in
  // every row but the gain by a second thread.
  void Print(FILE* out);

  size_t failures() const { return failures_; }
  bool empty() const { return rows_.empty(); }

 private:
  struct Row {
    std::string set;
    std::string operation;
    std::string what;                          // the operation, or a counter
    std::vector<std::vector<double>> samples;  // by memtable
  };

  // The place of an operation's own row; the number of all if there is none.
  size_t Find(const std::string& set, const std::string& operation) const;
  void PrintRow(const Row& row, FILE* out) const;
  // A row whose figures are a quotient of two operations' medians, if there
  // are any.
  void PrintQuotients(const std::string& set, const std::string& what,
                      const std::string& numerator,
                      const std::string& denominator, FILE* out) const;

  const std::vector<std::string> memtables_;
  std::vector<Row> rows_;
  size_t failures_ = 0;
};

}  // namespace memkv
