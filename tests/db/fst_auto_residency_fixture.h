// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A file of many small segments, read with residency=auto.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "rocksdb/cache.h"
#include "table/fst/table_reader.h"
#include "table/get_context.h"
#include "table/internal_iterator.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {

class FstAutoResidencyTest : public ::testing::Test {
 public:
  static std::string KeyOf(int i) {
    return "var/lib/dpkg/info/package-" + std::to_string(10000 + i) + ".list";
  }

 protected:
  static constexpr int kKeys = 4000;

  static std::string ValueOf(int i) { return "value " + std::to_string(i); }

  // Segments of about 60 keys.
  static MemoryTable::Settings Settings(
      const std::shared_ptr<rocksdb::Cache>& cache, size_t limit) {
    MemoryTable::Settings settings;
    settings.fst.segment_size = 2048;
    settings.fst.key_buffer_size = 0;
    settings.fst.pinned_keys_limit = limit;
    settings.block_based.block_cache = cache;
    return settings;
  }
  static void Build(MemoryTable* table) {
    std::vector<TableEntry> entries;
    entries.reserve(kKeys);
    for (int i = 0; i < kKeys; ++i) {
      entries.push_back({KeyOf(i), 7, rocksdb::kTypeValue, ValueOf(i)});
    }
    const rocksdb::Status s = table->Build(entries);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  static std::unique_ptr<rocksdb::TableReader> Open(const MemoryTable& table) {
    std::unique_ptr<rocksdb::TableReader> reader;
    const rocksdb::Status s =
        table.Open(table.bytes(), rocksdb::ReadOptions(), &reader);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return reader;
  }
  static rocksdb::Status Get(
      const MemoryTable& table, rocksdb::TableReader* reader, int i,
      const rocksdb::ReadOptions& ro = rocksdb::ReadOptions()) {
    const std::string key =
        rocksdb::InternalKey(KeyOf(i), rocksdb::kMaxSequenceNumber,
                             rocksdb::kValueTypeForSeek)
            .Encode()
            .ToString();
    const auto result =
        table.LookUp(KeyOf(i), [&](rocksdb::GetContext* context) {
          return reader->Get(ro, key, context, nullptr, false);
        });
    if (result.status.ok() && result.state == rocksdb::GetContext::kFound) {
      EXPECT_EQ(result.value, ValueOf(i));
    }
    return result.status;
  }
  static void ExpectAllKeys(const MemoryTable& table,
                            rocksdb::TableReader* reader) {
    for (int i = 0; i < kKeys; ++i) {
      const rocksdb::Status s = Get(table, reader, i);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }
  static void ExpectScansAll(rocksdb::TableReader* reader, bool forward) {
    const std::unique_ptr<rocksdb::InternalIterator> iter(
        reader->NewIterator(rocksdb::ReadOptions(), nullptr, nullptr, false,
                            rocksdb::TableReaderCaller::kUserIterator));
    int n = 0;
    for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
         forward ? iter->Next() : iter->Prev(), ++n) {
      ASSERT_EQ(iter->value().ToString(), ValueOf(forward ? n : kKeys - 1 - n));
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(n, kKeys);
  }
  static const FstFile& FileOf(const rocksdb::TableReader& reader) {
    return static_cast<const FstTableReader&>(reader).file();
  }
  // Of segments [begin, end).
  static uint32_t NumHeld(const rocksdb::TableReader& reader, uint32_t begin,
                          uint32_t end) {
    uint32_t held = 0;
    for (uint32_t i = begin; i < end; ++i) {
      held += FileOf(reader).store().HoldsSegment(i) ? 1 : 0;
    }
    return held;
  }
  static uint32_t NumHeld(const rocksdb::TableReader& reader) {
    return NumHeld(reader, 0, NumSegments(reader));
  }
  static uint32_t NumSegments(const rocksdb::TableReader& reader) {
    return FileOf(reader).index().num_segments();
  }
  static size_t PinnedBytes(const rocksdb::TableReader& reader) {
    return FileOf(reader).store().pinned_bytes();
  }
};

}  // namespace memkv
