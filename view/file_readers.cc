// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/file_readers.h"

#include "db/version_set.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;

FileReaders::FileReaders(const PinnedVersion& pinned) : pinned_(pinned) {
  const auto* const storage = pinned.super_version()->current->storage_info();
  size_t files = 0;
  for (int level = 0; level < storage->num_non_empty_levels(); ++level) {
    first_of_level_.push_back(files);
    files += storage->LevelFiles(level).size();
  }
  known_ = std::make_unique<std::atomic<uintptr_t>[]>(files);
}

Status FileReaders::Find(const ReadOptions& read_options, int level, size_t i,
                         std::optional<compat::LiveReader>* hold,
                         Found* found) const {
  const auto at = static_cast<size_t>(level);
  std::atomic<uintptr_t>& known = known_[first_of_level_[at] + i];
  uintptr_t is = known.load(std::memory_order_relaxed);
  if (is == 0) {
    const auto* const sv = pinned_.super_version();
    hold->emplace(pinned_.cfd());
    const Status s =
        (*hold)->Find(read_options, sv->mutable_cf_options,
                      *sv->current->storage_info()->LevelFiles(level)[i]);
    if (!s.ok()) return s;
    is = reinterpret_cast<uintptr_t>((*hold)->get());
    if (FstTableReader::From(*(*hold)->get()) == nullptr) is |= kOther;
    if ((*hold)->stays_open()) known.store(is, std::memory_order_relaxed);
  }
  using ROCKSDB_NAMESPACE::TableReader;
  // A pointer and a bit in one word, so that both are read at once.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): no pointer could be marked
  found->reader = reinterpret_cast<TableReader*>(is & ~kOther);
  found->fst = (is & kOther) != 0
                   ? nullptr
                   : static_cast<const FstTableReader*>(found->reader);
  return Status::OK();
}

}  // namespace view
}  // namespace memkv
