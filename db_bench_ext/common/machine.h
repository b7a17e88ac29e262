// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The machine below a benchmark: which it is, and threads that stay on their
// CPU, so that figures are comparable.
//
// Thread safety: any thread, except RememberCpus (once, before the others).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace memkv {

// Notes the CPUs this process may use, before any thread is pinned. Returns
// how many there are.
size_t RememberCpus();

// Pins the calling thread: thread 0 to the last CPU noted, thread 1 to the
// one before it, and so on, around. Nothing happens where the system has no
// such call.
void PinToCpu(size_t thread);

// What a report says of the machine it was made on.
struct MachineDescription {
  std::string cpu;
  size_t cpus = 0;  // that this process may use
  uint64_t memory_bytes = 0;
  std::string kernel;
  std::string compiler;  // of this program
};

MachineDescription DescribeMachine();

// The most memory this process has been resident with since ResetPeakResident,
// where the system lets that be forgotten, or else since it began. 0 if the
// system does not say.
uint64_t PeakResident();
void ResetPeakResident();

}  // namespace memkv
