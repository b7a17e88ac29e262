// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// View::Rep: what a view holds: the version it has pinned, and of that, once
// they are asked for, the positions of its keys.
//
// Thread safety: Pinned() and Positions() may be called by any number of
// threads.  Positions are made by one of them while others that ask wait.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "plugin/memkv_view.h"
#include "view/key_positions.h"
#include "view/pinned_version.h"

namespace memkv {

struct View::Rep {
  Rep(ROCKSDB_NAMESPACE::DB* database,
      ROCKSDB_NAMESPACE::ColumnFamilyHandle* cf)
      : db(database), handle(cf) {}

  std::shared_ptr<const view::PinnedVersion> Pinned() const {
    const std::lock_guard<std::mutex> lock(mutex);
    return pinned;
  }
  ROCKSDB_NAMESPACE::Status Positions(
      std::shared_ptr<const view::KeyPositions>* out) const {
    const std::lock_guard<std::mutex> lock(positions_mutex);
    std::shared_ptr<const view::PinnedVersion> now = Pinned();
    if (positions == nullptr || positions->pinned() != now) {
      positions.reset();
      const ROCKSDB_NAMESPACE::Status s =
          view::KeyPositions::Make(std::move(now), handed_over, &positions);
      if (!s.ok()) return s;
    }
    *out = positions;
    return ROCKSDB_NAMESPACE::Status::OK();
  }

  ROCKSDB_NAMESPACE::DB* const db;
  ROCKSDB_NAMESPACE::ColumnFamilyHandle* const handle;
  mutable std::mutex mutex;
  std::shared_ptr<const view::PinnedVersion> pinned;  // guarded by mutex
  mutable std::mutex positions_mutex;
  // Guarded by positions_mutex; null, or of a version that was pinned last
  // when it was made.
  mutable std::shared_ptr<const view::KeyPositions> positions;
  // Of iterators that may outlive the view.
  const std::shared_ptr<std::atomic<uint64_t>> handed_over =
      std::make_shared<std::atomic<uint64_t>>(0);
};

}  // namespace memkv
