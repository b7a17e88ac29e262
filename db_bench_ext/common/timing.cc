// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/timing.h"

#include <time.h>

#include <algorithm>

namespace memkv {

namespace {

uint64_t Nanos(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 +
         static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

double ThreadCpuNanos() {
  return static_cast<double>(Nanos(CLOCK_THREAD_CPUTIME_ID));
}

double ProcessCpuNanos() {
  return static_cast<double>(Nanos(CLOCK_PROCESS_CPUTIME_ID));
}

uint64_t WallNanos() { return Nanos(CLOCK_MONOTONIC); }

double SecondsSince(uint64_t nanos) {
  return static_cast<double>(WallNanos() - nanos) / 1e9;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double Spread(const std::vector<double>& values) {
  const double median = Median(values);
  const auto [least, greatest] =
      std::minmax_element(values.begin(), values.end());
  return median == 0 ? 0 : (*greatest - *least) / median;
}

uint64_t Percentile(double fraction, std::vector<uint64_t>* values) {
  const auto rank =
      static_cast<size_t>(fraction * static_cast<double>(values->size()));
  const auto nth = values->begin() + static_cast<std::ptrdiff_t>(
                                         std::min(values->size() - 1, rank));
  std::nth_element(values->begin(), nth, values->end());
  return *nth;
}

}  // namespace memkv
