// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree: an ordered index over encoded entries (key.h), as an adaptive
// radix tree whose nodes span many depths and are searched blindly. It holds
// references to entries and never a key of its own; entries are not copied,
// moved or changed. Nothing is ever removed. It is not a map from keys to
// values: what stands in an entry behind the tag does not concern it.
//
// Shape
// -----
// All entries together are a trie: a string of symbols each (key.h), which
// branches where two neighbours differ. The tree cuts that trie into pieces of
// up to 64 subtrees each, its nodes (node.h). A descent searches one node
// after the other without comparing any key, and ends at an entry that shares
// as many symbols with the key as any entry does. One comparison with it says
// whether the key is there, and if not, at which depth it leaves the trie: so a
// look-up reads the nodes on one path and one entry.
//
// A node that is full is split at one of its lowest borders, which moves into
// the node above, as in a B-tree. What a lowest border cuts off may be a single
// item: that one then hangs from the node above directly, and gets a node with
// its next neighbour. Where the node above is full, too, and the lowest borders
// cut off little, the node is split downwards: a run of its items that share
// more than their neighbours do, about half of all, becomes a node that hangs
// from it. Nothing moves up then. So one insert splits five nodes at most,
// above each other, whatever the keys are. Nodes grow with their content in
// steps of 8 items.
//
// Depth. Where the trie is bushy, the tree is as deep as a B-tree of nodes half
// full: four nodes and the root for a million keys. But a node is one connected
// piece of the trie, so a path through the trie that has B branches takes B/63
// nodes at least. N keys that are each other's prefixes make a tree N/45 deep
// (N/63 if they come in order), and their average look-up passes half of that.
// And borders more than 246 depths apart are never in one node: a path may have
// a node for each branch where branches are that far apart, which is a node for
// each 246 bytes of a key. No path has more nodes than the key's path has
// branches in the trie, and a few where many siblings are.
//
// All versions of a user key follow each other, newest first, and are told
// apart by their 7 version bytes like any other keys, so a million overwrites
// of one key add three levels.
//
// Thread safety
// -------------
//   Insert, InsertInBatch, FinishBatch, AllocateEntry
//                           any number of threads, with everything below
//   InsertSingleWriter      one thread, without the inserts above, with
//                           everything below
//   Get, Contains, ApproximateNumEntries, NumEntries, GetStats, ArtIterator
//                           any number of threads, with everything above;
//                           one ArtIterator is used by one thread at a time
//                           and may be handed over between calls
//   MarkReadOnly            one thread, once, with the readers; no insert is
//                           running or follows
//   Validate                no Insert may be running
//   constructor, destructor one thread; the allocator's memory must outlive
//                           the iterators
//
// Invariants
// ----------
// (I1) A node that can be reached has 2 items or more; the root, a node of 0 or
//      1 items, is never replaced.
// (I2) The border between two neighbouring items is the depth at which the last
//      entry below the one and the first entry below the other differ first,
//      and the symbol of the latter there.
// (I3) No border within a node is of a lower depth than the borders beside the
//      item, in the node above, that leads to it. So all entries below an item
//      agree in all depths below the highest of the borders beside it.
// (I4) A node's base is not above any of its borders, nor below the borders
//      beside it above, unless (I5).
// (I5) Where a border cannot be said from the base of its node, a node of its
//      own holds it, whose base is near it.
// (I6) The content of a node that can be reached is written only under its
//      lock, and every writing raises its version. Versions never go back, even
//      if the memory is used again for another node of its class.
//
// Writers
// -------
// An insert descends without locks, and remembers the version of each node on
// the way. It then does one of:
//  (W1) nothing: an entry equals the key;
//  (W2) add an item and a border to a node with room. Locks the node;
//  (W3) put a copy of the node, with room and the new item, in its place in the
//       node above. Locks the node above, then the node;
//  (W4) put two nodes in the place of a full one, with a border between them in
//       the node above. Locks as (W3). If the node above is full, that one is
//       made room in first, by (W3), (W4) or (W6);
//  (W5) put a new node, of the item and the entry, in the place of an item.
//       Locks the node;
//  (W6) put a copy of a full node in its place, from which a run of its items
//       hangs as a node of their own. Locks as (W3);
//  (W7) put a copy of a node that holds versions only in its place, with a base
//       from which the border of another key can be said. Locks as (W3).
// After (W4), (W6) and (W7), and (W3) for a node below, the entry is not in
// yet: the insert goes on from the node above, which it searches again. What it
// knows of the nodes above that one is as true as before.
// A lock is taken by raising the version that was remembered, and only if it is
// still the same; so a lock that is held says that what the descent saw in the
// node is true. If it is not the same, the insert lets go of everything and
// starts again from the root. Memory is allocated before any lock is taken.
//
// Why that is enough: where a key belongs depends on the borders beside the
// path and on the entry it was compared with. Entries do not change. All
// borders below the highest one looked at are in nodes that are locked, or in
// nodes above, which lead to the same node as long as that is in place: an
// insert elsewhere does not change where this key belongs, and a node that was
// taken out of its place has had its version raised.
//
// No deadlock: nobody waits for a lock with a lock held. A writer or reader
// that meets a locked node starts again until its holder has let go of it: so
// it waits for that thread, which allocates nothing and waits for nothing while
// it holds the lock. If the holder is not running, whoever waits sleeps after a
// short while (ArtPause), so that the holder can run even if its priority is
// lower. Any other restart means that another writer succeeded.
//
// Readers
// -------
// Readers write nothing and take no lock. What a reader took from a node counts
// once it has seen the node's version unchanged. Otherwise it starts again. It
// can only be made to by a writer that writes one of the nodes on its path at
// that moment.
//
// A reader reaches a node's content by an ArtNodeReading alone (node_access.h):
//  (R1) It is made by reading the version, and begins by a look at that: a
//       locked node gives no reading.
//  (R2) Below the root it begins below the reading that led to it, whose node
//       it sees unchanged once more. So the order is: read the reference; see
//       the node's version unchanged; read the child's version; see the node's
//       version unchanged once more. The second look says that the child was in
//       its place at the moment from which on its version is watched: so a
//       child that is taken out and used again, or whose items move to a
//       sibling, is noticed.
//  (R3) What was read is nothing but a guess until Holds() has said that the
//       version is unchanged. Until then it may be used to read more of the
//       same node, which is made for that: whatever it finds, a search ends,
//       and stays within the node. A reference is not to be had before.
//  (R4) A check covers all that was read before it. A reading ends with a
//       check: with one that held and nothing read since, or with one that did
//       not hold; then nothing that was read counts, and nothing more may be
//       read.
//  (R5) Who keeps node and version of a reading that held (a path's step, an
//       iterator's run) resumes the reading from them, any time later. What was
//       kept of the content is as true as the resumed reading's next check.
// In builds with assertions a reading that reads before it has begun, gives out
// a reference before a check, or ends without one, ends the program there and
// then, whether or not a writer was near. In others it is the node and the
// version, in two registers.
//
// One thing is told without a reading: a node's height, which never changes
// while the node can be reached. It is as true as the reference that led there.
//
// An entry is read only when the reference to it has been seen to count.
// Entries stay as long as the arena, so a reader may keep it as long.
//
// An iterator keeps nothing of a node in place: it copies the references of one
// node, and remembers where that is and its version. If that has changed when
// it steps, it looks for the neighbour of its entry from the root. (A node's
// memory keeps its version as long as the arena, whatever becomes of the rest.)
//
// Entries that wait
// -----------------
// A thread that inserts alone puts an entry into a ring of 16 and counts it as
// arrived; when the ring is full, it is drained: the entries are inserted as
// above, in one go, and counted as drained. Anybody who is about to read drains
// the ring, too, if it is not empty. Several may do so at once: all insert the
// same entries, each entry gets in once, and each drainer raises the count, if
// it is still lower, to what it has seen inserted. The writer uses a place of
// the ring again only when its entry is counted as drained. A drainer that is
// late may read newer entries in the places it looks at, and insert them: they
// have been published, and those it looked for are in the tree.
//
// Where readers come and go while a thread inserts, waiting only means that
// they do the writer's work. So when a reader has had to drain, the next
// entries go in at once.
//
// Keys that come in order all belong into one node, and gain nothing by
// waiting: the first makes the paths of the others out of date. So the writer
// keeps the path to its last entry, and when entries go beside the one before,
// they go in at once, from there: no descent, and no node is read that is not
// written. A path says by its versions what of it is true, however long it is
// kept (a node's memory keeps its version as long as the arena); where it does
// not tell, the entry descends from the root. Nothing waits meanwhile, so no
// reader has anything to let in.
//
// If the last entry is the first or the last item of a leaf, it is an edge. The
// writer remembers its key and the borders around the leaf. The next entry that
// goes beyond the edge goes in by (W2) under the leaf's lock, taken at the
// version that was remembered, and no node is searched. The borders are those
// between entries (I2), so nothing but a new entry beside the leaf changes
// them, and nobody but the writer adds entries: the buffer is empty, so all
// that a late drainer would insert is there. It may still split or replace
// nodes; if it is the leaf, its version says so. Nodes that are made at an edge
// get the size that they will need.
//
// An entry may wait only if no equal one can be in the tree, since its insert
// has to say so: if its sequence is above all others', or if the entries with
// its sequence have all come to the single writer, one behind the other, and a
// Bloom filter of their user keys does not have this one (sequence_keys.h).
// It was accepted, and the arena's reserve has names for the nodes it may need;
// if that should ever fail, the drain throws bad_alloc and the entry goes on
// waiting.
//
// Insert and InsertSingleWriter may follow each other; who calls them orders
// the calls. Insert and FinishBatch leave a note (others_inserted_, relaxed),
// by which the single writer forgets its edge, and what it knows of the entries
// with its sequence. What waits in several writers' own buffers, nobody but
// they know of: writer_buffer.h.
//
// RocksDB counts a memtable's memory when it sets it aside, and relies on its
// not changing after that, in the memtable or in its allocator. So only who
// inserts takes memory from the allocator. Readers' drains and MarkReadOnly's
// use what the writer has provided before its entry began to wait, and the heap
// if that is not enough (arena.h). A drain that began before MarkReadOnly
// may end behind it.
//
// Memory orders
// -------------
// clang-format off
//   field               written by     order            read with
//   version             lock           acquire, fence   acquire, at the start;
//                       unlock         release          fence, relaxed, Holds()
//                                                       (release with acquire)
//   meta, codes,        ArtNodeOwner   plain            ArtNodeReading, plain,
//   symbols, refs       (meta:         relaxed)         between the two
//   entry bytes         before Insert  plain            plain, after a version
//                                                       that was released later
//   counters            anyone         relaxed          relaxed
// clang-format on
// (What the arena's slots and cells are written and read with: arena.h; those
// of the ring: insert_buffer.h.)
//
// Forbidden moves
// ---------------
// - To reach a node's content but by an ArtNodeReading or an ArtNodeOwner.
// - To follow a reference before the node's version was seen unchanged (R3).
// - To act on what was read before a check, or after one that failed (R4).
// - To let an exception through between a reading and its check.
// - To make an ArtNodeOwner of a node that somebody else can change.
// - To wait for a lock with a lock held.
// - To allocate, or to touch an entry's bytes, under a lock.
// - To give a node back to the arena before what led to it has been changed.
// - To recurse: a tree of keys that are each other's prefixes may be deep.
//
// Known weaknesses
// ----------------
// - A reader restarts when a writer changes a node under its feet.
// - A look-up among N keys that are each other's prefixes passes N/90 nodes.
// - ApproximateNumEntries samples: of ranges chosen at random 98 in 100 are
//   within 2x; the worst seen, in a tree that is deep in places, is 4x off. It
//   takes 3 to 10 times as long as the skip list's.
// - Without AVX2, and in reverse bytewise order, nodes are searched byte by
//   byte.
//
// Literature: Leis, Kemper, Neumann, "The Adaptive Radix Tree", ICDE 2013;
// Binna, Zangerle, Pichl, Specht, Leis, "HOT: A Height Optimized Trie Index for
// Main-Memory Database Systems", SIGMOD 2018; Ferguson, "Bit-Tree: a data
// structure for fast file processing", CACM 1992; Ferragina and Grossi, "The
// String B-Tree", JACM 1999; Leis, Scheibner, Kemper, Neumann, "The ART of
// Practical Synchronization", DaMoN 2016 (optimistic lock coupling).

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "memtable/art/arena.h"
#include "memtable/art/in_order.h"
#include "memtable/art/insert_buffer.h"
#include "memtable/art/key.h"
#include "memtable/art/node.h"
#include "memtable/art/node_access.h"
#include "memtable/art/path.h"
#include "memtable/art/sequence_keys.h"
#include "memtable/art/writer_buffer.h"

namespace memkv {

class ArtTree {
 public:
  // Allocates nothing from the allocator, which must outlive the tree.
  // `max_slots`: as ArtArena's, for tests.
  ArtTree(ArtOrder order, ArtAllocator* allocator,
          uint32_t max_slots = ArtArena::kMaxSlots);
  ArtTree(const ArtTree&) = delete;
  ArtTree& operator=(const ArtTree&) = delete;

  // Memory for an entry, to be filled and then inserted, or left alone. If the
  // arena takes no more entries (arena.h), kArtNoRef, from then on always,
  // and *memory is as it was.
  ArtRef AllocateEntry(size_t bytes, char** memory) {
    return arena_.AllocateEntry(bytes, memory);
  }

  // The entry. REQUIRES: the reference is an entry's, from AllocateEntry.
  const char* EntryAt(ArtRef ref) const { return arena_.Resolve(ref); }

  // Adds the entry, unless one with the same user key and sequence is there:
  // then returns false; also if the reference is kArtNoRef, or the arena's
  // reserve of names for nodes is used up, which takes thousands of threads
  // with an accepted entry each. If several threads insert equal keys, exactly
  // one gets true. REQUIRES: the entry is encoded as key.h says, complete,
  // and its key part does not change any more.
  bool Insert(ArtRef entry);

  // The same for one of several writers with a buffer of its own, in which its
  // entries wait to descend together (writer_buffer.h, whose (C3) is REQUIRED).
  // All are in when FinishBatch has returned. Both may throw bad_alloc, also if
  // the reserve is used up; nothing is lost by that.
  bool InsertInBatch(ArtRef entry, ArtWriterBuffer* buffer);
  void FinishBatch(ArtWriterBuffer* buffer);

  // The same for a thread that inserts alone: no other thread is in an insert
  // function. An entry that is known to be new waits for a few more,
  // and then they descend together, so that their cache misses overlap; unless
  // keys come in order, when each goes beside the one before at once. Whoever
  // reads in between lets it in first: but for the time and the counters nobody
  // can tell the difference. (So a reader may need memory, which is the heap's,
  // and throw bad_alloc; nothing is lost by that.)
  bool InsertSingleWriter(ArtRef entry);

  // Lets waiting entries in. Takes no memory from the allocator, as no reader
  // does: so what RocksDB has counted stays as it is. May throw bad_alloc; then
  // nothing has changed. REQUIRES: no insert is running or follows.
  void MarkReadOnly();

  // Lets waiting entries in. Any thread, any time; cheap if none waits.
  void DrainIfWaiting() const {
    if (!insert_buffer_.empty()) {
      const_cast<ArtTree*>(this)->DrainForReader();
    }
  }

  // The newest entry of the key's user key that is not newer than the key, or
  // nullptr.
  const char* Get(const ArtKey& key) const;

  // The same of n keys, side by side, so that their cache misses overlap.
  void GetMany(const ArtKey* keys, size_t n, const char** entries) const;

  // True if an entry of the user key and sequence is there.
  bool Contains(const ArtKey& key) const;

  // The entries in [start, end): exact up to 256, else an estimate, which is
  // not below 256 nor above NumEntries(). Under inserts in the range it may
  // miss or count those that have not returned. Takes two seeks and, as a rule,
  // the first lines of some hundreds of nodes; 2048 nodes at most, and the
  // paths.
  uint64_t ApproximateNumEntries(const ArtKey& start, const ArtKey& end) const;

  // The nodes a look-up of the key passes, the root included: each is a wait
  // for memory, and the entry at their end is one more. For measuring.
  size_t NodesOnPath(const ArtKey& key) const;

  // Of entries that are in, not of those that wait.
  uint64_t NumEntries() const { return arena_.NumEntries(); }
  ArtStats GetStats() const { return arena_.GetStats(); }
  // Of the arena, what came from the heap, as of the last AllocateEntry.
  size_t ReportedBytes() const { return arena_.ReportedBytes(); }
  // A number that has grown whenever an insert has returned.
  uint64_t Changes() const {
    return arena_.NumEntries() + insert_buffer_.arrived();
  }
  // How many entries have waited; only grows.
  uint64_t Arrived() const { return insert_buffer_.arrived(); }
  ArtOrder order() const { return order_; }

  // Checks every invariant that can be seen in a tree at rest. If one is
  // violated, says which and where in *reason, and returns false.
  bool Validate(std::string* reason) const;

  // Whether the single writer's keys come in order.
  bool TEST_InOrder() const { return in_order_.credit > 0; }
  // For tests that play the part of another writer, or break the tree.
  ArtNode* TEST_Root() { return root_; }
  const ArtArena& TEST_Arena() const { return arena_; }

 private:
  friend class ArtIterator;
  // A side of fewer items than these is not worth a split of a full node above.
  static constexpr int kFewItems = ArtNode::kMaxItems / 8;
  // So many full nodes above a full one are split for one insert.
  static constexpr int kMaxFullAbove = 4;

  enum class Outcome { kInserted, kDuplicate, kFull, kRestart, kAgain };
  enum class Found { kYes, kNo, kRestart, kNotYet };

  // Where a key that is not in the tree leaves it: at `depth`, beside the items
  // first..last of the path's step `level`, before or behind them.
  struct BranchPoint {
    ArtDepth depth;
    size_t level;
    int first;
    int last;
    bool before;
  };

  // ---- Readers (tree.cc) ----

  // `user_size`: what its key may be expected to have.
  void PrefetchEntry(ArtRef ref, size_t user_size) const {
    PrefetchEntry(EntryAt(ref), user_size);
  }
  static void PrefetchEntry(const char* entry, size_t user_size) {
    __builtin_prefetch(entry);
    if (user_size > 40) {
      __builtin_prefetch(entry + 64);
      // The tag's, and mostly that of the value's first bytes.
      __builtin_prefetch(entry + user_size + 16);
    }
  }

  // From the root, a node at a time, to the entry blind search ends at:
  // kNotYet, and in the end kYes, or kNo in an empty tree; then the path is
  // complete. Each step prefetches what the next one reads.
  class Descent {
   public:
    Descent(const ArtTree& tree, const ArtKey& key, ArtPath* path)
        : arena_(tree.arena_), key_(key), path_(path), node_(tree.root_) {
      path_->Clear();
    }
    // From the last node of the path on.
    Descent(const ArtTree& tree, const ArtKey& key, ArtPath* path,
            ArtNode* node)
        : arena_(tree.arena_), key_(key), path_(path), node_(node) {
      path_->Truncate(path_->size() - 1);
    }
    // Goes on from the last node of the path.
    Found Advance();

   private:
    const ArtArena& arena_;
    const ArtKey& key_;
    ArtPath* const path_;
    ArtNode* node_;
  };

  Found Descend(const ArtKey& key, ArtPath* path) const;
  // The same from the last node of the path on, which is searched again.
  Found DescendOn(const ArtKey& key, ArtPath* path) const;
  // From the item of the last step, whose reference is a node's, down along the
  // first or the last items, to an entry.
  Found DescendToEdge(bool first, ArtPath* path) const;
  // The path to the first or the last entry of all.
  Found TryEdge(bool first, ArtPath* path) const;
  // REQUIRES: the path was made by Descend for `key`, and ends at an entry with
  // the key `other`, which differs from it first at `depth`.
  bool FindBranchPoint(const ArtPath& path, const ArtKey& key,
                       const ArtKey& other, ArtDepth depth,
                       BranchPoint* out) const;
  // The path to the nearest entry after the key, or before it; to the key's own
  // if `inclusive`. If `decider` is not nullptr, it is set to the entry the
  // decision was made by.
  Found TrySeek(const ArtKey& key, bool forward, bool inclusive, ArtPath* path,
                const char** decider) const;
  // To the item `item` of step `level`, or beyond the node, to what is next.
  Found StepTo(size_t level, int item, bool forward, ArtPath* path) const;
  class Lookup;
  // Get, with all that may be in its way.
  const char* GetByPath(const ArtKey& key) const;
  // Of ApproximateNumEntries (tree_count.cc).
  class RangePaths;
  class Counter;
  // How many entries an iterator finds in [start, end); it stops at `most`.
  uint64_t CountEntries(const ArtKey& start, const ArtKey& end,
                        uint64_t most) const;

  // ---- Writers that let entries wait (tree_insert_together.cc) ----

  // These return how many entries went beside the one before; then *path leads
  // to the last.
  size_t DrainInsertBuffer(ArtPath* path);
  // REQUIRES: n <= ArtInsertBuffer::kSize. Entries that are there already are
  // left out.
  size_t InsertTogether(const ArtRef* entries, size_t n, ArtDescentMode* mode,
                        ArtPath* path);
  size_t InsertInTurn(const ArtRef* entries, size_t n, bool count_at_once,
                      ArtPath* path);
  // Near the entry that the path leads to, with the key `other`, from which the
  // key differs first at `depth`; kRestart if that cannot be told, or the path
  // is out of date.
  Outcome InsertBeside(ArtPath* path, const ArtKey& key, const ArtKey& other,
                       ArtDepth depth, ArtRef entry);
  class CountTogether;
  class PathInChange;
  // Most times the note is there: a load does.
  void NoteOthersInsert() {
    if (!others_inserted_.load(std::memory_order_relaxed)) {
      others_inserted_.store(true, std::memory_order_relaxed);
    }
  }
  // The single writer's.
  size_t DrainByWriter();
  // The single writer's: whether no entry equal to this one can be there.
  bool IsNew(const ArtKey& key);
  // The single writer's, of an entry that does not wait. REQUIRES: none waits.
  bool InsertAtOnce(const ArtKey& key, ArtRef entry, bool may_be_in_order);
  // The same of an entry that goes beyond the edge into its leaf. False, and
  // nothing is done, elsewhere.
  bool InsertAtEdge(const ArtKey& key, ArtRef entry);
  // Makes an edge of the writer's last entry; false if it is none, or the path
  // is out of date.
  bool FindEdge();
  void DrainForReader();

  // ---- Writers (tree_insert.cc) ----

  class NewNode;

  // Until it is in, or cannot be.
  Outcome InsertFromRoot(ArtPath* path, const ArtKey& key, ArtRef entry);
  // From the path that Descend found for the key, as often as room has to be
  // made. kRestart: it is out of date.
  // Behind this and what follows the path is empty, or leads to the entry.
  Outcome InsertAt(ArtPath* path, Found found, const ArtKey& key, ArtRef entry);
  // As FindBranchPoint, with a path that need not be the key's, but leads to
  // some entry. Also false if another entry may share more symbols with the
  // key.
  bool FindBranchPointNear(const ArtPath& path, const ArtKey& key,
                           const ArtKey& other, ArtDepth depth,
                           BranchPoint* out) const;
  // kAgain: room was made; the path ends at the last node that stayed, from
  // which on the key must be sought again.
  Outcome InsertAtBranchPoint(ArtPath* path, BranchPoint d, const ArtKey& key,
                              const ArtKey& other, ArtRef entry);
  Outcome InsertFirst(ArtPath* path, ArtRef entry);
  Outcome AddItem(ArtPath* path, const BranchPoint& d, int code, int symbol,
                  ArtRef entry);
  // Locks a node and the one above it; false, and neither is locked, if one has
  // changed.
  [[nodiscard]] static bool LockBoth(const ArtPath::Step& above,
                                     const ArtPath::Step& at);
  // Unlocks both, and gives the lower one back, in whose place others are.
  void UnlockReplaced(const ArtPath::Step& above, const ArtPath::Step& at);
  // Puts a copy of the node with more room in its place, and, if `d` is not
  // nullptr, the entry into that; else kAgain.
  Outcome Grow(ArtPath* path, size_t level, const BranchPoint* d, int code,
               int symbol, ArtRef entry);
  // Puts a copy of the node with a base from which `depth` can be said in its
  // place. REQUIRES: all its borders are of versions.
  Outcome Rebase(ArtPath* path, size_t level, ArtDepth depth);

  // Whether the path is the single writer's, and its keys come in order.
  bool IsInOrder(const ArtPath* path) const {
    return path == &in_order_.path && in_order_.credit > 0;
  }
  // Where a full node grows: at an end of its items, or anywhere.
  enum class Growth { kFront, kInside, kBack };
  static Growth GrowthOf(const BranchPoint& d, int count);
  // Of the lowest borders between the items first..last the one nearest to
  // `wanted`. REQUIRES: first < last.
  static int LowestBorder(const ArtNodeReading& node, int first, int last,
                          int wanted);
  // Makes of the items *first..*last of a full node, where the key goes, those
  // that SplitDown is to take.
  static void ChooseRun(const ArtNodeReading& node, int count, Growth growth,
                        int* first, int* last);
  // Splits a full node, or one above it first. The key goes beside its items
  // first..last. `below`: how many full nodes are below it on the path.
  Outcome MakeRoom(ArtPath* path, size_t level, Growth growth, int first,
                   int last, int below);
  // At the border `cut`, with the code `code` in the node above; if that is -1,
  // in a new node there.
  // `growth`: the side that grows gets full size, if keys come in order.
  Outcome SplitUp(ArtPath* path, size_t level, int cut, int code,
                  Growth growth);
  // Hangs the items first..last from the node, as a node of their own.
  // REQUIRES: no border between them is of a lower depth than those around.
  Outcome SplitDown(ArtPath* path, size_t level, int first, int last);
  // Puts a node of the item and the entry in the item's place.
  Outcome SplitItem(ArtPath* path, size_t level, const BranchPoint& d,
                    int symbol, ArtRef entry);
  // A base from which a border of `depth`, and others near it, can be said, for
  // a node to hang from an item; `beside`: the highest border beside the item.
  static ArtDepth BaseFor(ArtDepth beside, ArtDepth depth);

  // Before the arena, which begins at 128 bytes: so they cost nothing.
  alignas(16) char root_memory_[ArtNode::Bytes(0)];
  ArtNode* const root_;
  const ArtOrder order_;
  ArtArena arena_;
  ArtInsertBuffer insert_buffer_;

  // What the single writer knows of the entries with its newest sequence.
  ArtSequenceKeys sequence_keys_;
  // Whether others have inserted since the single writer's last entry.
  std::atomic<bool> others_inserted_{false};

  // The single writer's own.
  ArtInOrder in_order_;
};

// It is a memtable's own memory, which a write buffer of 64 KiB has less room
// for entries by.
static_assert(sizeof(ArtTree) <= 2560);

}  // namespace memkv
