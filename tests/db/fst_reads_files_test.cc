// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reads and the files below them: caches of rows and of open files, deadlines,
// and what RocksDB counts.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "env/composite_env_wrapper.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/statistics.h"
#include "tests/db/fst_reads_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/wrapping_file_system.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

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
class TimedReads : public WrappingFileSystem {
 public:
  static constexpr std::chrono::microseconds kTimeout{123456789};

  using WrappingFileSystem::WrappingFileSystem;
  const char* Name() const override { return "TimedReads"; }

  std::atomic<bool> refuse{true};
  std::atomic<uint64_t> timed{0};
  std::atomic<uint64_t> untimed{0};

 private:
  std::unique_ptr<rocksdb::FSRandomAccessFile> Wrap(
      std::unique_ptr<rocksdb::FSRandomAccessFile> file) override;
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

std::unique_ptr<rocksdb::FSRandomAccessFile> TimedReads::Wrap(
    std::unique_ptr<rocksdb::FSRandomAccessFile> file) {
  return std::make_unique<TimedFile>(std::move(file), this);
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
