// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Files of long keys that are much alike: the index stays small, and a key that
// lies between two segments' keys leads to the right one.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "plugin/memkv.h"
#include "rocksdb/comparator.h"
#include "table/fst/table_reader.h"
#include "table/internal_iterator.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::InternalKey;
using rocksdb::ReadOptions;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

struct Shape {
  const char* name;
  // Key i of size n.
  std::string (*key)(int i, size_t n);
  size_t size;
  int keys;
};

std::string Digits(int i) {
  const std::string digits = std::to_string(i);
  return std::string(8 - digits.size(), '0') + digits;
}

// The index takes less than this part of what segments take uncompressed.
constexpr uint64_t kShare = 16;

class FstLongKeysTest : public ::testing::TestWithParam<Shape> {
 protected:
  void Run(bool reverse) {
    const Shape& shape = GetParam();
    std::set<std::string> sorted;
    for (int i = 0; i < shape.keys; ++i) {
      sorted.insert(shape.key(i, shape.size));
    }
    std::vector<std::string> keys(sorted.begin(), sorted.end());
    if (reverse) std::reverse(keys.begin(), keys.end());
    MemoryTable::Settings settings;
    settings.fst.residency = FstTableOptions::Residency::kCache;
    settings.fst.segment_size = 1024;
    settings.reverse = reverse;
    MemoryTable table(settings);
    std::vector<TableEntry> entries;
    for (const std::string& key : keys) {
      entries.push_back({key, 7, rocksdb::kTypeValue, "value"});
    }
    ASSERT_TRUE(table.Build(entries).ok());
    std::unique_ptr<TableReader> reader;
    ASSERT_TRUE(table.Open(table.bytes(), ReadOptions(), &reader).ok());
    const auto& properties = *reader->GetTableProperties();
    const FileIndex& index =
        static_cast<const FstTableReader&>(*reader).file().index();
    // The first bound of a mirrored file may be its longest key, which pays
    // later.
    EXPECT_GT(index.num_segments(), reverse ? 2u : 4u);
    // Its head and padding, some bytes a segment, a part of the data, and where
    // each key goes on from the one before, those once.
    size_t longest = 0;
    for (const std::string& key : keys) longest = std::max(longest, key.size());
    EXPECT_LT(properties.index_size, 200 + 30 * index.num_segments() +
                                         properties.data_size / kShare +
                                         2 * longest)
        << index.num_segments() << " segments";

    const std::unique_ptr<rocksdb::InternalIterator> iter(
        reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                            TableReaderCaller::kUserIterator));
    size_t n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
      ASSERT_EQ(rocksdb::ExtractUserKey(iter->key()).ToString(), keys.at(n));
    }
    ASSERT_EQ(n, keys.size());

    std::vector<std::string> targets = {"", std::string(3, '\xff')};
    for (const std::string& key : keys) {
      targets.push_back(key);
      targets.push_back(key + '\0');
      targets.push_back(key.substr(0, key.size() - 1));
      targets.push_back(key.substr(0, key.size() / 2));
      targets.push_back(key.substr(0, key.size() / 2) + '\xff');
      targets.push_back(key.substr(0, 8) + "zz");
    }
    const auto before = [&](const std::string& a, const std::string& b) {
      return reverse ? a > b : a < b;
    };
    for (const std::string& target : targets) {
      const auto expected =
          std::lower_bound(keys.begin(), keys.end(), target, before);
      const std::string internal =
          InternalKey(target, rocksdb::kMaxSequenceNumber,
                      rocksdb::kValueTypeForSeek)
              .Encode()
              .ToString();
      iter->Seek(internal);
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(iter->Valid(), expected != keys.end());
      if (iter->Valid()) {
        ASSERT_TRUE(rocksdb::ExtractUserKey(iter->key()) == *expected);
      }
      iter->SeekForPrev(internal);
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(iter->Valid(), expected != keys.begin());
      if (iter->Valid()) {
        ASSERT_TRUE(rocksdb::ExtractUserKey(iter->key()) == expected[-1]);
      }
    }
    const rocksdb::Status s = reader->VerifyChecksum(
        ReadOptions(), TableReaderCaller::kUserVerifyChecksum);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
};

TEST_P(FstLongKeysTest, IndexStaysSmallAndLeadsToTheRightSegment) {
  for (const bool reverse : {false, true}) {
    SCOPED_TRACE(reverse);
    ASSERT_NO_FATAL_FAILURE(Run(reverse));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FstLongKeysTest,
    ::testing::Values(
        Shape{"DifferEarly",
              [](int i, size_t n) { return Digits(i) + std::string(n, 'x'); },
              20000, 60},
        Shape{"DifferLate",
              [](int i, size_t n) { return std::string(n, 'x') + Digits(i); },
              3000, 2000},
        // The bound between the two of a pair would be as long as a key.
        Shape{"PairsThatDifferInTheLastByte",
              [](int i, size_t n) {
                return Digits(i / 2) + std::string(n, 'x') +
                       static_cast<char>('a' + i % 2);
              },
              20000, 60},
        Shape{"PairsOfShortKeys",
              [](int i, size_t n) {
                return Digits(i / 2) + std::string(n, 'x') +
                       static_cast<char>('a' + i % 2);
              },
              300, 1000},
        Shape{"HighBytes",
              [](int i, size_t n) {
                return std::string(n + static_cast<size_t>(i), '\xff');
              },
              200, 1500},
        Shape{"EachAPrefixOfTheNext",
              [](int i, size_t n) {
                return std::string(n * static_cast<size_t>(i), 'p');
              },
              40, 300}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace memkv
