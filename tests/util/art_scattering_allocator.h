// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// An ArtAllocator that puts its pieces where an arena likes them least, or
// most. It reserves 64 GiB of addresses; only what is written takes memory.

#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

#include "memtable/art/arena.h"

namespace memkv {
namespace art_test {

class ScatteringAllocator : public ArtAllocator {
 public:
  enum class Placing {
    // 4 MiB apart, so that no window of the arena's reaches two: each below the
    // one before, or in no order.
    kDescending,
    kShuffled,
    kOneBehindAnother,
  };

  explicit ScatteringAllocator(Placing placing, size_t block_size = 0)
      : placing_(placing), block_size_(block_size) {
    void* memory = mmap(nullptr, kSpace, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(MAP_FAILED, memory);
    space_ = static_cast<char*>(memory);
  }
  ~ScatteringAllocator() override { munmap(space_, kSpace); }

  char* AllocateAligned(size_t bytes) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (left_ == 0) {
      throw std::bad_alloc();
    }
    --left_;
    bytes_ += bytes;
    const size_t call = calls_++;
    if (placing_ == Placing::kOneBehindAnother) {
      char* const memory = space_ + end_;
      end_ += (bytes + 7) / 8 * 8;
      EXPECT_LE(end_, kSpace);
      return memory;
    }
    EXPECT_LT(call, kPieces);
    EXPECT_LE(bytes, kApart);
    // 7919 is odd: all pieces are met.
    const size_t piece = placing_ == Placing::kDescending
                             ? kPieces - 1 - call
                             : call * 7919 % kPieces;
    return space_ + piece * kApart;
  }
  size_t BlockSize() const override { return block_size_; }

  // Of the calls that follow, `calls` succeed.
  void FailAfter(int calls) { left_ = calls; }

  size_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }
  size_t calls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  static constexpr size_t kSpace = size_t{64} << 30;
  static constexpr size_t kApart = size_t{4} << 20;
  static constexpr size_t kPieces = kSpace / kApart;

  const Placing placing_;
  const size_t block_size_;
  char* space_ = nullptr;
  mutable std::mutex mutex_;
  size_t end_ = 0;
  size_t bytes_ = 0;
  size_t calls_ = 0;
  int left_ = -1;
};

}  // namespace art_test
}  // namespace memkv
