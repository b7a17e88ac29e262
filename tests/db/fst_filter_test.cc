// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files with RocksDB's filters in them: when they are written, that they
// are asked and counted as block-based files' are, and that no answer depends
// on them.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr char kBloom[] = "filter_policy=bloomfilter:10:false";
constexpr int kKeys = 2000;

std::string Key(int i) { return "some/key/" + std::to_string(100000 + i); }

class FstFilterTest : public FstDbTest {
 protected:
  // One file at the last level, opened with `fst`: kKeys keys, and one before
  // and one behind them, so that no key that is sought lies beyond the file.
  void Load(const std::string& fst, const rocksdb::Comparator* comparator =
                                        rocksdb::BytewiseComparator()) {
    options_ = MemkvOptions(fst);
    options_.comparator = comparator;
    options_.write_buffer_size = 64 << 20;
    options_.target_file_size_base = 64 << 20;
    options_.statistics = rocksdb::CreateDBStatistics();
    ASSERT_NO_FATAL_FAILURE(Open(options_));
    ASSERT_NO_FATAL_FAILURE(Put("a", "first"));
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(Key(i), std::to_string(i)));
    }
    ASSERT_NO_FATAL_FAILURE(Put("z", "last"));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_TRUE(options_.statistics->Reset().ok());
  }

  uint64_t Ticker(rocksdb::Tickers ticker) const {
    return options_.statistics->getTickerCount(ticker);
  }

  // The properties of all files, added up; the policy's name is one of theirs.
  struct Filters {
    uint64_t bytes = 0;
    uint64_t entries = 0;
    size_t files = 0;
    std::string policy;
  };
  Filters FiltersOfFiles() const {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    Filters sum;
    for (const auto& [name, properties] : all) {
      sum.bytes += properties->filter_size;
      sum.entries += properties->num_filter_entries;
      sum.files += properties->filter_size != 0 ? 1 : 0;
      if (!properties->filter_policy_name.empty()) {
        sum.policy = properties->filter_policy_name;
      }
    }
    return sum;
  }

  // Gets keys that are there and as many between them.
  void ExpectHitsAndMisses() const {
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(Get(Key(i)), std::to_string(i));
      ASSERT_EQ(Get(Key(i) + "x"), "NOT_FOUND");
    }
  }

  Options options_;
};

TEST_F(FstFilterTest, ThereIsNoneWithoutAPolicyOrADefault) {
  ASSERT_NO_FATAL_FAILURE(Load("default_filter=none"));
  EXPECT_EQ(FiltersOfFiles().bytes, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
  EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_USEFUL), 0u);
  EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_FULL_POSITIVE), 0u);
  EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE), 0u);
}

TEST_F(FstFilterTest, AnswersMissesAndIsCountedAsABlockBasedFilesIs) {
  for (const char* residency : {"auto", "pin", "cache"}) {
    Destroy();
    ASSERT_NO_FATAL_FAILURE(
        Load(std::string(kBloom) + ";residency=" + residency));
    const Filters filters = FiltersOfFiles();
    EXPECT_EQ(filters.files, 1u);
    EXPECT_EQ(filters.entries, uint64_t{kKeys} + 2);
    EXPECT_GE(filters.bytes, uint64_t{kKeys} * 10 / 8);
    EXPECT_EQ(filters.policy, "bloomfilter");
    rocksdb::SetPerfLevel(rocksdb::kEnableCount);
    rocksdb::get_perf_context()->Reset();
    rocksdb::get_perf_context()->EnablePerLevelPerfContext();
    ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
    const uint64_t useful = Ticker(rocksdb::BLOOM_FILTER_USEFUL);
    const uint64_t passed = Ticker(rocksdb::BLOOM_FILTER_FULL_POSITIVE);
    // One in a hundred misses passes, about.
    EXPECT_GT(useful, uint64_t{kKeys} * 9 / 10);
    EXPECT_EQ(useful + passed, uint64_t{2 * kKeys});
    EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE),
              uint64_t{kKeys});
    const rocksdb::PerfContext& perf = *rocksdb::get_perf_context();
    EXPECT_EQ(perf.bloom_sst_miss_count, useful);
    EXPECT_EQ(perf.bloom_sst_hit_count, passed);
    uint64_t useful_by_level = 0;
    uint64_t true_by_level = 0;
    for (const auto& [level, counts] : *perf.level_to_perf_context) {
      useful_by_level += counts.bloom_filter_useful;
      true_by_level += counts.bloom_filter_full_true_positive;
    }
    EXPECT_EQ(useful_by_level, useful);
    EXPECT_EQ(true_by_level, uint64_t{kKeys});
    rocksdb::get_perf_context()->ClearPerLevelPerfContext();
    rocksdb::SetPerfLevel(rocksdb::kDisable);
    ASSERT_TRUE(db()->VerifyChecksum().ok());
  }
}

TEST_F(FstFilterTest, FilterStaysInMemoryUnlessIndexAndFilterBlocksAreCached) {
  for (const bool cached : {false, true}) {
    SCOPED_TRACE(cached);
    Destroy();
    ASSERT_NO_FATAL_FAILURE(
        Load(std::string("residency=cache;filter_policy=bloomfilter:10:false;"
                         "cache_index_and_filter_blocks=") +
             (cached ? "true" : "false")));
    ASSERT_NO_FATAL_FAILURE(Open(options_));
    ASSERT_TRUE(options_.statistics->Reset().ok());
    ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
    EXPECT_GT(Ticker(rocksdb::BLOOM_FILTER_USEFUL), 0u);
    EXPECT_EQ(Ticker(rocksdb::BLOCK_CACHE_FILTER_MISS), cached ? 1u : 0u);
    EXPECT_EQ(Ticker(rocksdb::BLOCK_CACHE_FILTER_HIT) > 0, cached);
  }
}

TEST_F(FstFilterTest, OneThatAFullStrictCacheHasNoRoomForIsNotAsked) {
  ASSERT_NO_FATAL_FAILURE(
      Load("filter_policy=bloomfilter:40:false;residency=cache;"
           "segment_size=1024;cache_index_and_filter_blocks=true;block_cache="
           "{capacity=8K;num_shard_bits=0;strict_capacity_limit=true}"));
  EXPECT_GT(FiltersOfFiles().bytes, 8u << 10);
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(Get(Key(i)), std::to_string(i));
    ASSERT_EQ(Get(Key(i) + "x"), "NOT_FOUND");
  }
}

TEST_F(FstFilterTest, MultiGetAsksItToo) {
  ASSERT_NO_FATAL_FAILURE(Load(kBloom));
  std::vector<std::string> keys;
  for (int i = 0; i < kKeys; ++i) {
    keys.push_back(Key(i));
    keys.push_back(Key(i) + "x");
  }
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db()->MultiGet(ReadOptions(), db()->DefaultColumnFamily(), keys.size(),
                 slices.data(), values.data(), statuses.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % 2 == 0) {
      ASSERT_TRUE(statuses[i].ok()) << keys[i];
      EXPECT_EQ(values[i].ToString(), std::to_string(i / 2));
    } else {
      EXPECT_TRUE(statuses[i].IsNotFound()) << keys[i];
    }
  }
  EXPECT_GT(Ticker(rocksdb::BLOOM_FILTER_USEFUL), uint64_t{kKeys} * 9 / 10);
  EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_USEFUL) +
                Ticker(rocksdb::BLOOM_FILTER_FULL_POSITIVE),
            uint64_t{2 * kKeys});
  EXPECT_EQ(Ticker(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE), uint64_t{kKeys});
}

TEST_F(FstFilterTest, NoneIsWrittenWhereRocksDbWritesNone) {
  // Neither keys nor, for want of an extractor, prefixes.
  ASSERT_NO_FATAL_FAILURE(
      Load("filter_policy=bloomfilter:10:false;whole_key_filtering=false"));
  EXPECT_EQ(FiltersOfFiles().bytes, 0u);
  // The last level, of a database that is asked for what is there.
  ASSERT_NO_FATAL_FAILURE(Load(kBloom));
  EXPECT_NE(FiltersOfFiles().bytes, 0u);
  options_.optimize_filters_for_hits = true;
  ASSERT_NO_FATAL_FAILURE(Open(options_));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(FiltersOfFiles().bytes, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
}

TEST_F(FstFilterTest, ChangesOnALiveDatabaseForFilesWrittenLater) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(Load("default_filter=none"));
  ASSERT_NO_FATAL_FAILURE(
      SetTableOption("filter_policy", "bloomfilter:10:false"));
  EXPECT_EQ(FiltersOfFiles().files, 0u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(FiltersOfFiles().files, 1u);
  ASSERT_TRUE(options_.statistics->Reset().ok());
  ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
  EXPECT_GT(Ticker(rocksdb::BLOOM_FILTER_USEFUL), uint64_t{kKeys} * 9 / 10);
  ASSERT_NO_FATAL_FAILURE(SetTableOption("filter_policy", "nullptr"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(FiltersOfFiles().files, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
}

TEST_F(FstFilterTest, NoAnswerDependsOnIt) {
  const char* const kPolicies[] = {
      kBloom, "", "block_based={filter_policy=ribbonfilter:10:-1}",
      "filter_policy=bloomfilter:2:false;residency=cache",
      // The bloom filter of old.
      "filter_policy=bloomfilter:10:false;format_version=4",
      "write_format=block_based;filter_policy=bloomfilter:10"};
  const uint64_t seed = TestSeed();
  Model model;
  MixedWriter writer(seed, 500);
  for (const char* policy : kPolicies) {
    ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(policy)));
    // Files of the policies before, too.
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model)) << policy;
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 1500));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model)) << policy;
  }
  ASSERT_TRUE(db()->VerifyChecksum().ok());
}

TEST_F(FstFilterTest, AMirroredFileHasOneToo) {
  ASSERT_NO_FATAL_FAILURE(Load(kBloom, rocksdb::ReverseBytewiseComparator()));
  EXPECT_EQ(FiltersOfFiles().files, 1u);
  ASSERT_NO_FATAL_FAILURE(ExpectHitsAndMisses());
  EXPECT_GT(Ticker(rocksdb::BLOOM_FILTER_USEFUL), uint64_t{kKeys} * 9 / 10);
}

}  // namespace
}  // namespace memkv
