// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// GeneratedRecords: records without a key of them held, for databases larger
// than memory. Keys are generated URLs; a value is a function of its key.
//
// A database is compared with them by the number of its keys, a hash of all of
// them in order, and each value by its key: making keys, half a microsecond
// each, is most of what a program spends beside the database, so they are made
// once to know them all and once for each load. Only if those differ, every key
// is compared with the generator's, to name the first that is wrong.
//
// Thread safety: const methods may run together.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "db_bench_ext/keys/key_stats.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/keys/url_generator.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "rocksdb/slice.h"

namespace memkv {

class GeneratedRecords {
 public:
  // So many have been done since the call before.
  using Progress = std::function<void(uint64_t)>;

  // `ratio` is the part of a value that a compressor cannot shorten.
  GeneratedRecords(uint64_t seed, uint64_t count, size_t value_size,
                   double ratio);

  // Makes all keys once; then distinct() and Verify() may be called. `stats`
  // may be null.
  void MakeAll(KeyStats* stats, const Progress& progress);

  // Puts all in batches, in order or shuffled. `batch_done` is told after each
  // batch how many have been put so far.
  void Load(bool sorted, const BenchDatabase& database,
            const Progress& batch_done) const;

  // Reads all of the database in order. A difference is a Failure that names
  // database, key, what was expected and found.
  void Verify(const BenchDatabase& database, const Progress& progress) const;

  std::string KeyAt(uint64_t i) const { return urls_.KeyAt(i); }
  std::string ValueOf(const rocksdb::Slice& key) const;

  // Those that are made, of which distinct() are distinct.
  uint64_t count() const { return urls_.count(); }
  uint64_t distinct() const { return distinct_; }
  uint64_t key_bytes() const { return key_bytes_; }
  size_t num_hosts() const { return urls_.num_hosts(); }
  size_t value_size() const { return value_size_; }

 private:
  [[noreturn]] void FindMismatch(const BenchDatabase& database) const;

  const uint64_t seed_;
  const size_t value_size_;
  const double ratio_;
  const UrlGenerator urls_;
  const ShuffledRange shuffled_;
  uint64_t distinct_ = 0;
  uint64_t key_bytes_ = 0;  // of those that are distinct
  uint64_t hash_ = 0;       // of those, in order
};

// Some `ops` look-ups of keys that are there, drawn while no clock runs. What
// one takes is the median of ten tenths, so that neither an empty cache nor
// another program counts for much; after them half as many others are timed one
// by one, and their values compared, and that a key one byte longer is not
// there. Where memory is limited, as many as in the ten tenths, of other keys,
// go before untimed. A wrong answer is a Failure.
//
// Adds the fields `prefix` + get_cpu_nanos, get_wall_nanos, get_p50_nanos,
// get_p99_nanos, table_reader_bytes and block_cache_bytes to *point, and with a
// limit get_bytes_read and get_reads, of one look-up.
void MeasureLookUps(const GeneratedRecords& records, uint64_t ops,
                    uint64_t seed, const MemoryLimit& limit,
                    const std::string& prefix, const BenchDatabase& database,
                    Json* point);

}  // namespace memkv
