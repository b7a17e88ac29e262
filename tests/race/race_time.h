// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How long race tests may take: MEMKV_RACE_SECONDS in all, 10 by default.
//
// Thread safety: a const RaceTime may be asked from any thread.

#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace memkv {
namespace art_test {

// The time of one of `tests` tests, from now on.  It is not up before the test
// has had `least` rounds: on a slow machine a test takes longer, rather than
// that it tests nothing.
class RaceTime {
 public:
  RaceTime(int tests, int least) : least_(least) {
    const char* const env = std::getenv("MEMKV_RACE_SECONDS");
    const double seconds = (env != nullptr ? std::atof(env) : 10) / tests;
    end_ = Clock::now() +
           std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
  }

  bool IsUp(int rounds) const {
    return rounds >= least_ && Clock::now() >= end_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  const int least_;
  Clock::time_point end_;
};

}  // namespace art_test
}  // namespace memkv
