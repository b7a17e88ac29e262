// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ProgressBar: says how far a long step is, on stderr, so that stdout stays a
// report. On a terminal one line is redrawn at most ten times a second;
// elsewhere (a log, a pipe) a whole line appears about every tenth of the way.
//
// Thread safety: none; one object, one thread.
//
// Known weakness: the time left assumes that the rest goes at the mean speed
// so far, which a load that compaction catches up with does not.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace memkv {

class ProgressBar {
 public:
  ProgressBar(const std::string& label, uint64_t total);
  // Ends the line, also when the step was left early.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // What is done now, for a bar that stands for several steps.
  void SetLabel(const std::string& label);

  // Cheap enough to be called for every few hundred records.
  void Add(uint64_t n);
  void Finish();

 private:
  using Clock = std::chrono::steady_clock;

  void Print(double fraction);

  std::string label_;
  const uint64_t total_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_;
  uint64_t done_ = 0;
  unsigned tenths_ = 0;  // that were printed
};

}  // namespace memkv
