// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A round of training beside a slow, obvious one; and how many tokens stay.

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "table/key_trie/token_encoder.h"
#include "table/key_trie/token_pairs.h"
#include "table/key_trie/token_trainer.h"
#include "table/key_trie/tokens.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace key_trie {

namespace {

using token_pairs::kGap;
using token_pairs::Merges;
using token_pairs::Pair;
using token_pairs::PairCounts;
using Text = std::vector<uint32_t>;
using PiecePair = std::pair<uint32_t, uint32_t>;

// Suffixes of up to 30 pieces, the lower ones more often, with runs of one.
Text MakeText(size_t size, uint32_t num_pieces, std::mt19937_64* rng) {
  Text text;
  while (text.size() < size) {
    for (size_t n = (*rng)() % 30; n > 0; --n) {
      const uint64_t below = 1 + (*rng)() % num_pieces;
      const auto piece = static_cast<uint32_t>((*rng)() % below);
      text.insert(text.end(), (*rng)() % 8 == 0 ? 1 + (*rng)() % 5 : 1, piece);
    }
    text.push_back(kGap);
  }
  return text;
}

std::map<PiecePair, uint64_t> SlowCounts(const Text& text) {
  std::map<PiecePair, uint64_t> counts;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == kGap || text[i + 1] == kGap) continue;
    ++counts[{text[i], text[i + 1]}];
    const bool three =
        i + 2 < text.size() && text[i] == text[i + 1] && text[i] == text[i + 2];
    if (three) ++i;  // of which only two can merge
  }
  return counts;
}

Text SlowMerge(const Text& text, const std::map<PiecePair, uint32_t>& merges) {
  const auto merged_at = [&](size_t i) {
    if (i + 1 >= text.size()) return kGap;
    const auto found = merges.find({text[i], text[i + 1]});
    return found == merges.end() ? kGap : found->second;
  };
  Text out;
  for (size_t i = 0; i < text.size();) {
    const uint32_t merged = merged_at(i);
    const bool taken = merged != kGap && merged <= merged_at(i + 1);
    out.push_back(taken ? merged : text[i]);
    i += taken ? 2 : 1;
  }
  return out;
}

TEST(KeyTrieTokenPairsTest, CountsAreThoseOfASlowCount) {
  std::mt19937_64 rng(TestSeed());
  for (const uint32_t num_pieces : {2u, 40u, 3000u, kGap}) {
    for (const size_t size : {0, 1, 2, 63, 64, 65, 66, 300, 60000}) {
      SCOPED_TRACE(testing::Message() << num_pieces << ", " << size);
      const Text text = MakeText(size, num_pieces, &rng);
      const std::map<PiecePair, uint64_t> slow = SlowCounts(text);
      size_t often = 0;
      for (const auto& [pair, count] : slow) often += count > 1 ? 1 : 0;
      PairCounts counts;
      for (int again = 0; again < 2; ++again) {
        counts.Count(text, num_pieces);
        size_t counted = 0;
        size_t too_many = 0;
        counts.ForEach([&](const Pair& pair) {
          const auto found = slow.find({pair.first, pair.second});
          ASSERT_NE(found, slow.end());
          ASSERT_GE(pair.count, found->second);
          ASSERT_LE(pair.count, found->second + 1);
          counted += found->second > 1 ? 1 : 0;
          too_many += pair.count - found->second;
        });
        EXPECT_EQ(counted, often);
        EXPECT_LE(too_many, 2 + slow.size() / 16);
      }
    }
  }
}

TEST(KeyTrieTokenPairsTest, MergesAreThoseOfASlowMerge) {
  std::mt19937_64 rng(TestSeed());
  for (const uint32_t num_pieces : {2u, 40u, 3000u}) {
    for (const size_t size : {0, 1, 2, 3, 300, 20000}) {
      SCOPED_TRACE(testing::Message() << num_pieces << ", " << size);
      Text text = MakeText(size, num_pieces, &rng);
      std::map<PiecePair, uint32_t> slow;
      for (const auto& [pair, count] : SlowCounts(text)) {
        if (rng() % 3 == 0) slow[pair] = 0;
      }
      std::vector<uint32_t> numbers;
      for (size_t i = 0; i < slow.size(); ++i) {
        numbers.push_back(num_pieces + static_cast<uint32_t>(i));
      }
      std::shuffle(numbers.begin(), numbers.end(), rng);
      Merges merges(slow.size());
      size_t next = 0;
      for (auto& [pair, piece] : slow) {
        piece = numbers[next++];
        merges.Put(pair.first, pair.second, piece);
      }
      const Text expected = SlowMerge(text, slow);
      merges.Apply(&text);
      EXPECT_EQ(text, expected);
    }
  }
}

// What these suffixes take in a token table that is trained on others, with its
// bytes.
double SizeIn(const std::string& table, const KeyList& suffixes) {
  Tokens tokens;
  std::string reason;
  EXPECT_TRUE(tokens.Open(table, &reason)) << reason;
  const std::vector<std::string_view> views(suffixes.begin(), suffixes.end());
  Cuts<uint16_t> codes;
  TokenEncoder(tokens).Encode(views.data(), views.size(), &codes);
  double bytes = static_cast<double>(table.size());
  for (size_t i = 0; i < views.size(); ++i) {
    bytes +=
        static_cast<double>(codes.end(i) - codes.begin(i)) * tokens.width() / 8;
  }
  return bytes;
}

TEST(KeyTrieTokenPairsTest, TokensThatOnlyTheSampleHasAreLeftOut) {
  std::mt19937_64 rng(TestSeed());
  KeyList suffixes;
  for (int i = 0; i < 60000; ++i) {
    suffixes.push_back("item-" + std::to_string(rng() % 1000000000) + ".html");
  }
  TokenTrainer alone;
  TokenTrainer tried;
  for (size_t i = 0; i < suffixes.size(); ++i) {
    // Twice: so the sample has strings that repeat, and the others have not.
    for (int twice = 0; i % 12 == 0 && twice < 2; ++twice) {
      alone.Add(suffixes[i]);
      tried.Add(suffixes[i]);
    }
    if (i % 24 == 1) tried.AddOther(suffixes[i]);
  }
  std::string without;
  std::string with;
  alone.Train(1.0 / 12, UINT64_MAX, &without);
  tried.Train(1.0 / 12, UINT64_MAX, &with);
  EXPECT_LT(with.size(), without.size() / 2);
  EXPECT_LT(SizeIn(with, suffixes), 0.98 * SizeIn(without, suffixes));
}

}  // namespace

}  // namespace key_trie
}  // namespace memkv
