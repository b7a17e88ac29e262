// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtArena: what it gives out, how it names it, and what it refuses.

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memtable/art/arena.h"
#include "memtable/art/tree.h"
#include "tests/unit/art_arena_test_util.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

// Nodes and entries of one arena, each with bytes of its own.
class FilledArena {
 public:
  explicit FilledArena(uint64_t seed) : random_(seed), arena_(&allocator_) {
    EXPECT_EQ(0u, allocator_.calls());
  }

  uint64_t Draw() { return random_(); }

  void AddNode() {
    const int c = static_cast<int>(random_() % kArtNodeClasses);
    const ArtRef ref = arena_.AllocateNode(c);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_TRUE(ArtIsNode(ref));
    ArtNode* node = arena_.NodeAt(ref);
    ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(node) % 16);
    const uint32_t version = node->Version();
    const auto before = versions_.find(ref);
    if (before != versions_.end()) {
      ASSERT_EQ(before->second, version);
      versions_.erase(before);
      ++reused_;
    } else {
      ASSERT_EQ(0u, version);
    }
    ASSERT_TRUE(node->TryLock(version));
    node->Unlock(version);
    nodes_.push_back(
        {ref, c,
         Fill(ref - 1 + sizeof(ArtNode) / 2, reinterpret_cast<char*>(node + 1),
              PatternedBytes(ArtNode::Bytes(c) - sizeof(ArtNode), &random_))});
    ++live_[c];
  }

  void FreeNode() {
    if (nodes_.empty()) {
      return;
    }
    std::swap(nodes_[random_() % nodes_.size()], nodes_.back());
    const Node& node = nodes_.back();
    ASSERT_TRUE(node.content.Intact(arena_));
    versions_[node.ref] = arena_.NodeAt(node.ref)->Version();
    arena_.FreeNode(node.ref, node.node_class);
    --live_[node.node_class];
    nodes_.pop_back();
  }

  void AddEntry() {
    const size_t bytes = RandomSize(&random_);
    char* memory = nullptr;
    const ArtRef ref = arena_.AllocateEntry(bytes, &memory);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_FALSE(ArtIsNode(ref));
    ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(memory) % 4);
    entries_.push_back(Fill(ref, memory, PatternedBytes(bytes, &random_)));
    asked_ += bytes;
  }

  void ExpectAllIntact() const {
    for (const Filled& entry : entries_) {
      ASSERT_TRUE(entry.Intact(arena_)) << entry.bytes.size();
    }
    for (const Node& node : nodes_) {
      ASSERT_TRUE(node.content.Intact(arena_));
    }
    // Those not given out again: their versions are as they were, whatever the
    // rest of their memory is used for.
    for (const auto& [ref, version] : versions_) {
      ASSERT_EQ(version, arena_.NodeAt(ref)->Version());
    }
  }

  void ExpectStats() const {
    const ArtStats stats = arena_.GetStats();
    EXPECT_EQ(asked_, stats.entry_bytes);
    uint64_t free = 0;
    for (int c = 0; c < kArtNodeClasses; ++c) {
      EXPECT_EQ(live_[c], stats.live_nodes[c]);
      free += stats.free_nodes[c];
    }
    // Some were given out again, some went to entries.
    EXPECT_GT(reused_, 100u);
    EXPECT_LT(free, versions_.size());
    ExpectStatsAddUp(stats, allocator_.bytes());
  }

 private:
  struct Node {
    ArtRef ref;
    int node_class;
    Filled content;
  };

  Random random_;
  HeapAllocator allocator_;
  ArtArena arena_;
  std::vector<Filled> entries_;
  std::vector<Node> nodes_;
  uint64_t asked_ = 0;
  uint64_t live_[kArtNodeClasses] = {};
  // What the version of a node's memory was when it was given back.
  std::map<ArtRef, uint32_t> versions_;
  size_t reused_ = 0;
};

TEST(ArtArenaTest, NothingOverlapsAndEveryReferenceResolves) {
  FilledArena filled(TestSeed());
  for (int i = 0; i < 60000; ++i) {
    // Now and then nodes are freed by the hundred, so that entries get them.
    const bool frees = i / 500 % 4 == 3;
    if (frees) {
      ASSERT_NO_FATAL_FAILURE(filled.FreeNode());
    } else if (filled.Draw() % 2 == 0) {
      ASSERT_NO_FATAL_FAILURE(filled.AddNode());
    }
    ASSERT_NO_FATAL_FAILURE(filled.AddEntry());
  }
  ASSERT_NO_FATAL_FAILURE(filled.ExpectAllIntact());
  filled.ExpectStats();
}

TEST(ArtArenaTest, ThreadsGetMemoryOfTheirOwn) {
  HeapAllocator allocator;
  ArtArena arena(&allocator);
  constexpr int kThreads = 4;
  std::vector<Filled> entries[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&arena, &mine = entries[t], t] {
      Random random(TestSeed() + static_cast<uint64_t>(t));
      std::vector<std::pair<ArtRef, int>> nodes;
      for (int i = 0; i < 10000; ++i) {
        const size_t bytes = 1 + random() % (random() % 500 == 0 ? 40000 : 100);
        char* memory = nullptr;
        const ArtRef ref = arena.AllocateEntry(bytes, &memory);
        mine.push_back(Fill(ref, memory, PatternedBytes(bytes, &random)));
        const int c = static_cast<int>(random() % kArtNodeClasses);
        nodes.emplace_back(arena.AllocateNode(c), c);
        if (i % 100 >= 50) {
          arena.FreeNode(nodes.back().first, nodes.back().second);
          nodes.pop_back();
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& of_one : entries) {
    for (const Filled& entry : of_one) {
      ASSERT_TRUE(entry.Intact(arena));
    }
  }
  ExpectStatsAddUp(arena.GetStats(), allocator.bytes());
}

TEST(ArtArenaTest, EntriesInTheScrapsOfAGrowingTreeStayWhole) {
  for (const ArtOrder order : kOrders) {
    Random random(TestSeed());
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    std::vector<Filled> entries;
    uint64_t inserted = 0;
    for (int i = 0; i < 40000; ++i) {
      // Size, 4 bytes of key, tag, and what the tree does not read.
      std::string bytes(1, 12);
      for (int k = 0; k < 4; ++k) {
        bytes.push_back(static_cast<char>(random() % 32));
      }
      bytes += std::string(8, '\1');
      bytes += PatternedBytes(random() % 40, &random);
      char* memory = nullptr;
      const ArtRef ref = tree.AllocateEntry(bytes.size(), &memory);
      entries.push_back(Fill(ref, memory, bytes));
      inserted += tree.Insert(ref);
    }
    for (const Filled& entry : entries) {
      ASSERT_TRUE(entry.Intact(tree.TEST_Arena()));
    }
    EXPECT_EQ(inserted, tree.NumEntries());
    std::string reason;
    EXPECT_TRUE(tree.Validate(&reason)) << reason;
    ExpectStatsAddUp(tree.GetStats(), allocator.bytes());
  }
}

TEST(ArtArenaTest, EntriesOfOneSizeTakeLittleMoreThanTheyAre) {
  for (const size_t bytes :
       {10, 100, 1000, 5000, 16000, 16384, 20000, 40000, 70000, 300000}) {
    HeapAllocator allocator;
    ArtArena arena(&allocator);
    uint64_t asked = 0;
    for (; asked < (size_t{32} << 20); asked += bytes) {
      char* memory = nullptr;
      arena.AllocateEntry(bytes, &memory);
    }
    EXPECT_LE(allocator.bytes(), asked + asked / 3) << bytes;
  }
}

// Gives out pieces of blocks, one behind the other, as RocksDB's Arena does.
class BlockAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    asked_ += bytes;
    if (bytes > kBlock / 4) {
      return HeapAllocator::AllocateAligned(bytes);
    }
    if (bytes > left_) {
      next_ = HeapAllocator::AllocateAligned(kBlock);
      left_ = kBlock;
    }
    left_ -= bytes;
    return (next_ += bytes) - bytes;
  }
  size_t BlockSize() const override { return kBlock; }

  static constexpr size_t kBlock = 128 << 10;
  size_t asked() const { return asked_; }
  size_t left() const { return left_; }

 private:
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t asked_ = 0;
};

TEST(ArtArenaTest, ArenaTakesWhatItsAllocatorsBlocksHold) {
  for (const size_t bytes : {10, 100, 300, 1000, 2000, 5000, 16000, 50000}) {
    BlockAllocator allocator;
    ArtArena arena(&allocator);
    size_t asked = 0;
    for (; asked < 8 * BlockAllocator::kBlock; asked += bytes) {
      char* memory = nullptr;
      ASSERT_NE(kArtNoRef, arena.AllocateEntry(bytes, &memory));
      memset(memory, 'e', bytes);
    }
    // Padding of up to 3 bytes an entry, or, if it comes from the allocator, of
    // up to 7; a block's end that is too short for an entry or an extent; and
    // the extent that is not full.
    const size_t padding = asked / bytes * (bytes < 64 ? 3 : 7);
    const size_t ends = 9 * std::max(bytes, BlockAllocator::kBlock / 16);
    EXPECT_LE(allocator.bytes() - allocator.left(), asked + padding + ends)
        << bytes;
    EXPECT_LE(allocator.asked(),
              asked + padding + BlockAllocator::kBlock / 16 + 9 * bytes)
        << bytes;
  }
}

TEST(ArtArenaTest, WhatComesFromOneBlockSharesASlot) {
  BlockAllocator allocator;
  ArtArena arena(&allocator);
  constexpr int kSlotShift = 20;
  std::set<ArtRef> slots;
  size_t entries = 0;
  for (; allocator.asked() < 60 * BlockAllocator::kBlock; ++entries) {
    char* memory = nullptr;
    const ArtRef ref = arena.AllocateEntry(1600, &memory);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_EQ(memory, arena.Resolve(ref));
    slots.insert(ref >> kSlotShift);
  }
  // Two, if one that was begun below a block ends within it.
  EXPECT_GT(entries, 4000u);
  EXPECT_LE(slots.size(), 2 * allocator.calls());
}

TEST(ArtArenaTest, EntriesThatGotNoMemoryAreNotCounted) {
  class Throwing : public ArtAllocator {
   public:
    char* AllocateAligned(size_t) override { throw std::bad_alloc(); }
  };
  Throwing allocator;
  ArtArena arena(&allocator);
  for (const size_t bytes : {1, 1000, 1000000}) {
    char* memory = nullptr;
    EXPECT_THROW(arena.AllocateEntry(bytes, &memory), std::bad_alloc);
  }
  EXPECT_THROW(arena.AllocateNode(3), std::bad_alloc);
  ExpectStatsAddUp(arena.GetStats(), 0);
}

// ---- Waiting ----

TEST(ArtPauseTest, WhoWaitsLongSleeps) {
  const auto ns = [](clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
  };
  const int64_t wall = ns(CLOCK_MONOTONIC);
  const int64_t cpu = ns(CLOCK_THREAD_CPUTIME_ID);
  // Of 200 turns, 64 spin, 32 yield, and 104 sleep: 8 of 50 us, 8 each of 100,
  // 200, 400 and 800, and 64 of 1000.
  for (int spins = 0; spins < 200; ++spins) {
    ArtPause(spins);
  }
  constexpr int64_t kSlept = 8 * 1550 * 1000;
  EXPECT_GE(ns(CLOCK_MONOTONIC) - wall, kSlept + 64 * 1000000);
  // What it takes of the processor is a small part.
  EXPECT_LT(ns(CLOCK_THREAD_CPUTIME_ID) - cpu, 20 * 1000000);
  // However often it is called, a turn is not longer than about 1 ms.
  ArtPause(1 << 30);
}

}  // namespace art_test
}  // namespace memkv
