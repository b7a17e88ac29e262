// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/suffix_run.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "table/key_trie/kernels.h"

namespace memkv {
namespace key_trie {

uint32_t SuffixRun::Read(const SuffixCursor& suffixes, uint32_t n) {
  assert(n <= kMaxKeys);
  return suffixes.codes().coding == kTokenCodes ? ReadTokens(suffixes, n)
                                                : ReadSlow(suffixes, n);
}

uint32_t SuffixRun::ReadSlow(SuffixCursor suffixes, uint32_t n) {
  uint32_t end = 0;
  for (uint32_t i = 0; i < n; ++i) {
    uint32_t length = 0;
    bool fits = suffixes.LengthAtMost(kMaxBytes - end);
    const bool whole = fits && suffixes.Read([&](uint64_t more) {
      fits = fits && length + more <= kMaxBytes - end;
      char* const out =
          reinterpret_cast<char*>(bytes_ + kAround + end + (fits ? length : 0));
      length += static_cast<uint32_t>(more);
      return out;
    });
    if (!whole || !fits) return i;
    end += length;
    ends_[i] = end;
    next_codes_[i] = suffixes.code();
  }
  return n;
}

uint32_t SuffixRun::LineUp(const SuffixCursor& suffixes, uint32_t n,
                           uint32_t* size) {
  const SuffixCoding& codes = suffixes.codes();
  const Bucket& bucket = suffixes.bucket();
  const UnpackedBucket& heads = suffixes.heads();
  const uint32_t first_end = codes.tokens->first_end();
  // Eight codes begin in a whole byte.
  const uint64_t from = suffixes.code() / 8 * 8;
  const auto m = static_cast<uint32_t>(std::min<uint64_t>(
      {bucket.num_codes - from, kMaxOthers, kFewOthers + kOthersPerKey * n}));
  UnpackWords(bucket.codes + from * codes.width / 8, codes.width, m, others_);
  auto at = static_cast<uint32_t>(suffixes.code() - from);
  std::array<uint8_t, kMaxKeys> pasts;  // behind codes that end a key
  const uint32_t ends = ListEnds(m, at, n, first_end, pasts.data());
  uint32_t end = 0;
  uint32_t row = 0;
  uint32_t i = 0;
  for (; i < n; ++i) {
    const uint32_t first = heads.FirstCodeAt(suffixes.index() + i);
    const uint32_t more = first < first_end ? 1 : 0;
    if (end + more > ends) break;
    const uint32_t others = more != 0 ? pasts[end] - at : 0;
    row_[row] = static_cast<uint16_t>(first);
    memcpy(row_ + row + 1, others_ + at, sizeof(row_[0]) * kOthersAtOnce);
    if (others > kOthersAtOnce) {
      memcpy(row_ + row + 1 + kOthersAtOnce, others_ + at + kOthersAtOnce,
             sizeof(row_[0]) * (others - kOthersAtOnce));
    }
    row += 1 + others;
    at += others;
    end += more;
    next_codes_[i] = from + at;
  }
  *size = row;
  return i;
}

uint32_t SuffixRun::ListEnds(uint32_t m, uint32_t at, uint32_t most,
                             uint32_t first_end, uint8_t* pasts) const {
  uint64_t below[2] = {0, 0};
  MarkBelow(others_, m, first_end, below);
  uint32_t n = 0;
  for (uint32_t i = at / 64; 64 * i < m; ++i) {
    uint64_t ends = ~below[i];
    if (m - 64 * i < 64) ends &= (uint64_t{1} << (m % 64)) - 1;
    if (i == at / 64) ends &= ~uint64_t{0} << (at % 64);
    for (; ends != 0 && n < most; ends &= ends - 1) {
      pasts[n++] = static_cast<uint8_t>(
          64 * i + 1 + static_cast<uint32_t>(__builtin_ctzll(ends)));
    }
  }
  return n;
}

uint32_t SuffixRun::ReadTokens(const SuffixCursor& suffixes, uint32_t n) {
  uint32_t size = 0;
  n = LineUp(suffixes, n, &size);
  const Tokens& tokens = *suffixes.codes().tokens;
  const Tokens::Names names = tokens.names();
  const uint32_t first_end = tokens.first_end();
  uint8_t* const bytes = bytes_ + kAround;
  uint32_t end = 0;
  uint32_t i = 0;
  for (uint32_t j = 0; j < size; ++j) {
    const uint32_t code = row_[j];
    const uint32_t length = names.LengthOf(code);
    const uint8_t* const token = names.BytesOf(code);
    memcpy(bytes + end, token, Tokens::kOverread);
    if (length > Tokens::kOverread) {
      memcpy(bytes + end + Tokens::kOverread, token + Tokens::kOverread,
             Tokens::kOverread);
    }
    end += length;
    ends_[i] = end;
    i += code >= first_end ? 1 : 0;
  }
  return n;
}

}  // namespace key_trie
}  // namespace memkv
