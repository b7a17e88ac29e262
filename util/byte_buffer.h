// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A string of bytes that grows by short pieces, some millions of them: where
// std::string::append would call two functions for each, a piece of up to 64
// bytes is copied in line.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace memkv {

class ByteBuffer {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // What is allocated, in bytes.
  size_t capacity() const { return capacity_; }
  // Valid until the buffer grows or shrinks.
  const char* data() const { return bytes_.get(); }
  std::string_view view() const { return {bytes_.get(), size_}; }

  // The bytes are not this buffer's own.
  void Append(std::string_view bytes) {
    const size_t n = bytes.size();
    if (n > capacity_ - size_) Grow(size_ + n);
    Copy(bytes_.get() + size_, bytes.data(), n);
    size_ += n;
  }
  void PushBack(char c) {
    if (size_ == capacity_) Grow(size_ + 1);
    bytes_[size_++] = c;
  }
  // Keeps the first n bytes.  REQUIRES: n <= size()
  void Truncate(size_t n) { size_ = n; }

  void Reserve(size_t capacity) {
    if (capacity > capacity_) Reallocate(capacity);
  }
  // Frees what is not used.
  void ShrinkToFit() {
    if (size_ == 0) {
      Release();
    } else if (capacity_ != size_) {
      Reallocate(size_);
    }
  }
  // Frees all.
  void Release() {
    bytes_.reset();
    size_ = 0;
    capacity_ = 0;
  }

 private:
  void Grow(size_t least) {
    Reallocate(least < 2 * capacity_ ? 2 * capacity_
               : least < kLeast      ? kLeast
                                     : least);
  }
  void Reallocate(size_t capacity) {
    std::unique_ptr<char[]> bytes(new char[capacity]);
    if (size_ != 0) memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  template <class Word>
  static void CopyEnds(char* to, const char* from, size_t n) {
    Word first;
    Word last;
    memcpy(&first, from, sizeof(Word));
    memcpy(&last, from + n - sizeof(Word), sizeof(Word));
    memcpy(to, &first, sizeof(Word));
    memcpy(to + n - sizeof(Word), &last, sizeof(Word));
  }
  struct SixteenBytes {
    uint64_t words[2];
  };
  static void Copy(char* to, const char* from, size_t n) {
    if (n > 64) {
      memcpy(to, from, n);
    } else if (n > 32) {
      CopyEnds<SixteenBytes>(to, from, n);
      CopyEnds<SixteenBytes>(to + 16, from + 16, n - 32);
    } else if (n >= 16) {
      CopyEnds<SixteenBytes>(to, from, n);
    } else if (n >= 8) {
      CopyEnds<uint64_t>(to, from, n);
    } else if (n >= 4) {
      CopyEnds<uint32_t>(to, from, n);
    } else {
      for (size_t i = 0; i < n; ++i) to[i] = from[i];
    }
  }

  static constexpr size_t kLeast = 64;

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace memkv
