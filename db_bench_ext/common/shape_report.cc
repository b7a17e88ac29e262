// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/shape_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "db_bench_ext/common/timing.h"

namespace memkv {

using rocksdb::Status;

namespace {

constexpr int kColumn = 11;

std::string FigureOf(ShapeReport::Unit unit, double figure) {
  if (unit == ShapeReport::Unit::kFactor) {
    return fmt::format("{:.3g}", figure);
  }
  const bool time = unit == ShapeReport::Unit::kNanos;
  const char* const units[] = {time ? "ns" : "B", time ? "us" : "kB",
                               time ? "ms" : "MB", time ? "s" : "GB"};
  size_t i = 0;
  for (; i + 1 < 4 && figure >= 1000; i++) {
    figure /= 1000;
  }
  return fmt::format("{:.3g} {}", figure, units[i]);
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
    fmt::print(out,
               "\n{}: how many times as much as {} it takes; less is better, ! "
               "is above {:.1f}\n{:<27} {:<18}",
               subjects_[subject].name, subjects_[base].name, kSlow, "shape",
               "");
    for (const Operation& operation : operations_) {
      fmt::print(out, " {:>{}}", operation.name, kColumn);
    }
    fmt::print(out, "\n");
    for (const Row& row : rows_) {
      fmt::print(out, "{:<27} {:<18}", row.name, row.size);
      for (const Operation& operation : operations_) {
        const double ratio = Ratio(row.name, operation.name, subject);
        if (ratio < 0) {
          fmt::print(out, " {:{}}", "", kColumn);
          continue;
        }
        fmt::print(out, " {:{}.2f}{}", ratio, kColumn - 1,
                   ratio > kSlow ? '!' : ' ');
        cells++;
        if (ratio > kSlow) {
          slow++;
          auto figure = [&](size_t of) {
            return subjects_[of].name + " " +
                   FigureOf(operation.unit,
                            Median(*Figures(row.name, operation.name, of)));
          };
          list +=
              fmt::format("{:8.2f}  {:<27} {:<11} {}, {}\n", ratio, row.name,
                          operation.name, figure(subject), figure(base));
        }
      }
      fmt::print(out, "\n");
    }
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

Status RunShapes(const std::vector<std::string>& names,
                 const ShapeRunOptions& options, const NewShapeRun& new_run,
                 ShapeReport* report, FILE* out) {
  Status s;
  for (const std::string& name : names) {
    KeyShape shape;
    if (!MakeShape(name, options.shape, &shape)) {
      return Status::InvalidArgument("there is no shape called " + name);
    }
    const Stopwatch watch;
    report->AddShape(name, fmt::format("{} of {:.0f} B", shape.entries.size(),
                                       shape.MeanEntryKeySize()));
    const std::unique_ptr<ShapeRun> run = new_run(shape);
    for (uint64_t repeat = 0; s.ok() && repeat < options.repeats; repeat++) {
      if (repeat > 0 && watch.seconds() > options.seconds) {
        break;
      }
      s = run->Repeat();
    }
    if (!s.ok()) {
      break;
    }
    run->Finish();
    fmt::print(stderr, "{}: {:.1f} s\n", name, watch.seconds());
  }
  report->Print(out);
  return s;
}

}  // namespace memkv
