// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree::Validate: walks every node of a tree at rest, in the order of the
// symbols, and checks the invariants of art_tree.h where they can be seen.

#include <vector>

#include "memtable/art_tree.h"

namespace memkv {

namespace {

struct Frame {
  const ArtNode* node;
  int symbol;
};

std::string Describe(const ArtNode* node) {
  return "a node with " + std::to_string(node->count()) + " of " +
         std::to_string(node->Capacity()) + " children at " +
         (node->is_version() ? "version" : "user") + " byte " +
         std::to_string(node->level()) + ": ";
}

// What can be said about a node without looking below it.
bool CheckNode(const ArtNode* node, const ArtNode* parent,
               std::string* reason) {
  if (reinterpret_cast<uintptr_t>(node) % kArtLine != 0) {
    *reason = "layout: a node does not start on a cache line";
    return false;
  }
  const int type = static_cast<int>(node->type());
  if (type < static_cast<int>(ArtNodeType::kNode4) || type >= kArtNodeTypes) {
    *reason = "(I1): a node has the unknown type " + std::to_string(type);
    return false;
  }
  if (node->locked()) {
    *reason = Describe(node) + "(I6): locked while no insert runs";
    return false;
  }
  if (node->obsolete()) {
    *reason = Describe(node) + "(I7): obsolete, but reachable";
    return false;
  }
  if (parent != nullptr && node->rank() <= parent->rank()) {
    *reason = Describe(node) + "(I5): its rank is not above its parent's";
    return false;
  }
  if (node->is_version() &&
      (node->level() >= static_cast<uint32_t>(kArtVersionBytes) ||
       node->Find(kArtEndSymbol) != 0)) {
    *reason = Describe(node) + "(I5): the version space has no such symbol";
    return false;
  }
  if (node->count() > node->Capacity()) {
    *reason = Describe(node) + "layout: more children than it has room for";
    return false;
  }
  int children = 0;
  int occupied = 0;
  int symbol = ArtNode::kBeforeAll;
  ArtRef ref;
  while (node->FindAbove(symbol, &symbol, &ref)) {
    ++occupied;
    children += symbol == kArtEndSymbol ? 0 : 1;
    if (ref == 0 || node->Find(symbol) != ref) {
      *reason = Describe(node) + "(I4): stepping and searching disagree on " +
                std::to_string(symbol);
      return false;
    }
  }
  if (occupied < 2) {
    *reason = Describe(node) + "(I3): fewer than two occupied slots";
    return false;
  }
  if (children != node->count()) {
    *reason = Describe(node) + "(I4): " + std::to_string(children) +
              " distinct symbols are occupied";
    return false;
  }
  return true;
}

// What an entry says about the nodes above it.
bool CheckEntry(const ArtKey& key, const std::vector<Frame>& path,
                std::string* reason) {
  for (const Frame& frame : path) {
    if (!frame.node->MatchesWindow(key)) {
      *reason = Describe(frame.node) +
                "(I2): an entry below differs from its "
                "window";
      return false;
    }
    if (frame.node->SymbolOf(key) != frame.symbol) {
      *reason = Describe(frame.node) + "(I2): an entry with symbol " +
                std::to_string(frame.node->SymbolOf(key)) +
                " hangs from slot " + std::to_string(frame.symbol);
      return false;
    }
  }
  return true;
}

}  // namespace

bool ArtTree::Validate(std::string* reason) const {
  ArtStats seen;
  std::vector<Frame> path;
  const char* previous = nullptr;
  // The innermost node that holds both the previous entry and the next one.
  const ArtNode* fork = nullptr;
  if (root_.locked() || root_.obsolete()) {
    *reason = "(I6), (I7): the root is locked or obsolete";
    return false;
  }
  ArtRef ref = root_.Find(kArtEndSymbol);
  while (ref != 0) {
    while (!ArtIsEntry(ref)) {
      const ArtNode* node = ArtToNode(ref);
      if (!CheckNode(node, path.empty() ? nullptr : path.back().node, reason)) {
        return false;
      }
      ++seen.live_nodes[static_cast<int>(node->type())];
      int symbol;
      node->FindAbove(ArtNode::kBeforeAll, &symbol, &ref);
      path.push_back(Frame{node, symbol});
    }
    const ArtKey key(ArtToEntry(ref));
    if (!CheckEntry(key, path, reason)) {
      return false;
    }
    ++seen.entries;
    if (previous != nullptr) {
      const ArtRank m = ArtKey(previous).Diverge(key, 0);
      if (m != fork->rank()) {
        *reason = Describe(fork) +
                  "(I2), (I5): neighbours first differ at rank " +
                  std::to_string(m) + ", but part here";
        return false;
      }
    }
    previous = ArtToEntry(ref);
    ref = 0;
    while (!path.empty() &&
           !path.back().node->FindAbove(path.back().symbol, &path.back().symbol,
                                        &ref)) {
      path.pop_back();
    }
    if (!path.empty()) {
      fork = path.back().node;
    }
  }
  const ArtStats counted = GetStats();
  if (seen.entries != counted.entries) {
    *reason = "counters: " + std::to_string(seen.entries) +
              " entries are reachable, " + std::to_string(counted.entries) +
              " were counted";
    return false;
  }
  for (int t = 0; t < kArtNodeTypes; ++t) {
    if (seen.live_nodes[t] != counted.live_nodes[t]) {
      *reason = "counters: " + std::to_string(seen.live_nodes[t]) +
                " nodes of type " + std::to_string(t) + " are reachable, " +
                std::to_string(counted.live_nodes[t]) + " were counted";
      return false;
    }
  }
  return true;
}

}  // namespace memkv
