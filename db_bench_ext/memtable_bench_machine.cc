// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench_machine.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <thread>
#include <vector>

// As in jemalloc_stats.cc: resolved only if the program runs on jemalloc.
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size,
                       void* new_value, size_t new_size) __attribute__((weak));

namespace memkv {

namespace {

std::vector<int>& Cpus() {
  static std::vector<int> cpus;
  return cpus;
}

}  // namespace

size_t RememberCpus() {
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
      if (CPU_ISSET(cpu, &allowed)) {
        Cpus().push_back(cpu);
      }
    }
    return Cpus().size();
  }
#endif
  return std::thread::hardware_concurrency();
}

void PinToCpu(size_t thread) {
#ifdef __linux__
  if (Cpus().empty()) {
    return;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(Cpus()[thread % Cpus().size()], &one);
  // Of the calling thread. A failure leaves it where it may run already.
  (void)sched_setaffinity(0, sizeof(one), &one);
#else
  (void)thread;
#endif
}

void ReleaseFreedMemory() {
  if (mallctl != nullptr) {
    // 4096 is MALLCTL_ARENAS_ALL.
    (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  }
}

}  // namespace memkv
