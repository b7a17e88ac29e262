// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The fixed bytes of a key trie: at some positions of a key all suffixes have
// one byte, which has no code but as the first of its suffix.  FORMAT.md,
// "Fixed bytes", describes the bytes.
//
// Thread safety: a value type; a view of bytes that must outlive it.
//
// Invariants:
// (I1) Whatever base and mask are, the functions read none but count() bytes,
//      and their results are those of some set of positions.

#pragma once

#include <cstddef>
#include <cstdint>

namespace memkv {
namespace key_trie {

struct FixedBytes {
  // Base and mask.
  static constexpr size_t kHeaderSize = 12;
  static constexpr unsigned kPositions = 64;

  uint32_t base = 0;
  uint64_t mask = 0;  // bit i: position base + i is fixed
  const uint8_t* bytes = nullptr;

  bool empty() const { return mask == 0; }
  uint32_t count() const { return Count(mask); }

  // How many fixed positions are before `position`.
  uint32_t Before(uint64_t position) const {
    if (position <= base) {
      return 0;
    }
    const uint64_t n = position - base;
    return Count(n < kPositions ? mask & ((uint64_t{1} << n) - 1) : mask);
  }
  // How many positions from `position` on are not fixed, before one that is;
  // UINT64_MAX if none is.
  uint64_t UpToNext(uint64_t position) const {
    if (position < base) {
      return empty() ? UINT64_MAX : base - position;
    }
    const uint64_t n = position - base;
    const uint64_t rest = n < kPositions ? mask >> n : 0;
    return rest == 0 ? UINT64_MAX
                     : static_cast<uint64_t>(__builtin_ctzll(rest));
  }
  // Bit k: position + k is fixed, of the first 64 from `position` on.
  uint64_t MaskFrom(uint64_t position) const {
    if (position < base) {
      const uint64_t n = base - position;
      return n < kPositions ? mask << n : 0;
    }
    const uint64_t n = position - base;
    return n < kPositions ? mask >> n : 0;
  }
  // Where the fixed bytes from `position` on are.
  const uint8_t* From(uint64_t position) const {
    return bytes + Before(position);
  }
  // REQUIRES: UpToNext(position) == 0
  uint8_t At(uint64_t position) const { return bytes[Before(position)]; }

  // How many codes a suffix has behind its first one.  REQUIRES: lcp <= length
  uint64_t CodesBehindFirst(uint64_t lcp, uint64_t length) const {
    return length == lcp
               ? 0
               : length - lcp - 1 - (Before(length) - Before(lcp + 1));
  }

 private:
  static uint32_t Count(uint64_t bits) {
    return static_cast<uint32_t>(__builtin_popcountll(bits));
  }
};

}  // namespace key_trie
}  // namespace memkv
