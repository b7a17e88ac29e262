// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's iterator over a table, as memkv implements it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compat/version.h"
#include "rocksdb/options.h"
#include "table/internal_iterator.h"

namespace memkv {
namespace compat {

// User keys, without timestamps, from `start` on and before `limit`.
struct ScanRange {
  std::string start;
  std::optional<std::string> limit;
};

class TableIteratorBase : public ROCKSDB_NAMESPACE::InternalIterator {
 public:
  // Announces what the caller will walk over, forwards: ranges that ascend.  If
  // there are none, what it will walk over is not known.  most_bytes: of blocks
  // that are read before they are asked for, 0 if the caller sets no limit.
  // From then on no Seek() ends with TryAgain: RocksDB announces to iterators,
  // too, that have no merging iterator above them.  Below 10.1 nobody calls it.
  virtual void AnnounceScans(std::vector<ScanRange> ranges,
                             uint64_t most_bytes) = 0;

#if MEMKV_ROCKSDB >= 1006
  void Prepare(const ROCKSDB_NAMESPACE::MultiScanArgs* args) final {
    if (args == nullptr) return;
    AnnounceScans(GoBackwards(*args) ? std::vector<ScanRange>()
                                     : RangesOf(args->GetScanRanges()),
                  args->max_prefetch_size);
  }
#elif MEMKV_ROCKSDB >= 1001
  void Prepare(
      const std::vector<ROCKSDB_NAMESPACE::ScanOptions>* ranges) final {
    if (ranges != nullptr) AnnounceScans(RangesOf(*ranges), /*most_bytes=*/0);
  }
#endif
#if MEMKV_ROCKSDB < 901
  virtual uint64_t write_unix_time() const = 0;
#endif

#if MEMKV_ROCKSDB >= 1001
 private:
  static std::vector<ScanRange> RangesOf(
      const std::vector<ROCKSDB_NAMESPACE::ScanOptions>& scans) {
    std::vector<ScanRange> ranges;
    ranges.reserve(scans.size());
    for (const auto& scan : scans) {
      if (!scan.range.start.has_value()) continue;
      ranges.emplace_back();
      ranges.back().start = scan.range.start.value().ToString();
      if (scan.range.limit.has_value()) {
        ranges.back().limit = scan.range.limit.value().ToString();
      }
    }
    return ranges;
  }
#endif
#if MEMKV_ROCKSDB >= 1006
  // Only from 11.2 or later on may they.
  template <typename Args>
  static auto GoBackwards(const Args& args) -> decltype(bool{args.reverse}) {
    return args.reverse;
  }
  template <typename... Args>
  static bool GoBackwards(const Args&...) {
    return false;
  }
#endif
};

}  // namespace compat
}  // namespace memkv
