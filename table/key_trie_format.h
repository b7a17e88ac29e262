// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The shapes that the key trie's builder, reader, cursor and validator share.
// table/FORMAT.md is the description; this is its only code.
//
// Not for users of the dictionary: they include key_trie_builder.h,
// key_trie_reader.h and key_trie_cursor.h.
//
// Thread safety: pure functions and value types.
//
// Invariants:
// (I1) A Decode function reads nothing at or beyond its limit and reports
//      bytes that do not fit before anything is computed from them.
// (I2) Every decoded length is below 2^32 and every sum of them is taken in 64
//      bits, so no arithmetic wraps.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "table/trie_coding.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace memkv {

// The header, all fields little-endian:
//   0  1  encoding            kKeyTrieEncoding
//   1  1  reserved            0
//   2  2  keys a bucket       1 .. kMaxKeyTrieBucketKeys
//   4  4  number of keys      < 2^31
//   8  4  size of the bucket offsets
//  12  4  size of the top trie
//  16  4  size of the buckets
// The three sections follow in that order, and nothing after them.
constexpr uint8_t kKeyTrieEncoding = 1;
constexpr size_t kKeyTrieHeaderSize = 20;
constexpr uint32_t kMaxKeyTrieBucketKeys = 1024;
constexpr uint64_t kMaxKeyTrieKeys = (uint64_t{1} << 31) - 1;
constexpr uint64_t kMaxKeyTrieSize = (uint64_t{1} << 31) - 1;

// ---------------------------------------------------------------------------
// Bucket entries.  The header of an entry is one byte,
//   bits 0-2  z, the change of the LCP since the entry before (0 before the
//             first), zigzag coded (0, -1, 1, -2, 2 ...); 7: a varint32 of
//             z - 7 follows
//   bits 3-7  s, the length of the suffix; 31: a varint32 of s - 31 follows
//             (after that of z)

constexpr uint32_t kEntryLcpEscape = 7;
constexpr unsigned kEntrySuffixShift = 3;
constexpr uint32_t kEntrySuffixEscape = 31;

inline uint64_t ZigzagEncode(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}

inline int64_t ZigzagDecode(uint64_t z) {
  return static_cast<int64_t>(z >> 1) ^ -static_cast<int64_t>(z & 1);
}

// REQUIRES: lcp, previous_lcp and suffix_length are at most 2^31
inline void PutEntryHeader(std::string* out, uint64_t previous_lcp,
                           uint64_t lcp, uint64_t suffix_length) {
  const uint64_t z = ZigzagEncode(static_cast<int64_t>(lcp) -
                                  static_cast<int64_t>(previous_lcp));
  const bool long_lcp = z >= kEntryLcpEscape;
  const bool long_suffix = suffix_length >= kEntrySuffixEscape;
  const uint64_t byte =
      (long_lcp ? kEntryLcpEscape : z) |
      ((long_suffix ? kEntrySuffixEscape : suffix_length) << kEntrySuffixShift);
  out->push_back(static_cast<char>(byte));
  if (long_lcp) {
    PutVarint64(out, z - kEntryLcpEscape);
  }
  if (long_suffix) {
    PutVarint64(out, suffix_length - kEntrySuffixEscape);
  }
}

// One bucket's bytes: varint32 size of the headers, the headers of its keys,
// their suffixes.
struct KeyTrieBucket {
  const uint8_t* headers = nullptr;
  const uint8_t* suffixes = nullptr;  // where the headers end
  const uint8_t* end = nullptr;       // of the suffixes
  uint32_t num_keys = 0;
  // What the first key may share with the key before it: less than its
  // separator is long, and that is at most the size of the top trie.
  uint64_t max_head_lcp = 0;
};

// Walks the entries of a bucket, front to back.
class KeyTrieEntryStream {
 public:
  explicit KeyTrieEntryStream(const KeyTrieBucket& bucket)
      : header_(bucket.headers),
        headers_end_(bucket.suffixes),
        next_suffix_(bucket.suffixes),
        suffixes_end_(bucket.end),
        max_lcp_(bucket.max_head_lcp) {}

  // Decodes the next entry; false if it does not fit.  The caller counts:
  // at most num_keys calls.
  bool Next() {
    if (header_ >= headers_end_) {
      return false;
    }
    const uint32_t byte = *header_++;
    uint64_t z = byte & kEntryLcpEscape;
    uint64_t length = byte >> kEntrySuffixShift;
    if (z == kEntryLcpEscape && !GetEscape(&z)) {
      return false;
    }
    if (length == kEntrySuffixEscape && !GetEscape(&length)) {
      return false;
    }
    const int64_t lcp = static_cast<int64_t>(lcp_) + ZigzagDecode(z);
    // A negative LCP is huge as an unsigned number.
    if (static_cast<uint64_t>(lcp) > max_lcp_ ||
        length > static_cast<uint64_t>(suffixes_end_ - next_suffix_)) {
      return false;
    }
    lcp_ = static_cast<uint64_t>(lcp);
    suffix_length_ = length;
    max_lcp_ = lcp_ + length;
    next_suffix_ += length;
    return true;
  }

  // Of the entry decoded last:
  uint64_t lcp() const { return lcp_; }
  uint64_t suffix_length() const { return suffix_length_; }
  const uint8_t* suffix() const { return next_suffix_ - suffix_length_; }

  // Whether the entries decoded are all the bytes there are.
  bool AtEnd() const {
    return header_ == headers_end_ && next_suffix_ == suffixes_end_;
  }

 private:
  bool GetEscape(uint64_t* value) {
    uint32_t more = 0;
    header_ = GetVarint32(header_, headers_end_, &more);
    if (header_ == nullptr) {
      header_ = headers_end_;
      return false;
    }
    *value += more;
    return true;
  }

  const uint8_t* header_;
  const uint8_t* headers_end_;
  const uint8_t* next_suffix_;
  const uint8_t* suffixes_end_;
  uint64_t max_lcp_;  // the length of the key decoded last
  uint64_t lcp_ = 0;
  uint64_t suffix_length_ = 0;
};

// ---------------------------------------------------------------------------
// Nodes of the top trie, in preorder from the root.  A node is
//   1 byte   bits 0-2  length of the label; 7: a varint32 of the length - 7
//                      follows
//            bit  3    terminal: a separator ends here
//            bits 4-5  width of child offsets: 0 leaf, 1: 1, 2: 2, 3: 4 bytes
//            bits 6-7  width of child ranks, likewise
//   label
//   and unless it is a leaf
//   1 byte   number of children c, less 1
//   c bytes  the first byte of each child's branch, ascending
//   c - 1    offsets of the children after the first, from the end of the node
//   c - 1    ranks of the children after the first: the number of separators
//            that come before, counted from this node's own

constexpr uint32_t kTopLabelEscape = 7;
constexpr uint8_t kTopTerminalBit = 0x08;
constexpr unsigned kTopOffsetShift = 4;
constexpr unsigned kTopRankShift = 6;

// The width code for values up to max_value of a node that is not a leaf.
inline unsigned TopWidthCode(uint64_t max_value) {
  return max_value <= 0xff ? 1 : max_value <= 0xffff ? 2 : 3;
}

inline size_t TopWidth(unsigned code) { return (size_t{1} << code) >> 1; }

inline uint64_t LoadTopWidth(const uint8_t* p, unsigned code, size_t i) {
  return code == 1   ? p[i]
         : code == 2 ? LoadFixed16(p + i * 2)
                     : LoadFixed32(p + i * 4);
}

struct KeyTrieTopNode {
  const uint8_t* label = nullptr;
  uint32_t label_length = 0;
  bool terminal = false;
  uint32_t num_children = 0;  // 0: a leaf
  unsigned offset_code = 0;
  unsigned rank_code = 0;
  const uint8_t* bytes = nullptr;
  const uint8_t* offsets = nullptr;
  const uint8_t* ranks = nullptr;
  const uint8_t* end = nullptr;  // where the first child starts

  // False if [p, limit) does not start with a whole node.
  bool Decode(const uint8_t* p, const uint8_t* limit) {
    if (p >= limit) {
      return false;
    }
    const uint8_t head = *p++;
    label_length = head & kTopLabelEscape;
    terminal = (head & kTopTerminalBit) != 0;
    offset_code = (head >> kTopOffsetShift) & 3;
    rank_code = (head >> kTopRankShift) & 3;
    if (label_length == kTopLabelEscape) {
      uint32_t more = 0;
      p = GetVarint32(p, limit, &more);
      if (p == nullptr || more > kMaxKeyTrieSize) {
        return false;
      }
      label_length += more;
    }
    if (label_length > static_cast<size_t>(limit - p)) {
      return false;
    }
    label = p;
    p += label_length;
    if (offset_code == 0 || rank_code == 0) {
      num_children = 0;
      end = p;
      return offset_code == rank_code && terminal;
    }
    if (p >= limit) {
      return false;
    }
    num_children = uint32_t{*p++} + 1;
    const size_t offsets_size = (num_children - 1) * TopWidth(offset_code);
    const size_t ranks_size = (num_children - 1) * TopWidth(rank_code);
    if (num_children + offsets_size + ranks_size >
        static_cast<size_t>(limit - p)) {
      return false;
    }
    bytes = p;
    offsets = bytes + num_children;
    ranks = offsets + offsets_size;
    end = ranks + ranks_size;
    return true;
  }

  // REQUIRES for the next two: i < num_children
  uint64_t ChildOffset(uint32_t i) const {
    return i == 0 ? 0 : LoadTopWidth(offsets, offset_code, i - 1);
  }
  uint64_t ChildRank(uint32_t i) const {
    return i == 0 ? terminal : LoadTopWidth(ranks, rank_code, i - 1);
  }

  // The number of children whose first byte is <= byte.
  uint32_t CountLessEqual(uint8_t byte, const uint8_t* limit) const {
#if defined(__SSE2__)
    if (num_children <= 16 && limit - bytes >= 16) {
      const __m128i all =
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
      // max(x, byte) == byte exactly where x <= byte.
      const __m128i probe = _mm_set1_epi8(static_cast<char>(byte));
      const __m128i le = _mm_cmpeq_epi8(_mm_max_epu8(all, probe), probe);
      const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(le)) &
                            ((1u << num_children) - 1);
      return static_cast<uint32_t>(__builtin_popcount(mask));
    }
#else
    (void)limit;
#endif
    uint32_t low = 0;
    for (uint32_t n = num_children; n > 0;) {
      const uint32_t half = n / 2;
      if (bytes[low + half] <= byte) {
        low += half + 1;
        n -= half + 1;
      } else {
        n = half;
      }
    }
    return low;
  }

  // The last child whose rank is <= rank.
  // REQUIRES: num_children > 0 and ChildRank(0) <= rank
  uint32_t ChildOfRank(uint64_t rank) const {
    uint32_t low = 0;
    for (uint32_t n = num_children; n > 1;) {
      const uint32_t half = n / 2;
      if (ChildRank(low + half) <= rank) {
        low += half;
        n -= half;
      } else {
        n = half;
      }
    }
    return low;
  }
};

}  // namespace memkv
