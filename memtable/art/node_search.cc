// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Blind search in a node: the obvious way, and by vector instructions for
// machines that have them, whatever the rest of the program was compiled for.
// The fast ones ask all borders at once whether they accept, and then follow
// the refusals (node.h): with AVX2 by bit masks, a level of the trie at a
// time; with AVX-512 in six steps without a branch. That takes longer for one
// search alone, but the processor does not guess wrong, and is at the next
// search before it has the entry of this one.

#include "memtable/art/node.h"
#include "util/simd.h"

namespace memkv {

int ArtNode::SearchScalar(const ArtKey& key, Meta m) const {
  int found = 0;
  // While skipping, the lowest code that refused.
  int refused = 256;
  for (int i = 1; i < m.count(); ++i) {
    const int code = CodeAt(i);
    if (code >= refused) {
      continue;
    }
    if (key.SymbolAt(DepthOf(code, m.base())) >= SymbolAt(m, i)) {
      found = i;
      refused = 256;
    } else {
      refused = code;
    }
  }
  return found;
}

#if defined(MEMKV_X86)

namespace {

// The window: the symbols of the first 64 codes.
constexpr size_t kWindow = 64;

// How many of them the key has.
size_t InWindow(const ArtKey& key, ArtDepth base) {
  const size_t at = static_cast<size_t>(base);
  return at >= key.user_size() ? 0 : std::min(key.user_size() - at, kWindow);
}

uint64_t LowBits(size_t n) { return n == 0 ? 0 : ~uint64_t{0} >> (64 - n); }

}  // namespace

uint64_t ArtNode::AcceptingOneByOne(const ArtKey& key, Meta m,
                                    uint64_t borders) const {
  uint64_t accept = 0;
  for (; borders != 0; borders &= borders - 1) {
    const int i = __builtin_ctzll(borders);
    if (key.SymbolAt(DepthOf(CodeAt(i), m.base())) >= SymbolAt(m, i)) {
      accept |= uint64_t{1} << i;
    }
  }
  return accept;
}

static_assert(ArtNode::kVersionCode % 64 == 56, "as a shuffle reads it");

namespace {

// To follow the borders from the left is to pass on one number: the code of the
// border that refused and makes us skip, or none. A border of a lower code ends
// the skipping, and, if it refuses itself, begins its own; other borders are
// skipped, or, if nothing is, begin to skip if they refuse. What a run of
// borders does to the number is again of this kind: there is the run's lowest
// code, at or below which a number passes unchanged, and one outcome for all
// higher ones, none being the highest.
//
//   (lowest, refused) then (lowest', refused')
//     = (min(lowest, lowest'), lowest' < refused ? refused' : refused)
//
// So the outcome of all runs from the left end is a parallel prefix, in six
// steps without a branch. In each, every lane is joined with what the lanes
// kDistance further left have made already.
template <int kDistance>
MEMKV_AVX512 inline void SkipStep(__m512i* lowest, __m512i* refused) {
  alignas(64) static constexpr auto kFrom = [] {
    struct Table {
      uint8_t lane[64];
    } table{};
    for (int i = 0; i < 64; ++i) {
      table.lane[i] = static_cast<uint8_t>((i - kDistance) & 63);
    }
    return table;
  }();
  constexpr uint64_t kJoined = ~uint64_t{0} << kDistance;
  const __m512i from = _mm512_load_si512(kFrom.lane);
  const __m512i none = _mm512_set1_epi8(static_cast<char>(ArtNode::kNoCode));
  const __m512i left_lowest =
      _mm512_mask_permutexvar_epi8(none, kJoined, from, *lowest);
  const __m512i left_refused =
      _mm512_mask_permutexvar_epi8(none, kJoined, from, *refused);
  const __mmask64 keeps = _mm512_cmplt_epu8_mask(*lowest, left_refused);
  *refused = _mm512_mask_mov_epi8(left_refused, keeps, *refused);
  *lowest = _mm512_min_epu8(*lowest, left_lowest);
}

}  // namespace

MEMKV_AVX512 int ArtNode::SearchAvx512(const ArtKey& key, Meta m) const {
  if (m.count() < kMinItems) {
    return 0;
  }
  const uint64_t valid = LowBits(static_cast<size_t>(m.count()));
  const __m512i codes = _mm512_maskz_loadu_epi8(valid, this->codes());
  const __m512i symbols =
      _mm512_maskz_loadu_epi8(valid, this->symbols(m.node_class()));
  const size_t limit = InWindow(key, m.base());
  const uint8_t* at = limit == 0 ? key.data() : key.data() + m.base();
  const __m512i window = _mm512_maskz_loadu_epi8(LowBits(limit), at);
  const __m512i bytes = _mm512_maskz_permutexvar_epi8(valid, codes, window);
  const uint64_t there =
      _mm512_cmplt_epu8_mask(codes, _mm512_set1_epi8(static_cast<char>(limit)));
  const uint64_t borders = valid & ~uint64_t{1};
  uint64_t accept = _mm512_mask_cmpge_epu8_mask(there, bytes, symbols);
  const uint64_t far =
      _mm512_mask_cmpge_epu8_mask(borders, codes, _mm512_set1_epi8(kWindow));
  if (__builtin_expect(far != 0, 0)) {
    const uint64_t versions = _mm512_mask_cmpge_epu8_mask(
        far, codes, _mm512_set1_epi8(static_cast<char>(kVersionCode)));
    if (versions != 0) {
      // The shuffle takes the low six bits of the code: 56 to 62.
      const __m512i version_bytes = _mm512_set1_epi64(
          static_cast<int64_t>(__builtin_bswap64(key.version())));
      accept |= _mm512_mask_cmpge_epu8_mask(
          versions,
          _mm512_maskz_permutexvar_epi8(versions, codes, version_bytes),
          symbols);
    }
    // The windows behind the first. Again the low six bits of the code count.
    for (uint64_t w = kWindow; w < kVersionCode && far != versions;
         w += kWindow) {
      const size_t in = InWindow(key, m.base() + static_cast<ArtDepth>(w));
      if (in == 0) {
        break;
      }
      const __m512i more =
          _mm512_maskz_loadu_epi8(LowBits(in), key.data() + m.base() + w);
      const __m512i from = _mm512_set1_epi8(static_cast<char>(w));
      const uint64_t here = _mm512_mask_cmplt_epu8_mask(
          far & ~versions, _mm512_sub_epi8(codes, from),
          _mm512_set1_epi8(static_cast<char>(in)));
      accept |= _mm512_mask_cmpge_epu8_mask(
          here, _mm512_maskz_permutexvar_epi8(here, codes, more), symbols);
    }
  }
  if (__builtin_expect((borders & ~accept) == 0, 0)) {
    // Nothing is skipped: so in most nodes above a key that has many prefixes
    // in the tree.
    return m.count() - 1;
  }
  const __m512i none = _mm512_set1_epi8(static_cast<char>(kNoCode));
  __m512i lowest = _mm512_mask_mov_epi8(none, borders, codes);
  __m512i refused = _mm512_mask_mov_epi8(none, borders & ~accept, codes);
  SkipStep<1>(&lowest, &refused);
  SkipStep<2>(&lowest, &refused);
  SkipStep<4>(&lowest, &refused);
  SkipStep<8>(&lowest, &refused);
  SkipStep<16>(&lowest, &refused);
  SkipStep<32>(&lowest, &refused);
  return 63 -
         __builtin_clzll(_mm512_mask_cmpeq_epi8_mask(valid, refused, none));
}

namespace {

// The end of the search, from the borders (a bit each; bit i is the one before
// item i) and those that refuse. A level at a time: of the borders that are
// left, the accepting ones of the lowest code come before the refusing ones;
// what lies between the last of those and the first of these is left.
// `low` is the lowest code; below(c) and equal(c) say which borders have a code
// below c or equal to it. They and code_at(i) must agree.
template <typename CodeAt, typename Below, typename Equal>
__attribute__((always_inline)) inline int FollowBorders(
    uint64_t borders, uint64_t refuse, int low, const CodeAt& code_at,
    const Below& below, const Equal& equal) {
  int found = 0;
  for (;;) {
    const uint64_t level = equal(low) & borders;
    const uint64_t refused = level & refuse;
    const uint64_t accepted = (level & ~refuse) | uint64_t{1} << found;
    found = 63 - __builtin_clzll(accepted);
    // Nothing is cut off by a refusal if there is none: the mask is full then.
    borders &= ((refused & (~refused + 1)) - 1) & (~uint64_t{1} << found);
    const uint64_t left = refuse & borders;
    if (left == 0) {
      // All that is left accepts.
      return borders == 0 ? found : 63 - __builtin_clzll(borders);
    }
    const int first = __builtin_ctzll(left);
    low = code_at(first);
    uint64_t lower = below(low) & borders;
    if (lower == 0) {
      // All before it accept, and it ends what is left.
      return first - 1;
    }
    do {
      low = code_at(__builtin_ctzll(lower));
      lower = below(low) & borders;
    } while (lower != 0);
  }
}

MEMKV_AVX2 inline uint64_t Bits(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         static_cast<uint64_t>(
             static_cast<uint32_t>(_mm256_movemask_epi8(high)))
             << 32;
}

// Lanes not below the value.
MEMKV_AVX2 inline __m256i AtLeast(__m256i lanes, __m256i value) {
  return _mm256_cmpeq_epi8(_mm256_max_epu8(lanes, value), lanes);
}

// The bytes of the window that the codes from 16 * w to 16 * w + 15 stand for,
// 0 elsewhere. (A shuffle looks at the top bit, which says 0, and at the low
// four.)
MEMKV_AVX2 inline __m256i Gather(__m256i codes, const uint8_t* window, int w) {
  const __m256i bytes = _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(window + 16 * w)));
  const __m256i at =
      _mm256_sub_epi8(codes, _mm256_set1_epi8(static_cast<char>(16 * w)));
  return _mm256_shuffle_epi8(bytes,
                             _mm256_adds_epu8(at, _mm256_set1_epi8(0x70)));
}

}  // namespace

MEMKV_AVX2 int ArtNode::SearchAvx2(const ArtKey& key, Meta m) const {
  if (m.count() < kMinItems) {
    return 0;
  }
  const uint64_t valid = LowBits(static_cast<size_t>(m.count()));
  const uint8_t* c = this->codes();
  const uint8_t* s = this->symbols(m.node_class());
  const bool wide = m.count() > 32;
  __m256i codes[2];
  __m256i symbols[2];
  __m256i bytes[2];
  for (int h = 0; h < 2; ++h) {
    const int from = wide ? 32 * h : 0;
    codes[h] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + from));
    symbols[h] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s + from));
  }
  const size_t limit = InWindow(key, m.base());
  uint8_t copy[kWindow];
  const uint8_t* window = key.data() + m.base();
  if (limit < kWindow) {
    // What is behind the key is not ours to read.
    memset(copy, 0, sizeof(copy));
    if (limit > 0) {
      memcpy(copy, window, limit);
    }
    window = copy;
  }
  const uint64_t beyond = Bits(AtLeast(codes[0], _mm256_set1_epi8(16)),
                               AtLeast(codes[1], _mm256_set1_epi8(16))) &
                          valid & ~uint64_t{1};
  for (int h = 0; h < 2; ++h) {
    bytes[h] = Gather(codes[h], window, 0);
    if (beyond != 0) {
      for (int w = 1; w < 4; ++w) {
        bytes[h] = _mm256_or_si256(bytes[h], Gather(codes[h], window, w));
      }
    }
  }
  const __m256i limits = _mm256_set1_epi8(static_cast<char>(limit));
  uint64_t accept =
      Bits(AtLeast(bytes[0], symbols[0]), AtLeast(bytes[1], symbols[1])) &
      ~Bits(AtLeast(codes[0], limits), AtLeast(codes[1], limits));
  const uint64_t borders = valid & ~uint64_t{1};
  if (beyond != 0) {
    const __m256i far_from = _mm256_set1_epi8(kWindow);
    const uint64_t far =
        Bits(AtLeast(codes[0], far_from), AtLeast(codes[1], far_from)) &
        borders;
    if (far != 0) {
      accept |= AcceptingOneByOne(key, m, far);
    }
  }
  // What the masks are made of, and not what may stand there by now: a level
  // that is never found would never end.
  alignas(32) uint8_t code_copy[64];
  for (int h = 0; h < 2; ++h) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(code_copy + 32 * h),
                       codes[h]);
  }
  return FollowBorders(
      borders, borders & ~accept, m.low_code(),
      [&code_copy](int i) { return int{code_copy[i]}; },
      [&codes](int code) MEMKV_AVX2 {
        const __m256i all = _mm256_set1_epi8(static_cast<char>(code));
        return ~Bits(AtLeast(codes[0], all), AtLeast(codes[1], all));
      },
      [&codes](int code) MEMKV_AVX2 {
        const __m256i all = _mm256_set1_epi8(static_cast<char>(code));
        return Bits(_mm256_cmpeq_epi8(codes[0], all),
                    _mm256_cmpeq_epi8(codes[1], all));
      });
}

#else

int ArtNode::SearchAvx2(const ArtKey& key, Meta m) const {
  return SearchScalar(key, m);
}
int ArtNode::SearchAvx512(const ArtKey& key, Meta m) const {
  return SearchScalar(key, m);
}

#endif

}  // namespace memkv
