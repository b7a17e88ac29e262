// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// LatencySamples: nanoseconds of single operations, all of them kept (4 bytes
// each, a few hundred thousand a run), so that percentiles are exact.
//
// Thread safety: none; one object, one thread, and Merge afterwards.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace memkv {

class LatencySamples {
 public:
  void Add(uint64_t nanos) {
    nanos_.push_back(static_cast<uint32_t>(
        std::min<uint64_t>(nanos, std::numeric_limits<uint32_t>::max())));
  }
  void Merge(const LatencySamples& other) {
    nanos_.insert(nanos_.end(), other.nanos_.begin(), other.nanos_.end());
  }
  size_t size() const { return nanos_.size(); }

  // The least value that is not less than `fraction` of all.
  // REQUIRES: size() > 0, 0 <= fraction <= 1.
  uint32_t Percentile(double fraction) {
    const auto n = static_cast<double>(nanos_.size());
    const size_t at =
        std::min(nanos_.size() - 1, static_cast<size_t>(fraction * n));
    const auto nth = nanos_.begin() + static_cast<std::ptrdiff_t>(at);
    std::nth_element(nanos_.begin(), nth, nanos_.end());
    return *nth;
  }

 private:
  std::vector<uint32_t> nanos_;
};

}  // namespace memkv
