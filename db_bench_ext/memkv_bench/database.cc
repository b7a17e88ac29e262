// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/database.h"

#include "rocksdb/convenience.h"
#include "rocksdb/metadata.h"

namespace memkv {

using rocksdb::Status;

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

}  // namespace memkv
