// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Clocks, and the two figures that stand for repeated measurements.
//
// Thread safety: functions without shared state.

#pragma once

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

// The middle value, or the mean of the two in the middle.
// REQUIRES: values is not empty.
double Median(std::vector<double> values);
// (max - min) / median; 0 if the median is 0.
// REQUIRES: values is not empty.
double Spread(const std::vector<double>& values);

}  // namespace memkv
