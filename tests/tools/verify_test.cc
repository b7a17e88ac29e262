// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv verify finds what is damaged, and nothing else.

#include <algorithm>
#include <filesystem>

#include "db/dbformat.h"
#include "file/random_access_file_reader.h"
#include "options/cf_options.h"
#include "rocksdb/file_system.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table.h"
#include "table/block_based/block_based_table_builder.h"
#include "table/meta_blocks.h"
#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class VerifyTest : public ToolTest {
 protected:
  // An SST that RocksDB writes by itself.
  std::string WriteSst(const rocksdb::Options& options,
                       const std::vector<std::string>& keys) {
    const std::string file = folder() + "/alone.sst";
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    EXPECT_TRUE(writer.Open(file).ok());
    for (const std::string& key : keys) EXPECT_TRUE(writer.Put(key, "v").ok());
    EXPECT_TRUE(writer.Finish().ok());
    return file;
  }

  // Files of both kinds in two column families.
  void MakeMixedDatabase() {
    ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(StockOptions()), {"other"}));
    ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
    ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000, 100, handles_[1]));
    ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
    ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(MemkvOptions()), {"other"}));
    ASSERT_NO_FATAL_FAILURE(PutKeys(500, 1000));
    ASSERT_NO_FATAL_FAILURE(PutKeys(500, 1000, 100, handles_[1]));
    ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
    ASSERT_EQ(Kinds().fst, 2u);
    ASSERT_EQ(Kinds().block_based, 2u);
  }
};

// Changes a byte of a file.
void Damage(const std::string& file, size_t at) {
  std::string bytes = ReadFile(file);
  ASSERT_LT(at, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
  WriteFile(file, bytes);
}

TEST_F(VerifyTest, StockMemkvAndMixedDatabasesAreGood) {
  ASSERT_NO_FATAL_FAILURE(MakeMixedDatabase());
  const ToolResult mixed = RunTool({"verify", path()});
  EXPECT_EQ(mixed.status, 0) << mixed.output;
  EXPECT_TRUE(mixed.Says("4 files, 0 damaged\n")) << mixed.output;
  EXPECT_TRUE(mixed.Says("other, level 0, fst, 1000 entries, "))
      << mixed.output;
  EXPECT_TRUE(mixed.Says("default, level 0, block_based, 1000 entries, "))
      << mixed.output;
  EXPECT_EQ(std::count(mixed.output.begin(), mixed.output.end(), '\n'), 5);
  for (const std::string& file : SstFiles()) {
    EXPECT_TOOL(0, "1 file, 0 damaged", "verify", file);
  }
}

TEST_F(VerifyTest, ManyVersionsDeletionsAndLevelsAreGood) {
  for (const bool fst : {false, true}) {
    const rocksdb::Options options = fst ? MemkvOptions() : StockOptions();
    for (const bool reverse : {false, true}) {
      Destroy();
      ASSERT_NO_FATAL_FAILURE(Open(reverse ? Reversed(options) : options));
      const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
      Model model;
      MixedWriter writer(TestSeed(), 3000);
      for (int i = 0; i < 4; ++i) {
        // Range deletions of the writer are bytewise.
        if (reverse) {
          ASSERT_NO_FATAL_FAILURE(PutKeys(i * 500, 2000));
        } else {
          ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 4000));
        }
        ASSERT_NO_FATAL_FAILURE(Flush());
      }
      db()->ReleaseSnapshot(snapshot);
      // Compactions go on, and delete files, which is no damage.
      EXPECT_TOOL(0, ", 0 damaged", "verify", path());
    }
  }
}

TEST_F(VerifyTest, EmptyDatabaseIsGood) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  EXPECT_TOOL(0, "0 files, 0 damaged", "verify", path());
}

TEST_F(VerifyTest, DamagedFileIsNamedWithItsOffset) {
  ASSERT_NO_FATAL_FAILURE(MakeMixedDatabase());
  const std::vector<std::string> files = SstFiles();
  CloseFamilies();
  for (const std::string& file : files) {
    const std::string whole = ReadFile(file);
    for (const size_t at : {size_t{20}, whole.size() / 2}) {
      SCOPED_TRACE(file + " at " + std::to_string(at));
      ASSERT_NO_FATAL_FAILURE(Damage(file, at));
      for (const std::string& operand : {path(), file}) {
        const ToolResult result = RunTool({"verify", operand});
        EXPECT_EQ(result.status, 1) << result.output;
        EXPECT_TRUE(result.Says("DAMAGED " + file)) << result.output;
        EXPECT_TRUE(result.Says("offset ")) << result.output;
        EXPECT_TRUE(result.Says(", 1 damaged\n")) << result.output;
      }
      WriteFile(file, whole);
    }
    // Its end, and all of it.
    WriteFile(file, whole.substr(0, whole.size() - 100));
    EXPECT_TOOL(1, "DAMAGED " + file, "verify", path());
    std::filesystem::remove(file);
    EXPECT_TOOL(1, "DAMAGED " + file, "verify", path());
    EXPECT_TOOL(1, "4 files, 1 damaged", "verify", path());
    WriteFile(file, whole);
  }
  EXPECT_TOOL(0, "4 files, 0 damaged", "verify", path());
}

TEST_F(VerifyTest, FileOfAnotherPlaceIsFound) {
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(MemkvOptions()), {"a", "b"}));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000, 8, handles_[1]));
  ASSERT_NO_FATAL_FAILURE(PutKeys(1000, 1000, 8, handles_[2]));
  ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
  const std::vector<std::string> files = SstFiles();
  CloseFamilies();
  ASSERT_EQ(files.size(), 2u);
  const std::string first = ReadFile(files[0]);
  WriteFile(files[0], ReadFile(files[1]));
  // Whether or not they happen to be of one size.
  EXPECT_TOOL(1, "the MANIFEST", "verify", path());
  EXPECT_TOOL(1, "2 files, 1 damaged", "verify", path());
  WriteFile(files[0], first);
  EXPECT_TOOL(0, "2 files, 0 damaged", "verify", path());
}

TEST_F(VerifyTest, EntriesOutOfOrderAreFound) {
  // Its name lies.
  const ForeignComparator descending("leveldb.BytewiseComparator");
  rocksdb::Options options;
  options.comparator = &descending;
  const std::string file = WriteSst(options, {"c", "b", "a"});
  EXPECT_TOOL(1, "entry 1, near offset ", "verify", file);
  EXPECT_TOOL(1, "is before the one that it follows", "verify", file);
}

TEST_F(VerifyTest, OrderThatIsNotKnownIsSaid) {
  const ForeignComparator foreign;
  rocksdb::Options options;
  options.comparator = &foreign;
  const std::string file = WriteSst(options, {"c", "b", "a"});
  EXPECT_TOOL(0, "order not checked: comparator an.application's", "verify",
              file);
  // A database of that order is not opened.
  options.create_if_missing = true;
  options.env = env();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_TOOL(1, "a comparator of the application's is not known here",
              "verify", path());
}

// Such a file is block-based, and its keys are as if none had a timestamp.
TEST_F(VerifyTest, TimestampsThatAreNotPersistedAreNoDamage) {
  rocksdb::Options options = Still(MemkvOptions());
  options.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  options.persist_user_defined_timestamps = false;
  options.allow_concurrent_memtable_write = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::string timestamp;
  rocksdb::EncodeU64Ts(1, &timestamp);
  for (const char* key : {"a", "b", "key00000001", "key00000002"}) {
    ASSERT_TRUE(
        db()->Put(rocksdb::WriteOptions(), key, timestamp, "value").ok());
  }
  ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), "x", "y",
                                timestamp)
                  .ok());
  std::string low;
  rocksdb::EncodeU64Ts(2, &low);
  ASSERT_TRUE(
      db()->IncreaseFullHistoryTsLow(db()->DefaultColumnFamily(), low).ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_TOOL(0, "block_based, 4 entries", "verify", path());
  EXPECT_TOOL(0, "1 file, 0 damaged", "verify", SstFiles().at(0));
}

// The properties of a block-based file may say what is not so.
TEST_F(VerifyTest, NumberOfEntriesIsCompared) {
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  const std::string file = WriteSst(options, {"a", "b", "c"});
  EXPECT_TOOL(0, "3 entries", "verify", file);

  std::string bytes = ReadFile(file);
  std::unique_ptr<rocksdb::FSRandomAccessFile> opened;
  ASSERT_TRUE(
      rocksdb::FileSystem::Default()
          ->NewRandomAccessFile(file, rocksdb::FileOptions(), &opened, nullptr)
          .ok());
  rocksdb::RandomAccessFileReader reader(std::move(opened), file);
  rocksdb::BlockHandle handle;
  const rocksdb::ImmutableOptions ioptions(options);
  ASSERT_TRUE(rocksdb::FindMetaBlockInFile(
                  &reader, bytes.size(), rocksdb::kBlockBasedTableMagicNumber,
                  ioptions, rocksdb::ReadOptions(),
                  rocksdb::kPropertiesBlockName, &handle)
                  .ok());
  // Behind the end of the name, which is rocksdb.num.entries.
  const size_t at = bytes.find("entries\x03", handle.offset());
  ASSERT_LT(at, handle.offset() + handle.size());
  bytes[at + 7] = 4;
  const uint32_t checksum = rocksdb::ComputeBuiltinChecksumWithLastByte(
      rocksdb::kXXH3, bytes.data() + handle.offset(), handle.size(),
      bytes[handle.offset() + handle.size()]);
  rocksdb::EncodeFixed32(&bytes[handle.offset() + handle.size() + 1], checksum);
  WriteFile(file, bytes);
  EXPECT_TOOL(1, "it has 3 entries, its properties say 4", "verify", file);
}

TEST_F(VerifyTest, WhatIsNotThereIsRefused) {
  EXPECT_TOOL(1, "no such file or folder", "verify", folder() + "/nowhere");
  EXPECT_TOOL(1, "CURRENT", "verify", folder());
  EXPECT_TOOL(2, "expected one DIR|FILE.sst", "verify");
}

}  // namespace
}  // namespace memkv
