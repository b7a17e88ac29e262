// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// An existing block-based database opens under memkv, migrates by compaction
// and goes back, and answers the same at every step.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;

class MigrationTest : public FstDbTest {
 protected:
  MigrationTest() : writer_(TestSeed(), 3000) {}

  void Write(size_t operations) { writer_.Write(db(), &model_, operations); }

  // A stock database of several levels, with records in its WAL too.
  void MakeStockDatabase() {
    ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
    ASSERT_NO_FATAL_FAILURE(Write(4000));
    // What a snapshot keeps: overwritten and deleted versions stay in files.
    const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
    ASSERT_NO_FATAL_FAILURE(Write(8000));
    ASSERT_TRUE(
        db()->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr)
            .ok());
    ASSERT_NO_FATAL_FAILURE(Write(8000));
    ASSERT_NO_FATAL_FAILURE(Flush());
    db()->ReleaseSnapshot(snapshot);
    ASSERT_NO_FATAL_FAILURE(Write(500));
    ASSERT_GE(LevelsInUse(), 2);
    ASSERT_EQ(Kinds().fst, 0u);
    ASSERT_GE(Kinds().block_based, 5u);
    checksum_ = ScanChecksum(db());
  }

  int LevelsInUse() const {
    int levels = 0;
    for (int i = 0; i < db()->NumberLevels(); ++i) {
      std::string files;
      if (db()->GetProperty("rocksdb.num-files-at-level" + std::to_string(i),
                            &files) &&
          files != "0") {
        ++levels;
      }
    }
    return levels;
  }

  void ExpectNothingLost() {
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
    ASSERT_EQ(ScanChecksum(db()), checksum_);
    const rocksdb::Status s = db()->VerifyChecksum();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  void ExpectOnly(bool fst) {
    const FileKinds kinds = Kinds();
    EXPECT_EQ(fst ? kinds.block_based : kinds.fst, 0u);
    EXPECT_GT(fst ? kinds.fst : kinds.block_based, 0u);
    // The properties tell the kinds apart too.
    rocksdb::TablePropertiesCollection all;
    ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    ASSERT_FALSE(all.empty());
    for (const auto& [file, properties] : all) {
      EXPECT_EQ(
          properties->user_collected_properties.count("memkv.fst.directory"),
          fst ? 1u : 0u)
          << file;
    }
  }

  // Options under which no file changes its kind by itself.
  static Options Still(Options options) {
    options.disable_auto_compactions = true;
    options.avoid_flush_during_recovery = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  MixedWriter writer_;
  Model model_;
  uint32_t checksum_ = 0;
};

TEST_F(MigrationTest, BlockBasedDatabaseReadsTheSameUnderMemkv) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
  EXPECT_EQ(Kinds().fst, 0u);
}

TEST_F(MigrationTest, CompactionMigratesAndBlockBasedFormatGoesBackAtOpen) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  for (const char* residency : {"auto", "pin", "cache"}) {
    SCOPED_TRACE(residency);
    const std::string fst =
        std::string("residency=") + residency + ";segment_size=2K";
    ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(fst)));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
    ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/true));
    ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(fst)));
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());

    ASSERT_NO_FATAL_FAILURE(
        Open(MemkvOptions(fst + ";write_format=block_based")));
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
    ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/false));
  }
  ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
}

TEST_F(MigrationTest, BlockBasedFormatGoesBackOnALiveDatabase) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/true));

  // An iterator from before reads FST files to its end while they are
  // rewritten and deleted.
  std::unique_ptr<rocksdb::Iterator> old(db()->NewIterator(ReadOptions()));
  old->SeekToFirst();
  ASSERT_TRUE(old->Valid());
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/false));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
  size_t keys = 0;
  for (; old->Valid(); old->Next()) ++keys;
  EXPECT_TRUE(old->status().ok()) << old->status().ToString();
  EXPECT_EQ(keys, model_.size());
  old.reset();

  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "fst"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/true));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
}

TEST_F(MigrationTest, StockRocksDbReadsAndWritesWhatWentBack) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(Write(2000));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(Write(100));  // stays in the WAL
  checksum_ = ScanChecksum(db());

  ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/false));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
  ASSERT_NO_FATAL_FAILURE(Write(2000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
}

TEST_F(MigrationTest, LevelZeroOfBothKindsAnswersAsOne) {
  NEEDS_LIVE_TABLE_OPTIONS();
  Options options = Still(MemkvOptions("segment_size=1K"));
  options.level0_slowdown_writes_trigger = 1000;
  options.level0_stop_writes_trigger = 1000;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  struct Pinned {
    const rocksdb::Snapshot* snapshot;
    Model model;
  };
  std::vector<Pinned> pinned;
  for (int i = 0; i < 10; ++i) {
    ASSERT_NO_FATAL_FAILURE(
        SetTableOption("write_format", i % 2 == 0 ? "fst" : "block_based"));
    ASSERT_NO_FATAL_FAILURE(Write(300));
    pinned.push_back({db()->GetSnapshot(), model_});
    ASSERT_NO_FATAL_FAILURE(Write(50));
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  const auto expect_snapshots = [&] {
    for (const Pinned& p : pinned) {
      ReadOptions ro;
      ro.snapshot = p.snapshot;
      ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), p.model, ro));
    }
  };
  EXPECT_GE(Kinds().fst, 5u);
  EXPECT_GE(Kinds().block_based, 5u);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
  ASSERT_NO_FATAL_FAILURE(expect_snapshots());

  // One compaction of inputs of both kinds, snapshots kept.
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "fst"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/true));
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
  ASSERT_NO_FATAL_FAILURE(expect_snapshots());
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/false));
  ASSERT_NO_FATAL_FAILURE(expect_snapshots());
  for (const Pinned& p : pinned) db()->ReleaseSnapshot(p.snapshot);
}

TEST_F(MigrationTest, MigrationCanStopHalfwayAndTurnBack) {
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  const auto compact_part = [this](const char* begin, const char* end) {
    const rocksdb::Slice first(begin);
    const rocksdb::Slice last(end);
    rocksdb::CompactRangeOptions cro;
    cro.bottommost_level_compaction =
        rocksdb::BottommostLevelCompaction::kForce;
    ASSERT_TRUE(db()->CompactRange(cro, &first, &last).ok());
  };
  // All in one level, so that a part of the keys is a part of the files.
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  checksum_ = ScanChecksum(db());
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(compact_part("key/001000", "key/001500"));
  EXPECT_GT(Kinds().fst, 0u);
  EXPECT_GT(Kinds().block_based, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());

  ASSERT_NO_FATAL_FAILURE(
      Open(Still(MemkvOptions("write_format=block_based"))));
  EXPECT_GT(Kinds().fst, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
  ASSERT_NO_FATAL_FAILURE(compact_part("key/000000", "key/001200"));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectOnly(/*fst=*/false));
  ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost());
}

TEST_F(MigrationTest, ReverseBytewiseDatabaseMigratesAndGoesBack) {
  const auto reversed = [](Options options) {
    options.comparator = rocksdb::ReverseBytewiseComparator();
    return options;
  };
  ASSERT_NO_FATAL_FAILURE(Open(reversed(StockOptions())));
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    const std::string key = std::to_string(rng() % 2000);
    model_[key] = RandomBytes(&rng, rng() % 40);
    ASSERT_NO_FATAL_FAILURE(Put(key, model_[key]));
  }
  const auto expect_reverse = [this] {
    std::unique_ptr<rocksdb::Iterator> iter(db()->NewIterator(ReadOptions()));
    auto expected = model_.rbegin();
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++expected) {
      ASSERT_EQ(iter->key(), expected->first);
      ASSERT_EQ(iter->value(), expected->second);
    }
    ASSERT_TRUE(iter->status().ok());
    ASSERT_EQ(expected, model_.rend());
    for (const auto& [key, value] : model_) ASSERT_EQ(Get(key), value);
  };
  for (const char* format : {"fst", "block_based", "fst"}) {
    ASSERT_NO_FATAL_FAILURE(Open(reversed(
        MemkvOptions(std::string("segment_size=1K;write_format=") + format))));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectOnly(std::string(format) == "fst"));
    ASSERT_NO_FATAL_FAILURE(expect_reverse());
  }
}

}  // namespace
}  // namespace memkv
