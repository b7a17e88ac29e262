// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/bucket_search.h"

#include <algorithm>
#include <cassert>

#include "table/key_trie/kernels.h"
#include "util/simd.h"

namespace memkv {
namespace key_trie {

namespace {

// Of eight bytes each, the first in the lowest byte: how many are equal before
// one is not.
size_t CommonBytes(uint64_t a, uint64_t b) {
  return a == b ? 8 : static_cast<size_t>(__builtin_ctzll(a ^ b)) / 8;
}
int ByteOf(uint64_t eight, size_t i) {
  return static_cast<uint8_t>(eight >> (8 * i));
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

#if defined(MEMKV_X86)
MEMKV_AVX2 uint64_t SuffixCoding::EightSymbolsAvx2(const uint8_t* p,
                                                   uint64_t i) const {
  const uint64_t eight = avx2::EightNumbers(p, width, i);
  if (num_symbols <= 16) {
    return avx2::LookUpEight(eight, symbols, num_symbols);
  }
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    result |= uint64_t{SymbolOf((eight >> shift) & 0xff)} << shift;
  }
  return result;
}
#else
uint64_t SuffixCoding::EightSymbolsAvx2(const uint8_t* p, uint64_t i) const {
  return EightSymbolsSlow(p, i);
}
#endif

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
    MarkBelow(first_codes_, num_keys_, codes.tokens->first_end(), not_ended_);
  }
  narrow_lengths_fit_ = codes.coding == kSymbols && bucket.length_width <= 8;
  if (narrow_lengths_fit_) {
    UnpackBytes(bucket.lengths, bucket.length_width, num_keys_,
                narrow_lengths_);
  }
}

int64_t UnpackedBucket::SymbolsIn(const SuffixCoding& codes,
                                  const Bucket& bucket, uint32_t begin,
                                  uint32_t end) const {
  const FixedBytes& fixed = codes.fixed;
  int64_t sum = 0;
  const auto add = [&](uint32_t i) {
    const uint64_t length = bucket.LengthAt(i);
    const uint64_t lcp = LcpAt(i);
    sum = sum < 0 || length < lcp
              ? -1
              : sum + static_cast<int64_t>(fixed.CodesBehindFirst(lcp, length));
  };
  if (begin == 0 && begin < end) {
    add(begin++);  // The only one whose suffix may be empty.
  }
  // All suffixes have the same fixed bytes if keys have one length, and all
  // begin before them.
  const uint64_t max_lcp = base_ + ((uint64_t{1} << bucket.lcp_width) - 1);
  const bool all_fixed = bucket.length_width == 0 && max_lcp < fixed.base;
  if (sum >= 0 && narrow_ && narrow_lengths_fit_ &&
      (fixed.empty() || all_fixed)) {
    const auto n = static_cast<int64_t>(end - begin);
    return sum +
           n * (static_cast<int64_t>(bucket.length_base) -
                static_cast<int64_t>(base_) - 1 -
                static_cast<int64_t>(fixed.Before(bucket.length_base))) +
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

uint32_t UnpackedBucket::Next(const SuffixCoding& codes, uint32_t after,
                              uint64_t lcp, int byte) const {
  if (lcp < base_) {
    return num_keys_;
  }
#if defined(MEMKV_X86)
  if (HasAvx2() && narrow_ && lcp - base_ <= UINT8_MAX) {
    Tokens::CodeRange bounds = {0, 0, 0, 0};
    if (byte >= 0) {
      bounds = codes.CodesFor(static_cast<uint8_t>(byte));
    }
    return avx2::NextStop(
        narrow_lcps_, first_codes_, num_keys_, after,
        static_cast<uint8_t>(lcp - base_), bounds.plain, bounds.last,
        codes.coding == kTokenCodes ? codes.tokens->first_end() : UINT16_MAX);
  }
#endif
  return NextSlow(codes, after, lcp, byte);
}

bool SuffixCursor::GoTo(uint32_t index) {
  assert(index_ <= index && index < bucket_->num_keys);
  if (codes_->coding == kTokenCodes) {
    const uint32_t ends = heads_->NotEndedIn(index_, index);
    index_ = index;
    code_ = PastEnds(bucket_->codes, codes_->width, bucket_->num_codes, code_,
                     codes_->tokens->first_end(), ends);
    return code_ <= bucket_->num_codes;
  }
  const int64_t codes = heads_->SymbolsIn(*codes_, *bucket_, index_, index);
  if (codes < 0 || static_cast<uint64_t>(codes) > bucket_->num_codes - code_) {
    return false;
  }
  code_ += static_cast<uint64_t>(codes);
  index_ = index;
  return true;
}

#if defined(MEMKV_X86)
// Eight bytes at once: the next codes' go where no byte is fixed.
MEMKV_AVX2 void SuffixCursor::ReadAroundFixedAvx2(uint64_t length,
                                                  char* out) const {
  const FixedBytes& fixed = codes_->fixed;
  uint64_t position = heads_->LcpAt(index_) + 1;
  uint64_t code = code_;
  for (uint64_t i = 1; i < length; i += 8, position += 8) {
    const uint64_t eight = avx2::LookUpEight(
        avx2::EightNumbers(bucket_->codes, codes_->width, code),
        codes_->symbols, codes_->num_symbols);
    const uint64_t here = fixed.MaskFrom(position) & 0xff;
    const uint64_t lanes = _pdep_u64(here, kEightBytes) * 0xff;
    uint64_t bytes = _pdep_u64(eight, ~lanes);
    if (here != 0) {
      bytes |= _pdep_u64(LoadFixed64(fixed.From(position)), lanes);
    }
    memcpy(out + i, &bytes, sizeof(bytes));
    code += 8 - static_cast<uint64_t>(__builtin_popcountll(here));
  }
}
#endif

void SuffixCursor::ReadAroundFixed(uint64_t length, char* out) const {
#if defined(MEMKV_X86)
  if (HasAvx2() && codes_->num_symbols <= 16) {
    ReadAroundFixedAvx2(length, out);
    return;
  }
#endif
  const uint64_t lcp = heads_->LcpAt(index_);
  uint64_t code = code_;
  for (uint64_t i = 1; i < length;) {
    const uint64_t coded =
        std::min(codes_->fixed.UpToNext(lcp + i), length - i);
    // What is too much of the last eight, others write over.
    for (uint64_t k = 0; k < coded; k += 8) {
      StoreFixed64(reinterpret_cast<uint8_t*>(out + i + k),
                   codes_->EightSymbols(bucket_->codes, code + k));
    }
    i += coded;
    code += coded;
    if (i < length) {
      out[i] = static_cast<char>(codes_->fixed.At(lcp + i));
      ++i;
    }
  }
}

bool SuffixCursor::NamesOnly() const {
  if (codes_->coding == kSymbols) {
    uint64_t length = 0;
    uint64_t behind = 0;
    if (!SymbolsHere(&length, &behind)) {
      return false;
    }
    const uint32_t first = heads_->FirstCodeAt(index_);
    if (length == 0) {
      return first == 0;
    }
    bool all = codes_->symbols == nullptr || first < codes_->num_symbols;
    for (uint64_t i = 0; i < behind && codes_->symbols != nullptr; ++i) {
      all = all && CodeAt(code_ + i) < codes_->num_symbols;
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
    uint64_t unused_codes = 0;
    if (!GoTo(index) || !SymbolsHere(&unused, &unused_codes)) {
      return false;
    }
    i = 1;
    uint64_t code = code_;
    if (codes_->symbols == nullptr) {
      const uint8_t* const suffix = bucket_->codes + code_;
      i += target.CommonPrefixAt(at + 1, suffix, shorter - 1);
      difference = i < shorter ? int{suffix[i - 1]} - int{target[at + i]} : 0;
    } else {
      while (i < shorter) {
        const uint64_t sought = target.EightAt(at + i);
        const uint64_t coded = codes_->fixed.UpToNext(lcp + i);
        if (coded == 0) {
          difference = int{codes_->fixed.At(lcp + i)} - ByteOf(sought, 0);
          if (difference != 0) {
            break;
          }
          ++i;
          continue;
        }
        const uint64_t symbols = codes_->EightSymbols(bucket_->codes, code);
        const size_t n = std::min<uint64_t>({shorter - i, 8, coded});
        const size_t equal = std::min<size_t>(CommonBytes(symbols, sought), n);
        i += equal;
        code += equal;
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
