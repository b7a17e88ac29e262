// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The machine below a benchmark: what /proc says of it, threads that stay on
// their CPU, so that figures are comparable, and the memory of this process.
//
// Thread safety: any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace memkv {

// The CPUs that this process might use before a thread was pinned.
size_t NumCpus();
// Pins the calling thread: thread 0 to the last of those CPUs, thread 1 to the
// one before it, and so on, around.
void PinToCpu(size_t thread);

// What follows `name` on the first line of a file (of /proc, say) that begins
// with it; empty if none does.
std::string LineOf(const char* file, const std::string& name);

// The most memory this process has been resident with since ResetPeakResident,
// where the system lets that be forgotten, or else since it began. 0 if the
// system does not say.
uint64_t PeakResident();
void ResetPeakResident();

// What jemalloc says. `allocated` is exact for what the program asked for (size
// classes included); `active` adds the unused rest of pages in use, `resident`
// the allocator's own structures and pages freed but kept. Mapped files and the
// page cache are in none of them.
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
