// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/arena.h"
#include "table/fst/table_iterator.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::InternalIterator;
using rocksdb::ReadOptions;

TEST(FstTableIteratorTest, IteratorsLiveAnywhereInAnArena) {
  std::vector<TableEntry> entries;
  for (int i = 1000; i < 1500; ++i) {
    TableEntry entry;
    entry.user_key = "usr/share/doc/" + std::to_string(i);
    entry.type = rocksdb::kTypeValue;
    entry.value = std::to_string(i);
    entries.push_back(entry);
  }
  MemoryTable table{MemoryTable::Settings()};
  ASSERT_TRUE(table.Build(entries).ok());
  std::unique_ptr<rocksdb::TableReader> reader;
  ASSERT_TRUE(table.Open(table.bytes(), ReadOptions(), &reader).ok());
  for (size_t before = 0; before <= 256; before += 8) {
    rocksdb::Arena arena;
    if (before > 0) {
      arena.AllocateAligned(before);
    }
    // Not deleted: its memory is the arena's.
    InternalIterator* const iter = reader->NewIterator(
        ReadOptions(), nullptr, &arena, /*skip_filters=*/false,
        rocksdb::TableReaderCaller::kUserIterator,
        /*compaction_readahead_size=*/0, /*allow_unprepared_value=*/false);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(iter) % alignof(FstTableIterator), 0)
        << "behind " << before << " bytes";
    size_t i = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++i) {
      ASSERT_LT(i, entries.size());
      ASSERT_EQ(iter->key(), entries[i].InternalKey());
      ASSERT_EQ(iter->value(), entries[i].value);
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    EXPECT_EQ(i, entries.size());
    iter->~InternalIterator();
  }
}

// Numbers lie in no block: what the manager pins must be a copy that stays.
TEST(FstTableIteratorTest, PinnedNumbersStayWhileTheIteratorGoesOn) {
  std::vector<TableEntry> entries;
  for (uint64_t i = 1000; i < 1500; ++i) {
    TableEntry entry;
    entry.user_key = "usr/share/doc/" + std::to_string(i);
    entry.type = rocksdb::kTypeValue;
    entry.value.assign(reinterpret_cast<const char*>(&i), sizeof(i));
    entries.push_back(entry);
  }
  for (const size_t inline_value_size : {16, 0}) {
    MemoryTable::Settings settings;
    settings.fst.segment_size = 1024;
    settings.fst.value_block_size = 512;
    settings.fst.inline_value_size = inline_value_size;
    MemoryTable table(settings);
    ASSERT_TRUE(table.Build(entries).ok());
    ASSERT_NE(table.built_directory().features & FileDirectory::kNumbers, 0u);
    std::unique_ptr<rocksdb::TableReader> reader;
    ASSERT_TRUE(table.Open(table.bytes(), ReadOptions(), &reader).ok());
    for (const bool forward : {true, false}) {
      std::unique_ptr<InternalIterator> iter(reader->NewIterator(
          ReadOptions(), nullptr, /*arena=*/nullptr, /*skip_filters=*/false,
          rocksdb::TableReaderCaller::kUserIterator,
          /*compaction_readahead_size=*/0, /*allow_unprepared_value=*/false));
      rocksdb::PinnedIteratorsManager manager;
      iter->SetPinnedItersMgr(&manager);
      std::vector<rocksdb::Slice> values;
      for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
           forward ? iter->Next() : iter->Prev()) {
        // As DBIter does: from the second entry on, which is already at hand.
        if (values.size() == 1) manager.StartPinning();
        ASSERT_EQ(iter->IsValuePinned(), !values.empty());
        values.push_back(iter->value());
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(values.size(), entries.size());
      for (size_t i = 1; i < values.size(); ++i) {
        const size_t e = forward ? i : values.size() - 1 - i;
        ASSERT_EQ(values[i], entries[e].value) << e;
      }
      manager.ReleasePinnedData();
    }
  }
}

}  // namespace
}  // namespace memkv
