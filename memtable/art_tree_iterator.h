// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtIterator: a position among the entries of an ArtTree, and ordered steps
// from it, both ways.
//
// It is a stack of (node, symbol followed) from the root to the entry. A step
// looks for the nearest occupied slot beside the symbol, in the innermost node
// that has one. Nodes on the stack may have become obsolete; they still lead to
// all that was below them (art_tree.h, I7).
//
// Guarantees, against any number of concurrent inserts:
//  (G1) Entries come in strictly increasing order with Next, strictly
//       decreasing with Prev.
//  (G2) A walk misses no entry whose insert returned before the last Seek*
//       began. Later ones may be seen or missed.
//  (G3) Seek lands on the first entry at or after the target, of those (G2)
//       covers, or on a later insert between the target and that.
//
// Thread safety: one thread at a time; it may change between calls. An
// iterator holds no lock and no thread's resources, so it may live as long as
// the tree.
//
// Cost: a step reads the nodes between two neighbours and no entry. A seek
// reads one node a level and at most two entries.
// Memory: the first kInlineDepth levels are kept in place, more on the heap.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "memtable/art_tree.h"

namespace memkv {

class ArtIterator {
 public:
  // Not valid until sought. REQUIRES: tree outlives the iterator.
  explicit ArtIterator(const ArtTree* tree) : tree_(tree) {}
  ArtIterator(const ArtIterator&) = delete;
  ArtIterator& operator=(const ArtIterator&) = delete;

  bool Valid() const { return entry_ != nullptr; }

  // REQUIRES: Valid().
  const char* entry() const {
    assert(Valid());
    return entry_;
  }

  // REQUIRES: Valid().
  void Next() {
    assert(Valid());
    Advance(true);
  }
  void Prev() {
    assert(Valid());
    Advance(false);
  }

  // The first entry at or after the key; the last one at or before it.
  void Seek(const ArtKey& key) { SeekFrom(key, true, nullptr); }
  void SeekForPrev(const ArtKey& key) { SeekFrom(key, false, nullptr); }
  void SeekToFirst() { SeekToEdge(true); }
  void SeekToLast() { SeekToEdge(false); }

  // Some entry: at each node on the way every slot is as likely as the others.
  // So entries that few nodes lead to are more likely than others.
  void SeekToRandom(uint64_t seed);

  // Leaves the iterator not valid.
  void Reset() {
    depth_ = 0;
    entry_ = nullptr;
  }

  // The newest entry of the key's user key that is not newer than the key's
  // sequence. From there Next() goes through the older versions of that user
  // key and ends behind the oldest; Prev() likewise at the newest. Allocates
  // nothing.
  void SeekVersions(const ArtKey& key);

  // Checks that the entry has the symbols by which the stack leads to it, and
  // the bytes of the windows on the way: a changed key byte or a changed node
  // shows as a disagreement. Returns false and says where in *reason, if so.
  // REQUIRES: Valid().
  bool AgreesWithPath(std::string* reason) const;

  // An entry that does not agree with the path to it.
  struct Disagreement {
    const char* entry = nullptr;
    std::string reason;
  };

  // As Seek, and checks the entry arrived at as well as the one whose
  // comparison decided where to go. If one disagrees, the iterator is not
  // valid, *found says which, and the result is false.
  bool SeekAndCheck(const ArtKey& key, Disagreement* found);

  // The number of nodes on the way to the entry.
  size_t depth() const { return depth_; }

 private:
  friend class ArtTree;

  struct Frame {
    const ArtNode* node;
    int symbol;
  };
  static constexpr size_t kInlineDepth = 32;

  bool Ascends(const ArtNode* node, bool forward) const {
    return tree_->Ascends(node->is_version()) == forward;
  }

  void Push(const ArtNode* node, int symbol) {
    if (depth_ == capacity_) {
      GrowStack();
    }
    frames_[depth_++] = Frame{node, symbol};
  }
  void GrowStack();

  // If found is not nullptr and the deciding entry disagrees, it says so and
  // the iterator is not valid.
  void SeekFrom(const ArtKey& key, bool forward, Disagreement* found);
  bool CheckDecider(const char* entry, Disagreement* found);
  void SeekToEdge(bool forward);
  // To the entry below `ref` that a walk in the direction meets first.
  void DescendTo(ArtRef ref, bool forward);
  // To the entry after the top frame's slot in the direction.
  void Advance(bool forward);
  // The key and `other`, which is below `ref`, which is below the top frame,
  // first differ at `rank`: goes where the key belongs.
  void SettleAround(ArtRef ref, const ArtKey& other, ArtRank rank,
                    const ArtKey& key, bool forward);
  // True if the entry agrees with the nodes and symbols on the stack.
  bool Agrees(const char* entry, std::string* reason) const;

  const ArtTree* const tree_;
  const char* entry_ = nullptr;
  size_t depth_ = 0;
  size_t capacity_ = kInlineDepth;
  Frame* frames_ = inline_frames_;
  std::unique_ptr<Frame[]> heap_frames_;
  Frame inline_frames_[kInlineDepth];
};

}  // namespace memkv
