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
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/key_trie/builder.h"
#include "table/key_trie/cursor.h"
#include "table/key_trie/format.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/token_choice.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/token_trainer.h"
#include "table/key_trie/tokens.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_seed.h"

namespace memkv {

using KeyList = std::vector<std::string>;  // ascending, distinct

inline KeyList SortedKeys(KeyList keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

// How suffixes may be written; what holds for one must hold for the other.
constexpr key_trie::Coding kKeyTrieCodings[] = {key_trie::kSymbols,
                                                key_trie::kTokenCodes};

inline const char* NameOf(key_trie::Coding coding) {
  return coding == key_trie::kSymbols ? "symbols" : "tokens";
}

// Adds the keys to a builder.
inline std::unique_ptr<KeyTrieBuilder> NewKeyTrieBuilder(
    const KeyList& keys, const KeyTrieBuilder::Options& options) {
  auto builder = std::make_unique<KeyTrieBuilder>(options);
  for (const std::string& key : keys) {
    builder->Add(key);
  }
  return builder;
}

// The bytes of the tokens that the keys' suffixes are written in: none for
// symbols; for tokens a token table trained on the keys, whether it pays or
// not.
inline std::string TokensFor(const KeyList& keys, key_trie::Coding coding) {
  std::string tokens;
  if (coding == key_trie::kTokenCodes) {
    key_trie::TokenTrainer trainer;
    NewKeyTrieBuilder(keys, {})->ForEachSuffix(
        [&trainer](std::string_view suffix) { trainer.Add(suffix); });
    trainer.Train(1e-3, UINT64_MAX, &tokens);
    EXPECT_FALSE(tokens.empty());
  }
  return tokens;
}

// In these tokens, or in symbols if there are none.
inline bool FinishKeyTrie(KeyTrieBuilder* builder, std::string_view tokens,
                          std::string* out, std::string* reason) {
  if (tokens.empty()) {
    return builder->Finish(nullptr, out, reason);
  }
  key_trie::Tokens token_table;
  EXPECT_TRUE(token_table.Open(tokens, reason)) << *reason;
  const key_trie::TokenEncoder encoder(token_table);
  return builder->Finish(&encoder, out, reason);
}

inline std::string BuildKeyTrie(const KeyList& keys, uint32_t bucket_keys,
                                std::string_view tokens = {}) {
  KeyTrieBuilder::Options options;
  options.bucket_keys = bucket_keys;
  std::string out;
  std::string reason;
  EXPECT_TRUE(FinishKeyTrie(NewKeyTrieBuilder(keys, options).get(), tokens,
                            &out, &reason))
      << reason;
  return out;
}

// A reader over bytes of its own, in an allocation of exactly their size: what
// reads past them is seen by AddressSanitizer.  The tokens, if there are any,
// are its own too.
class OwnedKeyTrie {
 public:
  explicit OwnedKeyTrie(std::string_view bytes, std::string_view tokens = {})
      : bytes_(std::make_unique<char[]>(bytes.size())),
        size_(bytes.size()),
        has_tokens_(!tokens.empty()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
    tokens_refused_ = has_tokens_ && !tokens_.Open(tokens, &reason_);
  }
  OwnedKeyTrie(const OwnedKeyTrie&) = delete;
  OwnedKeyTrie& operator=(const OwnedKeyTrie&) = delete;

  // False also if the tokens do not open.  Every second key trie is read
  // without its padding, and other bytes behind it.
  bool Open() {
    const std::string_view bytes(bytes_.get(), size_);
    const key_trie::Tokens* const tokens = has_tokens_ ? &tokens_ : nullptr;
    if (tokens_refused_ ||
        !KeyTrieReader::Open(bytes, tokens, &reader_, &reason_)) {
      return false;
    }
    const size_t unpadded = size_ - key_trie::kPadding;
    if (size_ % 2 == 0 ||
        bytes.find_first_not_of('\0', unpadded) != bytes.npos) {
      return true;
    }
    for (size_t i = unpadded; i < size_; ++i) {
      bytes_[i] = static_cast<char>(0xff - i * i);
    }
    return KeyTrieReader::OpenUnpadded(bytes.substr(0, unpadded), tokens,
                                       &reader_, &reason_);
  }

  bool tokens_refused() const { return tokens_refused_; }
  const KeyTrieReader& reader() const { return reader_; }
  const std::string& reason() const { return reason_; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
  key_trie::Tokens tokens_;
  bool has_tokens_;
  bool tokens_refused_ = false;
  KeyTrieReader reader_;
  std::string reason_;
};

// These tokens as version 1 of a token table has them: whole.
inline std::string WholeTokensOf(
    const std::vector<key_trie::Tokens::Token>& tokens) {
  std::string lengths;
  std::string bytes;
  size_t first_end = 0;
  for (const auto& token : tokens) {
    lengths += static_cast<char>(token.bytes.size());
    bytes += token.bytes;
    first_end += token.ends ? 0 : 1;
  }
  std::string out = {
      1, static_cast<char>(key_trie::Tokens::WidthFor(tokens.size())), 0, 0};
  PutFixed(&out, tokens.size(), 4);
  PutFixed(&out, first_end, 4);
  PutFixed(&out, bytes.size(), 4);
  return out + lengths + bytes;
}

// The bytes of a token table made of the tokens and of those that every
// token table has: each byte alone, and the one of no bytes that ends a key.
inline std::string TokenTableOf(std::vector<key_trie::Tokens::Token> tokens) {
  using Token = key_trie::Tokens::Token;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back({std::string(1, static_cast<char>(byte)), false});
  }
  tokens.push_back({"", true});
  std::sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) {
    return a.ends != b.ends ? a.ends < b.ends : a.bytes < b.bytes;
  });
  tokens.erase(std::unique(tokens.begin(), tokens.end(),
                           [](const Token& a, const Token& b) {
                             return a.ends == b.ends && a.bytes == b.bytes;
                           }),
               tokens.end());
  std::string out;
  key_trie::Tokens::Encode(tokens, &out);
  return out;
}

// The bytes of a token table whose codes are that wide: pieces of the keys, and
// random tokens that make up the number.
inline std::string TokenTableOfWidth(unsigned width, const KeyList& keys,
                                     std::mt19937_64* rng) {
  using key_trie::Tokens;
  constexpr size_t kRequired = 257;
  const size_t most = std::min(size_t{1} << width, Tokens::kMaxTokens);
  const size_t least =
      width == Tokens::kMinWidth ? kRequired : (most + 1) / 2 + 1;
  const size_t others = least + (*rng)() % (most - least + 1) - kRequired;
  std::set<std::pair<std::string, bool>> chosen;
  while (chosen.size() < others) {
    std::string bytes = RandomBytes(rng, 2 + (*rng)() % 2);
    if ((*rng)() % 2 == 0) {
      const std::string& key = keys[(*rng)() % keys.size()];
      bytes = key.substr((*rng)() % (key.size() + 1),
                         2 + (*rng)() % (Tokens::kMaxLength - 1));
    }
    if (bytes.size() > 1) {
      chosen.insert({bytes, (*rng)() % 2 == 0});
    }
  }
  std::vector<Tokens::Token> tokens;
  for (const auto& [bytes, ends] : chosen) {
    tokens.push_back({bytes, ends});
  }
  return TokenTableOf(std::move(tokens));
}

struct KeyShape {
  const char* name;
  std::string (*make)(std::mt19937_64* rng);
};

// Some bytes are the same in all keys: fixed ones.
inline std::string RandomUuid(std::mt19937_64* rng) {
  char buffer[37];
  snprintf(buffer, sizeof(buffer), "%08x-%04x-4%03x-%04x-%012llx",
           static_cast<unsigned>((*rng)()),
           static_cast<unsigned>((*rng)() & 0xffff),
           static_cast<unsigned>((*rng)() & 0xfff),
           static_cast<unsigned>((*rng)() & 0xffff),
           static_cast<unsigned long long>((*rng)() & 0xffffffffffff));
  return buffer;
}

// The same in keys of several lengths, some of which end before fixed bytes or
// among them, and are prefixes of others.
inline std::string RandomDateOfSensor(std::mt19937_64* rng) {
  const auto below = [rng](unsigned n) {
    return static_cast<unsigned>((*rng)() % n);
  };
  char buffer[64];
  snprintf(buffer, sizeof(buffer), "site/%02u/2026-%02u-%02uT%02u:%02u:00Z/%u",
           below(7), below(12), below(28), below(24), below(60), below(300));
  std::string s = buffer;
  if (below(8) == 0) {
    s.resize(below(static_cast<unsigned>(s.size())));
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
      {"Uuids", RandomUuid},
      {"DatesOfSensors", RandomDateOfSensor},
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

// The number of keys < target.
inline uint32_t ModelRank(const KeyList& keys, std::string_view target) {
  return static_cast<uint32_t>(
      std::lower_bound(keys.begin(), keys.end(), target) - keys.begin());
}

// Whether every look-up of target answers as the sorted list does.
inline void ExpectLookupsAgree(const KeyTrieReader& trie, const KeyList& keys,
                               std::string_view target) {
  const uint32_t rank = ModelRank(keys, target);
  const bool found = rank < keys.size() && keys[rank] == target;
  const uint32_t floor = found       ? rank
                         : rank == 0 ? KeyTrieReader::kNotFound
                                     : rank - 1;
  ASSERT_EQ(trie.Rank(target), rank);
  ASSERT_EQ(trie.Find(target), found ? rank : KeyTrieReader::kNotFound);
  ASSERT_EQ(trie.FloorOrdinal(target), floor);
}

// Whether looking all targets up together, as many as there are in a batch,
// answers as looking each up in its trie does.
inline void ExpectBatchesAgree(const std::vector<const KeyTrieReader*>& tries,
                               const KeyList& targets) {
  constexpr size_t kBatch = KeyTrieReader::kMaxBatch;
  ASSERT_EQ(tries.size(), targets.size());
  std::deque<key_trie::SoughtKey> sought;
  std::vector<const key_trie::SoughtKey*> pointers;
  for (const std::string& target : targets) {
    pointers.push_back(&sought.emplace_back(target));
  }
  for (size_t i = 0; i < targets.size(); i += kBatch) {
    const size_t n = std::min(kBatch, targets.size() - i);
    std::vector<uint32_t> ordinals(n);
    KeyTrieReader::FindAll(&tries[i], &pointers[i], n, ordinals.data());
    for (size_t j = 0; j < n; ++j) {
      ASSERT_EQ(ordinals[j], tries[i + j]->Find(targets[i + j]))
          << testing::PrintToString(targets[i + j]) << ", " << j << " of " << n;
    }
  }
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

// Everything a key trie of these keys must do, near every one of them.
inline void ExpectTrieBehavesLike(const KeyTrieReader& reader,
                                  const KeyList& keys) {
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

  const auto expect_near = [&](const std::string& target) {
    ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader, keys, target));
    cursor.Seek(target);
    ASSERT_NO_FATAL_FAILURE(
        ExpectCursorAt(cursor, keys, ModelRank(keys, target)));
    cursor.SeekForPrev(target);
    // kNotFound is past every rank.
    ASSERT_NO_FATAL_FAILURE(
        ExpectCursorAt(cursor, keys, reader.FloorOrdinal(target)));
    // The first move of a cursor finds nothing that an earlier one left.
    KeyTrieCursor fresh;
    fresh.Reset(&reader);
    fresh.Seek(target);
    ASSERT_NO_FATAL_FAILURE(
        ExpectCursorAt(fresh, keys, ModelRank(keys, target)));
  };
  std::string key;
  KeyList together;
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
      ASSERT_NO_FATAL_FAILURE(expect_near(target));
    }
    together.push_back(near[i % near.size()]);
  }
  ASSERT_NO_FATAL_FAILURE(expect_near(""));
  ASSERT_NO_FATAL_FAILURE(expect_near(std::string(40, '\xff')));
  ASSERT_NO_FATAL_FAILURE(ExpectBatchesAgree(
      std::vector<const KeyTrieReader*>(together.size(), &reader), together));
}

// In these tokens, or in symbols if there are none.
inline void ExpectBehavesLikeIn(std::string_view tokens, const KeyList& keys,
                                const std::vector<uint32_t>& bucket_sizes) {
  for (const uint32_t bucket_keys : bucket_sizes) {
    SCOPED_TRACE(std::to_string(bucket_keys) + " keys a bucket");
    OwnedKeyTrie trie(BuildKeyTrie(keys, bucket_keys, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    ASSERT_NO_FATAL_FAILURE(ExpectTrieBehavesLike(trie.reader(), keys));
  }
}

// In both codings.
inline void ExpectBehavesLike(const KeyList& keys,
                              const std::vector<uint32_t>& bucket_sizes) {
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    SCOPED_TRACE(NameOf(coding));
    ASSERT_NO_FATAL_FAILURE(
        ExpectBehavesLikeIn(TokensFor(keys, coding), keys, bucket_sizes));
  }
}

}  // namespace memkv
