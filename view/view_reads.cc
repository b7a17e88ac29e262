// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Reads of a view that are no walks: gets, and keys by number.

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <random>
#include <unordered_set>
#include <utility>

#include "compat/database.h"
#include "compat/statistics.h"
#include "plugin/memkv_view.h"
#include "rocksdb/db.h"
#include "util/stop_watch.h"
#include "view/key_positions.h"
#include "view/point_reads.h"
#include "view/view_rep.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Env;
using ROCKSDB_NAMESPACE::PinnableSlice;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::StopWatch;
using view::KeyPositions;
using view::PinnedVersion;
using view::PointReads;

namespace {

// What DBImpl::Get() refuses, and what a view cannot tell.
Status CheckGet(const ReadOptions& read_options, const PinnedVersion& pinned,
                Env::IOActivity activity) {
  if (read_options.io_activity != Env::IOActivity::kUnknown &&
      read_options.io_activity != activity) {
    return Status::InvalidArgument(
        "ReadOptions::io_activity of a get must be kUnknown, or kGet, and of a "
        "MultiGet kMultiGet");
  }
  if (read_options.snapshot != nullptr &&
      read_options.snapshot->GetSequenceNumber() != pinned.sequence()) {
    return Status::InvalidArgument("ReadOptions::snapshot is not the view's",
                                   "leave it null, and open the view with it");
  }
  if (read_options.read_tier == ROCKSDB_NAMESPACE::kPersistedTier) {
    return Status::NotSupported("a view has no reads of persisted data alone");
  }
  return pinned.CheckTimestamp(read_options.timestamp);
}

ReadOptions OptionsOfGet(const ReadOptions& read_options,
                         const PinnedVersion& pinned,
                         Env::IOActivity activity) {
  ReadOptions options(read_options);
  options.snapshot = pinned.snapshot();
  options.io_activity = activity;
  return options;
}

}  // namespace

Status View::Get(const ReadOptions& read_options, const Slice& key,
                 PinnableSlice* value) const {
  const std::shared_ptr<const PinnedVersion> pinned = rep_->Pinned();
  value->Reset();
  Status s = CheckGet(read_options, *pinned, Env::IOActivity::kGet);
  if (!s.ok()) return s;
  const auto& ioptions = compat::OptionsOf(*pinned->cfd());
  const StopWatch watch(ioptions.clock, ioptions.stats,
                        ROCKSDB_NAMESPACE::DB_GET);
  const ReadOptions options =
      OptionsOfGet(read_options, *pinned, Env::IOActivity::kGet);
  PointReads reads(*pinned, options, rep_->handed_over.get());
  PointReads::Lookup lookup;
  lookup.key = &key;
  lookup.value = value;
  reads.Find(&lookup, 1);
  RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::NUMBER_KEYS_READ);
  if (lookup.status.ok()) {
    RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::BYTES_READ, value->size());
    RecordInHistogram(ioptions.stats, ROCKSDB_NAMESPACE::BYTES_PER_READ,
                      value->size());
  }
  return std::move(lookup.status);
}

void View::MultiGet(const ReadOptions& read_options, size_t n,
                    const Slice* keys, PinnableSlice* values,
                    Status* statuses) const {
  const std::shared_ptr<const PinnedVersion> pinned = rep_->Pinned();
  const Status s = CheckGet(read_options, *pinned, Env::IOActivity::kMultiGet);
  for (size_t i = 0; i < n; ++i) {
    values[i].Reset();
    statuses[i] = s;
  }
  if (!s.ok() || n == 0) return;
  const auto& ioptions = compat::OptionsOf(*pinned->cfd());
  const StopWatch watch(ioptions.clock, ioptions.stats,
                        ROCKSDB_NAMESPACE::DB_MULTIGET);
  const ReadOptions options =
      OptionsOfGet(read_options, *pinned, Env::IOActivity::kMultiGet);
  const auto* const order = pinned->cfd()->user_comparator();
  std::vector<size_t> sorted(n);
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  std::sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) {
    return order->CompareWithoutTimestamp(keys[a], /*a_has_ts=*/false, keys[b],
                                          /*b_has_ts=*/false) < 0;
  });
  PointReads reads(*pinned, options, rep_->handed_over.get());
  uint64_t bytes = 0;
  uint64_t found = 0;
  for (size_t begin = 0; begin < n;) {
    std::array<PointReads::Lookup, PointReads::kMostKeys> lookups;
    size_t m = 0;
    size_t end = begin;
    // Equal keys are looked up once.
    for (; end < n && m < lookups.size(); ++end) {
      const Slice& key = keys[sorted[end]];
      if (m > 0 && key == *lookups[m - 1].key) continue;
      lookups[m].key = &key;
      lookups[m++].value = &values[sorted[end]];
    }
    reads.Find(lookups.data(), m);
    const PointReads::Lookup* lookup = nullptr;
    for (size_t i = begin; i < end; ++i) {
      const size_t at = sorted[i];
      if (lookup == nullptr) {
        lookup = lookups.data();
      } else if (!(keys[at] == *lookup->key)) {
        ++lookup;
      }
      statuses[at] = lookup->status;
      if (!lookup->status.ok()) continue;
      if (lookup->value != &values[at]) values[at].PinSelf(*lookup->value);
      ++found;
      bytes += values[at].size();
    }
    begin = end;
  }
  RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::NUMBER_MULTIGET_CALLS);
  RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::NUMBER_MULTIGET_KEYS_READ, n);
  RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::NUMBER_MULTIGET_KEYS_FOUND,
             found);
  RecordTick(ioptions.stats, ROCKSDB_NAMESPACE::NUMBER_MULTIGET_BYTES_READ,
             bytes);
  RecordInHistogram(ioptions.stats, ROCKSDB_NAMESPACE::BYTES_PER_MULTIGET,
                    bytes);
}

// ---- Keys by number ---------------------------------------------------------

Status View::Rank(const Slice& key, uint64_t* rank) const {
  std::shared_ptr<const KeyPositions> positions;
  const Status s = rep_->Positions(&positions);
  return s.ok() ? positions->Rank(key, rank) : s;
}

Status View::KeyAt(uint64_t number, std::string* key) const {
  std::shared_ptr<const KeyPositions> positions;
  Status s = rep_->Positions(&positions);
  if (!s.ok()) return s;
  if (number >= positions->num_keys()) return Status::NotFound();
  std::vector<std::string> keys;
  s = positions->KeysAt({number}, &keys);
  if (s.ok()) *key = std::move(keys[0]);
  return s;
}

Status View::Sample(size_t n, uint64_t seed,
                    std::vector<std::string>* keys) const {
  keys->clear();
  std::shared_ptr<const KeyPositions> positions;
  const Status s = rep_->Positions(&positions);
  if (!s.ok()) return s;
  const uint64_t num_keys = positions->num_keys();
  std::vector<uint64_t> numbers;
  if (n >= num_keys) {
    numbers.resize(num_keys);
    std::iota(numbers.begin(), numbers.end(), uint64_t{0});
  } else {
    // Floyd's algorithm: of a draw that is there already, the last number that
    // may be drawn, which is not.
    std::mt19937_64 random(seed);
    std::unordered_set<uint64_t> drawn;
    for (uint64_t last = num_keys - n; last < num_keys; ++last) {
      const uint64_t number =
          std::uniform_int_distribution<uint64_t>(0, last)(random);
      drawn.insert(drawn.count(number) == 0 ? number : last);
    }
    numbers.assign(drawn.begin(), drawn.end());
    std::sort(numbers.begin(), numbers.end());
  }
  return positions->KeysAt(numbers, keys);
}

}  // namespace memkv
