// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/fst_db_test_util.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "tests/db/unsynced_env.h"
#include "util/crc32c.h"
#include "utilities/merge_operators.h"

namespace memkv {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

uint64_t TestSeed() {
  static const uint64_t seed = [] {
    const char* const text = std::getenv("MEMKV_TEST_SEED");
    const uint64_t n =
        text != nullptr ? std::strtoull(text, nullptr, 10) : uint64_t{1};
    std::printf("MEMKV_TEST_SEED=%llu\n", static_cast<unsigned long long>(n));
    return n;
  }();
  return seed;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

bool IsFstFile(const std::string& path) {
  // As FORMAT.md has it: bytes 33..40 of the last 53.
  constexpr size_t kFooter = 53;
  const std::string bytes = ReadFile(path);
  return bytes.size() >= kFooter &&
         bytes.compare(bytes.size() - kFooter + 33, 8, "MEMKVFST") == 0;
}

std::string NumberKey(int i) {
  char text[24];
  std::snprintf(text, sizeof(text), "key/%08d", i);
  return text;
}

std::string RandomBytes(std::mt19937_64* rng, size_t n) {
  std::string bytes;
  bytes.reserve(n + 8);
  while (bytes.size() < n) {
    const uint64_t word = (*rng)();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(n);
  return bytes;
}

FstDbTest::FstDbTest() {
  RegisterMemkv();
  const char* const parent = std::getenv("TEST_TMPDIR");
  folder_ = (parent != nullptr ? std::string(parent) : testing::TempDir()) +
            "/fst_db.XXXXXX";
  if (mkdtemp(folder_.data()) == nullptr) {
    std::perror(folder_.c_str());
    std::abort();
  }
  path_ = folder_ + "/db";
}

FstDbTest::~FstDbTest() {
  Close();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

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
  const Status s = rocksdb::DB::Open(options, path_, &db);
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

namespace {

void ExpectScans(rocksdb::Iterator* iter, const Model& model) {
  auto expected = model.begin();
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++expected) {
    ASSERT_NE(expected, model.end())
        << "surplus key " << iter->key().ToString();
    ASSERT_EQ(iter->key(), expected->first);
    ASSERT_EQ(iter->value(), expected->second) << expected->first;
  }
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(expected, model.end()) << "lost key " << expected->first;

  auto backwards = model.rbegin();
  for (iter->SeekToLast(); iter->Valid(); iter->Prev(), ++backwards) {
    ASSERT_NE(backwards, model.rend())
        << "surplus key " << iter->key().ToString();
    ASSERT_EQ(iter->key(), backwards->first);
    ASSERT_EQ(iter->value(), backwards->second) << backwards->first;
  }
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(backwards, model.rend()) << "lost key " << backwards->first;
}

// `target` need not be in the model.
void ExpectSeeks(rocksdb::Iterator* iter, const Model& model,
                 const std::string& target) {
  const auto at_or_after = model.lower_bound(target);
  iter->Seek(target);
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(iter->Valid(), at_or_after != model.end()) << target;
  if (iter->Valid()) {
    ASSERT_EQ(iter->key(), at_or_after->first) << target;
  }

  auto after = model.upper_bound(target);
  iter->SeekForPrev(target);
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(iter->Valid(), after != model.begin()) << target;
  if (iter->Valid()) {
    --after;
    ASSERT_EQ(iter->key(), after->first) << target;
  }
}

}  // namespace

void ExpectEquals(rocksdb::DB* db, const Model& model, const ReadOptions& ro,
                  rocksdb::ColumnFamilyHandle* cf) {
  if (cf == nullptr) cf = db->DefaultColumnFamily();
  std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(ro, cf));
  ASSERT_NO_FATAL_FAILURE(ExpectScans(iter.get(), model));

  const size_t stride = model.size() / 500 + 1;
  size_t i = 0;
  for (const auto& [key, value] : model) {
    std::string found;
    Status s = db->Get(ro, cf, key, &found);
    ASSERT_TRUE(s.ok()) << key << ": " << s.ToString();
    ASSERT_EQ(found, value) << key;
    if (i++ % stride != 0) continue;
    for (const std::string& neighbour :
         {key, key + '\0', key.substr(0, key.size() / 2), key + "\xff"}) {
      ASSERT_NO_FATAL_FAILURE(ExpectSeeks(iter.get(), model, neighbour));
      if (model.count(neighbour) != 0) continue;
      s = db->Get(ro, cf, neighbour, &found);
      ASSERT_TRUE(s.IsNotFound()) << neighbour << ": " << s.ToString();
    }
  }
}

uint32_t ScanChecksum(rocksdb::DB* db) {
  uint32_t crc = 0;
  std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(ReadOptions()));
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    for (const Slice& part : {iter->key(), iter->value()}) {
      const uint64_t size = part.size();
      crc = rocksdb::crc32c::Extend(crc, reinterpret_cast<const char*>(&size),
                                    sizeof(size));
      crc = rocksdb::crc32c::Extend(crc, part.data(), part.size());
    }
  }
  EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
  return crc;
}

std::string MixedWriter::Key(uint64_t i) const {
  char text[32];
  std::snprintf(text, sizeof(text), "key/%06llu",
                static_cast<unsigned long long>(i));
  return text;
}

void MixedWriter::Write(rocksdb::DB* db, Model* model, size_t operations) {
  const rocksdb::WriteOptions wo;
  for (size_t n = 0; n < operations; ++n) {
    const std::string key = Key(rng_() % keys_);
    const uint64_t what = rng_() % 1000;
    Status s;
    if (what < 2) {
      const uint64_t first = rng_() % keys_;
      const std::string begin = Key(first);
      const std::string end = Key(first + 1 + rng_() % 20);
      s = db->DeleteRange(wo, db->DefaultColumnFamily(), begin, end);
      model->erase(model->lower_bound(begin), model->lower_bound(end));
    } else if (what < 100) {
      s = db->Delete(wo, key);
      model->erase(key);
    } else if (what < 250) {
      const std::string operand = RandomBytes(&rng_, rng_() % 12);
      s = db->Merge(wo, key, operand);
      const auto [at, fresh] = model->emplace(key, operand);
      if (!fresh) at->second += "," + operand;
    } else if (what < 300) {
      // Keys that are written once and deleted once, as SingleDelete asks.
      const std::string single = "single/" + std::to_string(singles_ / 2);
      if (singles_++ % 2 == 0) {
        s = db->Put(wo, single, "once");
        (*model)[single] = "once";
      } else {
        s = db->SingleDelete(wo, single);
        model->erase(single);
      }
    } else {
      const size_t size = rng_() % 50 == 0 ? rng_() % 6000 : rng_() % 60;
      (*model)[key] = RandomBytes(&rng_, size);
      s = db->Put(wo, key, (*model)[key]);
    }
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
}

}  // namespace memkv
