// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "memtable/art_tree_iterator.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {

constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                ArtOrder::kReverseBytewise};

// A tree beside a sorted list of what is in it.
class Scaffold {
 public:
  explicit Scaffold(ArtOrder order) : tree_(order, &allocator_), less_{order} {}

  ArtTree& tree() { return tree_; }
  HeapAllocator& allocator() { return allocator_; }

  bool Insert(const std::string& key, uint64_t sequence = 1) {
    const bool is_new = tree_.Insert(NewEntry(&allocator_, key, sequence));
    if (is_new) {
      const TestKey test_key{key, sequence};
      sorted_.insert(
          std::upper_bound(sorted_.begin(), sorted_.end(), test_key, less_),
          test_key);
    }
    return is_new;
  }

  // Both walks, and every kind of seek at every key.
  void CheckAll() {
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    ArtIterator iter(&tree_);
    size_t i = 0;
    for (iter.SeekToFirst(); iter.Valid(); iter.Next(), ++i) {
      ASSERT_LT(i, sorted_.size());
      ASSERT_EQ(sorted_[i], KeyOf(iter.entry()));
      ASSERT_TRUE(iter.AgreesWithPath(&reason)) << reason;
    }
    ASSERT_EQ(sorted_.size(), i);
    for (iter.SeekToLast(); iter.Valid(); iter.Prev()) {
      ASSERT_GT(i, 0u);
      ASSERT_EQ(sorted_[--i], KeyOf(iter.entry()));
    }
    ASSERT_EQ(0u, i);
    for (const TestKey& key : sorted_) {
      ASSERT_NO_FATAL_FAILURE(CheckSeeks(key));
    }
  }

  void CheckSeeks(const TestKey& target) {
    const ArtKey key = ToArtKey(target);
    const auto at =
        std::lower_bound(sorted_.begin(), sorted_.end(), target, less_);
    const bool there = at != sorted_.end() && *at == target;
    ASSERT_EQ(there, tree_.Contains(key)) << target;

    ArtIterator iter(&tree_);
    iter.Seek(key);
    ASSERT_EQ(at != sorted_.end(), iter.Valid()) << target;
    if (iter.Valid()) {
      ASSERT_EQ(*at, KeyOf(iter.entry())) << target;
      // The neighbours, from where the seek has left the stack.
      iter.Prev();
      ASSERT_EQ(at != sorted_.begin(), iter.Valid()) << target;
      if (iter.Valid()) {
        ASSERT_EQ(*(at - 1), KeyOf(iter.entry())) << target;
      }
    }

    const auto behind =
        std::upper_bound(sorted_.begin(), sorted_.end(), target, less_);
    iter.SeekForPrev(key);
    ASSERT_EQ(behind != sorted_.begin(), iter.Valid()) << target;
    if (iter.Valid()) {
      ASSERT_EQ(*(behind - 1), KeyOf(iter.entry())) << target;
      iter.Next();
      ASSERT_EQ(behind != sorted_.end(), iter.Valid()) << target;
    }

    iter.SeekVersions(key);
    for (auto it = at; it != sorted_.end() && it->user_key == target.user_key;
         ++it) {
      ASSERT_TRUE(iter.Valid()) << target;
      ASSERT_EQ(*it, KeyOf(iter.entry())) << target;
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid()) << target;
  }

 private:
  HeapAllocator allocator_;
  ArtTree tree_;
  const SlowLess less_;
  std::vector<TestKey> sorted_;
};

class ArtTreeTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  ArtTreeTest() : scaffold_(GetParam()) {}
  Scaffold scaffold_;
};

TEST_P(ArtTreeTest, EmptyTreeTakesNoMemoryAndHasNoEntry) {
  EXPECT_EQ(0u, scaffold_.allocator().bytes());
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({"", 0}));
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({"a", kArtMaxSequence}));
  ArtIterator iter(&scaffold_.tree());
  iter.SeekToRandom(1);
  EXPECT_FALSE(iter.Valid());
  EXPECT_EQ(0u, scaffold_.tree().GetStats().allocated_bytes);
}

TEST_P(ArtTreeTest, OneEntryNeedsNoNode) {
  EXPECT_TRUE(scaffold_.Insert("only", 7));
  EXPECT_FALSE(scaffold_.Insert("only", 7));
  EXPECT_NO_FATAL_FAILURE(scaffold_.CheckAll());
  EXPECT_EQ(0u, scaffold_.tree().GetStats().allocated_bytes);
  for (const char* key : {"", "onl", "only", "only ", "onlz", "a", "z"}) {
    for (const uint64_t sequence : {0, 6, 7, 8}) {
      EXPECT_NO_FATAL_FAILURE(scaffold_.CheckSeeks({key, sequence}));
    }
  }
}

TEST_P(ArtTreeTest, EveryNodeSizeEdgeKeepsAllChildren) {
  // 97 is prime to 256, so the bytes arrive in no order.
  for (const bool with_end : {false, true}) {
    Scaffold s(GetParam());
    const std::string prefix = "some prefix ";
    if (with_end) {
      ASSERT_TRUE(s.Insert(prefix));
    }
    for (int n = 1; n <= 256; ++n) {
      const std::string key =
          prefix + static_cast<char>((n * 97) % 256) + "suffix";
      ASSERT_TRUE(s.Insert(key));
      ASSERT_FALSE(s.Insert(key));
      const ArtStats stats = s.tree().GetStats();
      const uint64_t nodes[] = {stats.live_nodes[1], stats.live_nodes[2],
                                stats.live_nodes[3], stats.live_nodes[4]};
      const int expected = n <= 4 ? 0 : n <= 16 ? 1 : n <= 48 ? 2 : 3;
      for (int t = 0; t < 4; ++t) {
        const bool has_node = n > 1 || with_end;
        ASSERT_EQ(has_node && t == expected ? 1u : 0u, nodes[t])
            << n << " children, type " << t + 1;
      }
      const std::set<int> edges = {1,  2,  3,  4,  5,   15,  16, 17,
                                   18, 47, 48, 49, 128, 255, 256};
      if (edges.count(n) != 0) {
        ASSERT_NO_FATAL_FAILURE(s.CheckAll()) << n;
        for (int byte = 0; byte < 256; ++byte) {
          ASSERT_NO_FATAL_FAILURE(
              s.CheckSeeks({prefix + static_cast<char>(byte), 1}));
        }
      }
    }
    const ArtStats stats = s.tree().GetStats();
    EXPECT_EQ(64u + 192u + 704u, stats.obsolete_bytes);
    EXPECT_EQ(2112u, stats.live_bytes);
    EXPECT_EQ(s.tree().NumEntries(), stats.entries);
    EXPECT_GE(stats.allocated_bytes, stats.live_bytes + stats.obsolete_bytes);
  }
}

TEST_P(ArtTreeTest, EmptyKeyAndPrefixesAndExtremeBytesAreOrdinaryKeys) {
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < 85; ++i) {
    for (const char c : {'\0', 'm', '\xff'}) {
      keys.push_back(keys[i] + c);
    }
  }
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(TestSeed()));
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
  // The keys first differ behind 40 common bytes; a window covers 8 of them.
  for (size_t length : {9, 16, 17, 40}) {
    const std::string common(length, 'c');
    for (size_t position = 0; position < length; ++position) {
      for (const char c : {'b', 'd'}) {
        Scaffold s(GetParam());
        ASSERT_TRUE(s.Insert(common + "1"));
        ASSERT_TRUE(s.Insert(common + "2"));
        std::string other = common;
        other[position] = c;
        // Absent, then a key of the same length, then one that ends there.
        for (const char* tail : {"", "0", "1", "2", "3"}) {
          ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other + tail, 1}));
        }
        ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other.substr(0, position), 1}));
        ASSERT_TRUE(s.Insert(other + "1"));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
        ASSERT_TRUE(s.Insert(other.substr(0, position)));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
        // Its symbol at the lower node's rank is absent.
        other[length - 1] = 'x';
        ASSERT_TRUE(s.Insert(other + "9"));
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
      }
    }
  }
}

TEST_P(ArtTreeTest, SplitAboveAnEdgeFarUpThePathIsFound) {
  // Two long skips, one below the other; the divergence is found at an entry
  // below both and lies in the upper one.
  const std::string upper(30, 'u');
  const std::string lower(30, 'l');
  for (size_t position = 0; position < upper.size(); ++position) {
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

TEST_P(ArtTreeTest, DeepChainsNeedNoRecursion) {
  constexpr size_t kDepth = 3000;
  std::vector<size_t> sizes;
  for (size_t i = 0; i <= kDepth; ++i) {
    sizes.push_back(i);
  }
  std::shuffle(sizes.begin(), sizes.end(), std::mt19937_64(TestSeed()));
  for (const size_t size : sizes) {
    // Insert() of the scaffold keeps a sorted copy, too slow here.
    ASSERT_TRUE(scaffold_.tree().Insert(
        NewEntry(&scaffold_.allocator(), std::string(size, 'a'), 1)));
  }
  std::string reason;
  ASSERT_TRUE(scaffold_.tree().Validate(&reason)) << reason;
  ArtIterator iter(&scaffold_.tree());
  const bool forward = GetParam() == ArtOrder::kBytewise;
  size_t n = 0;
  for (iter.SeekToFirst(); iter.Valid(); iter.Next(), ++n) {
    ASSERT_EQ(forward ? n : kDepth - n, KeyOf(iter.entry()).user_key.size());
  }
  ASSERT_EQ(kDepth + 1, n);
  const std::string middle(kDepth / 2, 'a');
  iter.Seek(ToArtKey({middle, 1}));
  ASSERT_TRUE(iter.Valid());
  EXPECT_EQ(middle, KeyOf(iter.entry()).user_key);
  EXPECT_EQ(kDepth / 2 + 1, iter.depth());
  iter.Seek(ToArtKey({middle + "b", 1}));
  ASSERT_EQ(!forward, iter.Valid());
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
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(TestSeed()));
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

TEST_P(ArtTreeTest, OldSnapshotUnderManyOverwritesIsFewNodesDeep) {
  constexpr uint64_t kOverwrites = 100000;
  for (uint64_t sequence = 1; sequence <= kOverwrites; ++sequence) {
    ASSERT_TRUE(scaffold_.tree().Insert(
        NewEntry(&scaffold_.allocator(), "hot", sequence)));
  }
  ArtIterator iter(&scaffold_.tree());
  for (const uint64_t snapshot : {uint64_t{1}, uint64_t{2}, uint64_t{50000},
                                  kOverwrites, kArtMaxSequence}) {
    iter.SeekVersions(ToArtKey({"hot", snapshot}));
    ASSERT_TRUE(iter.Valid());
    EXPECT_EQ(std::min(snapshot, kOverwrites), KeyOf(iter.entry()).sequence);
    EXPECT_LE(iter.depth(), static_cast<size_t>(kArtVersionBytes));
  }
  iter.SeekVersions(ToArtKey({"hot", 0}));
  EXPECT_FALSE(iter.Valid());
  std::string reason;
  EXPECT_TRUE(scaffold_.tree().Validate(&reason)) << reason;
}

TEST_P(ArtTreeTest, VersionTrieSplitsOffAnotherUserKeyAtEveryPosition) {
  // The content of the slot that is split is a version trie.
  const std::string base = "0123456789abcdefghij";
  for (size_t position = 0; position <= base.size(); ++position) {
    Scaffold s(GetParam());
    for (uint64_t sequence = 1; sequence < 8; ++sequence) {
      ASSERT_TRUE(s.Insert(base, sequence * 1000));
    }
    std::string other = base.substr(0, position);
    ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other + "!", 3000}));
    ASSERT_TRUE(s.Insert(other + "!", 3000));
    ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({other, 4000}));
    s.Insert(other, 4000);
    ASSERT_NO_FATAL_FAILURE(s.CheckAll());
  }
}

TEST_P(ArtTreeTest, ApproximateNumEntriesIsNeverBelowWhatWasCounted) {
  constexpr int kEntries = 20000;
  char key[16];
  for (int i = 0; i < kEntries; ++i) {
    snprintf(key, sizeof(key), "%08d", i);
    ASSERT_TRUE(
        scaffold_.tree().Insert(NewEntry(&scaffold_.allocator(), key, 1)));
  }
  const auto count = [&](int from, int to) {
    char from_key[16];
    char to_key[16];
    snprintf(from_key, sizeof(from_key), "%08d", from);
    snprintf(to_key, sizeof(to_key), "%08d", to);
    return GetParam() == ArtOrder::kBytewise
               ? scaffold_.tree().ApproximateNumEntries(
                     ToArtKey({from_key, kArtMaxSequence}),
                     ToArtKey({to_key, kArtMaxSequence}))
               : scaffold_.tree().ApproximateNumEntries(
                     ToArtKey({to_key, 0}), ToArtKey({from_key, 0}));
  };
  EXPECT_EQ(0u, count(5, 5));
  EXPECT_EQ(0u, count(6, 5));
  EXPECT_EQ(1u, count(5, 6));
  EXPECT_EQ(1000u, count(12345, 13345));
  // Digits: all children of a node weigh the same, so the estimate is good.
  for (const int to : {3000, 10000, 15000, kEntries}) {
    EXPECT_NEAR(to, static_cast<double>(count(0, to)), 0.01 * kEntries);
    EXPECT_NEAR(kEntries - to + 2000,
                static_cast<double>(count(to - 2000, kEntries)),
                0.01 * kEntries);
  }
}

TEST_P(ArtTreeTest, RandomSeeksReachEveryEntry) {
  std::set<std::string> reached;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(scaffold_.Insert("key" + std::to_string(i), 5));
  }
  ArtIterator iter(&scaffold_.tree());
  for (uint64_t i = 0; i < 2000; ++i) {
    iter.SeekToRandom(TestSeed() + i);
    ASSERT_TRUE(iter.Valid());
    reached.insert(KeyOf(iter.entry()).user_key);
  }
  EXPECT_EQ(20u, reached.size());
}

TEST_P(ArtTreeTest, ChangedKeyByteIsSeenByValidateAndBySeekAndCheck) {
  // In the middle of a key, so that the byte is one the tree branches on.
  Scaffold s(GetParam());
  std::vector<char*> entries;
  for (const char* key : {"aa1zz", "aa2zz", "aa3zz"}) {
    entries.push_back(const_cast<char*>(NewEntry(&s.allocator(), key, 1)));
    ASSERT_TRUE(s.tree().Insert(entries.back()));
  }
  std::string reason;
  ASSERT_TRUE(s.tree().Validate(&reason)) << reason;
  // The varint takes one byte; "2" is at offset 2 of the key.
  entries[1][1 + 2] = '9';
  EXPECT_FALSE(s.tree().Validate(&reason));
  EXPECT_NE(std::string::npos, reason.find("(I2)")) << reason;

  ArtIterator iter(&s.tree());
  ArtIterator::Disagreement found;
  EXPECT_FALSE(iter.SeekAndCheck(ToArtKey({"aa2zz", 1}), &found));
  EXPECT_EQ(entries[1], found.entry);
  EXPECT_NE(std::string::npos, found.reason.find("slot 50")) << found.reason;
  EXPECT_FALSE(iter.Valid());
  EXPECT_TRUE(iter.SeekAndCheck(ToArtKey({"aa1zz", 1}), &found));
  // From the first entry onwards in either order, the second is the changed
  // one.
  iter.SeekToFirst();
  EXPECT_TRUE(iter.AgreesWithPath(&reason)) << reason;
  iter.Next();
  EXPECT_FALSE(iter.AgreesWithPath(&reason));
}

TEST_P(ArtTreeTest, InsertThatMeetsAChangedKeyEnds) {
  // Longer than a window, so that the insert compares from the start and finds
  // the entry to differ where the path says that it does not.
  const std::string common(20, 'c');
  char* changed = nullptr;
  for (const char* tail : {"1", "2", "3"}) {
    changed =
        const_cast<char*>(NewEntry(&scaffold_.allocator(), common + tail, 1));
    ASSERT_TRUE(scaffold_.tree().Insert(changed));
  }
  changed[1 + common.size()] = '9';
  EXPECT_FALSE(scaffold_.tree().Insert(
      NewEntry(&scaffold_.allocator(), common + "3z", 1)));
  // Others are as before.
  EXPECT_TRUE(scaffold_.tree().Insert(
      NewEntry(&scaffold_.allocator(), common + "2z", 1)));
  EXPECT_TRUE(scaffold_.tree().Contains(ToArtKey({common + "2z", 1})));
  EXPECT_TRUE(scaffold_.tree().Contains(ToArtKey({common + "1", 1})));
}

TEST_P(ArtTreeTest, AllocatorThatThrowsLeavesTheTreeAsItWas) {
  class Throwing : public HeapAllocator {
   public:
    char* AllocateAligned(size_t bytes) override {
      if (left_ == 0) {
        throw std::bad_alloc();
      }
      --left_;
      return HeapAllocator::AllocateAligned(bytes);
    }
    int left_ = 0;
  };
  HeapAllocator entries;
  Throwing nodes;
  ArtTree tree(GetParam(), &nodes);
  uint64_t inserted = 0;
  int failures = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = std::to_string(i * 7919 % 3000);
    const char* entry = NewEntry(&entries, key, 1);
    nodes.left_ = 0;
    try {
      ASSERT_TRUE(tree.Insert(entry));
    } catch (const std::bad_alloc&) {
      ++failures;
      std::string reason;
      ASSERT_TRUE(tree.Validate(&reason)) << reason;
      ASSERT_EQ(inserted, tree.NumEntries());
      ASSERT_FALSE(tree.Contains(ArtKey(entry)));
      nodes.left_ = 1;
      ASSERT_TRUE(tree.Insert(entry));
    }
    ++inserted;
  }
  EXPECT_GT(failures, 10);
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeTest, ::testing::ValuesIn(kOrders),
                         [](const ::testing::TestParamInfo<ArtOrder>& param) {
                           return param.param == ArtOrder::kBytewise
                                      ? "Bytewise"
                                      : "ReverseBytewise";
                         });

// ---- Nodes ----

TEST(ArtNodeTest, FindByte4FindsTheFirstOfTheCountedBytes) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 20000; ++round) {
    uint8_t bytes[4];
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
      // Few values, the ones where borrows and signs go wrong among them.
      const uint8_t kBytes[] = {0x00, 0x01, 0x7f, 0x80, 0x81, 0xfe, 0xff};
      bytes[i] = kBytes[random() % 7];
      word |= static_cast<uint32_t>(bytes[i]) << (8 * i);
    }
    for (int count = 0; count <= 4; ++count) {
      for (int byte = 0; byte < 256; ++byte) {
        const uint8_t* hit = std::find(bytes, bytes + count, byte);
        const int expected =
            hit == bytes + count ? -1 : static_cast<int>(hit - bytes);
        ASSERT_EQ(expected,
                  ArtFindByte4(word, count, static_cast<uint8_t>(byte)));
      }
    }
  }
}

TEST(ArtNodeTest, FindByte16ScalarAndSimdAgreeWithTheObvious) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 5000; ++round) {
    uint8_t bytes[16];
    uint64_t words[2] = {0, 0};
    for (int i = 0; i < 16; ++i) {
      bytes[i] =
          static_cast<uint8_t>(round % 2 == 0 ? random() : random() % 4 * 0x55);
      words[i / 8] |= static_cast<uint64_t>(bytes[i]) << (8 * (i % 8));
    }
    for (int count = 0; count <= 16; ++count) {
      const int n_probes = 8;
      for (int probe = 0; probe < n_probes; ++probe) {
        const uint8_t byte = probe % 2 == 0 ? bytes[random() % 16]
                                            : static_cast<uint8_t>(random());
        const uint8_t* hit = std::find(bytes, bytes + count, byte);
        const int expected =
            hit == bytes + count ? -1 : static_cast<int>(hit - bytes);
        ASSERT_EQ(expected,
                  ArtFindByte16Scalar(words[0], words[1], count, byte));
        ASSERT_EQ(expected, ArtFindByte16(words[0], words[1], count, byte));
#if defined(__SSE2__)
        ASSERT_EQ(expected, ArtFindByte16Sse2(words[0], words[1], count, byte));
#endif
      }
    }
  }
}

TEST(ArtNodeTest, BitmapStepsOverEveryGap) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 200; ++round) {
    ArtBitmap bitmap;
    std::set<int> model;
    for (int i = 0; i < round; ++i) {
      const int byte = static_cast<int>(random() % 256);
      bitmap.Set(byte);
      model.insert(byte);
    }
    for (int byte = 0; byte <= 256; ++byte) {
      const auto above = model.lower_bound(byte);
      ASSERT_EQ(above == model.end() ? -1 : *above, bitmap.AtOrAbove(byte));
      const auto behind = model.upper_bound(byte - 1);
      ASSERT_EQ(behind == model.begin() ? -1 : *std::prev(behind),
                bitmap.AtOrBelow(byte - 1));
    }
  }
}

// ---- Keys ----

TEST(ArtKeyTest, DivergeNamesTheFirstSymbolThatDiffers) {
  const auto diverge = [](const std::string& a, uint64_t a_seq,
                          const std::string& b, uint64_t b_seq) {
    const ArtRank m = ToArtKey({a, a_seq}).Diverge(ToArtKey({b, b_seq}), 0);
    EXPECT_EQ(m, ToArtKey({b, b_seq}).Diverge(ToArtKey({a, a_seq}), 0));
    return m;
  };
  EXPECT_EQ(0, diverge("a", 1, "b", 1));
  EXPECT_EQ(0, diverge("", 1, "b", 1));
  EXPECT_EQ(1, diverge("a", 1, "ab", 1));
  EXPECT_EQ(kArtEqualRank, diverge("", 1, "", 1));
  EXPECT_EQ(kArtVersionRank + 6, diverge("", 1, "", 2));
  EXPECT_EQ(kArtVersionRank + 5, diverge("x", 255, "x", 256));
  EXPECT_EQ(kArtVersionRank, diverge("x", 0, "x", kArtMaxSequence));
  for (size_t size = 0; size < 40; ++size) {
    const std::string a(size, 'k');
    EXPECT_EQ(static_cast<ArtRank>(size), diverge(a, 1, a + "k", 1));
    for (size_t i = 0; i < size; ++i) {
      std::string b = a;
      b[i] = static_cast<char>(b[i] ^ 0x80);
      EXPECT_EQ(static_cast<ArtRank>(i), diverge(a, 1, b, 2));
    }
  }
}

TEST(ArtKeyTest, EntriesOfEveryVarintSizeAreDecoded) {
  HeapAllocator allocator;
  for (const size_t size :
       {0, 1, 7, 8, 119, 120, 16375, 16376, 2097143, 2097144}) {
    const std::string key(size, 's');
    const ArtKey decoded(NewEntry(&allocator, key, 0x123456789abcde, 0x7f));
    EXPECT_EQ(key, std::string(decoded.user_key(), decoded.user_size()));
    EXPECT_EQ(0x123456789abcdeu, decoded.sequence());
    EXPECT_EQ(kArtEqualRank,
              decoded.Diverge(ToArtKey({key, 0x123456789abcde}), 0));
    for (uint32_t level = 0; level <= std::min<size_t>(size, 20); ++level) {
      EXPECT_EQ(ToArtKey({key, 0}).UserWindow(level),
                decoded.UserWindow(level));
    }
  }
}

}  // namespace art_test
}  // namespace memkv
