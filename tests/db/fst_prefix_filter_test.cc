// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files whose filters hold prefixes: that they are asked and counted as
// block-based files' are, and what files say of theirs.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "options/cf_options.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "table/fst/filter.h"
#include "tests/db/fst_prefix_filter_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::SliceTransform;
using rocksdb::Status;

// ---------------------------------------------------------------------------
// Beside block-based files

const rocksdb::Tickers kTickers[] = {
    rocksdb::BLOOM_FILTER_USEFUL,
    rocksdb::BLOOM_FILTER_FULL_POSITIVE,
    rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE,
    rocksdb::BLOOM_FILTER_PREFIX_CHECKED,
    rocksdb::BLOOM_FILTER_PREFIX_USEFUL,
    rocksdb::BLOOM_FILTER_PREFIX_TRUE_POSITIVE,
    rocksdb::LAST_LEVEL_SEEK_FILTERED,
    rocksdb::LAST_LEVEL_SEEK_FILTER_MATCH,
    rocksdb::LAST_LEVEL_SEEK_DATA,
    rocksdb::LAST_LEVEL_SEEK_DATA_USEFUL_NO_FILTER,
    rocksdb::LAST_LEVEL_SEEK_DATA_USEFUL_FILTER_MATCH,
    rocksdb::NON_LAST_LEVEL_SEEK_FILTERED,
    rocksdb::NON_LAST_LEVEL_SEEK_FILTER_MATCH,
    rocksdb::NON_LAST_LEVEL_SEEK_DATA,
    rocksdb::NON_LAST_LEVEL_SEEK_DATA_USEFUL_NO_FILTER,
    rocksdb::NON_LAST_LEVEL_SEEK_DATA_USEFUL_FILTER_MATCH,
};

// What of a database's filters is compared.
struct Counts {
  std::map<std::string, uint64_t> counts;
  std::vector<std::string> answers;
};

std::string GroupKey(int group, int i) {
  return std::to_string(1000 + group) + "/" + std::to_string(10 + i);
}

// Writes 100 of 200 groups into a file at the last level, and some of them and
// others into one at level 0.
void FillTwoLevels(rocksdb::DB* db) {
  const rocksdb::WriteOptions wo;
  ASSERT_TRUE(db->Put(wo, "0", "first, and out of the domain").ok());
  for (int group = 0; group < 200; group += 2) {
    for (int i = 0; i < 10; i += 2) {
      ASSERT_TRUE(db->Put(wo, GroupKey(group, i), "old").ok());
    }
  }
  // A key that is its own prefix.
  ASSERT_TRUE(db->Put(wo, "1050", "a prefix").ok());
  ASSERT_TRUE(db->Put(wo, "9", "last").ok());
  rocksdb::CompactRangeOptions cro;
  cro.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  ASSERT_TRUE(db->CompactRange(cro, nullptr, nullptr).ok());
  ASSERT_TRUE(db->Put(wo, "0", "first").ok());
  for (int group = 0; group < 200; group += 3) {
    ASSERT_TRUE(db->Put(wo, GroupKey(group, 1), "new").ok());
  }
  ASSERT_TRUE(db->Put(wo, "9", "last").ok());
  ASSERT_TRUE(db->Flush(rocksdb::FlushOptions()).ok());
}

// Asks `db` and counts.  Iterators are new for every seek: how often a block is
// visited again depends on what a block is.
Counts AskEverything(rocksdb::DB* db, rocksdb::Statistics* statistics) {
  Counts result;
  EXPECT_TRUE(statistics->Reset().ok());
  rocksdb::SetPerfLevel(rocksdb::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  rocksdb::get_perf_context()->EnablePerLevelPerfContext();
  for (int group = 0; group < 200; ++group) {
    std::vector<std::string> keys;
    for (int i = 0; i < 4; ++i) keys.push_back(GroupKey(group, i));
    for (const std::string& key : keys) {
      std::string value;
      const Status s = db->Get(ReadOptions(), key, &value);
      result.answers.push_back(s.ok() ? value : s.ToString());
    }
    std::vector<std::string> values;
    const std::vector<Slice> slices(keys.begin(), keys.end());
    for (const Status& s : db->MultiGet(ReadOptions(), slices, &values)) {
      result.answers.push_back(s.ToString());
    }
    for (int mode = 0; mode < 5; ++mode) {
      ReadOptions ro;
      const std::string end = GroupKey(group, 9);
      const std::string next = std::to_string(1000 + group + 1);
      const Slice upper = mode == 3 ? next : end;
      ro.total_order_seek = mode == 1;
      ro.auto_prefix_mode = mode == 2 || mode == 3;
      ro.prefix_same_as_start = mode == 4;
      if (ro.auto_prefix_mode) ro.iterate_upper_bound = &upper;
      std::unique_ptr<Iterator> iter(db->NewIterator(ro));
      iter->Seek(keys[0]);
      result.answers.push_back(At(*iter));
      iter.reset(db->NewIterator(ro));
      iter->SeekForPrev(keys[3]);
      result.answers.push_back(At(*iter));
      // Out of the extractor's domain; RocksDB asserts that no such key meets
      // prefix_same_as_start.
      if (ro.prefix_same_as_start) continue;
      iter.reset(db->NewIterator(ro));
      iter->Seek("100");
      result.answers.push_back(At(*iter));
    }
  }
  for (const auto ticker : kTickers) {
    std::string name;
    for (const auto& [value, its_name] : rocksdb::TickersNameMap) {
      if (value == ticker) name = its_name;
    }
    result.counts[name] = statistics->getTickerCount(ticker);
  }
  const rocksdb::PerfContext& perf = *rocksdb::get_perf_context();
  result.counts["bloom_sst_hit_count"] = perf.bloom_sst_hit_count;
  result.counts["bloom_sst_miss_count"] = perf.bloom_sst_miss_count;
  for (const auto& [level, by_level] : *perf.level_to_perf_context) {
    const std::string at = " at " + std::to_string(level);
    result.counts["useful" + at] = by_level.bloom_filter_useful;
    result.counts["positive" + at] = by_level.bloom_filter_full_positive;
    result.counts["true" + at] = by_level.bloom_filter_full_true_positive;
  }
  rocksdb::get_perf_context()->ClearPerLevelPerfContext();
  rocksdb::SetPerfLevel(rocksdb::kDisable);
  rocksdb::TablePropertiesCollection all;
  EXPECT_TRUE(db->GetPropertiesOfAllTables(&all).ok());
  for (const auto& [name, properties] : all) {
    result.counts["filter_size"] += properties->filter_size;
    result.counts["num_filter_entries"] += properties->num_filter_entries;
  }
  return result;
}

TEST_F(FstPrefixFilterTest, IsAskedAndCountedAsABlockBasedFilesIs) {
  for (const bool whole_keys : {true, false}) {
    SCOPED_TRACE(whole_keys);
    Destroy();
    // Values in blocks of their own or not, tries in memory or not.
    for (const char* more : {"", ";residency=cache;inline_value_size=0"}) {
      Destroy();
      Options options = PrefixOptions(
          (whole_keys ? kBoth : kPrefixesAlone) + std::string(more),
          rocksdb::NewFixedPrefixTransform(4));
      ASSERT_NO_FATAL_FAILURE(Open(options));
      ASSERT_NO_FATAL_FAILURE(FillTwoLevels(db()));
      EXPECT_EQ(Kinds().fst, 2u);
      const Counts ours = AskEverything(db(), options.statistics.get());
      ASSERT_TRUE(db()->VerifyChecksum().ok());
      Destroy();

      rocksdb::BlockBasedTableOptions table;
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
      table.whole_key_filtering = whole_keys;
      options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
      options.statistics = rocksdb::CreateDBStatistics();
      ASSERT_NO_FATAL_FAILURE(Open(options));
      ASSERT_NO_FATAL_FAILURE(FillTwoLevels(db()));
      EXPECT_EQ(Kinds().block_based, 2u);
      const Counts stock = AskEverything(db(), options.statistics.get());

      EXPECT_EQ(ours.answers, stock.answers);
      EXPECT_EQ(ours.counts, stock.counts);
      // That there was something to count.
      for (const auto& [name, count] : stock.counts) {
        const bool of_keys =
            name == "rocksdb.bloom.filter.useful" ||
            name.compare(0, 26, "rocksdb.bloom.filter.full.") == 0;
        const bool of_prefixes =
            name.compare(0, 28, "rocksdb.bloom.filter.prefix.") == 0;
        if (of_keys || of_prefixes) {
          EXPECT_EQ(count != 0, of_keys == whole_keys) << name;
        } else {
          EXPECT_NE(count, 0u) << name;
        }
      }
    }
  }
}

// ---------------------------------------------------------------------------
// What files say

uint32_t FeaturesOf(const rocksdb::TableProperties& properties) {
  const std::string& directory =
      properties.user_collected_properties.at(kDirectoryProperty);
  return rocksdb::DecodeFixed32(directory.data() + 4);
}

TEST_F(FstPrefixFilterTest, FilterOfPrefixesAloneIsNotAskedForKeys) {
  Options options =
      PrefixOptions(kPrefixesAlone, rocksdb::NewFixedPrefixTransform(4));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(FillTwoLevels(db()));
  // Read with the option that asks for keys; then with another extractor, and
  // with none.
  for (const int length : {4, 3, 0}) {
    SCOPED_TRACE(length);
    options = PrefixOptions(
        kBoth,
        length == 0 ? nullptr : rocksdb::NewFixedPrefixTransform(length));
    ASSERT_NO_FATAL_FAILURE(Open(options));
    rocksdb::TablePropertiesCollection all;
    ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    ASSERT_EQ(all.size(), 2u);
    for (const auto& [name, properties] : all) {
      EXPECT_NE(FeaturesOf(*properties) & FileDirectory::kFilterHasNoWholeKeys,
                0u);
      EXPECT_EQ(properties->prefix_extractor_name, "rocksdb.FixedPrefix.4");
      // About 100 and 67 prefixes.
      EXPECT_GT(properties->num_filter_entries, 60u);
      EXPECT_LT(properties->num_filter_entries, 110u);
    }
    for (int group = 0; group < 200; group += 2) {
      ASSERT_EQ(Get(GroupKey(group, 0)), "old");
    }
    for (int group = 0; group < 200; ++group) {
      ASSERT_EQ(Get(GroupKey(group, 1)), group % 3 == 0 ? "new" : "NOT_FOUND");
    }
    const uint64_t useful =
        options.statistics->getTickerCount(rocksdb::BLOOM_FILTER_PREFIX_USEFUL);
    EXPECT_EQ(useful != 0, length == 4);
    EXPECT_EQ(options.statistics->getTickerCount(rocksdb::BLOOM_FILTER_USEFUL),
              0u);
  }
}

TEST_F(FstPrefixFilterTest, FilterOfKeysAndPrefixesNeedsNoNewReader) {
  ASSERT_NO_FATAL_FAILURE(
      Open(PrefixOptions(kBoth, rocksdb::NewFixedPrefixTransform(4))));
  ASSERT_NO_FATAL_FAILURE(FillTwoLevels(db()));
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  for (const auto& [name, properties] : all) {
    EXPECT_EQ(FeaturesOf(*properties) & FileDirectory::kFilterHasNoWholeKeys,
              0u);
    EXPECT_GT(properties->num_filter_entries,
              properties->num_entries + 60);  // prefixes, too
  }
}

TEST_F(FstPrefixFilterTest, FilesThatDoNotSaySoHaveNoPrefixes) {
  const Options options;
  const rocksdb::ImmutableOptions ioptions(options);
  const FileBlockStore store(ioptions, nullptr, rocksdb::Cache::Priority::HIGH,
                             nullptr, rocksdb::Footer());
  const std::shared_ptr<const SliceTransform> extractor(
      rocksdb::NewFixedPrefixTransform(4));
  using Names = rocksdb::BlockBasedTablePropertyNames;
  for (const char* property : {"", "0", "1"}) {
    rocksdb::TableProperties properties;
    // Written by all versions.
    properties.prefix_extractor_name = "rocksdb.FixedPrefix.4";
    if (*property != '\0') {
      properties.user_collected_properties[Names::kPrefixFiltering] = property;
    }
    FileFilter filter(store, 0);
    filter.Open(FileDirectory(), properties, extractor, /*whole_keys=*/false,
                /*default_filter=*/false);
    EXPECT_EQ(filter.useful(), std::string(property) == "1") << property;
    FileFilter of_keys(store, 0);
    of_keys.Open(FileDirectory(), properties, extractor, /*whole_keys=*/true,
                 /*default_filter=*/false);
    EXPECT_TRUE(of_keys.useful());
    FileFilter unasked(store, 0);
    unasked.Open(FileDirectory(), properties, extractor, /*whole_keys=*/false,
                 /*default_filter=*/true);
    EXPECT_FALSE(unasked.useful());
  }
}

TEST_F(FstPrefixFilterTest, FeatureOfAFilterThatIsNotThereIsDamage) {
  FileDirectory directory;
  directory.features = FileDirectory::kFilterHasNoWholeKeys;
  directory.index = directory.tokens = directory.filter =
      rocksdb::BlockHandle(0, 0);
  std::string bytes;
  directory.EncodeTo(&bytes);
  EXPECT_TRUE(FileDirectory().DecodeFrom(bytes).IsCorruption());
  directory.filter = rocksdb::BlockHandle(7, 64);
  directory.filter_name = "policy";
  bytes.clear();
  directory.EncodeTo(&bytes);
  EXPECT_TRUE(FileDirectory().DecodeFrom(bytes).ok());
}

TEST_F(FstPrefixFilterTest, OtherExtractorAsksOnlyWithinOnePrefixOfTheFiles) {
  Options options = PrefixOptions(kBoth, rocksdb::NewFixedPrefixTransform(4));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(FillTwoLevels(db()));
  ASSERT_TRUE(
      db()->SetOptions({{"prefix_extractor", "rocksdb.FixedPrefix.2"}}).ok());
  const auto filtered = [&] {
    return options.statistics->getTickerCount(
               rocksdb::LAST_LEVEL_SEEK_FILTERED) +
           options.statistics->getTickerCount(
               rocksdb::NON_LAST_LEVEL_SEEK_FILTERED);
  };
  ASSERT_TRUE(options.statistics->Reset().ok());
  // 1001 is in neither file; 1002 is in one.
  std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
  iter->Seek("1001/10");
  EXPECT_EQ(At(*iter), "1002/10=old");
  EXPECT_EQ(filtered(), 0u);
  ReadOptions ro;
  Slice upper("1002/11");
  ro.iterate_upper_bound = &upper;
  iter.reset(db()->NewIterator(ro));
  iter->Seek("1001/10");
  EXPECT_EQ(At(*iter), "1002/10=old");
  EXPECT_EQ(filtered(), 0u);
  for (const char* within : {"1001/99", "1002"}) {
    upper = within;
    iter.reset(db()->NewIterator(ro));
    iter->Seek("1001/10");
    EXPECT_EQ(At(*iter), "nothing");
    EXPECT_EQ(filtered(), 2u);
    iter->SeekForPrev("1001/10");
    EXPECT_EQ(At(*iter), "1000/18=old");
    EXPECT_EQ(filtered(), 2u);
    ASSERT_TRUE(options.statistics->Reset().ok());
  }
}

TEST_F(FstPrefixFilterTest, KeyBetweenAPrefixAndTheNextIsNotMissed) {
  ASSERT_NO_FATAL_FAILURE(
      Open(PrefixOptions(kBoth, rocksdb::NewFixedPrefixTransform(2))));
  // Shorter than a prefix, and between "a\xff" and its successor, "b\0".
  ASSERT_NO_FATAL_FAILURE(Put("aa1", "first"));
  ASSERT_NO_FATAL_FAILURE(Put("b", "short"));
  ASSERT_NO_FATAL_FAILURE(Put("zz1", "last"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::string end("b\0", 2);
  const Slice upper(end);
  ReadOptions ro;
  ro.auto_prefix_mode = true;
  ro.iterate_upper_bound = &upper;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  iter->Seek("a\xff");
  EXPECT_EQ(At(*iter), "b=short");
}

}  // namespace
}  // namespace memkv
