// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Bytes that no builder wrote.  The sanitizers judge most of it: an access
// outside the bytes, which lie in an allocation of exactly their size, is
// fatal.

#include "table/key_trie/separators.h"
#include "tests/corruption/key_trie_corruption_fixture.h"
#include "tests/corruption/key_trie_damage.h"

namespace memkv {
namespace {

using key_trie::Coding;
using key_trie::kHeaderSize;
using key_trie::kPadding;
using key_trie::kSymbols;
using key_trie::kTokenCodes;
using key_trie::Tokens;

}  // namespace

TEST_P(KeyTrieCorruptionTest, TruncationAtEveryLengthIsRefused) {
  const std::string tokens = TokensOf(SampleKeys());
  const std::string bytes =
      BuildKeyTrie(SampleKeys(), kSampleBucketKeys, tokens);
  for (size_t size = 0; size < bytes.size(); ++size) {
    OwnedKeyTrie trie(bytes.substr(0, size), tokens);
    EXPECT_FALSE(trie.Open()) << size;
    EXPECT_FALSE(trie.reason().empty());
    EXPECT_EQ(trie.reader().num_keys(), 0u);
  }
}

TEST_P(KeyTrieCorruptionTest, BytesAfterTheEndAreRefused) {
  const std::string tokens = TokensOf(SampleKeys());
  OwnedKeyTrie trie(
      BuildKeyTrie(SampleKeys(), kSampleBucketKeys, tokens) + '\0', tokens);
  EXPECT_FALSE(trie.Open());
}

TEST_P(KeyTrieCorruptionTest, EverySingleFlippedBitIsSafe) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensOf(keys);
  Tally tally;
  for (uint32_t bucket_keys : {1u, kSampleBucketKeys, 32u}) {
    const std::string bytes = BuildKeyTrie(keys, bucket_keys, tokens);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, tokens, keys, &tally))
          << "bit " << bit << " of " << bucket_keys << " keys a bucket";
    }
  }
  EXPECT_GT(tally.open_refused, 500);
  EXPECT_GT(tally.validate_refused, 4000);
  // Bits inside a suffix, which make another key.
  EXPECT_GT(tally.other_dictionary, 100);
}

TEST_P(KeyTrieCorruptionTest, EveryByteReplacedByTelltaleValuesIsSafe) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensOf(keys);
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys, tokens);
  Tally tally;
  for (size_t at = 0; at < bytes.size() - kPadding + 1; ++at) {
    for (int value : {0x00, 0x01, 0x07, 0x08, 0x1f, 0x20, 0x7f, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, tokens, keys, &tally))
          << "byte " << at;
    }
  }
  EXPECT_GT(tally.validate_refused, 300);
}

TEST_P(KeyTrieCorruptionTest, EveryNumberOfTheSeparatorsMayBeAnything) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensOf(keys);
  const std::string bytes = BuildKeyTrie(keys, 1, tokens);
  const size_t begin = SeparatorsAt(bytes);
  const size_t end = begin + LoadField(bytes, kSeparatorsSizeAt);
  Tally tally;
  for (size_t at = begin; at < end; ++at) {
    // Labels and groups of every size, and offsets: of the root, of the node
    // itself, of one before and of one behind.
    const auto here = static_cast<uint32_t>(at - begin);
    for (const uint32_t value :
         {0u, 1u, here, here - 8, here + 8, 0xffu, 0x01ffu, 0xffffff00u,
          0x7fffffffu, 0x800001ffu, 0x80000100u, UINT32_MAX}) {
      for (const size_t width : {2, 4}) {
        std::string damaged = bytes;
        std::string number;
        PutFixed(&number, value, std::min(width, end - at));
        damaged.replace(at, number.size(), number);
        if (damaged == bytes) {
          continue;
        }
        ASSERT_NO_FATAL_FAILURE(
            ExpectDamageIsSafe(damaged, tokens, keys, &tally))
            << value << " at " << here;
      }
    }
  }
  EXPECT_EQ(tally.other_dictionary, 0);
  EXPECT_GT(tally.validate_refused, 1000);
}

TEST_P(KeyTrieCorruptionTest, SeveralDamagedBytesInLargerDictionariesAreSafe) {
  std::mt19937_64 rng(TestSeed());
  Tally tally;
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    const KeyList keys = MakeKeys(shape, 150, &rng);
    const std::string tokens = TokensOf(keys);
    for (const uint32_t bucket_keys : {1u, 3u, 9u, 64u, 128u}) {
      const std::string bytes = BuildKeyTrie(keys, bucket_keys, tokens);
      for (int round = 0; round < 25; ++round) {
        std::string damaged = bytes;
        for (uint64_t n = 1 + rng() % 6; n > 0; --n) {
          damaged[kHeaderSize + rng() % (bytes.size() - kHeaderSize)] =
              static_cast<char>(rng() % 3 == 0 ? 0xff : rng());
        }
        const KeyList targets = {NearKey(keys, &rng), NearKey(keys, &rng), ""};
        ASSERT_NO_FATAL_FAILURE(
            ExpectDamageIsSafe(damaged, tokens, targets, &tally));
      }
    }
  }
  EXPECT_GT(tally.validate_refused, 500);
}

// The cursor lets go of keys before it reads the next one, which may fail.
TEST_P(KeyTrieCorruptionTest, KeysLargerThanAWindowAreSafe) {
  std::mt19937_64 rng(TestSeed());
  KeyList keys;
  for (int i = 0; i < 128; ++i) {
    keys.push_back(std::string(3000, 'k') + std::to_string(1000 + i));
  }
  const std::string tokens = TokensOf(keys);
  const std::string bytes = BuildKeyTrie(keys, 128, tokens);
  // The bucket is what is behind everything else.
  const size_t begin =
      bytes.size() - LoadField(bytes, kBucketsSizeAt) - key_trie::kPadding;
  const size_t size = LoadField(bytes, kBucketsSizeAt);
  size_t failed = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    damaged[begin + rng() % size] = static_cast<char>(rng());
    OwnedKeyTrie trie(damaged, tokens);
    if (!trie.Open()) continue;
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    for (int again = 0; again < 3; ++again) {
      cursor.SeekToLast();
      failed += cursor.corrupt() ? 1 : 0;
      cursor.SeekToOrdinal(100);
      if (cursor.Valid()) cursor.Prev();
    }
  }
  EXPECT_GT(failed, 10u);
}

TEST_P(KeyTrieCorruptionTest, BucketsAtRandomAreSafe) {
  std::mt19937_64 rng(TestSeed());
  const KeyList some = MakeKeys(KeyShapes()[0], 100, &rng);
  std::vector<std::string> token_tables;
  for (const unsigned width : {9, 10, 13, 15, 16}) {
    token_tables.push_back(TokenTableOfWidth(width, some, &rng));
  }
  Tally tally;
  for (int round = 0; round < 3000; ++round) {
    Parts parts;
    parts.coding = GetParam();
    std::string tokens;
    if (parts.coding == kTokenCodes) {
      tokens = token_tables[rng() % token_tables.size()];
      parts.width = static_cast<uint8_t>(tokens[1]);
    } else {
      parts.width = 1 + static_cast<unsigned>(rng() % 8);
      if (parts.width < 8) {
        parts.symbols =
            RandomBytes(&rng, rng() % ((uint64_t{1} << parts.width) + 1));
      }
    }
    const uint64_t num_buckets = rng() % 5;
    for (uint64_t b = 0; b < num_buckets; ++b) {
      parts.heads.push_back(parts.num_keys);
      const auto keys = static_cast<uint32_t>(1 + rng() % 128);
      parts.num_keys += keys;
      // Numbers that a bucket may have, or any, and noise that is as long as
      // they say, more or less.
      std::string bucket;
      const auto small = [&rng](uint64_t n) {
        return static_cast<uint32_t>(rng() % 16 == 0 ? rng() : rng() % n);
      };
      const unsigned lcp_width = small(13) & 31;
      bucket.push_back(static_cast<char>(lcp_width));
      PutVarint32(&bucket, b == 0 ? 0 : small(4));
      PutVarint32(&bucket, small(4));
      unsigned length_width = 0;
      if (parts.coding == kSymbols) {
        length_width = small(13) & 31;
        bucket.push_back(static_cast<char>(length_width));
        PutVarint32(&bucket, small(1u << lcp_width));
      }
      const uint64_t bits =
          keys * (lcp_width + length_width + 2 * parts.width) + 100;
      bucket += RandomBytes(&rng, bits / 8 + rng() % 8);
      bucket.resize(bucket.size() - rng() % 2 * rng() % (bits / 8));
      parts.buckets.push_back(bucket);
    }
    if (num_buckets > 1) {
      KeyList separators = {""};
      while (separators.size() < num_buckets) {
        separators.push_back(RandomBytes(&rng, 1 + rng() % 3));
        separators = SortedKeys(separators);
      }
      key_trie::SeparatorTrieBuilder::Encode(separators, UINT32_MAX,
                                             &parts.separators);
    }
    std::string bytes = parts.Join();
    if (rng() % 4 == 0) {
      bytes[kHeaderSize + rng() % (bytes.size() - kHeaderSize)] =
          static_cast<char>(rng());
    }
    ASSERT_NO_FATAL_FAILURE(
        ExpectDamageIsSafe(bytes, tokens,
                           {"", "a", RandomBytes(&rng, 2), RandomBytes(&rng, 5),
                            RandomBytes(&rng, 300)},
                           &tally))
        << "round " << round;
  }
  EXPECT_GT(tally.validate_refused, 2000);
}

TEST_P(KeyTrieCorruptionTest, SeparatorsOfOtherBucketsAreRefused) {
  const struct {
    const char* what;
    KeyList keys;
    KeyList others;
  } kCases[] = {
      {"other prefixes", {"a", "aal", "ban"}, {"a", "aan", "c"}},
      {"shorter", {"a", "prefix-1", "prefix-2"}, {"a", "b", "c"}},
      {"longer", {"a", "b", "c"}, {"a", "prefix-1", "prefix-2"}},
      {"those of the next", {"a", "b", "c"}, {"a", "c", "d"}},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    const std::string tokens = TokensOf(c.keys);
    std::string bytes = BuildKeyTrie(c.keys, 1, tokens);
    ReplaceSeparators(&bytes, SeparatorsOf(BuildKeyTrie(c.others, 1)));
    OwnedKeyTrie trie(bytes, tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    ASSERT_NO_FATAL_FAILURE(ExpectSafe(trie.reader(), c.keys));
    ASSERT_NO_FATAL_FAILURE(ExpectSafe(trie.reader(), c.others));
    std::string reason;
    EXPECT_FALSE(trie.reader().Validate(&reason));
    EXPECT_NE(reason.find("separators are not those of the buckets"),
              std::string::npos)
        << reason;
  }
}

TEST_P(KeyTrieCorruptionTest, AHeadLongerThanItsSeparatorCannotBeRebuilt) {
  // The buckets of one key trie under the separators of another: "prefix-2"
  // shares 7 bytes with the key before it, its separator has one.
  const KeyList keys = {"a", "prefix-1", "prefix-2"};
  const std::string tokens = TokensOf(keys);
  std::string bytes = BuildKeyTrie(keys, 1, tokens);
  ReplaceSeparators(&bytes, SeparatorsOf(BuildKeyTrie({"a", "b", "c"}, 1)));
  OwnedKeyTrie trie(bytes, tokens);
  ASSERT_TRUE(trie.Open()) << trie.reason();
  KeyTrieCursor cursor;
  cursor.Reset(&trie.reader());
  cursor.SeekToOrdinal(2);
  EXPECT_FALSE(cursor.Valid());
  EXPECT_TRUE(cursor.corrupt());
  std::string key;
  EXPECT_FALSE(trie.reader().KeyAt(2, &key));
  cursor.SeekToFirst();
  EXPECT_TRUE(cursor.Valid());
  EXPECT_FALSE(cursor.corrupt());
  cursor.SeekToOrdinal(2);
  EXPECT_TRUE(cursor.corrupt());
  cursor.Reset(&trie.reader());
  EXPECT_FALSE(cursor.corrupt());
}

INSTANTIATE_TEST_SUITE_P(Codings, KeyTrieCorruptionTest,
                         testing::ValuesIn(kKeyTrieCodings),
                         [](const testing::TestParamInfo<Coding>& coding) {
                           return NameOf(coding.param);
                         });

TEST(KeyTrieDamagedSeparatorsTest, NodesAtRandomEndEveryDescent) {
  // Nodes that lead anywhere, also back, over an alphabet of two letters, so
  // that keys get far.
  std::mt19937_64 rng(TestSeed());
  const auto letters = [&rng](size_t n) {
    std::string s(n, 'a');
    for (char& c : s) {
      c = rng() % 2 == 0 ? 'a' : 'b';
    }
    return s;
  };
  int found = 0;
  for (int round = 0; round < 5000; ++round) {
    const auto num_separators = static_cast<uint32_t>(2 + rng() % 20);
    std::string bytes(1, 0x21);
    std::vector<size_t> nodes;
    std::vector<size_t> offsets;
    for (uint64_t n = 1 + rng() % 6; n > 0; --n) {
      nodes.push_back(bytes.size());
      const std::string label = letters(rng() % 2 * (rng() % 3));
      const uint64_t groups = rng() % 5;
      const bool goes_on = rng() % 4 != 0;
      PutFixed(&bytes, label.size() | groups << 8 | uint64_t{goes_on} << 31, 4);
      bytes += label;
      std::vector<uint64_t> slices;
      for (uint64_t g = 0; g < groups; ++g) {
        slices.push_back(key_trie::SliceOf(letters(5 + rng() % 5), 0));
      }
      if (rng() % 4 != 0) {
        std::sort(slices.begin(), slices.end());
      }
      for (const uint64_t slice : slices) {
        PutFixed(&bytes, slice, 8);
      }
      for (uint64_t g = 0; g < groups; ++g) {
        PutFixed(&bytes, rng() % (num_separators + 2), 1);
      }
      for (uint64_t g = 0; g < groups && goes_on; ++g) {
        offsets.push_back(bytes.size());
        PutFixed(&bytes, 0, 2);
      }
    }
    for (const size_t at : offsets) {
      std::string offset;
      PutFixed(&offset, rng() % 8 == 0 ? rng() : nodes[rng() % nodes.size()],
               2);
      bytes.replace(at, 2, offset);
    }
    const auto owned = std::make_unique<char[]>(bytes.size() + kPadding);
    std::copy(bytes.begin(), bytes.end(), owned.get());
    key_trie::SeparatorTrie trie;
    std::string reason;
    ASSERT_TRUE(key_trie::SeparatorTrie::Open({owned.get(), bytes.size()},
                                              num_separators, &trie, &reason))
        << reason;
    for (const size_t size : {0, 1, 7, 8, 20, 100, 300, 2000}) {
      const std::string key = letters(size);
      key_trie::SeparatorTrie::FloorResult place;
      if (trie.Find(key_trie::SoughtKey(key), &place)) {
        ++found;
        ASSERT_LT(place.ordinal, num_separators);
        ASSERT_LE(place.matched, key.size());
        ASSERT_LE(place.num_nodes, key.size() / key_trie::kSliceBytes + 1);
      }
    }
    for (uint32_t i = 0; i < num_separators; ++i) {
      std::string separator;
      (void)trie.Get(i, &separator);  // Of damaged bytes, anything.
      ASSERT_LE(separator.size(), bytes.size() + key_trie::kSliceBytes);
    }
  }
  EXPECT_GT(found, 5000);
}

TEST(KeyTrieDamagedTokensTest, EverySingleFlippedBitIsSafe) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensFor(keys, kTokenCodes);
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys, tokens);
  Tally tally;
  for (size_t bit = 0; bit < tokens.size() * 8; ++bit) {
    std::string damaged = tokens;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(bytes, damaged, keys, &tally))
        << "bit " << bit;
  }
  EXPECT_GT(tally.tokens_refused, 1000);
  // Bits inside tokens, which make others: keys that the buckets do not fit.
  EXPECT_GT(tally.validate_refused, 20);
}

TEST(KeyTrieDamagedTokensTest, OtherTokensOfTheSameWidthAreSafe) {
  std::mt19937_64 rng(TestSeed());
  Tally tally;
  for (const size_t shape : {0, 3, 5}) {
    const KeyList keys = MakeKeys(KeyShapes()[shape], 150, &rng);
    for (const unsigned width : {9, 12, 15, 16}) {
      SCOPED_TRACE(std::to_string(width) + " bits");
      const std::string tokens = TokenTableOfWidth(width, keys, &rng);
      const std::string bytes = BuildKeyTrie(keys, 20, tokens);
      const KeyList others = {"xy", RandomBytes(&rng, 60)};
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(
          bytes, TokenTableOfWidth(width, others, &rng),
          {NearKey(keys, &rng), NearKey(keys, &rng), ""}, &tally));
      // Tokens that all end a key but one, and as few as there may be.
      std::vector<Tokens::Token> ends = {{"x", false}};
      const size_t n = width == 9 ? 2 : (size_t{1} << (width - 1)) + 1;
      for (size_t i = 0; ends.size() < n; ++i) {
        ends.push_back({std::to_string(1000000 + i), true});
      }
      std::string token_table;
      Tokens::Encode(ends, &token_table);
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(
          bytes, token_table, {NearKey(keys, &rng)}, &tally));
    }
  }
  EXPECT_GT(tally.validate_refused, 20);
}

}  // namespace memkv
