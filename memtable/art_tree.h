// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree: an ordered index over encoded entries (art_key.h), as an adaptive
// radix tree whose compressed paths are blind. It holds references to entries
// and never a key of its own; entries are not copied, moved or changed. Nothing
// is ever removed. It is not a map from keys to values: what stands in an
// entry behind the tag does not concern it.
//
// Shape
// -----
// A key is a string of symbols (art_key.h). A node branches on the symbol of
// one rank, and a slot leads to one entry or to a node of a higher rank:
// ranks at which all entries below agree have no node. In user space a key
// that ends where others go on sits in the node's end slot. All entries of one
// user key hang from one slot: a single one directly, several as a trie over
// their 7 version bytes, newest first, made of the same nodes. So a million
// overwrites of one key are at most 7 nodes deep.
//
// A node knows its absolute rank and the up to 8 bytes before it (its window),
// which verifies most skipped symbols on the way. What the windows leave out
// is verified at an entry. Since neither the rank nor the window of a node
// depends on what is above it, splitting a compressed path does not touch the
// node below: a new Node4 is put above, by one store to the parent's slot.
//
// Order: user keys bytewise ascending, then newest first. With
// ArtOrder::kReverseBytewise user keys descend, an exact mirror (of two user
// keys where one is a prefix of the other, the longer comes first), and
// versions are still newest first. The nodes are the same for both: order
// decides only the direction in which an iterator walks the user space.
//
// Thread safety
// -------------
//   Insert                  any number of threads, with everything below
//   Contains, ApproximateNumEntries, NumEntries, GetStats, ArtIterator
//                           any number of threads, with everything above;
//                           one ArtIterator is used by one thread at a time
//                           and may be handed over between calls
//   Validate                no Insert may be running
//   constructor, destructor one thread; the allocator's memory must outlive
//                           the iterators
// Readers take no lock, write nothing, and never restart or wait. Writers lock
// single nodes and may restart when another writer was faster.
//
// Invariants
// ----------
// (I1) A node's type, rank and window are written before it is published and
//      never again.
// (I2) All entries below a node agree in every symbol of a rank below the
//      node's. Entries below the slot of symbol s have s at the node's rank.
// (I3) A node other than the root has at least two occupied slots from its
//      publication on. Node4, Node16 and Node48 fill their children from the
//      front.
// (I4) A slot that is occupied stays so, and stays where it is in its node,
//      with its symbol. Its content changes only: from 0 to an entry; from an
//      entry or a node to a new Node4 above that; from a node to its larger
//      replacement. So what was below a slot stays below it.
// (I5) On every path ranks increase strictly; user space comes before version
//      space. Only a slot of a user space node (or of the root) leads from one
//      space to the other, and all entries below such a slot's version node
//      have one user key, the one that ends in that slot or that the leaf
//      stands for.
// (I6) Slots, count and lock word of a node are written only under its lock.
// (I7) An obsolete node is never written again. A published node is obsolete
//      or reachable from the root. Its memory stays valid, and what is below it
//      stays reachable from it.
//
// Writers
// -------
// An insert descends without locks, to one of:
//  (W1) an entry that equals the key: duplicate, nothing is done;
//  (W2) a node without a slot for the key's symbol, whose rank's symbols are
//       all known to agree: add the entry there. Locks the node.
//  (W3) the same, and the node is full: replace it by the next larger type,
//       with the entry. Locks the parent, then the node.
//  (W4) a slot whose content diverges from the key at a rank m strictly
//       between that of the slot's node and that of the content: put a new
//       Node4 of rank m, holding the content and the entry, into the slot.
//       Locks the slot's node; the content, whatever it is, is not touched.
// Under the lock it checks that the node is not obsolete, and that what it saw
// still holds: (W2) the node lacks the symbol; (W3) the parent's slot holds the
// node; (W4) the slot holds the content. If not, it unlocks and starts again
// from the root. (W3 follows a (W2) that found the node full, under its lock;
// a full node gains a child only by being replaced.)
// Memory is allocated before any lock is taken.
//
// Why that is enough: by (I2) and (I7) a node that is not obsolete is the only
// place for what branches at its rank with its prefix; the prefix and m were
// found by comparing the key with entries, which do not change; and by (I4) a
// slot that still has its content has the same subtree, or a larger one with
// the same prefix.
//
// No deadlock: a thread holds at most two node locks, and takes the second on
// a node of strictly higher rank (I5), so the order in which locks are taken
// has no cycle. Under a node lock nothing blocks and nothing is allocated. A
// holder that is descheduled delays writers of that node only; waiting writers
// yield.
//
// Writers make progress: a restart means that another writer published (or that
// memory is damaged, so their number is bounded).
//
// Readers
// -------
// A reader sees each slot at some moment of its life. By (I4) and (I7) it
// finds everything whose insert returned before the reader loaded the root:
// that is reachable from the root by then, and stays reachable through each
// slot on its path, whichever of the slot's later contents is read, obsolete
// nodes included: what a node held when it became obsolete is still there.
// What is inserted later may be seen or missed. Look-ups that compare with an
// entry keep the references they descended by, and never read a slot for the
// second time within one decision: its new content may hold keys on the other
// side.
//
// Memory orders
// -------------
//   field            written by         order     read with  paired for
//   slot             lock holder        release   acquire    entry bytes; node
//   count_           lock holder        release   acquire    keys, children
//   keys4_, keys_    lock holder        relaxed   relaxed    (count_)
//   index_           lock holder        release   acquire    children
//   present_         lock holder        release   acquire    children, index
//   lock_            lock / unlock      acq / rel writers only
//   level_, window_  before publishing  plain     plain      (slot)
//   counters         anyone             relaxed   relaxed    nothing
//
// Forbidden moves
// ---------------
// - To write a node that is published without its lock, or at all once it is
//   obsolete.
// - To lock a parent with the child locked.
// - To allocate, or to touch an entry's bytes, under a node lock.
// - To free or to reuse a node that was published.
// - To recurse: keys may be a million levels deep.
// - To re-read a slot in place of the reference that was compared.
//
// Known weaknesses
// ----------------
// - Nodes and slots use full pointers: see docs/decisions/0001.
// - A full look-up of an absent key may read an entry, where the windows leave
// a gap.
// - ApproximateNumEntries weighs all children of a node alike.
// - A hot node's writers queue on its lock; in-order inserts have one hot node
// at a time.
//
// Literature: Leis, Kemper, Neumann, "The Adaptive Radix Tree", ICDE 2013;
// Leis, Scheibner, Kemper, Neumann, "The ART of Practical Synchronization",
// DaMoN 2016 (ROWEX; without deletion and with immutable prefixes it needs
// neither the prefix update nor the level check of that paper); Ferragina and
// Grossi, "The String B-Tree", JACM 1999 (blind search).

#pragma once

#include <cstdint>
#include <string>

#include "memtable/art_key.h"
#include "memtable/art_node.h"
#include "memtable/art_pool.h"

namespace memkv {

enum class ArtOrder { kBytewise, kReverseBytewise };

class ArtTree {
 public:
  // Allocates nothing. REQUIRES: allocator outlives the tree.
  ArtTree(ArtOrder order, ArtAllocator* allocator)
      : order_(order), pool_(allocator), root_(ArtNodeType::kRoot) {}
  ArtTree(const ArtTree&) = delete;
  ArtTree& operator=(const ArtTree&) = delete;

  // Adds the entry, unless one with the same user key and sequence is there:
  // then returns false. If several threads insert equal keys, exactly one gets
  // true. REQUIRES: entry is aligned to 8, encoded as art_key.h says, complete,
  // and stays valid and (its key part) unchanged as long as the tree.
  // An entry whose key bytes have changed since, by a memory error, may be
  // in the way: then returns false, too, rather than trying for ever.
  bool Insert(const char* entry);

  // True if an entry of the user key and sequence is there.
  bool Contains(const ArtKey& key) const;

  // The entries in [start, end): exact if they are few, else an estimate that
  // is not below what was counted nor above NumEntries().
  uint64_t ApproximateNumEntries(const ArtKey& start, const ArtKey& end) const;

  uint64_t NumEntries() const { return pool_.NumEntries(); }
  ArtStats GetStats() const { return pool_.GetStats(); }
  ArtOrder order() const { return order_; }

  // Checks every invariant that can be seen in a tree at rest. If one is
  // violated, says which and where in *reason, and returns false.
  bool Validate(std::string* reason) const;

  // For tests that play the part of another writer, or break the tree.
  ArtNode* TEST_Root() { return &root_; }

 private:
  friend class ArtIterator;
  class Spare;
  enum class Outcome { kInserted, kDuplicate, kRestart };

  Outcome TryInsert(const ArtKey& key, ArtRef leaf, Spare* spare);
  Outcome AddChild(ArtNode* parent, int parent_symbol, ArtNode* node,
                   int symbol, ArtRef leaf, Spare* spare);
  Outcome Grow(ArtNode* parent, int parent_symbol, ArtNode* node, int symbol,
               ArtRef leaf, Spare* spare);
  Outcome Split(ArtNode* node, int symbol, ArtRef content, ArtRank rank,
                const ArtKey& key, const ArtKey& other, ArtRef leaf,
                Spare* spare);
  Outcome SplitAbove(ArtRank rank, const ArtKey& key, const ArtKey& other,
                     ArtRef leaf, Spare* spare);

  // True if walking the space of `rank` forwards means ascending symbols.
  bool Ascends(bool version_space) const {
    return version_space || order_ == ArtOrder::kBytewise;
  }
  // Where in [0, 1] the key would stand, if all children weighed alike.
  double Position(const ArtKey& key) const;

  const ArtOrder order_;
  ArtNodePool pool_;
  // A node without children whose end slot holds the whole tree.
  ArtNode root_;
};

}  // namespace memkv
