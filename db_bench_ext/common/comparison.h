// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Comparison: what operations take of each of several subjects, of which some
// are what others are compared with (their base). A row is a set of keys, or a
// shape of keys. Each repeat adds a figure of each; in all of them less is
// better.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace memkv {

class Comparison {
 public:
  // The ratio above which a cell counts as slow.
  static constexpr double kSlow = 1.5;

  struct Subject {
    std::string name;
    // What it is compared with: the index of a subject, its own if it is a base
    // itself.
    size_t base;
  };
  enum class Unit { kNanos, kBytes, kFactor };
  using Units = std::map<std::string, Unit>;

  // `units`: of those operations that are not nanoseconds.
  Comparison(std::vector<Subject> subjects, std::vector<std::string> operations,
             Units units)
      : subjects_(std::move(subjects)),
        operations_(std::move(operations)),
        units_(std::move(units)) {}

  // `size`: a few words on how much it has.
  void AddRow(const std::string& name, const std::string& size = "");
  // The figure of one more repeat; of an operation that is not among the
  // report's, it is left out. Ratios are between the n-th figures of a subject
  // and its base: add one of each a repeat.
  // REQUIRES: the row was added.
  void Add(const std::string& row, const std::string& operation, size_t subject,
           double figure);

  // For each subject that is compared a table of rows by operations: how many
  // times as much as its base it takes, the median of the repeats' ratios, so
  // that what disturbs one repeat disturbs both sides of it. Cells above kSlow
  // are marked, and listed below with both figures; the last line says how many
  // they are. Returns that number. A cell without figures is left empty.
  size_t PrintRatios(FILE* out) const;

  // For each row a table of operations by subjects: medians, their spread
  // ((max - min) / median), and how many times better than the base's they are.
  void PrintFigures(FILE* out) const;

 private:
  struct Row {
    std::string name;
    std::string size;
    // By operation and subject.
    std::map<std::pair<std::string, size_t>, std::vector<double>> figures;

    // Empty if there are none.
    std::vector<double> Of(const std::string& operation, size_t subject) const;
  };

  // The median of the ratios to the base; negative if there is none.
  double Ratio(const Row& row, const std::string& operation,
               size_t subject) const;
  std::string Show(const std::string& operation, double figure) const;

  const std::vector<Subject> subjects_;
  const std::vector<std::string> operations_;
  const Units units_;
  std::vector<Row> rows_;
};

}  // namespace memkv
