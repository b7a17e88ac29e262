// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a round of training does with a text of pieces (see TokenTrainer): it
// counts the pairs of neighbours, and makes pieces of the frequent ones.
//
// A text is suffixes of piece numbers below kGap, with kGap between them.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace memkv {
namespace key_trie {
namespace token_pairs {

// Piece numbers have so many bits, and the highest is between suffixes.
constexpr unsigned kPieceBits = 17;
constexpr uint32_t kGap = (uint32_t{1} << kPieceBits) - 1;

inline uint64_t Key(uint32_t a, uint32_t b) {
  return (uint64_t{a} << kPieceBits | b) + 1;
}
inline uint64_t Hash(uint64_t key) { return (key * 0x9e3779b97f4a7c15u) >> 24; }
// The least power of two that is not less than n, and not less than `least`.
inline size_t PowerOfTwo(size_t n, size_t least) {
  while (least < n) {
    least *= 2;
  }
  return least;
}

struct Pair {
  uint64_t count;
  uint32_t first;
  uint32_t second;
  // The most frequent first; a total order, so that a sample always gives the
  // same pieces.
  bool operator<(const Pair& other) const {
    return count != other.count   ? count > other.count
           : first != other.first ? first < other.first
                                  : second < other.second;
  }
};

// Pairs and how often they are neighbours.  Most occur once, and are kept in a
// filter of bits; some of those that occur once are counted twice for it.
class PairCounts {
 public:
  // Counts those of a text anew.  In steps for some pairs at once, each without
  // a branch that cannot be predicted, so that waits for memory overlap.
  void Count(const std::vector<uint32_t>& text, size_t num_pieces) {
    Clear(text.size(), num_pieces);
    constexpr size_t kAtOnce = 64;
    uint64_t keys[kAtOnce];
    uint64_t seen[kAtOnce];
    uint32_t before = kGap;
    for (size_t i = 0; i + 1 < text.size();) {
      const size_t end = std::min(i + kAtOnce, text.size() - 1);
      size_t n = 0;
      for (; i < end; ++i) {
        const uint32_t a = text[i];
        const uint32_t b = text[i + 1];
        // Of three equal ones only two can merge.
        const bool counts =
            (a != kGap) & (b != kGap) & ((a != b) | (before != a));
        before = counts ? a : kGap;
        keys[n] = Key(a, b);
        n += counts ? 1 : 0;
        __builtin_prefetch(&seen_[(Hash(Key(a, b)) & seen_mask_) / 64], 1);
      }
      const size_t num_seen = See(keys, n, seen);
      for (size_t k = 0; k < num_seen; ++k) {
        __builtin_prefetch(&slots_[Hash(seen[k]) & (slots_.size() - 1)], 1);
      }
      for (size_t k = 0; k < num_seen; ++k) {
        Add(seen[k]);
      }
    }
  }

  // Calls f(pair) with those that occur twice or more, in no order.
  template <class F>
  void ForEach(F f) const {
    for (const uint64_t slot : slots_) {
      if (slot != 0) {
        const uint64_t key = (slot >> kCountBits) - 1;
        f(Pair{(slot & kMaxCount) + 1, static_cast<uint32_t>(key >> kPieceBits),
               static_cast<uint32_t>(key & kGap)});
      }
    }
  }

 private:
  static constexpr unsigned kCountBits = 64 - 2 * kPieceBits - 1;
  static constexpr uint64_t kMaxCount = (uint64_t{1} << kCountBits) - 1;
  // Of the filter: so many for each symbol, as far as it fits the cache.
  static constexpr size_t kBitsASymbol = 32;
  static constexpr size_t kMostBits = size_t{1} << 23;

  void Clear(size_t symbols, size_t num_pieces) {
    slots_.assign(PowerOfTwo(num_pieces * 2, size_t{1} << 12), 0);
    used_ = 0;
    const size_t bits = PowerOfTwo(std::min(symbols * kBitsASymbol, kMostBits),
                                   size_t{1} << 12);
    seen_.assign(bits / 64, 0);
    seen_mask_ = bits - 1;
  }

  // Copies those of n keys to `seen` that the filter has, and adds the others
  // to it.  Returns how many it has.
  size_t See(const uint64_t* keys, size_t n, uint64_t* seen) {
    size_t num_seen = 0;
    for (size_t k = 0; k < n; ++k) {
      const uint64_t hash = Hash(keys[k]) & seen_mask_;
      uint64_t& word = seen_[hash / 64];
      seen[num_seen] = keys[k];
      num_seen += word >> (hash % 64) & 1;
      word |= uint64_t{1} << (hash % 64);
    }
    return num_seen;
  }

  void Add(uint64_t key) {
    if (AddKey(key, 1) && 2 * ++used_ > slots_.size()) {
      std::vector<uint64_t> old(2 * slots_.size());
      old.swap(slots_);
      for (const uint64_t slot : old) {
        if (slot != 0) {
          AddKey(slot >> kCountBits, slot & kMaxCount);
        }
      }
    }
  }

  // Whether it was not there.
  bool AddKey(uint64_t key, uint64_t count) {
    for (uint64_t i = Hash(key);; ++i) {
      uint64_t& slot = slots_[i & (slots_.size() - 1)];
      if (slot == 0) {
        slot = key << kCountBits | count;
        return true;
      }
      if (slot >> kCountBits == key) {
        slot += (slot & kMaxCount) + count <= kMaxCount ? count : 0;
        return false;
      }
    }
  }

  // key << kCountBits | count, but for the first time
  std::vector<uint64_t> slots_;
  std::vector<uint64_t> seen_;
  size_t seen_mask_ = 0;
  size_t used_ = 0;
};

// The pairs of a batch, and the pieces they become.
class Merges {
 public:
  explicit Merges(size_t n)
      : slots_(PowerOfTwo(4 * n, 64)), maybe_(PowerOfTwo(n * kBits, 64) / 64) {}

  void Put(uint32_t a, uint32_t b, uint32_t piece) {
    const uint64_t hash = Hash(Key(a, b));
    maybe_[hash / 64 & (maybe_.size() - 1)] |= uint64_t{1} << (hash % 64);
    uint64_t i = hash;
    while (slots_[i & (slots_.size() - 1)] != 0) {
      ++i;
    }
    slots_[i & (slots_.size() - 1)] = Key(a, b) << kPieceBits | piece;
  }

  // Makes pairs of *text the pieces they become: from left to right, but a more
  // frequent pair, which has the lower number, goes before its left neighbour.
  void Apply(std::vector<uint32_t>* text) const {
    uint32_t* const s = text->data();
    const size_t n = text->size();
    if (n < 2) {
      return;
    }
    size_t out = 0;
    size_t i = 0;
    uint32_t merged = Get(s[0], s[1]);
    while (i + 2 < n) {
      const uint32_t next = Get(s[i + 1], s[i + 2]);
      if (merged == kGap || next < merged) {
        s[out++] = s[i++];
        merged = next;
        continue;
      }
      s[out++] = merged;
      i += 2;
      merged = i + 1 < n ? Get(s[i], s[i + 1]) : kGap;
    }
    if (i + 1 < n && merged != kGap) {
      s[out++] = merged;
      i += 2;
    }
    while (i < n) {
      s[out++] = s[i++];
    }
    text->resize(out);
  }

 private:
  // Of the filter, for each pair: it keeps most of those that are none from
  // the slots.
  static constexpr size_t kBits = 32;

  // kGap if there is none, as of a gap.
  uint32_t Get(uint32_t a, uint32_t b) const {
    const uint64_t key = Key(a, b);
    const uint64_t hash = Hash(key);
    if ((maybe_[hash / 64 & (maybe_.size() - 1)] >> (hash % 64) & 1) == 0) {
      return kGap;
    }
    for (uint64_t i = hash;; ++i) {
      const uint64_t slot = slots_[i & (slots_.size() - 1)];
      if (slot >> kPieceBits == key) {
        return static_cast<uint32_t>(slot & kGap);
      }
      if (slot == 0) {
        return kGap;
      }
    }
  }

  std::vector<uint64_t> slots_;  // Key() << kPieceBits | piece
  std::vector<uint64_t> maybe_;  // bits by Hash()
};

}  // namespace token_pairs
}  // namespace key_trie
}  // namespace memkv
