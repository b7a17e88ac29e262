// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What jemalloc says this process has allocated. The figure is exact at the
// moment of the call for what the program asked for (size classes included),
// and says nothing of fragmentation, mapped files or the page cache.
//
// Thread safety: any thread.

#pragma once

#include <cstddef>

namespace memkv {

// `stats.allocated` in *bytes. False, and *bytes untouched, if the program does
// not run on jemalloc or jemalloc was built without statistics.
bool JemallocAllocated(size_t* bytes);

}  // namespace memkv
