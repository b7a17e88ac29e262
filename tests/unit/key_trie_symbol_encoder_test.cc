// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The symbols and fixed bytes of suffixes, beside what looking at each byte by
// itself finds, and the codes, beside those written one by one; what they read
// and no more is the keys', below AddressSanitizer.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "table/key_trie/symbol_encoder.h"
#include "tests/util/test_seed.h"
#include "util/common_prefix.h"

namespace memkv {
namespace key_trie {
namespace {

using Rng = std::mt19937_64;

FrontCodedKeys FrontCoded(const std::set<std::string>& keys) {
  FrontCodedKeys coded;
  std::string before;
  for (const std::string& key : keys) {
    const size_t lcp = CommonPrefix(key, before);
    coded.Add(static_cast<uint32_t>(lcp), std::string_view(key).substr(lcp));
    before = key;
  }
  coded.ShrinkToFit();  // so that its bytes end where they are allocated
  return coded;
}

std::vector<FrontCodedKey> All(const FrontCodedKeys& keys) {
  std::vector<FrontCodedKey> all;
  keys.ForEach([&all](const FrontCodedKey& key) { all.push_back(key); });
  return all;
}

bool IsFixed(const SymbolEncoder& encoder, uint64_t position) {
  return encoder.fixed().UpToNext(position) == 0;
}

// That its fixed bytes are fixed, and that its symbols are the other bytes.
void ExpectDescribes(const SymbolEncoder& encoder, const FrontCodedKeys& keys) {
  std::set<char> occur;
  uint64_t codes = 0;
  keys.ForEach([&](const FrontCodedKey& key) {
    for (size_t i = 0; i < key.suffix.size(); ++i) {
      const uint64_t position = key.lcp + i;
      if (i > 0 && IsFixed(encoder, position)) {
        ASSERT_EQ(encoder.fixed_bytes()[encoder.fixed().Before(position)],
                  key.suffix[i]);
      } else {
        occur.insert(key.suffix[i]);
        ++codes;
      }
    }
  });
  EXPECT_EQ(encoder.code_bits(), codes * encoder.width());
  ASSERT_EQ(encoder.width(), SymbolWidth(occur.size()));
  std::string symbols(occur.begin(), occur.end());
  std::sort(symbols.begin(), symbols.end(), [](char a, char b) {
    return static_cast<uint8_t>(a) < static_cast<uint8_t>(b);
  });
  EXPECT_EQ(encoder.symbols(), encoder.width() == 8 ? "" : symbols);
}

// Several at once, from different keys on.
void ExpectEncodesAsOneByOne(const SymbolEncoder& encoder,
                             const FrontCodedKeys& keys, Rng* rng) {
  const std::vector<FrontCodedKey> all = All(keys);
  const char* const limit = keys.suffixes().data() + keys.suffixes().size();
  for (size_t begin = 0; begin < all.size();) {
    const size_t n = std::min<size_t>(1 + (*rng)() % 128, all.size() - begin);
    std::string fast = "before";
    std::string slow = "before";
    encoder.Encode(&all[begin], n, limit, &fast);
    encoder.EncodeSlow(&all[begin], n, &slow);
    ASSERT_EQ(fast, slow) << n << " from " << begin;
    begin += n;
  }
}

void ExpectAgrees(const std::set<std::string>& keys, Rng* rng) {
  const FrontCodedKeys coded = FrontCoded(keys);
  for (const SymbolEncoder& encoder :
       {SymbolEncoder::Of(coded), SymbolEncoder::WithoutFixedBytes(coded)}) {
    ASSERT_NO_FATAL_FAILURE(ExpectDescribes(encoder, coded));
    ASSERT_NO_FATAL_FAILURE(ExpectEncodesAsOneByOne(encoder, coded, rng));
  }
}

// n distinct bytes.
std::string Alphabet(size_t n, Rng* rng) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  std::shuffle(bytes.begin(), bytes.end(), *rng);
  return bytes.substr(0, n);
}

TEST(SymbolEncoderTest, KeysOfAnyAlphabetAndLength) {
  Rng rng(TestSeed());
  for (size_t n : {1, 2, 3, 10, 16, 17, 40, 64, 100, 128, 129, 200, 256}) {
    const std::string alphabet = Alphabet(n, &rng);
    for (const size_t longest : {1, 7, 8, 9, 31, 32, 33, 34, 100, 400}) {
      std::set<std::string> keys;
      for (int i = 0; i < 150; ++i) {
        std::string key;
        for (size_t size = rng() % (longest + 1); size > 0; --size) {
          key.push_back(alphabet[rng() % n]);
        }
        keys.insert(key);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAgrees(keys, &rng))
          << n << " bytes, keys up to " << longest;
    }
  }
}

TEST(SymbolEncoderTest, BytesThatAreFixedAnywhere) {
  Rng rng(TestSeed() + 1);
  size_t fixed = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string alphabet = Alphabet(1 + rng() % 40, &rng);
    const size_t size = 8 + rng() % 120;
    std::string form(size, '\0');  // 1: fixed
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; ++i) {
      form[i] = static_cast<char>(rng() % 4 == 0);
      pattern[i] = static_cast<char>(rng());
    }
    const bool one_size = rng() % 2 == 0;
    std::set<std::string> keys;
    for (int i = 0; i < 300; ++i) {
      std::string key = pattern;
      for (size_t k = 0; k < size; ++k) {
        if (form[k] == 0) key[k] = alphabet[rng() % alphabet.size()];
      }
      keys.insert(one_size ? key : key.substr(0, rng() % (size + 1)));
    }
    // One that differs where the others do not, perhaps.
    if (rng() % 3 == 0) keys.insert(Alphabet(size, &rng));
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(keys, &rng)) << "round " << round;
    fixed += SymbolEncoder::Of(FrontCoded(keys)).fixed().empty() ? 0 : 1;
  }
  EXPECT_GT(fixed, 50u);
}

TEST(SymbolEncoderTest, NoKeysAndTheEmptyKey) {
  Rng rng(TestSeed() + 2);
  ASSERT_NO_FATAL_FAILURE(ExpectAgrees({}, &rng));
  ASSERT_NO_FATAL_FAILURE(ExpectAgrees({""}, &rng));
  ASSERT_NO_FATAL_FAILURE(ExpectAgrees({"", "a"}, &rng));
}

}  // namespace
}  // namespace key_trie
}  // namespace memkv
