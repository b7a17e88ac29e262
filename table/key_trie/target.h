// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A key that is sought in a key trie, laid out to be compared many times.
//
// A slice is the next 7 bytes of a string as a number that compares as they do:
// the first byte in the highest byte, zeros where the string has ended, and in
// the lowest byte how many there are, or kSliceGoesOn if there are more.
//
// Thread safety: immutable.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "table/key_trie/kernels.h"
#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

constexpr uint64_t kSliceBytes = 7;
constexpr uint64_t kSliceGoesOn = 8;
constexpr uint64_t kSliceLengthMask = 0xff;

// The slice of s from `at` on.
// REQUIRES: at <= s.size()
inline uint64_t SliceOf(std::string_view s, size_t at) {
  uint64_t slice = 0;
  const size_t rest = s.size() - at;
  for (size_t i = 0; i < kSliceBytes; ++i) {
    slice = slice << 8 | (i < rest ? static_cast<uint8_t>(s[at + i]) : 0);
  }
  return slice << 8 | (rest > kSliceBytes ? kSliceGoesOn : rest);
}

// The length of the longest common prefix of the bytes of two slices.
inline uint64_t CommonSlice(uint64_t a, uint64_t b) {
  const auto bytes = [](uint64_t slice) {
    const uint64_t length = slice & kSliceLengthMask;
    return length < kSliceBytes ? length : kSliceBytes;
  };
  const uint64_t differ = (a ^ b) & ~kSliceLengthMask;
  const uint64_t common =
      differ == 0 ? kSliceBytes
                  : static_cast<uint64_t>(__builtin_clzll(differ)) / 8;
  const uint64_t shorter = bytes(a) < bytes(b) ? bytes(a) : bytes(b);
  return common < shorter ? common : shorter;
}

class SoughtKey {
 public:
  // key must outlive the target.
  explicit SoughtKey(std::string_view key)
      : data_(reinterpret_cast<const uint8_t*>(key.data())), size_(key.size()) {
    // The empty key, which may be at no address, is not copied.
    if (size_ - 1 < kCopied) {
      memcpy(copy_, key.data(), size_);
      memset(copy_ + size_, 0, kOverread);
      data_ = copy_;
    }
  }
  SoughtKey(const SoughtKey&) = delete;
  SoughtKey& operator=(const SoughtKey&) = delete;

  size_t size() const { return size_; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  // REQUIRES: i < size()
  uint8_t operator[](size_t i) const { return data_[i]; }

  // The slice of the key from `at` on.
  // REQUIRES: at <= size()
  uint64_t SliceAt(size_t at) const {
#if defined(__GNUC__)
    if (data_ == copy_) {  // Zeros follow it.
      const size_t rest = size_ - at;
      return (__builtin_bswap64(LoadFixed64(data_ + at)) & ~kSliceLengthMask) |
             (rest < kSliceGoesOn ? rest : kSliceGoesOn);
    }
#endif
    return SliceOf({reinterpret_cast<const char*>(data_), size_}, at);
  }

  // The next eight bytes of the key, the first in the lowest byte; anything
  // where it has ended.
  // REQUIRES: at < size()
  uint64_t EightAt(size_t at) const {
    if (data_ == copy_ || size_ - at >= sizeof(uint64_t)) {
      return LoadFixed64(data_ + at);
    }
    uint8_t last[sizeof(uint64_t)] = {};
    memcpy(last, data_ + at, size_ - at);
    return LoadFixed64(last);
  }

  // The length of the common prefix of the key from `at` on and of bytes[0, n),
  // where kOverread bytes more may be read, at most the smaller of both
  // lengths.
  // REQUIRES: at <= size()
  size_t CommonPrefixAt(size_t at, const uint8_t* bytes, size_t n) const {
    n = n < size_ - at ? n : size_ - at;
    if (data_ == copy_) {
      return CommonPrefixPadded(bytes, data_ + at, n);
    }
    return CommonPrefix(bytes, data_ + at, n);
  }

  static constexpr size_t kOverread = 32;

 private:
  static constexpr size_t kCopied = 256;

  const uint8_t* data_;
  const size_t size_;
  // Behind the key, zeros that may be read, so that a piece of it is compared
  // in one step.
  uint8_t copy_[kCopied + kOverread];
};

}  // namespace key_trie
}  // namespace memkv
