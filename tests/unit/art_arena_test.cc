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
#include "tests/unit/art_scattering_allocator.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {

using Random = std::mt19937_64;

constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                ArtOrder::kReverseBytewise};

// ---- The arena ----

// Memory with something of its own in it.
struct Filled {
  ArtRef ref;
  char* memory;
  std::string bytes;

  bool Intact(const ArtArena& arena) const {
    return arena.Resolve(ref) == memory &&
           memcmp(memory, bytes.data(), bytes.size()) == 0;
  }
};

std::string RandomBytes(size_t size, Random* random) {
  std::string bytes(size, '\0');
  const uint64_t word = (*random)();
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((word >> (8 * (i % 8))) + i / 8);
  }
  return bytes;
}

Filled Fill(ArtRef ref, char* memory, const std::string& bytes) {
  memcpy(memory, bytes.data(), bytes.size());
  return Filled{ref, memory, bytes};
}

void ExpectStatsAddUp(const ArtStats& stats, size_t allocated) {
  EXPECT_EQ(allocated, stats.allocated_bytes);
  uint64_t live = 0;
  uint64_t free = 0;
  for (int c = 0; c < kArtNodeClasses; ++c) {
    live += stats.live_nodes[c] * ArtNode::Bytes(c);
    free += stats.free_nodes[c] * ArtNode::Bytes(c);
  }
  EXPECT_EQ(live, stats.live_node_bytes);
  EXPECT_EQ(free, stats.free_node_bytes);
  EXPECT_LE(live + free + stats.entry_bytes + stats.entry_padding,
            stats.allocated_bytes);
}

size_t RandomSize(Random* random) {
  const uint64_t kind = (*random)() % 10000;
  if (kind == 0) {
    return 1 + (*random)() % (5 << 20);
  }
  if (kind < 10) {
    return 1 + (*random)() % (80 << 10);
  }
  return 1 + (*random)() % (kind < 8000 ? 60 : 600);
}

TEST(ArtArenaTest, NothingOverlapsAndEveryReferenceResolves) {
  Random random(TestSeed());
  HeapAllocator allocator;
  ArtArena arena(&allocator);
  EXPECT_EQ(0u, allocator.calls());
  struct Node {
    ArtRef ref;
    int node_class;
    Filled content;
  };
  std::vector<Filled> entries;
  std::vector<Node> nodes;
  uint64_t asked = 0;
  uint64_t live[kArtNodeClasses] = {};
  // What the version of a node's memory was when it was given back.
  std::map<ArtRef, uint32_t> versions;
  size_t reused = 0;
  for (int i = 0; i < 60000; ++i) {
    // Now and then nodes are freed by the hundred, so that entries get them.
    const bool frees = i / 500 % 4 == 3;
    if (!frees && random() % 2 == 0) {
      const int c = static_cast<int>(random() % kArtNodeClasses);
      const ArtRef ref = arena.AllocateNode(c);
      ASSERT_NE(kArtNoRef, ref);
      ASSERT_TRUE(ArtIsNode(ref));
      ArtNode* node = arena.NodeAt(ref);
      ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(node) % 16);
      const uint32_t version = node->Version();
      const auto before = versions.find(ref);
      if (before != versions.end()) {
        ASSERT_EQ(before->second, version);
        versions.erase(before);
        ++reused;
      } else {
        ASSERT_EQ(0u, version);
      }
      ASSERT_TRUE(node->TryLock(version));
      node->Unlock(version);
      nodes.push_back(
          {ref, c,
           Fill(ref - 1 + sizeof(ArtNode) / 2,
                reinterpret_cast<char*>(node + 1),
                RandomBytes(ArtNode::Bytes(c) - sizeof(ArtNode), &random))});
      ++live[c];
    } else if (frees && !nodes.empty()) {
      std::swap(nodes[random() % nodes.size()], nodes.back());
      const Node& node = nodes.back();
      ASSERT_TRUE(node.content.Intact(arena));
      versions[node.ref] = arena.NodeAt(node.ref)->Version();
      arena.FreeNode(node.ref, node.node_class);
      --live[node.node_class];
      nodes.pop_back();
    }
    const size_t bytes = RandomSize(&random);
    char* memory = nullptr;
    const ArtRef ref = arena.AllocateEntry(bytes, &memory);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_FALSE(ArtIsNode(ref));
    ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(memory) % 4);
    entries.push_back(Fill(ref, memory, RandomBytes(bytes, &random)));
    asked += bytes;
  }
  for (const Filled& entry : entries) {
    ASSERT_TRUE(entry.Intact(arena)) << entry.bytes.size();
  }
  for (const Node& node : nodes) {
    ASSERT_TRUE(node.content.Intact(arena));
  }
  // Those not given out again: their versions are as they were, whatever the
  // rest of their memory is used for.
  for (const auto& [ref, version] : versions) {
    ASSERT_EQ(version, arena.NodeAt(ref)->Version());
  }
  const ArtStats stats = arena.GetStats();
  EXPECT_EQ(asked, stats.entry_bytes);
  uint64_t free = 0;
  for (int c = 0; c < kArtNodeClasses; ++c) {
    EXPECT_EQ(live[c], stats.live_nodes[c]);
    free += stats.free_nodes[c];
  }
  // Some were given out again, some went to entries.
  EXPECT_GT(reused, 100u);
  EXPECT_LT(free, versions.size());
  ExpectStatsAddUp(stats, allocator.bytes());
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
        mine.push_back(Fill(ref, memory, RandomBytes(bytes, &random)));
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
      bytes += RandomBytes(random() % 40, &random);
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

// ---- Far entries ----

using Placing = ScatteringAllocator::Placing;

// More than there are slots, each out of reach of all others.
TEST(ArtArenaTest, LargeEntriesTakeNoSlotEachWhereverTheyAre) {
  for (const Placing placing :
       {Placing::kDescending, Placing::kShuffled, Placing::kOneBehindAnother}) {
    Random random(TestSeed());
    ScatteringAllocator allocator(placing);
    ArtArena arena(&allocator);
    std::vector<Filled> entries;
    std::set<ArtRef> refs;
    uint64_t asked = 0;
    constexpr int kEntries = 10000;
    for (int i = 0; i < kEntries; ++i) {
      const size_t bytes = 270000 + random() % 100;
      char* memory = nullptr;
      const ArtRef ref = arena.AllocateEntry(bytes, &memory);
      ASSERT_NE(kArtNoRef, ref) << i;
      ASSERT_FALSE(ArtIsNode(ref));
      ASSERT_TRUE(refs.insert(ref).second);
      entries.push_back(Fill(ref, memory, RandomBytes(8, &random)));
      asked += bytes;
      if (i % 100 == 0) {
        const ArtRef node = arena.AllocateNode(1);
        ASSERT_NE(kArtNoRef, node);
        ASSERT_EQ(0u, arena.NodeAt(node)->Version());
      }
    }
    for (const Filled& entry : entries) {
      ASSERT_TRUE(entry.Intact(arena));
    }
    EXPECT_TRUE(arena.TakesEntries());
    // A cell of 8 bytes each, with what is not used yet, twice; and the extents
    // for the nodes, and the table of slots.
    EXPECT_LE(arena.GetStats().allocated_bytes,
              asked + kEntries * (8 + 2 * 8) + (4 << 20));
    EXPECT_EQ(allocator.bytes(), arena.GetStats().allocated_bytes);
  }
}

// How many bytes of entries the arena names before it refuses.
uint64_t BytesNamed(ArtArena* arena, size_t bytes) {
  uint64_t n = 0;
  char* memory = nullptr;
  while (arena->AllocateEntry(bytes, &memory) != kArtNoRef) {
    ++n;
  }
  return n * bytes;
}

TEST(ArtArenaTest, NearMemoryReachesAsFarAsItIsSaidTo) {
  constexpr double kGiB = double{1 << 30};
  for (const size_t block : {size_t{0}, size_t{4} << 10, size_t{64} << 10,
                             size_t{1} << 20, size_t{8} << 20}) {
    for (const Placing placing :
         {Placing::kOneBehindAnother, Placing::kDescending}) {
      ScatteringAllocator allocator(placing, block);
      ArtArena arena(&allocator);
      const double named = static_cast<double>(BytesNamed(&arena, 3000));
      EXPECT_GE(named, (placing == Placing::kDescending ? 5 : 7.8) * kGiB)
          << block;
      EXPECT_LE(named, 8 * kGiB) << block;
      EXPECT_FALSE(arena.TakesEntries());
    }
  }
}

TEST(ArtArenaTest, TableOfSlotsGrowsUnderReferencesThatAreHeld) {
  ScatteringAllocator allocator(Placing::kDescending);
  ArtArena arena(&allocator);
  Random random(TestSeed());
  std::vector<Filled> entries;
  for (int i = 0; i < 300000; ++i) {
    char* memory = nullptr;
    const ArtRef ref = arena.AllocateEntry(200, &memory);
    ASSERT_NE(kArtNoRef, ref);
    if (i % 10 == 0) {
      entries.push_back(Fill(ref, memory, RandomBytes(8, &random)));
      ASSERT_TRUE(entries[random() % entries.size()].Intact(arena));
    }
  }
  constexpr int kSlotShift = 20;
  EXPECT_GT(entries.back().ref >> kSlotShift, 300u);
  for (const Filled& entry : entries) {
    ASSERT_TRUE(entry.Intact(arena));
  }
}

// ---- The end of the references ----

// An arena of few slots, each of which has one extent.
TEST(ArtArenaTest, RefusalIsForGoodAndTakesNoMemory) {
  for (uint32_t slots = 4; slots <= 40; ++slots) {
    for (const size_t bytes : {10, 100, 1000, 100000}) {
      ScatteringAllocator allocator(Placing::kDescending);
      ArtArena arena(&allocator, slots);
      size_t accepted = 0;
      char* memory = nullptr;
      // 100 kB: as many cells as a far slot has are named before.
      while (arena.AllocateEntry(bytes, &memory) != kArtNoRef) {
        ASSERT_LT(++accepted, 3000000u);
      }
      EXPECT_GT(accepted, 0u);
      const size_t calls = allocator.calls();
      const ArtStats before = arena.GetStats();
      for (const size_t other : {1, 50, 700, 100000, 5000000}) {
        char* const untouched = memory;
        ASSERT_EQ(kArtNoRef, arena.AllocateEntry(other, &memory));
        ASSERT_EQ(untouched, memory);
      }
      EXPECT_EQ(calls, allocator.calls());
      EXPECT_EQ(before.entry_bytes, arena.GetStats().entry_bytes);
      EXPECT_EQ(accepted * bytes, before.entry_bytes);
      // The reserve is for nodes.
      for (int i = 0; i < 300; ++i) {
        ASSERT_NE(kArtNoRef, arena.AllocateNode(kArtNodeClasses - 1));
      }
      ExpectStatsAddUp(arena.GetStats(), allocator.bytes());
    }
  }
}

TEST(ArtArenaTest, AcceptedEntriesGetInWhenNoMoreAreTaken) {
  constexpr size_t kHeld = 100;
  for (const ArtOrder order : kOrders) {
    for (uint32_t slots = 4; slots <= 30; ++slots) {
      ScatteringAllocator allocator(Placing::kDescending);
      ArtTree tree(order, &allocator, slots);
      // Entries of `kHeld` threads wait for their insert, those of one in the
      // ring.
      std::vector<std::pair<TestKey, ArtRef>> held;
      uint64_t n = 0;
      for (;; ++n) {
        const TestKey key{std::to_string(n * 7919 % 100003), n + 1};
        const ArtRef ref = TryNewEntry(&tree, key.user_key, key.sequence);
        if (ref == kArtNoRef) {
          break;
        }
        held.emplace_back(key, ref);
        if (held.size() > kHeld) {
          ASSERT_TRUE(tree.InsertSingleWriter(held.front().second));
          held.erase(held.begin());
        }
      }
      for (const auto& [key, ref] : held) {
        ASSERT_TRUE(tree.Insert(ref)) << slots << " " << key;
      }
      std::string reason;
      ASSERT_TRUE(tree.Validate(&reason)) << reason;
      ASSERT_EQ(n, tree.NumEntries());
      for (uint64_t i = 0; i < n; ++i) {
        const TestKey key{std::to_string(i * 7919 % 100003), i + 1};
        ASSERT_TRUE(tree.Contains(ToArtKey(key, order))) << slots;
      }
    }
  }
}

TEST(ArtArenaTest, TreeStaysWholeWhenTheReserveIsUsedUp) {
  ScatteringAllocator allocator(Placing::kDescending);
  ArtTree tree(ArtOrder::kBytewise, &allocator, 20);
  constexpr int kEntries = 60000;
  const auto key = [](int i) { return std::to_string(i * 7919 % kEntries); };
  std::vector<ArtRef> entries;
  for (int i = 0; i < kEntries; ++i) {
    entries.push_back(TryNewEntry(&tree, key(i), static_cast<uint64_t>(i + 1)));
    if (entries.back() == kArtNoRef) {
      entries.pop_back();
      break;
    }
  }
  // Now there are nodes of the largest class only, and what is left of the last
  // region.
  ArtArena& arena = const_cast<ArtArena&>(tree.TEST_Arena());
  std::vector<ArtRef> nodes;
  do {
    nodes.push_back(arena.AllocateNode(kArtNodeClasses - 1));
  } while (nodes.back() != kArtNoRef);
  nodes.pop_back();
  for (const ArtRef node : nodes) {
    arena.FreeNode(node, kArtNodeClasses - 1);
  }
  uint64_t inserted = 0;
  size_t refused = 0;
  size_t i = 0;
  std::string reason;
  for (; i < entries.size() - 16; ++i) {
    const bool in = tree.Insert(entries[i]);
    inserted += in;
    refused += !in;
    ASSERT_EQ(in, tree.Contains(ToArtKey({key(static_cast<int>(i)), i + 1},
                                         tree.order())));
    if (i % 50 == 0) {
      ASSERT_TRUE(tree.Validate(&reason)) << reason;
    }
  }
  EXPECT_GT(inserted, 0u);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(inserted, tree.NumEntries());
  // One that waits was accepted: it is not dropped, but whoever should let it
  // in is told that there is no memory for that.
  for (; i < entries.size(); ++i) {
    ASSERT_TRUE(tree.InsertSingleWriter(entries[i]));
  }
  EXPECT_THROW(tree.DrainIfWaiting(), std::bad_alloc);
  EXPECT_THROW(tree.DrainIfWaiting(), std::bad_alloc);
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

// ---- Exceptions ----

TEST(ArtArenaTest, EveryAllocationMayFailAndNothingChanges) {
  size_t failures = 0;
  for (const Placing placing :
       {Placing::kDescending, Placing::kOneBehindAnother}) {
    Random random(TestSeed());
    ScatteringAllocator allocator(placing);
    ArtArena arena(&allocator);
    std::vector<Filled> entries;
    uint64_t asked = 0;
    for (int i = 0; i < 3000; ++i) {
      const size_t bytes =
          std::vector<size_t>{20, 500, 5000, 100000}[random() % 4];
      // A window or a cell, a table of slots or cells, and the memory.
      for (int calls = 0;; ++calls) {
        ASSERT_LT(calls, 5);
        allocator.FailAfter(calls);
        try {
          char* memory = nullptr;
          const ArtRef ref = arena.AllocateEntry(bytes, &memory);
          ASSERT_NE(kArtNoRef, ref);
          entries.push_back(Fill(ref, memory, RandomBytes(16, &random)));
          asked += bytes;
          arena.AllocateNode(8);
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
        }
        if (entries.size() > 3) {
          ASSERT_TRUE(entries[random() % entries.size()].Intact(arena));
        }
      }
    }
    for (const Filled& entry : entries) {
      ASSERT_TRUE(entry.Intact(arena));
    }
    EXPECT_EQ(asked, arena.GetStats().entry_bytes);
    ExpectStatsAddUp(arena.GetStats(), allocator.bytes());
  }
  EXPECT_GT(failures, 1000u);
}

}  // namespace art_test
}  // namespace memkv
