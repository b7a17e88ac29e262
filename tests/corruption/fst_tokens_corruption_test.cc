// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A damaged token table: reported if checksums are verified, safe if not.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "table/fst/format.h"
#include "table/internal_iterator.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/token_keys.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

// A file whose keys are in tokens: enough of them that a token table pays.
class FstTokensCorruptionTest : public ::testing::Test {
 protected:
  FstTokensCorruptionTest() : table_(Settings()) {
    for (int i = 1000; i < 1800; ++i) {
      entries_.push_back(
          {TokenKey(i), 7, rocksdb::kTypeValue, std::to_string(i)});
    }
    const Status s = table_.Build(entries_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    tokens_ = table_.built_directory().tokens;
  }

  static MemoryTable::Settings Settings() {
    MemoryTable::Settings settings;
    settings.fst.segment_size = 4 << 10;
    settings.block_based.no_block_cache = true;
    return settings;
  }

  MemoryTable table_;
  std::vector<TableEntry> entries_;
  rocksdb::BlockHandle tokens_;
};

TEST_F(FstTokensCorruptionTest, KeysComeBackFromTheirTokens) {
  ASSERT_NE(tokens_.size(), 0u);
  std::unique_ptr<TableReader> reader;
  ASSERT_TRUE(table_.Open(table_.bytes(), ReadOptions(), &reader).ok());
  EXPECT_TRUE(
      reader->VerifyChecksum(ReadOptions(), TableReaderCaller::kUserIterator)
          .ok());
  const std::unique_ptr<rocksdb::InternalIterator> iter(
      reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                          TableReaderCaller::kUserIterator));
  size_t n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
    ASSERT_LT(n, entries_.size());
    EXPECT_EQ(iter->key().ToString(), entries_[n].InternalKey());
    EXPECT_EQ(iter->value().ToString(), entries_[n].value);
  }
  EXPECT_TRUE(iter->status().ok());
  EXPECT_EQ(n, entries_.size());
}

TEST_F(FstTokensCorruptionTest, EveryDamagedByteOfTheDictionaryIsReported) {
  ASSERT_NE(tokens_.size(), 0u);
  const size_t end = tokens_.offset() + tokens_.size() + 5;
  for (size_t at = tokens_.offset(); at < end; ++at) {
    std::string bytes = table_.bytes();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ReadOptions(), &reader);
    ASSERT_TRUE(s.IsCorruption()) << at << ": " << s.ToString();
    EXPECT_NE(s.ToString().find(MemoryTable::kFileName), std::string::npos)
        << s.ToString();
  }
}

TEST_F(FstTokensCorruptionTest, ADamagedDictionaryUnverifiedIsSafe) {
  ReadOptions ro;
  ro.verify_checksums = false;
  const size_t end = tokens_.offset() + tokens_.size();
  for (size_t at = tokens_.offset(); at < end; at += 3) {
    std::string bytes = table_.bytes();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ro, &reader);
    if (!s.ok()) {
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      continue;
    }
    const std::unique_ptr<rocksdb::InternalIterator> iter(reader->NewIterator(
        ro, nullptr, nullptr, false, TableReaderCaller::kUserIterator));
    size_t n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) ++n;
    EXPECT_LE(n, entries_.size());
    for (size_t i = 0; i < entries_.size(); i += 97) {
      iter->Seek(entries_[i].InternalKey());
      if (iter->Valid()) iter->Prev();
    }
  }
}

}  // namespace
}  // namespace memkv
