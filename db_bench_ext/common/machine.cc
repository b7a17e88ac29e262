// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/machine.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

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

MachineDescription DescribeMachine() {
  MachineDescription machine;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      machine.cpu = line.substr(colon + 2);
      break;
    }
  }
  if (machine.cpu.empty()) {
    machine.cpu = "unknown";
  }
  machine.cpus = std::thread::hardware_concurrency();
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0) {
    machine.memory_bytes =
        static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  }
  utsname system;
  if (uname(&system) == 0) {
    // Without what a distribution appends to the number.
    const std::string release = system.release;
    machine.kernel = std::string(system.sysname) + " " +
                     release.substr(0, release.find('-')) + " " +
                     system.machine;
  }
#ifdef __clang__
  machine.compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
  machine.compiler = "gcc " __VERSION__;
#endif
  return machine;
}

uint64_t PeakResident() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) {
      return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
  }
  return 0;
}

void ResetPeakResident() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace memkv
