// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Where values are kept: in segments, or in value blocks.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

class FstValuesTest : public FstDbTest {
 protected:
  void OpenTable(const std::string& options, bool reverse) {
    rocksdb::Options all = MemkvOptions(options);
    all.disable_auto_compactions = true;
    all.target_file_size_base = 64 << 20;
    if (reverse) all.comparator = rocksdb::ReverseBytewiseComparator();
    ASSERT_NO_FATAL_FAILURE(Open(all));
  }

  // A table property of all files, a number, in sum.
  uint64_t Sum(const std::string& property) {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    uint64_t sum = 0;
    for (const auto& [file, properties] : all) {
      // What is 0 is left out.
      const auto& user = properties->user_collected_properties;
      const auto found = user.find(property);
      if (found != user.end()) sum += std::stoull(found->second);
    }
    return sum;
  }

  void ExpectHolds(const Model& model) {
    for (const auto& [key, value] : model) ASSERT_EQ(Get(key), value) << key;
    const std::unique_ptr<rocksdb::Iterator> iter(
        db()->NewIterator(rocksdb::ReadOptions()));
    for (const bool forwards : {true, false}) {
      size_t n = 0;
      forwards ? iter->SeekToFirst() : iter->SeekToLast();
      for (; iter->Valid(); forwards ? iter->Next() : iter->Prev(), ++n) {
        ASSERT_EQ(iter->value(), model.at(iter->key().ToString()))
            << iter->key().ToString();
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(n, model.size());
    }
  }

  // Writes values into one file, checks every one in every way, and destroys
  // the database.  *in_segments and *in_blocks: stored bytes of values.
  template <class ValueOf>
  void Write(ValueOf value_of, uint64_t* in_segments, uint64_t* in_blocks) {
    Model model;
    for (int i = 0; i < 3000; ++i) {
      model[NumberKey(i)] = value_of(i);
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), value_of(i)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    for (const bool compacted : {false, true}) {
      if (compacted) {
        ASSERT_NO_FATAL_FAILURE(CompactAll());
      }
      ASSERT_NO_FATAL_FAILURE(ExpectHolds(model));
      ASSERT_TRUE(db()->VerifyChecksum().ok());
      *in_segments = Sum("memkv.fst.inline.value.bytes");
      *in_blocks = Sum("memkv.fst.value.bytes");
    }
    Destroy();
  }
};

TEST_F(FstValuesTest, LongValuesThatRepeatAreKeptInSegments) {
  for (const bool reverse : {false, true}) {
    for (const char* const options :
         {"", "residency=cache;segment_size=4K", "value_block_size=2K"}) {
      SCOPED_TRACE(std::string(options) + (reverse ? ", reverse" : ""));
      ASSERT_NO_FATAL_FAILURE(OpenTable(options, reverse));
      uint64_t in_segments = 0;
      uint64_t in_blocks = 0;
      ASSERT_NO_FATAL_FAILURE(
          Write([](int i) { return std::string(30, "abc"[i % 3]) + "end"; },
                &in_segments, &in_blocks));
      EXPECT_GT(in_segments, 0u);
      EXPECT_EQ(in_blocks, 0u);
    }
  }
}

TEST_F(FstValuesTest, ValuesThatRepeatTooLittleGoToBlocks) {
  for (const bool reverse : {false, true}) {
    for (const char* const options :
         {"", "inline_value_size=0", "inline_value_size=0;value_block_size=64",
          "value_block_size=512"}) {
      SCOPED_TRACE(std::string(options) + (reverse ? ", reverse" : ""));
      uint64_t in_segments = 0;
      uint64_t in_blocks = 0;
      // Every one twice.
      ASSERT_NO_FATAL_FAILURE(OpenTable(options, reverse));
      ASSERT_NO_FATAL_FAILURE(Write(
          [](int i) { return std::to_string(i / 2) + std::string(90, 'v'); },
          &in_segments, &in_blocks));
      EXPECT_EQ(in_segments, 0u);
      EXPECT_GT(in_blocks, 0u);
      // All alike, until they are not, whichever end is written first.
      ASSERT_NO_FATAL_FAILURE(OpenTable(options, reverse));
      ASSERT_NO_FATAL_FAILURE(Write(
          [](int i) {
            return (i < 1000 || i > 2000 ? "" : std::to_string(i)) +
                   std::string(90, 'v');
          },
          &in_segments, &in_blocks));
      EXPECT_EQ(in_segments, 0u);
      EXPECT_GT(in_blocks, 0u);
    }
  }
}

}  // namespace
}  // namespace memkv
