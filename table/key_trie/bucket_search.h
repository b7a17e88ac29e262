// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Inside a bucket of a key trie: what is unpacked of it to be searched, and a
// walk over the codes of its suffixes.  For the reader, the cursor and the
// validator.
//
// Thread safety: value types; one thread at a time each.
//
// Invariants:
// (I1) On hostile bytes a walk ends, reads nothing outside the padded section,
//      and reports what does not fit.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "table/key_trie/fixed_bytes.h"
#include "table/key_trie/format.h"
#include "table/key_trie/target.h"
#include "table/key_trie/tokens.h"
#include "util/simd.h"

namespace memkv {
namespace key_trie {

// What every bucket of a key trie has in common.
struct SuffixCoding {
  Coding coding = kSymbols;
  unsigned width = 8;
  // The bytes that codes name, or nullptr if they are bytes themselves.  Codes
  // from num_symbols on name nothing.
  const uint8_t* symbols = nullptr;
  uint32_t num_symbols = 0;
  FixedBytes fixed;  // of symbols
  const Tokens* tokens = nullptr;

  // The first codes of suffixes that begin with `byte`.
  Tokens::CodeRange CodesFor(uint8_t byte) const {
    return coding == kTokenCodes ? tokens->CodesFor(byte) : SymbolsFor(byte);
  }
  Tokens::CodeRange SymbolsFor(uint8_t byte) const;

  // The symbol of a code, 0 if it names none; and of eight codes from the i-th
  // at p on, the first in the lowest byte.
  // REQUIRES: coding is kSymbols, and for eight of them symbols != nullptr
  uint8_t SymbolOf(uint32_t code) const {
    return symbols == nullptr   ? static_cast<uint8_t>(code)
           : code < num_symbols ? symbols[code]
                                : 0;
  }
  uint64_t EightSymbols(const uint8_t* p, uint64_t i) const {
    return HasAvx2() ? EightSymbolsAvx2(p, i) : EightSymbolsSlow(p, i);
  }
  uint64_t EightSymbolsSlow(const uint8_t* p, uint64_t i) const;
  // REQUIRES: HasAvx2()
  uint64_t EightSymbolsAvx2(const uint8_t* p, uint64_t i) const;
};

// A bucket's LCPs and first codes, unpacked.
class UnpackedBucket {
 public:
  // REQUIRES: bucket.num_keys <= kMaxBucketKeys
  void Unpack(const SuffixCoding& codes, const Bucket& bucket);

  // REQUIRES for both: i < the bucket's number of keys
  uint64_t LcpAt(uint32_t i) const {
    return i == 0 ? head_lcp_
                  : base_ + uint64_t{narrow_ ? narrow_lcps_[i] : wide_lcps_[i]};
  }
  uint32_t FirstCodeAt(uint32_t i) const { return first_codes_[i]; }

  // The first key i > after that is not smaller for sure than one that shares
  // lcp bytes with key `after` and goes on with `byte`, or ends there if byte
  // is negative: LcpAt(i) < lcp, or LcpAt(i) == lcp and its suffix begins with
  // `byte` or a greater one.  The number of keys if there is none.
  uint32_t Next(const SuffixCoding& codes, uint32_t after, uint64_t lcp,
                int byte) const;
  // The same, one after the other: what the other is tested with.
  uint32_t NextSlow(const SuffixCoding& codes, uint32_t after, uint64_t lcp,
                    int byte) const;

  // With symbols: how many codes, not counting the first ones, the suffixes of
  // keys [begin, end) have; negative, or too many, if the bytes are corrupt.
  int64_t SymbolsIn(const SuffixCoding& codes, const Bucket& bucket,
                    uint32_t begin, uint32_t end) const;

  // With tokens: how many of the keys [begin, end) do not end with their first
  // code.
  uint32_t NotEndedIn(uint32_t begin, uint32_t end) const {
    return RankNotEnded(end) - RankNotEnded(begin);
  }

 private:
  uint32_t RankNotEnded(uint32_t i) const {
    const uint64_t mask = (uint64_t{1} << (i % 64)) - 1;
    return i < 64
               ? Count(not_ended_[0] & mask)
               : Count(not_ended_[0]) + (i < 128 ? Count(not_ended_[1] & mask)
                                                 : Count(not_ended_[1]));
  }
  static uint32_t Count(uint64_t bits) {
    return static_cast<uint32_t>(__builtin_popcountll(bits));
  }

  static constexpr uint32_t kKeys = kMaxBucketKeys;

  uint32_t num_keys_ = 0;
  uint64_t head_lcp_ = 0;
  uint64_t base_ = 0;
  // Whether LCPs less the base fit into a byte.
  bool narrow_ = true;
  // [i] belongs to key i; [0] is not used.  Unpacked eight at a time, read 32
  // at a time.
  alignas(32) uint8_t narrow_lcps_[kKeys + 32];
  // With tokens: bit i belongs to key i.
  uint64_t not_ended_[2] = {0, 0};
  // With symbols, if they fit: [i] is the length of key i less the base.
  bool narrow_lengths_fit_ = false;
  alignas(32) uint8_t narrow_lengths_[kKeys + 32];
  alignas(32) uint16_t first_codes_[kKeys + 32];
  uint32_t wide_lcps_[kKeys];
};

// A place among the codes of a bucket that moves forward over its suffixes.
class SuffixCursor {
 public:
  SuffixCursor() = default;
  // The heads are the bucket's.
  SuffixCursor(const SuffixCoding& codes, const Bucket& bucket,
               const UnpackedBucket& heads)
      : codes_(&codes), bucket_(&bucket), heads_(&heads) {}

  // The key whose suffix is here, and where its codes but the first start.
  uint32_t index() const { return index_; }
  uint64_t code() const { return code_; }
  const SuffixCoding& codes() const { return *codes_; }
  const Bucket& bucket() const { return *bucket_; }
  const UnpackedBucket& heads() const { return *heads_; }
  // Moves to a place seen before.
  void Set(uint32_t index, uint64_t code) {
    index_ = index;
    code_ = code;
  }

  // Moves to the suffix of key `index`.  False if there is none (I1).
  // REQUIRES: this->index() <= index < the bucket's number of keys
  [[nodiscard]] bool GoTo(uint32_t index);

  // Moves to the suffix of key `index`, if that is needed, and compares it with
  // target from `at` on: *common is the length of their common prefix, *order
  // is negative, zero or positive as the suffix is smaller, equal or greater.
  // False if it does not fit (I1).
  // REQUIRES: as GoTo; at <= target.size()
  [[nodiscard]] bool Compare(uint32_t index, const SoughtKey& target, size_t at,
                             size_t* common, int* order);

  // With symbols, whether the suffix here has at most `most` bytes; with
  // tokens, whose number says nothing of bytes, true.
  bool LengthAtMost(uint64_t most) const {
    return codes_->coding != kSymbols ||
           bucket_->LengthAt(index_) <= heads_->LcpAt(index_) + most;
  }
  // Whether all codes of the suffix here name something.
  // REQUIRES: it can be read
  bool NamesOnly() const;

  // Calls write(n), which gives room for n + Tokens::kMaxLength bytes at
  // the end of a buffer as a char*, and takes n of them; once or several times,
  // for the suffix here.  Moves to the next one.
  template <class Write>
  bool Read(Write write);

 private:
  uint32_t CodeAt(uint64_t i) const {
    return BitsAt(bucket_->codes, codes_->width, i);
  }
  // With symbols: the length of the suffix here, and how many codes it has
  // behind the first.  False if it does not fit (I1).
  bool SymbolsHere(uint64_t* length, uint64_t* behind) const {
    const uint64_t lcp = heads_->LcpAt(index_);
    const uint64_t key_length = bucket_->LengthAt(index_);
    if (key_length < lcp) {
      return false;
    }
    *length = key_length - lcp;
    *behind = codes_->fixed.CodesBehindFirst(lcp, key_length);
    return *behind <= bucket_->num_codes - code_;
  }
  // With symbols and fixed bytes: writes the suffix here but its first byte to
  // out + 1.  Up to 7 bytes more are written.
  void ReadAroundFixed(uint64_t length, char* out) const;
  // REQUIRES: HasAvx2(); at most 16 symbols
  void ReadAroundFixedAvx2(uint64_t length, char* out) const;
  [[nodiscard]] bool CompareSymbols(uint32_t index, const SoughtKey& target,
                                    size_t at, size_t* common, int* order);

  const SuffixCoding* codes_ = nullptr;
  const Bucket* bucket_ = nullptr;
  const UnpackedBucket* heads_ = nullptr;
  uint32_t index_ = 0;
  uint64_t code_ = 0;  // <= bucket_->num_codes
};

template <class Write>
bool SuffixCursor::Read(Write write) {
  if (codes_->coding == kSymbols) {
    uint64_t length = 0;
    uint64_t behind = 0;
    if (!SymbolsHere(&length, &behind)) {
      return false;
    }
    if (length > 0) {
      char* const out = write(length);
      out[0] = static_cast<char>(codes_->SymbolOf(heads_->FirstCodeAt(index_)));
      if (codes_->symbols == nullptr) {
        memcpy(out + 1, bucket_->codes + code_, length - 1);
      } else if (codes_->fixed.empty()) {
        for (uint64_t i = 1; i < length; i += 8) {
          StoreFixed64(reinterpret_cast<uint8_t*>(out + i),
                       codes_->EightSymbols(bucket_->codes, code_ + i - 1));
        }
      } else {
        ReadAroundFixed(length, out);
      }
      code_ += behind;
    }
    ++index_;
    return true;
  }
  const Tokens& tokens = *codes_->tokens;
  uint32_t code = heads_->FirstCodeAt(index_);
  for (;;) {
    const uint32_t length = tokens.LengthOf(code);
    const uint8_t* const bytes = tokens.BytesOf(code);
    char* const out = write(length);
    memcpy(out, bytes, 16);
    if (length > 16) {
      memcpy(out + 16, bytes + 16, Tokens::kMaxLength - 16);
    }
    if (code >= tokens.first_end()) {
      ++index_;
      return true;
    }
    if (code_ >= bucket_->num_codes) {
      return false;
    }
    code = CodeAt(code_++);
  }
}

// Where a key belongs in a bucket.
struct BucketPosition {
  uint32_t index = 0;  // keys of the bucket that are < the key sought
  bool equal = false;  // whether the key at index is the key sought
  // What the key sought has in common with the key before index, and with the
  // one at index if that is in the bucket.
  uint64_t lcp_before = 0;
  uint64_t lcp_at = 0;
  uint32_t comparisons = 0;  // of suffixes
};

// Of the keys in turn, with m what key shares with the one before, which is
// smaller: an LCP > m says that the next one is smaller where that was; an LCP
// < m that it is greater; with an LCP = m its suffix is compared with key from
// m on, first of all by its first byte, and m grows by what agrees.
// UnpackedBucket::Next finds the next one that is not smaller for sure, all at
// once.
//
// Finds the place of key in a bucket whose separator is the greatest one <=
// key. matched is the length of their common prefix.  Leaves suffixes, which
// must be at the first key, not beyond the index.  False if the bytes are
// corrupt.
[[nodiscard]] bool FindInBucket(const SoughtKey& key, uint64_t matched,
                                const SuffixCoding& codes, const Bucket& bucket,
                                const UnpackedBucket& heads,
                                const PrefetchHint& beside,
                                SuffixCursor* suffixes, BucketPosition* place);

}  // namespace key_trie
}  // namespace memkv
