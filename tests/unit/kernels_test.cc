// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The kernels of util/ and of the key trie, beside their scalar twins; what
// they may read and no more is theirs, below AddressSanitizer.

#include "table/key_trie/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/util/exact_bytes.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_seed.h"
#include "util/common_prefix.h"
#include "util/simd.h"

namespace memkv {
namespace key_trie {
namespace {

using Rng = std::mt19937_64;

// Whether n numbers of `width` bits are unpacked as they are one by one.
template <class Number, class Unpack>
void ExpectUnpacked(const ExactBytes& packed, unsigned width, uint32_t n,
                    Unpack unpack, Unpack obvious) {
  Number numbers[160];
  Number expected[160];
  unpack(packed.bytes(), width, n, numbers);
  obvious(packed.bytes(), width, n, expected);
  ASSERT_TRUE(std::equal(numbers, numbers + n, expected))
      << n << " of width " << width;
}

TEST(KernelsTest, TheEnvironmentAsksForLess) {
  const char* const asked = getenv("MEMKV_SIMD");
  const std::string name = asked == nullptr ? "" : asked;
  if (name == "scalar") {
    EXPECT_EQ(kSimd, Simd::kScalar);
  } else if (name == "avx2") {
    EXPECT_LE(kSimd, Simd::kAvx2);
  }
  EXPECT_NE(std::string(SimdName(kSimd)), "");
}

TEST(KernelsTest, CommonPrefixAgreesWithTheObvious) {
  Rng rng(TestSeed());
  for (size_t size = 0; size < 140; ++size) {
    const std::string a = RandomBytes(&rng, size);
    const ExactBytes x(a);
    for (size_t differ = 0; differ <= size; ++differ) {
      std::string b = a;
      // The rest differs here and there, too.
      for (size_t i = differ; i < size; i += 1 + rng() % 40) {
        b[i] = static_cast<char>(b[i] ^ (1 << rng() % 8));
      }
      const ExactBytes y(b);
      ASSERT_EQ(differ, CommonPrefixSlow(x.bytes(), y.bytes(), size));
      ASSERT_EQ(differ, CommonPrefix(x.bytes(), y.bytes(), size));
      const ExactBytes padded_x(a + std::string(31, 'x'));
      const ExactBytes padded_y(b + std::string(31, 'x'));
      // What is behind n does not count.
      for (const size_t n : {differ / 2, differ, (differ + size) / 2}) {
        ASSERT_EQ(std::min(n, differ), CommonPrefix(x.bytes(), y.bytes(), n));
        ASSERT_EQ(std::min(n, differ),
                  CommonPrefixPadded(padded_x.bytes(), padded_y.bytes(), n));
      }
    }
  }
}

TEST(KernelsTest, KeysAreJoinedAsTheirTwoPartsCopied) {
  Rng rng(TestSeed() + 7);
  for (uint64_t size = 0; size < 300; size += 1 + size / 90) {
    for (uint64_t shared = 0; shared <= size; shared += 1 + size / 60) {
      // Exactly what may be read, and be written.
      const size_t more = std::max<size_t>(size + 31, kJoined);
      const ExactBytes before(RandomBytes(&rng, more));
      const ExactBytes suffix(RandomBytes(
          &rng, kJoined + std::max<size_t>(size - shared + 31, kJoined)));
      std::string joined(more, '\0');
      std::string expected(more, '\0');
      const auto join = [&](auto kernel, std::string* out) {
        kernel(before.bytes(), shared, suffix.bytes() + kJoined, size,
               reinterpret_cast<uint8_t*>(out->data()));
      };
      join(Join, &joined);
      join(scalar::Join, &expected);
      ASSERT_EQ(joined.substr(0, size), expected.substr(0, size))
          << shared << " of " << size;
    }
  }
}

TEST(KernelsTest, NumbersAreUnpackedAsOneByOne) {
  Rng rng(TestSeed() + 1);
  for (unsigned width = 0; width <= 16; ++width) {
    for (uint32_t n = 0; n <= 128; n += 1 + n / 16) {
      const ExactBytes packed(RandomBytes(&rng, 2 * 128 + 64));
      ASSERT_NO_FATAL_FAILURE(ExpectUnpacked<uint16_t>(
          packed, width, n, &UnpackWords, &scalar::UnpackWords));
      if (width <= 8) {
        ASSERT_NO_FATAL_FAILURE(ExpectUnpacked<uint8_t>(
            packed, width, n, &UnpackBytes, &scalar::UnpackBytes));
      }
    }
  }
}

TEST(KernelsTest, SumsAreThoseOfAllBytes) {
  Rng rng(TestSeed() + 2);
  for (uint32_t n = 0; n <= 160; ++n) {
    std::string bytes = RandomBytes(&rng, n);
    if (n % 3 == 0) {
      std::fill(bytes.begin(), bytes.end(), '\xff');
    }
    const ExactBytes padded(bytes + RandomBytes(&rng, 31 + 1));
    ASSERT_EQ(SumBytes(padded.bytes(), n), scalar::SumBytes(padded.bytes(), n));
  }
}

TEST(KernelsTest, CodesBelowABoundAreMarked) {
  Rng rng(TestSeed() + 3);
  for (uint32_t n = 0; n <= 128; ++n) {
    for (const uint32_t bound : {0u, 1u, 300u, 0x8000u, 0xffffu}) {
      std::vector<uint16_t> codes(n + 31);
      for (uint16_t& code : codes) {
        code = static_cast<uint16_t>(rng() % 2 == 0 ? rng()
                                                    : bound - 1 + rng() % 3);
      }
      uint64_t bits[2] = {0, 0};
      uint64_t obvious[2] = {0, 0};
      MarkBelow(codes.data(), n, bound, bits);
      scalar::MarkBelow(codes.data(), n, bound, obvious);
      for (uint32_t i = 0; i < n; ++i) {
        ASSERT_EQ(bits[i / 64] >> i % 64 & 1, obvious[i / 64] >> i % 64 & 1)
            << i << " of " << n << ", bound " << bound;
      }
    }
  }
}

TEST(KernelsTest, EndsAreCountedAsOneByOne) {
  Rng rng(TestSeed() + 4);
  size_t found = 0;
  for (unsigned width = 1; width <= 16; ++width) {
    for (int round = 0; round < 400; ++round) {
      const uint64_t num_codes = rng() % 300;
      const size_t bytes = (num_codes * width + 7) / 8;
      const ExactBytes packed(RandomBytes(&rng, bytes + 64 + 8));
      // From almost all codes to almost none.
      const auto first_end =
          static_cast<uint32_t>(rng() % 3 == 0 ? rng() % (uint64_t{1} << width)
                                               : (uint64_t{1} << width) - 1);
      const uint64_t at = rng() % (num_codes + 1);
      const auto ends = static_cast<uint32_t>(rng() % 40);
      const uint64_t obvious = scalar::PastEnds(packed.bytes(), width,
                                                num_codes, at, first_end, ends);
      const uint64_t place =
          PastEnds(packed.bytes(), width, num_codes, at, first_end, ends);
      if (obvious <= num_codes) {
        ASSERT_EQ(place, obvious) << num_codes << " of width " << width;
        ++found;
      } else {
        ASSERT_GT(place, num_codes) << num_codes << " of width " << width;
      }
    }
  }
  EXPECT_GT(found, 1000u);
}

}  // namespace
}  // namespace key_trie
}  // namespace memkv
