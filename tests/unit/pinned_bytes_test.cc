// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/pinned_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memkv {
namespace {

std::string_view Add(PinnedBytes* pinned, std::string_view bytes) {
  return pinned->Add(bytes, pinned->NewPieceSize(bytes.size()));
}

// Adds blocks of up to most bytes, and checks that all of them stay and that
// none lies in another; returns how many bytes they are.
size_t Fill(PinnedBytes* pinned, size_t n, size_t most, std::mt19937_64* rng) {
  std::vector<std::pair<std::string, std::string_view>> blocks;
  size_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    std::string block(most / 2 + (*rng)() % (most / 2 + 1), '\0');
    for (char& c : block) c = static_cast<char>((*rng)());
    sum += block.size();
    const std::string_view copy = Add(pinned, block);
    blocks.emplace_back(std::move(block), copy);
  }
  for (const auto& [block, copy] : blocks) EXPECT_EQ(block, copy);
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) {
    return a.second.data() < b.second.data();
  });
  for (size_t i = 1; i < blocks.size(); ++i) {
    const std::string_view before = blocks[i - 1].second;
    EXPECT_LE(before.data() + before.size(), blocks[i].second.data());
  }
  return sum;
}

TEST(PinnedBytesTest, BlocksStayWhateverIsExpected) {
  std::mt19937_64 rng(1);
  for (const uint64_t expected :
       {uint64_t{0}, uint64_t{1}, uint64_t{100000}, uint64_t{5000000},
        uint64_t{300000000}, UINT64_MAX}) {
    PinnedBytes pinned;
    pinned.Expect(expected);
    const size_t sum = Fill(&pinned, 300, 10000, &rng);
    EXPECT_GE(pinned.allocated(), sum);
    // What is expected wrongly costs one piece.
    EXPECT_LE(pinned.allocated(), sum + sum / 20 + PinnedBytes::kMaxPieceSize);
  }
}

TEST(PinnedBytesTest, WhatIsExpectedAndComesWastesLittle) {
  for (const size_t n : {1, 10, 100, 400}) {
    std::mt19937_64 rng(n);
    PinnedBytes unknown;
    const size_t sum = Fill(&unknown, n, 200000, &rng);
    EXPECT_EQ(unknown.allocated(), sum);
    rng.seed(n);
    PinnedBytes pinned;
    pinned.Expect(sum);
    EXPECT_EQ(Fill(&pinned, n, 200000, &rng), sum);
    EXPECT_LE(pinned.allocated(), sum + sum / 8);
  }
}

TEST(PinnedBytesTest, BlocksOfNoBytesAndOfMoreThanAPiece) {
  PinnedBytes pinned;
  pinned.Expect(100);
  EXPECT_EQ(Add(&pinned, ""), "");
  const std::string large(PinnedBytes::kMaxPieceSize + 1, 'x');
  EXPECT_EQ(Add(&pinned, large), large);
  EXPECT_EQ(Add(&pinned, "small"), "small");
}

}  // namespace
}  // namespace memkv
