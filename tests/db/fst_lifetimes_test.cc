// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What RocksDB keeps of an FST file after the table cache has closed it: range
// deletions, pinned values, iterators, blocks in the block cache.  The table
// cache holds ten files, so files are closed all the time; a mapped file is
// really unmapped then, and what still reads its bytes ends the process.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/utilities/checkpoint.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

enum class Reads { kBuffered, kMapped, kDirect };

// How files are read, `residency`, whether keys are in reverse order.
using Variant = std::tuple<Reads, std::string, bool>;

class FstLifetimesTest : public FstDbTest,
                         public ::testing::WithParamInterface<Variant> {
 protected:
  static constexpr int kFiles = 24;
  static constexpr int kKeys = 20;  // a file
  // Longer than what a Get copies.
  static constexpr size_t kValueSize = 700;

  Options SmallTableCache() const {
    const auto& [reads, residency, reverse] = GetParam();
    Options options = MemkvOptions(
        "segment_size=1K;value_block_size=2K;"
        "residency=" +
        residency);
    if (reverse) options.comparator = rocksdb::ReverseBytewiseComparator();
    options.compression = rocksdb::kNoCompression;
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    options.num_levels = 7;
    options.max_open_files = 20;  // 10 are RocksDB's own
    options.allow_mmap_reads = reads == Reads::kMapped;
    options.use_direct_reads = reads == Reads::kDirect;
    return options;
  }

  // The name of the i-th key in the file's order.
  std::string Key(int i) const {
    return NumberKey(std::get<2>(GetParam()) ? 1000000 - i : i);
  }
  static std::string Value(int i) {
    return std::string(kValueSize, static_cast<char>('a' + i % 26)) +
           std::to_string(i);
  }

  // Level 6: every key.  Level 4: files that do not meet, each of which hides
  // some keys of level 6, by a range deletion and a deletion, and writes some
  // anew.
  void Fill() {
    for (int i = 0; i < kFiles * kKeys; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(Key(i), "old" + Value(i)));
      model_[Key(i)] = "old" + Value(i);
      if ((i + 1) % (kKeys * 4) == 0) {
        ASSERT_NO_FATAL_FAILURE(Flush());
        ASSERT_NO_FATAL_FAILURE(Move(6));
      }
    }
    before_ = db()->GetSnapshot();
    old_model_ = model_;
    for (int f = 0; f < kFiles; ++f) {
      const int first = f * kKeys;
      ASSERT_NO_FATAL_FAILURE(Put(Key(first), Value(first)));
      model_[Key(first)] = Value(first);
      const Status s =
          db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                            Key(first + 5), Key(first + 10));
      ASSERT_TRUE(s.ok()) << s.ToString();
      for (int i = first + 5; i < first + 10; ++i) model_.erase(Key(i));
      ASSERT_NO_FATAL_FAILURE(Delete(Key(first + 12)));
      model_.erase(Key(first + 12));
      ASSERT_NO_FATAL_FAILURE(Put(Key(first + 15), Value(first + 15)));
      model_[Key(first + 15)] = Value(first + 15);
      ASSERT_NO_FATAL_FAILURE(Flush());
      ASSERT_NO_FATAL_FAILURE(Move(4));
    }
  }

  // The newest file of level 0, to another level.
  void Move(int level) {
    rocksdb::ColumnFamilyMetaData meta;
    db()->GetColumnFamilyMetaData(&meta);
    ASSERT_EQ(meta.levels[0].files.size(), 1u);
    const Status s = db()->CompactFiles(rocksdb::CompactionOptions(),
                                        {meta.levels[0].files[0].name}, level);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  // Makes the table cache close whatever it has open and is not in use.
  void CloseFiles() {
    ReadOptions ro;
    ro.fill_cache = false;
    std::string value;
    for (int i = 0; i < kFiles * kKeys; i += 3) {
      const Status s = db()->Get(ro, Key(i), &value);
      ASSERT_TRUE(s.ok() || s.IsNotFound()) << s.ToString();
    }
  }

  void ExpectModel() {
    ASSERT_NO_FATAL_FAILURE(ExpectAll(model_, nullptr));
    if (before_ != nullptr) {
      ASSERT_NO_FATAL_FAILURE(ExpectAll(old_model_, before_));
    }
  }
  void ExpectAll(const Model& model, const rocksdb::Snapshot* snapshot) {
    ReadOptions ro;
    ro.snapshot = snapshot;
    for (int i = 0; i < kFiles * kKeys; ++i) {
      const auto at = model.find(Key(i));
      ASSERT_EQ(Get(Key(i), snapshot),
                at == model.end() ? "NOT_FOUND" : at->second)
          << i;
    }
    size_t n = 0;
    std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ro));
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
      ASSERT_EQ(iter->value().ToString(), model.at(iter->key().ToString()));
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(n, model.size());
    for (iter->SeekToLast(); iter->Valid(); iter->Prev()) --n;
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(n, 0u);
  }
  void ReleaseSnapshot() {
    db()->ReleaseSnapshot(before_);
    before_ = nullptr;
  }

  Model model_;
  Model old_model_;  // at before_
  const rocksdb::Snapshot* before_ = nullptr;
};

TEST_P(FstLifetimesTest, CompactionUsesRangeDeletionsOfClosedFiles) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(Fill());
  rocksdb::ColumnFamilyMetaData meta;
  db()->GetColumnFamilyMetaData(&meta);
  ASSERT_EQ(meta.levels[4].files.size(), static_cast<size_t>(kFiles));
  std::vector<std::string> names;
  for (const auto& file : meta.levels[4].files) names.push_back(file.name);
  // The snapshot keeps the range deletions.
  Status s = db()->CompactFiles(rocksdb::CompactionOptions(), names, 5);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectModel());
  ASSERT_NO_FATAL_FAILURE(ReleaseSnapshot());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectModel());
}

TEST_P(FstLifetimesTest, IteratorsOutliveTheFilesTheyHaveLeft) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(Fill());
  ReadOptions ro;
  ro.pin_data = true;
  std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ro));
  std::vector<std::pair<Slice, std::string>> pinned;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    pinned.emplace_back(iter->value(), model_.at(iter->key().ToString()));
    if (pinned.size() % 100 == 0) {
      ASSERT_NO_FATAL_FAILURE(CloseFiles());
    }
  }
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(pinned.size(), model_.size());
  // The files go, too; the iterator keeps what it has pinned.
  ASSERT_NO_FATAL_FAILURE(ReleaseSnapshot());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(CloseFiles());
  for (const auto& [value, expected] : pinned) ASSERT_EQ(value, expected);
  // Backwards DBIter pins by itself.
  size_t n = 0;
  for (iter->SeekToLast(); iter->Valid(); iter->Prev(), ++n) {
    ASSERT_EQ(iter->value().ToString(), model_.at(iter->key().ToString()));
  }
  EXPECT_EQ(n, model_.size());
}

TEST_P(FstLifetimesTest, PinnedValuesOfBatchesOutliveTheirFiles) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(Fill());
  std::vector<std::string> keys;
  for (int i = 0; i < kFiles * kKeys; i += 7) keys.push_back(Key(i));
  std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnableSlice> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db()->MultiGet(ReadOptions(), db()->DefaultColumnFamily(), keys.size(),
                 slices.data(), values.data(), statuses.data());
  std::vector<PinnableSlice> single(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const Status s = db()->Get(ReadOptions(), db()->DefaultColumnFamily(),
                               keys[i], &single[i]);
    ASSERT_EQ(s.code(), statuses[i].code());
  }
  ASSERT_NO_FATAL_FAILURE(ReleaseSnapshot());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(CloseFiles());
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto at = model_.find(keys[i]);
    if (at == model_.end()) {
      EXPECT_TRUE(statuses[i].IsNotFound()) << statuses[i].ToString();
      continue;
    }
    ASSERT_TRUE(statuses[i].ok()) << statuses[i].ToString();
    EXPECT_EQ(values[i], at->second);
    EXPECT_EQ(single[i], at->second);
  }
}

TEST_P(FstLifetimesTest, FilesThatAreClosedAndOpenedAnewFindTheirOldBlocks) {
  // Nothing leaves the block cache.
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(CloseFiles());
    ASSERT_NO_FATAL_FAILURE(ExpectModel());
  }
  ASSERT_NO_FATAL_FAILURE(ReleaseSnapshot());
}

TEST_P(FstLifetimesTest, CheckpointsAndIngestionReadFilesThatAreClosed) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(Fill());
  rocksdb::Checkpoint* made = nullptr;
  Status s = rocksdb::Checkpoint::Create(db(), &made);
  ASSERT_TRUE(s.ok()) << s.ToString();
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  s = checkpoint->CreateCheckpoint(folder() + "/checkpoint");
  ASSERT_TRUE(s.ok()) << s.ToString();

  // A range deletion that comes by ingestion, beside those of closed files.
  const std::string file = folder() + "/external.sst";
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), SmallTableCache());
  ASSERT_TRUE(writer.Open(file).ok());
  ASSERT_TRUE(writer.Put(Key(1), "ingested").ok());
  s = writer.DeleteRange(Key(100), Key(300));
  ASSERT_TRUE(s.ok()) << s.ToString();
  s = writer.Finish();
  ASSERT_TRUE(s.ok()) << s.ToString();
  s = db()->IngestExternalFile({file}, rocksdb::IngestExternalFileOptions());
  ASSERT_TRUE(s.ok()) << s.ToString();
  const Model before_ingestion = model_;
  model_[Key(1)] = "ingested";
  for (int i = 100; i < 300; ++i) model_.erase(Key(i));
  ASSERT_NO_FATAL_FAILURE(CloseFiles());
  ASSERT_NO_FATAL_FAILURE(ExpectModel());
  ASSERT_NO_FATAL_FAILURE(ReleaseSnapshot());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectModel());

  Close();
  path_ = folder() + "/checkpoint";
  ASSERT_NO_FATAL_FAILURE(Open(SmallTableCache()));
  ASSERT_NO_FATAL_FAILURE(ExpectAll(before_ingestion, nullptr));
}

std::string NameOf(const ::testing::TestParamInfo<Variant>& info) {
  const auto& [reads, residency, reverse] = info.param;
  const char* const names[] = {"Buffered", "Mapped", "Direct"};
  const char* const kind = residency == "pin"     ? "Pin"
                           : residency == "cache" ? "Cache"
                                                  : "Auto";
  return std::string(names[static_cast<int>(reads)]) + kind +
         (reverse ? "Reverse" : "");
}

INSTANTIATE_TEST_SUITE_P(
    Reads, FstLifetimesTest,
    ::testing::Combine(::testing::Values(Reads::kBuffered, Reads::kMapped,
                                         Reads::kDirect),
                       ::testing::Values("pin", "cache", "auto"),
                       ::testing::Bool()),
    NameOf);

}  // namespace
}  // namespace memkv
