// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace memkv {

ProgressBar::ProgressBar(const std::string& label, uint64_t total)
    : label_(label),
      total_(std::max<uint64_t>(total, 1)),
      terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (terminal_) {
    std::fputc('\n', stderr);
  }
}

void ProgressBar::SetLabel(const std::string& label) {
  label_ = label;
  Add(0);
}

void ProgressBar::Add(uint64_t n) {
  done_ += n;
  const double fraction =
      std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const auto tenths = static_cast<unsigned>(fraction * 10);
  if (terminal_ ? Clock::now() - drawn_ >= std::chrono::milliseconds(100)
                : tenths > tenths_ && tenths < 10) {
    tenths_ = tenths;
    Print(fraction);
  }
}

void ProgressBar::Finish() { Print(1); }

void ProgressBar::Print(double fraction) {
  drawn_ = Clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  const auto percent = static_cast<unsigned>(fraction * 100);
  if (terminal_) {
    fmt::print(stderr, "\r{:<26} [{:.<30}] {:3}%  {:.0f} s, {:.0f} s left    ",
               label_, std::string(percent * 30 / 100, '#'), percent, seconds,
               fraction > 0 ? seconds * (1 - fraction) / fraction : 0.0);
  } else {
    fmt::print(stderr, "{}: {}% after {:.1f} s\n", label_, percent, seconds);
  }
  std::fflush(stderr);
}

}  // namespace memkv
