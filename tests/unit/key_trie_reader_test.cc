// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a reader of a key trie answers beside lookups: counts, batches, cursors.

#include <cstring>
#include <deque>

#include "tests/util/key_trie_test_util.h"

namespace memkv {

TEST(KeyTrieTest, CountRangeCountsFromBeginOnAndNotEnd) {
  const KeyList keys = {"", "a", "ab", "b"};
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    const std::string tokens = TokensFor(keys, coding);
    OwnedKeyTrie trie(BuildKeyTrie(keys, 2, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    const KeyTrieReader& reader = trie.reader();
    EXPECT_EQ(reader.CountRange("", "z"), 4u);
    EXPECT_EQ(reader.CountRange("", "b"), 3u);
    EXPECT_EQ(reader.CountRange("", "a"), 1u);
    EXPECT_EQ(reader.CountRange("a", "b"), 2u);
    EXPECT_EQ(reader.CountRange("a", std::string("a\0", 2)), 1u);
    EXPECT_EQ(reader.CountRange("aa", "aaa"), 0u);
    EXPECT_EQ(reader.CountRange("c", "d"), 0u);
    // Nothing is from begin on and before end.
    EXPECT_EQ(reader.CountRange("a", "a"), 0u);
    EXPECT_EQ(reader.CountRange("b", "a"), 0u);
    EXPECT_EQ(reader.CountRange("z", ""), 0u);
  }
}

TEST(KeyTrieTest, CountRangeAgreesWithASortedList) {
  std::mt19937_64 rng(TestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    for (const key_trie::Coding coding : kKeyTrieCodings) {
      const KeyList keys = MakeKeys(shape, 300, &rng);
      const std::string tokens = TokensFor(keys, coding);
      OwnedKeyTrie trie(BuildKeyTrie(keys, 7, tokens), tokens);
      ASSERT_TRUE(trie.Open()) << trie.reason();
      for (int i = 0; i < 1000; ++i) {
        const std::string begin = NearKey(keys, &rng);
        const std::string end = NearKey(keys, &rng);
        const auto in_range = std::count_if(
            keys.begin(), keys.end(),
            [&](const std::string& key) { return begin <= key && key < end; });
        ASSERT_EQ(trie.reader().CountRange(begin, end), in_range);
      }
    }
  }
}

TEST(KeyTrieTest, BatchesOfAnySizeInTriesOfAnyKindAnswerAsOneByOne) {
  std::mt19937_64 rng(TestSeed());
  std::vector<KeyList> keys;
  std::vector<std::string> tokens;
  std::deque<OwnedKeyTrie> owned;
  for (const KeyShape& shape : KeyShapes()) {
    for (const key_trie::Coding coding : kKeyTrieCodings) {
      for (const size_t n : {size_t{0}, size_t{1}, size_t{1000}}) {
        keys.push_back(n == 0 ? KeyList() : MakeKeys(shape, n, &rng));
        tokens.push_back(TokensFor(keys.back(), coding));
        owned.emplace_back(BuildKeyTrie(keys.back(), 16, tokens.back()),
                           tokens.back());
        ASSERT_TRUE(owned.back().Open()) << owned.back().reason();
      }
    }
  }
  for (size_t size = 0; size <= KeyTrieReader::kMaxBatch; ++size) {
    for (int i = 0; i < 20; ++i) {
      std::vector<const KeyTrieReader*> tries;
      KeyList targets;
      while (targets.size() < size) {
        const size_t t = rng() % owned.size();
        tries.push_back(&owned[t].reader());
        targets.push_back(keys[t].empty() ? "key" : NearKey(keys[t], &rng));
        if (rng() % 4 == 0 && targets.size() < size) {
          tries.push_back(tries.back());
          targets.push_back(targets.back());
        }
      }
      ASSERT_NO_FATAL_FAILURE(ExpectBatchesAgree(tries, targets));
    }
  }
}

TEST(KeyTrieTest, SeekAcceptsAViewOfTheCursorsOwnKey) {
  const KeyList keys = {"aa", "aab", "aabb", "ab", "abc", "b"};
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    const std::string tokens = TokensFor(keys, coding);
    OwnedKeyTrie trie(BuildKeyTrie(keys, 2, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    for (uint32_t i = 0; i < keys.size(); ++i) {
      cursor.SeekToOrdinal(i);
      cursor.Seek(cursor.key());
      ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, i));
      cursor.SeekForPrev(cursor.key());
      ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, i));
      const std::string tail(cursor.key().substr(1));
      cursor.Seek(cursor.key().substr(1));
      ASSERT_NO_FATAL_FAILURE(
          ExpectCursorAt(cursor, keys, ModelRank(keys, tail)));
    }
  }
}

// Keys of 40 KB and of 6 KB: those of a bucket do not fit into what a cursor
// keeps of it; of 60 bytes, they do.
TEST(KeyTrieTest, CursorTurnsAmongLargeKeysWhoseTailsAreWritten) {
  for (const size_t length : {size_t{20000}, size_t{3000}, size_t{30}}) {
    KeyList keys;
    for (int i = 100; i < 260; ++i) {
      // Some share much with the one before, some little.
      std::string key(length, static_cast<char>('a' + i / 48));
      key[length - 1 - static_cast<size_t>(i % 3) * (length / 4)] = 'z';
      keys.push_back(key.substr(0, length - 9) + std::to_string(i) + key);
    }
    std::sort(keys.begin(), keys.end());
    for (const key_trie::Coding coding : kKeyTrieCodings) {
      SCOPED_TRACE(NameOf(coding));
      const std::string tokens = TokensFor(keys, coding);
      OwnedKeyTrie trie(BuildKeyTrie(keys, 128, tokens), tokens);
      ASSERT_TRUE(trie.Open()) << trie.reason();
      KeyTrieCursor cursor;
      cursor.Reset(&trie.reader());
      uint32_t at = 0;
      const auto check = [&] {
        ASSERT_TRUE(cursor.Valid());
        ASSERT_EQ(cursor.ordinal(), at);
        ASSERT_TRUE(cursor.key() == keys[at]);
        // What a user writes there disturbs no move.
        memset(cursor.tail(), 0xff, KeyTrieCursor::kTail);
      };
      at = static_cast<uint32_t>(keys.size()) - 1;
      for (cursor.SeekToLast();; --at, cursor.Prev()) {
        ASSERT_NO_FATAL_FAILURE(check());
        if (at == 0) break;
      }
      std::mt19937_64 rng(7);
      for (int turn = 0; turn < 100; ++turn) {
        const bool forward = rng() % 2 == 0;
        for (uint64_t steps = rng() % 20; steps > 0; --steps) {
          if (at == (forward ? keys.size() - 1 : 0)) break;
          forward ? cursor.Next() : cursor.Prev();
          forward ? ++at : --at;
          ASSERT_NO_FATAL_FAILURE(check());
        }
      }
    }
  }
}

TEST(KeyTrieTest, CursorMovesFromOneReaderToAnother) {
  const KeyList lists[] = {{"a", "b", "c"}, {"x", "xy", "xyz"}};
  for (const key_trie::Coding first_coding : kKeyTrieCodings) {
    for (const key_trie::Coding second_coding : kKeyTrieCodings) {
      const std::string tokens[] = {TokensFor(lists[0], first_coding),
                                    TokensFor(lists[1], second_coding)};
      OwnedKeyTrie first(BuildKeyTrie(lists[0], 1, tokens[0]), tokens[0]);
      OwnedKeyTrie second(BuildKeyTrie(lists[1], 1, tokens[1]), tokens[1]);
      ASSERT_TRUE(first.Open());
      ASSERT_TRUE(second.Open());
      KeyTrieCursor cursor;
      for (int round = 0; round < 2; ++round) {
        cursor.Reset(&first.reader());
        EXPECT_FALSE(cursor.Valid());
        cursor.SeekToLast();
        ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, lists[0], 2));
        cursor.Reset(&second.reader());
        EXPECT_FALSE(cursor.Valid());
        cursor.SeekToLast();
        ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, lists[1], 2));
        cursor.Prev();
        ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, lists[1], 1));
      }
      cursor.Reset(nullptr);
      EXPECT_FALSE(cursor.Valid());
      EXPECT_FALSE(cursor.corrupt());
    }
  }
}

TEST(KeyTrieTest, SeekToOrdinalPastTheEndIsInvalid) {
  OwnedKeyTrie trie(BuildKeyTrie({"a", "b"}, 1));
  ASSERT_TRUE(trie.Open());
  KeyTrieCursor cursor;
  cursor.Reset(&trie.reader());
  cursor.SeekToOrdinal(2);
  EXPECT_FALSE(cursor.Valid());
  EXPECT_FALSE(cursor.corrupt());
}

TEST(KeyTrieTest, ACopyOfAReaderOutlivesIt) {
  const KeyList keys = {"a", "b", "c"};
  const std::string tokens = TokensFor(keys, key_trie::kTokenCodes);
  OwnedKeyTrie trie(BuildKeyTrie(keys, 1, tokens), tokens);
  auto reader = std::make_unique<KeyTrieReader>();
  ASSERT_TRUE(trie.Open());
  *reader = trie.reader();
  const KeyTrieReader copy = *reader;
  reader.reset();
  EXPECT_EQ(copy.Find("b"), 1u);
}

}  // namespace memkv
