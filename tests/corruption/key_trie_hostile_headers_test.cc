// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Key tries whose header says what its bytes do not.

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/corruption/key_trie_corruption_fixture.h"
#include "tests/corruption/key_trie_damage.h"

namespace memkv {
namespace {

using key_trie::kHeaderSize;
using key_trie::kPadding;
using key_trie::kSymbols;

// A header that says what its bytes do not, and what it is refused for.
struct HeaderCase {
  const char* what;
  std::function<void(std::string*)> damage;
  const char* reason;
};

// Single bytes that no header of the coding has.
std::vector<HeaderCase> BytesOfNoHeader(key_trie::Coding coding) {
  return {
      {"a byte less than a header and the padding",
       [](std::string* s) { s->resize(kHeaderSize + kPadding - 1); },
       "key trie: 155 bytes, expected 156 to 2147483647"},
      {"encoding", [](std::string* s) { (*s)[0] = 1; },
       "encoding 1, expected 2; a newer memkv may be able to read it"},
      {"unknown coding", [](std::string* s) { (*s)[kCodingAt] = 3; },
       "suffix coding 3"},
      {"the other coding", [](std::string* s) { (*s)[kCodingAt] ^= 1; },
       coding == kSymbols ? "but the file's tokens have none"
                          : "suffix coding 0"},
      {"codes of no bits", [](std::string* s) { (*s)[kWidthAt] = 0; },
       "codes of 0 bits"},
      {"codes of 255 bits", [](std::string* s) { (*s)[kWidthAt] = '\xff'; },
       "codes of 255 bits"},
      {"a reserved byte", [](std::string* s) { (*s)[3] = 1; },
       "reserved bytes are not 0"},
      {"other reserved bytes", [](std::string* s) { (*s)[7] = 1; },
       "reserved bytes are not 0"},
  };
}

// Numbers of symbols, keys and buckets that do not go together.
std::vector<HeaderCase> CountsThatDisagree() {
  return {
      {"65535 symbols",
       [](std::string* s) { StoreField(s, kNumSymbolsAt, 65535); },
       "65535 symbols"},
      {"2^32 - 1 keys",
       [](std::string* s) { StoreField(s, kNumKeysAt, UINT32_MAX); },
       "4294967295 keys in 7 buckets"},
      {"more keys than fit the buckets",
       [](std::string* s) { StoreField(s, kNumKeysAt, 7 * 128 + 1); },
       "897 keys in 7 buckets"},
      {"fewer keys than buckets",
       [](std::string* s) { StoreField(s, kNumKeysAt, 6); },
       "6 keys in 7 buckets"},
      {"no keys", [](std::string* s) { StoreField(s, kNumKeysAt, 0); },
       "0 keys in 7 buckets"},
      {"no buckets", [](std::string* s) { StoreField(s, kNumBucketsAt, 0); },
       "14 keys in 0 buckets"},
      {"no keys in no buckets",
       [](std::string* s) {
         StoreField(s, kNumKeysAt, 0);
         StoreField(s, kNumBucketsAt, 0);
       },
       "separators of no buckets"},
      {"separators of other widths",
       [](std::string* s) { (*s)[SeparatorsAt(*s)] = '\x22'; },
       "bytes that begin with 34"},
      {"one bucket, yet separators",
       [](std::string* s) { StoreField(s, kNumBucketsAt, 1); },
       "separators: 1 in "},
      {"2^31 - 1 buckets of one key, for which a directory of equal elements "
       "takes two bytes",
       [](std::string* s) {
         ReplaceSeparators(s, std::string("\x24", 1));
         s->replace(SeparatorsAt(*s) + 1, LoadField(*s, kDirectorySizeAt),
                    std::string("\0\0", 2));
         StoreField(s, kDirectorySizeAt, 2);
         StoreField(s, kNumKeysAt, 0x7fffffff);
         StoreField(s, kNumBucketsAt, 0x7fffffff);
       },
       "2147483647 keys in 2147483647 buckets of "},
  };
}

// Sections that are not where their sizes say.
std::vector<HeaderCase> SectionsThatShift() {
  return {
      {"more buckets than the directory has",
       [](std::string* s) { StoreField(s, kNumBucketsAt, 14); },
       "not a packed array of 14 + 1 elements"},
      {"fewer buckets than the directory has",
       [](std::string* s) { StoreField(s, kNumBucketsAt, 2); },
       "not a packed array of 2 + 1 elements"},
      {"sections that wrap",
       [](std::string* s) {
         for (const size_t field : {kSeparatorsSizeAt, kBucketsSizeAt}) {
           StoreField(s, field, LoadField(*s, field) + 0x80000000u);
         }
       },
       "sections of "},
      {"sections that shift",
       [](std::string* s) {
         StoreField(s, kSeparatorsSizeAt, LoadField(*s, kSeparatorsSizeAt) + 1);
         StoreField(s, kDirectorySizeAt, LoadField(*s, kDirectorySizeAt) - 1);
       },
       "not a packed array"},
      {"no separators, all directory",
       [](std::string* s) {
         StoreField(s, kDirectorySizeAt,
                    LoadField(*s, kDirectorySizeAt) +
                        LoadField(*s, kSeparatorsSizeAt));
         StoreField(s, kSeparatorsSizeAt, 0);
       },
       "separators: 7 in 0 bytes"},
  };
}

}  // namespace

TEST_P(KeyTrieCorruptionTest, SectionsCutShortWithMatchingSizesAreSafe) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensOf(keys);
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys, tokens);
  size_t end = kHeaderSize;
  for (size_t field :
       {kNumSymbolsAt, kSeparatorsSizeAt, kDirectorySizeAt, kBucketsSizeAt}) {
    const uint32_t size = LoadField(bytes, field);
    end += size;
    Tally tally;
    for (uint32_t cut = 1; cut <= size; ++cut) {
      std::string damaged = bytes;
      damaged.erase(end - cut, cut);
      StoreField(&damaged, field, size - cut);
      ASSERT_NO_FATAL_FAILURE(
          ExpectDamageIsSafe(damaged, tokens, keys, &tally));
    }
    EXPECT_EQ(tally.other_dictionary, 0) << "field at " << field;
    // And longer than they are.
    for (const char* more : {"\x00", "\xff", "\x08"}) {
      std::string damaged = bytes;
      damaged.insert(end, std::string(more, 1));
      StoreField(&damaged, field, size + 1);
      ASSERT_NO_FATAL_FAILURE(
          ExpectDamageIsSafe(damaged, tokens, keys, &tally));
    }
    EXPECT_EQ(tally.other_dictionary, 0) << "field at " << field;
  }
}

TEST_P(KeyTrieCorruptionTest, HostileHeadersAreRefused) {
  const std::string tokens = TokensOf(SampleKeys());
  const std::string bytes =
      BuildKeyTrie(SampleKeys(), kSampleBucketKeys, tokens);
  for (const std::vector<HeaderCase>& cases :
       {BytesOfNoHeader(GetParam()), CountsThatDisagree(),
        SectionsThatShift()}) {
    for (const HeaderCase& c : cases) {
      SCOPED_TRACE(c.what);
      std::string damaged = bytes;
      c.damage(&damaged);
      OwnedKeyTrie trie(damaged, tokens);
      EXPECT_FALSE(trie.Open());
      EXPECT_NE(trie.reason().find(c.reason), std::string::npos)
          << trie.reason();
    }
  }
}

TEST_P(KeyTrieCorruptionTest, EveryHeaderFieldWithTelltaleValuesIsSafe) {
  const KeyList keys = SampleKeys();
  const std::string tokens = TokensOf(keys);
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys, tokens);
  Tally tally;
  for (size_t field : {kNumSymbolsAt, kNumKeysAt, kNumBucketsAt,
                       kSeparatorsSizeAt, kDirectorySizeAt, kBucketsSizeAt}) {
    const uint32_t value = LoadField(bytes, field);
    for (const uint32_t other :
         {0u, 1u, value - 1, value + 1, 2 * value, 127u, 128u, 129u, 0xffffu,
          0x7fffffffu, 0x80000000u, UINT32_MAX}) {
      std::string damaged = bytes;
      StoreField(&damaged, field, other);
      if (damaged == bytes) {
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(
          ExpectDamageIsSafe(damaged, tokens, keys, &tally));
      // With the sections' sum as it was.
      for (size_t second : {kSeparatorsSizeAt, kDirectorySizeAt}) {
        if (second == field) {
          continue;
        }
        damaged = bytes;
        StoreField(&damaged, field, other);
        StoreField(&damaged, second,
                   LoadField(damaged, second) + value - other);
        ASSERT_NO_FATAL_FAILURE(
            ExpectDamageIsSafe(damaged, tokens, keys, &tally));
      }
    }
  }
  EXPECT_EQ(tally.other_dictionary, 0);
}

TEST(KeyTrieFixedBytesTest, AnyBaseAndMaskIsSafe) {
  std::mt19937_64 rng(TestSeed());
  KeyList keys;
  for (int i = 0; i < 200; ++i) {
    keys.push_back(RandomUuid(&rng));
  }
  std::sort(keys.begin(), keys.end());
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys);
  ASSERT_EQ(bytes[kCodingAt], key_trie::kFixedSymbols);
  const size_t at = FixedBytesAt(bytes);
  const auto refused = [&](size_t where, char byte, const char* reason) {
    std::string damaged = bytes;
    damaged[where] = byte;
    OwnedKeyTrie trie(damaged, "");
    EXPECT_FALSE(trie.Open());
    EXPECT_NE(trie.reason().find(reason), std::string::npos) << trie.reason();
  };
  refused(kWidthAt, 8, "suffix coding 2 with codes of 8 bits");
  // One position more, and one fewer.
  refused(at + 5, static_cast<char>(bytes[at + 5] ^ 2), "sections of");
  std::string moved = bytes;
  moved[at + 4] = static_cast<char>(moved[at + 4] ^ 3);  // position 1, not 0
  OwnedKeyTrie trie(moved, "");
  EXPECT_FALSE(trie.Open());
  EXPECT_NE(trie.reason().find("fixed bytes that begin with none"),
            std::string::npos)
      << trie.reason();
  Tally tally;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    for (uint64_t n = 1 + rng() % 3; n > 0; --n) {
      // Base, mask and bytes; the mask's bits stay as many, else it is refused.
      const size_t i = rng() % FixedBytesSize(bytes);
      if (i >= 4 && i < 12) {
        const unsigned from = static_cast<unsigned>(1 + rng() % 63);
        const unsigned to = static_cast<unsigned>(1 + rng() % 63);
        auto* const p = reinterpret_cast<uint8_t*>(&damaged[at + 4]);
        const bool a = (p[from / 8] >> from % 8 & 1) != 0;
        const bool b = (p[to / 8] >> to % 8 & 1) != 0;
        if (a != b) {
          p[from / 8] ^= static_cast<uint8_t>(1u << from % 8);
          p[to / 8] ^= static_cast<uint8_t>(1u << to % 8);
        }
      } else {
        damaged[at + i] = static_cast<char>(rng());
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, "", keys, &tally));
  }
  EXPECT_EQ(tally.open_refused, 0);
  EXPECT_GT(tally.validate_refused, 0);
}

}  // namespace memkv
