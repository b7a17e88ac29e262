// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the tests that force interleavings share: looks into a tree, and checks
// of all of it.

#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

using KeySet = std::set<TestKey, SlowLess>;

inline ArtArena* ArenaOf(ArtTree* tree) {
  return const_cast<ArtArena*>(&tree->TEST_Arena());
}

// The references of the nodes on the way to where blind search ends, below the
// root's. REQUIRES: no insert is running.
inline std::vector<ArtRef> PathOf(ArtTree* tree, const TestKey& key) {
  std::vector<ArtRef> path;
  ArtNodeOwner node = ArtNodeOwner::AtRest(tree->TEST_Root());
  for (;;) {
    const ArtNode::Meta meta = node.meta();
    const ArtRef ref =
        node.RefAt(meta, node.Search(ToArtKey(key, tree->order()), meta));
    if (!ArtIsNode(ref)) {
      return path;
    }
    path.push_back(ref);
    node = ArtNodeOwner::AtRest(tree->TEST_Arena().NodeAt(ref));
  }
}

// Of the node `up` steps above the entry where blind search ends.
inline ArtNode::Meta MetaAt(ArtTree* tree, const TestKey& key, size_t up) {
  const std::vector<ArtRef> path = PathOf(tree, key);
  ArtNode* const node =
      up < path.size() ? tree->TEST_Arena().NodeAt(path[path.size() - 1 - up])
                       : tree->TEST_Root();
  return ArtNodeOwner::AtRest(node).meta();
}

inline bool IsFull(const ArtNode::Meta& meta) {
  return meta.count() == meta.capacity() && meta.count() > 1;
}

// All entries, by everything that finds them.
inline void CheckAll(const ArtTree& tree, const KeySet& keys) {
  std::string reason;
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  ASSERT_EQ(keys.size(), tree.NumEntries());
  ArtIterator iter(&tree);
  iter.SeekToFirst();
  for (const TestKey& key : keys) {
    ASSERT_TRUE(iter.Valid()) << key;
    ASSERT_EQ(key, KeyOf(iter.entry()));
    ASSERT_TRUE(tree.Contains(ToArtKey(key, tree.order())));
    iter.Next();
  }
  ASSERT_FALSE(iter.Valid());
  iter.SeekToLast();
  for (auto it = keys.rbegin(); it != keys.rend(); ++it) {
    ASSERT_TRUE(iter.Valid()) << *it;
    ASSERT_EQ(*it, KeyOf(iter.entry()));
    iter.Prev();
  }
  ASSERT_FALSE(iter.Valid());
}

inline void InsertAll(ArtTree* tree, const std::vector<TestKey>& keys,
                      KeySet* set) {
  for (const TestKey& key : keys) {
    ASSERT_EQ(set->insert(key).second,
              tree->Insert(NewEntry(tree, key.user_key, key.sequence)))
        << key;
  }
}

inline std::vector<TestKey> Children(const std::string& prefix, int from,
                                     int to) {
  std::vector<TestKey> keys;
  for (int i = from; i < to; ++i) {
    keys.push_back({prefix + static_cast<char>(i) + "t", 1});
  }
  return keys;
}

}  // namespace art_test
}  // namespace memkv
