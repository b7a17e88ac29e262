// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art/tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <new>
#include <optional>
#include <utility>

#include "memtable/art/tree_iterator.h"

namespace memkv {

ArtTree::ArtTree(ArtOrder order, ArtAllocator* allocator, uint32_t max_slots)
    : root_(new (root_memory_) ArtNode(0)),
      order_(order),
      arena_(allocator, max_slots) {}

ArtTree::Found ArtTree::Descent::Advance() {
  const ArtNodeReading reading(node_);
  if (path_->size() == 0 ? !reading.BeginAtRoot()
                         : !reading.BeginBelow(path_->back().Resume())) {
    return Found::kRestart;
  }
  const ArtNode::Meta meta = reading.meta();
  const int item = reading.Search(key_, meta);
  const ArtNodeReading::UncheckedRef unchecked = reading.RefAt(meta, item);
  if (!reading.Holds()) {
    return Found::kRestart;
  }
  const ArtRef ref = reading.Checked(unchecked);
  path_->Push(node_, reading.version(), item, meta, ref);
  if (ArtIsNode(ref)) {
    node_ = arena_.NodeAt(ref);
    node_->Prefetch();
    return Found::kNotYet;
  }
  return meta.count() == 0 ? Found::kNo : Found::kYes;
}

ArtTree::Found ArtTree::Descend(const ArtKey& key, ArtPath* path) const {
  Descent descent(*this, key, path);
  Found found;
  do {
    found = descent.Advance();
  } while (found == Found::kNotYet);
  return found;
}

ArtTree::Found ArtTree::DescendOn(const ArtKey& key, ArtPath* path) const {
  Descent descent(*this, key, path, path->back().node);
  Found found;
  do {
    found = descent.Advance();
  } while (found == Found::kNotYet);
  return found;
}

ArtTree::Found ArtTree::DescendToEdge(bool first, ArtPath* path) const {
  for (;;) {
    const ArtPath::Step above = path->back();
    if (!ArtIsNode(above.ref)) {
      return Found::kYes;
    }
    ArtNode* const node = arena_.NodeAt(above.ref);
    node->Prefetch();
    const ArtNodeReading reading(node);
    if (!reading.BeginBelow(above.Resume())) {
      return Found::kRestart;
    }
    const ArtNode::Meta meta = reading.meta();
    const int item = first ? 0 : std::max(meta.count(), 1) - 1;
    const ArtNodeReading::UncheckedRef ref = reading.RefAt(meta, item);
    if (!reading.Holds()) {
      return Found::kRestart;
    }
    path->Push(node, reading.version(), item, meta, reading.Checked(ref));
  }
}

ArtTree::Found ArtTree::TryEdge(bool first, ArtPath* path) const {
  path->Clear();
  const ArtNodeReading reading(root_);
  if (!reading.BeginAtRoot()) {
    return Found::kRestart;
  }
  const ArtNode::Meta meta = reading.meta();
  const ArtNodeReading::UncheckedRef ref = reading.RefAt(meta, 0);
  if (!reading.Holds()) {
    return Found::kRestart;
  }
  if (meta.count() == 0) {
    return Found::kNo;
  }
  path->Push(root_, reading.version(), 0, meta, reading.Checked(ref));
  return DescendToEdge(first, path);
}

bool ArtTree::FindBranchPoint(const ArtPath& path, const ArtKey& key,
                              const ArtKey& other, ArtDepth depth,
                              BranchPoint* out) const {
  size_t level = path.size() - 1;
  for (; level > 0; --level) {
    const ArtPath::Step& above = path[level - 1];
    const ArtNodeReading reading = above.Resume();
    const ArtDepth border = reading.BorderBeside(above.meta, above.item);
    if (!reading.Holds()) {
      return false;
    }
    if (depth >= border) {
      break;
    }
  }
  const ArtPath::Step& at = path[level];
  out->depth = depth;
  out->level = level;
  out->before = key.LessAt(depth, other);
  const ArtNodeReading reading = at.Resume();
  reading.FindItemRange(at.meta, at.item, depth, &out->first, &out->last);
  return reading.Holds();
}

ArtTree::Found ArtTree::StepTo(size_t level, int item, bool forward,
                               ArtPath* path) const {
  while (item < 0 || item >= (*path)[level].meta.count()) {
    if (!(*path)[level].Resume().Holds()) {
      return Found::kRestart;
    }
    if (level == 0) {
      return Found::kNo;
    }
    --level;
    item = (*path)[level].item + (forward ? 1 : -1);
  }
  path->Truncate(level + 1);
  ArtPath::Step& at = path->back();
  at.item = item;
  const ArtNodeReading reading = at.Resume();
  const ArtNodeReading::UncheckedRef ref = reading.RefAt(at.meta, item);
  if (!reading.Holds()) {
    return Found::kRestart;
  }
  at.ref = reading.Checked(ref);
  return DescendToEdge(forward, path);
}

ArtTree::Found ArtTree::TrySeek(const ArtKey& key, bool forward, bool inclusive,
                                ArtPath* path, const char** decider) const {
  const Found found = Descend(key, path);
  if (found != Found::kYes) {
    return found;
  }
  const char* entry = EntryAt(path->back().ref);
  if (decider != nullptr) {
    *decider = entry;
  }
  const ArtKey other(entry, order_);
  const ArtDepth depth = key.Diverge(other);
  if (depth == kArtEqualDepth) {
    if (inclusive) {
      return Found::kYes;
    }
    return StepTo(path->size() - 1, path->back().item + (forward ? 1 : -1),
                  forward, path);
  }
  BranchPoint d;
  if (!FindBranchPoint(*path, key, other, depth, &d)) {
    return Found::kRestart;
  }
  int item;
  if (forward) {
    item = d.before ? d.first : d.last + 1;
  } else {
    item = d.before ? d.first - 1 : d.last;
  }
  return StepTo(d.level, item, forward, path);
}

// A look-up on its way down, which needs nothing of its path but the end.
class ArtTree::Lookup {
 public:
  Lookup(const ArtTree& tree, const ArtKey& key)
      : tree_(&tree), key_(&key), reading_(tree.root_) {
    goes_on_ = reading_.BeginAtRoot();
    by_path_ = !goes_on_;
  }

  // Goes on to what is not in the cache yet, and prefetches that; it reads none
  // of it before the next call. So others may go on in between. False, and
  // nothing was done, if it has come to the end. `alone`: no others go on.
  bool Advance(bool alone) {
    if (!goes_on_) {
      return false;
    }
    if (item_ < 0) {
      if (child_ != nullptr && !GoDown()) {
        return GiveUp();
      }
      meta_ = reading_.meta();
      // Versions of one user key alone, of which the first is the newest:
      // mostly that is what is sought.
      item_ = newest_ && meta_.low_code() >= ArtNode::kVersionCode
                  ? 0
                  : reading_.Search(*key_, meta_);
      if (!alone && reading_.PrefetchRef(meta_, item_)) {
        return true;
      }
    }
    const int item = std::exchange(item_, -1);
    const ArtNodeReading::UncheckedRef unchecked = reading_.RefAt(meta_, item);
    if (item > 0) {
      newest_ = reading_.CodeAt(item) < ArtNode::kVersionCode;
    }
    if (!reading_.Holds()) {
      return GiveUp();
    }
    ref_ = reading_.Checked(unchecked);
    if (ArtIsNode(ref_)) {
      child_ = tree_->arena_.NodeAt(ref_);
      child_->Prefetch();
      return true;
    }
    goes_on_ = false;
    if (ref_ != kArtNoRef) {
      tree_->PrefetchEntry(ref_, key_->user_size());
    }
    return true;
  }

  // REQUIRES: it has come to the end
  const char* Entry() const {
    if (by_path_) {
      return tree_->GetByPath(*key_);
    }
    if (ref_ == kArtNoRef) {
      return nullptr;
    }
    const char* const entry = tree_->EntryAt(ref_);
    const ArtKey other(entry, tree_->order_);
    if (!key_->SameUserKey(other)) {
      // No entry shares more symbols with the key.
      return nullptr;
    }
    return newest_ && key_->version() <= other.version()
               ? entry
               : tree_->GetByPath(*key_);
  }

 private:
  // Into the child; false if a writer was in the way.
  bool GoDown() {
    ArtNodeReading below(child_);
    if (!below.BeginBelow(reading_)) {
      return false;
    }
    reading_ = std::move(below);
    return true;
  }

  // A writer was in the way.
  bool GiveUp() {
    goes_on_ = false;
    by_path_ = true;
    return true;
  }

  const ArtTree* tree_;
  const ArtKey* key_;
  ArtNodeReading reading_;
  ArtNode::Meta meta_;
  // Where the reading goes on, if it is not at the root.
  const ArtNode* child_ = nullptr;
  // The item that the search found, if its reference is to be read; or -1.
  int item_ = -1;
  ArtRef ref_ = kArtNoRef;
  bool goes_on_;
  bool by_path_;
  // Whether the first entry below the item is the newest of its user key: the
  // border before it says so.  The first item of a node has it from the node
  // above; before the first of the tree there is nothing.
  bool newest_ = true;
};

const char* ArtTree::Get(const ArtKey& key) const {
  DrainIfWaiting();
  Lookup lookup(*this, key);
  while (lookup.Advance(/*alone=*/true)) {
  }
  return lookup.Entry();
}

void ArtTree::GetMany(const ArtKey* keys, size_t n,
                      const char** entries) const {
  DrainIfWaiting();
  // As many lines as a core waits for at a time.
  constexpr size_t kTogether = 16;
  for (size_t begin = 0; begin < n; begin += kTogether) {
    const size_t end = std::min(n, begin + kTogether);
    std::array<std::optional<Lookup>, kTogether> lookups;
    for (size_t i = begin; i < end; ++i) {
      lookups[i - begin].emplace(*this, keys[i]);
    }
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (size_t i = begin; i < end; ++i) {
        goes_on |= lookups[i - begin]->Advance(/*alone=*/false);
      }
    }
    for (size_t i = begin; i < end; ++i) {
      entries[i] = lookups[i - begin]->Entry();
    }
  }
}

const char* ArtTree::GetByPath(const ArtKey& key) const {
  ArtPath path;
  Found found;
  for (int spins = 0;
       (found = TrySeek(key, true, true, &path, nullptr)) == Found::kRestart;
       ArtPause(spins++)) {
  }
  if (found == Found::kNo) {
    return nullptr;
  }
  const char* const entry = EntryAt(path.back().ref);
  return ArtKey(entry, order_).SameUserKey(key) ? entry : nullptr;
}

bool ArtTree::Contains(const ArtKey& key) const {
  DrainIfWaiting();

  ArtPath path;
  for (int spins = 0;; ArtPause(spins++)) {
    const Found found = Descend(key, &path);
    if (found == Found::kNo) {
      return false;
    }
    if (found == Found::kYes) {
      const ArtKey other(EntryAt(path.back().ref), order_);
      return key.Diverge(other) == kArtEqualDepth;
    }
  }
}

size_t ArtTree::NodesOnPath(const ArtKey& key) const {
  DrainIfWaiting();
  ArtPath path;
  for (int spins = 0; Descend(key, &path) == Found::kRestart;
       ArtPause(spins++)) {
  }
  return path.size();
}

}  // namespace memkv
