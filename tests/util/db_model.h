// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A std::map that follows a database: writes to both, and everything that the
// database answers compared with it.
//
// Thread safety: none; a model belongs to its test's thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

// What a database should hold.
using Model = std::map<std::string, std::string>;

// Keys that ascend as their numbers do.
std::string NumberKey(int i);

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
