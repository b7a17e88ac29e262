// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files in a folder of its own, its options by string as
// users write them, and the kind of each of its files.  What comes with it:
// seeds, bytes, files, and a std::map to compare with.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compat/table_factory.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "tests/util/db_model.h"
#include "tests/util/file_bytes.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_folder.h"
#include "tests/util/test_seed.h"

// Begins a test that changes options of a table while the database is open.
#define NEEDS_LIVE_TABLE_OPTIONS()                                            \
  if (!memkv::compat::kTableOptionsChangeLive)                                \
  GTEST_SKIP() << "this RocksDB would change the factory that is in use, so " \
                  "memkv refuses it"

namespace memkv {

struct FileKinds {
  size_t fst = 0;
  size_t block_based = 0;
};

class FstDbTest : public ::testing::Test {
 protected:
  FstDbTest();
  ~FstDbTest() override;

  // RocksDB's own memtable and table, and small files, so that a few thousand
  // records make several levels.
  rocksdb::Options StockOptions() const;
  // The same with `memtable_factory=art` and `table_factory={id=fst;<fst>}`.
  rocksdb::Options MemkvOptions(const std::string& fst = "") const;

  // Opens, or reopens, the database of this test.
  rocksdb::Status TryOpen(const rocksdb::Options& options);
  void Open(const rocksdb::Options& options) {
    const rocksdb::Status s = TryOpen(options);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  void Close();
  void Destroy();

  rocksdb::DB* db() const { return db_.get(); }
  const std::string& path() const { return path_; }
  const std::string& folder() const { return folder_.path(); }
  rocksdb::Env* env() const;

  void Put(const std::string& key, const std::string& value);
  void Delete(const std::string& key);
  void Flush();
  // Rewrites every file, those of the last level too.
  void CompactAll(uint32_t max_subcompactions = 0);
  void SetTableOption(const std::string& name, const std::string& value);

  // "NOT_FOUND" for a key that is not there, the status for an error.
  std::string Get(const std::string& key,
                  const rocksdb::Snapshot* snapshot = nullptr) const;

  // Full paths of the live SST files, newest last.
  std::vector<std::string> SstFiles() const;
  FileKinds Kinds() const;

  TestFolder folder_;
  std::string path_;  // of the database, within the folder
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace memkv
