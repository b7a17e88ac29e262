// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The machine below a benchmark: what /proc says of it, threads that stay on
// their CPU, so that figures are comparable, and the memory of this process.
//
// Thread safety: any thread.

#pragma once

#include <jemalloc/jemalloc.h>
#include <sched.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "db_bench_ext/common/check.h"

namespace memkv {

// The CPUs that this process might use before a thread was pinned, the last one
// first.
inline const std::vector<int>& Cpus() {
  static const std::vector<int> all = [] {
    std::vector<int> cpus;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    (void)sched_getaffinity(0, sizeof(allowed), &allowed);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
      if (CPU_ISSET(cpu, &allowed)) {
        cpus.push_back(cpu);
      }
    }
    return cpus;
  }();
  return all;
}
// Pins the calling thread: thread 0 to the last of those CPUs, thread 1 to the
// one before it, and so on, around.
inline void PinToCpu(size_t thread) {
  if (!Cpus().empty()) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(Cpus()[thread % Cpus().size()], &one);
    // Of the calling thread. A failure leaves it where it may run already.
    (void)sched_setaffinity(0, sizeof(one), &one);
  }
}

// What follows `name` on the first line of a file (of /proc, say) that begins
// with it; empty if none does.
inline std::string LineOf(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name, 0) == 0) {
      return line.substr(name.size());
    }
  }
  return "";
}

// The most memory this process has been resident with since ResetPeakResident,
// where the system lets that be forgotten, or else since it began. 0 if the
// system does not say.
inline uint64_t PeakResident() {
  const std::string kilobytes = LineOf("/proc/self/status", "VmHWM:");
  return std::strtoull(kilobytes.c_str(), nullptr, 10) * 1024;
}
inline void ResetPeakResident() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

// What jemalloc says. `allocated` is exact for what the program asked for (size
// classes included); `active` adds the unused rest of pages in use, `resident`
// the allocator's own structures and pages freed but kept. Mapped files and the
// page cache are in none of them.
struct JemallocBytes {
  size_t allocated = 0;
  size_t active = 0;
  size_t resident = 0;
};

// A Failure if jemalloc was built without statistics.
inline JemallocBytes ReadJemallocBytes() {
  // jemalloc caches its statistics; a new epoch refreshes them.
  uint64_t epoch = 1;
  (void)mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch));
  auto read = [](const char* name) {
    size_t value = 0;
    size_t size = sizeof(value);
    if (mallctl(name, &value, &size, nullptr, 0) != 0) {
      throw Failure(Status::NotSupported(
          "jemalloc, of this program, has no statistics", name));
    }
    return value;
  };
  return {read("stats.allocated"), read("stats.active"),
          read("stats.resident")};
}

// Gives what jemalloc has kept of freed memory back to the system, so that
// whoever allocates next pays for its pages itself. What the calling thread has
// freed and keeps for itself, which is in `allocated` still, goes as well; that
// of other threads stays.
inline void ReleaseFreedMemory() {
  (void)mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  // 4096 is MALLCTL_ARENAS_ALL.
  (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace memkv
