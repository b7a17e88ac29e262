// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Ascending keys in memory as a builder holds them: of each its LCP with the
// key before, the size of its suffix, and the suffix, which is what it does not
// share with that key.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) Suffixes lie one behind the other, in the order of their keys.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/byte_buffer.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

struct FrontCodedKey {
  uint32_t lcp = 0;  // with the key before
  std::string_view suffix;
};

class FrontCodedKeys {
 public:
  // Where the next key is.
  class Walk {
   public:
    // REQUIRES: there is one
    FrontCodedKey Next() {
      FrontCodedKey key;
      key.lcp = NextNumber();
      const uint32_t size = NextNumber();
      key.suffix = {suffix_, size};
      suffix_ += size;
      return key;
    }
    // REQUIRES: there are n
    void Skip(uint64_t n) {
      constexpr uint64_t kContinued = 0x8080808080808080u;
      // Eight varints at once, where each is a byte: the suffixes' sizes are
      // the odd ones, and four of them are less than 2^16 together.
      while (n >= 4) {
        const uint64_t sizes = LoadFixed64(sizes_);
        if ((sizes & kContinued) == 0) {
          suffix_ +=
              (sizes >> 8 & 0x00ff00ff00ff00ffu) * 0x0001000100010001u >> 48;
          sizes_ += 8;
          n -= 4;
        } else {
          Next();
          --n;
        }
      }
      for (; n > 0; --n) Next();
    }

   private:
    friend class FrontCodedKeys;

    Walk(const ByteBuffer& sizes, const ByteBuffer& suffixes)
        : sizes_(reinterpret_cast<const uint8_t*>(sizes.data())),
          suffix_(suffixes.data()) {}

    uint32_t NextNumber() {
      uint32_t value = *sizes_++;
      if (value < 0x80) return value;
      value &= 0x7f;
      for (unsigned shift = 7;; shift += 7) {
        const uint32_t byte = *sizes_++;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    }

    const uint8_t* sizes_;
    const char* suffix_;
  };

  void Add(uint32_t lcp, std::string_view suffix) {
    suffixes_.Append(suffix);
    AddNumber(lcp);
    AddNumber(static_cast<uint32_t>(suffix.size()));
    ++size_;
  }

  uint32_t size() const { return size_; }
  // All of them (I1).
  std::string_view suffixes() const { return suffixes_.view(); }

  Walk Begin() const { return Walk(sizes_, suffixes_); }
  // Calls f(key) with each.
  template <class F>
  void ForEach(F f) const {
    Walk walk = Begin();
    for (uint32_t i = 0; i < size_; ++i) f(walk.Next());
  }

  // What is allocated, in bytes.
  size_t MemoryUsage() const {
    return sizes_.capacity() + suffixes_.capacity();
  }
  void ShrinkToFit() {
    sizes_.ShrinkToFit();
    suffixes_.ShrinkToFit();
  }
  // Allocates what so many bytes of both need.
  void Reserve(size_t size_bytes, size_t suffix_bytes) {
    sizes_.Reserve(size_bytes);
    suffixes_.Reserve(suffix_bytes);
  }
  // Of all keys: their LCPs and the sizes of their suffixes.
  size_t size_bytes() const { return sizes_.size(); }
  void Clear() {
    size_ = 0;
    sizes_.Truncate(0);
    suffixes_.Truncate(0);
  }

 private:
  void AddNumber(uint32_t n) {
    for (; n >= 0x80; n >>= 7) sizes_.PushBack(static_cast<char>(n | 0x80));
    sizes_.PushBack(static_cast<char>(n));
  }

  uint32_t size_ = 0;
  // Of every key: its LCP and the size of its suffix, a varint each.
  ByteBuffer sizes_;
  ByteBuffer suffixes_;
};

}  // namespace key_trie
}  // namespace memkv
