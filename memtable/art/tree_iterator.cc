// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art/tree_iterator.h"

#include <utility>

namespace memkv {

bool ArtIterator::Load(ItemRun* run) const {
  const ArtPath::Step& at = path_.back();
  run->node = at.node;
  run->version = at.version;
  if (!at.Resume().CopyRefs(at.meta, run->refs)) {
    run->node = nullptr;
    return false;
  }
  run->begin = at.item;
  while (run->begin > 0 && !ArtIsNode(run->refs[run->begin - 1])) {
    --run->begin;
  }
  run->end = at.item + 1;
  while (run->end < at.meta.count() && !ArtIsNode(run->refs[run->end])) {
    ++run->end;
  }
  return true;
}

void ArtIterator::Settle() {
  entry_ = tree_->EntryAt(path_.back().ref);
  item_ = path_.back().item;
  steps_ = 0;
  next_loaded_ = false;
  path_leads_ = Load(run_);
  if (!path_leads_) {
    // The entry is right all the same; the next step looks for it again.
    run_->begin = run_->end = 0;
  }
}

bool ArtIterator::SeekFrom(const ArtKey& key, bool forward, bool inclusive,
                           Disagreement* found) {
  DrainInserts();
  const char* decider = nullptr;
  for (int spins = 0;; ArtPause(spins++)) {
    const ArtTree::Found result =
        tree_->TrySeek(key, forward, inclusive, &path_, &decider);
    if (result == ArtTree::Found::kRestart) {
      continue;
    }
    if (found != nullptr && decider != nullptr) {
      ArtIterator check(tree_);
      check.entry_ = decider;
      if (!check.AgreesWithPath(&found->reason)) {
        found->entry = decider;
        Reset();
        return false;
      }
    }
    if (result == ArtTree::Found::kYes) {
      Settle();
    } else {
      Reset();
    }
    return true;
  }
}

void ArtIterator::SeekToEdge(bool first) {
  DrainInserts();
  ArtTree::Found result;
  for (int spins = 0;
       (result = tree_->TryEdge(first, &path_)) == ArtTree::Found::kRestart;
       ArtPause(spins++)) {
  }
  if (result == ArtTree::Found::kYes) {
    Settle();
  } else {
    Reset();
  }
}

void ArtIterator::StepOut(bool forward) {
  const bool walks = forward ? steps_ >= 0 : steps_ <= 0;
  const int item = forward ? item_ + 1 : item_ - 1;
  const bool leaves = item < run_->begin || item >= run_->end;
  const bool same = changes_ == tree_->Changes();
  if (next_loaded_ && walks && leaves && run_->Holds() && next_->Holds() &&
      same) {
    std::swap(run_, next_);
    next_loaded_ = false;
    item_ = forward ? run_->begin : run_->end - 1;
    entry_ = tree_->EntryAt(run_->refs[item_]);
    LookAhead(forward);
    return;
  }
  const int steps = walks ? steps_ : 0;
  ArtTree::Found found = ArtTree::Found::kRestart;
  if (path_leads_ && !next_loaded_ && leaves && run_->Holds() && same) {
    found = tree_->StepTo(path_.size() - 1, item, forward, &path_);
  }
  if (found == ArtTree::Found::kYes) {
    Settle();
  } else if (found == ArtTree::Found::kNo) {
    Reset();
  } else {
    SeekFrom(ArtKey(entry_, tree_->order_), forward, false, nullptr);
  }
  if (Valid()) {
    steps_ = steps;
    LookAhead(forward);
  }
}

void ArtIterator::LookAhead(bool forward) {
  if (forward ? steps_ < 0 : steps_ > 0) {
    steps_ = 0;
    path_leads_ = path_leads_ && !next_loaded_;
    next_loaded_ = false;
  }
  const int step = forward ? 1 : -1;
  const size_t user_size = ArtKey(entry_, tree_->order_).user_size();
  // A run that could not be loaded is empty: its references do not count, and
  // must not be followed.
  const int left = run_->begin == run_->end ? 0
                   : forward                ? run_->end - 1 - item_
                                            : item_ - run_->begin;
  if (steps_ == 0) {
    for (int i = 1; i <= kAhead && i <= left; ++i) {
      tree_->PrefetchEntry(run_->refs[item_ + i * step], user_size);
    }
  } else if (left >= kAhead) {
    tree_->PrefetchEntry(run_->refs[item_ + kAhead * step], user_size);
  }
  if (steps_ * step < kWalk) {
    steps_ += step;
    return;
  }
  if (left >= kAhead) {
    return;
  }
  int from = kAhead - left - 1;
  if (!next_loaded_) {
    LoadNext(forward);
    from = 0;
  }
  if (next_loaded_) {
    const int size = next_->end - next_->begin;
    for (int i = from; i < kAhead - left && i < size; ++i) {
      tree_->PrefetchEntry(
          next_->refs[forward ? next_->begin + i : next_->end - 1 - i],
          user_size);
    }
  }
}

void ArtIterator::LoadNext(bool forward) {
  ArtTree::Found found = ArtTree::Found::kRestart;
  if (path_leads_ && run_->Holds() && changes_ == tree_->Changes()) {
    found =
        tree_->StepTo(path_.size() - 1, forward ? run_->end : run_->begin - 1,
                      forward, &path_);
    path_leads_ = found != ArtTree::Found::kRestart;
  }
  if (found == ArtTree::Found::kRestart) {
    // What comes behind the last entry of the run; that is near, or fetched.
    const int last = forward ? run_->end - 1 : run_->begin;
    path_leads_ = false;
    if (last < run_->begin || last >= run_->end) {
      return;
    }
    const ArtKey key(tree_->EntryAt(run_->refs[last]), tree_->order_);
    DrainInserts();
    found = tree_->TrySeek(key, forward, false, &path_, nullptr);
  }
  if (found != ArtTree::Found::kYes || !Load(next_)) {
    path_leads_ = path_leads_ && found == ArtTree::Found::kNo;
    return;
  }
  // If the run was entered in its middle, somebody has inserted.
  path_leads_ = path_.back().item == (forward ? next_->begin : next_->end - 1);
  next_loaded_ = path_leads_;
  if (next_loaded_ && path_.size() > 1) {
    // And what will be loaded after it, if that is near.
    const ArtPath::Step& above = path_[path_.size() - 2];
    const int item = above.item + (forward ? 1 : -1);
    if (item >= 0 && item < above.meta.count()) {
      const ArtNodeReading reading = above.Resume();
      const ArtNodeReading::UncheckedRef ref = reading.RefAt(above.meta, item);
      if (reading.Holds() && ArtIsNode(reading.Checked(ref))) {
        tree_->arena_.NodeAt(reading.Checked(ref))->Prefetch();
      }
    }
  }
}

void ArtIterator::SeekToRandom(uint64_t seed) {
  DrainInserts();
  for (int spins = 0;; ArtPause(spins++)) {
    ArtTree::Found result = tree_->TryEdge(true, &path_);
    if (result == ArtTree::Found::kNo) {
      Reset();
      return;
    }
    uint64_t random = seed;
    for (size_t level = 1;
         result == ArtTree::Found::kYes && level < path_.size(); ++level) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const int item = static_cast<int>(
          (random >> 33) % static_cast<uint64_t>(path_[level].meta.count()));
      result = tree_->StepTo(level, item, true, &path_);
    }
    if (result == ArtTree::Found::kYes) {
      Settle();
      return;
    }
  }
}

bool ArtIterator::Agrees(const ArtPath& path, const char* entry,
                         std::string* reason) const {
  const ArtKey key(entry, tree_->order_);
  for (size_t level = 0; level < path.size(); ++level) {
    const ArtPath::Step& at = path[level];
    for (int side = 0; side < 2; ++side) {
      const int border = at.item + side;
      if (border == 0 || border >= at.meta.count()) {
        continue;
      }
      const ArtNodeReading reading = at.Resume();
      const ArtDepth depth =
          ArtNode::DepthOf(reading.CodeAt(border), at.meta.base());
      const int symbol = reading.SymbolAt(at.meta, border);
      if (!reading.Holds()) {
        return true;
      }
      if ((key.SymbolAt(depth) >= symbol) != (side == 0)) {
        *reason = "its symbol " + std::to_string(key.SymbolAt(depth)) +
                  " at depth " + std::to_string(depth) +
                  (side == 0 ? " is below the border before it, "
                             : " is not below the border behind it, ") +
                  std::to_string(symbol);
        return false;
      }
    }
  }
  return true;
}

bool ArtIterator::AgreesWithPath(std::string* reason) const {
  const ArtKey key(entry_, tree_->order_);

  ArtPath path;
  for (int spins = 0;; ArtPause(spins++)) {
    const ArtTree::Found result = tree_->Descend(key, &path);
    if (result == ArtTree::Found::kRestart) {
      continue;
    }
    if (result == ArtTree::Found::kYes &&
        tree_->EntryAt(path.back().ref) == entry_) {
      return Agrees(path, entry_, reason);
    }
    *reason = "a search for it ends elsewhere";
    return false;
  }
}

bool ArtIterator::SeekAndCheck(const ArtKey& key, Disagreement* found) {
  if (!SeekFrom(key, true, true, found)) {
    return false;
  }
  if (Valid() && !AgreesWithPath(&found->reason)) {
    found->entry = entry_;
    Reset();
    return false;
  }
  return true;
}

}  // namespace memkv
