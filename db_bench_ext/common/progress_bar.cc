// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace memkv {

namespace {

constexpr int kBarCells = 30;
constexpr std::chrono::milliseconds kRedrawEvery{100};

std::string MinutesAndSeconds(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar(const std::string& label, uint64_t total, FILE* out)
    : label_(label),
      total_(std::max<uint64_t>(total, 1)),
      out_(out),
      terminal_(isatty(fileno(out)) != 0),
      start_(Clock::now()),
      last_drawn_(start_ - kRedrawEvery) {}

ProgressBar::~ProgressBar() {
  if (!finished_ && terminal_) {
    std::fputc('\n', out_);
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
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    if (now - last_drawn_ >= kRedrawEvery) {
      last_drawn_ = now;
      DrawBar(fraction, seconds);
    }
    return;
  }
  const auto tenths = static_cast<unsigned>(fraction * 10);
  if (tenths > tenths_printed_ && tenths < 10) {
    tenths_printed_ = tenths;
    PrintLine(fraction, seconds);
  }
}

void ProgressBar::Finish() {
  const double seconds =
      std::chrono::duration<double>(Clock::now() - start_).count();
  finished_ = true;
  if (terminal_) {
    DrawBar(1.0, seconds);
    std::fputc('\n', out_);
  } else {
    PrintLine(1.0, seconds);
  }
}

void ProgressBar::DrawBar(double fraction, double seconds) {
  const int full = static_cast<int>(fraction * kBarCells);
  std::string cells(static_cast<size_t>(full), '#');
  cells.resize(kBarCells, '.');
  const double left =
      fraction > 0 ? seconds * (1.0 - fraction) / fraction : 0.0;
  fmt::print(out_, "\r{:<26} [{}] {:3.0f}%  {}  left {} ", label_, cells,
             std::floor(fraction * 100), MinutesAndSeconds(seconds),
             MinutesAndSeconds(left));
  std::fflush(out_);
}

void ProgressBar::PrintLine(double fraction, double seconds) {
  fmt::print(out_, "{}: {:.0f}% after {:.1f} s\n", label_,
             std::floor(fraction * 100), seconds);
  std::fflush(out_);
}

}  // namespace memkv
