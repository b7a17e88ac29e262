// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/range_deletions.h"

#include <utility>

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::TruncatedRangeDelIterator;

void RangeDeletions::Add(size_t run, const std::function<Tombstones()>& make,
                         const ROCKSDB_NAMESPACE::InternalKey* smallest,
                         const ROCKSDB_NAMESPACE::InternalKey* largest) {
  Tombstones tombstones = make();
  if (tombstones == nullptr || tombstones->empty()) return;
  aggregator_.AddTombstones(std::move(tombstones), smallest, largest);
  of_runs_.push_back({run, std::make_unique<TruncatedRangeDelIterator>(
                               make(), &comparator_, smallest, largest)});
}

bool RangeDeletions::EndOfRange(const Slice& user_key, size_t run, bool forward,
                                std::string* end) {
  const auto* const order = comparator_.user_comparator();
  bool found = false;
  for (const OfRun& of_run : of_runs_) {
    if (of_run.run >= run) continue;
    TruncatedRangeDelIterator& range = *of_run.tombstones;
    range.Seek(user_key);
    if (!range.Valid() ||
        order->Compare(range.start_key().user_key, user_key) > 0 ||
        order->Compare(range.end_key().user_key, user_key) <= 0) {
      continue;
    }
    const Slice far =
        forward ? range.end_key().user_key : range.start_key().user_key;
    if (!found || (order->Compare(far, *end) > 0) == forward) {
      end->assign(far.data(), far.size());
    }
    found = true;
  }
  return found;
}

}  // namespace view
}  // namespace memkv
