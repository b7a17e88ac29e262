// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FileReaders: the readers of a pinned version's FST files, by level and place.
// Which files are FST is found out a file at a time, when one is first asked
// for: FstTableReader::From() takes a lock.
//
// Thread safety: any number of threads.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "compat/database.h"
#include "rocksdb/options.h"
#include "rocksdb/status.h"
#include "table/fst/table_reader.h"
#include "view/pinned_version.h"

namespace memkv {
namespace view {

class FileReaders {
 public:
  // `pinned` outlives this.
  explicit FileReaders(const PinnedVersion& pinned);

  struct Found {
    ROCKSDB_NAMESPACE::TableReader* reader = nullptr;
    const FstTableReader* fst = nullptr;  // the same, if the file is FST
  };
  // The reader of file i of a level.  *hold keeps it open.
  ROCKSDB_NAMESPACE::Status Find(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options, int level, size_t i,
      std::optional<compat::LiveReader>* hold, Found* found) const;

 private:
  // A reader's address, and this bit if it is not FST; 0: not asked for yet.
  static constexpr uintptr_t kOther = 1;

  const PinnedVersion& pinned_;
  std::vector<size_t> first_of_level_;
  // Of readers that the version itself keeps open.  Relaxed: whoever writes an
  // element writes the same, and what it points at was there before.
  std::unique_ptr<std::atomic<uintptr_t>[]> known_;
};

}  // namespace view
}  // namespace memkv
