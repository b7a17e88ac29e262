// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// DemoReport: the one table of the demo, stock beside memkv, with the factor
// between them in words. In every row less is better, so the words can be
// plain: "1.8x less" or "1.2x MORE", and a last line names what memkv loses.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace memkv {

class DemoReport {
 public:
  enum class Unit { kSeconds, kMegabytes, kBytesPerKey, kNanos };

  // Values in seconds, bytes, bytes and nanoseconds. An unknown value is
  // negative and shown as n/a.
  void AddRow(const std::string& label, Unit unit, double stock, double memkv);
  // An empty line between groups of rows.
  void AddGap();

  void Print(FILE* out) const;

 private:
  struct Row {
    std::string label;
    Unit unit = Unit::kSeconds;
    double stock = -1;
    double memkv = -1;
  };

  std::vector<Row> rows_;
};

}  // namespace memkv
