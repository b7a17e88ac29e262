// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/key_trie/token_choice.h"
#include "table/key_trie/tokens.h"
#include "table/segment/size_trial.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace {

using key_trie::TokenEncoder;

// Ascending keys: random bytes, or made of words.
std::vector<std::string> Keys(bool words, size_t n) {
  // By default those that the bounds below were measured with.
  std::mt19937_64 rng(TestSeed() + 2);
  static const char* const kWords[] = {"usr",   "share",  "doc",     "lib",
                                       "icons", "python", "include", "man",
                                       "bin",   "kernel", "modules", "net"};
  std::vector<std::string> keys;
  for (size_t i = 0; i < n; ++i) {
    std::string key;
    if (words) {
      for (int k = 0; k < 5; ++k) {
        key += kWords[rng() % 12];
        key += std::to_string(rng() % 50) + "/";
      }
    } else {
      for (int k = 0; k < 16; ++k) key += static_cast<char>(rng());
    }
    keys.push_back(std::move(key));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

struct Segments {
  std::vector<std::unique_ptr<SegmentBuilder>> owned;
  std::vector<const SegmentBuilder*> all;
  std::vector<const KeyTrieBuilder*> keys;

  // What they take in the file.
  uint64_t Size(const TokenEncoder* encoder) const {
    uint64_t size = 0;
    std::string reason;
    for (const SegmentBuilder* segment : all) {
      std::string out;
      EXPECT_TRUE(segment->Finish(encoder, &out, &reason)) << reason;
      size += out.size();
    }
    return size;
  }
};

constexpr SegmentValues::Limits kInside{SIZE_MAX, SIZE_MAX};

// f(segments) after each.
template <class F>
void BuildAll(const std::vector<std::string>& keys, size_t segment_size,
              size_t value_size, F f) {
  Segments segments;
  auto builder = std::make_unique<SegmentBuilder>(false, kInside);
  for (const std::string& key : keys) {
    builder->Add(key, 0, key.substr(0, value_size));
    if (builder->EstimatedSize() < segment_size && &key != &keys.back()) {
      continue;
    }
    builder->Seal();
    segments.all.push_back(builder.get());
    segments.keys.push_back(&builder->keys());
    segments.owned.push_back(std::move(builder));
    builder = std::make_unique<SegmentBuilder>(false, kInside);
    f(segments);
  }
}

TEST(FstSizeTrialLargeTest, SaysWhatTheFileWillTake) {
  for (const bool words : {false, true}) {
    for (const size_t segment_size : {size_t{8} << 10, size_t{256} << 10}) {
      for (const size_t value_size : {0, 8}) {
        SCOPED_TRACE(testing::Message()
                     << (words ? "words, " : "random bytes, ") << segment_size
                     << ", values of " << value_size);
        uint64_t tried = 0;
        SizeTrial trial(
            [&](std::string_view raw) {
              tried += raw.size();
              return raw.size();
            },
            /*tries_compression=*/false);
        int compared = 0;
        uint64_t all = 0;
        uint64_t next = uint64_t{1} << 20;
        BuildAll(
            Keys(words, 250000), segment_size, value_size,
            [&](const Segments& segments) {
              trial.Add(segments.all.back(), [] { return nullptr; });
              all += segments.all.back()->EstimatedSize();
              if (all < next) return;
              next = 2 * all;
              ++compared;
              std::string block;
              key_trie::TrainTokens(segments.keys, key_trie::kTokenSampleBytes,
                                    &block);
              EXPECT_EQ(block.empty(), !words);
              key_trie::Tokens tokens;
              std::unique_ptr<TokenEncoder> encoder;
              std::string reason;
              if (!block.empty()) {
                ASSERT_TRUE(tokens.Open(block, &reason)) << reason;
                encoder = std::make_unique<TokenEncoder>(tokens);
              }
              const auto truth = static_cast<double>(
                  segments.Size(encoder.get()) + block.size());
              const auto said = static_cast<double>(trial.stored_bytes() +
                                                    trial.token_table_bytes());
              EXPECT_GT(said, 0.8 * truth) << all;
              EXPECT_LT(said, 1.2 * truth) << all;
              EXPECT_NEAR(trial.ratio(), truth / static_cast<double>(all), 0.2);
            });
        EXPECT_GE(compared, 2);
        EXPECT_LE(trial.trainings(), 4);
        // A thirty-second part of each, and again of all that there were when
        // there were 16 times as many.
        EXPECT_LT(tried, all / 4);
      }
    }
  }
}

TEST(FstSizeTrialTest, KnownDictionaryIsTakenAsItIs) {
  SizeTrial trial([](std::string_view raw) { return raw.size(); },
                  /*tries_compression=*/false);
  const std::vector<std::string> keys = Keys(true, 100000);
  std::string block;
  key_trie::Tokens tokens;
  std::unique_ptr<TokenEncoder> encoder;
  std::string reason;
  BuildAll(keys, 256 << 10, 0, [&](const Segments& segments) {
    if (segments.all.size() == 1) {
      key_trie::TrainTokens(segments.keys, key_trie::kTokenSampleBytes, &block);
      ASSERT_TRUE(tokens.Open(block, &reason)) << reason;
      encoder = std::make_unique<TokenEncoder>(tokens);
    }
    trial.Add(segments.all.back(), [&] { return encoder.get(); });
    if (segments.all.size() < 4) return;
    EXPECT_TRUE(trial.uses_found());
    EXPECT_EQ(trial.token_table_bytes(), 0u);
    const auto truth = static_cast<double>(segments.Size(encoder.get()));
    EXPECT_NEAR(static_cast<double>(trial.stored_bytes()), truth, 0.1 * truth);
  });
}

}  // namespace
}  // namespace memkv
