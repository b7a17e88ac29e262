// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/util/fst_db_fixture.h"

#include <filesystem>
#include <map>

#include "compat/open.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "tests/util/unsynced_env.h"
#include "utilities/merge_operators.h"

namespace memkv {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

FstDbTest::FstDbTest() : folder_("fst_db"), path_(folder() + "/db") {
  RegisterMemkv();
}

FstDbTest::~FstDbTest() { Close(); }

rocksdb::Env* FstDbTest::env() const {
  // Lives as long as the process, as RocksDB's default Env does.
  static rocksdb::Env* const env = NewUnsyncedEnv().release();
  return env;
}

Options FstDbTest::StockOptions() const {
  Options options;
  options.env = env();
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 10;
  options.target_file_size_base = 32 << 10;
  options.max_bytes_for_level_base = 128 << 10;
  options.max_bytes_for_level_multiplier = 4;
  options.compression = rocksdb::kLZ4Compression;
  options.merge_operator =
      rocksdb::MergeOperators::CreateStringAppendOperator();
  options.paranoid_file_checks = true;
  options.force_consistency_checks = true;
  return options;
}

Options FstDbTest::MemkvOptions(const std::string& fst) const {
  Options options = StockOptions();
  rocksdb::ConfigOptions config;
  config.ignore_unsupported_options = false;
  rocksdb::ColumnFamilyOptions cf;
  const Status s = rocksdb::GetColumnFamilyOptionsFromString(
      config, options,
      "memtable_factory=art;table_factory={id=fst;" + fst + "}", &cf);
  EXPECT_TRUE(s.ok()) << s.ToString();
  options.memtable_factory = cf.memtable_factory;
  options.table_factory = cf.table_factory;
  return options;
}

Status FstDbTest::TryOpen(const Options& options) {
  Close();
  rocksdb::DB* db = nullptr;
  const Status s = rocksdb::DB::Open(options, path_, compat::Into(&db));
  db_.reset(db);
  return s;
}

void FstDbTest::Close() { db_.reset(); }

void FstDbTest::Destroy() {
  Close();
  std::filesystem::remove_all(path_);
}

void FstDbTest::Put(const std::string& key, const std::string& value) {
  const Status s = db_->Put(rocksdb::WriteOptions(), key, value);
  ASSERT_TRUE(s.ok()) << s.ToString();
}

void FstDbTest::Delete(const std::string& key) {
  const Status s = db_->Delete(rocksdb::WriteOptions(), key);
  ASSERT_TRUE(s.ok()) << s.ToString();
}

void FstDbTest::Flush() {
  const Status s = db_->Flush(rocksdb::FlushOptions());
  ASSERT_TRUE(s.ok()) << s.ToString();
}

void FstDbTest::CompactAll(uint32_t max_subcompactions) {
  rocksdb::CompactRangeOptions cro;
  cro.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  cro.max_subcompactions = max_subcompactions;
  const Status s = db_->CompactRange(cro, nullptr, nullptr);
  ASSERT_TRUE(s.ok()) << s.ToString();
}

void FstDbTest::SetTableOption(const std::string& name,
                               const std::string& value) {
  const Status s = db_->SetOptions({{"table_factory." + name, value}});
  ASSERT_TRUE(s.ok()) << s.ToString();
}

std::string FstDbTest::Get(const std::string& key,
                           const rocksdb::Snapshot* snapshot) const {
  ReadOptions ro;
  ro.snapshot = snapshot;
  std::string value;
  const Status s = db_->Get(ro, key, &value);
  if (s.IsNotFound()) return "NOT_FOUND";
  return s.ok() ? value : s.ToString();
}

std::vector<std::string> FstDbTest::SstFiles() const {
  std::vector<rocksdb::LiveFileMetaData> live;
  db_->GetLiveFilesMetaData(&live);
  std::map<uint64_t, std::string> by_number;
  for (const auto& file : live) {
    by_number[file.file_number] = file.db_path + file.name;
  }
  std::vector<std::string> paths;
  for (const auto& [number, name] : by_number) paths.push_back(name);
  return paths;
}

FileKinds FstDbTest::Kinds() const {
  FileKinds kinds;
  for (const std::string& file : SstFiles()) {
    ++(IsFstFile(file) ? kinds.fst : kinds.block_based);
  }
  return kinds;
}

}  // namespace memkv
