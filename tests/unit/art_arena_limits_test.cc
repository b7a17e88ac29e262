// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtArena at its ends: entries that lie far off, references that run out,
// allocators that throw.

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "memtable/art/arena.h"
#include "memtable/art/tree.h"
#include "tests/unit/art_arena_test_util.h"
#include "tests/util/art_scattering_allocator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

using Placing = ScatteringAllocator::Placing;

// ---- Far entries ----

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
      entries.push_back(Fill(ref, memory, PatternedBytes(8, &random)));
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
      entries.push_back(Fill(ref, memory, PatternedBytes(8, &random)));
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
          entries.push_back(Fill(ref, memory, PatternedBytes(16, &random)));
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
