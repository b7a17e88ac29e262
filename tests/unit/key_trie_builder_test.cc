// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The builder of a key trie: its life from reset to reset, its limits, its
// memory, and its estimates.

#include <memory>
#include <random>
#include <set>

#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace {

using key_trie::Tokens;

}  // namespace

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

TEST(KeyTrieTest, TheLastKeyIsTheLastOneWhereTheyAreTooMany) {
  KeyTrieBuilder::Options options;
  options.max_size = 10;
  KeyTrieBuilder builder(options);
  for (int i = 100; i < 140; ++i) {
    const std::string key = std::to_string(i) + std::string(100, 'x');
    builder.Add(key);
    EXPECT_EQ(builder.last_key(), key);
  }
  std::string out;
  std::string reason;
  EXPECT_FALSE(builder.Finish(nullptr, &out, &reason));
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

// The first keys have other symbols and fixed bytes than all have.
TEST(KeyTrieTest, KeysThatFollowAMeasurementAreWrittenAsIfThereWasNone) {
  KeyList keys;
  for (int i = 1000; i < 1400; ++i) {
    keys.push_back("key-" + std::to_string(i) + "-" + std::to_string(i * 7));
  }
  KeyTrieBuilder builder;
  std::string reason;
  for (size_t i = 0; i < keys.size(); ++i) {
    builder.Add(keys[i]);
    if (i % 100 == 50) {
      EXPECT_GT(builder.MeasureSymbols().without, 0u);
      std::string part;
      builder.EncodeBuckets(nullptr, 0, 1, &part);
      EXPECT_FALSE(part.empty());
    }
  }
  keys.emplace_back("key/with:others");
  builder.Add(keys.back());
  std::string out;
  ASSERT_TRUE(builder.Finish(nullptr, &out, &reason)) << reason;
  EXPECT_EQ(out, BuildKeyTrie(keys, 64));
  // And after a reset.
  builder.Reset();
  builder.Add("Z");
  std::string again;
  ASSERT_TRUE(builder.Finish(nullptr, &again, &reason)) << reason;
  EXPECT_EQ(again, BuildKeyTrie({"Z"}, 64));
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
  std::mt19937_64 rng(TestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[0], 1000, &rng);
  EXPECT_EQ(BuildKeyTrie(keys, 0), BuildKeyTrie(keys, 1));
  for (const uint32_t asked : {129u, 1024u, UINT32_MAX}) {
    EXPECT_EQ(BuildKeyTrie(keys, asked), BuildKeyTrie(keys, 128));
  }
}

TEST(KeyTrieTest, BucketsAreThreeQuartersFull) {
  std::mt19937_64 rng(TestSeed());
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
  // last key and the last separator are held besides, and what Finish found of
  // the symbols.
  constexpr size_t kSymbols = 1024;
  std::mt19937_64 rng(TestSeed());
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
              estimate + keys.size() + 2 * keys.back().size() + kSymbols);
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

TEST(KeyTrieTest, EveryNthSuffixIsThatOfOneWalkOverAll) {
  std::mt19937_64 random(TestSeed());
  // Sizes of a byte each, of more, and both beside each other.
  for (const size_t long_ones : {0, 1, 50, 100}) {
    std::vector<std::unique_ptr<KeyTrieBuilder>> builders;
    std::vector<std::string> all;
    for (const size_t n : {0, 1, 2, 3, 4, 5, 7, 100, 333}) {
      std::set<std::string> keys;
      while (keys.size() < n) {
        const size_t size = random() % 100 < long_ones ? 300 : 12;
        std::string key = "k";
        while (key.size() < size) {
          key.push_back("ab"[random() % 2]);
        }
        keys.insert(std::move(key));
      }
      builders.push_back(std::make_unique<KeyTrieBuilder>());
      for (const std::string& key : keys) {
        builders.back()->Add(key);
      }
      builders.back()->ForEachSuffix(
          [&](std::string_view suffix) { all.emplace_back(suffix); });
    }
    for (const uint64_t every : {1, 2, 3, 4, 5, 9, 100, 400, 1000}) {
      std::vector<std::string> expected;
      for (size_t i = 0; i < all.size(); i += every) {
        expected.push_back(all[i]);
      }
      std::vector<std::string> got;
      uint64_t skip = 0;
      for (const auto& builder : builders) {
        builder->ForEveryNthSuffix(every, &skip, [&](std::string_view suffix) {
          got.emplace_back(suffix);
        });
      }
      ASSERT_EQ(expected, got) << "every " << every << " of " << all.size();
    }
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
  std::mt19937_64 rng(TestSeed());
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
  std::mt19937_64 rng(TestSeed());
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
  std::mt19937_64 rng(TestSeed());
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    const KeyList keys = MakeKeys(KeyShapes()[1], 500, &rng);
    const std::string tokens = TokensFor(keys, coding);
    EXPECT_EQ(TokensFor(keys, coding), tokens);
    EXPECT_EQ(BuildKeyTrie(keys, 64, tokens), BuildKeyTrie(keys, 64, tokens));
  }
}

}  // namespace memkv
