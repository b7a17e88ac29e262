// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What memtable_bench does to the machine so that figures are comparable:
// threads stay on their CPU, and every load starts without pages left over
// from the one before it.
//
// Thread safety: any thread, except RememberCpus (once, before the others).

#pragma once

#include <cstddef>

namespace memkv {

// Notes the CPUs this process may use, before any thread is pinned. Returns
// how many there are.
size_t RememberCpus();

// Pins the calling thread: thread 0 to the last CPU noted, thread 1 to the
// one before it, and so on, around. Nothing happens where the system has no
// such call.
void PinToCpu(size_t thread);

// Gives what jemalloc has kept of freed memory back to the system, so that
// whoever allocates next pays for its pages itself. Nothing happens on another
// allocator.
void ReleaseFreedMemory();

}  // namespace memkv
