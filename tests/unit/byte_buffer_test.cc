// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A buffer of bytes beside a std::string that takes the same pieces; what it
// reads of a piece and no more, below AddressSanitizer.

#include "util/byte_buffer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/util/exact_bytes.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace {

std::string_view ViewOf(const ExactBytes& bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes.bytes()), size};
}

TEST(ByteBufferTest, PiecesOfAnySizeAreAppended) {
  std::mt19937_64 rng(TestSeed());
  ByteBuffer buffer;
  std::string expected;
  for (size_t size = 0; size < 200; ++size) {
    for (int times = 0; times < 3; ++times) {
      const std::string piece = RandomBytes(&rng, size);
      const ExactBytes exact(piece);
      buffer.Append(ViewOf(exact, size));
      buffer.PushBack('|');
      expected += piece + "|";
      ASSERT_EQ(buffer.view(), expected) << size;
      ASSERT_LE(buffer.size(), buffer.capacity());
    }
  }
}

TEST(ByteBufferTest, WhatIsCutOffAndFreedIsGone) {
  std::mt19937_64 rng(TestSeed() + 1);
  ByteBuffer buffer;
  std::string expected;
  for (int step = 0; step < 20000; ++step) {
    switch (rng() % 16) {
      case 0:
        expected.resize(rng() % (expected.size() + 1));
        buffer.Truncate(expected.size());
        break;
      case 1:
        buffer.ShrinkToFit();
        EXPECT_EQ(buffer.capacity(), buffer.size());
        break;
      case 2: {
        const size_t capacity = rng() % 1000;
        buffer.Reserve(capacity);
        EXPECT_GE(buffer.capacity(), capacity);
        break;
      }
      case 3:
        if (rng() % 10 != 0) break;
        buffer.Release();
        expected.clear();
        EXPECT_EQ(buffer.capacity(), 0u);
        break;
      default: {
        const std::string piece = RandomBytes(&rng, rng() % 80);
        buffer.Append(piece);
        expected += piece;
      }
    }
    ASSERT_EQ(buffer.view(), expected) << step;
    ASSERT_EQ(buffer.empty(), expected.empty());
  }
}

}  // namespace
}  // namespace memkv
