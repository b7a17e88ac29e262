// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Readers that follow references while the arena's tables of slots and cells
// grow: with an allocator that leaves no two pieces in reach of each other,
// each extent takes a slot and each large entry a cell.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_crowd.h"
#include "tests/util/art_scattering_allocator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

// Size, key, tag; and the key once more at the end of what may be a long value.
ArtRef NewLongEntry(ArtTree* tree, const std::string& key, size_t bytes) {
  std::string head;
  AppendVarint32(&head, static_cast<uint32_t>(key.size() + 8));
  head += key;
  head += std::string("\x01\x07\0\0\0\0\0\0", 8);
  char* memory = nullptr;
  const ArtRef ref = tree->AllocateEntry(
      std::max(bytes, head.size() + sizeof(uint32_t)), &memory);
  memcpy(memory, head.data(), head.size());
  memcpy(memory + head.size(), &bytes, sizeof(uint32_t));
  return ref;
}

bool IsWhole(const char* entry) {
  const TestKey key = KeyOf(entry);
  uint32_t bytes;
  memcpy(&bytes, entry + 1 + key.user_key.size() + 8, sizeof(bytes));
  return key.sequence == 7 && bytes == 20 + key.user_key.back() % 4 * 1000u;
}

TEST(ArtArenaRaceTest, ReadersFollowReferencesWhileTheTablesGrow) {
  constexpr int kWriters = 2;
  constexpr int kEntries = 3000;
  for (const ScatteringAllocator::Placing placing :
       {ScatteringAllocator::Placing::kDescending,
        ScatteringAllocator::Placing::kShuffled}) {
    ScatteringAllocator allocator(placing);
    ArtTree tree(ArtOrder::kBytewise, &allocator);
    std::atomic<int> writers{kWriters};
    std::atomic<uint64_t> walked{0};
    Crowd crowd;
    for (int w = 0; w < kWriters; ++w) {
      crowd.Add([&, w] {
        for (int i = 0; i < kEntries; ++i) {
          // Not before a reader is on its way.
          while (i == kEntries / 10 && walked.load() == 0 && !HasFailure()) {
            std::this_thread::yield();
          }
          const std::string key =
              std::to_string(w) + "/" + std::to_string(i * 7919 % kEntries);
          const ArtRef ref =
              NewLongEntry(&tree, key, 20 + key.back() % 4 * 1000u);
          ASSERT_NE(kArtNoRef, ref);
          ASSERT_TRUE(tree.Insert(ref));
        }
        writers.fetch_sub(1);
      });
    }
    for (int reader = 0; reader < 2; ++reader) {
      crowd.Add([&] {
        while (writers.load() > 0) {
          ArtIterator iter(&tree);
          for (iter.SeekToFirst(); iter.Valid(); iter.Next()) {
            ASSERT_TRUE(IsWhole(iter.entry()));
            walked.fetch_add(1, std::memory_order_relaxed);
          }
        }
      });
    }
    crowd.Run();
    EXPECT_GT(walked.load(), 0u);
    EXPECT_EQ(uint64_t{kWriters * kEntries}, tree.NumEntries());
    std::string reason;
    EXPECT_TRUE(tree.Validate(&reason)) << reason;
    // Each of them took a slot or a cell.
    EXPECT_GT(allocator.calls(), 300u);
  }
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
