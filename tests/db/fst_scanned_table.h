// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A file of many segments in memory, for tests of what iterators read of it.
//
// Thread safety: none.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compat/table_iterator.h"
#include "db/dbformat.h"
#include "rocksdb/cache.h"
#include "rocksdb/options.h"
#include "rocksdb/table_reader_caller.h"
#include "table/fst/table_reader.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_seed.h"

namespace memkv {

struct ScannedShape {
  bool reverse;
  size_t value_size;
  bool block_cache;
  FstTableOptions::Residency residency;
};

inline std::string NameOf(const ScannedShape& shape) {
  return std::string(shape.reverse ? "reverse" : "bytewise") + ", values of " +
         std::to_string(shape.value_size) +
         (shape.block_cache ? ", block cache" : "");
}

inline std::vector<ScannedShape> AllShapes() {
  std::vector<ScannedShape> shapes;
  for (const bool reverse : {false, true}) {
    for (const size_t value_size : {0, 300}) {
      shapes.push_back({reverse, value_size, /*block_cache=*/false,
                        FstTableOptions::Residency::kCache});
      shapes.push_back({reverse, value_size, /*block_cache=*/true,
                        FstTableOptions::Residency::kCache});
      shapes.push_back({reverse, value_size, /*block_cache=*/true,
                        FstTableOptions::Residency::kAuto});
    }
  }
  return shapes;
}

// A file of many segments, and every key that is in it, in its order.
class ScannedTable {
 public:
  static constexpr int kKeys = 20000;

  explicit ScannedTable(const ScannedShape& shape) : table_(SettingsOf(shape)) {
    std::mt19937_64 rng(TestSeed());
    std::vector<TableEntry> entries;
    uint64_t seq = 1000000;
    for (int i = 0; i < kKeys; ++i) {
      const int at = shape.reverse ? kKeys - 1 - i : i;
      keys_.push_back("host/" + std::to_string(100000 + at) + "/page");
      // Some with older versions, and some deleted.
      for (size_t version = rng() % 8 == 0 ? 2 : 1; version != 0; --version) {
        const bool deleted = rng() % 16 == 0;
        entries.push_back(
            {keys_.back(), seq--,
             deleted ? rocksdb::kTypeDeletion : rocksdb::kTypeValue,
             deleted ? "" : RandomBytes(&rng, shape.value_size)});
      }
    }
    rocksdb::Status s = table_.Build(entries);
    EXPECT_TRUE(s.ok()) << s.ToString();
    s = table_.Open(table_.bytes(), rocksdb::ReadOptions(), &reader_);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  // What `ro` points at must outlive the iterator's use.
  std::unique_ptr<compat::TableIteratorBase> NewIterator(
      const rocksdb::ReadOptions& ro = rocksdb::ReadOptions()) {
    return std::unique_ptr<compat::TableIteratorBase>(
        static_cast<compat::TableIteratorBase*>(reader_->NewIterator(
            ro, /*prefix_extractor=*/nullptr, /*arena=*/nullptr,
            /*skip_filters=*/false, rocksdb::TableReaderCaller::kUserIterator,
            /*compaction_readahead_size=*/0,
            /*allow_unprepared_value=*/true)));
  }
  const std::string& key(size_t i) const { return keys_[i]; }
  bool Before(const rocksdb::Slice& internal_key,
              const std::string& limit) const {
    return table_.comparator().user_comparator()->Compare(
               rocksdb::ExtractUserKey(internal_key), limit) < 0;
  }
  uint32_t num_segments() const {
    return FstTableReader::From(*reader_)->file().index().num_segments();
  }
  MemoryTable::ReadCounts& counts() { return counts_; }

 private:
  MemoryTable::Settings SettingsOf(const ScannedShape& shape) {
    MemoryTable::Settings settings;
    settings.fst.residency = shape.residency;
    settings.fst.segment_size = 2 << 10;
    settings.fst.value_block_size = 1 << 10;
    settings.fst.key_buffer_size = 0;
    settings.block_based.no_block_cache = !shape.block_cache;
    if (shape.block_cache) {
      settings.block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
    }
    settings.reverse = shape.reverse;
    settings.counts = &counts_;
    return settings;
  }

  MemoryTable::ReadCounts counts_;
  MemoryTable table_;
  std::vector<std::string> keys_;
  std::unique_ptr<rocksdb::TableReader> reader_;
};

inline std::string SeekKey(const std::string& user_key) {
  return rocksdb::InternalKey(user_key, rocksdb::kMaxSequenceNumber,
                              rocksdb::kValueTypeForSeek)
      .Encode()
      .ToString();
}

}  // namespace memkv
