// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableRep: RocksDB's MemTableRep over an ArtTree. It translates between
// RocksDB's types and the tree's and adds nothing to the tree's behaviour.
//
// It serves memtables whose user comparator is bytewise or reverse bytewise,
// without user-defined timestamps; ArtMemTableRepFactory decides.
//
// Thread safety: as MemTableRep asks. All insert functions may run at the same
// time, with each other and with readers, but for those without Concurrently
// in their names, which RocksDB calls one at a time; an iterator is used by one
// thread at a time. Memory: entries and nodes come from the Allocator, in
// extents (art_arena.h); this object, of fixed size, does not.

#pragma once

#include <cstdint>
#include <unordered_set>

#include "memtable/art_tree.h"
#include "rocksdb/memtablerep.h"

namespace memkv {

class ArtMemTableRep : public ROCKSDB_NAMESPACE::MemTableRep {
 public:
  using KeyHandle = ROCKSDB_NAMESPACE::KeyHandle;
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // REQUIRES: allocator's memory outlives this and its iterators.
  ArtMemTableRep(ArtOrder order, ROCKSDB_NAMESPACE::Allocator* allocator);

  KeyHandle Allocate(const size_t len, char** buf) override;

  // All the inserts do the same; those that return bool return false, and
  // those that do not require the absence of, an entry with the same user key
  // and sequence. The handle names memory of the tree's and is no address; it
  // is null if the memtable has outgrown all references: then the entry is
  // refused. Hints are left as they are.
  void Insert(KeyHandle handle) override;
  bool InsertKey(KeyHandle handle) override;
  void InsertWithHint(KeyHandle handle, void** hint) override;
  bool InsertKeyWithHint(KeyHandle handle, void** hint) override;
  void InsertWithHintConcurrently(KeyHandle handle, void** hint) override;
  bool InsertKeyWithHintConcurrently(KeyHandle handle, void** hint) override;
  void InsertConcurrently(KeyHandle handle) override;
  bool InsertKeyConcurrently(KeyHandle handle) override;

  void MarkReadOnly() override;

  bool Contains(const char* key) const override;

  // Calls back for the versions of the user key only.
  void Get(const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
           bool (*callback_func)(void* arg, const char* entry)) override;
  Status GetAndValidate(const ROCKSDB_NAMESPACE::LookupKey& k,
                        void* callback_args,
                        bool (*callback_func)(void* arg, const char* entry),
                        bool allow_data_in_errors) override;

  uint64_t ApproximateNumEntries(const Slice& start_ikey,
                                 const Slice& end_ikey) override;

  // Every entry is equally likely to be in the sample.
  void UniqueRandomSample(const uint64_t num_entries,
                          const uint64_t target_sample_size,
                          std::unordered_set<const char*>* entries) override;

  // What grows and the Allocator does not know of; and, when references run
  // short, so much that RocksDB flushes the memtable. Not this object: RocksDB
  // counts neither its own memtables' nor that of the MemTable around it.
  size_t ApproximateMemoryUsage() override;

  MemTableRep::Iterator* GetIterator(
      ROCKSDB_NAMESPACE::Arena* arena = nullptr) override;
  // The whole order, not only a prefix of it.
  MemTableRep::Iterator* GetDynamicPrefixIterator(
      ROCKSDB_NAMESPACE::Arena* arena = nullptr) override;

  bool IsMergeOperatorSupported() const override { return true; }
  bool IsSnapshotSupported() const override { return true; }

  const ArtTree& tree() const { return tree_; }

 private:
  class Iterator;

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

  NodeAllocator node_allocator_;
  ArtTree tree_;
};

}  // namespace memkv
