// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/machine.h"

#include <jemalloc/jemalloc.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "db_bench_ext/common/check.h"

namespace memkv {

namespace {

// The last one first. Asked for the first time before any thread is pinned.
const std::vector<int>& Cpus() {
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

size_t ReadSize(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  if (mallctl(name, &value, &size, nullptr, 0) != 0) {
    throw Failure(rocksdb::Status::NotSupported(
        "jemalloc, of this program, has no statistics", name));
  }
  return value;
}

}  // namespace

size_t NumCpus() { return Cpus().size(); }

void PinToCpu(size_t thread) {
  if (!Cpus().empty()) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(Cpus()[thread % Cpus().size()], &one);
    // Of the calling thread. A failure leaves it where it may run already.
    (void)sched_setaffinity(0, sizeof(one), &one);
  }
}

std::string LineOf(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name, 0) == 0) {
      return line.substr(name.size());
    }
  }
  return "";
}

uint64_t PeakResident() {
  const std::string kilobytes = LineOf("/proc/self/status", "VmHWM:");
  return std::strtoull(kilobytes.c_str(), nullptr, 10) * 1024;
}

void ResetPeakResident() { std::ofstream("/proc/self/clear_refs") << "5"; }

JemallocBytes ReadJemallocBytes() {
  // jemalloc caches its statistics; a new epoch refreshes them.
  uint64_t epoch = 1;
  (void)mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch));
  return {ReadSize("stats.allocated"), ReadSize("stats.active"),
          ReadSize("stats.resident")};
}

void ReleaseFreedMemory() {
  (void)mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  // 4096 is MALLCTL_ARENAS_ALL.
  (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace memkv
