// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ProgressBar: says how far a long step is, on stderr, so that stdout stays a
// report. On a terminal one line is redrawn at most ten times a second;
// elsewhere (a log, a pipe) a whole line appears about every tenth of the way.
//
// The time left assumes that the rest goes at the mean speed so far.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "db_bench_ext/common/timing.h"

namespace memkv {

class ProgressBar {
 public:
  ProgressBar(std::string label, uint64_t total)
      : label_(std::move(label)), total_(std::max<uint64_t>(total, 1)) {}
  // Ends the line, also when the step was left early.
  ~ProgressBar() {
    if (terminal_) {
      std::fputc('\n', stderr);
    }
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // What is done now, for a bar that stands for several steps.
  void SetLabel(const std::string& label) {
    label_ = label;
    Add(0);
  }

  // Cheap enough to be called for every few hundred records.
  void Add(uint64_t n) {
    done_ += n;
    const double fraction =
        std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    const auto tenths = static_cast<unsigned>(fraction * 10);
    if (terminal_ ? watch_.seconds() - drawn_ >= 0.1
                  : tenths > tenths_ && tenths < 10) {
      tenths_ = tenths;
      Print(fraction);
    }
  }

  void Finish() { Print(1); }

 private:
  void Print(double fraction) {
    drawn_ = watch_.seconds();
    const auto percent = static_cast<unsigned>(fraction * 100);
    if (terminal_) {
      fmt::print(stderr,
                 "\r{:<26} [{:.<30}] {:3}%  {:.0f} s, {:.0f} s left    ",
                 label_, std::string(percent * 30 / 100, '#'), percent, drawn_,
                 fraction > 0 ? drawn_ * (1 - fraction) / fraction : 0.0);
    } else {
      fmt::print(stderr, "{}: {}% after {:.1f} s\n", label_, percent, drawn_);
    }
    std::fflush(stderr);
  }

  std::string label_;
  const uint64_t total_;
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const Stopwatch watch_;
  double drawn_ = 0;  // when
  uint64_t done_ = 0;
  unsigned tenths_ = 0;  // that were printed
};

}  // namespace memkv
