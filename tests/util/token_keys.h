// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Keys that a token table pays for: of words, and of several lengths, so that
// what they end with is at no position of its own, as fixed bytes are.
//
// Thread safety: a pure function.

#pragma once

#include <string>

namespace memkv {

// Ascending while `number` has as many digits.
inline std::string TokenKey(int number) {
  static const char* const kNames[] = {"", "-common", "-doc", "-dev-headers",
                                       "-x"};
  return "usr/lib/python3/dist-packages/module-" + std::to_string(number) +
         kNames[number % 5] + "/__init__.py";
}

}  // namespace memkv
