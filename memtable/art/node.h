// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The nodes of ArtTree: layout, blind search, and the version lock. What may be
// done to a node, by whom and when, is the protocol of tree.h.
//
// A node is a piece of the trie, of any shape, with 2 to 64 subtrees hanging
// from it: its items, each a reference to an entry or to a node. It is not kept
// as a tree but as a list of the borders between neighbouring items. The border
// before item i says how the largest key of item i - 1 and the smallest one of
// item i differ: at which depth first, and which symbol of item i stands there.
// (That symbol is never END: it is the larger of the two.) In the order of the
// items these pairs are the piece of the trie: what lies between two borders of
// the same depth, with none lower in between, has one symbol there.
//
//   offset  size       field
//        0  4          version_    bit 0 locked; counts changes above
//        4  4          free_link_  next in the arena's stack of free nodes
//        8  8          meta_       bits 0..39 base depth, 40..47 items,
//                                  48..51 class, 52..55 height,
//                                  56..63 lowest code
//       16  capacity   codes       where the border's depth is, from the base
//        +  capacity   symbols     the border's symbol
//        +  4*capacity refs        the items
//
// Codes and symbols of item 0 mean nothing. A code of 0..246 is the depth less
// the base, 248..254 one of the seven version depths. What cannot be said so is
// said by another node between.
//
// Capacities are 4, 8, 16, 24, ... 64 items: 48, 64, 112, 160, ... 400 bytes.
//
// Blind search (Ferguson's Bit-Tree, CACM 1992, with bytes for bits; Binna et
// al., HOT, SIGMOD 2018, for nodes that span many depths and are searched by
// vector instructions): the border accepts a key whose symbol at the border's
// depth is not less than the border's. The search follows accepting borders; a
// border that refuses makes it skip, with itself, all borders up to the next
// one of a lower depth. It ends at the one item whose keys share with the key
// as many symbols as any in the node does. It reads no entry.
//
// Reading and writing race by design (tree.h): what a reader took from a
// node counts only if the version has not changed. The arrays are read and
// written by plain vector instructions and moves between fences. The functions
// that do so are marked MEMKV_ART_RACY; the thread sanitizer leaves them out
// and watches what they lead to: versions, references and entries.
//
// Who reaches what. The content, which is meta_ and the arrays, is private.
// There are two ways to it, both in node_access.h:
//   ArtNodeReading  for who shares the node with writers. It knows the version
//                   the reader began with, and gives out nothing that counts
//                   before the version was seen unchanged.
//   ArtNodeOwner    for whom nobody can change the node: who holds its lock,
//                   has made it and shown it to nobody, or walks a tree at
//                   rest.
// Open to all is what needs neither: the version and its lock, Height(), which
// never changes, Prefetch(), and the arena's link.

#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "memtable/art/arena.h"
#include "memtable/art/key.h"
#include "util/simd.h"

#if defined(__SANITIZE_THREAD__)
#define MEMKV_ART_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMKV_ART_TSAN 1
#endif
#endif
#if defined(MEMKV_ART_TSAN)
#define MEMKV_ART_RACY __attribute__((no_sanitize("thread"), noinline))
#else
#define MEMKV_ART_RACY
#endif

namespace memkv {

class ArtNode {
 public:
  static constexpr int kMaxItems = 64;
  static constexpr int kMinItems = 2;
  static constexpr int kMaxUserCode = 246;
  static constexpr int kVersionCode = 248;
  static constexpr int kNoCode = 255;
  static constexpr int kMaxHeight = 15;

  static constexpr int Capacity(int node_class) {
    return node_class == 0 ? 4 : 8 * node_class;
  }
  static constexpr size_t Bytes(int node_class) {
    return (16 + 6 * static_cast<size_t>(Capacity(node_class)) + 15) / 16 * 16;
  }
  // The smallest class with room for the items.
  static int ClassFor(int items) {
    return items <= Capacity(0) ? 0 : (items + 7) / 8;
  }

  // What meta_ says, by value.
  class Meta {
   public:
    Meta() = default;
    explicit Meta(uint64_t word) : word_(word) {}
    // `height`: 0 for a node made to hold entries, else above that of the nodes
    // it was made to hold. It only guides where a split puts its border, and
    // makes a lone entry in an inner node move down when it gets company.
    // `low_code`: the lowest of the borders', kNoCode if there is
    // none.
    Meta(ArtDepth base, int count, int node_class, int height, int low_code)
        : word_(static_cast<uint64_t>(base) |
                static_cast<uint64_t>(count) << 40 |
                static_cast<uint64_t>(node_class) << 48 |
                static_cast<uint64_t>(height) << 52 |
                static_cast<uint64_t>(low_code) << 56) {}

    uint64_t word() const { return word_; }
    ArtDepth base() const {
      return static_cast<ArtDepth>(word_ & ((uint64_t{1} << 40) - 1));
    }
    int count() const { return static_cast<int>(word_ >> 40 & 0xff); }
    int node_class() const { return static_cast<int>(word_ >> 48 & 0xf); }
    int height() const { return static_cast<int>(word_ >> 52 & 0xf); }
    int low_code() const { return static_cast<int>(word_ >> 56); }
    int capacity() const { return Capacity(node_class()); }
    Meta With(int count, int low_code) const {
      return Meta(base(), count, node_class(), height(), low_code);
    }

   private:
    uint64_t word_ = 0;
  };

  // The depth a code stands for; a code that stands for none gives one, too.
  static ArtDepth DepthOf(int code, ArtDepth base) {
    return code >= kVersionCode ? kArtVersionDepth + (code - kVersionCode)
                                : base + code;
  }
  // The other way; -1 if it cannot be said from this base.
  static int CodeOf(ArtDepth depth, ArtDepth base) {
    if (depth >= kArtVersionDepth) {
      return static_cast<int>(depth - kArtVersionDepth) + kVersionCode;
    }
    const ArtDepth code = depth - base;
    return code >= 0 && code <= kMaxUserCode ? static_cast<int>(code) : -1;
  }

  explicit ArtNode(int node_class)
      : meta_(Meta(0, 0, node_class, 0, kNoCode).word()) {
    SetRef(meta(), 0, kArtNoRef);
  }
  ArtNode(const ArtNode&) = delete;
  ArtNode& operator=(const ArtNode&) = delete;

  // ---- The version lock ----

  // Acquires what the writers before published. An odd version is locked.
  uint32_t Version() const { return version_.load(std::memory_order_acquire); }
  static bool IsLocked(uint32_t version) { return (version & 1) != 0; }

  // Locks if nothing has changed since; never waits.
  [[nodiscard]] bool TryLock(uint32_t version) {
    if (!version_.compare_exchange_strong(version, version | 1,
                                          std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      return false;
    }
#if !defined(MEMKV_ART_TSAN)
    std::atomic_thread_fence(std::memory_order_release);
#endif
    return true;
  }
  // REQUIRES: locked by the caller. `version` as given to TryLock.
  void Unlock(uint32_t version) {
    version_.store(version + 2, std::memory_order_release);
  }
  // The same, if nothing has been written.
  void UnlockUnchanged(uint32_t version) {
    version_.store(version, std::memory_order_release);
  }

  // ---- What needs no view ----

  // Of Meta. It never changes while the node can be reached: so it is as true
  // as the reference that led here, and needs no reading.
  int Height() const { return meta().height(); }

  // The lines most searches read; a fifth costs more than it brings.
  void Prefetch() const {
    const char* p = reinterpret_cast<const char*>(this);
    __builtin_prefetch(p);
    __builtin_prefetch(p + 64);
    __builtin_prefetch(p + 128);
    __builtin_prefetch(p + kPrefetched);
  }
  // If the item's reference is behind those, prefetches its line, and returns
  // true.
  bool PrefetchRef(Meta m, int i) const {
    constexpr uintptr_t kLine = 64;
    const auto last = reinterpret_cast<uintptr_t>(this) + kPrefetched;
    const ArtRef* const ref = refs(m.node_class()) + i;
    if (reinterpret_cast<uintptr_t>(ref) / kLine <= last / kLine) {
      return false;
    }
    __builtin_prefetch(ref);
    return true;
  }

  // The arena's.
  ArtRef FreeLink() const { return free_link_.load(std::memory_order_relaxed); }
  void SetFreeLink(ArtRef ref) {
    free_link_.store(ref, std::memory_order_relaxed);
  }

 private:
  // Where the last line is that Prefetch() reads.
  static constexpr size_t kPrefetched = 192;
  friend class ArtNodeReading;
  friend class ArtNodeOwner;

  // ---- Readers, by ArtNodeReading ----

  // True if nothing has changed since Version() returned the even `version`:
  // what was read from this node in between was all there at one moment.
  [[nodiscard]] bool Unchanged(uint32_t version) const {
#if !defined(MEMKV_ART_TSAN)
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
    return version_.load(std::memory_order_relaxed) == version;
  }

  Meta meta() const { return Meta(meta_.load(std::memory_order_relaxed)); }

  // REQUIRES: i < capacity.
  MEMKV_ART_RACY int CodeAt(int i) const {
    return *static_cast<const volatile uint8_t*>(codes() + i);
  }
  MEMKV_ART_RACY int SymbolAt(Meta m, int i) const {
    return *static_cast<const volatile uint8_t*>(symbols(m.node_class()) + i);
  }
  MEMKV_ART_RACY ArtRef RefAt(Meta m, int i) const {
    return *static_cast<const volatile ArtRef*>(refs(m.node_class()) + i);
  }
  // All of them.
  MEMKV_ART_RACY void CopyRefs(Meta m, ArtRef* to) const;

  // The item blind search ends at; always below max(1, count). Takes the
  // fastest way the machine has.
  int Search(const ArtKey& key, Meta m) const {
    switch (key.order() == ArtOrder::kBytewise ? kSimd : Simd::kScalar) {
      case Simd::kAvx512:
        return SearchAvx512(key, m);
      case Simd::kAvx2:
        return SearchAvx2(key, m);
      case Simd::kScalar:
        break;
    }
    return SearchScalar(key, m);
  }
  // Slow and obvious.
  MEMKV_ART_RACY int SearchScalar(const ArtKey& key, Meta m) const;
  // REQUIRES: bytewise order, and that the machine can. Elsewhere they are
  // SearchScalar.
  MEMKV_ART_RACY int SearchAvx2(const ArtKey& key, Meta m) const;
  MEMKV_ART_RACY int SearchAvx512(const ArtKey& key, Meta m) const;

  // The items around `item` that share more than `depth` symbols with it.
  void FindItemRange(Meta m, int item, ArtDepth depth, int* first,
                     int* last) const;

  // The highest depth of a border beside the item, 0 if there is none: all keys
  // below the item agree in all depths below it.
  ArtDepth BorderBeside(Meta m, int item) const;

  // ---- Writers, by ArtNodeOwner ----

  void SetMeta(Meta m) { meta_.store(m.word(), std::memory_order_relaxed); }
  MEMKV_ART_RACY void SetRef(Meta m, int i, ArtRef ref) {
    *static_cast<volatile ArtRef*>(refs(m.node_class()) + i) = ref;
  }
  MEMKV_ART_RACY void SetBorder(Meta m, int i, int code, int symbol) {
    *static_cast<volatile uint8_t*>(codes() + i) = static_cast<uint8_t>(code);
    *static_cast<volatile uint8_t*>(symbols(m.node_class()) + i) =
        static_cast<uint8_t>(symbol);
  }
  // Puts `ref` before what is now item `item` and a border before what is now
  // border `border`; item == border or item + 1 == border.
  // REQUIRES: count < capacity.
  MEMKV_ART_RACY void Insert(int item, int border, int code, int symbol,
                             ArtRef ref) {
    const Meta m = meta();
    assert(m.count() < m.capacity());
    if (item < m.count()) {
      MakeGap(m, item, border);
    }
    SetBorder(m, border, code, symbol);
    SetRef(m, item, ref);
    SetMeta(m.With(m.count() + 1, std::min(m.low_code(), code)));
  }
  // Appends the items first, ..., last - 1 of `from`, with their borders, said
  // from this node's base, which is not below from's. (The border of an item
  // that becomes the first means nothing.)
  MEMKV_ART_RACY void AppendFrom(const ArtNode& from, int first, int last);

  // ---- Their parts ----

  // Moves what is there from the item and from the border on.
  MEMKV_ART_RACY void MakeGap(Meta m, int item, int border);
  // Of the borders given, a bit each, those that accept the key.
  MEMKV_ART_RACY uint64_t AcceptingOneByOne(const ArtKey& key, Meta m,
                                            uint64_t borders) const;

  uint8_t* codes() { return reinterpret_cast<uint8_t*>(this + 1); }
  const uint8_t* codes() const {
    return reinterpret_cast<const uint8_t*>(this + 1);
  }
  uint8_t* symbols(int node_class) { return codes() + Capacity(node_class); }
  const uint8_t* symbols(int node_class) const {
    return codes() + Capacity(node_class);
  }
  ArtRef* refs(int node_class) {
    return reinterpret_cast<ArtRef*>(codes() + 2 * Capacity(node_class));
  }
  const ArtRef* refs(int node_class) const {
    return reinterpret_cast<const ArtRef*>(codes() + 2 * Capacity(node_class));
  }

  std::atomic<uint32_t> version_{0};
  std::atomic<ArtRef> free_link_{kArtNoRef};
  std::atomic<uint64_t> meta_;
};
static_assert(sizeof(ArtNode) == 16, "the arrays start at 16");
static_assert(ArtNode::Capacity(kArtNodeClasses - 1) == ArtNode::kMaxItems, "");

}  // namespace memkv
