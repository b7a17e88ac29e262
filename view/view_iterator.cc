// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/view_iterator.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "compat/database.h"
#include "compat/statistics.h"
#include "compat/trie_order.h"
#include "rocksdb/wide_columns.h"
#include "util/common_prefix.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;

namespace {

// Keys in a row that range deletions cover, before runs are sought beyond them.
constexpr size_t kDeletedToSeek = 8;

}  // namespace

ViewIterator::ViewIterator(std::shared_ptr<const PinnedVersion> pinned,
                           const ReadOptions& read_options,
                           std::shared_ptr<std::atomic<uint64_t>> handed_over,
                           bool by_entries)
    : pinned_(std::move(pinned)),
      read_options_(read_options),
      handed_over_(std::move(handed_over)) {
  context_.by_entries = by_entries;
  Start();
}

ViewIterator::~ViewIterator() { Stop(); }

bool ViewIterator::HandsOver(const PinnedVersion& pinned,
                             const ReadOptions& read_options) {
  return TrieOrderOf(pinned.cfd()->user_comparator()) ==
             TrieOrder::kUnsupported ||
         read_options.timestamp != nullptr ||
         read_options.iter_start_ts != nullptr || read_options.pin_data ||
         read_options.async_io ||
         read_options.max_skippable_internal_keys != 0 ||
         read_options.table_filter ||
         read_options.background_purge_on_iterator_cleanup ||
         read_options.read_tier != ROCKSDB_NAMESPACE::kReadAllTier;
}

// ---- Runs -------------------------------------------------------------------

void ViewIterator::Start() {
  read_options_.snapshot = pinned_->snapshot();
  const auto* const cfd = pinned_->cfd();
  const auto& options = pinned_->super_version()->mutable_cf_options;
  read_options_.total_order_seek |=
      compat::OptionsOf(*cfd).prefix_seek_opt_in_only;
  if (HandsOver(*pinned_, read_options_)) {
    HandOver();
    return;
  }
  RecordTick(compat::OptionsOf(*cfd).stats,
             ROCKSDB_NAMESPACE::NO_ITERATOR_CREATED);
  prefix_extractor_ = options.prefix_extractor.get();
  check_prefix_ =
      prefix_extractor_ != nullptr && read_options_.prefix_same_as_start;
  mirrored_ = TrieOrderOf(cfd->user_comparator()) == TrieOrder::kMirrored;
  arena_ = std::make_unique<ROCKSDB_NAMESPACE::Arena>();
  context_.pinned = pinned_.get();
  context_.read_options = &read_options_;
  context_.comparator = cfd->user_comparator();
  if (!read_options_.ignore_range_deletions) {
    range_deletions_ = std::make_unique<RangeDeletions>(
        cfd->internal_comparator(), pinned_->sequence());
    context_.range_deletions = range_deletions_.get();
  }
  MakeRuns(context_, prefix_extractor_, arena_.get(), &runs_);
  if (range_deletions_ == nullptr) return;
  status_ = range_deletions_->AddMemTables(*pinned_->super_version(),
                                           read_options_, arena_.get());
}

void ViewIterator::Stop() {
  auto* const stats = compat::OptionsOf(*pinned_->cfd()).stats;
  if (!runs_.empty()) {
    RecordTick(stats, ROCKSDB_NAMESPACE::NO_ITERATOR_DELETED);
  }
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_NEXT, counts_.steps[1]);
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_NEXT_FOUND, counts_.found[1]);
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_PREV, counts_.steps[0]);
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_PREV_FOUND, counts_.found[0]);
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_SEEK, counts_.seeks);
  RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_DB_SEEK_FOUND,
             counts_.seeks_found);
  RecordTick(stats, ROCKSDB_NAMESPACE::ITER_BYTES_READ, counts_.bytes);
  counts_ = Counts();
  End();
  current_ = nullptr;
  order_.clear();
  runs_.clear();
  range_deletions_.reset();
  arena_.reset();
  rocksdb_.reset();
}

void ViewIterator::HandOver() {
  handed_over_->fetch_add(1, std::memory_order_relaxed);
  rocksdb_.reset(pinned_->NewRocksDBIterator(read_options_));
}

// ---- Order ------------------------------------------------------------------

int ViewIterator::Compare(const Slice& a, const Slice& b, size_t known,
                          size_t* shared) const {
  const size_t most = std::min(a.size(), b.size());
  const size_t same =
      known +
      CommonPrefix(std::string_view(a.data() + known, a.size() - known),
                   std::string_view(b.data() + known, b.size() - known));
  *shared = same;
  int order;
  if (same < most) {
    order =
        static_cast<uint8_t>(a[same]) < static_cast<uint8_t>(b[same]) ? -1 : 1;
  } else {
    order = a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
  }
  return forward_ != mirrored_ ? order : -order;
}

bool ViewIterator::ComesBefore(const Run* a, const Run* b) const {
  size_t shared = 0;
  const int order = Compare(a->key(), b->key(), 0, &shared);
  return order != 0 ? order < 0 : a->tag() > b->tag();
}

void ViewIterator::Wait(Run* run) {
  if (!run->Valid()) {
    if (!run->status().ok()) Fail(run->status());
    return;
  }
  order_.push_back(run);
  SinkLast();
}

Run* ViewIterator::TakeNearest() {
  Run* const nearest = order_.back();
  order_.pop_back();
  return nearest;
}

bool ViewIterator::FindNearest() {
  duplicates_ = 0;
  if (current_ != nullptr && !current_->Valid()) {
    if (!current_->status().ok()) {
      Fail(current_->status());
      return false;
    }
    current_ = nullptr;
  }
  if (current_ == nullptr) {
    if (order_.empty()) return false;
    current_ = TakeNearest();
  }
  while (!order_.empty()) {
    const Run* const next = order_.back();
    const int order = Compare(current_->key(), next->key(),
                              std::exchange(near_known_, 0), &near_shared_);
    if (order < 0) return true;
    if (order > 0 || current_->tag() < next->tag()) {
      // Next to it stands the one that it has passed, unless that has passed
      // others, too.
      std::swap(current_, order_.back());
      if (SinkLast()) continue;
      if (order > 0) return true;
    }
    do {
      ++duplicates_;
    } while (duplicates_ < order_.size() &&
             order_[order_.size() - 1 - duplicates_]->key() == current_->key());
    return true;
  }
  return true;
}

bool ViewIterator::SinkLast() {
  size_t at = order_.size() - 1;
  for (; at > 0 && ComesBefore(order_[at - 1], order_[at]); --at) {
    std::swap(order_[at - 1], order_[at]);
  }
  return at + 1 != order_.size();
}

void ViewIterator::PassKey() {
  for (; duplicates_ > 0; --duplicates_) {
    // Those behind it in order_ are stepped already, and may stand before it.
    Run* const run = TakeNearest();
    run->Step(forward_);
    passed_.push_back(run);
  }
  for (Run* const run : passed_) Wait(run);
  passed_.clear();
  current_->Step(forward_);
}

// ---- Movement ---------------------------------------------------------------

void ViewIterator::SeekAll(const Slice* user_key, bool forward,
                           bool inclusive) {
  forward_ = forward;
  status_ = Status::OK();
  End();
  current_ = nullptr;
  near_known_ = 0;
  order_.clear();
  deleted_in_row_ = 0;
  if (range_deletions_ != nullptr) range_deletions_->Invalidate();
  if (user_key != nullptr && forward && inclusive) {
    SeekTogether(*user_key);
    return;
  }
  for (const std::unique_ptr<Run>& run : runs_) {
    if (user_key == nullptr) {
      run->SeekToEnd(forward);
    } else {
      run->Seek(*user_key, forward, inclusive);
    }
    Wait(run.get());
    if (!status_.ok()) return;
  }
}

void ViewIterator::SeekTogether(const Slice& user_key) {
  // A copy: it may be a view of what a seek moves.
  target_.clear();
  ROCKSDB_NAMESPACE::AppendInternalKey(
      &target_,
      ROCKSDB_NAMESPACE::ParsedInternalKey(
          user_key, pinned_->sequence(), ROCKSDB_NAMESPACE::kValueTypeForSeek));
  std::array<FstTableIterator*, FstTableIterator::kMostSeeks> iters = {};
  std::array<Run*, FstTableIterator::kMostSeeks> sought = {};
  size_t n = 0;
  const auto finish = [&] {
    if (n == 1) {
      iters[0]->Seek(target_);
    } else {
      FstTableIterator::SeekAll(iters.data(), n, target_);
    }
    for (size_t i = 0; i < n; ++i) sought[i]->FinishSeek();
    n = 0;
  };
  for (const std::unique_ptr<Run>& run : runs_) {
    iters[n] = run->BeginSeek(target_);
    if (iters[n] == nullptr) continue;
    sought[n++] = run.get();
    if (n == iters.size()) finish();
  }
  finish();
  for (const std::unique_ptr<Run>& run : runs_) {
    Wait(run.get());
    if (!status_.ok()) return;
  }
}

void ViewIterator::FinishSeek(bool to_end, const Slice& target) {
  // DBIter takes the prefix of what was sought, or else of what was found.
  bool take_prefix = false;
  if (check_prefix_ && !to_end) {
    const Slice prefix = prefix_extractor_->Transform(target);
    prefix_.assign(prefix.data(), prefix.size());
  } else if (check_prefix_) {
    check_prefix_ = false;
    take_prefix = true;
  }
  if (status_.ok()) Settle();
  if (take_prefix) {
    check_prefix_ = true;
    if (valid_) {
      const Slice prefix = prefix_extractor_->Transform(key_);
      prefix_.assign(prefix.data(), prefix.size());
      plain_ = nullptr;
    }
  }
  ++counts_.seeks;
  if (valid_) {
    ++counts_.seeks_found;
    counts_.bytes += key_.size() + value_.size();
  }
}

void ViewIterator::Seek(const Slice& target) {
  if (rocksdb_ != nullptr) {
    rocksdb_->Seek(target);
    return;
  }
  const Slice* const lower = read_options_.iterate_lower_bound;
  const bool below =
      lower != nullptr && context_.comparator->Compare(target, *lower) < 0;
  SeekAll(below ? lower : &target, /*forward=*/true, /*inclusive=*/true);
  FinishSeek(/*to_end=*/false, target);
}

void ViewIterator::SeekForPrev(const Slice& target) {
  if (rocksdb_ != nullptr) {
    rocksdb_->SeekForPrev(target);
    return;
  }
  const Slice* const upper = read_options_.iterate_upper_bound;
  const bool above =
      upper != nullptr && context_.comparator->Compare(target, *upper) >= 0;
  SeekAll(above ? upper : &target, /*forward=*/false, /*inclusive=*/!above);
  FinishSeek(/*to_end=*/false, target);
}

void ViewIterator::SeekToFirst() {
  if (rocksdb_ != nullptr) {
    rocksdb_->SeekToFirst();
  } else if (read_options_.iterate_lower_bound != nullptr) {
    Seek(*read_options_.iterate_lower_bound);
  } else {
    SeekAll(nullptr, /*forward=*/true, /*inclusive=*/true);
    FinishSeek(/*to_end=*/true, Slice());
  }
}

void ViewIterator::SeekToLast() {
  if (rocksdb_ != nullptr) {
    rocksdb_->SeekToLast();
  } else if (read_options_.iterate_upper_bound != nullptr) {
    // DBIter::SeekToLast() takes the prefix of the bound.
    SeekForPrev(*read_options_.iterate_upper_bound);
  } else {
    SeekAll(nullptr, /*forward=*/false, /*inclusive=*/true);
    FinishSeek(/*to_end=*/true, Slice());
  }
}

void ViewIterator::TurnAround(bool forward) {
  // The current run's own key moves with it.
  turned_.assign(key_.data(), key_.size());
  const Slice from(turned_);
  SeekAll(&from, forward, /*inclusive=*/false);
}

void ViewIterator::Step(bool forward) {
  if (rocksdb_ != nullptr) {
    forward ? rocksdb_->Next() : rocksdb_->Prev();
    return;
  }
  assert(valid_);
  ++counts_.steps[forward];
  if (forward != forward_) {
    TurnAround(forward);
    if (status_.ok()) Settle();
  } else if (plain_ != nullptr) {
    if (plain_->StepSimple(forward) &&
        (plain_->value_ready() || plain_->PrepareValue())) {
      const Slice key = plain_->user_key();
      if (BeforeLimit(key, plain_->shared())) {
        key_ = key;
        value_ = plain_->value();
        ++counts_.found[forward];
        counts_.bytes += key.size() + value_.size();
        return;
      }
      current_->TakeKey();
      if (limit_is_run_) near_known_ = static_cast<size_t>(limit_shared_);
      Settle();
    } else {
      StepBeyondPlain();
    }
  } else {
    PassKey();
    if (status_.ok()) Settle();
  }
  if (valid_) {
    ++counts_.found[forward];
    counts_.bytes += key_.size() + value_.size();
  }
}

void ViewIterator::StepBeyondPlain() {
  current_->TakeKey();
  if (current_->Valid()) current_->Step(forward_);
  Settle();
}

void ViewIterator::Settle() {
  valid_ = false;
  plain_ = nullptr;
  while (status_.ok() && FindNearest()) {
    if (!IsWithin(current_->key())) {
      End();
      return;
    }
    const auto type =
        current_->plain() != nullptr
            ? ROCKSDB_NAMESPACE::kTypeValue
            : static_cast<ROCKSDB_NAMESPACE::ValueType>(current_->tag() & 0xff);
    switch (type) {
      case ROCKSDB_NAMESPACE::kTypeValue:
        if (range_deletions_ == nullptr || range_deletions_->empty() ||
            !PassDeletedRange()) {
          Show();
          return;
        }
        break;
      case ROCKSDB_NAMESPACE::kTypeDeletion:
      case ROCKSDB_NAMESPACE::kTypeSingleDeletion:
        PassKey();
        break;
      default: {
        const std::string at = current_->key().ToString();
        HandOver();
        forward_ ? rocksdb_->Seek(at) : rocksdb_->SeekForPrev(at);
        return;
      }
    }
  }
}

bool ViewIterator::PassDeletedRange() {
  const uint64_t tag = current_->tag();
  const ROCKSDB_NAMESPACE::ParsedInternalKey entry(
      current_->key(), tag >> 8,
      static_cast<ROCKSDB_NAMESPACE::ValueType>(tag & 0xff));
  if (!range_deletions_->Deletes(entry, forward_)) {
    deleted_in_row_ = 0;
    return false;
  }
  if (++deleted_in_row_ < kDeletedToSeek) {
    PassKey();
    return true;
  }
  deleted_in_row_ = 0;
  const std::string at = current_->key().ToString();
  PassKey();
  // Each older run, to where the newest range that covers the key ends.
  order_.clear();
  current_ = nullptr;
  std::string end;
  for (const std::unique_ptr<Run>& run : runs_) {
    size_t shared = 0;
    if (run->Valid() &&
        range_deletions_->EndOfRange(at, run->number(), forward_, &end) &&
        Compare(run->key(), end, 0, &shared) < 0) {
      run->Seek(end, forward_, /*inclusive=*/forward_);
    }
    Wait(run.get());
  }
  return true;
}

bool ViewIterator::IsWithin(const Slice& user_key) const {
  const Slice* const bound = forward_ ? read_options_.iterate_upper_bound
                                      : read_options_.iterate_lower_bound;
  if (bound != nullptr) {
    const int order = context_.comparator->Compare(user_key, *bound);
    if (forward_ ? order >= 0 : order < 0) return false;
  }
  return !check_prefix_ || prefix_extractor_->Transform(user_key) == prefix_;
}

void ViewIterator::Show() {
  if (!read_options_.allow_unprepared_value && !current_->PrepareValue()) {
    Fail(current_->status());
    return;
  }
  valid_ = true;
  key_ = current_->key();
  value_ = read_options_.allow_unprepared_value ? Slice() : current_->value();
  SetLimit();
}

void ViewIterator::SetLimit() {
  plain_ = duplicates_ == 0 && !check_prefix_ &&
                   !read_options_.allow_unprepared_value &&
                   (range_deletions_ == nullptr || range_deletions_->empty())
               ? current_->plain()
               : nullptr;
  if (plain_ == nullptr) return;
  limit_shared_ = -1;
  limit_is_run_ = !order_.empty();
  if (limit_is_run_) {
    limit_ = order_.back()->key();
    limit_shared_ = static_cast<int64_t>(near_shared_);
  }
  // A key at the lower bound is still shown; one before it is not.
  const Slice* const bound = forward_ ? read_options_.iterate_upper_bound
                                      : read_options_.iterate_lower_bound;
  if (bound == nullptr) return;
  size_t shared = 0;
  if (limit_shared_ < 0 || Compare(*bound, limit_, 0, &shared) < 0) {
    limit_ = *bound;
    limit_is_run_ = false;
    Compare(key_, limit_, 0, &shared);
    limit_shared_ = static_cast<int64_t>(shared);
  }
}

bool ViewIterator::PrepareValue() {
  if (rocksdb_ != nullptr) return rocksdb_->PrepareValue();
  assert(valid_);
  if (!read_options_.allow_unprepared_value) return true;
  if (!current_->PrepareValue()) {
    Fail(current_->status());
    return false;
  }
  key_ = current_->key();
  value_ = current_->value();
  return true;
}

const ROCKSDB_NAMESPACE::WideColumns& ViewIterator::columns() const {
  if (rocksdb_ != nullptr) return rocksdb_->columns();
  columns_.clear();
  columns_.emplace_back(ROCKSDB_NAMESPACE::kDefaultWideColumnName, value_);
  return columns_;
}

// ---- All else ----

Status ViewIterator::GetProperty(std::string name, std::string* value) {
  if (value == nullptr) return Status::InvalidArgument("prop is nullptr");
  if (name == "memkv.iterator.served-by") {
    *value = rocksdb_ != nullptr ? "rocksdb" : "view";
    return Status::OK();
  }
  if (rocksdb_ != nullptr) return rocksdb_->GetProperty(name, value);
  if (name == "rocksdb.iterator.super-version-number") {
    *value = std::to_string(pinned_->super_version()->version_number);
  } else if (name == "rocksdb.iterator.is-key-pinned" ||
             name == "rocksdb.iterator.is-value-pinned") {
    *value = valid_ ? "0" : "Iterator is not valid.";
  } else if (name == "rocksdb.iterator.internal-key") {
    *value = key_.ToString();
  } else {
    return Iterator::GetProperty(name, value);
  }
  return Status::OK();
}

Status ViewIterator::Refresh(const ROCKSDB_NAMESPACE::Snapshot* snapshot) {
  Stop();
  pinned_ = std::make_shared<const PinnedVersion>(pinned_->db(),
                                                  pinned_->handle(), snapshot);
  status_ = Status::OK();
  Start();
  return status_;
}

}  // namespace view
}  // namespace memkv
