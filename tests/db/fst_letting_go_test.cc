// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// residency=auto: small segments are let go for others that are used more, but
// none that somebody uses, and answers are the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "db/pinned_iterators_manager.h"
#include "rocksdb/cache.h"
#include "rocksdb/memory_allocator.h"
#include "table/fst/pin_budget.h"
#include "table/fst/table_reader.h"
#include "table/key_trie/target.h"
#include "tests/db/fst_auto_residency_fixture.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReader;

class CountingAllocator : public rocksdb::MemoryAllocator {
 public:
  const char* Name() const override { return "CountingAllocator"; }
  void* Allocate(size_t size) override {
    ++allocated;
    return new char[size];
  }
  void Deallocate(void* p) override {
    --allocated;
    delete[] static_cast<char*>(p);
  }
  std::atomic<int> allocated{0};
};

class FstLettingGoTest : public FstAutoResidencyTest {
 protected:
  // Room for a quarter of a file's segments, and none for cached ones.
  static constexpr size_t kLimit = 20000;
  static std::shared_ptr<rocksdb::Cache> SmallCache() {
    rocksdb::LRUCacheOptions options;
    options.capacity = 1000;
    options.num_shard_bits = 0;
    return rocksdb::NewLRUCache(options);
  }

  static std::string InternalKeyOf(int i) {
    return TableEntry{KeyOf(i), 7, rocksdb::kTypeValue, ""}.InternalKey();
  }
  // Gets `n` keys of the file's `part` of `parts`, drawn at random.
  void GetAny(const MemoryTable& table, TableReader* reader, int part,
              int parts, int n) {
    for (int i = 0; i < n; ++i) {
      const auto drawn = static_cast<int>(rng_() % (kKeys / parts));
      const Status s = Get(table, reader, kKeys / parts * part + drawn);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }
  // Gets keys with one look-up.
  static void GetTogether(TableReader* reader, const std::set<int>& numbers) {
    std::deque<std::string> names;
    std::deque<key_trie::SoughtKey> keys;
    std::deque<rocksdb::PinnableSlice> values(numbers.size());
    std::deque<FstTableReader::Sought> sought;
    std::vector<FstTableReader::Sought*> all;
    for (const int i : numbers) {
      keys.emplace_back(names.emplace_back(KeyOf(i)));
      FstTableReader::Sought& one = sought.emplace_back();
      one.key = &keys.back();
      one.value = &values[all.size()];
      all.push_back(&one);
    }
    static_cast<const FstTableReader*>(reader)->FindNewest(
        ReadOptions(), /*prefix_extractor=*/nullptr, UINT64_MAX, all.data(),
        all.size());
    auto number = numbers.begin();
    for (const FstTableReader::Sought& one : sought) {
      ASSERT_TRUE(one.status.ok()) << one.status.ToString();
      ASSERT_TRUE(one.newest.found);
      ASSERT_EQ(one.value->ToString(), ValueOf(*number++));
    }
  }
  // How many of its segments are held, of all that are.
  static double PartOfHeld(const TableReader& reader, uint32_t part,
                           uint32_t parts) {
    const uint32_t segments = NumSegments(reader);
    return static_cast<double>(NumHeld(reader, segments * part / parts,
                                       segments * (part + 1) / parts)) /
           NumHeld(reader);
  }

  std::mt19937_64 rng_{TestSeed()};
};

TEST_F(FstLettingGoTest, WhatIsUsedNowTakesThePlaceOfWhatWasUsed) {
  const auto cache = SmallCache();
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  for (const int part : {0, 2, 1}) {
    ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), part, 3, 40000));
    EXPECT_GT(PartOfHeld(*reader, static_cast<uint32_t>(part), 3), 0.8);
    EXPECT_LE(PinBudget::Of(cache)->used(), kLimit);
    EXPECT_GT(PinBudget::Of(cache)->used(), kLimit / 2);
  }
}

TEST_F(FstLettingGoTest, OfSeveralFilesTheOneThatIsUsedHasTheRoom) {
  const auto cache = SmallCache();
  std::vector<std::unique_ptr<MemoryTable>> tables;
  std::vector<std::unique_ptr<TableReader>> readers;
  for (int i = 0; i < 3; ++i) {
    tables.push_back(std::make_unique<MemoryTable>(Settings(cache, kLimit)));
    ASSERT_NO_FATAL_FAILURE(Build(tables.back().get()));
    readers.push_back(Open(*tables.back()));
  }
  for (const size_t i : {size_t{0}, size_t{1}, size_t{2}, size_t{0}}) {
    ASSERT_NO_FATAL_FAILURE(GetAny(*tables[i], readers[i].get(), 0, 1, 40000));
    uint32_t others = 0;
    for (size_t k = 0; k < 3; ++k) {
      if (k != i) others += NumHeld(*readers[k]);
    }
    EXPECT_GT(NumHeld(*readers[i]), 3 * others);
  }
  // Nothing of a file that is closed is asked any more.
  readers[0].reset();
  ASSERT_NO_FATAL_FAILURE(GetAny(*tables[1], readers[1].get(), 0, 1, 40000));
  readers.clear();
  EXPECT_EQ(PinBudget::Of(cache)->used(), 0u);
}

TEST_F(FstLettingGoTest, WhatIsUsedMoreStays) {
  const auto cache = SmallCache();
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  // An eighth of the keys gets as many reads as all others.
  for (int i = 0; i < 400; ++i) {
    ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 8, 100));
    ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 1, 100));
  }
  const uint32_t segments = NumSegments(*reader);
  EXPECT_GT(NumHeld(*reader, 0, segments / 8), segments / 8 * 3 / 4);
}

TEST_F(FstLettingGoTest, NeitherAWalkNorReadsThatFillNoCacheMakeRoom) {
  for (const bool walks : {true, false}) {
    const auto cache = SmallCache();
    MemoryTable table(Settings(cache, kLimit));
    ASSERT_NO_FATAL_FAILURE(Build(&table));
    const auto reader = Open(table);
    ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 4, 100));
    std::vector<bool> held;
    for (uint32_t i = 0; i < NumSegments(*reader); ++i) {
      held.push_back(FileOf(*reader).store().HoldsSegment(i));
    }
    ReadOptions ro;
    ro.fill_cache = false;
    for (int i = 0; i < 200; ++i) {
      if (walks) {
        ASSERT_NO_FATAL_FAILURE(ExpectScansAll(reader.get(), true));
      }
      // Of segments that are not held, so that none is spared.
      for (int k = kKeys / 2; !walks && k < kKeys; k += 20) {
        ASSERT_TRUE(Get(table, reader.get(), k, ro).ok());
      }
    }
    for (uint32_t i = 0; i < NumSegments(*reader); ++i) {
      EXPECT_EQ(FileOf(*reader).store().HoldsSegment(i), held[i]);
    }
    // Those that do fill it make room.
    for (int i = 0; i < 200; ++i) {
      for (int k = kKeys / 2; k < kKeys; k += 20) {
        ASSERT_TRUE(Get(table, reader.get(), k).ok());
      }
    }
    EXPECT_LT(PartOfHeld(*reader, 0, 4), 0.2);
  }
}

TEST_F(FstLettingGoTest, AFileWithASmallerLimitKeepsWhatItUses) {
  const auto cache = SmallCache();
  MemoryTable small(Settings(cache, 10000));
  MemoryTable large(Settings(cache, 30000));
  for (MemoryTable* table : {&small, &large}) {
    ASSERT_NO_FATAL_FAILURE(Build(table));
  }
  const auto first = Open(small);
  const auto second = Open(large);
  ASSERT_NO_FATAL_FAILURE(GetAny(small, first.get(), 0, 16, 100));
  const uint32_t held = NumHeld(*first);
  ASSERT_GT(held, 2u);
  for (int i = 0; i < 400; ++i) {
    ASSERT_NO_FATAL_FAILURE(GetAny(small, first.get(), 0, 16, 20));
    ASSERT_NO_FATAL_FAILURE(GetAny(large, second.get(), 0, 1, 20));
  }
  EXPECT_GT(PinBudget::Of(cache)->used(), 10000u);
  EXPECT_EQ(NumHeld(*first), held);
}

TEST_F(FstLettingGoTest, PinnedSegmentsTakeNoMemoryOfTheBlockCachesAllocator) {
  const auto allocator = std::make_shared<CountingAllocator>();
  rocksdb::LRUCacheOptions options;
  options.capacity = 1000;
  options.num_shard_bits = 0;
  options.memory_allocator = allocator;
  const auto cache = rocksdb::NewLRUCache(options);
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  for (int i = 0; i + 1 < kKeys; i += 100) {
    ASSERT_NO_FATAL_FAILURE(GetTogether(reader.get(), {i, kKeys - 1 - i}));
  }
  EXPECT_GT(NumHeld(*reader), 4u);
  cache->EraseUnRefEntries();
  EXPECT_EQ(allocator->allocated.load(), 0);
}

TEST_F(FstLettingGoTest, AnIteratorKeepsTheSegmentItIsIn) {
  const auto cache = SmallCache();
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  const std::unique_ptr<rocksdb::InternalIterator> iter(
      reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                          rocksdb::TableReaderCaller::kUserIterator));
  iter->Seek(InternalKeyOf(10));
  ASSERT_TRUE(iter->Valid());
  EXPECT_TRUE(FileOf(*reader).store().HoldsSegment(0));
  ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 1, 2, 40000));
  EXPECT_TRUE(FileOf(*reader).store().HoldsSegment(0));
  for (int i = 10; i < kKeys; ++i, iter->Next()) {
    ASSERT_TRUE(iter->Valid());
    ASSERT_EQ(iter->value().ToString(), ValueOf(i));
  }
  ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 1, 2, 40000));
  EXPECT_FALSE(FileOf(*reader).store().HoldsSegment(0));
}

TEST_F(FstLettingGoTest, PinnedValuesMayBeReleasedWhenTheFileIsClosed) {
  const auto cache = SmallCache();
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  auto reader = Open(table);
  rocksdb::PinnedIteratorsManager pinner;
  pinner.StartPinning();
  std::unique_ptr<rocksdb::InternalIterator> iter(
      reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                          rocksdb::TableReaderCaller::kUserIterator));
  iter->SetPinnedItersMgr(&pinner);
  std::vector<rocksdb::Slice> values;
  for (int i = 0; i < kKeys; i += 80) {
    iter->Seek(InternalKeyOf(i));
    ASSERT_TRUE(iter->Valid());
    ASSERT_TRUE(iter->IsValuePinned());
    values.push_back(iter->value());
  }
  // What is pinned is not let go.
  ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 1, 40000));
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i].ToString(), ValueOf(static_cast<int>(i) * 80));
  }
  // RocksDB does these in any order.
  reader.reset();
  iter.reset();
  pinner.ReleasePinnedData();
}

TEST_F(FstLettingGoTest, WhatASmallerBlockCacheHasNoRoomForGoes) {
  const auto cache = rocksdb::NewLRUCache(60000);
  MemoryTable table(Settings(cache, 0));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 1, 4000));
  EXPECT_GT(PinBudget::Of(cache)->used(), 30000u);
  cache->SetCapacity(30000);
  ASSERT_NO_FATAL_FAILURE(GetAny(table, reader.get(), 0, 1, 20000));
  EXPECT_LE(PinBudget::Of(cache)->used(), 22500u);
  EXPECT_GT(NumHeld(*reader), 0u);
}

TEST_F(FstLettingGoTest, ThreadsReadWhileSegmentsAreLetGoAndFilesAreClosed) {
  const auto cache = SmallCache();
  MemoryTable table(Settings(cache, kLimit));
  ASSERT_NO_FATAL_FAILURE(Build(&table));
  const auto reader = Open(table);
  std::atomic<bool> stop{false};
  constexpr int kThreads = 3;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 rng(TestSeed() + static_cast<unsigned>(t));
      while (!stop.load()) {
        // Each goes from one part of the file to another one.
        const auto part = static_cast<int>(rng() % 4);
        for (int i = 0; i < 500; ++i) {
          const auto drawn = static_cast<int>(rng() % (kKeys / 4));
          const int key = kKeys / 4 * part + drawn;
          ASSERT_NO_FATAL_FAILURE(
              GetTogether(reader.get(), {key, (key + 1500) % kKeys}));
          const Status s = Get(table, reader.get(), key);
          ASSERT_TRUE(s.ok()) << s.ToString();
        }
        ASSERT_NO_FATAL_FAILURE(ExpectScansAll(reader.get(), t == 0));
      }
    });
  }
  for (int i = 0; i < 40; ++i) {
    const auto other = Open(table);
    EXPECT_NO_FATAL_FAILURE(GetAny(table, other.get(), 0, 1, 500));
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(PinBudget::Of(cache)->used(), kLimit);
}

class CountingHolder final : public PinBudget::Holder {
 public:
  explicit CountingHolder(size_t size) : size_(size) {}
  bool LetGo(size_t* steps) override {
    const size_t here = std::min(*steps, size_ - at_);
    at_ += here;
    looked_at += here;
    *steps -= here;
    if (at_ < size_) return false;
    at_ = 0;
    return true;
  }
  size_t looked_at = 0;

 private:
  const size_t size_;
  size_t at_ = 0;
};

TEST(PinBudgetHandTest, MovesAnEighthOfASegmentForEachUnheldReadOverAllFiles) {
  const auto budget = std::make_shared<PinBudget>(nullptr);
  PinBudget::Share share(budget, 1000, 5000);
  for (int i = 0; i < 1000; ++i) share.CountUnheldRead();  // there is nobody
  CountingHolder large(300);
  CountingHolder small(100);
  CountingHolder empty(0);
  for (CountingHolder* holder : {&large, &empty, &small}) {
    share.AddHolder(holder);
  }
  for (int i = 0; i < 8 * 4000; ++i) share.CountUnheldRead();
  EXPECT_NEAR(static_cast<double>(large.looked_at), 3000, 300);
  EXPECT_NEAR(static_cast<double>(small.looked_at), 1000, 100);
  share.RemoveHolder(&large);
  const size_t before = large.looked_at;
  for (int i = 0; i < 8 * 1000; ++i) share.CountUnheldRead();
  EXPECT_EQ(large.looked_at, before);
  EXPECT_NEAR(static_cast<double>(small.looked_at), 2000, 100);
}

}  // namespace
}  // namespace memkv
