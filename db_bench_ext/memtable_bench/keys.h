// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The keys of memtable_bench: a set, the order it is loaded in, and probes.
//
// Thread safety: const methods may run together.

#pragma once

#include <cstddef>
#include <cstdint>

#include "db_bench_ext/keys/key_sequence.h"
#include "db_bench_ext/keys/record_set.h"

namespace memkv {

enum class LoadOrder { kShuffled, kSorted };

struct BenchKeys {
  // The whole set, in the order of loading.
  KeySequence load;
  // Loaded keys in random order, each at most once.
  KeySequence hits;
  // Keys that are not in the set but one byte away from one that is.
  KeySequence misses;
  // Loaded keys from the first half of `load`, drawn at random.
  KeySequence first_half_hits;
  uint64_t key_bytes = 0;
};

// REQUIRES: `set` is sorted, and has two keys or more.
BenchKeys MakeBenchKeys(const RecordSet& set, LoadOrder order, size_t probes,
                        uint64_t seed);

// Add `count` keys to an empty set and sort it: 8 random bytes each (a
// repetition, of which there is hardly one, is dropped);
void AddRandomKeys(uint64_t count, uint64_t seed, RecordSet* set);
// or as db_bench makes keys of 16 bytes: a number below `count`, big-endian,
// and eight times the digit zero.
void AddDbBenchKeys(uint64_t count, RecordSet* set);

}  // namespace memkv
