// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/bucket_search.h"

#include <algorithm>
#include <cassert>

#if defined(__AVX2__) && defined(__BMI2__)
#define MEMKV_AVX2 1
#include <immintrin.h>
#endif

namespace memkv {
namespace key_trie {

namespace {

#if defined(MEMKV_AVX2)
constexpr uint64_t kFourWords = 0x0001000100010001;
#endif

// Unpacks n numbers of width <= 8 bits; writes up to the next eight.
void UnpackBytes(const uint8_t* p, unsigned width, uint32_t n, uint8_t* out) {
#if defined(MEMKV_AVX2)
  // Eight numbers of w bits are w bytes.
  const uint64_t mask =
      ((uint64_t{1} << width) - 1) * uint64_t{0x0101010101010101};
  for (uint32_t i = 0; i < n; i += 8) {
    const uint64_t eight = _pdep_u64(LoadFixed64(p), mask);
    memcpy(out + i, &eight, sizeof(eight));
    p += width;
  }
#else
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint8_t>(BitsAt(p, width, i));
  }
#endif
}

// The same of width <= 16 bits; writes up to the next sixteen.
void UnpackWords(const uint8_t* p, unsigned width, uint32_t n, uint16_t* out) {
#if defined(MEMKV_AVX2)
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
#else
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint16_t>(BitsAt(p, width, i));
  }
#endif
}

// Of eight bytes each, the first in the lowest byte: how many are equal before
// one is not.
size_t CommonBytes(uint64_t a, uint64_t b) {
  return a == b ? 8 : static_cast<size_t>(__builtin_ctzll(a ^ b)) / 8;
}
int ByteOf(uint64_t eight, size_t i) {
  return static_cast<uint8_t>(eight >> (8 * i));
}

// The sum of p[0, n); 31 bytes more may be read.
uint64_t SumBytes(const uint8_t* p, uint32_t n) {
#if defined(MEMKV_AVX2)
  alignas(32) static constexpr uint8_t kOnes[64] = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const auto load = [](const uint8_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  };
  __m256i sum = _mm256_setzero_si256();
  for (; n >= 32; n -= 32, p += 32) {
    sum =
        _mm256_add_epi64(sum, _mm256_sad_epu8(load(p), _mm256_setzero_si256()));
  }
  sum = _mm256_add_epi64(
      sum, _mm256_sad_epu8(_mm256_and_si256(load(p), load(kOnes + 32 - n)),
                           _mm256_setzero_si256()));
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum),
                                     _mm256_extracti128_si256(sum, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(half)) +
         static_cast<uint64_t>(_mm_extract_epi64(half, 1));
#else
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; ++i) {
    sum += p[i];
  }
  return sum;
#endif
}

}  // namespace

Tokens::CodeRange SuffixCoding::SymbolsFor(uint8_t byte) const {
  uint32_t code = byte;
  bool is_symbol = true;
  if (symbols != nullptr) {
    const uint8_t* const at =
        std::lower_bound(symbols, symbols + num_symbols, byte);
    code = static_cast<uint32_t>(at - symbols);
    is_symbol = code < num_symbols && *at == byte;
  }
  // No symbol is the last of a key by itself.
  const auto first = static_cast<uint16_t>(code);
  const auto past = static_cast<uint16_t>(code + is_symbol);
  return {first, past, UINT16_MAX, UINT16_MAX};
}

uint64_t SuffixCoding::EightSymbolsSlow(const uint8_t* p, uint64_t i) const {
  uint64_t eight = 0;
  for (unsigned k = 8; k > 0; --k) {
    eight = eight << 8 | SymbolOf(BitsAt(p, width, i + k - 1));
  }
  return eight;
}

uint64_t SuffixCoding::EightSymbols(const uint8_t* p, uint64_t i) const {
#if defined(MEMKV_AVX2)
  // Eight codes of at most 7 bits, in 57 bits of a load.
  const uint64_t bit = i * width;
  const uint64_t eight =
      _pdep_u64(LoadFixed64(p + bit / 8) >> (bit % 8),
                ((uint64_t{1} << width) - 1) * uint64_t{0x0101010101010101});
  if (num_symbols <= 16) {
    const __m128i table =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(symbols));
    const __m128i places = _mm_cvtsi64_si128(static_cast<int64_t>(eight));
    const __m128i none = _mm_cmpgt_epi8(
        places, _mm_set1_epi8(static_cast<char>(num_symbols - 1)));
    return static_cast<uint64_t>(
        _mm_cvtsi128_si64(_mm_shuffle_epi8(table, _mm_or_si128(places, none))));
  }
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    result |= uint64_t{SymbolOf((eight >> shift) & 0xff)} << shift;
  }
  return result;
#else
  return EightSymbolsSlow(p, i);
#endif
}

void UnpackedBucket::Unpack(const SuffixCoding& codes, const Bucket& bucket) {
  num_keys_ = bucket.num_keys;
  head_lcp_ = bucket.head_lcp;
  base_ = bucket.lcp_base;
  narrow_ = bucket.lcp_width <= 8;
  if (narrow_) {
    UnpackBytes(bucket.lcps, bucket.lcp_width, num_keys_ - 1, narrow_lcps_ + 1);
  } else {
    for (uint32_t i = 1; i < num_keys_; ++i) {
      wide_lcps_[i] = BitsAt(bucket.lcps, bucket.lcp_width, i - 1);
    }
  }
  UnpackWords(bucket.first_codes, codes.width, num_keys_, first_codes_);
  if (codes.coding == kTokenCodes) {
    FindNotEnded(codes.tokens->first_end());
  }
  narrow_lengths_fit_ = codes.coding == kSymbols && bucket.length_width <= 8;
  if (narrow_lengths_fit_) {
    UnpackBytes(bucket.lengths, bucket.length_width, num_keys_,
                narrow_lengths_);
  }
}

void UnpackedBucket::FindNotEnded(uint32_t first_end) {
#if defined(MEMKV_AVX2)
  const __m256i first = _mm256_set1_epi16(static_cast<short>(first_end));
  const auto ended = [first](const uint16_t* p) {
    const __m256i code =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_cmpeq_epi16(_mm256_max_epu16(code, first), code);
  };
  for (uint32_t i = 0; i < num_keys_; i += 32) {
    const auto mask =
        static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(
            _mm256_packs_epi16(ended(first_codes_ + i),
                               ended(first_codes_ + i + 16)),
            0xd8)));
    uint64_t& bits = not_ended_[i / 64];
    bits = i % 64 == 0 ? uint64_t{~mask} : bits | uint64_t{~mask} << 32;
  }
#else
  not_ended_[0] = not_ended_[1] = 0;
  for (uint32_t i = 0; i < num_keys_; ++i) {
    not_ended_[i / 64] |= uint64_t{first_codes_[i] < first_end} << (i % 64);
  }
#endif
}

int64_t UnpackedBucket::SymbolsIn(const Bucket& bucket, uint32_t begin,
                                  uint32_t end) const {
  int64_t sum = 0;
  const auto add = [&](uint32_t i) {
    const auto length = static_cast<int64_t>(bucket.LengthAt(i));
    const auto lcp = static_cast<int64_t>(LcpAt(i));
    sum += length == lcp ? 0 : length - lcp - 1;
  };
  if (begin == 0 && begin < end) {
    add(begin++);  // The only one whose suffix may be empty.
  }
  if (narrow_ && narrow_lengths_fit_) {
    const auto n = static_cast<int64_t>(end - begin);
    return sum +
           n * (static_cast<int64_t>(bucket.length_base) -
                static_cast<int64_t>(base_) - 1) +
           static_cast<int64_t>(
               SumBytes(narrow_lengths_ + begin, end - begin)) -
           static_cast<int64_t>(SumBytes(narrow_lcps_ + begin, end - begin));
  }
  for (uint32_t i = begin; i < end; ++i) {
    add(i);
  }
  return sum;
}

uint32_t UnpackedBucket::NextSlow(const SuffixCoding& codes, uint32_t after,
                                  uint64_t lcp, int byte) const {
  for (uint32_t i = after + 1; i < num_keys_; ++i) {
    if (LcpAt(i) > lcp) {
      continue;
    }
    if (LcpAt(i) < lcp || byte < 0) {
      return i;
    }
    const auto bounds = codes.CodesFor(static_cast<uint8_t>(byte));
    const uint32_t code = first_codes_[i];
    const uint32_t first_end =
        codes.coding == kTokenCodes ? codes.tokens->first_end() : UINT16_MAX;
    if (code >= (code < first_end ? bounds.plain : bounds.last)) {
      return i;
    }
  }
  return num_keys_;
}

#if defined(MEMKV_AVX2)
namespace {

// Bit i: whether code i of 32 is one of the bounds' byte or a greater one.
class NotBelow {
 public:
  NotBelow(const Tokens::CodeRange& bounds, uint32_t first_end)
      : plain_(_mm256_set1_epi16(static_cast<short>(bounds.plain))),
        last_(_mm256_set1_epi16(static_cast<short>(bounds.last))),
        end_(_mm256_set1_epi16(static_cast<short>(first_end))) {}

  uint32_t operator()(const uint16_t* codes) const {
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(
        _mm256_packs_epi16(Sixteen(codes), Sixteen(codes + 16)), 0xd8)));
  }

 private:
  __m256i Sixteen(const uint16_t* codes) const {
    const __m256i code =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
    const auto at_least = [code](__m256i bound) {
      return _mm256_cmpeq_epi16(_mm256_max_epu16(code, bound), code);
    };
    return _mm256_andnot_si256(
        _mm256_andnot_si256(at_least(last_), at_least(end_)), at_least(plain_));
  }

  const __m256i plain_;
  const __m256i last_;
  const __m256i end_;
};

}  // namespace
#endif

uint32_t UnpackedBucket::Next(const SuffixCoding& codes, uint32_t after,
                              uint64_t lcp, int byte) const {
  if (lcp < base_) {
    return num_keys_;
  }
#if defined(MEMKV_AVX2)
  if (narrow_ && lcp - base_ <= UINT8_MAX) {
    Tokens::CodeRange bounds = {0, 0, 0, 0};
    if (byte >= 0) {
      bounds = codes.CodesFor(static_cast<uint8_t>(byte));
    }
    const NotBelow not_below(bounds, codes.coding == kTokenCodes
                                         ? codes.tokens->first_end()
                                         : UINT16_MAX);
    const __m256i equal_to = _mm256_set1_epi8(static_cast<char>(lcp - base_));
    // Bit i: an LCP that is smaller, or one that is equal with a suffix that is
    // not below.
    const auto stops = [&](uint32_t i) {
      const __m256i lcps =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(narrow_lcps_ + i));
      const auto mask = [](__m256i bytes) {
        return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
      };
      const uint32_t equal = mask(_mm256_cmpeq_epi8(lcps, equal_to));
      const uint32_t at_most =
          mask(_mm256_cmpeq_epi8(_mm256_min_epu8(lcps, equal_to), lcps));
      return uint64_t{at_most & (not_below(first_codes_ + i) | ~equal)};
    };
    // 64 at once: where among them the next one is would be guessed wrong.
    for (uint32_t i = (after + 1) / 64 * 64; i < num_keys_; i += 64) {
      uint64_t stop = stops(i) | stops(i + 32) << 32;
      if (i <= after) {
        stop &= ~uint64_t{1} << (after - i);
      }
      if (stop != 0) {
        return std::min(num_keys_,
                        i + static_cast<uint32_t>(__builtin_ctzll(stop)));
      }
    }
    return num_keys_;
  }
#endif
  return NextSlow(codes, after, lcp, byte);
}

bool SuffixCursor::GoTo(uint32_t index) {
  assert(index_ <= index && index < bucket_->num_keys);
  if (codes_->coding == kTokenCodes) {
    const uint32_t ends = heads_->NotEndedIn(index_, index);
    index_ = index;
    return SkipTokens(ends);
  }
  const int64_t codes = heads_->SymbolsIn(*bucket_, index_, index);
  if (codes < 0 || static_cast<uint64_t>(codes) > bucket_->num_codes - code_) {
    return false;
  }
  code_ += static_cast<uint64_t>(codes);
  index_ = index;
  return true;
}

bool SuffixCursor::SkipTokens(uint32_t ends) {
  const uint64_t num_codes = bucket_->num_codes;
  const uint32_t first_end = codes_->tokens->first_end();
#if defined(MEMKV_AVX2)
  if (codes_->width == 16) {
    const __m256i first = _mm256_set1_epi16(static_cast<short>(first_end));
    while (ends > 0) {
      if (code_ >= num_codes) {
        return false;
      }
      const uint8_t* const p = bucket_->codes + 2 * code_;
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
      const __m256i b =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
      // Bit i: code i ends a key.
      const auto mask =
          static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(
              _mm256_packs_epi16(
                  _mm256_cmpeq_epi16(_mm256_max_epu16(a, first), a),
                  _mm256_cmpeq_epi16(_mm256_max_epu16(b, first), b)),
              0xd8)));
      const auto count = static_cast<uint32_t>(__builtin_popcount(mask));
      if (count < ends) {
        ends -= count;
        code_ += 32;
        continue;
      }
      code_ += static_cast<uint32_t>(
                   __builtin_ctz(_pdep_u32(uint32_t{1} << (ends - 1), mask))) +
               1;
      break;
    }
    return code_ <= num_codes;
  }
  // Narrower codes leave the highest bit of a word free: four at a time.
  const uint64_t mask = ((uint64_t{1} << codes_->width) - 1) * kFourWords;
  const uint64_t to_high = (0x8000 - first_end) * kFourWords;
  while (ends > 0 && code_ < num_codes) {
    const uint64_t bit = code_ * codes_->width;
    const uint64_t four =
        _pdep_u64(LoadFixed64(bucket_->codes + bit / 8) >> (bit % 8), mask);
    // Of four codes of 15 bits, the last may not be whole.
    const bool whole = bit % 8 + 4 * codes_->width <= 64;
    const uint64_t high = (four + to_high) & (0x8000 * kFourWords) &
                          (whole ? UINT64_MAX : UINT64_MAX >> 16);
    const auto count = static_cast<uint32_t>(__builtin_popcountll(high));
    if (count < ends) {
      ends -= count;
      code_ += whole ? 4 : 3;
      continue;
    }
    code_ += static_cast<uint32_t>(
                 __builtin_ctzll(_pdep_u64(uint64_t{1} << (ends - 1), high))) /
                 16 +
             1;
    ends = 0;
  }
  return ends == 0 && code_ <= num_codes;
#else
  while (ends > 0) {
    if (code_ >= num_codes) {
      return false;
    }
    ends -= CodeAt(code_) >= first_end;
    ++code_;
  }
  return true;
#endif
}

bool SuffixCursor::NamesOnly() const {
  if (codes_->coding == kSymbols) {
    uint64_t length = 0;
    if (!SymbolsHere(&length)) {
      return false;
    }
    const uint32_t first = heads_->FirstCodeAt(index_);
    if (length == 0) {
      return first == 0;
    }
    bool all = codes_->symbols == nullptr || first < codes_->num_symbols;
    for (uint64_t i = 1; i < length && codes_->symbols != nullptr; ++i) {
      all = all && CodeAt(code_ + i - 1) < codes_->num_symbols;
    }
    return all;
  }
  uint32_t code = heads_->FirstCodeAt(index_);
  for (uint64_t i = code_; code < codes_->tokens->first_end(); ++i) {
    code = CodeAt(i);
  }
  return code < codes_->tokens->num_tokens();
}

bool SuffixCursor::CompareSymbols(uint32_t index, const SoughtKey& target,
                                  size_t at, size_t* common, int* order) {
  const size_t rest = target.size() - at;
  const uint64_t lcp = heads_->LcpAt(index);
  const uint64_t key_length = bucket_->LengthAt(index);
  if (key_length < lcp) {
    return false;
  }
  const uint64_t length = key_length - lcp;
  const size_t shorter = std::min<uint64_t>(length, rest);
  size_t i = 0;
  int difference = 0;
  if (shorter > 0) {
    difference =
        int{codes_->SymbolOf(heads_->FirstCodeAt(index))} - int{target[at]};
  }
  if (shorter > 0 && difference == 0) {
    uint64_t unused = 0;
    if (!GoTo(index) || !SymbolsHere(&unused)) {
      return false;
    }
    i = 1;
    if (codes_->symbols == nullptr) {
      const uint8_t* const suffix = bucket_->codes + code_;
      i += target.CommonPrefixAt(at + 1, suffix, shorter - 1);
      difference = i < shorter ? int{suffix[i - 1]} - int{target[at + i]} : 0;
    } else {
      while (i < shorter) {
        const uint64_t symbols =
            codes_->EightSymbols(bucket_->codes, code_ + i - 1);
        const uint64_t sought = target.EightAt(at + i);
        const size_t n = std::min<size_t>(shorter - i, 8);
        const size_t equal = std::min<size_t>(CommonBytes(symbols, sought), n);
        i += equal;
        if (equal < n) {
          difference = ByteOf(symbols, equal) - ByteOf(sought, equal);
          break;
        }
      }
    }
  }
  *common = i;
  *order = i < shorter ? difference : (length > rest) - (length < rest);
  return true;
}

bool SuffixCursor::Compare(uint32_t index, const SoughtKey& target, size_t at,
                           size_t* common, int* order) {
  if (codes_->coding == kSymbols) {
    return CompareSymbols(index, target, at, common, order);
  }
  const Tokens& tokens = *codes_->tokens;
  const size_t rest = target.size() - at;
  size_t done = 0;
  uint32_t code = heads_->FirstCodeAt(index);
  for (uint64_t i = 0;; ++i) {
    const size_t length = tokens.LengthOf(code);
    const uint8_t* const bytes = tokens.BytesOf(code);
    const size_t equal = target.CommonPrefixAt(at + done, bytes, length);
    done += equal;
    if (equal < length) {
      *common = done;
      *order = done < rest ? int{bytes[equal]} - int{target[at + done]} : 1;
      return true;
    }
    if (code >= tokens.first_end()) {
      *common = done;
      *order = done < rest ? -1 : 0;
      return true;
    }
    // Most suffixes differ in their first token, and need not be found.
    if (i == 0 && !GoTo(index)) {
      return false;
    }
    if (code_ + i >= bucket_->num_codes) {
      return false;
    }
    code = CodeAt(code_ + i);
  }
}

bool FindInBucket(const SoughtKey& key, uint64_t matched,
                  const SuffixCoding& codes, const Bucket& bucket,
                  const UnpackedBucket& heads, const PrefetchHint& beside,
                  SuffixCursor* suffixes, BucketPosition* place) {
  // What key shares with the greatest key before it is `matched` bytes; `index`
  // is the next key that may not be smaller than key.
  const auto next = [&](uint32_t after) {
    return heads.Next(codes, after, matched,
                      matched < key.size() ? int{key[matched]} : -1);
  };
  uint32_t index = 0;
  if (matched > bucket.head_lcp || bucket.first_ordinal == 0) {
    // Key begins with the whole separator.  That is a byte longer than what the
    // head shares with the key before it, and its last byte is also the first
    // of the head's suffix; or it is the first one, which is empty.
    matched = bucket.head_lcp;
    if (matched > key.size()) {
      return false;
    }
  } else {
    // Key differs from the separator, and so from the head.
    index = next(0);
  }
  for (; index < bucket.num_keys; index = next(index)) {
    // Those passed over differ from key where the one before them did, or are
    // smaller there.
    if (heads.LcpAt(index) < matched) {
      place->lcp_at = heads.LcpAt(index);
      break;  // It is greater where the key before it still agreed.
    }
    size_t common = 0;
    int order = 0;
    ++place->comparisons;
    beside.Prefetch(uint64_t{bucket.first_ordinal} + index);
    if (!suffixes->Compare(index, key, matched, &common, &order)) {
      return false;
    }
    if (order >= 0) {
      place->lcp_at = matched + common;
      place->equal = order == 0;
      break;
    }
    matched += common;
  }
  place->index = index;
  place->lcp_before = matched;
  return true;
}

}  // namespace key_trie
}  // namespace memkv
