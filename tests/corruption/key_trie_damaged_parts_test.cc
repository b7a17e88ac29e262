// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Key tries put together of parts that no builder writes: what is refused as
// not canonical, and what claims more than there is.

#include <functional>
#include <string>
#include <vector>

#include "table/key_trie/builder.h"
#include "table/key_trie/reader.h"
#include "tests/corruption/allocation_watch.h"
#include "tests/corruption/key_trie_damage.h"

namespace memkv {
namespace {

// "ab" and "ac" in one bucket, as a builder writes them.
Parts TwoKeys() {
  Parts parts;
  parts.width = 2;
  parts.symbols = "abc";
  parts.heads = {0};
  parts.num_keys = 2;
  parts.buckets = {
      std::string("\0\0\1"  // LCPs: width, the head's, smallest
                  "\0\2"    // lengths: width, smallest
                  "\x08"    // 'a', 'c'
                  "\x01",   // 'b'
                  7)};
  return parts;
}

// Parts that no builder makes, and what Validate says of them.
struct PartsCase {
  const char* what;
  std::function<void(Parts*)> change;
  const char* reason;
};

std::vector<PartsCase> OtherSymbolsAndCodes() {
  return {
      {"a symbol that does not occur", [](Parts* p) { p->symbols = "abcd"; },
       "symbols that do not occur"},
      {"symbols that do not ascend", [](Parts* p) { p->symbols = "acb"; },
       "symbols that do not ascend"},
      {"wider codes",
       [](Parts* p) {
         p->width = 3;
         p->buckets[0].replace(5, 2, "\x10\x01");
       },
       "symbols that do not ascend, or of wrong number: 3"},
      {"bytes as codes",
       [](Parts* p) {
         p->width = 8;
         p->symbols.clear();
         p->buckets[0].replace(5, 2, "acb");
       },
       "symbols that do not occur, or too wide codes"},
  };
}

std::vector<PartsCase> WiderNumbers() {
  return {
      {"wider LCPs",
       [](Parts* p) {
         p->buckets[0][0] = 1;
         p->buckets[0].insert(5, 1, '\0');
       },
       "numbers wider than needed in bucket 0"},
      {"a smaller LCP than the smallest",
       [](Parts* p) {
         p->buckets[0].replace(0, 3, std::string("\1\0\0", 3));
         p->buckets[0].insert(5, 1, '\1');
       },
       "numbers wider than needed in bucket 0"},
      {"wider lengths",
       [](Parts* p) {
         p->buckets[0][3] = 1;
         p->buckets[0].insert(5, 1, '\0');
       },
       "numbers wider than needed in bucket 0"},
      {"a smaller length than the smallest",
       [](Parts* p) {
         p->buckets[0].replace(3, 2, "\1\1");
         p->buckets[0].insert(5, 1, '\3');
       },
       "numbers wider than needed in bucket 0"},
  };
}

std::vector<PartsCase> OtherKeysAndBytes() {
  return {
      {"an LCP that is not all that is shared",
       [](Parts* p) { p->buckets[0] = std::string("\0\0\0\0\2\x00\x09", 7); },
       "key 1 is not greater than the key before it, or its LCP"},
      {"keys that descend",
       [](Parts* p) {
         p->buckets[0].replace(5, 2, std::string("\x04\x02", 2));
       },
       "key 1 is not greater"},
      {"a head that shares bytes with no key",
       [](Parts* p) { p->buckets[0][1] = 1; }, "no whole key 0"},
      {"a code that names nothing", [](Parts* p) { p->buckets[0][5] = '\x0c'; },
       "no whole key 1"},
      {"a suffix longer than the codes", [](Parts* p) { p->buckets[0][4] = 9; },
       "no whole key 0"},
      {"unused bits", [](Parts* p) { p->buckets[0][6] = '\x41'; },
       "unused bytes in bucket 0"},
      {"unused bits of first codes",
       [](Parts* p) { p->buckets[0][5] = '\x18'; }, "unused bytes in bucket 0"},
      {"an unused byte", [](Parts* p) { p->buckets[0].push_back('\0'); },
       "unused bytes in bucket 0"},
      {"keys that are not there", [](Parts* p) { p->num_keys = 3; },
       "key 2 is not greater"},
      {"keys before the first bucket",
       [](Parts* p) {
         p->heads = {1};
         p->num_keys = 3;
       },
       "keys before the first bucket"},
      {"padding that is not zero", [](Parts* p) { p->padding.back() = 1; },
       "the bytes after the buckets are not zero"},
  };
}

}  // namespace

TEST(KeyTrieDamagedBytesTest, WhatABuilderWouldWriteOtherwiseIsRefused) {
  ASSERT_EQ(TwoKeys().Join(), BuildKeyTrie({"ab", "ac"}, 128));
  for (const std::vector<PartsCase>& cases :
       {OtherSymbolsAndCodes(), WiderNumbers(), OtherKeysAndBytes()}) {
    for (const PartsCase& c : cases) {
      SCOPED_TRACE(c.what);
      Parts parts = TwoKeys();
      c.change(&parts);
      OwnedKeyTrie trie(parts.Join());
      ASSERT_TRUE(trie.Open()) << trie.reason();
      ASSERT_NO_FATAL_FAILURE(
          ExpectSafe(trie.reader(), {"", "a", "ab", "ac", "b"}));
      std::string reason;
      EXPECT_FALSE(trie.reader().Validate(&reason));
      EXPECT_NE(reason.find(c.reason), std::string::npos) << reason;
    }
  }
}

TEST(KeyTrieDamagedBytesTest, SymbolsOfNoKeysAreRefused) {
  Parts parts;
  parts.width = 1;
  ASSERT_EQ(parts.Join(), BuildKeyTrie({}, 128));
  parts.symbols = "x";
  OwnedKeyTrie trie(parts.Join());
  ASSERT_TRUE(trie.Open()) << trie.reason();
  std::string reason;
  EXPECT_FALSE(trie.reader().Validate(&reason));
}

TEST(KeyTrieDamagedBytesTest, HugeClaimsDoNotAllocate) {
  const std::string huge = "\xff\xff\xff\xff\x0f";
  const struct {
    const char* what;
    std::string bucket;
    bool head_is_damaged;
  } kCases[] = {
      {"a head that shares 2^32 - 1 bytes with no key",
       std::string(1, '\0') + huge + std::string("\1\0\2\x08\x01", 5), true},
      {"a key that shares 2^32 - 1 bytes with the one before",
       std::string("\0\0", 2) + huge + std::string("\0\2\x08\x01", 4), false},
      {"keys of 2^32 - 1 bytes", std::string("\0\0\1\0", 4) + huge + "\x08\x01",
       true},
      {"LCPs of 31 bits",
       std::string("\x1f\0\0\0\2\xff\xff\xff\x7f\x08\x01", 11), false},
      {"lengths of 31 bits",
       std::string("\0\0\1\x1f\0\xff\xff\xff\xff\xff\xff\xff\xff\x08\x01", 15),
       true},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    Parts parts = TwoKeys();
    parts.buckets = {c.bucket};
    OwnedKeyTrie trie(parts.Join());
    ASSERT_TRUE(trie.Open()) << trie.reason();
    const KeyTrieReader& reader = trie.reader();
    if (c.head_is_damaged) {
      EXPECT_EQ(reader.Find("ab"), KeyTrieReader::kCorrupt);
      EXPECT_EQ(reader.Rank("ab"), KeyTrieReader::kCorrupt);
      EXPECT_EQ(reader.CountRange("ab", "ac"), KeyTrieReader::kCorrupt);
      EXPECT_EQ(reader.FloorOrdinal("ab"), KeyTrieReader::kCorrupt);
    }
    std::string key;
    EXPECT_EQ(reader.KeyAt(0, &key), !c.head_is_damaged);
    EXPECT_FALSE(reader.KeyAt(1, &key));
    KeyTrieCursor cursor;
    cursor.Reset(&reader);
    cursor.SeekToFirst();
    if (cursor.Valid()) {
      cursor.Next();
    }
    EXPECT_FALSE(cursor.Valid());
    EXPECT_TRUE(cursor.corrupt());
    std::string reason;
    EXPECT_FALSE(reader.Validate(&reason));
    EXPECT_FALSE(reason.empty());
    cursor.Reset(&reader);
    EXPECT_FALSE(cursor.corrupt());
  }
}

// Each key is the one before it and a byte, so separators are as long as keys.
TEST(KeyTrieDamagedBytesTest, ValidatingTakesNoMoreThanAFewTimesTheBytes) {
  constexpr size_t kLong = 1 << 16;
  KeyTrieBuilder::Options options;
  options.bucket_keys = 1;
  KeyTrieBuilder builder(options);
  for (size_t i = 0; i < 1000; ++i) builder.Add(std::string(kLong + i, 'a'));
  std::string bytes;
  std::string reason;
  ASSERT_TRUE(builder.Finish(/*tokens=*/nullptr, &bytes, &reason)) << reason;
  KeyTrieReader reader;
  ASSERT_TRUE(KeyTrieReader::Open(bytes, /*tokens=*/nullptr, &reader, &reason))
      << reason;
  const AllocationWatch watch;
  EXPECT_TRUE(reader.Validate(&reason)) << reason;
  // And the key at hand, some times.
  EXPECT_LT(watch.most_held(), 8 * (bytes.size() + kLong));
}

}  // namespace memkv
