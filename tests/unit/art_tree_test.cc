// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree through one thread: shapes of its nodes, versions, estimates.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/util/art_scaffold.h"

namespace memkv {
namespace art_test {

using ArtTreeTest = ArtScaffoldTest;

// ---- Shapes of trees ----

TEST_P(ArtTreeTest, EmptyTreeTakesNoMemoryAndHasNoEntry) {
  EXPECT_EQ(0u, scaffold_.allocator().calls());
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({"", 0}));
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({"a", kArtMaxSequence}));
  ArtTree& tree = scaffold_.tree();
  ArtIterator iter(&tree);
  iter.SeekToRandom(1);
  EXPECT_FALSE(iter.Valid());
  EXPECT_EQ(0u, tree.ApproximateNumEntries(scaffold_.Key({"a", 1}),
                                           scaffold_.Key({"a", 0})));
  EXPECT_FALSE(tree.Insert(kArtNoRef));
  EXPECT_FALSE(tree.InsertSingleWriter(kArtNoRef));
  tree.DrainIfWaiting();
  EXPECT_EQ(0u, tree.GetStats().allocated_bytes);
}

TEST_P(ArtTreeTest, OneEntryNeedsNoNode) {
  EXPECT_TRUE(scaffold_.Insert("only", 7));
  EXPECT_FALSE(scaffold_.Insert("only", 7));
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  EXPECT_EQ(0u, scaffold_.tree().GetStats().live_node_bytes);
  for (const char* key : {"", "onl", "only", "only ", "onlz", "a", "z"}) {
    for (const uint64_t sequence : {0, 6, 7, 8}) {
      EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key, sequence}));
    }
  }
}

TEST_P(ArtTreeTest, EveryCountOfNeighboursKeepsAllOfThem) {
  constexpr int kItems = 200;
  const std::string prefix = "some prefix ";
  const auto key_of = [&prefix](int i) {
    return prefix + static_cast<char>(i) + "suffix";
  };
  const std::vector<std::function<TestKey(int)>> kinds = {
      [&](int i) {
        return TestKey{key_of(i), 1};
      },
      [&](int i) {
        return TestKey{key_of(kItems - i), 1};
      },
      // 97 is prime to 256, so the bytes arrive in no order.
      [&](int i) {
        return TestKey{key_of(i * 97 % 256), 1};
      },
      // With an end among them, and each with several versions.
      [&](int i) {
        return TestKey{i == 1 ? prefix : key_of(i * 97 % 50),
                       static_cast<uint64_t>(i)};
      },
      [&](int i) {
        return TestKey{prefix, static_cast<uint64_t>(i)};
      },
      [&](int i) {
        return TestKey{prefix, static_cast<uint64_t>(kItems - i)};
      },
      [&](int i) {
        return TestKey{prefix, static_cast<uint64_t>(i) << 40};
      },
      // Every key a prefix of the next.
      [&](int i) {
        return TestKey{std::string(static_cast<size_t>(i), 'p'), 1};
      },
  };
  for (const auto& kind : kinds) {
    Scaffold s(GetParam());
    std::set<int> live_classes;
    for (int n = 1; n <= kItems; ++n) {
      const TestKey key = kind(n);
      ASSERT_TRUE(s.Insert(key.user_key, key.sequence)) << key;
      ASSERT_FALSE(s.Insert(key.user_key, key.sequence)) << key;
      ASSERT_NO_FATAL_FAILURE(s.CheckTree()) << n;
      const ArtStats stats = s.tree().GetStats();
      for (int c = 0; c < kArtNodeClasses; ++c) {
        if (stats.live_nodes[c] > 0) {
          live_classes.insert(c);
        }
      }
      if (n < 12 || n % 8 < 2) {
        for (const TestKey& target : s.sorted()) {
          ASSERT_NO_FATAL_FAILURE(s.CheckSeeks(target)) << n;
        }
        for (int byte = 0; byte < 256; byte += 5) {
          ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({key_of(byte), 1})) << n;
          ASSERT_NO_FATAL_FAILURE(
              s.CheckSeeks({prefix, static_cast<uint64_t>(byte)}));
        }
      }
    }
    // Nodes have been of every class, and have been split.
    EXPECT_EQ(static_cast<size_t>(kArtNodeClasses), live_classes.size());
    EXPECT_GT(s.Depth(), 1u);
  }
}

TEST_P(ArtTreeTest, InnerNodesGrowAndSplitToo) {
  constexpr size_t kEntries = 30000;
  const auto sequential = [](size_t i) { return std::to_string(1000000 + i); };
  const auto mixed = [](size_t i) {
    return std::to_string(1000000 + i * 7919 % kEntries);
  };
  const auto binary = [](size_t i) {
    const uint64_t word = i * 0x9e3779b97f4a7c15u;
    return std::string(reinterpret_cast<const char*>(&word), 7);
  };
  for (const auto& key_of : std::vector<std::function<std::string(size_t)>>{
           sequential, mixed, binary}) {
    Scaffold s(GetParam());
    for (size_t i = 0; i < kEntries; ++i) {
      ASSERT_TRUE(s.Insert(key_of(i)));
      if (i % 2500 == 0) {
        ASSERT_NO_FATAL_FAILURE(s.CheckTree()) << i;
      }
    }
    ASSERT_NO_FATAL_FAILURE(s.CheckTree());
    // A B-tree of 64-way nodes that are half full has three levels.
    EXPECT_GE(s.Depth(), 3u);
    EXPECT_LE(s.Depth(), 6u);
    for (size_t i = 0; i < kEntries; i += 11) {
      ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({key_of(i), random_() % 3}));
      std::string other = key_of(i);
      other[random_() % other.size()] = static_cast<char>(random_());
      ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other, 1}));
    }
  }
}

TEST_P(ArtTreeTest, EmptyKeyAndPrefixesAndExtremeBytesAreOrdinaryKeys) {
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < 85; ++i) {
    for (const char c : {'\0', 'm', '\xff'}) {
      keys.push_back(keys[i] + c);
    }
  }
  std::shuffle(keys.begin(), keys.end(), random_);
  for (const std::string& key : keys) {
    ASSERT_TRUE(scaffold_.Insert(key));
    ASSERT_FALSE(scaffold_.Insert(key));
  }
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  for (const std::string& key : keys) {
    for (const char c : {'\0', '\x01', 'l', 'n', '\xfe', '\xff'}) {
      ASSERT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key + c, 1}));
    }
    ASSERT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key, 0}));
    ASSERT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key, kArtMaxSequence}));
  }
}

TEST_P(ArtTreeTest, LongSkipsAreVerifiedAtEveryPosition) {
  // Two keys that first differ behind much that is common; others that leave
  // it at every position. Some are farther apart than a node's codes reach.
  for (const size_t length : {9, 16, 17, 40, 130, 300, 600}) {
    const std::string common(length, 'c');
    const size_t step = length <= 40 ? 1 : 13;
    for (size_t position = 0; position < length; position += step) {
      for (const char c : {'b', 'd'}) {
        Scaffold s(GetParam());
        ASSERT_TRUE(s.Insert(common + "1"));
        ASSERT_TRUE(s.Insert(common + "2"));
        std::string other = common;
        other[position] = c;
        for (const char* tail : {"", "0", "1", "2", "3"}) {
          ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other + tail, 1}));
        }
        ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other.substr(0, position), 1}));
        ASSERT_TRUE(s.Insert(other + "1"));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
        ASSERT_TRUE(s.Insert(other.substr(0, position)));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
        other[length - 1] = 'x';
        ASSERT_TRUE(s.Insert(other + "9"));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
      }
    }
  }
}

TEST_P(ArtTreeTest, DepartureFarUpThePathIsFound) {
  // Two long skips, one below the other; the departure is found at an entry
  // below both and lies in the upper one.
  for (const size_t length : {30, 270}) {
    const std::string upper(length, 'u');
    const std::string lower(length, 'l');
    for (size_t position = 0; position < length; position += length / 30) {
      Scaffold s(GetParam());
      ASSERT_TRUE(s.Insert(upper + "1" + lower + "1"));
      ASSERT_TRUE(s.Insert(upper + "1" + lower + "2"));
      ASSERT_TRUE(s.Insert(upper + "2" + lower + "1"));
      std::string other = upper;
      other[position] = 'v';
      ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other + "1" + lower + "1", 1}));
      ASSERT_TRUE(s.Insert(other + "1" + lower + "1"));
      ASSERT_TRUE(s.Insert(other + "1" + lower + "3"));
      ASSERT_NO_FATAL_FAILURE(s.CheckAll());
    }
  }
}

TEST_P(ArtTreeTest, VersionsSplitOffAnotherUserKeyAtEveryPosition) {
  // Among them user keys longer than what a node's codes reach: the versions
  // can be told apart in any node, where another key leaves them cannot.
  for (const size_t length : {20, 260, 600}) {
    for (const int versions : {2, 7, 70}) {
      const std::string base(length, 'k');
      const size_t step = std::max<size_t>(1, length / 20);
      for (size_t position = 0; position <= length; position += step) {
        Scaffold s(GetParam());
        for (int i = 1; i <= versions; ++i) {
          ASSERT_TRUE(s.Insert(base, static_cast<uint64_t>(i) * 1000));
        }
        const std::string other = base.substr(0, position);
        ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other + "!", 3000}));
        ASSERT_TRUE(s.Insert(other + "!", 3000));
        ASSERT_NO_FATAL_FAILURE(s.CheckTree()) << length << " " << position;
        ASSERT_TRUE(s.Insert(other + "~", 3000));
        ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other, 4000}));
        s.Insert(other, 4001);
        ASSERT_TRUE(s.Insert(base, 1));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll()) << length << " " << position;
      }
    }
  }
}

TEST_P(ArtTreeTest, PrefixesHundredsOfBytesApartMakeADeepTree) {
  // No node can say two of these borders from one base.
  constexpr size_t kKeys = 800;
  const size_t apart = Forward() ? 250 : 125;
  std::vector<size_t> order(kKeys);
  for (size_t i = 0; i < kKeys; ++i) {
    order[i] = i;
  }
  std::shuffle(order.begin(), order.end(), random_);
  ArtTree& tree = scaffold_.tree();
  for (const size_t i : order) {
    // Insert() of the scaffold keeps a sorted copy, too slow here.
    ASSERT_TRUE(tree.Insert(NewEntry(&tree, std::string(i * apart, 'a'), 1)));
    ASSERT_FALSE(tree.Insert(NewEntry(&tree, std::string(i * apart, 'a'), 1)));
  }
  std::string reason;
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  EXPECT_GT(scaffold_.Depth(), kKeys / 2);
  ArtIterator iter(&tree);
  size_t n = 0;
  for (iter.SeekToFirst(); iter.Valid(); iter.Next(), ++n) {
    ASSERT_EQ(apart * (Forward() ? n : kKeys - 1 - n),
              KeyOf(iter.entry()).user_key.size());
  }
  ASSERT_EQ(kKeys, n);
  for (iter.SeekToLast(); iter.Valid(); iter.Prev()) {
    --n;
  }
  ASSERT_EQ(0u, n);
  for (const size_t at : {size_t{0}, kKeys / 2, kKeys - 1}) {
    const std::string key(at * apart, 'a');
    ASSERT_NE(nullptr, tree.Get(scaffold_.Key({key, 1})));
    ASSERT_EQ(nullptr, tree.Get(scaffold_.Key({key + "b", 1})));
    ASSERT_FALSE(tree.Contains(scaffold_.Key({key + "a", 1})));
    iter.Seek(scaffold_.Key({key + "b", 1}));
    // It comes after all of them, or before all of them.
    ASSERT_EQ(!Forward(), iter.Valid());
    if (iter.Valid()) {
      ASSERT_EQ((kKeys - 1) * apart, KeyOf(iter.entry()).user_key.size());
    }
  }
}

TEST_P(ArtTreeTest, KeysOfOneMebibyteWork) {
  const size_t size = size_t{1} << 20;
  const std::string base(size, 'x');
  ASSERT_TRUE(scaffold_.Insert(base));
  for (const size_t position : {size_t{0}, size / 2, size - 1}) {
    std::string key = base;
    key[position] = 'y';
    ASSERT_TRUE(scaffold_.Insert(key));
    key[position] = 'a';
    ASSERT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key, 1}));
  }
  ASSERT_TRUE(scaffold_.Insert(base.substr(0, size - 1)));
  ASSERT_TRUE(scaffold_.Insert(base + "z"));
  ASSERT_TRUE(scaffold_.Insert(base, 9));
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
}

// ---- Versions ----

TEST_P(ArtTreeTest, VersionsOfOneKeyComeNewestFirst) {
  const std::vector<uint64_t> sequences = {0,
                                           1,
                                           2,
                                           255,
                                           256,
                                           257,
                                           65535,
                                           65536,
                                           1ull << 24,
                                           (1ull << 32) - 1,
                                           1ull << 32,
                                           1ull << 40,
                                           1ull << 48,
                                           kArtMaxSequence - 1,
                                           kArtMaxSequence};
  for (const char* key : {"", "k", "key", "kez"}) {
    std::vector<uint64_t> shuffled = sequences;
    std::shuffle(shuffled.begin(), shuffled.end(), random_);
    for (const uint64_t sequence : shuffled) {
      ASSERT_TRUE(scaffold_.Insert(key, sequence));
      ASSERT_FALSE(scaffold_.Insert(key, sequence));
    }
  }
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  for (const char* key : {"", "k", "key", "kez", "ke", "keya", "kf"}) {
    for (const uint64_t sequence : sequences) {
      for (const uint64_t delta : {0, 1, 77}) {
        ASSERT_NO_FATAL_FAILURE(
            scaffold_.CheckSeeks({key, (sequence + delta) & kArtMaxSequence}));
      }
    }
  }
}

TEST_P(ArtTreeTest, GetFindsTheNewestThatIsNotNewer) {
  // The snapshot asked for often shares its lower bytes, but not a higher one,
  // with a version that is not the answer.
  constexpr uint64_t kEntries = 4000;
  constexpr uint64_t kHigh = 0x10000;
  const std::vector<std::string> keys = {"", "k", "key", std::string(300, 'k')};
  for (int kind = 0; kind < 4; ++kind) {
    for (const size_t of_keys : {size_t{1}, keys.size()}) {
      Scaffold s(GetParam());
      for (uint64_t i = 0; i < kEntries; ++i) {
        const uint64_t sequences[] = {kHigh + i, kHigh + kEntries - i,
                                      kHigh + random_() % 256 * 16,
                                      random_() % 0x101 * (random_() % 3)};
        s.Insert(keys[random_() % of_keys], sequences[kind]);
        for (int probe = 0; probe < 8; ++probe) {
          const TestKey target{
              keys[random_() % of_keys],
              random_() % 3 * kHigh + random_() % (kEntries + 300)};
          const auto at = s.sorted().lower_bound(target);
          const bool has =
              at != s.sorted().end() && at->user_key == target.user_key;
          const char* got = s.tree().Get(s.Key(target));
          ASSERT_EQ(has, got != nullptr) << target;
          ASSERT_TRUE(!has || *at == KeyOf(got)) << target << " " << *at;
          const ArtKey both[] = {s.Key({keys[0], kHigh}), s.Key(target)};
          const char* many[] = {nullptr, nullptr};
          s.tree().GetMany(both, 2, many);
          ASSERT_EQ(s.tree().Get(both[0]), many[0]);
          ASSERT_EQ(got, many[1]) << target;
        }
      }
      ASSERT_NO_FATAL_FAILURE(s.CheckTree());
    }
  }
}

TEST_P(ArtTreeTest, OldSnapshotUnderManyOverwritesIsFewNodesDeep) {
  constexpr uint64_t kOverwrites = 1000000;
  ArtTree& tree = scaffold_.tree();
  ASSERT_TRUE(tree.Insert(NewEntry(&tree, "cold", 5)));
  ASSERT_TRUE(tree.Insert(NewEntry(&tree, "ice", 6)));
  for (uint64_t sequence = 1; sequence <= kOverwrites; ++sequence) {
    const ArtRef entry = NewEntry(&tree, "hot", sequence);
    ASSERT_TRUE(sequence % 2 == 0 ? tree.Insert(entry)
                                  : tree.InsertSingleWriter(entry));
    if (sequence % 1000 == 0) {
      const uint64_t snapshot = 1 + random_() % sequence;
      const char* got = tree.Get(scaffold_.Key({"hot", snapshot}));
      ASSERT_NE(nullptr, got);
      ASSERT_EQ(snapshot, KeyOf(got).sequence);
    }
  }
  for (uint64_t snapshot = 1; snapshot <= kOverwrites; snapshot += 997) {
    const char* got = tree.Get(scaffold_.Key({"hot", snapshot}));
    ASSERT_NE(nullptr, got);
    ASSERT_EQ(snapshot, KeyOf(got).sequence);
  }
  const char* got = tree.Get(scaffold_.Key({"hot", kArtMaxSequence}));
  ASSERT_NE(nullptr, got);
  EXPECT_EQ(kOverwrites, KeyOf(got).sequence);
  EXPECT_EQ(nullptr, tree.Get(scaffold_.Key({"hot", 0})));
  // 64 to the power of 4 is 16 million; split nodes are half full.
  EXPECT_LE(scaffold_.Depth(), 6u);
  std::string reason;
  EXPECT_TRUE(tree.Validate(&reason)) << reason;
}

// ---- Estimates ----

TEST_P(ArtTreeTest, ApproximateNumEntriesIsExactUpTo256AndWithin2xBeyond) {
  constexpr int kEntries = 20000;
  ArtTree& tree = scaffold_.tree();
  const auto key_of = [](int i) { return "k" + std::to_string(10000000 + i); };
  for (int i = 0; i < kEntries; ++i) {
    ASSERT_TRUE(tree.Insert(NewEntry(&tree, key_of(i * 7919 % kEntries), 1)));
  }
  const auto count = [&](int from, int to) {
    const TestKey low{key_of(from), kArtMaxSequence};
    const TestKey high{key_of(to), kArtMaxSequence};
    // In reverse order, what is in (from, to] comes from to downwards.
    return Forward() ? tree.ApproximateNumEntries(scaffold_.Key(low),
                                                  scaffold_.Key(high))
                     : tree.ApproximateNumEntries(scaffold_.Key(high),
                                                  scaffold_.Key(low));
  };
  EXPECT_EQ(0u, count(5, 5));
  EXPECT_EQ(0u, count(6, 5));
  EXPECT_EQ(1u, count(5, 6));
  EXPECT_EQ(200u, count(12345, 12545));
  EXPECT_EQ(256u, count(12345, 12345 + 256));
  for (int from = 0; from < kEntries; from += 1234) {
    for (int to = from + 300; to < kEntries; to += 567) {
      const uint64_t counted = count(from, to);
      EXPECT_LE(counted, static_cast<uint64_t>(kEntries));
      EXPECT_GT(2 * counted, static_cast<uint64_t>(to - from));
      EXPECT_LT(counted, 2 * static_cast<uint64_t>(to - from));
    }
  }
}

TEST_P(ArtTreeTest, RandomSeeksReachEveryEntry) {
  for (const int n : {1, 2, 20, 500}) {
    Scaffold s(GetParam());
    std::set<std::string> reached;
    for (int i = 0; i < n; ++i) {
      ASSERT_TRUE(s.Insert("key" + std::to_string(i), 5));
    }
    ArtIterator iter(&s.tree());
    for (uint64_t i = 0; i < 40000; ++i) {
      iter.SeekToRandom(TestSeed() + i);
      ASSERT_TRUE(iter.Valid());
      reached.insert(KeyOf(iter.entry()).user_key);
    }
    EXPECT_EQ(static_cast<size_t>(n), reached.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeTest, ::testing::ValuesIn(kOrders),
                         OrderName);

}  // namespace art_test
}  // namespace memkv
