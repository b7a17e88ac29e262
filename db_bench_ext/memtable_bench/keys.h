// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The sets of keys of memtable_bench as shapes (key_shapes.h).
//
// Thread safety: functions without shared state.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/key_shapes.h"
#include "db_bench_ext/keys/record_set.h"

namespace memkv {

// Of these keys, in any order, the set that arrives shuffled or sorted.
KeyShape SetOf(const std::string& name, std::vector<std::string> keys,
               bool shuffled, uint64_t seed);
// As db_bench makes keys of 16 bytes: a number below `count`, big-endian, and
// eight times the digit zero.
std::vector<std::string> DbBenchKeys(uint64_t count);
std::vector<std::string> KeysOf(const RecordSet& records);
// So many versions of one key.
KeyShape HotKey(uint64_t versions);

}  // namespace memkv
