// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtNodePool: where ArtTree's nodes come from, and the tree's counters.
//
// It carves nodes, each on its own 64-byte lines, out of chunks taken from an
// ArtAllocator. Nothing is ever given back: nodes live until the allocator's
// memory goes, because a reader may stand on any of them. Only a node that was
// never published can be used again, see Recycle().
//
// Threads are spread over a few shards, so that writers seldom meet. A shard
// is guarded by a spin lock of its own; it is a leaf lock: nothing but the
// allocator is called under it, and no node is ever locked by its holder.
//
// Thread safety: every method may be called from any thread at any time.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memtable/art_node.h"

namespace memkv {

// Where memory comes from.
class ArtAllocator {
 public:
  virtual ~ArtAllocator() = default;

  // `bytes` bytes aligned to 8 that stay valid as long as the tree, its
  // iterators and its entries are in use. Called from many threads at once,
  // never with a node locked. REQUIRES of the implementation: thread-safe, and
  // it never returns nullptr: it throws or ends the process if memory runs out.
  // An exception leaves the tree as it was.
  virtual char* AllocateAligned(size_t bytes) = 0;
};

// A moment's view of the counters; exact when no insert is running.
struct ArtStats {
  uint64_t entries = 0;
  // Nodes reachable, and replaced by a larger one, by ArtNodeType.
  uint64_t live_nodes[kArtNodeTypes] = {};
  uint64_t obsolete_nodes[kArtNodeTypes] = {};
  uint64_t live_bytes = 0;
  uint64_t obsolete_bytes = 0;
  // Taken from the allocator: live, obsolete, and not carved yet.
  uint64_t allocated_bytes = 0;
};

class ArtNodePool {
 public:
  // REQUIRES: allocator outlives the pool.
  explicit ArtNodePool(ArtAllocator* allocator) : allocator_(allocator) {}
  ArtNodePool(const ArtNodePool&) = delete;
  ArtNodePool& operator=(const ArtNodePool&) = delete;

  // An empty node of the type; not kRoot.
  ArtNode* Allocate(ArtNodeType type);

  // Takes back a node. REQUIRES: it was never published.
  void Recycle(ArtNode* node);

  void CountPublished(ArtNodeType type) {
    MyShard().published[static_cast<int>(type)].fetch_add(
        1, std::memory_order_relaxed);
  }
  void CountObsolete(ArtNodeType type) {
    MyShard().obsolete[static_cast<int>(type)].fetch_add(
        1, std::memory_order_relaxed);
  }
  void CountEntry() {
    MyShard().entries.fetch_add(1, std::memory_order_relaxed);
  }

  uint64_t NumEntries() const;
  ArtStats GetStats() const;

 private:
  static constexpr int kShards = 8;
  static constexpr size_t kFirstChunk = 1024;
  static constexpr size_t kChunk = 4096;

  // Two lines, against the adjacent-line prefetcher.
  struct alignas(128) Shard {
    std::atomic<bool> locked{false};
    // Guarded by locked:
    bool used = false;
    char* next = nullptr;
    char* limit = nullptr;
    // A list of unpublished nodes' memory, linked through the first word.
    char* free[kArtNodeTypes] = {};
    // Not guarded:
    std::atomic<uint64_t> allocated{0};
    std::atomic<uint64_t> entries{0};
    std::atomic<uint64_t> published[kArtNodeTypes] = {};
    std::atomic<uint64_t> obsolete[kArtNodeTypes] = {};
  };

  class ShardLock;

  static char* Pop(Shard* shard, ArtNodeType type);
  static void Push(Shard* shard, ArtNodeType type, char* memory);
  char* Carve(Shard* shard, size_t bytes);
  char* AllocateLines(Shard* shard, size_t bytes);
  Shard& MyShard();

  ArtAllocator* const allocator_;
  Shard shards_[kShards];
};

}  // namespace memkv
