// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Random numbers, orders and ranks that are the same on every machine and
// standard library, unlike the distributions of <random>. Nothing here is for
// cryptography.
//
// Thread safety: a RandomSource is one thread's; the others are const.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "util/coding.h"

namespace memkv {

// A small seeded generator, SplitMix64: Steele, Lea, Flood, "Fast Splittable
// Pseudorandom Number Generators", OOPSLA 2014.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // In [0, n). The bias of the remainder, n / 2^64, is of no consequence here.
  // REQUIRES: n > 0.
  uint64_t Uniform(uint64_t n) { return Next() % n; }

  bool OneIn(uint64_t n) { return Uniform(n) == 0; }

  // In [0, 1).
  double Fraction() {
    return static_cast<double>(Next() >> 11) * (1.0 / 9007199254740992.0);
  }

  template <typename T>
  void Shuffle(std::vector<T>* items) {
    for (size_t i = items->size(); i > 1; i--) {
      std::swap((*items)[i - 1], (*items)[Uniform(i)]);
    }
  }

 private:
  uint64_t state_;
};

// Appends so many random bytes.
inline void AppendRandomBytes(size_t size, RandomSource* random,
                              std::string* to) {
  for (const size_t end = to->size() + size; to->size() < end;) {
    rocksdb::PutFixed64(to, random->Next());
    to->resize(std::min(to->size(), end));
  }
}

// Changes a byte of *key, or appends one.
inline void ChangeAByte(RandomSource* random, std::string* key) {
  const char byte = static_cast<char>(random->Uniform(256));
  if (key->empty() || random->OneIn(4)) {
    key->push_back(byte);
  } else {
    (*key)[random->Uniform(key->size())] = byte;
  }
}

// The numbers of [0, n) in an order that looks random, each once, without
// holding any: a Feistel network over the next power of four, walked until it
// comes out inside the range. Black, Rogaway, "Ciphers with Arbitrary Finite
// Domains", CT-RSA 2002.
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

// Ranks in [0, n) of weight 1 / (rank + 1)^exponent, for any n without a table,
// by rejection-inversion. On average fewer than two numbers are drawn for one.
// Hoermann, Derflinger, "Rejection-Inversion to Generate Variates from Monotone
// Discrete Distributions", TOMACS 6(3), 1996.
class ZipfSource {
 public:
  // REQUIRES: n > 0, 0 < exponent, exponent != 1.
  ZipfSource(uint64_t n, double exponent)
      : n_(static_cast<double>(n)),
        exponent_(exponent),
        area_begin_(Area(1.5) - 1),
        area_end_(Area(n_ + 0.5)),
        always_(2 - AreaInverse(Area(2.5) - Weight(2))) {}

  uint64_t Draw(RandomSource* random) const {
    for (;;) {
      const double u =
          area_end_ + random->Fraction() * (area_begin_ - area_end_);
      const double x = AreaInverse(u);
      const double k = std::min(std::max(std::floor(x + 0.5), 1.0), n_);
      if (k - x <= always_ || u >= Area(k + 0.5) - Weight(k)) {
        return static_cast<uint64_t>(k) - 1;
      }
    }
  }

 private:
  double Weight(double x) const { return std::pow(x, -exponent_); }
  // The integral of Weight, and its inverse.
  double Area(double x) const {
    return (std::pow(x, 1 - exponent_) - 1) / (1 - exponent_);
  }
  double AreaInverse(double area) const {
    return std::pow(1 + area * (1 - exponent_), 1 / (1 - exponent_));
  }

  const double n_;
  const double exponent_;
  const double area_begin_;
  const double area_end_;
  const double always_;
};

}  // namespace memkv
