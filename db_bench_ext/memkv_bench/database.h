// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchDatabase: one of the databases that are compared. It knows nothing of
// memkv: all are the same code with another options string. MemoryLimit: what
// it may hold of its files in memory.
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

// `bytes` in quotes, what is not printable as \xNN, cut short if very long.
std::string Quoted(const rocksdb::Slice& bytes);

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
  // Closes it, and deletes its files.
  rocksdb::Status Drop();

  // What Configure made. A change holds from the next Open on.
  rocksdb::Options* options() { return &options_; }

  // Flushes, and waits until no compaction is pending.
  rocksdb::Status Settle();
  rocksdb::Status CompactAll();

  // Bytes of all live SST files.
  uint64_t SstBytes() const;
  // RocksDB's property of that name, a number; 0 if it has none.
  uint64_t Property(const std::string& property) const;

  // Corruption: a wrong answer, by what it was asked.
  rocksdb::Status Mismatch(const std::string& asked,
                           const std::string& expected,
                           const std::string& found) const;

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  rocksdb::DB* db() const { return db_.get(); }

 private:
  const std::string name_;
  const std::string path_;
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
};

// A block cache works with no less.
constexpr uint64_t kLeastBlockCache = uint64_t{1} << 20;

// --memory_limit, the same for every kind of run. Files are read by direct I/O,
// past the page cache, from the first open on. Each time Apply() is called,
// before anything is read that is measured, the block cache gets what table
// readers (with pinned segments, or indexes and filters) leave of the limit.
// Memtables are not limited, nor is what is written and compacted between two
// calls.
class MemoryLimit {
 public:
  // `bytes` of limit, 0: none; a block cache is then of `otherwise` bytes, 0:
  // of as many as its configuration says.
  MemoryLimit(uint64_t bytes, uint64_t otherwise)
      : bytes_(bytes), otherwise_(otherwise) {}

  bool limited() const { return bytes_ > 0; }

  // Of a database that is configured and not yet open. InvalidArgument if it
  // has no block cache that could be limited.
  rocksdb::Status Prepare(BenchDatabase* database) const;

  // Of an open database, prepared before. MemoryLimit if its table readers
  // leave less than kLeastBlockCache.
  rocksdb::Status Apply(BenchDatabase* database) const;

 private:
  const uint64_t bytes_;
  const uint64_t otherwise_;
};

}  // namespace memkv
