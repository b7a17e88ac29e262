// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "table/fst/token_table_registry.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace {

using key_trie::Tokens;
using Registration = TokenTableRegistry::Registration;
using TokensPtr = std::shared_ptr<const Tokens>;

class OpenDictionariesTest : public ::testing::Test {
 protected:
  ~OpenDictionariesTest() override {
    std::string reason;
    EXPECT_TRUE(token_tables_->Validate(&reason)) << reason;
  }

  TokensPtr Find(const std::vector<std::string_view>& keys) const {
    return token_tables_->Find(keys).tokens;
  }
  Registration Add(const TokensPtr& tokens, std::string first,
                   std::string last) {
    return TokenTableRegistry::Add(token_tables_, {tokens, 1, 1},
                                   std::move(first), std::move(last));
  }

  const std::shared_ptr<TokenTableRegistry> token_tables_ =
      std::make_shared<TokenTableRegistry>();
};

TokensPtr NewTokens() { return std::make_shared<const Tokens>(); }

TEST_F(OpenDictionariesTest, TheOneOfMostKeysIsFound) {
  EXPECT_EQ(Find({"a"}), nullptr);
  const TokensPtr few = NewTokens();
  const TokensPtr most = NewTokens();
  const TokensPtr others = NewTokens();
  const Registration a = Add(few, "b", "c");
  const Registration b =
      TokenTableRegistry::Add(token_tables_, {most, 2, 3}, "b", "d");
  const Registration c = Add(others, "e", "z");
  const TokenTable found = token_tables_->Find({"b", "c", "d", "e"});
  EXPECT_EQ(found.tokens, most);
  EXPECT_EQ(found.bits_a_byte, 2);
  EXPECT_EQ(found.num_keys, 3u);
  EXPECT_EQ(Find({"z"}), others);
  EXPECT_EQ(Find({"e", "f"}), others);
}

TEST_F(OpenDictionariesTest, HalfOfTheKeysIsEnoughAndLessIsNot) {
  const TokensPtr tokens = NewTokens();
  const Registration a = Add(tokens, "c", "d");
  EXPECT_EQ(Find({"a", "b", "c", "d"}), tokens);
  EXPECT_EQ(Find({"c", "d", "e", "f"}), tokens);
  EXPECT_EQ(Find({"a", "b", "d"}), nullptr);
  EXPECT_EQ(Find({"c1", "e"}), tokens);
  EXPECT_EQ(Find({"a", "b"}), nullptr);
  EXPECT_EQ(Find({}), nullptr);
}

TEST_F(OpenDictionariesTest, OfEqualOnesTheLastIsFound) {
  const TokensPtr first = NewTokens();
  const TokensPtr last = NewTokens();
  Registration a = Add(first, "a", "z");
  Registration b = Add(last, "a", "z");
  EXPECT_EQ(Find({"k"}), last);
  b = Registration();
  EXPECT_EQ(Find({"k"}), first);
  const Registration c = Add(last, "a", "zz");
  EXPECT_EQ(Find({"k"}), last);
}

TEST_F(OpenDictionariesTest, WhatIsClosedIsGone) {
  TokensPtr tokens = NewTokens();
  const std::weak_ptr<const Tokens> held = tokens;
  {
    Registration a = Add(tokens, "a", "z");
    tokens.reset();
    EXPECT_NE(Find({"k"}), nullptr);
    const Registration moved = std::move(a);
    EXPECT_EQ(token_tables_->size(), 1u);
  }
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(Find({"k"}), nullptr);
  EXPECT_EQ(token_tables_->size(), 0u);
}

TEST_F(OpenDictionariesTest, FileOutlivesItsFactory) {
  auto of_factory = std::make_shared<TokenTableRegistry>();
  const Registration a =
      TokenTableRegistry::Add(of_factory, {NewTokens(), 1, 1}, "a", "b");
  of_factory.reset();
}

TEST_F(OpenDictionariesTest, LongKeysAreKnownByTheirBeginning) {
  const TokensPtr tokens = NewTokens();
  const std::string prefix(TokenTableRegistry::kMaxKeyBytes, 'p');
  const std::string high(TokenTableRegistry::kMaxKeyBytes, '\xff');
  {
    const Registration a = Add(tokens, prefix + "f", prefix + "l");
    EXPECT_EQ(Find({prefix + "f", prefix + "l"}), tokens);
    EXPECT_EQ(Find({prefix + "g"}), tokens);
    EXPECT_EQ(Find({prefix.substr(1) + "r"}), nullptr);
  }
  const Registration b = Add(tokens, high + "f", high + "l");
  EXPECT_EQ(Find({high + "g"}), tokens);
}

// The slow twin: all ranges, one after the other.
struct Range {
  TokensPtr tokens;
  std::string first;
  std::string last;
  Registration registration;
};
TokensPtr FindSlowly(const std::vector<Range>& ranges,
                     const std::vector<std::string_view>& keys) {
  TokensPtr best;
  size_t most = std::max<size_t>(1, (keys.size() + 1) / 2);
  for (const Range& range : ranges) {
    const auto within = static_cast<size_t>(
        std::count_if(keys.begin(), keys.end(), [&](std::string_view key) {
          return range.first <= key && key <= range.last;
        }));
    if (within >= most) {
      most = within;
      best = range.tokens;
    }
  }
  return best;
}

TEST_F(OpenDictionariesTest, FilesOfManyLevelsAreFoundAsByLookingAtAll) {
  std::mt19937_64 rng(TestSeed());
  const auto key = [](uint64_t i) {
    std::string digits = std::to_string(i);
    return "key/" + std::string(7 - digits.size(), '0') + digits;
  };
  constexpr uint64_t kKeys = 1000000;
  std::vector<Range> ranges;
  std::string reason;
  size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    // Levels of 1 to 4096 files, of which some overlap, as in level 0; and now
    // and then one that begins where another does.
    const uint64_t files = uint64_t{1} << (rng() % 13);
    const uint64_t size = kKeys / files;
    uint64_t first = rng() % files * size + (rng() % 4 == 0 ? rng() % size : 0);
    Range range = {NewTokens(), key(first),
                   key(std::min(kKeys - 1, first + size - 1)), Registration()};
    if (!ranges.empty() && rng() % 16 == 0) {
      range.first = ranges[rng() % ranges.size()].first;
      if (range.last < range.first) range.last = range.first;
    }
    if (rng() % 4 == 0 && !ranges.empty()) {
      // Files close in any order.
      ranges.erase(ranges.begin() +
                   static_cast<ptrdiff_t>(rng() % ranges.size()));
    }
    // No more at one key than are looked at.
    if (ranges.size() == 60) ranges.erase(ranges.begin());
    range.registration = Add(range.tokens, range.first, range.last);
    ranges.push_back(std::move(range));
    ASSERT_EQ(token_tables_->size(), ranges.size());
    if (round % 50 == 0) {
      ASSERT_TRUE(token_tables_->Validate(&reason)) << reason;
    }
    std::vector<std::string> keys;
    const uint64_t begin = rng() % kKeys;
    const uint64_t width = 1 + kKeys / (uint64_t{1} << (rng() % 14));
    for (size_t n = 1 + rng() % 20; n > 0; --n) {
      keys.push_back(key(std::min(kKeys - 1, begin + rng() % width)));
    }
    std::sort(keys.begin(), keys.end());
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const TokensPtr expected = FindSlowly(ranges, views);
    ASSERT_EQ(Find(views), expected) << "round " << round;
    found += expected != nullptr ? 1 : 0;
  }
  EXPECT_GT(found, 500u);
}

TEST_F(OpenDictionariesTest, WideFileIsFoundAmongManyNarrowOnes) {
  // A level of 10,000 files below one of a single file.
  std::vector<Registration> registrations;
  const auto key = [](int i) { return std::to_string(100000 + i); };
  const TokensPtr wide = NewTokens();
  registrations.push_back(Add(wide, key(0), key(99999)));
  TokensPtr narrow;
  for (int i = 0; i < 10000; ++i) {
    const TokensPtr tokens = NewTokens();
    if (i == 5000) narrow = tokens;
    registrations.push_back(Add(tokens, key(10 * i), key(10 * i + 9)));
  }
  const std::string a = key(20000), b = key(50001), c = key(80000);
  EXPECT_EQ(Find({a, b, c}), wide);
  const std::string d = key(50005);
  EXPECT_EQ(Find({b, d}), narrow);
}

TEST_F(OpenDictionariesTest, MoreFilesAtOneKeyThanAreLookedAtCostNoMore) {
  std::vector<Registration> registrations;
  const TokensPtr tokens = NewTokens();
  for (int i = 0; i < 20000; ++i) {
    registrations.push_back(Add(tokens, "a", "z"));
  }
  EXPECT_EQ(Find({"k", "l"}), tokens);
  registrations.clear();
  EXPECT_EQ(token_tables_->size(), 0u);
}

TEST_F(OpenDictionariesTest, FilesOpenAndCloseWhileOthersAreBuilt) {
  const TokensPtr kept = NewTokens();
  const Registration a = Add(kept, "a", "m");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([this, &kept, t] {
      Registration mine;
      for (int i = 0; i < 1000; i++) {
        mine = Add(NewTokens(), "n" + std::to_string(i % 7 + t), "z");
        ASSERT_EQ(Find({"b", "c"}), kept);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(token_tables_->size(), 1u);
}

}  // namespace
}  // namespace memkv
