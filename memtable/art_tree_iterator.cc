// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_tree_iterator.h"

#include <algorithm>
#include <random>
#include <utility>

namespace memkv {

void ArtIterator::GrowStack() {
  std::unique_ptr<Frame[]> larger(new Frame[2 * capacity_]);
  std::copy(frames_, frames_ + depth_, larger.get());
  heap_frames_ = std::move(larger);
  frames_ = heap_frames_.get();
  capacity_ *= 2;
}

void ArtIterator::DescendTo(ArtRef ref, bool forward) {
  while (!ArtIsEntry(ref)) {
    const ArtNode* node = ArtToNode(ref);
    int symbol;
    // A published node is never empty (I3).
    if (Ascends(node, forward)) {
      node->FindAbove(ArtNode::kBeforeAll, &symbol, &ref);
    } else {
      node->FindBelow(ArtNode::kAfterAll, &symbol, &ref);
    }
    Push(node, symbol);
  }
  entry_ = ArtToEntry(ref);
  __builtin_prefetch(entry_);
}

void ArtIterator::Advance(bool forward) {
  while (depth_ > 0) {
    Frame& top = frames_[depth_ - 1];
    int symbol;
    ArtRef ref;
    if (Ascends(top.node, forward)
            ? top.node->FindAbove(top.symbol, &symbol, &ref)
            : top.node->FindBelow(top.symbol, &symbol, &ref)) {
      top.symbol = symbol;
      DescendTo(ref, forward);
      return;
    }
    --depth_;
  }
  entry_ = nullptr;
}

void ArtIterator::SeekToEdge(bool forward) {
  Reset();
  const ArtRef ref = tree_->root_.Find(kArtEndSymbol);
  if (ref != 0) {
    DescendTo(ref, forward);
  }
}

void ArtIterator::SeekToRandom(uint64_t seed) {
  Reset();
  std::mt19937_64 random(seed);
  ArtRef ref = tree_->root_.Find(kArtEndSymbol);
  if (ref == 0) {
    return;
  }
  while (!ArtIsEntry(ref)) {
    const ArtNode* node = ArtToNode(ref);
    int chosen_symbol = kArtEndSymbol;
    int symbol = ArtNode::kBeforeAll;
    ArtRef child;
    for (uint64_t seen = 1; node->FindAbove(symbol, &symbol, &child); ++seen) {
      if (random() % seen == 0) {
        chosen_symbol = symbol;
        ref = child;
      }
    }
    Push(node, chosen_symbol);
  }
  entry_ = ArtToEntry(ref);
}

void ArtIterator::SettleAround(ArtRef ref, const ArtKey& other, ArtRank rank,
                               const ArtKey& key, bool forward) {
  // All entries below a node of a higher rank are on the same side as `other`
  // (I2). The outermost such node is the one that was met, not what its
  // parent's slot holds by now.
  while (depth_ > 0 && frames_[depth_ - 1].node->rank() > rank) {
    ref = ArtFromNode(frames_[--depth_].node);
  }
  const bool ascends = tree_->Ascends(rank >= kArtVersionRank) == forward;
  if ((other.SymbolAt(rank) > key.SymbolAt(rank)) == ascends) {
    DescendTo(ref, forward);
  } else {
    Advance(forward);
  }
}

bool ArtIterator::CheckDecider(const char* entry, Disagreement* found) {
  if (found == nullptr || Agrees(entry, &found->reason)) {
    return true;
  }
  found->entry = entry;
  Reset();
  return false;
}

void ArtIterator::SeekFrom(const ArtKey& key, bool forward,
                           Disagreement* found) {
  Reset();
  ArtRef ref = tree_->root_.Find(kArtEndSymbol);
  if (ref == 0) {
    return;
  }
  // As in ArtTree::TryInsert: symbols below this rank are known to agree.
  ArtRank verified = 0;
  for (;;) {
    const bool is_entry = ArtIsEntry(ref);
    ArtNode* node = is_entry ? nullptr : ArtToNode(ref);
    if (is_entry || !node->MatchesWindow(key)) {
      const char* other_entry = ArtAnyEntry(ref);
      if (!CheckDecider(other_entry, found)) {
        return;
      }
      const ArtKey other(other_entry);
      const ArtRank m = key.Diverge(other, verified);
      if (m == kArtEqualRank) {
        entry_ = other_entry;
      } else {
        SettleAround(ref, other, m, key, forward);
      }
      return;
    }
    const ArtRank rank = node->rank();
    if (verified >= node->WindowStart()) {
      verified = std::max(verified, rank);
    }
    const int symbol = node->SymbolOf(key);
    const ArtRef next = node->Find(symbol);
    if (next == 0 && verified < rank) {
      const char* other_entry = ArtAnyEntry(ref);
      if (!CheckDecider(other_entry, found)) {
        return;
      }
      const ArtKey other(other_entry);
      const ArtRank m = key.Diverge(other, verified);
      if (m < rank) {
        SettleAround(ref, other, m, key, forward);
        return;
      }
    }
    Push(node, symbol);
    if (next == 0) {
      Advance(forward);
      return;
    }
    verified = ArtVerifiedBehind(symbol, rank, verified);
    ref = next;
  }
}

void ArtIterator::SeekVersions(const ArtKey& key) {
  Reset();
  ArtRef ref = tree_->root_.Find(kArtEndSymbol);
  // User space is searched blind, without a stack: the entry arrived at tells.
  while (ref != 0 && !ArtIsEntry(ref) && !ArtToNode(ref)->is_version()) {
    const ArtNode* node = ArtToNode(ref);
    if (!node->MatchesWindow(key)) {
      return;
    }
    ref = node->Find(node->SymbolOf(key));
  }
  if (ref == 0) {
    return;
  }
  __builtin_prefetch(ArtToEntry(ref));
  while (!ArtIsEntry(ref)) {
    const ArtNode* node = ArtToNode(ref);
    if (!node->MatchesWindow(key)) {
      // All versions below are newer or all are older.
      if (node->window() > key.VersionWindow(node->level())) {
        DescendTo(ref, true);
      } else {
        Advance(true);
      }
      break;
    }
    const int symbol = node->SymbolOf(key);
    ref = node->Find(symbol);
    Push(node, symbol);
    if (ref == 0) {
      Advance(true);
      break;
    }
  }
  if (entry_ == nullptr && ArtIsEntry(ref)) {
    if (ArtKey(ArtToEntry(ref)).version() >= key.version()) {
      entry_ = ArtToEntry(ref);
    } else {
      Advance(true);
    }
  }
  if (entry_ != nullptr && !ArtKey(entry_).SameUserKey(key)) {
    Reset();
  }
}

bool ArtIterator::Agrees(const char* entry, std::string* reason) const {
  const ArtKey key(entry);
  for (size_t i = 0; i < depth_; ++i) {
    const ArtNode* node = frames_[i].node;
    if (!node->MatchesWindow(key)) {
      *reason = "the entry's key has other bytes before rank " +
                std::to_string(node->rank()) + " than the node of that rank";
      return false;
    }
    if (node->SymbolOf(key) != frames_[i].symbol) {
      *reason = "the entry's key has symbol " +
                std::to_string(node->SymbolOf(key)) + " at rank " +
                std::to_string(node->rank()) + " but hangs from slot " +
                std::to_string(frames_[i].symbol) + " of the node of that rank";
      return false;
    }
  }
  return true;
}

bool ArtIterator::AgreesWithPath(std::string* reason) const {
  assert(Valid());
  return Agrees(entry_, reason);
}

bool ArtIterator::SeekAndCheck(const ArtKey& key, Disagreement* found) {
  found->entry = nullptr;
  SeekFrom(key, true, found);
  if (found->entry == nullptr && Valid() && !Agrees(entry_, &found->reason)) {
    found->entry = entry_;
  }
  if (found->entry == nullptr) {
    return true;
  }
  Reset();
  return false;
}

}  // namespace memkv
