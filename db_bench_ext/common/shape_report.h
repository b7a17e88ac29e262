// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RunShapes: takes shapes of keys (key_shapes.h) one after the other through
// all that a program measures, repeat by repeat, and prints the report.
//
// ShapeReport: a table of shapes by operations for each subject that is
// compared with another one, its base: how many times as much time or memory it
// takes. A cell above kSlow is marked, and listed below with both figures.
//
// Ratios are taken repeat by repeat, and their median counts: what disturbs one
// repeat disturbs both sides of it.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "db_bench_ext/keys/key_shapes.h"
#include "rocksdb/status.h"

namespace memkv {

class ShapeReport {
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
  // In every unit less is better.
  struct Operation {
    std::string name;
    Unit unit;
  };

  ShapeReport(std::vector<Subject> subjects, std::vector<Operation> operations);

  // A row. `size`: a few words on how much it has.
  void AddShape(const std::string& name, const std::string& size);
  // The figure of one more repeat. Ratios are between the n-th figures of a
  // subject and its base: add one of each a repeat.
  // REQUIRES: the shape was added, and the operation is one of the report's.
  void Add(const std::string& shape, const std::string& operation,
           size_t subject, double figure);

  // Prints all tables, then the slow cells, and as the last line how many they
  // are. Returns that number. A cell without figures is left empty.
  size_t Print(FILE* out) const;

 private:
  struct Row {
    std::string name;
    std::string size;
  };
  using Cell = std::tuple<std::string, std::string, size_t>;

  // Null if there are none.
  const std::vector<double>* Figures(const std::string& shape,
                                     const std::string& operation,
                                     size_t subject) const;
  // The median of the ratios to the base; negative if there is none.
  double Ratio(const std::string& shape, const std::string& operation,
               size_t subject) const;

  const std::vector<Subject> subjects_;
  const std::vector<Operation> operations_;
  std::vector<Row> rows_;
  std::map<Cell, std::vector<double>> figures_;
};

struct ShapeRunOptions {
  ShapeOptions shape;
  uint64_t repeats = 3;
  // A shape that has taken so long is not repeated once more.
  double seconds = 20;
};

// Measures one shape.
class ShapeRun {
 public:
  virtual ~ShapeRun() = default;
  // Adds a figure of each operation and subject to the report.
  virtual rocksdb::Status Repeat() = 0;
  // Adds what is of all repeats together.
  virtual void Finish() = 0;
};
// Of a shape, which outlives the run and is a row of the report already.
using NewShapeRun = std::function<std::unique_ptr<ShapeRun>(const KeyShape&)>;

// Prints the report to `out` also if a repeat fails, which ends it.
rocksdb::Status RunShapes(const std::vector<std::string>& names,
                          const ShapeRunOptions& options,
                          const NewShapeRun& new_run, ShapeReport* report,
                          FILE* out);

}  // namespace memkv
