// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RatioReporter: passes everything to a reporter of Google Benchmark's, and
// from the same figures makes one table of the memtables side by side.
//
// It lets RunSpecifiedBenchmarks be called several times for one report: the
// other reporter sees one context at the beginning and one end, so that JSON
// is one document.
//
// Of repetitions it takes median, least and greatest; a benchmark that is run
// once has a spread of 0. Names are set/operation/memtable.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"

namespace memkv {

class RatioReporter : public benchmark::BenchmarkReporter {
 public:
  // The first memtable is the one that the others are compared with.
  RatioReporter(std::unique_ptr<benchmark::BenchmarkReporter> inner,
                std::vector<std::string> memtables);

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  // Called after each RunSpecifiedBenchmarks.
  void Finalize() override { SortLastSet(); }
  // Ends the other reporter's report.
  void FinishAll();

  // Rows by set and operation: median and spread ((max - min) / median) for
  // each memtable, then how many times the first memtable's figure the others
  // are better. Less is better in every row but the gain by a second thread.
  void PrintTable(FILE* out) const;

  size_t failures() const { return failures_; }
  bool empty() const { return rows_.empty(); }

 private:
  struct Figure {
    double median = -1;
    double min = -1;
    double max = -1;
  };
  struct Row {
    int64_t family = 0;  // the place of its first benchmark in the set
    std::string set;
    std::string what;
    std::map<std::string, Figure> figures;  // by memtable
  };

  Figure& FigureOf(const std::string& set, const std::string& what,
                   const std::string& memtable, int64_t family);
  // Rows come as the runs end; the table is in the order of registration.
  void SortLastSet();
  // Negative if it is not known.
  double Median(const std::string& set, const std::string& what,
                const std::string& memtable) const;
  std::string Line(const Row& row) const;
  // A row whose figures are a quotient of two other rows' medians; empty if
  // there are none.
  std::string Quotients(const std::string& set, const std::string& what,
                        const std::string& numerator,
                        const std::string& denominator) const;

  const std::unique_ptr<benchmark::BenchmarkReporter> inner_;
  const std::vector<std::string> memtables_;
  std::vector<Row> rows_;
  bool context_reported_ = false;
  size_t failures_ = 0;
};

}  // namespace memkv
