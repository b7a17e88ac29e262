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
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/advanced_cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/db/fst_db_test_util.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::ColumnFamilyOptions;
using rocksdb::ConfigOptions;
using rocksdb::Options;
using rocksdb::Status;
using rocksdb::TableFactory;

using FactoryPtr = std::shared_ptr<TableFactory>;
using Map = std::unordered_map<std::string, std::string>;

ConfigOptions Strict() {
  ConfigOptions config;
  config.ignore_unsupported_options = false;
  config.ignore_unknown_options = false;
  return config;
}

// Some that each option takes, and many that it does not.
const char* const kValues[] = {"true",
                               "false",
                               "0",
                               "1",
                               "3",
                               "17",
                               "8192",
                               "0.5",
                               "-1",
                               "kCRC32c",
                               "kNoChecksum",
                               "kHashSearch",
                               "kTwoLevelIndexSearch",
                               "kDataBlockBinaryAndHash",
                               "kNoShortening",
                               "kFlushOnly",
                               "{partition_pinning=kAll}",
                               "{partition_pinning=kSome}",
                               "bloomfilter:10:false",
                               "{id=ribbonfilter:5;bloom_before_level=2}",
                               "1M",
                               "{capacity=2M;num_shard_bits=1}",
                               "FlushBlockEveryKeyPolicyFactory",
                               "nonsense",
                               ""};

Status Create(const std::string& text, FactoryPtr* factory,
              bool prepare = true) {
  ConfigOptions config = Strict();
  config.invoke_prepare_options = prepare;
  return TableFactory::CreateFromString(config, text, factory);
}

FactoryPtr Created(const std::string& text) {
  FactoryPtr factory;
  const Status s = Create(text, &factory);
  EXPECT_TRUE(s.ok()) << text << ": " << s.ToString();
  return factory;
}

std::set<std::string> NamesOf(const TableFactory& factory) {
  std::unordered_set<std::string> names;
  EXPECT_TRUE(factory.GetOptionNames(Strict(), &names).ok());
  return {names.begin(), names.end()};
}

std::set<std::string> BlockBasedNames() {
  const auto names = NamesOf(*Created("BlockBasedTable"));
  EXPECT_GT(names.size(), 30u);
  EXPECT_EQ(names.count("filter_policy"), 1u);
  return names;
}

// Its value, or why there is none to read: RocksDB serializes no cache.
std::string OptionOf(const TableFactory& factory, const std::string& name) {
  std::string value;
  const Status s = factory.GetOption(Strict(), name, &value);
  return s.ok() ? value : s.ToString();
}

// All options of the block-based factory that `factory` is or has.
std::string BlockBasedText(const TableFactory& factory) {
  const rocksdb::Configurable* inner = factory.Inner();
  std::string text;
  EXPECT_TRUE((inner != nullptr ? inner : &factory)
                  ->GetOptionString(Strict(), &text)
                  .ok());
  // What a string does not say.
  const auto& cache = factory.GetOptions<BlockBasedTableOptions>()->block_cache;
  return text + "cache of " +
         (cache != nullptr ? std::to_string(cache->GetCapacity()) : "none");
}

void ExpectSays(const Status& s, const std::string& words) {
  EXPECT_FALSE(s.ok());
  EXPECT_NE(s.ToString().find(words), std::string::npos)
      << s.ToString() << "\nhas not: " << words;
}

// The status is `stock`'s, and says what it says.
void ExpectSame(const Status& s, const Status& stock) {
  EXPECT_EQ(s.code(), stock.code())
      << s.ToString() << " / stock: " << stock.ToString();
  if (!stock.ok()) ExpectSays(s, stock.getState());
}

class FstBlockBasedOptionsTest : public FstDbTest {
 protected:
  TableFactory& Live() const { return *db()->GetOptions().table_factory; }

  Status Set(const std::string& name, const std::string& value) {
    return db()->SetOptions({{"table_factory." + name, value}});
  }

  void OpenStock() {
    rocksdb::DB* stock = nullptr;
    const Status s =
        rocksdb::DB::Open(StockOptions(), folder() + "/stock", &stock);
    ASSERT_TRUE(s.ok()) << s.ToString();
    stock_.reset(stock);
  }

  // Sets an option of both databases, and expects of both the same.
  void SetBoth(const std::string& name, const std::string& value) {
    SCOPED_TRACE(name + "=" + value);
    const Map change = {{"table_factory." + name, value}};
    const Status stock = stock_->SetOptions(change);
    ExpectSame(db()->SetOptions(change), stock);
    EXPECT_EQ(BlockBasedText(Live()),
              BlockBasedText(*stock_->GetOptions().table_factory));
  }

  // The newest file is the one that was flushed last.
  Options WithoutCompactions(const std::string& fst) const {
    Options options = MemkvOptions(fst);
    options.disable_auto_compactions = true;
    return options;
  }

  // Of the file that is written and flushed now.
  rocksdb::TableProperties PropertiesOfNewFile() {
    const std::string before = SstFiles().empty() ? "" : SstFiles().back();
    for (int i = 0; i < 2000; ++i) Put(NumberKey(i), "value");
    Flush();
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    const std::string file = SstFiles().back();
    EXPECT_NE(file, before);
    for (const auto& [name, properties] : all) {
      if (std::filesystem::path(name).filename() ==
          std::filesystem::path(file).filename()) {
        return *properties;
      }
    }
    ADD_FAILURE() << "no properties of " << file;
    return {};
  }

  std::unique_ptr<rocksdb::DB> stock_;
};

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
    // There is something to compare of each.  (A filter policy that RocksDB
    // does not know it passes over.)
    EXPECT_GT(changed, 0u) << name;
    EXPECT_TRUE(refused > 0 || name == "filter_policy" ||
                name == "flush_block_policy_factory")
        << name;
  }
}

TEST_F(FstBlockBasedOptionsTest, NamesThatRocksDbHasGivenUpAreTakenAsByIt) {
  for (const char* name :
       {"hash_index_allow_collision", "block_cache_compressed",
        "reserve_table_reader_memory"}) {
    SCOPED_TRACE(name);
    const std::string option = std::string(name) + "=true";
    FactoryPtr stock;
    FactoryPtr fst;
    const Status s = Create("id=BlockBasedTable;" + option, &stock);
    EXPECT_TRUE(s.ok()) << s.ToString();
    ExpectSame(Create("id=fst;" + option, &fst), s);
  }
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

TEST_F(FstBlockBasedOptionsTest, EveryNameChangesLiveAsOfABlockBasedTable) {
  ASSERT_NO_FATAL_FAILURE(OpenStock());
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  const std::string defaults = BlockBasedText(Live());
  for (const std::string& name : BlockBasedNames()) {
    const std::string before = OptionOf(Live(), name);
    size_t changed = 0;
    for (const char* value : kValues) {
      ASSERT_NO_FATAL_FAILURE(SetBoth(name, value));
      if (BlockBasedText(Live()) == defaults) continue;
      ++changed;
      // Back.  (To take a filter policy away from a BlockBasedTable, this is
      // the way.)
      const std::string old = name == "block_cache" ? "32M" : before;
      ASSERT_NO_FATAL_FAILURE(SetTableOption(name, old));
      const Status s = stock_->SetOptions(
          {{"block_based_table_factory", "{" + name + "=" + old + "}"}});
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_EQ(BlockBasedText(Live()), defaults) << name << "=" << value;
    }
    EXPECT_GT(changed, 0u) << name;
  }
  ASSERT_NO_FATAL_FAILURE(SetBoth("block_sise", "1"));
  ASSERT_NO_FATAL_FAILURE(SetBoth("metadata_cache_options.block_sise", "kAll"));
  ASSERT_NO_FATAL_FAILURE(
      SetBoth("metadata_cache_options.partition_pinning", "kAll"));
  ASSERT_NO_FATAL_FAILURE(SetBoth("BlockBasedTable.block_size", "2048"));
  EXPECT_EQ(OptionOf(Live(), "block_size"), "2048");
  // Several at once; and nothing, if one of them is refused.
  for (const char* last : {"block_restart_interval", "block_sise"}) {
    const Map change = {{"table_factory.block_size", "16384"},
                        {"table_factory.checksum", "kCRC32c"},
                        {std::string("table_factory.") + last, "11"}};
    ExpectSame(db()->SetOptions(change), stock_->SetOptions(change));
    EXPECT_EQ(BlockBasedText(Live()),
              BlockBasedText(*stock_->GetOptions().table_factory));
    EXPECT_EQ(OptionOf(Live(), "block_size"), "16384");
    ASSERT_NO_FATAL_FAILURE(SetBoth("block_size", "16384"));
  }
  for (const char* format : {"fst", "block_based"}) {
    ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", format));
    ASSERT_NO_FATAL_FAILURE(Put(format, "value"));
    ASSERT_NO_FATAL_FAILURE(Flush());
    EXPECT_EQ(Get(format), "value");
    EXPECT_EQ(Get("key"), "value");
  }
}

TEST_F(FstBlockBasedOptionsTest, OptionOfAFilterPolicyChangesInPlace) {
  ASSERT_NO_FATAL_FAILURE(OpenStock());
  ASSERT_NO_FATAL_FAILURE(Open(WithoutCompactions("")));
  const std::string option = "filter_policy.bloom_before_level";
  // Without a policy, of one that has no such option, and of the one that has.
  for (const char* policy :
       {"", "bloomfilter:10:false", "ribbonfilter:10:-1"}) {
    ASSERT_NO_FATAL_FAILURE(SetBoth("filter_policy", policy));
    for (const char* value : {"3", "many", "-1", ""}) {
      ASSERT_NO_FATAL_FAILURE(SetBoth(option, value));
    }
  }
  ASSERT_NO_FATAL_FAILURE(SetBoth(option, "-1"));

  const FactoryPtr factory = db()->GetOptions().table_factory;
  const auto policy =
      factory->GetOptions<BlockBasedTableOptions>()->filter_policy;
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(policy->GetId(), "ribbonfilter:10:-1");
  for (const char* name : {"filter_policy.bloom_before_level",
                           "block_based.filter_policy.bloom_before_level"}) {
    SCOPED_TRACE(name);
    const uint64_t ribbon = PropertiesOfNewFile().filter_size;
    EXPECT_GT(ribbon, 0u);
    ASSERT_NO_FATAL_FAILURE(SetTableOption(name, "3"));
    EXPECT_EQ(OptionOf(Live(), name), "3");
    // Neither the factory nor the policy is another one.
    EXPECT_EQ(&Live(), factory.get());
    EXPECT_EQ(policy->GetId(), "ribbonfilter:10:3");
    // A bloom filter of as few mistakes is larger, by 30 percent or more.
    const uint64_t bloom = PropertiesOfNewFile().filter_size;
    EXPECT_GT(bloom, ribbon + ribbon / 5);
    ASSERT_NO_FATAL_FAILURE(SetTableOption(name, "-1"));
  }
}

TEST_F(FstBlockBasedOptionsTest, FilesFollowWhatChangesByTheShortName) {
  Options options = WithoutCompactions("");
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_EQ(PropertiesOfNewFile().filter_size, 0u);
  ASSERT_NO_FATAL_FAILURE(
      SetTableOption("filter_policy", "bloomfilter:10:false"));
  EXPECT_GT(PropertiesOfNewFile().filter_size, 0u);
  ASSERT_NO_FATAL_FAILURE(SetTableOption("checksum", "kNoChecksum"));
  PropertiesOfNewFile();
  const std::string bytes = ReadFile(SstFiles().back());
  // As FORMAT.md has it: the footer's first byte.
  EXPECT_EQ(bytes[bytes.size() - 53], '\0');
  EXPECT_EQ(Kinds().block_based, 0u);
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_cache", "3M"));
  uint64_t capacity = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.block-cache-capacity", &capacity));
  EXPECT_EQ(capacity, 3u << 20);

  // Block-based files, too.
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  const uint64_t blocks = PropertiesOfNewFile().num_data_blocks;
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_size", "512"));
  EXPECT_GT(PropertiesOfNewFile().num_data_blocks, 4 * blocks);

  // Without a cache, none is asked by files that are opened then.
  for (const char* format : {"fst", "block_based"}) {
    ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", format));
    ASSERT_NO_FATAL_FAILURE(SetTableOption("no_block_cache", "false"));
    for (const bool cached : {true, false}) {
      SCOPED_TRACE(std::string(format) + (cached ? ", cached" : ""));
      if (!cached) {
        ASSERT_NO_FATAL_FAILURE(SetTableOption("no_block_cache", "true"));
      }
      // Values that are too long to stay beside the keys.
      ASSERT_NO_FATAL_FAILURE(Put("long", std::string(5000, 'v')));
      ASSERT_NO_FATAL_FAILURE(Flush());
      ASSERT_TRUE(options.statistics->Reset().ok());
      EXPECT_EQ(Get("long").size(), 5000u);
      EXPECT_EQ(
          options.statistics->getTickerCount(rocksdb::BLOCK_CACHE_MISS) +
                  options.statistics->getTickerCount(rocksdb::BLOCK_CACHE_HIT) >
              0,
          cached);
    }
  }
}

TEST_F(FstBlockBasedOptionsTest, ScansOfFstFilesReadAheadAsTheOptionsSay) {
  Options options = WithoutCompactions("residency=cache;value_block_size=1K");
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 64 << 20;
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), RandomBytes(&rng, 300)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::vector<std::string> files = SstFiles();
  ASSERT_EQ(files.size(), 1u);
  ASSERT_TRUE(IsFstFile(files[0]));
  // Reads of the file in a scan, with an empty cache.
  const auto reads = [&](const std::string& fst) {
    Options reader = options;
    reader.table_factory =
        Created("id=fst;residency=cache;block_cache=1M;" + fst);
    Open(reader);
    EXPECT_TRUE(options.statistics->Reset().ok());
    ScanChecksum(db());
    return options.statistics->getTickerCount(
               rocksdb::NON_LAST_LEVEL_READ_COUNT) +
           options.statistics->getTickerCount(rocksdb::LAST_LEVEL_READ_COUNT);
  };
  const uint64_t ahead = reads("");
  const uint64_t alone = reads("max_auto_readahead_size=0");
  EXPECT_GT(alone, 700u);
  EXPECT_LT(ahead, alone / 20);
  const uint64_t short_steps =
      reads("initial_auto_readahead_size=16K;max_auto_readahead_size=16K");
  EXPECT_GT(short_steps, 2 * ahead);
  EXPECT_LT(short_steps, alone / 5);
  EXPECT_GT(reads("num_file_reads_for_auto_readahead=300"), ahead + 200);
}

TEST_F(FstBlockBasedOptionsTest, OptionThatLacksAnotherIsPassedOver) {
  ASSERT_NO_FATAL_FAILURE(OpenStock());
  ASSERT_NO_FATAL_FAILURE(Open(WithoutCompactions(
      "write_format=block_based;filter_policy=bloomfilter:10")));
  ASSERT_NO_FATAL_FAILURE(SetBoth("filter_policy", "bloomfilter:10"));
  // RocksDB sets all these, and its builder would crash or go wrong.
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, const char*>>{
           {"partition_filters", "true"},
           {"block_size_deviation", "-100000"},
           {"block_restart_interval", "0"},
           {"index_block_restart_interval", "-3"}}) {
    SCOPED_TRACE(name);
    ASSERT_NO_FATAL_FAILURE(SetBoth(name, value));
    EXPECT_EQ(OptionOf(Live(), name), value);
    for (const char* format : {"block_based", "fst"}) {
      ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", format));
      EXPECT_GT(PropertiesOfNewFile().filter_size, 0u);
      EXPECT_EQ(Get(NumberKey(1999)), "value");
      EXPECT_EQ(Get(NumberKey(1999) + "x"), "NOT_FOUND");
    }
    EXPECT_FALSE(Live().GetPrintableOptions().empty());
  }
}

TEST_F(FstBlockBasedOptionsTest, NullptrTakesAwayWhatIsThere) {
  const std::string policies =
      "filter_policy=bloomfilter:10:false;"
      "flush_block_policy_factory=FlushBlockEveryKeyPolicyFactory";
  for (const char* format : {"fst", "block_based"}) {
    for (const char* prefix : {"", "block_based."}) {
      SCOPED_TRACE(std::string(format) + " " + prefix);
      Destroy();
      ASSERT_NO_FATAL_FAILURE(Open(
          MemkvOptions(policies + ";write_format=" + std::string(format))));
      const uint64_t blocks = PropertiesOfNewFile().num_data_blocks;
      for (const char* name : {"filter_policy", "flush_block_policy_factory"}) {
        ASSERT_NO_FATAL_FAILURE(
            SetTableOption(std::string(prefix) + name, "nullptr"));
        EXPECT_EQ(OptionOf(Live(), name), "nullptr");
      }
      EXPECT_FALSE(Live().GetPrintableOptions().empty());
      const rocksdb::TableProperties properties = PropertiesOfNewFile();
      EXPECT_EQ(properties.filter_size, 0u);
      // Blocks are cut by their size then.
      if (format == std::string("block_based")) {
        EXPECT_LT(properties.num_data_blocks, blocks / 10);
      }
    }
  }
}

TEST_F(FstBlockBasedOptionsTest, NothingChangesOnTheFactoryInUse) {
  ASSERT_NO_FATAL_FAILURE(Open(WithoutCompactions("segment_size=2048")));
  const FactoryPtr factory = db()->GetOptions().table_factory;
  const auto* const bbto = factory->GetOptions<BlockBasedTableOptions>();
  const std::string before = factory->ToString(Strict());
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_size", "16384"));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_based", "{checksum=kCRC32c}"));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("segment_size", "4096"));
  EXPECT_NE(&Live(), factory.get());
  // RocksDB passes this one to the factory in use.
  for (const char* name : {"FstTable.segment_size", "FstTable.block_size"}) {
    const Status s = Set(name, "8192");
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    ExpectSays(s, name);
  }
  EXPECT_EQ(OptionOf(Live(), "segment_size"), "4096");
  EXPECT_EQ(OptionOf(Live(), "block_size"), "16384");
  EXPECT_EQ(OptionOf(Live(), "checksum"), "kCRC32c");
  EXPECT_EQ(factory->ToString(Strict()), before);
  EXPECT_EQ(bbto, factory->GetOptions<BlockBasedTableOptions>());
  EXPECT_EQ(bbto->block_size, BlockBasedTableOptions().block_size);
}

TEST_F(FstBlockBasedOptionsTest, TheChecklistSaysOfEachWhatItIsFor) {
  const std::string checklist =
      ReadFile(std::filesystem::path(__FILE__).parent_path() /
               "../../docs/checklist.md");
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
