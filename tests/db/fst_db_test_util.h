// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the tests of whole databases share: a fixture with a folder of its own,
// options by string as users write them, comparison of everything a database
// answers with a std::map, and the kind of each of its files.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

// What a database should hold.
using Model = std::map<std::string, std::string>;

// From MEMKV_TEST_SEED, or 1; printed, so that a failure can be repeated.
uint64_t TestSeed();

// True if the file's footer says that it is an FST file.
bool IsFstFile(const std::string& path);

// Keys that ascend as their numbers do.
std::string NumberKey(int i);

// Bytes that do not compress.
std::string RandomBytes(std::mt19937_64* rng, size_t n);

// Reads a whole file; for tests that damage one.
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

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
  const std::string& folder() const { return folder_; }
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

  std::string folder_;  // removed at the end
  std::string path_;    // of the database, within it
  std::unique_ptr<rocksdb::DB> db_;
};

// Everything `db` answers equals `model`: scans both ways, point lookups of
// what is there and of neighbours that are not, seeks both ways.  `ro` may
// carry a snapshot.
void ExpectEquals(rocksdb::DB* db, const Model& model,
                  const rocksdb::ReadOptions& ro = rocksdb::ReadOptions(),
                  rocksdb::ColumnFamilyHandle* cf = nullptr);

// A checksum of a whole scan.
uint32_t ScanChecksum(rocksdb::DB* db);

// A seeded mixture of operations that a Model follows: puts, deletes, single
// deletes, merges (StockOptions() has the string-append operator it expects)
// and range deletions.
class MixedWriter {
 public:
  MixedWriter(uint64_t seed, size_t num_keys) : rng_(seed), keys_(num_keys) {}

  // Writes `operations` to *db and *model.
  void Write(rocksdb::DB* db, Model* model, size_t operations);
  std::mt19937_64* rng() { return &rng_; }

 private:
  std::string Key(uint64_t i) const;

  std::mt19937_64 rng_;
  size_t keys_;
  uint64_t singles_ = 0;
};

}  // namespace memkv
