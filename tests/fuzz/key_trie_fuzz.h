// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// What the fuzz targets of the key trie share: an input that is read as a
// sequence of choices, and keys, token tables and targets made of it.
//
// Checks are googletest's.  A failed one throws (ThrowOnFailure), which ends
// the program below libFuzzer, and which fuzz_driver.cc reports.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/util/exact_bytes.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {

inline void ThrowOnFailure() { testing::FLAGS_gtest_throw_on_failure = true; }

// Reads choices from the front of the input; zeros once it has ended.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : p_(data), end_(data + size) {}

  bool empty() const { return p_ == end_; }
  uint8_t Byte() { return p_ == end_ ? 0 : *p_++; }
  bool Flag() { return (Byte() & 1) != 0; }
  // A number in [0, n), of one byte or two.
  // REQUIRES: 0 < n <= 65536
  size_t Below(size_t n) {
    const size_t low = Byte();
    return (n <= 256 ? low : low | size_t{Byte()} << 8) % n;
  }
  uint32_t Fixed32() {
    uint32_t v = 0;
    for (int i = 0; i < 4; ++i) {
      v = v << 8 | Byte();
    }
    return v;
  }
  // At most n bytes, as many as there are.
  std::string Bytes(size_t n) {
    n = std::min(n, static_cast<size_t>(end_ - p_));
    std::string s(reinterpret_cast<const char*>(p_), n);
    p_ += n;
    return s;
  }
  std::string Rest() { return Bytes(SIZE_MAX); }

 private:
  const uint8_t* p_;
  const uint8_t* const end_;
};

// Adds up to 64 keys of one of several shapes.
inline void AddFuzzKeys(FuzzInput* in, KeyList* keys) {
  const size_t shape = in->Below(8);
  const size_t n = 1 + in->Below(64);
  const std::string stem =
      shape == 2 || shape == 7
          ? std::string(in->Below(600), static_cast<char>(in->Byte())) +
                in->Bytes(in->Below(16))
          : std::string();
  const uint32_t number = shape == 6 || shape == 7 ? in->Fixed32() : 0;
  for (size_t i = 0; i < n; ++i) {
    std::string key;
    switch (shape) {
      case 0:  // Anything.
        key = in->Bytes(in->Below(32));
        break;
      case 1:  // Another one, cut and extended.
        if (!keys->empty()) {
          key = (*keys)[in->Below(keys->size())];
        }
        key.resize(key.size() - in->Below(key.size() + 1));
        key += in->Bytes(in->Below(12));
        break;
      case 2:  // A long prefix, shared by all.
        key = stem + in->Bytes(in->Below(4));
        break;
      case 3: {  // Hexadecimal digits.
        char buffer[17];
        const uint64_t high = in->Fixed32();
        snprintf(buffer, sizeof(buffer), "%016llx",
                 static_cast<unsigned long long>(high << 32 | in->Fixed32()));
        key = buffer;
        break;
      }
      case 4:
        key = std::string(1, static_cast<char>(in->Byte()));
        break;
      case 5:  // Long, and longer than what a target copies.
        key = std::string(in->Below(3000), static_cast<char>(in->Byte()));
        if (!key.empty()) {
          key[in->Below(key.size())] = static_cast<char>(in->Byte());
        }
        break;
      default:  // Many keys of few bytes of input.
        key = stem + std::to_string((number % 1000 + 1) * i);
        key.append((number >> 10) % 4 * (i % 3), static_cast<char>(number));
        break;
    }
    keys->push_back(std::move(key));
    if (in->empty() && shape < 6) {
      break;
    }
  }
}

inline KeyList FuzzKeys(FuzzInput* in) {
  KeyList keys;
  for (size_t groups = in->Below(5); groups > 0; --groups) {
    AddFuzzKeys(in, &keys);
  }
  return SortedKeys(std::move(keys));
}

// Tokens that are pieces of the keys.
inline std::string FuzzTokensOf(FuzzInput* in, const KeyList& keys) {
  std::vector<key_trie::Tokens::Token> tokens;
  for (size_t n = keys.empty() ? 0 : in->Below(48); n > 0; --n) {
    const std::string& key = keys[in->Below(keys.size())];
    const std::string bytes =
        key.substr(in->Below(std::min(key.size(), size_t{255}) + 1),
                   2 + in->Below(key_trie::Tokens::kMaxLength - 1));
    if (!bytes.empty()) {
      tokens.push_back({bytes, in->Flag()});
    }
  }
  return TokenTableOf(std::move(tokens));
}

// The token table that a trie of these keys is written in, empty for symbols.
inline std::string FuzzTokens(FuzzInput* in, const KeyList& keys) {
  switch (in->Below(4)) {
    case 0:
      return {};
    case 1: {  // If they pay, as a table's builder trains them.
      const auto builder = NewKeyTrieBuilder(keys, {});
      std::string tokens;
      key_trie::TrainTokens({builder.get()}, key_trie::kTokenSampleBytes,
                            &tokens);
      return tokens;
    }
    case 2:
      return TokensFor(keys, key_trie::kTokenCodes);
    default:
      return FuzzTokensOf(in, keys);
  }
}

// A key, something near one, or anything.
inline std::string FuzzTarget(FuzzInput* in, const KeyList& keys) {
  const size_t change = in->Below(8);
  if (change == 0 || keys.empty()) {
    return in->Bytes(in->Below(24));
  }
  std::string s = keys[in->Below(keys.size())];
  switch (change) {
    case 1:
      s += in->Bytes(1 + in->Below(8));
      break;
    case 2:
      s.resize(in->Below(s.size() + 1));
      break;
    case 3:
      if (!s.empty()) {
        s[in->Below(s.size())] = static_cast<char>(in->Byte());
      }
      break;
    case 4:
      if (!s.empty()) {
        s.back() = static_cast<char>(s.back() + (in->Flag() ? 1 : -1));
      }
      break;
    case 5:
      s.push_back('\0');
      break;
    default:
      break;
  }
  return s;
}

}  // namespace memkv
