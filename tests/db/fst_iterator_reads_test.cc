// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Ranges that an iterator's reader announces: it finds in them what it finds
// without, and with few calls to the file system.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compat/table_iterator.h"
#include "table/fst/announced_scans.h"
#include "tests/db/fst_scanned_table.h"

namespace memkv {
namespace {

using compat::ScanRange;

void ExpectSame(compat::TableIteratorBase* iter,
                compat::TableIteratorBase* twin) {
  ASSERT_EQ(iter->Valid(), twin->Valid());
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  if (!twin->Valid()) return;
  ASSERT_EQ(iter->key(), twin->key());
  ASSERT_TRUE(iter->PrepareValue()) << iter->status().ToString();
  ASSERT_TRUE(twin->PrepareValue());
  ASSERT_EQ(iter->value(), twin->value());
}

TEST(FstAnnouncedScansTest, FindWhatScansFindThatAreNot) {
  for (const ScannedShape& shape : AllShapes()) {
    SCOPED_TRACE(NameOf(shape));
    ScannedTable table(shape);
    ASSERT_GT(table.num_segments(), 40u);
    std::mt19937_64 rng(TestSeed());
    const auto twin = table.NewIterator();
    for (int round = 0; round < 40; ++round) {
      // Ranges of no keys, of a few, and of several segments.
      const size_t widest = round % 3 == 0 ? 4000 : 1 + rng() % 50;
      std::vector<ScanRange> ranges;
      for (size_t i = rng() % 500; i < ScannedTable::kKeys;
           i += rng() % (round % 2 == 0 ? 300 : 5000)) {
        ranges.emplace_back();
        ranges.back().start = table.key(i);
        i += rng() % widest;
        if (i >= ScannedTable::kKeys) break;  // this one has no limit
        ranges.back().limit = table.key(i);
      }
      const auto iter = table.NewIterator();
      iter->AnnounceScans(ranges, round % 5 == 0 ? rng() % 20000 : 0);
      for (const ScanRange& range : ranges) {
        if (rng() % 8 == 0) continue;  // the reader has had enough
        std::string start = range.start;
        // It may go elsewhere than it has said.
        if (rng() % 8 == 0) start = table.key(rng() % ScannedTable::kKeys);
        iter->Seek(SeekKey(start));
        twin->Seek(SeekKey(start));
        ASSERT_NO_FATAL_FAILURE(ExpectSame(iter.get(), twin.get()));
        for (int steps = 0; twin->Valid() && steps < 3000 &&
                            (!range.limit.has_value() ||
                             table.Before(twin->key(), *range.limit));
             ++steps) {
          const bool back = steps != 0 && rng() % 64 == 0;
          if (back) {
            iter->Prev();
            twin->Prev();
          } else {
            iter->Next();
            twin->Next();
          }
          ASSERT_NO_FATAL_FAILURE(ExpectSame(iter.get(), twin.get()));
        }
      }
    }
  }
}

TEST(FstAnnouncedScansTest, TakeFewCalls) {
  for (const ScannedShape& shape : AllShapes()) {
    SCOPED_TRACE(NameOf(shape));
    std::vector<ScanRange> ranges;
    size_t alone = 0;
    for (const bool announced : {false, true}) {
      ScannedTable table(shape);
      ranges.clear();
      for (size_t i = 50; i + 8 < ScannedTable::kKeys; i += 400) {
        ranges.push_back({table.key(i), table.key(i + 8)});
      }
      const auto iter = table.NewIterator();
      table.counts() = {};
      if (announced) iter->AnnounceScans(ranges, /*most_bytes=*/0);
      for (const ScanRange& range : ranges) {
        iter->Seek(SeekKey(range.start));
        while (iter->Valid() && table.Before(iter->key(), *range.limit)) {
          ASSERT_TRUE(iter->PrepareValue());
          iter->Next();
        }
        ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      }
      const MemoryTable::ReadCounts& counts = table.counts();
      if (!announced) {
        EXPECT_GT(counts.alone, 20u);
        EXPECT_EQ(counts.together, 0u);
        alone = counts.alone;
        continue;
      }
      // Segments, and values if they are not with them.
      const size_t calls = ranges.size() / AnnouncedScans::kMostSegments + 1;
      EXPECT_LE(counts.together, 2 * calls);
      EXPECT_GT(counts.places, counts.together);
      // A key behind a range may be in a segment that no range is in.
      EXPECT_LE(counts.alone, alone / 8);
    }
  }
}

TEST(FstAnnouncedScansTest, WhatCannotBeReadTogetherIsReadAlone) {
  for (const ScannedShape& shape : AllShapes()) {
    SCOPED_TRACE(NameOf(shape));
    ScannedTable table(shape);
    const auto iter = table.NewIterator();
    table.counts() = {};
    table.counts().together_fails = true;
    iter->AnnounceScans(
        {{table.key(100), table.key(200)}, {table.key(5000), table.key(9000)}},
        /*most_bytes=*/0);
    for (const size_t from : {100, 5000}) {
      iter->Seek(SeekKey(table.key(from)));
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      for (int i = 0; iter->Valid() && i < 100; ++i, iter->Next()) {
        ASSERT_TRUE(iter->PrepareValue()) << iter->status().ToString();
      }
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
    }
    EXPECT_GT(table.counts().together, 0u);
    EXPECT_GT(table.counts().alone, 0u);
  }
}

// A reader that announces everything, and takes nothing, has little in memory.
TEST(FstAnnouncedScansTest, ReadNoMoreAtATimeThanIsAllowed) {
  ScannedTable table({/*reverse=*/false, /*value_size=*/300,
                      /*block_cache=*/false,
                      FstTableOptions::Residency::kCache});
  const std::vector<ScanRange> all = {
      {table.key(0), table.key(ScannedTable::kKeys - 1)}};
  size_t most_places = 0;
  for (const uint64_t most_bytes : {uint64_t{0}, uint64_t{30000}}) {
    const auto iter = table.NewIterator();
    iter->AnnounceScans(all, most_bytes);
    table.counts() = {};
    iter->Seek(SeekKey(table.key(0)));
    ASSERT_TRUE(iter->Valid());
    ASSERT_TRUE(iter->PrepareValue());
    const MemoryTable::ReadCounts first = table.counts();
    EXPECT_EQ(first.together, 2u);
    size_t n = 1;
    for (; iter->Valid(); iter->Next()) {
      ASSERT_TRUE(iter->PrepareValue());
      ++n;
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    EXPECT_GE(n, size_t{ScannedTable::kKeys});
    EXPECT_GT(table.counts().together, first.together);
    if (most_bytes == 0) {
      most_places = first.places;
    } else {
      EXPECT_LT(first.places, most_places);
    }
  }
}

}  // namespace
}  // namespace memkv
