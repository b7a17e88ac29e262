// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace memkv {
namespace {

// Segment i has i + 1 keys, twice as many entries, and 100 bytes.
std::string Build(const std::vector<std::string>& last_keys, bool mirrored) {
  FileIndexBuilder builder(mirrored);
  for (size_t i = 0; i < last_keys.size(); ++i) {
    builder.AddSegment(last_keys[i], {105 * i, 100}, i + 1, 2 * (i + 1), 7);
  }
  EXPECT_EQ(builder.num_segments(), last_keys.size());
  EXPECT_GE(builder.EstimatedSize(), 12u);
  std::string bytes;
  std::string reason;
  EXPECT_TRUE(builder.Finish(&bytes, &reason)) << reason;
  return bytes;
}

std::vector<std::string> LastKeys(size_t n, bool mirrored) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < n; ++i) keys.push_back(std::to_string(1000 + 10 * i));
  if (mirrored) std::reverse(keys.begin(), keys.end());
  return keys;
}

TEST(FstIndexTest, EverySegmentComesBackInBothOrders) {
  for (const bool mirrored : {false, true}) {
    for (const size_t n : {1, 2, 3, 17, 500}) {
      const std::vector<std::string> keys = LastKeys(n, mirrored);
      const std::string bytes = Build(keys, mirrored);
      FileIndex index;
      std::string reason;
      ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
      ASSERT_TRUE(index.Validate(&reason)) << reason;
      EXPECT_EQ(index.mirrored(), mirrored);
      ASSERT_EQ(index.num_segments(), n);
      uint64_t total = 0;
      for (uint32_t i = 0; i < n; ++i) {
        std::string last;
        ASSERT_TRUE(index.LastKey(i, &last));
        EXPECT_EQ(last, keys[i]);
        EXPECT_EQ(index.Location(i).offset, 105u * i);
        EXPECT_EQ(index.Location(i).size, 100u);
        EXPECT_EQ(index.KeysBefore(i), total);
        EXPECT_EQ(index.EntriesBefore(i), 2 * total);
        EXPECT_EQ(index.BytesBefore(i), 107u * i);
        total += i + 1;
      }
      EXPECT_EQ(index.KeysBefore(static_cast<uint32_t>(n)), total);
      EXPECT_EQ(index.EntriesBefore(static_cast<uint32_t>(n)), 2 * total);
    }
  }
}

TEST(FstIndexTest, SegmentIsTheFirstWhoseLastKeyIsNotBeforeTheKey) {
  for (const bool mirrored : {false, true}) {
    const std::vector<std::string> keys = LastKeys(20, mirrored);
    const std::string bytes = Build(keys, mirrored);
    FileIndex index;
    std::string reason;
    ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
    const auto before = [mirrored](const std::string& a, const std::string& b) {
      return mirrored ? a > b : a < b;
    };
    std::vector<std::string> probes = {"",      "0",    "1000",
                                       "10000", "9999", "\xff"};
    for (int i = 990; i < 1210; ++i) probes.push_back(std::to_string(i));
    for (const std::string& probe : probes) {
      const auto expected =
          std::lower_bound(keys.begin(), keys.end(), probe, before);
      EXPECT_EQ(index.SegmentFor(probe),
                static_cast<uint32_t>(expected - keys.begin()))
          << probe;
    }
  }
}

TEST(FstIndexTest, IndexOfNoSegmentsHoldsNoKey) {
  for (const bool mirrored : {false, true}) {
    const std::string bytes = Build({}, mirrored);
    FileIndex index;
    std::string reason;
    ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
    EXPECT_TRUE(index.Validate(&reason)) << reason;
    EXPECT_EQ(index.num_segments(), 0u);
    EXPECT_EQ(index.SegmentFor(""), 0u);
    EXPECT_EQ(index.SegmentFor("key"), 0u);
    EXPECT_EQ(index.KeysBefore(0), 0u);
  }
}

TEST(FstIndexTest, EmptyKeyMayBeTheLastOfASegment) {
  FileIndex index;
  std::string reason;
  const std::string up = Build({"", "a"}, false);
  ASSERT_TRUE(FileIndex::Open(up, &index, &reason)) << reason;
  EXPECT_EQ(index.SegmentFor(""), 0u);
  EXPECT_EQ(index.SegmentFor("a"), 1u);
  const std::string down = Build({"a", ""}, true);
  ASSERT_TRUE(FileIndex::Open(down, &index, &reason)) << reason;
  EXPECT_EQ(index.SegmentFor("b"), 0u);
  EXPECT_EQ(index.SegmentFor("a"), 0u);
  EXPECT_EQ(index.SegmentFor("A"), 1u);
  EXPECT_EQ(index.SegmentFor(""), 1u);
}

TEST(FstIndexTest, ValidateNamesTheInvariantThatIsBroken) {
  FileIndex index;
  std::string reason;
  std::string bytes;
  FileIndexBuilder without_keys(false);
  without_keys.AddSegment("a", {0, 100}, 1, 1, 7);
  without_keys.AddSegment("b", {105, 100}, 0, 0, 7);
  ASSERT_TRUE(without_keys.Finish(&bytes, &reason));
  ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
  EXPECT_FALSE(index.Validate(&reason));
  EXPECT_EQ(reason.rfind("(X2)", 0), 0u) << reason;

  bytes.clear();
  FileIndexBuilder overlapping(false);
  overlapping.AddSegment("a", {0, 100}, 1, 1, 7);
  overlapping.AddSegment("b", {99, 100}, 1, 1, 7);
  ASSERT_TRUE(overlapping.Finish(&bytes, &reason));
  ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
  EXPECT_FALSE(index.Validate(&reason));
  EXPECT_EQ(reason.rfind("(X3)", 0), 0u) << reason;
}

TEST(FstIndexTest, TruncationAtEveryLengthIsReported) {
  const std::string good = Build(LastKeys(30, false), false);
  for (size_t size = 0; size < good.size(); ++size) {
    // Exactly this size, for the sanitizers.
    const std::unique_ptr<char[]> bytes(new char[size]);
    good.copy(bytes.get(), size);
    FileIndex index;
    std::string reason;
    ASSERT_FALSE(FileIndex::Open({bytes.get(), size}, &index, &reason)) << size;
    EXPECT_EQ(reason.rfind("index: ", 0), 0u) << reason;
  }
  FileIndex index;
  std::string reason;
  EXPECT_FALSE(FileIndex::Open(good + "x", &index, &reason));
  EXPECT_EQ(reason, "index: 1 bytes follow its last section");
}

TEST(FstIndexTest, FlippedBitsNeverLeadOutsideAndAreNamed) {
  std::map<std::string, int> named;
  for (const bool mirrored : {false, true}) {
    const std::vector<std::string> keys = LastKeys(30, mirrored);
    const std::string good = Build(keys, mirrored);
    const std::unique_ptr<char[]> bytes(new char[good.size()]);
    good.copy(bytes.get(), good.size());
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      FileIndex index;
      std::string reason;
      if (FileIndex::Open({bytes.get(), good.size()}, &index, &reason)) {
        for (const std::string& key : keys) {
          const uint32_t i = index.SegmentFor(key);
          ASSERT_TRUE(i <= index.num_segments() || i == FileIndex::kCorrupt);
          if (i < index.num_segments()) {
            std::string last;
            index.LastKey(i, &last);
            index.Location(i);
            index.KeysBefore(i + 1);
          }
        }
        if (!index.Validate(&reason)) {
          ++named[reason.substr(0, 4)];
        }
      } else {
        ++named["Open"];
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
  }
  for (const char* invariant : {"Open", "(X1)", "(X2)", "(X3)"}) {
    EXPECT_GT(named[invariant], 5) << invariant;
  }
}

}  // namespace
}  // namespace memkv
