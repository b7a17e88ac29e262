// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A small key trie with everything in it, in each coding of suffixes.

#pragma once

#include "tests/corruption/key_trie_damage.h"

namespace memkv {

// Small, and with everything in it: separators that are prefixes of others, a
// slice that goes on, one that ends in a zero byte, a label; suffixes of no
// code but the first, and of many.
inline KeyList SampleKeys() {
  return {"",
          "a",
          "a/1",
          "a/2",
          "a/2/x",
          "b",
          "banana",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes!",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes!!",
          std::string("c\0", 2),
          std::string("c\0\xff", 3),
          "\xff",
          "\xff\xff"};
}

inline constexpr uint32_t kSampleBucketKeys = 2;

class KeyTrieCorruptionTest : public testing::TestWithParam<key_trie::Coding> {
 protected:
  std::string TokensOf(const KeyList& keys) const {
    return TokensFor(keys, GetParam());
  }
};

}  // namespace memkv
