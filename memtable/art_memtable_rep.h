// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableRep: RocksDB's MemTableRep over an ArtTree. It translates between
// RocksDB's types and the tree's.
//
// It serves memtables whose user comparator is bytewise or reverse bytewise,
// without user-defined timestamps; ArtMemTableRepFactory decides.
//
// The tree can name 7 to 8 GiB of entries and nodes (memtable/art/arena.h).
// When it takes no more, an overflow is opened (art_overflow.h), a skip list,
// and all further entries go there. So no entry is refused, and a write batch
// may be as large as memory. What is read comes from both, in the order of
// internal keys (art_memtable_iterator.h). While there is no overflow, an
// operation costs one load more for it.
//
// Thread safety: as MemTableRep asks. All insert functions may run at the same
// time, with each other and with readers, but for those without Concurrently
// in their names, which RocksDB calls one at a time; an iterator is used by one
// thread at a time. overflow_ is written once, with release, under
// overflow_mutex_, and read with acquire.
//
// Batches of concurrent writers. From 10.4 on RocksDB calls FinishBatch by the
// thread that has inserted, once for each memtable of its write batch, behind
// the last insert, whether or not all went well, and before it counts the
// entries: so with a write group that is written in parallel, with pipelined
// and with unordered writes. Then it publishes their sequences, or, where these
// are published before (unordered_write), the write returns. Until then nobody
// looks for them: RocksDB does not allow concurrent writes with what makes a
// writer read its own batch (inplace_update_support, max_successive_merges),
// and sets a memtable aside when no batch is under way. So a batch's entries
// wait in a buffer of their thread's (memtable/art/writer_buffer.h), and an
// overflow ends the waiting. A sequence belongs to one write batch, and so to
// one thread, which is (C3). A thread that has nothing waiting may call, too;
// one that reads does so when it adds a range tombstone.
//
// Memory: entries and nodes come from the Allocator, in extents
// (memtable/art/arena.h). This object, of fixed size, does not;
// ApproximateMemoryUsage says what it takes. Only who allocates and inserts
// calls the Allocator: readers, and MarkReadOnly, leave what RocksDB counts as
// it is. What they need beyond what was provided comes from the heap, and is
// reported from the next Allocate on.

#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "compat/memtable_rep.h"
#include "memtable/art/tree.h"
#include "memtable/art_overflow.h"
#include "util/thread_local.h"

namespace memkv {

class ArtMemTableRep : public compat::MemTableRepBase {
 public:
  using KeyHandle = ROCKSDB_NAMESPACE::KeyHandle;
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // REQUIRES: key_cmp and the allocator's memory outlive this and its
  // iterators; key_cmp is of `order`. The logger, which may be nullptr,
  // outlives the last Allocate; it is told when the overflow is opened.
  // `max_slots`: as ArtArena's, for tests; so is `finishes_batches`: whether
  // every thread that inserts concurrently calls FinishBatch.
  ArtMemTableRep(ArtOrder order, const KeyComparator& key_cmp,
                 ROCKSDB_NAMESPACE::Allocator* allocator,
                 ROCKSDB_NAMESPACE::Logger* logger,
                 uint32_t max_slots = ArtArena::kMaxSlots,
                 bool finishes_batches = compat::kFinishesBatches);
  ~ArtMemTableRep() override;

  // The handle is the tree's or the overflow's. Never null.
  KeyHandle Allocate(size_t len, char** buf) override;

  // All the inserts do the same; those that return bool return false, and
  // those that do not require the absence of, an entry with the same user key
  // and sequence, in the tree or in the overflow. (One case is left out: if two
  // threads insert equal keys at the same time, the one with a handle of the
  // tree's, the other with one of the overflow's, both may get true; then an
  // iterator shows one of them. RocksDB gives a sequence to one thread only.)
  // Hints are left as they are.
  void Insert(KeyHandle handle) override;
  bool InsertKey(KeyHandle handle) override;
  void InsertWithHint(KeyHandle handle, void** hint) override;
  bool InsertKeyWithHint(KeyHandle handle, void** hint) override;
  void InsertWithHintConcurrently(KeyHandle handle, void** hint) override;
  bool InsertKeyWithHintConcurrently(KeyHandle handle, void** hint) override;
  void InsertConcurrently(KeyHandle handle) override;
  bool InsertKeyConcurrently(KeyHandle handle) override;

  void FinishBatch() override;

  // Lets the entries in that wait.
  void MarkReadOnly() override;

  bool Contains(const char* key) const override;

  // Calls back for the versions of the user key only.
  void Get(const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
           bool (*callback_func)(void* arg, const char* entry)) override;
  Status GetChecked(const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
                    bool (*callback_func)(void* arg, const char* entry),
                    const compat::EntryChecks& checks) override;
  // Without checks and without an overflow, keys descend side by side.
  Status GetMany(size_t n, const char* const* keys, void** callback_args,
                 bool (*callback_func)(void* arg, const char* entry),
                 const compat::EntryChecks& checks) override;

  uint64_t ApproximateNumEntries(const Slice& start_ikey,
                                 const Slice& end_ikey) override;

  // Every entry is equally likely to be in the sample.
  void UniqueRandomSample(uint64_t num_entries, uint64_t target_sample_size,
                          std::unordered_set<const char*>* entries) override;

  // This object, and what came from the heap as of the last Allocate: all else
  // is the Allocator's.
  size_t ApproximateMemoryUsage() override;

  MemTableRep::Iterator* GetIterator(
      ROCKSDB_NAMESPACE::Arena* arena = nullptr) override;
  // The whole order, not only a prefix of it.
  MemTableRep::Iterator* GetDynamicPrefixIterator(
      ROCKSDB_NAMESPACE::Arena* arena = nullptr) override;

  bool IsMergeOperatorSupported() const override { return true; }
  bool IsSnapshotSupported() const override { return true; }

  const ArtTree& tree() const { return tree_; }
  // nullptr as long as there is none.
  const ArtOverflow* overflow() const { return Overflow(); }

 private:
  // The Allocator as the tree wants it.
  class NodeAllocator : public ArtAllocator {
   public:
    explicit NodeAllocator(ROCKSDB_NAMESPACE::Allocator* allocator)
        : allocator_(allocator) {}
    char* AllocateAligned(size_t bytes) override;
    size_t BlockSize() const override;

   private:
    ROCKSDB_NAMESPACE::Allocator* const allocator_;
  };

  ArtOverflow* Overflow() const {
    return overflow_.load(std::memory_order_acquire);
  }
  // Makes it, if nobody has yet.
  ArtOverflow* OpenOverflow();
  bool InsertIntoOverflow(KeyHandle handle);
  // The calling thread's, which it makes if there is none. REQUIRES: buffers_
  ArtWriterBuffer* MyBuffer();
  // Calls back with the entry and the older ones of its user key.
  void Deliver(const char* entry, void* callback_args,
               bool (*callback_func)(void* arg, const char* entry)) const;
  bool IsInOverflow(ArtRef ref) const;

  NodeAllocator node_allocator_;
  const KeyComparator& key_cmp_;
  ROCKSDB_NAMESPACE::Logger* const logger_;
  std::atomic<ArtOverflow*> overflow_{nullptr};
  std::mutex overflow_mutex_;
  // Each thread's ArtWriterBuffer, in the Allocator's memory. Empty if batches
  // are not finished.
  std::optional<ROCKSDB_NAMESPACE::ThreadLocalPtr> buffers_;
  ArtTree tree_;
};

}  // namespace memkv
