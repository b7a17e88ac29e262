// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How ArtTree lets entries of a single writer wait, and inserts those that
// wait.

#include <new>
#include <optional>

#include "memtable/art/tree.h"

namespace memkv {

bool ArtTree::InsertSingleWriter(ArtRef entry) {
  if (entry == kArtNoRef) {
    return false;
  }
  const uint64_t sequence = ArtKey(EntryAt(entry), order_).sequence();
  if (sequence <= arena_.MaxSequence() || !insert_buffer_.MayWait(sequence)) {
    return Insert(entry);
  }
  if (insert_buffer_.full()) {
    DrainInsertBuffer();
  }
  // For whoever lets the entries in.
  arena_.Provide();
  insert_buffer_.Add(entry, sequence);
  return true;
}

void ArtTree::DrainInsertBuffer() {
  const ArtInsertBuffer::Batch batch = insert_buffer_.Waiting();
  if (batch.size == 0) {
    return;
  }
  InsertTogether(batch.entries, batch.size);
  insert_buffer_.CountDrained(batch);
}

void ArtTree::DrainForReader() {
  insert_buffer_.SayReaderDrains();
  const ArtArena::NoAllocatorScope scope;
  DrainInsertBuffer();
}

void ArtTree::MarkReadOnly() {
  const ArtArena::NoAllocatorScope scope;
  DrainInsertBuffer();
  // An entry that comes all the same does not wait: nobody may let it in.
  insert_buffer_.Close();
}

void ArtTree::InsertTogether(const ArtRef* entries, size_t n) {
  if (!insert_buffer_.DescendTogether()) {
    InsertInTurn(entries, n);
    return;
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
}

void ArtTree::InsertInTurn(const ArtRef* entries, size_t n) {
  ArtPath path;
  for (size_t i = 0; i < n; ++i) {
    const ArtKey key(EntryAt(entries[i]), order_);
    Outcome outcome = Outcome::kRestart;
    if (path.size() > 0) {
      // It leads to the entry before.
      const ArtKey other(EntryAt(path.back().ref), order_);
      const ArtDepth depth = key.Diverge(other);
      BranchPoint d;
      if (depth != kArtEqualDepth &&
          FindBranchPointNear(path, key, other, depth, &d)) {
        outcome = InsertAtBranchPoint(&path, d, key, other, entries[i]);
        if (outcome == Outcome::kAgain) {
          outcome = InsertAt(&path, DescendOn(key, &path), key, entries[i]);
        }
      }
    }
    if (outcome == Outcome::kRestart) {
      outcome = InsertFromRoot(&path, key, entries[i]);
    }
    if (outcome == Outcome::kFull) {
      throw std::bad_alloc();  // They all go on waiting.
    }
    if (outcome == Outcome::kInserted) {
      arena_.CountEntry(key.sequence());
    }
  }
}

}  // namespace memkv
