// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Figures as reports show them, of three significant digits.
//
// Thread safety: functions without shared state.

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace memkv {

inline std::string ShowDigits(double value) {
  return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

// In the first unit, each a thousand of the one before, that makes it small.
inline std::string ShowScaled(double value,
                              std::initializer_list<const char*> units) {
  auto unit = units.begin();
  for (; value >= 1000 && unit + 1 < units.end(); ++unit) {
    value /= 1000;
  }
  return ShowDigits(value) + (**unit == '\0' ? "" : " ") + *unit;
}

inline std::string ShowNanos(double nanos) {
  return ShowScaled(nanos, {"ns", "us", "ms", "s"});
}
inline std::string ShowBytes(double bytes) {
  return ShowScaled(bytes, {"B", "kB", "MB", "GB", "TB"});
}
inline std::string ShowCount(double count) {
  return ShowScaled(count, {"", "K", "M", "G"});
}

// "3,754,180".
inline std::string ShowWhole(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

// "64 MB", of powers of two.
inline std::string ShowSize(uint64_t bytes) {
  return bytes % (1 << 30) == 0   ? std::to_string(bytes >> 30) + " GB"
         : bytes % (1 << 20) == 0 ? std::to_string(bytes >> 20) + " MB"
                                  : std::to_string(bytes >> 10) + " kB";
}

}  // namespace memkv
