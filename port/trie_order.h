// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Which comparators a tree or trie of bytes can serve: one answer for the
// memtable and the table.

#pragma once

#include <cstring>

#include "rocksdb/comparator.h"

namespace memkv {

enum class TrieOrder {
  kBytewise,     // the trie's own order
  kMirrored,     // exactly its reverse
  kUnsupported,  // any other order, or keys with user-defined timestamps
};

// Compares names too: a comparator of another shared library may be the same
// order at another address.
inline TrieOrder TrieOrderOf(const ROCKSDB_NAMESPACE::Comparator* comparator) {
  if (comparator->timestamp_size() != 0) return TrieOrder::kUnsupported;
  const auto is = [comparator](const ROCKSDB_NAMESPACE::Comparator* known) {
    return comparator == known ||
           strcmp(comparator->Name(), known->Name()) == 0;
  };
  if (is(ROCKSDB_NAMESPACE::BytewiseComparator())) return TrieOrder::kBytewise;
  if (is(ROCKSDB_NAMESPACE::ReverseBytewiseComparator())) {
    return TrieOrder::kMirrored;
  }
  return TrieOrder::kUnsupported;
}

}  // namespace memkv
