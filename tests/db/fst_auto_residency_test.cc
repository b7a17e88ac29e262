// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// residency=auto: segments are pinned when they are used, no more of them than
// the budget of their block cache allows, and answers are the same whether they
// are pinned or not.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "db/dbformat.h"
#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "table/fst/pin_budget.h"
#include "table/fst/pinned_segments.h"
#include "table/fst/table_reader.h"
#include "table/internal_iterator.h"
#include "tests/db/fst_auto_residency_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/random_bytes.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

TEST_F(FstAutoResidencyTest, NothingIsPinnedBeforeItIsUsedAndThenThatAlone) {
  const auto cache = rocksdb::NewLRUCache(8 << 20);
  MemoryTable table(Settings(cache, 0));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  ASSERT_GT(NumSegments(*reader), 40u);
  EXPECT_EQ(NumHeld(*reader), 0u);
  const size_t before = PinnedBytes(*reader);
  ASSERT_TRUE(Get(table, reader.get(), 1000).ok());
  EXPECT_EQ(NumHeld(*reader), 1u);
  EXPECT_GT(PinnedBytes(*reader), before);
  ASSERT_TRUE(Get(table, reader.get(), 1000).ok());
  EXPECT_EQ(NumHeld(*reader), 1u);
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
  EXPECT_EQ(NumHeld(*reader), NumSegments(*reader));
}

TEST_F(FstAutoResidencyTest, NoMoreIsPinnedThanTheLimitAndTheCacheIsCharged) {
  for (const size_t limit : {size_t{1}, size_t{20000}, size_t{60000}}) {
    const auto cache = rocksdb::NewLRUCache(8 << 20);
    MemoryTable table(Settings(cache, limit));
    ASSERT_NO_FATAL_FAILURE(Build(&table));
    auto reader = Open(table);
    const size_t before = PinnedBytes(*reader);
    ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
    ASSERT_NO_FATAL_FAILURE(ExpectScansAll(reader.get(), true));
    ASSERT_NO_FATAL_FAILURE(ExpectScansAll(reader.get(), false));
    ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
    const size_t pinned = PinnedBytes(*reader) - before;
    EXPECT_LE(pinned, limit);
    EXPECT_LT(NumHeld(*reader), NumSegments(*reader));
    const auto budget = PinBudget::Of(cache);
    EXPECT_GE(budget->used(), pinned);
    EXPECT_LE(budget->used(), limit);
    if (limit > 1) {
      EXPECT_GT(NumHeld(*reader), 2u);
      EXPECT_GE(cache->GetPinnedUsage(), pinned);
    }
    reader.reset();
    EXPECT_EQ(budget->used(), 0u);
    EXPECT_EQ(cache->GetPinnedUsage(), 0u);
  }
}

TEST_F(FstAutoResidencyTest, ThreeQuartersOfTheCapacityAreTheLimitByDefault) {
  const auto cache = rocksdb::NewLRUCache(1 << 20);
  EXPECT_EQ(PinBudget(cache).Limit(0), 3u << 18);
  cache->SetCapacity(2 << 20);
  EXPECT_EQ(PinBudget(cache).Limit(0), 3u << 19);
  EXPECT_EQ(PinBudget(cache).Limit(5), 5u);
  EXPECT_EQ(PinBudget(nullptr).Limit(0), 0u);
  cache->SetStrictCapacityLimit(true);
  EXPECT_EQ(PinBudget(cache).Limit(0), 0u);
  EXPECT_EQ(PinBudget(cache).Limit(5), 5u);
  EXPECT_EQ(PinBudget(nullptr).Limit(5), 5u);
}

TEST_F(FstAutoResidencyTest, FilesOfABlockCacheShareItsBudget) {
  const auto cache = rocksdb::NewLRUCache(8 << 20);
  MemoryTable one(Settings(cache, 50000));
  MemoryTable other(Settings(cache, 50000));
  MemoryTable apart(Settings(rocksdb::NewLRUCache(8 << 20), 50000));
  for (MemoryTable* table : {&one, &other, &apart}) {
    ASSERT_NO_FATAL_FAILURE(Build(table));
  }
  auto first = Open(one);
  const auto second = Open(other);
  const auto third = Open(apart);
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(one, first.get()));
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(other, second.get()));
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(apart, third.get()));
  EXPECT_GT(NumHeld(*first), 0u);
  const uint32_t held = NumHeld(*second);
  EXPECT_LE(PinBudget::Of(cache)->used(), 50000u);
  EXPECT_EQ(NumHeld(*third), NumHeld(*first));
  // What a closed file gives back, others take when they next read.
  first.reset();
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(other, second.get()));
  EXPECT_GT(NumHeld(*second), held);
}

TEST_F(FstAutoResidencyTest, AWalkPinsNothingUnlessAllSegmentsFit) {
  for (const bool fits : {false, true}) {
    const auto cache = rocksdb::NewLRUCache(8 << 20);
    MemoryTable table(Settings(cache, fits ? 0 : 50000));
    ASSERT_NO_FATAL_FAILURE(Build(&table));
    const auto reader = Open(table);
    ASSERT_NO_FATAL_FAILURE(ExpectScansAll(reader.get(), true));
    // The first segment was sought.
    EXPECT_EQ(NumHeld(*reader), fits ? NumSegments(*reader) : 1u);
  }
}

TEST_F(FstAutoResidencyTest, ReadsThatFillNoCachePinNothing) {
  const auto cache = rocksdb::NewLRUCache(8 << 20);
  MemoryTable table(Settings(cache, 0));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  ReadOptions ro;
  ro.fill_cache = false;
  EXPECT_TRUE(Get(table, reader.get(), 1, ro).ok());
  ro = ReadOptions();
  ro.read_tier = rocksdb::kBlockCacheTier;
  EXPECT_TRUE(Get(table, reader.get(), 1, ro).IsIncomplete());
  const std::unique_ptr<rocksdb::InternalIterator> compaction(
      reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                          TableReaderCaller::kCompaction, 1 << 20));
  for (compaction->SeekToFirst(); compaction->Valid(); compaction->Next()) {
  }
  EXPECT_TRUE(reader
                  ->VerifyChecksum(ReadOptions(),
                                   TableReaderCaller::kUserVerifyChecksum)
                  .ok());
  EXPECT_EQ(NumHeld(*reader), 0u);
  ASSERT_TRUE(Get(table, reader.get(), 1).ok());
  EXPECT_TRUE(Get(table, reader.get(), 1, ro).ok());
}

TEST_F(FstAutoResidencyTest, AFullStrictCachePinsNothingAndAllIsAnswered) {
  rocksdb::LRUCacheOptions options;
  options.capacity = 200 << 10;  // less than what a charge is rounded up to
  options.num_shard_bits = 0;
  options.strict_capacity_limit = true;
  const auto cache = rocksdb::NewLRUCache(options);
  MemoryTable table(Settings(cache, 1 << 20));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
  EXPECT_EQ(NumHeld(*reader), 0u);
  EXPECT_EQ(PinBudget::Of(cache)->used(), 0u);
  // Nor does what is refused push out what is cached, but for the one read in
  // many that asks again.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
  EXPECT_LT(rocksdb::get_perf_context()->block_read_count, kKeys / 20u);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

TEST_F(FstAutoResidencyTest, PlanningACompactionPinsAndCachesNothing) {
  const auto cache = rocksdb::NewLRUCache(8 << 20);
  MemoryTable table(Settings(cache, 0));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  const size_t usage = cache->GetUsage();
  std::vector<TableReader::Anchor> anchors;
  ASSERT_TRUE(reader->ApproximateKeyAnchors(ReadOptions(), anchors).ok());
  EXPECT_GT(anchors.size(), 60u);
  EXPECT_EQ(NumHeld(*reader), 0u);
  EXPECT_EQ(cache->GetUsage(), usage);
}

TEST_F(FstAutoResidencyTest, MappedFilesArePinnedWithoutACopy) {
  MemoryTable::Settings settings = Settings(rocksdb::NewLRUCache(8 << 20), 0);
  settings.mapped = true;
  MemoryTable table(settings);
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  const size_t before = PinnedBytes(*reader);
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(table, reader.get()));
  EXPECT_EQ(NumHeld(*reader), NumSegments(*reader));
  EXPECT_EQ(PinnedBytes(*reader) - before,
            NumSegments(*reader) * sizeof(SegmentBlock));
}

TEST_F(FstAutoResidencyTest, ThreadsThatReadAtOncePinEachSegmentOnce) {
  for (const size_t limit : {size_t{0}, size_t{60000}}) {
    const auto cache = rocksdb::NewLRUCache(8 << 20);
    MemoryTable table(Settings(cache, limit));
    ASSERT_NO_FATAL_FAILURE(Build(&table));
    const auto reader = Open(table);
    const size_t before = PinnedBytes(*reader);
    constexpr int kThreads = 4;
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        ready.fetch_add(1);
        while (ready.load() != kThreads) std::this_thread::yield();
        // In orders of their own, so that they meet everywhere.
        for (int i = 0; i < kKeys; ++i) {
          const Status s =
              Get(table, reader.get(), (t % 2 == 0 ? i : kKeys - 1 - i));
          ASSERT_TRUE(s.ok()) << s.ToString();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const size_t pinned = PinnedBytes(*reader) - before;
    EXPECT_GE(PinBudget::Of(cache)->used(), pinned);
    if (limit == 0) {
      EXPECT_EQ(NumHeld(*reader), NumSegments(*reader));
      MemoryTable alone(Settings(rocksdb::NewLRUCache(8 << 20), 0));
      ASSERT_NO_FATAL_FAILURE(Build(&alone));
      const auto same = Open(alone);
      ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(alone, same.get()));
      // In another order pieces of memory are filled otherwise.
      EXPECT_LE(pinned, (PinnedBytes(*same) - before) * 5 / 4);
    } else {
      EXPECT_LE(pinned, limit);
    }
  }
}

TEST_F(FstAutoResidencyTest, ADamagedSegmentTakesNothingHoweverOftenItIsRead) {
  const auto budget = std::make_shared<PinBudget>(nullptr);
  PinnedSegments pinned;
  pinned.Start(2, 1000, std::make_unique<PinBudget::Share>(budget, 5000, 1000));
  const size_t before = pinned.MemoryUsage();
  std::string reason;
  for (int i = 0; i < 100; ++i) {
    rocksdb::BlockContents contents(std::unique_ptr<char[]>(new char[300]),
                                    300);
    SegmentEntry entry;
    pinned.Add(
        1, &contents,
        [](SegmentBlock*, std::string* why) {
          *why = "damaged";
          return false;
        },
        &entry, &reason);
    EXPECT_TRUE(entry.IsEmpty());
    EXPECT_EQ(reason, "damaged");
  }
  EXPECT_EQ(pinned.MemoryUsage(), before);
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_FALSE(pinned.Holds(1));
}

// Room that a filter is promised is kept from segments until it is taken.
TEST(PinBudgetTest, FiltersAreHeldWholeWithinThreeQuartersAndBeforeSegments) {
  const auto budget = std::make_shared<PinBudget>(nullptr);
  using FilterShare = PinBudget::FilterShare;
  auto segments = std::make_unique<PinBudget::Share>(budget, 1000, 5000);
  EXPECT_EQ(segments->Take(1, 900), 900u);
  // There is no room now, and none for segments until there was.
  FilterShare first(budget, 1000, 500);
  EXPECT_EQ(budget->filters(), 500u);
  EXPECT_FALSE(first.MayTake());
  EXPECT_FALSE(first.Take());
  EXPECT_FALSE(segments->MayTake(1));
  EXPECT_EQ(segments->Take(1, 100), 0u);
  segments = std::make_unique<PinBudget::Share>(budget, 1000, 5000);
  EXPECT_EQ(segments->Take(1, 900), 500u);
  EXPECT_TRUE(first.MayTake());
  EXPECT_TRUE(first.Take());
  EXPECT_TRUE(first.Take());  // once
  EXPECT_EQ(budget->used(), 1000u);
  segments.reset();

  // More than three quarters are promised to none, nor taken.
  auto second = std::make_unique<FilterShare>(budget, 1000, 250);
  FilterShare third(budget, 1000, 1);
  EXPECT_EQ(budget->filters(), 750u);
  EXPECT_FALSE(third.MayTake());
  EXPECT_FALSE(third.Take());
  EXPECT_TRUE(second->Take());
  EXPECT_EQ(budget->used(), 750u);
  second.reset();
  EXPECT_EQ(budget->used(), 500u);
  EXPECT_TRUE(third.MayTake());
  EXPECT_TRUE(third.Take());
  EXPECT_EQ(budget->used(), 501u);
  // What was promised and never taken is nobody's when the file is closed.
  { FilterShare fourth(budget, 1000, 249); }
  EXPECT_EQ(budget->filters(), 501u);
  segments = std::make_unique<PinBudget::Share>(budget, 1000, 5000);
  EXPECT_EQ(segments->Take(1, 900), 499u);
}

// A table whose files have filters, and one whose options name no policy and
// that reads them within `limit`.
struct FilterTables {
  explicit FilterTables(size_t limit) {
    MemoryTable::Settings named;
    named.block_based.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    written = std::make_unique<MemoryTable>(named);
    MemoryTable::Settings unnamed;
    unnamed.fst.default_filter = FstTableOptions::DefaultFilter::kAuto;
    unnamed.fst.pinned_keys_limit = limit;
    unnamed.block_based.block_cache = rocksdb::NewLRUCache(8 << 20);
    budget = PinBudget::Of(unnamed.block_based.block_cache);
    table = std::make_unique<MemoryTable>(unnamed);
  }
  std::unique_ptr<MemoryTable> written;
  std::shared_ptr<PinBudget> budget;
  std::unique_ptr<MemoryTable> table;
};

TEST_F(FstAutoResidencyTest, AFilterThatIsReadLateIsReadByReadsThatKeepIt) {
  FilterTables tables(100000);
  ASSERT_NO_FATAL_FAILURE(Build(tables.written.get()));
  const auto filter = tables.written->built_directory().filter;
  std::string bytes = tables.written->bytes();
  for (const bool damaged : {false, true}) {
    if (damaged) bytes[filter.offset()] ^= 1;
    auto others = std::make_unique<PinBudget::Share>(tables.budget, 100000, 0);
    ASSERT_EQ(others->Take(1, 100000), 100000u);
    std::unique_ptr<TableReader> reader;
    ASSERT_TRUE(tables.table->Open(bytes, ReadOptions(), &reader).ok());
    EXPECT_FALSE(FileOf(*reader).store().has_filter());
    EXPECT_TRUE(Get(*tables.table, reader.get(), 1).ok());
    others.reset();
    ReadOptions ro;
    ro.fill_cache = false;
    EXPECT_TRUE(Get(*tables.table, reader.get(), 1, ro).ok());
    ro = ReadOptions();
    ro.read_tier = rocksdb::kBlockCacheTier;
    Get(*tables.table, reader.get(), 1, ro).PermitUncheckedError();
    EXPECT_EQ(FileOf(*reader).store().charged_filter_bytes(), 0u);
    const Status s = Get(*tables.table, reader.get(), 1);
    if (damaged) {
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      EXPECT_NE(s.ToString().find(MemoryTable::kFileName), std::string::npos);
      EXPECT_NE(s.ToString().find(std::to_string(filter.offset())),
                std::string::npos)
          << s.ToString();
      // What was taken for it is back, and the next read tries again.
      EXPECT_EQ(tables.budget->filters(), filter.size());
      EXPECT_TRUE(Get(*tables.table, reader.get(), 1).IsCorruption());
      EXPECT_LT(tables.budget->used(), filter.size());
    } else {
      EXPECT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(FileOf(*reader).store().charged_filter_bytes(), filter.size());
      ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(*tables.table, reader.get()));
    }
    reader.reset();
    EXPECT_EQ(tables.budget->used(), 0u);
    EXPECT_EQ(tables.budget->filters(), 0u);
  }
}

TEST_F(FstAutoResidencyTest, ThreadsThatAskAtOnceReadAFilterOnce) {
  FilterTables tables(200000);
  ASSERT_NO_FATAL_FAILURE(Build(tables.written.get()));
  auto others = std::make_unique<PinBudget::Share>(tables.budget, 200000, 0);
  ASSERT_EQ(others->Take(1, 200000), 200000u);
  std::unique_ptr<TableReader> reader;
  ASSERT_TRUE(
      tables.table->Open(tables.written->bytes(), ReadOptions(), &reader).ok());
  std::atomic<int> begun{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      begun.fetch_add(1);
      for (int i = 0; i < kKeys; ++i) {
        const Status s = Get(*tables.table, reader.get(), i);
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
    });
  }
  while (begun.load() != 4) std::this_thread::yield();
  others.reset();
  for (std::thread& thread : threads) thread.join();
  ASSERT_NO_FATAL_FAILURE(ExpectAllKeys(*tables.table, reader.get()));
  EXPECT_EQ(FileOf(*reader).store().charged_filter_bytes(),
            tables.written->built_directory().filter.size());
  EXPECT_LE(tables.budget->used(), 200000u);
}

class FstAutoResidencyDbTest : public FstDbTest {};

// How many segments the files of a database have, and in how many files.
TEST_F(FstAutoResidencyDbTest, SegmentsAreSmallOnceTheTriesDoNotFit) {
  const auto segments_of = [&](const std::string& fst) {
    Destroy();
    rocksdb::Options options = MemkvOptions(fst);
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    EXPECT_TRUE(TryOpen(options).ok());
    std::mt19937_64 rng(TestSeed());
    std::vector<uint64_t> segments;
    for (int file = 0; file < 2; ++file) {
      for (int i = 0; i < 20000; ++i) {
        Put(FstAutoResidencyTest::KeyOf(20000 * file + i) +
                RandomBytes(&rng, 20),
            "v");
      }
      Flush();
    }
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    for (const auto& [name, properties] : all) {
      segments.push_back(properties->num_data_blocks);
    }
    std::sort(segments.begin(), segments.end());
    EXPECT_EQ(segments.size(), 2u);
    return segments;
  };
  const auto all_fit = segments_of("block_cache=64M");
  EXPECT_LT(all_fit[1], 10u);
  EXPECT_EQ(segments_of("residency=pin;block_cache=1M"), all_fit);
  const auto small = segments_of("residency=cache;block_cache=64M");
  EXPECT_GT(small[0], 50u);
  EXPECT_EQ(segments_of("block_cache=64K"), small);
  // There is room for the first one's alone.
  const auto first_fits = segments_of("block_cache=64M;pinned_keys_limit=512K");
  EXPECT_EQ(first_fits[0], all_fit[0]);
  EXPECT_GT(first_fits[1], 50u);
}

// Keys that share little, and values of `make`, in a file of this residency.
struct Segments {
  size_t number = 0;
  size_t compressed = 0;
};
Segments SegmentsOf(const std::function<std::string(uint64_t)>& make,
                    FstTableOptions::Residency residency) {
  std::mt19937_64 rng(11);
  std::vector<TableEntry> entries;
  for (uint64_t i = 0; i < 40000; ++i) {
    entries.push_back({RandomBytes(&rng, 12), 0, rocksdb::kTypeValue, make(i)});
  }
  std::sort(entries.begin(), entries.end(),
            [](const TableEntry& a, const TableEntry& b) {
              return a.user_key < b.user_key;
            });
  MemoryTable::Settings settings;
  settings.fst.residency = residency;
  settings.compression = rocksdb::kLZ4Compression;
  MemoryTable table(settings);
  EXPECT_TRUE(table.Build(entries).ok());
  std::unique_ptr<TableReader> reader;
  EXPECT_TRUE(table.Open(table.bytes(), ReadOptions(), &reader).ok());
  const FileIndex& index =
      static_cast<const FstTableReader&>(*reader).file().index();
  Segments segments;
  segments.number = index.num_segments();
  for (uint32_t i = 0; i < index.num_segments(); ++i) {
    const BlockLocation at = index.Location(i);
    if (table.bytes()[at.offset + at.size] != rocksdb::kNoCompression) {
      ++segments.compressed;
    }
  }
  return segments;
}

TEST(FstSegmentSizeTest, WhereCompressionHardlyPaysCachedSegmentsHaveNone) {
  using Residency = FstTableOptions::Residency;
  // Of the numbers a compressor finds nothing, of the keys hardly more.
  const auto number = [](uint64_t i) {
    return std::string(reinterpret_cast<const char*>(&i), sizeof(i));
  };
  const Segments held = SegmentsOf(number, Residency::kPin);
  const Segments cached = SegmentsOf(number, Residency::kCache);
  EXPECT_GT(cached.number, 8 * held.number);
  EXPECT_EQ(cached.compressed, 0u);
  // Values of which a compressor leaves a third.
  const auto digits = [](uint64_t i) {
    return std::to_string(1000000000000000 + i * i % 1000);
  };
  for (const Residency residency : {Residency::kPin, Residency::kCache}) {
    const Segments segments = SegmentsOf(digits, residency);
    EXPECT_GT(segments.number, 1u);
    EXPECT_EQ(segments.compressed, segments.number);
  }
}

}  // namespace
}  // namespace memkv
