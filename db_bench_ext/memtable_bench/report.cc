// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "db_bench_ext/common/timing.h"

namespace memkv {

namespace {

// Wide enough for every name, so that the columns of all sets stand below each
// other.
constexpr size_t kNameWidth = 88;

std::string NameCells(const std::string& set, const std::string& what) {
  return fmt::format("{:<14} {:<37}", set, what);
}

}  // namespace

bool OneReport::ReportContext(const Context& context) {
  Context widened = context;
  widened.name_field_width = std::max(context.name_field_width, kNameWidth);
  const bool first = !begun_;
  begun_ = true;
  return !first || inner_->ReportContext(widened);
}

void OneReport::FinishAll() {
  if (begun_) {
    inner_->Finalize();
  }
}

size_t SideBySide::Find(const std::string& set,
                        const std::string& operation) const {
  size_t i = 0;
  while (i < rows_.size() &&
         (rows_[i].set != set || rows_[i].what != operation)) {
    i++;
  }
  return i;
}

void SideBySide::AddOperation(const std::string& set,
                              const std::string& operation) {
  if (Find(set, operation) == rows_.size()) {
    rows_.push_back({set, operation, operation,
                     std::vector<std::vector<double>>(memtables_.size())});
  }
}

void SideBySide::Add(const std::string& set, const std::string& operation,
                     size_t memtable, const Figures& figures) {
  const size_t first = Find(set, operation);
  for (size_t i = 0; i < figures.size(); i++) {
    if (first + i == rows_.size() || rows_[first + i].operation != operation) {
      rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(first + i),
                   {set, operation, operation + ": " + figures[i].first,
                    std::vector<std::vector<double>>(memtables_.size())});
    }
    rows_[first + i].samples[memtable].push_back(figures[i].second);
  }
}

void SideBySide::PrintRow(const Row& row, FILE* out) const {
  fmt::print(out, "{}", NameCells(row.set, row.what));
  for (const std::vector<double>& samples : row.samples) {
    fmt::print(out, " {:>20}",
               samples.empty()
                   ? "n/a"
                   : fmt::format("{:.2f} ({:3.0f}%)", Median(samples),
                                 100 * Spread(samples)));
  }
  const std::vector<double>& base = row.samples[0];
  for (size_t i = 1; i < memtables_.size(); i++) {
    const std::vector<double>& own = row.samples[i];
    const bool known = !base.empty() && !own.empty() && Median(own) > 0;
    fmt::print(
        out, " {:>9}",
        known ? fmt::format("{:.2f}x", Median(base) / Median(own)) : "n/a");
  }
  fmt::print(out, "\n");
}

void SideBySide::PrintQuotients(const std::string& set, const std::string& what,
                                const std::string& numerator,
                                const std::string& denominator,
                                FILE* out) const {
  const size_t above = Find(set, numerator);
  const size_t below = Find(set, denominator);
  if (above == rows_.size() || below == rows_.size()) {
    return;
  }
  fmt::print(out, "{}", NameCells(set, what));
  for (size_t i = 0; i < memtables_.size(); i++) {
    const std::vector<double>& top = rows_[above].samples[i];
    const std::vector<double>& bottom = rows_[below].samples[i];
    const bool known = !top.empty() && !bottom.empty() && Median(bottom) > 0;
    fmt::print(
        out, " {:>20}",
        known ? fmt::format("{:.2f}x", Median(top) / Median(bottom)) : "n/a");
  }
  fmt::print(out, "\n");
}

void SideBySide::Print(FILE* out) {
  // Those that --benchmark_filter has left out.
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(),
                             [](const Row& row) {
                               return std::all_of(
                                   row.samples.begin(), row.samples.end(),
                                   [](const auto& s) { return s.empty(); });
                             }),
              rows_.end());
  if (rows_.empty()) return;
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
      fmt::print(out, "\n{}", NameCells("set", "operation"));
      for (const std::string& memtable : memtables_) {
        fmt::print(out, " {:>20}", memtable);
      }
      for (size_t other = 1; other < memtables_.size(); other++) {
        fmt::print(out, " {:>9}", memtables_[other]);
      }
      fmt::print(out, "\n");
    }
    PrintRow(rows_[i], out);
    if (i + 1 == rows_.size() || rows_[i + 1].set != set) {
      PrintQuotients(set, "gain by a second thread", "threads_1", "threads_2",
                     out);
      PrintQuotients(set, "oldest / newest snapshot", "read_at_1", "read_at_10",
                     out);
    }
  }
}

}  // namespace memkv
