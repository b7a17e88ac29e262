// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Walks the entries of an FST file in internal-key order, both ways.
//
// It holds the current segment and value block, by reference in the block
// cache or in a slot, or as owner.  A key is the cursor's, with its tag written
// behind it, so keys are never pinned; values are, while the
// PinnedIteratorsManager wants it, for it then gets the blocks the iterator
// leaves (DBIter steps backwards only over values that are pinned).  Numbers,
// which lie in no block (see ValueRunView), are then put into one.  A value
// that lies in a block that is not at hand is read when it is asked for, if the
// caller has promised to call PrepareValue(); one that is at hand is there at
// once.
//
// What is equal for all entries of a segment is found out when it is entered:
// the tag, where inline values of one size begin, whether the upper bound lies
// behind its keys.  In most segments of compacted files entries are *alike*:
// one a key, all with one tag.  A step there is one of the cursor, and the
// value.
//
// A segment that continues a key (table/segment/file_index.h) is walked like
// any other: its only key is that of the segment before it, and its entries are
// the next older ones.
//
// It is walked by entries, as RocksDB does, or by user keys, as view/ does:
// each key by its newest entry that the reader sees.  A segment that holds one
// entry a key, all of which the reader sees, is *simple*: a step asks nothing
// of an entry.  If all of them are values, too, it is *plain*.
//
// Thread safety: none; an iterator belongs to one thread at a time.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compat/table_iterator.h"
#include "compat/write_time.h"
#include "db/pinned_iterators_manager.h"
#include "rocksdb/table_reader_caller.h"
#include "table/fst/file.h"
#include "table/fst/iterator_reads.h"
#include "table/key_trie/cursor.h"

namespace memkv {

class FstTableIterator final : public compat::TableIteratorBase {
 public:
  // `file` must outlive the iterator's use; the iterator, too, if async_io may
  // have left a read under way.
  FstTableIterator(const FstFile& file,
                   const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                   FileFilter::Seeks filtered_seeks,
                   ROCKSDB_NAMESPACE::TableReaderCaller caller,
                   size_t compaction_readahead_size,
                   bool allow_unprepared_value);

  bool Valid() const override { return valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(const ROCKSDB_NAMESPACE::Slice& target) override;
  void SeekForPrev(const ROCKSDB_NAMESPACE::Slice& target) override;
  void Next() override;
  bool NextAndGetResult(ROCKSDB_NAMESPACE::IterateResult* result) override;
  void Prev() override;
  ROCKSDB_NAMESPACE::Slice key() const override { return key_; }
  ROCKSDB_NAMESPACE::Slice value() const override {
    if (count_value_) CountValue();
    return value_.data() == last_value_.number.data() && Pinner() != nullptr
               ? PinnedNumber()
               : value_;
  }
  bool PrepareValue() override;
  void AnnounceScans(std::vector<compat::ScanRange> ranges,
                     uint64_t most_bytes) override {
    reads_.Announce(std::move(ranges), most_bytes);
  }
  ROCKSDB_NAMESPACE::IterBoundCheck UpperBoundCheckResult() override {
    return within_bound_ ? ROCKSDB_NAMESPACE::IterBoundCheck::kInbound
                         : ROCKSDB_NAMESPACE::IterBoundCheck::kUnknown;
  }
  ROCKSDB_NAMESPACE::Status status() const override { return status_; }
  // Of DBIter's property rocksdb.iterator.write-time.
  uint64_t write_unix_time() const override;
  void SetPinnedItersMgr(
      ROCKSDB_NAMESPACE::PinnedIteratorsManager* manager) override {
    pinned_iters_mgr_ = manager;
  }
  bool IsValuePinned() const override { return Pinner() != nullptr; }

  // ---- A walk by user keys ----
  // A seek is as above; behind it come SettleVisible() and, from then on, only
  // the steps of this section, until the next seek.  key() has no tag then.

  // Begins it, before the first seek: the reader sees entries whose tag is not
  // greater than `newest`; if `all_visible`, the file has no others.
  // REQUIRES: !file().index().has_continuations()
  void WalkKeys(uint64_t newest, bool all_visible) {
    newest_ = newest;
    all_visible_ = all_visible;
  }
  const FstFile& file() const { return file_; }
  // Seek() of several iterators to one target, which is no view of what they
  // hold; the look-ups in their tries go side by side.
  // REQUIRES: n <= kMostSeeks
  static constexpr size_t kMostSeeks = KeyTrieReader::kMaxBatch;
  static void SeekAll(FstTableIterator* const* iters, size_t n,
                      const ROCKSDB_NAMESPACE::Slice& target);
  // Moves to the newest entry that the reader sees, of the key at hand or else
  // of the next key on the way that has one; not valid if none has.
  void SettleVisible(bool forward);
  // The same from the next key on.  REQUIRES: Valid()
  void StepVisible(bool forward) {
    StepKey(forward);
    SettleVisible(forward);
  }
  // REQUIRES: Valid()
  bool simple() const { return simple_; }
  bool plain() const { return plain_; }
  // StepVisible() within the segment.  False, and nothing has changed, at its
  // end; false, and the iterator is not valid, if it is damaged.  In a segment
  // that is not plain value() is not set, unless PrepareValue() is called.
  // REQUIRES: Valid(), simple()
  bool StepSimple(bool forward);
  // REQUIRES: Valid(), for all that follow.
  bool value_ready() const { return value_ready_; }
  ROCKSDB_NAMESPACE::Slice user_key() const override {
    const std::string_view key = cursor_.key();
    return {key.data(), key.size()};
  }
  uint64_t tag() const {
    return same_tags_             ? same_tag_
           : entry_ == tag_entry_ ? tag_
                                  : file_.EffectiveTag(*segment_, entry_);
  }
  // Bytes that the key is known to share with the one the last step left.
  uint64_t shared() const { return cursor_.shared(); }

 private:
  enum class End { kFirst, kLast };

  // Begins a seek: the iterator is at nothing.
  void StartSeek();
  // Whether the filter lets a seek go on.
  bool PassesFilter(const ROCKSDB_NAMESPACE::Slice& target, bool forward);
  // Moves to the first entry that is not before the target, which is no view of
  // what the iterator holds, but for target_.
  void FindEntry(const ROCKSDB_NAMESPACE::Slice& target);
  // Whether the segment that the target is in is being read, without waiting.
  bool BeginsToRead(const ROCKSDB_NAMESPACE::Slice& target);
  // Its parts: loads the segment that the target is in, false if there is none;
  // goes on from where the cursor stands after its seek there.
  bool FindSegment(const ROCKSDB_NAMESPACE::Slice& target);
  void FindEntryAtCursor(const ROCKSDB_NAMESPACE::Slice& target);
  void EnterFileEnd(End end);
  // Counts, as BlockBasedTableIterator does, a seek that came to a segment, and
  // one of whose entries a value is taken.
  void CountSeek();
  void CountValue() const;

  // Who keeps the blocks that the iterator leaves, or null.
  ROCKSDB_NAMESPACE::Cleanable* Pinner() const;
  // Makes segment i current; false, with status_ set, if it cannot be read.
  bool LoadSegment(uint32_t i);
  // Moves to the first or last key of segment i.
  void EnterSegment(uint32_t i, End end);
  // Moves to the next or previous key in the file's order.
  void StepKey(bool forward);
  // Its parts: moves the cursor; takes over what it came to.
  void MoveCursor(bool forward) {
    if (forward != segment_->mirrored()) {
      cursor_.Next();
    } else {
      cursor_.Prev();
    }
  }
  void TakeStep(bool forward);
  // The same as StepKey().  REQUIRES: Valid(), alike_
  void StepAlike(bool forward);
  // Takes the cursor's key over, at its newest or oldest entry.
  void LoadKey(End end);
  // Takes the current entry over, of the cursor's key.
  void LoadEntry();
  bool ValueIsAtHand() const {
    return entry_ >= values_begin_ && entry_ < values_end_;
  }
  // Take the current entry's value, if it is there to be taken.
  // REQUIRES: it has no preferred sequence number, which ReadValue() looks into
  bool TakeUniformValue() {
    if (uniform_values_ == nullptr) return false;
    value_ = ROCKSDB_NAMESPACE::Slice(
        uniform_values_ + size_t{entry_} * uniform_size_, uniform_size_);
    value_ready_ = true;
    return true;
  }
  bool TakeValueAtHand() {
    if (!ValueIsAtHand() ||
        !values_->Get(entry_ - values_begin_, &last_value_)) {
      return false;
    }
    value_ = ROCKSDB_NAMESPACE::Slice(last_value_.value.data(),
                                      last_value_.value.size());
    value_ready_ = true;
    return true;
  }
  void SetValuesAtHand(const ValueRunView* values, uint32_t begin,
                       uint32_t end) {
    values_ = values;
    values_begin_ = begin;
    values_end_ = end;
    // Not its number, which may be value_.
    last_value_.distinct = ValueRunView::Last::kNone;
    if (numbers_ != nullptr) ReleaseNumbers();
  }
  // The value, which is a number of values_, where it stays for as long as the
  // block would.
  ROCKSDB_NAMESPACE::Slice PinnedNumber() const;
  void ReleaseNumbers();
  // Finds out whether the bound is behind the last key of the segment.
  void CheckUpperBound();
  // The tag of the current entry.
  uint64_t TagHere();
  // Fails if the current entry is not behind `internal_key`, or before it if
  // not `forward`.  Whatever a damaged file says, steps go in order, seeks end
  // on the right side of their target, and the entry before the one that a seek
  // has found is before the target: RocksDB skips what it need not see by
  // seeking to where it is, forwards and backwards, and would go in circles.
  void ExpectBeyond(const ROCKSDB_NAMESPACE::Slice& internal_key, bool forward);
  void FailOrder();
  void FailTrie();
  void Invalidate() { valid_ = false; }
  void Fail(const ROCKSDB_NAMESPACE::Status& s) {
    status_ = s;
    valid_ = false;
  }

  const FstFile& file_;
  const ROCKSDB_NAMESPACE::ReadOptions read_options_;
  const FileFilter::Seeks filtered_seeks_;
  const bool allow_unprepared_value_;
  ROCKSDB_NAMESPACE::PinnedIteratorsManager* pinned_iters_mgr_ = nullptr;

  const std::shared_ptr<const void> slots_;  // of segments that are let go
  IteratorReads reads_;
  SegmentEntry segment_entry_;
  const Segment* segment_ = nullptr;  // within segment_entry_
  uint32_t segment_index_ = 0;
  bool same_tags_ = false;  // all of the segment's entries have same_tag_
  uint64_t same_tag_ = 0;
  // Of an entry of the segment: its tag, which was looked up; UINT32_MAX: none.
  uint32_t tag_entry_ = UINT32_MAX;
  uint64_t tag_ = 0;
  // Each of the segment's keys has one entry, all have same_tag_, and that says
  // nothing of their values.
  bool alike_ = false;
  bool simple_ = false;
  bool plain_ = false;
  uint64_t newest_ = 0;
  bool all_visible_ = false;
  const char* uniform_values_ =
      nullptr;  // inline values of uniform_size_ bytes each, or null
  size_t uniform_size_ = 0;
  bool within_bound_ = false;  // the segment is below the upper bound
  // Steps until that is found out: a seek or a short scan is not worth it.
  uint32_t steps_to_check_ = 0;
  KeyTrieCursor cursor_;
  uint32_t entry_ = 0;
  uint32_t begin_ = 0;  // entries of the current key
  uint32_t end_ = 0;
  ROCKSDB_NAMESPACE::Slice key_;  // in cursor_
  std::string left_;  // the entry that a step to another segment left
  // A copy, for a target may be a view of the cursor's key, which moves.
  std::string target_;
  // The target of the last Seek(), and what that found.  A SeekForPrev() leaves
  // them: whoever seeks a key and then goes backwards, by whatever calls, must
  // come before that key, or DBIter goes in circles over a damaged index.
  static constexpr uint32_t kNowhere = UINT32_MAX;
  std::string sought_;
  uint32_t sought_segment_ = kNowhere;
  uint32_t sought_entry_ = 0;
  ValueEntry value_block_;
  uint32_t value_block_number_ = 0;
  // The values at hand, of entries [values_begin_, values_end_): the segment's,
  // or those of value_block_; or null.
  const ValueRunView* values_ = nullptr;
  uint32_t values_begin_ = 0;
  uint32_t values_end_ = 0;
  ValueRunView::Last last_value_;  // of values_
  // All numbers of values_ at once, once one is to be pinned.
  mutable std::unique_ptr<char[]> numbers_;
  ROCKSDB_NAMESPACE::Slice value_;
  bool value_ready_ = false;
  bool valid_ = false;
  // The last Seek(), to target_, has begun to read: status_ is TryAgain.
  bool waits_ = false;
  bool count_seek_ = false;           // it has come to no segment yet
  mutable bool count_value_ = false;  // it has, and no value was taken
  bool filter_asked_ = false;         // by the last seek
  ROCKSDB_NAMESPACE::Status status_;
};

inline bool FstTableIterator::StepSimple(bool forward) {
  assert(valid_ && simple_);
  if (forward ? entry_ + 1 == segment_->num_entries() : entry_ == 0) {
    return false;
  }
  MoveCursor(forward);
  if (!cursor_.Valid()) {
    FailTrie();
    return false;
  }
  entry_ = segment_->Mirror(cursor_.ordinal());
  begin_ = entry_;
  end_ = entry_ + 1;
  if (plain_ && (TakeUniformValue() || TakeValueAtHand())) return true;
  LoadEntry();
  return valid_;
}

}  // namespace memkv
