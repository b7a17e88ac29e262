// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Entries that wait in writer buffers, by one thread: whatever waited when, in
// the end the tree holds what inserts one by one leave (the scaffold's set).

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "memtable/art/writer_buffer.h"
#include "tests/util/art_scaffold.h"

namespace memkv {
namespace art_test {
namespace {

constexpr size_t kWriters = 3;

class ArtWriterBufferTest : public ArtScaffoldTest {
 protected:
  bool Insert(size_t writer, const std::string& key, uint64_t sequence) {
    return scaffold_.InsertInBatch(key, sequence, &buffers_[writer]);
  }
  void Finish(size_t writer) {
    scaffold_.tree().FinishBatch(&buffers_[writer]);
    EXPECT_EQ(0u, buffers_[writer].size());
  }
  void FinishAll() {
    for (size_t w = 0; w < kWriters; ++w) {
      Finish(w);
    }
  }
  bool IsThere(const std::string& key, uint64_t sequence) {
    return scaffold_.tree().Contains(scaffold_.Key({key, sequence}));
  }
  std::string RandomKey() {
    std::string key;
    for (size_t i = random_() % 7; i > 0; --i) {
      key.push_back("\0ab\xff"[random_() % 4]);
    }
    return key;
  }

  std::array<ArtWriterBuffer, kWriters> buffers_;
};

TEST_P(ArtWriterBufferTest, AnyBatchesLeaveWhatInsertsOneByOneLeave) {
  // As RocksDB gives sequences out: each batch has a range of its own.
  uint64_t next = 0;
  for (int round = 0; round < 30; ++round) {
    std::array<uint64_t, kWriters> at = {};
    std::array<uint64_t, kWriters> end = {};
    for (int i = 0; i < 300; ++i) {
      const size_t w = random_() % kWriters;
      if (at[w] == end[w]) {
        Finish(w);
        at[w] = next;
        next += 1 + random_() % 40;
        end[w] = next;
      }
      Insert(w, RandomKey(), at[w]);
      // Some batches have one sequence for several entries.
      at[w] += (w + static_cast<size_t>(round)) % 3 == 0 ? random_() % 2 : 1;
    }
    FinishAll();
    ASSERT_NO_FATAL_FAILURE(scaffold_.CheckTree());
  }
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
}

TEST_P(ArtWriterBufferTest, EntriesWaitUntilTheBufferIsFullOrTheBatchFinished) {
  const size_t most = ArtWriterBuffer::kSize;
  for (size_t i = 0; i < most; ++i) {
    EXPECT_TRUE(Insert(0, std::to_string(i), i + 1));
    EXPECT_EQ(i + 1, buffers_[0].size());
  }
  EXPECT_EQ(0u, scaffold_.tree().NumEntries());
  EXPECT_FALSE(IsThere("0", 1));
  EXPECT_TRUE(Insert(0, "one more", most + 1));
  EXPECT_EQ(most, scaffold_.tree().NumEntries());
  EXPECT_EQ(1u, buffers_[0].size());
  EXPECT_TRUE(IsThere("0", 1));
  EXPECT_FALSE(IsThere("one more", most + 1));
  Finish(0);
  EXPECT_TRUE(IsThere("one more", most + 1));
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
}

TEST_P(ArtWriterBufferTest, SequencesThatDoNotAscendGoInAtOnceBehindTheOthers) {
  EXPECT_TRUE(Insert(0, "a", 5));
  EXPECT_EQ(1u, buffers_[0].size());
  EXPECT_FALSE(Insert(0, "a", 5));
  EXPECT_TRUE(IsThere("a", 5));
  EXPECT_EQ(0u, buffers_[0].size());
  EXPECT_TRUE(Insert(0, "b", 5));
  EXPECT_TRUE(IsThere("b", 5));
  EXPECT_TRUE(Insert(0, "a", 4));
  EXPECT_TRUE(IsThere("a", 4));
  EXPECT_TRUE(Insert(0, "a", 6));
  EXPECT_FALSE(IsThere("a", 6));
  EXPECT_FALSE(Insert(0, "a", 4));
  EXPECT_TRUE(IsThere("a", 6));
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
}

// The single writer's edge, ring and sequences outlive no batch of others.
TEST_P(ArtWriterBufferTest, BatchesFollowASingleWriterAndTheOtherWayRound) {
  uint64_t sequence = 1;
  for (int round = 0; round < 200; ++round) {
    const bool in_order = random_() % 2 == 0;
    for (size_t n = random_() % 40; n > 0; --n) {
      ++sequence;
      scaffold_.InsertSingleWriter(
          in_order ? std::to_string(1000000 + sequence) : RandomKey(),
          sequence);
    }
    for (size_t n = random_() % 40; n > 0; --n) {
      ++sequence;
      Insert(
          random_() % kWriters,
          random_() % 2 == 0 ? std::to_string(1000000 + sequence) : RandomKey(),
          sequence);
    }
    FinishAll();
  }
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckAll());
}

TEST_P(ArtWriterBufferTest, KeysInOrderStopDescendingTogether) {
  for (uint64_t i = 1; i <= 5000; ++i) {
    EXPECT_TRUE(Insert(0, std::to_string(100000 + i), i));
  }
  Finish(0);
  ASSERT_NO_FATAL_FAILURE(scaffold_.CheckTree());
  EXPECT_FALSE(buffers_[0].mode()->Together());
}

TEST_P(ArtWriterBufferTest, ReferencesThatNameNothingAreRefused) {
  EXPECT_FALSE(scaffold_.tree().InsertInBatch(kArtNoRef, &buffers_[0]));
  EXPECT_EQ(0u, buffers_[0].size());
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtWriterBufferTest,
                         ::testing::ValuesIn(kOrders), OrderName);

}  // namespace
}  // namespace art_test
}  // namespace memkv
