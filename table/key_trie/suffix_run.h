// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The suffixes of several consecutive keys of a bucket, read together and laid
// one behind the other, for a cursor that will come to all of them.
//
// Read one by one, each suffix ends where the processor does not expect it.
// Here the codes of all of them are put in a row first, then the bytes that
// they name, and nothing on the way depends on where a suffix ends but its
// place.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) On hostile bytes nothing outside the padded section is read, and no more
//      than the keys whose codes are whole.
// (I2) Of each key, what SuffixCursor::Read() gives and where it ends.
//
// It takes some 14 KiB, whatever the bytes are.

#pragma once

#include <cstddef>
#include <cstdint>

#include "table/key_trie/bucket_search.h"

namespace memkv {
namespace key_trie {

class SuffixRun {
 public:
  static constexpr uint32_t kMaxKeys = 32;
  // Bytes before and behind each suffix that may be read.
  static constexpr size_t kAround = 128;

  // Reads the suffixes of the next n keys, from where `suffixes` is on. Returns
  // of how many; fewer if they do not fit or are corrupt.
  // REQUIRES: n <= kMaxKeys; the bucket has so many keys from there on
  uint32_t Read(const SuffixCursor& suffixes, uint32_t n);
  // The same one by one: what the other is tested with.
  uint32_t ReadSlow(SuffixCursor suffixes, uint32_t n);

  // REQUIRES for these: i < what was returned
  const uint8_t* BytesOf(uint32_t i) const {
    return bytes_ + kAround + BeginOf(i);
  }
  uint32_t LengthOf(uint32_t i) const { return ends_[i] - BeginOf(i); }
  // Where the codes of the next key but its first one start.
  uint64_t NextCodeOf(uint32_t i) const { return next_codes_[i]; }

 private:
  // Codes behind the first ones that are looked at: a few a key.
  static constexpr uint32_t kMaxOthers = 128;
  static constexpr uint32_t kFewOthers = 16;
  static constexpr uint32_t kOthersPerKey = 6;
  static constexpr uint32_t kOthersAtOnce = 8;
  static constexpr size_t kMaxBytes =
      (kMaxKeys + kMaxOthers) * Tokens::kMaxLength;

  uint32_t BeginOf(uint32_t i) const { return i == 0 ? 0 : ends_[i - 1]; }
  uint32_t ReadTokens(const SuffixCursor& suffixes, uint32_t n);
  // Puts the codes of the next n suffixes into row_.  Returns of how many keys
  // they are, and *size of them.
  uint32_t LineUp(const SuffixCursor& suffixes, uint32_t n, uint32_t* size);
  // Lists the places in others_[at, m) behind codes that end a key, at most
  // `most` of them.  Returns their number.
  uint32_t ListEnds(uint32_t m, uint32_t at, uint32_t most, uint32_t first_end,
                    uint8_t* pasts) const;

  uint32_t ends_[kMaxKeys];
  uint64_t next_codes_[kMaxKeys];
  uint16_t row_[kMaxKeys + kMaxOthers + kOthersAtOnce];
  // Unpacked 16 at a time, looked at 32 at a time.
  alignas(32) uint16_t others_[kMaxOthers + 32];
  uint8_t bytes_[kAround + kMaxBytes + kAround];
};

}  // namespace key_trie
}  // namespace memkv
