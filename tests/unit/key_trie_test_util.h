// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// What the key trie's tests share: seeds, keys of several shapes, building, and
// a model to compare with.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_builder.h"
#include "table/key_trie_cursor.h"
#include "table/key_trie_reader.h"

namespace memkv {

// From MEMKV_TEST_SEED, or fixed; printed either way.
inline uint64_t KeyTrieTestSeed() {
  const char* env = getenv("MEMKV_TEST_SEED");
  const uint64_t seed = env != nullptr ? strtoull(env, nullptr, 10) : 20261122;
  printf("MEMKV_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

using KeyList = std::vector<std::string>;  // ascending, distinct

inline KeyList SortedKeys(KeyList keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

inline std::string BuildKeyTrie(const KeyList& keys, uint32_t bucket_keys) {
  KeyTrieBuilder::Options options;
  options.bucket_keys = bucket_keys;
  KeyTrieBuilder builder(options);
  for (const std::string& key : keys) {
    builder.Add(key);
  }
  std::string out;
  std::string reason;
  EXPECT_TRUE(builder.Finish(&out, &reason)) << reason;
  return out;
}

// A reader over bytes of its own, in an allocation of exactly their size: what
// reads past them is seen by AddressSanitizer.
class OwnedKeyTrie {
 public:
  explicit OwnedKeyTrie(std::string_view bytes)
      : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }

  bool Open() {
    return KeyTrieReader::Open(std::string_view(bytes_.get(), size_), &reader_,
                               &reason_);
  }

  char* bytes() { return bytes_.get(); }
  const KeyTrieReader& reader() const { return reader_; }
  const std::string& reason() const { return reason_; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
  KeyTrieReader reader_;
  std::string reason_;
};

struct KeyShape {
  const char* name;
  std::string (*make)(std::mt19937_64* rng);
};

inline std::string RandomBytes(std::mt19937_64* rng, size_t size) {
  std::string s(size, '\0');
  for (char& c : s) {
    c = static_cast<char>((*rng)());
  }
  return s;
}

// Every shape draws from more than a thousand keys.
inline const std::vector<KeyShape>& KeyShapes() {
  static const std::vector<KeyShape> shapes = {
      {"Urls",
       [](std::mt19937_64* rng) {
         std::string s = "https://www.host" + std::to_string((*rng)() % 20);
         s += ".gov/";
         for (uint64_t n = (*rng)() % 4; n > 0; --n) {
           s += "section" + std::to_string((*rng)() % 9) + "/";
         }
         return s + "?id=" + std::to_string((*rng)() % 500);
       }},
      {"Paths",
       [](std::mt19937_64* rng) {
         static const char* const kParts[] = {
             "usr", "share", "doc", "lib", "python3", "include", "x"};
         std::string s;
         for (uint64_t n = 1 + (*rng)() % 8; n > 0; --n) {
           s += std::string(kParts[(*rng)() % 7]) + "/";
         }
         return s;
       }},
      {"RandomHex",
       [](std::mt19937_64* rng) {
         char buffer[17];
         snprintf(buffer, sizeof(buffer), "%016llx",
                  static_cast<unsigned long long>((*rng)()));
         return std::string(buffer);
       }},
      {"RandomBinary",
       [](std::mt19937_64* rng) { return RandomBytes(rng, (*rng)() % 9); }},
      {"TinyAlphabet",
       [](std::mt19937_64* rng) {
         static const char kLetters[] = {'\0', '\xff', 'a'};
         std::string s;
         for (uint64_t n = (*rng)() % 14; n > 0; --n) {
           s.push_back(kLetters[(*rng)() % 3]);
         }
         return s;
       }},
      {"NestedPrefixes",
       [](std::mt19937_64* rng) {
         return std::string((*rng)() % 2000, 'n') +
                ((*rng)() % 4 == 0 ? "!" : "");
       }},
      {"LongKeys",
       [](std::mt19937_64* rng) {
         std::string s(300 + (*rng)() % 3 * 5000, 'l');
         s[(*rng)() % s.size()] = 'm';
         return s;
       }},
      {"FixedBigEndian",
       [](std::mt19937_64* rng) {
         const uint64_t v = (*rng)() % 100000;
         return std::string({'\0', static_cast<char>(v >> 16),
                             static_cast<char>(v >> 8), static_cast<char>(v)});
       }},
  };
  return shapes;
}

inline KeyList MakeKeys(const KeyShape& shape, size_t n, std::mt19937_64* rng) {
  std::set<std::string> keys;
  while (keys.size() < n) {
    keys.insert(shape.make(rng));
  }
  return KeyList(keys.begin(), keys.end());
}

// A string near the keys: one of them, or one with a byte changed, cut, or
// added.
inline std::string NearKey(const KeyList& keys, std::mt19937_64* rng) {
  if (keys.empty()) {
    return RandomBytes(rng, (*rng)() % 3);
  }
  std::string s = keys[(*rng)() % keys.size()];
  switch ((*rng)() % 6) {
    case 0:
      s.push_back(static_cast<char>((*rng)() % 2 == 0 ? 0 : (*rng)()));
      break;
    case 1:
      s.resize((*rng)() % (s.size() + 1));
      break;
    case 2:
      if (!s.empty()) {
        s[(*rng)() % s.size()] = static_cast<char>((*rng)());
      }
      break;
    case 3:
      if (!s.empty()) {
        s.back() = static_cast<char>(s.back() + ((*rng)() % 2 == 0 ? 1 : -1));
      }
      break;
    default:
      break;
  }
  return s;
}

// The rank of the first key >= target.
inline uint32_t ModelLowerBound(const KeyList& keys, std::string_view target) {
  return static_cast<uint32_t>(
      std::lower_bound(keys.begin(), keys.end(), target) - keys.begin());
}

// Whether every look-up of target answers as the sorted list does.
inline void ExpectLookupsAgree(const KeyTrieReader& trie, const KeyList& keys,
                               std::string_view target) {
  const uint32_t lower = ModelLowerBound(keys, target);
  const bool found = lower < keys.size() && keys[lower] == target;
  const uint32_t floor = found        ? lower
                         : lower == 0 ? KeyTrieReader::kNotFound
                                      : lower - 1;
  ASSERT_EQ(trie.LowerBound(target), lower);
  ASSERT_EQ(trie.Find(target), found ? lower : KeyTrieReader::kNotFound);
  ASSERT_EQ(trie.FloorOrdinal(target), floor);
}

// Whether the cursor stands at that rank, or at none if there is no such rank.
inline void ExpectCursorAt(const KeyTrieCursor& cursor, const KeyList& keys,
                           uint32_t ordinal) {
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(cursor.Valid(), ordinal < keys.size());
  if (cursor.Valid()) {
    ASSERT_EQ(cursor.ordinal(), ordinal);
    ASSERT_EQ(cursor.key(), keys[ordinal]);
  }
}

// Everything a dictionary of these keys must do, near every one of them.
inline void ExpectBehavesLike(const KeyList& keys, uint32_t bucket_keys) {
  SCOPED_TRACE("bucket_keys " + std::to_string(bucket_keys));
  OwnedKeyTrie trie(BuildKeyTrie(keys, bucket_keys));
  ASSERT_TRUE(trie.Open()) << trie.reason();
  const KeyTrieReader& reader = trie.reader();
  std::string reason;
  ASSERT_TRUE(reader.Validate(&reason)) << reason;
  ASSERT_EQ(reader.num_keys(), keys.size());

  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  ASSERT_FALSE(cursor.Valid());
  uint32_t n = 0;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, n++));
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(n, keys.size());
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor, keys, --n));
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(n, 0u);

  std::string key;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(reader.KeyAt(i, &key));
    ASSERT_EQ(key, keys[i]);
    std::vector<std::string> near = {key, key + '\0', key + '\xff'};
    if (!key.empty()) {
      near.push_back(key.substr(0, key.size() - 1));
      near.push_back(key.substr(0, key.size() / 2));
      for (int change : {-1, 1}) {
        near.push_back(key);
        near.back().back() = static_cast<char>(near.back().back() + change);
      }
    }
    for (const std::string& target : near) {
      ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader, keys, target));
      cursor.Seek(target);
      ASSERT_NO_FATAL_FAILURE(
          ExpectCursorAt(cursor, keys, ModelLowerBound(keys, target)));
      cursor.SeekForPrev(target);
      // kNotFound is past every rank.
      ASSERT_NO_FATAL_FAILURE(
          ExpectCursorAt(cursor, keys, reader.FloorOrdinal(target)));
    }
  }
  ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader, keys, ""));
  ASSERT_NO_FATAL_FAILURE(
      ExpectLookupsAgree(reader, keys, std::string(40, '\xff')));
}

}  // namespace memkv
