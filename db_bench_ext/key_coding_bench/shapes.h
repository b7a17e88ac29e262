// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// key_coding_bench --sets=shapes: every shape of keys (key_shapes.h) in the key
// trie beside front coding; and in FST files, with residency=pin (fst) and
// residency=cache (fst_cache), beside block-based ones, all compressed with
// LZ4, without filters, and read from a block cache that everything fits into.
// Each repeat builds everything anew and takes it through:
//
//   build       a key or entry, all of the building
//   bytes       a key; of a file, an entry
//   memory      a file's reader and what is in the block cache when all of it
//               was read, an entry
//   hit, miss   a look-up of a key that is there; of one a byte from one
//   worst_hit   the slowest of the hits: of each the least time of all repeats,
//               and of those the most
//   old         a look-up of a version at random, where keys have several
//   hits        look-ups of 32 keys at once, a key
//   seek        Seek of an iterator to a hit or a miss by turns; of a coding,
//               the rank of a miss
//   next, prev  a key or entry of a whole scan
//   size        ApproximateSize between two random keys
//
// Times are the thread's CPU time, but for worst_hit, which is the wall's.
// Segments of the key trie end where a table's do by default. Codings are left
// out where keys have versions.
//
// Every answer is checked, but for ApproximateSize.
//
// Thread safety: none; functions without shared state, but files have fixed
// names in their folder.

#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "db_bench_ext/key_coding_bench/codings.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "rocksdb/status.h"

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

// Measures these shapes and prints the report to `out`. Fails if an answer is
// wrong or something cannot be built.
// REQUIRES: RegisterMemkv() was called.
rocksdb::Status RunKeyCodingShapes(const std::vector<std::string>& shapes,
                                   const KeyCodingShapeOptions& options,
                                   FILE* out);

}  // namespace memkv
