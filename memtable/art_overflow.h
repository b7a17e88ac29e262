// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtOverflow: where a memtable's entries go when its ArtTree takes no more:
// RocksDB's own skip list, over the memtable's Allocator and KeyComparator. It
// makes a write batch of any size possible. It is opened once in the life of a
// memtable, if at all, and then never closed.
//
// Between the tree and the overflow no entry is found in both: see
// ArtMemTableRep::InsertKey.
//
// Thread safety: all methods may be called from any thread at any time, the
// constructor and the destructor excepted.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "rocksdb/memtablerep.h"

namespace memkv {

class ArtOverflow {
 public:
  using MemTableRep = ROCKSDB_NAMESPACE::MemTableRep;
  using KeyHandle = ROCKSDB_NAMESPACE::KeyHandle;

  // REQUIRES: key_cmp and the allocator's memory outlive this and its
  // iterators. Takes memory for the head of the list from the allocator.
  ArtOverflow(const MemTableRep::KeyComparator& key_cmp,
              ROCKSDB_NAMESPACE::Allocator* allocator,
              ROCKSDB_NAMESPACE::Logger* logger);
  ArtOverflow(const ArtOverflow&) = delete;
  ArtOverflow& operator=(const ArtOverflow&) = delete;

  // The handle is an address, aligned to 8 bytes at least.
  KeyHandle Allocate(size_t len, char** buf);

  // False if an entry of the same user key and sequence is in the list.
  bool Insert(KeyHandle handle);

  // A number that has grown whenever an Insert has returned true. It is raised
  // behind the insert and before the return, with release, and read with
  // acquire: a thread that knows that an insert has returned sees it grown.
  uint64_t Changes() const { return inserted_.load(std::memory_order_acquire); }
  uint64_t NumEntries() const { return Changes(); }

  // The skip list, for reading.
  MemTableRep* list() const { return list_.get(); }

 private:
  const std::unique_ptr<MemTableRep> list_;
  std::atomic<uint64_t> inserted_{0};
};

}  // namespace memkv
