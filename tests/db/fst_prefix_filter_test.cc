// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files whose filters hold prefixes: that they are asked and counted as
// block-based files' are, and that no answer depends on them, whichever
// extractor wrote the file and whichever reads it.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <random>
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
#include "tests/db/fst_db_test_util.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::SliceTransform;
using rocksdb::Status;

constexpr char kBoth[] = "filter_policy=bloomfilter:10:false";
constexpr char kPrefixesAlone[] =
    "filter_policy=bloomfilter:10:false;whole_key_filtering=false";

// The answer of an iterator at rest.
std::string At(const Iterator& iter) {
  EXPECT_TRUE(iter.status().ok()) << iter.status().ToString();
  return iter.Valid() ? iter.key().ToString() + "=" + iter.value().ToString()
                      : "nothing";
}

class FstPrefixFilterTest : public FstDbTest {
 protected:
  // No file is compacted or flushed but by the test.
  Options PrefixOptions(const std::string& fst,
                        const SliceTransform* extractor) const {
    Options options = MemkvOptions(fst);
    options.prefix_extractor.reset(extractor);
    options.write_buffer_size = 64 << 20;
    options.target_file_size_base = 64 << 20;
    options.disable_auto_compactions = true;
    options.statistics = rocksdb::CreateDBStatistics();
    return options;
  }
};

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
    filter.Open(FileDirectory(), properties, extractor, /*whole_keys=*/false);
    EXPECT_EQ(filter.useful(), std::string(property) == "1") << property;
    FileFilter of_keys(store, 0);
    of_keys.Open(FileDirectory(), properties, extractor, /*whole_keys=*/true);
    EXPECT_TRUE(of_keys.useful());
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

// ---------------------------------------------------------------------------
// Any extractors

struct InOrder {
  const rocksdb::Comparator* comparator;
  bool operator()(const std::string& a, const std::string& b) const {
    return comparator->Compare(a, b) < 0;
  }
};

class FstAnyPrefixTest
    : public FstPrefixFilterTest,
      public ::testing::WithParamInterface<const rocksdb::Comparator*> {
 protected:
  using Truth = std::map<std::string, std::string, InOrder>;

  // Few letters, so that keys share prefixes, the ends of the byte among them.
  std::string AnyKey() {
    std::string key(rng_() % 7, '\0');
    for (char& c : key) c = "ab\0\xff"[rng_() % 4];
    return key;
  }

  void Write(size_t operations) {
    const rocksdb::WriteOptions wo;
    for (size_t n = 0; n < operations; ++n) {
      const std::string key = AnyKey();
      const std::string value = std::to_string(rng_() % 1000);
      const uint64_t what = rng_() % 100;
      Status s;
      if (what < 1) {
        std::string end = AnyKey();
        std::string begin = key;
        if (InOrder{GetParam()}(end, begin)) begin.swap(end);
        // Not too much of it.
        if (truth_.lower_bound(end) != truth_.end() &&
            std::distance(truth_.lower_bound(begin), truth_.lower_bound(end)) >
                20) {
          continue;
        }
        s = db()->DeleteRange(wo, db()->DefaultColumnFamily(), begin, end);
        truth_.erase(truth_.lower_bound(begin), truth_.lower_bound(end));
      } else if (what < 30) {
        s = db()->Delete(wo, key);
        truth_.erase(key);
      } else if (what < 50) {
        s = db()->Merge(wo, key, value);
        const auto [at, fresh] = truth_.emplace(key, value);
        if (!fresh) at->second += "," + value;
      } else {
        s = db()->Put(wo, key, value);
        truth_[key] = value;
      }
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  void ExpectGets() {
    std::vector<std::string> keys;
    for (int i = 0; i < 30; ++i) keys.push_back(AnyKey());
    std::vector<std::string> values;
    const std::vector<Slice> slices(keys.begin(), keys.end());
    const std::vector<Status> statuses =
        db()->MultiGet(ReadOptions(), slices, &values);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto at = truth_.find(keys[i]);
      const std::string expected =
          at == truth_.end() ? "NOT_FOUND" : at->second;
      ASSERT_EQ(Get(keys[i]), expected) << Slice(keys[i]).ToString(true);
      ASSERT_EQ(statuses[i].ok() ? values[i] : "NOT_FOUND", expected)
          << Slice(keys[i]).ToString(true);
    }
  }

  // All that lies between a target and a bound, in auto_prefix_mode.
  void ExpectRange(const std::string& target, const std::string& end) {
    const Slice upper(end);
    ReadOptions ro;
    ro.auto_prefix_mode = true;
    ro.iterate_upper_bound = &upper;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    auto at = truth_.lower_bound(target);
    for (iter->Seek(target); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, truth_.end());
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_TRUE(at == truth_.end() || !InOrder{GetParam()}(at->first, end))
        << Slice(at->first).ToString(true) << " from "
        << Slice(target).ToString(true) << " to " << upper.ToString(true);
    // Backwards, from the target to the front.
    if (!InOrder{GetParam()}(target, end)) return;
    at = truth_.upper_bound(target);
    for (iter->SeekForPrev(target); iter->Valid(); iter->Prev()) {
      ASSERT_NE(at, truth_.begin());
      --at;
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_EQ(at, truth_.begin());
  }

  // All keys of the target's prefix, from the target on and backwards.
  void ExpectPrefix(const SliceTransform& extractor,
                    const std::string& target) {
    if (!extractor.InDomain(target)) return;
    const std::string prefix = extractor.Transform(target).ToString();
    const auto has_prefix = [&](const Slice& key) {
      return extractor.InDomain(key) && extractor.Transform(key) == prefix;
    };
    for (const bool same_as_start : {false, true}) {
      // Which RocksDB asserts meets no key out of the domain.
      if (same_as_start && !extractor.InDomain("")) continue;
      ReadOptions ro;
      ro.prefix_same_as_start = same_as_start;
      const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
      auto at = truth_.lower_bound(target);
      for (iter->Seek(target); iter->Valid() && has_prefix(iter->key());
           iter->Next(), ++at) {
        ASSERT_NE(at, truth_.end());
        ASSERT_EQ(iter->key(), at->first);
        ASSERT_EQ(iter->value(), at->second);
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_TRUE(at == truth_.end() || !has_prefix(at->first))
          << Slice(at->first).ToString(true) << " from "
          << Slice(target).ToString(true);

      at = truth_.upper_bound(target);
      for (iter->SeekForPrev(target); iter->Valid() && has_prefix(iter->key());
           iter->Prev()) {
        ASSERT_NE(at, truth_.begin());
        --at;
        ASSERT_EQ(iter->key(), at->first);
        ASSERT_EQ(iter->value(), at->second);
      }
      ASSERT_TRUE(at == truth_.begin() || !has_prefix(std::prev(at)->first));
    }
  }

  void ExpectTotalOrder() {
    ReadOptions ro;
    ro.total_order_seek = true;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    auto at = truth_.begin();
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, truth_.end());
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_EQ(at, truth_.end());
    for (int i = 0; i < 20; ++i) {
      const std::string target = AnyKey();
      at = truth_.lower_bound(target);
      iter->Seek(target);
      ASSERT_EQ(At(*iter),
                at == truth_.end() ? "nothing" : at->first + "=" + at->second);
    }
  }

  std::mt19937_64 rng_;
  Truth truth_{InOrder{GetParam()}};
};

TEST_P(FstAnyPrefixTest, NoAnswerDependsOnTheExtractorsOfFilesAndReader) {
  rng_.seed(TestSeed());
  Options options = PrefixOptions(kBoth, nullptr);
  options.comparator = GetParam();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const char* const kExtractors[] = {
      "rocksdb.FixedPrefix.2",  "rocksdb.FixedPrefix.3", "nullptr",
      "rocksdb.CappedPrefix.2", "rocksdb.FixedPrefix.1", "rocksdb.Noop"};
  uint64_t answered = 0;
  for (int round = 0; round < 24; ++round) {
    const std::string extractor_name = kExtractors[rng_() % 6];
    SCOPED_TRACE("round " + std::to_string(round) + ", " + extractor_name);
    ASSERT_TRUE(db()->SetOptions({{"prefix_extractor", extractor_name}}).ok());
    ASSERT_NO_FATAL_FAILURE(SetTableOption("whole_key_filtering",
                                           rng_() % 2 == 0 ? "true" : "false"));
    ASSERT_NO_FATAL_FAILURE(Write(60));
    ASSERT_NO_FATAL_FAILURE(Flush());
    if (round % 8 == 7) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
    // Files that are open were opened with options of their time.
    if (round % 5 == 4) {
      const Options now = db()->GetOptions();
      options.prefix_extractor = now.prefix_extractor;
      options.table_factory = now.table_factory;
      ASSERT_NO_FATAL_FAILURE(Open(options));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectTotalOrder());
    const std::shared_ptr<const SliceTransform> extractor =
        db()->GetOptions().prefix_extractor;
    for (int i = 0; i < 60; ++i) {
      const std::string target = AnyKey();
      std::string end = AnyKey();
      if (i % 2 == 0) {
        // Often within the target's prefix, or the next one.
        end = target + "\xff";
        end.resize(rng_() % (end.size() + 1));
        if (!end.empty()) ++end.back();
      }
      ASSERT_NO_FATAL_FAILURE(ExpectRange(target, end));
      if (extractor != nullptr) {
        ASSERT_NO_FATAL_FAILURE(ExpectPrefix(*extractor, target));
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectGets());
    for (const auto ticker : {rocksdb::LAST_LEVEL_SEEK_FILTERED,
                              rocksdb::NON_LAST_LEVEL_SEEK_FILTERED,
                              rocksdb::BLOOM_FILTER_PREFIX_USEFUL}) {
      answered += options.statistics->getAndResetTickerCount(ticker);
    }
  }
  EXPECT_GT(Kinds().fst, 0u);
  EXPECT_EQ(Kinds().block_based, 0u);
  // Filters did answer.
  EXPECT_GT(answered, 500u);
  ASSERT_TRUE(db()->VerifyChecksum().ok());
}

INSTANTIATE_TEST_SUITE_P(
    Comparators, FstAnyPrefixTest,
    ::testing::Values(rocksdb::BytewiseComparator(),
                      rocksdb::ReverseBytewiseComparator()),
    [](const auto& test) {
      return test.param == rocksdb::BytewiseComparator() ? "Bytewise"
                                                         : "ReverseBytewise";
    });

}  // namespace
}  // namespace memkv
