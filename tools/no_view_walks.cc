// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/check.h"
#include "tools/view_walks.h"

namespace memkv {

using rocksdb::Iterator;

std::unique_ptr<Iterator> NewScan(rocksdb::DB* db,
                                  rocksdb::ColumnFamilyHandle* family,
                                  const rocksdb::ReadOptions& options) {
  return std::unique_ptr<Iterator>(db->NewIterator(options, family));
}

std::unique_ptr<Iterator> NewSearch(rocksdb::DB* /*db*/,
                                    rocksdb::ColumnFamilyHandle* /*family*/,
                                    const rocksdb::ReadOptions& /*options*/,
                                    const SearchPattern& /*pattern*/) {
  Refuse("searches need a memkv with views, which RocksDB 9.10 and later have");
}

}  // namespace memkv
