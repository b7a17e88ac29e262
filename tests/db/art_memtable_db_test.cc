// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Small databases with memtable_factory=art beside a std::map.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "compat/open.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/utilities/transaction_db.h"
#include "tests/db/art_memtable_rep_test_util.h"
#include "tests/util/test_folder.h"

namespace memkv {
namespace art_test {

using ROCKSDB_NAMESPACE::DB;
using ROCKSDB_NAMESPACE::DestroyDB;
using ROCKSDB_NAMESPACE::FlushOptions;
using ROCKSDB_NAMESPACE::Options;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Snapshot;
using ROCKSDB_NAMESPACE::TransactionDB;
using ROCKSDB_NAMESPACE::TransactionDBOptions;
using ROCKSDB_NAMESPACE::TxnDBWritePolicy;
using ROCKSDB_NAMESPACE::WriteBatch;
using ROCKSDB_NAMESPACE::WriteOptions;

class AppendOperator : public ROCKSDB_NAMESPACE::AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool Merge(const Slice&, const Slice* existing, const Slice& value,
             std::string* result, Logger*) const override {
    *result = existing != nullptr ? existing->ToString() : "";
    result->append(value.data(), value.size());
    return true;
  }
};

// With a tree that has room for all, or one that is soon full.
class ArtMemTableDBTest : public ::testing::TestWithParam<bool> {
 protected:
  ArtMemTableDBTest() {
    options_.create_if_missing = true;
    options_.memtable_factory.reset(GetParam() ? new OverflowingFactory()
                                               : new ArtMemTableRepFactory());
    options_.merge_operator.reset(new AppendOperator());
  }

  Status Open() {
    db_.reset();
    DB* db = nullptr;
    const Status s = DB::Open(options_, path_, compat::Into(&db));
    db_.reset(db);
    return s;
  }

  using Model = std::map<std::string, std::string>;

  void CheckAll(const Model& model, const Snapshot* snapshot) {
    ReadOptions read;
    read.snapshot = snapshot;
    const bool reverse = options_.comparator != BytewiseComparator();
    std::vector<std::pair<std::string, std::string>> expected(model.begin(),
                                                              model.end());
    if (reverse) {
      std::reverse(expected.begin(), expected.end());
    }
    std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(db_->NewIterator(read));
    size_t i = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++i) {
      ASSERT_LT(i, expected.size());
      ASSERT_EQ(expected[i].first, iter->key().ToString());
      ASSERT_EQ(expected[i].second, iter->value().ToString());
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(expected.size(), i);
    // RocksDB itself does not go backwards over values that may change.
    if (!options_.inplace_update_support) {
      for (iter->SeekToLast(); iter->Valid(); iter->Prev()) {
        ASSERT_GT(i, 0u);
        ASSERT_EQ(expected[--i].first, iter->key().ToString());
        ASSERT_EQ(expected[i].second, iter->value().ToString());
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(0u, i);
    }
    for (const auto& [key, value] : model) {
      std::string found;
      ASSERT_TRUE(db_->Get(read, key, &found).ok()) << key;
      ASSERT_EQ(value, found) << key;
      const Status s = db_->Get(read, key + "?", &found);
      ASSERT_TRUE(s.IsNotFound()) << s.ToString();
    }
  }

  // Random writes beside a map, with snapshots, flushes and reopenings.
  void RunHistory(bool with_merge, const WriteOptions& write) {
    ASSERT_TRUE(Open().ok());
    Random random(TestSeed());
    Model model;
    std::vector<std::pair<const Snapshot*, Model>> snapshots;
    for (int i = 0; i < 4000; ++i) {
      WriteBatch batch;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        const std::string key = "key" + std::to_string(random() % 300);
        const std::string value = "value" + std::to_string(random());
        const uint64_t op = random() % 10;
        if (op < 2) {
          batch.Delete(key);
          model.erase(key);
        } else if (op < 4 && with_merge) {
          batch.Merge(key, value);
          model[key] += value;
        } else {
          batch.Put(key, value);
          model[key] = value;
        }
      }
      const Status s = db_->Write(write, &batch);
      ASSERT_TRUE(s.ok()) << s.ToString();
      if (i % 500 == 250 && !options_.inplace_update_support) {
        snapshots.emplace_back(db_->GetSnapshot(), model);
      }
      if (i % 1300 == 1299) {
        ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
        for (const auto& [snapshot, then] : snapshots) {
          ASSERT_NO_FATAL_FAILURE(CheckAll(then, snapshot));
        }
        ASSERT_TRUE(db_->Flush(FlushOptions()).ok());
      }
    }
    for (const auto& [snapshot, then] : snapshots) {
      ASSERT_NO_FATAL_FAILURE(CheckAll(then, snapshot));
      db_->ReleaseSnapshot(snapshot);
    }
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
    ASSERT_TRUE(Open().ok());
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
  }

  const TestFolder folder_{"art_memtable"};
  const std::string path_ = folder_.path() + "/db";
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_P(ArtMemTableDBTest, HistoryIsRight) { RunHistory(true, WriteOptions()); }

TEST_P(ArtMemTableDBTest, HistoryIsRightInReverseOrder) {
  options_.comparator = ReverseBytewiseComparator();
  RunHistory(true, WriteOptions());
}

TEST_P(ArtMemTableDBTest, HistoryIsRightWithInPlaceUpdates) {
  options_.inplace_update_support = true;
  options_.allow_concurrent_memtable_write = false;
  RunHistory(false, WriteOptions());
}

TEST_P(ArtMemTableDBTest, HistoryIsRightWithParanoidMemoryChecks) {
  // Of RocksDB 9.6 and later.
  if (!ROCKSDB_NAMESPACE::GetOptionsFromString(
           ROCKSDB_NAMESPACE::ConfigOptions(), options_,
           "paranoid_memory_checks=true", &options_)
           .ok()) {
    GTEST_SKIP() << "RocksDB has no such checks";
  }
  options_.memtable_protection_bytes_per_key = 8;
  RunHistory(true, WriteOptions());
}

TEST_P(ArtMemTableDBTest, HistoryIsRightWithHints) {
  options_.memtable_insert_with_hint_prefix_extractor.reset(
      ROCKSDB_NAMESPACE::NewFixedPrefixTransform(4));
  options_.allow_concurrent_memtable_write = false;
  RunHistory(true, WriteOptions());
}

TEST_P(ArtMemTableDBTest, HistoryIsRightWithHintsPerBatch) {
  WriteOptions write;
  write.memtable_insert_hint_per_batch = true;
  RunHistory(true, write);
}

TEST_P(ArtMemTableDBTest, HistoryIsRightWithMemPurge) {
  options_.experimental_mempurge_threshold = 1.0;
  RunHistory(true, WriteOptions());
}

TEST_P(ArtMemTableDBTest, HistoryIsRightOnTheFallback) {
  SizeComparator by_size;
  options_.comparator = &by_size;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(db_->Put(WriteOptions(), "bb", "2").ok());
  ASSERT_TRUE(db_->Put(WriteOptions(), "z", "1").ok());
  std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(
      db_->NewIterator(ReadOptions()));
  iter->SeekToFirst();
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ("z", iter->key().ToString());
  iter.reset();
  db_.reset();

  options_.memtable_factory.reset(new ArtMemTableRepFactory(
      ArtMemTableOptions{ArtMemTableOptions::Fallback::kNone}));
  const Status s = Open();
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  for (const char* part : {"fallback=none", "test.SizeComparator"}) {
    EXPECT_NE(std::string::npos, s.ToString().find(part)) << s.ToString();
  }
  // The database itself is opened and closed with the comparator.
  options_.memtable_factory.reset(new ArtMemTableRepFactory());
  ASSERT_TRUE(Open().ok());
  db_.reset();
  DestroyDB(path_, options_);
}

TEST_P(ArtMemTableDBTest, BatchLargerThanATreeIsWrittenAndRecovered) {
  options_.avoid_flush_during_shutdown = true;
  ASSERT_TRUE(Open().ok());
  Model model;
  for (int round = 0; round < 2; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 20000; ++i) {
      const std::string key = std::to_string(i * 7919 % 30000);
      model[key] = "value" + std::to_string(i + round);
      batch.Put(key, model[key]);
    }
    WriteOptions write;
    write.sync = true;
    ASSERT_TRUE(db_->Write(write, &batch).ok());
    ASSERT_TRUE(db_->Put(write, "later", std::to_string(round)).ok());
    model["later"] = std::to_string(round);
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
    // From the log alone.
    ASSERT_TRUE(Open().ok());
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
  }
}

TEST_P(ArtMemTableDBTest, ConcurrentWritersLoseNothing) {
  options_.write_buffer_size = 256 << 10;
  options_.unordered_write = false;
  ASSERT_TRUE(Open().ok());
  constexpr int kThreads = 4;
  constexpr int kKeys = 3000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      WriteOptions write;
      write.memtable_insert_hint_per_batch = t % 2 == 0;
      for (int i = 0; i < kKeys; ++i) {
        const std::string own =
            std::to_string(i * 7919 % kKeys) + "/" + std::to_string(t);
        ASSERT_TRUE(db_->Put(write, own, own + own).ok());
        ASSERT_TRUE(db_->Merge(write, "everyone's", "+").ok());
        if (i % 100 == 0) {
          std::string value;
          ASSERT_TRUE(db_->Get(ReadOptions(), own, &value).ok());
          ASSERT_EQ(own + own, value);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::string value;
  ASSERT_TRUE(db_->Get(ReadOptions(), "everyone's", &value).ok());
  EXPECT_EQ(static_cast<size_t>(kThreads * kKeys), value.size());
  std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(
      db_->NewIterator(ReadOptions()));
  int n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    ++n;
  }
  EXPECT_TRUE(iter->status().ok());
  EXPECT_EQ(kThreads * kKeys + 1, n);
}

// Batches over two column families, by all ways that lead to the memtable at
// the same time; each is read by its writer when it is written.
TEST_P(ArtMemTableDBTest, ConcurrentBatchesAreReadByTheirWriters) {
  options_.write_buffer_size = 256 << 10;
  for (const bool pipelined : {false, true}) {
    for (const bool unordered : {false, true}) {
      if (pipelined && unordered) {
        continue;  // RocksDB refuses it.
      }
      options_.enable_pipelined_write = pipelined;
      options_.unordered_write = unordered;
      ASSERT_TRUE(Open().ok());
      ROCKSDB_NAMESPACE::ColumnFamilyHandle* other = nullptr;
      ASSERT_TRUE(db_->CreateColumnFamily(options_, "other", &other).ok());
      const std::unique_ptr<ROCKSDB_NAMESPACE::ColumnFamilyHandle> owner(other);
      constexpr int kThreads = 4;
      constexpr int kBatches = 150;
      constexpr int kEntries = 40;
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int b = 0; b < kBatches; ++b) {
            WriteBatch batch;
            const auto key_of = [t, b](int i) {
              return std::to_string(i * 7919 % kEntries) + "/" +
                     std::to_string(b) + "/" + std::to_string(t);
            };
            for (int i = 0; i < kEntries; ++i) {
              batch.Put(key_of(i), "old");
              batch.Put(other, key_of(i), std::to_string(i));
              batch.Put(key_of(i), std::to_string(i));
            }
            ASSERT_TRUE(db_->Write(WriteOptions(), &batch).ok());
            for (int i = b % 7; i < kEntries; i += 7) {
              for (auto* family : {other, db_->DefaultColumnFamily()}) {
                std::string value;
                ASSERT_TRUE(
                    db_->Get(ReadOptions(), family, key_of(i), &value).ok());
                ASSERT_EQ(std::to_string(i), value);
              }
            }
          }
        });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      for (auto* family : {other, db_->DefaultColumnFamily()}) {
        std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(
            db_->NewIterator(ReadOptions(), family));
        int n = 0;
        for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
          ++n;
        }
        EXPECT_TRUE(iter->status().ok());
        EXPECT_EQ(kThreads * kBatches * kEntries, n);
      }
      ASSERT_TRUE(db_->DropColumnFamily(other).ok());
    }
  }
}

TEST_P(ArtMemTableDBTest, WritePreparedTransactionsTakeDuplicateKeysInABatch) {
  TransactionDBOptions txn_options;
  txn_options.write_policy = TxnDBWritePolicy::WRITE_PREPARED;
  TransactionDB* db = nullptr;
  const Status s = TransactionDB::Open(options_, txn_options, path_, &db);
  ASSERT_TRUE(s.ok()) << s.ToString();
  db_.reset(db);
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("a", "2");
  batch.Put("b", "3");
  ASSERT_TRUE(db_->Write(WriteOptions(), &batch).ok());
  std::string value;
  ASSERT_TRUE(db_->Get(ReadOptions(), "a", &value).ok());
  EXPECT_EQ("2", value);
}

TEST_P(ArtMemTableDBTest, ApproximateMemTableStatsCount) {
  ASSERT_TRUE(Open().ok());
  constexpr uint64_t kKeys = 20000;
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(db_->Put({}, "user:" + std::to_string(100000 + i), "v").ok());
  }
  const auto count = [this](const std::string& from, const std::string& to) {
    uint64_t entries = 0;
    uint64_t size = 0;
    db_->GetApproximateMemTableStats(ROCKSDB_NAMESPACE::Range(from, to),
                                     &entries, &size);
    EXPECT_EQ(entries > 0, size > 0);
    return entries;
  };
  EXPECT_EQ(0u, count("user;", "z"));
  if (GetParam()) {
    // What is in the skip list is estimated as that does it.
    EXPECT_NEAR(count("user:", "user;"), 20000.0, 10000.0);
    return;
  }
  EXPECT_EQ(200u, count("user:100100", "user:100300"));
  EXPECT_EQ(kKeys, count("user:", "user;"));
  EXPECT_EQ(kKeys, count("a", "z"));
  EXPECT_NEAR(count("user:110000", "user;"), 10000.0, 3000.0);
}

// RocksDB adds a memtable's memory when it sets it aside and takes it off again
// when that is flushed: it must not have changed in between, though entries may
// have waited and readers may have let them in.
TEST_P(ArtMemTableDBTest, MemoryOfMemtablesAddsUp) {
  ASSERT_TRUE(Open().ok());
  using Names = DB::Properties;
  const auto property = [this](const std::string& name) {
    uint64_t n = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &n));
    return n;
  };
  std::string value;
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < 1 + i % 40; ++k) {
      ASSERT_TRUE(db_->Put({}, "key" + std::to_string(k * 7919 + i), "v").ok());
      if (k % 17 == 11) {
        ASSERT_TRUE(db_->Get({}, "key" + std::to_string(i), &value).ok());
      }
    }
    ASSERT_TRUE(db_->Flush(FlushOptions()).ok());
    // Nothing but the new memtable is left.
    ASSERT_EQ(property(Names::kCurSizeActiveMemTable),
              property(Names::kCurSizeAllMemTables));
    ASSERT_LT(property(Names::kSizeAllMemTables), 1u << 20);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ArtMemTableDBTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& param) {
                           return param.param ? "Overflowing" : "Tree";
                         });

}  // namespace art_test
}  // namespace memkv
