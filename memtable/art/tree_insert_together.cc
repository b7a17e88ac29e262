// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How ArtTree lets entries wait, of a single writer in the insert buffer and of
// others in their writer buffers, and inserts those that wait.

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

// Counts the entries that go in together, once for all; also if an exception
// ends that.  Those of the insert buffer it counts at once: another thread that
// lets the same ones in finds them there, and is done.
class ArtTree::CountTogether {
 public:
  CountTogether(ArtArena* arena, bool at_once)
      : arena_(arena), at_once_(at_once) {}
  ~CountTogether() {
    if (entries_ > 0) {
      arena_->CountEntries(entries_, max_sequence_);
    }
  }
  CountTogether(const CountTogether&) = delete;
  CountTogether& operator=(const CountTogether&) = delete;

  void Add(uint64_t sequence) {
    if (at_once_) {
      arena_->CountEntries(1, sequence);
      return;
    }
    ++entries_;
    max_sequence_ = std::max(max_sequence_, sequence);
  }

 private:
  ArtArena* const arena_;
  const bool at_once_;
  uint64_t entries_ = 0;
  uint64_t max_sequence_ = 0;
};

// Inlined, so that the key stays in registers.
__attribute__((always_inline)) inline bool ArtTree::InsertAtEdge(
    const ArtKey& key, ArtRef entry) {
  ArtInOrder& edge = in_order_;
  if (!edge.has_edge && !FindEdge()) {
    return false;
  }
  ArtPath::Step& at = edge.path.back();
  const int count = at.meta.count();
  const ArtDepth depth = key.Diverge(edge.last);
  const int code = ArtNode::CodeOf(depth, at.meta.base());
  const int last_symbol = edge.last.SymbolAt(depth);
  const int symbol = key.SymbolAt(depth);
  // Of equal keys both symbols are END. What is beyond must not share more with
  // the key than the edge does. (In front, of the same depth, that cannot be
  // told.)
  if (code < 0 || depth < edge.beside || depth < edge.beyond ||
      (edge.at_back ? symbol <= last_symbol : symbol >= last_symbol) ||
      (depth == edge.beyond &&
       (!edge.at_back || symbol >= edge.beyond_symbol))) {
    return false;
  }
  if (!at.node->TryLock(at.version)) {
    edge.has_edge = false;
    return false;
  }
  const ArtNodeOwner node = at.Owned();
  if (edge.at_back) {
    node.Insert(count, count, code, symbol, entry);
    at.item = count;
  } else {
    node.Insert(0, 1, code, last_symbol, entry);
  }
  at.meta = node.meta();
  at.node->Unlock(at.version);
  at.version += 2;
  at.ref = entry;
  edge.last = key;
  edge.has_edge = count + 1 < at.meta.capacity();
  if (edge.credit < ArtInOrder::kMostCredit) {
    ++edge.credit;
  }
  arena_.CountEntryAlone(key.sequence());
  return true;
}

bool ArtTree::InsertSingleWriter(ArtRef entry) {
  if (entry == kArtNoRef) {
    return false;
  }
  if (others_inserted_.load(std::memory_order_relaxed)) {
    others_inserted_.store(false, std::memory_order_relaxed);
    in_order_.has_edge = false;
    sequence_keys_.Forget();
  }
  const ArtKey key(EntryAt(entry), order_);
  if (in_order_.credit > 0) {
    // They do not come to IsNew().
    sequence_keys_.Forget();
    return InsertAtEdge(key, entry) ||
           InsertAtOnce(key, entry, /*may_be_in_order=*/true);
  }
  if (!IsNew(key) || !insert_buffer_.MayWait()) {
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
  insert_buffer_.Add(entry, key.sequence());
  return true;
}

bool ArtTree::IsNew(const ArtKey& key) {
  const uint64_t sequence = key.sequence();
  if (sequence_keys_.KnowsAll(sequence)) {
    if (!sequence_keys_.has_memory()) {
      char* memory = nullptr;
      if (arena_.AllocateEntry(ArtSequenceKeys::kBytes, &memory) == kArtNoRef) {
        return false;
      }
      sequence_keys_.SetMemory(memory);
    }
    return sequence_keys_.Add(key);
  }
  if (sequence <= insert_buffer_.last_sequence() ||
      sequence <= arena_.MaxSequence()) {
    return false;
  }
  sequence_keys_.Begin(key);
  return true;
}

bool ArtTree::InsertAtOnce(const ArtKey& key, ArtRef entry,
                           bool may_be_in_order) {
  ArtPath* const path = &in_order_.path;
  PathInChange change(path);
  in_order_.has_edge = false;
  Outcome outcome = Outcome::kRestart;
  if (may_be_in_order && path->size() > 0) {
    const ArtPath::Step& at = path->back();
    if (at.meta.height() == 0) {
      in_order_.leaf_items = static_cast<uint16_t>(at.meta.count());
    }
    const ArtKey other(EntryAt(at.ref), order_);
    outcome = InsertBeside(path, key, other, key.Diverge(other), entry);
  }
  if (outcome != Outcome::kRestart) {
    in_order_.credit = std::min(in_order_.credit + 1, ArtInOrder::kMostCredit);
  } else {
    in_order_.credit = std::max(in_order_.credit - ArtInOrder::kMissCosts, 0);
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

bool ArtTree::FindEdge() {
  ArtInOrder& edge = in_order_;
  const ArtPath& path = edge.path;
  // Elsewhere, and in a node that was made to hold nodes, there is more to
  // think of: InsertAtBranchPoint does.
  if (path.size() < 2) {
    return false;
  }
  const ArtPath::Step& at = path.back();
  edge.at_back = at.item + 1 == at.meta.count();
  if ((!edge.at_back && at.item != 0) || at.meta.height() != 0 ||
      at.meta.count() == at.meta.capacity()) {
    return false;
  }
  edge.beyond = -1;
  for (size_t level = path.size() - 1; level > 0 && edge.beyond < 0;) {
    const ArtPath::Step& above = path[--level];
    const ArtNodeReading reading = above.Resume();
    const int border = edge.at_back ? above.item + 1 : above.item;
    if (level + 2 == path.size()) {
      edge.beside = reading.BorderBeside(above.meta, above.item);
    }
    if (border > 0 && border < above.meta.count()) {
      edge.beyond = ArtNode::DepthOf(reading.CodeAt(border), above.meta.base());
      edge.beyond_symbol =
          static_cast<int16_t>(reading.SymbolAt(above.meta, border));
    }
    if (!reading.Holds()) {
      return false;
    }
  }
  edge.last = ArtKey(EntryAt(at.ref), order_);
  edge.has_edge = true;
  return true;
}

size_t ArtTree::DrainByWriter() {
  PathInChange change(&in_order_.path);
  in_order_.has_edge = false;
  const size_t beside = DrainInsertBuffer(&in_order_.path);
  change.Done();
  return beside;
}

size_t ArtTree::DrainInsertBuffer(ArtPath* path) {
  const ArtInsertBuffer::Batch batch = insert_buffer_.Waiting();
  if (batch.size == 0) {
    return 0;
  }
  const size_t beside =
      InsertTogether(batch.entries, batch.size, insert_buffer_.mode(), path);
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

bool ArtTree::InsertInBatch(ArtRef entry, ArtWriterBuffer* buffer) {
  if (entry == kArtNoRef) {
    return false;
  }
  const uint64_t sequence = ArtKey(EntryAt(entry), order_).sequence();
  if (!buffer->MayWait(sequence)) {
    FinishBatch(buffer);
    return Insert(entry);
  }
  if (buffer->full()) {
    FinishBatch(buffer);
  }
  buffer->Add(entry, sequence);
  return true;
}

void ArtTree::FinishBatch(ArtWriterBuffer* buffer) {
  if (buffer->size() > 0) {
    NoteOthersInsert();
    ArtPath path;
    InsertTogether(buffer->entries(), buffer->size(), buffer->mode(), &path);
    buffer->Clear();
  }
}

size_t ArtTree::InsertTogether(const ArtRef* entries, size_t n,
                               ArtDescentMode* mode, ArtPath* path) {
  const bool count_at_once = mode == insert_buffer_.mode();
  if (n == 1 || !mode->Together()) {
    return InsertInTurn(entries, n, count_at_once, path);
  }
  constexpr size_t kMost = ArtInsertBuffer::kSize;
  std::optional<ArtKey> keys[kMost];
  ArtPath paths[kMost];
  Found found[kMost];
  std::optional<Descent> descents[kMost];
  for (size_t i = 0; i < n; ++i) {
    keys[i].emplace(EntryAt(entries[i]), order_);
    descents[i].emplace(*this, *keys[i], &paths[i]);
    found[i] = Found::kNotYet;
  }
  for (bool going = true; going;) {
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
  CountTogether count(&arena_, count_at_once);
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
      count.Add(keys[i]->sequence());
    }
  }
  if (n == kMost && outdated > n / 2) {
    mode->SayPathsWereOutdated();
  }
  return 0;
}

size_t ArtTree::InsertInTurn(const ArtRef* entries, size_t n,
                             bool count_at_once, ArtPath* path) {
  size_t beside = 0;
  path->Clear();
  CountTogether count(&arena_, count_at_once);
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
      count.Add(key.sequence());
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
