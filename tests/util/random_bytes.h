// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Bytes that do not compress.
//
// Thread safety: that of the generator.

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace memkv {

inline std::string RandomBytes(std::mt19937_64* rng, size_t n) {
  std::string bytes;
  bytes.reserve(n + 8);
  while (bytes.size() < n) {
    const uint64_t word = (*rng)();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(n);
  return bytes;
}

}  // namespace memkv
