// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchDatabase: one of the databases that are compared, all the same code with
// another options string. MemoryLimit: what it may hold of its files in memory.
// Sizes: what it takes, by component: bytes of its files, by their table
// properties, and of memory, by jemalloc's account and RocksDB's own. What the
// components do not explain is shown as the rest, not spread over them.
//
// What RocksDB refuses, or answers wrongly, is a Failure.
//
// Thread safety: none of its own; db() is RocksDB's, and as safe as that.
// Nothing else may allocate while memory is measured.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

// Records of one WriteBatch, in every load.
constexpr size_t kBatchRecords = 1000;
// A block cache works with no less.
constexpr uint64_t kLeastBlockCache = uint64_t{1} << 20;

// `bytes` in quotes, what is not printable as \xNN, cut short if very long.
std::string Quoted(const rocksdb::Slice& bytes);
// Of a place of an iterator: its key and value, or its end.
std::string Quoted(const rocksdb::Iterator& it);

// What a database must hold of the records that were loaded (records.h).
struct BenchModel {
  std::vector<uint16_t> versions;
  // Records beyond the loaded: the k-th has the value of record size() + k.
  std::deque<std::string> inserted;
};

class BenchDatabase {
 public:
  BenchDatabase(const BenchConfig& config, std::string path)
      : config_(config), path_(std::move(path)) {
    Configure();
  }

  // Makes the options, and the block cache that they own: all sides' common
  // base, then those of the configuration over it. Unknown or bad options are
  // InvalidArgument with RocksDB's message, and so is what they name and this
  // RocksDB does not have.
  void Configure();
  void Open();
  void Close();
  // Closes it, and deletes its files.
  void Drop();

  // Flushes, and waits until no compaction is pending.
  void Settle();
  void CompactAll();

  // Bytes of all table files that flushes and compactions have made of it.
  uint64_t TableBytesWritten() const { return table_bytes_->load(); }

  // RocksDB's property of that name, a number; 0 if it has none.
  uint64_t Property(const std::string& property) const;
  // Null if there is none.
  rocksdb::Cache* BlockCache() const;
  // Gives the options another block cache of the kind that they have, of so
  // many bytes, from the next Open on. InvalidArgument if they have none.
  void SetBlockCache(uint64_t bytes);

  // Corruption: a wrong answer, by what it was asked.
  [[noreturn]] void Mismatch(const std::string& asked,
                             const std::string& expected,
                             const std::string& found) const;

  const std::string& name() const { return config_.name; }
  rocksdb::DB* db() const { return db_.get(); }
  // A change holds from the next Open on.
  rocksdb::Options* options() { return &options_; }

  BenchModel model;

 private:
  const BenchConfig config_;
  const std::string path_;
  rocksdb::Options options_;
  const std::shared_ptr<std::atomic<uint64_t>> table_bytes_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  std::unique_ptr<rocksdb::DB> db_;
};

// --memory_limit, the same for every kind of run. Files are read by direct I/O
// from the first open on. Each Apply() gives the block cache what table readers
// leave of the limit; it is called before anything that is measured.
class MemoryLimit {
 public:
  // `bytes` of limit, 0: none; a block cache is then of `otherwise` bytes, 0:
  // of as many as its configuration says.
  MemoryLimit(uint64_t bytes, uint64_t otherwise)
      : bytes_(bytes), otherwise_(otherwise) {}

  bool limited() const { return bytes_ > 0; }

  // Of a database that is not yet open. InvalidArgument if it has no block
  // cache that could be limited.
  void Prepare(BenchDatabase* database) const;
  // Of an open database, prepared before. MemoryLimit if its table readers
  // leave less than kLeastBlockCache.
  void Apply(const BenchDatabase& database) const;

 private:
  const uint64_t bytes_;
  const uint64_t otherwise_;
};

struct SizeComponent {
  std::string name;
  int64_t bytes = 0;
};

struct Sizes {
  int64_t total = 0;
  // Of memory alone: jemalloc's other two figures.
  int64_t active = 0;
  int64_t resident = 0;
  // Their sum is the total.
  std::vector<SizeComponent> components = {};

  // Adds what the total has beyond the components so far.
  void AddRest(const std::string& name);
};

// Of all live table files.
Sizes MeasureDisk(const BenchDatabase& database);
// jemalloc's figures with nothing freed kept back, to be taken before a
// database is opened; and what this process has added since.
JemallocBytes MemoryBefore();
Sizes GrownSince(const JemallocBytes& before);
// What the open database has added.
Sizes MeasureMemory(const BenchDatabase& database, const JemallocBytes& before);

}  // namespace memkv
