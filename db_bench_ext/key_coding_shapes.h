// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// key_coding_bench --sets=shapes: every shape of keys (key_shapes.h) in the key
// trie beside front coding, and in an FST file beside a block-based one. Each
// repeat builds a coding anew and takes it through everything:
//
//   build       a key, all of the building
//   bytes       a key
//   hit, miss   Find of a key that is there; of one a byte from one
//   worst_hit   the slowest of the hits: of each the least time of all repeats,
//               and of those the most
//   hits        FindAll, a key
//   rank        Rank of a miss
//   next, prev  a key of a whole scan
//
// Times are the thread's CPU time, but for worst_hit, which is the wall's.
// Segments of the key trie end where a table's do by default.
//
// Every answer is checked.
//
// Thread safety: none; functions without shared state, but files have fixed
// names in their folder.

#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "db_bench_ext/key_codings.h"
#include "db_bench_ext/key_shapes.h"

namespace memkv {

struct KeyCodingShapeOptions {
  ShapeOptions shape;
  KeyCodingOptions coding;
  uint64_t repeats = 3;
  // A shape that has taken so long is not repeated once more.
  double seconds = 20;
  // An existing folder, for files.
  std::string dir;
};

// Measures these shapes, but for those of fewer than two keys, and prints the
// report to `out`. False, with a reason, if an answer was wrong or something
// could not be built.
bool RunKeyCodingShapes(const std::vector<std::string>& shapes,
                        const KeyCodingShapeOptions& options, FILE* out,
                        std::string* reason);

}  // namespace memkv
