// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Writes the suffixes of keys in symbols: a code for each byte, its place among
// the bytes that occur, and none where all keys have the same byte
// (table/key_trie/fixed_bytes.h).  FORMAT.md, "Key trie", describes the bytes.
//
// A byte is looked at several times: for fixed bytes, for the symbols that the
// others are, and to be written.  So each of these takes 8 or 32 bytes at once
// where the processor can (util/simd.h).
//
// Thread safety: immutable after construction; const methods are thread-safe.
//
// Invariants:
// (I1) The same keys give the same symbols and the same bytes, whatever the
//      processor has.
// (I2) It takes less than a kilobyte, and refers to no key.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "table/key_trie/fixed_bytes.h"
#include "table/key_trie/format.h"
#include "table/key_trie/front_coded_keys.h"

namespace memkv {
namespace key_trie {

class SymbolEncoder {
 public:
  // The one that takes fewer bits: with fixed bytes, or without.  O(bytes).
  static SymbolEncoder Of(const FrontCodedKeys& keys);
  static SymbolEncoder WithoutFixedBytes(const FrontCodedKeys& keys);

  // Of a code, in bits.
  unsigned width() const { return width_; }
  // In the order of their codes; none if codes are bytes.
  const std::string& symbols() const { return symbols_; }
  // Whose bytes are fixed_bytes().
  const FixedBytes& fixed() const { return fixed_; }
  const std::string& fixed_bytes() const { return fixed_bytes_; }
  // Of all codes of the keys that it was made of.
  uint64_t code_bits() const { return codes_ * width_; }

  // Appends the codes of n keys' suffixes: the first one of each, and then the
  // others.  Bytes up to `limit` may be read.
  // REQUIRES: no suffix has a byte that those it was made of have not
  void Encode(const FrontCodedKey* keys, size_t n, const char* limit,
              std::string* out) const;
  // The same one by one: what the other is tested with.
  void EncodeSlow(const FrontCodedKey* keys, size_t n, std::string* out) const;

  // What is allocated beside the object, in bytes.
  size_t MemoryUsage() const {
    return symbols_.capacity() + fixed_bytes_.capacity();
  }

 private:
  SymbolEncoder() = default;

  // Finds the fixed bytes of the keys.  False if there are none.
  bool FindFixedBytes(const FrontCodedKeys& keys);
  // Sets the symbols: of what is not fixed.
  void SetSymbols(const FrontCodedKeys& keys);
  void SetRows();

  uint8_t CodeOf(char c) const { return code_of_[static_cast<uint8_t>(c)]; }
  void EncodeFirst(const FrontCodedKey* keys, size_t n, BitsWriter* bits) const;
  // REQUIRES: HasAvx2(); width() < 8
  void EncodeOthersAvx2(const FrontCodedKey* keys, size_t n, const char* limit,
                        BitsWriter* bits) const;

  unsigned width_ = 8;
  std::string symbols_;
  FixedBytes fixed_;  // of which fixed_bytes_ holds the bytes
  std::string fixed_bytes_;
  uint64_t codes_ = 0;
  uint64_t saved_codes_ = 0;  // by fixed bytes
  uint8_t code_of_[256] = {};
  // The high halves of symbols, each once: so many lines of 16 of code_of_ are
  // looked at.
  uint8_t num_rows_ = 0;
  uint8_t rows_[16] = {};
};

}  // namespace key_trie
}  // namespace memkv
