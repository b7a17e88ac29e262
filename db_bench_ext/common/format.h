// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Format: printf into a string.
//
// Thread safety: a function without shared state.

#pragma once

#include <cstdio>
#include <string>

namespace memkv {

// At most 255 bytes.
template <typename... Args>
std::string Format(const char* format, Args... args) {
  char buffer[256];
  std::snprintf(buffer, sizeof(buffer), format, args...);
  return buffer;
}

}  // namespace memkv
