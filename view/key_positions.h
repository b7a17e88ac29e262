// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// KeyPositions: the keys that a pinned version shows, numbered from 0 in their
// order: which number a key has, or would have, and which key has a number.
// Exact, whatever the version holds.
//
// It is made in one of two ways:
//
//   by rank    One sorted run, the *base*, is FST files in which each key has
//              one entry that is seen and is no deletion, and the other runs
//              have few keys.  These are walked once, and each that makes a
//              difference is kept as a *change*: a key that the base does not
//              have, or one of the base that is deleted.  A number is the rank
//              in the base's tries, corrected by the changes before it.
//   by walk    All else.  The whole version is walked once, and every so many
//              keys one is kept as a *mark*.  A number is found by a walk from
//              a mark.
//
//           to make                       to ask, n keys, c changes
//   rank    c steps and ranks             O(log n + log c)
//   walk    n steps                       a seek, and at most n / 8192 steps,
//                                         or 256 if that is more
//
// Memory: at most kMostBytes for the keys that are kept, and 40 bytes for each
// of them.
//
// Invariants
// (K1) Changes are in the order of keys.  `shift` of change i is the number of
//      keys added less those deleted, of changes [0, i].  So the number of its
//      key is before + (shift of change i - 1), and these do not descend.
// (K2) Mark i is the key of number i * interval_.
//
// Thread safety: immutable once it is made.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "view/pinned_version.h"
#include "view/run.h"

namespace memkv {
namespace view {

class KeyPositions {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // Bytes of keys kept; more changes than kMostChanges, or than a sixteenth of
  // the base, are not worth their ranks.
  static constexpr uint64_t kMostBytes = uint64_t{16} << 20;
  static constexpr uint64_t kMostChanges = uint64_t{1} << 17;
  static constexpr uint64_t kMostMarks = uint64_t{1} << 14;

  // *handed_over: see ViewIterator.  `by_walk`: never by rank, for tests.
  static Status Make(std::shared_ptr<const PinnedVersion> pinned,
                     std::shared_ptr<std::atomic<uint64_t>> handed_over,
                     std::shared_ptr<const KeyPositions>* out,
                     bool by_walk = false);

  const std::shared_ptr<const PinnedVersion>& pinned() const { return pinned_; }
  uint64_t num_keys() const { return num_keys_; }
  bool by_rank() const { return !base_.empty(); }

  // How many keys come before `user_key`.
  Status Rank(const Slice& user_key, uint64_t* rank) const;
  // (*keys)[i] becomes the key that numbers[i] keys come before.
  // REQUIRES: numbers ascend, and are less than num_keys()
  Status KeysAt(const std::vector<uint64_t>& numbers,
                std::vector<std::string>* keys) const;

 private:
  struct Change {
    uint64_t begin;   // of the key in bytes_
    uint64_t before;  // keys of the base before it
    int64_t shift;
    bool added;
  };
  // A file of the base, and how many keys its predecessors have.
  struct BaseFile {
    const ROCKSDB_NAMESPACE::FileMetaData* file;
    uint64_t before;
  };

  KeyPositions(std::shared_ptr<const PinnedVersion> pinned,
               std::shared_ptr<std::atomic<uint64_t>> handed_over)
      : pinned_(std::move(pinned)), handed_over_(std::move(handed_over)) {}

  // Makes it by rank; leaves base_ empty where that cannot be.
  Status MakeByRank();
  Status MakeByWalk();
  // What the files of a run are as a base: false if they are none, and sets
  // *deletes_ranges if a file deletes ranges.
  Status LookAtRun(const Run::Files& files, std::vector<BaseFile>* base,
                   uint64_t* num_keys, uint64_t* num_entries,
                   bool* deletes_ranges) const;
  // Collects the changes of all runs but the base; *few is false if there are
  // too many.
  struct UpperKeys;
  Status CollectChanges(const std::vector<std::unique_ptr<Run>>& runs,
                        size_t base_run, bool* few);
  Status AddChanges(const UpperKeys& upper);
  Status RankInBase(const Slice& user_key, uint64_t* before, bool* present,
                    uint64_t* tag) const;
  Status KeyByRank(uint64_t number, std::string* user_key) const;
  Status KeyOfBase(uint64_t ordinal, std::string* user_key) const;
  void AddMark(const Slice& user_key);

  // The key of change or mark i, in bytes_.
  Slice KeptKey(size_t i) const;
  size_t num_kept() const {
    return base_.empty() ? marks_.size() : changes_.size();
  }
  // How many kept keys come before `user_key`, or, if `inclusive`, are it.
  size_t KeptBefore(const Slice& user_key, bool inclusive) const;
  // Keys added less those deleted by the first i changes.
  int64_t ShiftBefore(size_t i) const {
    return i == 0 ? 0 : changes_[i - 1].shift;
  }

  const std::shared_ptr<const PinnedVersion> pinned_;
  const std::shared_ptr<std::atomic<uint64_t>> handed_over_;
  uint64_t num_keys_ = 0;
  std::string bytes_;  // of kept keys
  // By rank.
  std::vector<BaseFile> base_;
  uint64_t base_keys_ = 0;
  std::vector<Change> changes_;
  // By walk: where each mark begins in bytes_.
  std::vector<uint64_t> marks_;
  uint64_t interval_ = 256;
};

}  // namespace view
}  // namespace memkv
