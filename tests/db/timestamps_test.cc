// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// User-defined timestamps, which memkv leaves to the skip list and block-based
// files: histories with them are those of stock RocksDB; and a database of FST
// files in which they are switched on says that it cannot serve them, loses
// nothing, and has a way to them.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compat/open.h"
#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Comparator;
using rocksdb::DB;
using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

std::string Timestamp(uint64_t t) {
  std::string ts;
  rocksdb::EncodeU64Ts(t, &ts);
  return ts;
}

struct Variant {
  const char* name;
  bool reverse;
  bool persist;  // persist_user_defined_timestamps
};

class TimestampsTest : public FstDbTest,
                       public ::testing::WithParamInterface<Variant> {
 protected:
  static const Comparator* ComparatorOf(const Variant& variant) {
    return variant.reverse ? rocksdb::ReverseBytewiseComparatorWithU64Ts()
                           : rocksdb::BytewiseComparatorWithU64Ts();
  }

  // Of a database with timestamps.
  static Options WithTimestamps(Options options, const Variant& variant) {
    options.comparator = ComparatorOf(variant);
    options.persist_user_defined_timestamps = variant.persist;
    options.allow_concurrent_memtable_write = variant.persist;
    return options;
  }

  void OpenBoth() {
    const Options options[] = {
        WithTimestamps(StockOptions(), GetParam()),
        WithTimestamps(MemkvOptions("segment_size=1K"), GetParam())};
    for (size_t side = 0; side < 2; ++side) {
      sides_[side].reset();
      DB* db = nullptr;
      const Status s =
          DB::Open(options[side], folder() + "/side" + std::to_string(side),
                   compat::Into(&db));
      sides_[side].reset(db);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  // Runs on both; the statuses must be the same.
  template <class Run>
  void Both(const Run& run) {
    const Status stock = run(sides_[0].get());
    const Status memkv = run(sides_[1].get());
    ASSERT_EQ(stock.ToString(), memkv.ToString());
  }

  // Everything that is there at time t, both ways, and some gets.
  void Compare(uint64_t t) {
    const std::string at = Timestamp(t);
    const Slice at_slice(at);
    ReadOptions read_options;
    read_options.timestamp = &at_slice;
    std::vector<std::string> rows[2];
    for (size_t side = 0; side < 2; ++side) {
      DB* const db = sides_[side].get();
      const std::unique_ptr<Iterator> iter(db->NewIterator(read_options));
      const auto take = [&] {
        rows[side].push_back(iter->key().ToString() + "=" +
                             iter->value().ToString(true));
      };
      for (iter->SeekToFirst(); iter->Valid(); iter->Next()) take();
      rows[side].push_back(iter->status().ToString());
      for (iter->SeekToLast(); iter->Valid(); iter->Prev()) take();
      rows[side].push_back(iter->status().ToString());
      for (uint64_t i = 0; i < kKeys; i += 3) {
        const std::string key = NumberKey(static_cast<int>(i));
        std::string value;
        const Status s = db->Get(read_options, key, &value);
        rows[side].push_back(s.ToString() + Slice(value).ToString(true));
        iter->Seek(key + "x");
        if (iter->Valid()) take();
        iter->SeekForPrev(key + "x");
        if (iter->Valid()) take();
      }
    }
    ASSERT_EQ(rows[0], rows[1]);
    ASSERT_GT(rows[1].size(), kKeys / 3);
  }

  static constexpr uint64_t kKeys = 120;
  std::unique_ptr<DB> sides_[2];
};

// No merges, and no timestamps of what is read: with them RocksDB's own answers
// depend on which files it has compacted.
TEST_P(TimestampsTest, HistoriesAreThoseOfStockRocksDb) {
  ASSERT_NO_FATAL_FAILURE(OpenBoth());
  std::mt19937_64 rng(TestSeed());
  uint64_t now = 1;
  uint64_t low = 1;
  const WriteOptions wo;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = NumberKey(static_cast<int>(rng() % kKeys));
    const std::string to = NumberKey(static_cast<int>(rng() % kKeys));
    const std::string ts = Timestamp(++now);
    const std::string value = RandomBytes(&rng, rng() % 40);
    const uint64_t what = rng() % 1000;
    ASSERT_NO_FATAL_FAILURE(Both([&](DB* db) {
      auto* const cf = db->DefaultColumnFamily();
      if (what < 150) return db->Delete(wo, cf, key, ts);
      if (what < 260 && GetParam().persist) {
        // A range in the order of the comparator.
        const bool swap = (key > to) != GetParam().reverse;
        return db->DeleteRange(wo, cf, swap ? to : key, swap ? key : to, ts);
      }
      return db->Put(wo, cf, key, ts, value);
    })) << i;
    if (rng() % 200 == 0) {
      // What is older than this may be forgotten; without persisted timestamps
      // it must be before a flush.
      low = GetParam().persist ? now - rng() % (now - low + 1) : now + 1;
      ASSERT_NO_FATAL_FAILURE(Both([&](DB* db) {
        return db->IncreaseFullHistoryTsLow(db->DefaultColumnFamily(),
                                            Timestamp(low));
      }));
      now = std::max(now, low);
      ASSERT_NO_FATAL_FAILURE(
          Both([](DB* db) { return db->Flush(rocksdb::FlushOptions()); }));
    }
    if (rng() % 750 == 0) {
      ASSERT_NO_FATAL_FAILURE(Both([](DB* db) {
        return db->CompactRange(rocksdb::CompactRangeOptions(), nullptr,
                                nullptr);
      }));
    }
    if (rng() % 750 == 0) {
      ASSERT_NO_FATAL_FAILURE(OpenBoth());
    }
    if (i % 300 == 0) {
      // Where timestamps are stripped, a flush alone forgets the past.
      const uint64_t at = low + rng() % (now - low + 1);
      if (GetParam().persist) {
        ASSERT_NO_FATAL_FAILURE(Compare(at)) << i;
      }
      ASSERT_NO_FATAL_FAILURE(Compare(UINT64_MAX)) << i;
    }
  }
  ASSERT_NO_FATAL_FAILURE(Both([](DB* db) { return db->VerifyChecksum(); }));
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(sides_[1]->GetPropertiesOfAllTables(&all).ok());
  EXPECT_GT(all.size(), 0u);
  for (const auto& [file, properties] : all) {
    EXPECT_EQ(properties->user_collected_properties.count(
                  "memkv.fst.distinct.user.keys"),
              0u);
  }
  for (auto& side : sides_) side.reset();
}

INSTANTIATE_TEST_SUITE_P(
    Variants, TimestampsTest,
    ::testing::Values(Variant{"Persisted", false, true},
                      Variant{"PersistedReverse", true, true},
                      Variant{"Stripped", false, false}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

class TimestampsSwitchedTest : public TimestampsTest {};

TEST_P(TimestampsSwitchedTest, FstFilesAreRefusedByNameAndBlockBasedOnesServe) {
  NEEDS_LIVE_TABLE_OPTIONS();
  Options plain = MemkvOptions("segment_size=1K");
  if (GetParam().reverse) {
    plain.comparator = rocksdb::ReverseBytewiseComparator();
  }
  const Options switched = WithTimestamps(plain, GetParam());
  ASSERT_NO_FATAL_FAILURE(Open(plain));
  Model model;
  for (int i = 0; i < 500; ++i) {
    model[NumberKey(i)] = std::to_string(i);
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), model[NumberKey(i)]));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_GT(Kinds().fst, 0u);

  // Each read says which file, and why.
  ASSERT_NO_FATAL_FAILURE(Open(switched));
  const std::string at = Timestamp(7);
  const Slice at_slice(at);
  ReadOptions read_options;
  read_options.timestamp = &at_slice;
  const auto expect_refused = [&](const Status& s) {
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    EXPECT_NE(s.ToString().find(".sst: written with comparator"),
              std::string::npos)
        << s.ToString();
    EXPECT_NE(s.ToString().find(switched.comparator->Name()), std::string::npos)
        << s.ToString();
  };
  std::string value;
  expect_refused(db()->Get(read_options, NumberKey(77), &value));
  {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(read_options));
    iter->SeekToFirst();
    EXPECT_FALSE(iter->Valid());
    expect_refused(iter->status());
    iter->SeekForPrev(NumberKey(77));
    EXPECT_FALSE(iter->Valid());
    expect_refused(iter->status());
  }
  std::vector<rocksdb::PinnableSlice> values(2);
  std::vector<Status> statuses(2);
  const std::string names[] = {NumberKey(3), NumberKey(4)};
  const Slice keys[] = {names[0], names[1]};
  db()->MultiGet(read_options, db()->DefaultColumnFamily(), 2, keys,
                 values.data(), statuses.data());
  for (const Status& s : statuses) expect_refused(s);
  // Otherwise it would only move a file that need not be merged.
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForce;
  expect_refused(db()->CompactRange(compact, nullptr, nullptr));

  // Nothing is lost.
  ASSERT_NO_FATAL_FAILURE(Open(plain));
  for (const auto& [key, expected] : model) ASSERT_EQ(Get(key), expected);

  // The way to timestamps.
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_EQ(Kinds().fst, 0u);
  ASSERT_NO_FATAL_FAILURE(Open(switched));
  for (const auto& [key, expected] : model) {
    const Status s = db()->Get(read_options, key, &value);
    ASSERT_TRUE(s.ok()) << key << ": " << s.ToString();
    ASSERT_EQ(value, expected);
  }
  ASSERT_TRUE(db()->Put(WriteOptions(), NumberKey(5), at, "with a time").ok());
  ASSERT_TRUE(db()->Get(read_options, NumberKey(5), &value).ok());
  EXPECT_EQ(value, "with a time");
}

INSTANTIATE_TEST_SUITE_P(Variants, TimestampsSwitchedTest,
                         ::testing::Values(Variant{"Bytewise", false, false},
                                           Variant{"Reverse", true, false}),
                         [](const auto& param_info) {
                           return std::string(param_info.param.name);
                         });

}  // namespace
}  // namespace memkv
