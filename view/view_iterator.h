// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ViewIterator: rocksdb::Iterator over a pinned version of a column family,
// with the answers of RocksDB's own (DBIter).
//
// It merges runs (run.h), each of which shows a user key once.  The nearest run
// is current_; the others wait in order_, the nearest last.  A key is decided
// by its newest entry in any run: shown if that is a value that no range
// deletion covers, and else passed over.
//
// Streaming.  While the current run stands in a plain segment of an FST file,
// a step asks one question: does the key still come before the *limit*, which
// is the nearest waiting run's key or the iterate bound.  If `limit_shared_`
// bytes are shared by the current key and the limit, and the next key shares
// more than that with the current one, it differs from the limit where the
// current one did: no byte is compared.  The cursor knows what it shares, for
// keys are stored so.  Otherwise the comparison begins where the sharing ends.
// It holds in either direction, and in a mirrored file.
//
// What is not served here is handed over: from the first entry on that is no
// plain value or deletion (a merge operand, a wide-column entity, a blob, a
// value with a preferred sequence number) RocksDB's iterator over the same
// version serves everything until Refresh().  The whole iterator is handed over
// for options and comparators that HandsOver() names.
//
// Thread safety: as rocksdb::Iterator's.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/arena.h"
#include "rocksdb/iterator.h"
#include "rocksdb/options.h"
#include "view/pinned_version.h"
#include "view/range_deletions.h"
#include "view/run.h"

namespace memkv {
namespace view {

class ViewIterator final : public ROCKSDB_NAMESPACE::Iterator {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // *handed_over is raised when RocksDB's iterator takes over.  `by_entries`:
  // see RunContext.
  ViewIterator(std::shared_ptr<const PinnedVersion> pinned,
               const ROCKSDB_NAMESPACE::ReadOptions& read_options,
               std::shared_ptr<std::atomic<uint64_t>> handed_over,
               bool by_entries);
  ~ViewIterator() override;

  // Whether RocksDB's iterator must serve a whole iterator of these options.
  static bool HandsOver(const PinnedVersion& pinned,
                        const ROCKSDB_NAMESPACE::ReadOptions& read_options);

  bool Valid() const override {
    return rocksdb_ != nullptr ? rocksdb_->Valid() : valid_;
  }
  Slice key() const override {
    return rocksdb_ != nullptr ? rocksdb_->key() : key_;
  }
  Slice value() const override {
    return rocksdb_ != nullptr ? rocksdb_->value() : value_;
  }
  const ROCKSDB_NAMESPACE::WideColumns& columns() const override;
  Status status() const override {
    return rocksdb_ != nullptr ? rocksdb_->status() : status_;
  }
  Slice timestamp() const override { return rocksdb_->timestamp(); }
  Status GetProperty(std::string name, std::string* value) override;

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(const Slice& target) override;
  void SeekForPrev(const Slice& target) override;
  void Next() override { Step(/*forward=*/true); }
  void Prev() override { Step(/*forward=*/false); }
  bool PrepareValue() override;

  using ROCKSDB_NAMESPACE::Iterator::Refresh;
  Status Refresh(const ROCKSDB_NAMESPACE::Snapshot* snapshot) override;

 private:
  // What DBIter counts, until it is added to the database's statistics.
  struct Counts {
    uint64_t steps[2] = {0, 0};  // backwards, forwards
    uint64_t found[2] = {0, 0};
    uint64_t seeks = 0;
    uint64_t seeks_found = 0;
    uint64_t bytes = 0;
  };

  void Start();
  void Stop();
  void HandOver();

  // Less than 0, 0 or more: a before, at or behind b on the way; *shared is
  // how many first bytes they share, of which `known` are known.
  int Compare(const Slice& a, const Slice& b, size_t known,
              size_t* shared) const;
  bool ComesBefore(const Run* a, const Run* b) const;

  void SeekAll(const Slice* user_key, bool forward, bool inclusive);
  // SeekAll(), forward and inclusive: FST files of all runs side by side.
  void SeekTogether(const Slice& user_key);
  void FinishSeek(bool to_end, const Slice& target);
  void Step(bool forward);
  void StepBeyondPlain();
  // Turns to the other direction.
  void TurnAround(bool forward);
  // Puts a run into order_, unless it is at its end.
  void Wait(Run* run);
  // Moves the last run of order_ to its place; whether that is another one.
  bool SinkLast();
  Run* TakeNearest();
  // From where the runs stand, to the next key to show.
  void Settle();
  // Puts the nearest run in current_, and counts the runs that have its key.
  // False at the end.
  bool FindNearest();
  // Steps all runs that stand on the current key.
  void PassKey();
  // Whether a range deletion covers the current key; passes over what can be.
  bool PassDeletedRange();
  bool IsWithin(const Slice& user_key) const;
  // Shows the current run's value.
  void Show();
  void SetLimit();
  // Of a plain step: whether the key comes before the limit.
  bool BeforeLimit(const Slice& key, uint64_t shared) {
    if (static_cast<int64_t>(shared) > limit_shared_) return true;
    size_t now = 0;
    const int order = Compare(key, limit_, shared, &now);
    limit_shared_ = static_cast<int64_t>(now);
    return order < 0;
  }
  void End() {
    valid_ = false;
    plain_ = nullptr;
  }
  void Fail(const Status& s) {
    status_ = s;
    End();
  }

  std::shared_ptr<const PinnedVersion> pinned_;
  ROCKSDB_NAMESPACE::ReadOptions read_options_;
  const std::shared_ptr<std::atomic<uint64_t>> handed_over_;
  const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor_ = nullptr;
  bool mirrored_ = false;
  RunContext context_;

  std::unique_ptr<ROCKSDB_NAMESPACE::Arena> arena_;
  std::unique_ptr<RangeDeletions> range_deletions_;
  std::vector<std::unique_ptr<Run>> runs_;  // the newest first
  std::vector<Run*> order_;
  std::vector<Run*> passed_;  // of PassKey()
  Run* current_ = nullptr;
  size_t duplicates_ = 0;   // runs at the end of order_ that have its key
  size_t near_shared_ = 0;  // bytes that it shares with order_.back()
  size_t near_known_ = 0;   // of these, before FindNearest(), that are known
  size_t deleted_in_row_ = 0;

  bool forward_ = true;
  // The current run's iterator while it is streamed, else null.
  FstTableIterator* plain_ = nullptr;
  Slice limit_;
  bool limit_is_run_ = false;  // it is the key of order_.back()
  int64_t limit_shared_ = -1;  // -1: there is no limit

  bool valid_ = false;
  Slice key_;
  Slice value_;
  Status status_;
  bool check_prefix_ = false;
  std::string prefix_;
  std::string target_;  // of the last seek, an internal key
  std::string turned_;  // the key at which the direction changed
  mutable ROCKSDB_NAMESPACE::WideColumns columns_;
  Counts counts_;

  // Serves everything once it is there.
  std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> rocksdb_;
};

}  // namespace view
}  // namespace memkv
