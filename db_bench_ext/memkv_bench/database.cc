// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/database.h"

#include <fmt/format.h>

#include <filesystem>

#include "rocksdb/advanced_cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/metadata.h"
#include "rocksdb/table.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr size_t kQuotedBytes = 200;

// Null if there is none.
rocksdb::Cache* BlockCacheOf(BenchDatabase* database) {
  const auto* const table =
      database->options()
          ->table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  // A cache that is not wanted goes only when the database is opened.
  return table == nullptr || table->no_block_cache ? nullptr
                                                   : table->block_cache.get();
}

}  // namespace

std::string Quoted(const Slice& bytes) {
  std::string text = "\"";
  for (size_t i = 0; i < bytes.size() && i < kQuotedBytes; i++) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      text.push_back(bytes[i]);
    } else {
      text += fmt::format("\\x{:02x}", c);
    }
  }
  return bytes.size() > kQuotedBytes
             ? fmt::format("{}\"... ({} bytes)", text, bytes.size())
             : text + "\"";
}

Status BenchDatabase::Configure(const std::string& text) {
  rocksdb::Options base;
  base.create_if_missing = true;
  base.max_background_jobs = 2;
  base.max_subcompactions = 2;
  // Changes nothing but that RocksDB counts the calls that read table files.
  base.default_temperature = rocksdb::Temperature::kHot;
  rocksdb::ConfigOptions config;
  // Silence would be a database that is not the one asked for.
  config.ignore_unknown_options = false;
  config.ignore_unsupported_options = false;
  // As long as it is true, a block-based table goes without what it cannot make
  // by name: a filter policy, an index.
  config.input_strings_escaped = false;
  Status s = rocksdb::GetOptionsFromString(config, base, text, &options_);
  if (s.ok() && options_.table_factory == nullptr) {
    s = Status::InvalidArgument("no table factory");
  }
  return s.ok() ? s
                : Status::InvalidArgument(
                      "options of " + name_ + " (" + text + ")", s.ToString());
}

Status BenchDatabase::Open() {
  rocksdb::DB* db = nullptr;
  Status s = rocksdb::DB::Open(options_, path_, &db);
  db_.reset(db);
  return s;
}

Status BenchDatabase::Close() {
  Status s = db_->Close();
  db_.reset();
  return s;
}

Status BenchDatabase::Drop() {
  const Status s = Close();
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  return s;
}

Status BenchDatabase::Settle() {
  Status s = db_->Flush(rocksdb::FlushOptions());
  return s.ok() ? db_->WaitForCompact(rocksdb::WaitForCompactOptions()) : s;
}

Status BenchDatabase::CompactAll() {
  rocksdb::CompactRangeOptions all;
  all.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  return db_->CompactRange(all, nullptr, nullptr);
}

uint64_t BenchDatabase::SstBytes() const {
  std::vector<rocksdb::LiveFileMetaData> files;
  db_->GetLiveFilesMetaData(&files);
  uint64_t sum = 0;
  for (const rocksdb::LiveFileMetaData& file : files) {
    sum += file.size;
  }
  return sum;
}

uint64_t BenchDatabase::Property(const std::string& property) const {
  uint64_t value = 0;
  return db_->GetIntProperty(property, &value) ? value : 0;
}

Status BenchDatabase::Mismatch(const std::string& asked,
                               const std::string& expected,
                               const std::string& found) const {
  return Status::Corruption("MISMATCH in " + name_ + ", " + asked,
                            "expected " + expected + ", found " + found);
}

Status MemoryLimit::Prepare(BenchDatabase* database) const {
  rocksdb::Cache* const cache = BlockCacheOf(database);
  if (!limited()) {
    if (cache != nullptr && otherwise_ > 0) {
      cache->SetCapacity(otherwise_);
    }
    return Status::OK();
  }
  if (cache == nullptr) {
    return Status::InvalidArgument("--memory_limit: " + database->name() +
                                   " has no block cache");
  }
  cache->SetCapacity(bytes_);
  database->options()->use_direct_reads = true;
  return Status::OK();
}

Status MemoryLimit::Apply(BenchDatabase* database) const {
  if (!limited()) {
    return Status::OK();
  }
  const uint64_t readers =
      database->Property(rocksdb::DB::Properties::kEstimateTableReadersMem);
  if (readers + kLeastBlockCache > bytes_) {
    return Status::MemoryLimit(
        fmt::format("--memory_limit={}: {} needs {} bytes for table readers "
                    "and the least of block caches",
                    bytes_, database->name(), readers + kLeastBlockCache),
        "residency=cache pins no segments; cache_index_and_filter_blocks "
        "no index");
  }
  BlockCacheOf(database)->SetCapacity(bytes_ - readers);
  return Status::OK();
}

}  // namespace memkv
