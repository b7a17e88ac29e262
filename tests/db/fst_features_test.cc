// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's features around the tables, on databases of FST files: backups,
// transactions, compaction styles, checksums, compression, readers beside
// compactions.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "compat/open.h"
#include "compat/wait_for_compact.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/backup_engine.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/utilities/db_ttl.h"
#include "rocksdb/utilities/optimistic_transaction_db.h"
#include "rocksdb/utilities/transaction.h"
#include "rocksdb/utilities/transaction_db.h"
#include "tests/db/fst_features_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::WriteOptions;

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
    ASSERT_TRUE(compat::WaitForCompact(db()).ok());
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
  ASSERT_TRUE(compat::WaitForCompact(db()).ok());
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

TEST_F(FstFeaturesTest, ReadOnlyAndSecondaryInstancesFollow) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions()));
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 3000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  Options options = MemkvOptions();
  options.max_open_files = -1;
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::OpenAsSecondary(
                  options, path(), folder() + "/secondary", compat::Into(&raw))
                  .ok());
  const std::unique_ptr<rocksdb::DB> secondary(raw);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(secondary.get(), model));
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 3000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  Status s = secondary->TryCatchUpWithPrimary();
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(secondary.get(), model));
  ASSERT_TRUE(
      rocksdb::DB::OpenForReadOnly(options, path(), compat::Into(&raw)).ok());
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
  NEEDS_LIVE_TABLE_OPTIONS();
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
  std::atomic<uint64_t> scans{0};
  std::atomic<uint64_t> gets{0};
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
        ++(t == 0 ? scans : gets);
      }
    });
  }
  // Until the readers have seen enough of it, however slow the machine is.
  for (int generation = 1;
       (generation <= 40 || scans < 10 || gets < 100) && !HasFailure();
       ++generation) {
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
