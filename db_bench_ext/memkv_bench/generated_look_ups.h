// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Look-ups of generated keys, as --scale and --delta measure them: keys that
// are there, drawn while no clock runs. What one takes is the median of ten
// tenths, so that neither an empty cache nor another program counts for much;
// after them half as many others are timed one by one. Where memory is limited,
// as many as in the ten tenths, of other keys, go before untimed.
//
// Thread safety: a function without shared state.

#pragma once

#include <cstdint>
#include <string>

#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/generated_records.h"
#include "db_bench_ext/memkv_bench/memory_limit.h"
#include "db_bench_ext/memkv_bench/results.h"

namespace memkv {

// Some `ops` look-ups. Adds the fields `prefix` + get_cpu_nanos,
// get_wall_nanos, get_p50_nanos, get_p99_nanos, table_reader_bytes and
// block_cache_bytes to *point, and with a limit get_bytes_read and get_reads,
// of one look-up. Values are compared, and that a key one byte longer is not
// there; a difference is a Failure that names the database, what was expected
// and found.
void MeasureLookUps(const GeneratedRecords& records, uint64_t ops,
                    uint64_t seed, const MemoryLimit& limit,
                    const std::string& prefix, BenchDatabase* database,
                    Json* point);

}  // namespace memkv
