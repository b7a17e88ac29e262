// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The inner loops of a search in a key trie, each twice: by vector
// instructions, and the obvious way for machines that lack them (util/simd.h).
// Both give the same answer for all bytes that may be read.  Those that need
// more than numbers have their twin where they are used: NextStop in
// UnpackedBucket::NextSlow, LookUpEight in SuffixCoding::EightSymbolsSlow.
//
// Thread safety: pure functions of what they are given.
//
// Where a kernel reads beyond what it is asked about, it says so; the padding
// of a section (format.h) is there for that.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "table/key_trie/format.h"
#include "util/common_prefix.h"
#include "util/simd.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

// In a 64-bit word, one in each byte, or in each of four words.
constexpr uint64_t kEightBytes = 0x0101010101010101;
constexpr uint64_t kFourWords = 0x0001000100010001;

// What Join() writes, at least.
constexpr size_t kJoined = 128;

namespace scalar {

inline void UnpackBytes(const uint8_t* p, unsigned width, uint32_t n,
                        uint8_t* out) {
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint8_t>(BitsAt(p, width, i));
  }
}

inline void UnpackWords(const uint8_t* p, unsigned width, uint32_t n,
                        uint16_t* out) {
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint16_t>(BitsAt(p, width, i));
  }
}

inline uint64_t SumBytes(const uint8_t* p, uint32_t n) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; ++i) {
    sum += p[i];
  }
  return sum;
}

inline void MarkBelow(const uint16_t* codes, uint32_t n, uint32_t bound,
                      uint64_t bits[2]) {
  bits[0] = bits[1] = 0;
  for (uint32_t i = 0; i < n; ++i) {
    bits[i / 64] |= uint64_t{codes[i] < bound} << (i % 64);
  }
}

inline uint64_t PastEnds(const uint8_t* codes, unsigned width,
                         uint64_t num_codes, uint64_t at, uint32_t first_end,
                         uint32_t ends) {
  for (; ends > 0; ++at) {
    if (at >= num_codes) {
      return UINT64_MAX;
    }
    ends -= BitsAt(codes, width, at) >= first_end;
  }
  return at;
}

inline size_t CommonPrefixPadded(const uint8_t* a, const uint8_t* b, size_t n) {
  return CommonPrefix(a, b, n);
}

inline void Join(const uint8_t* before, uint64_t shared, const uint8_t* suffix,
                 uint64_t size, uint8_t* out) {
  memcpy(out, before, shared);
  memcpy(out + shared, suffix, size - shared);
}

inline uint32_t CountNotGreater16(const uint8_t* slices, uint32_t n,
                                  uint64_t slice) {
  uint32_t count = 0;
  while (count < n && LoadFixed64(slices + 8 * size_t{count}) <= slice) {
    ++count;
  }
  return count;
}

}  // namespace scalar

#if defined(MEMKV_X86)
namespace avx2 {

MEMKV_AVX2 inline __m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// Bit i: whether byte i is not zero (0xff).
MEMKV_AVX2 inline uint32_t Bits(__m256i bytes) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
}
// Bit i: whether word i of both is not zero (0xffff).
MEMKV_AVX2 inline uint32_t Bits(__m256i low_words, __m256i high_words) {
  return Bits(_mm256_permute4x64_epi64(
      _mm256_packs_epi16(low_words, high_words), 0xd8));
}
// Words not below the bounds.
MEMKV_AVX2 inline __m256i AtLeast(__m256i words, __m256i bounds) {
  return _mm256_cmpeq_epi16(_mm256_max_epu16(words, bounds), words);
}

// Eight numbers of w <= 7 bits from the i-th on, a byte each.
MEMKV_AVX2 inline uint64_t EightNumbers(const uint8_t* p, unsigned width,
                                        uint64_t i) {
  // In 57 bits of a load.
  const uint64_t bit = i * width;
  return _pdep_u64(LoadFixed64(p + bit / 8) >> (bit % 8),
                   ((uint64_t{1} << width) - 1) * kEightBytes);
}

// The bytes of a table of n <= 16 that eight numbers name, 0 for others.
// 16 bytes of the table are read.
MEMKV_AVX2 inline uint64_t LookUpEight(uint64_t eight, const uint8_t* table,
                                       uint32_t n) {
  const __m128i bytes =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  const __m128i places = _mm_cvtsi64_si128(static_cast<int64_t>(eight));
  const __m128i none =
      _mm_cmpgt_epi8(places, _mm_set1_epi8(static_cast<char>(n - 1)));
  return static_cast<uint64_t>(
      _mm_cvtsi128_si64(_mm_shuffle_epi8(bytes, _mm_or_si128(places, none))));
}

MEMKV_AVX2 inline void UnpackBytes(const uint8_t* p, unsigned width, uint32_t n,
                                   uint8_t* out) {
  // Eight numbers of w bits are w bytes.
  const uint64_t mask = ((uint64_t{1} << width) - 1) * kEightBytes;
  for (uint32_t i = 0; i < n; i += 8) {
    const uint64_t eight = _pdep_u64(LoadFixed64(p), mask);
    memcpy(out + i, &eight, sizeof(eight));
    p += width;
  }
}

MEMKV_AVX2 inline void UnpackWords(const uint8_t* p, unsigned width, uint32_t n,
                                   uint16_t* out) {
  if (width == 16) {
    memcpy(out, p, 2 * size_t{n});
    return;
  }
  if (width == 8) {
    for (uint32_t i = 0; i < n; i += 16) {
      const __m256i words = _mm256_cvtepu8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), words);
    }
    return;
  }
  // Four numbers are at most 60 bits, and start in the low or the high half of
  // a byte.
  const uint64_t mask = ((uint64_t{1} << width) - 1) * kFourWords;
  for (uint32_t i = 0; i < n; i += 4) {
    const uint64_t bit = uint64_t{i} * width;
    const uint64_t four =
        _pdep_u64(LoadFixed64(p + bit / 8) >> (bit % 8), mask);
    memcpy(out + i, &four, sizeof(four));
  }
}

MEMKV_AVX2 inline uint64_t SumBytes(const uint8_t* p, uint32_t n) {
  alignas(32) static constexpr uint8_t kOnes[64] = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const __m256i zero = _mm256_setzero_si256();
  __m256i sum = zero;
  for (; n >= 32; n -= 32, p += 32) {
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(Load(p), zero));
  }
  sum = _mm256_add_epi64(
      sum,
      _mm256_sad_epu8(_mm256_and_si256(Load(p), Load(kOnes + 32 - n)), zero));
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum),
                                     _mm256_extracti128_si256(sum, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(half)) +
         static_cast<uint64_t>(_mm_extract_epi64(half, 1));
}

MEMKV_AVX2 inline void MarkBelow(const uint16_t* codes, uint32_t n,
                                 uint32_t bound, uint64_t bits[2]) {
  const __m256i bounds = _mm256_set1_epi16(static_cast<short>(bound));
  for (uint32_t i = 0; i < n; i += 32) {
    const uint32_t below = ~Bits(AtLeast(Load(codes + i), bounds),
                                 AtLeast(Load(codes + i + 16), bounds));
    bits[i / 64] =
        i % 64 == 0 ? uint64_t{below} : bits[i / 64] | uint64_t{below} << 32;
  }
}

// Bit i of 32: whether code i is at least `last` from first_end on, or at least
// `plain` before it.
MEMKV_AVX2 inline uint32_t NotBelow(const uint16_t* codes, __m256i plain,
                                    __m256i last, __m256i first_end) {
  __m256i half[2];
  for (int h = 0; h < 2; ++h) {
    const __m256i code = Load(codes + 16 * h);
    half[h] = _mm256_andnot_si256(
        _mm256_andnot_si256(AtLeast(code, last), AtLeast(code, first_end)),
        AtLeast(code, plain));
  }
  return Bits(half[0], half[1]);
}

// The first i > after, or n if there is none, that has lcps[i] < lcp, or an
// equal one and a code that is at least `last` from first_end on, or at least
// `plain` before it.  31 more of both may be read.
MEMKV_AVX2 inline uint32_t NextStop(const uint8_t* lcps, const uint16_t* codes,
                                    uint32_t n, uint32_t after, uint8_t lcp,
                                    uint32_t plain, uint32_t last,
                                    uint32_t first_end) {
  const __m256i plains = _mm256_set1_epi16(static_cast<short>(plain));
  const __m256i lasts = _mm256_set1_epi16(static_cast<short>(last));
  const __m256i first_ends = _mm256_set1_epi16(static_cast<short>(first_end));
  const __m256i equal_to = _mm256_set1_epi8(static_cast<char>(lcp));
  // 64 at once: where among them the next one is would be guessed wrong.
  for (uint32_t i = (after + 1) / 64 * 64; i < n; i += 64) {
    uint64_t stop = 0;
    for (uint32_t h = 0; h < 64; h += 32) {
      const __m256i here = Load(lcps + i + h);
      const uint32_t equal = Bits(_mm256_cmpeq_epi8(here, equal_to));
      const uint32_t at_most =
          Bits(_mm256_cmpeq_epi8(_mm256_min_epu8(here, equal_to), here));
      const uint32_t not_below =
          NotBelow(codes + i + h, plains, lasts, first_ends);
      stop |= uint64_t{at_most & (not_below | ~equal)} << h;
    }
    if (i <= after) {
      stop &= ~uint64_t{1} << (after - i);
    }
    if (stop != 0) {
      const uint32_t at = i + static_cast<uint32_t>(__builtin_ctzll(stop));
      return at < n ? at : n;
    }
  }
  return n;
}

MEMKV_AVX2 inline uint64_t PastEndsOfWords(const uint8_t* codes,
                                           uint64_t num_codes, uint64_t at,
                                           uint32_t first_end, uint32_t ends) {
  const __m256i bounds = _mm256_set1_epi16(static_cast<short>(first_end));
  while (ends > 0 && at < num_codes) {
    const uint8_t* const p = codes + 2 * at;
    const uint32_t ended =
        Bits(AtLeast(Load(p), bounds), AtLeast(Load(p + 32), bounds));
    const auto count = static_cast<uint32_t>(__builtin_popcount(ended));
    if (count >= ends) {
      return at + 1 +
             static_cast<uint32_t>(
                 __builtin_ctz(_pdep_u32(uint32_t{1} << (ends - 1), ended)));
    }
    ends -= count;
    at += 32;
  }
  return ends == 0 ? at : UINT64_MAX;
}

MEMKV_AVX2 inline uint64_t PastEnds(const uint8_t* codes, unsigned width,
                                    uint64_t num_codes, uint64_t at,
                                    uint32_t first_end, uint32_t ends) {
  if (width == 16) {
    return PastEndsOfWords(codes, num_codes, at, first_end, ends);
  }
  // Narrower codes leave the highest bit of a word free: four at a time.
  const uint64_t mask = ((uint64_t{1} << width) - 1) * kFourWords;
  const uint64_t to_high = (0x8000 - first_end) * kFourWords;
  while (ends > 0 && at < num_codes) {
    const uint64_t bit = at * width;
    const uint64_t four =
        _pdep_u64(LoadFixed64(codes + bit / 8) >> (bit % 8), mask);
    // Of four codes of 15 bits, the last may not be whole.
    const bool whole = bit % 8 + 4 * width <= 64;
    const uint64_t high = (four + to_high) & (0x8000 * kFourWords) &
                          (whole ? UINT64_MAX : UINT64_MAX >> 16);
    const auto count = static_cast<uint32_t>(__builtin_popcountll(high));
    if (count >= ends) {
      return at + 1 +
             static_cast<uint32_t>(
                 __builtin_ctzll(_pdep_u64(uint64_t{1} << (ends - 1), high))) /
                 16;
    }
    ends -= count;
    at += whole ? 4 : 3;
  }
  return ends == 0 ? at : UINT64_MAX;
}

MEMKV_AVX2 inline size_t CommonPrefixPadded(const uint8_t* a, const uint8_t* b,
                                            size_t n) {
  for (size_t i = 0; i < n; i += 32) {
    const uint32_t equal = Bits(_mm256_cmpeq_epi8(Load(a + i), Load(b + i)));
    if (equal != UINT32_MAX) {
      i += static_cast<size_t>(__builtin_ctz(~equal));
      return i < n ? i : n;
    }
  }
  return n;
}

// The first kJoined bytes without a question.  A piece of a key is loaded where
// it was stored as one piece, so the processor need not wait for it.
MEMKV_AVX2 inline void Join(const uint8_t* before, uint64_t shared,
                            const uint8_t* suffix, uint64_t size,
                            uint8_t* out) {
  alignas(32) static constexpr int8_t kPlaces[32] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  const __m256i places = Load(kPlaces);
  // Those beyond the last shared one are the suffix's.
  const uint64_t near = shared < kJoined ? shared : kJoined;
  const __m256i last =
      _mm256_set1_epi8(static_cast<char>(static_cast<int>(near) - 1));
  for (uint64_t i = 0; i < kJoined; i += 32) {
    const __m256i behind = _mm256_cmpgt_epi8(
        _mm256_add_epi8(places, _mm256_set1_epi8(static_cast<char>(i))), last);
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(out + i),
        _mm256_blendv_epi8(Load(before + i), Load(suffix + i - near), behind));
  }
  for (uint64_t i = kJoined; i < size; i += 32) {
    const uint64_t n = shared <= i ? 0 : shared - i < 32 ? shared - i : 32;
    const __m256i behind = _mm256_cmpgt_epi8(
        places, _mm256_set1_epi8(static_cast<char>(static_cast<int>(n) - 1)));
    const uint64_t at = n < 32 ? i : shared;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm256_blendv_epi8(Load(before + i),
                                           Load(suffix + at - shared), behind));
  }
}

// Sixteen, whatever n: a loop's end would be guessed wrong more often than not.
MEMKV_AVX2 inline uint32_t CountNotGreater16(const uint8_t* slices, uint32_t n,
                                             uint64_t slice) {
  const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
  const __m256i sought = _mm256_set1_epi64x(
      static_cast<int64_t>(slice ^ static_cast<uint64_t>(INT64_MIN)));
  uint32_t greater = 1u << n;
  for (uint32_t i = 0; i < 16; i += 4) {
    const __m256i four = _mm256_xor_si256(Load(slices + 8 * i), sign);
    greater |= static_cast<uint32_t>(_mm256_movemask_pd(
                   _mm256_castsi256_pd(_mm256_cmpgt_epi64(four, sought))))
               << i;
  }
  // Slices ascend: the first greater one ends the count.
  return static_cast<uint32_t>(__builtin_ctz(greater));
}

}  // namespace avx2
#define MEMKV_KERNEL(name, ...) \
  (HasAvx2() ? avx2::name(__VA_ARGS__) : scalar::name(__VA_ARGS__))
#else
#define MEMKV_KERNEL(name, ...) scalar::name(__VA_ARGS__)
#endif

// Unpacks n numbers of width <= 8 bits; writes up to the next eight.
inline void UnpackBytes(const uint8_t* p, unsigned width, uint32_t n,
                        uint8_t* out) {
  MEMKV_KERNEL(UnpackBytes, p, width, n, out);
}

// The same of width <= 16 bits; writes up to the next sixteen.
inline void UnpackWords(const uint8_t* p, unsigned width, uint32_t n,
                        uint16_t* out) {
  MEMKV_KERNEL(UnpackWords, p, width, n, out);
}

// The sum of p[0, n); 31 bytes more may be read.
inline uint64_t SumBytes(const uint8_t* p, uint32_t n) {
  return MEMKV_KERNEL(SumBytes, p, n);
}

// Sets bit i of `bits`, for i < n, if codes[i] < bound, and clears it
// otherwise; the others are anything.  31 codes more may be read. REQUIRES: n
// <= 128
inline void MarkBelow(const uint16_t* codes, uint32_t n, uint32_t bound,
                      uint64_t bits[2]) {
  MEMKV_KERNEL(MarkBelow, codes, n, bound, bits);
}

// The place behind the `ends`-th of the codes [at, num_codes), of `width` bits
// each, that is at least first_end: beyond num_codes if there are not that
// many.  64 bytes more may be read.
// REQUIRES: width <= 16; first_end < 2^width
inline uint64_t PastEnds(const uint8_t* codes, unsigned width,
                         uint64_t num_codes, uint64_t at, uint32_t first_end,
                         uint32_t ends) {
  return MEMKV_KERNEL(PastEnds, codes, width, num_codes, at, first_end, ends);
}

// The length of the common prefix of a[0, n) and b[0, n); 31 bytes more of both
// may be read.
inline size_t CommonPrefixPadded(const uint8_t* a, const uint8_t* b, size_t n) {
  return MEMKV_KERNEL(CommonPrefixPadded, a, b, n);
}

// Writes to `out` the first `shared` bytes of `before` and then the suffix,
// size bytes together.  Up to 31 bytes more, or kJoined, are read of `before`
// and written; kJoined bytes more are read before and behind the suffix's
// begin, and 31 behind its end. REQUIRES: shared <= size
inline void Join(const uint8_t* before, uint64_t shared, const uint8_t* suffix,
                 uint64_t size, uint8_t* out) {
  MEMKV_KERNEL(Join, before, shared, suffix, size, out);
}

// How many of n ascending numbers are <= slice.  16 numbers are read.
// REQUIRES: n <= 16
inline uint32_t CountNotGreater16(const uint8_t* slices, uint32_t n,
                                  uint64_t slice) {
  return MEMKV_KERNEL(CountNotGreater16, slices, n, slice);
}

#undef MEMKV_KERNEL

}  // namespace key_trie
}  // namespace memkv
