// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The key codings that key_coding_bench compares, against a sorted list.

#include "db_bench_ext/key_coding_bench/codings.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {

namespace {

constexpr size_t kNumKeys = 900;

class KeyCodingsTest : public testing::TestWithParam<KeyShape> {};

}  // namespace

TEST_P(KeyCodingsTest, AllCodingsAgree) {
  std::mt19937_64 rng(TestSeed());
  const KeyList keys = MakeKeys(GetParam(), kNumKeys, &rng);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  uint64_t sum = 0;
  for (const std::string& key : keys) {
    sum += KeySum(key);
  }
  KeyCodingOptions options;
  options.bucket_keys = 32;
  options.segment_keys = 200;
  for (const auto& [name, segment_bytes] :
       {std::pair<const char*, size_t>{"front_coding", 0},
        {"key_trie", 0},
        {"key_trie", 1000}}) {
    SCOPED_TRACE(std::string(name) + ", " + std::to_string(segment_bytes));
    options.segment_bytes = segment_bytes;
    const std::unique_ptr<KeyCoding> coding = NewKeyCoding(name, options);
    std::string reason;
    ASSERT_TRUE(coding->Build(views, &reason)) << reason;
    EXPECT_TRUE(coding->Validate(&reason)) << reason;
    EXPECT_EQ(coding->Scan(true), sum);
    EXPECT_EQ(coding->Scan(false), sum);
    for (int i = 0; i < 3000; ++i) {
      const std::string target = NearKey(keys, &rng);
      const uint32_t rank = ModelRank(keys, target);
      const bool found = rank < keys.size() && keys[rank] == target;
      ASSERT_EQ(coding->Find(target), found ? rank : KeyCoding::kNotFound);
      ASSERT_EQ(coding->Rank(target), rank);
    }
  }
  EXPECT_EQ(NewKeyCoding("no_such_coding", options), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Shapes, KeyCodingsTest, testing::ValuesIn(KeyShapes()),
                         [](const testing::TestParamInfo<KeyShape>& shape) {
                           return shape.param.name;
                         });

}  // namespace memkv
