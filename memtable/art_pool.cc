// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_pool.h"

#include <new>

namespace memkv {

class ArtNodePool::ShardLock {
 public:
  explicit ShardLock(Shard* shard) : shard_(shard) {
    for (int spins = 0;
         shard_->locked.exchange(true, std::memory_order_acquire); ++spins) {
      ArtNode::Pause(spins);
    }
  }
  ~ShardLock() { shard_->locked.store(false, std::memory_order_release); }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

 private:
  Shard* const shard_;
};

ArtNodePool::Shard& ArtNodePool::MyShard() {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned mine =
      threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[mine % kShards];
}

char* ArtNodePool::Pop(Shard* shard, ArtNodeType type) {
  char*& head = shard->free[static_cast<int>(type)];
  char* memory = head;
  if (memory != nullptr) {
    memcpy(&head, memory, sizeof(head));
  }
  return memory;
}

void ArtNodePool::Push(Shard* shard, ArtNodeType type, char* memory) {
  char*& head = shard->free[static_cast<int>(type)];
  memcpy(memory, &head, sizeof(head));
  head = memory;
}

char* ArtNodePool::AllocateLines(Shard* shard, size_t bytes) {
  // The allocator aligns to 8 only.
  const size_t padded = bytes + kArtLine - 8;
  char* memory = allocator_->AllocateAligned(padded);
  shard->allocated.fetch_add(padded, std::memory_order_relaxed);
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  return memory + (kArtLine - address % kArtLine) % kArtLine;
}

char* ArtNodePool::Carve(Shard* shard, size_t bytes) {
  if (static_cast<size_t>(shard->limit - shard->next) < bytes) {
    if (bytes > kChunk / 8) {
      return AllocateLines(shard, bytes);
    }
    const size_t chunk = shard->used ? kChunk : kFirstChunk;
    char* fresh = AllocateLines(shard, chunk);
    // What is left of the old chunk will do for Node4s.
    for (; shard->next < shard->limit; shard->next += sizeof(ArtNode4)) {
      Push(shard, ArtNodeType::kNode4, shard->next);
    }
    shard->used = true;
    shard->next = fresh;
    shard->limit = fresh + chunk;
  }
  char* memory = shard->next;
  shard->next += bytes;
  return memory;
}

ArtNode* ArtNodePool::Allocate(ArtNodeType type) {
  Shard& shard = MyShard();
  char* memory;
  {
    ShardLock lock(&shard);
    memory = Pop(&shard, type);
    if (memory == nullptr) {
      memory = Carve(&shard, ArtNodeBytes(type));
    }
  }
  switch (type) {
    case ArtNodeType::kNode4:
      return new (memory) ArtNode4();
    case ArtNodeType::kNode16:
      return new (memory) ArtNode16();
    case ArtNodeType::kNode48:
      return new (memory) ArtNode48();
    case ArtNodeType::kNode256:
      return new (memory) ArtNode256();
    case ArtNodeType::kRoot:
      break;
  }
  assert(false);
  return nullptr;
}

void ArtNodePool::Recycle(ArtNode* node) {
  const ArtNodeType type = node->type();
  Shard& shard = MyShard();
  ShardLock lock(&shard);
  Push(&shard, type, reinterpret_cast<char*>(node));
}

uint64_t ArtNodePool::NumEntries() const {
  uint64_t n = 0;
  for (const Shard& shard : shards_) {
    n += shard.entries.load(std::memory_order_relaxed);
  }
  return n;
}

ArtStats ArtNodePool::GetStats() const {
  ArtStats stats;
  for (const Shard& shard : shards_) {
    stats.entries += shard.entries.load(std::memory_order_relaxed);
    stats.allocated_bytes += shard.allocated.load(std::memory_order_relaxed);
    for (int t = 0; t < kArtNodeTypes; ++t) {
      stats.live_nodes[t] += shard.published[t].load(std::memory_order_relaxed);
      stats.obsolete_nodes[t] +=
          shard.obsolete[t].load(std::memory_order_relaxed);
    }
  }
  for (int t = 0; t < kArtNodeTypes; ++t) {
    const uint64_t bytes = ArtNodeBytes(static_cast<ArtNodeType>(t));
    // Read while a node is being replaced, the second may be ahead.
    stats.live_nodes[t] -=
        std::min(stats.live_nodes[t], stats.obsolete_nodes[t]);
    stats.live_bytes += bytes * stats.live_nodes[t];
    stats.obsolete_bytes += bytes * stats.obsolete_nodes[t];
  }
  return stats;
}

}  // namespace memkv
