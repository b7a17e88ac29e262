// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Threads for the race tests.

#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "memtable/art/node.h"
#include "tests/util/art_test_util.h"

#if !defined(MEMKV_ART_TSAN) && defined(__linux__)
// The thread sanitizer holds signals back until a thread waits.
#define MEMKV_RACE_NAPS 1
#include <pthread.h>
#include <signal.h>
#endif

namespace memkv {
namespace art_test {

class Barrier {
 public:
  explicit Barrier(int n) : missing_(n) {}
  void Wait() {
    missing_.fetch_sub(1);
    while (missing_.load() > 0) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> missing_;
};

// Threads that start together. Where it can, it makes them nap, each anywhere
// in its code, so that few processors show what many would.
class Crowd {
 public:
  void Add(std::function<void()> work) { works_.push_back(std::move(work)); }

  void Run() {
    Barrier start(static_cast<int>(works_.size()));
    std::atomic<size_t> left{works_.size()};
    std::vector<std::thread> threads;
    for (const auto& work : works_) {
      threads.emplace_back([&start, &left, &work] {
        start.Wait();
        work();
        left.fetch_sub(1);
      });
    }
#if defined(MEMKV_RACE_NAPS)
    struct sigaction action = {};
    action.sa_handler = [](int) {
      const struct timespec nap = {0, 50 * 1000};
      const int saved = errno;
      nanosleep(&nap, nullptr);
      errno = saved;
    };
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    std::mt19937_64 random(TestSeed());
    while (left.load() > 0) {
      pthread_kill(threads[random() % threads.size()].native_handle(), SIGUSR1);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
    }
#endif
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

 private:
  std::vector<std::function<void()>> works_;
};

}  // namespace art_test
}  // namespace memkv
