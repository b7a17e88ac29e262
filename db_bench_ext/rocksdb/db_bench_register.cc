// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The main() of db_bench and of memtablerep_bench is RocksDB's and knows
// nothing of memkv; linked beside it, this makes `art` and `fst` known before
// main() reads its options.

#include "plugin/memkv.h"

namespace {

// RocksDB's own registries are created on first use, so that the order of
// static initialisers does not matter.
[[maybe_unused]] const bool kRegistered = (memkv::RegisterMemkv(), true);

}  // namespace
