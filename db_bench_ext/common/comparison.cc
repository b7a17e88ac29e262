// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/timing.h"

namespace memkv {

std::string Comparison::Show(const std::string& operation,
                             double figure) const {
  const auto unit = units_.find(operation);
  return unit == units_.end()           ? ShowNanos(figure)
         : unit->second == Unit::kBytes ? ShowBytes(figure)
                                        : fmt::format("{:.3g}", figure);
}

std::vector<double> Comparison::Row::Of(const std::string& operation,
                                        size_t subject) const {
  const auto found = figures.find({operation, subject});
  return found == figures.end() ? std::vector<double>() : found->second;
}

void Comparison::AddRow(const std::string& name, const std::string& size) {
  rows_.push_back({name, size, {}});
}

void Comparison::Add(const std::string& row, const std::string& operation,
                     size_t subject, double figure) {
  const auto at =
      std::find_if(rows_.begin(), rows_.end(),
                   [&](const Row& known) { return known.name == row; });
  if (std::find(operations_.begin(), operations_.end(), operation) !=
      operations_.end()) {
    at->figures[{operation, subject}].push_back(figure);
  }
}

double Comparison::Ratio(const Row& row, const std::string& operation,
                         size_t subject) const {
  const std::vector<double> own = row.Of(operation, subject);
  const std::vector<double> base = row.Of(operation, subjects_[subject].base);
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(own.size(), base.size()); i++) {
    if (base[i] > 0) {
      ratios.push_back(own[i] / base[i]);
    }
  }
  return ratios.empty() ? -1 : Median(std::move(ratios));
}

size_t Comparison::PrintRatios(FILE* out) const {
  constexpr int kColumn = 11;
  size_t cells = 0;
  size_t slow = 0;
  std::string list;
  for (size_t subject = 0; subject < subjects_.size(); subject++) {
    const auto& [name, base] = subjects_[subject];
    if (base == subject) {
      continue;
    }
    fmt::print(out,
               "\n{}: how many times as much as {} it takes; less is better, ! "
               "is above {:.1f}\n{:<27} {:<18}",
               name, subjects_[base].name, kSlow, "shape", "");
    for (const std::string& operation : operations_) {
      fmt::print(out, " {:>{}}", operation, kColumn);
    }
    for (const Row& row : rows_) {
      fmt::print(out, "\n{:<27} {:<18}", row.name, row.size);
      for (const std::string& operation : operations_) {
        const double ratio = Ratio(row, operation, subject);
        if (ratio < 0) {
          fmt::print(out, " {:{}}", "", kColumn);
          continue;
        }
        const bool is_slow = ratio > kSlow;
        fmt::print(out, " {:{}.2f}{}", ratio, kColumn - 1, is_slow ? '!' : ' ');
        cells++;
        if (is_slow) {
          slow++;
          auto figure = [&](size_t of) {
            return Show(operation, Median(row.Of(operation, of)));
          };
          list += fmt::format("{:8.2f}  {:<27} {:<11} {} {}, {} {}\n", ratio,
                              row.name, operation, name, figure(subject),
                              subjects_[base].name, figure(base));
        }
      }
    }
    fmt::print(out, "\n");
  }
  if (slow > 0) {
    fmt::print(out, "\nSlower:\n{}", list);
  }
  fmt::print(out,
             "\nshapes: {} of {} cells are above {:.1f} times what they are "
             "compared with\n",
             slow, cells, kSlow);
  return slow;
}

void Comparison::PrintFigures(FILE* out) const {
  fmt::print(out, "\nMedian (spread), and how many times better than {}\n",
             subjects_[0].name);
  for (const Row& row : rows_) {
    if (row.figures.empty()) {
      continue;
    }
    fmt::print(out, "\n{:<27}", row.name);
    for (const Subject& subject : subjects_) {
      fmt::print(out, " {:>28}", subject.name);
    }
    for (const std::string& operation : operations_) {
      std::string line;
      for (size_t i = 0; i < subjects_.size(); i++) {
        const std::vector<double> own = row.Of(operation, i);
        const std::vector<double> base = row.Of(operation, subjects_[i].base);
        std::string times;
        if (i > 0 && !own.empty() && !base.empty() && Median(own) > 0) {
          times = fmt::format("{:.2f}x", Median(base) / Median(own));
        }
        line += own.empty() ? fmt::format(" {:>28}", "n/a")
                            : fmt::format(" {:>11} ({:3.0f}%) {:>9}",
                                          Show(operation, Median(own)),
                                          100 * Spread(own), times);
      }
      if (line.find('%') != std::string::npos) {
        fmt::print(out, "\n{:<27}{}", operation, line);
      }
    }
    fmt::print(out, "\n");
  }
}

}  // namespace memkv
