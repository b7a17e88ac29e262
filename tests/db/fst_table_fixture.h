// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files for tests that every residency and size of segments
// must pass.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

// The parameter is the table's options, as a user writes them.
class FstTableTest : public FstDbTest,
                     public ::testing::WithParamInterface<const char*> {
 protected:
  // No file changes but by the test's own flushes and compactions.
  rocksdb::Options TableOptions() const {
    rocksdb::Options options = MemkvOptions(GetParam());
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  void OpenTable() { ASSERT_NO_FATAL_FAILURE(Open(TableOptions())); }

  std::shared_ptr<const rocksdb::TableProperties> OnlyFileProperties() const {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? nullptr : all.begin()->second;
  }

  std::string Scan(const rocksdb::ReadOptions& ro, bool forward = true) const {
    std::string keys;
    const std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ro));
    for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
         forward ? iter->Next() : iter->Prev()) {
      keys += iter->key().ToString() + "=" + iter->value().ToString() + " ";
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    return keys;
  }
};

}  // namespace memkv
