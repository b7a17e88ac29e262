// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Part of libmemkv_run.so, where there are views: with MEMKV_VIEWS in the
// environment, DB::NewIterator() is answered by an iterator of a memkv::View.
// What a view does not serve is RocksDB's, as it was.

#include <cstdlib>
#include <memory>

#include "compat/interposed.h"
#include "plugin/memkv_view.h"
#include "tools/interposed.h"

namespace {

using ROCKSDB_NAMESPACE::ColumnFamilyHandle;
using ROCKSDB_NAMESPACE::DB;
using ROCKSDB_NAMESPACE::Iterator;
using ROCKSDB_NAMESPACE::ReadOptions;

bool ViewsAreAskedFor() {
  static const bool asked = [] {
    const char* const views = getenv("MEMKV_VIEWS");
    return views != nullptr && *views != '\0' && memkv::IsInterposing();
  }();
  return asked;
}

}  // namespace

Iterator* memkv_run_new_iterator(
    DB* db, const ReadOptions& read_options,
    ColumnFamilyHandle* column_family) __asm__(MEMKV_NEW_ITERATOR);

Iterator* memkv_run_new_iterator(DB* db, const ReadOptions& read_options,
                                 ColumnFamilyHandle* column_family) {
  if (ViewsAreAskedFor() && !read_options.tailing &&
      read_options.read_tier != ROCKSDB_NAMESPACE::kPersistedTier) {
    std::unique_ptr<memkv::View> view;
    if (memkv::View::Open(db, column_family, read_options.snapshot, &view)
            .ok()) {
      return view->NewIterator(read_options);
    }
  }
  // Who calls a virtual function may be anybody; whose it is, says its table.
  const auto original = reinterpret_cast<decltype(&memkv_run_new_iterator)>(
      memkv::InterposedFunction(MEMKV_NEW_ITERATOR,
                                *reinterpret_cast<void* const*>(db)));
  return original(db, read_options, column_family);
}
