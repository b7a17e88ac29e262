// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/packed_array.h"

namespace memkv {

namespace {

constexpr unsigned kMaxWidth = 64;

}  // namespace

size_t PackedArrayBuilder::EncodedSize(uint64_t min, uint64_t max, size_t n) {
  const size_t width = BitWidth(max - min);
  // n < 2^32 elements of 64 bits at most: no overflow.
  return 1 + VarintLength(n > 0 ? min : 0) + (n * width + 7) / 8;
}

void PackedArrayBuilder::Encode(const uint64_t* v, size_t n, std::string* out) {
  uint64_t base = n > 0 ? v[0] : 0;
  uint64_t max = base;
  for (size_t i = 1; i < n; ++i) {
    base = v[i] < base ? v[i] : base;
    max = v[i] > max ? v[i] : max;
  }
  const unsigned width = BitWidth(max - base);
  out->push_back(static_cast<char>(width));
  PutVarint64(out, base);
  if (width == 0) {
    return;
  }
  uint64_t pending = 0;  // The low pending_bits bits await a full word.
  unsigned pending_bits = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t delta = v[i] - base;
    pending |= delta << pending_bits;
    if (pending_bits + width < kMaxWidth) {
      pending_bits += width;
      continue;
    }
    PutFixed(out, pending, sizeof(pending));
    const unsigned written = kMaxWidth - pending_bits;
    pending = written == kMaxWidth ? 0 : delta >> written;
    pending_bits = width - written;
  }
  PutFixed(out, pending, (pending_bits + 7) / 8);
}

bool PackedArrayView::Open(std::string_view data, size_t n,
                           PackedArrayView* out, size_t* consumed) {
  const auto* begin = reinterpret_cast<const uint8_t*>(data.data());
  const auto* limit = begin + data.size();
  if (data.empty() || begin[0] > kMaxWidth) {
    return false;
  }
  const unsigned width = begin[0];
  uint64_t base = 0;
  const uint8_t* bits = GetVarint64(begin + 1, limit, &base);
  if (bits == nullptr || n > kMaxElements) {
    return false;
  }
  const size_t num_bits = n * width;
  const size_t num_bytes = num_bits / 8 + (num_bits % 8 != 0);
  if (num_bytes > static_cast<size_t>(limit - bits)) {
    return false;
  }
  out->bits_ = bits;
  out->num_bytes_ = num_bytes;
  out->num_elements_ = static_cast<uint32_t>(n);
  out->base_ = base;
  out->width_ = static_cast<uint8_t>(width);
  *consumed = static_cast<size_t>(bits - begin) + num_bytes;
  return true;
}

uint64_t PackedArrayView::SlowElement(size_t bit) const {
  uint64_t value = 0;
  for (unsigned done = 0; done < width_;) {
    const size_t at = bit + done;
    const unsigned skip = at % 8;
    value |= static_cast<uint64_t>(bits_[at / 8] >> skip) << done;
    done += 8 - skip;
  }
  return width_ == kMaxWidth ? value : value & ((uint64_t{1} << width_) - 1);
}

bool PackedArrayView::Validate(std::string* reason) const {
  uint64_t min_delta = num_elements_ > 0 ? UINT64_MAX : 0;
  uint64_t all_deltas = 0;
  for (size_t i = 0; i < num_elements_; ++i) {
    const uint64_t delta = (*this)[i] - base_;
    min_delta = delta < min_delta ? delta : min_delta;
    all_deltas |= delta;
    if (base_ + delta < base_) {
      *reason =
          "packed array: element " + std::to_string(i) + " overflows 64 bits";
      return false;
    }
  }
  if (min_delta != 0 || (num_elements_ == 0 && base_ != 0)) {
    *reason = "packed array: the base is not the smallest element (I2)";
    return false;
  }
  if (BitWidth(all_deltas) != width_) {
    *reason = "packed array: width " + std::to_string(width_) + " where " +
              std::to_string(BitWidth(all_deltas)) + " is enough (I2)";
    return false;
  }
  const size_t num_bits = size_t{num_elements_} * width_;
  if (num_bits % 8 != 0 && bits_[num_bytes_ - 1] >> (num_bits % 8) != 0) {
    *reason = "packed array: the bits after the last element are not zero (I2)";
    return false;
  }
  return true;
}

}  // namespace memkv
