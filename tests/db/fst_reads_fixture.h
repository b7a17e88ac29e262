// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of several levels of small FST files, none of them in memory.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "rocksdb/db.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

class FstReadsTest : public FstDbTest {
 protected:
  // Small segments and value blocks, none in memory, and no compaction that the
  // test has not asked for.
  rocksdb::Options ReadsOptions() const {
    rocksdb::Options options = MemkvOptions(
        "residency=cache;segment_size=1K;value_block_size=64;"
        "block_cache=4M;default_filter=none");
    options.disable_auto_compactions = true;
    options.paranoid_file_checks = false;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  static void ExpectScan(rocksdb::Iterator* iter, const Model& expected) {
    auto at = expected.begin();
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, expected.end()) << iter->key().ToString();
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(at, expected.end());
  }

  // Every third key in each of levels 4, 2, 0 (two files) and the memtable,
  // newer ones with merge operands and deletions for older ones.
  void FillLevels(Model* model) {
    const int levels[] = {4, 2, 0, 0, -1};
    for (int n = 0; n < 5; ++n) {
      for (int i = n % 3; i < 900; i += n < 3 ? 3 : 7) {
        const std::string key = NumberKey(i);
        const std::string value = std::to_string(n) + "/" + std::to_string(i);
        rocksdb::Status s;
        if (i % 5 == 1) {
          s = db()->Merge(rocksdb::WriteOptions(), key, value);
          std::string& merged = (*model)[key];
          merged += merged.empty() ? value : "," + value;
        } else if (i % 11 == 3) {
          s = db()->Delete(rocksdb::WriteOptions(), key);
          model->erase(key);
        } else {
          s = db()->Put(rocksdb::WriteOptions(), key, value);
          (*model)[key] = value;
        }
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      if (levels[n] < 0) continue;
      ASSERT_NO_FATAL_FAILURE(Flush());
      if (levels[n] == 0) continue;
      rocksdb::CompactionOptions several;
      several.output_file_size_limit = 1 << 10;
      const rocksdb::Status s =
          db()->CompactFiles(several, {SstFiles().back()}, levels[n]);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    for (const char* level : {"0", "2", "4"}) {
      std::string files;
      ASSERT_TRUE(db()->GetProperty(
          std::string("rocksdb.num-files-at-level") + level, &files));
      ASSERT_NE(files, "0") << level;
    }
  }
};

}  // namespace memkv
