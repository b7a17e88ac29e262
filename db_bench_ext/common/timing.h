// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Clocks, and the two figures that stand for repeated measurements.
//
// Thread safety: functions without shared state.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace memkv {

// Nanoseconds of CPU that the calling thread has had.
double ThreadCpuNanos();
// Nanoseconds of CPU that all threads of this process have had.
double ProcessCpuNanos();
// Nanoseconds of a clock on the wall that never goes back.
uint64_t WallNanos();
// Seconds of that clock since WallNanos() was `nanos`.
double SecondsSince(uint64_t nanos);

// Starts when it is made. CPU time is that of all threads of this process.
class Stopwatch {
 public:
  double wall_nanos() const {
    return static_cast<double>(WallNanos() - start_);
  }
  double cpu_nanos() const { return ProcessCpuNanos() - cpu_; }
  double seconds() const { return SecondsSince(start_); }

 private:
  const uint64_t start_ = WallNanos();
  const double cpu_ = ProcessCpuNanos();
};

// CPU time of the thread that makes it.
class CpuClock {
 public:
  // Of each of `count` operations since then.
  double PerOperation(size_t count) const {
    return (ThreadCpuNanos() - start_) / static_cast<double>(count);
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
double Median(std::vector<double> values);
// (max - min) / median; 0 if the median is 0.
// REQUIRES: values is not empty.
double Spread(const std::vector<double>& values);
// The least value that is not less than `fraction` of all. Orders *values.
// REQUIRES: *values is not empty, 0 <= fraction <= 1.
uint64_t Percentile(double fraction, std::vector<uint64_t>* values);

}  // namespace memkv
