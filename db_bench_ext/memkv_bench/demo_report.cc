// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/demo_report.h"

#include <algorithm>
#include <cmath>

#include "db_bench_ext/common/format.h"

namespace memkv {

namespace {

// Closer than this factor is no difference: runs vary by more. Nor is a tenth
// of a second of wall time, which the disk's mood decides.
constexpr double kSameWithin = 1.03;
constexpr double kSameSeconds = 0.1;

std::string Shown(double value, DemoReport::Unit unit) {
  if (value < 0) {
    return "n/a";
  }
  switch (unit) {
    case DemoReport::Unit::kSeconds:
      return Format("%.2f s ", value);
    case DemoReport::Unit::kMegabytes:
      return Format("%.1f MB", value / 1e6);
    case DemoReport::Unit::kBytesPerKey:
      return Format("%.2f B ", value);
    case DemoReport::Unit::kNanos:
      return Format("%.0f ns", value);
  }
  return "";
}

enum class Verdict { kUnknown, kLess, kSame, kMore };

Verdict Judge(double stock, double memkv, DemoReport::Unit unit) {
  if (stock <= 0 || memkv <= 0) {
    return Verdict::kUnknown;
  }
  const bool brief = unit == DemoReport::Unit::kSeconds &&
                     std::fabs(stock - memkv) < kSameSeconds;
  if (brief || std::max(stock, memkv) <= std::min(stock, memkv) * kSameWithin) {
    return Verdict::kSame;
  }
  return memkv > stock ? Verdict::kMore : Verdict::kLess;
}

std::string Compared(double stock, double memkv, Verdict verdict) {
  switch (verdict) {
    case Verdict::kMore:
      return Format("%.2fx MORE", memkv / stock);
    case Verdict::kLess:
      return Format("%.2fx less", stock / memkv);
    case Verdict::kSame:
      return "the same";
    case Verdict::kUnknown:
      break;
  }
  return "";
}

}  // namespace

void DemoReport::AddRow(const std::string& label, Unit unit, double stock,
                        double memkv) {
  rows_.push_back({label, unit, stock, memkv});
}

void DemoReport::AddGap() { rows_.emplace_back(); }

void DemoReport::Print(FILE* out) const {
  std::string losses;
  std::fprintf(out, "%-34s %14s %14s   %s\n", "", "stock", "memkv",
               "memkv takes");
  for (const Row& row : rows_) {
    if (row.label.empty()) {
      std::fputc('\n', out);
      continue;
    }
    const Verdict verdict = Judge(row.stock, row.memkv, row.unit);
    std::fprintf(out, "%-34s %14s %14s   %s\n", row.label.c_str(),
                 Shown(row.stock, row.unit).c_str(),
                 Shown(row.memkv, row.unit).c_str(),
                 Compared(row.stock, row.memkv, verdict).c_str());
    if (verdict == Verdict::kMore) {
      losses += (losses.empty() ? "" : "; ") + row.label;
    }
  }
  if (losses.empty()) {
    std::fprintf(out, "\nIn this run memkv is behind stock nowhere.\n");
  } else {
    std::fprintf(out, "\nIn this run memkv is BEHIND stock on: %s.\n",
                 losses.c_str());
  }
}

}  // namespace memkv
