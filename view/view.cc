// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "compat/database.h"
#include "compat/trie_order.h"
#include "plugin/memkv.h"
#include "plugin/memkv_search.h"
#include "plugin/memkv_view.h"
#include "rocksdb/db.h"
#include "view/pinned_version.h"
#include "view/search_iterator.h"
#include "view/steps_or_seek.h"
#include "view/view_iterator.h"
#include "view/view_rep.h"

namespace memkv {

using ROCKSDB_NAMESPACE::ColumnFamilyHandle;
using ROCKSDB_NAMESPACE::DB;
using ROCKSDB_NAMESPACE::Env;
using ROCKSDB_NAMESPACE::Iterator;
using ROCKSDB_NAMESPACE::NewErrorIterator;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Snapshot;
using ROCKSDB_NAMESPACE::Status;
using view::PinnedVersion;

namespace {

// Makes a prefix the least string behind all that begin with it; false if there
// is none.
bool MakePrefixEnd(std::string* prefix) {
  while (!prefix->empty() && prefix->back() == '\xff') prefix->pop_back();
  if (prefix->empty()) return false;
  ++prefix->back();
  return true;
}

}  // namespace

View::View(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

View::~View() = default;

Status View::Open(DB* db, ColumnFamilyHandle* column_family,
                  const Snapshot* snapshot, std::unique_ptr<View>* view) {
  view->reset();
  if (std::string misfit; !RegisterMemkv(&misfit)) {
    return Status::NotSupported(misfit);
  }
  if (db->GetRootDB() != db) {
    return Status::InvalidArgument(
        "memkv::View of a database that wraps another one",
        "give it GetRootDB(), to see what is below");
  }
  auto rep = std::make_unique<Rep>(db, column_family);
  view->reset(new View(std::move(rep)));
  (*view)->Refresh(snapshot);
  return Status::OK();
}

void View::Refresh(const Snapshot* snapshot) {
  auto pinned =
      std::make_shared<const PinnedVersion>(rep_->db, rep_->handle, snapshot);
  const std::lock_guard<std::mutex> lock(rep_->mutex);
  // The old one goes when `pinned` does, behind the lock.
  rep_->pinned.swap(pinned);
}

ROCKSDB_NAMESPACE::SequenceNumber View::sequence() const {
  return rep_->Pinned()->sequence();
}

Iterator* View::NewIterator(const ReadOptions& read_options) const {
  std::shared_ptr<const PinnedVersion> pinned = rep_->Pinned();
  // What DBImpl::NewIterator() refuses.
  if (read_options.io_activity != Env::IOActivity::kUnknown &&
      read_options.io_activity != Env::IOActivity::kDBIterator) {
    return NewErrorIterator(Status::InvalidArgument(
        "ReadOptions::io_activity of an iterator must be kUnknown or "
        "kDBIterator"));
  }
  if (read_options.snapshot != nullptr &&
      read_options.snapshot->GetSequenceNumber() != pinned->sequence()) {
    return NewErrorIterator(
        Status::InvalidArgument("ReadOptions::snapshot is not the view's",
                                "leave it null, and open the view with it"));
  }
  if (compat::AsksForManagedIterator(read_options) ||
      read_options.read_tier == ROCKSDB_NAMESPACE::kPersistedTier ||
      read_options.tailing) {
    return NewErrorIterator(Status::NotSupported(
        "a view has no managed or tailing iterators, and none of persisted "
        "data"));
  }
  const Status s = pinned->CheckTimestamp(read_options.timestamp);
  if (!s.ok()) return NewErrorIterator(s);
  ReadOptions options(read_options);
  options.io_activity = Env::IOActivity::kDBIterator;
  return new view::ViewIterator(std::move(pinned), options, rep_->handed_over,
                                /*by_entries=*/false);
}

Status View::DistinctPrefixes(
    const Slice& prefix, char separator,
    const std::function<bool(const Slice& entry)>& take) const {
  const std::shared_ptr<const PinnedVersion> pinned = rep_->Pinned();
  if (TrieOrderOf(pinned->cfd()->user_comparator()) != TrieOrder::kBytewise) {
    return Status::NotSupported(
        "memkv::View::DistinctPrefixes needs the bytewise comparator");
  }
  std::string end = prefix.ToString();
  const bool has_end = MakePrefixEnd(&end);
  const Slice bound(end);
  ReadOptions options;
  options.total_order_seek = true;
  options.allow_unprepared_value = true;
  if (has_end) options.iterate_upper_bound = &bound;
  view::ViewIterator it(pinned, options, rep_->handed_over,
                        /*by_entries=*/false);
  std::string entry;
  view::StepsOrSeek worth;
  it.Seek(prefix);
  while (it.Valid()) {
    const std::string_view key = it.key().ToStringView();
    const size_t at = key.find(separator, prefix.size());
    entry = key.substr(0, at == std::string_view::npos ? at : at + 1);
    if (!take(entry)) break;
    it.Next();
    if (at == std::string_view::npos) continue;
    int steps = worth.steps();
    while (--steps > 0 && it.Valid() && it.key().starts_with(entry)) it.Next();
    if (!it.Valid() || !it.key().starts_with(entry)) {
      worth.Sufficed();
      continue;
    }
    worth.DidNot();
    if (!MakePrefixEnd(&entry)) break;  // Nothing is behind bytes of 0xff.
    it.Seek(entry);
  }
  return it.status();
}

Iterator* View::Search(const ReadOptions& read_options,
                       std::unique_ptr<Automaton> automaton) const {
  const TrieOrder order = TrieOrderOf(rep_->handle->GetComparator());
  if (order == TrieOrder::kUnsupported) {
    return NewErrorIterator(Status::NotSupported(
        "memkv::View::Search needs the bytewise comparator or its reverse"));
  }
  if (read_options.prefix_same_as_start) {
    return NewErrorIterator(Status::NotSupported(
        "a search has no prefix_same_as_start: it seeks beyond prefixes",
        "iterate_lower_bound and iterate_upper_bound limit it"));
  }
  ReadOptions options(read_options);
  options.total_order_seek = true;
  // Most keys that a search stands on are passed by.
  options.allow_unprepared_value = true;
  return new view::SearchIterator(
      std::unique_ptr<Iterator>(NewIterator(options)),
      order == TrieOrder::kMirrored, !read_options.allow_unprepared_value,
      std::move(automaton));
}

uint64_t View::handed_over() const {
  return rep_->handed_over->load(std::memory_order_relaxed);
}

}  // namespace memkv
