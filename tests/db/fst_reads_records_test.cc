// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Kinds of records on databases of several levels of FST files: what
// docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/types_util.h"
#include "tests/db/fst_reads_fixture.h"
#include "tests/util/fst_db_fixture.h"
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

// The key's value, NOT_FOUND for none, by look-up and by iterators that stop
// there or at its neighbour "kez".
void ExpectBetweenNeighbours(rocksdb::DB* db, const std::string& key,
                             const rocksdb::Snapshot* snapshot,
                             const std::string& expected) {
  ReadOptions ro;
  ro.snapshot = snapshot;
  const bool there = expected != "NOT_FOUND";
  std::string value;
  const Status s = db->Get(ro, key, &value);
  EXPECT_TRUE(there ? s.ok() : s.IsNotFound()) << s.ToString();
  if (there) {
    EXPECT_EQ(value, expected);
  }
  const std::unique_ptr<Iterator> iter(db->NewIterator(ro));
  iter->Seek("c");
  ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
  if (!there) {
    EXPECT_EQ(iter->key(), "kez");
    return;
  }
  EXPECT_EQ(iter->key(), key);
  EXPECT_EQ(iter->value(), expected);
  iter->SeekForPrev("key~");
  ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
  EXPECT_EQ(iter->value(), expected);
  iter->Next();
  ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
  EXPECT_EQ(iter->key(), "kez");
}

// The types of the key's entries in a file.
void CollectTypes(const Options& options, const std::string& file,
                  const std::string& key, std::set<rocksdb::EntryType>* types) {
  rocksdb::SstFileReader reader(options);
  ASSERT_TRUE(reader.Open(file).ok());
  const std::unique_ptr<Iterator> raw = reader.NewTableIterator();
  for (raw->SeekToFirst(); raw->Valid(); raw->Next()) {
    rocksdb::ParsedEntryInfo entry;
    ASSERT_TRUE(
        rocksdb::ParseEntry(raw->key(), rocksdb::BytewiseComparator(), &entry)
            .ok());
    if (entry.user_key == key) types->insert(entry.type);
  }
  EXPECT_TRUE(raw->status().ok()) << raw->status().ToString();
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
      ASSERT_NO_FATAL_FAILURE(
          ExpectBetweenNeighbours(db(), key, snapshot, expected));
    }
    if (round == 0) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    } else if (round == 1) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  ASSERT_EQ(Kinds().fst, 1u);
  // They lie in the file as what they are.
  std::set<rocksdb::EntryType> types;
  ASSERT_NO_FATAL_FAILURE(
      CollectTypes(options, SstFiles().front(), key, &types));
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

}  // namespace
}  // namespace memkv
