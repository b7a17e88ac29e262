// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The key codings that key_coding_bench compares, against a sorted list.

#include "db_bench_ext/key_codings.h"

#include "db_bench_ext/token_trie/builder.h"
#include "db_bench_ext/token_trie/cursor.h"
#include "db_bench_ext/token_trie/reader.h"
#include "db_bench_ext/token_trie/token_encoder.h"
#include "db_bench_ext/token_trie/token_trainer.h"
#include "tests/unit/key_trie_test_util.h"

namespace memkv {

namespace {

constexpr size_t kNumKeys = 900;

class KeyCodingsTest : public testing::TestWithParam<KeyShape> {};

// The token trie of keys, with a dictionary trained on them or without one.
class OwnedTokenTrie {
 public:
  OwnedTokenTrie(const KeyList& keys, uint32_t bucket_keys, bool with_tokens) {
    token_trie::Builder::Options options;
    options.bucket_keys = bucket_keys;
    token_trie::Builder builder(options);
    for (const std::string& key : keys) {
      builder.Add(key);
    }
    std::string reason;
    std::unique_ptr<token_trie::TokenEncoder> encoder;
    if (with_tokens) {
      token_trie::TokenTrainer trainer;
      builder.ForEachSuffix(
          [&trainer](std::string_view suffix) { trainer.Add(suffix); });
      std::string dictionary;
      // Whether it pays or not.
      trainer.Train(1e-3, UINT64_MAX, &dictionary);
      EXPECT_TRUE(tokens_.Open(dictionary, &reason)) << reason;
      encoder = std::make_unique<token_trie::TokenEncoder>(tokens_);
    }
    EXPECT_TRUE(builder.Finish(encoder.get(), &bytes_, &reason)) << reason;
    EXPECT_TRUE(token_trie::Reader::Open(bytes_, &tokens_, &reader_, &reason))
        << reason;
    EXPECT_TRUE(reader_.Validate(&reason)) << reason;
  }

  const token_trie::Reader& reader() const { return reader_; }

 private:
  token_trie::Tokens tokens_;
  std::string bytes_;
  token_trie::Reader reader_;
};

void ExpectAt(const token_trie::Cursor& cursor, const KeyList& keys,
              size_t rank) {
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(cursor.Valid(), rank < keys.size());
  if (cursor.Valid()) {
    ASSERT_EQ(cursor.ordinal(), rank);
    ASSERT_EQ(cursor.key(), keys[rank]);
  }
}

}  // namespace

TEST_P(KeyCodingsTest, ATokenTrieAnswersAsASortedList) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  for (const bool with_tokens : {false, true}) {
    for (const uint32_t bucket_keys : {1u, 2u, 7u, 64u, 128u}) {
      SCOPED_TRACE(std::to_string(bucket_keys) + " keys a bucket" +
                   (with_tokens ? ", tokens" : ""));
      const KeyList keys = MakeKeys(GetParam(), kNumKeys, &rng);
      const OwnedTokenTrie trie(keys, bucket_keys, with_tokens);
      token_trie::Cursor cursor;
      cursor.Reset(&trie.reader());
      size_t rank = 0;
      for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, keys, rank++));
      }
      ASSERT_EQ(rank, keys.size());
      for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, keys, --rank));
      }
      ASSERT_EQ(rank, 0u);
      for (int i = 0; i < 3000; ++i) {
        const std::string target = NearKey(keys, &rng);
        const uint32_t lower = ModelLowerBound(keys, target);
        const bool found = lower < keys.size() && keys[lower] == target;
        ASSERT_EQ(trie.reader().LowerBound(target), lower);
        ASSERT_EQ(trie.reader().Find(target),
                  found ? lower : token_trie::Reader::kNotFound);
        cursor.Seek(target);
        ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, keys, lower));
        if (cursor.Valid() && rng() % 2 == 0) {
          cursor.Prev();
          ASSERT_NO_FATAL_FAILURE(
              ExpectAt(cursor, keys, lower == 0 ? keys.size() : lower - 1));
        }
        cursor.SeekForPrev(target);
        const size_t floor = found        ? lower
                             : lower == 0 ? keys.size()
                                          : lower - 1;
        ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, keys, floor));
        if (cursor.Valid()) {
          cursor.Next();
          ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, keys, floor + 1));
        }
      }
    }
  }
}

TEST_P(KeyCodingsTest, AllCodingsAgree) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  const KeyList keys = MakeKeys(GetParam(), kNumKeys, &rng);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  uint64_t sum = 0;
  for (const std::string& key : keys) {
    sum += KeySum(key);
  }
  KeyCodingOptions options;
  options.bucket_keys = 32;
  options.segment_keys = 200;
  for (const char* name : {"front_coding", "key_trie", "token_trie"}) {
    SCOPED_TRACE(name);
    const std::unique_ptr<KeyCoding> coding = NewKeyCoding(name, options);
    std::string reason;
    ASSERT_TRUE(coding->Build(views, &reason)) << reason;
    EXPECT_TRUE(coding->Validate(&reason)) << reason;
    EXPECT_EQ(coding->Scan(true), sum);
    EXPECT_EQ(coding->Scan(false), sum);
    for (int i = 0; i < 3000; ++i) {
      const std::string target = NearKey(keys, &rng);
      const uint32_t lower = ModelLowerBound(keys, target);
      const bool found = lower < keys.size() && keys[lower] == target;
      ASSERT_EQ(coding->Find(target), found ? lower : KeyCoding::kNotFound);
    }
  }
  EXPECT_EQ(NewKeyCoding("no_such_coding", options), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Shapes, KeyCodingsTest, testing::ValuesIn(KeyShapes()),
                         [](const testing::TestParamInfo<KeyShape>& shape) {
                           return shape.param.name;
                         });

}  // namespace memkv
