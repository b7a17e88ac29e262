// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/range_deletions.h"

#include <utility>

#include "db/column_family.h"
#include "db/memtable.h"
#include "db/memtable_list.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TruncatedRangeDelIterator;

namespace {

// Numbers the memtables of a list, the newest first.
class OfImmutableMemTables final
    : public ROCKSDB_NAMESPACE::RangeDelAggregator {
 public:
  OfImmutableMemTables(
      const ROCKSDB_NAMESPACE::InternalKeyComparator* comparator, size_t first)
      : ROCKSDB_NAMESPACE::RangeDelAggregator(comparator), next_(first) {}

  void AddTombstones(
      RangeDeletions::Tombstones tombstones,
      const ROCKSDB_NAMESPACE::InternalKey* /*smallest*/,
      const ROCKSDB_NAMESPACE::InternalKey* /*largest*/) override {
    found_.emplace_back(next_++, std::move(tombstones));
  }
  bool ShouldDelete(
      const ROCKSDB_NAMESPACE::ParsedInternalKey& /*parsed*/,
      ROCKSDB_NAMESPACE::RangeDelPositioningMode /*mode*/) override {
    return false;
  }
  void InvalidateRangeDelMapPositions() override {}
  bool IsEmpty() const override { return found_.empty(); }

  std::vector<std::pair<size_t, RangeDeletions::Tombstones>>& found() {
    return found_;
  }

 private:
  size_t next_;
  std::vector<std::pair<size_t, RangeDeletions::Tombstones>> found_;
};

}  // namespace

void RangeDeletions::Add(size_t run, const std::function<Tombstones()>& make,
                         const ROCKSDB_NAMESPACE::InternalKey* smallest,
                         const ROCKSDB_NAMESPACE::InternalKey* largest) {
  Tombstones tombstones = make();
  if (tombstones == nullptr || tombstones->empty()) return;
  aggregator_.AddTombstones(std::move(tombstones), smallest, largest);
  of_runs_.push_back({run, std::make_unique<TruncatedRangeDelIterator>(
                               make(), &comparator_, smallest, largest)});
}

Status RangeDeletions::AddMemTables(
    const ROCKSDB_NAMESPACE::SuperVersion& sv,
    const ROCKSDB_NAMESPACE::ReadOptions& options,
    ROCKSDB_NAMESPACE::Arena* arena) {
  Add(0, [&] {
    return Tombstones(sv.mem->NewRangeTombstoneIterator(
        options, sequence_, /*immutable_memtable=*/false));
  });
  OfImmutableMemTables twice[] = {{&comparator_, 1}, {&comparator_, 1}};
  for (OfImmutableMemTables& once : twice) {
    const Status s = sv.imm->AddRangeTombstoneIterators(options, arena, &once);
    if (!s.ok()) return s;
  }
  for (size_t i = 0; i < twice[0].found().size(); ++i) {
    size_t taken = 0;
    Add(twice[0].found()[i].first,
        [&] { return std::move(twice[taken++].found()[i].second); });
  }
  return Status::OK();
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
