// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's features around the tables, on databases of FST files: backups,
// transactions, compaction styles, comparators that a trie cannot serve, the
// block cache, checksums, compression, readers beside compactions.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/advanced_cache.h"
#include "rocksdb/cache.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/memory_allocator.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/backup_engine.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/utilities/db_ttl.h"
#include "rocksdb/utilities/optimistic_transaction_db.h"
#include "rocksdb/utilities/transaction.h"
#include "rocksdb/utilities/transaction_db.h"
#include "tests/db/fst_db_test_util.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

class FstFeaturesTest : public FstDbTest {
 protected:
  // Options whose table is FST over these block-based options.
  Options OptionsOver(const BlockBasedTableOptions& bbto,
                      const FstTableOptions& fst = FstTableOptions()) const {
    Options options = MemkvOptions();
    options.table_factory.reset(NewFstTableFactory(fst, &bbto));
    // It would bring new files into the cache.
    options.paranoid_file_checks = false;
    return options;
  }

  void Fill(Model* model, int keys, size_t value_size) {
    std::mt19937_64 rng(TestSeed());
    for (int i = 0; i < keys; ++i) {
      const std::string key = "key/" + std::to_string(rng() % 1000000);
      (*model)[key] = RandomBytes(&rng, rng() % (value_size + 1));
      ASSERT_NO_FATAL_FAILURE(Put(key, (*model)[key]));
    }
  }

  static uint64_t TickerOf(const Options& options, uint32_t ticker) {
    return options.statistics->getTickerCount(ticker);
  }
};

TEST_F(FstFeaturesTest, CheckpointIsAWholeDatabase) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 5000));
  rocksdb::Checkpoint* raw = nullptr;
  ASSERT_TRUE(rocksdb::Checkpoint::Create(db(), &raw).ok());
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  const std::string where = folder() + "/checkpoint";
  Status s = checkpoint->CreateCheckpoint(where);
  ASSERT_TRUE(s.ok()) << s.ToString();
  Model later = model;
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &later, 1000));

  Close();
  path_ = where;
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  EXPECT_GT(Kinds().fst, 0u);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_F(FstFeaturesTest, BackupEngineSavesVerifiesAndRestores) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  rocksdb::BackupEngineOptions backup_options(folder() + "/backup", env());
  backup_options.share_table_files = true;
  backup_options.share_files_with_checksum = true;
  backup_options.sync = false;
  rocksdb::BackupEngine* raw = nullptr;
  ASSERT_TRUE(rocksdb::BackupEngine::Open(env(), backup_options, &raw).ok());
  const std::unique_ptr<rocksdb::BackupEngine> engine(raw);
  std::vector<Model> saved;
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 2000));
    const Status s =
        engine->CreateNewBackup(db(), /*flush_before_backup=*/i != 1);
    ASSERT_TRUE(s.ok()) << s.ToString();
    saved.push_back(model);
  }
  Close();
  for (uint32_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(engine->VerifyBackup(id, /*verify_with_checksum=*/true).ok());
    path_ = folder() + "/restored" + std::to_string(id);
    const Status s = engine->RestoreDBFromBackup(id, path_, path_);
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), saved[id - 1]));
    Close();
  }
}

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

TEST_F(FstFeaturesTest, EveryCompactionStyleServes) {
  for (const auto style :
       {rocksdb::kCompactionStyleLevel, rocksdb::kCompactionStyleUniversal}) {
    SCOPED_TRACE(style);
    Destroy();
    Options options = MemkvOptions("segment_size=4K");
    options.compaction_style = style;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    Model model;
    MixedWriter writer(TestSeed(), 2000);
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 15000));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_TRUE(db()->WaitForCompact(rocksdb::WaitForCompactOptions()).ok());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_EQ(Kinds().block_based, 0u);
  }
  Destroy();
  Options options = MemkvOptions();
  options.compaction_style = rocksdb::kCompactionStyleFIFO;
  options.compaction_options_fifo.max_table_files_size = 256 << 10;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 12; ++i) {
    for (int k = 0; k < 400; ++k) {
      ASSERT_NO_FATAL_FAILURE(
          Put(std::to_string(i * 1000 + k), RandomBytes(&rng, 100)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  ASSERT_TRUE(db()->WaitForCompact(rocksdb::WaitForCompactOptions()).ok());
  EXPECT_EQ(Get("0"), "NOT_FOUND");
  EXPECT_EQ(Get("11399").size(), 100u);
}

TEST_F(FstFeaturesTest, TtlDatabaseDropsWhatHasExpired) {
  rocksdb::DBWithTTL* raw = nullptr;
  Options options = MemkvOptions();
  options.merge_operator = nullptr;
  ASSERT_TRUE(rocksdb::DBWithTTL::Open(options, path(), &raw, 1).ok());
  db_.reset(raw);
  ASSERT_NO_FATAL_FAILURE(Put("key", "value"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_EQ(Get("key"), "value");
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_EQ(Get("key"), "NOT_FOUND");
}

TEST_F(FstFeaturesTest, TransactionsCommitAndRollBack) {
  for (const auto policy : {rocksdb::WRITE_COMMITTED, rocksdb::WRITE_PREPARED,
                            rocksdb::WRITE_UNPREPARED}) {
    SCOPED_TRACE(policy);
    Destroy();
    rocksdb::TransactionDBOptions txn_options;
    txn_options.write_policy = policy;
    rocksdb::TransactionDB* tdb = nullptr;
    const Status s =
        rocksdb::TransactionDB::Open(MemkvOptions(), txn_options, path(), &tdb);
    ASSERT_TRUE(s.ok()) << s.ToString();
    db_.reset(tdb);
    Model model;
    for (int i = 0; i < 200; ++i) {
      const std::unique_ptr<rocksdb::Transaction> txn(
          tdb->BeginTransaction(WriteOptions()));
      ASSERT_TRUE(txn->SetName("t" + std::to_string(i)).ok());
      const std::string key = "key/" + std::to_string(i % 50);
      const std::string value = std::to_string(i);
      ASSERT_TRUE(txn->Put(key, value).ok());
      // The same key twice: in the memtable as two entries.
      ASSERT_TRUE(txn->Put(key, value + "b").ok());
      std::string own;
      ASSERT_TRUE(txn->Get(ReadOptions(), key, &own).ok());
      EXPECT_EQ(own, value + "b");
      ASSERT_TRUE(txn->Prepare().ok());
      if (i % 3 == 0) {
        ASSERT_TRUE(txn->Rollback().ok());
      } else {
        ASSERT_TRUE(txn->Commit().ok());
        model[key] = value + "b";
      }
      if (i % 40 == 39) {
        ASSERT_NO_FATAL_FAILURE(Flush());
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
  Destroy();
  rocksdb::OptimisticTransactionDB* odb = nullptr;
  ASSERT_TRUE(
      rocksdb::OptimisticTransactionDB::Open(MemkvOptions(), path(), &odb)
          .ok());
  db_.reset(odb);
  ASSERT_NO_FATAL_FAILURE(Put("key", "0"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  rocksdb::OptimisticTransactionOptions optimistic;
  optimistic.set_snapshot = true;
  std::unique_ptr<rocksdb::Transaction> loser(
      odb->BeginTransaction(WriteOptions(), optimistic));
  ASSERT_TRUE(loser->Put("key", "loser").ok());
  ASSERT_NO_FATAL_FAILURE(Put("key", "winner"));
  EXPECT_TRUE(loser->Commit().IsBusy());
  loser.reset();
  EXPECT_EQ(Get("key"), "winner");
}

TEST_F(FstFeaturesTest, BlockCacheCountsHitsMissesAndKinds) {
  for (const auto residency :
       {FstTableOptions::Residency::kPin, FstTableOptions::Residency::kCache}) {
    Destroy();
    BlockBasedTableOptions bbto;
    bbto.block_cache = rocksdb::NewLRUCache(8 << 20);
    FstTableOptions fst;
    fst.residency = residency;
    Options options = OptionsOver(bbto, fst);
    options.statistics = rocksdb::CreateDBStatistics();
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    for (int i = 0; i < 2000; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Put("key/" + std::to_string(i),
              std::to_string(1000 + i) + std::string(96, 'v')));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_TRUE(options.statistics->Reset().ok());
    EXPECT_EQ(Get("key/1000").size(), 100u);
    const bool cached = residency == FstTableOptions::Residency::kCache;
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_ADD), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_HIT), 0u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_ADD),
              cached ? 1u : 0u);
    EXPECT_EQ(Get("key/1000").size(), 100u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_HIT), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_HIT),
              cached ? 1u : 0u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_ADD), cached ? 2u : 1u);
    // A miss costs no read of a value.
    EXPECT_EQ(Get("key/1000x"), "NOT_FOUND");
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    // What is not to be cached is not.
    const size_t used = bbto.block_cache->GetUsage();
    ReadOptions ro;
    ro.fill_cache = false;
    std::string value;
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(db()->Get(ro, "key/" + std::to_string(i), &value).ok());
    }
    EXPECT_EQ(bbto.block_cache->GetUsage(), used);
    Close();
  }
}

// Counts what it gives and takes back.
class CountingAllocator : public rocksdb::MemoryAllocator {
 public:
  const char* Name() const override { return "CountingAllocator"; }
  void* Allocate(size_t size) override {
    ++allocations;
    ++live;
    return malloc(size);
  }
  void Deallocate(void* p) override {
    --live;
    free(p);
  }
  std::atomic<int64_t> allocations{0};
  std::atomic<int64_t> live{0};
};

TEST_F(FstFeaturesTest, BlocksInTheCacheComeFromItsAllocator) {
  for (const auto compression :
       {rocksdb::kNoCompression, rocksdb::kLZ4Compression}) {
    Destroy();
    const auto allocator = std::make_shared<CountingAllocator>();
    BlockBasedTableOptions bbto;
    rocksdb::LRUCacheOptions cache(8 << 20, 0, false, 0.5, allocator);
    bbto.block_cache = cache.MakeSharedCache();
    bbto.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    bbto.cache_index_and_filter_blocks = true;
    FstTableOptions fst;
    fst.residency = FstTableOptions::Residency::kCache;
    Options options = OptionsOver(bbto, fst);
    options.compression = compression;
    options.statistics = rocksdb::CreateDBStatistics();
    ASSERT_NO_FATAL_FAILURE(Open(options));
    Model model;
    ASSERT_NO_FATAL_FAILURE(Fill(&model, 3000, 200));
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    const uint64_t added = TickerOf(options, rocksdb::BLOCK_CACHE_ADD);
    EXPECT_GT(added, 10u);
    EXPECT_GE(allocator->allocations.load(), static_cast<int64_t>(added));
    EXPECT_GT(allocator->live.load(), 0);
    Close();
    bbto.block_cache->EraseUnRefEntries();
    EXPECT_EQ(allocator->live.load(), 0);
  }
}

TEST_F(FstFeaturesTest, SegmentsOutliveValuesInTheCacheUnlessOptionsSayNot) {
  for (const bool high : {true, false}) {
    Destroy();
    BlockBasedTableOptions bbto;
    bbto.block_cache = rocksdb::NewLRUCache(512 << 10, /*num_shard_bits=*/0,
                                            /*strict_capacity_limit=*/false,
                                            /*high_pri_pool_ratio=*/0.5);
    bbto.cache_index_and_filter_blocks_with_high_priority = high;
    FstTableOptions fst;
    fst.residency = FstTableOptions::Residency::kCache;
    fst.segment_size = 4 << 10;
    // A value a block: what is read twice would gain priority by that.
    fst.value_block_size = 64;
    Options options = OptionsOver(bbto, fst);
    options.statistics = rocksdb::CreateDBStatistics();
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    std::mt19937_64 rng(TestSeed());
    for (int i = 1000; i < 3000; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Put("key/" + std::to_string(i), RandomBytes(&rng, 1000)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    EXPECT_EQ(Get("key/1000").size(), 1000u);
    // The values of other segments, three times what the cache holds.
    for (int i = 1400; i < 3000; ++i) {
      EXPECT_EQ(Get("key/" + std::to_string(i)).size(), 1000u);
    }
    ASSERT_GT(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_ADD), 2u);
    ASSERT_TRUE(options.statistics->Reset().ok());
    EXPECT_EQ(Get("key/1000").size(), 1000u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_DATA_MISS), 1u);
    EXPECT_EQ(TickerOf(options, rocksdb::BLOCK_CACHE_INDEX_MISS),
              high ? 0u : 1u);
    Close();
  }
}

TEST_F(FstFeaturesTest, FullCacheWithAStrictLimitFailsReadsNotTheDatabase) {
  BlockBasedTableOptions bbto;
  rocksdb::LRUCacheOptions cache;
  cache.capacity = 4 << 10;
  cache.num_shard_bits = 0;
  cache.strict_capacity_limit = true;
  bbto.block_cache = cache.MakeSharedCache();
  FstTableOptions fst;
  fst.residency = FstTableOptions::Residency::kCache;
  Options options = OptionsOver(bbto, fst);
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(Fill(&model, 3000, 200));
  ASSERT_NO_FATAL_FAILURE(Flush());
  // A segment is larger than the cache.
  std::string value;
  const Status s = db()->Get(ReadOptions(), model.begin()->first, &value);
  EXPECT_TRUE(s.IsMemoryLimit()) << s.ToString();
  ReadOptions uncached;
  uncached.fill_cache = false;
  EXPECT_TRUE(db()->Get(uncached, model.begin()->first, &value).ok());
  EXPECT_EQ(value, model.begin()->second);
  bbto.block_cache->SetCapacity(16 << 20);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  Close();
}

TEST_F(FstFeaturesTest, PinnedSegmentsThatDoNotFitAreRefusedByName) {
  const std::string file = folder() + "/large.sst";
  {
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), MemkvOptions());
    ASSERT_TRUE(writer.Open(file).ok());
    std::mt19937_64 rng(TestSeed());
    for (int i = 0; i < 20000; ++i) {
      ASSERT_TRUE(
          writer.Put(std::to_string(100000 + i) + RandomBytes(&rng, 40), "v")
              .ok());
    }
    ASSERT_TRUE(writer.Finish().ok());
  }
  for (const auto residency :
       {FstTableOptions::Residency::kPin, FstTableOptions::Residency::kCache}) {
    BlockBasedTableOptions bbto;
    rocksdb::LRUCacheOptions cache;
    cache.capacity = 512 << 10;
    cache.num_shard_bits = 0;
    cache.strict_capacity_limit = true;
    bbto.block_cache = cache.MakeSharedCache();
    bbto.cache_usage_options.options_overrides.insert(
        {rocksdb::CacheEntryRole::kBlockBasedTableReader,
         {/*.charged = */ rocksdb::CacheEntryRoleOptions::Decision::kEnabled}});
    FstTableOptions fst;
    fst.residency = residency;
    rocksdb::SstFileReader reader(OptionsOver(bbto, fst));
    const Status s = reader.Open(file);
    if (residency == FstTableOptions::Residency::kCache) {
      EXPECT_TRUE(s.ok()) << s.ToString();
      continue;
    }
    EXPECT_TRUE(s.IsMemoryLimit()) << s.ToString();
    EXPECT_NE(s.ToString().find(file), std::string::npos) << s.ToString();
    EXPECT_NE(s.ToString().find("residency=cache"), std::string::npos)
        << s.ToString();
  }
}

TEST_F(FstFeaturesTest, ReadOnlyAndSecondaryInstancesFollow) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 3000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  Options options = MemkvOptions();
  options.max_open_files = -1;
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::OpenAsSecondary(options, path(),
                                           folder() + "/secondary", &raw)
                  .ok());
  const std::unique_ptr<rocksdb::DB> secondary(raw);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(secondary.get(), model));
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 3000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  Status s = secondary->TryCatchUpWithPrimary();
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(secondary.get(), model));
  ASSERT_TRUE(rocksdb::DB::OpenForReadOnly(options, path(), &raw).ok());
  const std::unique_ptr<rocksdb::DB> read_only(raw);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(read_only.get(), model));
}

TEST_F(FstFeaturesTest, EveryChecksumAndCompressionReadsBack) {
  for (const auto checksum :
       {rocksdb::kNoChecksum, rocksdb::kCRC32c, rocksdb::kxxHash,
        rocksdb::kxxHash64, rocksdb::kXXH3}) {
    for (const auto compression : rocksdb::GetSupportedCompressions()) {
      SCOPED_TRACE(std::to_string(checksum) + " " +
                   std::to_string(compression));
      Destroy();
      BlockBasedTableOptions bbto;
      bbto.checksum = checksum;
      FstTableOptions fst;
      fst.segment_size = 8 << 10;
      Options options = OptionsOver(bbto, fst);
      options.compression = compression;
      options.target_file_size_base = 8 << 20;
      ASSERT_NO_FATAL_FAILURE(Open(options));
      Model model;
      for (int i = 0; i < 1000; ++i) {
        const std::string key = "key/" + std::to_string(i);
        model[key] = "compressible value, compressible value " + key;
        ASSERT_NO_FATAL_FAILURE(Put(key, model[key]));
      }
      ASSERT_NO_FATAL_FAILURE(Flush());
      ASSERT_NO_FATAL_FAILURE(Open(options));
      ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
      EXPECT_TRUE(db()->VerifyChecksum().ok());
      rocksdb::TablePropertiesCollection all;
      ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
      for (const auto& [file, properties] : all) {
        if (compression == rocksdb::kNoCompression) {
          EXPECT_EQ(properties->compression_name, "NoCompression");
        } else {
          EXPECT_NE(properties->compression_name, "NoCompression");
          EXPECT_LT(properties->data_size, properties->raw_value_size / 2);
        }
      }
    }
  }
}

TEST_F(FstFeaturesTest, DamageInADatabaseIsCorruptionThatNamesTheFile) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions("residency=cache")));
  Model model;
  ASSERT_NO_FATAL_FAILURE(Fill(&model, 2000, 100));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const std::string file = SstFiles().front();
  Close();
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
  WriteFile(file, bytes);
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions("residency=cache")));
  const Status s = db()->VerifyChecksum();
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.ToString().find(file.substr(file.rfind('/') + 1)),
            std::string::npos)
      << s.ToString();
  for (const auto& [key, value] : model) {
    std::string found;
    const Status get = db()->Get(ReadOptions(), key, &found);
    ASSERT_TRUE(get.IsCorruption() || (get.ok() && found == value)) << key;
  }
}

TEST_F(FstFeaturesTest, ReadersBesideWritesAndCompactionsNeverMissAKey) {
  Options options = MemkvOptions("residency=cache;segment_size=4K");
  options.max_background_jobs = 2;
  options.paranoid_file_checks = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  constexpr uint64_t kKeys = 500;
  const auto name = [](uint64_t i) {
    return "key/" + std::to_string(1000 + i);
  };
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(name(i), "0"));
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937_64 rng(TestSeed() + static_cast<uint64_t>(t));
      std::string value;
      while (!stop) {
        if (t == 0) {
          const std::unique_ptr<Iterator> iter(
              db()->NewIterator(ReadOptions()));
          uint64_t n = 0;
          uint64_t generation = 0;
          for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
            ASSERT_EQ(iter->key(), name(n));
            const uint64_t g = std::stoull(iter->value().ToString());
            // A batch writes all keys, so one snapshot has one generation.
            if (n == 0) generation = g;
            ASSERT_EQ(g, generation);
          }
          ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
          ASSERT_EQ(n, kKeys);
        } else {
          const Status s =
              db()->Get(ReadOptions(), name(rng() % kKeys), &value);
          ASSERT_TRUE(s.ok()) << s.ToString();
        }
        ++reads;
      }
    });
  }
  for (int generation = 1; generation <= 40; ++generation) {
    rocksdb::WriteBatch batch;
    for (uint64_t i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(batch.Put(name(i), std::to_string(generation)).ok());
    }
    ASSERT_TRUE(db()->Write(WriteOptions(), &batch).ok());
    ASSERT_NO_FATAL_FAILURE(Flush());
    if (generation % 5 == 0) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
    if (generation % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(
          SetTableOption("residency", generation % 20 == 0 ? "cache" : "pin"));
    }
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(reads, 100u);
}

TEST_F(FstFeaturesTest, OutputFilesStayNearTheirTargetSize) {
  Options options = MemkvOptions("segment_size=8K");
  options.compression = rocksdb::kNoCompression;
  options.target_file_size_base = 128 << 10;
  options.write_buffer_size = 64 << 20;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(Fill(&model, 30000, 100));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const std::vector<std::string> files = SstFiles();
  ASSERT_GT(files.size(), 5u);
  for (const std::string& file : files) {
    EXPECT_LT(ReadFile(file).size(), 2u * (128 << 10));
  }
}

}  // namespace
}  // namespace memkv
