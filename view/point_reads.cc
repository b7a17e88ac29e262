// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/point_reads.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "compat/statistics.h"
#include "compat/trie_order.h"
#include "db/lookup_key.h"
#include "db/merge_context.h"
#include "db/version_set.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::FileMetaData;
using ROCKSDB_NAMESPACE::Iterator;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;

PointReads::PointReads(const PinnedVersion& pinned,
                       const ReadOptions& read_options,
                       std::atomic<uint64_t>* handed_over)
    : pinned_(pinned),
      read_options_(read_options),
      handed_over_(handed_over),
      stats_(compat::OptionsOf(*pinned.cfd()).stats),
      prefix_extractor_(
          pinned.super_version()->mutable_cf_options.prefix_extractor.get()),
      order_(pinned.cfd()->user_comparator()) {}

void PointReads::Find(Lookup* lookups, size_t n) {
  const bool served = TrieOrderOf(order_) != TrieOrder::kUnsupported;
  const auto* const storage = pinned_.super_version()->current->storage_info();
  size_t left = 0;
  for (size_t i = 0; i < n; ++i) {
    Lookup* const lookup = &lookups[i];
    if (served) {
      FindInMemTables(lookup);
    } else {
      HandOver(lookup);
    }
    left += !lookup->done;
  }
  if (left == 0) return;
  for (size_t i = 0; i < n; ++i) {
    if (lookups[i].done) continue;
    RecordTick(stats_, ROCKSDB_NAMESPACE::MEMTABLE_MISS);
    lookups[i].sought_key.emplace(lookups[i].key->ToStringView());
  }
  for (int level = 0; level < storage->num_non_empty_levels(); ++level) {
    FindInLevel(level, lookups, n);
  }
  for (size_t i = 0; i < n; ++i) {
    if (lookups[i].done) continue;
    lookups[i].status = Status::NotFound();
    lookups[i].done = true;
  }
}

void PointReads::FindInMemTables(Lookup* lookup) {
  auto* const sv = pinned_.super_version();
  if (sv->mem->IsEmpty() && sv->imm->NumNotFlushed() == 0) return;
  const ROCKSDB_NAMESPACE::LookupKey key(*lookup->key, pinned_.sequence());
  ROCKSDB_NAMESPACE::MergeContext merges;
  SequenceNumber deleted_up_to = 0;
  bool is_blob = false;
  Status s;
  std::string* const value = lookup->value->GetSelf();
  const bool found =
      sv->mem->Get(key, value, /*columns=*/nullptr, /*timestamp=*/nullptr, &s,
                   &merges, &deleted_up_to, read_options_,
                   /*immutable_memtable=*/false, /*callback=*/nullptr,
                   &is_blob) ||
      (s.ok() &&
       sv->imm->Get(key, value, /*columns=*/nullptr, /*timestamp=*/nullptr, &s,
                    &merges, &deleted_up_to, read_options_,
                    /*callback=*/nullptr, &is_blob));
  if (is_blob || s.IsMergeInProgress()) {
    HandOver(lookup);
  } else if (found || !s.ok()) {
    if (s.ok()) lookup->value->PinSelf();
    RecordTick(stats_, ROCKSDB_NAMESPACE::MEMTABLE_HIT);
    lookup->status = s;
    lookup->done = true;
  } else if (deleted_up_to != 0) {
    // What is in files is older.
    RecordTick(stats_, ROCKSDB_NAMESPACE::MEMTABLE_MISS);
    lookup->status = Status::NotFound();
    lookup->done = true;
  }
}

void PointReads::FindInLevel(int level, Lookup* lookups, size_t n) {
  const auto& files =
      pinned_.super_version()->current->storage_info()->LevelFiles(level);
  if (level == 0) {
    for (size_t f = 0; f < files.size(); ++f) {
      for (size_t i = 0; i < n; ++i) {
        const Slice& key = *lookups[i].key;
        if (!lookups[i].done &&
            order_->Compare(files[f]->smallest.user_key(), key) <= 0 &&
            order_->Compare(files[f]->largest.user_key(), key) >= 0) {
          batch_[batch_size_++] = &lookups[i];
        }
      }
      AskFile(level, f);
    }
    return;
  }
  size_t file = 0;
  for (size_t i = 0; i < n; ++i) {
    const Slice& key = *lookups[i].key;
    if (lookups[i].done) continue;
    const auto at = std::lower_bound(
        files.begin() + static_cast<ptrdiff_t>(file), files.end(), key,
        [this](const FileMetaData* f, const Slice& k) {
          return order_->Compare(f->largest.user_key(), k) < 0;
        });
    if (static_cast<size_t>(at - files.begin()) != file) AskFile(level, file);
    file = static_cast<size_t>(at - files.begin());
    if (file == files.size()) return;
    if (order_->Compare(files[file]->smallest.user_key(), key) > 0) continue;
    if (file + 1 < files.size() &&
        order_->Equal(files[file + 1]->smallest.user_key(), key)) {
      HandOver(&lookups[i]);  // Two files may have it.
      continue;
    }
    batch_[batch_size_++] = &lookups[i];
  }
  AskFile(level, file);
}

void PointReads::AskFile(int level, size_t i) {
  const size_t n = std::exchange(batch_size_, 0);
  if (n == 0) return;
  std::optional<compat::LiveReader> hold;
  FileReaders::Found found;
  const Status s =
      pinned_.readers().Find(read_options_, level, i, &hold, &found);
  const FstTableReader* const reader = found.fst;
  if (!s.ok() || reader == nullptr ||
      reader->file().index().has_continuations()) {
    for (size_t j = 0; j < n; ++j) {
      if (s.ok()) {
        HandOver(batch_[j]);
      } else {
        batch_[j]->status = s;
        batch_[j]->done = true;
      }
    }
    return;
  }
  const uint64_t newest = pinned_.sequence() << 8 | 0xff;
  std::array<FstTableReader::Sought*, kMostKeys> sought;
  for (size_t j = 0; j < n; ++j) {
    sought[j] = &batch_[j]->sought;
    sought[j]->key = &*batch_[j]->sought_key;
    sought[j]->value = batch_[j]->value;
  }
  if (n == 1) {
    reader->FindNewest(read_options_, prefix_extractor_, newest, sought[0]);
  } else {
    reader->FindNewest(read_options_, prefix_extractor_, newest, sought.data(),
                       n);
  }
  const FstFile& file = reader->file();
  std::optional<ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator> ranges;
  if (file.range_deletions() != nullptr &&
      !read_options_.ignore_range_deletions) {
    ranges.emplace(file.range_deletions(), file.internal_comparator(),
                   pinned_.sequence());
  }
  for (size_t j = 0; j < n; ++j) {
    const SequenceNumber deleted_up_to =
        !ranges ? 0 : ranges->MaxCoveringTombstoneSeqnum(*batch_[j]->key);
    TakeAnswer(level, deleted_up_to, batch_[j]);
  }
}

void PointReads::TakeAnswer(int level, SequenceNumber deleted_up_to,
                            Lookup* lookup) {
  const FstTableReader::Sought& sought = lookup->sought;
  lookup->done = true;
  if (!sought.status.ok()) {
    lookup->status = sought.status;
    return;
  }
  if (!sought.newest.found || deleted_up_to > sought.newest.tag >> 8) {
    // What is in the other files is older than a range that is deleted here.
    lookup->done = deleted_up_to != 0;
    lookup->status = Status::NotFound();
    return;
  }
  switch (static_cast<ROCKSDB_NAMESPACE::ValueType>(sought.newest.tag & 0xff)) {
    case ROCKSDB_NAMESPACE::kTypeValue:
      RecordTick(stats_, level == 0   ? ROCKSDB_NAMESPACE::GET_HIT_L0
                         : level == 1 ? ROCKSDB_NAMESPACE::GET_HIT_L1
                                      : ROCKSDB_NAMESPACE::GET_HIT_L2_AND_UP);
      lookup->status = Status::OK();
      break;
    case ROCKSDB_NAMESPACE::kTypeDeletion:
    case ROCKSDB_NAMESPACE::kTypeSingleDeletion:
      lookup->status = Status::NotFound();
      break;
    default:
      HandOver(lookup);
  }
}

void PointReads::HandOver(Lookup* lookup) {
  handed_over_->fetch_add(1, std::memory_order_relaxed);
  // What a get obeys, and nothing that an iterator alone does.
  ReadOptions options;
  options.timestamp = read_options_.timestamp;
  options.deadline = read_options_.deadline;
  options.io_timeout = read_options_.io_timeout;
  options.read_tier = read_options_.read_tier;
  options.rate_limiter_priority = read_options_.rate_limiter_priority;
  options.verify_checksums = read_options_.verify_checksums;
  options.fill_cache = read_options_.fill_cache;
  options.ignore_range_deletions = read_options_.ignore_range_deletions;
  options.io_activity = read_options_.io_activity;
  options.total_order_seek = true;
  const std::unique_ptr<Iterator> it(pinned_.NewRocksDBIterator(options));
  it->Seek(*lookup->key);
  if (it->Valid() && order_->CompareWithoutTimestamp(
                         it->key(), /*a_has_ts=*/false, *lookup->key,
                         /*b_has_ts=*/false) == 0) {
    lookup->value->PinSelf(it->value());
    lookup->status = it->status();
  } else {
    lookup->status = it->status().ok() ? Status::NotFound() : it->status();
  }
  lookup->done = true;
}

}  // namespace view
}  // namespace memkv
