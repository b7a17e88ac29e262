// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Keys whose bytes have changed below the tree: what sees them, and that
// nothing loops.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/util/art_scaffold.h"

namespace memkv {
namespace art_test {

using ArtTreeTest = ArtScaffoldTest;

TEST_P(ArtTreeTest, ChangedKeyByteIsSeenByValidateAndBySeekAndCheck) {
  Scaffold& s = scaffold_;
  ArtTree& tree = s.tree();
  std::vector<char*> entries;
  for (const char* key : {"aa1zz", "aa2zz", "aa3zz"}) {
    const ArtRef ref = NewEntry(&tree, key, 1);
    entries.push_back(tree.TEST_Arena().Resolve(ref));
    ASSERT_TRUE(tree.Insert(ref));
  }
  std::string reason;
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  // The varint takes one byte; "2" is at offset 2 of the key.
  entries[1][1 + 2] = '9';
  EXPECT_FALSE(tree.Validate(&reason));
  EXPECT_FALSE(reason.empty());

  ArtIterator iter(&tree);
  ArtIterator::Disagreement found;
  EXPECT_FALSE(iter.SeekAndCheck(s.Key({"aa2zz", 1}), &found));
  EXPECT_EQ(entries[1], found.entry);
  EXPECT_FALSE(found.reason.empty());
  EXPECT_FALSE(iter.Valid());
  EXPECT_TRUE(iter.SeekAndCheck(s.Key({"aa1zz", 1}), &found));
  // From the first entry onwards in either order, the second is the changed
  // one.
  iter.SeekToFirst();
  EXPECT_TRUE(iter.AgreesWithPath(&reason)) << reason;
  iter.Next();
  EXPECT_FALSE(iter.AgreesWithPath(&reason));
}

TEST_P(ArtTreeTest, ValidateSeesEveryByteThatTellsNeighboursApart) {
  ArtTree& tree = scaffold_.tree();
  std::vector<char*> entries;
  while (entries.size() < 150) {
    std::string key(random_() % 6, '\0');
    for (char& c : key) {
      c = "ab\xff"[random_() % 3];
    }
    const ArtRef ref = NewEntry(&tree, key, 256 * (random_() % 3));
    if (tree.Insert(ref)) {
      entries.push_back(tree.TEST_Arena().Resolve(ref));
    }
  }
  const ArtOrder order = GetParam();
  const auto key_of = [order](char* entry) { return ArtKey(entry, order); };
  std::sort(entries.begin(), entries.end(), [&](char* a, char* b) {
    return SlowLess{order}(KeyOf(a), KeyOf(b));
  });
  // At which depth neighbours differ, and which symbol the second has there.
  const auto borders = [&] {
    std::vector<std::pair<ArtDepth, int>> result;
    for (size_t i = 1; i < entries.size(); ++i) {
      const ArtKey key = key_of(entries[i]);
      const ArtDepth depth = key_of(entries[i - 1]).Diverge(key);
      result.emplace_back(depth,
                          depth == kArtEqualDepth ? -2 : key.SymbolAt(depth));
      if (depth != kArtEqualDepth &&
          key.LessAt(depth, key_of(entries[i - 1]))) {
        result.back().second = -2;
      }
    }
    return result;
  };
  const auto intact = borders();
  std::string reason;
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  uint64_t seen = 0;
  for (char* entry : entries) {
    const size_t size = 1 + key_of(entry).user_size() + 8;
    for (size_t i = 1; i < size; ++i) {
      const char before = entry[i];
      for (const int flip : {1, 0x80, 0xff}) {
        entry[i] = static_cast<char>(before ^ flip);
        const bool same = borders() == intact;
        ASSERT_EQ(same, tree.Validate(&reason)) << KeyOf(entry) << " at " << i;
        seen += !same;
      }
      entry[i] = before;
    }
  }
  EXPECT_GT(seen, 100u);
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
}

TEST_P(ArtTreeTest, InsertThatMeetsAChangedKeyEnds) {
  for (int round = 0; round < 20; ++round) {
    Scaffold s(GetParam());
    ArtTree& tree = s.tree();
    std::vector<char*> entries;
    const auto random_key = [&] {
      std::string key(random_() % 300, 'c');
      for (int i = 0; i < 3 && !key.empty(); ++i) {
        key[random_() % key.size()] = static_cast<char>(random_());
      }
      return key;
    };
    for (int i = 0; i < 500; ++i) {
      const ArtRef ref = NewEntry(&tree, random_key(), random_() % 3);
      if (tree.Insert(ref)) {
        entries.push_back(tree.TEST_Arena().Resolve(ref));
      }
    }
    for (int i = 0; i < 50; ++i) {
      char* entry = entries[random_() % entries.size()];
      const ArtKey key(entry, GetParam());
      if (key.user_size() > 0) {
        const_cast<char*>(key.user_key())[random_() % key.user_size()] ^=
            static_cast<char>(1 + random_() % 255);
      }
    }
    uint64_t inserted = entries.size();
    for (int i = 0; i < 500; ++i) {
      inserted += tree.Insert(NewEntry(&tree, random_key(), random_() % 3));
      // It may find anything, but comes to an end.
      tree.Get(s.Key({random_key(), 1}));
      ArtIterator iter(&tree);
      iter.Seek(s.Key({random_key(), 1}));
      for (int step = 0; step < 20 && iter.Valid(); ++step) {
        i % 2 == 0 ? iter.Next() : iter.Prev();
      }
    }
    EXPECT_EQ(inserted, tree.NumEntries());
  }
}

}  // namespace art_test
}  // namespace memkv
