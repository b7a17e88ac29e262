// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtArena: the memory of one memtable, entries and nodes alike, and the 32-bit
// references by which the tree names them.
//
// References. The arena is a table of slots; a slot is 2 MiB of addresses, of
// which any part may be the arena's. A reference is
//
//   bits 31..20  the slot
//   bits 19..1   the offset in the slot, in units of 4 bytes
//   bit 0        1 for a node, 0 for an entry
//
// and 0 is none. It names where an object begins, which may end beyond the
// slot. Memory within a slot of late is named by that, other memory begins a
// slot: so references reach 8 GiB if the allocator's blocks are large, as they
// are in a large memtable.
//
// Memory comes from an ArtAllocator in extents. Threads carve regions out of
// the extent and objects out of their region, under the spin lock of the one of
// a few shards they belong to, so that writers seldom meet. The pieces grow
// with the arena, so that what is taken and not used yet stays a small part of
// it: an extent is 1/64 of what is there, a region 1/256. Memory that follows
// that of the extent before prolongs it. RocksDB's Arena cuts blocks, and loses
// the end of one that is too short for what it is asked for; so an extent is no
// more than 1/16 of a block, unless 1/64 of what is there is as much as a
// block: such an extent has memory of malloc's own, and up to 2 MiB. An entry
// that would waste ends comes from the extent by itself, or, if it is large
// beside an extent, from the allocator.
//
// Nothing is given back before the allocator's memory goes. Nodes that were
// replaced are used again for nodes of their class (art_tree.h says why that is
// safe), and, when many of them wait, for small entries; but never what a
// node's first 16 bytes were: its version must not come back to a value that a
// reader remembers. Ends of regions are used for entries, too.
//
// RocksDB counts a memtable's memory when it sets it aside, and relies on its
// not growing after that. So what a reader's drain (art_tree.h) needs beyond
// the extent comes from the heap, and is reported with the next entry only.
//
// When three quarters of the slots are taken, NearlyFull() asks for the
// memtable to be flushed; what is left is more than a write batch can hold.
// Beyond the last slot AllocateEntry returns a null reference: the memory is
// valid, the tree cannot name it and refuses the entry.
//
// Thread safety: every method may be called from any thread at any time, but
// for the constructor and the destructor.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

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

  // The size of the blocks it cuts such memory from: what is left of one is
  // lost to a request that does not fit in, and requests for more than a
  // quarter of one have memory of their own. 0 if all have.
  virtual size_t BlockSize() const { return 0; }
};

class ArtNode;

using ArtRef = uint32_t;

constexpr ArtRef kArtNoRef = 0;
inline bool ArtIsNode(ArtRef ref) { return (ref & 1) != 0; }

// Nodes come in classes of capacity, in items (art_node.h).
constexpr int kArtNodeClasses = 9;

// Waits a little: longer, and giving up the processor, as `spins` grows.
void ArtPause(int spins);

// A moment's view of the counters; exact when no insert is running.
struct ArtStats {
  uint64_t entries = 0;
  // What was asked for, and what it takes with its alignment.
  uint64_t entry_bytes = 0;
  uint64_t entry_padding = 0;
  // Nodes in use, and waiting to be used again, by class.
  uint64_t live_nodes[kArtNodeClasses] = {};
  uint64_t free_nodes[kArtNodeClasses] = {};
  uint64_t live_node_bytes = 0;
  uint64_t free_node_bytes = 0;
  // Taken: all of the above, and not carved yet.
  uint64_t allocated_bytes = 0;
  // Of that, from the heap.
  uint64_t heap_bytes = 0;
};

class ArtArena {
 public:
  // REQUIRES: allocator outlives the arena. Allocates no memory from it.
  explicit ArtArena(ArtAllocator* allocator);
  ~ArtArena();
  ArtArena(const ArtArena&) = delete;
  ArtArena& operator=(const ArtArena&) = delete;

  // `bytes` bytes for an entry, aligned to 4.
  ArtRef AllocateEntry(size_t bytes, char** memory);

  // Memory for a node of the class, aligned to 16: fresh and zeroed, or that
  // of a node given to FreeNode. kArtNoRef if the slots are used up.
  ArtRef AllocateNode(int node_class);
  // REQUIRES: no slot of the tree leads to the node any more.
  void FreeNode(ArtRef ref, int node_class);

  // While one lives, its thread takes no memory from the allocator.
  class HeapScope {
   public:
    HeapScope() { ++depth(); }
    ~HeapScope() { --depth(); }
    HeapScope(const HeapScope&) = delete;
    HeapScope& operator=(const HeapScope&) = delete;
    static int& depth();
  };

  // What RocksDB is to count besides the allocator's, as of the last
  // AllocateEntry: the heap's bytes, and, if the arena was nearly full, more
  // than any write buffer has, so that the memtable is flushed.
  size_t ReportedBytes() const {
    return reported_bytes_.load(std::memory_order_relaxed);
  }

  // REQUIRES: the reference came from this arena.
  char* Resolve(ArtRef ref) const {
    return slots_[ref >> kSlotShift].load(std::memory_order_relaxed) +
           (static_cast<size_t>(ref & kOffsetMask) << 1);
  }

  // REQUIRES: ArtIsNode(ref), besides.
  ArtNode* NodeAt(ArtRef ref) const {
    return reinterpret_cast<ArtNode*>(Resolve(ref));
  }

  bool NearlyFull() const {
    return slots_used_.load(std::memory_order_relaxed) > kSlots / 4 * 3;
  }

  // An entry has become part of the tree.
  void CountEntry(uint64_t sequence) {
    Shard& shard = MyShard();
    shard.entries.fetch_add(1, std::memory_order_relaxed);
    uint64_t max = shard.max_sequence.load(std::memory_order_relaxed);
    while (max < sequence && !shard.max_sequence.compare_exchange_weak(
                                 max, sequence, std::memory_order_relaxed)) {
    }
  }
  // The largest sequence of all entries counted.
  uint64_t MaxSequence() const {
    uint64_t max = 0;
    for (const Shard& shard : shards_) {
      max = std::max(max, shard.max_sequence.load(std::memory_order_relaxed));
    }
    return max;
  }
  uint64_t NumEntries() const;
  ArtStats GetStats() const;

 private:
  static constexpr int kSlotShift = 20;
  static constexpr uint32_t kOffsetMask = (uint32_t{1} << kSlotShift) - 2;
  static constexpr uint32_t kSlots = uint32_t{1} << (32 - kSlotShift);
  static constexpr size_t kUnit = 4;
  static constexpr size_t kSlotBytes = size_t{1} << (kSlotShift + 1);
  // How many slots, the latest, are looked at for one that reaches new memory.
  static constexpr uint32_t kSlotsLookedAt = 4;
  static constexpr size_t kMinExtent = 512;
  static constexpr size_t kMaxExtent = kSlotBytes;
  static constexpr size_t kMinRegion = 256;
  static constexpr size_t kMaxRegion = size_t{64} << 10;
  static constexpr int kShards = 8;
  // A vector read of a node's arrays may reach this far behind it.
  static constexpr size_t kReadSlack = 64;
  // What an extent takes beyond what it holds: the slack, and its alignment.
  static constexpr size_t kOverhead = kReadSlack + 8;

  // A piece of an extent. `ref` names `next`.
  struct Region {
    char* next = nullptr;
    char* limit = nullptr;
    ArtRef ref = kArtNoRef;
  };

  // Two lines, against the adjacent-line prefetcher.
  struct alignas(128) Shard {
    std::atomic<bool> locked{false};
    // Guarded by locked:
    Region region;
    // What is left of a node that is used for entries, or of a region.
    Region scrap;
    // Not guarded:
    std::atomic<uint64_t> entries{0};
    std::atomic<uint64_t> max_sequence{0};
    // Written under the lock.
    std::atomic<uint64_t> entry_bytes{0};
    std::atomic<uint64_t> entry_padding{0};
    // Modulo 2^64: what one thread counts up another may count down.
    std::atomic<uint64_t> carved_nodes[kArtNodeClasses] = {};
    std::atomic<uint64_t> free_nodes[kArtNodeClasses] = {};
  };

  class SpinLock;

  Shard& MyShard();
  ArtRef PopFreeNode(int node_class);
  // Makes the shard's scrap of a free node with room for several times `bytes`,
  // if enough are free.
  bool NewScrap(size_t bytes, Region* scrap);
  // `bytes`, a multiple of kUnit, at a multiple of `alignment`.
  // REQUIRES: the shard's lock is held.
  ArtRef Carve(Shard* shard, size_t bytes, size_t alignment, char** memory);
  static ArtRef TakeFrom(Region* region, size_t bytes, size_t alignment,
                         char** memory);
  // An entry by itself, from the extent or from the allocator.
  ArtRef TakeApart(size_t bytes, char** memory);
  // Prolongs the region, or makes it a new one, of at least `bytes`. False if
  // no slot is left: then the region has memory but no reference.
  bool NewRegion(size_t bytes, Region* region);
  size_t RegionBytes() const;

  // REQUIRES of all that follow: extent_locked_ is held.
  // What an extent takes from the allocator, if no more is needed.
  size_t ExtentBytes() const;
  // Takes `size` bytes, a multiple of 16, from the extent, and a new extent
  // first, if the old one has less than `least` left. *piece is all there is,
  // but `least` at least, up to `size`. False if no slot is left.
  bool TakeFromExtent(size_t least, size_t size, Region* piece);
  // Makes room for `bytes`. False if no slot is left.
  bool NewExtent(size_t bytes);
  // From the allocator or the heap.
  char* NewMemory(size_t bytes);
  // Names `memory`, such that `bytes` from there on are within the slot.
  // kArtNoRef if no slot is left.
  ArtRef Name(const char* memory, size_t bytes);

  ArtAllocator* const allocator_;
  // Written once each, before a reference that needs it is published.
  std::unique_ptr<std::atomic<char*>[]> slots_;
  std::atomic<uint32_t> slots_used_{0};
  std::atomic<bool> extent_locked_{false};
  // Guarded by extent_locked_:
  Region extent_;
  // Where the extent's memory ends, behind its slack; nullptr if it is from the
  // heap.
  char* extent_end_ = nullptr;
  std::vector<std::unique_ptr<char[]>> heap_extents_;
  std::atomic<uint64_t> allocated_{0};
  std::atomic<size_t> heap_bytes_{0};
  std::atomic<size_t> reported_bytes_{0};
  std::atomic<uint64_t> free_bytes_{0};
  // Stacks of nodes to be used again, linked through their second word
  // (art_node.h); the upper half counts, against ABA.
  std::atomic<uint64_t> free_[kArtNodeClasses] = {};
  Shard shards_[kShards];
};

}  // namespace memkv
