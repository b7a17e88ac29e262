// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtIterator: a position among the entries of an ArtTree, and ordered steps
// from it, both ways.
//
// It holds an entry, and a copy of the run of entries around it in its node. A
// step is a step in that copy as long as the node's version is the same, and
// otherwise, as at the ends of the run, a search for the entry's neighbour from
// the root. Every few steps it looks ahead: entries a few steps on are resolved
// to their addresses and prefetched, and, after some steps in one direction,
// the next run is fetched before this one ends.
//
// Guarantees, against any number of concurrent inserts:
//  (G1) Entries come in strictly increasing order with Next, strictly
//       decreasing with Prev.
//  (G2) A walk misses no entry whose insert returned before the last Seek*
//       began. Later ones are seen if their insert returned before the step
//       that would pass them began, and else may be.
//  (G3) Seek lands on the first entry at or after the target, of those (G2)
//       covers, or on a later insert between the target and that.
//
// Thread safety: one thread at a time; it may change between calls. An
// iterator holds no lock and no thread's resources, so it may live as long as
// the tree.
//
// Cost: a step reads one version, most times, and, where it looks ahead, the
// first bytes of the entry it arrives at, which the caller is about to read. A
// seek reads one node a level and at most two entries.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "memtable/art/tree.h"

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
  void Next() { Step(true); }
  void Prev() { Step(false); }

  // The same, if there is little to do; else false, and nothing is done.
  bool StepEasily(bool forward) {
    assert(Valid());
    const ptrdiff_t item = forward ? item_ + 1 : item_ - 1;
    ItemRun* const run = run_;
    if (tree_->Arrived() != arrived_ ||
        (forward ? item > easy_last_ : item < easy_first_) ||
        !ArtNodeReading(run->node, run->version).Holds()) {
      return false;
    }
    item_ = item;
    entry_ = run->entries[item];
    return true;
  }

  // The first entry at or after the key; the last one at or before it.
  void Seek(const ArtKey& key) { SeekFrom(key, true, true, nullptr); }
  void SeekForPrev(const ArtKey& key) { SeekFrom(key, false, true, nullptr); }
  void SeekToFirst() { SeekToEdge(true); }
  void SeekToLast() { SeekToEdge(false); }

  // Some entry: at each node on the way every item is as likely as the others.
  // So entries that few nodes lead to are more likely than others.
  void SeekToRandom(uint64_t seed);

  // Leaves the iterator not valid.
  void Reset() { entry_ = nullptr; }

  // An entry that does not agree with the path to it.
  struct Disagreement {
    const char* entry = nullptr;
    std::string reason;
  };

  // Checks that the entry has symbols that fit the borders beside the path that
  // leads to it: a changed key byte or a changed node may show as a
  // disagreement. REQUIRES: Valid().
  bool AgreesWithPath(std::string* reason) const;

  // As Seek, and checks the entry arrived at as well as the one whose
  // comparison decided where to go. If one disagrees, the iterator is not
  // valid, *found says which, and the result is false.
  bool SeekAndCheck(const ArtKey& key, Disagreement* found);

 private:
  // The items begin..end - 1 of a node, all entries, as a reading that began
  // with the version has seen them.
  struct ItemRun {
    const ArtNode* node = nullptr;
    uint32_t version = 0;
    ptrdiff_t begin = 0;
    ptrdiff_t end = 0;
    // Whether all of them are near and of one slot (arena.h).
    bool near = false;
    ArtRef refs[ArtNode::kMaxItems];
    // Where the entries are that have been resolved.
    const char* entries[ArtNode::kMaxItems];

    // So many bytes from the one to the next.
    static constexpr int kNear = 256;
    // Whether the entries lie one behind the other in memory, up or down, or
    // nearly so, as those that came in order do. A guess.
    bool IsDense() const {
      const int64_t apart = int64_t{refs[end - 1]} - int64_t{refs[begin]};
      // References count in units of two bytes.
      return 2 * std::abs(apart) < kNear * (end - begin);
    }
    bool Holds() const {
      return node != nullptr && ArtNodeReading(node, version).Holds();
    }
  };

  // So many entries ahead are prefetched, and of a walk kStride more; every
  // kStride steps it looks ahead; so many steps in one direction make a walk.
  static constexpr int kAhead = 10;
  static constexpr int kStride = 4;
  static constexpr int kWalk = 12;

  void Step(bool forward) {
    if (!StepEasily(forward)) {
      StepSlow(forward);
    }
  }
  void StepSlow(bool forward);
  // From now on no step is easy, or those to the item.
  void SetEasy() {
    easy_first_ = ArtNode::kMaxItems;
    easy_last_ = -1;
  }
  void SetEasy(ptrdiff_t to, bool forward) {
    SetEasy();
    (forward ? easy_last_ : easy_first_) = to;
  }
  // What has returned from its insert before this is found by what follows;
  // what returns later, changes_ tells of.
  void DrainInserts() {
    changes_ = tree_->Changes();
    DrainArrived();
  }
  void DrainArrived() {
    arrived_ = tree_->Arrived();
    tree_->DrainIfWaiting();
  }
  // Looks up where the entries of the items first..last are.
  void Resolve(ItemRun* run, ptrdiff_t first, ptrdiff_t last) const;
  // The same of the items from *from up to `to`, that way, and prefetches them,
  // if that helps. Then *from is behind `to`.
  void Fetch(ItemRun* run, ptrdiff_t* from, ptrdiff_t to, bool forward) const;
  void LookAhead(bool forward);
  void LoadNext(bool forward);
  void StepOut(bool forward);
  // To the nearest entry after the key, or before it. False if the entry that
  // decided it was asked to be checked and disagrees.
  bool SeekFrom(const ArtKey& key, bool forward, bool inclusive,
                Disagreement* found);
  void SeekToEdge(bool first);
  // The run around the end of path_; false if that has changed.
  bool Load(ItemRun* run) const;
  // At the end of path_.
  void Settle();
  bool Agrees(const ArtPath& path, const char* entry,
              std::string* reason) const;

  const ArtTree* const tree_;
  const char* entry_ = nullptr;
  // Of entry_ in *run_.
  ptrdiff_t item_ = 0;
  // Steps forwards to items up to easy_last_, or backwards down to easy_first_,
  // need no look ahead: those items are resolved. One of the two is out of
  // reach.
  ptrdiff_t easy_first_ = ArtNode::kMaxItems;
  ptrdiff_t easy_last_ = -1;
  // ArtTree::Arrived() before the insert buffer was drained last.
  uint64_t arrived_ = 0;
  // Which item of *run_ and of *next_ is to be resolved next.
  ptrdiff_t to_resolve_ = 0;
  ptrdiff_t to_resolve_next_ = 0;
  // Steps taken forwards since the last seek, or, negative, backwards; the easy
  // ones are counted before.
  int steps_ = 0;
  ItemRun* run_ = &runs_[0];
  // The run that follows in the direction of the walk, if it is loaded.
  ItemRun* next_ = &runs_[1];
  bool next_loaded_ = false;
  // Whether path_ leads to the next run, if it is loaded, or else to this one.
  bool path_leads_ = false;
  // ArtTree::Changes() before path_ was made. If there are more now, an entry
  // may stand between two runs that have not changed.
  uint64_t changes_ = 0;
  ItemRun runs_[2];
  ArtPath path_;
};

}  // namespace memkv
