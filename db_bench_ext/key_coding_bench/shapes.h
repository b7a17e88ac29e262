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
//   hit, miss   a look-up of a key that is there; of a key one byte from one
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
// out where keys have versions. Every answer is checked, but for
// ApproximateSize.
//
// Thread safety: none; functions without shared state, but files have fixed
// names in their folder.

#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "db_bench_ext/common/shape_report.h"
#include "db_bench_ext/key_coding_bench/codings.h"
#include "rocksdb/status.h"

namespace memkv {

// What is asked of a coding, and the right answers.
struct CodingProbes {
  std::vector<std::string> hits;
  std::vector<uint64_t> ranks;  // of the hits
  std::vector<std::string> misses;
  std::vector<uint64_t> miss_ranks;
  uint64_t num_keys = 0;
  uint64_t key_sum = 0;  // what Scan() must say
  size_t scans = 1;      // so many, that a clock sees them
};

// Takes a coding through hit, hits, miss, seek, next and prev, and tells what
// each of them took. Returns how many answers were wrong.
uint64_t MeasureCoding(
    const KeyCoding& coding, const CodingProbes& probes,
    const std::function<void(const char* operation, double nanos)>& add);

// Measures these shapes and prints the report to `out`. `dir` is an existing
// folder, for files. Fails if an answer is wrong or something cannot be built.
// REQUIRES: RegisterMemkv() was called.
rocksdb::Status RunKeyCodingShapes(const std::vector<std::string>& shapes,
                                   const ShapeRunOptions& options,
                                   const KeyCodingOptions& coding,
                                   const std::string& dir, FILE* out);

}  // namespace memkv
