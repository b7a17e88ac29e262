// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtIterator: a position among the entries of an ArtTree, and ordered steps
// from it, both ways.
//
// It holds an entry, and a copy of the run of entries around it in its node. A
// step is a step in that copy as long as the node's version is the same, and
// otherwise, as at the ends of the run, a search for the entry's neighbour from
// the root. After some steps in one direction it looks ahead: entries a few
// steps on are prefetched, and the next run is fetched before this one ends.
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
    int begin = 0;
    int end = 0;
    ArtRef refs[ArtNode::kMaxItems];

    bool Holds() const {
      return node != nullptr && ArtNodeReading(node, version).Holds();
    }
  };

  // So many entries ahead are prefetched; so many steps in one direction make a
  // walk.
  static constexpr int kAhead = 10;
  static constexpr int kWalk = 12;

  void Step(bool forward) {
    assert(Valid());
    tree_->DrainIfWaiting();
    const int item = forward ? item_ + 1 : item_ - 1;
    if (item >= run_->begin && item < run_->end && run_->Holds()) {
      item_ = item;
      entry_ = tree_->EntryAt(run_->refs[item]);
      LookAhead(forward);
      return;
    }
    StepOut(forward);
  }
  // What has returned from its insert before this is found by what follows;
  // what returns later, changes_ tells of.
  void DrainInserts() {
    changes_ = tree_->Changes();
    tree_->DrainIfWaiting();
  }
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
  int item_ = 0;
  // Steps taken forwards since the last seek, or, negative, backwards.
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
