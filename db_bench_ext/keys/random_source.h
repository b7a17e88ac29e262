// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RandomSource: a small seeded generator (SplitMix64) whose numbers are the
// same on every machine and standard library, unlike the distributions of
// <random>. It is not for cryptography.
//
// Thread safety: none; one object, one thread.
//
// Literature: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
// Generators", OOPSLA 2014.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace memkv {

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

}  // namespace memkv
