// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A memtable whose tree takes no more entries: the overflow, and what is read
// from both.

#include "memtable/art_overflow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "tests/db/art_memtable_rep_test_util.h"

namespace memkv {
namespace art_test {

class ArtOverflowTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  using Set = std::set<TestKey, SlowLess>;

  ArtOverflowTest()
      : random_(TestSeed()),
        rep_(&factory_, comparator(), &logger_),
        sorted_(SlowLess{GetParam()}) {}

  const Comparator* comparator() const {
    return GetParam() == ArtOrder::kBytewise ? BytewiseComparator()
                                             : ReverseBytewiseComparator();
  }
  OverflowingRep* rep() { return static_cast<OverflowingRep*>(rep_.get()); }

  TestKey RandomKey() {
    return TestKey{std::to_string(random_() % 3000), random_() % 5};
  }
  void InsertRandomKey() {
    const TestKey key = RandomKey();
    const bool is_new =
        random_() % 2 == 0 ? rep_.Insert(key) : rep_.InsertSingleWriter(key);
    ASSERT_EQ(sorted_.insert(key).second, is_new) << key;
  }
  void FillBoth() {
    while (rep()->overflow() == nullptr ||
           rep()->overflow()->NumEntries() < 500) {
      ASSERT_NO_FATAL_FAILURE(InsertRandomKey());
    }
  }

  Random random_;
  CapturingLogger logger_;
  OverflowingFactory factory_;
  RepUnderTest rep_;
  Set sorted_;
};

TEST_P(ArtOverflowTest, NothingIsRefusedAndTheLogSaysItOnce) {
  ASSERT_NO_FATAL_FAILURE(FillBoth());
  EXPECT_EQ(sorted_.size(),
            rep()->tree().NumEntries() + rep()->overflow()->NumEntries());
  EXPECT_EQ(1, std::count(logger_.text.begin(), logger_.text.end(), '\n'));
  EXPECT_NE(std::string::npos, logger_.text.find("goes into a skip list"))
      << logger_.text;
  // What is reported is small, and does not grow.
  EXPECT_EQ(sizeof(ArtMemTableRep) + sizeof(ArtOverflow),
            rep_->ApproximateMemoryUsage());
  std::string reason;
  EXPECT_TRUE(rep()->tree().Validate(&reason)) << reason;
}

TEST_P(ArtOverflowTest, EqualKeysAreRefusedAcrossBoth) {
  // Accepted by the tree, and not inserted yet.
  const KeyHandle late = rep_.NewKey({"late", 7});
  const KeyHandle other = rep_.NewKey({"other", 7});
  ASSERT_NO_FATAL_FAILURE(FillBoth());
  for (const TestKey& key : sorted_) {
    ASSERT_FALSE(rep_.Insert(key)) << key;
    ASSERT_FALSE(rep_.InsertSingleWriter(key)) << key;
  }
  ASSERT_TRUE(rep_.Insert({"late", 7}));
  EXPECT_FALSE(rep_->InsertKeyConcurrently(late));
  EXPECT_FALSE(rep_->InsertKey(late));
  EXPECT_TRUE(rep_->InsertKey(other));
  EXPECT_FALSE(rep_.Insert({"other", 7}));
  EXPECT_EQ(sorted_.size() + 2,
            rep()->tree().NumEntries() + rep()->overflow()->NumEntries());
}

// Every step sees what was inserted before it, wherever that went, and also if
// the overflow was opened in the middle of the walk.
TEST_P(ArtOverflowTest, StepsSeeWhatWasInsertedBeforeThem) {
  constexpr int kIterators = 4;
  std::vector<std::unique_ptr<MemTableRep::Iterator>> iters;
  for (int i = 0; i < kIterators; ++i) {
    iters.emplace_back(rep_->GetIterator());
  }
  const auto expect_at = [&](const MemTableRep::Iterator& iter,
                             Set::const_iterator at) {
    ASSERT_EQ(at != sorted_.end(), iter.Valid());
    if (iter.Valid()) {
      ASSERT_EQ(*at, KeyOf(iter.key()));
    }
  };
  const auto before = [&](Set::const_iterator at) {
    return at == sorted_.begin() ? sorted_.cend() : std::prev(at);
  };
  int of_before = 0;
  for (int i = 0; i < 20000; ++i) {
    if (random_() % 4 == 0) {
      ASSERT_NO_FATAL_FAILURE(InsertRandomKey());
    }
    of_before += rep()->overflow() == nullptr;
    MemTableRep::Iterator* const iter = iters[random_() % kIterators].get();
    const TestKey target = RandomKey();
    const std::string ikey = InternalKey(target);
    if (!iter->Valid() || random_() % 50 == 0) {
      switch (random_() % 6) {
        case 0:
          iter->Seek(ikey, nullptr);
          expect_at(*iter, sorted_.lower_bound(target));
          break;
        case 1:
          iter->SeekForPrev(ikey, nullptr);
          expect_at(*iter, before(sorted_.upper_bound(target)));
          break;
        case 2:
          ASSERT_TRUE(compat::SeekChecked(iter, ikey, nullptr, {}).ok());
          expect_at(*iter, sorted_.lower_bound(target));
          break;
        case 3:
          iter->SeekToFirst();
          expect_at(*iter, sorted_.begin());
          break;
        case 4:
          iter->SeekToLast();
          expect_at(*iter, before(sorted_.end()));
          break;
        case 5:
          iter->RandomSeek();
          ASSERT_EQ(sorted_.empty(), !iter->Valid());
          break;
      }
      ASSERT_FALSE(HasFatalFailure());
      continue;
    }
    const auto at = sorted_.find(KeyOf(iter->key()));
    ASSERT_NE(sorted_.end(), at);
    if (random_() % 3 > 0) {
      if (random_() % 2 == 0) {
        iter->Next();
      } else {
        const Status s = iter->NextAndValidate(true);
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      expect_at(*iter, std::next(at));
    } else {
      if (random_() % 2 == 0) {
        iter->Prev();
      } else {
        const Status s = iter->PrevAndValidate(true);
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      expect_at(*iter, before(at));
    }
    ASSERT_FALSE(HasFatalFailure()) << i;
  }
  EXPECT_GT(of_before, 1000);
  ASSERT_NE(nullptr, rep()->overflow());
  EXPECT_GT(rep()->overflow()->NumEntries(), 1000u);
}

TEST_P(ArtOverflowTest, GetFindsVersionsInBoth) {
  ASSERT_NO_FATAL_FAILURE(FillBoth());
  for (int i = 0; i < 5000; ++i) {
    const TestKey target = RandomKey();
    std::vector<TestKey> expected;
    for (auto it = sorted_.lower_bound(target);
         it != sorted_.end() && it->user_key == target.user_key; ++it) {
      expected.push_back(*it);
    }
    ASSERT_EQ(expected, GetFrom(rep_.get(), target)) << target;
    ASSERT_EQ(sorted_.count(target) > 0,
              rep_->Contains(RepUnderTest::Encode(target).data()));
  }
}

TEST_P(ArtOverflowTest, RandomSeeksAndSamplesReachBoth) {
  ASSERT_NO_FATAL_FAILURE(FillBoth());
  const double share = static_cast<double>(rep()->overflow()->NumEntries()) /
                       static_cast<double>(sorted_.size());
  const auto in_overflow = [&](const char* entry) {
    return rep()->overflow()->list()->Contains(entry);
  };
  std::unique_ptr<MemTableRep::Iterator> iter(rep_->GetIterator());
  constexpr int kSeeks = 4000;
  int hits = 0;
  for (int i = 0; i < kSeeks; ++i) {
    iter->RandomSeek();
    ASSERT_TRUE(iter->Valid());
    hits += in_overflow(iter->key());
  }
  EXPECT_NEAR(share, hits / double{kSeeks}, 0.05);

  uint64_t sampled = 0;
  hits = 0;
  for (int round = 0; round < 40; ++round) {
    std::unordered_set<const char*> sample;
    rep_->UniqueRandomSample(sorted_.size(), 100, &sample);
    ASSERT_EQ(100u, sample.size());
    for (const char* entry : sample) {
      ASSERT_EQ(1u, sorted_.count(KeyOf(entry)));
      hits += in_overflow(entry);
      ++sampled;
    }
  }
  EXPECT_NEAR(share, hits / static_cast<double>(sampled), 0.05);
}

TEST_P(ArtOverflowTest, ChangedKeyInEitherIsCorruption) {
  for (const bool in_list : {false, true}) {
    for (const bool allow_data : {false, true}) {
      RepUnderTest rep(&factory_, comparator());
      const auto* art = static_cast<ArtMemTableRep*>(rep.get());
      const auto fill = [&] {
        for (int i = 0;
             art->overflow() == nullptr || art->overflow()->NumEntries() < 20;
             ++i) {
          ASSERT_TRUE(rep.Insert({"aa" + std::to_string(i) + "b", 1}));
        }
      };
      if (in_list) {
        ASSERT_NO_FATAL_FAILURE(fill());
      }
      std::vector<char*> entries;
      for (const char* key : {"aa1zz", "aa2zz", "aa3zz"}) {
        char* entry;
        ASSERT_TRUE(rep->InsertKey(rep.NewKey({key, 1}, &entry)));
        entries.push_back(entry);
      }
      if (!in_list) {
        ASSERT_NO_FATAL_FAILURE(fill());
      }
      ASSERT_EQ(in_list, art->overflow()->list()->Contains(entries[1]));
      std::unique_ptr<MemTableRep::Iterator> iter(rep->GetIterator());
      entries[1][1 + 2] = 'x';
      for (const bool forward : {true, false}) {
        if (in_list && !forward) {
          // A skip list looks for what is before from its head, and may miss
          // what is out of order.
          continue;
        }
        forward ? iter->SeekToFirst() : iter->SeekToLast();
        Status s;
        while (s.ok() && iter->Valid()) {
          s = forward ? iter->NextAndValidate(allow_data)
                      : iter->PrevAndValidate(allow_data);
        }
        EXPECT_TRUE(s.IsCorruption()) << in_list << forward << s.ToString();
        EXPECT_FALSE(iter->Valid());
        // It may be named beside the one it is compared with.
        EXPECT_EQ(allow_data, s.ToString().find("6161") != std::string::npos)
            << s.ToString();
        // And can be used again.
        iter->SeekToFirst();
        EXPECT_TRUE(iter->Valid());
      }
    }
  }
}

TEST_P(ArtOverflowTest, EveryAllocationMayFailAndNothingChanges) {
  int failures = 0;
  int failed_to_open = 0;
  while (rep()->overflow() == nullptr ||
         rep()->overflow()->NumEntries() < 300) {
    const TestKey key{std::to_string(random_() % 3000), sorted_.size() + 1};
    // Whether a batch has the entry, which could not be finished yet.
    bool waits = false;
    for (int calls = 0;; ++calls) {
      ASSERT_LT(calls, 20);
      rep()->allocator().FailAfter(calls);
      try {
        if (sorted_.size() % 2 != 0) {
          ASSERT_TRUE(rep_.InsertSingleWriter(key));
        } else {
          if (!waits) {
            ASSERT_TRUE(rep_->InsertKeyConcurrently(rep_.NewKey(key)));
          }
          waits = true;
          compat::FinishBatch(rep_.get());
        }
        rep()->allocator().FailAfter(-1);
        break;
      } catch (const std::bad_alloc&) {
        ++failures;
        failed_to_open += !rep()->tree().TEST_Arena().TakesEntries() &&
                          rep()->overflow() == nullptr;
      }
      rep()->allocator().FailAfter(-1);
      ASSERT_FALSE(rep_->Contains(RepUnderTest::Encode(key).data())) << key;
    }
    sorted_.insert(key);
  }
  EXPECT_GT(failures, 100);
  EXPECT_GT(failed_to_open, 0);
  std::unique_ptr<MemTableRep::Iterator> iter(rep_->GetIterator());
  iter->SeekToFirst();
  for (const TestKey& key : sorted_) {
    ASSERT_TRUE(iter->Valid()) << key;
    ASSERT_EQ(key, KeyOf(iter->key()));
    iter->Next();
  }
  EXPECT_FALSE(iter->Valid());
}

TEST_P(ArtOverflowTest, NoMemoryIsTakenBehindMarkReadOnly) {
  ASSERT_NO_FATAL_FAILURE(FillBoth());
  rep_->MarkReadOnly();
  const size_t calls = rep()->allocator().calls();
  std::unique_ptr<MemTableRep::Iterator> iter(rep_->GetIterator());
  size_t n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    ++n;
  }
  EXPECT_EQ(sorted_.size(), n);
  GetFrom(rep_.get(), RandomKey());
  rep_->MarkFlushed();
  EXPECT_EQ(calls, rep()->allocator().calls());
}

// ---- Threads ----

TEST_P(ArtOverflowTest, ThreadsOpenOneOverflowAndLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kKeys = 1500;
  for (int round = 0; round < 10; ++round) {
    CapturingLogger logger;
    RepUnderTest rep(&factory_, comparator(), &logger);
    std::atomic<int> ready{0};
    std::atomic<int> of_all{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        ready.fetch_add(1);
        while (ready.load() < kThreads) {
          std::this_thread::yield();
        }
        for (int i = 0; i < kKeys; ++i) {
          const std::string key = std::to_string(i * 7919 % kKeys);
          ASSERT_TRUE(rep.Insert({key + "/" + std::to_string(t), 1}));
        }
        // With handles of the overflow's, equal keys get in once.
        for (int i = 0; i < 200; ++i) {
          of_all.fetch_add(rep.Insert({"everyone's" + std::to_string(i), 1}));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    const auto* art = static_cast<ArtMemTableRep*>(rep.get());
    ASSERT_NE(nullptr, art->overflow());
    EXPECT_EQ(1, std::count(logger.text.begin(), logger.text.end(), '\n'));
    EXPECT_EQ(200, of_all.load());
    std::unique_ptr<MemTableRep::Iterator> iter(rep->GetIterator());
    int n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      ++n;
    }
    EXPECT_EQ(kThreads * kKeys + 200, n);
  }
}

// (G1) and (G2) of memtable/art/tree_iterator.h.
TEST_P(ArtOverflowTest, WalksMissNothingWhileThreadsInsert) {
  constexpr int kWriters = 2;
  constexpr size_t kKeys = 3000;
  for (int round = 0; round < 6; ++round) {
    RepUnderTest rep(&factory_, comparator());
    const auto key_of = [](size_t writer, size_t i) {
      return TestKey{
          std::to_string(i * 7919 % kKeys) + "/" + std::to_string(writer), 1};
    };
    std::atomic<size_t> progress[kWriters] = {};
    std::atomic<int> left{kWriters};
    std::vector<std::thread> threads;
    for (size_t w = 0; w < kWriters; ++w) {
      threads.emplace_back([&, w] {
        for (size_t i = 0; i < kKeys; ++i) {
          ASSERT_TRUE(rep.Insert(key_of(w, i)));
          progress[w].store(i + 1, std::memory_order_release);
        }
        left.fetch_sub(1);
      });
    }
    for (const bool forward : {true, false}) {
      threads.emplace_back([&, forward] {
        const SlowLess less{GetParam()};
        std::unique_ptr<MemTableRep::Iterator> iter(rep->GetIterator());
        for (bool last = false; !last;) {
          last = left.load() == 0;
          Set expected(less);
          for (size_t w = 0; w < kWriters; ++w) {
            const size_t n = progress[w].load(std::memory_order_acquire);
            for (size_t i = 0; i < n; ++i) {
              expected.insert(key_of(w, i));
            }
          }
          size_t found = 0;
          TestKey previous;
          bool first = true;
          for (forward ? iter->SeekToFirst() : iter->SeekToLast();
               iter->Valid(); forward ? iter->Next() : iter->Prev()) {
            const TestKey key = KeyOf(iter->key());
            ASSERT_TRUE(first ||
                        (forward ? less(previous, key) : less(key, previous)))
                << previous << " " << key;
            previous = key;
            first = false;
            found += expected.count(key);
          }
          ASSERT_EQ(expected.size(), found);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtOverflowTest,
                         ::testing::Values(ArtOrder::kBytewise,
                                           ArtOrder::kReverseBytewise),
                         [](const ::testing::TestParamInfo<ArtOrder>& param) {
                           return param.param == ArtOrder::kBytewise
                                      ? "Bytewise"
                                      : "ReverseBytewise";
                         });

}  // namespace art_test
}  // namespace memkv
