// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Segments in the block cache outlive the reader that put them there, and the
// token table that they refer to does not: whoever opens the file again must
// not follow it, need not read them again, and no token table stays without a
// file.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/statistics.h"
#include "table/fst/format.h"
#include "table/fst/table_reader.h"
#include "table/get_context.h"
#include "table/internal_iterator.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/token_keys.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

std::string PathKey(int i) { return TokenKey(10000 + i); }

constexpr int kKeys = 1500;

class FstCachedSegmentsTest : public ::testing::TestWithParam<bool> {
 protected:
  FstCachedSegmentsTest()
      : cache_(GetParam() ? rocksdb::HyperClockCacheOptions(8 << 20, 1024)
                                .MakeSharedCache()
                          : rocksdb::NewLRUCache(8 << 20)),
        table_(Settings(cache_)) {
    for (int i = 0; i < kKeys; ++i) {
      entries_.push_back(
          {PathKey(i), 7, rocksdb::kTypeValue, std::to_string(i)});
    }
    const Status s = table_.Build(entries_);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  static MemoryTable::Settings Settings(
      const std::shared_ptr<rocksdb::Cache>& cache) {
    MemoryTable::Settings settings;
    settings.fst.residency = FstTableOptions::Residency::kCache;
    settings.fst.segment_size = 2048;
    settings.block_based.block_cache = cache;
    return settings;
  }

  std::unique_ptr<TableReader> Open() const {
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(table_.bytes(), ReadOptions(), &reader);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_NE(TokensOf(*reader).lock(), nullptr);
    return reader;
  }

  static std::weak_ptr<const key_trie::Tokens> TokensOf(
      const TableReader& reader) {
    return static_cast<const FstTableReader&>(reader).file().store().tokens();
  }

  std::unique_ptr<rocksdb::InternalIterator> NewIterator(
      TableReader* reader, const ReadOptions& ro) const {
    return std::unique_ptr<rocksdb::InternalIterator>(reader->NewIterator(
        ro, nullptr, nullptr, false, TableReaderCaller::kUserIterator));
  }

  // Every key, by a scan and one by one.
  void ExpectReadsAll(TableReader* reader, const ReadOptions& ro) const {
    const auto iter = NewIterator(reader, ro);
    size_t n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
      ASSERT_LT(n, entries_.size());
      ASSERT_EQ(iter->key().ToString(), entries_[n].InternalKey());
      ASSERT_EQ(iter->value().ToString(), entries_[n].value);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(n, entries_.size());
    for (size_t i = 0; i < entries_.size(); i += 5) {
      iter->Seek(entries_[i].InternalKey());
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      ASSERT_EQ(iter->key().ToString(), entries_[i].InternalKey());
    }
  }

  const std::shared_ptr<rocksdb::Cache> cache_;
  MemoryTable table_;
  std::vector<TableEntry> entries_;
};

TEST_P(FstCachedSegmentsTest, NoDictionaryOutlivesItsFile) {
  std::unique_ptr<TableReader> reader = Open();
  ASSERT_NO_FATAL_FAILURE(ExpectReadsAll(reader.get(), ReadOptions()));
  const std::weak_ptr<const key_trie::Tokens> token_table = TokensOf(*reader);
  const size_t usage = cache_->GetUsage();
  EXPECT_GT(usage, 0u);
  reader.reset();
  EXPECT_EQ(cache_->GetUsage(), usage);  // the segments are still there
  EXPECT_EQ(token_table.lock(), nullptr);
}

TEST_P(FstCachedSegmentsTest, AFileOpenedAgainFindsItsSegmentsInTheCache) {
  std::unique_ptr<TableReader> reader = Open();
  ASSERT_NO_FATAL_FAILURE(ExpectReadsAll(reader.get(), ReadOptions()));
  const size_t usage = cache_->GetUsage();
  ReadOptions cached;
  cached.read_tier = rocksdb::kBlockCacheTier;
  for (int round = 0; round < 3; ++round) {
    reader = Open();
    ASSERT_NO_FATAL_FAILURE(ExpectReadsAll(reader.get(), cached));
    // In their place, not beside them.
    EXPECT_NEAR(static_cast<double>(cache_->GetUsage()),
                static_cast<double>(usage), static_cast<double>(usage) / 20);
  }
  // A second time they are this reader's own: nothing is copied again.
  const size_t before = cache_->GetUsage();
  const auto iter = NewIterator(reader.get(), cached);
  iter->SeekToFirst();
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(cache_->GetUsage(), before);
}

TEST_P(FstCachedSegmentsTest, TwoReadersOfAFileEachHaveTheirOwn) {
  std::unique_ptr<TableReader> first = Open();
  std::unique_ptr<TableReader> second = Open();
  const auto a = NewIterator(first.get(), ReadOptions());
  const auto b = NewIterator(second.get(), ReadOptions());
  a->SeekToFirst();
  b->SeekToFirst();
  size_t n = 0;
  for (; a->Valid(); a->Next(), b->Next(), ++n) {
    ASSERT_TRUE(b->Valid());
    ASSERT_EQ(a->key().ToString(), b->key().ToString());
  }
  EXPECT_EQ(n, entries_.size());
}

TEST_P(FstCachedSegmentsTest, WithoutFillingTheCacheAReaderHasItsOwn) {
  std::unique_ptr<TableReader> reader = Open();
  ASSERT_NO_FATAL_FAILURE(ExpectReadsAll(reader.get(), ReadOptions()));
  reader = Open();
  ReadOptions ro;
  ro.fill_cache = false;
  ASSERT_NO_FATAL_FAILURE(ExpectReadsAll(reader.get(), ro));
}

INSTANTIATE_TEST_SUITE_P(Caches, FstCachedSegmentsTest, ::testing::Bool(),
                         [](const auto& param_info) {
                           return std::string(param_info.param ? "HyperClock"
                                                               : "Lru");
                         });

class FstCachedSegmentsDbTest : public FstDbTest {};

TEST_F(FstCachedSegmentsDbTest, FilesCloseAndReopenUnderIteratorsThatPin) {
  rocksdb::Options options =
      MemkvOptions("residency=cache;segment_size=2048;inline_value_size=4");
  options.max_open_files = 10;  // none but RocksDB's own stays open
  options.target_file_size_base = 8 << 10;
  options.disable_auto_compactions = true;
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  for (int i = 0; i < 12000; ++i) {
    model[PathKey(i)] = "value " + std::to_string(i);
    Put(PathKey(i), model[PathKey(i)]);
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_GT(SstFiles().size(), 10u);

  ReadOptions pin;
  pin.pin_data = true;
  std::vector<std::unique_ptr<rocksdb::Iterator>> iters;
  std::vector<std::pair<rocksdb::Slice, std::string>> pinned;
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 20; ++round) {
    iters.emplace_back(db()->NewIterator(pin));
    rocksdb::Iterator* const iter = iters.back().get();
    iter->Seek(PathKey(static_cast<int>(rng() % 12000)));
    for (int n = 0; n < 300 && iter->Valid(); ++n, iter->Next()) {
      ASSERT_EQ(iter->value().ToString(), model.at(iter->key().ToString()));
      pinned.emplace_back(iter->value(), iter->value().ToString());
      // Pinned or not, it must be there until the iterator moves on.  Old
      // versions do not say which.
      std::string is_pinned;
      iter->GetProperty("rocksdb.iterator.is-value-pinned", &is_pinned)
          .PermitUncheckedError();
      if (is_pinned != "1") pinned.pop_back();
    }
    for (int n = 0; n < 200; ++n) {
      const std::string key = PathKey(static_cast<int>(rng() % 12000));
      ASSERT_EQ(Get(key), model.at(key));
    }
    if (round == 10) {
      // The files of the iterators are obsolete from now on.
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  for (const auto& [slice, value] : pinned) {
    ASSERT_EQ(slice.ToString(), value);
  }
  // They go on where they are.
  for (const auto& iter : iters) {
    for (int n = 0; n < 50 && iter->Valid(); ++n, iter->Prev()) {
      ASSERT_EQ(iter->value().ToString(), model.at(iter->key().ToString()));
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  }
  iters.clear();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

}  // namespace
}  // namespace memkv
