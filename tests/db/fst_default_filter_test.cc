// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// default_filter: which files have a filter where no filter_policy is named,
// who asks it, and that it holds no prefixes.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "table/fst/pin_budget.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;

constexpr int kKeys = 2000;

std::string Key(int i) { return "some/key/" + std::to_string(100000 + i); }

class FstDefaultFilterTest : public FstDbTest {
 protected:
  void OpenWith(const std::string& fst) {
    options_ = MemkvOptions(fst);
    options_.disable_auto_compactions = true;
    options_.write_buffer_size = 64 << 20;
    options_.statistics = rocksdb::CreateDBStatistics();
    ASSERT_NO_FATAL_FAILURE(Open(options_));
  }
  void Load() {
    for (int i = 0; i < kKeys; i += 2) {
      ASSERT_NO_FATAL_FAILURE(Put(Key(i), std::to_string(i)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  }

  // The bytes of all files' filters.
  uint64_t FilterBytes() const {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    uint64_t bytes = 0;
    for (const auto& [name, properties] : all) {
      bytes += properties->filter_size;
    }
    return bytes;
  }

  // Gets keys that are there and as many between them; how many of those a
  // filter has answered for.
  uint64_t MissesByFilter() const {
    const auto useful = [this] {
      return options_.statistics->getTickerCount(rocksdb::BLOOM_FILTER_USEFUL);
    };
    const uint64_t before = useful();
    for (int i = 0; i < kKeys - 1; ++i) {
      EXPECT_EQ(Get(Key(i)), i % 2 == 0 ? std::to_string(i) : "NOT_FOUND");
    }
    return useful() - before;
  }

  // The keys that the filter has let pass or stopped since the last call.
  uint64_t Asked() {
    uint64_t asked = 0;
    for (const auto ticker :
         {rocksdb::BLOOM_FILTER_USEFUL, rocksdb::BLOOM_FILTER_FULL_POSITIVE}) {
      asked += options_.statistics->getAndResetTickerCount(ticker);
    }
    return asked;
  }
  // Gets keys that are there, or the others between these, one by one or a
  // batch at a time, until the filter is asked for none of them in a row
  // (`asked` is false), or for all.  Whether that came to be.
  bool GetsUntil(bool asked, bool there, bool batches) {
    constexpr int kBatch = 20;
    for (int round = 0; round < 20; ++round) {
      Asked();
      std::vector<std::string> keys;
      uint64_t sought = 0;
      for (int i = there ? 0 : 1; i < kKeys - 1; i += 2) {
        keys.push_back(Key(i));
        if (batches && keys.size() < kBatch) continue;
        sought += keys.size();
        const std::vector<std::string> answers = Answers(keys, batches);
        for (const std::string& answer : answers) {
          EXPECT_EQ(answer, there ? answer : "NOT_FOUND");
        }
        keys.clear();
      }
      if (Asked() == (asked ? sought : 0)) return true;
    }
    return false;
  }

  Options options_;

 private:
  std::vector<std::string> Answers(const std::vector<std::string>& keys,
                                   bool batches) const {
    if (!batches) return {Get(keys.front())};
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const auto statuses = db()->MultiGet(ReadOptions(), slices, &values);
    for (size_t i = 0; i < keys.size(); ++i) {
      if (statuses[i].IsNotFound()) values[i] = "NOT_FOUND";
    }
    return values;
  }
};

TEST_F(FstDefaultFilterTest, FilesOfEachLevelHaveOne) {
  ASSERT_NO_FATAL_FAILURE(OpenWith(""));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_GE(FilterBytes(), uint64_t{kKeys} / 2 * 10 / 8);
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);

  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GE(FilterBytes(), uint64_t{kKeys} / 2 * 10 / 8);
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);

  ASSERT_NO_FATAL_FAILURE(OpenWith("default_filter=none"));
  EXPECT_EQ(MissesByFilter(), 0u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(FilterBytes(), 0u);
}

// It is asked while it stops keys, passed over once it stops none, and asked
// again when keys that are not there are sought again.
TEST_F(FstDefaultFilterTest, IsAskedWhileItStopsKeys) {
  ASSERT_NO_FATAL_FAILURE(OpenWith(""));
  ASSERT_NO_FATAL_FAILURE(Load());
  for (const bool batches : {false, true}) {
    SCOPED_TRACE(batches);
    ASSERT_NO_FATAL_FAILURE(OpenWith(""));
    // The segment is in memory from its first use on.
    EXPECT_EQ(Get(Key(0)), "0");
    Asked();
    EXPECT_EQ(Get(Key(2)), "2");
    EXPECT_EQ(Asked(), 1u);
    EXPECT_TRUE(GetsUntil(/*asked=*/false, /*there=*/true, batches));
    EXPECT_TRUE(GetsUntil(/*asked=*/true, /*there=*/false, batches));
    EXPECT_TRUE(GetsUntil(/*asked=*/false, /*there=*/true, batches));
  }
}

TEST_F(FstDefaultFilterTest, IsAlwaysAskedWhereSegmentsAreNotInMemory) {
  // Room for the filter, and for one segment of several.
  ASSERT_NO_FATAL_FAILURE(
      OpenWith("pinned_keys_limit=3000;segment_size=4K;key_buffer_size=0"));
  ASSERT_NO_FATAL_FAILURE(Load());
  ASSERT_GT(FilterBytes(), 0u);
  for (int round = 0; round < 5; ++round) {
    EXPECT_TRUE(GetsUntil(/*asked=*/true, /*there=*/true, /*batches=*/false));
  }
}

TEST_F(FstDefaultFilterTest, OneThatIsNamedIsAlwaysAsked) {
  ASSERT_NO_FATAL_FAILURE(OpenWith("filter_policy=bloomfilter:10:false"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_FALSE(GetsUntil(/*asked=*/false, /*there=*/true, /*batches=*/false));
}

TEST_F(FstDefaultFilterTest, OptimizeFiltersForHitsHoldsForTheLastLevel) {
  options_ = MemkvOptions();
  options_.optimize_filters_for_hits = true;
  ASSERT_NO_FATAL_FAILURE(Open(options_));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_GT(FilterBytes(), 0u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(FilterBytes(), 0u);
}

// A compaction opens its output before the files that it replaces are closed,
// which have taken all the room.
TEST_F(FstDefaultFilterTest, IsHeldOnceClosedFilesMakeRoomForIt) {
  ASSERT_NO_FATAL_FAILURE(
      OpenWith("pinned_keys_limit=6000;segment_size=1K;key_buffer_size=0"));
  ASSERT_NO_FATAL_FAILURE(Load());
  ASSERT_NO_FATAL_FAILURE(Load());
  // Of two filters of 1.25 kB; the rest is of segments.
  EXPECT_GT(MissesByFilter(), 0u);
  const auto budget = [this] {
    return PinBudget::Of(
        options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()
            ->block_cache);
  };
  EXPECT_GT(budget()->used(), 5000u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);
  EXPECT_LE(budget()->used(), 6000u);
}

TEST_F(FstDefaultFilterTest, ThereIsNoneWhereItCouldNotBeHeld) {
  for (const char* fst : {"residency=cache", "no_block_cache=true"}) {
    SCOPED_TRACE(fst);
    Destroy();
    ASSERT_NO_FATAL_FAILURE(OpenWith(fst));
    ASSERT_NO_FATAL_FAILURE(Load());
    EXPECT_EQ(FilterBytes(), 0u);
  }
  Destroy();
  ASSERT_NO_FATAL_FAILURE(OpenWith("residency=pin;no_block_cache=true"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_GT(FilterBytes(), 0u);
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);
}

TEST_F(FstDefaultFilterTest, IsHeldWithinWhatMayBePinnedAndChargedToTheCache) {
  const auto charged = [this] {
    const auto* const cache =
        options_.table_factory->GetOptions<rocksdb::Cache>("BlockCache");
    return cache->GetPinnedUsage();
  };
  ASSERT_NO_FATAL_FAILURE(OpenWith("block_cache=4M"));
  ASSERT_NO_FATAL_FAILURE(Load());
  const uint64_t bytes = FilterBytes();
  ASSERT_GT(bytes, 0u);
  // Open the file alone: no segment is used yet.
  ASSERT_NO_FATAL_FAILURE(OpenWith("block_cache=4M"));
  EXPECT_GE(charged(), bytes);

  // Where there is no room it is not asked, and answers are the same.
  ASSERT_NO_FATAL_FAILURE(OpenWith("block_cache=4M;pinned_keys_limit=" +
                                   std::to_string(bytes / 2)));
  EXPECT_EQ(MissesByFilter(), 0u);
  ASSERT_NO_FATAL_FAILURE(OpenWith("block_cache=4M;residency=cache"));
  EXPECT_EQ(MissesByFilter(), 0u);
}

TEST_F(FstDefaultFilterTest, WithNoneThereAreNoneAndNoneIsAsked) {
  ASSERT_NO_FATAL_FAILURE(OpenWith(""));
  ASSERT_NO_FATAL_FAILURE(Load());
  const uint64_t bytes = FilterBytes();
  ASSERT_GT(bytes, 0u);
  ASSERT_NO_FATAL_FAILURE(OpenWith("default_filter=none"));
  EXPECT_EQ(MissesByFilter(), 0u);
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(FilterBytes(), bytes);

  // A policy that is named reads it, as it is of the same kind.
  ASSERT_NO_FATAL_FAILURE(
      OpenWith("default_filter=none;filter_policy=bloomfilter:10:false"));
  EXPECT_GT(MissesByFilter(), 0u);
}

TEST_F(FstDefaultFilterTest, WhatIsNamedWins) {
  ASSERT_NO_FATAL_FAILURE(OpenWith("filter_policy=bloomfilter:20:false"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_GE(FilterBytes(), uint64_t{kKeys} / 2 * 20 / 8);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GE(FilterBytes(), uint64_t{kKeys} / 2 * 20 / 8);

  Destroy();
  ASSERT_NO_FATAL_FAILURE(OpenWith("whole_key_filtering=false"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(FilterBytes(), 0u);
}

TEST_F(FstDefaultFilterTest, ChangesOnALiveDatabase) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(OpenWith(""));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("default_filter", "none"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(FilterBytes(), 0u);
  ASSERT_NO_FATAL_FAILURE(SetTableOption("default_filter", "auto"));
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_GT(FilterBytes(), 0u);
}

// Nobody who names no filter expects a seek to find less than all.
TEST_F(FstDefaultFilterTest, SeeksWithAPrefixExtractorFindWhatFollows) {
  options_ = MemkvOptions();
  options_.disable_auto_compactions = true;
  options_.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(12));
  options_.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options_));
  ASSERT_NO_FATAL_FAILURE(Load());
  ASSERT_GT(FilterBytes(), 0u);
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
  for (int i = 1; i < kKeys - 1; i += 2) {
    iter->Seek(Key(i));
    ASSERT_TRUE(iter->Valid());
    ASSERT_EQ(iter->key().ToString(), Key(i + 1));
  }
  iter->Seek("nothing/has/this/prefix");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key().ToString(), Key(0));
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);
}

// A filter that was written under a policy has prefixes, which nobody asks for
// when none is named any more.
TEST_F(FstDefaultFilterTest, PrefixesOfOlderFilesAreNotAskedFor) {
  options_ = MemkvOptions("filter_policy=bloomfilter:10:false");
  options_.disable_auto_compactions = true;
  options_.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(12));
  ASSERT_NO_FATAL_FAILURE(Open(options_));
  ASSERT_NO_FATAL_FAILURE(Load());
  options_.table_factory = MemkvOptions().table_factory;
  options_.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options_));
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
  iter->Seek("nothing/has/this/prefix");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key().ToString(), Key(0));
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);
}

TEST_F(FstDefaultFilterTest, AnSstFileWritersFileHasOne) {
  ASSERT_NO_FATAL_FAILURE(OpenWith(""));
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options_);
  const std::string file = folder() + "/external.sst";
  ASSERT_TRUE(writer.Open(file).ok());
  for (int i = 0; i < kKeys; i += 2) {
    ASSERT_TRUE(writer.Put(Key(i), std::to_string(i)).ok());
  }
  ASSERT_TRUE(writer.Finish().ok());
  ASSERT_TRUE(db()->IngestExternalFile({file}, {}).ok());
  EXPECT_GT(FilterBytes(), 0u);
  EXPECT_GT(MissesByFilter(), uint64_t{kKeys} / 2 * 9 / 10);
}

TEST_F(FstDefaultFilterTest, AnotherValueIsRefused) {
  rocksdb::ColumnFamilyOptions options;
  const rocksdb::Status s = rocksdb::GetColumnFamilyOptionsFromString(
      rocksdb::ConfigOptions(), StockOptions(),
      "table_factory={id=fst;default_filter=some}", &options);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
}

}  // namespace
}  // namespace memkv
