// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art/tree_iterator.h"

#include <algorithm>
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
  // Mostly all are entries, in memory near to each other.
  const int count = at.meta.count();
  const ArtRef first = run->refs[0];
  ArtRef any = 0;
  ArtRef differ = 0;
  for (int i = 0; i < count; ++i) {
    any |= run->refs[i];
    differ |= run->refs[i] ^ first;
  }
  run->near = tree_->arena_.AreNear(first, differ);
  if (!ArtIsNode(any)) {
    run->begin = 0;
    run->end = count;
    return true;
  }
  run->begin = at.item;
  while (run->begin > 0 && !ArtIsNode(run->refs[run->begin - 1])) {
    --run->begin;
  }
  run->end = at.item + 1;
  while (run->end < count && !ArtIsNode(run->refs[run->end])) {
    ++run->end;
  }
  return true;
}

void ArtIterator::Settle() {
  entry_ = tree_->EntryAt(path_.back().ref);
  item_ = path_.back().item;
  steps_ = 0;
  SetEasy();
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

void ArtIterator::StepSlow(bool forward) {
  DrainArrived();
  SetEasy();
  const ptrdiff_t item = forward ? item_ + 1 : item_ - 1;
  if (item >= run_->begin && item < run_->end && run_->Holds()) {
    item_ = item;
    entry_ = tree_->EntryAt(run_->refs[item]);
    LookAhead(forward);
    return;
  }
  StepOut(forward);
}

void ArtIterator::StepOut(bool forward) {
  const bool walks = forward ? steps_ >= 0 : steps_ <= 0;
  const ptrdiff_t item = forward ? item_ + 1 : item_ - 1;
  const bool leaves = item < run_->begin || item >= run_->end;
  const bool same = changes_ == tree_->Changes();
  if (next_loaded_ && walks && leaves && run_->Holds() && next_->Holds() &&
      same) {
    std::swap(run_, next_);
    next_loaded_ = false;
    item_ = forward ? run_->begin : run_->end - 1;
    entry_ = tree_->EntryAt(run_->refs[item_]);
    to_resolve_ = to_resolve_next_;
    LookAhead(forward);
    return;
  }
  const int steps = walks ? steps_ : 0;
  ArtTree::Found found = ArtTree::Found::kRestart;
  if (path_leads_ && !next_loaded_ && leaves && run_->Holds() && same) {
    found = tree_->StepTo(path_.size() - 1, static_cast<int>(item), forward,
                          &path_);
  }
  if (found == ArtTree::Found::kYes) {
    Settle();
  } else if (found == ArtTree::Found::kNo) {
    Reset();
  } else {
    SeekFrom(ArtKey(entry_, tree_->order_), forward, false, nullptr);
  }
  if (Valid()) {
    to_resolve_ = forward ? item_ + 1 : item_ - 1;
    steps_ = steps;
    LookAhead(forward);
  }
}

void ArtIterator::Resolve(ItemRun* run, ptrdiff_t first, ptrdiff_t last) const {
  if (!run->near) {
    for (ptrdiff_t i = first; i <= last; ++i) {
      run->entries[i] = tree_->EntryAt(run->refs[i]);
    }
    return;
  }
  const ArtRef first_ref = run->refs[first];
  const char* const first_entry = tree_->EntryAt(first_ref);
  for (ptrdiff_t i = first; i <= last; ++i) {
    run->entries[i] =
        first_entry + ArtArena::BytesBetween(first_ref, run->refs[i]);
  }
}

void ArtIterator::Fetch(ItemRun* run, ptrdiff_t* from, ptrdiff_t to,
                        bool forward) const {
  const ptrdiff_t first = forward ? *from : to;
  const ptrdiff_t last = forward ? to : *from;
  if (first > last) {
    return;
  }
  *from = forward ? to + 1 : to - 1;
  Resolve(run, first, last);
  const size_t user_size = ArtKey(entry_, tree_->order_).user_size();
  const auto [low, high] = std::minmax(run->entries[first], run->entries[last]);
  // Of dense entries all lines in the order of memory, which the processor goes
  // on with. (The ends may be near to each other though others are not.)
  const auto bytes =
      reinterpret_cast<uintptr_t>(high) - reinterpret_cast<uintptr_t>(low);
  if (bytes < ItemRun::kNear * static_cast<size_t>(last - first + 1)) {
    const size_t behind = std::min<size_t>(user_size, ItemRun::kNear);
    for (size_t at = 0; at <= bytes + behind; at += 64) {
      __builtin_prefetch(low + at);
    }
    return;
  }
  for (ptrdiff_t i = first; i <= last; ++i) {
    ArtTree::PrefetchEntry(run->entries[i], user_size);
  }
}

void ArtIterator::LookAhead(bool forward) {
  const int step = forward ? 1 : -1;
  if (steps_ * step < 0) {
    path_leads_ = path_leads_ && !next_loaded_;
    next_loaded_ = false;
    steps_ = 0;
  }
  if (steps_ == 0) {
    to_resolve_ = item_ + step;
  }
  // A run that could not be loaded is empty: its references do not count, and
  // must not be followed.
  if (run_->begin == run_->end) {
    steps_ += steps_ * step < kWalk ? step : 0;
    return;
  }
  const ptrdiff_t left = forward ? run_->end - 1 - item_ : item_ - run_->begin;
  const bool walks = steps_ * step >= kWalk;
  // A walk in dense memory is a run ahead.
  const bool dense = walks && run_->IsDense();
  const ptrdiff_t ahead =
      dense ? left
            : std::min<ptrdiff_t>(left, walks ? kAhead + kStride : kAhead);
  const ptrdiff_t easy = dense ? left : std::min<ptrdiff_t>(left, kStride);
  Fetch(run_, &to_resolve_, item_ + step * ahead, forward);
  SetEasy(item_ + step * easy, forward);
  if (!walks) {
    steps_ += step * static_cast<int>(1 + easy);
    return;
  }
  if (!dense && left >= kAhead + kStride) {
    return;
  }
  if (!next_loaded_) {
    LoadNext(forward);
    to_resolve_next_ = forward ? next_->begin : next_->end - 1;
  }
  if (next_loaded_) {
    const ptrdiff_t size = next_->end - next_->begin;
    const ptrdiff_t n =
        dense && next_->IsDense()
            ? size
            : std::min(std::max<ptrdiff_t>(kAhead + kStride - left, 1), size);
    Fetch(next_, &to_resolve_next_,
          forward ? next_->begin + n - 1 : next_->end - n, forward);
  }
}

void ArtIterator::LoadNext(bool forward) {
  ArtTree::Found found = ArtTree::Found::kRestart;
  if (path_leads_ && run_->Holds()) {
    const ptrdiff_t item = forward ? run_->end : run_->begin - 1;
    found = tree_->StepTo(path_.size() - 1, static_cast<int>(item), forward,
                          &path_);
    path_leads_ = found != ArtTree::Found::kRestart;
  }
  if (found == ArtTree::Found::kRestart) {
    // What comes behind the last entry of the run; that is near, or fetched.
    const ptrdiff_t last = forward ? run_->end - 1 : run_->begin;
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
