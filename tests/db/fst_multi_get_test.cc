// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// MultiGet, which looks up a batch of keys together, against Get.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/statistics.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

class FstMultiGetTest : public FstDbTest {
 protected:
  static constexpr const char* kSmall = "residency=cache;segment_size=1K";

  void FillOneFile(Model* model) {
    for (int i = 0; i < 2000; ++i) {
      (*model)[NumberKey(i)] = std::to_string(i);
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
  }

  std::vector<Status> MultiGet(const ReadOptions& ro,
                               const std::vector<std::string>& names,
                               std::vector<PinnableSlice>* values) {
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<Status> statuses(keys.size());
    values->clear();
    values->resize(keys.size());
    db()->MultiGet(ro, db()->DefaultColumnFamily(), keys.size(), keys.data(),
                   values->data(), statuses.data());
    return statuses;
  }

  // How many keys were found.
  size_t ExpectEqualsGet(const std::vector<std::string>& names,
                         const ReadOptions& ro = ReadOptions()) {
    std::vector<PinnableSlice> values;
    const std::vector<Status> statuses = MultiGet(ro, names, &values);
    size_t found = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      std::string value;
      const Status get = db()->Get(ro, names[i], &value);
      EXPECT_EQ(statuses[i], get) << names[i];
      EXPECT_EQ(statuses[i].ToString(), get.ToString());
      if (get.ok()) {
        EXPECT_EQ(values[i], value) << names[i];
        ++found;
      }
    }
    return found;
  }
};

TEST_F(FstMultiGetTest, BatchesOfAnySizeEqualGets) {
  std::mt19937_64 rng(TestSeed());
  for (const char* const table :
       {"residency=pin", "residency=cache;segment_size=1K",
        "residency=pin;segment_size=4K;inline_value_size=0;value_block_size=64",
        "residency=cache;segment_size=2K;value_block_size=64;"
        "filter_policy=bloomfilter:10"}) {
    for (const bool reverse : {false, true}) {
      SCOPED_TRACE(std::string(table) + (reverse ? ", reverse" : ""));
      Options options = MemkvOptions(table);
      options.disable_auto_compactions = true;
      if (reverse) options.comparator = rocksdb::ReverseBytewiseComparator();
      ASSERT_NO_FATAL_FAILURE(Open(options));
      // Several files over the same range, of several versions a key; values
      // of all sizes, and of one.
      std::vector<const rocksdb::Snapshot*> snapshots;
      for (int file = 0; file < 3; ++file) {
        for (int i = file; i < 2000; i += 2 + file) {
          const size_t size = rng() % 8 == 0 ? 600 : rng() % 30;
          ASSERT_NO_FATAL_FAILURE(
              Put(NumberKey(i), file == 0 ? "0" : std::string(size, 'v')));
          if (rng() % 16 == 0) {
            ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(i)));
          }
          if (i == 1000) snapshots.push_back(db()->GetSnapshot());
        }
        ASSERT_NO_FATAL_FAILURE(Flush());
      }
      for (const bool compacted : {false, true}) {
        if (compacted) {
          ASSERT_NO_FATAL_FAILURE(CompactAll());
        }
        size_t found = 0;
        for (const size_t size : {1, 2, 3, 31, 32, 33, 100}) {
          std::vector<std::string> names;
          for (size_t i = 0; i < size; ++i) {
            names.push_back(NumberKey(static_cast<int>(rng() % 2100)));
            if (rng() % 4 == 0) names.back() += "x";
            if (rng() % 8 == 0) names.push_back(names.back());
          }
          found += ExpectEqualsGet(names);
        }
        EXPECT_GT(found, 50u);
      }
      for (const auto* snapshot : snapshots) db()->ReleaseSnapshot(snapshot);
      Destroy();
    }
  }
}

TEST_F(FstMultiGetTest, DamagedSegmentFailsItsOwnKeysAlone) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(kSmall)));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillOneFile(&model));
  const std::string file = SstFiles().front();
  Close();
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
  WriteFile(file, bytes);
  // With another cache.
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(kSmall)));
  std::vector<std::string> names;
  for (const auto& [key, value] : model) names.push_back(key);
  std::vector<PinnableSlice> values;
  const std::vector<Status> statuses = MultiGet(ReadOptions(), names, &values);
  size_t corrupt = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    if (statuses[i].IsCorruption()) {
      ++corrupt;
      EXPECT_NE(statuses[i].ToString().find(file.substr(file.rfind('/') + 1)),
                std::string::npos)
          << statuses[i].ToString();
    } else {
      ASSERT_TRUE(statuses[i].ok()) << statuses[i].ToString();
      EXPECT_EQ(values[i], model[names[i]]);
    }
  }
  EXPECT_GT(corrupt, 0u);
  EXPECT_LT(corrupt, names.size() / 4);
  EXPECT_EQ(ExpectEqualsGet(names), names.size() - corrupt);
}

// Of many segments, and each of a value block of its own.
std::vector<std::string> FarApart() {
  std::vector<std::string> names;
  for (int i = 0; i < 2000; i += 65) names.push_back(NumberKey(i));
  return names;
}

TEST_F(FstMultiGetTest, BlocksThatAreMissingAreReadWithOneCall) {
  struct Case {
    const char* table;
    uint64_t calls;  // of a batch: for segments, and for values
    bool pins_what_it_reads = false;
  };
  for (const Case& c :
       {Case{"residency=cache;segment_size=1K", 1},
        Case{"residency=auto;segment_size=1K;default_filter=none", 1, true},
        Case{"residency=pin;inline_value_size=0;value_block_size=64", 1},
        Case{"residency=cache;segment_size=1K;inline_value_size=0;"
             "value_block_size=64",
             2}}) {
    SCOPED_TRACE(c.table);
    Options options = MemkvOptions(c.table);
    options.statistics = rocksdb::CreateDBStatistics();
    ASSERT_NO_FATAL_FAILURE(Open(options));
    Model model;
    ASSERT_NO_FATAL_FAILURE(FillOneFile(&model));
    Close();
    // With another cache: what Gets read one by one, and then a batch.
    const std::vector<std::string> names = FarApart();
    ASSERT_EQ(names.size(), 31u);  // one batch
    rocksdb::SetPerfLevel(rocksdb::kEnableCount);
    const auto reads = [] {
      return rocksdb::get_perf_context()->block_read_count;
    };
    options.table_factory = MemkvOptions(c.table).table_factory;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    rocksdb::get_perf_context()->Reset();
    for (const std::string& name : names) EXPECT_EQ(Get(name), model[name]);
    const uint64_t by_gets = reads();
    EXPECT_GT(by_gets, names.size() / 2);
    options.table_factory = MemkvOptions(c.table).table_factory;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    for (const bool again : {false, true}) {
      ASSERT_TRUE(options.statistics->Reset().ok());
      rocksdb::get_perf_context()->Reset();
      std::vector<PinnableSlice> values;
      const std::vector<Status> statuses =
          MultiGet(ReadOptions(), names, &values);
      for (size_t i = 0; i < names.size(); ++i) {
        ASSERT_TRUE(statuses[i].ok()) << statuses[i].ToString();
        EXPECT_EQ(values[i], model[names[i]]);
      }
      rocksdb::HistogramData calls;
      options.statistics->histogramData(rocksdb::MULTIGET_IO_BATCH_SIZE,
                                        &calls);
      EXPECT_EQ(calls.count, again ? 0 : c.calls);
      EXPECT_EQ(reads(), again ? 0 : by_gets);
      const uint64_t misses =
          options.statistics->getTickerCount(rocksdb::BLOCK_CACHE_MISS);
      EXPECT_EQ(misses, reads());
      EXPECT_EQ(options.statistics->getTickerCount(rocksdb::BLOCK_CACHE_ADD),
                c.pins_what_it_reads ? 0 : misses);
    }
    rocksdb::SetPerfLevel(rocksdb::kDisable);
    Destroy();
  }
}

TEST_F(FstMultiGetTest, HoweverFilesAreReadAnswersEqualGets) {
  const std::string large_and_small =
      ";segment_size=1K;inline_value_size=0;value_block_size=128";
  std::mt19937_64 rng(TestSeed());
  for (const char* const cache :
       {"residency=cache;block_cache=8M", "residency=cache;block_cache=32K",
        "residency=cache;no_block_cache=true",
        "residency=auto;pinned_keys_limit=20000;block_cache=64K"}) {
    for (const auto compression :
         {rocksdb::kNoCompression, rocksdb::kLZ4Compression}) {
      Options options = MemkvOptions(cache + large_and_small);
      options.compression = compression;
      ASSERT_NO_FATAL_FAILURE(Open(options));
      Model model;
      ASSERT_NO_FATAL_FAILURE(FillOneFile(&model));
      for (int way = 0; way < 6; ++way) {
        SCOPED_TRACE(cache + std::string(", way ") + std::to_string(way));
        options = MemkvOptions(cache + large_and_small);
        options.use_direct_reads = way == 1 || way == 5;
        options.allow_mmap_reads = way == 2;
        ReadOptions ro;
        ro.fill_cache = way != 3 && way != 5;
        ro.verify_checksums = way != 4;
        ASSERT_NO_FATAL_FAILURE(Open(options));
        for (const int stride : {1, 2, 7, 50, 300}) {
          std::vector<std::string> names;
          for (int i = static_cast<int>(rng() % 50); i < 2000; i += stride) {
            names.push_back(NumberKey(i) + (rng() % 8 == 0 ? "x" : ""));
          }
          EXPECT_GT(ExpectEqualsGet(names, ro), 0u);
        }
      }
      Destroy();
    }
  }
}

TEST_F(FstMultiGetTest, AnyDamagedBlockFailsItsOwnKeysAlone) {
  const char* const table =
      "residency=cache;segment_size=1K;inline_value_size=0;"
      "value_block_size=128";
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(table)));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillOneFile(&model));
  const std::string file = SstFiles().front();
  Close();
  const std::string bytes = ReadFile(file);
  std::vector<std::string> names;
  for (const auto& [key, value] : model) names.push_back(key);
  size_t damaged = 0;
  for (size_t at = 50; at < bytes.size() / 2; at += bytes.size() / 20) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 1);
    WriteFile(file, other);
    Options options = MemkvOptions(table);
    options.disable_auto_compactions = true;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    const size_t found = ExpectEqualsGet(names);
    EXPECT_GT(found, names.size() * 3 / 4);
    damaged += found < names.size() ? 1 : 0;
    Close();
  }
  EXPECT_GT(damaged, 5u);
}

TEST_F(FstMultiGetTest, BlockCacheTierAnswersWhatIsInMemory) {
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(kSmall)));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillOneFile(&model));
  Close();
  // With another cache.
  ASSERT_NO_FATAL_FAILURE(Open(MemkvOptions(kSmall)));
  std::vector<std::string> names;
  for (const auto& [key, value] : model) names.push_back(key);
  ReadOptions memory;
  memory.read_tier = rocksdb::kBlockCacheTier;
  const auto count = [&](bool incomplete) {
    std::vector<PinnableSlice> values;
    const auto statuses = MultiGet(memory, names, &values);
    return std::count_if(statuses.begin(), statuses.end(),
                         [&](const Status& s) {
                           return incomplete ? s.IsIncomplete() : s.ok();
                         });
  };
  const auto all = static_cast<std::ptrdiff_t>(names.size());
  EXPECT_EQ(count(true), all);
  std::string value;
  ASSERT_TRUE(db()->Get(ReadOptions(), names[500], &value).ok());
  const auto warm = count(false);
  EXPECT_GT(warm, 1);
  EXPECT_EQ(count(true), all - warm);
  std::vector<PinnableSlice> values;
  MultiGet(ReadOptions(), names, &values);
  EXPECT_EQ(count(false), all);
}

}  // namespace
}  // namespace memkv
