// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The nodes of ArtTree: layout, look-up, ordered stepping, and the lock word.
// What may be done to a node, by whom and when, is the protocol of art_tree.h;
// the invariants (I1)... and the memory orders cited here are listed there.
//
// Layout. Every node is a whole number of 64-byte lines and starts on one.
// All begin with the 32 bytes of ArtNode:
//
//   offset size field
//        0    4 lock_     bit 0 locked, bit 1 obsolete; the rest is zero
//        4    1 type_     ArtNodeType
//        5    1 version_  1 in version space, 0 in user space
//        6    2 count_    children, the end slot not counted
//        8    4 level_    index, in its space, of the byte it branches on
//       12    4 keys4_    Node4: the bytes of the children, in order of arrival
//       16    8 window_   the up to 8 bytes before level_ (see below)
//       24    8 end_      the slot of the key that ends at level_
//
//   Node4     64  children 4 x 8
//   Node16   192  keys 2 x 8, children 16 x 8, 16 unused
//   Node48   704  present bits 4 x 8, index 256 x 1, children 48 x 8
//   Node256 2112  present bits 4 x 8, children 256 x 8
//
// A slot is 0, an entry's address with bit 0 set, or a node's address.
//
// window_: in user space the min(8, level_) key bytes before level_, as a
// little-endian number; in version space the level_ first version bytes, at
// the top of the word. Its length follows from level_, so it is not stored.
//
// Node4 and Node16 keep their keys in order of arrival, so that adding a child
// moves nothing under a reader; finding the next larger byte looks at all of
// them. Node48 and Node256 find it in the present bits.

#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <thread>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "memtable/art_key.h"

namespace memkv {

enum class ArtNodeType : uint8_t {
  kRoot = 0,
  kNode4 = 1,
  kNode16 = 2,
  kNode48 = 3,
  kNode256 = 4,
};
constexpr int kArtNodeTypes = 5;

class ArtNode;

// A slot's content.
using ArtRef = uintptr_t;
using ArtSlot = std::atomic<ArtRef>;

constexpr ArtRef kArtEntryBit = 1;

inline bool ArtIsEntry(ArtRef ref) { return (ref & kArtEntryBit) != 0; }
inline const char* ArtToEntry(ArtRef ref) {
  return reinterpret_cast<const char*>(ref & ~kArtEntryBit);
}
inline ArtNode* ArtToNode(ArtRef ref) {
  return reinterpret_cast<ArtNode*>(ref);
}
inline ArtRef ArtFromEntry(const char* entry) {
  return reinterpret_cast<ArtRef>(entry) | kArtEntryBit;
}
inline ArtRef ArtFromNode(const ArtNode* node) {
  return reinterpret_cast<ArtRef>(node);
}

// The index of `byte` among the first `count` of the 4 bytes of `keys`, lowest
// byte first; -1 if it is not there.
inline int ArtFindByte4(uint32_t keys, int count, uint8_t byte) {
  const uint32_t x = keys ^ (0x01010101u * byte);
  // Exactly the zero bytes of x get their top bit set.
  const uint32_t hit = ~(((x & 0x7f7f7f7fu) + 0x7f7f7f7fu) | x | 0x7f7f7f7fu);
  if (hit == 0) {
    return -1;
  }
  const int i = __builtin_ctz(hit) / 8;
  return i < count ? i : -1;
}

// The same for 16 bytes in two words, without and with SIMD.
inline int ArtFindByte16Scalar(uint64_t low, uint64_t high, int count,
                               uint8_t byte) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t k7f = 0x7f7f7f7f7f7f7f7fu;
  const uint64_t pattern = kOnes * byte;
  const uint64_t words[2] = {low, high};
  for (int w = 0; w < 2; ++w) {
    const uint64_t x = words[w] ^ pattern;
    const uint64_t hit = ~(((x & k7f) + k7f) | x | k7f);
    if (hit != 0) {
      const int i = 8 * w + __builtin_ctzll(hit) / 8;
      return i < count ? i : -1;
    }
  }
  return -1;
}

#if defined(__SSE2__)
inline int ArtFindByte16Sse2(uint64_t low, uint64_t high, int count,
                             uint8_t byte) {
  const __m128i keys =
      _mm_set_epi64x(static_cast<int64_t>(high), static_cast<int64_t>(low));
  const __m128i equal =
      _mm_cmpeq_epi8(keys, _mm_set1_epi8(static_cast<char>(byte)));
  const unsigned hit =
      static_cast<unsigned>(_mm_movemask_epi8(equal)) & ((1u << count) - 1);
  return hit == 0 ? -1 : __builtin_ctz(hit);
}
#endif

inline int ArtFindByte16(uint64_t low, uint64_t high, int count, uint8_t byte) {
#if defined(__SSE2__)
  return ArtFindByte16Sse2(low, high, count, byte);
#else
  return ArtFindByte16Scalar(low, high, count, byte);
#endif
}

class alignas(8) ArtNode {
 public:
  explicit ArtNode(ArtNodeType type) : type_(static_cast<uint8_t>(type)) {}
  ArtNode(const ArtNode&) = delete;
  ArtNode& operator=(const ArtNode&) = delete;

  ArtNodeType type() const { return static_cast<ArtNodeType>(type_); }
  bool is_version() const { return version_ != 0; }
  uint32_t level() const { return level_; }
  uint64_t window() const { return window_; }
  int count() const { return count_.load(std::memory_order_acquire); }
  int Capacity() const;

  ArtRank rank() const {
    return type() == ArtNodeType::kRoot
               ? kArtRootRank
               : (static_cast<ArtRank>(version_) << 32) | level_;
  }

  // True if the window agrees with the key (and the key reaches level()).
  bool MatchesWindow(const ArtKey& key) const {
    if (is_version()) {
      return key.VersionWindow(level_) == window_;
    }
    return key.user_size() >= level_ && key.UserWindow(level_) == window_;
  }

  // The rank from which on the window covers every symbol up to rank().
  ArtRank WindowStart() const {
    if (is_version()) {
      return kArtVersionRank;
    }
    return level_ >= 8 ? level_ - 8 : 0;
  }

  // REQUIRES: MatchesWindow(key); this is not the root.
  int SymbolOf(const ArtKey& key) const {
    return is_version() ? key.VersionSymbol(level_) : key.UserSymbol(level_);
  }

  // The slot of `symbol`, nullptr if the node has none (yet). The end slot
  // always exists. A slot never moves within a node (I4).
  ArtSlot* FindSlot(int symbol);

  // The content of the slot of `symbol`, 0 if there is none.
  ArtRef Find(int symbol) const {
    const ArtSlot* slot = const_cast<ArtNode*>(this)->FindSlot(symbol);
    return slot == nullptr ? 0 : slot->load(std::memory_order_acquire);
  }

  // The occupied slot with the smallest symbol above `bound`, or with the
  // largest one below; END counts. kBeforeAll and kAfterAll are the bounds
  // that exclude nothing. On success fills *symbol and *ref.
  static constexpr int kBeforeAll = -2;
  static constexpr int kAfterAll = 256;
  bool FindAbove(int bound, int* symbol, ArtRef* ref) const;
  bool FindBelow(int bound, int* symbol, ArtRef* ref) const;

  // Some occupied slot, an entry if one is near.
  ArtRef AnyChild() const;

  // ---- Writers ----

  // REQUIRES: the node is not published, or was never.
  void SetPosition(ArtRank rank, const ArtKey& key) {
    version_ = rank >= kArtVersionRank ? 1 : 0;
    level_ = static_cast<uint32_t>(rank);
    window_ = is_version() ? key.VersionWindow(level_) : key.UserWindow(level_);
  }

  // REQUIRES: the node is locked by the caller or not published; `symbol` has
  // no occupied slot; symbol is END or count() < Capacity().
  void Add(int symbol, ArtRef ref);

  // Fills `to`, an unpublished empty node of the next larger type, with this
  // node's position and content. REQUIRES: this is locked.
  void CopyTo(ArtNode* to) const;

  // Returns with the node locked.
  void Lock() {
    for (int spins = 0;; ++spins) {
      uint32_t word = lock_.load(std::memory_order_relaxed);
      if ((word & kLocked) == 0 &&
          lock_.compare_exchange_weak(word, word | kLocked,
                                      std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return;
      }
      Pause(spins);
    }
  }

  // REQUIRES: locked by the caller.
  void Unlock() { lock_.fetch_and(~kLocked, std::memory_order_release); }
  void UnlockObsolete() { lock_.store(kObsolete, std::memory_order_release); }
  // Stable only while the caller holds the lock.
  bool obsolete() const {
    return (lock_.load(std::memory_order_relaxed) & kObsolete) != 0;
  }
  bool locked() const {
    return (lock_.load(std::memory_order_relaxed) & kLocked) != 0;
  }

  // Waits a little: longer, and giving up the processor, as `spins` grows.
  static void Pause(int spins) {
    constexpr int kSpinsBeforeYield = 64;
    if (spins >= kSpinsBeforeYield) {
      std::this_thread::yield();
      return;
    }
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
  }

 protected:
  static constexpr uint32_t kLocked = 1;
  static constexpr uint32_t kObsolete = 2;

  std::atomic<uint32_t> lock_{0};
  uint8_t type_;
  uint8_t version_ = 0;
  std::atomic<uint16_t> count_{0};
  uint32_t level_ = 0;
  std::atomic<uint32_t> keys4_{0};
  uint64_t window_ = 0;
  ArtSlot end_{0};
};
static_assert(sizeof(ArtNode) == 32, "the header is half a cache line");
static_assert(sizeof(ArtSlot) == 8 && ArtSlot::is_always_lock_free, "");

class ArtNode4 : public ArtNode {
 public:
  static constexpr int kCapacity = 4;
  ArtNode4() : ArtNode(ArtNodeType::kNode4) {}

  int IndexOf(uint8_t byte) const {
    const int n = count();
    return ArtFindByte4(keys4_.load(std::memory_order_relaxed), n, byte);
  }
  uint8_t KeyAt(int i) const {
    return static_cast<uint8_t>(keys4_.load(std::memory_order_relaxed) >>
                                (8 * i));
  }
  void SetKey(int i, uint8_t byte) {
    const uint32_t keys = keys4_.load(std::memory_order_relaxed);
    keys4_.store(keys | (static_cast<uint32_t>(byte) << (8 * i)),
                 std::memory_order_relaxed);
  }

  ArtSlot children_[kCapacity] = {};
};
static_assert(sizeof(ArtNode4) == 64, "Node4 is one cache line");

class ArtNode16 : public ArtNode {
 public:
  static constexpr int kCapacity = 16;
  ArtNode16() : ArtNode(ArtNodeType::kNode16) {}

  int IndexOf(uint8_t byte) const {
    const int n = count();
    return ArtFindByte16(keys_[0].load(std::memory_order_relaxed),
                         keys_[1].load(std::memory_order_relaxed), n, byte);
  }
  uint8_t KeyAt(int i) const {
    return static_cast<uint8_t>(keys_[i / 8].load(std::memory_order_relaxed) >>
                                (8 * (i % 8)));
  }
  void SetKey(int i, uint8_t byte) {
    const uint64_t keys = keys_[i / 8].load(std::memory_order_relaxed);
    keys_[i / 8].store(keys | (static_cast<uint64_t>(byte) << (8 * (i % 8))),
                       std::memory_order_relaxed);
  }

  std::atomic<uint64_t> keys_[2] = {};
  ArtSlot children_[kCapacity] = {};
};

// Which of the 256 bytes have a child.
class ArtBitmap {
 public:
  // REQUIRES: one writer at a time.
  void Set(int byte) {
    std::atomic<uint64_t>& word = words_[byte / 64];
    word.store(
        word.load(std::memory_order_relaxed) | (uint64_t{1} << (byte % 64)),
        std::memory_order_release);
  }
  // The smallest member >= byte, the largest one <= byte; -1 if none.
  // byte may be 256 and -1, respectively.
  int AtOrAbove(int byte) const;
  int AtOrBelow(int byte) const;
  int Count() const;

 private:
  std::atomic<uint64_t> words_[4] = {};
};

class ArtNode48 : public ArtNode {
 public:
  static constexpr int kCapacity = 48;
  ArtNode48() : ArtNode(ArtNodeType::kNode48) {}

  ArtBitmap present_;
  // 1 + the child's index, 0 for none.
  std::atomic<uint8_t> index_[256] = {};
  ArtSlot children_[kCapacity] = {};
};
static_assert(sizeof(ArtNode48) == 704, "Node48 is eleven lines");

class ArtNode256 : public ArtNode {
 public:
  static constexpr int kCapacity = 256;
  ArtNode256() : ArtNode(ArtNodeType::kNode256) {}

  ArtBitmap present_;
  ArtSlot children_[kCapacity] = {};
};
static_assert(sizeof(ArtNode256) == 2112, "Node256 is thirty-three lines");

constexpr size_t kArtLine = 64;

// The bytes a node of the type takes from the allocator, whole lines.
inline size_t ArtNodeBytes(ArtNodeType type) {
  constexpr size_t kBytes[kArtNodeTypes] = {
      0, sizeof(ArtNode4),
      (sizeof(ArtNode16) + kArtLine - 1) / kArtLine * kArtLine,
      sizeof(ArtNode48), sizeof(ArtNode256)};
  return kBytes[static_cast<int>(type)];
}

// Where the descent from `ref` to some entry below it ends.
const char* ArtAnyEntry(ArtRef ref);

inline ArtSlot* ArtNode::FindSlot(int symbol) {
  if (symbol == kArtEndSymbol) {
    return &end_;
  }
  const uint8_t byte = static_cast<uint8_t>(symbol);
  switch (type()) {
    case ArtNodeType::kNode4: {
      ArtNode4* n = static_cast<ArtNode4*>(this);
      const int i = n->IndexOf(byte);
      return i < 0 ? nullptr : &n->children_[i];
    }
    case ArtNodeType::kNode16: {
      ArtNode16* n = static_cast<ArtNode16*>(this);
      const int i = n->IndexOf(byte);
      return i < 0 ? nullptr : &n->children_[i];
    }
    case ArtNodeType::kNode48: {
      ArtNode48* n = static_cast<ArtNode48*>(this);
      const int i = n->index_[byte].load(std::memory_order_acquire);
      return i == 0 ? nullptr : &n->children_[i - 1];
    }
    case ArtNodeType::kNode256:
      return &static_cast<ArtNode256*>(this)->children_[byte];
    case ArtNodeType::kRoot:
      break;
  }
  return nullptr;
}

}  // namespace memkv
