// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree::Validate: walks every node of a tree at rest, in order, and checks
// the invariants of tree.h where they can be seen.

#include <algorithm>
#include <vector>

#include "memtable/art/tree.h"

namespace memkv {

namespace {

struct Frame {
  ArtNodeOwner node;
  ArtNode::Meta meta;
  int item;
};

std::string Describe(const ArtNode::Meta& meta) {
  return "a node with " + std::to_string(meta.count()) + " of " +
         std::to_string(meta.capacity()) + " items and base " +
         std::to_string(meta.base()) + ": ";
}

// What can be said about a node without looking below it.
bool CheckNode(ArtNodeOwner node, const Frame& above, std::string* reason) {
  if (reinterpret_cast<uintptr_t>(node.node()) % 16 != 0) {
    *reason = "layout: a node is not aligned to 16";
    return false;
  }
  const ArtNode::Meta meta = node.meta();
  if (ArtNode::IsLocked(node.node()->Version())) {
    *reason = Describe(meta) + "(I6): locked while no insert runs";
    return false;
  }
  if (meta.node_class() >= kArtNodeClasses) {
    *reason =
        "layout: there is no node class " + std::to_string(meta.node_class());
    return false;
  }
  if (meta.count() < ArtNode::kMinItems || meta.count() > meta.capacity()) {
    *reason = Describe(meta) + "(I1): too few or too many";
    return false;
  }
  const ArtDepth border_above = above.node.BorderBeside(above.meta, above.item);
  int low = ArtNode::kNoCode;
  for (int i = 1; i < meta.count(); ++i) {
    const int code = node.CodeAt(i);
    low = std::min(low, code);
    const bool of_version = code >= ArtNode::kVersionCode &&
                            code < ArtNode::kVersionCode + kArtVersionBytes;
    if (code > ArtNode::kMaxUserCode && !of_version) {
      *reason = Describe(meta) + "layout: no border has the code " +
                std::to_string(code);
      return false;
    }
    if (ArtNode::DepthOf(code, meta.base()) < border_above) {
      *reason = Describe(meta) + "(I3): border " + std::to_string(i) +
                " is of a lower depth than a border beside the node, " +
                std::to_string(border_above);
      return false;
    }
  }
  if (low != meta.low_code()) {
    *reason = Describe(meta) + "layout: the lowest code is " +
              std::to_string(low) + ", not " + std::to_string(meta.low_code());
    return false;
  }
  return true;
}

}  // namespace

bool ArtTree::Validate(std::string* reason) const {
  DrainIfWaiting();
  ArtStats seen;
  const ArtNodeOwner root_node = ArtNodeOwner::AtRest(root_);
  const ArtNode::Meta root = root_node.meta();
  if (ArtNode::IsLocked(root_->Version()) || root.count() > 1) {
    *reason = "(I1), (I6): the root is locked, or has several items";
    return false;
  }
  std::vector<Frame> path;
  if (root.count() == 1) {
    path.push_back(Frame{root_node, root, 0});
  }
  const char* previous = nullptr;
  // The frame whose item was stepped to since the previous entry.
  size_t stepped = 0;
  while (!path.empty()) {
    for (;;) {
      const Frame above = path.back();
      const ArtRef ref = above.node.RefAt(above.meta, above.item);
      if (ref == kArtNoRef) {
        *reason = Describe(above.meta) + "layout: an item without a reference";
        return false;
      }
      if (!ArtIsNode(ref)) {
        break;
      }
      const ArtNodeOwner node = ArtNodeOwner::AtRest(arena_.NodeAt(ref));
      if (!CheckNode(node, above, reason)) {
        return false;
      }
      ++seen.live_nodes[node.meta().node_class()];
      path.push_back(Frame{node, node.meta(), 0});
    }
    const Frame& leaf = path.back();
    const char* entry = EntryAt(leaf.node.RefAt(leaf.meta, leaf.item));
    const ArtKey key(entry, order_);
    ++seen.entries;
    if (previous != nullptr) {
      const Frame& fork = path[stepped];
      const ArtKey before(previous, order_);
      const ArtDepth depth = before.Diverge(key);
      if (depth == kArtEqualDepth || !before.LessAt(depth, key)) {
        *reason = Describe(fork.meta) + "neighbours out of order";
        return false;
      }
      const ArtDepth border =
          ArtNode::DepthOf(fork.node.CodeAt(fork.item), fork.meta.base());
      const int symbol = fork.node.SymbolAt(fork.meta, fork.item);
      if (depth != border || key.SymbolAt(depth) != symbol) {
        *reason = Describe(fork.meta) +
                  "(I2): neighbours first differ at depth " +
                  std::to_string(depth) + ", symbol " +
                  std::to_string(key.SymbolAt(depth)) +
                  ", but the border between is depth " +
                  std::to_string(border) + ", symbol " + std::to_string(symbol);
        return false;
      }
    }
    previous = entry;
    while (!path.empty() && ++path.back().item == path.back().meta.count()) {
      path.pop_back();
    }
    stepped = path.empty() ? 0 : path.size() - 1;
  }
  const ArtStats counted = GetStats();
  if (seen.entries != counted.entries) {
    *reason = "counters: " + std::to_string(seen.entries) +
              " entries are reachable, " + std::to_string(counted.entries) +
              " were counted";
    return false;
  }
  for (int c = 0; c < kArtNodeClasses; ++c) {
    if (seen.live_nodes[c] != counted.live_nodes[c]) {
      *reason = "counters: " + std::to_string(seen.live_nodes[c]) +
                " nodes of class " + std::to_string(c) + " are reachable, " +
                std::to_string(counted.live_nodes[c]) + " are in use";
      return false;
    }
  }
  return true;
}

}  // namespace memkv
