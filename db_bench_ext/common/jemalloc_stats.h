// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What jemalloc says this process has allocated, and how much memory it holds
// for that. `allocated` is exact at the moment of the call for what the program
// asked for (size classes included); `active` adds the unused rest of pages in
// use, `resident` the allocator's own structures and pages freed but kept.
// Mapped files and the page cache are in none of them.
//
// Thread safety: any thread.

#pragma once

#include <cstddef>

namespace memkv {

struct JemallocBytes {
  size_t allocated = 0;
  size_t active = 0;
  size_t resident = 0;
};

// A Failure if jemalloc was built without statistics.
JemallocBytes ReadJemallocBytes();

// Gives what jemalloc has kept of freed memory back to the system, so that
// whoever allocates next pays for its pages itself. What the calling thread has
// freed and keeps for itself, which is in `allocated` still, goes as well; that
// of other threads stays.
void ReleaseFreedMemory();

}  // namespace memkv
