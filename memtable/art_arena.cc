// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_arena.h"

#include <algorithm>
#include <cassert>
#include <thread>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "memtable/art_node.h"

namespace memkv {

namespace {

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The largest size up to `n` that jemalloc and its like have a class for: a
// power of two and up to three quarters more. What is asked for beyond one is
// charged to the next.
size_t MallocSize(size_t n) {
  size_t power = 4;
  while (power <= n / 2) {
    power *= 2;
  }
  return n - n % (power / 4);
}

}  // namespace

void ArtPause(int spins) {
  constexpr int kSpinsBeforeYield = 64;
  if (spins >= kSpinsBeforeYield) {
    std::this_thread::yield();
    return;
  }
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

class ArtArena::SpinLock {
 public:
  explicit SpinLock(std::atomic<bool>* locked) : locked_(locked) {
    for (int spins = 0; locked_->exchange(true, std::memory_order_acquire);
         ++spins) {
      ArtPause(spins);
    }
  }
  ~SpinLock() { locked_->store(false, std::memory_order_release); }
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

 private:
  std::atomic<bool>* const locked_;
};

ArtArena::ArtArena(ArtAllocator* allocator)
    : allocator_(allocator),
      // Not filled: the system hands out the pages that are written.
      slots_(new std::atomic<char*>[kSlots]),
      // Slot 0 stays empty, so that no reference is kArtNoRef.
      slots_used_(1) {}

ArtArena::~ArtArena() = default;

int& ArtArena::HeapScope::depth() {
  thread_local int depth = 0;
  return depth;
}

ArtArena::Shard& ArtArena::MyShard() {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned mine =
      threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[mine % kShards];
}

size_t ArtArena::RegionBytes() const {
  return std::clamp<size_t>(allocated_.load(std::memory_order_relaxed) / 256,
                            kMinRegion, kMaxRegion);
}

size_t ArtArena::ExtentBytes() const {
  const size_t share = allocated_.load(std::memory_order_relaxed) / 64;
  if (HeapScope::depth() > 0) {
    return MallocSize(std::clamp(share, kMinExtent, kMaxRegion));
  }
  const size_t block = allocator_->BlockSize();
  if (share >= block) {
    return MallocSize(std::clamp(share, kMinExtent, kMaxExtent));
  }
  const size_t most = std::min(std::max(block / 16, kMinExtent), kMaxExtent);
  return std::clamp(share, kMinExtent, most) / 16 * 16;
}

char* ArtArena::NewMemory(size_t bytes) {
  char* memory;
  if (HeapScope::depth() > 0) {
    heap_extents_.emplace_back(new char[bytes]);
    memory = heap_extents_.back().get();
    heap_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  } else {
    memory = allocator_->AllocateAligned(bytes);
  }
  allocated_.fetch_add(bytes, std::memory_order_relaxed);
  return memory;
}

ArtRef ArtArena::Name(const char* memory, size_t bytes) {
  const uint32_t used = slots_used_.load(std::memory_order_relaxed);
  const uint32_t oldest = used - std::min(used - 1, kSlotsLookedAt);
  for (uint32_t slot = used; slot-- > oldest;) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(
        slots_[slot].load(std::memory_order_relaxed));
    // Of memory before the slot this is more than a slot.
    const uintptr_t offset = reinterpret_cast<uintptr_t>(memory) - begin;
    if (offset < kSlotBytes && bytes <= kSlotBytes - offset) {
      return (slot << kSlotShift) + static_cast<ArtRef>(offset / 2);
    }
  }
  if (used == kSlots) {
    return kArtNoRef;
  }
  slots_[used].store(const_cast<char*>(memory), std::memory_order_relaxed);
  slots_used_.store(used + 1, std::memory_order_relaxed);
  return used << kSlotShift;
}

bool ArtArena::NewExtent(size_t bytes) {
  const size_t size = RoundUp(std::max(ExtentBytes(), bytes + kOverhead), 16);
  char* const memory = NewMemory(size);
  char* const end = memory + size;
  const auto align = [](char* p, size_t up) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(p);
    return p + ((address + up) / 16 * 16 - address);
  };
  char* const limit = align(end - kReadSlack, 0);
  const bool follows = memory == extent_end_ &&
                       static_cast<size_t>(limit - extent_.next) <= kSlotBytes;
  extent_.next = follows ? extent_.next : align(memory, 15);
  extent_.limit = limit;
  extent_end_ = HeapScope::depth() > 0 ? nullptr : end;
  extent_.ref = Name(extent_.next, static_cast<size_t>(limit - extent_.next));
  return extent_.ref != kArtNoRef;
}

bool ArtArena::TakeFromExtent(size_t least, size_t size, Region* piece) {
  size_t left = static_cast<size_t>(extent_.limit - extent_.next);
  if (left < least) {
    if (!NewExtent(least)) {
      *piece = extent_;
      extent_ = Region();
      extent_end_ = nullptr;
      return false;
    }
    left = static_cast<size_t>(extent_.limit - extent_.next);
  }
  size = std::min(size, left);
  *piece = {extent_.next, extent_.next + size, extent_.ref};
  extent_.next += size;
  extent_.ref += static_cast<ArtRef>(size / 2);
  return true;
}

bool ArtArena::NewRegion(size_t bytes, Region* region) {
  SpinLock lock(&extent_locked_);
  const size_t least = RoundUp(bytes, 16);
  Region piece;
  if (!TakeFromExtent(least, std::max(least, RoundUp(RegionBytes(), 16)),
                      &piece)) {
    *region = piece;
    return false;
  }
  // The region goes on where the old one stops, if nobody came in between and
  // the slot is the same. (Extents that touch are one: behind others there is
  // slack.)
  const ArtRef end =
      region->ref + static_cast<ArtRef>((region->limit - region->next) / 2);
  if (region->limit == piece.next && end == piece.ref) {
    region->limit = piece.limit;
  } else {
    *region = piece;
  }
  return true;
}

ArtRef ArtArena::TakeApart(size_t bytes, char** memory) {
  SpinLock lock(&extent_locked_);
  if (bytes < ExtentBytes() / 8) {
    const size_t size = RoundUp(bytes, 16);
    Region piece;
    const bool named = TakeFromExtent(size, size, &piece);
    *memory = piece.next;
    return named ? piece.ref : kArtNoRef;
  }
  *memory = NewMemory(RoundUp(bytes, 8));
  return Name(*memory, kUnit);
}

ArtRef ArtArena::TakeFrom(Region* region, size_t bytes, size_t alignment,
                          char** memory) {
  const size_t skip =
      RoundUp(reinterpret_cast<uintptr_t>(region->next), alignment) -
      reinterpret_cast<uintptr_t>(region->next);
  if (static_cast<size_t>(region->limit - region->next) < skip + bytes) {
    return kArtNoRef;
  }
  *memory = region->next + skip;
  const ArtRef ref = region->ref + static_cast<ArtRef>(skip / 2);
  region->next += skip + bytes;
  region->ref += static_cast<ArtRef>((skip + bytes) / 2);
  return ref;
}

ArtRef ArtArena::Carve(Shard* shard, size_t bytes, size_t alignment,
                       char** memory) {
  const ArtRef ref = TakeFrom(&shard->region, bytes, alignment, memory);
  if (ref != kArtNoRef) {
    return ref;
  }
  const Region old = shard->region;
  if (!NewRegion(bytes + alignment, &shard->region)) {
    *memory = shard->region.next;
    shard->region = Region();
    return kArtNoRef;
  }
  if (shard->region.next != old.next &&
      old.limit - old.next > shard->scrap.limit - shard->scrap.next) {
    shard->scrap = old;
  }
  return TakeFrom(&shard->region, bytes, alignment, memory);
}

ArtRef ArtArena::PopFreeNode(int node_class) {
  std::atomic<uint64_t>& stack = free_[node_class];
  uint64_t head = stack.load(std::memory_order_acquire);
  while (static_cast<ArtRef>(head) != kArtNoRef) {
    const ArtRef ref = static_cast<ArtRef>(head);
    const uint64_t next = NodeAt(ref)->FreeLink();
    const uint64_t changed = (head >> 32 << 32) + (uint64_t{1} << 32) + next;
    if (stack.compare_exchange_weak(head, changed, std::memory_order_acquire,
                                    std::memory_order_acquire)) {
      MyShard().free_nodes[node_class].fetch_sub(1, std::memory_order_relaxed);
      free_bytes_.fetch_sub(ArtNode::Bytes(node_class),
                            std::memory_order_relaxed);
      return ref;
    }
  }
  return kArtNoRef;
}

bool ArtArena::NewScrap(size_t bytes, Region* scrap) {
  // A few free nodes are better kept for what they are.
  if (free_bytes_.load(std::memory_order_relaxed) <
      allocated_.load(std::memory_order_relaxed) / 128) {
    return false;
  }
  for (int c = kArtNodeClasses - 1; c >= 0; --c) {
    // Large entries would leave much of it over, and nodes would take as much
    // anew.
    const size_t room = ArtNode::Bytes(c) - sizeof(ArtNode);
    if (room < 4 * bytes) {
      return false;
    }
    const ArtRef ref = PopFreeNode(c);
    if (ref != kArtNoRef) {
      MyShard().carved_nodes[c].fetch_sub(1, std::memory_order_relaxed);
      scrap->next = Resolve(ref) + sizeof(ArtNode);
      scrap->limit = scrap->next + room;
      scrap->ref = ref - 1 + static_cast<ArtRef>(sizeof(ArtNode) / 2);
      return true;
    }
  }
  return false;
}

ArtRef ArtArena::AllocateEntry(size_t bytes, char** memory) {
  Shard& shard = MyShard();
  const size_t padded = RoundUp(bytes, kUnit);
  SpinLock lock(&shard.locked);
  ArtRef ref = TakeFrom(&shard.scrap, padded, kUnit, memory);
  if (ref == kArtNoRef && NewScrap(padded, &shard.scrap)) {
    ref = TakeFrom(&shard.scrap, padded, kUnit, memory);
  }
  if (ref == kArtNoRef) {
    ref = padded < RegionBytes() / 4 ? Carve(&shard, padded, kUnit, memory)
                                     : TakeApart(padded, memory);
  }
  const auto add = [](std::atomic<uint64_t>* counter, size_t n) {
    counter->store(counter->load(std::memory_order_relaxed) + n,
                   std::memory_order_relaxed);
  };
  constexpr size_t kFlush = size_t{1} << 40;
  const size_t report =
      heap_bytes_.load(std::memory_order_relaxed) + (NearlyFull() ? kFlush : 0);
  if (reported_bytes_.load(std::memory_order_relaxed) != report) {
    reported_bytes_.store(report, std::memory_order_relaxed);
  }
  add(&shard.entry_bytes, bytes);
  add(&shard.entry_padding, padded - bytes);
  return ref;
}

ArtRef ArtArena::AllocateNode(int node_class) {
  const ArtRef free = PopFreeNode(node_class);
  if (free != kArtNoRef) {
    return free;
  }
  Shard& shard = MyShard();
  char* memory = nullptr;
  ArtRef ref;
  {
    SpinLock lock(&shard.locked);
    ref = Carve(&shard, ArtNode::Bytes(node_class), 16, &memory);
  }
  if (ref == kArtNoRef) {
    return ref;
  }
  new (memory) ArtNode(node_class);
  shard.carved_nodes[node_class].fetch_add(1, std::memory_order_relaxed);
  return ref | 1;
}

void ArtArena::FreeNode(ArtRef ref, int node_class) {
  ArtNode* node = NodeAt(ref);
  std::atomic<uint64_t>& stack = free_[node_class];
  uint64_t head = stack.load(std::memory_order_relaxed);
  uint64_t changed;
  // Counted first, so that the number never falls below none.
  free_bytes_.fetch_add(ArtNode::Bytes(node_class), std::memory_order_relaxed);
  MyShard().free_nodes[node_class].fetch_add(1, std::memory_order_relaxed);
  do {
    node->SetFreeLink(static_cast<ArtRef>(head));
    changed = (head >> 32 << 32) + (uint64_t{1} << 32) + ref;
  } while (!stack.compare_exchange_weak(
      head, changed, std::memory_order_release, std::memory_order_relaxed));
}

uint64_t ArtArena::NumEntries() const {
  uint64_t n = 0;
  for (const Shard& shard : shards_) {
    n += shard.entries.load(std::memory_order_relaxed);
  }
  return n;
}

ArtStats ArtArena::GetStats() const {
  ArtStats stats;
  uint64_t carved[kArtNodeClasses] = {};
  for (const Shard& shard : shards_) {
    stats.entries += shard.entries.load(std::memory_order_relaxed);
    stats.entry_bytes += shard.entry_bytes.load(std::memory_order_relaxed);
    stats.entry_padding += shard.entry_padding.load(std::memory_order_relaxed);
    for (int c = 0; c < kArtNodeClasses; ++c) {
      carved[c] += shard.carved_nodes[c].load(std::memory_order_relaxed);
      stats.free_nodes[c] +=
          shard.free_nodes[c].load(std::memory_order_relaxed);
    }
  }
  stats.allocated_bytes = allocated_.load(std::memory_order_relaxed);
  stats.heap_bytes = heap_bytes_.load(std::memory_order_relaxed);
  for (int c = 0; c < kArtNodeClasses; ++c) {
    // Read while nodes change hands, the second may be ahead.
    stats.live_nodes[c] = carved[c] - std::min(carved[c], stats.free_nodes[c]);
    stats.live_node_bytes += stats.live_nodes[c] * ArtNode::Bytes(c);
    stats.free_node_bytes += stats.free_nodes[c] * ArtNode::Bytes(c);
  }
  return stats;
}

}  // namespace memkv
