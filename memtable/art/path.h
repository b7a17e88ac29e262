// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtPath: the way of one descent through an ArtTree: the nodes, the versions
// they had, and the items followed. An operation has one on its stack, an
// iterator keeps one. It owns nothing, and its versions say what still holds of
// it: each step is a reading that held (node_access.h), and can be resumed. One
// thread at a time.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memtable/art/node.h"
#include "memtable/art/node_access.h"

namespace memkv {

class ArtPath {
 public:
  struct Step {
    ArtNode* node;
    ArtNode::Meta meta;
    uint32_t version;
    int item;
    // Of the item.
    ArtRef ref;

    // The reading that the step was made by, resumed.
    ArtNodeReading Resume() const { return ArtNodeReading(node, version); }
    // REQUIRES: the caller has locked the node, at the step's version.
    ArtNodeOwner Owned() const { return ArtNodeOwner::OfLocked(node, version); }
  };

  size_t size() const { return size_; }
  void Clear() { size_ = 0; }
  // Field by field: a step made elsewhere and copied would be read back by
  // wider loads than it was written by, and wait for them.
  void Push(ArtNode* node, uint32_t version, int item, ArtNode::Meta meta,
            ArtRef ref) {
    if (size_ >= kInline + deep_.size()) {
      deep_.resize(2 * deep_.size() + kInline);
    }
    ++size_;
    Step& step = back();
    step.node = node;
    step.version = version;
    step.item = item;
    step.meta = meta;
    step.ref = ref;
  }
  // The owner of the path has put a node in the place of the last step's item,
  // by one writing, and goes on into it.
  void LeadOn(ArtRef ref, const Step& next) {
    Step& step = back();
    step.ref = ref;
    step.version += 2;
    Push(next.node, next.version, next.item, next.meta, next.ref);
  }
  void Truncate(size_t size) {
    assert(size <= size_);
    size_ = size;
  }
  Step& operator[](size_t i) {
    assert(i < size_);
    return i < kInline ? inline_[i] : deep_[i - kInline];
  }
  const Step& operator[](size_t i) const {
    return const_cast<ArtPath&>(*this)[i];
  }
  Step& back() { return (*this)[size_ - 1]; }
  const Step& back() const { return (*this)[size_ - 1]; }

 private:
  // Deeper than 64-way trees of any size are, but for keys that are each
  // other's prefixes by the hundreds (tree.h).
  static constexpr size_t kInline = 16;

  size_t size_ = 0;
  Step inline_[kInline];
  std::vector<Step> deep_;
};

}  // namespace memkv
