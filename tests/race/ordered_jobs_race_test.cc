// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Jobs that threads do side by side, against one thread that does them in turn.
// What a job and a thread number own is plain memory, so that the thread
// sanitizer sees it if two threads have it at a time.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/race/race_time.h"
#include "tests/util/test_seed.h"
#include "util/ordered_jobs.h"

namespace memkv {
namespace {

using art_test::RaceTime;

// Turns a number into another one, by so many steps.
class MixJob : public OrderedJobs::Job {
 public:
  MixJob(uint64_t number, unsigned steps, std::vector<uint64_t>* by_thread,
         int* destroyed)
      : number_(number),
        steps_(steps),
        by_thread_(by_thread),
        destroyed_(destroyed) {}
  ~MixJob() override { ++*destroyed_; }

  void Do(unsigned thread) override {
    ++times_done_;
    (*by_thread_)[thread] += steps_ + 1;
    for (unsigned i = 0; i < steps_; ++i) {
      number_ = number_ * 6364136223846793005u + 1442695040888963407u;
    }
  }

  uint64_t number() const { return number_; }
  int times_done() const { return times_done_; }

 private:
  uint64_t number_;
  const unsigned steps_;
  std::vector<uint64_t>* const by_thread_;
  int* const destroyed_;  // the owner's alone destroys
  int times_done_ = 0;
};

struct RunResult {
  std::vector<uint64_t> numbers;
  uint64_t work = 0;
};

// Adds `jobs` jobs, never has more than `most` of them, and takes all, or
// leaves the last `left` to the destructor.
RunResult RunJobs(unsigned threads, size_t jobs, size_t most, size_t left,
                  uint64_t seed) {
  RunResult result;
  std::vector<uint64_t> by_thread(threads);
  int destroyed = 0;
  {
    OrderedJobs ordered(threads);
    std::mt19937_64 random(seed);
    const auto take = [&](std::unique_ptr<OrderedJobs::Job> job) {
      const auto& mixed = static_cast<const MixJob&>(*job);
      EXPECT_EQ(mixed.times_done(), 1);
      result.numbers.push_back(mixed.number());
    };
    for (size_t i = 0; i < jobs; ++i) {
      const auto steps = static_cast<unsigned>(random() % 3000);
      ordered.Add(std::make_unique<MixJob>(i, steps, &by_thread, &destroyed));
      while (ordered.size() >= most) take(ordered.Take());
      if (i % 3 == 0) {
        while (auto job = ordered.TakeIfDone()) take(std::move(job));
      }
    }
    while (ordered.size() > left) take(ordered.Take());
    EXPECT_EQ(ordered.num_threads(), threads);
  }
  // Those that the destructor found, too.
  EXPECT_EQ(destroyed, static_cast<int>(jobs));
  for (const uint64_t work : by_thread) result.work += work;
  return result;
}

TEST(OrderedJobsRaceTest, ThreadsComeToWhatOneThreadComesTo) {
  const RaceTime time(2, 20);
  for (int round = 0; !time.IsUp(round); ++round) {
    const uint64_t seed = TestSeed() + static_cast<uint64_t>(round);
    const size_t jobs = 1 + seed % 300;
    const RunResult expected = RunJobs(1, jobs, 1, 0, seed);
    ASSERT_EQ(expected.numbers.size(), jobs);
    for (const unsigned threads : {2u, 3u, 8u}) {
      for (const size_t most : {size_t{1}, size_t{2}, size_t{2} * threads}) {
        const RunResult found = RunJobs(threads, jobs, most, 0, seed);
        ASSERT_EQ(found.numbers, expected.numbers)
            << threads << " threads, seed " << seed;
        ASSERT_EQ(found.work, expected.work);
      }
    }
  }
}

TEST(OrderedJobsRaceTest, DestructionWaitsForThoseBegunAndDropsTheOthers) {
  const RaceTime time(2, 20);
  for (int round = 0; !time.IsUp(round); ++round) {
    const uint64_t seed = TestSeed() + static_cast<uint64_t>(round);
    const size_t jobs = 2 + seed % 40;
    const RunResult all = RunJobs(1, jobs, 1, 0, seed);
    const size_t left = seed % jobs;
    for (const unsigned threads : {1u, 2u, 5u}) {
      const RunResult found = RunJobs(threads, jobs, jobs + 1, left, seed);
      const std::vector<uint64_t> first(
          all.numbers.begin(),
          all.numbers.begin() + static_cast<ptrdiff_t>(found.numbers.size()));
      ASSERT_EQ(found.numbers, first);
      ASSERT_GE(found.numbers.size(), jobs - left);
      ASSERT_LE(found.work, all.work);
    }
  }
}

TEST(OrderedJobsRaceTest, NothingIsDoneBeforeItIsTakenIfThereIsOneThread) {
  std::vector<uint64_t> by_thread(1);
  int destroyed = 0;
  OrderedJobs ordered(1);
  for (uint64_t i = 0; i < 3; ++i) {
    ordered.Add(std::make_unique<MixJob>(i, 0, &by_thread, &destroyed));
  }
  EXPECT_EQ(ordered.TakeIfDone(), nullptr);
  EXPECT_EQ(by_thread[0], 0u);
  const std::unique_ptr<OrderedJobs::Job> first = ordered.Take();
  EXPECT_EQ(static_cast<const MixJob&>(*first).number(), 0u);
  EXPECT_EQ(by_thread[0], 1u);
  EXPECT_EQ(ordered.size(), 2u);
}

}  // namespace
}  // namespace memkv
