// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The key trie as a whole: every shape of bytes that its numbers, codes, tokens
// and separators can take.  What its parts do by themselves is in
// key_trie_bucket_search_test.cc, key_trie_separators_test.cc and
// key_trie_tokens_test.cc.

#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace {

using key_trie::Tokens;

void ExpectBehavesLikeAtEveryBucketSize(const KeyList& keys) {
  // One vector, two, and their edges: 32 and 64 keys are searched at once.
  ExpectBehavesLike(keys, {1, 2, 7, 32, 64, 65, 127, 128});
}

// The width of the codes of a key trie's or a token table's bytes.
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

TEST(KeyTrieLargeTest, LcpsWiderThanEightBits) {
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

TEST(KeyTrieLargeTest, LcpsWiderThanEightBitsWithLengthsOfNone) {
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
  std::mt19937_64 rng(TestSeed());
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
  std::mt19937_64 rng(TestSeed());
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

TEST(KeyTrieLargeTest, SeparatorsWithLabelsAroundTheLongestShortOne) {
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
  std::mt19937_64 rng(TestSeed());
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
  std::mt19937_64 rng(TestSeed());
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

TEST(KeyTrieLargeTest, MillionByteKeys) {
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

TEST(KeyTrieLargeTest, SixtyFourMebibyteKey) {
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

}  // namespace memkv
