// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/unit/key_trie_test_util.h"

namespace memkv {

namespace {

void ExpectBehavesLikeAtEveryBucketSize(const KeyList& keys) {
  for (uint32_t bucket_keys : {1u, 2u, 7u, 32u, 64u}) {
    ASSERT_NO_FATAL_FAILURE(ExpectBehavesLike(keys, bucket_keys));
  }
}

}  // namespace

TEST(KeyTrieTest, NoKeys) { ExpectBehavesLikeAtEveryBucketSize({}); }

TEST(KeyTrieTest, DefaultReaderHasNoKeys) {
  const KeyTrieReader reader;
  EXPECT_EQ(reader.num_keys(), 0u);
  EXPECT_EQ(reader.Find("a"), KeyTrieReader::kNotFound);
  EXPECT_EQ(reader.LowerBound("a"), 0u);
  EXPECT_EQ(reader.FloorOrdinal("a"), KeyTrieReader::kNotFound);
}

TEST(KeyTrieTest, OnlyTheEmptyKey) { ExpectBehavesLikeAtEveryBucketSize({""}); }

TEST(KeyTrieTest, OneKey) { ExpectBehavesLikeAtEveryBucketSize({"key"}); }

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
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, SuffixLengthsAroundTheEscape) {
  KeyList keys;
  for (size_t n = 25; n < 40; ++n) {
    keys.push_back(std::string(1, static_cast<char>('a' + n)) +
                   std::string(n, 's'));
  }
  for (size_t n : {31 + 127, 31 + 128, 31 + 129, 31 + 16383, 31 + 16384}) {
    keys.push_back("z" + std::to_string(n) + std::string(n, 's'));
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, LcpChangesAroundTheEscape) {
  KeyList keys;
  for (size_t n : {0, 1, 2, 3, 4, 5, 6, 60, 61, 62, 63, 64, 65, 66, 130}) {
    keys.push_back(std::string(n, 'l') + "z");
    keys.push_back(std::string(n, 'l') + "zz");
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, TopLabelLengthsAroundTheEscape) {
  KeyList keys;
  for (size_t n = 0; n < 12; ++n) {
    const std::string stem =
        std::string(1, static_cast<char>('a' + n)) + std::string(n, 't');
    keys.push_back(stem + "1");
    keys.push_back(stem + "2");
    keys.push_back(stem + "3");
  }
  ExpectBehavesLikeAtEveryBucketSize(SortedKeys(keys));
}

TEST(KeyTrieTest, TopNodesWithWideOffsetsAndRanks) {
  // Buckets of one key put every key's separator into the top: more than 255
  // ranks and more than 64 KiB below one child of the root.
  KeyList keys;
  std::mt19937_64 rng(1);
  for (int i = 0; i < 700; ++i) {
    // Neighbours share all but the end, so that the separators are as long.
    const std::string stem = "a" + RandomBytes(&rng, 100);
    keys.push_back(stem + "0");
    keys.push_back(stem + "1");
  }
  keys.push_back("b");
  keys.push_back("c");
  ExpectBehavesLike(SortedKeys(keys), 1);
}

TEST(KeyTrieTest, MillionByteKeys) {
  const std::string megabyte(1 << 20, 'm');
  KeyList keys = {"a", megabyte};
  for (int i = 0; i < 6; ++i) {
    keys.push_back(megabyte + std::to_string(i));
  }
  keys.push_back("n" + megabyte);
  keys.push_back("z");
  for (uint32_t bucket_keys : {1u, 4u, 32u}) {
    ASSERT_NO_FATAL_FAILURE(ExpectBehavesLike(keys, bucket_keys));
  }
  // Shared prefixes are stored once or twice, not once a key.
  EXPECT_LT(BuildKeyTrie(keys, 32).size(), 3u << 20);
  EXPECT_LT(BuildKeyTrie(keys, 1).size(), 4u << 20);
}

TEST(KeyTrieTest, SixtyFourMebibyteKey) {
  const KeyList keys = {"a", std::string(64 << 20, 'h'), "i"};
  OwnedKeyTrie trie(BuildKeyTrie(keys, 2));
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

TEST(KeyTrieTest, SeekAcceptsAViewOfTheCursorsOwnKey) {
  const KeyList keys = {"aa", "aab", "aabb", "ab", "abc", "b"};
  const std::string bytes = BuildKeyTrie(keys, 2);
  KeyTrieReader reader;
  std::string reason;
  ASSERT_TRUE(KeyTrieReader::Open(bytes, &reader, &reason)) << reason;
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  for (uint32_t i = 0; i < keys.size(); ++i) {
    cursor.SeekToOrdinal(i);
    cursor.Seek(cursor.key());
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, i));
    cursor.SeekForPrev(cursor.key());
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, i));
    const std::string tail(cursor.key().substr(1));
    cursor.Seek(cursor.key().substr(1));
    ASSERT_NO_FATAL_FAILURE(
        ExpectCursorAt(cursor, keys, ModelLowerBound(keys, tail)));
  }
}

TEST(KeyTrieTest, CursorMovesFromOneReaderToAnother) {
  const KeyList first = {"a", "b", "c"};
  const KeyList second = {"x", "xy", "xyz"};
  const std::string first_bytes = BuildKeyTrie(first, 1);
  const std::string second_bytes = BuildKeyTrie(second, 1);
  KeyTrieReader readers[2];
  std::string reason;
  ASSERT_TRUE(KeyTrieReader::Open(first_bytes, &readers[0], &reason));
  ASSERT_TRUE(KeyTrieReader::Open(second_bytes, &readers[1], &reason));
  KeyTrieCursor cursor;
  for (int round = 0; round < 2; ++round) {
    cursor.Reset(&readers[0]);
    EXPECT_FALSE(cursor.Valid());
    cursor.SeekToLast();
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, first, 2));
    cursor.Reset(&readers[1]);
    EXPECT_FALSE(cursor.Valid());
    cursor.SeekToLast();
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, second, 2));
    cursor.Prev();
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, second, 1));
  }
}

TEST(KeyTrieTest, SeekToOrdinalPastTheEndIsInvalid) {
  const std::string bytes = BuildKeyTrie({"a", "b"}, 1);
  KeyTrieReader reader;
  std::string reason;
  ASSERT_TRUE(KeyTrieReader::Open(bytes, &reader, &reason));
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  cursor.SeekToOrdinal(2);
  EXPECT_FALSE(cursor.Valid());
  EXPECT_FALSE(cursor.corrupt());
}

TEST(KeyTrieTest, BuilderAppendsAndStartsAfreshAfterReset) {
  KeyTrieBuilder builder;
  std::string reason;
  std::string out = "before";
  builder.Add("b");
  EXPECT_EQ(builder.num_keys(), 1u);
  ASSERT_TRUE(builder.Finish(&out, &reason));
  EXPECT_EQ(out, "before" + BuildKeyTrie({"b"}, 32));
  builder.Reset();
  EXPECT_EQ(builder.num_keys(), 0u);
  builder.Add("a");  // Smaller than the last key before Reset.
  std::string again;
  ASSERT_TRUE(builder.Finish(&again, &reason));
  EXPECT_EQ(again, BuildKeyTrie({"a"}, 32));
}

TEST(KeyTrieTest, ResetForgetsHalfABuild) {
  KeyTrieBuilder::Options options;
  options.bucket_keys = 2;
  KeyTrieBuilder builder(options);
  const KeyList keys = {"xa", "xb", "xc", "xd", "xe"};
  for (const std::string& key : keys) {
    builder.Add(key);
  }
  builder.Reset();
  for (const std::string& key : keys) {
    builder.Add(key);
  }
  std::string out;
  std::string reason;
  ASSERT_TRUE(builder.Finish(&out, &reason));
  EXPECT_EQ(out, BuildKeyTrie(keys, 2));
}

TEST(KeyTrieTest, BucketKeysAreClippedToTheFormat) {
  for (uint32_t asked : {0u, 1u, 1024u, 1025u, UINT32_MAX}) {
    const std::string bytes = BuildKeyTrie({"a", "b"}, asked);
    KeyTrieReader reader;
    std::string reason;
    ASSERT_TRUE(KeyTrieReader::Open(bytes, &reader, &reason)) << reason;
    EXPECT_EQ(reader.bucket_keys(), std::min(std::max(asked, 1u), 1024u));
    EXPECT_EQ(reader.Find("b"), 1u);
  }
}

TEST(KeyTrieTest, FinishRefusesMoreThanTheLargestSizeAndLeavesTheOutput) {
  const KeyList keys = {"aaaa", "bbbb", "cccc", "dddd"};
  for (uint32_t bucket_keys : {1u, 32u}) {
    const size_t size = BuildKeyTrie(keys, bucket_keys).size();
    for (size_t max : {size_t{0}, size - 1, size}) {
      KeyTrieBuilder::Options options;
      options.bucket_keys = bucket_keys;
      options.max_size = max;
      KeyTrieBuilder builder(options);
      for (const std::string& key : keys) {
        builder.Add(key);
      }
      std::string out = "before";
      std::string reason;
      EXPECT_EQ(builder.Finish(&out, &reason), max == size);
      if (max < size) {
        EXPECT_EQ(out, "before");
        EXPECT_NE(reason.find(std::to_string(max)), std::string::npos);
      }
    }
  }
}

TEST(KeyTrieTest, MemoryOfARefusedBuildIsBounded) {
  KeyTrieBuilder::Options options;
  options.max_size = 1000;
  KeyTrieBuilder builder(options);
  for (int i = 1000; i < 9999; ++i) {
    builder.Add(std::to_string(i) + std::string(100, 'x'));
    ASSERT_LE(builder.EstimatedSize(), 2 * options.max_size + 200);
  }
  std::string out;
  std::string reason;
  EXPECT_FALSE(builder.Finish(&out, &reason));
  builder.Reset();
  builder.Add("a");
  EXPECT_TRUE(builder.Finish(&out, &reason)) << reason;
}

TEST(KeyTrieTest, EstimatedSizeIsWithinAFewPercent) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    for (uint32_t bucket_keys : {7u, 32u}) {
      KeyTrieBuilder::Options options;
      options.bucket_keys = bucket_keys;
      KeyTrieBuilder builder(options);
      for (const std::string& key : MakeKeys(shape, 600, &rng)) {
        builder.Add(key);
      }
      const double estimate = static_cast<double>(builder.EstimatedSize());
      std::string out;
      std::string reason;
      ASSERT_TRUE(builder.Finish(&out, &reason));
      EXPECT_NEAR(estimate, static_cast<double>(out.size()),
                  16 + static_cast<double>(out.size()) * 0.05);
    }
  }
}

}  // namespace memkv
