// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Ways to read, and kinds of records, on databases of several levels of FST
// files: what docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/composite_env_wrapper.h"
#include "rocksdb/cache.h"
#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/types_util.h"
#include "tests/db/fst_db_test_util.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

class FstReadsTest : public FstDbTest {
 protected:
  // Small segments and value blocks, none in memory, and no compaction that the
  // test has not asked for.
  Options ReadsOptions() const {
    Options options = MemkvOptions(
        "residency=cache;segment_size=1K;value_block_size=64;"
        "block_cache=4M");
    options.disable_auto_compactions = true;
    options.paranoid_file_checks = false;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  static void ExpectScan(Iterator* iter, const Model& expected) {
    auto at = expected.begin();
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, expected.end()) << iter->key().ToString();
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(at, expected.end());
  }

  // Every third key in each of levels 4, 2, 0 (two files) and the memtable,
  // newer ones with merge operands and deletions for older ones.
  void FillLevels(Model* model) {
    const int levels[] = {4, 2, 0, 0, -1};
    for (int n = 0; n < 5; ++n) {
      for (int i = n % 3; i < 900; i += n < 3 ? 3 : 7) {
        const std::string key = NumberKey(i);
        const std::string value = std::to_string(n) + "/" + std::to_string(i);
        Status s;
        if (i % 5 == 1) {
          s = db()->Merge(WriteOptions(), key, value);
          std::string& merged = (*model)[key];
          merged += merged.empty() ? value : "," + value;
        } else if (i % 11 == 3) {
          s = db()->Delete(WriteOptions(), key);
          model->erase(key);
        } else {
          s = db()->Put(WriteOptions(), key, value);
          (*model)[key] = value;
        }
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      if (levels[n] < 0) continue;
      ASSERT_NO_FATAL_FAILURE(Flush());
      if (levels[n] == 0) continue;
      rocksdb::CompactionOptions several;
      several.output_file_size_limit = 1 << 10;
      const Status s =
          db()->CompactFiles(several, {SstFiles().back()}, levels[n]);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    for (const char* level : {"0", "2", "4"}) {
      std::string files;
      ASSERT_TRUE(db()->GetProperty(
          std::string("rocksdb.num-files-at-level") + level, &files));
      ASSERT_NE(files, "0") << level;
    }
  }
};

TEST_F(FstReadsTest, MultiGetOverAllLevelsSeesSnapshotsAndMerges) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  const Model before = model;
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  for (int i = 0; i < 900; i += 2) {
    ASSERT_TRUE(db()->Merge(WriteOptions(), NumberKey(i), "late").ok());
    std::string& merged = model[NumberKey(i)];
    merged += merged.empty() ? "late" : ",late";
  }
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(300), NumberKey(310))
                  .ok());
  model.erase(model.lower_bound(NumberKey(300)),
              model.lower_bound(NumberKey(310)));
  ASSERT_NO_FATAL_FAILURE(Flush());

  for (const bool at_snapshot : {false, true}) {
    for (const bool sorted : {false, true}) {
      const Model& expected = at_snapshot ? before : model;
      std::vector<std::string> names;
      for (int i = 0; i < 905; ++i) {
        names.push_back(NumberKey(sorted ? i : i * 7 % 905));
      }
      const std::vector<Slice> keys(names.begin(), names.end());
      std::vector<PinnableSlice> values(keys.size());
      std::vector<Status> statuses(keys.size());
      ReadOptions ro;
      ro.snapshot = at_snapshot ? snapshot : nullptr;
      db()->MultiGet(ro, db()->DefaultColumnFamily(), keys.size(), keys.data(),
                     values.data(), statuses.data(), sorted);
      for (size_t k = 0; k < keys.size(); ++k) {
        const auto at = expected.find(names[k]);
        if (at == expected.end()) {
          ASSERT_TRUE(statuses[k].IsNotFound()) << names[k];
        } else {
          ASSERT_TRUE(statuses[k].ok()) << statuses[k].ToString();
          ASSERT_EQ(values[k], at->second) << names[k];
        }
      }
    }
  }
  db()->ReleaseSnapshot(snapshot);
}

TEST_F(FstReadsTest, EveryValueTypeLivesUnderOneKey) {
  Options options = ReadsOptions();
  options.enable_blob_files = true;
  options.min_blob_size = 100;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  auto* const cf = db()->DefaultColumnFamily();
  const std::string key = "key";
  const std::string blob(200, 'b');
  const WriteOptions wo;
  std::vector<std::pair<const rocksdb::Snapshot*, std::string>> versions;
  const auto written = [&](const Status& s, const std::string& expected) {
    ASSERT_TRUE(s.ok()) << s.ToString();
    versions.emplace_back(db()->GetSnapshot(), expected);
  };
  ASSERT_NO_FATAL_FAILURE(Put("before", "1"));
  ASSERT_NO_FATAL_FAILURE(Put("kez", "2"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Put(wo, key, "put"), "put"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Merge(wo, key, "op"), "put,op"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Delete(wo, key), "NOT_FOUND"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Merge(wo, key, "alone"), "alone"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Delete(wo, key), "NOT_FOUND"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Put(wo, key, blob), blob));
  ASSERT_NO_FATAL_FAILURE(written(db()->SingleDelete(wo, key), "NOT_FOUND"));
  ASSERT_NO_FATAL_FAILURE(written(
      db()->PutEntity(wo, cf, key,
                      {{rocksdb::kDefaultWideColumnName, "wide"}, {"c", "d"}}),
      "wide"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Merge(wo, key, "op"), "wide,op"));
  ASSERT_NO_FATAL_FAILURE(
      written(db()->DeleteRange(wo, cf, "kex", "kez"), "NOT_FOUND"));
  ASSERT_NO_FATAL_FAILURE(written(db()->Put(wo, key, ""), ""));
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    for (const auto& [snapshot, expected] : versions) {
      EXPECT_EQ(Get(key, snapshot), expected);
      ReadOptions ro;
      ro.snapshot = snapshot;
      const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
      iter->Seek("c");
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      if (expected == "NOT_FOUND") {
        EXPECT_EQ(iter->key(), "kez");
      } else {
        EXPECT_EQ(iter->key(), key);
        EXPECT_EQ(iter->value(), expected);
        iter->SeekForPrev("key~");
        ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
        EXPECT_EQ(iter->value(), expected);
        iter->Next();
        ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
        EXPECT_EQ(iter->key(), "kez");
      }
    }
    if (round == 0) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    } else if (round == 1) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  ASSERT_EQ(Kinds().fst, 1u);
  // They lie in the file as what they are.
  rocksdb::SstFileReader reader(options);
  ASSERT_TRUE(reader.Open(SstFiles().front()).ok());
  const std::unique_ptr<Iterator> raw = reader.NewTableIterator();
  std::set<rocksdb::EntryType> types;
  for (raw->SeekToFirst(); raw->Valid(); raw->Next()) {
    rocksdb::ParsedEntryInfo entry;
    ASSERT_TRUE(
        rocksdb::ParseEntry(raw->key(), rocksdb::BytewiseComparator(), &entry)
            .ok());
    if (entry.user_key == key) types.insert(entry.type);
  }
  EXPECT_TRUE(raw->status().ok()) << raw->status().ToString();
  for (const auto type :
       {rocksdb::kEntryPut, rocksdb::kEntryMerge, rocksdb::kEntryDelete,
        rocksdb::kEntrySingleDelete, rocksdb::kEntryBlobIndex,
        rocksdb::kEntryWideColumnEntity}) {
    EXPECT_EQ(types.count(type), 1u) << type;
  }
  for (const auto& version : versions) db()->ReleaseSnapshot(version.first);
}

TEST_F(FstReadsTest, TimedPutsComeBackAndKeepTheirWriteTime) {
  Options options = ReadsOptions();
  options.preserve_internal_time_seconds = 100000;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const uint64_t now = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(
          std::chrono::system_clock::now().time_since_epoch())
          .count());
  const uint64_t then = now - 50000;
  Model model;
  for (int i = 0; i < 300; ++i) {
    const std::string value(static_cast<size_t>(i % 40), 't');
    model[NumberKey(i)] = value;
    if (i % 2 == 0) {
      rocksdb::WriteBatch batch;
      ASSERT_TRUE(
          batch.TimedPut(db()->DefaultColumnFamily(), NumberKey(i), value, then)
              .ok());
      ASSERT_TRUE(db()->Write(WriteOptions(), &batch).ok());
    } else {
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), value));
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
    iter->SeekToFirst();
    for (int i = 0; i < 300; ++i, iter->Next()) {
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      std::string property;
      ASSERT_TRUE(
          iter->GetProperty("rocksdb.iterator.write-time", &property).ok());
      const uint64_t time = rocksdb::DecodeFixed64(property.data());
      if (i % 2 == 0) {
        // Of a time that is not known exactly, RocksDB says an earlier one.
        EXPECT_LE(time, then) << i;
        EXPECT_GT(time, now - 100000 - 2000) << i;
      } else if (round < 2) {
        EXPECT_GT(time, then) << i;
        EXPECT_LE(time, now + 600) << i;
      }
    }
    iter.reset();
    rocksdb::TablePropertiesCollection all;
    ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    if (round == 0) {
      EXPECT_FALSE(all.begin()->second->seqno_to_time_mapping.empty());
      EXPECT_GE(all.begin()->second->creation_time, then - 2000);
      // In the file as what they are.
      rocksdb::SstFileReader reader(options);
      ASSERT_TRUE(reader.Open(SstFiles().front()).ok());
      const std::unique_ptr<Iterator> raw = reader.NewTableIterator();
      size_t timed = 0;
      for (raw->SeekToFirst(); raw->Valid(); raw->Next()) {
        rocksdb::ParsedEntryInfo entry;
        ASSERT_TRUE(rocksdb::ParseEntry(raw->key(),
                                        rocksdb::BytewiseComparator(), &entry)
                        .ok());
        timed += entry.type == rocksdb::kEntryTimedPut;
      }
      EXPECT_EQ(timed, 150u);
      ASSERT_NO_FATAL_FAILURE(Open(options));
    } else {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
}

TEST_F(FstReadsTest, EntitiesComeInBatchesAndAttributeGroups) {
  ASSERT_NO_FATAL_FAILURE(Open(ReadsOptions()));
  auto* const first = db()->DefaultColumnFamily();
  rocksdb::ColumnFamilyHandle* second = nullptr;
  ASSERT_TRUE(db()->CreateColumnFamily(ReadsOptions(), "two", &second).ok());
  const std::string large(700, 'b');
  for (int i = 0; i < 100; ++i) {
    // Columns refer to their names and values.
    const std::string number = std::to_string(i);
    const rocksdb::WideColumns one{{"a", number}};
    const rocksdb::WideColumns two{{"b", large}, {"c", "z"}};
    const rocksdb::AttributeGroups groups{rocksdb::AttributeGroup(first, one),
                                          rocksdb::AttributeGroup(second, two)};
    ASSERT_TRUE(db()->PutEntity(WriteOptions(), NumberKey(i), groups).ok());
  }
  ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), {first, second}).ok());
  std::vector<std::string> names;
  for (int i = 0; i < 110; i += 3) names.push_back(NumberKey(i));
  const std::vector<Slice> keys(names.begin(), names.end());
  std::vector<rocksdb::PinnableWideColumns> columns(keys.size());
  std::vector<Status> statuses(keys.size());
  db()->MultiGetEntity(ReadOptions(), second, keys.size(), keys.data(),
                       columns.data(), statuses.data());
  std::vector<rocksdb::PinnableAttributeGroups> groups(keys.size());
  for (auto& group : groups) {
    group.emplace_back(first);
    group.emplace_back(second);
  }
  db()->MultiGetEntity(ReadOptions(), keys.size(), keys.data(), groups.data());
  for (size_t k = 0; k < keys.size(); ++k) {
    if (names[k] >= NumberKey(100)) {
      EXPECT_TRUE(statuses[k].IsNotFound()) << names[k];
      EXPECT_TRUE(groups[k][0].status().IsNotFound()) << names[k];
      continue;
    }
    ASSERT_TRUE(statuses[k].ok()) << statuses[k].ToString();
    ASSERT_EQ(columns[k].columns().size(), 2u);
    EXPECT_EQ(columns[k].columns()[0].value(), large);
    ASSERT_TRUE(groups[k][0].status().ok());
    ASSERT_TRUE(groups[k][1].status().ok());
    EXPECT_EQ(groups[k][0].columns()[0].value(), std::to_string(k * 3));
    EXPECT_EQ(groups[k][1].columns(), columns[k].columns());
    rocksdb::PinnableAttributeGroups one;
    one.emplace_back(second);
    ASSERT_TRUE(db()->GetEntity(ReadOptions(), keys[k], &one).ok());
    EXPECT_EQ(one[0].columns(), columns[k].columns());
  }
  ASSERT_TRUE(db()->DestroyColumnFamilyHandle(second).ok());
}

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
    for (const char* residency : {"pin", "cache"}) {
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

TEST_F(FstReadsTest, RowCacheAnswersWithoutTheTable) {
  Options options = ReadsOptions();
  options.row_cache = rocksdb::NewLRUCache(1 << 20);
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (int round = 0; round < 2; ++round) {
    for (const auto& [key, value] : model) ASSERT_EQ(Get(key), value);
  }
  EXPECT_GE(options.statistics->getTickerCount(rocksdb::ROW_CACHE_HIT),
            model.size());
}

// Tells reads that have a certain timeout from others, and can refuse them.
class TimedReads : public rocksdb::FileSystemWrapper {
 public:
  static constexpr std::chrono::microseconds kTimeout{123456789};

  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "TimedReads"; }
  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
      rocksdb::IODebugContext* dbg) override;

  std::atomic<bool> refuse{true};
  std::atomic<uint64_t> timed{0};
  std::atomic<uint64_t> untimed{0};
};

class TimedFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  TimedFile(std::unique_ptr<rocksdb::FSRandomAccessFile>&& file, TimedReads* fs)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), fs_(fs) {}

  rocksdb::IOStatus Read(uint64_t offset, size_t n,
                         const rocksdb::IOOptions& options, Slice* result,
                         char* scratch,
                         rocksdb::IODebugContext* dbg) const override {
    const bool timed = options.timeout == TimedReads::kTimeout;
    ++(timed ? fs_->timed : fs_->untimed);
    if (timed && fs_->refuse) {
      return rocksdb::IOStatus::TimedOut("as the test asked");
    }
    return FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result,
                                                scratch, dbg);
  }

 private:
  TimedReads* const fs_;
};

rocksdb::IOStatus TimedReads::NewRandomAccessFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
    rocksdb::IODebugContext* dbg) {
  rocksdb::IOStatus s =
      target()->NewRandomAccessFile(name, options, result, dbg);
  if (s.ok()) result->reset(new TimedFile(std::move(*result), this));
  return s;
}

TEST_F(FstReadsTest, DeadlineAndIoTimeoutComeOutAsTimedOut) {
  const auto fs = std::make_shared<TimedReads>(env()->GetFileSystem());
  const std::unique_ptr<rocksdb::Env> timed_env(
      new rocksdb::CompositeEnvWrapper(env(), fs));
  Options options = ReadsOptions();
  options.env = timed_env.get();
  // Few files are open at a time, so opening one is part of a read.
  options.max_open_files = 10;
  options.table_cache_numshardbits = 0;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 400; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::string(100, 'v')));
    if (i % 10 == 9) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
  }
  ReadOptions late;
  late.deadline = std::chrono::microseconds(1);
  ReadOptions slow;
  slow.io_timeout = TimedReads::kTimeout;
  std::string value;
  // Of an open file, whose blocks are not in memory, and of one that is not.
  for (const int key : {395, 155}) {
    SCOPED_TRACE(key);
    ASSERT_NO_FATAL_FAILURE(Open(options));
    for (int i = 0; i < 400; i += 10) {
      // Without a byte of the cache, for the blocks shall be read again.
      ReadOptions opening;
      opening.fill_cache = false;
      ASSERT_TRUE(db()->Get(opening, NumberKey(i), &value).ok());
    }
    fs->refuse = true;
    for (const ReadOptions& ro : {late, slow}) {
      const Status s = db()->Get(ro, NumberKey(key), &value);
      EXPECT_TRUE(s.IsTimedOut()) << s.ToString();
      const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
      iter->Seek(NumberKey(key));
      EXPECT_FALSE(iter->Valid());
      EXPECT_TRUE(iter->status().IsTimedOut()) << iter->status().ToString();
      iter->SeekToLast();
      EXPECT_FALSE(iter->Valid());
      EXPECT_TRUE(iter->status().IsTimedOut()) << iter->status().ToString();
    }
    // Every read that a Get() makes has its timeout.
    fs->refuse = false;
    fs->timed = 0;
    fs->untimed = 0;
    EXPECT_TRUE(db()->Get(slow, NumberKey(key), &value).ok());
    EXPECT_GE(fs->timed, key == 155 ? 4u : 2u);
    EXPECT_EQ(fs->untimed, 0u);
    EXPECT_EQ(value.size(), 100u);
    // What is in memory now needs no time.
    EXPECT_TRUE(db()->Get(late, NumberKey(key), &value).ok());
  }
  Close();
}

TEST_F(FstReadsTest, PerfContextCountsBlockReadsAndCacheHits) {
  Options options = ReadsOptions();
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 500; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::string(100, 'v')));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto ticker = [&](uint32_t t) {
    return options.statistics->getTickerCount(t);
  };
  ASSERT_TRUE(options.statistics->Reset().ok());
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableTime);
  auto* const perf = rocksdb::get_perf_context();
  perf->Reset();
  EXPECT_EQ(Get(NumberKey(250)).size(), 100u);
  // A segment and a value block.
  EXPECT_EQ(perf->block_read_count, 2u);
  EXPECT_EQ(perf->index_block_read_count, 1u);
  EXPECT_GT(perf->block_read_byte, 0u);
  EXPECT_GT(perf->block_read_time, 0u);
  EXPECT_GT(perf->block_checksum_time, 0u);
  EXPECT_GT(perf->block_decompress_time, 0u);
  EXPECT_EQ(perf->block_cache_hit_count, 0u);
  EXPECT_GT(perf->get_from_output_files_time, 0u);
  EXPECT_GE(ticker(rocksdb::NUMBER_BLOCK_DECOMPRESSED), 1u);
  EXPECT_EQ(ticker(rocksdb::GET_HIT_L0), 1u);
  perf->Reset();
  EXPECT_EQ(Get(NumberKey(250)).size(), 100u);
  EXPECT_EQ(perf->block_read_count, 0u);
  EXPECT_EQ(perf->block_cache_hit_count, 2u);
  EXPECT_EQ(perf->block_cache_index_hit_count, 1u);
  EXPECT_GT(perf->block_cache_index_read_byte, 0u);
  EXPECT_GT(perf->block_cache_read_byte, perf->block_cache_index_read_byte);
  // A key that is not there is decided by its segment alone.
  perf->Reset();
  EXPECT_EQ(Get(NumberKey(250) + "x"), "NOT_FOUND");
  EXPECT_EQ(perf->block_read_count, 0u);
  EXPECT_EQ(perf->block_cache_hit_count, 1u);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

TEST_F(FstReadsTest, SmallTableCacheClosesAndReopensFilesUnderIterators) {
  Options options = ReadsOptions();
  options.max_open_files = 10;
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  for (int f = 0; f < 60; ++f) {
    for (int i = f; i < 900; i += 60) {
      const std::string value(static_cast<size_t>(i), 'v');
      model[NumberKey(i)] = value;
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), value));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  const uint64_t opened =
      options.statistics->getTickerCount(rocksdb::NO_FILE_OPENS);
  for (int round = 0; round < 2; ++round) {
    for (const auto& [key, value] : model) ASSERT_EQ(Get(key), value);
  }
  // Files were closed, and opened again.
  EXPECT_GT(options.statistics->getTickerCount(rocksdb::NO_FILE_OPENS),
            opened + 120u);
  const std::unique_ptr<Iterator> old(db()->NewIterator(ReadOptions()));
  old->SeekToFirst();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  size_t n = 0;
  for (; old->Valid(); old->Next()) ++n;
  EXPECT_TRUE(old->status().ok()) << old->status().ToString();
  EXPECT_EQ(n, model.size());
}

}  // namespace
}  // namespace memkv
