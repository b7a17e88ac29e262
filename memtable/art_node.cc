// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_node.h"

namespace memkv {

namespace {

// Steps over the keys of a Node4 or Node16, which are in no order.
template <class Node>
bool FindNearest(const Node* node, int bound, bool above, int* symbol,
                 ArtRef* ref) {
  const int n = node->count();
  int best = -1;
  int best_key = above ? 256 : -1;
  for (int i = 0; i < n; ++i) {
    const int key = node->KeyAt(i);
    if (above ? key > bound && key < best_key : key < bound && key > best_key) {
      best = i;
      best_key = key;
    }
  }
  if (best < 0) {
    return false;
  }
  *symbol = best_key;
  *ref = node->children_[best].load(std::memory_order_acquire);
  return true;
}

template <class Node>
void AppendChild(Node* node, std::atomic<uint16_t>* count, int symbol,
                 ArtRef ref) {
  const int n = count->load(std::memory_order_relaxed);
  assert(n < Node::kCapacity);
  node->SetKey(n, static_cast<uint8_t>(symbol));
  node->children_[n].store(ref, std::memory_order_release);
  count->store(static_cast<uint16_t>(n + 1), std::memory_order_release);
}

}  // namespace

int ArtBitmap::AtOrAbove(int byte) const {
  for (int w = byte / 64; w < 4; ++w) {
    uint64_t word = words_[w].load(std::memory_order_acquire);
    if (w == byte / 64) {
      word &= ~uint64_t{0} << (byte % 64);
    }
    if (word != 0) {
      return 64 * w + __builtin_ctzll(word);
    }
  }
  return -1;
}

int ArtBitmap::AtOrBelow(int byte) const {
  if (byte < 0) {
    return -1;
  }
  for (int w = byte / 64; w >= 0; --w) {
    uint64_t word = words_[w].load(std::memory_order_acquire);
    if (w == byte / 64) {
      word &= ~uint64_t{0} >> (63 - byte % 64);
    }
    if (word != 0) {
      return 64 * w + 63 - __builtin_clzll(word);
    }
  }
  return -1;
}

int ArtBitmap::Count() const {
  int n = 0;
  for (const std::atomic<uint64_t>& word : words_) {
    n += __builtin_popcountll(word.load(std::memory_order_acquire));
  }
  return n;
}

int ArtNode::Capacity() const {
  constexpr int kCapacities[kArtNodeTypes] = {
      0, ArtNode4::kCapacity, ArtNode16::kCapacity, ArtNode48::kCapacity,
      ArtNode256::kCapacity};
  return kCapacities[type_];
}

bool ArtNode::FindAbove(int bound, int* symbol, ArtRef* ref) const {
  if (bound < kArtEndSymbol) {
    *ref = end_.load(std::memory_order_acquire);
    if (*ref != 0) {
      *symbol = kArtEndSymbol;
      return true;
    }
    bound = kArtEndSymbol;
  }
  switch (type()) {
    case ArtNodeType::kNode4:
      return FindNearest(static_cast<const ArtNode4*>(this), bound, true,
                         symbol, ref);
    case ArtNodeType::kNode16:
      return FindNearest(static_cast<const ArtNode16*>(this), bound, true,
                         symbol, ref);
    case ArtNodeType::kNode48:
    case ArtNodeType::kNode256: {
      const ArtBitmap& present =
          type() == ArtNodeType::kNode48
              ? static_cast<const ArtNode48*>(this)->present_
              : static_cast<const ArtNode256*>(this)->present_;
      const int byte = present.AtOrAbove(bound + 1);
      if (byte < 0) {
        return false;
      }
      *symbol = byte;
      *ref = Find(byte);
      return true;
    }
    case ArtNodeType::kRoot:
      break;
  }
  return false;
}

bool ArtNode::FindBelow(int bound, int* symbol, ArtRef* ref) const {
  switch (type()) {
    case ArtNodeType::kNode4:
      if (FindNearest(static_cast<const ArtNode4*>(this), bound, false, symbol,
                      ref)) {
        return true;
      }
      break;
    case ArtNodeType::kNode16:
      if (FindNearest(static_cast<const ArtNode16*>(this), bound, false, symbol,
                      ref)) {
        return true;
      }
      break;
    case ArtNodeType::kNode48:
    case ArtNodeType::kNode256: {
      const ArtBitmap& present =
          type() == ArtNodeType::kNode48
              ? static_cast<const ArtNode48*>(this)->present_
              : static_cast<const ArtNode256*>(this)->present_;
      const int byte = present.AtOrBelow(bound - 1);
      if (byte >= 0) {
        *symbol = byte;
        *ref = Find(byte);
        return true;
      }
      break;
    }
    case ArtNodeType::kRoot:
      break;
  }
  if (bound > kArtEndSymbol) {
    *ref = end_.load(std::memory_order_acquire);
    if (*ref != 0) {
      *symbol = kArtEndSymbol;
      return true;
    }
  }
  return false;
}

ArtRef ArtNode::AnyChild() const {
  const ArtRef end = end_.load(std::memory_order_acquire);
  if (end != 0) {
    return end;
  }
  const ArtSlot* children = nullptr;
  switch (type()) {
    case ArtNodeType::kNode4:
      children = static_cast<const ArtNode4*>(this)->children_;
      break;
    case ArtNodeType::kNode16:
      children = static_cast<const ArtNode16*>(this)->children_;
      break;
    case ArtNodeType::kNode48:
      children = static_cast<const ArtNode48*>(this)->children_;
      break;
    case ArtNodeType::kNode256:
    case ArtNodeType::kRoot: {
      int symbol;
      ArtRef ref = 0;
      FindAbove(kBeforeAll, &symbol, &ref);
      return ref;
    }
  }
  // The children of the smaller types fill their slots from the front, so the
  // first is occupied (I3). Prefer an entry among the first four: it ends the
  // descent, which in a deep chain matters.
  const ArtRef first = children[0].load(std::memory_order_acquire);
  const int n = count() < 4 ? count() : 4;
  for (int i = 0; i < n; ++i) {
    const ArtRef ref = children[i].load(std::memory_order_acquire);
    if (ArtIsEntry(ref)) {
      return ref;
    }
  }
  return first;
}

void ArtNode::Add(int symbol, ArtRef ref) {
  if (symbol == kArtEndSymbol) {
    assert(end_.load(std::memory_order_relaxed) == 0);
    end_.store(ref, std::memory_order_release);
    return;
  }
  const uint16_t n = count_.load(std::memory_order_relaxed);
  switch (type()) {
    case ArtNodeType::kNode4:
      AppendChild(static_cast<ArtNode4*>(this), &count_, symbol, ref);
      break;
    case ArtNodeType::kNode16:
      AppendChild(static_cast<ArtNode16*>(this), &count_, symbol, ref);
      break;
    case ArtNodeType::kNode48: {
      ArtNode48* node = static_cast<ArtNode48*>(this);
      assert(n < ArtNode48::kCapacity);
      node->children_[n].store(ref, std::memory_order_release);
      node->index_[symbol].store(static_cast<uint8_t>(n + 1),
                                 std::memory_order_release);
      node->present_.Set(symbol);
      count_.store(static_cast<uint16_t>(n + 1), std::memory_order_release);
      break;
    }
    case ArtNodeType::kNode256: {
      ArtNode256* node = static_cast<ArtNode256*>(this);
      node->children_[symbol].store(ref, std::memory_order_release);
      node->present_.Set(symbol);
      count_.store(static_cast<uint16_t>(n + 1), std::memory_order_release);
      break;
    }
    case ArtNodeType::kRoot:
      assert(false);
      break;
  }
}

void ArtNode::CopyTo(ArtNode* to) const {
  to->version_ = version_;
  to->level_ = level_;
  to->window_ = window_;
  int symbol = kBeforeAll;
  ArtRef ref;
  while (FindAbove(symbol, &symbol, &ref)) {
    to->Add(symbol, ref);
  }
}

const char* ArtAnyEntry(ArtRef ref) {
  while (!ArtIsEntry(ref)) {
    ref = ArtToNode(ref)->AnyChild();
  }
  return ArtToEntry(ref);
}

}  // namespace memkv
