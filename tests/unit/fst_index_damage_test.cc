// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Indexes that no builder wrote: what is refused, and by which name.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "table/key_trie/format.h"
#include "table/segment/file_index.h"
#include "tests/unit/fst_index_test_util.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

TEST(FstIndexTest, ValidateNamesTheInvariantThatIsBroken) {
  FileIndex index;
  std::string reason;
  std::string bytes;
  const auto expect = [&](FileIndexBuilder* builder, const char* invariant) {
    bytes.clear();
    ASSERT_TRUE(builder->Finish("b", &bytes, &reason)) << reason;
    ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
    EXPECT_FALSE(index.Validate(&reason));
    EXPECT_EQ(reason.rfind(invariant, 0), 0u) << reason;
  };
  FileIndexBuilder without_keys(false);
  without_keys.Cut("a", "b");
  without_keys.AddSegment({0, 100}, 1, 1, 7);
  without_keys.AddSegment({105, 100}, 0, 1, 7);
  expect(&without_keys, "(X2)");

  FileIndexBuilder without_entries(false);
  without_entries.CutKey(5);
  without_entries.AddSegment({0, 100}, 1, 1, 7);
  without_entries.AddSegment({105, 100}, 1, 0, 7);
  expect(&without_entries, "(X2)");

  FileIndexBuilder overlapping(false);
  overlapping.Cut("a", "b");
  overlapping.AddSegment({0, 100}, 1, 1, 7);
  overlapping.AddSegment({99, 100}, 1, 1, 7);
  bytes.clear();
  ASSERT_TRUE(overlapping.Finish("b", &bytes, &reason)) << reason;
  EXPECT_FALSE(FileIndex::Open(bytes, &index, &reason));
  EXPECT_EQ(reason.rfind("index: (X3)", 0), 0u) << reason;

  for (const auto& [first, second] : {std::pair{7, 7}, {7, 8}}) {
    FileIndexBuilder ascending(false);
    ascending.CutKey(static_cast<uint64_t>(first));
    ascending.CutKey(static_cast<uint64_t>(second));
    ascending.AddSegment({0, 100}, 1, 1, 7);
    ascending.AddSegment({105, 100}, 1, 1, 7);
    ascending.AddSegment({210, 100}, 1, 1, 7);
    expect(&ascending, "(X4)");
  }
}

TEST(FstIndexTest, CountsThatNoBytesStandForAreRefused) {
  // A million segments, all in one place.
  std::string bytes(4, '\0');
  PutFixed(&bytes, 1 << 20, 4);
  const std::string separators("\x24\0\0\0\0", 5);
  PutFixed(&bytes, separators.size(), 4);
  bytes += separators + std::string(key_trie::kPadding, '\0');
  for (const uint64_t number : {1000, 50, 7, 7, 50}) {
    PackedArrayBuilder::Encode(&number, 1, &bytes);
  }
  FileIndex index;
  std::string reason;
  EXPECT_FALSE(FileIndex::Open(bytes, &index, &reason));
  EXPECT_EQ(reason.rfind("index: (X3) segment 1 ", 0), 0u) << reason;
}

TEST(FstIndexTest, TruncationAtEveryLengthIsReported) {
  for (const bool continued : {false, true}) {
    const std::string good = Build(
        continued ? SomeOfEach(false) : Singles(Numbers(30, false)), false);
    for (size_t size = 0; size < good.size(); ++size) {
      // Exactly this size, for the sanitizers.
      const std::unique_ptr<char[]> bytes(new char[size]);
      good.copy(bytes.get(), size);
      FileIndex index;
      std::string reason;
      ASSERT_FALSE(FileIndex::Open({bytes.get(), size}, &index, &reason))
          << size;
      EXPECT_EQ(reason.rfind("index: ", 0), 0u) << reason;
    }
    FileIndex index;
    std::string reason;
    EXPECT_FALSE(FileIndex::Open(good + "x", &index, &reason));
    EXPECT_EQ(reason, "index: 1 bytes follow its last section");
  }
}

TEST(FstIndexTest, FlippedBitsNeverLeadOutsideAndAreNamed) {
  std::map<std::string, int> named;
  for (const bool mirrored : {false, true}) {
    const std::vector<Group> groups = SomeOfEach(mirrored);
    const std::string good = Build(groups, mirrored);
    const std::unique_ptr<char[]> bytes(new char[good.size()]);
    good.copy(bytes.get(), good.size());
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      FileIndex index;
      std::string reason;
      if (FileIndex::Open({bytes.get(), good.size()}, &index, &reason)) {
        for (const Group& group : groups) {
          const uint32_t i = index.SegmentFor(group.keys.back());
          ASSERT_TRUE(i <= index.num_segments() || i == FileIndex::kCorrupt);
          if (i >= index.num_segments()) continue;
          std::string bound;
          (void)index.Bound(i, &bound);  // Of a damaged index, anything.
          index.Location(i);
          index.KeysBefore(i + 1);
          const uint32_t next = index.NextGroup(i);
          ASSERT_GT(next, i);
          ASSERT_LE(next, index.num_segments());
          const uint32_t at = index.Continue(i, 650);
          ASSERT_GE(at, i);
          ASSERT_LT(at, next);
          if (index.IsContinuation(i)) index.FirstTag(i);
        }
        if (!index.Validate(&reason)) {
          ++named[reason.substr(0, 4)];
        }
      } else {
        ++named[reason.rfind("index: (X3)", 0) == 0 ? "(X3)" : "Open"];
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
  }
  for (const char* invariant : {"Open", "(X1)", "(X2)", "(X3)", "(X4)"}) {
    EXPECT_GT(named[invariant], 5) << invariant;
  }
}

}  // namespace
}  // namespace memkv
