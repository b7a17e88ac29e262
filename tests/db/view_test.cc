// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv::View: what it sees and for how long, what it refuses, what it hands
// over to RocksDB's iterator and counts, what it says to statistics. Its
// answers are compared with RocksDB's in view_history_test.cc.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "plugin/memkv.h"
#include "plugin/memkv_view.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/listener.h"
#include "rocksdb/statistics.h"
#include "rocksdb/utilities/db_ttl.h"
#include "tests/db/view_fixture.h"

namespace memkv {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

class ViewTest : public ViewDbTest {
 protected:
  void PutAll(int begin, int end, const std::string& value) {
    for (int i = begin; i < end; ++i) Put(Key(i), value);
  }
  // All records, as "key=value ".
  static std::string All(Iterator* it, bool forward = true) {
    std::string all;
    forward ? it->SeekToFirst() : it->SeekToLast();
    while (it->Valid()) {
      all += it->key().ToString() + "=" + it->value().ToString() + " ";
      forward ? it->Next() : it->Prev();
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    return all;
  }
  static std::string All(const View& view) {
    const std::unique_ptr<Iterator> it(view.NewIterator(ReadOptions()));
    return All(it.get());
  }
  static std::string ServedBy(Iterator* it) {
    std::string by;
    EXPECT_TRUE(it->GetProperty("memkv.iterator.served-by", &by).ok());
    return by;
  }
  static Status StatusOf(const View& view, const ReadOptions& options) {
    const std::unique_ptr<Iterator> it(view.NewIterator(options));
    return it->status();
  }
};

TEST_F(ViewTest, SeesWhatWasThereWhenItWasMadeWhateverBecomesOfIt) {
  Open(MemkvOptions());
  Put("a", "1");
  Put("b", "1");
  Flush();
  Put("c", "1");
  const std::unique_ptr<View> view = OpenView();
  Put("b", "2");
  Delete("a");
  Put("d", "2");
  Flush();
  CompactAll();
  EXPECT_EQ("a=1 b=1 c=1 ", All(*view));
  view->Refresh();
  EXPECT_EQ("b=2 c=1 d=2 ", All(*view));
  EXPECT_EQ(0u, view->handed_over());
}

TEST_F(ViewTest, OfASnapshotSeesWhatTheSnapshotSees) {
  Open(MemkvOptions());
  Put("a", "1");
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  Put("a", "2");
  Flush();
  Put("a", "3");
  const std::unique_ptr<View> view = OpenView(snapshot);
  EXPECT_EQ(snapshot->GetSequenceNumber(), view->sequence());
  ReadOptions options;
  options.snapshot = snapshot;
  EXPECT_TRUE(StatusOf(*view, options).ok());
  db()->ReleaseSnapshot(snapshot);
  EXPECT_EQ("a=1 ", All(*view));
}

TEST_F(ViewTest, AnIteratorOutlivesItsViewAndMovesToThePresentByRefresh) {
  Open(MemkvOptions());
  PutAll(0, 500, "old");
  Flush();
  std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(view->NewIterator(ReadOptions()));
  view.reset();
  const std::string before = All(it.get());
  Put(Key(7), "new");
  EXPECT_EQ(before, All(it.get()));
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_FALSE(it->Valid());
  it->Seek(Key(7));
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ("new", it->value().ToString());
  rocksdb::ManagedSnapshot snapshot(db());
  Put(Key(7), "newer");
  ASSERT_TRUE(it->Refresh(snapshot.snapshot()).ok());
  it->Seek(Key(7));
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ("new", it->value().ToString());
}

TEST_F(ViewTest, RefusesWhatItCannotGive) {
  Open(MemkvOptions());
  Put("a", "1");
  const std::unique_ptr<View> view = OpenView();
  const rocksdb::Snapshot* const other = [this] {
    Put("a", "2");
    return db()->GetSnapshot();
  }();
  ReadOptions options;
  options.snapshot = other;
  EXPECT_TRUE(StatusOf(*view, options).IsInvalidArgument());
  db()->ReleaseSnapshot(other);
  options = ReadOptions();
  options.tailing = true;
  EXPECT_TRUE(StatusOf(*view, options).IsNotSupported());
  options = ReadOptions();
  options.read_tier = rocksdb::kPersistedTier;
  EXPECT_TRUE(StatusOf(*view, options).IsNotSupported());
  options = ReadOptions();
  const Slice timestamp("12345678");
  options.timestamp = &timestamp;
  EXPECT_TRUE(StatusOf(*view, options).IsInvalidArgument());
  options = ReadOptions();
  options.io_activity = rocksdb::Env::IOActivity::kGet;
  EXPECT_TRUE(StatusOf(*view, options).IsInvalidArgument());
}

TEST_F(ViewTest, RefusesTimestampsWhoseHistoryIsCollapsed) {
  Options options = MemkvOptions();
  options.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  options.merge_operator = nullptr;
  Open(options);
  const auto timestamp = [](uint64_t t) {
    std::string text;
    rocksdb::EncodeU64Ts(t, &text);
    return text;
  };
  for (const uint64_t t : {1, 5}) {
    ASSERT_TRUE(
        db()->Put(rocksdb::WriteOptions(), "k", timestamp(t), "v").ok());
  }
  ASSERT_TRUE(
      db()->IncreaseFullHistoryTsLow(db()->DefaultColumnFamily(), timestamp(4))
          .ok());
  CompactAll();
  const std::unique_ptr<View> view = OpenView();
  for (const uint64_t t : {2, 4, 6}) {
    const std::string read_at = timestamp(t);
    const Slice at(read_at);
    ReadOptions read_options;
    read_options.timestamp = &at;
    std::string value;
    const Status expected = db()->Get(read_options, "k", &value);
    EXPECT_EQ(t < 4, expected.IsInvalidArgument()) << expected.ToString();
    rocksdb::PinnableSlice by_view;
    EXPECT_EQ(expected.code(), view->Get(read_options, "k", &by_view).code());
    const Slice key("k");
    Status by_multi_get;
    view->MultiGet(read_options, 1, &key, &by_view, &by_multi_get);
    EXPECT_EQ(expected.code(), by_multi_get.code());
    EXPECT_EQ(t < 4, StatusOf(*view, read_options).IsInvalidArgument());
  }
}

// What files were deleted.
class Deletions : public rocksdb::EventListener {
 public:
  void OnTableFileDeleted(const rocksdb::TableFileDeletionInfo& info) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    files_.insert(info.file_path);
    changed_.notify_all();
  }
  // Whether the file was deleted, or is soon.
  bool WaitFor(const std::string& file) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(2),
                             [&] { return files_.count(file) != 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> files_;
};

TEST_F(ViewTest, FilesThatItHeldAreDeletedWhenItGoes) {
  Options options = MemkvOptions();
  options.disable_auto_compactions = true;
  for (const bool in_background : {false, true}) {
    Destroy();
    options.avoid_unnecessary_blocking_io = in_background;
    const auto deletions = std::make_shared<Deletions>();
    options.listeners = {deletions};
    Open(options);
    PutAll(0, 100, "old");
    Flush();
    const std::string held = SstFiles().at(0);
    std::unique_ptr<View> view = OpenView();
    CompactAll();
    ASSERT_NE(held, SstFiles().at(0));
    EXPECT_TRUE(env()->FileExists(held).ok());
    view.reset();
    if (in_background) {
      EXPECT_TRUE(deletions->WaitFor(held));
    } else {
      EXPECT_TRUE(env()->FileExists(held).IsNotFound());
    }
  }
}

TEST_F(ViewTest, OfAWrappedDatabaseIsRefused) {
  rocksdb::DBWithTTL* wrapped = nullptr;
  ASSERT_TRUE(
      rocksdb::DBWithTTL::Open(MemkvOptions(), path() + ".ttl", &wrapped).ok());
  const std::unique_ptr<rocksdb::DB> owner(wrapped);
  std::unique_ptr<View> view;
  EXPECT_TRUE(
      View::Open(wrapped, wrapped->DefaultColumnFamily(), nullptr, &view)
          .IsInvalidArgument());
  EXPECT_EQ(nullptr, view);
  EXPECT_TRUE(View::Open(wrapped->GetRootDB(), wrapped->DefaultColumnFamily(),
                         nullptr, &view)
                  .ok());
}

TEST_F(ViewTest, HandsOverFromAMergeOperandOnAndCountsIt) {
  Options options = MemkvOptions();
  ASSERT_TRUE(rocksdb::GetColumnFamilyOptionsFromString(
                  rocksdb::ConfigOptions(), options,
                  "merge_operator=stringappend", &options)
                  .ok());
  Open(options);
  Put("a", "1");
  Put("b", "1");
  ASSERT_TRUE(db()->Merge(rocksdb::WriteOptions(), "b", "2").ok());
  Put("c", "1");
  const std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(view->NewIterator(ReadOptions()));
  it->SeekToFirst();
  EXPECT_EQ("view", ServedBy(it.get()));
  EXPECT_EQ(0u, view->handed_over());
  it->Next();
  EXPECT_EQ("b", it->key().ToString());
  EXPECT_EQ("1,2", it->value().ToString());
  EXPECT_EQ("rocksdb", ServedBy(it.get()));
  EXPECT_EQ(1u, view->handed_over());
  EXPECT_EQ("a=1 b=1,2 c=1 ", All(it.get()));
  EXPECT_EQ("c=1 b=1,2 a=1 ", All(it.get(), /*forward=*/false));
  EXPECT_EQ(1u, view->handed_over());
}

TEST_F(ViewTest, HandsAWholeIteratorOverForOptionsThatItDoesNotServe) {
  Open(MemkvOptions());
  Put("a", "1");
  const std::unique_ptr<View> view = OpenView();
  std::vector<ReadOptions> handed(5);
  handed[0].pin_data = true;
  handed[1].max_skippable_internal_keys = 10;
  handed[2].table_filter = [](const rocksdb::TableProperties&) { return true; };
  handed[3].background_purge_on_iterator_cleanup = true;
  handed[4].read_tier = rocksdb::kBlockCacheTier;
  uint64_t times = 0;
  for (const ReadOptions& options : handed) {
    const std::unique_ptr<Iterator> it(view->NewIterator(options));
    EXPECT_EQ("rocksdb", ServedBy(it.get()));
    EXPECT_EQ("a=1 ", All(it.get()));
    EXPECT_EQ(++times, view->handed_over());
  }
}

TEST_F(ViewTest, ADeletedRangeIsPassedOverFromBothSides) {
  Options options = MemkvOptions("segment_size=1024");
  options.disable_auto_compactions = true;
  Open(options);
  PutAll(0, 6000, "old");
  CompactAll();
  ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), Key(10), Key(5990))
                  .ok());
  Put(Key(3000), "new");
  Flush();
  const std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(view->NewIterator(ReadOptions()));
  const std::unique_ptr<Iterator> same(db()->NewIterator(ReadOptions()));
  for (const bool forward : {true, false}) {
    EXPECT_EQ(All(same.get(), forward), All(it.get(), forward));
  }
  it->Seek(Key(20));
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(Key(3000), it->key().ToString());
  it->Prev();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(Key(9), it->key().ToString());
  EXPECT_EQ(0u, view->handed_over());
}

TEST_F(ViewTest, CountsInStatisticsWhatRocksDBCounts) {
  Options options = MemkvOptions();
  options.statistics = rocksdb::CreateDBStatistics();
  Open(options);
  PutAll(0, 1000, "value");
  CompactAll();
  PutAll(500, 600, "other");
  const std::unique_ptr<View> view = OpenView();
  auto ticks = [&](Iterator* made) {
    EXPECT_TRUE(options.statistics->Reset().ok());
    std::unique_ptr<Iterator> it(made);
    All(it.get());
    All(it.get(), /*forward=*/false);
    it->Seek(Key(2000));
    it.reset();
    std::vector<uint64_t> counts;
    for (const auto ticker :
         {rocksdb::NUMBER_DB_NEXT, rocksdb::NUMBER_DB_NEXT_FOUND,
          rocksdb::NUMBER_DB_PREV, rocksdb::NUMBER_DB_PREV_FOUND,
          rocksdb::NUMBER_DB_SEEK, rocksdb::NUMBER_DB_SEEK_FOUND,
          rocksdb::ITER_BYTES_READ, rocksdb::NO_ITERATOR_DELETED}) {
      counts.push_back(options.statistics->getTickerCount(ticker));
    }
    return counts;
  };
  const auto rocksdb_ticks = ticks(db()->NewIterator(ReadOptions()));
  EXPECT_GT(rocksdb_ticks[0], 0u);
  EXPECT_EQ(rocksdb_ticks, ticks(view->NewIterator(ReadOptions())));
}

// The slow, obvious way of DistinctPrefixes().
std::vector<std::string> ListByScan(const std::vector<std::string>& keys,
                                    const std::string& prefix, char separator) {
  std::set<std::string> found;
  for (const std::string& key : keys) {
    if (key.compare(0, prefix.size(), prefix) != 0) continue;
    const size_t at = key.find(separator, prefix.size());
    found.insert(key.substr(0, at == std::string::npos ? at : at + 1));
  }
  return {found.begin(), found.end()};
}

TEST_F(ViewTest, ListsTheDistinctPrefixesThatAScanFinds) {
  Options options = MemkvOptions("segment_size=1024");
  options.disable_auto_compactions = true;
  Open(options);
  std::mt19937_64 random(TestSeed());
  for (const char separator : {'/', '\xff', '\0'}) {
    for (int i = 0; i < 4000; ++i) {
      std::string key;
      for (uint64_t depth = random() % 5; depth > 0; --depth) {
        // Some directories are large, and the bytes at the edges occur.
        key += std::string(1, "a\xff\0b"[random() % 4]);
        key += std::to_string(random() % (random() % 8 == 0 ? 100 : 3));
        key += separator;
      }
      random() % 10 == 0 ? Delete(key) : Put(key + "leaf", "v");
      if (random() % 9 == 0) Put(key, "v");
      if (i % 1500 == 700) Flush();
      if (i == 2000) CompactAll();
    }
    const std::unique_ptr<View> view = OpenView();
    std::vector<std::string> keys;
    const std::unique_ptr<Iterator> it(db()->NewIterator(ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      keys.push_back(it->key().ToString());
    }
    ASSERT_TRUE(it->status().ok()) << it->status().ToString();
    const std::vector<std::string> top = ListByScan(keys, "", separator);
    std::vector<std::string> below = {"",     "a",    "a0",
                                      "none", "\xff", "\xff\xff"};
    below.insert(below.end(), top.begin(), top.end());
    for (const std::string& prefix : below) {
      std::vector<std::string> listed;
      const Status s =
          view->DistinctPrefixes(prefix, separator, [&](const Slice& entry) {
            listed.push_back(entry.ToString());
            return true;
          });
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_EQ(ListByScan(keys, prefix, separator), listed)
          << Slice(prefix).ToString(/*hex=*/true);
    }
    size_t taken = 0;
    EXPECT_TRUE(
        view->DistinctPrefixes("", separator,
                               [&](const Slice&) { return ++taken < 2; })
            .ok());
    EXPECT_EQ(2u, taken);
  }
}

TEST_F(ViewTest, ListsPrefixesInBytewiseOrderAlone) {
  Options options = MemkvOptions();
  options.comparator = rocksdb::ReverseBytewiseComparator();
  Open(options);
  EXPECT_TRUE(OpenView()
                  ->DistinctPrefixes("", '/', [](const Slice&) { return true; })
                  .IsNotSupported());
}

TEST_F(ViewTest, ManyThreadsMakeIteratorsWhileOneRefreshes) {
  Open(MemkvOptions());
  PutAll(0, 300, "0");
  const std::unique_ptr<View> view = OpenView();
  std::vector<std::thread> readers;
  for (int thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&] {
      for (int i = 0; i < 60; ++i) {
        const std::unique_ptr<Iterator> it(view->NewIterator(ReadOptions()));
        // A round of writes is one batch: a view sees all of it or nothing.
        it->SeekToFirst();
        ASSERT_TRUE(it->Valid());
        const std::string value = it->value().ToString();
        int records = 0;
        for (; it->Valid(); it->Next(), ++records) {
          ASSERT_EQ(value, it->value().ToString());
        }
        ASSERT_EQ(300, records);
      }
    });
  }
  for (int round = 1; round <= 40; ++round) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(batch.Put(Key(i), std::to_string(round)).ok());
    }
    ASSERT_TRUE(db()->Write(rocksdb::WriteOptions(), &batch).ok());
    if (round % 10 == 0) Flush();
    view->Refresh();
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(0u, view->handed_over());
}

}  // namespace memkv
