// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The index of a file's segments: it leads to the right one, and its limits.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "table/key_trie/format.h"
#include "table/segment/file_index.h"
#include "tests/unit/fst_index_test_util.h"
#include "tests/util/test_seed.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

using Keys = std::vector<std::string>;

TEST(FstIndexTest, GroupsAndKeysComeBackInBothOrders) {
  std::mt19937_64 rng(TestSeed());
  for (const bool mirrored : {false, true}) {
    for (const bool continued : {false, true}) {
      for (int round = 0; round < 150; ++round) {
        const std::vector<Group> groups =
            RandomGroups(1 + rng() % (round % 10 == 0 ? 3000 : 40), mirrored,
                         continued, &rng);
        ASSERT_NO_FATAL_FAILURE(
            ExpectIndexOf(groups, Build(groups, mirrored), mirrored, &rng));
      }
    }
  }
}

TEST(FstIndexTest, IndexesOfThePastAnswerLikewise) {
  std::mt19937_64 rng(TestSeed());
  for (const bool mirrored : {false, true}) {
    for (const size_t n : {1, 2, 3, 17, 500}) {
      const Keys keys = Numbers(n, mirrored);
      ASSERT_NO_FATAL_FAILURE(ExpectIndexOf(
          Singles(keys), BuildOld(keys, mirrored), mirrored, &rng));
    }
    for (int round = 0; round < 50; ++round) {
      // The empty key is among them, mostly.
      std::set<std::string> sorted = {""};
      while (sorted.size() < 20) sorted.insert(RandomKey(&rng));
      Keys keys(sorted.begin(), sorted.end());
      if (mirrored) std::reverse(keys.begin(), keys.end());
      ASSERT_NO_FATAL_FAILURE(ExpectIndexOf(
          Singles(keys), BuildOld(keys, mirrored), mirrored, &rng));
    }
  }
}

TEST(FstIndexTest, BoundsAreTheShortest) {
  // Every string of up to three of these bytes is tried.
  Keys all = {""};
  for (size_t i = 0; all[i].size() < 3; ++i) {
    for (const char c : {'\0', 'a', 'b', '\xff'}) all.push_back(all[i] + c);
  }
  for (const bool mirrored : {false, true}) {
    for (const std::string& last : all) {
      for (const std::string& next : all) {
        if (!Before(last, next, mirrored)) continue;
        const std::string bytes = Build(Singles({last, next}), mirrored);
        FileIndex index;
        std::string reason;
        ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
        std::string bound;
        ASSERT_TRUE(index.Bound(0, &bound));
        size_t shortest = SIZE_MAX;
        for (const std::string& b : all) {
          const bool between =
              mirrored ? next < b && b <= last : last < b && b <= next;
          if (between) shortest = std::min(shortest, b.size());
        }
        ASSERT_EQ(bound.size(), shortest);
        ASSERT_TRUE(index.Bound(1, &bound));
        ASSERT_LE(bound.size(), next.size() + 1);
      }
    }
  }
}

TEST(FstIndexTest, LastBoundAddsAByteToWhatTheOthersShare) {
  const struct {
    std::vector<std::string> keys;  // one a segment, as they ascend
    std::string bound, mirrored_bound;
  } kCases[] = {
      {{""}, std::string(1, '\0'), ""},
      {{"abc"}, "b", "a"},
      {{"\xff\xff\x01z"}, "\xff\xff\x02", "\xff"},
      {{"\xff\xff"}, std::string("\xff\xff\0", 3), "\xff"},
      // The other bounds are "http://b", "http://c".
      {{"http://a", "http://b", "http://cz"}, "http://d", "http://"},
      // Not "http://", which is all of the last key.
      {{"http://a", "http://b"}, "http://c", "http://"},
      {{"a\xff", "a\xff\xff"}, "b", "a\xff"},
      {{"Http://a", "http://b", "http://c"}, "hu", "H"},
      {{"", "http://b"}, "hu", ""},
  };
  for (const auto& c : kCases) {
    for (const bool mirrored : {false, true}) {
      Keys keys = c.keys;
      if (mirrored) std::reverse(keys.begin(), keys.end());
      const std::string bytes = Build(Singles(keys), mirrored);
      FileIndex index;
      std::string reason;
      ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
      std::string bound;
      ASSERT_TRUE(index.Bound(index.num_segments() - 1, &bound));
      EXPECT_EQ(bound, mirrored ? c.mirrored_bound : c.bound)
          << c.keys.back() << " mirrored " << mirrored;
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

TEST(FstIndexTest, LongKeysThatShareMuchTakeLittle) {
  // 64 KiB that all share, and 8 bytes that tell them apart: the builder holds
  // the long part once, and so does the index.
  for (const bool mirrored : {false, true}) {
    const std::string shared(64 << 10, 's');
    std::vector<Group> groups;
    for (int i = 0; i < 2000; ++i) {
      char tail[16];
      std::snprintf(tail, sizeof(tail), "%08d", mirrored ? 9999 - i : i);
      groups.push_back({{shared + tail}, {}});
    }
    FileIndexBuilder builder(mirrored);
    AddAll(groups, &builder);
    EXPECT_LT(builder.EstimatedSize(), 200u << 10);
    std::string bytes;
    std::string reason;
    ASSERT_TRUE(builder.Finish(groups.back().keys.back(), &bytes, &reason));
    EXPECT_LT(bytes.size(), 200u << 10);
    // And where what tells them apart comes first, nothing of the rest.
    for (Group& group : groups) {
      group.keys[0] = group.keys[0].substr(shared.size()) + shared;
    }
    EXPECT_LT(Build(groups, mirrored).size(), 60u << 10);
    // What a cut adds is known before it is made.
    FileIndexBuilder empty(mirrored);
    EXPECT_EQ(empty.CutBytes(mirrored ? "ab" : "aa", mirrored ? "aa" : "ab"),
              2u);
  }
}

TEST(FstIndexTest, EstimateIsWithinATenth) {
  std::mt19937_64 rng(TestSeed());
  for (const bool mirrored : {false, true}) {
    for (const bool continued : {false, true}) {
      for (const size_t n : {300, 3000, 30000}) {
        for (int kind = 0; kind < 3; ++kind) {
          std::set<std::string> sorted;
          while (sorted.size() < n) {
            std::string key;
            if (kind == 0) {
              key = std::to_string(rng());
            } else if (kind == 1) {
              key = "usr/share/doc/" + std::to_string(rng() % 500) + "/" +
                    std::to_string(rng() % 1000) + "/copyright";
            } else {
              for (int b = 0; b < 60; ++b) key += static_cast<char>(rng() % 3);
            }
            sorted.insert(key);
          }
          std::vector<Group> groups =
              Singles(Keys(sorted.begin(), sorted.end()));
          if (mirrored) std::reverse(groups.begin(), groups.end());
          for (size_t g = 0; continued && g < n; g += 5) {
            groups[g].tags = {rng() >> 8, 5};
          }
          FileIndexBuilder builder(mirrored);
          AddAll(groups, &builder);
          const auto estimate = static_cast<double>(builder.EstimatedSize());
          std::string bytes;
          std::string reason;
          ASSERT_TRUE(
              builder.Finish(groups.back().keys.back(), &bytes, &reason))
              << reason;
          EXPECT_NEAR(estimate, static_cast<double>(bytes.size()),
                      static_cast<double>(bytes.size()) / 10)
              << n << " of kind " << kind;
        }
      }
    }
  }
}

TEST(FstIndexTest, LimitsAreRefusedWithAReason) {
  const std::vector<Group> groups = {{{"a"}, {9, 8}}, {{"b"}, {}}, {{"c"}, {}}};
  const auto finish = [&](const FileIndexBuilder::Limits& limits,
                          std::string* reason) {
    FileIndexBuilder builder(false, limits);
    AddAll(groups, &builder);
    std::string bytes = "before";
    const bool ok = builder.Finish("c", &bytes, reason);
    EXPECT_EQ(bytes == "before", !ok);
    return ok;
  };
  std::string reason;
  FileIndexBuilder::Limits limits;
  limits.groups = 3;
  limits.segments = 5;
  EXPECT_TRUE(finish(limits, &reason)) << reason;
  limits.groups = 2;
  EXPECT_FALSE(finish(limits, &reason));
  EXPECT_EQ(reason,
            "an index of 5 segments and 2 continuations; 2 of the ones and 5 "
            "of both are the most");
  limits.groups = 3;
  limits.segments = 4;
  EXPECT_FALSE(finish(limits, &reason));
  limits.segments = 5;
  limits.bytes = Build(groups, false).size();
  EXPECT_TRUE(finish(limits, &reason));
  for (; limits.bytes > 0; --limits.bytes) {
    FileIndexBuilder::Limits less = limits;
    --less.bytes;
    ASSERT_FALSE(finish(less, &reason)) << less.bytes;
    EXPECT_EQ(reason, "the index of 5 segments takes more than " +
                          std::to_string(less.bytes) + " bytes");
  }
  // Those of the format.
  EXPECT_EQ(FileIndexBuilder::Limits().groups, (1u << 23) - 2);
  EXPECT_EQ(FileIndexBuilder::Limits().segments, (uint64_t{1} << 31) - 1);
  EXPECT_EQ(FileIndexBuilder::Limits().bytes, (uint64_t{1} << 31) - 1);
}

TEST(FstIndexTest, SegmentsGrowBeforeThereAreTooMany) {
  const auto size = [](uint64_t first, uint64_t cuts) {
    return FileIndexBuilder::SegmentSize(first, cuts, 4);
  };
  EXPECT_EQ(size(1000, 0), 1000u);
  EXPECT_EQ(size(1000, 3), 1000u);
  EXPECT_EQ(size(1000, 4), 2000u);
  EXPECT_EQ(size(1000, 8), 4000u);
  EXPECT_EQ(size(1000, 1 << 20), 16u << 20);
  EXPECT_EQ(size(16 << 20, 1 << 20), 16u << 20);
  EXPECT_EQ(size(32 << 20, 1 << 20), 32u << 20);
  // As FORMAT.md says, from the smallest size on.
  uint64_t file = 0;
  const uint64_t limit = FileIndexBuilder::Limits().groups;
  for (uint64_t cuts = 0; cuts < limit; cuts += FileIndexBuilder::kDoubling) {
    file += FileIndexBuilder::SegmentSize(1024, cuts) *
            std::min(FileIndexBuilder::kDoubling, limit - cuts);
  }
  EXPECT_GE(file, uint64_t{23} << 40);
}

}  // namespace
}  // namespace memkv
