// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The separator trie against a sorted list.

#include "table/key_trie/separators.h"
#include "tests/util/key_trie_test_util.h"
#include "tests/util/separator_check.h"

namespace memkv {
namespace key_trie {

namespace {

// A trie over bytes of its own, in an allocation of their size and the padding.
class OwnedSeparators {
 public:
  OwnedSeparators(const std::string& bytes, uint32_t num_separators)
      : bytes_(std::make_unique<char[]>(bytes.size() + kPadding)) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
    opened_ = SeparatorTrie::Open({bytes_.get(), bytes.size()}, num_separators,
                                  &trie_, &reason_);
  }

  bool opened() const { return opened_; }
  const SeparatorTrie& trie() const { return trie_; }
  const std::string& reason() const { return reason_; }

 private:
  std::unique_ptr<char[]> bytes_;
  SeparatorTrie trie_;
  std::string reason_;
  bool opened_ = false;
};

std::string Encode(const KeyList& separators) {
  std::string bytes;
  EXPECT_TRUE(SeparatorTrieBuilder::Encode(separators, UINT32_MAX, &bytes));
  return bytes;
}

// Near every separator, or near some if there are many.
void ExpectAnswersLike(KeyList separators) {
  separators.push_back("");
  separators = SortedKeys(separators);
  const OwnedSeparators owned(Encode(separators),
                              static_cast<uint32_t>(separators.size()));
  ASSERT_TRUE(owned.opened()) << owned.reason();
  const SeparatorTrie& trie = owned.trie();
  ASSERT_EQ(trie.num_separators(), separators.size());
  std::string separator = "left over";
  for (uint32_t i = 0; i < separators.size(); ++i) {
    ASSERT_TRUE(trie.Get(i, &separator));
    ASSERT_EQ(separator, separators[i]);
    ASSERT_NO_FATAL_FAILURE(ExpectFindsFloor(trie, separators, separator));
  }
  std::mt19937_64 rng(1);
  for (int round = 0; round < 4000; ++round) {
    const std::string key = NearKey(separators, &rng);
    ASSERT_NO_FATAL_FAILURE(ExpectFindsFloor(trie, separators, key));
    // Longer than what a target copies.
    ASSERT_NO_FATAL_FAILURE(
        ExpectFindsFloor(trie, separators, key + std::string(300, '\0')));
  }
}

}  // namespace

TEST(KeyTrieSeparatorsTest, AListHoldsStringsByWhatTheyDoNotShare) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 200; ++round) {
    KeyList keys;
    for (size_t n = rng() % 60; n > 0; --n) {
      std::string key(1 + rng() % 20, 'a');
      for (char& c : key) c = static_cast<char>('a' + rng() % 2);
      keys.push_back(key);
    }
    keys = SortedKeys(keys);
    SeparatorList up;
    for (const std::string& key : keys) {
      const size_t own = up.OwnBytes(key);
      const size_t before = up.own_bytes();
      up.Add(key);
      ASSERT_EQ(up.own_bytes() - before, own);
      ASSERT_EQ(up.last(), key);
    }
    SeparatorList down(/*descending=*/true);
    for (size_t i = keys.size(); i > 0; --i) {
      const size_t own = down.OwnBytes(keys[i - 1]);
      const size_t before = down.own_bytes();
      down.Add(keys[i - 1]);
      ASSERT_EQ(down.own_bytes() - before, own);
    }
    size_t own = 0;
    for (const SeparatorList* list : {&up, &down}) {
      ASSERT_EQ(list->size(), keys.size());
      std::string key;
      own = 0;
      for (size_t i = 0; i < keys.size(); ++i) {
        const SeparatorList::Item& item = (*list)[i];
        ASSERT_EQ(item.lcp, CommonPrefix(keys[i], key));
        key = key.substr(0, item.lcp) + std::string(list->Own(item));
        ASSERT_EQ(key, keys[i]);
        own += item.size;
      }
      ASSERT_EQ(list->own_bytes(), own);
    }
    // The bytes are the same, however the strings came.
    keys.insert(keys.begin(), "");
    const std::string bytes = Encode(keys);
    for (const SeparatorList* list : {&up, &down}) {
      std::string encoded;
      ASSERT_TRUE(SeparatorTrieBuilder::Encode(*list, UINT32_MAX, &encoded));
      ASSERT_EQ(encoded, bytes);
      ASSERT_EQ(SeparatorTrieBuilder::EncodedSize(*list), bytes.size());
    }
  }
}

TEST(KeyTrieSeparatorsTest, TheEmptyOneAloneTakesNoBytes) {
  EXPECT_EQ(Encode({""}), "");
  const SeparatorTrie trie;
  SeparatorTrie::FloorResult place;
  place.ordinal = 7;
  ASSERT_TRUE(trie.Find(SoughtKey("key"), &place));
  EXPECT_EQ(place.ordinal, 0u);
  EXPECT_EQ(place.matched, 0u);
  std::string separator = "left over";
  ASSERT_TRUE(trie.Get(0, &separator));
  EXPECT_EQ(separator, "");
}

TEST(KeyTrieSeparatorsTest, OneBesideTheEmptyOne) {
  for (const size_t size : {1, 6, 7, 8, 254, 255, 256, 300}) {
    ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike({std::string(size, 's')}));
  }
}

TEST(KeyTrieSeparatorsTest, LabelsAroundTheLongestShortOne) {
  for (const size_t size : {0, 1, 254, 255, 256, 300, 70000}) {
    SCOPED_TRACE(size);
    const std::string stem(size, 's');
    KeyList separators;
    for (int i = 0; i < 20; ++i) {
      const auto c = static_cast<char>('a' + i);
      // The root's label is the stem; so is one's behind the first 7 bytes, and
      // that of a separator by itself.
      separators.push_back(stem + c);
      separators.push_back(stem + c + "7bytes" + stem + "1");
      separators.push_back(stem + c + "7bytes" + stem + "2");
      separators.push_back(stem + c + "others" + stem);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike(separators));
  }
}

TEST(KeyTrieSeparatorsTest, SlicesThatEndInZeroBytes) {
  KeyList separators;
  for (size_t stem = 0; stem < 17; ++stem) {
    for (size_t zeros = 0; zeros < 17; ++zeros) {
      separators.push_back(std::string(stem, 's') + std::string(zeros, '\0'));
      separators.push_back(separators.back() + '\1');
    }
  }
  ExpectAnswersLike(separators);
}

TEST(KeyTrieSeparatorsTest, ChainsOfPrefixes) {
  for (const char letter : {'\0', 'p', '\xff'}) {
    KeyList separators;
    for (size_t n = 1; n < 600; ++n) {
      separators.push_back(std::string(n, letter));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike(separators));
  }
}

TEST(KeyTrieSeparatorsTest, NumbersOfEveryWidth) {
  for (const size_t n : {1, 2, 15, 16, 17, 31, 33, 253, 254, 255, 256, 257, 999,
                         65533, 65534, 65535, 65536, 70000}) {
    SCOPED_TRACE(n);
    KeyList separators;
    for (size_t i = 0; i < n; ++i) {
      // Nodes of one group and of many.
      separators.push_back(std::to_string(100000 + i) +
                           (i % 3 == 0 ? "-and-more" : ""));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike(separators));
  }
}

TEST(KeyTrieSeparatorsTest, OffsetsAreWideFrom64KibibytesOn) {
  // One separator less a byte at a time, until all just fit.
  bool narrow_seen = false;
  bool wide_seen = false;
  for (size_t cut = 0; cut < 40; ++cut) {
    KeyList separators = {"a" + std::string(32720, 'x'),
                          "b" + std::string(32785 - cut, 'x')};
    for (const char c : {'c', 'd'}) {
      separators.push_back(std::string(9, c));
    }
    separators.insert(separators.begin(), "");
    const std::string bytes = Encode(separators);
    const bool wide = bytes.size() > UINT16_MAX;
    (wide ? wide_seen : narrow_seen) = true;
    EXPECT_EQ(static_cast<uint8_t>(bytes[0]) >> 4, wide ? 4 : 2);
    if (cut % 13 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike(separators));
    }
  }
  EXPECT_TRUE(narrow_seen);
  EXPECT_TRUE(wide_seen);
}

TEST(KeyTrieSeparatorsTest, EveryShapeOfKeys) {
  std::mt19937_64 rng(TestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    for (const size_t n : {3, 40, 700}) {
      ASSERT_NO_FATAL_FAILURE(ExpectAnswersLike(MakeKeys(shape, n, &rng)));
    }
  }
}

TEST(KeyTrieSeparatorsTest, EncodeRefusesMoreThanTheLargestSize) {
  const KeyList separators = {"", "a", "b", std::string(100, 'c')};
  const size_t size = Encode(separators).size();
  for (const size_t max : {size_t{0}, size - 1, size}) {
    std::string bytes = "before";
    EXPECT_EQ(SeparatorTrieBuilder::Encode(separators, max, &bytes),
              max == size);
    EXPECT_EQ(bytes.size(), 6 + (max == size ? size : 0));
  }
}

TEST(KeyTrieSeparatorsTest, OpenRefusesAHeadThatDoesNotFit) {
  KeyList many = {""};
  for (int i = 0; i < 300; ++i) {
    many.push_back(std::to_string(1000 + i));
  }
  const std::string bytes = Encode(many);
  EXPECT_TRUE(OwnedSeparators(bytes, 301).opened());
  const struct {
    const char* what;
    std::string bytes;
    uint32_t num_separators;
  } kCases[] = {
      {"bytes, but only the empty separator", bytes, 1},
      {"no bytes", "", 2},
      {"ordinals too wide for so few", bytes, 255},
      {"ordinals too narrow for so many", bytes, 65536},
      {"offsets too wide", std::string(1, 0x42) + bytes.substr(1), 301},
      {"offsets too narrow", bytes + std::string(70000, '\0'), 301},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    const OwnedSeparators owned(c.bytes, c.num_separators);
    EXPECT_FALSE(owned.opened());
    EXPECT_NE(
        owned.reason().find("separators: " + std::to_string(c.num_separators) +
                            " in " + std::to_string(c.bytes.size()) + " bytes"),
        std::string::npos)
        << owned.reason();
  }
}

TEST(KeyTrieSeparatorsTest, CountNotGreaterAgreesWithItsSlowTwin) {
  std::mt19937_64 rng(TestSeed());
  for (uint32_t n = 1; n < 100; n += 1 + n / 40) {
    for (int round = 0; round < 30; ++round) {
      std::vector<uint64_t> slices(n);
      for (uint64_t& slice : slices) {
        // Both halves of the numbers, and their ends.
        slice = rng() % 8 == 0 ? UINT64_MAX * (rng() % 2) : rng();
      }
      std::sort(slices.begin(), slices.end());
      std::string bytes;
      for (const uint64_t slice : slices) {
        PutFixed(&bytes, slice, 8);
      }
      // What is behind counts for nothing.
      const auto owned = std::make_unique<uint8_t[]>(bytes.size() + kPadding);
      std::copy(bytes.begin(), bytes.end(), owned.get());
      for (int sought = 0; sought < 10; ++sought) {
        const uint64_t there = slices[rng() % n];
        for (const uint64_t slice :
             {there, there - 1, there + 1, rng(), uint64_t{0}, UINT64_MAX}) {
          const auto obvious = static_cast<uint32_t>(
              std::upper_bound(slices.begin(), slices.end(), slice) -
              slices.begin());
          ASSERT_EQ(SeparatorTrie::CountNotGreater(owned.get(), n, slice),
                    obvious);
          ASSERT_EQ(scalar::CountNotGreater16(owned.get(), n, slice), obvious);
        }
      }
    }
  }
}

TEST(KeyTrieSeparatorsTest, NodesThatOverlapAreNotASeparatorLongerThanTheTrie) {
  // Every node claims all that is behind the others' heads as its label, and
  // goes on in the next one.
  constexpr uint32_t kNodes = 10000;
  constexpr uint32_t kHead = 8;
  constexpr uint32_t kTail = 8 + 1 + 4;  // slice, ordinal, offset
  const uint32_t tails = 1 + kNodes * kHead;
  std::string bytes(1, 0x41);
  for (uint32_t i = 0; i < kNodes; ++i) {
    const uint32_t label = 1 + i * kHead + kHead;
    PutFixed(&bytes, 255 | 1 << 8 | 1u << 31, 4);
    PutFixed(&bytes, tails + i * kTail - label, 4);
  }
  for (uint32_t i = 0; i < kNodes; ++i) {
    PutFixed(&bytes, 8, 8);
    PutFixed(&bytes, 0, 1);
    PutFixed(&bytes, 1 + (i + 1) * kHead, 4);
  }
  const OwnedSeparators owned(bytes, 2);
  ASSERT_TRUE(owned.opened()) << owned.reason();
  std::string separator;
  EXPECT_FALSE(owned.trie().Get(1, &separator));
  EXPECT_LE(separator.capacity(), 4 * bytes.size());
}

}  // namespace key_trie
}  // namespace memkv
