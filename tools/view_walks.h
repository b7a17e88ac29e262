// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The iterators of `memkv scan` and `memkv search`: of a view, where this memkv
// has views (view_walks.cc); otherwise RocksDB's own, and a Failure for a
// search (no_view_walks.cc).
//
// Thread safety: functions without shared state.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/iterator.h"
#include "rocksdb/options.h"

namespace memkv {

// What a search looks for.
struct SearchPattern {
  enum class Kind { kRegex, kGlob, kEditDistance, kPrefixes };
  Kind kind = Kind::kRegex;
  std::string text;  // of all but kPrefixes
  size_t edits = 0;
  std::vector<std::string> prefixes;
};

std::unique_ptr<rocksdb::Iterator> NewScan(rocksdb::DB* db,
                                           rocksdb::ColumnFamilyHandle* family,
                                           const rocksdb::ReadOptions& options);

// A UsageError if the pattern is wrong.
std::unique_ptr<rocksdb::Iterator> NewSearch(
    rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family,
    const rocksdb::ReadOptions& options, const SearchPattern& pattern);

}  // namespace memkv
