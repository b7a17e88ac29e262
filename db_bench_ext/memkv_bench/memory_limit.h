// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// MemoryLimit: --memory_limit, what a database may hold of its files in memory,
// the same for every kind of run. Files are read by direct I/O, past the page
// cache, from the first open on; and each time Apply() is called, before
// anything is read that is measured, the block cache gets what table readers
// (with pinned segments, or indexes and filters) leave of the limit. Memtables
// are not limited, nor is what is written and compacted between two calls.
//
// Thread safety: const methods may run together, on databases of their own.

#pragma once

#include <cstdint>

#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/status.h"

namespace memkv {

// A block cache works with no less.
constexpr uint64_t kLeastBlockCache = uint64_t{1} << 20;
// Of generated keys without a limit: what a database holds should be its own,
// and not grow until all of its blocks are there.
constexpr uint64_t kGeneratedBlockCache = uint64_t{256} << 20;

class MemoryLimit {
 public:
  // `bytes` of limit, 0: none; a block cache is then of `otherwise` bytes, 0:
  // of as many as its configuration says.
  MemoryLimit(uint64_t bytes, uint64_t otherwise)
      : bytes_(bytes), otherwise_(otherwise) {}

  bool limited() const { return bytes_ > 0; }

  // Of a database that is configured and not yet open. InvalidArgument if it
  // has no block cache that could be limited.
  rocksdb::Status Prepare(BenchDatabase* database) const;

  // Of an open database, prepared before. MemoryLimit if its table readers
  // leave less than kLeastBlockCache.
  rocksdb::Status Apply(BenchDatabase* database) const;

 private:
  const uint64_t bytes_;
  const uint64_t otherwise_;
};

}  // namespace memkv
