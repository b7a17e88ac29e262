// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files and the block cache: what it counts, where its memory comes from,
// what it keeps longest, and what happens when it is full.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "compat/block_cache.h"
#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/memory_allocator.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "tests/db/fst_features_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

TEST_F(FstFeaturesTest, BlockCacheCountsHitsMissesAndKinds) {
  for (const auto residency :
       {FstTableOptions::Residency::kPin, FstTableOptions::Residency::kCache}) {
    Destroy();
    BlockBasedTableOptions bbto;
    bbto.block_cache = rocksdb::NewLRUCache(8 << 20);
    FstTableOptions fst;
    fst.residency = residency;
    Options options = OptionsOver(bbto, fst);
    options.statistics = rocksdb::CreateDBStatistics();
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    for (int i = 0; i < 2000; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Put("key/" + std::to_string(i),
              std::to_string(1000 + i) + std::string(96, 'v')));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_TRUE(options.statistics->Reset().ok());
    EXPECT_EQ(Get("key/1000").size(), 100u);
    const bool cached = residency == FstTableOptions::Residency::kCache;
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_ADD), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_HIT), 0u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_ADD),
              cached ? 1u : 0u);
    EXPECT_EQ(Get("key/1000").size(), 100u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_HIT), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_HIT),
              cached ? 1u : 0u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_ADD), cached ? 2u : 1u);
    // A miss costs no read of a value.
    EXPECT_EQ(Get("key/1000x"), "NOT_FOUND");
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    // What is not to be cached is not.
    const size_t used = bbto.block_cache->GetUsage();
    ReadOptions ro;
    ro.fill_cache = false;
    std::string value;
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(db()->Get(ro, "key/" + std::to_string(i), &value).ok());
    }
    EXPECT_EQ(bbto.block_cache->GetUsage(), used);
    Close();
  }
}

// Counts what it gives and takes back.
class CountingAllocator : public rocksdb::MemoryAllocator {
 public:
  const char* Name() const override { return "CountingAllocator"; }
  void* Allocate(size_t size) override {
    ++allocations;
    ++live;
    return malloc(size);
  }
  void Deallocate(void* p) override {
    --live;
    free(p);
  }
  std::atomic<int64_t> allocations{0};
  std::atomic<int64_t> live{0};
};

TEST_F(FstFeaturesTest, BlocksInTheCacheComeFromItsAllocator) {
  for (const auto compression :
       {rocksdb::kNoCompression, rocksdb::kLZ4Compression}) {
    Destroy();
    const auto allocator = std::make_shared<CountingAllocator>();
    BlockBasedTableOptions bbto;
    rocksdb::LRUCacheOptions cache(8 << 20, 0, false, 0.5, allocator);
    bbto.block_cache = rocksdb::NewLRUCache(cache);
    bbto.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    bbto.cache_index_and_filter_blocks = true;
    FstTableOptions fst;
    fst.residency = FstTableOptions::Residency::kCache;
    Options options = OptionsOver(bbto, fst);
    options.compression = compression;
    options.statistics = rocksdb::CreateDBStatistics();
    ASSERT_NO_FATAL_FAILURE(Open(options));
    Model model;
    ASSERT_NO_FATAL_FAILURE(Fill(&model, 3000, 200));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    const uint64_t added = TickerOf(options, rocksdb::BLOCK_CACHE_ADD);
    EXPECT_GT(added, 10u);
    EXPECT_GE(allocator->allocations.load(), static_cast<int64_t>(added));
    EXPECT_GT(allocator->live.load(), 0);
    Close();
    bbto.block_cache->EraseUnRefEntries();
    EXPECT_EQ(allocator->live.load(), 0);
  }
}

TEST_F(FstFeaturesTest, SegmentsOutliveValuesInTheCacheUnlessOptionsSayNot) {
  for (const bool high : {true, false}) {
    Destroy();
    BlockBasedTableOptions bbto;
    bbto.block_cache = rocksdb::NewLRUCache(512 << 10, /*num_shard_bits=*/0,
                                            /*strict_capacity_limit=*/false,
                                            /*high_pri_pool_ratio=*/0.5);
    bbto.cache_index_and_filter_blocks_with_high_priority = high;
    FstTableOptions fst;
    fst.residency = FstTableOptions::Residency::kCache;
    fst.segment_size = 4 << 10;
    // A value a block: what is read twice would gain priority by that.
    fst.value_block_size = 64;
    Options options = OptionsOver(bbto, fst);
    options.statistics = rocksdb::CreateDBStatistics();
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    std::mt19937_64 rng(TestSeed());
    for (int i = 1000; i < 3000; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Put("key/" + std::to_string(i), RandomBytes(&rng, 1000)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    EXPECT_EQ(Get("key/1000").size(), 1000u);
    // The values of other segments, three times what the cache holds.
    for (int i = 1400; i < 3000; ++i) {
      EXPECT_EQ(Get("key/" + std::to_string(i)).size(), 1000u);
    }
    ASSERT_GT(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_ADD), 2u);
    ASSERT_TRUE(options.statistics->Reset().ok());
    EXPECT_EQ(Get("key/1000").size(), 1000u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_MISS),
              high ? 0u : 1u);
    Close();
  }
}

TEST_F(FstFeaturesTest, FullCacheWithAStrictLimitFailsReadsNotTheDatabase) {
  BlockBasedTableOptions bbto;
  rocksdb::LRUCacheOptions cache;
  cache.capacity = 4 << 10;
  cache.num_shard_bits = 0;
  cache.strict_capacity_limit = true;
  bbto.block_cache = rocksdb::NewLRUCache(cache);
  FstTableOptions fst;
  fst.residency = FstTableOptions::Residency::kCache;
  Options options = OptionsOver(bbto, fst);
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(Fill(&model, 3000, 200));
  ASSERT_NO_FATAL_FAILURE(Flush());
  // A segment is larger than the cache.
  std::string value;
  const Status s = db()->Get(ReadOptions(), model.begin()->first, &value);
  EXPECT_TRUE(s.IsMemoryLimit()) << s.ToString();
  ReadOptions uncached;
  uncached.fill_cache = false;
  EXPECT_TRUE(db()->Get(uncached, model.begin()->first, &value).ok());
  EXPECT_EQ(value, model.begin()->second);
  bbto.block_cache->SetCapacity(16 << 20);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  Close();
}

TEST_F(FstFeaturesTest, PinnedSegmentsThatDoNotFitAreRefusedByName) {
  const std::string file = folder() + "/large.sst";
  {
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), MemkvOptions());
    ASSERT_TRUE(writer.Open(file).ok());
    std::mt19937_64 rng(TestSeed());
    for (int i = 0; i < 20000; ++i) {
      ASSERT_TRUE(
          writer.Put(std::to_string(100000 + i) + RandomBytes(&rng, 40), "v")
              .ok());
    }
    ASSERT_TRUE(writer.Finish().ok());
  }
  for (const auto residency :
       {FstTableOptions::Residency::kAuto, FstTableOptions::Residency::kPin,
        FstTableOptions::Residency::kCache}) {
    BlockBasedTableOptions bbto;
    rocksdb::LRUCacheOptions cache;
    cache.capacity = 512 << 10;
    cache.num_shard_bits = 0;
    cache.strict_capacity_limit = true;
    bbto.block_cache = rocksdb::NewLRUCache(cache);
    bbto.cache_usage_options.options_overrides.insert(
        {rocksdb::CacheEntryRole::kBlockBasedTableReader,
         {/*.charged = */ rocksdb::CacheEntryRoleOptions::Decision::kEnabled}});
    FstTableOptions fst;
    fst.residency = residency;
    rocksdb::SstFileReader reader(OptionsOver(bbto, fst));
    const Status s = reader.Open(file);
    if (residency != FstTableOptions::Residency::kPin) {
      EXPECT_TRUE(s.ok()) << s.ToString();
      continue;
    }
    EXPECT_TRUE(s.IsMemoryLimit()) << s.ToString();
    EXPECT_NE(s.ToString().find(file), std::string::npos) << s.ToString();
    EXPECT_NE(s.ToString().find("residency=auto"), std::string::npos)
        << s.ToString();
  }
}

}  // namespace
}  // namespace memkv
