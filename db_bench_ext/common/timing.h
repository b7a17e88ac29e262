// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Clocks, and the figures that stand for repeated measurements.
//
// Thread safety: functions without shared state.

#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace memkv {

inline uint64_t Nanos(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 +
         static_cast<uint64_t>(now.tv_nsec);
}
// Of a clock on the wall that never goes back.
inline uint64_t WallNanos() { return Nanos(CLOCK_MONOTONIC); }
// Of CPU that the calling thread has had.
inline double ThreadCpuNanos() {
  return static_cast<double>(Nanos(CLOCK_THREAD_CPUTIME_ID));
}
// Of CPU that all threads of this process have had.
inline double ProcessCpuNanos() {
  return static_cast<double>(Nanos(CLOCK_PROCESS_CPUTIME_ID));
}

// Starts when it is made. CPU time is that of all threads of this process.
class Stopwatch {
 public:
  double wall_nanos() const {
    return static_cast<double>(WallNanos() - start_);
  }
  double cpu_nanos() const { return ProcessCpuNanos() - cpu_; }
  double seconds() const { return wall_nanos() / 1e9; }

 private:
  const uint64_t start_ = WallNanos();
  const double cpu_ = ProcessCpuNanos();
};

// CPU time of the thread that makes it.
class CpuClock {
 public:
  double nanos() const { return ThreadCpuNanos() - start_; }
  // Of each of `count` operations since then.
  double PerOperation(size_t count) const {
    return nanos() / static_cast<double>(count);
  }

 private:
  const double start_ = ThreadCpuNanos();
};

// Of each of some things the least time that it took in any repeat: what
// disturbs one repeat is not in it.
class LeastTimes {
 public:
  // So many things. Called before their times are taken: what follows the
  // clock of one is on that of the next.
  void SetSize(size_t things) { least_.resize(things, INFINITY); }
  void Add(size_t thing, double nanos) {
    least_[thing] = std::min(least_[thing], static_cast<float>(nanos));
  }
  bool empty() const { return least_.empty(); }
  // Of those the most.
  double Worst() const {
    return *std::max_element(least_.begin(), least_.end());
  }

 private:
  std::vector<float> least_;
};

// The middle value, or the mean of the two in the middle.
// REQUIRES: values is not empty.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// (max - min) / median; 0 if the median is 0.
// REQUIRES: values is not empty.
inline double Spread(const std::vector<double>& values) {
  const double median = Median(values);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return median == 0 ? 0 : (*most - *least) / median;
}

// The least value that is not less than `fraction` of all. Orders *values.
// REQUIRES: *values is not empty, 0 <= fraction <= 1.
inline uint64_t Percentile(double fraction, std::vector<uint64_t>* values) {
  const auto rank =
      static_cast<size_t>(fraction * static_cast<double>(values->size()));
  const auto nth = values->begin() + static_cast<std::ptrdiff_t>(
                                         std::min(values->size() - 1, rank));
  std::nth_element(values->begin(), nth, values->end());
  return *nth;
}

}  // namespace memkv
