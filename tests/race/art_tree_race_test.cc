// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, free running; meant for ThreadSanitizer, and true
// without it. (Interleavings that are forced: art_tree_interleaving_test.cc and
// art_tree_stepping_test.cc.)
//
// MEMKV_RACE_SECONDS says how long all that may take.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_crowd.h"
#include "tests/race/art_tree_race_readers.h"
#include "tests/race/race_time.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

class ArtTreeRaceTest
    : public ::testing::TestWithParam<std::tuple<size_t, Writing, ArtOrder>> {
 protected:
  static constexpr int kCases = 42;

  const Load& load() const { return kLoads[std::get<0>(GetParam())]; }
  Writing writing() const { return std::get<1>(GetParam()); }
  ArtOrder order() const { return std::get<2>(GetParam()); }
};

TEST_P(ArtTreeRaceTest, HoldsWithoutThreads) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 4; ++seed) {
    std::mt19937_64 random(seed);
    Round round(load(), writing(), order(), 1000, seed);
    Walker walker(&round);
    while (!round.Finished()) {
      ASSERT_NO_FATAL_FAILURE(
          round.WriteOne(random() % round.writers(), &random));
      if (random() % 8 == 0) {
        ASSERT_NO_FATAL_FAILURE(walker.Work(&random));
        ASSERT_NO_FATAL_FAILURE(CheckLookUps(round, &random));
      }
    }
    ASSERT_NO_FATAL_FAILURE(round.CheckAtRest());
  }
}

TEST_P(ArtTreeRaceTest, ReadersFindAllThatWasInsertedBeforeTheySought) {
  // One that is large, and one that may be small.
  const RaceTime time(kCases, 2);
  std::mt19937_64 random(TestSeed());
  int rounds = 0;
  do {
    const uint64_t seed = random();
    // Small trees, too: what happens first happens once.
    const size_t inserts = static_cast<size_t>(load().inserts) >>
                           (rounds % 2 == 0 ? 0 : random() % 7);
    Round round(load(), writing(), order(), inserts, seed);
    RunRound(&round, seed);
    ASSERT_FALSE(::testing::Test::HasFailure())
        << "round " << rounds << ", " << inserts << " inserts, seed " << seed;
    ASSERT_NO_FATAL_FAILURE(round.CheckAtRest());
    ++rounds;
  } while (!time.IsUp(rounds));
  RecordProperty("rounds", rounds);
}

INSTANTIATE_TEST_SUITE_P(
    Loads, ArtTreeRaceTest,
    ::testing::Combine(::testing::Range<size_t>(0, std::size(kLoads)),
                       ::testing::Values(Writing::kTogether, Writing::kBatches,
                                         Writing::kAlone),
                       ::testing::ValuesIn(kOrders)),
    [](const ::testing::TestParamInfo<ArtTreeRaceTest::ParamType>& param) {
      return std::string(kLoads[std::get<0>(param.param)].name) +
             NameOf(std::get<1>(param.param)) +
             ShortNameOf(std::get<2>(param.param));
    });

// ---- Entries that wait ----

constexpr int kLooks = 5;

// One of kLooks ways to look for the key, which must be found if `there`.
void LookFor(const ArtTree& tree, const TestKey& test_key, int kind, bool there,
             ArtIterator* iter) {
  const ArtKey key = ToArtKey(test_key, tree.order());
  const char* entry = nullptr;
  switch (kind) {
    case 0:
      entry = tree.Get(key);
      break;
    case 1:
      EXPECT_TRUE(tree.Contains(key) || !there);
      return;
    case 2:
      iter->Seek(key);
      entry = iter->Valid() ? iter->entry() : nullptr;
      break;
    case 3:
      iter->SeekForPrev(key);
      entry = iter->Valid() ? iter->entry() : nullptr;
      break;
    case 4:
      tree.DrainIfWaiting();
      return;
  }
  if (there) {
    EXPECT_TRUE(entry != nullptr && KeyOf(entry) == test_key)
        << test_key << " kind " << kind;
  }
}

// Each insert is looked for at once by everybody, who all let it in.
TEST(ArtTreeWaitingRaceTest, AWaitingEntryIsFoundByAllAndCountedOnce) {
  for (int round = 0; round < 60; ++round) {
    const ArtOrder order = kOrders[round % 2];
    const uint64_t n = 20 + static_cast<uint64_t>(round) * 7;
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    const auto key_of = [](uint64_t i) {
      return TestKey{"key" + std::to_string(i * 7919 % 1000), i + 1};
    };
    std::atomic<uint64_t> published{0};
    std::atomic<int> looking{0};
    Crowd crowd;
    crowd.Add([&] {
      for (uint64_t i = 0; i < n; ++i) {
        const TestKey key = key_of(i);
        EXPECT_TRUE(tree.InsertSingleWriter(
            NewEntry(&tree, key.user_key, key.sequence)));
        published.store(i + 1, std::memory_order_release);
        // The second half is inserted beside all of them.
        while (i == n / 2 && looking.load() < kLooks &&
               !::testing::Test::HasFailure()) {
          std::this_thread::yield();
        }
        if (i % 5 == 4) {
          std::this_thread::yield();
        }
      }
    });
    for (int kind = 0; kind < kLooks; ++kind) {
      crowd.Add([&, kind] {
        ArtIterator iter(&tree);
        uint64_t seen;
        bool first = true;
        do {
          seen = published.load(std::memory_order_acquire);
          LookFor(tree, key_of(seen == 0 ? 0 : seen - 1), kind, seen > 0,
                  &iter);
          looking.fetch_add(first ? 1 : 0);
          first = false;
        } while (seen < n && !::testing::Test::HasFailure());
      });
    }
    crowd.Run();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
    ASSERT_EQ(n, tree.NumEntries());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
}

// Several let the same entries in at once, and nothing else happens.
TEST(ArtTreeWaitingRaceTest, HelpersAtOnceInsertEachEntryOnce) {
  for (int round = 0; round < 100; ++round) {
    HeapAllocator allocator;
    ArtTree tree(kOrders[round % 2], &allocator);
    uint64_t sequence = 0;
    for (int fill = 1; fill <= 15; fill += 7) {
      for (int i = 0; i < fill; ++i) {
        ++sequence;
        ASSERT_TRUE(tree.InsertSingleWriter(
            NewEntry(&tree, std::to_string(sequence % 5), sequence)));
      }
      Crowd crowd;
      for (int t = 0; t < 3; ++t) {
        crowd.Add([&] {
          tree.DrainIfWaiting();
          EXPECT_TRUE(tree.Contains(ToArtKey(
              {std::to_string(sequence % 5), sequence}, tree.order())));
        });
      }
      crowd.Run();
      ASSERT_EQ(sequence, tree.NumEntries());
    }
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
}

// ---- Equal keys ----

TEST(ArtTreeDuplicateRaceTest, OneOfEqualInsertsWins) {
  constexpr int kInserters = 3;
  for (int round = 0; round < 40; ++round) {
    HeapAllocator allocator;
    ArtTree tree(kOrders[round % 2], &allocator);
    constexpr int n = 600;
    std::vector<std::atomic<int>> wins(n);
    Crowd crowd;
    for (int w = 0; w < kInserters; ++w) {
      crowd.Add([&, w] {
        for (int i = 0; i < n; ++i) {
          // All in the same order, so that they stay side by side.
          const std::string key =
              std::string("k") + static_cast<char>(i * 97 % 256);
          // Another type makes no other key.
          if (tree.Insert(
                  NewEntry(&tree, key, i / 256 + 1, static_cast<uint8_t>(w)))) {
            wins[i].fetch_add(1);
          }
        }
      });
    }
    crowd.Run();
    for (const auto& won : wins) {
      ASSERT_EQ(1, won.load());
    }
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(static_cast<uint64_t>(n), tree.NumEntries());
  }
}

// ---- Iterators ----

TEST(ArtTreeIteratorRaceTest, MovesBetweenThreads) {
  for (const ArtOrder order : kOrders) {
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(tree.Insert(NewEntry(&tree, std::string(i, 'm') + "x", 1)));
    }
    ArtIterator iter(&tree);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      for (uint64_t i = 2; !stop.load(); ++i) {
        tree.Insert(NewEntry(&tree, std::string(i % 100, 'm') + "y", i));
        std::this_thread::yield();
      }
    });
    iter.SeekToFirst();
    std::vector<TestKey> walked;
    // The writer is faster than all of these threads; old entries are enough.
    size_t old = 0;
    while (iter.Valid() && old < 100) {
      std::thread([&] {
        for (int i = 0; i < 5 && iter.Valid(); ++i) {
          walked.push_back(KeyOf(iter.entry()));
          old += walked.back().user_key.back() == 'x' ? 1 : 0;
          iter.Next();
        }
      }).join();
    }
    stop.store(true);
    writer.join();
    EXPECT_TRUE(std::is_sorted(walked.begin(), walked.end(), SlowLess{order}));
    EXPECT_EQ(100u, old);
  }
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
