// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/packed_array.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/util/test_seed.h"

namespace memkv {

namespace {

std::string Encode(const std::vector<uint64_t>& values) {
  std::string out;
  PackedArrayBuilder::Encode(values.data(), values.size(), &out);
  return out;
}

// Reads it back from an allocation of exactly its size.
void ExpectRoundTrip(const std::vector<uint64_t>& values) {
  const std::string encoded = Encode(values);
  const auto bytes = std::make_unique<char[]>(encoded.size());
  std::copy(encoded.begin(), encoded.end(), bytes.get());
  PackedArrayView view;
  size_t consumed = 0;
  ASSERT_TRUE(PackedArrayView::Open({bytes.get(), encoded.size()},
                                    values.size(), &view, &consumed));
  EXPECT_EQ(consumed, encoded.size());
  ASSERT_EQ(view.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(view[i], values[i]) << "element " << i;
  }
  std::string reason;
  EXPECT_TRUE(view.Validate(&reason)) << reason;
}

}  // namespace

TEST(PackedArrayTest, EveryWidthAndLengthRoundTrips) {
  std::mt19937_64 rng(TestSeed());
  for (unsigned width = 0; width <= 64; ++width) {
    const uint64_t max = width == 0 ? 0 : UINT64_MAX >> (64 - width);
    for (size_t n = 0; n < 40; ++n) {
      SCOPED_TRACE("width " + std::to_string(width) + ", n " +
                   std::to_string(n));
      const uint64_t base = rng() & (UINT64_MAX - max);
      std::vector<uint64_t> values(n);
      for (uint64_t& v : values) {
        v = base + (rng() & max);
      }
      if (n > 1) {
        values[rng() % n] = base;
        values[n - 1] = base + max;
      }
      ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip(values));
    }
  }
}

TEST(PackedArrayTest, EqualValuesVanish) {
  EXPECT_EQ(Encode(std::vector<uint64_t>(1000, 7)).size(), 2u);
  EXPECT_EQ(Encode({}).size(), 2u);
  EXPECT_EQ(Encode(std::vector<uint64_t>(9, UINT64_MAX)).size(), 11u);
}

TEST(PackedArrayTest, EncodedSizeIsWhatEncodeAppends) {
  for (const std::vector<uint64_t>& values : {std::vector<uint64_t>(),
                                              {0},
                                              {UINT64_MAX},
                                              {0, UINT64_MAX},
                                              {300, 301},
                                              {5, 12, 6, 7},
                                              std::vector<uint64_t>(1000, 7)}) {
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    const bool any = !values.empty();
    EXPECT_EQ(PackedArrayBuilder::EncodedSize(any ? *min : 0, any ? *max : 0,
                                              values.size()),
              Encode(values).size());
  }
}

TEST(PackedArrayTest, ArraysOfMoreThan4GiBOpen) {
  // Elements of 64 bits whose pages are zero until one is written: only a few
  // of them ever exist.
  constexpr size_t kElements = (size_t{1} << 29) + 1000;
  constexpr size_t kHead = 2;  // width 64, base 0
  constexpr size_t kSize = kHead + 8 * kElements;
  static_assert(kSize > size_t{UINT32_MAX}, "more than 32 bits hold");
  void* const pages = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  char* const bytes = static_cast<char*>(pages);
  bytes[0] = 64;
  bytes[kSize - 1] = 0x12;
  bytes[kHead + 8 * (kElements - 2)] = 0x34;
  PackedArrayView view;
  size_t consumed = 0;
  ASSERT_TRUE(
      PackedArrayView::Open({bytes, kSize}, kElements, &view, &consumed));
  EXPECT_EQ(consumed, kSize);
  EXPECT_EQ(view.size(), kElements);
  EXPECT_EQ(view[0], 0u);
  EXPECT_EQ(view[kElements - 2], 0x34u);
  EXPECT_EQ(view[kElements - 1], uint64_t{0x12} << 56);
  // One byte less than it takes.
  EXPECT_FALSE(
      PackedArrayView::Open({bytes, kSize - 1}, kElements, &view, &consumed));
  // The most elements, all equal, take no bits; one more is refused.
  bytes[0] = 0;
  ASSERT_TRUE(PackedArrayView::Open({bytes, 2}, PackedArrayView::kMaxElements,
                                    &view, &consumed));
  EXPECT_EQ(view[PackedArrayView::kMaxElements - 1], 0u);
  EXPECT_FALSE(PackedArrayView::Open(
      {bytes, 2}, PackedArrayView::kMaxElements + 1, &view, &consumed));
  munmap(pages, kSize);
}

TEST(PackedArrayTest, EncodingIsAsDescribed) {
  // Width 3, base 5, then 0, 7, 1 and 2 in twelve bits from the lowest.
  EXPECT_EQ(Encode({5, 12, 6, 7}), std::string("\x03\x05\x78\x04", 4));
}

TEST(PackedArrayTest, OpenLeavesWhatFollows) {
  const size_t size = Encode({1, 2, 3}).size();
  const std::string longer = Encode({1, 2, 3}) + "rest";
  PackedArrayView view;
  size_t consumed = 0;
  ASSERT_TRUE(PackedArrayView::Open(longer, 3, &view, &consumed));
  EXPECT_EQ(consumed, size);
  EXPECT_EQ(view[2], 3u);
}

TEST(PackedArrayTest, TruncationAtEveryLengthIsRefused) {
  for (uint64_t top : {uint64_t{9}, uint64_t{1} << 40, UINT64_MAX}) {
    const std::string encoded = Encode({300, top + 300 * (top < 10), 77777});
    for (size_t size = 0; size < encoded.size(); ++size) {
      PackedArrayView view;
      size_t consumed = 99;
      EXPECT_FALSE(PackedArrayView::Open(
          std::string_view(encoded).substr(0, size), 3, &view, &consumed));
      EXPECT_EQ(consumed, 99u);
      EXPECT_EQ(view.size(), 0u);
    }
  }
}

TEST(PackedArrayTest, WidthsOver64AreRefused) {
  const std::string room(100, '\0');
  for (int width = 65; width < 256; ++width) {
    PackedArrayView view;
    size_t consumed = 0;
    EXPECT_FALSE(PackedArrayView::Open(static_cast<char>(width) + room, 1,
                                       &view, &consumed));
  }
}

TEST(PackedArrayTest, MalformedBasesAreRefused) {
  for (const std::string& base :
       {std::string(10, '\xff') + '\x01',  // 11 bytes
        std::string(9, '\xff') + '\x02',   // 65 bits
        std::string("\x80\x00", 2)}) {     // not the shortest
    PackedArrayView view;
    size_t consumed = 0;
    EXPECT_FALSE(PackedArrayView::Open('\0' + base, 1, &view, &consumed));
  }
}

TEST(PackedArrayTest, CountsThatOverflowAreRefused) {
  const std::string encoded = Encode({1, 2, 3});
  for (size_t n : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 64 + 1, SIZE_MAX / 64}) {
    PackedArrayView view;
    size_t consumed = 0;
    EXPECT_FALSE(PackedArrayView::Open(encoded, n, &view, &consumed));
  }
}

TEST(PackedArrayTest, ValidateRefusesWhatEncodeDoesNotWrite) {
  const struct {
    const char* what;
    std::string bytes;
    size_t n;
    const char* reason;
  } kCases[] = {
      {"width 2 for one bit", std::string("\x02\x00\x04", 3), 2,
       "packed array: width 2 where 1 is enough (I2)"},
      {"base below the smallest", std::string("\x01\x00\x03", 3), 2,
       "packed array: the base is not the smallest element (I2)"},
      {"padding not zero", std::string("\x01\x00\x06", 3), 2,
       "packed array: the bits after the last element are not zero (I2)"},
      {"a base for no elements", std::string("\x00\x01", 2), 0,
       "packed array: the base is not the smallest element (I2)"},
      {"a width for no elements", std::string("\x01\x00", 2), 0,
       "packed array: width 1 where 0 is enough (I2)"},
      {"wraps", std::string("\x01") + std::string(9, '\xff') + "\x01\x02", 2,
       "packed array: element 1 overflows 64 bits"},
  };
  for (const auto& c : kCases) {
    PackedArrayView view;
    size_t consumed = 0;
    ASSERT_TRUE(PackedArrayView::Open(c.bytes, c.n, &view, &consumed))
        << c.what;
    std::string reason;
    EXPECT_FALSE(view.Validate(&reason)) << c.what;
    EXPECT_EQ(reason, c.reason) << c.what;
  }
}

}  // namespace memkv
