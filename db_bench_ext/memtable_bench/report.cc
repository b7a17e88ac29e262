// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace memkv {

namespace {

// Wide enough for every name, so that the columns of all sets stand below each
// other.
constexpr size_t kNameWidth = 88;

std::string NameCells(const std::string& set, const std::string& what) {
  return fmt::format("{:<14} {:<37}", set, what);
}

}  // namespace

RatioReporter::RatioReporter(
    std::unique_ptr<benchmark::BenchmarkReporter> inner,
    std::vector<std::string> memtables)
    : inner_(std::move(inner)), memtables_(std::move(memtables)) {}

bool RatioReporter::ReportContext(const Context& context) {
  if (context_reported_) {
    return true;
  }
  context_reported_ = true;
  Context widened = context;
  widened.name_field_width = std::max(context.name_field_width, kNameWidth);
  return inner_->ReportContext(widened);
}

void RatioReporter::ReportRuns(const std::vector<Run>& runs) {
  inner_->ReportRuns(runs);
  for (const Run& run : runs) {
    if (run.error_occurred) {
      failures_++;
      continue;
    }
    // set/operation/memtable
    const std::string& name = run.run_name.function_name;
    const size_t first = name.find('/');
    const size_t last = name.rfind('/');
    if (first == std::string::npos || first == last) {
      continue;
    }
    const std::string operation = name.substr(first + 1, last - first - 1);
    auto take = [&](const std::string& what, double value) {
      Figure& figure = FigureOf(name.substr(0, first), what,
                                name.substr(last + 1), run.family_index);
      if (run.aggregate_name == "median") {
        figure.median = value;
      } else if (run.aggregate_name == "min") {
        figure.min = value;
      } else if (run.aggregate_name == "max") {
        figure.max = value;
      } else if (run.run_type == Run::RT_Iteration && run.repetitions == 1) {
        figure = {value, value, value};
      }
    };
    take(operation, run.GetAdjustedRealTime());
    for (const auto& [counter, value] : run.counters) {
      take(operation + ": " + counter, value.value);
    }
  }
}

void RatioReporter::FinishAll() {
  if (context_reported_) {
    inner_->Finalize();
  }
}

RatioReporter::Figure& RatioReporter::FigureOf(const std::string& set,
                                               const std::string& what,
                                               const std::string& memtable,
                                               int64_t family) {
  auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) {
    return r.set == set && r.what == what;
  });
  if (row == rows_.end()) {
    row = rows_.insert(rows_.end(), Row{family, set, what, {}});
  }
  row->family = std::min(row->family, family);
  return row->figures[memtable];
}

void RatioReporter::SortLastSet() {
  auto first = rows_.end();
  while (first != rows_.begin() && (first - 1)->set == rows_.back().set) {
    --first;
  }
  // Stable: a benchmark's time comes before its counters.
  std::stable_sort(first, rows_.end(), [](const Row& a, const Row& b) {
    return a.family < b.family;
  });
}

double RatioReporter::Median(const std::string& set, const std::string& what,
                             const std::string& memtable) const {
  for (const Row& row : rows_) {
    if (row.set == set && row.what == what) {
      const auto found = row.figures.find(memtable);
      return found == row.figures.end() ? -1 : found->second.median;
    }
  }
  return -1;
}

std::string RatioReporter::Quotients(const std::string& set,
                                     const std::string& what,
                                     const std::string& numerator,
                                     const std::string& denominator) const {
  std::string line = NameCells(set, what);
  bool any = false;
  for (const std::string& memtable : memtables_) {
    const double above = Median(set, numerator, memtable);
    const double below = Median(set, denominator, memtable);
    const bool known = above >= 0 && below > 0;
    line += known ? fmt::format(" {:>19.2f}x", above / below)
                  : fmt::format(" {:>20}", "n/a");
    any = any || known;
  }
  return any ? line + "\n" : "";
}

std::string RatioReporter::Line(const Row& row) const {
  std::string line = NameCells(row.set, row.what);
  for (const std::string& memtable : memtables_) {
    const auto found = row.figures.find(memtable);
    if (found == row.figures.end() || found->second.median < 0) {
      line += fmt::format(" {:>20}", "n/a");
      continue;
    }
    const auto& [median, min, max] = found->second;
    line += fmt::format(" {:>13.2f} ({:3.0f}%)", median,
                        median > 0 ? 100 * (max - min) / median : 0);
  }
  const double base = Median(row.set, row.what, memtables_.front());
  for (size_t i = 1; i < memtables_.size(); i++) {
    const double own = Median(row.set, row.what, memtables_[i]);
    line += fmt::format(" {:>9}", base >= 0 && own > 0
                                      ? fmt::format("{:.2f}x", base / own)
                                      : "n/a");
  }
  return line + "\n";
}

void RatioReporter::PrintTable(FILE* out) const {
  fmt::print(
      out,
      "\nMedian of the repetitions (spread: (max - min) / median), and "
      "how many times better than {}.\n"
      "Nanoseconds an operation, CPU time but for threads_N, which is "
      "wall time; index_B: bytes an entry; hit_waits: dependent accesses "
      "to memory.\n",
      memtables_.front());
  for (size_t i = 0; i < rows_.size(); i++) {
    const std::string& set = rows_[i].set;
    if (i == 0 || rows_[i - 1].set != set) {
      std::string line = "\n" + NameCells("set", "operation");
      for (const std::string& memtable : memtables_) {
        line += fmt::format(" {:>20}", memtable);
      }
      for (size_t other = 1; other < memtables_.size(); other++) {
        line += fmt::format(" {:>9}", memtables_[other]);
      }
      fmt::print(out, "{}\n", line);
    }
    fmt::print(out, "{}", Line(rows_[i]));
    if (i + 1 == rows_.size() || rows_[i + 1].set != set) {
      fmt::print(
          out, "{}{}",
          Quotients(set, "gain by a second thread", "threads_1", "threads_2"),
          Quotients(set, "oldest / newest snapshot", "read_at_1",
                    "read_at_10"));
    }
  }
}

}  // namespace memkv
