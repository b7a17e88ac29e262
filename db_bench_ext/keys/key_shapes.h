// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Shapes of keys on which an index can be much slower than on others: sets of
// keys, and the orders in which they arrive. memtable_bench and
// key_coding_bench run all of them, so that no shape is a cliff unnoticed.
//
// Every shape is a function of its options: the same on every machine. It holds
// its keys once; with a scale of 1 no shape has more than 75 MB of them.
//
// Thread safety: functions without shared state.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"

namespace memkv {

struct ShapeOptions {
  uint64_t seed = 20260101;
  // What numbers of keys and versions are multiplied with. Sizes of keys stay,
  // except those of a chain and of a comb, whose sizes are their numbers.
  // REQUIRES: 0 < scale <= 100.
  double scale = 1;
};

struct KeyShape {
  std::string name;
  // Distinct, in ascending order. At least one.
  std::vector<std::string> keys;
  // The entries in the order in which they are inserted, as indexes into
  // `keys`. A key that occurs again is a newer version. Every key occurs.
  std::vector<uint32_t> entries;
  // So many entries, one behind the other, share a sequence number, as those of
  // a write batch can. A key occurs in such a batch at most once.
  size_t batch = 1;
  // Measure it with several threads, too.
  bool threads = false;

  // The sequence number of an entry, from 1.
  uint64_t SequenceOf(size_t entry) const { return 1 + entry / batch; }
  // Bytes of key an entry, on average.
  double MeanEntryKeySize() const;
};

struct ShapeInfo {
  std::string name;
  std::string what;  // one line for people
  // An earlier shape has the same keys: only the entries differ.
  bool same_keys = false;
  // Keys have several versions.
  bool versions = false;
};

// All shapes, in the order in which they are reported.
std::vector<ShapeInfo> ListShapes();

// A name that no shape has is a Failure.
KeyShape MakeShape(const std::string& name, const ShapeOptions& options);
// Of any keys, without versions, that arrive shuffled or in order.
KeyShape ShapeOfKeys(const std::string& name, std::vector<std::string> keys,
                     bool shuffled, uint64_t seed);

// A key of the shape with one byte changed or appended, that is not of the
// shape.
std::string NearMissOf(const KeyShape& shape, RandomSource* random);

// The names of a list by commas, or all of ListShapes() for "all". A name that
// no shape has is a Failure, and so are options out of their bounds.
std::vector<std::string> ParseShapes(const std::string& list,
                                     const ShapeOptions& options);

}  // namespace memkv
