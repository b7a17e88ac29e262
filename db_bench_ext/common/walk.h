// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// WalkAll: an iterator of RocksDB's, of a database, table or memtable, or one
// with the same methods, from end to end.
//
// Thread safety: as the iterator's.

#pragma once

namespace memkv {

// Calls take() at each entry.
template <typename Iterator, typename Take>
void WalkAll(Iterator* it, bool forwards, const Take& take) {
  if (forwards) {
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      take();
    }
  } else {
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      take();
    }
  }
}

}  // namespace memkv
