// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ShuffledRange: the numbers of [0, n) in an order that looks random, each
// once, without holding any: a Feistel network over the next power of four,
// walked until it comes out inside the range.
//
// Thread safety: const.
//
// Literature: Black, Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA
// 2002. It is not for cryptography.

#pragma once

#include <cstdint>

#include "db_bench_ext/keys/random_source.h"

namespace memkv {

class ShuffledRange {
 public:
  // REQUIRES: 0 < n <= 2^62.
  ShuffledRange(uint64_t n, uint64_t seed) : n_(n) {
    while ((uint64_t{1} << (2 * half_bits_)) < n) {
      half_bits_++;
    }
    RandomSource random(seed);
    for (uint64_t& key : keys_) {
      key = random.Next();
    }
  }

  // REQUIRES: i < n.
  uint64_t At(uint64_t i) const {
    do {
      i = Permute(i);
    } while (i >= n_);
    return i;
  }

 private:
  static constexpr int kRounds = 4;

  uint64_t Permute(uint64_t i) const {
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t left = i >> half_bits_;
    uint64_t right = i & mask;
    for (uint64_t key : keys_) {
      const uint64_t next = left ^ (RandomSource(right ^ key).Next() & mask);
      left = right;
      right = next;
    }
    return (left << half_bits_) | right;
  }

  const uint64_t n_;
  int half_bits_ = 1;
  uint64_t keys_[kRounds];
};

}  // namespace memkv
