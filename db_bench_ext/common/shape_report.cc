// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/shape_report.h"

#include <algorithm>

#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/timing.h"

namespace memkv {

namespace {

constexpr int kColumn = 11;

std::string FigureOf(ShapeReport::Unit unit, double figure) {
  if (unit == ShapeReport::Unit::kFactor) {
    return Format("%.3g", figure);
  }
  const bool time = unit == ShapeReport::Unit::kNanos;
  const char* const units[] = {time ? "ns" : "B", time ? "us" : "kB",
                               time ? "ms" : "MB", time ? "s" : "GB"};
  size_t i = 0;
  for (; i + 1 < 4 && figure >= 1000; i++) {
    figure /= 1000;
  }
  return Format("%.3g %s", figure, units[i]);
}

}  // namespace

ShapeReport::ShapeReport(std::vector<Subject> subjects,
                         std::vector<Operation> operations)
    : subjects_(std::move(subjects)), operations_(std::move(operations)) {}

void ShapeReport::AddShape(const std::string& name, const std::string& size) {
  rows_.push_back({name, size});
}

void ShapeReport::Add(const std::string& shape, const std::string& operation,
                      size_t subject, double figure) {
  figures_[{shape, operation, subject}].push_back(figure);
}

const std::vector<double>* ShapeReport::Figures(const std::string& shape,
                                                const std::string& operation,
                                                size_t subject) const {
  const auto found = figures_.find({shape, operation, subject});
  return found == figures_.end() ? nullptr : &found->second;
}

double ShapeReport::Ratio(const std::string& shape,
                          const std::string& operation, size_t subject) const {
  const auto* own = Figures(shape, operation, subject);
  const auto* base = Figures(shape, operation, subjects_[subject].base);
  if (own == nullptr || base == nullptr) {
    return -1;
  }
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(own->size(), base->size()); i++) {
    if ((*base)[i] > 0) {
      ratios.push_back((*own)[i] / (*base)[i]);
    }
  }
  return ratios.empty() ? -1 : Median(std::move(ratios));
}

size_t ShapeReport::Print(FILE* out) const {
  size_t cells = 0;
  size_t slow = 0;
  std::string list;
  for (size_t subject = 0; subject < subjects_.size(); subject++) {
    const size_t base = subjects_[subject].base;
    if (base == subject) {
      continue;
    }
    std::fprintf(out,
                 "\n%s: how many times as much as %s it takes; less is better, "
                 "! is above %.1f\n",
                 subjects_[subject].name.c_str(), subjects_[base].name.c_str(),
                 kSlow);
    std::fprintf(out, "%-27s %-18s", "shape", "");
    for (const Operation& operation : operations_) {
      std::fprintf(out, " %*s", kColumn, operation.name.c_str());
    }
    std::fprintf(out, "\n");
    for (const Row& row : rows_) {
      std::fprintf(out, "%-27s %-18s", row.name.c_str(), row.size.c_str());
      for (const Operation& operation : operations_) {
        const double ratio = Ratio(row.name, operation.name, subject);
        if (ratio < 0) {
          std::fprintf(out, " %*s", kColumn, "");
          continue;
        }
        const bool is_slow = ratio > kSlow;
        std::fprintf(out, " %*.2f%c", kColumn - 1, ratio, is_slow ? '!' : ' ');
        cells++;
        if (is_slow) {
          slow++;
          auto figure = [&](size_t of) {
            return subjects_[of].name + " " +
                   FigureOf(operation.unit,
                            Median(*Figures(row.name, operation.name, of)));
          };
          list += Format("%8.2f  %-27s %-11s", ratio, row.name.c_str(),
                         operation.name.c_str()) +
                  " " + figure(subject) + ", " + figure(base) + "\n";
        }
      }
      std::fprintf(out, "\n");
    }
  }
  if (slow > 0) {
    std::fprintf(out, "\nSlower:\n%s", list.c_str());
  }
  std::fprintf(out,
               "\nshapes: %zu of %zu cells are above %.1f times what they are "
               "compared with\n",
               slow, cells, kSlow);
  return slow;
}

}  // namespace memkv
