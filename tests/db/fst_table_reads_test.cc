// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Every way that RocksDB reads a table, on databases of FST files: from memory
// alone, mapped, within bounds and prefixes, many keys at once, pinned.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/slice_transform.h"
#include "tests/db/fst_table_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

TEST_P(FstTableTest, BlockCacheTierAnswersOnlyFromMemory) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const std::string tail(100, 'v');
  const std::string value = NumberKey(500) + tail;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), NumberKey(i) + tail));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ReadOptions memory;
  memory.read_tier = rocksdb::kBlockCacheTier;
  std::string found;
  EXPECT_TRUE(db()->Get(memory, NumberKey(500), &found).IsIncomplete());
  EXPECT_TRUE(db()->KeyMayExist(memory, NumberKey(500), &found));
  {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(memory));
    iter->Seek(NumberKey(500));
    EXPECT_FALSE(iter->Valid());
    EXPECT_TRUE(iter->status().IsIncomplete()) << iter->status().ToString();
  }
  EXPECT_EQ(Get(NumberKey(500)), value);
  EXPECT_TRUE(db()->Get(memory, NumberKey(500), &found).ok());
  EXPECT_EQ(found, value);
  EXPECT_TRUE(db()->KeyMayExist(memory, NumberKey(500), &found));
  // A miss is decided in the trie, which one read above has brought in.
  EXPECT_TRUE(db()->Get(memory, NumberKey(500) + "x", &found).IsNotFound());
  EXPECT_FALSE(db()->KeyMayExist(memory, NumberKey(500) + "x", &found));
}

TEST_P(FstTableTest, MappedAndDirectReadsAnswerTheSame) {
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 4000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (const bool compressed : {false, true}) {
    Options options = TableOptions();
    options.compression =
        compressed ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(CompactAll());

    options.allow_mmap_reads = true;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));

    options.allow_mmap_reads = false;
    options.use_direct_reads = true;
    options.use_direct_io_for_flush_and_compaction = true;
    const Status s = TryOpen(options);
    if (!s.ok()) {
      // Some file systems have no direct I/O.
      ASSERT_TRUE(s.IsInvalidArgument() || s.IsIOError()) << s.ToString();
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
}

TEST_P(FstTableTest, IteratorsRespectTheirBounds) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (const char* key : {"a", "b", "ba", "bb", "c", "ca", "d"}) {
    ASSERT_NO_FATAL_FAILURE(Put(key, "1"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const Slice b("b");
  const Slice c("c");
  ReadOptions ro;
  ro.iterate_lower_bound = &b;
  ro.iterate_upper_bound = &c;
  EXPECT_EQ(Scan(ro), "b=1 ba=1 bb=1 ");
  EXPECT_EQ(Scan(ro, /*forward=*/false), "bb=1 ba=1 b=1 ");
  ro.pin_data = true;
  EXPECT_EQ(Scan(ro), "b=1 ba=1 bb=1 ");
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  iter->Seek("c");
  EXPECT_FALSE(iter->Valid());
  iter->SeekForPrev("z");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), "bb");
  iter->Seek("a");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), "b");
}

// Segments below the bound are told from those that it lies in, and a bound
// that a caller changes between two seeks holds for the second one.
TEST_P(FstTableTest, UpperBoundsEndScansOfManySegments) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const auto key = [](int i) { return "key/" + std::to_string(10000 + i); };
  constexpr int kKeys = 1500;
  for (int i = 0; i < kKeys; ++i) ASSERT_NO_FATAL_FAILURE(Put(key(i), "v"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  std::string bytes = key(0);
  Slice bound(bytes);
  ReadOptions ro;
  ro.iterate_upper_bound = &bound;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int i = kKeys; i >= 0; i -= 19) {
    bytes = key(i);
    for (const bool seek : {false, true}) {
      int n = 0;
      seek ? iter->Seek(key(0)) : iter->SeekToFirst();
      for (; iter->Valid(); iter->Next()) ++n;
      ASSERT_EQ(n, i) << seek;
    }
  }
}

TEST_P(FstTableTest, PrefixIteratorsSeeTheirPrefix) {
  Options options = TableOptions();
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(2));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int p = 0; p < 20; ++p) {
    for (int i = 0; i < 30; ++i) {
      const std::string key =
          std::to_string(10 + p) + "/" + std::to_string(100 + i);
      ASSERT_NO_FATAL_FAILURE(Put(key, "v"));
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ReadOptions ro;
  ro.prefix_same_as_start = true;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int p = 0; p < 20; ++p) {
    int n = 0;
    for (iter->Seek(std::to_string(10 + p)); iter->Valid(); iter->Next()) ++n;
    EXPECT_EQ(n, 30);
  }
  iter->Seek("99");
  EXPECT_FALSE(iter->Valid());
  EXPECT_TRUE(iter->status().ok());
}

TEST_P(FstTableTest, TailingIteratorsFollowWrites) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ReadOptions ro;
  ro.tailing = true;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int i = 0; i < 200; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
    if (i % 20 == 10) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    if (i % 60 == 50) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
    iter->Seek(NumberKey(i));
    ASSERT_TRUE(iter->Valid()) << i << " " << iter->status().ToString();
    ASSERT_EQ(iter->value(), std::to_string(i));
    iter->Seek(NumberKey(i / 2));
    ASSERT_TRUE(iter->Valid());
    ASSERT_EQ(iter->value(), std::to_string(i / 2));
  }
}

TEST_P(FstTableTest, MultiGetEqualsGet) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 500; i += 2) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (const bool async : {false, true}) {
    std::vector<std::string> names;
    for (int i = 0; i < 500; i += 3) names.push_back(NumberKey(i));
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<PinnableSlice> values(keys.size());
    std::vector<Status> statuses(keys.size());
    ReadOptions ro;
    ro.async_io = async;
    db()->MultiGet(ro, db()->DefaultColumnFamily(), keys.size(), keys.data(),
                   values.data(), statuses.data());
    for (size_t k = 0; k < keys.size(); ++k) {
      const std::string expected = Get(names[k]);
      EXPECT_EQ(statuses[k].ok() ? values[k].ToString() : "NOT_FOUND",
                expected);
    }
  }
}

TEST_P(FstTableTest, PinnedValuesOutliveTheirFiles) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const std::string large(3000, 'L');
  ASSERT_NO_FATAL_FAILURE(Put("large", large));
  ASSERT_NO_FATAL_FAILURE(Put("small", "s"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  PinnableSlice value;
  PinnableSlice tiny;
  auto* const cf = db()->DefaultColumnFamily();
  ASSERT_TRUE(db()->Get(ReadOptions(), cf, "large", &value).ok());
  ASSERT_TRUE(db()->Get(ReadOptions(), cf, "small", &tiny).ok());
  ASSERT_NO_FATAL_FAILURE(Delete("large"));
  ASSERT_NO_FATAL_FAILURE(Delete("small"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_TRUE(SstFiles().empty());
  EXPECT_EQ(value, large);
  EXPECT_EQ(tiny, "s");
}

}  // namespace
}  // namespace memkv
