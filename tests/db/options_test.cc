// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Every option of `art` and `fst`: its name, default, range and refusal, by
// options string, by OPTIONS file, and by SetOptions on a live database.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "compat/block_cache.h"
#include "compat/open.h"
#include "compat/table_factory.h"
#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::ColumnFamilyOptions;
using rocksdb::ConfigOptions;
using rocksdb::MemTableRepFactory;
using rocksdb::Options;
using rocksdb::Status;
using rocksdb::TableFactory;

ConfigOptions Strict() {
  ConfigOptions config;
  config.ignore_unsupported_options = false;
  config.ignore_unknown_options = false;
  return config;
}

class OptionsTest : public FstDbTest {
 protected:
  static Status Parse(const std::string& text, ColumnFamilyOptions* options) {
    return rocksdb::GetColumnFamilyOptionsFromString(
        Strict(), ColumnFamilyOptions(), text, options);
  }

  static std::string OptionOf(const TableFactory& factory,
                              const std::string& name) {
    std::string value;
    const Status s = factory.GetOption(Strict(), name, &value);
    EXPECT_TRUE(s.ok()) << name << ": " << s.ToString();
    return value;
  }

  static void ExpectNames(const Status& s, const std::string& name) {
    EXPECT_FALSE(s.ok());
    EXPECT_NE(s.ToString().find(name), std::string::npos) << s.ToString();
  }

  std::string LiveTableOption(const std::string& name) const {
    return OptionOf(*db()->GetOptions().table_factory, name);
  }
};

TEST_F(OptionsTest, ArtAndFstAreFoundByEveryName) {
  for (const char* text :
       {"table_factory=fst", "table_factory=FstTable", "table_factory={id=fst}",
        "table_factory={id=FstTable;}",
        "table_factory={id=fst;segment_size=256K;block_based={}}"}) {
    ColumnFamilyOptions options;
    const Status s = Parse(text, &options);
    ASSERT_TRUE(s.ok()) << text << ": " << s.ToString();
    EXPECT_STREQ(options.table_factory->Name(), "FstTable") << text;
    EXPECT_TRUE(options.table_factory->IsInstanceOf("fst"));
    EXPECT_TRUE(options.table_factory->IsInstanceOf("BlockBasedTable"));
    EXPECT_FALSE(options.table_factory->IsInstanceOf("PlainTable"));
  }
  for (const char* text : {"memtable_factory=art", "memtable_factory={id=art}",
                           "memtable_factory={id=art;fallback=none}"}) {
    ColumnFamilyOptions options;
    const Status s = Parse(text, &options);
    ASSERT_TRUE(s.ok()) << text << ": " << s.ToString();
    EXPECT_TRUE(options.memtable_factory->IsInstanceOf("art")) << text;
  }
  // Twice is once.
  std::string error = "none yet";
  EXPECT_TRUE(RegisterMemkv(&error));
  EXPECT_EQ("", error);
  ColumnFamilyOptions options;
  EXPECT_TRUE(Parse("table_factory=fst", &options).ok());
}

// In a process of its own, where nothing has been registered.
TEST(FactoriesMadeByHandTest, AreFoundByNameFromThenOn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto found = [](const char* text) {
    ColumnFamilyOptions options;
    return rocksdb::GetColumnFamilyOptionsFromString(
               Strict(), ColumnFamilyOptions(), text, &options)
        .ok();
  };
  EXPECT_EXIT(
      {
        const bool before = found("table_factory=fst");
        const std::unique_ptr<TableFactory> factory(NewFstTableFactory());
        exit(!before && found("table_factory=fst") ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        const bool before = found("memtable_factory=art");
        const std::unique_ptr<MemTableRepFactory> factory(
            NewArtMemTableRepFactory());
        exit(!before && found("memtable_factory=art") ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(OptionsTest, DefaultsAreTheHeadersDefaults) {
  const std::unique_ptr<TableFactory> fst(NewFstTableFactory());
  EXPECT_EQ(OptionOf(*fst, "write_format"), "fst");
  EXPECT_EQ(OptionOf(*fst, "residency"), "auto");
  EXPECT_EQ(OptionOf(*fst, "pinned_keys_limit"), "0");
  EXPECT_EQ(OptionOf(*fst, "segment_size"),
            std::to_string(FstTableOptions().segment_size));
  EXPECT_EQ(OptionOf(*fst, "segment_size"), "0");
  EXPECT_EQ(OptionOf(*fst, "value_block_size"), "4096");
  EXPECT_EQ(OptionOf(*fst, "inline_value_size"), "16");
  EXPECT_EQ(OptionOf(*fst, "key_buffer_size"), "67108864");
  ColumnFamilyOptions options;
  ASSERT_TRUE(Parse("table_factory=fst;memtable_factory=art", &options).ok());
  std::string mismatch;
  EXPECT_TRUE(
      options.table_factory->AreEquivalent(Strict(), fst.get(), &mismatch))
      << mismatch;
  std::string value;
  EXPECT_TRUE(
      options.memtable_factory->GetOption(Strict(), "fallback", &value).ok());
  EXPECT_EQ(value, "skip_list");
}

TEST_F(OptionsTest, EveryValueParsesAndPrintsBack) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> values = {
      {"write_format", {"fst", "block_based"}},
      {"residency", {"auto", "pin", "cache"}},
      {"pinned_keys_limit", {"0", "1", "1152921504606846976"}},
      {"segment_size", {"0", "1024", "16777216"}},
      {"value_block_size", {"64", "67108864"}},
      {"inline_value_size", {"0", "1024"}},
      {"key_buffer_size", {"0", "1099511627776"}},
  };
  for (const auto& [name, good] : values) {
    for (const std::string& value : good) {
      ColumnFamilyOptions options;
      const Status s =
          Parse("table_factory={id=fst;" + name + "=" + value + "}", &options);
      ASSERT_TRUE(s.ok()) << name << "=" << value << ": " << s.ToString();
      EXPECT_EQ(OptionOf(*options.table_factory, name), value);
      EXPECT_NE(options.table_factory->GetPrintableOptions().find(name + ": " +
                                                                  value),
                std::string::npos)
          << options.table_factory->GetPrintableOptions();
      Options open = StockOptions();
      open.table_factory = options.table_factory;
      EXPECT_TRUE(TryOpen(open).ok()) << name << "=" << value;
      Destroy();
    }
  }
}

TEST_F(OptionsTest, BadValuesAreRefusedByName) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> values = {
      {"write_format", {"trie", "", "FST"}},
      {"residency", {"pinned", "mmap"}},
      {"pinned_keys_limit", {"1152921504606846977", "all", "-1"}},
      {"segment_size", {"1023", "16777217", "many", "-1"}},
      {"value_block_size", {"63", "67108865", "none"}},
      {"inline_value_size", {"1025", "x"}},
      {"key_buffer_size", {"1099511627777", "some"}},
  };
  for (const auto& [name, bad] : values) {
    for (const std::string& value : bad) {
      SCOPED_TRACE(name + "=" + value);
      ColumnFamilyOptions options;
      Status s =
          Parse("table_factory={id=fst;" + name + "=" + value + "}", &options);
      if (s.ok()) {
        // Ranges are checked when a database takes the options.
        Options open = StockOptions();
        open.table_factory = options.table_factory;
        s = TryOpen(open);
      }
      EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
      ExpectNames(s, name);
      Destroy();
    }
  }
}

TEST_F(OptionsTest, UnknownOptionsAreRefusedByName) {
  ColumnFamilyOptions options;
  ExpectNames(Parse("table_factory={id=fst;segmentsize=1}", &options),
              "segmentsize");
  ExpectNames(
      Parse("table_factory={id=fst;block_based={block_sise=4096}}", &options),
      "block_sise");
  ExpectNames(Parse("table_factory={id=fst;block_based=PlainTable}", &options),
              "block_based");
  ExpectNames(Parse("memtable_factory={id=art;fall_back=none}", &options),
              "fall_back");
  ExpectNames(Parse("memtable_factory={id=art;fallback=vector}", &options),
              "fallback");
  ExpectNames(Parse("table_factory=fsst", &options), "fsst");
}

TEST_F(OptionsTest, StructsOutOfRangeAreRefusedAtOpen) {
  FstTableOptions bad;
  bad.segment_size = 1;
  Options open = StockOptions();
  open.table_factory.reset(NewFstTableFactory(bad));
  const Status s = TryOpen(open);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  ExpectNames(s, "segment_size");
}

TEST_F(OptionsTest, BlockBasedOptionsReachTheInnerFactory) {
  ColumnFamilyOptions options;
  const Status s = Parse(
      "table_factory={id=fst;block_based={block_size=8192;checksum=kCRC32c;"
      "filter_policy=bloomfilter:10:false;block_cache=2M}}",
      &options);
  ASSERT_TRUE(s.ok()) << s.ToString();
  auto* const inner =
      options.table_factory->GetOptions<BlockBasedTableOptions>();
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->block_size, 8192u);
  EXPECT_EQ(inner->checksum, rocksdb::kCRC32c);
  ASSERT_NE(inner->filter_policy, nullptr);
  ASSERT_NE(inner->block_cache, nullptr);
  EXPECT_EQ(inner->block_cache->GetCapacity(), 2u << 20);
  EXPECT_EQ(OptionOf(*options.table_factory, "block_based.block_size"), "8192");

  BlockBasedTableOptions bbto;
  bbto.block_size = 12345;
  const std::unique_ptr<TableFactory> fst(
      NewFstTableFactory(FstTableOptions(), &bbto));
  EXPECT_EQ(fst->GetOptions<BlockBasedTableOptions>()->block_size, 12345u);
}

TEST_F(OptionsTest, RocksDbsBlockCacheStatisticsFollowTheInnerCache) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions("block_based={block_cache=3M}")));
  uint64_t capacity = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.block-cache-capacity", &capacity));
  EXPECT_EQ(capacity, 3u << 20);
}

TEST_F(OptionsTest, CloneIsEqualAndIndependent) {
  ColumnFamilyOptions options;
  ASSERT_TRUE(Parse("table_factory={id=fst;segment_size=4K;residency=cache;"
                    "block_based={block_size=8192}}",
                    &options)
                  .ok());
  const std::unique_ptr<TableFactory> clone =
      static_cast<const compat::TableFactoryBase&>(*options.table_factory)
          .Clone();
  std::string mismatch;
  EXPECT_TRUE(
      clone->AreEquivalent(Strict(), options.table_factory.get(), &mismatch))
      << mismatch;
  // The cache is shared, as BlockBasedTable's clones share it.
  EXPECT_EQ(
      clone->GetOptions<BlockBasedTableOptions>()->block_cache,
      options.table_factory->GetOptions<BlockBasedTableOptions>()->block_cache);
  ASSERT_TRUE(clone->ConfigureFromString(Strict(), "segment_size=2048").ok());
  ASSERT_TRUE(
      clone->ConfigureFromString(Strict(), "block_based.block_size=16384")
          .ok());
  EXPECT_EQ(OptionOf(*clone, "segment_size"), "2048");
  EXPECT_EQ(OptionOf(*options.table_factory, "segment_size"), "4096");
  EXPECT_EQ(OptionOf(*options.table_factory, "block_based.block_size"), "8192");
  EXPECT_FALSE(
      clone->AreEquivalent(Strict(), options.table_factory.get(), &mismatch));
}

TEST_F(OptionsTest, OptionsFileRoundTrips) {
  const std::string fst =
      "write_format=block_based;residency=cache;segment_size=12345;"
      "value_block_size=777;inline_value_size=3;"
      "block_based={block_size=8192;checksum=kxxHash64;"
      "filter_policy=bloomfilter:10:false}";
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(fst)));
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  Close();

  std::string name;
  ASSERT_TRUE(rocksdb::GetLatestOptionsFileName(path(), env(), &name).ok());
  const std::string text = ReadFile(path() + "/" + name);
  EXPECT_NE(text.find("[TableOptions/FstTable \"default\"]"),
            std::string::npos);
  EXPECT_NE(text.find("table_factory=FstTable"), std::string::npos);
  EXPECT_NE(text.find("memtable_factory={id=art;"), std::string::npos) << text;
  for (const char* line :
       {"write_format=block_based", "residency=cache", "segment_size=12345",
        "value_block_size=777", "inline_value_size=3"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " in " << text;
  }

  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  ConfigOptions config = Strict();
  config.env = env();
  Status s = rocksdb::LoadLatestOptions(config, path(), &db_options, &families);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_EQ(families.size(), 1u);
  const TableFactory& loaded = *families[0].options.table_factory;
  EXPECT_TRUE(families[0].options.memtable_factory->IsInstanceOf("art"));
  std::string mismatch;
  EXPECT_TRUE(loaded.AreEquivalent(
      config, MemkvOptions(fst).table_factory.get(), &mismatch))
      << mismatch;
  EXPECT_EQ(loaded.GetOptions<BlockBasedTableOptions>()->checksum,
            rocksdb::kxxHash64);
  ASSERT_NE(loaded.GetOptions<BlockBasedTableOptions>()->filter_policy,
            nullptr);

  // The database opens with what was loaded, and agrees with it.
  s = rocksdb::CheckOptionsCompatibility(config, path(), db_options, families);
  EXPECT_TRUE(s.ok()) << s.ToString();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  db_options.env = env();
  s = rocksdb::DB::Open(db_options, path(), families, &handles,
                        compat::Into(&db));
  ASSERT_TRUE(s.ok()) << s.ToString();
  db_.reset(db);
  EXPECT_EQ(Get("key"), "value");
  for (auto* handle : handles) {
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
}

TEST_F(OptionsTest, EveryTableOptionChangesOnALiveDatabase) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"write_format", "block_based"}, {"write_format", "fst"},
      {"residency", "cache"},          {"segment_size", "2048"},
      {"residency", "auto"},           {"pinned_keys_limit", "100000"},
      {"value_block_size", "128"},     {"inline_value_size", "0"},
      {"key_buffer_size", "4096"},     {"block_based.block_size", "16384"},
  };
  for (const auto& [name, value] : changes) {
    ASSERT_NO_FATAL_FAILURE(SetTableOption(name, value));
    EXPECT_EQ(LiveTableOption(name), value);
    ASSERT_NO_FATAL_FAILURE(Put(name, value));
    ASSERT_NO_FATAL_FAILURE(Flush());
    EXPECT_EQ(Get(name), value);
    EXPECT_EQ(Get("key"), "value");
  }
  EXPECT_EQ(db()->GetOptions()
                .table_factory->GetOptions<BlockBasedTableOptions>()
                ->block_size,
            16384u);
  // All at once, as a whole factory and as its options.
  Status s = db()->SetOptions(
      {{"table_factory",
        "{id=fst;segment_size=4096;residency=pin;block_based={block_size="
        "1024}}"}});
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(LiveTableOption("segment_size"), "4096");
  EXPECT_EQ(LiveTableOption("residency"), "pin");
  EXPECT_EQ(LiveTableOption("block_based.block_size"), "1024");

  // What was set is in the OPTIONS file.
  rocksdb::DBOptions db_options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  ConfigOptions config = Strict();
  config.env = env();
  s = rocksdb::LoadLatestOptions(config, path(), &db_options, &families);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(OptionOf(*families[0].options.table_factory, "segment_size"),
            "4096");
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(Get("key"), "value");
}

TEST_F(OptionsTest, BadLiveChangesAreRefusedByNameAndChangeNothing) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions("segment_size=2048")));
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"segment_size", "1"},         {"value_block_size", "1"},
      {"inline_value_size", "4096"}, {"residency", "disk"},
      {"write_format", "plain"},     {"no_such_option", "1"},
      {"block_based.no_such", "1"},
  };
  for (const auto& [name, value] : changes) {
    SCOPED_TRACE(name);
    const Status s = db()->SetOptions({{"table_factory." + name, value}});
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    const size_t dot = name.find('.');
    ExpectNames(s, dot == std::string::npos ? name : name.substr(dot + 1));
  }
  EXPECT_EQ(LiveTableOption("segment_size"), "2048");
  EXPECT_EQ(LiveTableOption("value_block_size"), "4096");
  EXPECT_EQ(LiveTableOption("residency"), "auto");
  EXPECT_EQ(LiveTableOption("write_format"), "fst");
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_EQ(Get("key"), "value");
}

TEST_F(OptionsTest, TtlAndPeriodicCompactionAreAccepted) {
  Options options = MemkvOptions();
  options.ttl = 3600;
  options.periodic_compaction_seconds = 7200;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_EQ(db()->GetOptions().ttl, 3600u);
  EXPECT_EQ(db()->GetOptions().periodic_compaction_seconds, 7200u);
  EXPECT_TRUE(db()->SetOptions({{"ttl", "60"}}).ok());
  // RocksDB's default for block-based tables: 30 days.
  options.ttl = 0xfffffffffffffffe;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_EQ(db()->GetOptions().ttl, 30u * 24 * 60 * 60);
}

// Orders by length, then bytewise.
class ByLength : public rocksdb::Comparator {
 public:
  const char* Name() const override { return "test.ByLength"; }
  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
  }
  void FindShortestSeparator(std::string*,
                             const rocksdb::Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

TEST_F(OptionsTest, FallbackNoneRefusesAComparatorTheTreeCannotServe) {
  const ByLength by_length;
  Options options = StockOptions();
  options.comparator = &by_length;
  ArtMemTableOptions art;
  art.fallback = ArtMemTableOptions::Fallback::kNone;
  options.memtable_factory.reset(NewArtMemTableRepFactory(art));
  const Status s = TryOpen(options);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  ExpectNames(s, "fallback");
  ExpectNames(s, "test.ByLength");
  Destroy();
  options.memtable_factory.reset(NewArtMemTableRepFactory());
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(Put("bb", "2"));
  ASSERT_NO_FATAL_FAILURE(Put("ccc", "3"));
  ASSERT_NO_FATAL_FAILURE(Put("d", "1"));
  std::unique_ptr<rocksdb::Iterator> iter(
      db()->NewIterator(rocksdb::ReadOptions()));
  std::string order;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    order += iter->value().ToString();
  }
  EXPECT_EQ(order, "123");
  // Before the comparator goes.
  iter.reset();
  Close();
}

TEST_F(OptionsTest, ReservedTableReaderMemoryIsChargedToTheBlockCache) {
  BlockBasedTableOptions bbto;
  rocksdb::LRUCacheOptions cache;
  cache.capacity = 64 << 20;
  bbto.block_cache = rocksdb::NewLRUCache(cache);
  bbto.cache_usage_options.options_overrides.insert(
      {rocksdb::CacheEntryRole::kBlockBasedTableReader,
       {/*.charged = */ rocksdb::CacheEntryRoleOptions::Decision::kEnabled}});
  Options options = StockOptions();
  options.table_factory.reset(NewFstTableFactory(FstTableOptions(), &bbto));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const size_t before = bbto.block_cache->GetPinnedUsage();
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 40000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(RandomBytes(&rng, 24), "value"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GT(bbto.block_cache->GetPinnedUsage(), before + (256 << 10));
  Close();
  EXPECT_LE(bbto.block_cache->GetPinnedUsage(), before);
}

}  // namespace
}  // namespace memkv
