// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How much memory the process asks for while something runs: all its threads,
// whatever they allocate with operator new, and below the address sanitizer
// with malloc, too.
//
// A program that links this has the counting operator new.
//
// Thread safety: one watch at a time; what it watches may run on any threads.

#pragma once

#include <cstddef>

namespace memkv {

class AllocationWatch {
 public:
  // Begins to watch.
  AllocationWatch();

  // Since then: the largest piece that was asked for, and how much more than at
  // the beginning was held at once.
  size_t largest() const;
  size_t most_held() const;
};

}  // namespace memkv
