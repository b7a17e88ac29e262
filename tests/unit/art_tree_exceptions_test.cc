// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Allocators that throw leave the tree as it was.

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "tests/util/art_scaffold.h"

namespace memkv {
namespace art_test {

using ArtTreeTest = ArtScaffoldTest;

class ThrowingAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    if (left == 0) {
      throw std::bad_alloc();
    }
    --left;
    return HeapAllocator::AllocateAligned(bytes);
  }
  int left = 1 << 30;
};

class ArtTreeThrowTest : public ArtTreeTest {
 protected:
  static constexpr int kEntries = 3000;

  // All at once and early, so that later only nodes need memory.
  enum class Keys { kScattered, kInOrder, kPairsInOrder };
  void MakeEntries(ArtTree* tree, int round, Keys keys = Keys::kScattered) {
    keys_.clear();
    entries_.clear();
    for (int i = 0; i < kEntries; ++i) {
      std::string key = std::to_string(i * 7919 % kEntries);
      if (keys == Keys::kInOrder) {
        key = std::to_string(10000 + i);
      } else if (keys == Keys::kPairsInOrder) {
        // Two share more than the codes of a node reach.
        key = std::to_string(10000 + i / 2) + std::string(300, 'p') +
              std::to_string(i % 2);
      }
      keys_.push_back({key, static_cast<uint64_t>(i + 1)});
      entries_.push_back(
          NewEntry(tree, keys_.back().user_key, keys_.back().sequence));
    }
    // The arena's first shortage is elsewhere each time.
    for (int i = 0; i < round; ++i) {
      NewEntry(tree, std::string(40, 'r'), 1);
    }
  }

  std::vector<TestKey> keys_;
  std::vector<ArtRef> entries_;
};

TEST_P(ArtTreeThrowTest, InsertThatThrowsLeavesTheTreeAsItWas) {
  int failures = 0;
  for (int round = 0; round < 10; ++round) {
    ThrowingAllocator allocator;
    ArtTree tree(GetParam(), &allocator);
    MakeEntries(&tree, round);
    uint64_t inserted = 0;
    std::string reason;
    for (size_t i = 0; i < entries_.size(); ++i) {
      // One call may need several pieces: it fails at each of them.
      for (int calls = 0;; ++calls) {
        ASSERT_LT(calls, 10);
        allocator.left = calls;
        try {
          ASSERT_TRUE(tree.Insert(entries_[i])) << keys_[i];
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
          ASSERT_EQ(inserted, tree.NumEntries());
          ASSERT_TRUE(tree.Validate(&reason)) << reason;
          ASSERT_FALSE(tree.Contains(ToArtKey(keys_[i], GetParam())));
        }
      }
      ++inserted;
    }
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
  EXPECT_GT(failures, 50);
}

TEST_P(ArtTreeThrowTest, SingleWriterThatThrowsLeavesTheTreeAsItWas) {
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    ThrowingAllocator allocator;
    ArtTree tree(GetParam(), &allocator);
    MakeEntries(&tree, round, static_cast<Keys>(round % 3));
    std::string reason;
    for (size_t i = 0; i < entries_.size(); ++i) {
      // Some are tried again and again while there is nothing to be had.
      for (int tries = 0;; ++tries) {
        allocator.left = tries < round ? 0 : 10;
        try {
          ASSERT_TRUE(tree.InsertSingleWriter(entries_[i])) << keys_[i];
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
          allocator.left = 0;
          try {
            tree.DrainIfWaiting();
          } catch (const std::bad_alloc&) {
            ++failures;
          }
        }
      }
    }
    allocator.left = 100;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(entries_.size(), tree.NumEntries());
    for (const TestKey& key : keys_) {
      ASSERT_TRUE(tree.Contains(ToArtKey(key, GetParam()))) << key;
    }
  }
  EXPECT_GT(failures, 50);
}

TEST_P(ArtTreeThrowTest, BatchThatThrowsGoesOnAndLosesNothing) {
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    ThrowingAllocator allocator;
    ArtTree tree(GetParam(), &allocator);
    MakeEntries(&tree, round, static_cast<Keys>(round % 3));
    ArtWriterBuffer buffer;
    std::string reason;
    const auto until_it_succeeds = [&](auto&& call) {
      for (int calls = 0;; ++calls) {
        allocator.left = calls;
        try {
          call();
          return;
        } catch (const std::bad_alloc&) {
          ++failures;
          ASSERT_TRUE(tree.Validate(&reason)) << reason;
        }
      }
    };
    for (size_t i = 0; i < entries_.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(until_it_succeeds([&] {
        ASSERT_TRUE(tree.InsertInBatch(entries_[i], &buffer)) << keys_[i];
      }));
      if (random_() % 32 == 0) {
        ASSERT_NO_FATAL_FAILURE(
            until_it_succeeds([&] { tree.FinishBatch(&buffer); }));
        ASSERT_EQ(i + 1, tree.NumEntries());
      }
    }
    ASSERT_NO_FATAL_FAILURE(
        until_it_succeeds([&] { tree.FinishBatch(&buffer); }));
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(entries_.size(), tree.NumEntries());
    for (const TestKey& key : keys_) {
      ASSERT_TRUE(tree.Contains(ToArtKey(key, GetParam()))) << key;
    }
  }
  EXPECT_GT(failures, 50);
}

// Keys that are each other's prefixes, whose nodes are split downwards.
TEST_P(ArtTreeThrowTest, SplitThatThrowsLeavesTheTreeAsItWas) {
  constexpr size_t kKeys = 1000;
  int failures = 0;
  constexpr int kRounds = 24;
  for (int round = 0; round < kRounds; ++round) {
    ThrowingAllocator allocator;
    ArtTree tree(GetParam(), &allocator);
    std::vector<ArtRef> entries;
    for (size_t i = 0; i < kKeys; ++i) {
      entries.push_back(NewEntry(&tree, std::string(i, 'x'), 1));
    }
    // The arena's first shortage is elsewhere each time.
    for (int i = 0; i < round; ++i) {
      NewEntry(&tree, std::string(100, 'r'), 1);
    }
    std::shuffle(entries.begin(), entries.end(), random_);
    std::string reason;
    uint64_t inserted = 0;
    for (const ArtRef entry : entries) {
      for (int calls = 0;; ++calls) {
        ASSERT_LT(calls, 10);
        allocator.left = calls;
        try {
          ASSERT_TRUE(tree.Insert(entry));
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
          ASSERT_EQ(inserted, tree.NumEntries());
          ASSERT_TRUE(tree.Validate(&reason)) << reason;
        }
      }
      ++inserted;
    }
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
  EXPECT_GT(failures, kRounds);
}

// RocksDB has counted the memory by then, and readers are not counted.
TEST_P(ArtTreeThrowTest, ReadersAndMarkReadOnlyTakeNothingFromTheAllocator) {
  for (int entries = 1; entries < 300; ++entries) {
    ThrowingAllocator allocator;
    ArtTree tree(GetParam(), &allocator);
    MakeEntries(&tree, 0);
    for (int i = 0; i < entries; ++i) {
      allocator.left = 100;
      ASSERT_TRUE(tree.InsertSingleWriter(entries_[static_cast<size_t>(i)]));
      allocator.left = 0;
      // Now and then, so that entries have come to wait again.
      if (i % 100 == 90) {
        ASSERT_TRUE(tree.Contains(ToArtKey(keys_[0], GetParam())));
      }
    }
    tree.MarkReadOnly();
    ASSERT_EQ(static_cast<uint64_t>(entries), tree.NumEntries());
    for (int i = 0; i < entries; ++i) {
      ASSERT_TRUE(
          tree.Contains(ToArtKey(keys_[static_cast<size_t>(i)], GetParam())));
    }
    // Against the rules, and right all the same.
    allocator.left = 100;
    ASSERT_TRUE(
        tree.InsertSingleWriter(entries_[static_cast<size_t>(entries)]));
    ASSERT_EQ(static_cast<uint64_t>(entries) + 1, tree.NumEntries());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeThrowTest, ::testing::ValuesIn(kOrders),
                         OrderName);

}  // namespace art_test
}  // namespace memkv
