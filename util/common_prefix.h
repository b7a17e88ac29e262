// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// In how many bytes two strings agree.
//
// Every function is pure and thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/simd.h"
#include "util/trie_coding.h"

namespace memkv {

// The length of the longest common prefix of a[0, n) and b[0, n); slow and
// obvious.
inline size_t CommonPrefixSlow(const uint8_t* a, const uint8_t* b, size_t n) {
  size_t i = 0;
  while (i < n && a[i] == b[i]) {
    ++i;
  }
  return i;
}

#if defined(MEMKV_X86)
// The same of n / 32 times 32 bytes.
MEMKV_AVX2 inline size_t CommonPrefixAvx2(const uint8_t* a, const uint8_t* b,
                                          size_t n) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const auto differ =
        ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)))));
    if (differ != 0) {
      return i + static_cast<size_t>(__builtin_ctz(differ));
    }
  }
  return i;
}
#endif

// The same, by vectors and words.
inline size_t CommonPrefix(const uint8_t* a, const uint8_t* b, size_t n) {
  size_t i = 0;
#if defined(MEMKV_X86)
  if (n >= 32 && HasAvx2()) {
    i = CommonPrefixAvx2(a, b, n);
  }
#endif
#if defined(__GNUC__)
  // A difference found above is found again, in the first word.
  for (; i + sizeof(uint64_t) <= n; i += sizeof(uint64_t)) {
    const uint64_t differ = LoadFixed64(a + i) ^ LoadFixed64(b + i);
    if (differ != 0) {
      return i + static_cast<size_t>(__builtin_ctzll(differ)) / 8;
    }
  }
#endif
  return i + CommonPrefixSlow(a + i, b + i, n - i);
}

inline size_t CommonPrefix(std::string_view a, std::string_view b) {
  return CommonPrefix(reinterpret_cast<const uint8_t*>(a.data()),
                      reinterpret_cast<const uint8_t*>(b.data()),
                      a.size() < b.size() ? a.size() : b.size());
}

}  // namespace memkv
