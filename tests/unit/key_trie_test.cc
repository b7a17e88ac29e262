// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The key trie as a whole: every shape of bytes that its numbers, codes, tokens
// and separators can take.  What its parts do by themselves is in
// key_trie_bucket_search_test.cc, key_trie_separators_test.cc and
// key_trie_tokens_test.cc.

#include <cstring>
#include <deque>

#include "tests/unit/key_trie_test_util.h"

namespace memkv {

namespace {

using key_trie::Tokens;

void ExpectBehavesLikeAtEveryBucketSize(const KeyList& keys) {
  // One vector, two, and their edges: 32 and 64 keys are searched at once.
  ExpectBehavesLike(keys, {1, 2, 7, 32, 64, 65, 127, 128});
}

// The width of the codes of a token table's bytes.
unsigned CodeWidthOf(const std::string& bytes) {
  return static_cast<uint8_t>(bytes[2]);
}

}  // namespace

TEST(KeyTrieTest, NoKeys) { ExpectBehavesLikeAtEveryBucketSize({}); }

TEST(KeyTrieTest, DefaultReaderHasNoKeys) {
  const KeyTrieReader reader;
  EXPECT_EQ(reader.num_keys(), 0u);
  EXPECT_EQ(reader.Find("a"), KeyTrieReader::kNotFound);
  EXPECT_EQ(reader.Rank("a"), 0u);
  EXPECT_EQ(reader.CountRange("a", "b"), 0u);
  EXPECT_EQ(reader.FloorOrdinal("a"), KeyTrieReader::kNotFound);
}

TEST(KeyTrieTest, OnlyTheEmptyKey) { ExpectBehavesLikeAtEveryBucketSize({""}); }

TEST(KeyTrieTest, OneKey) { ExpectBehavesLikeAtEveryBucketSize({"key"}); }

TEST(KeyTrieTest, AViewOfNoBytesAtAllIsTheEmptyKey) {
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    const KeyList keys = {"", "a"};
    const std::string tokens = TokensFor(keys, coding);
    OwnedKeyTrie trie(BuildKeyTrie(keys, 1, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    const std::string_view none;  // data() is null
    EXPECT_EQ(trie.reader().Find(none), 0u);
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    cursor.Seek(none);
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, 0));
    cursor.Seek(cursor.key());
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, 0));
    cursor.SeekForPrev(cursor.key());
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, 0));
  }
}

TEST(KeyTrieTest, EveryOneByteKeyAndTheEmptyOne) {
  KeyList keys = {""};
  for (int c = 0; c < 256; ++c) {
    keys.push_back(std::string(1, static_cast<char>(c)));
  }
  ExpectBehavesLikeAtEveryBucketSize(keys);
}

TEST(KeyTrieTest, KeysThatArePrefixesOfEachOther) {
  KeyList keys;
  for (size_t n = 0; n < 300; ++n) {
    keys.push_back(std::string(n, 'p'));
  }
  ExpectBehavesLikeAtEveryBucketSize(keys);
}

TEST(KeyTrieTest, PrefixesThatGoOnWithZeroBytes) {
  KeyList keys;
  for (size_t n = 0; n < 80; ++n) {
    keys.push_back(std::string(n, '\0'));
    keys.push_back(std::string(n, '\0') + '\xff');
    keys.push_back("zero" + std::string(n, '\0'));
    keys.push_back("zero" + std::string(n, '\0') + '\1');
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, LcpsWiderThanEightBits) {
  // In one bucket the LCPs spread over more than a byte, more than two bytes,
  // and exactly as much as either holds.
  for (const size_t most : {254, 255, 256, 257, 1000, 65535, 65536}) {
    SCOPED_TRACE(most);
    const std::string stem(most, 'l');
    KeyList keys = {"k", "m"};
    for (const size_t lcp : {size_t{0}, size_t{1}, size_t{2}, size_t{128},
                             most / 2, most - 1, most}) {
      keys.push_back(stem.substr(0, lcp) + "z");
      keys.push_back(stem.substr(0, lcp) + "zz");
      keys.push_back(stem.substr(0, lcp) + "a");
    }
    ASSERT_NO_FATAL_FAILURE(
        ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys)));
  }
}

TEST(KeyTrieTest, LcpsWiderThanEightBitsWithLengthsOfNone) {
  KeyList keys;
  for (size_t lcp = 0; lcp < 400; lcp += 3) {
    keys.push_back(std::string(lcp, 'l') + "m" + std::string(399 - lcp, 'n'));
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, LengthsWiderThanEightBits) {
  for (const size_t most : {254, 255, 256, 257, 1000, 65535, 65536}) {
    SCOPED_TRACE(most);
    KeyList keys;
    int i = 0;
    for (const size_t length : {most, size_t{0}, size_t{1}, size_t{63},
                                size_t{64}, most / 2, most - 1}) {
      keys.push_back(std::string(1, static_cast<char>('a' + i++)) +
                     std::string(length, 's'));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectBehavesLikeAtEveryBucketSize(keys));
  }
}

TEST(KeyTrieTest, SymbolsOfEveryWidth) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  unsigned widths = 0;
  for (const unsigned symbols :
       {1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 255, 256}) {
    SCOPED_TRACE(std::to_string(symbols) + " symbols");
    // The lowest and the highest bytes are among them.
    std::string alphabet;
    for (unsigned i = 0; i < symbols; ++i) {
      alphabet.push_back(
          static_cast<char>(symbols == 1 ? 255 : i * 255 / (symbols - 1)));
    }
    KeyList keys;
    for (int i = 0; i < 300; ++i) {
      std::string key(rng() % 20, '\0');
      for (char& c : key) {
        c = alphabet[rng() % symbols];
      }
      keys.push_back(key);
    }
    for (const char c : alphabet) {
      keys.push_back(std::string(1, c));
    }
    keys = SortedKeys(keys);
    widths |= 1u << CodeWidthOf(BuildKeyTrie(keys, 64));
    ASSERT_NO_FATAL_FAILURE(ExpectBehavesLikeIn("", keys, {1, 7, 64, 128}));
  }
  EXPECT_EQ(widths, 0x1feu);
}

TEST(KeyTrieTest, TokenCodesOfEveryWidth) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (unsigned width = Tokens::kMinWidth; width <= Tokens::kMaxWidth;
       ++width) {
    SCOPED_TRACE(std::to_string(width) + " bits");
    for (const size_t shape : {0, 3}) {
      const KeyList keys = MakeKeys(KeyShapes()[shape], 250, &rng);
      const std::string tokens = TokenTableOfWidth(width, keys, &rng);
      const std::string bytes = BuildKeyTrie(keys, 128, tokens);
      ASSERT_EQ(CodeWidthOf(bytes), width);
      OwnedKeyTrie trie(bytes, tokens);
      ASSERT_TRUE(trie.Open()) << trie.reason();
      ASSERT_NO_FATAL_FAILURE(ExpectTrieBehavesLike(trie.reader(), keys));
    }
  }
}

TEST(KeyTrieTest, TokensOfEveryLength) {
  // A key of every length up to more than two tokens; those that fit are
  // tokens, from their first byte on or from their second.
  std::vector<Tokens::Token> tokens;
  KeyList keys;
  for (size_t n = 0; n <= 2 * Tokens::kMaxLength + 3; ++n) {
    const std::string key = std::string(1, static_cast<char>(n)) +
                            std::string(n, 'x') + (n % 2 == 0 ? "" : "y");
    keys.push_back(key);
    for (const bool ends : {false, true}) {
      if (n > 1 && n <= Tokens::kMaxLength) {
        tokens.push_back({std::string(n, 'x'), ends});
      }
      if (n % 3 == 0 && key.size() > 1 && key.size() <= Tokens::kMaxLength) {
        tokens.push_back({key, ends});
      }
    }
  }
  const std::string token_table = TokenTableOf(tokens);
  ExpectBehavesLikeIn(token_table, keys, {1, 2, 7, 32, 64, 65, 127, 128});
}

TEST(KeyTrieTest, SeparatorsWithLabelsAroundTheLongestShortOne) {
  for (const size_t label : {0, 1, 6, 7, 8, 253, 254, 255, 256, 300, 70000}) {
    SCOPED_TRACE(label);
    // All separators but the first, which is empty, share the stem.
    const std::string stem(label, 's');
    KeyList keys;
    for (int i = 0; i < 20; ++i) {
      const std::string start = stem + static_cast<char>('a' + i);
      keys.push_back(start);
      keys.push_back(start + "7 bytes" + stem + "1");
      keys.push_back(start + "7 bytes" + stem + "2");
    }
    ASSERT_NO_FATAL_FAILURE(ExpectBehavesLike(SortedKeys(keys), {1, 2}));
  }
}

TEST(KeyTrieTest, SeparatorsWhoseSlicesEndInZeroBytes) {
  KeyList keys;
  for (size_t stem = 0; stem < 9; ++stem) {
    for (size_t zeros = 0; zeros < 10; ++zeros) {
      keys.push_back(std::string(stem, 's') + std::string(zeros, '\0'));
      keys.push_back(keys.back() + "1");
    }
  }
  ExpectBehavesLike(SortedKeys(keys), {1, 2});
}

TEST(KeyTrieTest, SeparatorsWithWideOffsetsAndOrdinals) {
  // Buckets of one key make every key a separator: more than 255 of them, and
  // more than 64 KiB.
  KeyList keys;
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (int i = 0; i < 700; ++i) {
    // Neighbours share all but the end, so that the separators are as long.
    const std::string stem = "a" + RandomBytes(&rng, 100);
    keys.push_back(stem + "0");
    keys.push_back(stem + "1");
  }
  keys.push_back("b");
  keys.push_back("c");
  ExpectBehavesLike(SortedKeys(keys), {1});
}

TEST(KeyTrieTest, MoreThan65535Buckets) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  KeyList keys;
  for (uint32_t i = 0; i < 66000; ++i) {
    keys.push_back(std::to_string(1000000 + i * 7));
  }
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    const std::string tokens = TokensFor(keys, coding);
    OwnedKeyTrie trie(BuildKeyTrie(keys, 1, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    EXPECT_EQ(trie.reader().num_buckets(), keys.size());
    std::string reason;
    ASSERT_TRUE(trie.reader().Validate(&reason)) << reason;
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    for (int i = 0; i < 5000; ++i) {
      const std::string target = NearKey(keys, &rng);
      ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(trie.reader(), keys, target));
      cursor.SeekForPrev(target);
      ASSERT_NO_FATAL_FAILURE(
          ExpectCursorAt(cursor, keys, trie.reader().FloorOrdinal(target)));
    }
  }
}

TEST(KeyTrieTest, MillionByteKeys) {
  const std::string megabyte(1 << 20, 'm');
  KeyList keys = {"a", megabyte};
  for (int i = 0; i < 6; ++i) {
    keys.push_back(megabyte + std::to_string(i));
  }
  keys.push_back("n" + megabyte);
  keys.push_back("z");
  ASSERT_NO_FATAL_FAILURE(ExpectBehavesLike(keys, {1, 32}));
  // Shared prefixes are stored once or twice, not once a key.
  EXPECT_LT(BuildKeyTrie(keys, 32).size(), 3u << 20);
  EXPECT_LT(BuildKeyTrie(keys, 1).size(), 4u << 20);
}

TEST(KeyTrieTest, SixtyFourMebibyteKey) {
  const KeyList keys = {"a", std::string(64 << 20, 'h'), "i"};
  const std::string in_symbols;
  const std::string in_tokens =
      TokenTableOf({{std::string(63, 'h'), false}, {"hh", true}});
  for (const std::string& tokens : {in_symbols, in_tokens}) {
    OwnedKeyTrie trie(BuildKeyTrie(keys, 2, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    std::string reason;
    EXPECT_TRUE(trie.reader().Validate(&reason)) << reason;
    for (uint32_t i = 0; i < 3; ++i) {
      EXPECT_EQ(trie.reader().Find(keys[i]), i);
    }
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    cursor.SeekToLast();
    cursor.Prev();
    ASSERT_TRUE(cursor.Valid());
    EXPECT_TRUE(cursor.key() == keys[1]);
  }
}

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
  std::mt19937_64 rng(KeyTrieTestSeed());
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
  std::mt19937_64 rng(KeyTrieTestSeed());
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

TEST(KeyTrieTest, BuilderAppendsAndStartsAfreshAfterReset) {
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    const std::string tokens = TokensFor({"b"}, coding);
    KeyTrieBuilder builder;
    std::string reason;
    std::string out = "before";
    builder.Add("b");
    EXPECT_EQ(builder.num_keys(), 1u);
    ASSERT_TRUE(FinishKeyTrie(&builder, tokens, &out, &reason));
    EXPECT_EQ(out, "before" + BuildKeyTrie({"b"}, 32, tokens));
    builder.Reset();
    EXPECT_EQ(builder.num_keys(), 0u);
    builder.Add("a");  // Smaller than the last key before Reset.
    std::string again;
    ASSERT_TRUE(FinishKeyTrie(&builder, tokens, &again, &reason));
    EXPECT_EQ(again, BuildKeyTrie({"a"}, 32, tokens));
  }
}

TEST(KeyTrieTest, ResetForgetsHalfABuild) {
  KeyTrieBuilder::Options options;
  options.bucket_keys = 2;
  const KeyList keys = {"xa", "xb", "xc", "xd", "xe"};
  const auto builder = NewKeyTrieBuilder({"wa", "wbb", "wc", "y"}, options);
  builder->Reset();
  EXPECT_EQ(builder->suffix_bytes(), 0u);
  EXPECT_EQ(builder->shortest_key(), SIZE_MAX);
  EXPECT_EQ(builder->longest_key(), 0u);
  EXPECT_EQ(builder->last_key(), "");
  for (const std::string& key : keys) {
    builder->Add(key);
  }
  std::string out;
  std::string reason;
  ASSERT_TRUE(builder->Finish(nullptr, &out, &reason));
  EXPECT_EQ(out, BuildKeyTrie(keys, 2));
}

TEST(KeyTrieTest, BuilderTellsWhatItHolds) {
  const auto builder = NewKeyTrieBuilder({"pre", "prefab", "prefix", "q"}, {});
  EXPECT_EQ(builder->num_keys(), 4u);
  EXPECT_EQ(builder->last_key(), "q");
  EXPECT_EQ(builder->shortest_key(), 1u);
  EXPECT_EQ(builder->longest_key(), 6u);
  KeyList suffixes;
  builder->ForEachSuffix(
      [&suffixes](std::string_view suffix) { suffixes.emplace_back(suffix); });
  EXPECT_EQ(suffixes, (KeyList{"pre", "fab", "ix", "q"}));
  EXPECT_EQ(builder->suffix_bytes(), 9u);
}

TEST(KeyTrieTest, BucketKeysAreClippedToTheFormat) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[0], 1000, &rng);
  EXPECT_EQ(BuildKeyTrie(keys, 0), BuildKeyTrie(keys, 1));
  for (const uint32_t asked : {129u, 1024u, UINT32_MAX}) {
    EXPECT_EQ(BuildKeyTrie(keys, asked), BuildKeyTrie(keys, 128));
  }
}

TEST(KeyTrieTest, BucketsAreThreeQuartersFull) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    const KeyList keys = MakeKeys(shape, 1000, &rng);
    for (const uint32_t bucket_keys : {1u, 2u, 3u, 7u, 96u, 127u, 128u}) {
      OwnedKeyTrie trie(BuildKeyTrie(keys, bucket_keys));
      ASSERT_TRUE(trie.Open()) << trie.reason();
      const auto n = static_cast<uint32_t>(keys.size());
      const uint32_t least = (3 * bucket_keys + 3) / 4;
      EXPECT_GE(trie.reader().num_buckets(),
                (n + bucket_keys - 1) / bucket_keys);
      EXPECT_LE(trie.reader().num_buckets(), (n + least - 1) / least);
    }
  }
}

TEST(KeyTrieTest, FinishRefusesMoreThanTheLargestSizeAndLeavesTheOutput) {
  const KeyList keys = {"aaaa", "bbbb", "cccc", "dddd"};
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    const std::string tokens = TokensFor(keys, coding);
    for (uint32_t bucket_keys : {1u, 32u}) {
      const size_t size = BuildKeyTrie(keys, bucket_keys, tokens).size();
      for (size_t max : {size_t{0}, size_t{1}, size - 1, size}) {
        KeyTrieBuilder::Options options;
        options.bucket_keys = bucket_keys;
        options.max_size = max;
        const auto builder = NewKeyTrieBuilder(keys, options);
        std::string out = "before";
        std::string reason;
        EXPECT_EQ(FinishKeyTrie(builder.get(), tokens, &out, &reason),
                  max == size);
        if (max < size) {
          EXPECT_EQ(out, "before");
          EXPECT_NE(reason.find(std::to_string(max)), std::string::npos);
        }
      }
    }
  }
}

TEST(KeyTrieTest, MemoryOfARefusedBuildIsBounded) {
  // As long as the longest tokens may make all of it fit, it is kept.
  KeyTrieBuilder::Options options;
  options.max_size = 100;
  KeyTrieBuilder builder(options);
  size_t most = 0;
  for (int i = 10000; i < 20000; ++i) {
    builder.Add(std::to_string(i) + std::string(100, 'x'));
    most = std::max(most, builder.EstimatedSize());
  }
  EXPECT_LE(most, 2 * Tokens::kMaxLength * options.max_size);
  std::string out;
  std::string reason;
  EXPECT_FALSE(builder.Finish(nullptr, &out, &reason));
  EXPECT_FALSE(reason.empty());
}

TEST(KeyTrieTest, SealedKeysAreHeldInLittleMoreThanTheirSuffixes) {
  // Two bytes a key for both sizes, three where keys are longer than 127 bytes,
  // and a fifteenth of a byte or so for buckets: less than the estimate.  The
  // last key and the last separator are held besides.
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    const KeyList keys = MakeKeys(shape, 900, &rng);
    const auto builder = NewKeyTrieBuilder(keys, {});
    EXPECT_GT(builder->MemoryUsage(), builder->suffix_bytes());
    std::string before;
    std::string after;
    std::string reason;
    ASSERT_TRUE(builder->Finish(nullptr, &before, &reason)) << reason;
    const size_t estimate = builder->EstimatedSize();
    builder->Seal();
    EXPECT_LE(builder->MemoryUsage(),
              estimate + keys.size() + 2 * keys.back().size());
    EXPECT_EQ(builder->EstimatedSize(), estimate);
    // It can be written again, and says the same.
    ASSERT_TRUE(builder->Finish(nullptr, &after, &reason)) << reason;
    EXPECT_EQ(before, after);
    std::string rebuilt;
    size_t i = 0;
    builder->ForEachSuffix([&](std::string_view suffix) {
      ASSERT_LT(i, keys.size());
      ASSERT_EQ(keys[i].substr(keys[i].size() - suffix.size()), suffix);
      ++i;
    });
    EXPECT_EQ(i, keys.size());
  }
}

TEST(KeyTrieTest, MemoryOfLongKeysIsWhatTheyDoNotShare) {
  // 500 keys of 1 MiB that differ at their ends: half a gigabyte of keys.
  constexpr size_t kLong = size_t{1} << 20;
  KeyTrieBuilder builder;
  std::string key(kLong, 'k');
  for (int i = 1000; i < 1500; ++i) {
    key.resize(kLong);
    builder.Add(key + std::to_string(i));
  }
  // The first suffix, the last key and the last separator, grown by doubling,
  // and some bytes a key.
  EXPECT_LE(builder.MemoryUsage(), 7 * kLong + 500 * 64);
  // What Finish will hold is known before.
  EXPECT_GE(builder.whole_separator_bytes(), (500 / 64) * kLong);
  EXPECT_LE(builder.whole_separator_bytes(), (500 / 48 + 1) * (kLong + 10));
  builder.Seal();
  EXPECT_LE(builder.MemoryUsage(), 2 * kLong + 10000 + 500 * 10);
  std::string out;
  std::string reason;
  ASSERT_TRUE(builder.Finish(nullptr, &out, &reason)) << reason;
  KeyTrieReader reader;
  ASSERT_TRUE(KeyTrieReader::Open(out, nullptr, &reader, &reason)) << reason;
  ASSERT_TRUE(reader.Validate(&reason)) << reason;
  key.resize(kLong);
  EXPECT_EQ(reader.Find(key + "1234"), 234u);
}

TEST(KeyTrieTest, AfterARefusedBuildResetBuildsAgain) {
  KeyTrieBuilder::Options options;
  options.max_size = 300;
  const auto builder = NewKeyTrieBuilder({std::string(30000, 'x')}, options);
  std::string out;
  std::string reason;
  EXPECT_FALSE(builder->Finish(nullptr, &out, &reason));
  builder->Reset();
  builder->Add("a");
  EXPECT_TRUE(builder->Finish(nullptr, &out, &reason)) << reason;
}

TEST(KeyTrieTest, EstimatedSizeIsAtLeastAboutTheSizeInSymbols) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    for (const uint32_t bucket_keys : {7u, 32u, 96u, 128u}) {
      KeyTrieBuilder::Options options;
      options.bucket_keys = bucket_keys;
      const auto builder =
          NewKeyTrieBuilder(MakeKeys(shape, 900, &rng), options);
      const double estimate = static_cast<double>(builder->EstimatedSize());
      std::string out;
      std::string reason;
      ASSERT_TRUE(builder->Finish(nullptr, &out, &reason));
      EXPECT_GE(estimate, 0.95 * static_cast<double>(out.size()));
    }
  }
}

TEST(KeyTrieTest, ReadersWantTheTokensTheyWereWrittenIn) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[0], 100, &rng);
  const std::string tokens = TokenTableOfWidth(10, keys, &rng);
  const std::string bytes = BuildKeyTrie(keys, 7, tokens);
  const struct {
    const char* what;
    std::string tokens;
    const char* reason;
  } kCases[] = {
      {"no tokens", "", "codes of 10 bits, but the file's tokens have none"},
      {"narrower tokens", TokenTableOfWidth(9, keys, &rng),
       "codes of 10 bits, but the file's tokens have 9"},
      {"wider tokens", TokenTableOfWidth(11, keys, &rng),
       "codes of 10 bits, but the file's tokens have 11"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    OwnedKeyTrie trie(bytes, c.tokens);
    EXPECT_FALSE(trie.Open());
    EXPECT_NE(trie.reason().find(c.reason), std::string::npos) << trie.reason();
  }
  // What is in symbols needs no tokens, but a file may have them.
  OwnedKeyTrie plain(BuildKeyTrie(keys, 7), tokens);
  EXPECT_TRUE(plain.Open()) << plain.reason();
  EXPECT_EQ(plain.reader().Find(keys[50]), 50u);
}

TEST(KeyTrieTest, TheSameKeysAndTokensAreTheSameBytes) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    const KeyList keys = MakeKeys(KeyShapes()[1], 500, &rng);
    const std::string tokens = TokensFor(keys, coding);
    EXPECT_EQ(TokensFor(keys, coding), tokens);
    EXPECT_EQ(BuildKeyTrie(keys, 64, tokens), BuildKeyTrie(keys, 64, tokens));
  }
}

}  // namespace memkv
