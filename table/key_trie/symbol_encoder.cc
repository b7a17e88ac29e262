// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/symbol_encoder.h"

#include <algorithm>
#include <cstring>

#include "table/key_trie/kernels.h"
#include "util/simd.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

namespace {

// What is looked at together.
constexpr size_t kChunk = 32;

// The low n bits.  REQUIRES: n <= 32
uint32_t LowBits(size_t n) {
  return static_cast<uint32_t>((uint64_t{1} << n) - 1);
}

#if defined(MEMKV_X86)
// n bytes at p, and any others behind them, of which only those before `limit`
// are read.  REQUIRES: n <= kChunk
MEMKV_AVX2 __m256i LoadChunk(const char* p, size_t n, const char* limit) {
  if (limit - p >= static_cast<ptrdiff_t>(kChunk)) return avx2::Load(p);
  char chunk[kChunk] = {};
  memcpy(chunk, p, n);
  return avx2::Load(chunk);
}

// A table of 16 bytes, as _mm256_shuffle_epi8 wants it.
MEMKV_AVX2 __m256i Twice(const uint8_t* table) {
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}
#endif

// Which bytes occur.
class ByteSet {
 public:
  bool Has(uint8_t byte) const {
    return (rows_[byte >> 7][byte & 0xf] >> (byte >> 4 & 7) & 1) != 0;
  }
  void Add(char c) {
    const auto byte = static_cast<uint8_t>(c);
    uint8_t& row = rows_[byte >> 7][byte & 0xf];
    row = static_cast<uint8_t>(row | 1u << (byte >> 4 & 7));
  }
  // Adds p[i] for each i < n whose bit of `skipped` is not set.  Bytes before
  // `limit` may be read.  REQUIRES: n <= kChunk
  void AddChunk(const char* p, size_t n, uint32_t skipped, const char* limit) {
    uint32_t added = LowBits(n) & ~skipped;
#if defined(MEMKV_X86)
    if (HasAvx2()) added &= MissingAvx2(p, n, limit);
#else
    (void)limit;
#endif
    for (; added != 0; added &= added - 1) Add(p[__builtin_ctz(added)]);
  }

 private:
#if defined(MEMKV_X86)
  // Bit i: whether byte i is not in the set.
  MEMKV_AVX2 uint32_t MissingAvx2(const char* p, size_t n,
                                  const char* limit) const {
    static constexpr uint8_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                          1, 2, 4, 8, 16, 32, 64, 128};
    const __m256i half = _mm256_set1_epi8(0xf);
    const __m256i bytes = LoadChunk(p, n, limit);
    const __m256i low = _mm256_and_si256(bytes, half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
    // By the highest bit of a byte.
    const __m256i row =
        _mm256_blendv_epi8(_mm256_shuffle_epi8(Twice(rows_[0]), low),
                           _mm256_shuffle_epi8(Twice(rows_[1]), low), bytes);
    const __m256i bit = _mm256_shuffle_epi8(Twice(kBits), high);
    return avx2::Bits(
        _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256()));
  }
#endif

  // By a byte's highest bit and its low half: bit i is that of the byte whose
  // bits 4 to 6 are i.
  uint8_t rows_[2][16] = {};
};

// Which positions have one byte in all suffixes that go on there.  Only those
// are looked at that the first key has, up to some.
class FixedBytesFinder {
 public:
  explicit FixedBytesFinder(std::string_view first_key)
      : size_(std::min(first_key.size(), kLookedAt)) {
    first_key.copy(bytes_, size_);
    Add({0, first_key});
  }

  void Add(const FrontCodedKey& key) {
    const size_t begin = size_t{key.lcp} + 1;
    if (begin >= size_ || key.suffix.size() < 2) return;
    const size_t end = std::min(size_, key.lcp + key.suffix.size());
    ++begins_[begin];
    ++ends_[end];
    // Byte `begin` of the key.
    const char* const s = key.suffix.data() + 1;
    size_t i = begin;
    for (; i + kWord <= end; i += kWord) Differ(i, s + (i - begin));
    if (i == end) return;
    if (end - begin >= kWord) {  // Some of it again.
      Differ(end - kWord, s + (end - kWord - begin));
      return;
    }
    for (; i < end; ++i) {
      differ_[i] = static_cast<char>(differ_[i] | (bytes_[i] ^ s[i - begin]));
    }
  }
  // Calls f(position, suffixes) with those where many of the suffixes so far go
  // on, and do not differ.  What few save is not worth a look; that is also the
  // prefix of the first key alone.
  template <class F>
  void ForEach(uint32_t num_keys, F f) const {
    constexpr int64_t kShare = 16;
    int64_t suffixes = 0;
    for (size_t at = 1; at < size_; ++at) {
      suffixes += begins_[at];
      suffixes -= ends_[at];
      // The first key's counts twice: it has been so in all files.
      if (differ_[at] == 0 && (suffixes + 1) * kShare > int64_t{num_keys}) {
        f(at, bytes_[at], static_cast<uint64_t>(suffixes));
      }
    }
  }
  bool Hopeful(uint32_t num_keys) const {
    bool hopeful = false;
    ForEach(num_keys, [&hopeful](size_t, char, uint64_t) { hopeful = true; });
    return hopeful;
  }

 private:
  static constexpr size_t kLookedAt = 256;
  static constexpr size_t kWord = sizeof(uint64_t);

  // The eight bytes of a key at position i.
  void Differ(size_t i, const char* s) {
    uint64_t differ;
    uint64_t first;
    uint64_t here;
    memcpy(&differ, differ_ + i, kWord);
    memcpy(&first, bytes_ + i, kWord);
    memcpy(&here, s, kWord);
    differ |= first ^ here;
    memcpy(differ_ + i, &differ, kWord);
  }

  const size_t size_;
  char bytes_[kLookedAt] = {};   // of the first key
  char differ_[kLookedAt] = {};  // not 0 where another suffix differs
  int64_t begins_[kLookedAt + 1] = {};
  int64_t ends_[kLookedAt + 1] = {};
};

}  // namespace

SymbolEncoder SymbolEncoder::Of(const FrontCodedKeys& keys) {
  SymbolEncoder encoder;
  if (!encoder.FindFixedBytes(keys)) return WithoutFixedBytes(keys);
  encoder.SetSymbols(keys);
  const uint64_t n = encoder.fixed_bytes_.size();
  // As there, a code a position more than are saved.  It decides only between
  // two that are about as small.
  const uint64_t saved = (encoder.saved_codes_ + n) * encoder.width_ / 8;
  return encoder.width_ < 8 && saved > FixedBytes::kHeaderSize + n
             ? encoder
             : WithoutFixedBytes(keys);
}

SymbolEncoder SymbolEncoder::WithoutFixedBytes(const FrontCodedKeys& keys) {
  SymbolEncoder encoder;
  encoder.SetSymbols(keys);
  return encoder;
}

bool SymbolEncoder::FindFixedBytes(const FrontCodedKeys& keys) {
  // Where there are none, some keys tell.
  uint32_t look_at = 64;
  if (keys.size() < 2) return false;
  FrontCodedKeys::Walk walk = keys.Begin();
  FixedBytesFinder finder(walk.Next().suffix);
  for (uint32_t i = 1; i < keys.size(); ++i) {
    finder.Add(walk.Next());
    if (i == look_at) {
      if (!finder.Hopeful(i)) return false;
      look_at *= 2;
    }
  }
  // The first one, and what is in reach of it.
  finder.ForEach(keys.size(), [this](size_t at, char byte, uint64_t suffixes) {
    if (fixed_.empty()) fixed_.base = static_cast<uint32_t>(at);
    if (at - fixed_.base >= FixedBytes::kPositions) return;
    fixed_.mask |= uint64_t{1} << (at - fixed_.base);
    fixed_bytes_.push_back(byte);
    saved_codes_ += suffixes;
  });
  return !fixed_.empty();
}

void SymbolEncoder::SetSymbols(const FrontCodedKeys& keys) {
  const std::string_view suffixes = keys.suffixes();
  const char* const limit = suffixes.data() + suffixes.size();
  ByteSet occurs;
  if (fixed_.empty()) {
    for (size_t i = 0; i < suffixes.size(); i += kChunk) {
      occurs.AddChunk(suffixes.data() + i,
                      std::min(kChunk, suffixes.size() - i), 0, limit);
    }
  } else {
    keys.ForEach([&](const FrontCodedKey& key) {
      for (size_t i = 0; i < key.suffix.size(); i += kChunk) {
        auto skipped =
            static_cast<uint32_t>(fixed_.MaskFrom(uint64_t{key.lcp} + i));
        if (i == 0) skipped &= ~1u;  // It has a code.
        occurs.AddChunk(key.suffix.data() + i,
                        std::min(kChunk, key.suffix.size() - i), skipped,
                        limit);
      }
    });
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (occurs.Has(static_cast<uint8_t>(byte))) {
      code_of_[byte] = static_cast<uint8_t>(symbols_.size());
      symbols_.push_back(static_cast<char>(byte));
    }
  }
  codes_ = suffixes.size() - saved_codes_;
  width_ = SymbolWidth(symbols_.size());
  if (width_ == 8) {
    symbols_.clear();
    for (int byte = 0; byte < 256; ++byte) {
      code_of_[byte] = static_cast<uint8_t>(byte);
    }
  } else {
    SetRows();
  }
}

void SymbolEncoder::SetRows() {
  for (const char symbol : symbols_) {
    const auto row = static_cast<uint8_t>(static_cast<uint8_t>(symbol) & 0xf0);
    if (num_rows_ == 0 || rows_[num_rows_ - 1] != row) rows_[num_rows_++] = row;
  }
}

void SymbolEncoder::EncodeFirst(const FrontCodedKey* keys, size_t n,
                                BitsWriter* bits) const {
  for (size_t k = 0; k < n; ++k) {
    // The empty key's is one that no one reads.
    bits->Put(keys[k].suffix.empty() ? 0 : CodeOf(keys[k].suffix[0]), width_);
  }
  bits->Finish();
}

void SymbolEncoder::EncodeSlow(const FrontCodedKey* keys, size_t n,
                               std::string* out) const {
  BitsWriter bits(out);
  EncodeFirst(keys, n, &bits);
  // As many at once as are whole in a word of the writer.
  const unsigned at_once = BitsWriter::kMaxPut / width_;
  for (size_t k = 0; k < n; ++k) {
    const std::string_view suffix = keys[k].suffix;
    for (size_t i = 1; i < suffix.size();) {
      const uint64_t coded = fixed_.UpToNext(uint64_t{keys[k].lcp} + i);
      if (coded == 0) {
        ++i;
        continue;
      }
      const size_t end =
          i + std::min<uint64_t>({coded, suffix.size() - i, at_once});
      uint64_t word = 0;
      unsigned size = 0;
      for (; i < end; ++i, size += width_) {
        word |= uint64_t{CodeOf(suffix[i])} << size;
      }
      bits.Put(word, size);
    }
  }
  bits.Finish();
}

#if defined(MEMKV_X86)
MEMKV_AVX2 void SymbolEncoder::EncodeOthersAvx2(const FrontCodedKey* keys,
                                                size_t n, const char* limit,
                                                BitsWriter* bits) const {
  const uint64_t all_bits = (uint64_t{1} << width_) - 1;
  // Beyond 15 these have their highest bit set, and _mm256_shuffle_epi8 then
  // gives 0.
  const __m256i beyond = _mm256_set1_epi8(0x70);
  for (size_t k = 0; k < n; ++k) {
    const std::string_view suffix = keys[k].suffix;
    for (size_t i = 1; i < suffix.size(); i += kChunk) {
      const size_t here = std::min(kChunk, suffix.size() - i);
      const __m256i bytes = LoadChunk(suffix.data() + i, here, limit);
      __m256i codes = _mm256_setzero_si256();
      for (unsigned r = 0; r < num_rows_; ++r) {
        const __m256i high = _mm256_set1_epi8(static_cast<char>(rows_[r]));
        const __m256i low =
            _mm256_adds_epu8(_mm256_xor_si256(bytes, high), beyond);
        codes = _mm256_or_si256(
            codes, _mm256_shuffle_epi8(Twice(code_of_ + rows_[r]), low));
      }
      alignas(kChunk) uint8_t code[kChunk];
      _mm256_store_si256(reinterpret_cast<__m256i*>(code), codes);
      const auto fixed =
          static_cast<uint32_t>(fixed_.MaskFrom(uint64_t{keys[k].lcp} + i));
      const uint32_t coded = LowBits(here) & ~fixed;
      for (size_t j = 0; j < here; j += 8) {
        const uint64_t lanes =
            _pdep_u64(coded >> j & 0xff, kEightBytes) * all_bits;
        bits->Put(_pext_u64(LoadFixed64(code + j), lanes),
                  static_cast<unsigned>(__builtin_popcountll(lanes)));
      }
    }
  }
}
#endif

void SymbolEncoder::Encode(const FrontCodedKey* keys, size_t n,
                           const char* limit, std::string* out) const {
#if defined(MEMKV_X86)
  if (HasAvx2() && width_ < 8) {
    BitsWriter bits(out);
    EncodeFirst(keys, n, &bits);
    EncodeOthersAvx2(keys, n, limit, &bits);
    bits.Finish();
    return;
  }
#else
  (void)limit;
#endif
  EncodeSlow(keys, n, out);
}

}  // namespace key_trie
}  // namespace memkv
