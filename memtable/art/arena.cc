// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art/arena.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "memtable/art/node.h"

namespace memkv {

namespace {

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The largest up to `n`.
size_t PowerOfTwo(size_t n) {
  size_t power = 4;
  while (power <= n / 2) {
    power *= 2;
  }
  return power;
}

// The largest size up to `n` that jemalloc and its like have a class for: a
// power of two and up to three quarters more. What is asked for beyond one is
// charged to the next.
size_t MallocSize(size_t n) { return n - n % (PowerOfTwo(n) / 4); }

}  // namespace

void ArtPause(int spins) {
  constexpr int kSpins = 64;
  constexpr int kYields = 32;
  if (spins >= kSpins + kYields) {
    // Every eighth time twice as long.
    const int doublings = std::min((spins - kSpins - kYields) / 8, 5);
    std::this_thread::sleep_for(
        std::min(std::chrono::microseconds(50 << doublings),
                 std::chrono::microseconds(1000)));
    return;
  }
  if (spins >= kSpins) {
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

ArtArena::ArtArena(ArtAllocator* allocator, uint32_t max_slots)
    : allocator_(allocator),
      slots_(first_slots_),
      max_slots_(max_slots),
      entry_slots_(max_slots - std::min(max_slots / 2, kReserve)) {
  assert(max_slots >= 4 && max_slots <= kMaxSlots);
}

ArtArena::Shard& ArtArena::MyShard() {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned mine =
      threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[mine % kShards];
}

int& ArtArena::NoAllocatorScope::depth() {
  thread_local int depth = 0;
  return depth;
}

size_t ArtArena::RegionBytes() const {
  // What is provided is for others, too.
  return NoAllocatorScope::depth() > 0 ? 0 : RegionShare();
}

size_t ArtArena::ExtentBytes() const {
  if (NoAllocatorScope::depth() > 0) {
    return kMinExtent;
  }
  const size_t share = allocated_.load(std::memory_order_relaxed) / 64;
  const size_t block = allocator_->BlockSize();
  if (share >= block) {
    return MallocSize(std::clamp(share, kMinExtent, kMaxExtent));
  }
  const size_t most = std::min(std::max(block / 16, kMinExtent), kMaxExtent);
  return PowerOfTwo(std::clamp(share, kMinExtent, most));
}

char* ArtArena::NewMemory(size_t bytes) {
  char* memory;
  if (NoAllocatorScope::depth() > 0) {
    heap_.emplace_back(new char[bytes]);
    memory = heap_.back().get();
    heap_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  } else {
    memory = allocator_->AllocateAligned(bytes);
  }
  allocated_.fetch_add(bytes, std::memory_order_relaxed);
  return memory;
}

ArtRef ArtArena::Reach(const char* memory, size_t bytes) const {
  const Slot* const slots = slots_.load(std::memory_order_relaxed);
  uint32_t windows = 0;
  for (uint32_t slot = slots_used_.load(std::memory_order_relaxed);
       --slot > 0 && windows < kWindowsLookedAt;) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(
        slots[slot].load(std::memory_order_relaxed));
    if ((begin & kFar) != 0) {
      continue;
    }
    ++windows;
    // Of memory before the window this is more than a window.
    const uintptr_t offset = reinterpret_cast<uintptr_t>(memory) - begin;
    if (offset < kSlotBytes && bytes <= kSlotBytes - offset) {
      return (slot << kSlotShift) + static_cast<ArtRef>(offset / 2);
    }
  }
  return kArtNoRef;
}

size_t ArtArena::MissingTableBytes() const {
  const uint32_t used = slots_used_.load(std::memory_order_relaxed);
  assert(used < max_slots_);
  return used < table_size_
             ? 0
             : std::max(kMinTable, 2 * table_size_) * sizeof(Slot);
}

void ArtArena::MakeTable(char* memory, size_t bytes) {
  const uint32_t used = slots_used_.load(std::memory_order_relaxed);
  const auto size = static_cast<uint32_t>(bytes / sizeof(Slot));
  Slot* const table = reinterpret_cast<Slot*>(memory);
  const Slot* const old = slots_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < size; ++i) {
    new (&table[i])
        Slot(i < used ? old[i].load(std::memory_order_relaxed) : nullptr);
  }
  table_size_ = size;
  slots_.store(table, std::memory_order_release);
}

ArtRef ArtArena::UseSlot(char* base) {
  const uint32_t slot = slots_used_.load(std::memory_order_relaxed);
  slots_.load(std::memory_order_relaxed)[slot].store(base,
                                                     std::memory_order_relaxed);
  slots_used_.store(slot + 1, std::memory_order_relaxed);
  return slot << kSlotShift;
}

ArtRef ArtArena::NameByCell(char* memory) {
  if (cells_used_ == cells_) {
    const size_t missing = MissingTableBytes();
    if (missing != 0) {
      MakeTable(NewMemory(missing), missing);
    }
    const uint32_t cells = std::clamp(2 * cells_, kMinCells, kMaxCells);
    char* const table = NewMemory(cells * sizeof(char*));
    cells_ref_ = UseSlot(table + kFar);
    cells_ = cells;
    cells_used_ = 0;
  }
  char** const table = reinterpret_cast<char**>(SlotAt(cells_ref_) - kFar);
  table[cells_used_] = memory;
  return cells_ref_ + 2 * cells_used_++;
}

bool ArtArena::NewExtent(size_t bytes, uint32_t slots, Region* extent) {
  const uint32_t used = slots_used_.load(std::memory_order_relaxed);
  if (used >= slots) {
    return false;
  }
  // A table of slots comes with the extent, and not by itself: the extents
  // after it would fill no more blocks.
  const size_t table_bytes = MissingTableBytes();
  size_t size = std::max(ExtentBytes(), bytes + kOverhead + table_bytes);
  if (used >= entry_slots_) {
    size = std::max(size, kMinReserveExtent);
  }
  size = RoundUp(size, 16);
  char* memory = NewMemory(size);
  char* const end = memory + size;
  if (table_bytes != 0) {
    MakeTable(memory, table_bytes);
    memory += table_bytes;
  }
  const auto align = [](char* p, size_t up) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(p);
    return p + ((address + up) / 16 * 16 - address);
  };
  char* const limit = align(end - kReadSlack, 0);
  const bool follows = memory == extent_end_ &&
                       static_cast<size_t>(limit - extent->next) <= kSlotBytes;
  extent->next = follows ? extent->next : align(memory, 15);
  extent->limit = limit;
  extent_end_ = NoAllocatorScope::depth() > 0 ? nullptr : end;
  extent->ref = Reach(extent->next, extent->size());
  if (extent->ref == kArtNoRef) {
    extent->ref = UseSlot(extent->next);
  }
  return true;
}

void ArtArena::ProvideExtent(size_t bytes) {
  SpinLock lock(&extent_locked_);
  // Another thread may have been here. And a spare extent is large enough.
  if (extent_.size() >= bytes || spare_.size() != 0) {
    return;
  }
  Region extent = extent_;
  // If no slot is left, there is the reserve's memory, or the heap's.
  if (!NewExtent(bytes, entry_slots_, &extent)) {
    return;
  }
  (extent.next == extent_.next ? extent_ : spare_) = extent;
  StoreExtentLeft();
}

bool ArtArena::TakeFromExtent(size_t least, size_t size, uint32_t slots,
                              Region* piece) {
  if (extent_.size() < least && spare_.size() != 0) {
    extent_ = std::exchange(spare_, Region());
  }
  if (extent_.size() < least && !NewExtent(least, slots, &extent_)) {
    return false;
  }
  size = std::min(size, extent_.size());
  *piece = {extent_.next, extent_.next + size, extent_.ref};
  extent_.next += size;
  extent_.ref += static_cast<ArtRef>(size / 2);
  StoreExtentLeft();
  return true;
}

void ArtArena::StoreExtentLeft() {
  extent_left_.store(extent_.size() + spare_.size(), std::memory_order_relaxed);
}

bool ArtArena::NewRegion(size_t bytes, uint32_t slots, Region* region) {
  SpinLock lock(&extent_locked_);
  const size_t least = RoundUp(bytes, 16);
  Region piece;
  if (!TakeFromExtent(least, std::max(least, RoundUp(RegionBytes(), 16)), slots,
                      &piece)) {
    return false;
  }
  // The region goes on where the old one stops, if nobody came in between and
  // the slot is the same. (Extents that touch are one: behind others there is
  // slack.)
  const ArtRef end = region->ref + static_cast<ArtRef>(region->size() / 2);
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
    if (!TakeFromExtent(size, size, entry_slots_, &piece)) {
      return kArtNoRef;
    }
    *memory = piece.next;
    return piece.ref;
  }
  const uint32_t used = slots_used_.load(std::memory_order_relaxed);
  if (cells_used_ == cells_ && used >= entry_slots_) {
    return kArtNoRef;
  }
  char* const entry = NewMemory(RoundUp(bytes, 8));
  ArtRef ref = Reach(entry, kUnit);
  if (ref == kArtNoRef) {
    // What is taken first begins a window, so that a memtable of a few entries
    // needs no cells. If there is no memory for the cells, the entry's is lost.
    ref = used == 1 ? UseSlot(entry) : NameByCell(entry);
  }
  *memory = entry;
  return ref;
}

ArtRef ArtArena::TakeEntryFrom(Region* region, size_t bytes, char** memory) {
  if (region->size() < bytes) {
    return kArtNoRef;
  }
  *memory = region->next;
  const ArtRef ref = region->ref;
  region->next += bytes;
  region->ref += static_cast<ArtRef>(bytes / 2);
  return ref;
}

ArtRef ArtArena::TakeFrom(Region* region, size_t bytes, size_t alignment,
                          char** memory) {
  const size_t skip =
      RoundUp(reinterpret_cast<uintptr_t>(region->next), alignment) -
      reinterpret_cast<uintptr_t>(region->next);
  if (region->size() < skip + bytes) {
    return kArtNoRef;
  }
  *memory = region->next + skip;
  const ArtRef ref = region->ref + static_cast<ArtRef>(skip / 2);
  region->next += skip + bytes;
  region->ref += static_cast<ArtRef>((skip + bytes) / 2);
  return ref;
}

ArtRef ArtArena::Carve(Shard* shard, size_t bytes, size_t alignment,
                       uint32_t slots, char** memory) {
  const ArtRef ref = TakeFrom(&shard->region, bytes, alignment, memory);
  if (ref != kArtNoRef) {
    return ref;
  }
  const Region old = shard->region;
  if (!NewRegion(bytes + alignment, slots, &shard->region)) {
    return kArtNoRef;
  }
  if (shard->region.next != old.next && old.size() > shard->scrap.size()) {
    shard->scrap = old;
  }
  return TakeFrom(&shard->region, bytes, alignment, memory);
}

ArtRef ArtArena::PopFreeNode(int node_class) {
  std::atomic<uint64_t>& stack = nodes_[node_class].free_stack;
  uint64_t head = stack.load(std::memory_order_acquire);
  while (static_cast<ArtRef>(head) != kArtNoRef) {
    const ArtRef ref = static_cast<ArtRef>(head);
    const uint64_t next = NodeAt(ref)->FreeLink();
    const uint64_t changed = (head >> 32 << 32) + (uint64_t{1} << 32) + next;
    if (stack.compare_exchange_weak(head, changed, std::memory_order_acquire,
                                    std::memory_order_acquire)) {
      nodes_[node_class].free.fetch_sub(1, std::memory_order_relaxed);
      free_bytes_.fetch_sub(ArtNode::Bytes(node_class),
                            std::memory_order_relaxed);
      return ref;
    }
  }
  return kArtNoRef;
}

bool ArtArena::NewScrap(size_t bytes, Region* scrap) {
  for (int c = kArtNodeClasses - 1; c >= 0; --c) {
    // Large entries would leave much of it over, and nodes would take as much
    // anew.
    const size_t room = ArtNode::Bytes(c) - sizeof(ArtNode);
    if (room < 4 * bytes) {
      return false;
    }
    const ArtRef ref = PopFreeNode(c);
    if (ref != kArtNoRef) {
      nodes_[c].carved.fetch_sub(1, std::memory_order_relaxed);
      scrap->next = Resolve(ref) + sizeof(ArtNode);
      scrap->limit = scrap->next + room;
      scrap->ref = ref - 1 + static_cast<ArtRef>(sizeof(ArtNode) / 2);
      return true;
    }
  }
  return false;
}

ArtRef ArtArena::AllocateEntry(size_t bytes, char** memory) {
  if (!TakesEntries()) {
    return kArtNoRef;
  }
  Shard& shard = MyShard();
  const size_t padded = RoundUp(bytes, kUnit);
  SpinLock lock(&shard.locked);
  ArtRef ref = TakeEntryFrom(&shard.scrap, padded, memory);
  if (ref == kArtNoRef && HasManyFreeNodes() &&
      NewScrap(padded, &shard.scrap)) {
    ref = TakeEntryFrom(&shard.scrap, padded, memory);
  }
  const bool small = padded < kMinRegion / 4 || padded < RegionShare() / 4;
  if (ref == kArtNoRef && small) {
    ref = TakeEntryFrom(&shard.region, padded, memory);
  }
  if (ref == kArtNoRef) {
    ref = small ? Carve(&shard, padded, kUnit, entry_slots_, memory)
                : TakeApart(padded, memory);
  }
  if (ref == kArtNoRef) {
    return ref;
  }
  const size_t heap_bytes = heap_bytes_.load(std::memory_order_relaxed);
  if (reported_bytes_.load(std::memory_order_relaxed) != heap_bytes) {
    reported_bytes_.store(heap_bytes, std::memory_order_relaxed);
  }
  const auto add = [](std::atomic<uint64_t>* counter, size_t n) {
    counter->store(counter->load(std::memory_order_relaxed) + n,
                   std::memory_order_relaxed);
  };
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
    ref = Carve(&shard, ArtNode::Bytes(node_class), 16, max_slots_, &memory);
  }
  if (ref == kArtNoRef) {
    return ref;
  }
  new (memory) ArtNode(node_class);
  nodes_[node_class].carved.fetch_add(1, std::memory_order_relaxed);
  return ref | 1;
}

void ArtArena::FreeNode(ArtRef ref, int node_class) {
  ArtNode* node = NodeAt(ref);
  std::atomic<uint64_t>& stack = nodes_[node_class].free_stack;
  uint64_t head = stack.load(std::memory_order_relaxed);
  uint64_t changed;
  // Counted first, so that the number never falls below none.
  free_bytes_.fetch_add(ArtNode::Bytes(node_class), std::memory_order_relaxed);
  nodes_[node_class].free.fetch_add(1, std::memory_order_relaxed);
  do {
    node->SetFreeLink(static_cast<ArtRef>(head));
    changed = (head >> 32 << 32) + (uint64_t{1} << 32) + ref;
  } while (!stack.compare_exchange_weak(
      head, changed, std::memory_order_release, std::memory_order_relaxed));
}

uint64_t ArtArena::NumEntries() const {
  uint64_t n = alone_.entries.load(std::memory_order_relaxed);
  for (const Shard& shard : shards_) {
    n += shard.entries.load(std::memory_order_relaxed);
  }
  return n;
}

ArtStats ArtArena::GetStats() const {
  ArtStats stats;
  stats.entries = alone_.entries.load(std::memory_order_relaxed);
  for (const Shard& shard : shards_) {
    stats.entries += shard.entries.load(std::memory_order_relaxed);
    stats.entry_bytes += shard.entry_bytes.load(std::memory_order_relaxed);
    stats.entry_padding += shard.entry_padding.load(std::memory_order_relaxed);
  }
  stats.allocated_bytes = allocated_.load(std::memory_order_relaxed);
  stats.heap_bytes = heap_bytes_.load(std::memory_order_relaxed);
  for (int c = 0; c < kArtNodeClasses; ++c) {
    const uint64_t carved = nodes_[c].carved.load(std::memory_order_relaxed);
    // Read while nodes change hands, this may be ahead.
    const uint64_t free =
        std::min(carved, nodes_[c].free.load(std::memory_order_relaxed));
    stats.free_nodes[c] = free;
    stats.live_nodes[c] = carved - free;
    stats.live_node_bytes += stats.live_nodes[c] * ArtNode::Bytes(c);
    stats.free_node_bytes += stats.free_nodes[c] * ArtNode::Bytes(c);
  }
  return stats;
}

}  // namespace memkv
