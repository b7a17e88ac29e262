// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The same seeded history of mixed operations gives identical answers on stock
// RocksDB and on memkv. Thirty seeds, from MEMKV_TEST_SEED (default 1) on; each
// runs under other options, with other keys (history_variant.h). A history has
// 10,000 operations, or MEMKV_HISTORY_OPERATIONS.
//
// That the comparison can fail is tested first: a record lost, added or changed
// in one database must be found, and a different layout of files must not.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "tests/db/history_runner.h"
#include "tests/db/history_variant.h"
#include "tests/util/test_folder.h"
#include "tests/util/test_seed.h"
#include "tests/util/unsynced_env.h"

namespace memkv {
namespace {

constexpr size_t kOperations = 10000;
constexpr uint64_t kSeeds = 30;
constexpr size_t kSelfTestOperations = 10000;

size_t Operations() {
  const char* text = std::getenv("MEMKV_HISTORY_OPERATIONS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : kOperations;
}

// Lives as long as the process, as RocksDB's default Env does.
rocksdb::Env* HistoryEnv() {
  static rocksdb::Env* const env = NewUnsyncedEnv().release();
  return env;
}

std::string RunStockAgainstStock(
    uint64_t seed, const std::function<void(rocksdb::DB*)>& disturb) {
  const TestFolder dir("history");
  HistoryVariant variant = MakeHistoryVariant(seed, HistoryEnv());
  variant.plan.changes_of_second.clear();  // those are memkv's
  HistoryRunner runner(seed, dir.path(), StockOptions(variant),
                       OtherStockOptions(variant), variant.plan);
  if (disturb) {
    runner.DisturbSecond(kSelfTestOperations / 2, disturb);
  }
  return runner.Run(kSelfTestOperations);
}

TEST(HistoryRunnerTest, AnotherLayoutOfFilesIsNoDifference) {
  EXPECT_EQ("", RunStockAgainstStock(TestSeed(), nullptr));
}

TEST(HistoryRunnerTest, ARecordAddedOnOneSideIsADifference) {
  const std::string found =
      RunStockAgainstStock(TestSeed(), [](rocksdb::DB* db) {
        // No history's key is so long that this could be one.
        ASSERT_TRUE(
            db->Put(rocksdb::WriteOptions(), std::string(5000, 'x'), "").ok());
      });
  EXPECT_NE("", found);
}

TEST(HistoryRunnerTest, ARecordLostOnOneSideIsADifference) {
  const std::string found =
      RunStockAgainstStock(TestSeed(), [](rocksdb::DB* db) {
        std::unique_ptr<rocksdb::Iterator> it(
            db->NewIterator(rocksdb::ReadOptions()));
        it->SeekToLast();
        ASSERT_TRUE(it->Valid());
        // All of the last ten: one alone might be written again at once.
        for (int i = 0; i < 10 && it->Valid(); i++, it->Prev()) {
          ASSERT_TRUE(db->Delete(rocksdb::WriteOptions(), it->key()).ok());
        }
      });
  EXPECT_NE("", found);
}

TEST(HistoryRunnerTest, AByteChangedInAValueIsADifference) {
  const std::string found =
      RunStockAgainstStock(TestSeed(), [](rocksdb::DB* db) {
        std::unique_ptr<rocksdb::Iterator> it(
            db->NewIterator(rocksdb::ReadOptions()));
        int changed = 0;
        for (it->SeekToFirst(); it->Valid() && changed < 10; it->Next()) {
          std::string value = it->value().ToString();
          if (!value.empty()) {
            value.back() ^= 1;
            ASSERT_TRUE(
                db->Put(rocksdb::WriteOptions(), it->key(), value).ok());
            changed++;
          }
        }
        ASSERT_EQ(10, changed);
      });
  EXPECT_NE("", found);
}

// Counts the table files that a database makes, by what they are.
class TableCounter : public rocksdb::EventListener {
 public:
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    const auto& properties = info.table_properties.user_collected_properties;
    if (properties.count("memkv.fst.distinct.user.keys") != 0) {
      fst_.fetch_add(1, std::memory_order_relaxed);
    } else {
      other_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  size_t fst() const { return fst_.load(std::memory_order_relaxed); }
  size_t other() const { return other_.load(std::memory_order_relaxed); }

 private:
  std::atomic<size_t> fst_{0};
  std::atomic<size_t> other_{0};
};

class HistoryTest : public testing::TestWithParam<uint64_t> {};

TEST_P(HistoryTest, StockAndMemkvGiveIdenticalAnswers) {
  const uint64_t seed = TestSeed() + GetParam();
  RegisterMemkv();
  const TestFolder dir("history");
  const HistoryVariant variant = MakeHistoryVariant(seed, HistoryEnv());
  SCOPED_TRACE("MEMKV_TEST_SEED=" + std::to_string(seed) + " with " +
               variant.description);
  auto tables = std::make_shared<TableCounter>();
  std::vector<rocksdb::Options> memkv_options = MemkvOptions(variant, seed);
  for (rocksdb::Options& options : memkv_options) {
    options.listeners.push_back(tables);
  }
  HistoryRunner runner(seed, dir.path(), StockOptions(variant), memkv_options,
                       variant.plan);
  ASSERT_EQ("", runner.Run(Operations()));
  std::printf("seed %llu: %zu FST files, %zu block-based ones\n",
              static_cast<unsigned long long>(seed), tables->fst(),
              tables->other());
  // Not vacuous: memkv's tables were written, block-based ones between them,
  // and the rare operations took place.
  EXPECT_GT(tables->fst(), Operations() / 300);
  EXPECT_GT(tables->other(), 0u);
  for (const char* rare :
       {"flush", "compact", "reopen", "ingest", "delete range",
        "single put or delete", "take snapshot", "prefix seek",
        "parallel writes", "multi-get entity", "set options"}) {
    EXPECT_GT(runner.TimesRun(rare), 0u) << rare;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryTest,
                         testing::Range<uint64_t>(0, kSeeds));

}  // namespace
}  // namespace memkv
