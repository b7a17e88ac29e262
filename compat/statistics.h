// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What RocksDB counts: where it has other counters from version to version, the
// function of the event that is counted.  An event that a version has no
// counter of is not counted there.

#pragma once

#include <cstdint>

#include "compat/version.h"
#include "monitoring/perf_context_imp.h"
#if MEMKV_ROCKSDB >= 803
#include "monitoring/statistics_impl.h"
#else
#include "monitoring/statistics.h"
#endif
#include "table/block_based/block_type.h"

namespace memkv {
namespace compat {

using ROCKSDB_NAMESPACE::Statistics;

// A key that a filter let pass was found.
inline void CountTruePositive(Statistics* stats, bool whole_keys) {
  if (whole_keys) {
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOOM_FILTER_FULL_TRUE_POSITIVE);
  } else {
#if MEMKV_ROCKSDB >= 803
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOOM_FILTER_PREFIX_TRUE_POSITIVE);
#endif
  }
}

// A seek has asked a filter for its prefix.
inline void CountFilteredSeek(Statistics* stats, bool may_match,
                              bool last_level) {
  using namespace ROCKSDB_NAMESPACE;  // NOLINT: long names
#if MEMKV_ROCKSDB >= 803
  RecordTick(stats, may_match ? (last_level ? LAST_LEVEL_SEEK_FILTER_MATCH
                                            : NON_LAST_LEVEL_SEEK_FILTER_MATCH)
                              : (last_level ? LAST_LEVEL_SEEK_FILTERED
                                            : NON_LAST_LEVEL_SEEK_FILTERED));
#else
  (void)last_level;
  RecordTick(stats, BLOOM_FILTER_PREFIX_CHECKED);
  if (!may_match) RecordTick(stats, BLOOM_FILTER_PREFIX_USEFUL);
#endif
}

// A seek has come to data, and then: a value was taken there.
inline void CountSeekToData(Statistics* stats, bool last_level) {
#if MEMKV_ROCKSDB >= 803
  RecordTick(stats, last_level ? ROCKSDB_NAMESPACE::LAST_LEVEL_SEEK_DATA
                               : ROCKSDB_NAMESPACE::NON_LAST_LEVEL_SEEK_DATA);
#else
  (void)stats;
  (void)last_level;
#endif
}

inline void CountUsefulSeek(Statistics* stats, bool asked_filter,
                            bool last_level) {
#if MEMKV_ROCKSDB >= 803
  using namespace ROCKSDB_NAMESPACE;  // NOLINT: long names
  RecordTick(stats,
             asked_filter
                 ? (last_level ? LAST_LEVEL_SEEK_DATA_USEFUL_FILTER_MATCH
                               : NON_LAST_LEVEL_SEEK_DATA_USEFUL_FILTER_MATCH)
                 : (last_level ? LAST_LEVEL_SEEK_DATA_USEFUL_NO_FILTER
                               : NON_LAST_LEVEL_SEEK_DATA_USEFUL_NO_FILTER));
#else
  (void)stats;
  (void)asked_filter;
  (void)last_level;
#endif
}

// What became of a block that was to be compressed.
enum class Compression : int8_t {
  kDone,
  kRejected,  // it gained too little
  kBypassed,  // it was not tried
};

inline void CountCompression(Statistics* stats, Compression compression,
                             uint64_t raw, uint64_t stored) {
  using namespace ROCKSDB_NAMESPACE;  // NOLINT: long names
#if MEMKV_ROCKSDB >= 803
  switch (compression) {
    case Compression::kDone:
      RecordTick(stats, NUMBER_BLOCK_COMPRESSED);
      RecordTick(stats, BYTES_COMPRESSED_FROM, raw);
      RecordTick(stats, BYTES_COMPRESSED_TO, stored);
      break;
    case Compression::kRejected:
      RecordTick(stats, NUMBER_BLOCK_COMPRESSION_REJECTED);
      RecordTick(stats, BYTES_COMPRESSION_REJECTED, raw);
      break;
    case Compression::kBypassed:
      RecordTick(stats, NUMBER_BLOCK_COMPRESSION_BYPASSED);
      RecordTick(stats, BYTES_COMPRESSION_BYPASSED, raw);
      break;
  }
#else
  (void)stored;
  if (compression == Compression::kDone) {
    RecordInHistogram(stats, BYTES_COMPRESSED, raw);
    RecordTick(stats, NUMBER_BLOCK_COMPRESSED);
  } else if (compression == Compression::kRejected) {
    RecordTick(stats, NUMBER_BLOCK_NOT_COMPRESSED);
  }
#endif
}

// Counts in the perf context a block of `bytes` that was found in the block
// cache.
inline void CountCacheHit(ROCKSDB_NAMESPACE::BlockType type, uint64_t bytes) {
  using namespace ROCKSDB_NAMESPACE;  // NOLINT: macros with RocksDB's names
  PERF_COUNTER_ADD(block_cache_hit_count, 1);
  if (type == BlockType::kIndex) {
    PERF_COUNTER_ADD(block_cache_index_hit_count, 1);
  } else if (type == BlockType::kFilter) {
    PERF_COUNTER_ADD(block_cache_filter_hit_count, 1);
  }
#if MEMKV_ROCKSDB >= 901
  PERF_COUNTER_ADD(block_cache_read_byte, bytes);
  if (type == BlockType::kIndex) {
    PERF_COUNTER_ADD(block_cache_index_read_byte, bytes);
  } else if (type == BlockType::kFilter) {
    PERF_COUNTER_ADD(block_cache_filter_read_byte, bytes);
  }
#else
  (void)bytes;
#endif
}

}  // namespace compat
}  // namespace memkv
