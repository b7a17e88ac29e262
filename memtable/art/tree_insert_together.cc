// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How ArtTree lets entries of a single writer wait, and inserts those that
// wait.

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "memtable/art/tree.h"

namespace memkv {

// While the writer's path is being changed, it need not lead to an entry: if
// that ends by an exception, or without room, it leads nowhere.
class ArtTree::PathInChange {
 public:
  explicit PathInChange(ArtPath* path) : path_(path) {}
  ~PathInChange() {
    if (!done_) {
      path_->Clear();
    }
  }
  PathInChange(const PathInChange&) = delete;
  PathInChange& operator=(const PathInChange&) = delete;

  void Done() { done_ = true; }

 private:
  ArtPath* const path_;
  bool done_ = false;
};

bool ArtTree::InsertSingleWriter(ArtRef entry) {
  if (entry == kArtNoRef) {
    return false;
  }
  const ArtKey key(EntryAt(entry), order_);
  if (in_order_.credit > 0) {
    return InsertAtOnce(key, entry, /*may_be_in_order=*/true);
  }
  const uint64_t sequence = key.sequence();
  if (sequence <= arena_.MaxSequence() || !insert_buffer_.MayWait(sequence)) {
    DrainByWriter();
    // Where keys come in no order, to try costs a part of an insert.
    constexpr uint32_t kTryEvery = 8;
    return InsertAtOnce(key, entry, ++in_order_.at_once % kTryEvery == 0);
  }
  if (insert_buffer_.full()) {
    // In a batch of one place nearly every entry goes beside the one before.
    constexpr size_t kNearlyAll = ArtInsertBuffer::kSize * 3 / 4;
    if (DrainByWriter() >= kNearlyAll) {
      return InsertAtOnce(key, entry, /*may_be_in_order=*/true);
    }
  }
  // For whoever lets the entries in.
  arena_.Provide();
  insert_buffer_.Add(entry, sequence);
  return true;
}

bool ArtTree::InsertAtOnce(const ArtKey& key, ArtRef entry,
                           bool may_be_in_order) {
  ArtPath* const path = &in_order_.path;
  PathInChange change(path);
  Outcome outcome = Outcome::kRestart;
  if (may_be_in_order && path->size() > 0) {
    const ArtKey other(EntryAt(path->back().ref), order_);
    const ArtDepth depth = key.Diverge(other);
    outcome = AppendInOrder(key, other, depth, entry)
                  ? Outcome::kInserted
                  : InsertBeside(path, key, other, depth, entry);
  } else {
    in_order_.looked_around = false;
  }
  if (outcome != Outcome::kRestart) {
    in_order_.credit = std::min(in_order_.credit + 1, InOrder::kMostCredit);
  } else {
    in_order_.credit = std::max(in_order_.credit - InOrder::kMissCosts, 0);
    outcome = InsertFromRoot(path, key, entry);
  }
  if (outcome != Outcome::kFull) {
    change.Done();
  }
  if (outcome != Outcome::kInserted) {
    return false;
  }
  arena_.CountEntryAlone(key.sequence());
  return true;
}

bool ArtTree::LookAround() {
  const ArtPath& path = in_order_.path;
  in_order_.beside = 0;
  in_order_.behind = -1;
  size_t level = path.size() - 1;
  while (level > 0) {
    const ArtPath::Step& above = path[--level];
    const ArtNodeReading reading = above.Resume();
    const int border = above.item + 1;
    const bool is_behind = border < above.meta.count();
    if (level + 2 == path.size()) {
      in_order_.beside = reading.BorderBeside(above.meta, above.item);
    }
    if (is_behind) {
      in_order_.behind =
          ArtNode::DepthOf(reading.CodeAt(border), above.meta.base());
      in_order_.behind_symbol = reading.SymbolAt(above.meta, border);
    }
    if (!reading.Holds()) {
      return false;
    }
    if (is_behind) {
      break;
    }
  }
  in_order_.watched = level;
  return true;
}

bool ArtTree::AppendInOrder(const ArtKey& key, const ArtKey& other,
                            ArtDepth depth, ArtRef entry) {
  ArtPath& path = in_order_.path;
  // Until this has appended, the path may come to lead elsewhere.
  const bool looked_around = std::exchange(in_order_.looked_around, false);
  // Elsewhere, and in a node that was made to hold nodes, there is more to
  // think of: InsertAtBranchPoint does.
  const ArtPath::Step& at = path.back();
  if (path.size() < 2 || at.item + 1 != at.meta.count() ||
      at.meta.count() == at.meta.capacity() || at.meta.height() != 0) {
    return false;
  }
  if (!looked_around && !LookAround()) {
    return false;
  }
  if (depth == kArtEqualDepth || depth < in_order_.beside) {
    return false;
  }
  const int code = ArtNode::CodeOf(depth, at.meta.base());
  const int symbol = key.SymbolAt(depth);
  if (code < 0 || symbol < other.SymbolAt(depth)) {
    return false;
  }
  // What is behind must not share more with the key than `other` does.
  if (in_order_.behind > depth ||
      (in_order_.behind == depth && symbol >= in_order_.behind_symbol)) {
    return false;
  }
  for (size_t level = in_order_.watched; level + 1 < path.size(); ++level) {
    if (!path[level].Resume().Holds()) {
      return false;
    }
  }
  const BranchPoint d = {depth, path.size() - 1, at.item, at.item,
                         /*before=*/false};
  in_order_.looked_around =
      AddItem(&path, d, code, symbol, entry) == Outcome::kInserted;
  return in_order_.looked_around;
}

size_t ArtTree::DrainByWriter() {
  PathInChange change(&in_order_.path);
  in_order_.looked_around = false;
  const size_t beside = DrainInsertBuffer(&in_order_.path);
  change.Done();
  return beside;
}

size_t ArtTree::DrainInsertBuffer(ArtPath* path) {
  const ArtInsertBuffer::Batch batch = insert_buffer_.Waiting();
  if (batch.size == 0) {
    return 0;
  }
  const size_t beside = InsertTogether(batch.entries, batch.size, path);
  insert_buffer_.CountDrained(batch);
  return beside;
}

void ArtTree::DrainForReader() {
  insert_buffer_.SayReaderDrains();
  const ArtArena::NoAllocatorScope scope;
  ArtPath path;
  DrainInsertBuffer(&path);
}

void ArtTree::MarkReadOnly() {
  const ArtArena::NoAllocatorScope scope;
  ArtPath path;
  DrainInsertBuffer(&path);
  // An entry that comes all the same does not wait: nobody may let it in.
  insert_buffer_.Close();
}

size_t ArtTree::InsertTogether(const ArtRef* entries, size_t n, ArtPath* path) {
  if (!insert_buffer_.DescendTogether()) {
    return InsertInTurn(entries, n, path);
  }
  constexpr size_t kMost = ArtInsertBuffer::kSize;
  std::optional<ArtKey> keys[kMost];
  ArtPath paths[kMost];
  Found found[kMost];
  std::optional<Descent> descents[kMost];
  for (size_t i = 0; i < n; ++i) {
    keys[i].emplace(EntryAt(entries[i]), order_);
    descents[i].emplace(*this, *keys[i], &paths[i]);
    found[i] = n > 1 ? Found::kNotYet : Found::kRestart;
  }
  for (bool going = n > 1; going;) {
    going = false;
    for (size_t i = 0; i < n; ++i) {
      if (found[i] != Found::kNotYet) {
        continue;
      }
      found[i] = descents[i]->Advance();
      if (found[i] == Found::kYes) {
        PrefetchEntry(paths[i].back().ref, keys[i]->user_size());
      }
      going = going || found[i] == Found::kNotYet;
    }
  }
  size_t outdated = 0;
  for (size_t i = 0; i < n; ++i) {
    Outcome outcome = InsertAt(&paths[i], found[i], *keys[i], entries[i]);
    outdated += outcome == Outcome::kRestart;
    if (outcome == Outcome::kRestart) {
      outcome = InsertFromRoot(&paths[i], *keys[i], entries[i]);
    }
    if (outcome == Outcome::kFull) {
      throw std::bad_alloc();  // They all go on waiting.
    }
    if (outcome == Outcome::kInserted) {
      arena_.CountEntry(keys[i]->sequence());
    }
  }
  if (n == kMost && outdated > n / 2) {
    insert_buffer_.SayPathsWereOutdated();
  }
  return 0;
}

size_t ArtTree::InsertInTurn(const ArtRef* entries, size_t n, ArtPath* path) {
  size_t beside = 0;
  path->Clear();
  for (size_t i = 0; i < n; ++i) {
    const ArtKey key(EntryAt(entries[i]), order_);
    Outcome outcome = Outcome::kRestart;
    if (path->size() > 0) {
      const ArtKey other(EntryAt(path->back().ref), order_);
      outcome = InsertBeside(path, key, other, key.Diverge(other), entries[i]);
    }
    if (outcome == Outcome::kRestart) {
      outcome = InsertFromRoot(path, key, entries[i]);
    } else {
      ++beside;
    }
    if (outcome == Outcome::kFull) {
      throw std::bad_alloc();  // They all go on waiting.
    }
    if (outcome == Outcome::kInserted) {
      arena_.CountEntry(key.sequence());
    }
  }
  return beside;
}

ArtTree::Outcome ArtTree::InsertBeside(ArtPath* path, const ArtKey& key,
                                       const ArtKey& other, ArtDepth depth,
                                       ArtRef entry) {
  BranchPoint d;
  if (depth == kArtEqualDepth ||
      !FindBranchPointNear(*path, key, other, depth, &d)) {
    return Outcome::kRestart;
  }
  const Outcome outcome = InsertAtBranchPoint(path, d, key, other, entry);
  return outcome == Outcome::kAgain
             ? InsertAt(path, DescendOn(key, path), key, entry)
             : outcome;
}

}  // namespace memkv
