// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RunShapes: takes shapes of keys (key_shapes.h) one after the other through
// all that a program measures, repeat by repeat, and prints the report. The
// flags of it are those of every program that has it: --shapes, --shape_scale,
// --shape_repeat and --shape_seconds.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db_bench_ext/common/comparison.h"
#include "db_bench_ext/keys/key_shapes.h"

namespace memkv {

struct ShapeRunOptions {
  std::vector<std::string> shapes;
  ShapeOptions shape;
  uint64_t repeats = 3;
  // A shape that has taken so long is not repeated once more.
  double seconds = 20;
};

// True for --shapes=list, which it answers.
bool ListShapesIfAsked();

// What the flags say, with all shapes if they say so and `all` is not empty. A
// Failure if they cannot be done.
ShapeRunOptions ShapeRunOfFlags(uint64_t seed,
                                const std::vector<std::string>& all = {});

// Measures one shape.
class ShapeRun {
 public:
  virtual ~ShapeRun() = default;
  // Adds a figure of each operation and subject to the report. A wrong answer
  // is a Failure.
  virtual void Repeat() = 0;
  // Adds what is of all repeats together.
  virtual void Finish() = 0;
};
// Of a shape, which outlives the run and is a row of the report already.
using NewShapeRun = std::function<std::unique_ptr<ShapeRun>(const KeyShape&)>;

// Prints the report to `out`, also if a repeat has a Failure, which ends it.
void RunShapes(const ShapeRunOptions& options, const NewShapeRun& new_run,
               Comparison* report, FILE* out);

}  // namespace memkv
