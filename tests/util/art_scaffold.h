// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A tree beside a sorted set of what is in it, and checks of the one against
// the other.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "memtable/art/tree_iterator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

using Random = std::mt19937_64;

class Scaffold {
 public:
  using Set = std::set<TestKey, SlowLess>;

  explicit Scaffold(ArtOrder order)
      : tree_(order, &allocator_), sorted_(SlowLess{order}) {}

  ArtTree& tree() { return tree_; }
  HeapAllocator& allocator() { return allocator_; }
  const Set& sorted() const { return sorted_; }
  ArtKey Key(const TestKey& key) const { return ToArtKey(key, tree_.order()); }

  bool Insert(const std::string& key, uint64_t sequence = 1) {
    const bool is_new = tree_.Insert(NewEntry(&tree_, key, sequence));
    EXPECT_EQ(is_new, sorted_.insert({key, sequence}).second) << key;
    return is_new;
  }
  bool InsertSingleWriter(const std::string& key, uint64_t sequence) {
    const bool is_new =
        tree_.InsertSingleWriter(NewEntry(&tree_, key, sequence));
    EXPECT_EQ(is_new, sorted_.insert({key, sequence}).second) << key;
    return is_new;
  }

  bool InsertInBatch(const std::string& key, uint64_t sequence,
                     ArtWriterBuffer* buffer) {
    const bool is_new =
        tree_.InsertInBatch(NewEntry(&tree_, key, sequence), buffer);
    EXPECT_EQ(is_new, sorted_.insert({key, sequence}).second) << key;
    return is_new;
  }

  size_t Depth() {
    size_t deepest = 0;
    ForEachNode(&tree_, [&deepest](ArtNodeOwner, size_t depth) {
      deepest = std::max(deepest, depth);
    });
    return deepest;
  }

  // The invariants, the counters, and both walks.
  void CheckTree() {
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    ASSERT_EQ(sorted_.size(), tree_.NumEntries());
    const ArtStats stats = tree_.GetStats();
    ASSERT_EQ(allocator_.bytes() + stats.heap_bytes, stats.allocated_bytes);
    ASSERT_LE(stats.live_node_bytes + stats.free_node_bytes +
                  stats.entry_bytes + stats.entry_padding,
              stats.allocated_bytes);
    ArtIterator iter(&tree_);
    iter.SeekToFirst();
    for (const TestKey& key : sorted_) {
      ASSERT_TRUE(iter.Valid()) << key;
      ASSERT_EQ(key, KeyOf(iter.entry()));
      ASSERT_TRUE(iter.AgreesWithPath(&reason)) << reason;
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid());
    iter.SeekToLast();
    for (auto it = sorted_.rbegin(); it != sorted_.rend(); ++it) {
      ASSERT_TRUE(iter.Valid()) << *it;
      ASSERT_EQ(*it, KeyOf(iter.entry()));
      iter.Prev();
    }
    ASSERT_FALSE(iter.Valid());
  }

  // And every kind of look-up at every key.
  void CheckAll() {
    ASSERT_NO_FATAL_FAILURE(CheckTree());
    for (const TestKey& key : sorted_) {
      ASSERT_NO_FATAL_FAILURE(CheckSeeks(key));
    }
  }

  // That the iterator is where the set's is; end() stands for not valid.
  void CheckAt(const ArtIterator& iter, Set::const_iterator at,
               const TestKey& target) {
    ASSERT_EQ(at != sorted_.end(), iter.Valid()) << target;
    if (iter.Valid()) {
      ASSERT_EQ(*at, KeyOf(iter.entry())) << target;
    }
  }

  void CheckSeeks(const TestKey& target) {
    const ArtKey key = Key(target);
    const auto at = sorted_.lower_bound(target);
    const bool there = at != sorted_.end() && *at == target;
    ASSERT_EQ(there, tree_.Contains(key)) << target;

    const char* got = tree_.Get(key);
    const bool has = at != sorted_.end() && at->user_key == target.user_key;
    ASSERT_EQ(has, got != nullptr) << target;
    if (has) {
      ASSERT_EQ(*at, KeyOf(got)) << target;
    }

    ArtIterator iter(&tree_);
    iter.Seek(key);
    ASSERT_NO_FATAL_FAILURE(CheckAt(iter, at, target));
    if (iter.Valid()) {
      iter.Prev();
      ASSERT_NO_FATAL_FAILURE(CheckAt(iter, Before(at), target));
    }
    ArtIterator::Disagreement found;
    ASSERT_TRUE(iter.SeekAndCheck(key, &found)) << found.reason;
    ASSERT_NO_FATAL_FAILURE(CheckAt(iter, at, target));

    const auto behind = there ? std::next(at) : at;
    iter.SeekForPrev(key);
    ASSERT_NO_FATAL_FAILURE(CheckAt(iter, Before(behind), target));
    if (iter.Valid()) {
      iter.Next();
      ASSERT_NO_FATAL_FAILURE(CheckAt(iter, behind, target));
    }
  }

  Set::const_iterator Before(Set::const_iterator at) const {
    return at == sorted_.begin() ? sorted_.end() : std::prev(at);
  }

 private:
  HeapAllocator allocator_;
  ArtTree tree_;
  Set sorted_;
};

class ArtScaffoldTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  ArtScaffoldTest() : scaffold_(GetParam()), random_(TestSeed()) {}
  bool Forward() const { return GetParam() == ArtOrder::kBytewise; }

  Scaffold scaffold_;
  Random random_;
};

}  // namespace art_test
}  // namespace memkv
