// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree::MarkReadOnly beside readers that let waiting entries in: only the
// writer ever calls the allocator, and nobody does in MarkReadOnly and behind
// it; every entry is in.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_crowd.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

constexpr ArtOrder kOrder = ArtOrder::kBytewise;

// Counts calls of other threads than the one that made it its own.
class OwnedAllocator : public HeapAllocator {
 public:
  void Own() { owner_ = std::this_thread::get_id(); }
  void Close() { owner_ = std::thread::id(); }
  char* AllocateAligned(size_t bytes) override {
    others.fetch_add(std::this_thread::get_id() == owner_ ? 0 : 1);
    return HeapAllocator::AllocateAligned(bytes);
  }

  std::atomic<int> others{0};

 private:
  std::atomic<std::thread::id> owner_{};
};

std::string Key(uint64_t i) { return std::to_string(i * 7919 % 10007); }

// An entry of the sequence i + 1, as one does that inserts alone.
void InsertNext(ArtTree* tree, uint64_t i) {
  ASSERT_TRUE(tree->InsertSingleWriter(NewEntry(tree, Key(i), i + 1)));
}

uint64_t Walk(const ArtTree& tree) {
  uint64_t n = 0;
  ArtIterator iter(&tree);
  for (iter.SeekToFirst(); iter.Valid(); iter.Next()) {
    ++n;
  }
  return n;
}

TEST(ArtTreeReadOnlyTest, OnlyTheWriterAllocatesAndNobodyBehindMarkReadOnly) {
  constexpr int kRounds = 400;
  std::mt19937_64 random(TestSeed());
  uint64_t reads = 0;
  for (int round = 0; round < kRounds; ++round) {
    OwnedAllocator allocator;
    std::atomic<bool> closed{false};
    ArtTree tree(kOrder, &allocator);
    // Not a multiple of the ring's size: some entries wait at the end.
    const uint64_t entries = 1 + random() % 150;
    std::atomic<uint64_t> read{0};
    Crowd crowd;
    crowd.Add([&] {
      allocator.Own();
      for (uint64_t i = 0; i < entries; ++i) {
        InsertNext(&tree, i);
      }
      allocator.Close();
      tree.MarkReadOnly();
      closed.store(true);
    });
    for (uint64_t reader = 0; reader < 2; ++reader) {
      crowd.Add([&, reader] {
        for (uint64_t i = reader; !closed.load(); ++i) {
          if (i % 8 == 0) {
            EXPECT_LE(Walk(tree), entries);
          } else {
            const std::string key = Key(i % entries);
            tree.Get(ArtKey(key.data(), key.size(), kArtMaxSequence, kOrder));
          }
          read.fetch_add(1);
        }
        // Nothing is missing, and nothing is left to be let in.
        EXPECT_EQ(entries, Walk(tree));
      });
    }
    crowd.Run();
    ASSERT_EQ(0, allocator.others.load()) << round;
    // Counts are exact when nobody lets entries in any more.
    EXPECT_EQ(entries, tree.NumEntries());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(0, allocator.others.load()) << round;
    reads += read.load();
  }
  EXPECT_GT(reads, static_cast<uint64_t>(kRounds));
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
