// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a key trie cannot order is served by block-based files, and the log says
// so: comparators of another order, and timestamps.

#include <gtest/gtest.h>

#include <cstdarg>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/table_properties.h"
#include "tests/db/fst_features_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::WriteOptions;

// Keeps what RocksDB logs.
class KeptLog : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[1024];
    std::vsnprintf(line, sizeof(line), format, arguments);
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.emplace_back(line);
  }
  size_t LinesWith(const std::string& text) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t n = 0;
    for (const std::string& line : lines_) {
      n += line.find(text) != std::string::npos;
    }
    return n;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// Orders by the last byte, then bytewise.
class ByLastByte : public rocksdb::Comparator {
 public:
  const char* Name() const override { return "test.ByLastByte"; }
  int Compare(const Slice& a, const Slice& b) const override {
    const char x = a.empty() ? '\0' : a[a.size() - 1];
    const char y = b.empty() ? '\0' : b[b.size() - 1];
    return x != y ? (x < y ? -1 : 1) : a.compare(b);
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

TEST_F(FstFeaturesTest, ComparatorOfAnotherOrderIsServedByBlockBasedFiles) {
  const ByLastByte comparator;
  const auto log = std::make_shared<KeptLog>();
  Options options = MemkvOptions();
  options.comparator = &comparator;
  options.info_log = log;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(std::to_string(i), "v"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_EQ(Kinds().fst, 0u);
  EXPECT_EQ(Kinds().block_based, 1u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(Kinds().fst, 0u);
  // Said, with the comparator's name, but not for each file.
  EXPECT_EQ(log->LinesWith("FstTable cannot serve comparator test.ByLastByte"),
            1u);
  EXPECT_GE(log->LinesWith("memtable_factory=art"), 1u);
  {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
    std::string last;
    int n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
      const std::string key = iter->key().ToString();
      if (n > 0) {
        ASSERT_LT(comparator.Compare(last, key), 0);
      }
      last = key;
    }
    EXPECT_EQ(n, 1000);
  }
  EXPECT_EQ(Get("77"), "v");
  // Before the comparator goes.
  Close();
}

TEST_F(FstFeaturesTest, UserTimestampsAreServedByBlockBasedFiles) {
  const auto log = std::make_shared<KeptLog>();
  Options options = MemkvOptions();
  options.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  options.merge_operator = nullptr;
  options.info_log = log;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto timestamp = [](uint64_t t) {
    std::string ts;
    rocksdb::EncodeU64Ts(t, &ts);
    return ts;
  };
  for (uint64_t t = 1; t <= 5; ++t) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(db()->Put(WriteOptions(), std::to_string(i), timestamp(t),
                            std::to_string(t))
                      .ok());
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(Kinds().fst, 0u);
  EXPECT_EQ(log->LinesWith("with user-defined timestamps"), 1u);
  for (uint64_t t = 1; t <= 5; ++t) {
    const std::string ts = timestamp(t);
    const Slice at(ts);
    ReadOptions ro;
    ro.timestamp = &at;
    std::string value;
    ASSERT_TRUE(db()->Get(ro, "42", &value).ok());
    EXPECT_EQ(value, std::to_string(t));
  }
}

TEST_F(FstFeaturesTest, MinimalTimestampsAreStrippedByBlockBasedFiles) {
  Options options = MemkvOptions();
  options.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  options.merge_operator = nullptr;
  options.persist_user_defined_timestamps = false;
  options.allow_concurrent_memtable_write = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto timestamp = [](uint64_t t) {
    std::string ts;
    rocksdb::EncodeU64Ts(t, &ts);
    return ts;
  };
  for (uint64_t t = 1; t <= 3; ++t) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(db()->Put(WriteOptions(), NumberKey(i), timestamp(t),
                            std::to_string(t))
                      .ok());
    }
  }
  ASSERT_TRUE(
      db()->IncreaseFullHistoryTsLow(db()->DefaultColumnFamily(), timestamp(4))
          .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_EQ(Kinds().fst, 0u);
  EXPECT_EQ(Kinds().block_based, 1u);
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  EXPECT_EQ(all.begin()->second->user_defined_timestamps_persisted, 0u);
  EXPECT_EQ(all.begin()->second->raw_key_size,
            all.begin()->second->num_entries * (NumberKey(0).size() + 8));
  const std::string read_at = timestamp(10);
  const Slice at(read_at);
  ReadOptions ro;
  ro.timestamp = &at;
  const std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ro));
  iter->SeekToFirst();
  for (int i = 0; i < 100; ++i, iter->Next()) {
    std::string value;
    ASSERT_TRUE(db()->Get(ro, NumberKey(i), &value).ok());
    EXPECT_EQ(value, "3");
    ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
    EXPECT_EQ(iter->key(), NumberKey(i));
    EXPECT_EQ(iter->value(), "3");
  }
}

}  // namespace
}  // namespace memkv
