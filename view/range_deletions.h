// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RangeDeletions: those of the runs of a view that a walk has come to.  It says
// which entries they delete, by RocksDB's aggregator, and how far a run may be
// skipped: a range that a newer run deletes has nothing to show in older ones.
//
// Runs are numbered, the newest first.
//
// Thread safety: none; it belongs to one iterator.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/range_del_aggregator.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace ROCKSDB_NAMESPACE {
class Arena;
struct SuperVersion;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {
namespace view {

class RangeDeletions {
 public:
  using Tombstones =
      std::unique_ptr<ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator>;

  RangeDeletions(const ROCKSDB_NAMESPACE::InternalKeyComparator& comparator,
                 ROCKSDB_NAMESPACE::SequenceNumber sequence)
      : comparator_(comparator),
        sequence_(sequence),
        aggregator_(&comparator, sequence) {}

  // Adds those of `run`, which `make` makes, each time anew: null if there are
  // none.  Of a file, they count between its smallest and largest key, which
  // outlive this.
  void Add(size_t run, const std::function<Tombstones()>& make,
           const ROCKSDB_NAMESPACE::InternalKey* smallest = nullptr,
           const ROCKSDB_NAMESPACE::InternalKey* largest = nullptr);
  // Adds those of all memtables: the mutable one is run 0, and the others
  // follow. `arena` outlives this.
  ROCKSDB_NAMESPACE::Status AddMemTables(
      const ROCKSDB_NAMESPACE::SuperVersion& sv,
      const ROCKSDB_NAMESPACE::ReadOptions& options,
      ROCKSDB_NAMESPACE::Arena* arena);
  // Whether the file has not been asked about before.
  bool AddFile(uint64_t number) { return aggregator_.AddFile(number); }

  bool empty() const { return aggregator_.IsEmpty(); }
  // Before a seek, or a change of direction.
  void Invalidate() { aggregator_.InvalidateRangeDelMapPositions(); }
  // Whether an entry is deleted.
  // REQUIRES: since Invalidate(), keys have not gone against `forward`
  bool Deletes(const ROCKSDB_NAMESPACE::ParsedInternalKey& entry,
               bool forward) {
    return aggregator_.ShouldDelete(
        entry,
        forward
            ? ROCKSDB_NAMESPACE::RangeDelPositioningMode::kForwardTraversal
            : ROCKSDB_NAMESPACE::RangeDelPositioningMode::kBackwardTraversal);
  }
  // If runs newer than `run` delete a range with `user_key` in it, sets *end to
  // its far end on the way, the one furthest away: forwards, the first key that
  // is not deleted, backwards, the last that is.
  bool EndOfRange(const ROCKSDB_NAMESPACE::Slice& user_key, size_t run,
                  bool forward, std::string* end);

 private:
  struct OfRun {
    size_t run;
    std::unique_ptr<ROCKSDB_NAMESPACE::TruncatedRangeDelIterator> tombstones;
  };

  const ROCKSDB_NAMESPACE::InternalKeyComparator& comparator_;
  const ROCKSDB_NAMESPACE::SequenceNumber sequence_;
  ROCKSDB_NAMESPACE::ReadRangeDelAggregator aggregator_;
  std::vector<OfRun> of_runs_;
};

}  // namespace view
}  // namespace memkv
