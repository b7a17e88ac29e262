// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchDatabase: one of the databases that are compared. It knows nothing of
// memkv: all are the same code with another options string.
//
// Thread safety: none of its own; db() is RocksDB's, and as safe as that.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

// Records of one WriteBatch, in every load.
constexpr size_t kBatchRecords = 1000;

class BenchDatabase {
 public:
  BenchDatabase(std::string name, std::string path)
      : name_(std::move(name)), path_(std::move(path)) {}

  // All sides' common base, then `text` (an options string) over it. Unknown
  // or bad options are InvalidArgument with RocksDB's message, and so is what
  // they name and this RocksDB does not have.
  rocksdb::Status Configure(const std::string& text);

  rocksdb::Status Open();
  rocksdb::Status Close();

  // What Configure made. A change holds from the next Open on.
  rocksdb::Options* options() { return &options_; }

  // Flushes, and waits until no compaction is pending.
  rocksdb::Status Settle();
  rocksdb::Status CompactAll();

  // Bytes of all live SST files.
  uint64_t SstBytes() const;
  // RocksDB's property of that name, a number; 0 if it has none.
  uint64_t Property(const std::string& property) const;

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  rocksdb::DB* db() const { return db_.get(); }

 private:
  const std::string name_;
  const std::string path_;
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace memkv
