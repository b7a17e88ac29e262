// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reads of memkv::View that are no walks: Get, MultiGet, Rank, KeyAt, Sample;
// what they refuse, hand over and count. Their answers under histories are
// compared with RocksDB's in view_history_test.cc.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "plugin/memkv.h"
#include "plugin/memkv_view.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/statistics.h"
#include "tests/db/view_fixture.h"
#include "view/key_positions.h"

namespace memkv {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

class ViewReadsTest : public ViewDbTest {
 protected:
  static void ExpectNumber(const View& view,
                           const std::vector<std::string>& keys, size_t i) {
    std::string key;
    ASSERT_TRUE(view.KeyAt(i, &key).ok());
    ASSERT_EQ(keys[i], key);
    uint64_t rank = 0;
    ASSERT_TRUE(view.Rank(keys[i], &rank).ok());
    ASSERT_EQ(i, rank);
  }
  // A tree whose keys are not those of any one run: a large one below, changed
  // above in each way.
  void MakeLayers(const char* table_options = "segment_size=4096") {
    Options options = MemkvOptions(table_options);
    options.disable_auto_compactions = true;
    Open(options);
    for (int i = 0; i < 8000; ++i) Put(Key(2 * i), "old");
    CompactAll();
    for (int i = 0; i < 400; i += 2) Put(Key(37 * i + 1), "between");
    Flush();
    for (int i = 0; i < 100; ++i) Delete(Key(80 * i));
    Delete(Key(1));  // of the file above
    Put(Key(2), "newer");
    Delete(Key(15998));  // the last
    Delete(Key(99999));  // of nothing
    Put("", "the empty key");
    Put("zz", "behind all");
  }
  std::vector<std::string> AllKeys() {
    std::vector<std::string> keys;
    const std::unique_ptr<Iterator> it(db()->NewIterator(ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      keys.push_back(it->key().ToString());
    }
    return keys;
  }
  static std::string Get(const View& view, const std::string& key) {
    PinnableSlice value;
    const Status s = view.Get(ReadOptions(), key, &value);
    return s.ok() ? value.ToString() : s.ToString();
  }
};

TEST_F(ViewReadsTest, GetsSeeTheMomentOfTheView) {
  MakeLayers();
  const std::unique_ptr<View> view = OpenView();
  Put(Key(2), "later");
  Delete(Key(4));
  Flush();
  EXPECT_EQ("newer", Get(*view, Key(2)));
  EXPECT_EQ("old", Get(*view, Key(4)));
  EXPECT_EQ("between", Get(*view, Key(75)));
  EXPECT_EQ("the empty key", Get(*view, ""));
  EXPECT_EQ("NotFound: ", Get(*view, Key(0)));
  EXPECT_EQ("NotFound: ", Get(*view, Key(3)));
  view->Refresh();
  EXPECT_EQ("later", Get(*view, Key(2)));
  EXPECT_EQ("NotFound: ", Get(*view, Key(4)));
  EXPECT_EQ(0u, view->handed_over());
}

TEST_F(ViewReadsTest, AMultiGetOfAnyOrderWithDuplicatesAnswersAsGets) {
  MakeLayers("segment_size=4096;filter_policy=bloomfilter:10");
  const std::unique_ptr<View> view = OpenView();
  std::vector<std::string> keys;
  for (int i = 300; i >= 0; --i) {
    keys.push_back(Key(i));
    if (i % 7 == 0) keys.push_back(Key(0));
    if (i % 40 == 0) keys.insert(keys.end(), 40, Key(8));
  }
  keys.emplace_back("");
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnableSlice> values(keys.size());
  std::vector<Status> statuses(keys.size());
  view->MultiGet(ReadOptions(), keys.size(), slices.data(), values.data(),
                 statuses.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    std::string want;
    const Status s = db()->Get(ReadOptions(), keys[i], &want);
    ASSERT_EQ(s.code(), statuses[i].code()) << keys[i];
    if (s.ok()) {
      EXPECT_EQ(want, values[i].ToString()) << keys[i];
    }
  }
  EXPECT_EQ(0u, view->handed_over());
}

TEST_F(ViewReadsTest, HandsOverWhatItDoesNotServeKeyByKeyAndCountsIt) {
  Options options = MemkvOptions();
  ASSERT_TRUE(rocksdb::GetColumnFamilyOptionsFromString(
                  rocksdb::ConfigOptions(), options,
                  "merge_operator=stringappend", &options)
                  .ok());
  Open(options);
  Put("a", "1");
  Put("b", "1");
  Flush();
  ASSERT_TRUE(db()->Merge(rocksdb::WriteOptions(), "b", "2").ok());
  const std::unique_ptr<View> view = OpenView();
  EXPECT_EQ("1", Get(*view, "a"));
  EXPECT_EQ(0u, view->handed_over());
  EXPECT_EQ("1,2", Get(*view, "b"));
  EXPECT_EQ(1u, view->handed_over());
  Flush();
  view->Refresh();
  EXPECT_EQ("1,2", Get(*view, "b"));
  EXPECT_EQ(2u, view->handed_over());
  ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), "a", "b")
                  .ok());
  view->Refresh();
  EXPECT_EQ("NotFound: ", Get(*view, "a"));  // The memtable knows.
  EXPECT_EQ(2u, view->handed_over());
  Flush();
  view->Refresh();
  EXPECT_EQ("NotFound: ", Get(*view, "a"));
  EXPECT_EQ("1,2", Get(*view, "b"));
  EXPECT_EQ(3u, view->handed_over());
}

TEST_F(ViewReadsTest, GetsRefuseWhatTheyCannotGive) {
  Open(MemkvOptions());
  Put("a", "1");
  const std::unique_ptr<View> view = OpenView();
  Put("a", "2");
  rocksdb::ManagedSnapshot other(db());
  std::vector<ReadOptions> refused(4);
  refused[0].snapshot = other.snapshot();
  refused[1].read_tier = rocksdb::kPersistedTier;
  const Slice timestamp("12345678");
  refused[2].timestamp = &timestamp;
  refused[3].io_activity = rocksdb::Env::IOActivity::kDBIterator;
  for (const ReadOptions& options : refused) {
    PinnableSlice value;
    const Status s = view->Get(options, "a", &value);
    EXPECT_TRUE(s.IsInvalidArgument() || s.IsNotSupported()) << s.ToString();
    const Slice key("a");
    Status status;
    view->MultiGet(options, 1, &key, &value, &status);
    EXPECT_EQ(s.code(), status.code());
  }
}

// What a view does not serve itself, RocksDB's iterator reads: what a get does
// not obey must not reach it.
TEST_F(ViewReadsTest, GetsDoNotObeyWhatIsForIterators) {
  Options options = MemkvOptions();
  options.enable_blob_files = true;
  options.min_blob_size = 0;
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  Open(options);
  Put("b", "in a blob file");
  Flush();
  const std::unique_ptr<View> view = OpenView();
  const Slice bound("a");
  std::vector<ReadOptions> for_iterators(8);
  for_iterators[0].allow_unprepared_value = true;
  for_iterators[1].iterate_upper_bound = &bound;
  for_iterators[2].prefix_same_as_start = true;
  for_iterators[3].auto_prefix_mode = true;
  for_iterators[4].table_filter = [](const rocksdb::TableProperties&) {
    return false;
  };
  for_iterators[5].max_skippable_internal_keys = 1;
  for_iterators[6].tailing = true;
  for_iterators[7].pin_data = true;
  for (const ReadOptions& read_options : for_iterators) {
    std::string by_get;
    ASSERT_TRUE(db()->Get(read_options, "b", &by_get).ok());
    PinnableSlice value;
    ASSERT_TRUE(view->Get(read_options, "b", &value).ok());
    EXPECT_EQ(by_get, value);
    const Slice key("b");
    Status status;
    value.Reset();
    view->MultiGet(read_options, 1, &key, &value, &status);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(by_get, value);
  }
  EXPECT_EQ(16u, view->handed_over());
}

TEST_F(ViewReadsTest, GetsCountInStatisticsWhatRocksDBCounts) {
  Options options = MemkvOptions("filter_policy=bloomfilter:10");
  options.statistics = rocksdb::CreateDBStatistics();
  Open(options);
  for (int i = 0; i < 500; ++i) Put(Key(2 * i), "value");
  CompactAll();
  for (int i = 0; i < 50; ++i) Put(Key(3 * i), "other");
  const std::unique_ptr<View> view = OpenView();
  auto ticks = [&](bool by_view) {
    EXPECT_TRUE(options.statistics->Reset().ok());
    for (int i = 0; i < 300; ++i) {
      PinnableSlice value;
      const Status s =
          by_view ? view->Get(ReadOptions(), Key(i), &value)
                  : db()->Get(ReadOptions(), db()->DefaultColumnFamily(),
                              Key(i), &value);
      EXPECT_TRUE(s.ok() || s.IsNotFound());
    }
    std::vector<uint64_t> counts;
    for (const auto ticker :
         {rocksdb::NUMBER_KEYS_READ, rocksdb::BYTES_READ, rocksdb::MEMTABLE_HIT,
          rocksdb::MEMTABLE_MISS, rocksdb::BLOOM_FILTER_USEFUL,
          rocksdb::BLOOM_FILTER_FULL_POSITIVE,
          rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE, rocksdb::GET_HIT_L0,
          rocksdb::GET_HIT_L1, rocksdb::GET_HIT_L2_AND_UP}) {
      counts.push_back(options.statistics->getTickerCount(ticker));
    }
    return counts;
  };
  const auto rocksdb_ticks = ticks(false);
  EXPECT_GT(rocksdb_ticks[4], 0u);
  EXPECT_EQ(rocksdb_ticks, ticks(true));
}

TEST_F(ViewReadsTest, KeysHaveTheNumbersThatAWalkCounts) {
  MakeLayers();
  const std::vector<std::string> keys = AllKeys();
  const std::unique_ptr<View> view = OpenView();
  for (size_t i = 0; i < keys.size(); i += 3) {
    ASSERT_NO_FATAL_FAILURE(ExpectNumber(*view, keys, i));
    uint64_t rank = 0;
    ASSERT_TRUE(view->Rank(keys[i] + '\0', &rank).ok());
    ASSERT_EQ(i + 1, rank);
  }
  std::string key;
  EXPECT_TRUE(view->KeyAt(keys.size(), &key).IsNotFound());
  uint64_t rank = 0;
  ASSERT_TRUE(view->Rank("zzz", &rank).ok());
  EXPECT_EQ(keys.size(), rank);
}

TEST_F(ViewReadsTest, ALargeRunUnderFewChangesIsNumberedByRankAndElseByWalk) {
  MakeLayers();
  const auto by_rank = [this] {
    const auto pinned = std::make_shared<const view::PinnedVersion>(
        db(), db()->DefaultColumnFamily(), nullptr);
    std::shared_ptr<const view::KeyPositions> positions;
    EXPECT_TRUE(
        view::KeyPositions::Make(
            pinned, std::make_shared<std::atomic<uint64_t>>(0), &positions)
            .ok());
    EXPECT_EQ(AllKeys().size(), positions->num_keys());
    return positions->by_rank();
  };
  EXPECT_TRUE(by_rank());
  ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), Key(10), Key(900))
                  .ok());
  EXPECT_FALSE(by_rank());
  CompactAll();
  EXPECT_TRUE(by_rank());
  for (int i = 0; i < 600; ++i) Put(Key(20000 + i), "too many");
  EXPECT_FALSE(by_rank());
}

TEST_F(ViewReadsTest, AWalkThinsItsMarksAndStillNumbersExactly) {
  Options options = MemkvOptions();
  options.comparator = rocksdb::ReverseBytewiseComparator();
  options.disable_auto_compactions = true;
  Open(options);
  // Every 256th key on the way, which is a mark, is so long that 16 MiB of them
  // are full twice.
  const std::string long_end(400000, 'k');
  for (int i = 0; i < 120; ++i) {
    for (int j = 0; j < 255; ++j) Put(Key(256 * i + j), "");
    Put(Key(256 * i + 255) + long_end, "");
  }
  Delete(Key(5));
  const std::vector<std::string> keys = AllKeys();
  const std::unique_ptr<View> view = OpenView();
  for (size_t i = 0; i < keys.size(); i += 997) {
    ASSERT_NO_FATAL_FAILURE(ExpectNumber(*view, keys, i));
  }
}

TEST_F(ViewReadsTest, ASampleIsOfDistinctVisibleKeysEachAsLikely) {
  MakeLayers();
  const std::vector<std::string> keys = AllKeys();
  const std::unique_ptr<View> view = OpenView();
  std::vector<std::string> sample;
  std::vector<std::string> again;
  std::vector<uint64_t> drawn_in_tenth(10);
  const uint64_t seed = TestSeed();
  for (uint64_t round = 0; round < 20; ++round) {
    ASSERT_TRUE(view->Sample(500, seed + round, &sample).ok());
    ASSERT_EQ(500u, sample.size());
    for (size_t i = 0; i < sample.size(); ++i) {
      ASSERT_TRUE(i == 0 || sample[i - 1] < sample[i]);
      const auto at = std::lower_bound(keys.begin(), keys.end(), sample[i]);
      ASSERT_TRUE(at != keys.end() && *at == sample[i]);
      ++drawn_in_tenth[static_cast<size_t>(at - keys.begin()) * 10 /
                       keys.size()];
    }
    ASSERT_TRUE(view->Sample(500, seed + round, &again).ok());
    EXPECT_EQ(sample, again);
  }
  // 1000 each, with a standard deviation of 29.
  for (const uint64_t drawn : drawn_in_tenth) {
    EXPECT_GT(drawn, 800u);
    EXPECT_LT(drawn, 1200u);
  }
  ASSERT_TRUE(view->Sample(keys.size() + 1, seed, &sample).ok());
  EXPECT_EQ(keys, sample);
}

}  // namespace memkv
