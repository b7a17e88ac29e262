// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Which comparators a tree or trie of bytes can serve: one answer for the
// memtable and the table.

#pragma once

#include "rocksdb/comparator.h"

namespace memkv {

enum class TrieOrder {
  kBytewise,     // the trie's own order
  kMirrored,     // exactly its reverse
  kUnsupported,  // any other order, or keys with user-defined timestamps
};

// RocksDB's own two comparators are known by their addresses.  Another one that
// has the name of one of them may be its copy in another shared library, or an
// order of somebody's own: a name proves nothing.  It must sort a set of probes
// as its name says; they tell apart the orders that are known to be mistaken
// for bytewise: by length first, by signed bytes, without regard to case, by
// numbers, up to the first zero byte, by the first bytes only, from the end.
//
// Safe from any thread if the comparator is.
TrieOrder TrieOrderOf(const ROCKSDB_NAMESPACE::Comparator* comparator);

}  // namespace memkv
