// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "table/block_based/block.h"
#include "table/block_based/block_builder.h"
#include "table/fst/entry_block.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

const Rows kRows = {{"memkv.fst.directory", std::string(200, 'd')},
                    {"memkv.fst.key.bytes", "1"},
                    {"rocksdb.num.entries", ""},
                    {"rocksdb.num.range-deletions", "x"}};

std::string Build(const Rows& rows, int restart_interval) {
  rocksdb::BlockBuilder builder(restart_interval);
  for (const auto& [key, value] : rows) builder.Add(key, value);
  return builder.Finish().ToString();
}

bool Check(const std::string& block, Rows* rows, std::string* reason) {
  // Exactly this size, for the sanitizers.
  const std::unique_ptr<char[]> bytes(new char[block.size()]);
  block.copy(bytes.get(), block.size());
  rows->clear();
  return CheckEntryBlock(
      {bytes.get(), block.size()},
      [rows](std::string_view key, std::string_view value, std::string*) {
        rows->emplace_back(key, value);
        return true;
      },
      reason);
}

// An entry of these lengths, and bytes behind it.
std::string Entry(uint32_t shared, uint32_t unshared, uint32_t value,
                  const std::string& bytes) {
  std::string entry;
  PutVarint32(&entry, shared);
  PutVarint32(&entry, unshared);
  PutVarint32(&entry, value);
  return entry + bytes;
}

std::string WithRestarts(std::string entries,
                         const std::vector<uint32_t>& restarts) {
  for (const uint32_t restart : restarts) PutFixed(&entries, restart, 4);
  PutFixed(&entries, restarts.size(), 4);
  return entries;
}

TEST(FstEntryBlockTest, WhatRocksDbWritesIsSeenAsItIs) {
  for (const int interval : {1, 2, 100}) {
    for (const Rows& rows : {kRows, Rows()}) {
      Rows seen;
      std::string reason;
      ASSERT_TRUE(Check(Build(rows, interval), &seen, &reason)) << reason;
      EXPECT_EQ(seen, rows);
    }
  }
}

TEST(FstEntryBlockTest, LengthsThatDoNotFitAreRefused) {
  const std::string body(20, 'b');
  Rows seen;
  std::string reason;
  ASSERT_TRUE(Check(WithRestarts(Entry(0, 8, 12, body), {0}), &seen, &reason));
  for (const std::string& entries :
       {Entry(0, 8, 13, body), Entry(0, 21, 0, body), Entry(1, 8, 12, body),
        // Sums that wrap in 32 bits.
        Entry(0, UINT32_MAX, 13, body), Entry(0, 8, UINT32_MAX, body),
        Entry(0, 0x80000000u, 0x80000004u, body),
        Entry(0, 8, 12, body) + Entry(9, 1, 0, "c"),
        Entry(0, 8, 12, body) + std::string("\x00\x01", 2)}) {
    EXPECT_FALSE(Check(WithRestarts(entries, {0}), &seen, &reason));
    EXPECT_EQ(reason.rfind("no whole entry ", 0), 0u) << reason;
  }
}

TEST(FstEntryBlockTest, RestartPointsAreWhereKeysBegin) {
  const std::string entries = Entry(0, 1, 0, "a") + Entry(0, 1, 0, "b") +
                              Entry(1, 1, 0, "c");  // at 0, 4 and 8
  Rows seen;
  std::string reason;
  EXPECT_TRUE(Check(WithRestarts(entries, {0, 4}), &seen, &reason)) << reason;
  EXPECT_TRUE(Check(WithRestarts(entries, {0}), &seen, &reason)) << reason;
  for (const std::vector<uint32_t>& restarts :
       std::vector<std::vector<uint32_t>>{{1},
                                          {0, 8},  // begins with "b"
                                          {4, 0},
                                          {0, 0},
                                          {0, 12},
                                          {0, 4, UINT32_MAX},
                                          {}}) {
    EXPECT_FALSE(Check(WithRestarts(entries, restarts), &seen, &reason));
    EXPECT_NE(reason.find("restart point"), std::string::npos) << reason;
  }
  std::string too_many = WithRestarts(entries, {0});
  for (const uint32_t n : {5u, 0x40000001u, 0x80000001u, UINT32_MAX}) {
    std::string number;
    PutFixed(&number, n, 4);
    too_many.replace(too_many.size() - 4, 4, number);
    EXPECT_FALSE(Check(too_many, &seen, &reason)) << n;
  }
}

TEST(FstEntryBlockTest, ACheckOfItsOwnEndsIt) {
  std::string reason;
  size_t seen = 0;
  EXPECT_FALSE(CheckEntryBlock(
      Build(kRows, 1),
      [&seen](std::string_view, std::string_view, std::string* why) {
        *why = "the second";
        return ++seen < 2;
      },
      &reason));
  EXPECT_EQ(seen, 2u);
  EXPECT_EQ(reason, "the second");
}

TEST(FstEntryBlockTest, RocksDbReadsWhatIsLetThroughOfEveryDamagedBit) {
  for (const int interval : {1, 3}) {
    const std::string good = Build(kRows, interval);
    size_t passed = 0;
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string block = good;
      block[bit / 8] = static_cast<char>(block[bit / 8] ^ (1 << bit % 8));
      Rows seen;
      std::string reason;
      if (!Check(block, &seen, &reason)) continue;
      ++passed;
      // Its own copy, for the sanitizers.
      auto bytes = std::make_unique<char[]>(block.size());
      block.copy(bytes.get(), block.size());
      rocksdb::Block parsed{
          rocksdb::BlockContents(std::move(bytes), block.size())};
      const std::unique_ptr<rocksdb::InternalIterator> iter(
          parsed.NewMetaIterator());
      Rows read;
      for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
        read.emplace_back(iter->key().ToString(), iter->value().ToString());
      }
      ASSERT_EQ(read, seen) << bit;
      for (const auto& row : kRows) iter->Seek(row.first);
    }
    EXPECT_GT(passed, 100u);
    EXPECT_LT(passed, 8 * good.size() - 100);
  }
}

}  // namespace
}  // namespace memkv
