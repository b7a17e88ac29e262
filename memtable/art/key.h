// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtKey: a key as the adaptive radix tree sees it, and how two of them
// compare. It is a view; it owns nothing and knows no RocksDB type.
//
// An encoded entry is
//
//   varint32 internal_key_size | user key | fixed64 LE tag | anything
//
// with tag = sequence << 8 | type. The tree orders entries by user key and
// then by sequence, descending; the type takes no part. It does so by reading
// a key as a string of symbols, each of which has a *depth*, its position:
//
//   bytewise            byte i of the user key has depth i; a key that has
//   ended
//                       has the symbol END there, which sorts before all bytes
//   reverse bytewise    two depths a byte: at 2i, whether the key has ended
//                       (0 or 1); at 2i + 1, the complement of byte i. So a
//                       key that ends where another goes on comes after it
//   both, behind that   7 bytes of ~sequence, most significant first, at
//                       kArtVersionDepth and up: newer entries come first
//
// In both orders symbols ascend as the tree's order does.
//
// Thread safety: const methods only; the bytes pointed at must not change.

#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {

enum class ArtOrder : uint8_t { kBytewise, kReverseBytewise };

using ArtDepth = int64_t;

// The depth of the first version byte: above those of all user key bytes.
constexpr ArtDepth kArtVersionDepth = ArtDepth{1} << 34;
constexpr int kArtVersionBytes = 7;
// What ArtKey::Diverge returns for keys that are equal.
constexpr ArtDepth kArtEqualDepth = kArtVersionDepth + kArtVersionBytes;

// A symbol is a byte, 0..255, or END.
constexpr int kArtEndSymbol = -1;

// The largest sequence number a tag has room for.
constexpr uint64_t kArtMaxSequence = (uint64_t{1} << 56) - 1;

// Whether a and b agree in n bytes. No branch but on n and, in the end, on the
// answer: so that a processor that guesses the answer has nothing else to wait
// for when `b` is slow to arrive.
inline bool ArtEqual(const uint8_t* a, const uint8_t* b, size_t n) {
  const auto differ = [a, b](size_t at) {
    return LoadFixed64(a + at) ^ LoadFixed64(b + at);
  };
  if (n < 8) {
    uint8_t x = 0;
    for (size_t i = 0; i < n; ++i) {
      x = static_cast<uint8_t>(x | (a[i] ^ b[i]));
    }
    return x == 0;
  }
  uint64_t x = differ(n - 8);
  for (size_t i = 0; i + 8 < n; i += 8) {
    x |= differ(i);
  }
  return x == 0;
}

class ArtKey {
 public:
  ArtKey(const char* user_key, size_t user_size, uint64_t sequence,
         ArtOrder order)
      : data_(reinterpret_cast<const uint8_t*>(user_key)),
        version_(~(sequence << 8) & ~uint64_t{0xff}),
        size_(static_cast<uint32_t>(user_size)),
        order_(order) {
    assert(user_size == size_);
    assert(sequence <= kArtMaxSequence);
  }

  // The key of an encoded entry (the bytes behind the tag are not read).
  ArtKey(const char* entry, ArtOrder order) : order_(order) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(entry);
    uint32_t internal_size = *p++;
    if (internal_size >= 0x80) {
      internal_size &= 0x7f;
      for (int shift = 7; shift < 35; shift += 7) {
        const uint32_t byte = *p++;
        internal_size |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
          break;
        }
      }
    }
    assert(internal_size >= 8);
    data_ = p;
    size_ = internal_size - 8;
    version_ = ~LoadFixed64(p + size_) & ~uint64_t{0xff};
  }

  const char* user_key() const { return reinterpret_cast<const char*>(data_); }
  const uint8_t* data() const { return data_; }
  size_t user_size() const { return size_; }
  uint64_t sequence() const { return ~version_ >> 8; }
  ArtOrder order() const { return order_; }

  // The 7 version bytes at the top, a zero byte at the bottom. A newer entry
  // has a smaller version.
  uint64_t version() const { return version_; }

  // Any depth may be asked for: behind the end of the user key there is END.
  int SymbolAt(ArtDepth depth) const {
    if (depth >= kArtVersionDepth) {
      // A racing reader may take any number for a depth.
      const ArtDepth byte = depth - kArtVersionDepth;
      return byte < kArtVersionBytes
                 ? static_cast<int>(version_ >> (56 - 8 * byte)) & 0xff
                 : kArtEndSymbol;
    }
    const size_t at = static_cast<size_t>(depth);
    if (order_ == ArtOrder::kBytewise) {
      return at < size_ ? data_[at] : kArtEndSymbol;
    }
    if (at / 2 >= size_) {
      return at == 2 * user_size() ? 1 : kArtEndSymbol;
    }
    return at % 2 == 0 ? 0 : 255 - data_[at / 2];
  }

  bool SameUserKey(const ArtKey& other) const {
    return size_ == other.size_ && ArtEqual(data_, other.data_, size_);
  }

  // The depth of the first symbol in which the keys differ, kArtEqualDepth if
  // there is none. REQUIRES: both keys are of one order.
  ArtDepth Diverge(const ArtKey& other) const {
    const size_t shorter = std::min(size_, other.size_);
    const size_t common = CommonPrefix(data_, other.data_, shorter);
    if (common < shorter || size_ != other.size_) {
      const ArtDepth depth = static_cast<ArtDepth>(common);
      if (order_ == ArtOrder::kBytewise) {
        return depth;
      }
      return common < shorter ? 2 * depth + 1 : 2 * depth;
    }
    const uint64_t differ = version_ ^ other.version_;
    return differ == 0 ? kArtEqualDepth
                       : kArtVersionDepth + __builtin_clzll(differ) / 8;
  }

  // True if this key comes before the other, which it differs from first at
  // `depth`.
  bool LessAt(ArtDepth depth, const ArtKey& other) const {
    return SymbolAt(depth) < other.SymbolAt(depth);
  }

 private:
  const uint8_t* data_;
  uint64_t version_;
  uint32_t size_;
  ArtOrder order_;
};

}  // namespace memkv
