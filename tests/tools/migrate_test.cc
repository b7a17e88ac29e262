// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv migrate: there and back, with every option and every record kept.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "plugin/memkv.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class MigrateTest : public ToolTest {
 protected:
  // Options that are not RocksDB's defaults, of the table too.
  rocksdb::Options UncommonOptions() const {
    rocksdb::Options options = Still(StockOptions());
    rocksdb::BlockBasedTableOptions table;
    table.block_size = 8 << 10;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(12));
    table.cache_index_and_filter_blocks = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.max_background_jobs = 3;
    options.bytes_per_sync = 123456;
    return options;
  }

  // Several files of several levels, and records in the log.
  void MakeStockDatabase() {
    ASSERT_NO_FATAL_FAILURE(
        OpenFamilies(UncommonOptions(), {"other", "third"}));
    MixedWriter writer(TestSeed(), 3000);
    for (int i = 0; i < 4; ++i) {
      ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model_, 3000));
      ASSERT_NO_FATAL_FAILURE(PutKeys(i * 500, 2000, 30, handles_[1]));
      ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
      if (i == 1) {
        ASSERT_TRUE(
            db()->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr)
                .ok());
      }
    }
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model_, 500));
    CloseFamilies();
  }

  void ExpectAll(bool fst) {
    ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
    EXPECT_EQ(fst ? Kinds().block_based : Kinds().fst, 0u);
    EXPECT_GT(fst ? Kinds().fst : Kinds().block_based, 0u);
    EXPECT_EQ(db()->GetOptions().table_factory->Name(),
              std::string(fst ? "FstTable" : "BlockBasedTable"));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
    CloseFamilies();
  }

  // What the latest OPTIONS file says, but for table factories and when it was
  // written.
  std::string OtherOptions() const {
    std::string text;
    std::string name;
    EXPECT_TRUE(rocksdb::GetLatestOptionsFileName(path(), env(), &name).ok());
    std::ifstream in(path() + "/" + name);
    bool table = false;
    for (std::string line; std::getline(in, line);) {
      if (line.rfind('[', 0) == 0) table = line.rfind("[TableOptions", 0) == 0;
      if (!table && line.find("  table_factory=") != 0) text += line + "\n";
    }
    return text;
  }
  // Its table options of the default column family.
  std::string TableOptions() const {
    std::string name;
    EXPECT_TRUE(rocksdb::GetLatestOptionsFileName(path(), env(), &name).ok());
    const std::string text = ReadFile(path() + "/" + name);
    const size_t begin = text.find("[TableOptions/");
    return text.substr(begin, text.find("\n[", begin) - begin);
  }

  // SSTs in the folder.
  std::vector<std::string> Ssts() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (entry.path().extension() == ".sst") names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Model model_;
};

TEST_F(MigrateTest, ThereAndBackEveryOptionAndRecordIsKept) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  const std::string options = OtherOptions();
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
  ASSERT_NO_FATAL_FAILURE(ExpectAll(/*fst=*/true));
  EXPECT_EQ(OtherOptions(), options);
  const std::string table = TableOptions();
  EXPECT_NE(table.find("[TableOptions/FstTable"), std::string::npos) << table;
  for (const char* kept :
       {"block_size=8192;", "filter_policy=bloomfilter:12:false;",
        "cache_index_and_filter_blocks=true;"}) {
    EXPECT_NE(table.find(kept), std::string::npos) << table;
  }
  EXPECT_TOOL(0, "all is fst already", "migrate", path(), "--to=fst");
  EXPECT_TOOL(0, " 0 damaged", "verify", path());

  EXPECT_TOOL(0, "done", "migrate", path(), "--to", "block_based");
  ASSERT_NO_FATAL_FAILURE(ExpectAll(/*fst=*/false));
  EXPECT_EQ(OtherOptions(), options);
  EXPECT_NE(TableOptions().find("filter_policy=bloomfilter:12:false\n"),
            std::string::npos)
      << TableOptions();
  EXPECT_TOOL(0, "all is block_based already", "migrate", path(),
              "--to=block_based");
}

TEST_F(MigrateTest, ReportSaysKeysChecksumAndSizes) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  const ToolResult there = RunTool({"migrate", path(), "--to=fst"});
  const ToolResult back = RunTool({"migrate", path(), "--to=block_based"});
  // Four checksums of each family that has files, all equal.
  std::map<std::string, std::vector<std::string>> contents;
  const std::string both = there.output + back.output;
  const std::regex line("(\\w+): .*; (\\d+ keys, checksum [0-9a-f]{16})\n");
  for (std::sregex_iterator it(both.begin(), both.end(), line), end; it != end;
       ++it) {
    contents[(*it)[1]].push_back((*it)[2]);
  }
  ASSERT_EQ(contents.size(), 2u) << both;
  for (const auto& [family, all] : contents) {
    EXPECT_EQ(all, std::vector<std::string>(4, all.front())) << family;
  }
  EXPECT_EQ(contents["default"][0].find(std::to_string(model_.size()) + " "),
            0u)
      << both;
  EXPECT_EQ(contents["other"][0].find("3500 "), 0u) << both;
  EXPECT_TRUE(there.Says("times those before")) << both;
}

TEST_F(MigrateTest, OneColumnFamilyAlone) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst",
              "--column_family=other");
  ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
  EXPECT_GT(Kinds().fst, 0u);
  EXPECT_GT(Kinds().block_based, 0u);
  EXPECT_EQ(db()->GetOptions(handles_[0]).table_factory->Name(),
            std::string("BlockBasedTable"));
  EXPECT_EQ(db()->GetOptions(handles_[1]).table_factory->Name(),
            std::string("FstTable"));
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
  CloseFamilies();
  EXPECT_TOOL(0, "exactly 3500 keys", "count", path(), "--column_family=other");
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
  ASSERT_NO_FATAL_FAILURE(ExpectAll(/*fst=*/true));
}

TEST_F(MigrateTest, FilesOfTheWantedFormatAreLeft) {
  rocksdb::Options options = Still(StockOptions());
  options.target_file_size_base = 8 << 10;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 20000, 50));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_GT(SstFiles().size(), 8u);
  // The first half migrates on a live database.
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  rocksdb::CompactRangeOptions force;
  force.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Slice last("usr/share/doc/package-1010000");
  ASSERT_TRUE(db()->CompactRange(force, nullptr, &last).ok());
  std::vector<std::string> before;
  for (const std::string& file : SstFiles()) {
    if (IsFstFile(file)) before.push_back(file);
  }
  ASSERT_GT(before.size(), 0u);
  ASSERT_GT(Kinds().block_based, 2u);
  Close();
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
  for (const std::string& file : before) {
    EXPECT_TRUE(std::filesystem::exists(file)) << file;
  }
  EXPECT_TOOL(0, "exactly 20000 keys", "count", path());
  const std::vector<std::string> all = Ssts();
  EXPECT_TOOL(0, "all is fst already", "migrate", path(), "--to=fst");
  EXPECT_EQ(Ssts(), all);
  ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
  EXPECT_EQ(Kinds().block_based, 0u);
}

TEST_F(MigrateTest, UniversalAndReversedAndEmptyDatabasesMigrate) {
  const auto migrate = [this](const rocksdb::Options& options, int keys) {
    Destroy();
    ASSERT_NO_FATAL_FAILURE(Open(options));
    for (int i = 0; i < 4 && keys > 0; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(std::string("\0\xff\n=", 4), "binary\n"));
      ASSERT_NO_FATAL_FAILURE(PutKeys(i * 100, keys));
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    Close();
    for (const char* to : {"fst", "block_based", "fst"}) {
      EXPECT_TOOL(0, "done", "migrate", path(), std::string("--to=") + to);
      ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
      const bool fst = std::string(to) == "fst";
      EXPECT_EQ(fst ? Kinds().block_based : Kinds().fst, 0u);
      if (keys > 0) {
        EXPECT_EQ(Get(std::string("\0\xff\n=", 4)), "binary\n");
      }
      CloseFamilies();
    }
    EXPECT_TOOL(
        0,
        "exactly " + std::to_string(keys == 0 ? 0 : 300 + keys + 1) + " keys",
        "count", path());
  };
  rocksdb::Options universal = Still(StockOptions());
  universal.compaction_style = rocksdb::kCompactionStyleUniversal;
  rocksdb::Options one_level = Still(StockOptions());
  one_level.num_levels = 1;
  one_level.compaction_style = rocksdb::kCompactionStyleUniversal;
  ASSERT_NO_FATAL_FAILURE(migrate(universal, 1000));
  ASSERT_NO_FATAL_FAILURE(migrate(one_level, 1000));
  ASSERT_NO_FATAL_FAILURE(migrate(Reversed(Still(StockOptions())), 1000));
  ASSERT_NO_FATAL_FAILURE(migrate(Still(StockOptions()), 0));
}

// RocksDB knows it, and a trie cannot serve it: what names it is refused, the
// rest goes on.
TEST_F(MigrateTest, OrderThatATrieCannotServeIsRefused) {
  rocksdb::Options timestamps = Still(StockOptions());
  timestamps.merge_operator = nullptr;
  timestamps.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  ASSERT_NO_FATAL_FAILURE(Open(timestamps));
  ASSERT_TRUE(
      db()->Put(rocksdb::WriteOptions(), "key", std::string(8, '\0'), "value")
          .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  Close();
  EXPECT_TOOL(1, "cannot serve comparator leveldb.BytewiseComparator.u64ts",
              "migrate", path(), "--to=fst");
  EXPECT_TOOL(0, "already", "migrate", path(), "--to=block_based");
}

TEST_F(MigrateTest, WhatWouldBeLostIsRefused) {
  const auto refused = [this](const char* text) {
    Close();
    const std::string options = OtherOptions();
    const std::string table = TableOptions();
    const std::vector<std::string> files = Ssts();
    EXPECT_TOOL(1, text, "migrate", path(), "--to=fst");
    EXPECT_EQ(OtherOptions(), options);
    EXPECT_EQ(TableOptions(), table);
    EXPECT_EQ(Ssts(), files);
    Destroy();
  };
  const auto make = [this](const rocksdb::Options& options) {
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(PutKeys(0, 100));
    ASSERT_NO_FATAL_FAILURE(Flush());
  };
  const ForeignComparator foreign;
  rocksdb::Options options = Still(StockOptions());
  options.comparator = &foreign;
  ASSERT_NO_FATAL_FAILURE(make(options));
  refused("a comparator of the application's is not known here");

  class ForeignOperator : public rocksdb::AssociativeMergeOperator {
   public:
    bool Merge(const rocksdb::Slice&, const rocksdb::Slice*,
               const rocksdb::Slice&, std::string*,
               rocksdb::Logger*) const override {
      return true;
    }
    const char* Name() const override { return "AnApplicationsOperator"; }
  };
  options = Still(StockOptions());
  options.merge_operator = std::make_shared<ForeignOperator>();
  ASSERT_NO_FATAL_FAILURE(make(options));
  refused("AnApplicationsOperator");

  options = Still(StockOptions());
  options.compaction_style = rocksdb::kCompactionStyleFIFO;
  ASSERT_NO_FATAL_FAILURE(make(options));
  refused("its compaction_style rewrites no files");

  options = Still(StockOptions());
  options.table_factory.reset(rocksdb::NewPlainTableFactory());
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(4));
  options.allow_mmap_reads = true;
  options.paranoid_file_checks = false;
  ASSERT_NO_FATAL_FAILURE(make(options));
  refused("table_factory=PlainTable has files of neither format");

  // In no OPTIONS file.
  options = Still(StockOptions());
  options.db_paths = {{folder() + "/a", 1}, {folder() + "/b", 1 << 30}};
  ASSERT_NO_FATAL_FAILURE(make(options));
  refused("No such file");
}

// Edits the OPTIONS file as an application's own build of RocksDB might have
// written it.
TEST_F(MigrateTest, OptionsThatAreNotKnownAreNamed) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  std::string name;
  ASSERT_TRUE(rocksdb::GetLatestOptionsFileName(path(), env(), &name).ok());
  const std::string file = path() + "/" + name;
  const std::string text = ReadFile(file);
  const auto replaced = [&text](const std::string& from,
                                const std::string& to) {
    std::string edited = text;
    const size_t at = edited.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return edited.replace(at, from.size(), to);
  };
  WriteFile(file, replaced("  max_background_jobs=3",
                           "  max_background_jobs=3\n  an_option=7"));
  EXPECT_TOOL(1, "an_option", "migrate", path(), "--to=fst");
  EXPECT_TOOL(1, name, "migrate", path(), "--to=fst");
  // RocksDB goes on without a filter policy that it cannot make.
  WriteFile(file, replaced("filter_policy=bloomfilter:12:false",
                           "filter_policy=an.applications.filter"));
  EXPECT_TOOL(1, "filter_policy is an.applications.filter", "migrate", path(),
              "--to=fst");
  WriteFile(file, replaced("compaction_filter_factory=nullptr",
                           "compaction_filter_factory=AnApplications"));
  EXPECT_TOOL(1, "AnApplications", "migrate", path(), "--to=fst");
  WriteFile(file, text.substr(0, text.size() / 2));
  EXPECT_TOOL(1, "memkv: ", "migrate", path(), "--to=fst");
  WriteFile(file, text);
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
}

TEST_F(MigrateTest, WhatCannotBeMigratedIsRefused) {
  EXPECT_TOOL(1, "CURRENT", "migrate", folder() + "/nowhere", "--to=fst");
  EXPECT_TOOL(2, "says which format", "migrate", path());
  EXPECT_TOOL(2, "says which format", "migrate", path(), "--to=plain");
  EXPECT_FALSE(std::filesystem::exists(folder() + "/nowhere"));
  ASSERT_NO_FATAL_FAILURE(Open(Still(StockOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_TOOL(1, "has no column family nothing", "migrate", path(), "--to=fst",
              "--column_family=nothing");
  EXPECT_TOOL(1, "another process has the database open", "migrate", path(),
              "--to=fst");
  const std::string file = SstFiles().front();
  Close();
  const std::string whole = ReadFile(file);
  std::string damaged = whole;
  damaged[100] = static_cast<char>(damaged[100] ^ 1);
  WriteFile(file, damaged);
  EXPECT_TOOL(1, "Corruption", "migrate", path(), "--to=fst");
  EXPECT_TRUE(std::filesystem::exists(file));
  WriteFile(file, whole);
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().filename().string().rfind("OPTIONS-", 0) == 0) {
      std::filesystem::remove(entry.path());
    }
  }
  EXPECT_TOOL(1, "No options files found", "migrate", path(),
              "--to=block_based");
}

}  // namespace
}  // namespace memkv
