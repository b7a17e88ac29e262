// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The shapes that the key trie's builder, reader, cursor and validator share.
// FORMAT.md, "Key trie", is the normative description.
//
// Not for users of the key trie: they include builder.h,
// reader.h and cursor.h.
//
// Thread safety: pure functions and value types.
//
// Invariants:
// (I1) A Decode function reads nothing at or beyond its limit and reports
//      bytes that do not fit before anything is computed from them.
// (I2) Every decoded length is below 2^33 and every sum of them is taken in 64
//      bits, so no arithmetic wraps.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

// The header, all fields little-endian:
//   0  1  encoding            kEncoding
//   1  1  suffix coding       Coding
//   2  1  code width          in bits
//   3  1  reserved            0
//   4  2  number of symbols
//   6  2  reserved            0
//   8  4  number of keys      < 2^31
//  12  4  number of buckets
//  16  4  size of the separators
//  20  4  size of the directory
//  24  4  size of the buckets
// Then the symbols, the fixed bytes (fixed_bytes.h; kFixedSymbols only), the
// separators of the buckets (separators.h), the directory, the buckets, and
// kPadding zero bytes, so that vectors may be loaded where a byte is;
// or without these where a segment has other bytes behind the buckets.
//
// The directory is a packed array (util/packed_array.h) of one element a
// bucket, and one more: offset << BitWidth(number of keys) | ordinal of the
// first key.
constexpr uint8_t kEncoding = 2;
constexpr size_t kHeaderSize = 28;
constexpr size_t kPadding = 128;
constexpr uint32_t kMaxBucketKeys = 128;
constexpr uint64_t kMaxKeys = (uint64_t{1} << 31) - 1;
constexpr uint64_t kMaxSize = (uint64_t{1} << 31) - 1;

// How suffixes are written.
enum Coding : uint8_t {
  // A code a byte: the byte's place among the symbols that occur, or the byte.
  kSymbols = 0,
  // A code a token of the file's token table (table/key_trie/tokens.h).
  kTokenCodes = 1,
  // As kSymbols, but for fixed bytes.  Only in the header: once a trie is open,
  // it is kSymbols with fixed bytes.
  kFixedSymbols = 2,
};

// The width of the codes of so many symbols.
inline unsigned SymbolWidth(size_t symbols) {
  return symbols < 2 ? 1 : BitWidth(symbols - 1);
}

// ---------------------------------------------------------------------------
// Numbers of a fixed number of bits, the first in the lowest bits of the first
// byte.

// Element i of width <= 32 bits at p.
// REQUIRES: 8 bytes are readable wherever an element starts
inline uint32_t BitsAt(const uint8_t* p, unsigned width, uint64_t i) {
  const uint64_t bit = i * width;
  return static_cast<uint32_t>((LoadFixed64(p + bit / 8) >> (bit % 8)) &
                               ((uint64_t{1} << width) - 1));
}

inline uint64_t BitsSize(unsigned width, uint64_t n) {
  return (n * width + 7) / 8;
}

// Appends numbers of up to kMaxPut bits; Finish fills the last byte with zeros.
class BitsWriter {
 public:
  explicit BitsWriter(std::string* out) : out_(out) {}
  BitsWriter(const BitsWriter&) = delete;
  BitsWriter& operator=(const BitsWriter&) = delete;

  static constexpr unsigned kMaxPut = 56;

  // REQUIRES: width <= kMaxPut; value < 2^width
  void Put(uint64_t value, unsigned width) {
    word_ |= value << bits_;
    bits_ += width;
    // Eight bytes, whatever is whole of them: without a loop.
    StoreFixed64(buffer_ + size_, word_);
    size_ += bits_ / 8;
    word_ >>= bits_ / 8 * 8;
    bits_ %= 8;
    if (size_ > sizeof(buffer_) - sizeof(word_)) {
      Flush();
    }
  }
  // To a whole byte.
  void Finish() {
    if (bits_ > 0) {
      buffer_[size_++] = static_cast<uint8_t>(word_);
    }
    word_ = 0;
    bits_ = 0;
    Flush();
  }

 private:
  void Flush() {
    out_->append(reinterpret_cast<const char*>(buffer_), size_);
    size_ = 0;
  }

  std::string* const out_;
  uint64_t word_ = 0;  // its low bits_ bits
  unsigned bits_ = 0;  // < 8 between calls
  size_t size_ = 0;    // of buffer_, at most all but the last eight bytes
  uint8_t buffer_[256];
};

// ---------------------------------------------------------------------------
// A bucket's bytes:
//   1 byte    width of the LCPs, 0 to 31
//   varint32  the head's LCP, with the last key of the bucket before
//   varint32  the smallest LCP of the other keys
//   1 byte    width of the lengths, 0 to 31  (coding in symbols only)
//   varint32  the smallest length            (coding in symbols only)
//   LCPs of the keys but the head, less the smallest, to a whole byte
//   lengths of the keys, less the smallest, to a whole byte (symbols only)
//   the first code of every key's suffix, to a whole byte
//   the other codes of the suffixes, one after the other, to a whole byte
struct Bucket {
  const uint8_t* lcps = nullptr;
  const uint8_t* lengths = nullptr;
  const uint8_t* first_codes = nullptr;
  const uint8_t* codes = nullptr;  // the others
  uint64_t num_codes = 0;  // that fit; with symbols there may be one too many
  uint32_t num_keys = 0;
  uint32_t first_ordinal = 0;
  uint32_t head_lcp = 0;
  uint32_t lcp_base = 0;
  uint32_t length_base = 0;
  unsigned lcp_width = 0;
  unsigned length_width = 0;

  // False if the bytes at [p, limit) cannot be a bucket of num_keys keys.
  // REQUIRES: num_keys > 0
  bool Decode(const uint8_t* p, const uint8_t* limit, uint32_t keys,
              Coding coding, unsigned code_width) {
    num_keys = keys;
    if (p == limit) {
      return false;
    }
    lcp_width = *p++;
    p = GetVarint32(p, limit, &head_lcp);
    if (p == nullptr || lcp_width > kMaxNumberWidth) {
      return false;
    }
    p = GetVarint32(p, limit, &lcp_base);
    if (p == nullptr) {
      return false;
    }
    uint64_t lengths_size = 0;
    if (coding == kSymbols) {
      if (p == limit) {
        return false;
      }
      length_width = *p++;
      p = GetVarint32(p, limit, &length_base);
      if (p == nullptr || length_width > kMaxNumberWidth) {
        return false;
      }
      lengths_size = BitsSize(length_width, num_keys);
    }
    const uint64_t lcps_size = BitsSize(lcp_width, num_keys - 1);
    const uint64_t first_codes_size = BitsSize(code_width, num_keys);
    if (lcps_size + lengths_size + first_codes_size >
        static_cast<uint64_t>(limit - p)) {
      return false;
    }
    lcps = p;
    lengths = lcps + lcps_size;
    first_codes = lengths + lengths_size;
    codes = first_codes + first_codes_size;
    const auto bytes = static_cast<uint64_t>(limit - codes);
    num_codes = code_width == 16 ? bytes / 2 : bytes * 8 / code_width;
    return true;
  }

  // REQUIRES: 0 < i < num_keys
  uint64_t LcpAt(uint32_t i) const {
    return uint64_t{lcp_base} + BitsAt(lcps, lcp_width, i - 1);
  }
  // REQUIRES: i < num_keys, and the coding is in symbols
  uint64_t LengthAt(uint32_t i) const {
    return uint64_t{length_base} + BitsAt(lengths, length_width, i);
  }

  static constexpr unsigned kMaxNumberWidth = 31;
};

}  // namespace key_trie
}  // namespace memkv
