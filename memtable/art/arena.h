// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtArena: the memory of one memtable, entries and nodes alike, and the 32-bit
// references by which the tree names them.
//
// References
// ----------
// The arena is a table of up to 4096 slots. A reference is
//
//   bits 31..20  the slot
//   bits 19..1   the place in the slot
//   bit 0        1 for a node, 0 for an entry
//
// and 0 is none; slot 0 is not used. A slot is of one of two kinds:
//
//   near  a window of 2 MiB of addresses, of which any part may be the arena's.
//         The place is an offset in units of 4 bytes. It names where an object
//         begins, which may end beyond the window.
//   far   a table of up to 2^19 cells, each the address of one entry. The place
//         is the index of a cell. Bit 0 of the slot's address is set.
//
// Nodes are always near. An entry is near if it lies in an extent (see below),
// or if one of the latest windows reaches it. Otherwise it is far: it takes a
// cell of 8 bytes, not a slot. So it does not matter where the allocator puts
// large entries, and how many there are. An extent begins a window where none
// reaches it.
//
// How much the arena can name: near memory of up to 7.8 GiB if the allocator's
// blocks are large or lie one behind the other, as those of a large memtable
// do; at least 5 GiB if no two pieces that the allocator returns are in reach
// of each other, because the pieces grow with the arena. Far entries come on
// top: 64 slots of them are 33 million, of any size.
//
// The last 64 slots are a reserve. When only they are left, TakesEntries() is
// false and AllocateEntry refuses; the reserve names nodes of entries that were
// accepted before: of the 16 that wait in the tree's ring, of the 16 that each
// of several writers has waiting, and of those that a thread has allocated and
// not yet inserted. It is 128 MiB of nodes.
//
// Memory
// ------
// Memory comes from an ArtAllocator in extents. Threads carve regions out of
// the extent and objects out of their region, under the spin lock of the one of
// a few shards they belong to, so that writers seldom meet. The pieces grow
// with the arena, so that what is taken and not used yet stays a small part of
// it: an extent is up to 1/64 of what is there, a region 1/256. What follows
// that of the extent before prolongs it. RocksDB's Arena cuts blocks, and loses
// the end of one that is too short for what it is asked for; so an extent is a
// power of two, as blocks mostly are, and no more than 1/16 of a block, unless
// 1/64 of what is there is as much as a block: such an extent has memory of
// malloc's own, and up to 2 MiB. An entry that would waste ends comes from the
// extent by itself, or, if it is large beside an extent, from the allocator.
//
// Nothing is given back before the allocator's memory goes. Nodes that were
// replaced are used again for nodes of their class (tree.h says why that is
// safe), and, when many of them wait, for small entries; but never what a
// node's first 16 bytes were: its version must not come back to a value that a
// reader remembers. Ends of regions are used for entries, too.
//
// RocksDB counts a memtable's memory when it sets it aside, and relies on its
// not changing after that. So a thread that inserts for another (tree.h)
// takes nothing from the allocator: who writes provides memory for it before.
// It is the rest of the extent, or if that is short, a spare extent, which is
// used when the first is full. Should that not do, the rest comes from the
// heap. What came from the heap is reported with the next entry.
//
// The table of slots has 6 slots in the arena itself. When they are used up, a
// table of 16 is taken with an extent, then one of 32, and so on to 4096.
// Each begins with a copy of the one before. Old tables stay: a reader may hold
// them. Tables of cells are not copied: a far slot's table has 16 cells, that
// of the next far slot twice as many, up to 2^19.
//
// Thread safety: every method may be called from any thread at any time, but
// for the constructor and the destructor.
//
// Memory orders
// -------------
// clang-format off
//   field               written by              order     read with
//   slots_              holder of the extent's  release   acquire
//                       lock
//   a slot of a table   the same, before a      relaxed   relaxed
//                       reference into it is
//                       returned; or before
//                       slots_ is
//   a cell of a far     the same, before its    plain     plain
//   slot                reference is returned
//   slots_used_         the same                relaxed   relaxed
//   free stacks         anyone                  release   acquire
//   extent_left_,       holder of the extent's  relaxed   relaxed
//   heap_bytes_         lock
//   counters            anyone                  relaxed   relaxed
// clang-format on
//
// Why a reader finds the slot of a reference it legally holds: it took the
// reference from a node whose version it then saw unchanged, and the version
// was released after the reference was made (tree.h). So both the store to
// the slot and the last store to slots_ before it happen before the reader's
// load of slots_. The load gives that table, which has the slot, or a later
// one, which was published after the slot was copied into it: that is what
// release and acquire are for.

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

// Nodes come in classes of capacity, in items (node.h).
constexpr int kArtNodeClasses = 9;

// Waits a little, longer as `spins` grows: spins, then yields, then sleeps for
// 50 us to 1 ms. It has to sleep in the end: a thread that yields gives the
// processor to none of a lower priority, which may be who it waits for.
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
  // Taken from the allocator: all of the above, the tables of slots and cells,
  // and what is not carved yet.
  uint64_t allocated_bytes = 0;
  // Of that, from the heap.
  uint64_t heap_bytes = 0;
};

class ArtArena {
 public:
  static constexpr uint32_t kMaxSlots = 4096;

  // REQUIRES: allocator outlives the arena. Allocates no memory from it.
  // `max_slots`, from 4 to kMaxSlots: tests pass a small number to reach the
  // end of the references; half of it, up to 64, is the reserve.
  explicit ArtArena(ArtAllocator* allocator, uint32_t max_slots = kMaxSlots);
  ArtArena(const ArtArena&) = delete;
  ArtArena& operator=(const ArtArena&) = delete;

  // `bytes` bytes for an entry, aligned to 4. If the arena takes no more
  // entries, kArtNoRef: then *memory is as it was, and nothing was allocated.
  ArtRef AllocateEntry(size_t bytes, char** memory);

  // While one lives, its thread takes no memory from the allocator: only what
  // Provide() has taken, and beyond that the heap's.
  class NoAllocatorScope {
   public:
    NoAllocatorScope() { ++depth(); }
    ~NoAllocatorScope() { --depth(); }
    NoAllocatorScope(const NoAllocatorScope&) = delete;
    NoAllocatorScope& operator=(const NoAllocatorScope&) = delete;
    static int& depth();
  };

  // Takes memory from the allocator for the nodes of the entries that wait in
  // the tree's ring, if not enough is there: an extent of 2 KiB, which is four
  // full nodes and mostly enough; of 512 bytes in a small arena. Any thread may
  // use it. May throw bad_alloc; then nothing has changed.
  void Provide() {
    const size_t bytes =
        (allocated_.load(std::memory_order_relaxed) < kSmall ? 512 : 2048) -
        kOverhead;
    if (extent_left_.load(std::memory_order_relaxed) < bytes) {
      ProvideExtent(bytes);
    }
  }

  // What came from the heap, as of the last AllocateEntry.
  size_t ReportedBytes() const {
    return reported_bytes_.load(std::memory_order_relaxed);
  }

  // False for good once only the reserve is left.
  bool TakesEntries() const {
    return slots_used_.load(std::memory_order_relaxed) < entry_slots_;
  }

  // Memory for a node of the class, aligned to 16: fresh and zeroed, or that
  // of a node given to FreeNode. kArtNoRef if the slots are used up.
  ArtRef AllocateNode(int node_class);
  // REQUIRES: no slot of the tree leads to the node any more.
  void FreeNode(ArtRef ref, int node_class);

  // Where an entry or a node is. REQUIRES: the reference came from this arena,
  // and the caller holds it legally (tree.h).
  char* Resolve(ArtRef ref) const {
    char* const base = SlotAt(ref);
    const size_t place = ref & kPlaceMask;
    if ((reinterpret_cast<uintptr_t>(base) & kFar) != 0) {
      return reinterpret_cast<char**>(base - kFar)[place >> 1];
    }
    return base + (place << 1);
  }

  // Whether references are near and of one slot, if `differ` has all bits in
  // which they differ from `ref`, which is one of them.
  bool AreNear(ArtRef ref, ArtRef differ) const {
    return differ >> kSlotShift == 0 &&
           (reinterpret_cast<uintptr_t>(SlotAt(ref)) & kFar) == 0;
  }
  // How far behind `a` is what `b` names. REQUIRES: AreNear().
  static ptrdiff_t BytesBetween(ArtRef a, ArtRef b) {
    return 2 * (static_cast<ptrdiff_t>(b) - static_cast<ptrdiff_t>(a));
  }

  // REQUIRES: ArtIsNode(ref), besides.
  ArtNode* NodeAt(ArtRef ref) const {
    return reinterpret_cast<ArtNode*>(
        SlotAt(ref) + (static_cast<size_t>(ref & kPlaceMask) << 1));
  }

  // Entries have become part of the tree, the newest of which has the sequence.
  void CountEntries(uint64_t n, uint64_t sequence) {
    Shard& shard = MyShard();
    shard.entries.fetch_add(n, std::memory_order_relaxed);
    uint64_t max = shard.max_sequence.load(std::memory_order_relaxed);
    while (max < sequence && !shard.max_sequence.compare_exchange_weak(
                                 max, sequence, std::memory_order_relaxed)) {
    }
  }
  // The same of one entry, for a thread that inserts alone
  // (ArtTree::InsertSingleWriter): what one thread writes needs no
  // read-modify-write.
  void CountEntryAlone(uint64_t sequence) {
    alone_.entries.store(alone_.entries.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
    if (alone_.max_sequence.load(std::memory_order_relaxed) < sequence) {
      alone_.max_sequence.store(sequence, std::memory_order_relaxed);
    }
  }
  // The largest sequence of all entries counted.
  uint64_t MaxSequence() const {
    uint64_t max = alone_.max_sequence.load(std::memory_order_relaxed);
    for (const Shard& shard : shards_) {
      max = std::max(max, shard.max_sequence.load(std::memory_order_relaxed));
    }
    return max;
  }
  uint64_t NumEntries() const;
  ArtStats GetStats() const;

 private:
  using Slot = std::atomic<char*>;

  static constexpr int kSlotShift = 20;
  static constexpr uint32_t kPlaceMask = (uint32_t{1} << kSlotShift) - 2;
  static_assert(kMaxSlots == uint32_t{1} << (32 - kSlotShift), "");
  static constexpr size_t kUnit = 4;
  static constexpr size_t kSlotBytes = size_t{1} << (kSlotShift + 1);
  // Of a slot's address: set if it is that of a table of cells.
  static constexpr uintptr_t kFar = 1;
  static constexpr uint32_t kMinCells = 16;
  static constexpr uint32_t kMaxCells = uint32_t{1} << (kSlotShift - 1);
  // The slots in the arena itself, and those of the first table that is not.
  static constexpr uint32_t kFirstSlots = 6;
  static constexpr uint32_t kMinTable = 16;
  static constexpr uint32_t kReserve = 64;
  // How many windows, the latest, are looked at for one that reaches new
  // memory.
  static constexpr uint32_t kWindowsLookedAt = 4;
  static constexpr size_t kMinExtent = 512;
  static constexpr size_t kMaxExtent = kSlotBytes;
  // The least an extent of the reserve has, however small the arena is.
  static constexpr size_t kMinReserveExtent = size_t{64} << 10;
  static constexpr size_t kSmall = size_t{64} << 10;
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

    size_t size() const { return static_cast<size_t>(limit - next); }
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
  };
  static_assert(sizeof(Shard) == 128, "an empty memtable is to be small");

  // The nodes of one class.
  struct Nodes {
    // A stack of those to be used again, linked through their second word
    // (node.h); the upper half counts, against ABA.
    std::atomic<uint64_t> free_stack{0};
    std::atomic<uint64_t> carved{0};
    std::atomic<uint64_t> free{0};
  };

  class SpinLock;

  char* SlotAt(ArtRef ref) const {
    return slots_.load(std::memory_order_acquire)[ref >> kSlotShift].load(
        std::memory_order_relaxed);
  }
  Shard& MyShard();
  ArtRef PopFreeNode(int node_class);
  // A few free nodes are better kept for what they are.
  bool HasManyFreeNodes() const {
    return free_bytes_.load(std::memory_order_relaxed) >=
           allocated_.load(std::memory_order_relaxed) / 128;
  }
  // Makes the shard's scrap of a free node with room for several times `bytes`,
  // if there is one.
  bool NewScrap(size_t bytes, Region* scrap);
  // `bytes`, a multiple of kUnit, at a multiple of `alignment`. Here and below,
  // `slots` is how many may be used: entry_slots_ or max_slots_. kArtNoRef, or
  // false, if one more would be needed: then nothing has changed.
  // REQUIRES: the shard's lock is held.
  ArtRef Carve(Shard* shard, size_t bytes, size_t alignment, uint32_t slots,
               char** memory);
  // The same of an entry's bytes, a multiple of kUnit, as what is left of a
  // region begins at one.
  static ArtRef TakeEntryFrom(Region* region, size_t bytes, char** memory);
  static ArtRef TakeFrom(Region* region, size_t bytes, size_t alignment,
                         char** memory);
  // An entry by itself, from the extent or from the allocator.
  ArtRef TakeApart(size_t bytes, char** memory);
  // Prolongs the region, or makes it a new one, of at least `bytes`.
  bool NewRegion(size_t bytes, uint32_t slots, Region* region);
  size_t RegionShare() const {
    return std::clamp<size_t>(allocated_.load(std::memory_order_relaxed) / 256,
                              kMinRegion, kMaxRegion);
  }
  size_t RegionBytes() const;
  void ProvideExtent(size_t bytes);

  // REQUIRES of all that follow: extent_locked_ is held.
  // What an extent takes from the allocator, if no more is needed.
  size_t ExtentBytes() const;
  // Takes `size` bytes, a multiple of 16, from the extent, and a new extent
  // first, if the old one has less than `least` left. *piece is all there is,
  // but `least` at least, up to `size`.
  bool TakeFromExtent(size_t least, size_t size, uint32_t slots, Region* piece);
  // Prolongs *extent, the one of the latest memory, by room for `bytes`, or
  // makes it a new one.
  bool NewExtent(size_t bytes, uint32_t slots, Region* extent);
  void StoreExtentLeft();
  // From the allocator; in a NoAllocatorScope from the heap.
  char* NewMemory(size_t bytes);
  // Of one of the latest windows that has all of `memory`, or kArtNoRef.
  ArtRef Reach(const char* memory, size_t bytes) const;
  // Of the table that one more slot takes, 0 if the table has room for it.
  // REQUIRES: slots_used_ < max_slots_.
  size_t MissingTableBytes() const;
  // Makes `memory`, aligned to 8, the table.
  void MakeTable(char* memory, size_t bytes);
  // REQUIRES: there is room. `base` is a window's, or a table's and kFar.
  ArtRef UseSlot(char* base);
  // A far reference. REQUIRES: a cell is free, or a slot is.
  ArtRef NameByCell(char* memory);

  // Read by everybody, all the time, and seldom written.
  ArtAllocator* const allocator_;
  Slot first_slots_[kFirstSlots] = {};
  std::atomic<Slot*> slots_;

  const uint32_t max_slots_;
  // Those that entries may begin: all but the reserve.
  const uint32_t entry_slots_;
  std::atomic<uint32_t> slots_used_{1};
  std::atomic<bool> extent_locked_{false};
  // Guarded by extent_locked_:
  // How many slots the table has.
  uint32_t table_size_ = kFirstSlots;
  // Cells of the latest far slot: all, and those that are used.
  uint32_t cells_ = 0;
  uint32_t cells_used_ = 0;
  ArtRef cells_ref_ = kArtNoRef;
  Region extent_;
  // What Provide() has taken, if the extent could not be prolonged by it.
  Region spare_;
  // Where the latest extent's memory ends, behind its slack; nullptr if it is
  // the heap's.
  char* extent_end_ = nullptr;
  std::vector<std::unique_ptr<char[]>> heap_;
  // Not guarded: what is left of both extents, and what the heap gave.
  std::atomic<size_t> extent_left_{0};
  std::atomic<size_t> heap_bytes_{0};
  std::atomic<size_t> reported_bytes_{0};

  std::atomic<uint64_t> allocated_{0};
  std::atomic<uint64_t> free_bytes_{0};
  Nodes nodes_[kArtNodeClasses];
  Shard shards_[kShards];
  struct alignas(64) {
    std::atomic<uint64_t> entries{0};
    std::atomic<uint64_t> max_sequence{0};
  } alone_;
};

}  // namespace memkv
