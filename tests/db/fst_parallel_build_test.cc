// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Files that several threads encode and compress
// (CompressionOptions::parallel_threads), against those of one thread.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/advanced_cache.h"
#include "rocksdb/filter_policy.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::Status;
using rocksdb::TableFileCreationReason;

struct Shape {
  const char* name;
  size_t keys;
  size_t versions;
  size_t value_size;
  MemoryTable::Settings settings;
};

std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  MemoryTable::Settings lz4;
  lz4.compression = rocksdb::kLZ4Compression;
  shapes.push_back({"inline values", 60000, 1, 8, lz4});
  shapes.push_back({"value blocks", 30000, 1, 60, lz4});
  shapes.push_back({"versions", 300, 60, 20, lz4});
  MemoryTable::Settings mirrored = lz4;
  mirrored.reverse = true;
  shapes.push_back({"mirrored", 20000, 2, 30, mirrored});
  MemoryTable::Settings zstd = lz4;
  zstd.compression = rocksdb::kZSTD;
  zstd.fst.segment_size = 8 << 10;
  zstd.block_based.verify_compression = true;
  zstd.block_based.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  shapes.push_back({"small segments", 30000, 1, 40, zstd});
  // Written while keys still come.
  MemoryTable::Settings small_buffer = lz4;
  small_buffer.fst.key_buffer_size = 128 << 10;
  small_buffer.fst.segment_size = 16 << 10;
  shapes.push_back({"a small buffer", 60000, 1, 8, small_buffer});
  shapes.push_back({"a small buffer, blocks", 20000, 1, 60, small_buffer});
  MemoryTable::Settings flush = lz4;
  flush.reason = TableFileCreationReason::kFlush;
  flush.fst.segment_size = 16 << 10;
  shapes.push_back({"a flush", 40000, 1, 8, flush});
  MemoryTable::Settings plain = flush;
  plain.compression = rocksdb::kNoCompression;
  shapes.push_back({"not compressed", 20000, 1, 100, plain});
  shapes.push_back({"one key", 1, 1, 8, lz4});
  return shapes;
}

std::vector<TableEntry> EntriesOf(const Shape& shape) {
  std::mt19937_64 rng(TestSeed());
  std::vector<std::string> keys;
  for (size_t i = 0; i < shape.keys; ++i) {
    keys.push_back("usr/share/" + std::to_string(rng() % 100) + "/" +
                   std::to_string(rng() % 10000000) + ".html");
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (shape.settings.reverse) std::reverse(keys.begin(), keys.end());
  std::vector<TableEntry> entries;
  for (const std::string& key : keys) {
    for (size_t v = shape.versions; v > 0; --v) {
      // Half of it compresses.
      std::string value = RandomBytes(&rng, shape.value_size / 2);
      value.resize(shape.value_size, 'v');
      entries.push_back({key, v, rocksdb::kTypeValue, std::move(value)});
    }
  }
  return entries;
}

TEST(FstParallelBuildTest, FilesAreTheSameByteForByte) {
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    const std::vector<TableEntry> entries = EntriesOf(shape);
    std::string bytes;
    for (const uint32_t threads : {1u, 2u, 3u, 8u}) {
      MemoryTable::Settings settings = shape.settings;
      settings.parallel_threads = threads;
      settings.block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
      MemoryTable table(settings);
      const Status s = table.Build(entries);
      ASSERT_TRUE(s.ok()) << s.ToString();
      if (threads == 1) bytes = table.bytes();
      ASSERT_TRUE(table.bytes() == bytes) << threads << " threads";
      EXPECT_EQ(settings.block_based.block_cache->GetPinnedUsage(), 0u);
    }
  }
}

// RocksDB adds these up, of all files of a level.
TEST(FstParallelBuildTest, SizeBeforeCompressionAndTimeOfWorkersAreCounted) {
  uint64_t micros = 0;
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    const std::vector<TableEntry> entries = EntriesOf(shape);
    uint64_t before = 0;
    uint64_t whole = 0;  // without compression
    for (const uint32_t threads : {0u, 1u, 4u}) {
      MemoryTable::Settings settings = shape.settings;
      settings.parallel_threads = threads;
      if (threads == 0) settings.compression = rocksdb::kNoCompression;
      MemoryTable table(settings);
      ASSERT_TRUE(table.Build(entries).ok());
      if (threads == 0) {
        whole = table.bytes().size();
        EXPECT_EQ(table.size_before_compression(), whole);
      } else if (threads == 1) {
        before = table.size_before_compression();
        EXPECT_GE(before, table.bytes().size());
      }
      if (threads > 1) {
        EXPECT_EQ(table.size_before_compression(), before);
        micros += table.worker_cpu_micros();
      } else {
        EXPECT_EQ(table.worker_cpu_micros(), 0u);
      }
    }
    // Block handles and properties are not the same, nor, perhaps, segments.
    EXPECT_NEAR(static_cast<double>(before), static_cast<double>(whole),
                static_cast<double>(whole / 50 + 100));
  }
  EXPECT_GT(micros, 0u);
}

TEST(FstParallelBuildTest, FullCacheMakesThemNoOther) {
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    const std::vector<TableEntry> entries = EntriesOf(shape);
    std::string bytes;
    for (const uint32_t threads : {1u, 4u}) {
      MemoryTable::Settings settings = shape.settings;
      settings.parallel_threads = threads;
      rocksdb::LRUCacheOptions cache;
      cache.num_shard_bits = 0;
      cache.strict_capacity_limit = true;
      settings.block_based.block_cache = rocksdb::NewLRUCache(cache);
      settings.block_based.block_cache->SetCapacity(0);
      MemoryTable table(settings);
      const Status s = table.Build(entries);
      ASSERT_TRUE(s.ok()) << s.ToString();
      if (threads == 1) {
        bytes = table.bytes();
      } else {
        EXPECT_TRUE(table.bytes() == bytes);
      }
    }
  }
}

TEST(FstParallelBuildTest, WriteErrorEndsTheFileWhereverItComes) {
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    const std::vector<TableEntry> entries = EntriesOf(shape);
    MemoryTable::Settings settings = shape.settings;
    settings.parallel_threads = 3;
    MemoryTable whole(settings);
    ASSERT_TRUE(whole.Build(entries).ok());
    const size_t size = whole.bytes().size();
    for (const size_t limit : {size_t{0}, size / 3, size * 2 / 3, size - 1}) {
      settings.write_limit = limit;
      MemoryTable table(settings);
      const Status s = table.Build(entries);
      EXPECT_TRUE(s.IsIOError()) << limit << ": " << s.ToString();
    }
  }
}

TEST(FstParallelBuildTest, AbandonedWhereverItIsNothingIsLeft) {
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    const std::vector<TableEntry> entries = EntriesOf(shape);
    for (const size_t n : {size_t{0}, size_t{1}, entries.size() / 3,
                           entries.size() * 2 / 3, entries.size()}) {
      MemoryTable::Settings settings = shape.settings;
      settings.parallel_threads = 3;
      settings.block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
      MemoryTable table(settings);
      const Status s = table.Build(entries, n);
      EXPECT_TRUE(s.IsIncomplete()) << s.ToString();
      EXPECT_EQ(settings.block_based.block_cache->GetPinnedUsage(), 0u);
    }
  }
}

class FstParallelBuildDbTest : public FstDbTest {};

TEST_F(FstParallelBuildDbTest, CompactionsWithThreadsKeepWhatWasWritten) {
  rocksdb::Options options = MemkvOptions();
  options.write_buffer_size = 256 << 10;
  options.target_file_size_base = 256 << 10;
  options.compression = rocksdb::kLZ4Compression;
  options.compression_opts.parallel_threads = 3;
  options.level0_file_num_compaction_trigger = 2;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  std::map<std::string, std::string> expected;
  for (size_t i = 0; i < 40000; ++i) {
    const std::string key = "k/" + std::to_string(rng() % 20000);
    expected[key] = RandomBytes(&rng, rng() % 60);
    ASSERT_NO_FATAL_FAILURE(Put(key, expected[key]));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_TRUE(db()->VerifyChecksum().ok());
  const std::unique_ptr<rocksdb::Iterator> iter(
      db()->NewIterator(rocksdb::ReadOptions()));
  iter->SeekToFirst();
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
    ASSERT_EQ(iter->key(), key);
    ASSERT_EQ(iter->value(), value);
    iter->Next();
  }
  EXPECT_FALSE(iter->Valid());
}

}  // namespace
}  // namespace memkv
