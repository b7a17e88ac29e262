// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files in a process without the plugin: every read of such
// a file is Corruption, nothing is rewritten, and all is there when the plugin
// returns.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compat/open.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

class FailClosedTest : public FstDbTest {
 protected:
  void MakeMemkvDatabase() {
    Options options = MemkvOptions("segment_size=1K");
    options.disable_auto_compactions = true;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    MixedWriter writer(TestSeed(), 1000);
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model_, 5000));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model_, 2000));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_EQ(Kinds().block_based, 0u);
    ASSERT_GE(Kinds().fst, 3u);
    files_ = FileContents();
  }

  // Every SST file with its bytes.
  std::map<std::string, std::string> FileContents() const {
    std::map<std::string, std::string> contents;
    for (const std::string& file : SstFiles()) contents[file] = ReadFile(file);
    return contents;
  }

  void ExpectFilesUntouched() const {
    for (const auto& [file, bytes] : files_) {
      ASSERT_TRUE(ReadFile(file) == bytes) << file;
    }
  }

  void ExpectIntactWithPlugin() {
    ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
    ASSERT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
  }

  Model model_;
  std::map<std::string, std::string> files_;
};

TEST_F(FailClosedTest, EveryReadOfAnFstFileIsCorruption) {
  ASSERT_NO_FATAL_FAILURE(MakeMemkvDatabase());
  for (const bool verify_checksums : {true, false}) {
    SCOPED_TRACE(verify_checksums);
    Options stock = StockOptions();
    stock.disable_auto_compactions = true;
    ASSERT_NO_FATAL_FAILURE(Open(stock));
    ReadOptions ro;
    ro.verify_checksums = verify_checksums;
    std::string value;
    for (const auto& [key, expected] : model_) {
      const Status s = db()->Get(ro, key, &value);
      ASSERT_TRUE(s.IsCorruption()) << key << ": " << s.ToString();
    }
    const std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ro));
    iter->SeekToFirst();
    ASSERT_FALSE(iter->Valid());
    ASSERT_TRUE(iter->status().IsCorruption()) << iter->status().ToString();
    iter->SeekToLast();
    ASSERT_FALSE(iter->Valid());
    ASSERT_TRUE(iter->status().IsCorruption()) << iter->status().ToString();
    iter->Seek("key/000500");
    ASSERT_FALSE(iter->Valid());
    ASSERT_TRUE(iter->status().IsCorruption()) << iter->status().ToString();
    iter->SeekForPrev("key/000500");
    ASSERT_FALSE(iter->Valid());
    ASSERT_TRUE(iter->status().IsCorruption()) << iter->status().ToString();
  }
  ASSERT_NO_FATAL_FAILURE(ExpectFilesUntouched());
  ASSERT_NO_FATAL_FAILURE(ExpectIntactWithPlugin());
}

TEST_F(FailClosedTest, CompactionFailsAndRewritesNothing) {
  ASSERT_NO_FATAL_FAILURE(MakeMemkvDatabase());
  ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
  rocksdb::CompactRangeOptions cro;
  cro.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const Status s = db()->CompactRange(cro, nullptr, nullptr);
  ASSERT_TRUE(s.IsCorruption()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectFilesUntouched());
  ASSERT_NO_FATAL_FAILURE(ExpectIntactWithPlugin());
}

TEST_F(FailClosedTest, WhatIsWrittenWithoutThePluginIsThereWhenItReturns) {
  ASSERT_NO_FATAL_FAILURE(MakeMemkvDatabase());
  Options stock = StockOptions();
  stock.disable_auto_compactions = true;
  ASSERT_NO_FATAL_FAILURE(Open(stock));
  ASSERT_NO_FATAL_FAILURE(Put("key/000001", "flushed"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(Put("key/000002", "in the log"));
  model_["key/000001"] = "flushed";
  model_["key/000002"] = "in the log";
  EXPECT_EQ(Get("key/000001"), "flushed");
  EXPECT_EQ(Get("key/000002"), "in the log");
  ASSERT_NO_FATAL_FAILURE(ExpectFilesUntouched());
  ASSERT_NO_FATAL_FAILURE(ExpectIntactWithPlugin());
}

TEST_F(FailClosedTest, ReadOnlyAndSecondaryInstancesFailClosedToo) {
  ASSERT_NO_FATAL_FAILURE(MakeMemkvDatabase());
  Close();
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(
      rocksdb::DB::OpenForReadOnly(StockOptions(), path(), compat::Into(&raw))
          .ok());
  std::unique_ptr<rocksdb::DB> other(raw);
  std::string value;
  const std::string key = model_.begin()->first;
  EXPECT_TRUE(other->Get(ReadOptions(), key, &value).IsCorruption());
  other.reset();
  ASSERT_TRUE(rocksdb::DB::OpenAsSecondary(StockOptions(), path(),
                                           folder() + "/secondary",
                                           compat::Into(&raw))
                  .ok());
  other.reset(raw);
  EXPECT_TRUE(other->Get(ReadOptions(), key, &value).IsCorruption());
  other.reset();
  ASSERT_NO_FATAL_FAILURE(ExpectFilesUntouched());
  ASSERT_NO_FATAL_FAILURE(ExpectIntactWithPlugin());
}

TEST_F(FailClosedTest, StockToolsReadPropertiesButNoRecords) {
  ASSERT_NO_FATAL_FAILURE(MakeMemkvDatabase());
  const std::string file = SstFiles().front();
  rocksdb::SstFileReader reader(StockOptions());
  ASSERT_TRUE(reader.Open(file).ok());
  const auto properties = reader.GetTableProperties();
  EXPECT_GT(properties->num_entries, 0u);
  EXPECT_EQ(properties->user_collected_properties.count("memkv.fst.directory"),
            1u);
  const std::unique_ptr<rocksdb::Iterator> iter(
      reader.NewIterator(ReadOptions()));
  iter->SeekToFirst();
  EXPECT_FALSE(iter->Valid());
  EXPECT_TRUE(iter->status().IsCorruption()) << iter->status().ToString();
}

// What a process that has never registered the plugin makes of the database's
// OPTIONS file.  Runs in a child, for registration cannot be undone here.
enum ChildResult {
  kChildAsExpected = 0,
  kChildLoadedUnknownFactory = 10,
  kChildBadMessage = 11,
  kChildMissingFactoryNotNull = 12,
  kChildOpenFailed = 13,
  kChildReadSomething = 14,
};

int RunWithoutPlugin(const std::string& path) {
  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;

  // Who asks for errors gets one that names the table.
  rocksdb::ConfigOptions strict;
  strict.ignore_unsupported_options = false;
  strict.ignore_unknown_options = false;
  Status s = rocksdb::LoadLatestOptions(strict, path, &db_options, &families);
  std::printf("strict: %s\n", s.ToString().c_str());
  if (s.ok()) return kChildLoadedUnknownFactory;
  const std::string text = s.ToString();
  if (text.find("FstTable") == std::string::npos &&
      text.find("art") == std::string::npos) {
    return kChildBadMessage;
  }

  // RocksDB's default leaves unknown factories out; a program that goes on with
  // RocksDB's own table must not read anything.
  rocksdb::ConfigOptions lenient;
  families.clear();
  s = rocksdb::LoadLatestOptions(lenient, path, &db_options, &families);
  std::printf("lenient: %s\n", s.ToString().c_str());
  if (s.ok() && families[0].options.table_factory != nullptr &&
      families[0].options.table_factory->IsInstanceOf("FstTable")) {
    return kChildMissingFactoryNotNull;
  }
  Options stock;
  stock.table_factory.reset(rocksdb::NewBlockBasedTableFactory());
  rocksdb::DB* raw = nullptr;
  s = rocksdb::DB::OpenForReadOnly(stock, path, compat::Into(&raw));
  if (!s.ok()) return kChildOpenFailed;
  const std::unique_ptr<rocksdb::DB> db(raw);
  const std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(ReadOptions()));
  iter->SeekToFirst();
  std::printf("read: %s\n", iter->status().ToString().c_str());
  if (iter->Valid() || !iter->status().IsCorruption()) {
    return kChildReadSomething;
  }
  return kChildAsExpected;
}

constexpr char kWithoutPlugin[] = "--without-plugin";

TEST_F(FailClosedTest, ProcessWithoutThePluginGetsClearErrors) {
  // A log that is replayed would need the merge operator.
  Options options = MemkvOptions();
  options.merge_operator = nullptr;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key/" + std::to_string(i);
    ASSERT_NO_FATAL_FAILURE(Put(key, "value"));
    model_[key] = "value";
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  files_ = FileContents();
  Close();

  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    execl(self.c_str(), self.c_str(), kWithoutPlugin, path().c_str(),
          static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), kChildAsExpected);
  ASSERT_NO_FATAL_FAILURE(ExpectFilesUntouched());
  ASSERT_NO_FATAL_FAILURE(ExpectIntactWithPlugin());
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], memkv::kWithoutPlugin) == 0) {
    return memkv::RunWithoutPlugin(argv[2]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
