// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_overflow.h"

namespace memkv {

using ROCKSDB_NAMESPACE::SkipListFactory;

ArtOverflow::ArtOverflow(const MemTableRep::KeyComparator& key_cmp,
                         ROCKSDB_NAMESPACE::Allocator* allocator,
                         ROCKSDB_NAMESPACE::Logger* logger)
    : list_(SkipListFactory().CreateMemTableRep(key_cmp, allocator, nullptr,
                                                logger)) {}

ROCKSDB_NAMESPACE::KeyHandle ArtOverflow::Allocate(size_t len, char** buf) {
  return list_->Allocate(len, buf);
}

bool ArtOverflow::Insert(KeyHandle handle) {
  // One function for those that insert alone and those that do not: it costs a
  // compare-and-swap more.
  if (!list_->InsertKeyConcurrently(handle)) {
    return false;
  }
  inserted_.fetch_add(1, std::memory_order_release);
  return true;
}

}  // namespace memkv
