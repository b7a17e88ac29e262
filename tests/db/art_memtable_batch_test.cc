// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Batches of concurrent writers in ArtMemTableRep, as RocksDB finishes them
// from 10.4 on, with whatever RocksDB this is; beside a rep that lets nothing
// wait, which is what there is below.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/db/art_memtable_rep_test_util.h"

namespace memkv {
namespace art_test {
namespace {

// Whether the tree is soon full.
class ArtMemTableBatchTest : public ::testing::TestWithParam<bool> {
 protected:
  // A rep in which batches wait for their end, or not.
  class Rep {
   public:
    Rep(bool overflows, bool finishes_batches)
        : key_cmp_(InternalKeyComparator(BytewiseComparator())),
          rep_(ArtOrder::kBytewise, key_cmp_,
               overflows ? static_cast<Allocator*>(&scattered_) : &arena_,
               nullptr, overflows ? 80 : ArtArena::kMaxSlots,
               finishes_batches) {}

    bool Insert(const TestKey& key) {
      const std::string bytes = RepUnderTest::Encode(key);
      char* buf = nullptr;
      const KeyHandle handle = rep_.Allocate(bytes.size(), &buf);
      memcpy(buf, bytes.data(), bytes.size());
      return rep_.InsertKeyConcurrently(handle);
    }
    bool Contains(const TestKey& key) {
      return rep_.Contains(RepUnderTest::Encode(key).data());
    }
    std::vector<TestKey> All() {
      std::vector<TestKey> all;
      std::unique_ptr<MemTableRep::Iterator> iter(rep_.GetIterator());
      for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
        all.push_back(KeyOf(iter->key()));
      }
      return all;
    }
    ArtMemTableRep* operator->() { return &rep_; }

   private:
    ConcurrentArena arena_;
    ScatteredAllocator scattered_;
    const MemTable::KeyComparator key_cmp_;
    ArtMemTableRep rep_;
  };

  ArtMemTableBatchTest() : random_(TestSeed()) {}

  Random random_;
};

TEST_P(ArtMemTableBatchTest, BatchesLeaveWhatInsertsAtOnceLeave) {
  for (int round = 0; round < 10; ++round) {
    Rep waiting(GetParam(), true);
    Rep at_once(GetParam(), false);
    uint64_t sequence = 1;
    for (int batch = 0; batch < 60; ++batch) {
      for (uint64_t n = random_() % 50; n > 0; --n) {
        const TestKey key{"key" + std::to_string(random_() % 20), sequence};
        ASSERT_EQ(at_once.Insert(key), waiting.Insert(key)) << key;
        // Batches of transactions have one sequence for several entries.
        sequence += batch % 3 == 0 ? random_() % 2 : 1;
      }
      ++sequence;
      waiting->FinishBatch();
      at_once->FinishBatch();
      ASSERT_EQ(at_once.All(), waiting.All());
    }
    ASSERT_EQ(GetParam(), waiting->overflow() != nullptr);
    std::string reason;
    ASSERT_TRUE(waiting->tree().Validate(&reason)) << reason;
  }
}

// Where the first entry of the overflow comes in a batch.
TEST_P(ArtMemTableBatchTest, EqualKeysAreRefusedWhereverTheFirstOneIs) {
  Rep rep(GetParam(), true);
  for (uint64_t i = 1; i < 3000; ++i) {
    const TestKey key{"key" + std::to_string(i * 7919 % 3000), i};
    ASSERT_TRUE(rep.Insert(key));
    ASSERT_FALSE(rep.Insert(key));
    ASSERT_TRUE(rep.Contains(key));
    ASSERT_TRUE(rep.Insert({key.user_key + "?", i}));
  }
  rep->FinishBatch();
  EXPECT_EQ(2u * 2999, rep.All().size());
}

// Threads take turns in two memtables, as batches of two column families do.
// Each looks for its batch once it is finished.
TEST_P(ArtMemTableBatchTest, ThreadsFindTheirBatchesAndNothingIsLost) {
  constexpr int kThreads = 4;
  constexpr int kBatches = 40;
  constexpr uint64_t kMost = 40;
  for (int round = 0; round < 6; ++round) {
    Rep reps[] = {{GetParam(), true}, {GetParam(), true}};
    std::atomic<uint64_t> next{1};
    std::atomic<uint64_t> of_rep[2] = {};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, seed = random_()] {
        Random random(seed);
        for (int batch = 0; batch < kBatches; ++batch) {
          std::vector<TestKey> keys[2];
          uint64_t sequence = next.fetch_add(kMost);
          for (uint64_t n = random() % kMost; n > 0; --n, ++sequence) {
            const size_t to = random() % 2;
            keys[to].push_back(
                {"key" + std::to_string(random() % 500), sequence});
            ASSERT_TRUE(reps[to].Insert(keys[to].back()));
          }
          for (const size_t to : {0, 1}) {
            reps[to]->FinishBatch();
            of_rep[to].fetch_add(keys[to].size());
            for (const TestKey& key : keys[to]) {
              ASSERT_TRUE(reps[to].Contains(key)) << key;
            }
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const size_t to : {0, 1}) {
      // One that has only read finishes nothing.
      reps[to]->FinishBatch();
      reps[to]->MarkReadOnly();
      ASSERT_EQ(of_rep[to].load(), reps[to].All().size());
      std::string reason;
      ASSERT_TRUE(reps[to]->tree().Validate(&reason)) << reason;
    }
  }
}

TEST_P(ArtMemTableBatchTest, AMemtableThatGoesTakesUnfinishedBatchesAlong) {
  for (int round = 0; round < 20; ++round) {
    Rep rep(GetParam(), true);
    ASSERT_TRUE(rep.All().empty());
    ASSERT_TRUE(rep.Insert({"never finished", 1}));
  }
}

INSTANTIATE_TEST_SUITE_P(Trees, ArtMemTableBatchTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& param) {
                           return param.param ? "SoonFull" : "WithRoom";
                         });

}  // namespace
}  // namespace art_test
}  // namespace memkv
