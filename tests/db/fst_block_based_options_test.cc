// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The options of BlockBasedTable by their own names, as options of `fst`: they
// are taken, refused and changed on a live database as a BlockBasedTable takes,
// refuses and changes them.  The names come from RocksDB, so that those of
// another version are tried, too.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/db/fst_block_based_options_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::ColumnFamilyOptions;
using rocksdb::ConfigOptions;
using rocksdb::Options;
using rocksdb::Status;

TEST_F(FstBlockBasedOptionsTest, NoNameHasTwoMeanings) {
  const std::set<std::string> own = NamesOf(*Created("fst"));
  EXPECT_EQ(own.count("segment_size"), 1u);
  for (const std::string& name : BlockBasedNames()) {
    EXPECT_EQ(own.count(name), 0u) << name;
  }
}

TEST_F(FstBlockBasedOptionsTest, EveryNameMeansInAStringWhatItMeansToRocksDb) {
  const std::string defaults = BlockBasedText(*Created("BlockBasedTable"));
  for (const std::string& name : BlockBasedNames()) {
    size_t changed = 0;
    size_t refused = 0;
    for (const std::string value : kValues) {
      const std::string option = name + "=" + value;
      for (const bool prepare : {true, false}) {
        FactoryPtr stock;
        const Status s =
            Create("id=BlockBasedTable;" + option, &stock, prepare);
        for (const std::string& form : {option, "block_based={" + option + "}",
                                        "block_based." + option}) {
          SCOPED_TRACE(form + (prepare ? ", prepared" : ""));
          FactoryPtr fst;
          ExpectSame(Create("id=fst;" + form, &fst, prepare), s);
          if (!s.ok()) continue;
          ASSERT_NE(fst, nullptr);
          EXPECT_EQ(BlockBasedText(*fst), BlockBasedText(*stock));
          EXPECT_EQ(OptionOf(*fst, name), OptionOf(*stock, name));
        }
        refused += s.ok() ? 0 : 1;
        changed += s.ok() && BlockBasedText(*stock) != defaults ? 1 : 0;
      }
    }
    // There is something to compare of each.  (A filter policy or an index that
    // RocksDB does not know it passes over, and not every version with
    // user_defined_index_factory has an index for it; of block_cache_compressed
    // what is set is not shown.)
    EXPECT_TRUE(changed > 0 || name == "block_cache_compressed" ||
                name == "user_defined_index_factory")
        << name;
    EXPECT_TRUE(refused > 0 || name == "filter_policy" ||
                name == "flush_block_policy_factory" ||
                name == "user_defined_index_factory")
        << name;
  }
}

TEST_F(FstBlockBasedOptionsTest, NamesThatRocksDbHasGivenUpAreTakenAsByIt) {
  int taken = 0;
  for (const char* name :
       {"hash_index_allow_collision", "block_cache_compressed",
        "reserve_table_reader_memory"}) {
    SCOPED_TRACE(name);
    const std::string option = std::string(name) + "=true";
    FactoryPtr stock;
    FactoryPtr fst;
    const Status s = Create("id=BlockBasedTable;" + option, &stock);
    taken += s.ok() ? 1 : 0;
    ExpectSame(Create("id=fst;" + option, &fst), s);
  }
  // One is an option still, of another kind, in old versions.
  EXPECT_GE(taken, 2);
}

TEST_F(FstBlockBasedOptionsTest, ManyAtOnceComeByStringByMapAndByOptionsFile) {
  const std::string many =
      "filter_policy=ribbonfilter:10:-1;block_cache=5M;"
      "cache_index_and_filter_blocks=1;block_size=16K;checksum=kCRC32c;"
      "metadata_cache_options={partition_pinning=kAll};"
      "metadata_cache_options.top_level_index_pinning=kNone";
  const std::string wanted =
      BlockBasedText(*Created("id=BlockBasedTable;" + many));
  const FactoryPtr fst = Created("id=fst;segment_size=4K;" + many);
  EXPECT_EQ(BlockBasedText(*fst), wanted);
  EXPECT_EQ(OptionOf(*fst, "segment_size"), "4096");
  EXPECT_EQ(fst->GetOptions<BlockBasedTableOptions>()->block_size, 16384u);

  Map map;
  ASSERT_TRUE(rocksdb::StringToMap("segment_size=4K;" + many, &map).ok());
  const FactoryPtr mapped = Created("fst");
  Status s = mapped->ConfigureFromMap(Strict(), map);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(BlockBasedText(*mapped), wanted);
  EXPECT_EQ(OptionOf(*mapped, "segment_size"), "4096");

  ColumnFamilyOptions family;
  s = rocksdb::GetColumnFamilyOptionsFromMap(
      Strict(), ColumnFamilyOptions(),
      {{"table_factory", "{id=fst;segment_size=4K;" + many + "}"}}, &family);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(BlockBasedText(*family.table_factory), wanted);

  // Written by hand, one a line.
  std::string lines =
      "[Version]\nrocksdb_version=9.10.0\noptions_file_version=1.1\n"
      "[DBOptions]\n[CFOptions \"default\"]\n"
      "[TableOptions/FstTable \"default\"]\n";
  for (const auto& [name, value] : map) {
    lines += "  " + name + "=" + value + "\n";
  }
  const std::string file = folder() + "/by_hand.ini";
  WriteFile(file, lines);
  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  ConfigOptions config = Strict();
  config.env = env();
  s = rocksdb::LoadOptionsFromFile(config, file, &db_options, &families);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_EQ(families.size(), 1u);
  EXPECT_EQ(BlockBasedText(*families[0].options.table_factory), wanted);

  WriteFile(file, lines + "  block_sise=1\n");
  ExpectSays(rocksdb::LoadOptionsFromFile(config, file, &db_options, &families),
             "block_sise");
}

TEST_F(FstBlockBasedOptionsTest, OptionsFilesSayEachOnceAndLoseNone) {
  NEEDS_LIVE_TABLE_OPTIONS();
  const std::string fst =
      "segment_size=12345;filter_policy=bloomfilter:10:false;block_size=8192;"
      "checksum=kxxHash64;index_type=kTwoLevelIndexSearch;"
      "partition_filters=true";
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(fst)));
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  // Two changes: the file is written, and compared, anew.
  ASSERT_NO_FATAL_FAILURE(SetTableOption("whole_key_filtering", "false"));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_restart_interval", "7"));
  const std::string live = BlockBasedText(Live());
  EXPECT_NE(live.find("block_restart_interval=7"), std::string::npos) << live;
  std::string text;
  ASSERT_TRUE(Live().GetOptionString(Strict(), &text).ok());
  Close();

  std::string name;
  ASSERT_TRUE(rocksdb::GetLatestOptionsFileName(path(), env(), &name).ok());
  std::string file = ReadFile(path() + "/" + name);
  file.erase(0, file.find("[TableOptions/FstTable \"default\"]"));
  for (const std::string& option : BlockBasedNames()) {
    for (const std::string& all : {text, file}) {
      size_t times = 0;
      for (const char* before : {" ", ";", "{"}) {
        const std::string word = before + option + "=";
        for (size_t at = all.find(word); at != std::string::npos;
             at = all.find(word, at + 1)) {
          ++times;
        }
      }
      EXPECT_EQ(times, option == "block_cache" ? 0u : 1u)
          << option << " in " << all;
    }
  }
  const FactoryPtr again = Created("id=fst;" + text);
  EXPECT_EQ(BlockBasedText(*again), live);
  std::string same;
  ASSERT_TRUE(again->GetOptionString(Strict(), &same).ok());
  EXPECT_EQ(same, text);

  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  ConfigOptions config = Strict();
  config.env = env();
  Status s = rocksdb::LoadLatestOptions(config, path(), &db_options, &families);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_EQ(families.size(), 1u);
  EXPECT_EQ(BlockBasedText(*families[0].options.table_factory), live);
  s = rocksdb::CheckOptionsCompatibility(config, path(), db_options, families);
  EXPECT_TRUE(s.ok()) << s.ToString();
  // Those of the same names and values are the same, however they are given.
  families[0].options.table_factory =
      Created("id=fst;whole_key_filtering=0;block_restart_interval=7;" + fst);
  s = rocksdb::CheckOptionsCompatibility(config, path(), db_options, families);
  EXPECT_TRUE(s.ok()) << s.ToString();
  families[0].options.table_factory = Created("id=fst;" + fst);
  s = rocksdb::CheckOptionsCompatibility(config, path(), db_options, families);
  ExpectSays(s, "failed the verification");
}

TEST_F(FstBlockBasedOptionsTest, PrintedOptionsSayEachOnce) {
  std::istringstream printed(
      Created("id=fst;block_size=8192;segment_size=4K")->GetPrintableOptions());
  std::set<std::string> names;
  for (std::string line; std::getline(printed, line);) {
    // Those of the cache stand four spaces in.
    if (line.rfind("    ", 0) == 0) continue;
    EXPECT_TRUE(names.insert(line.substr(0, line.find(':'))).second) << line;
    if (line.rfind("  block_size:", 0) == 0) {
      EXPECT_EQ(line.substr(14), "8192");
    }
  }
  EXPECT_EQ(names.count("  block_size"), 1u);
  EXPECT_EQ(names.count("  segment_size"), 1u);
}

TEST_F(FstBlockBasedOptionsTest, UnknownNamesAreRefusedByName) {
  for (const char* text :
       {"block_sise=4096", "filter_polcy=bloomfilter:10", "segmentsize=1",
        "residency.mode=pin", "metadata_cache_options.block_sise=kAll",
        "block_size=8192;block_sise=4096", "block_based.block_sise=4096",
        // SetOptions() would set it on the factory in use.
        "FstTable.segment_size=4096"}) {
    SCOPED_TRACE(text);
    const std::string option(text);
    const size_t start = option.rfind(';') + 1;
    std::string name = option.substr(start, option.rfind('=') - start);
    if (name.rfind("block_based.", 0) == 0) name = "block_sise";
    FactoryPtr factory;
    const Status s = Create("id=fst;" + option, &factory);
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    ExpectSays(s, name);
  }

  // Nothing is set if not all are known.
  const FactoryPtr fst = Created("fst");
  const std::string before = fst->ToString(Strict());
  ExpectSays(fst->ConfigureFromMap(Strict(), {{"block_size", "8192"},
                                              {"segment_size", "4096"},
                                              {"block_sise", "1"}}),
             "block_sise");
  EXPECT_EQ(fst->ToString(Strict()), before);
  ExpectSays(fst->ConfigureFromMap(
                 Strict(), {{"block_size", "8192"}, {"segment_size", "1"}}),
             "segment_size");
  EXPECT_EQ(fst->ToString(Strict()), before);

  // Whoever asks for them gets those that are left.
  Map unused;
  Status s = fst->ConfigureFromMap(
      Strict(),
      {{"block_size", "8192"}, {"segment_size", "4096"}, {"block_sise", "1"}},
      &unused);
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(unused, (Map{{"block_sise", "1"}}));
  EXPECT_EQ(OptionOf(*fst, "block_size"), "8192");
  EXPECT_EQ(OptionOf(*fst, "segment_size"), "4096");

  ConfigOptions lenient;
  lenient.ignore_unknown_options = true;
  s = fst->ConfigureFromString(
      lenient,
      "block_size=1024;block_sise=1;segment_size=2048;block_based={no=1}");
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(OptionOf(*fst, "block_size"), "1024");
  EXPECT_EQ(OptionOf(*fst, "segment_size"), "2048");

  std::string value;
  EXPECT_TRUE(fst->GetOption(Strict(), "block_sise", &value).IsNotFound());
}

TEST_F(FstBlockBasedOptionsTest, TheShorterNameWinsIfSeveralAreGiven) {
  const std::string whole =
      "block_based={filter_policy=ribbonfilter:5:-1;block_size=1K;checksum="
      "kCRC32c}";
  const std::string element = "block_based.block_size=2K";
  const std::string element_filter = "block_based.filter_policy=nullptr";
  const std::string shorter = "filter_policy=bloomfilter:10:false";
  for (const std::string& text :
       {whole + ";" + element + ";" + element_filter + ";" + shorter,
        shorter + ";" + element_filter + ";" + element + ";" + whole,
        element + ";" + shorter + ";" + whole + ";" + element_filter}) {
    SCOPED_TRACE(text);
    const FactoryPtr fst = Created("id=fst;" + text);
    EXPECT_EQ(OptionOf(*fst, "filter_policy"), "bloomfilter:10:false");
    EXPECT_EQ(OptionOf(*fst, "block_size"), "2048");
    EXPECT_EQ(OptionOf(*fst, "block_based.block_size"), "2048");
    EXPECT_EQ(OptionOf(*fst, "checksum"), "kCRC32c");
  }
  // RocksDB adds what a factory of the same kind has, as it is printed.
  FactoryPtr fst = Created("id=fst;segment_size=4K;" + whole);
  const Status s = Create("id=fst;" + shorter, &fst);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(OptionOf(*fst, "filter_policy"), "bloomfilter:10:false");
  EXPECT_EQ(OptionOf(*fst, "block_size"), "1024");
  EXPECT_EQ(OptionOf(*fst, "segment_size"), "4096");
}

TEST_F(FstBlockBasedOptionsTest, OptionsThatNeedEachOtherMayComeInAnyWay) {
  NEEDS_LIVE_TABLE_OPTIONS();
  // RocksDB takes partitioned filters back where the index is not partitioned.
  EXPECT_EQ(
      OptionOf(*Created("id=fst;partition_filters=1"), "partition_filters"),
      "false");
  const std::string index = "index_type=kTwoLevelIndexSearch";
  for (const std::string& text :
       {"partition_filters=1;" + index,
        "block_based={partition_filters=1};" + index,
        "partition_filters=1;block_based={" + index + "}",
        "block_based.partition_filters=1;" + index,
        "block_based={partition_filters=1};block_based." + index}) {
    ColumnFamilyOptions options;
    const Status s = rocksdb::GetColumnFamilyOptionsFromString(
        Strict(), ColumnFamilyOptions(), "table_factory={id=fst;" + text + "}",
        &options);
    ASSERT_TRUE(s.ok()) << text << ": " << s.ToString();
    EXPECT_EQ(OptionOf(*options.table_factory, "partition_filters"), "true")
        << text;
  }

  ASSERT_NO_FATAL_FAILURE(Open(WithoutCompactions(
      "write_format=block_based;filter_policy=bloomfilter:10")));
  const Status s =
      db()->SetOptions({{"table_factory.partition_filters", "true"},
                        {"table_factory.index_type", "kTwoLevelIndexSearch"}});
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(OptionOf(Live(), "partition_filters"), "true");
  EXPECT_GT(PropertiesOfNewFile().index_partitions, 0u);
}

TEST_F(FstBlockBasedOptionsTest, TheChecklistSaysOfEachWhatItIsFor) {
  const std::string checklist =
      ReadFile(MEMKV_TESTS_FOLDER "/../docs/checklist.md");
  const size_t start = checklist.find("## Options of BlockBasedTable");
  ASSERT_NE(start, std::string::npos);
  const std::string part =
      checklist.substr(start, checklist.find("\n## ", start + 1) - start);
  for (const std::string& name : BlockBasedNames()) {
    EXPECT_NE(part.find("`" + name + "`"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace memkv
