// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ZipfSource: ranks in [0, n) of weight 1 / (rank + 1)^exponent, for any n
// without a table, by rejection-inversion. On average fewer than two numbers
// are drawn for one.
//
// Thread safety: const; the RandomSource is the caller's.
//
// Literature: Hoermann, Derflinger, "Rejection-Inversion to Generate Variates
// from Monotone Discrete Distributions", TOMACS 6(3), 1996.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "db_bench_ext/keys/random_source.h"

namespace memkv {

class ZipfSource {
 public:
  // REQUIRES: n > 0, 0 < exponent, exponent != 1.
  ZipfSource(uint64_t n, double exponent)
      : n_(static_cast<double>(n)),
        exponent_(exponent),
        area_begin_(Area(1.5) - 1),
        area_end_(Area(n_ + 0.5)),
        always_(2 - AreaInverse(Area(2.5) - Weight(2))) {}

  uint64_t Draw(RandomSource* random) const {
    for (;;) {
      const double u =
          area_end_ + random->Fraction() * (area_begin_ - area_end_);
      const double x = AreaInverse(u);
      const double k = std::min(std::max(std::floor(x + 0.5), 1.0), n_);
      if (k - x <= always_ || u >= Area(k + 0.5) - Weight(k)) {
        return static_cast<uint64_t>(k) - 1;
      }
    }
  }

 private:
  double Weight(double x) const { return std::pow(x, -exponent_); }
  // The integral of Weight, and its inverse.
  double Area(double x) const {
    return (std::pow(x, 1 - exponent_) - 1) / (1 - exponent_);
  }
  double AreaInverse(double area) const {
    return std::pow(1 + area * (1 - exponent_), 1 / (1 - exponent_));
  }

  const double n_;
  const double exponent_;
  const double area_begin_;
  const double area_end_;
  const double always_;
};

}  // namespace memkv
