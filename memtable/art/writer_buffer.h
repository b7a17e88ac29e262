// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtWriterBuffer: up to 16 entries of one of several writers, which wait until
// they descend into the tree together, so that their cache misses overlap. It
// is to a writer among others what the insert buffer (insert_buffer.h) is to
// one that is alone, but nobody else knows of it: readers do not let its
// entries in.
//
// A writer calls ArtTree::InsertInBatch any number of times, and then
// ArtTree::FinishBatch. Every one of its entries is in the tree when that has
// returned, and some may be before. So whoever tells readers that the entries
// are there, does so after FinishBatch.
//
// Thread safety: a buffer is one thread's at a time, and of one tree. Who hands
// it over orders the calls.
//
// Invariants
// ----------
// (C1) An entry that waits is not in the tree, in no other buffer, and not
//      counted. FinishBatch leaves none, unless it throws: then those that are
//      not in go on waiting, and it may be called again.
// (C2) The sequences of the entries that wait ascend, and the first of them is
//      above that of every entry that came by this buffer and does not wait.
//      What would break that goes in at once, behind those that wait. So no
//      entry that waits equals another that came by this buffer.
// (C3) No entry that waits equals one that came otherwise. That is the callers'
//      to see to: writers at the same time have different sequences, or
//      different keys. An entry for which it does not hold is left out, though
//      its insert has returned true; nothing else comes of it.
//
// Memory orders: none. What is in the buffer is plain; entries and nodes become
// visible as by ArtTree::Insert, by the versions of the nodes (tree.h).
//
// Memory: the buffer is its owner's. What waits has its memory; a node that an
// entry needs takes its own in FinishBatch, or in the InsertInBatch that finds
// the buffer full, always by the writer's thread.

#pragma once

#include <cstddef>
#include <cstdint>

#include "memtable/art/arena.h"
#include "memtable/art/insert_buffer.h"

namespace memkv {

// Two lines, so that writers do not share one.
class alignas(64) ArtWriterBuffer {
 public:
  static constexpr size_t kSize = ArtInsertBuffer::kSize;

  bool full() const { return size_ == kSize; }
  size_t size() const { return size_; }
  const ArtRef* entries() const { return entries_; }

  // Whether an entry of the sequence may wait: (C2).
  bool MayWait(uint64_t sequence) const { return sequence > last_sequence_; }
  // REQUIRES: !full(), MayWait(sequence)
  void Add(ArtRef entry, uint64_t sequence) {
    entries_[size_++] = entry;
    last_sequence_ = sequence;
  }
  // The entries are in the tree.
  void Clear() { size_ = 0; }

  ArtDescentMode* mode() { return &mode_; }

 private:
  ArtRef entries_[kSize];
  size_t size_ = 0;
  // The largest that has waited.
  uint64_t last_sequence_ = 0;
  ArtDescentMode mode_;
};

}  // namespace memkv
