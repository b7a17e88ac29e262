// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// target_file_size_is_upper_bound: no file of a compaction is larger than it
// was asked for, and not much smaller.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "rocksdb/options.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

constexpr uint64_t kTarget = 1 << 20;

class FstFileSizeBoundTest : public FstDbTest {
 protected:
  // Keys of a run of digits, or of words, and values of that size.
  void FillAndCompact(bool words, size_t value_size) {
    rocksdb::Options options = MemkvOptions();
    options.target_file_size_base = kTarget;
    options.target_file_size_is_upper_bound = true;
    options.write_buffer_size = 256 << 20;
    options.disable_auto_compactions = true;
    options.paranoid_file_checks = false;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    std::mt19937_64 rng(TestSeed());
    rocksdb::WriteOptions wo;
    wo.disableWAL = true;
    const size_t keys = (words ? 400000 : 250000) / (1 + value_size / 8);
    for (size_t i = 0; i < keys; ++i) {
      std::string key;
      if (words) {
        const char* const names[] = {"index",  "about",    "news", "archive",
                                     "images", "articles", "user", "2024"};
        for (int depth = 0; depth < 5; ++depth) {
          key += std::string("/") + names[rng() % 8];
        }
        key += "/" + std::to_string(i % 1000);
      } else {
        key = RandomBytes(&rng, 16);
      }
      ASSERT_TRUE(db()->Put(wo, key, RandomBytes(&rng, value_size)).ok());
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
  }
};

TEST_F(FstFileSizeBoundTest, FilesAreNoLargerThanTheyMayBe) {
  for (const bool words : {false, true}) {
    for (const size_t value_size : {0, 8, 200}) {
      SCOPED_TRACE(testing::Message() << words << " " << value_size);
      Destroy();
      ASSERT_NO_FATAL_FAILURE(FillAndCompact(words, value_size));
      std::vector<uint64_t> sizes;
      for (const std::string& file : SstFiles()) {
        sizes.push_back(ReadFile(file).size());
      }
      ASSERT_GT(sizes.size(), 1u);
      uint64_t total = 0;
      for (const uint64_t size : sizes) {
        EXPECT_LE(size, kTarget);
        total += size;
      }
      // All but the last one are two thirds of it and more.
      EXPECT_LE(sizes.size() - 1, total / (kTarget * 2 / 3));
    }
  }
}

}  // namespace
}  // namespace memkv
