// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/report.h"

#include <algorithm>
#include <utility>

#include "db_bench_ext/common/format.h"

namespace memkv {

namespace {

// Wide enough for every name, so that the columns of all sets stand below each
// other.
constexpr size_t kNameWidth = 88;

constexpr char kTwoThreads[] = "insert_concurrent, 2 threads";
constexpr char kOneThread[] = "insert_concurrent";
constexpr char kOldest[] = "read_at_1";
constexpr char kNewest[] = "read_at_10";

bool SplitName(const std::string& name, std::string* set,
               std::string* operation, std::string* memtable) {
  const size_t first = name.find('/');
  const size_t last = name.rfind('/');
  if (first == std::string::npos || first == last) {
    return false;
  }
  *set = name.substr(0, first);
  *operation = name.substr(first + 1, last - first - 1);
  *memtable = name.substr(last + 1);
  return true;
}

void PrintName(FILE* out, const std::string& set, const std::string& what) {
  std::fprintf(out, "%-14s %-37s", set.c_str(), what.c_str());
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
    std::string set;
    std::string operation;
    std::string memtable;
    if (run.error_occurred) {
      failures_++;
      continue;
    }
    if (!SplitName(run.run_name.function_name, &set, &operation, &memtable)) {
      continue;
    }
    if (run.threads > 1) {
      operation += ", " + std::to_string(run.threads) + " threads";
    }
    auto take = [&](const std::string& what, double value) {
      Figure& figure = FigureOf(set, what, memtable, run.family_index);
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
    take(operation, run.run_name.time_type == "real_time"
                        ? run.GetAdjustedRealTime()
                        : run.GetAdjustedCPUTime());
    for (const auto& [name, counter] : run.counters) {
      take(operation + ": " + name, counter.value);
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

const RatioReporter::Figure* RatioReporter::Find(
    const std::string& set, const std::string& what,
    const std::string& memtable) const {
  for (const Row& row : rows_) {
    if (row.set == set && row.what == what) {
      const auto found = row.figures.find(memtable);
      return found != row.figures.end() && found->second.known()
                 ? &found->second
                 : nullptr;
    }
  }
  return nullptr;
}

std::string RatioReporter::Factor(const Row& row,
                                  const std::string& memtable) const {
  const Figure* base = Find(row.set, row.what, memtables_.front());
  const Figure* own = Find(row.set, row.what, memtable);
  if (base == nullptr || own == nullptr || own->median <= 0) {
    return "n/a";
  }
  return Format("%.2fx", base->median / own->median);
}

void RatioReporter::PrintQuotient(FILE* out, const std::string& set,
                                  const std::string& what,
                                  const std::string& numerator,
                                  const std::string& denominator) const {
  bool any = false;
  for (const std::string& memtable : memtables_) {
    any = any || (Find(set, numerator, memtable) != nullptr &&
                  Find(set, denominator, memtable) != nullptr);
  }
  if (!any) {
    return;
  }
  PrintName(out, set, what);
  for (const std::string& memtable : memtables_) {
    const Figure* above = Find(set, numerator, memtable);
    const Figure* below = Find(set, denominator, memtable);
    if (above == nullptr || below == nullptr || below->median <= 0) {
      std::fprintf(out, " %20s", "n/a");
    } else {
      std::fprintf(out, " %19.2fx", above->median / below->median);
    }
  }
  std::fprintf(out, "\n");
}

void RatioReporter::PrintTable(FILE* out) const {
  std::fprintf(out,
               "\nMedian of the repetitions (spread: (max - min) / median), "
               "and how many times better than %s.\n"
               "Nanoseconds an operation, CPU time with one thread, wall time "
               "with two and for insert_concurrent; index_B: bytes an entry; "
               "waits: dependent accesses to memory.\n",
               memtables_.front().c_str());
  const std::string* last_set = nullptr;
  auto finish_set = [&] {
    if (last_set != nullptr) {
      PrintQuotient(out, *last_set, "gain by a second thread", kOneThread,
                    kTwoThreads);
      PrintQuotient(out, *last_set, "oldest / newest snapshot", kOldest,
                    kNewest);
    }
  };
  for (const Row& row : rows_) {
    if (last_set == nullptr || *last_set != row.set) {
      finish_set();
      std::fprintf(out, "\n");
      PrintName(out, "set", "operation");
      for (const std::string& memtable : memtables_) {
        std::fprintf(out, " %20s", memtable.c_str());
      }
      for (size_t i = 1; i < memtables_.size(); i++) {
        std::fprintf(out, " %9s", memtables_[i].c_str());
      }
      std::fprintf(out, "\n");
      last_set = &row.set;
    }
    PrintName(out, row.set, row.what);
    for (const std::string& memtable : memtables_) {
      const auto found = row.figures.find(memtable);
      if (found == row.figures.end() || !found->second.known()) {
        std::fprintf(out, " %20s", "n/a");
        continue;
      }
      const Figure& figure = found->second;
      const double spread =
          figure.median > 0 ? (figure.max - figure.min) / figure.median : 0;
      std::fprintf(out, " %13.2f (%3.0f%%)", figure.median, 100 * spread);
    }
    for (size_t i = 1; i < memtables_.size(); i++) {
      std::fprintf(out, " %9s", Factor(row, memtables_[i]).c_str());
    }
    std::fprintf(out, "\n");
  }
  finish_set();
}

}  // namespace memkv
