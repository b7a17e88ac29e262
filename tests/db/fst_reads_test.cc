// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Iterators and options of reads, on databases of several levels of FST files:
// what docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table_properties.h"
#include "tests/db/fst_reads_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::WriteOptions;

TEST_F(FstReadsTest, UpperBoundEndsScansAcrossFilesAndLevels) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  ASSERT_GT(Kinds().fst, 6u);
  for (int i = 0; i <= 905; i += 13) {
    const std::string end = NumberKey(i);
    const std::string begin = NumberKey(i / 2);
    const Slice upper(end);
    const Slice lower(begin);
    ReadOptions ro;
    ro.iterate_upper_bound = &upper;
    ro.iterate_lower_bound = &lower;
    ro.auto_readahead_size = i % 2 == 0;
    ro.async_io = i % 3 == 0;
    ro.pin_data = i % 5 == 0;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    const Model expected(model.lower_bound(begin), model.lower_bound(end));
    ASSERT_NO_FATAL_FAILURE(ExpectScan(iter.get(), expected));
    size_t n = 0;
    for (iter->SeekToLast(); iter->Valid(); iter->Prev()) ++n;
    ASSERT_EQ(n, expected.size());
  }
}

TEST_F(FstReadsTest, AutomaticReadaheadMayBeginAndEndAnywhere) {
  for (const char* sizes : {"0,0", "0,65536", "65536,0", "65536,16384",
                            "16384,65536", "1,1000000"}) {
    const std::string initial(sizes, strcspn(sizes, ","));
    const std::string most(sizes + initial.size() + 1);
    for (const char* residency :
         {"auto", "auto;pinned_keys_limit=20000", "pin", "cache"}) {
      SCOPED_TRACE(std::string(sizes) + ", " + residency);
      Options options = MemkvOptions(
          std::string("segment_size=1K;value_block_size=64;residency=") +
          residency +
          ";block_based={block_cache=4M;num_file_reads_for_auto_readahead=0;"
          "initial_auto_readahead_size=" +
          initial + ";max_auto_readahead_size=" + most + "}");
      options.disable_auto_compactions = true;
      ASSERT_NO_FATAL_FAILURE(Open(options));
      Model model;
      ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
      std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
      ASSERT_NO_FATAL_FAILURE(ExpectScan(iter.get(), model));
      iter.reset();
      ASSERT_NO_FATAL_FAILURE(Destroy());
    }
  }
}

TEST_F(FstReadsTest, PinnedDataKeepsValuesInPlaceButNotKeys) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  std::vector<std::string> values;
  for (int i = 0; i < 300; ++i) {
    values.push_back(std::string(static_cast<size_t>(30 + i), 'v'));
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), values.back()));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ReadOptions ro;
  ro.pin_data = true;
  ro.fill_cache = false;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  std::vector<Slice> pinned;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    std::string property;
    ASSERT_TRUE(
        iter->GetProperty("rocksdb.iterator.is-value-pinned", &property).ok());
    EXPECT_EQ(property, "1");
    ASSERT_TRUE(
        iter->GetProperty("rocksdb.iterator.is-key-pinned", &property).ok());
    EXPECT_EQ(property, "0");
    pinned.push_back(iter->value());
  }
  ASSERT_EQ(pinned.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(pinned[i], values[i]);
}

TEST_F(FstReadsTest, AutoPrefixModeAnswersAsTotalOrder) {
  Options options = ReadsOptions();
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(7));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  for (const auto& [name, properties] : all) {
    EXPECT_EQ(properties->prefix_extractor_name, "rocksdb.FixedPrefix.7")
        << name;
  }
  for (int i = 0; i < 900; i += 17) {
    const std::string end = NumberKey(i + 40);
    const Slice upper(end);
    ReadOptions ro;
    ro.auto_prefix_mode = true;
    ro.iterate_upper_bound = &upper;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    auto at = model.lower_bound(NumberKey(i));
    for (iter->Seek(NumberKey(i)); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, model.end());
      ASSERT_EQ(iter->key(), at->first);
    }
    ASSERT_EQ(at, model.lower_bound(end));

    ReadOptions same;
    same.prefix_same_as_start = true;
    const std::unique_ptr<Iterator> prefix(db()->NewIterator(same));
    const std::string start = NumberKey(i);
    at = model.lower_bound(start);
    for (prefix->Seek(start); prefix->Valid(); prefix->Next(), ++at) {
      ASSERT_NE(at, model.end());
      ASSERT_EQ(prefix->key(), at->first);
    }
    ASSERT_TRUE(at == model.end() || at->first.compare(0, 7, start, 0, 7) != 0);
  }
}

TEST_F(FstReadsTest, PersistedTierSkipsWhatIsNotInAFile) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  ASSERT_NO_FATAL_FAILURE(Put("key", "in a file"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  WriteOptions unlogged;
  unlogged.disableWAL = true;
  ASSERT_TRUE(db()->Put(unlogged, "key", "in memory").ok());
  ReadOptions persisted;
  persisted.read_tier = rocksdb::kPersistedTier;
  std::string value;
  ASSERT_TRUE(db()->Get(persisted, "key", &value).ok());
  EXPECT_EQ(value, "in a file");
  EXPECT_EQ(Get("key"), "in memory");
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_TRUE(db()->Get(persisted, "key", &value).ok());
  EXPECT_EQ(value, "in memory");
}

TEST_F(FstReadsTest, RefreshedIteratorsSeeNewFilesAndRangeDeletions) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
  const auto count = [&iter] {
    size_t n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) ++n;
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    return n;
  };
  EXPECT_EQ(count(), model.size());
  const Model before = model;
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(100), NumberKey(200))
                  .ok());
  model.erase(model.lower_bound(NumberKey(100)),
              model.lower_bound(NumberKey(200)));
  ASSERT_NO_FATAL_FAILURE(Put("new", "1"));
  model["new"] = "1";
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_EQ(count(), before.size());
  ASSERT_TRUE(iter->Refresh().ok());
  EXPECT_EQ(count(), model.size());
  ASSERT_TRUE(iter->Refresh(snapshot).ok());
  EXPECT_EQ(count(), before.size());
  // The tombstones of a compacted file, too.
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_TRUE(iter->Refresh(snapshot).ok());
  EXPECT_EQ(count(), before.size());
  ASSERT_TRUE(iter->Refresh().ok());
  EXPECT_EQ(count(), model.size());
  db()->ReleaseSnapshot(snapshot);
}

TEST_F(FstReadsTest, IgnoredRangeDeletionsShowWhatTheyHide) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  ASSERT_NO_FATAL_FAILURE(Put("b", "1"));
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  ASSERT_TRUE(
      db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(), "a", "c")
          .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_EQ(Get("b"), "NOT_FOUND");
  ReadOptions ro;
  ro.ignore_range_deletions = true;
  std::string value;
  ASSERT_TRUE(db()->Get(ro, "b", &value).ok());
  EXPECT_EQ(value, "1");
  db()->ReleaseSnapshot(snapshot);
}

TEST_F(FstReadsTest, TableFilterSeesPropertiesAndLeavesFilesOut) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  ASSERT_NO_FATAL_FAILURE(Put("a", "1"));
  ASSERT_NO_FATAL_FAILURE(Put("b", "1"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(Put("c", "1"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ReadOptions ro;
  ro.table_filter = [](const rocksdb::TableProperties& properties) {
    return properties.num_entries == 1;
  };
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  iter->SeekToFirst();
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), "c");
  iter->Next();
  EXPECT_FALSE(iter->Valid());
}

}  // namespace
}  // namespace memkv
