// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// auto_readahead_size: what iterators read ahead ends with their upper bound.

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "rocksdb/options.h"
#include "tests/db/fst_scanned_table.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Slice;

TEST(FstReadaheadTest, EndsWhereTheUpperBoundIs) {
  for (const ScannedShape& shape : AllShapes()) {
    SCOPED_TRACE(NameOf(shape));
    if (shape.block_cache) continue;
    ScannedTable table(shape);
    std::mt19937_64 rng(TestSeed());
    size_t total[2] = {0, 0};
    for (int round = 0; round < 40; ++round) {
      const size_t from = rng() % 19000;
      const size_t to = from + rng() % 1000;
      const std::string& begin = table.key(from);
      const std::string& end = table.key(to);
      const Slice bound(end);
      size_t bytes[2] = {0, 0};
      size_t found[2] = {0, 0};
      for (const bool trims : {false, true}) {
        ReadOptions ro;
        ro.iterate_upper_bound = &bound;
        ro.readahead_size = 1 << 20;
        ro.auto_readahead_size = trims;
        const auto iter = table.NewIterator(ro);
        table.counts() = {};
        iter->Seek(SeekKey(begin));
        for (; iter->Valid() && table.Before(iter->key(), end); iter->Next()) {
          ASSERT_TRUE(iter->PrepareValue());
          ++found[trims];
        }
        ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
        bytes[trims] = table.counts().bytes;
        // The caller may go on behind the bound all the same.
        for (int i = 0; i < 300 && iter->Valid(); ++i) {
          ASSERT_TRUE(iter->PrepareValue());
          iter->Next();
        }
        ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      }
      EXPECT_EQ(found[true], found[false]);
      EXPECT_GE(found[true], to - from);
      // What lies in the range, a segment with its values more at its ends, and
      // whole pages.
      const size_t entry = 4 + shape.value_size;
      EXPECT_LE(bytes[true], (found[true] + 800) * entry + 8192);
      EXPECT_LE(bytes[true], bytes[false]);
      total[false] += bytes[false];
      total[true] += bytes[true];
    }
    EXPECT_LT(total[true], total[false] / 2);
  }
}

}  // namespace
}  // namespace memkv
