// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/shape_run.h"

#include <fmt/format.h>
#include <gflags/gflags.h>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"

DEFINE_string(shapes, "all",
              "Which shapes of keys, by commas; --shapes=list names them.");
DEFINE_double(shape_scale, 1,
              "What the numbers of keys and versions of shapes are multiplied "
              "with.");
DEFINE_uint64(shape_repeat, 3, "Repeats of a shape.");
DEFINE_double(shape_seconds, 20,
              "A shape that has taken so long is not repeated once more.");

namespace memkv {

bool ListShapesIfAsked() {
  const bool asked = FLAGS_shapes == "list";
  for (const ShapeInfo& info : ListShapes()) {
    if (asked) {
      fmt::print("{:<19} {}\n", info.name, info.what);
    }
  }
  return asked;
}

ShapeRunOptions ShapeRunOfFlags(uint64_t seed,
                                const std::vector<std::string>& all) {
  if (FLAGS_shape_repeat == 0) {
    Refuse("--shape_repeat: 1 or more");
  }
  ShapeRunOptions options = {
      {}, {seed, FLAGS_shape_scale}, FLAGS_shape_repeat, FLAGS_shape_seconds};
  options.shapes = ParseShapes(FLAGS_shapes, options.shape);
  if (FLAGS_shapes == "all" && !all.empty()) {
    options.shapes = all;
  }
  return options;
}

void RunShapes(const ShapeRunOptions& options, const NewShapeRun& new_run,
               Comparison* report, FILE* out) {
  try {
    for (const std::string& name : options.shapes) {
      const Stopwatch watch;
      const KeyShape shape = MakeShape(name, options.shape);
      report->AddRow(name, fmt::format("{} of {:.0f} B", shape.entries.size(),
                                       shape.MeanEntryKeySize()));
      const std::unique_ptr<ShapeRun> run = new_run(shape);
      for (uint64_t repeat = 0; repeat < options.repeats; repeat++) {
        if (repeat == 0 || watch.seconds() <= options.seconds) {
          run->Repeat();
        }
      }
      run->Finish();
      fmt::print(stderr, "{}: {:.1f} s\n", name, watch.seconds());
    }
  } catch (const Failure&) {
    report->PrintRatios(out);
    throw;
  }
  report->PrintRatios(out);
}

}  // namespace memkv
