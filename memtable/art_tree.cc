// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_tree.h"

#include "memtable/art_tree_iterator.h"

namespace memkv {

namespace {

// A locked node.
class NodeLock {
 public:
  explicit NodeLock(ArtNode* node) : node_(node) { node_->Lock(); }
  ~NodeLock() {
    if (node_ != nullptr) {
      node_->Unlock();
    }
  }
  NodeLock(const NodeLock&) = delete;
  NodeLock& operator=(const NodeLock&) = delete;

  void UnlockObsolete() {
    node_->UnlockObsolete();
    node_ = nullptr;
  }

 private:
  ArtNode* node_;
};

}  // namespace

// The node an insert has allocated and not yet published.
class ArtTree::Spare {
 public:
  explicit Spare(ArtNodePool* pool) : pool_(pool) {}
  ~Spare() {
    if (node_ != nullptr) {
      pool_->Recycle(node_);
    }
  }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;

  // An empty node of the type, which stays ours until Published().
  ArtNode* Get(ArtNodeType type) {
    if (node_ != nullptr) {
      // It may hold what an attempt that failed has put into it.
      ArtNode* stale = node_;
      node_ = nullptr;
      pool_->Recycle(stale);
    }
    node_ = pool_->Allocate(type);
    return node_;
  }

  void Published() {
    pool_->CountPublished(node_->type());
    node_ = nullptr;
  }

 private:
  ArtNodePool* const pool_;
  ArtNode* node_ = nullptr;
};

bool ArtTree::Insert(const char* entry) {
  assert(reinterpret_cast<uintptr_t>(entry) % 8 == 0);
  const ArtKey key(entry);
  Spare spare(&pool_);
  // Far more than other writers can cause. An entry that is not what it was
  // when it was inserted contradicts its place, however often we look.
  constexpr int kMaxRestarts = 100000;
  for (int restarts = 0; restarts < kMaxRestarts; ++restarts) {
    switch (TryInsert(key, ArtFromEntry(entry), &spare)) {
      case Outcome::kInserted:
        pool_.CountEntry();
        return true;
      case Outcome::kDuplicate:
        return false;
      case Outcome::kRestart:
        ArtNode::Pause(restarts);
        break;
    }
  }
  return false;
}

ArtTree::Outcome ArtTree::TryInsert(const ArtKey& key, ArtRef leaf,
                                    Spare* spare) {
  ArtNode* parent = nullptr;
  int parent_symbol = kArtEndSymbol;
  ArtNode* node = &root_;
  ArtRank rank = kArtRootRank;
  int symbol = kArtEndSymbol;
  // Every symbol of a rank below this is known to agree with all entries below
  // `node`. If it is not above `rank` by the time a symbol is followed, there
  // is a gap, and an entry must be consulted.
  ArtRank verified = 0;
  for (;;) {
    const ArtRef ref = node->Find(symbol);
    if (ref == 0) {
      if (verified < rank) {
        const ArtKey other(ArtAnyEntry(ArtFromNode(node)));
        const ArtRank m = key.Diverge(other, verified);
        if (m < rank) {
          return SplitAbove(m, key, other, leaf, spare);
        }
      }
      return AddChild(parent, parent_symbol, node, symbol, leaf, spare);
    }
    verified = ArtVerifiedBehind(symbol, rank, verified);
    if (ArtIsEntry(ref) || !ArtToNode(ref)->MatchesWindow(key)) {
      const ArtKey other(ArtAnyEntry(ref));
      const ArtRank m = key.Diverge(other, verified);
      if (m == kArtEqualRank) {
        return Outcome::kDuplicate;
      }
      // m is below the rank of what is in the slot: a node whose window does
      // not match the key matches that of the entry below it (I2).
      return m > rank ? Split(node, symbol, ref, m, key, other, leaf, spare)
                      : SplitAbove(m, key, other, leaf, spare);
    }
    parent = node;
    parent_symbol = symbol;
    node = ArtToNode(ref);
    rank = node->rank();
    symbol = node->SymbolOf(key);
    if (verified >= node->WindowStart()) {
      verified = std::max(verified, rank);
    }
  }
}

// (W2)
ArtTree::Outcome ArtTree::AddChild(ArtNode* parent, int parent_symbol,
                                   ArtNode* node, int symbol, ArtRef leaf,
                                   Spare* spare) {
  {
    NodeLock lock(node);
    if (node->obsolete() || node->Find(symbol) != 0) {
      return Outcome::kRestart;
    }
    if (symbol == kArtEndSymbol || node->count() < node->Capacity()) {
      node->Add(symbol, leaf);
      return Outcome::kInserted;
    }
  }
  return Grow(parent, parent_symbol, node, symbol, leaf, spare);
}

// (W3)
ArtTree::Outcome ArtTree::Grow(ArtNode* parent, int parent_symbol,
                               ArtNode* node, int symbol, ArtRef leaf,
                               Spare* spare) {
  const ArtNodeType larger_type =
      static_cast<ArtNodeType>(static_cast<int>(node->type()) + 1);
  ArtNode* larger = spare->Get(larger_type);
  NodeLock parent_lock(parent);
  ArtSlot* slot = parent->FindSlot(parent_symbol);
  if (parent->obsolete() ||
      slot->load(std::memory_order_relaxed) != ArtFromNode(node)) {
    return Outcome::kRestart;
  }
  NodeLock node_lock(node);
  // It hangs from a node that is not obsolete, so it is not either (I7).
  assert(!node->obsolete());
  // It was full and without the symbol when AddChild held its lock. A full node
  // gains a child only by being replaced.
  assert(node->count() == node->Capacity() && node->Find(symbol) == 0);
  node->CopyTo(larger);
  larger->Add(symbol, leaf);
  slot->store(ArtFromNode(larger), std::memory_order_release);
  node_lock.UnlockObsolete();
  spare->Published();
  pool_.CountObsolete(node->type());
  return Outcome::kInserted;
}

// (W4)
ArtTree::Outcome ArtTree::Split(ArtNode* node, int symbol, ArtRef content,
                                ArtRank rank, const ArtKey& key,
                                const ArtKey& other, ArtRef leaf,
                                Spare* spare) {
  ArtNode* above = spare->Get(ArtNodeType::kNode4);
  above->SetPosition(rank, key);
  above->Add(other.SymbolAt(rank), content);
  above->Add(key.SymbolAt(rank), leaf);
  NodeLock lock(node);
  ArtSlot* slot = node->FindSlot(symbol);
  if (node->obsolete() || slot->load(std::memory_order_relaxed) != content) {
    return Outcome::kRestart;
  }
  slot->store(ArtFromNode(above), std::memory_order_release);
  spare->Published();
  return Outcome::kInserted;
}

// The keys agree below `rank` and differ there, and `other` is in the tree:
// finds the slot whose content has to be split at `rank`, which is on the path
// to `other`.
ArtTree::Outcome ArtTree::SplitAbove(ArtRank rank, const ArtKey& key,
                                     const ArtKey& other, ArtRef leaf,
                                     Spare* spare) {
  ArtNode* node = &root_;
  int symbol = kArtEndSymbol;
  for (;;) {
    const ArtRef ref = node->Find(symbol);
    if (ref == 0) {
      // `other` is not the entry that it was; see Insert.
      return Outcome::kRestart;
    }
    if (ArtIsEntry(ref) || ArtToNode(ref)->rank() > rank) {
      return Split(node, symbol, ref, rank, key, other, leaf, spare);
    }
    if (ArtToNode(ref)->rank() == rank) {
      // Another writer has split here; the entry goes into its node.
      return Outcome::kRestart;
    }
    node = ArtToNode(ref);
    symbol = node->SymbolOf(key);
  }
}

bool ArtTree::Contains(const ArtKey& key) const {
  ArtIterator iter(this);
  iter.SeekVersions(key);
  return iter.Valid() && ArtKey(iter.entry()).version() == key.version();
}

double ArtTree::Position(const ArtKey& key) const {
  double position = 0;
  double width = 1;
  ArtRef ref = root_.Find(kArtEndSymbol);
  // Below this the place of a single entry is lost in the rest.
  constexpr double kNarrow = 1e-12;
  while (ref != 0 && width > kNarrow) {
    int key_symbol;
    bool follow = false;
    const ArtNode* node = nullptr;
    if (!ArtIsEntry(ref)) {
      node = ArtToNode(ref);
      follow = node->MatchesWindow(key);
    }
    if (!follow) {
      // The whole subtree is on one side of the key, or is the key.
      const ArtKey other(ArtAnyEntry(ref));
      const ArtRank m = key.Diverge(other, 0);
      if (m != kArtEqualRank && (other.SymbolAt(m) < key.SymbolAt(m)) ==
                                    Ascends(m >= kArtVersionRank)) {
        position += width;
      }
      return position;
    }
    key_symbol = node->SymbolOf(key);
    const bool ascends = Ascends(node->is_version());
    int children = 0;
    int before = 0;
    int symbol = ArtNode::kBeforeAll;
    ArtRef child;
    ArtRef next = 0;
    while (node->FindAbove(symbol, &symbol, &child)) {
      ++children;
      if (symbol == key_symbol) {
        next = child;
      } else if ((symbol < key_symbol) == ascends) {
        ++before;
      }
    }
    position += width * before / children;
    width /= children;
    ref = next;
  }
  return position;
}

uint64_t ArtTree::ApproximateNumEntries(const ArtKey& start,
                                        const ArtKey& end) const {
  constexpr uint64_t kCountedExactly = 1024;
  ArtIterator iter(this);
  uint64_t counted = 0;
  for (iter.Seek(start); iter.Valid(); iter.Next()) {
    const ArtKey key(iter.entry());
    const ArtRank m = key.Diverge(end, 0);
    if (m == kArtEqualRank ||
        (key.SymbolAt(m) < end.SymbolAt(m)) != Ascends(m >= kArtVersionRank)) {
      return counted;
    }
    if (++counted == kCountedExactly) {
      break;
    }
  }
  if (!iter.Valid()) {
    return counted;
  }
  const double share = Position(end) - Position(start);
  const double entries = static_cast<double>(NumEntries());
  const uint64_t estimate =
      share > 0 ? static_cast<uint64_t>(share * entries) : 0;
  return std::max(estimate, counted);
}

}  // namespace memkv
