// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Compactions of FST files, and what options make of the files they write:
// what docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "compat/block_cache.h"
#include "rocksdb/cache.h"
#include "rocksdb/compaction_filter.h"
#include "rocksdb/db.h"
#include "rocksdb/rate_limiter.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/transaction.h"
#include "rocksdb/utilities/transaction_db.h"
#include "tests/db/fst_compactions_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::CompactionReason;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

TEST_F(FstCompactionsTest, OldFilesAreCompactedByPeriodAndByTtl) {
  for (const bool ttl : {false, true}) {
    SCOPED_TRACE(ttl);
    Destroy();
    Options options = ClockOptions();
    options.ttl = ttl ? 1000 : 0;
    options.periodic_compaction_seconds = ttl ? 0 : 1000;
    // The file stays where it is put, and age alone is a reason to move it.
    options.level_compaction_dynamic_level_bytes = false;
    options.compaction_pri = rocksdb::kRoundRobin;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 100, "v"));
    rocksdb::CompactRangeOptions cro;
    cro.change_level = true;
    cro.target_level = 3;
    ASSERT_TRUE(db()->CompactRange(cro, nullptr, nullptr).ok());
    ASSERT_EQ(FilesAt(3), "1");
    const CompactionReason reason = ttl ? CompactionReason::kRoundRobinTtl
                                        : CompactionReason::kPeriodicCompaction;
    ASSERT_NO_FATAL_FAILURE(Wait());
    EXPECT_EQ(reasons_->Of(reason), 0);
    clock_->Move(2000);
    // A flush looks for what is to do.
    ASSERT_NO_FATAL_FAILURE(PutAndFlush(50, 60, "newer"));
    ASSERT_NO_FATAL_FAILURE(Wait());
    EXPECT_GE(reasons_->Of(reason), 1);
    EXPECT_EQ(Get(NumberKey(55)), "newer");
    EXPECT_EQ(Get(NumberKey(70)), "v");
    Close();
  }
}

TEST_F(FstCompactionsTest, FifoDropsFilesByTheirAge) {
  Options options = ClockOptions();
  options.compaction_style = rocksdb::kCompactionStyleFIFO;
  options.ttl = 1000;
  options.max_open_files = -1;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 10, "old"));
  const auto all = AllProperties();
  EXPECT_NE(all.begin()->second->creation_time, 0u);
  EXPECT_NE(all.begin()->second->newest_key_time, 0u);
  // Opened again, the age is known from the file.
  ASSERT_NO_FATAL_FAILURE(Open(options));
  clock_->Move(2000);
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(10, 20, "new"));
  ASSERT_NO_FATAL_FAILURE(Wait());
  EXPECT_EQ(reasons_->Of(CompactionReason::kFIFOTtl), 1);
  EXPECT_EQ(Get(NumberKey(5)), "NOT_FOUND");
  EXPECT_EQ(Get(NumberKey(15)), "new");
}

TEST_F(FstCompactionsTest, UniversalCompactsBySizeRatioAndAmplification) {
  Options options = ClockOptions("segment_size=1K");
  options.compaction_style = rocksdb::kCompactionStyleUniversal;
  options.num_levels = 5;
  options.level0_file_num_compaction_trigger = 3;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  MixedWriter writer(TestSeed(), 500);
  for (int f = 0; f < 24; ++f) {
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 300));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(Wait());
  }
  EXPECT_GT(reasons_->Of(CompactionReason::kUniversalSizeAmplification) +
                reasons_->Of(CompactionReason::kUniversalSizeRatio) +
                reasons_->Of(CompactionReason::kUniversalSortedRunNum),
            3);
  EXPECT_NE(FilesAt(4), "0");
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

// Removes odd keys, changes those that end in 4, keeps the rest.
class OddFilter : public rocksdb::CompactionFilter {
 public:
  const char* Name() const override { return "test.OddFilter"; }
  Decision FilterV2(int /*level*/, const Slice& key, ValueType type,
                    const Slice& existing, std::string* changed,
                    std::string* /*skip_until*/) const override {
    EXPECT_EQ(type, ValueType::kValue);
    EXPECT_EQ(existing, "v" + key.ToString());
    const char digit = key[key.size() - 1];
    if ((digit - '0') % 2 == 1) return Decision::kRemove;
    if (digit != '4') return Decision::kKeep;
    *changed = std::string(5000, 'c');
    return Decision::kChangeValue;
  }
};

TEST_F(FstCompactionsTest, CompactionFilterSeesChangesAndRemovesRecords) {
  const OddFilter filter;
  Options options = MemkvOptions("segment_size=1K;value_block_size=64");
  options.compaction_filter = &filter;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  for (int i = 0; i < 500; ++i) {
    const std::string key = NumberKey(i);
    ASSERT_NO_FATAL_FAILURE(Put(key, "v" + key));
    if (i % 2 == 1) continue;
    model[key] = i % 10 == 4 ? std::string(5000, 'c') : "v" + key;
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  rocksdb::CompactRangeOptions cro;
  cro.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  ASSERT_TRUE(db()->CompactRange(cro, nullptr, nullptr).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  uint64_t entries = 0;
  for (const auto& [name, p] : AllProperties()) entries += p->num_entries;
  EXPECT_EQ(entries, 250u);
  Close();
}

TEST_F(FstCompactionsTest, BlockBasedOptionsTakeEffectOnALiveDatabase) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions("write_format=block_based")));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 3000, std::string(20, 'v')));
  const auto blocks = [this] {
    uint64_t n = 0;
    for (const auto& [name, p] : AllProperties()) n += p->num_data_blocks;
    return n;
  };
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const uint64_t before = blocks();
  ASSERT_NO_FATAL_FAILURE(SetTableOption("block_based.block_size", "512"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GT(blocks(), 4 * before);
  EXPECT_EQ(AllProperties().begin()->second->filter_size, 0u);
  // Several at once, as a part of a struct.
  ASSERT_NO_FATAL_FAILURE(
      SetTableOption("block_based", "{filter_policy=bloomfilter:10:false}"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  for (const auto& [name, p] : AllProperties()) {
    EXPECT_GT(p->filter_size, 0u) << name;
  }
  EXPECT_GT(blocks(), 4 * before);
  // And the FST files: their checksum.
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "fst"));
  ASSERT_NO_FATAL_FAILURE(
      SetTableOption("block_based.checksum", "kNoChecksum"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_EQ(Kinds().block_based, 0u);
  for (const std::string& file : SstFiles()) {
    // As FORMAT.md has it: the footer's first byte.
    const std::string bytes = ReadFile(file);
    EXPECT_EQ(bytes[bytes.size() - 53], '\0') << file;
  }
  EXPECT_EQ(Get(NumberKey(2999)).size(), 20u);
}

TEST_F(FstCompactionsTest, OptionOfBlockBasedTableByItsOwnNameIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 10, "v"));
  const Status s =
      db()->SetOptions({{"block_based_table_factory", "{block_size=512}"}});
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(10, 20, "v"));
  EXPECT_EQ(Kinds().block_based, 0u);
  EXPECT_EQ(Get(NumberKey(15)), "v");
}

TEST_F(FstCompactionsTest, CompactionReadsAheadAndLeavesTheCacheAlone) {
  Options options = MemkvOptions(
      "residency=cache;value_block_size=256;"
      "block_cache=8M");
  options.statistics = rocksdb::CreateDBStatistics();
  options.disable_auto_compactions = true;
  options.write_buffer_size = 64 << 20;
  options.compression = rocksdb::kNoCompression;
  options.paranoid_file_checks = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), RandomBytes(&rng, 100)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  uint64_t blocks = 0;
  for (const auto& [name, p] : AllProperties()) blocks += p->num_data_blocks;
  ASSERT_GT(blocks, 1000u);
  const auto cache =
      options.table_factory->GetOptions<BlockBasedTableOptions>()->block_cache;
  const size_t used = cache->GetUsage();
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(cache->GetUsage(), used);
  rocksdb::HistogramData reads;
  options.statistics->histogramData(rocksdb::FILE_READ_COMPACTION_MICROS,
                                    &reads);
  EXPECT_GT(reads.count, 0u);
  EXPECT_LT(reads.count, blocks / 20);
}

TEST_F(FstCompactionsTest, RateLimiterCountsWhatFilesCost) {
  Options options = MemkvOptions("residency=cache;block_cache=8K");
  options.rate_limiter.reset(rocksdb::NewGenericRateLimiter(
      int64_t{1} << 40, 100 * 1000, 10, rocksdb::RateLimiter::Mode::kAllIo));
  options.disable_auto_compactions = true;
  options.write_buffer_size = 64 << 20;
  options.paranoid_file_checks = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto& limiter = *options.rate_limiter;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), RandomBytes(&rng, 100)));
  }
  const auto file_bytes = [this] {
    int64_t bytes = 0;
    for (const std::string& file : SstFiles()) {
      bytes += static_cast<int64_t>(ReadFile(file).size());
    }
    return bytes;
  };
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_GE(limiter.GetTotalBytesThrough(rocksdb::Env::IO_HIGH), file_bytes());
  const int64_t low = limiter.GetTotalBytesThrough(rocksdb::Env::IO_LOW);
  const int64_t input = file_bytes();
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  // Read once and written once.
  EXPECT_GE(limiter.GetTotalBytesThrough(rocksdb::Env::IO_LOW) - low,
            input * 9 / 10 + file_bytes());
  const int64_t user = limiter.GetTotalBytesThrough(rocksdb::Env::IO_USER);
  EXPECT_EQ(Get(NumberKey(3)).size(), 100u);
  EXPECT_EQ(limiter.GetTotalBytesThrough(rocksdb::Env::IO_USER), user);
  ReadOptions ro;
  ro.rate_limiter_priority = rocksdb::Env::IO_USER;
  std::string value;
  ASSERT_TRUE(db()->Get(ro, NumberKey(1500), &value).ok());
  EXPECT_GT(limiter.GetTotalBytesThrough(rocksdb::Env::IO_USER), user + 100);
}

TEST_F(FstCompactionsTest, FilesBearTheTimesOfTheirSequenceNumbers) {
  Options options = ClockOptions();
  options.preserve_internal_time_seconds = 10000;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 100, "v"));
  const auto flushed = AllProperties();
  ASSERT_EQ(flushed.size(), 1u);
  const std::string mapping = flushed.begin()->second->seqno_to_time_mapping;
  const uint64_t created = flushed.begin()->second->creation_time;
  EXPECT_FALSE(mapping.empty());
  EXPECT_NE(created, 0u);
  // Compaction keeps sequence numbers whose time is to be kept, and the
  // creation time of the oldest input.
  clock_->Move(5000);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const auto compacted = AllProperties();
  ASSERT_EQ(compacted.size(), 1u);
  const rocksdb::TableProperties& p = *compacted.begin()->second;
  EXPECT_FALSE(p.seqno_to_time_mapping.empty());
  EXPECT_EQ(p.creation_time, created);
  EXPECT_GE(p.file_creation_time, created + 5000);
  EXPECT_NE(p.key_largest_seqno, 0u);
  // Of a database that need not know, they are forgotten.
  options.preserve_internal_time_seconds = 0;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const auto forgotten = AllProperties();
  EXPECT_EQ(forgotten.begin()->second->key_largest_seqno, 0u);
}

TEST_F(FstCompactionsTest, PreparedTransactionsOutliveFlushesAndReopening) {
  for (const auto policy :
       {rocksdb::WRITE_COMMITTED, rocksdb::WRITE_PREPARED}) {
    SCOPED_TRACE(policy);
    Destroy();
    rocksdb::TransactionDBOptions txn_options;
    txn_options.write_policy = policy;
    rocksdb::TransactionDB* tdb = nullptr;
    const auto open = [&] {
      Close();
      const Status s = rocksdb::TransactionDB::Open(MemkvOptions(), txn_options,
                                                    path(), &tdb);
      ASSERT_TRUE(s.ok()) << s.ToString();
      db_.reset(tdb);
    };
    ASSERT_NO_FATAL_FAILURE(open());
    Model model;
    for (int i = 0; i < 200; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "before"));
      model[NumberKey(i)] = "before";
    }
    std::unique_ptr<rocksdb::Transaction> txn(
        tdb->BeginTransaction(WriteOptions()));
    ASSERT_TRUE(txn->SetName("pending").ok());
    for (int i = 0; i < 200; i += 2) {
      ASSERT_TRUE(txn->Put(NumberKey(i), "prepared").ok());
    }
    ASSERT_TRUE(txn->Prepare().ok());
    // WritePrepared has it in the memtable already: flushed, not seen.
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    // With WritePrepared, RocksDB asserts that nothing is pending when it is
    // closed.
    if (policy == rocksdb::WRITE_COMMITTED) {
      txn.reset();
      ASSERT_NO_FATAL_FAILURE(open());
      ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
      txn.reset(tdb->GetTransactionByName("pending"));
      ASSERT_NE(txn, nullptr);
    }
    ASSERT_TRUE(txn->Commit().ok());
    txn.reset();
    for (int i = 0; i < 200; i += 2) model[NumberKey(i)] = "prepared";
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
}

}  // namespace
}  // namespace memkv
