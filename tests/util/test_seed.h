// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The seed of randomised tests: MEMKV_TEST_SEED, or 1.  It is printed once a
// program, so that a failure can be repeated.
//
// Thread safety: may be called from any thread.

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace memkv {

inline uint64_t TestSeed() {
  static const uint64_t seed = [] {
    const char* const text = std::getenv("MEMKV_TEST_SEED");
    const uint64_t n = text != nullptr ? std::strtoull(text, nullptr, 0) : 1;
    std::printf("MEMKV_TEST_SEED=%llu\n", static_cast<unsigned long long>(n));
    return n;
  }();
  return seed;
}

}  // namespace memkv
