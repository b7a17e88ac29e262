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
// a key as a string of symbols:
//
//   user key bytes, END, 7 bytes of ~sequence, most significant first
//
// where END sorts before every byte. The symbols before and including END are
// the *user space*, the 7 bytes are the *version space*. The position of a
// symbol is its *rank*: the byte's index in user space (END has the rank of
// the user key's size), kArtVersionRank + index in version space. So ranks
// increase along a key, and one integer says in which space a position lies.
//
// Thread safety: const methods only; the bytes pointed at must not change.

#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace memkv {

using ArtRank = int64_t;

// Below every rank: the position of the tree's root pseudo-node.
constexpr ArtRank kArtRootRank = -1;
// The rank of the first version byte.
constexpr ArtRank kArtVersionRank = ArtRank{1} << 32;
constexpr int kArtVersionBytes = 7;
// What ArtKey::Diverge returns for keys that are equal.
constexpr ArtRank kArtEqualRank = kArtVersionRank + kArtVersionBytes;

// A symbol is a byte, 0..255, or END.
constexpr int kArtEndSymbol = -1;

// The largest sequence number a tag has room for.
constexpr uint64_t kArtMaxSequence = (uint64_t{1} << 56) - 1;

inline uint64_t ArtLoadLittleEndian64(const uint8_t* p) {
  uint64_t v;
  memcpy(&v, p, sizeof(v));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

// The number of leading bytes, at most n, in which a and b agree.
// REQUIRES: they agree in the first `from` bytes; from <= n.
inline size_t ArtCommonPrefix(const uint8_t* a, const uint8_t* b, size_t from,
                              size_t n) {
  size_t i = from;
  for (; i + 8 <= n; i += 8) {
    const uint64_t diff =
        ArtLoadLittleEndian64(a + i) ^ ArtLoadLittleEndian64(b + i);
    if (diff != 0) {
      return i + static_cast<size_t>(__builtin_ctzll(diff)) / 8;
    }
  }
  while (i < n && a[i] == b[i]) {
    ++i;
  }
  return i;
}

// A descent knows that the key agrees, in all ranks below `verified`, with the
// entries below a node of rank `rank`, and follows the slot of the key's
// symbol: the same, for the entries below that slot. Behind END there are
// versions only.
inline ArtRank ArtVerifiedBehind(int symbol, ArtRank rank, ArtRank verified) {
  if (verified != rank) {
    return verified;
  }
  return symbol == kArtEndSymbol ? kArtVersionRank : rank + 1;
}

class ArtKey {
 public:
  ArtKey(const char* user_key, size_t user_size, uint64_t sequence)
      : data_(reinterpret_cast<const uint8_t*>(user_key)),
        size_(user_size),
        version_(~(sequence << 8) & ~uint64_t{0xff}),
        head_(LoadHead(data_, size_)) {
    assert(static_cast<ArtRank>(user_size) < kArtVersionRank);
    assert(sequence <= kArtMaxSequence);
  }

  // The key of an encoded entry (the bytes behind the tag are not read).
  explicit ArtKey(const char* entry) {
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
    version_ = ~ArtLoadLittleEndian64(p + size_) & ~uint64_t{0xff};
    // The tag behind the user key makes 8 bytes readable at any size.
    head_ = ArtLoadLittleEndian64(p) & LowBytes(size_);
  }

  const char* user_key() const { return reinterpret_cast<const char*>(data_); }
  size_t user_size() const { return size_; }
  uint64_t sequence() const { return ~version_ >> 8; }

  // The 7 version bytes at the top, a zero byte at the bottom. A newer entry
  // has a smaller version.
  uint64_t version() const { return version_; }

  // The `count` (at most 8) user key bytes before `level`, as a little-endian
  // number. REQUIRES: level <= user_size(); count == min(8, level).
  uint64_t UserWindow(uint32_t level) const {
    return level >= 8 ? ArtLoadLittleEndian64(data_ + level - 8)
                      : head_ & LowBytes(level);
  }

  // The first `level` version bytes, in place; zero behind.
  uint64_t VersionWindow(uint32_t level) const {
    return level == 0 ? 0 : version_ & (~uint64_t{0} << (64 - 8 * level));
  }

  // REQUIRES: level <= user_size().
  int UserSymbol(uint32_t level) const {
    return level < size_ ? data_[level] : kArtEndSymbol;
  }

  // REQUIRES: level < kArtVersionBytes.
  int VersionSymbol(uint32_t level) const {
    return static_cast<int>(version_ >> (56 - 8 * level)) & 0xff;
  }

  // REQUIRES: rank is that of a symbol of this key.
  int SymbolAt(ArtRank rank) const {
    return rank >= kArtVersionRank
               ? VersionSymbol(static_cast<uint32_t>(rank - kArtVersionRank))
               : UserSymbol(static_cast<uint32_t>(rank));
  }

  bool SameUserKey(const ArtKey& other) const {
    return size_ == other.size_ &&
           (size_ == 0 || memcmp(data_, other.data_, size_) == 0);
  }

  // The rank of the first symbol in which the keys differ, kArtEqualRank if
  // there is none. Both keys have a symbol at that rank, unless equal.
  // REQUIRES: all symbols with a rank below `from` are equal.
  ArtRank Diverge(const ArtKey& other, ArtRank from) const {
    if (from < kArtVersionRank) {
      const size_t shorter = std::min(size_, other.size_);
      const size_t common = ArtCommonPrefix(
          data_, other.data_, std::min(static_cast<size_t>(from), shorter),
          shorter);
      if (common < shorter || size_ != other.size_) {
        return static_cast<ArtRank>(common);
      }
    }
    const uint64_t diff = version_ ^ other.version_;
    return diff == 0 ? kArtEqualRank
                     : kArtVersionRank + __builtin_clzll(diff) / 8;
  }

 private:
  // A mask of the lowest min(8, n) bytes.
  static uint64_t LowBytes(size_t n) {
    return n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
  }

  static uint64_t LoadHead(const uint8_t* data, size_t size) {
    uint8_t bytes[8] = {};
    if (size > 0) {
      memcpy(bytes, data, std::min<size_t>(size, sizeof(bytes)));
    }
    return ArtLoadLittleEndian64(bytes);
  }

  const uint8_t* data_;
  size_t size_;
  uint64_t version_;
  uint64_t head_;
};

}  // namespace memkv
