// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// An immutable array of uint64 values packed at one fixed bit width above a
// common base.  An array of equal values vanishes into its two-byte head.
//
// It is not a compressed integer sequence (no deltas, no Elias-Fano): element
// i is one or two shifts away from one unaligned load.
//
//   offset  size               what
//   0       1                  width w in bits, 0..64
//   1       1..10              base, varint64: the smallest element
//   ...     ceil(n * w / 8)    element i - base in bits [i*w, (i+1)*w), bit 0
//                              being the lowest bit of the first byte; bits
//                              after the last element are zero
//
// The number of elements n is not stored: the owner knows it.
//
// Thread safety: Encode is pure.  A PackedArrayView is a value; its const
// methods are thread-safe, and the bytes must outlive it.
//
// Invariants:
// (I1) No access reads outside the bytes that Open consumed.
// (I2) w is the smallest width that holds max - min, base is the minimum and
//      padding is zero, so that one array has one encoding.  Open does not
//      look (it is O(1)); Validate does.
//
// Known weakness: one outlier widens every element.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/trie_coding.h"

namespace memkv {

class PackedArrayBuilder {
 public:
  // Appends the encoding of v[0, n) to *out.
  // REQUIRES: n <= PackedArrayView::kMaxElements
  static void Encode(const uint64_t* v, size_t n, std::string* out);
  // The size of an encoding of n elements between min and max, which occur.
  static size_t EncodedSize(uint64_t min, uint64_t max, size_t n);
};

class PackedArrayView {
 public:
  static constexpr size_t kMaxElements = UINT32_MAX;

  // An array of no elements.
  PackedArrayView() = default;

  // Reads the head of an array of n elements that starts at data[0] and sets
  // *consumed to the number of bytes the array takes (data may be longer).
  // False, with *out and *consumed untouched, if the width is over 64, the
  // head is malformed, data is too short, or n > kMaxElements.
  [[nodiscard]] static bool Open(std::string_view data, size_t n,
                                 PackedArrayView* out, size_t* consumed);
  // Opens the array that *rest begins with, and takes it off *rest.  False,
  // with both untouched, as Open().
  [[nodiscard]] static bool Take(std::string_view* rest, size_t n,
                                 PackedArrayView* out) {
    size_t used = 0;
    if (!Open(*rest, n, out, &used)) return false;
    rest->remove_prefix(used);
    return true;
  }

  size_t size() const { return num_elements_; }
  // Of element i, to the byte.
  // REQUIRES: i < size()
  const uint8_t* AddressOf(size_t i) const { return bits_ + i * width_ / 8; }

  // Asks for its first lines, which may be all.
  void Prefetch() const { PrefetchLines(bits_, num_bytes_, kPrefetched); }
  // Asks for element i.  REQUIRES: i < size()
  void PrefetchElement(size_t i) const { PrefetchLines(AddressOf(i), 1, 1); }
  unsigned width() const { return width_; }
  // Whether all elements are equal for sure: they take no bits.
  bool constant() const { return width_ == 0; }

  // No element is greater.
  uint64_t limit() const {
    const uint64_t range =
        width_ < 64 ? (uint64_t{1} << width_) - 1 : UINT64_MAX;
    return base_ > UINT64_MAX - range ? UINT64_MAX : base_ + range;
  }

  // REQUIRES: i < size()
  uint64_t operator[](size_t i) const {
    const size_t bit = i * width_;
    if (width_ > kMaxFastWidth || num_bytes_ < sizeof(uint64_t)) {
      return base_ + SlowElement(bit);
    }
    // One load always covers the element: either it starts in the byte the
    // element starts in (7 + 57 = 64 bits), or it ends where the array ends.
    const size_t last_start = num_bytes_ - sizeof(uint64_t);
    const size_t start = bit / 8 < last_start ? bit / 8 : last_start;
    const uint64_t word = LoadFixed64(bits_ + start) >> (bit - start * 8);
    return base_ + (word & ((uint64_t{1} << width_) - 1));
  }

  // Checks (I2) in O(n).  On failure sets *reason to one sentence.
  [[nodiscard]] bool Validate(std::string* reason) const;

 private:
  static constexpr unsigned kMaxFastWidth = 57;
  static constexpr size_t kPrefetched = 8;  // lines

  uint64_t SlowElement(size_t bit) const;

  const uint8_t* bits_ = nullptr;
  uint64_t base_ = 0;
  size_t num_bytes_ = 0;
  uint32_t num_elements_ = 0;
  uint8_t width_ = 0;
};
// Half a line: segments in the block cache have several.
static_assert(sizeof(PackedArrayView) <= 32, "half a line");

}  // namespace memkv
