// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Stops a thread before any of its instructions, by the processor's trap flag,
// where there is one: MEMKV_STEPPING says so.
//
// Thread safety: none; one thread of the test may use it.

#pragma once

#include "memtable/art/node.h"

#if defined(__x86_64__) && defined(__linux__) && !defined(MEMKV_ART_TSAN)
#define MEMKV_STEPPING 1

#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <thread>

#include "tests/race/race_time.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace art_test {

// One thread at a time may be stopped.
class Stopper {
 public:
  // Runs `work` in a thread and stops it before its `at`-th instruction, to run
  // `meanwhile` here. Returns how many instructions were counted. Who stops
  // with a lock is let go after a while.
  static long Run(long at, const std::function<void()>& work,
                  const std::function<void()>& meanwhile) {
    struct sigaction action = {};
    action.sa_sigaction = OnTrap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, nullptr);
    at_ = at;
    count_ = 0;
    state_.store(kRunning);
    std::thread thread([&work] {
      SetTrapFlag();
      work();
      ClearTrapFlag();
      state_.store(kFinished);
    });
    while (state_.load() == kRunning) {
      std::this_thread::yield();
    }
    int stopped = kStopped;
    if (state_.load() == kStopped) {
      meanwhile();
      if (state_.compare_exchange_strong(stopped, kLetGo)) {
        ++held_;
      }
    }
    using Clock = std::chrono::steady_clock;
    const Clock::time_point patience = Clock::now() + std::chrono::seconds(60);
    while (state_.load() != kFinished) {
      if (Clock::now() > patience) {
        fprintf(stderr, "stopped at instruction %ld, it never ends\n", at);
        abort();
      }
      std::this_thread::yield();
    }
    thread.join();
    return count_;
  }

  // How many threads stayed stopped until `meanwhile` was over.
  static int held() { return held_; }

 private:
  enum State : int { kRunning, kStopped, kLetGo, kFinished };

  // The red zone is the compiler's.
  static void SetTrapFlag() {
    asm volatile(
        "sub $128, %%rsp\n pushfq\n orq $0x100, (%%rsp)\n popfq\n"
        "add $128, %%rsp\n" ::
            : "memory", "cc");
  }
  static void ClearTrapFlag() {
    asm volatile(
        "sub $128, %%rsp\n pushfq\n andq $~0x100, (%%rsp)\n popfq\n"
        "add $128, %%rsp\n" ::
            : "memory", "cc");
  }

  static void OnTrap(int, siginfo_t*, void* context) {
    if (++count_ != at_) {
      return;
    }
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
    state_.store(kStopped);
    struct timespec begun;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    struct timespec now = begun;
    while (state_.load() == kStopped &&
           (now.tv_sec - begun.tv_sec) * 1000000000 + now.tv_nsec -
                   begun.tv_nsec <
               5 * 1000 * 1000) {
      const struct timespec nap = {0, 1000};
      nanosleep(&nap, nullptr);
      clock_gettime(CLOCK_MONOTONIC, &now);
    }
    int stopped = kStopped;
    state_.compare_exchange_strong(stopped, kLetGo);
  }

  static inline volatile long at_;
  static inline volatile long count_;
  static inline std::atomic<int> state_;
  static inline int held_ = 0;
};

// Plays until the time of one test is up: `play` is given what the scene is
// made from, and where to stop in it, and returns how many instructions there
// were.
inline void PlayOften(const std::function<long(uint64_t seed, long at)>& play) {
  constexpr int kTests = 22;
  constexpr int kStopsInAScene = 8;
  constexpr int kMostStops = 10000;
  // Where nothing is stopped, nothing is tested; nor where a slow machine lets
  // go before the others are through.
  const RaceTime time(kTests, kStopsInAScene);
  const int held_before = Stopper::held();
  const auto held = [held_before] { return Stopper::held() - held_before; };
  // Spread evenly however many there will be.
  double where = 0;
  int stops = 0;
  for (uint64_t seed = TestSeed(); !time.IsUp(held()); ++seed) {
    // Only to see how long it is.
    const long length = play(seed, std::numeric_limits<long>::max());
    for (int i = 0; i < kStopsInAScene && !time.IsUp(held()); ++i) {
      where += 0.6180339887498949;
      where -= where >= 1 ? 1 : 0;
      play(seed, 1 + static_cast<long>(where * static_cast<double>(length)));
      if (::testing::Test::HasFailure()) {
        return;
      }
      ++stops;
    }
    ASSERT_TRUE(stops < kMostStops || held() >= kStopsInAScene)
        << held() << " of " << stops << " stops held";
  }
}

}  // namespace art_test
}  // namespace memkv

#endif
