// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the benchmarks are made of: generated keys, orders, distributions,
// percentiles, whether databases hold what was generated, the comparison of
// figures, and the parsing of what a user asks for.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "compat/block_cache.h"
#include "compat/open.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/key_stats.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/keys/url_generator.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"

namespace memkv {
namespace {

std::vector<std::string> Sorted(const UrlGenerator& urls) {
  std::vector<std::string> keys;
  UrlGenerator::SortedStream stream(urls);
  for (std::string key; stream.Next(&key);) {
    keys.push_back(key);
  }
  return keys;
}

TEST(UrlGeneratorTest, TheStreamAscendsAndHasEveryKeyOnce) {
  for (const uint64_t count : {1, 2, 3, 10, 100, 1000, 20000, 300000}) {
    for (const uint64_t seed : {1, 2, 77}) {
      const UrlGenerator urls(seed, count);
      ASSERT_EQ(urls.count(), count);
      const std::vector<std::string> keys = Sorted(urls);
      for (size_t i = 1; i < keys.size(); i++) {
        ASSERT_LT(keys[i - 1], keys[i]) << count << ", seed " << seed;
      }
      std::set<std::string> all;
      for (uint64_t i = 0; i < count; i++) {
        all.insert(urls.KeyAt(i));
      }
      ASSERT_EQ(all.size(), keys.size());
      ASSERT_TRUE(std::equal(all.begin(), all.end(), keys.begin()));
      // Repetitions are few.
      ASSERT_GE(static_cast<double>(keys.size()),
                0.998 * static_cast<double>(count) - 1);
    }
  }
}

TEST(UrlGeneratorTest, ItIsShapedLikeTheCrawlItWasFittedTo) {
  const UrlGenerator urls(5, 1000000);
  KeyStats stats;
  UrlGenerator::SortedStream stream(urls);
  for (std::string key; stream.Next(&key);) {
    stats.Add(key);
  }
  EXPECT_NEAR(stats.MeanLength(), 80.7, 8);
  EXPECT_NEAR(stats.MeanShared(), 55.4, 8);
  EXPECT_NEAR(static_cast<double>(stats.SuffixQuantile(0.5)), 13, 8);
  EXPECT_NEAR(static_cast<double>(stats.SuffixQuantile(0.9)), 67, 12);
}

TEST(UrlGeneratorTest, AnyNumberOfKeysHasItsKeysAtOnce) {
  const UrlGenerator urls(1, 340000000);
  EXPECT_LT(urls.num_hosts(), 100000u);
  RandomSource random(3);
  std::set<std::string> keys;
  for (int i = 0; i < 1000; i++) {
    keys.insert(urls.KeyAt(random.Uniform(urls.count())));
  }
  EXPECT_GE(keys.size(), 998u);
  // The first groups come without the others being made.
  UrlGenerator::SortedStream stream(urls);
  std::string last;
  std::string key;
  for (int i = 0; i < 10000; i++) {
    ASSERT_TRUE(stream.Next(&key));
    ASSERT_LT(last, key);
    last = key;
  }
}

TEST(ZipfRanksTest, CellsLeadToTheRankThatASearchFinds) {
  for (const size_t n : {1, 2, 3, 64, 4096}) {
    const ZipfRanks ranks(n);
    std::vector<double> cumulative;
    double sum = 0;
    for (size_t rank = 0; rank < n; rank++) {
      sum += 1.0 / static_cast<double>(rank + 1);
      cumulative.push_back(sum);
    }
    RandomSource fast(n);
    RandomSource slow(n);
    for (int i = 0; i < 200000; i++) {
      const auto found = std::upper_bound(cumulative.begin(), cumulative.end(),
                                          slow.Fraction() * sum);
      ASSERT_EQ(
          ranks.Draw(&fast),
          std::min(static_cast<size_t>(found - cumulative.begin()), n - 1));
    }
  }
}

// A database of its own, below the working directory.
class GeneratedRecordsTest : public testing::Test {
 protected:
  static constexpr size_t kValueSize = 5;

  GeneratedRecordsTest()
      : records_(7, 3000, kValueSize, 0.5),
        database_({"generated", ""}, kPath) {
    std::filesystem::remove_all(kPath);
    records_.MakeAll(nullptr, [](uint64_t) {});
    database_.Open();
  }
  ~GeneratedRecordsTest() override {
    database_.Close();
    std::filesystem::remove_all(kPath);
  }

  void Load(bool sorted) {
    uint64_t last = 0;
    records_.Load(sorted, database_,
                  [&last](uint64_t so_far) { last = so_far; });
    // A stream has each key once.
    ASSERT_EQ(last, sorted ? records_.distinct() : records_.count());
  }
  // Of what Verify says.
  std::string Verify() {
    try {
      records_.Verify(database_, [](uint64_t) {});
      return "OK";
    } catch (const Failure& failure) {
      return failure.what();
    }
  }

  void ExpectSays(const std::string& what) {
    const std::string said = Verify();
    EXPECT_NE(said.find(what), std::string::npos) << said;
  }

  static constexpr char kPath[] = "generated_records_test";
  GeneratedRecords records_;
  BenchDatabase database_;
};

TEST_F(GeneratedRecordsTest, WhatIsLoadedInAnyOrderIsAllThereIs) {
  Load(true);
  EXPECT_EQ(Verify(), "OK");
  Load(false);
  EXPECT_EQ(Verify(), "OK");
}

TEST_F(GeneratedRecordsTest, EveryDifferenceIsNamed) {
  ExpectSays("key 0 of");
  Load(false);
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < records_.count(); i++) {
    keys.push_back(records_.KeyAt(i));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  rocksdb::DB* const db = database_.db();
  const rocksdb::WriteOptions write;
  for (const size_t at : {size_t{0}, size_t{1234}, keys.size() - 1}) {
    const std::string& key = keys[at];
    const std::string named = "key " + std::to_string(at) + " of " +
                              std::to_string(records_.distinct());
    ASSERT_TRUE(db->Delete(write, key).ok());
    ExpectSays(named);
    ExpectSays("expected " + Quoted(key));
    // Another value, of the same size.
    std::string value = records_.ValueOf(key);
    ASSERT_EQ(value.size(), kValueSize);
    value[2] ^= 1;
    ASSERT_TRUE(db->Put(write, key, value).ok());
    ExpectSays(named);
    ASSERT_TRUE(db->Put(write, key, records_.ValueOf(key)).ok());
    ASSERT_EQ(Verify(), "OK");
    // One more, with a value that is right.
    const std::string more = key + '\0';
    ASSERT_TRUE(db->Put(write, more, records_.ValueOf(more)).ok());
    ExpectSays("key " + std::to_string(at + 1) + " of");
    ASSERT_TRUE(db->Delete(write, more).ok());
    ASSERT_EQ(Verify(), "OK");
  }
}

TEST(ShuffledRangeTest, EveryNumberComesOnceAndInNoOrder) {
  for (const uint64_t n : {1, 2, 3, 4, 5, 16, 17, 1000, 4097, 100000}) {
    const ShuffledRange range(n, 9);
    std::vector<bool> seen(n);
    uint64_t ascents = 0;
    uint64_t last = 0;
    for (uint64_t i = 0; i < n; i++) {
      const uint64_t at = range.At(i);
      ASSERT_LT(at, n);
      ASSERT_FALSE(seen[at]) << n;
      seen[at] = true;
      ascents += at > last ? 1 : 0;
      last = at;
    }
    if (n >= 1000) {
      EXPECT_NEAR(static_cast<double>(ascents) / static_cast<double>(n), 0.5,
                  0.05);
    }
  }
}

TEST(ZipfSourceTest, RanksComeAsOftenAsTheLawSays) {
  constexpr uint64_t kRanks = 1000;
  constexpr int kDraws = 400000;
  const ZipfSource zipf(kRanks, 0.99);
  RandomSource random(4);
  std::vector<double> drawn(kRanks);
  for (int i = 0; i < kDraws; i++) {
    const uint64_t rank = zipf.Draw(&random);
    ASSERT_LT(rank, kRanks);
    drawn[rank]++;
  }
  double sum = 0;
  for (uint64_t rank = 0; rank < kRanks; rank++) {
    sum += std::pow(static_cast<double>(rank + 1), -0.99);
  }
  for (uint64_t rank : {0, 1, 2, 9, 99}) {
    const double expected =
        kDraws * std::pow(static_cast<double>(rank + 1), -0.99) / sum;
    // Six standard deviations.
    EXPECT_NEAR(drawn[rank], expected, 6 * std::sqrt(expected)) << rank;
  }
}

TEST(TimingTest, PercentilesAreOfTheSamplesThemselves) {
  std::vector<uint64_t> samples;
  for (uint64_t i = 1000; i > 0; i--) {
    samples.push_back(i);
  }
  EXPECT_EQ(Percentile(0, &samples), 1u);
  EXPECT_EQ(Percentile(0.5, &samples), 501u);
  EXPECT_EQ(Percentile(0.999, &samples), 1000u);
  EXPECT_EQ(Percentile(1, &samples), 1000u);
  // However long a stall was.
  samples.push_back(uint64_t{1} << 40);
  EXPECT_EQ(Percentile(1, &samples), uint64_t{1} << 40);
}

TEST(TimingTest, MedianAndSpread) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1}), 2.5);
  EXPECT_EQ(Spread({2, 1, 3}), 1);
  EXPECT_EQ(Spread({0, 0}), 0);
}

TEST(KeyStatsTest, WhatIsSharedAndWhatIsNot) {
  KeyStats stats;
  for (const char* key : {"ab", "abc", "abd", "b"}) {
    stats.Add(key);
  }
  EXPECT_EQ(stats.count(), 4u);
  EXPECT_EQ(stats.bytes(), 9u);
  EXPECT_EQ(stats.MeanShared(), 1);  // 0, 2, 2, 0
  EXPECT_EQ(stats.SuffixQuantile(0.75), 1u);
  EXPECT_EQ(stats.SuffixQuantile(1), 2u);
}

TEST(BenchOptionsTest, ConfigurationsAreBuiltInOrTheUsersOwn) {
  const std::vector<BenchConfig> configs =
      ParseConfigs("memkv,a={x=1,y=2};z=3,b=@memkv;c=d");
  ASSERT_EQ(configs.size(), 3u);
  EXPECT_EQ(configs[1].name, "a");
  EXPECT_EQ(configs[1].options, "{x=1,y=2};z=3");
  EXPECT_EQ(configs[2].options, configs[0].options + ";c=d");
  for (const char* bad :
       {"", "nothing", "memkv,memkv", "a=@nothing", ",memkv"}) {
    EXPECT_THROW(ParseConfigs(bad), Failure) << bad;
  }
}

TEST(BenchOptionsTest, WorkloadsRunInOneOrderAndOnce) {
  const std::vector<Workload> workloads = ParseWorkloads("scan,get,reads,get");
  EXPECT_EQ(workloads.size(), 9u);
  EXPECT_TRUE(std::is_sorted(workloads.begin(), workloads.end()));
  EXPECT_EQ(ParseWorkloads("all").size(), static_cast<size_t>(kNumWorkloads));
  EXPECT_THROW(ParseWorkloads("get,nothing"), Failure);
}

TEST(BenchOptionsTest, BytesHaveUnits) {
  EXPECT_EQ(ParseBytes("512M"), uint64_t{512} << 20);
  EXPECT_EQ(ParseBytes("1.5K"), 1536u);
  EXPECT_EQ(ParseBytes("0"), 0u);
  for (const char* bad : {"", "M", "-1", "1MB", "1X", "1 M"}) {
    EXPECT_THROW(ParseBytes(bad), Failure) << bad;
  }
}

TEST(MemoryLimitTest, TheBlockCacheGetsWhatTableReadersLeave) {
  const std::string path = "memory_limit_test";
  std::filesystem::remove_all(path);
  BenchDatabase database(
      {"one",
       "table_factory={id=BlockBasedTable;block_cache=64M;"
       "filter_policy=bloomfilter:10:false};compression=kNoCompression"},
      path);
  const rocksdb::Cache* const cache = database.BlockCache();
  MemoryLimit(0, 0).Prepare(&database);
  EXPECT_EQ(cache->GetCapacity(), size_t{64} << 20);
  MemoryLimit(0, 1 << 20).Prepare(&database);
  EXPECT_EQ(cache->GetCapacity(), size_t{1} << 20);
  EXPECT_FALSE(database.options()->use_direct_reads);

  const uint64_t bytes = 8 << 20;
  MemoryLimit(bytes, 1 << 20).Prepare(&database);
  EXPECT_EQ(cache->GetCapacity(), bytes);
  EXPECT_TRUE(database.options()->use_direct_reads);
  database.Open();
  for (int i = 0; i < 20000; i++) {
    ASSERT_TRUE(database.db()
                    ->Put(rocksdb::WriteOptions(), std::to_string(i), "")
                    .ok());
  }
  database.Settle();
  const uint64_t readers =
      database.Property(rocksdb::DB::Properties::kEstimateTableReadersMem);
  ASSERT_GT(readers, 20000u);  // ten bits a key
  MemoryLimit(bytes, 0).Apply(database);
  EXPECT_EQ(cache->GetCapacity(), bytes - readers);
  MemoryLimit(readers + kLeastBlockCache, 0).Apply(database);
  EXPECT_EQ(cache->GetCapacity(), kLeastBlockCache);
  try {
    MemoryLimit(readers + kLeastBlockCache - 1, 0).Apply(database);
    ADD_FAILURE();
  } catch (const Failure& failure) {
    EXPECT_TRUE(failure.status().IsMemoryLimit());
  }
  database.Close();
  std::filesystem::remove_all(path);
}

TEST(BenchDatabaseTest, WhatRocksDbDoesNotHaveIsAnError) {
  for (const char* bad :
       {"no_such_option=1", "memtable_factory=no_such_memtable",
        "table_factory=no_such_table",
        "table_factory={id=BlockBasedTable;no_such_option=1}",
        "table_factory={id=BlockBasedTable;filter_policy=no_such_policy}"}) {
    EXPECT_THROW(BenchDatabase({"one", bad}, ""), Failure) << bad;
  }
  const BenchDatabase good({"one",
                            "table_factory={id=BlockBasedTable;"
                            "filter_policy=bloomfilter:10:false}"},
                           "");
}

// The comparison of "other" with the baseline, of one total a repeat each.
Json CompareTotals(const std::vector<int64_t>& baseline,
                   const std::vector<int64_t>& other) {
  BenchOptions options;
  options.configs = {{"baseline", ""}, {"other", ""}};
  BenchResults results(options);
  for (size_t i = 0; i < baseline.size(); i++) {
    Sizes sizes;
    sizes.total = baseline[i];
    results.AddSizes("memory", "baseline", 10, sizes);
    sizes.total = other[i];
    results.AddSizes("memory", "other", 10, sizes);
  }
  return results.Document(true)["sizes"]["memory"][1]["times_as_good"];
}

TEST(BenchResultsTest, RatiosAreRepeatByRepeat) {
  const Json times = CompareTotals({100, 200, 300}, {50, 50, 150});
  EXPECT_EQ(times["low"], 2.0);
  EXPECT_EQ(times["median"], 2.0);
  EXPECT_EQ(times["high"], 4.0);
  EXPECT_EQ(times["verdict"], "better");
}

TEST(BenchResultsTest, NothingAndLessIsInNoRatio) {
  for (const int64_t none : {0, -1000}) {
    const Json times = CompareTotals({100, none, 100}, {none, 50, 200});
    EXPECT_EQ(times["low"], 0.5);
    EXPECT_EQ(times["high"], 0.5);
    EXPECT_EQ(times["verdict"], "worse");
    EXPECT_TRUE(CompareTotals({100, none}, {none, 50}).is_null());
    EXPECT_TRUE(CompareTotals({none}, {none}).is_null());
  }
}

TEST(HtmlReportTest, ThePageHasTheReportInsideAndNoTagOfIt) {
  BenchOptions options;
  options.command = "memkv_bench '</script><!--<script>\\u003c\"' {{data}}";
  options.configs = {{"<hr>", "&amp;"}};
  const Json document = BenchResults(options).Document(true);
  const std::string page = HtmlReport(document);
  const std::string begin = "id=\"data\">";
  const size_t from = page.find(begin) + begin.size();
  const size_t to = page.find("</script>", from);
  ASSERT_NE(to, std::string::npos);
  const std::string data = page.substr(from, to - from);
  EXPECT_EQ(data.find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(data).at("report"), document);
  // What follows is the page's own.
  EXPECT_EQ(page.find("<hr>", to), std::string::npos);
}

TEST(KeySourceTest, GeneratedKeysAreDistinctSortedAndRepeatable) {
  for (const char* source :
       {"gen:urls:5000", "gen:hex:5000", "gen:uint64:5000:8"}) {
    KeySet first;
    KeySet second;
    ReadKeys(source, 0, 3, &first);
    ReadKeys(source, 0, 3, &second);
    ASSERT_GE(first.records.size(), 4990u);
    ASSERT_EQ(first.records.size(), second.records.size());
    for (size_t i = 0; i < first.records.size(); i++) {
      ASSERT_EQ(first.records.key(i), second.records.key(i));
    }
    KeySet few;
    ReadKeys(source, 10, 3, &few);
    EXPECT_EQ(few.records.size(), 10u);
  }
  for (const char* bad : {"gen:", "gen:urls", "gen:urls:", "gen:urls:0",
                          "gen:urls:1x", "gen:nothing:1", "gen:hex:1:2:3"}) {
    KeySet input;
    EXPECT_THROW(ReadKeys(bad, 0, 3, &input), Failure) << bad;
  }
}

// Keys of any bytes in two column families of a database, of these tables.
class DatabaseSourceTest : public testing::TestWithParam<const char*> {
 protected:
  static constexpr char kPath[] = "database_source_test";

  DatabaseSourceTest() {
    RegisterMemkv();
    std::filesystem::remove_all(kPath);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    EXPECT_TRUE(rocksdb::GetOptionsFromString(rocksdb::ConfigOptions(), options,
                                              GetParam(), &options)
                    .ok());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    EXPECT_TRUE(rocksdb::DB::Open(options, kPath,
                                  {{"default", options}, {"other", options}},
                                  &handles, compat::Into(&db))
                    .ok());
    const rocksdb::WriteOptions write;
    for (const std::string& key :
         {std::string(), std::string("a\nb\t\0c", 6), std::string("gone"),
          std::string("\xff\xff")}) {
      EXPECT_TRUE(db->Put(write, key, "old").ok());
      EXPECT_TRUE(db->Put(write, key, "new\n").ok());
    }
    EXPECT_TRUE(db->Delete(write, "gone").ok());
    for (int i = 1000; i < 2000; i++) {
      EXPECT_TRUE(db->Put(write, handles[1], std::to_string(i), "").ok());
      if (i == 1500) {
        // The others are in the log alone.
        EXPECT_TRUE(db->Flush(rocksdb::FlushOptions(), handles).ok());
      }
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    }
    delete db;
  }
  ~DatabaseSourceTest() override { std::filesystem::remove_all(kPath); }
};

TEST_P(DatabaseSourceTest, AllRecordsOfAColumnFamily) {
  KeySet input;
  ReadDatabase(kPath, "default", 0, 1, &input);
  ASSERT_EQ(input.records.size(), 3u);
  EXPECT_EQ(input.records.key(0), "");
  EXPECT_EQ(input.records.key(1), rocksdb::Slice("a\nb\t\0c", 6));
  EXPECT_EQ(input.records.key(2), "\xff\xff");
  EXPECT_EQ(input.records.value(1), "new\n");
  KeySet other;
  ReadDatabase(kPath, "other", 0, 1, &other);
  ASSERT_EQ(other.records.size(), 1000u);
  EXPECT_EQ(other.records.key(999), "1999");
}

TEST_P(DatabaseSourceTest, SamplesLieEvenly) {
  for (const size_t wanted : {1, 2, 7, 250, 333, 999, 1000, 1001, 5000}) {
    KeySet input;
    ReadDatabase(kPath, "other", wanted, 1, &input);
    const size_t n = input.records.size();
    ASSERT_EQ(n, std::min<size_t>(wanted, 1000));
    EXPECT_EQ(input.records.key(0), "1000");
    for (size_t i = 0; i < n; i++) {
      // Of what is kept, every second may have been left out.
      const double at = std::stod(input.records.key(i).ToString()) - 1000;
      const double even =
          1000.0 * static_cast<double>(i) / static_cast<double>(n);
      EXPECT_NEAR(at, even, 1000.0 / static_cast<double>(n)) << wanted;
    }
  }
}

TEST_P(DatabaseSourceTest, RunsOfASampleAreNeighboursAndLieEvenly) {
  for (const size_t wanted : {10, 95, 100, 1000, 5000}) {
    KeySet input;
    ReadDatabase(kPath, "other", wanted, 10, &input);
    const size_t n = input.records.size();
    ASSERT_EQ(n, std::min<size_t>(wanted, 1000));
    for (size_t i = 0; i < n; i++) {
      const size_t in_run = i % 10;
      EXPECT_EQ(input.records.key(i),
                std::to_string(1000 + (i - in_run) * 1000 / n + in_run))
          << wanted;
    }
  }
}

TEST_P(DatabaseSourceTest, WhatIsNotThereIsNamed) {
  KeySet input;
  try {
    ReadDatabase(kPath, "nothing", 0, 1, &input);
    ADD_FAILURE();
  } catch (const Failure& failure) {
    const rocksdb::Status s = failure.status();
    EXPECT_TRUE(s.IsInvalidArgument());
    EXPECT_NE(s.ToString().find("it has default, other"), std::string::npos)
        << s.ToString();
  }
  EXPECT_THROW(ReadDatabase("no_such_folder", "default", 0, 1, &input),
               Failure);
  EXPECT_FALSE(std::filesystem::exists("no_such_folder"));
}

INSTANTIATE_TEST_SUITE_P(
    Tables, DatabaseSourceTest,
    testing::Values("table_factory=BlockBasedTable",
                    "memtable_factory=art;table_factory=fst"),
    [](const auto& tables) { return tables.index == 0 ? "Stock" : "Memkv"; });

}  // namespace
}  // namespace memkv
