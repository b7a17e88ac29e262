// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_iterator.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "compat/statistics.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableReaderCaller;

namespace {

constexpr size_t kTagSize = 8;
static_assert(kTagSize <= KeyTrieCursor::kTail, "a tag fits behind a key");

constexpr uint32_t kStepsToCheckBound = 16;

}  // namespace

FstTableIterator::FstTableIterator(
    const FstFile& file, const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    FileFilter::Seeks filtered_seeks, TableReaderCaller caller,
    size_t compaction_readahead_size, bool allow_unprepared_value)
    : file_(file),
      read_options_(read_options),
      filtered_seeks_(filtered_seeks),
      allow_unprepared_value_(allow_unprepared_value),
      slots_(file.store().ShareSlots()),
      reads_(file, read_options_, caller, compaction_readahead_size) {}

ROCKSDB_NAMESPACE::Cleanable* FstTableIterator::Pinner() const {
  return pinned_iters_mgr_ != nullptr && pinned_iters_mgr_->PinningEnabled()
             ? pinned_iters_mgr_
             : nullptr;
}

bool FstTableIterator::LoadSegment(uint32_t i) {
  // Between seeks a caller may change what its bound points at.
  within_bound_ = false;
  steps_to_check_ = kStepsToCheckBound;
  if (count_seek_) CountSeek();
  if (segment_ != nullptr && segment_index_ == i) return true;
  const bool sequential = segment_ != nullptr &&
                          (i == segment_index_ + 1 || i + 1 == segment_index_);
  cursor_.Reset(nullptr);
  segment_ = nullptr;
  ReleaseTo(Pinner(), &value_block_);
  SetValuesAtHand(nullptr, 0, 0);
  ReleaseTo(Pinner(), &segment_entry_);
  const Status s = reads_.GetSegment(i, sequential, &segment_entry_);
  if (!s.ok()) {
    Fail(s);
    return false;
  }
  segment_ = &segment_entry_.GetValue()->segment();
  segment_index_ = i;
  cursor_.Reset(&segment_->trie());
  same_tags_ = segment_->same_tags();
  same_tag_ = file_.EffectiveTag(*segment_, 0);
  if (same_tags_ && !FstFile::HasValueType(same_tag_)) {
    segment_ = nullptr;
    Fail(file_.CorruptSegment(i, "unknown value type"));
    return false;
  }
  tag_entry_ = UINT32_MAX;
  alike_ = segment_->single_version() && same_tags_ &&
           !compat::HasPreferredSeqno(same_tag_);
  simple_ = segment_->single_version() &&
            (all_visible_ || (same_tags_ && same_tag_ <= newest_));
  plain_ = simple_ && segment_->same_types() &&
           (same_tag_ & 0xff) == ROCKSDB_NAMESPACE::kTypeValue;
  uniform_values_ = nullptr;
  if (const ValueRunView* const values = segment_->inline_values()) {
    SetValuesAtHand(values, 0, segment_->num_entries());
    uniform_values_ = values->UniformValues(&uniform_size_);
  }
  return true;
}

void FstTableIterator::CheckUpperBound() {
  const Slice* const bound = read_options_.iterate_upper_bound;
  std::string end;  // of the segment's group
  within_bound_ = false;
  if (bound == nullptr || !file_.index().Bound(segment_index_, &end)) return;
  // All keys are before it, or, in a mirrored file, not behind it.
  const int order =
      file_.internal_comparator().user_comparator()->Compare(end, *bound);
  within_bound_ = segment_->mirrored() ? order < 0 : order <= 0;
}

void FstTableIterator::EnterSegment(uint32_t i, End end) {
  if (!LoadSegment(i)) return;
  if ((end == End::kFirst) != segment_->mirrored()) {
    cursor_.SeekToFirst();
  } else {
    cursor_.SeekToLast();
  }
  LoadKey(end);
}

void FstTableIterator::StepKey(bool forward) {
  MoveCursor(forward);
  TakeStep(forward);
}

inline void FstTableIterator::StepAlike(bool forward) {
  assert(valid_ && alike_);
  MoveCursor(forward);
  if (!cursor_.Valid()) {
    TakeStep(forward);
    return;
  }
  entry_ = segment_->Mirror(cursor_.ordinal());
  begin_ = entry_;
  end_ = entry_ + 1;
  ROCKSDB_NAMESPACE::EncodeFixed64(cursor_.tail(), same_tag_);
  key_ = Slice(cursor_.key().data(), cursor_.key().size() + kTagSize);
  if (TakeUniformValue() || TakeValueAtHand()) return;
  value_ready_ = false;
  if (!allow_unprepared_value_ || ValueIsAtHand()) PrepareValue();
}

void FstTableIterator::TakeStep(bool forward) {
  if (cursor_.Valid() || cursor_.corrupt()) {
    LoadKey(forward ? End::kFirst : End::kLast);
  } else if (forward ? segment_index_ + 1 < file_.index().num_segments()
                     : segment_index_ != 0) {
    // The cursor has found no other key, and so still has its own.
    left_.assign(cursor_.key());
    ROCKSDB_NAMESPACE::PutFixed64(
        &left_, file_.EffectiveTag(*segment_, forward ? end_ - 1 : begin_));
    if (forward) {
      EnterSegment(segment_index_ + 1, End::kFirst);
    } else {
      EnterSegment(segment_index_ - 1, End::kLast);
    }
    ExpectBeyond(left_, forward);
  } else {
    Invalidate();
  }
}

void FstTableIterator::ExpectBeyond(const Slice& internal_key, bool forward) {
  if (!valid_) return;
  const int order = file_.internal_comparator().Compare(key_, internal_key);
  if (order == 0 || (order > 0) != forward) FailOrder();
}

void FstTableIterator::FailOrder() {
  Fail(file_.CorruptSegment(segment_index_, "its entries are out of order"));
}

void FstTableIterator::FailTrie() {
  Fail(file_.CorruptSegment(segment_index_, "damaged trie or entries"));
}

uint64_t FstTableIterator::TagHere() {
  return ROCKSDB_NAMESPACE::DecodeFixed64(cursor_.tail());
}

void FstTableIterator::LoadKey(End end) {
  if (!cursor_.Valid() ||
      !segment_->EntriesOf(segment_->Mirror(cursor_.ordinal()), &begin_,
                           &end_)) {
    FailTrie();
    return;
  }
  entry_ = end == End::kFirst ? begin_ : end_ - 1;
  LoadEntry();
}

void FstTableIterator::LoadEntry() {
  uint64_t tag = same_tag_;
  if (!same_tags_) {
    tag = file_.EffectiveTag(*segment_, entry_);
    tag_entry_ = entry_;
    tag_ = tag;
    if (!FstFile::HasValueType(tag)) {
      Fail(file_.CorruptSegment(segment_index_, "unknown value type"));
      return;
    }
  }
  ROCKSDB_NAMESPACE::EncodeFixed64(cursor_.tail(), tag);
  key_ = Slice(cursor_.key().data(), cursor_.key().size() + kTagSize);
  valid_ = true;
  if (!compat::HasPreferredSeqno(tag) && TakeUniformValue()) return;
  value_ready_ = false;
  if (!allow_unprepared_value_ || ValueIsAtHand()) PrepareValue();
}

bool FstTableIterator::PrepareValue() {
  assert(valid_);
  if (value_ready_) return true;
  if (ValueIsAtHand() && !compat::HasPreferredSeqno(TagHere()) &&
      TakeValueAtHand()) {
    return true;
  }
  // ReadValue() may give the block at hand up, and then fail.
  if (!segment_->values_inline()) SetValuesAtHand(nullptr, 0, 0);
  const Status s =
      file_.ReadValue(reads_.ValueContext(*segment_), segment_index_, *segment_,
                      entry_, &value_block_, &value_block_number_, Pinner(),
                      &last_value_.number, &value_);
  if (!s.ok()) {
    Fail(s);
    return false;
  }
  if (!segment_->values_inline()) {
    SetValuesAtHand(&value_block_.GetValue()->values(),
                    segment_->ValueBlockFirstEntry(value_block_number_),
                    segment_->ValueBlockFirstEntry(value_block_number_ + 1));
  }
  value_ready_ = true;
  return true;
}

Slice FstTableIterator::PinnedNumber() const {
  const size_t size = values_->number_size();
  if (numbers_ == nullptr) {
    numbers_ = std::make_unique<char[]>(values_->size() * size);
    values_->PutNumbers(numbers_.get());
  }
  return Slice(numbers_.get() + (entry_ - values_begin_) * size, size);
}

void FstTableIterator::ReleaseNumbers() {
  if (ROCKSDB_NAMESPACE::Cleanable* const pinner = Pinner()) {
    pinner->RegisterCleanup(
        [](void* numbers, void*) { delete[] static_cast<char*>(numbers); },
        numbers_.release(), nullptr);
  }
  numbers_.reset();
}

uint64_t FstTableIterator::write_unix_time() const {
  assert(valid_);
  const uint64_t tag = ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(key_);
  if (compat::HasPreferredSeqno(tag) && !value_ready_) {
    return compat::WriteTimes::kUnknown;
  }
  return file_.write_times().Of(tag, value_);
}

void FstTableIterator::StartSeek() {
  status_ = Status::OK();
  Invalidate();
  reads_.StartSeek();
  count_seek_ = !reads_.for_compaction();
  waits_ = false;
  count_value_ = false;
  filter_asked_ = false;
}

bool FstTableIterator::PassesFilter(const Slice& target, bool forward) {
  if (filtered_seeks_ == FileFilter::Seeks::kNone) return true;
  bool may_match = true;
  const Status s = file_.filter().SeekMayMatch(
      BlockReadContext{read_options_}, filtered_seeks_, forward,
      ROCKSDB_NAMESPACE::ExtractUserKey(target), &may_match, &filter_asked_);
  if (!s.ok()) Fail(s);
  return s.ok() && may_match;
}

void FstTableIterator::CountSeek() {
  count_seek_ = false;
  count_value_ = true;
  compat::CountSeekToData(file_.store().ioptions().stats,
                          file_.at_last_level());
}

void FstTableIterator::CountValue() const {
  count_value_ = false;
  compat::CountUsefulSeek(file_.store().ioptions().stats, filter_asked_,
                          file_.at_last_level());
}

void FstTableIterator::EnterFileEnd(End end) {
  const uint32_t segments = file_.index().num_segments();
  if (segments == 0) return;
  EnterSegment(end == End::kFirst ? 0 : segments - 1, end);
}

void FstTableIterator::SeekToFirst() {
  StartSeek();
  EnterFileEnd(End::kFirst);
}

void FstTableIterator::SeekToLast() {
  StartSeek();
  EnterFileEnd(End::kLast);
}

bool FstTableIterator::BeginsToRead(const Slice& target) {
  if (!reads_.BeginsReads()) return false;
  const uint32_t i = file_.index().SegmentFor(
      ROCKSDB_NAMESPACE::ExtractUserKey(target).ToStringView());
  return i < file_.index().num_segments() &&
         (segment_ == nullptr || segment_index_ != i) && reads_.Begin(i);
}

void FstTableIterator::Seek(const Slice& target) {
  const bool again = waits_ && target == Slice(target_);
  const bool filter_asked = filter_asked_;
  StartSeek();
  sought_segment_ = kNowhere;
  if (again) {
    filter_asked_ = filter_asked;
  } else {
    if (!PassesFilter(target, /*forward=*/true)) return;
    target_.assign(target.data(), target.size());
    if (BeginsToRead(target_)) {
      // As BlockBasedTableIterator: the caller seeks in other files, and then
      // here again.
      waits_ = true;
      status_ = Status::TryAgain();
      return;
    }
  }
  FindEntry(target_);
  if (valid_) {
    sought_.swap(target_);
    sought_segment_ = segment_index_;
    sought_entry_ = entry_;
  }
}

void FstTableIterator::SeekAll(FstTableIterator* const* iters, size_t n,
                               const Slice& target) {
  const Slice user_key = ROCKSDB_NAMESPACE::ExtractUserKey(target);
  std::array<FstTableIterator*, kMostSeeks> sought = {};
  std::array<KeyTrieCursor*, kMostSeeks> cursors = {};
  size_t m = 0;
  for (size_t i = 0; i < n; ++i) {
    FstTableIterator* const iter = iters[i];
    iter->StartSeek();
    iter->sought_segment_ = kNowhere;
    if (!iter->PassesFilter(target, /*forward=*/true) ||
        !iter->FindSegment(target)) {
      continue;
    }
    if (iter->segment_->mirrored()) {
      iter->cursor_.SeekForPrev(user_key.ToStringView());
      iter->FindEntryAtCursor(target);
      continue;
    }
    cursors[m] = &iter->cursor_;
    sought[m++] = iter;
  }
  KeyTrieCursor::SeekAll(cursors.data(), m,
                         key_trie::SoughtKey(user_key.ToStringView()));
  for (size_t i = 0; i < m; ++i) {
    if (cursors[i]->Valid()) {
      sought[i]->segment_->PrefetchEntriesOf(cursors[i]->ordinal());
      if (sought[i]->segment_->single_version()) {
        sought[i]->segment_->PrefetchEntry(cursors[i]->ordinal());
      }
    }
  }
  for (size_t i = 0; i < m; ++i) sought[i]->FindEntryAtCursor(target);
}

void FstTableIterator::FindEntry(const Slice& target) {
  if (!FindSegment(target)) return;
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(target).ToStringView();
  if (segment_->mirrored()) {
    cursor_.SeekForPrev(user_key);
  } else {
    cursor_.Seek(user_key);
  }
  FindEntryAtCursor(target);
}

bool FstTableIterator::FindSegment(const Slice& target) {
  const uint32_t i = file_.index().SegmentFor(
      ROCKSDB_NAMESPACE::ExtractUserKey(target).ToStringView());
  if (i == FileIndex::kCorrupt) {
    Fail(file_.CorruptIndex());
    return false;
  }
  return i != file_.index().num_segments() && LoadSegment(i);
}

void FstTableIterator::FindEntryAtCursor(const Slice& target) {
  const uint32_t i = segment_index_;
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(target).ToStringView();
  if (!cursor_.Valid() && !cursor_.corrupt()) {
    // The target is between the group's keys and their bound.
    const uint32_t next = file_.index().NextGroup(i);
    if (next < file_.index().num_segments()) {
      EnterSegment(next, End::kFirst);
      ExpectBeyond(target, /*forward=*/true);
    }
    return;
  }
  int order = cursor_.Valid() ? cursor_.key().compare(user_key) : 0;
  if (segment_->mirrored()) order = -order;
  if (order < 0 || !cursor_.Valid()) {
    Fail(file_.CorruptSegment(i, "damaged trie"));
    return;
  }
  // Reads a value only when the entry is known.
  if (order != 0) {
    LoadKey(End::kFirst);
    return;
  }
  const uint64_t tag = ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(target);
  if (segment_->Mirror(cursor_.ordinal()) + 1 == segment_->num_keys()) {
    const uint32_t at = file_.Continue(i, tag);
    if (at != i) {
      if (!LoadSegment(at)) return;
      cursor_.SeekToFirst();
      if (segment_->num_keys() != 1 || !cursor_.Valid() ||
          cursor_.key() != user_key) {
        Fail(
            file_.CorruptSegment(at, "it does not continue the key before it"));
        return;
      }
    }
  }
  const uint32_t k = segment_->Mirror(cursor_.ordinal());
  if (!segment_->EntriesOf(k, &begin_, &end_)) {
    Fail(file_.CorruptSegment(segment_index_, "damaged entries"));
    return;
  }
  entry_ = file_.SeekEntry(*segment_, begin_, end_, tag);
  if (entry_ == end_) {
    StepKey(/*forward=*/true);
    return;
  }
  LoadEntry();
}

void FstTableIterator::SeekForPrev(const Slice& target) {
  StartSeek();
  if (!PassesFilter(target, /*forward=*/false)) return;
  target_.assign(target.data(), target.size());
  FindEntry(target_);
  // Not SeekForPrevImpl(), which would take an error for the file's end.
  if (!status_.ok()) return;
  if (!valid_) {
    EnterFileEnd(End::kLast);
    ExpectBeyond(target_, /*forward=*/false);
  } else if (file_.internal_comparator().Compare(key_, target_) > 0) {
    Prev();
    ExpectBeyond(target_, /*forward=*/false);
  }
}

void FstTableIterator::SettleVisible(bool forward) {
  for (; valid_ && !simple_; StepKey(forward)) {
    const uint32_t e = file_.SeekEntry(*segment_, begin_, end_, newest_);
    if (e == end_) continue;
    if (e != entry_) {
      entry_ = e;
      LoadEntry();
    }
    return;
  }
}

void FstTableIterator::Next() {
  assert(valid_);
  if (alike_) {
    StepAlike(/*forward=*/true);
    return;
  }
  if (++entry_ < end_) {
    const uint64_t newer = TagHere();
    LoadEntry();
    if (valid_ && TagHere() >= newer) FailOrder();
  } else {
    StepKey(/*forward=*/true);
  }
}

bool FstTableIterator::NextAndGetResult(
    ROCKSDB_NAMESPACE::IterateResult* result) {
  Next();
  if (valid_) {
    result->key = key_;
    if (steps_to_check_ != 0 && --steps_to_check_ == 0) CheckUpperBound();
    result->bound_check_result = UpperBoundCheckResult();
    result->value_prepared = value_ready_;
  }
  return valid_;
}

void FstTableIterator::Prev() {
  assert(valid_);
  const bool from_sought =
      segment_index_ == sought_segment_ && entry_ == sought_entry_;
  if (alike_) {
    StepAlike(/*forward=*/false);
  } else if (entry_ != begin_) {
    --entry_;
    const uint64_t older = TagHere();
    LoadEntry();
    if (valid_ && TagHere() <= older) FailOrder();
  } else {
    StepKey(/*forward=*/false);
  }
  if (from_sought) ExpectBeyond(sought_, /*forward=*/false);
}

}  // namespace memkv
