// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtInsertBuffer: the ring of up to 16 entries of a single writer that wait to
// descend into the tree together, so that their cache misses overlap.  Why they
// may wait, and what drains them when, is the protocol of tree.h, "Entries that
// wait"; here is what is stored.
//
// Thread safety
// -------------
//   MayWait, full, Add, Close      the single writer
//   everything else                any number of threads, with everything
//
// Invariants
// ----------
// (B1) drained <= arrived <= drained + kSize, each as its last reader saw them;
//      both only grow.
// (B2) Place i % kSize holds the i-th entry while drained <= i < arrived.  The
//      writer writes it again only after it has seen that the entry is drained.
// (B3) The sequences of entries that wait ascend. Of entries that wait with one
//      sequence no two are of one user key, and no entry that came before is
//      equal to one that waits.
//
// Memory orders
// -------------
//   field      written by   store or RMW   load
//   places     the writer   release        acquire
//   arrived    the writer   release        acquire (by the writer: relaxed)
//   drained    any drainer  release        acquire
//   mode, drained_by_reader: relaxed; they only say what is likely to be fast
//
// A place's store is before that of `arrived` that counts it, which releases
// it; a drainer acquires `arrived` first.  A drainer that is late reads places
// that are written again: what it then inserts is there already, or waits, and
// is inserted by whoever drains next, so it does no harm.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memtable/art/arena.h"
#include "memtable/art/key.h"

namespace memkv {

// Whether entries that waited descend together.  Those that all belong into one
// node do not help each other: the first makes the paths of the others out of
// date.  So of the next 32 batches the entries go in one by one.
class ArtDescentMode {
 public:
  bool Together() {
    const uint32_t apart = apart_.load(std::memory_order_relaxed);
    if (apart == 0) return true;
    apart_.store(apart - 1, std::memory_order_relaxed);
    return false;
  }
  void SayPathsWereOutdated() {
    constexpr uint32_t kApart = 32;
    apart_.store(kApart, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t> apart_{0};
};

class alignas(64) ArtInsertBuffer {
 public:
  static constexpr size_t kSize = 16;

  // ---- The writer ----

  // The sequence of the latest entry that waited, 0 if none has.
  uint64_t last_sequence() const { return last_sequence_; }
  // Whether entries may wait.  Where readers keep draining, waiting only moves
  // the work to them, so the next 64 that ask do not wait.
  bool MayWait() {
    if (closed_) return false;
    constexpr uint32_t kAtOnce = 64;
    if (drained_by_reader_.load(std::memory_order_relaxed)) {
      drained_by_reader_.store(false, std::memory_order_relaxed);
      at_once_ = kAtOnce;
    }
    if (at_once_ == 0) return true;
    --at_once_;
    return false;
  }
  bool full() const {
    return arrived_.load(std::memory_order_relaxed) -
               drained_.load(std::memory_order_acquire) ==
           kSize;
  }
  // REQUIRES: !full(), MayWait() was true, and (B3)
  void Add(ArtRef entry, uint64_t sequence) {
    const uint64_t arrived = arrived_.load(std::memory_order_relaxed);
    last_sequence_ = sequence;
    places_[arrived % kSize].store(entry, std::memory_order_release);
    arrived_.store(arrived + 1, std::memory_order_release);
  }
  // From now on no entry may wait.
  void Close() { closed_ = true; }

  // ---- Anybody ----

  bool empty() const {
    return drained_.load(std::memory_order_acquire) ==
           arrived_.load(std::memory_order_acquire);
  }
  // How many have come; only grows.
  uint64_t arrived() const { return arrived_.load(std::memory_order_acquire); }

  // The entries that wait.
  struct Batch {
    ArtRef entries[kSize];
    size_t size = 0;
    uint64_t begin = 0;  // drained, then
    uint64_t end = 0;    // arrived, then
  };
  Batch Waiting() const {
    Batch batch;
    batch.end = arrived_.load(std::memory_order_acquire);
    batch.begin = drained_.load(std::memory_order_acquire);
    for (uint64_t i = batch.begin; i < batch.end; ++i) {
      batch.entries[batch.size++] =
          places_[i % kSize].load(std::memory_order_acquire);
    }
    return batch;
  }
  // The entries of the batch are in the tree.
  void CountDrained(const Batch& batch) {
    uint64_t drained = batch.begin;
    while (drained < batch.end &&
           !drained_.compare_exchange_weak(drained, batch.end,
                                           std::memory_order_release,
                                           std::memory_order_relaxed)) {
    }
  }
  void SayReaderDrains() {
    drained_by_reader_.store(true, std::memory_order_relaxed);
  }

  // Of the entries that wait.
  ArtDescentMode* mode() { return &mode_; }

 private:
  std::atomic<uint64_t> arrived_{0};
  std::atomic<uint64_t> drained_{0};
  std::atomic<ArtRef> places_[kSize] = {};
  ArtDescentMode mode_;
  std::atomic<bool> drained_by_reader_{false};
  // The writer's own.
  uint64_t last_sequence_ = 0;
  uint32_t at_once_ = 0;
  bool closed_ = false;
};

}  // namespace memkv
