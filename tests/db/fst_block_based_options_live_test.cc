// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's block-based options changed on a live database of FST files: each
// as of a block-based table, and files that follow.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "tests/db/fst_block_based_options_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::Options;
using rocksdb::Status;

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
    // Not every version that has the option has an index for it.
    EXPECT_TRUE(changed > 0 || name == "user_defined_index_factory") << name;
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
  Options options = WithoutCompactions("default_filter=none");
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
      "default_filter=none;filter_policy=bloomfilter:10:false;"
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

}  // namespace
}  // namespace memkv
