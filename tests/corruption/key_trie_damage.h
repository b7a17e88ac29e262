// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Damaged key tries: their parts, and whether everything that may be asked of
// them is safe.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/fixed_bytes.h"
#include "table/key_trie/format.h"
#include "tests/util/key_trie_test_util.h"
#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {

// Fields of the header.
inline constexpr size_t kCodingAt = 1;
inline constexpr size_t kWidthAt = 2;
inline constexpr size_t kNumSymbolsAt = 4;  // 2 bytes
inline constexpr size_t kNumKeysAt = 8;
inline constexpr size_t kNumBucketsAt = 12;
inline constexpr size_t kSeparatorsSizeAt = 16;
inline constexpr size_t kDirectorySizeAt = 20;
inline constexpr size_t kBucketsSizeAt = 24;

inline uint32_t LoadField(const std::string& bytes, size_t at) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data()) + at;
  return at == kNumSymbolsAt ? LoadFixed16(p) : LoadFixed32(p);
}

inline void StoreField(std::string* bytes, size_t at, uint32_t value) {
  std::string encoded;
  PutFixed(&encoded, value, at == kNumSymbolsAt ? 2 : 4);
  bytes->replace(at, encoded.size(), encoded);
}

// Of the fixed bytes with their base and mask, if there are any.
inline size_t FixedBytesAt(const std::string& bytes) {
  return key_trie::kHeaderSize + LoadField(bytes, kNumSymbolsAt);
}

inline size_t FixedBytesSize(const std::string& bytes) {
  if (bytes[kCodingAt] != key_trie::kFixedSymbols) {
    return 0;
  }
  key_trie::FixedBytes fixed;
  fixed.mask = LoadFixed64(reinterpret_cast<const uint8_t*>(bytes.data()) +
                           FixedBytesAt(bytes) + 4);
  return key_trie::FixedBytes::kHeaderSize + fixed.count();
}

inline size_t SeparatorsAt(const std::string& bytes) {
  return FixedBytesAt(bytes) + FixedBytesSize(bytes);
}

inline std::string SeparatorsOf(const std::string& bytes) {
  return bytes.substr(SeparatorsAt(bytes), LoadField(bytes, kSeparatorsSizeAt));
}

inline void ReplaceSeparators(std::string* bytes,
                              const std::string& separators) {
  bytes->replace(SeparatorsAt(*bytes), LoadField(*bytes, kSeparatorsSizeAt),
                 separators);
  StoreField(bytes, kSeparatorsSizeAt,
             static_cast<uint32_t>(separators.size()));
}

// A key trie's parts, to be put together in ways that no builder does.
struct Parts {
  key_trie::Coding coding = key_trie::kSymbols;
  unsigned width = 8;
  std::string symbols;
  std::string separators;
  std::vector<std::string> buckets;
  std::vector<uint32_t> heads;  // ordinals
  uint32_t num_keys = 0;
  std::string padding = std::string(key_trie::kPadding, '\0');

  std::string Join() const {
    std::vector<uint64_t> places;
    std::string all_buckets;
    for (size_t b = 0; b < buckets.size(); ++b) {
      places.push_back(uint64_t{all_buckets.size()} << BitWidth(num_keys) |
                       heads[b]);
      all_buckets += buckets[b];
    }
    places.push_back(uint64_t{all_buckets.size()} << BitWidth(num_keys) |
                     num_keys);
    std::string directory;
    PackedArrayBuilder::Encode(places.data(), places.size(), &directory);
    std::string bytes(1, static_cast<char>(key_trie::kEncoding));
    bytes.push_back(static_cast<char>(coding));
    bytes.push_back(static_cast<char>(width));
    bytes.push_back('\0');
    PutFixed(&bytes, symbols.size(), 4);
    for (const size_t field :
         {size_t{num_keys}, buckets.size(), separators.size(), directory.size(),
          all_buckets.size()}) {
      PutFixed(&bytes, field, 4);
    }
    return bytes + symbols + separators + directory + all_buckets + padding;
  }
};

// Calls everything there is; no answer may be out of range, and no walk longer
// than there are keys.
inline void ExpectSafe(const KeyTrieReader& reader, const KeyList& targets) {
  const uint32_t n = reader.num_keys();
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  const auto walk = [&](void (KeyTrieCursor::*step)()) {
    for (int steps = 0; cursor.Valid() && steps < 20; ++steps) {
      ASSERT_FALSE(cursor.corrupt());
      ASSERT_LT(cursor.ordinal(), n);
      const std::string before(cursor.key());
      (cursor.*step)();
      // (I4), whatever the damage is.
      if (cursor.Valid() && step == &KeyTrieCursor::Next) {
        ASSERT_GT(cursor.key(), before);
      } else if (cursor.Valid()) {
        ASSERT_LT(cursor.key(), before);
      }
    }
  };
  for (const std::string& target : targets) {
    const uint32_t found = reader.Find(target);
    ASSERT_TRUE(found < n || found >= KeyTrieReader::kCorrupt);
    const uint32_t rank = reader.Rank(target);
    ASSERT_TRUE(rank <= n || rank == KeyTrieReader::kCorrupt);
    const uint32_t floor = reader.FloorOrdinal(target);
    ASSERT_TRUE(floor < n || floor >= KeyTrieReader::kCorrupt);
    const uint32_t count = reader.CountRange(targets[0], target);
    ASSERT_TRUE(count <= n || count == KeyTrieReader::kCorrupt);
    for (const auto step : {&KeyTrieCursor::Next, &KeyTrieCursor::Prev}) {
      cursor.Seek(target);
      ASSERT_NO_FATAL_FAILURE(walk(step));
      cursor.SeekForPrev(target);
      ASSERT_NO_FATAL_FAILURE(walk(step));
    }
  }
  // Keys that are rebuilt together are those rebuilt one by one.
  KeyTrieCursor slow;
  slow.Reset(&reader);
  slow.TEST_ReadOneByOne();
  const auto expect_same = [&] {
    ASSERT_EQ(cursor.Valid(), slow.Valid());
    ASSERT_EQ(cursor.corrupt(), slow.corrupt());
    ASSERT_TRUE(!slow.Valid() || cursor.key() == slow.key());
  };
  uint32_t steps = 0;
  std::string before;
  slow.SeekToFirst();
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next(), slow.Next()) {
    ASSERT_NO_FATAL_FAILURE(expect_same());
    ASSERT_TRUE(steps == 0 || cursor.key() > before);
    ASSERT_LE(++steps, n);
    before = cursor.key();
  }
  ASSERT_NO_FATAL_FAILURE(expect_same());
  const uint32_t forward_steps = steps;
  slow.SeekToLast();
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev(), slow.Prev()) {
    ASSERT_NO_FATAL_FAILURE(expect_same());
    ASSERT_TRUE(steps == forward_steps || cursor.key() < before);
    ASSERT_LE(++steps, 2 * n);
    before = cursor.key();
  }
  ASSERT_NO_FATAL_FAILURE(expect_same());
  std::string key;
  for (uint32_t i = 0; i < std::min(n, 100u); ++i) {
    reader.KeyAt(i, &key);
    if (n > 20 && i % 7 != 0) {
      continue;
    }
    for (const auto step : {&KeyTrieCursor::Next, &KeyTrieCursor::Prev}) {
      cursor.SeekToOrdinal(i);
      ASSERT_TRUE(!cursor.Valid() || cursor.ordinal() == i);
      ASSERT_NO_FATAL_FAILURE(walk(step));
    }
  }
}

// Whether a key trie that Validate accepts answers as the list of the keys it
// holds, and, as far as that is known without its builder's options and cuts,
// is what a builder makes of them.
inline void ExpectConsistent(const KeyTrieReader& reader,
                             std::string_view bytes, bool in_symbols) {
  KeyList keys;
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    keys.emplace_back(cursor.key());
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(keys.size(), reader.num_keys());
  for (size_t i = 1; i < keys.size(); ++i) {
    ASSERT_LT(keys[i - 1], keys[i]);
  }
  if (keys.size() < 20) {
    ASSERT_NO_FATAL_FAILURE(ExpectTrieBehavesLike(reader, keys));
  }
  for (const std::string& key : keys) {
    ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader, keys, key));
    ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader, keys, key + '\0'));
  }
  const bool alone = reader.num_buckets() == reader.num_keys();
  if (in_symbols && (alone || reader.num_buckets() == 1)) {
    const std::string built = BuildKeyTrie(keys, alone ? 1 : 128);
    // A builder may take other bytes for fixed, or none.
    if (built[kCodingAt] == key_trie::kSymbols) {
      ASSERT_EQ(built, bytes);
    }
  }
}

// What happened to damaged bytes.
struct Tally {
  int tokens_refused = 0;
  int open_refused = 0;
  int validate_refused = 0;
  int other_dictionary = 0;  // valid: the damage made other keys
};

inline void ExpectDamageIsSafe(const std::string& bytes,
                               const std::string& tokens,
                               const KeyList& targets, Tally* tally) {
  OwnedKeyTrie trie(bytes, tokens);
  if (!trie.Open()) {
    ASSERT_FALSE(trie.reason().empty());
    ASSERT_EQ(trie.reader().num_keys(), 0u);
    ++(trie.tokens_refused() ? tally->tokens_refused : tally->open_refused);
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSafe(trie.reader(), targets));
  ASSERT_NO_FATAL_FAILURE(ExpectBatchesAgree(
      std::vector<const KeyTrieReader*>(targets.size(), &trie.reader()),
      targets));
  std::string reason;
  if (!trie.reader().Validate(&reason)) {
    ASSERT_FALSE(reason.empty());
    ++tally->validate_refused;
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectConsistent(
      trie.reader(), bytes, bytes[kCodingAt] == key_trie::kSymbols));
  ++tally->other_dictionary;
}

}  // namespace memkv
