// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Run: one sorted run of a column family (a memtable, a file of level 0, or all
// files of another level), walked by user keys: each key by its newest entry
// that the view sees, which may be a deletion.  Who merges runs asks no more
// than which key and which tag a run stands on.
//
// FST files are walked by their concrete iterator, key by key (`fst()`);
// everything else, and FST files that cut a key into several segments or share
// a key with a neighbour in their level, through InternalIterator, entry by
// entry.  The latter is also the slow twin of the former.
//
// Files are opened when the walk comes to them, and their range deletions are
// then added to the aggregator: those that cover a key are in a file whose
// bounds the key is in, and a seek opens that file, or has passed it.
//
// A run is walked in the direction of its last seek alone.  Walked backwards
// through InternalIterator, it holds copies of the key and the value that it
// shows, and the iterator below stands on what comes next.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compat/database.h"
#include "compat/table_reader.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "table/fst/table_iterator.h"
#include "table/internal_iterator.h"
#include "view/file_readers.h"
#include "view/pinned_version.h"
#include "view/range_deletions.h"

namespace memkv {
namespace view {

// What all runs of an iterator share; outlives them.
struct RunContext {
  const PinnedVersion* pinned = nullptr;
  // Of the iterator; its snapshot is that of `pinned`.
  const ROCKSDB_NAMESPACE::ReadOptions* read_options = nullptr;
  // Null if range deletions are ignored.
  RangeDeletions* range_deletions = nullptr;
  const ROCKSDB_NAMESPACE::Comparator* comparator = nullptr;
  // Every file through InternalIterator; for tests.
  bool by_entries = false;
};

class Run {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Files = std::vector<ROCKSDB_NAMESPACE::FileMetaData*>;

  // Of a memtable; `iter` is destroyed but not freed: its memory is an arena's.
  // `number`: of the run, see RangeDeletions.
  Run(const RunContext& context, size_t number,
      ROCKSDB_NAMESPACE::InternalIterator* iter);
  // Of files of a level, in order, from its file `first_file` on, that do not
  // overlap but for a key where two meet.
  Run(const RunContext& context, size_t number, Files files, int level,
      size_t first_file);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  bool Valid() const { return valid_; }
  // OK unless an error has ended the walk.
  const ROCKSDB_NAMESPACE::Status& status() const { return status_; }

  // To the first key, or the last if not `forward`.
  void SeekToEnd(bool forward);
  // To the first key behind `user_key`, or, if `inclusive`, not before it; if
  // not `forward`, to the last one before it, or not behind it.
  void Seek(const Slice& user_key, bool forward, bool inclusive);
  // Seek(), forward and inclusive, in two parts, so that FST files of several
  // runs are sought together.  `target` is the internal key to seek.  The
  // first returns the iterator to be sought, by FstTableIterator::SeekAll();
  // FinishSeek() follows that.  It returns null if nothing is left to do.
  FstTableIterator* BeginSeek(const Slice& target);
  void FinishSeek();
  // REQUIRES: Valid(), and the last seek had this direction
  void Step(bool forward);

  // REQUIRES: Valid(), for all that follow.
  Slice key() const { return key_; }
  uint64_t tag() const {
    return fst_ != nullptr && !behind_ ? fst_->tag() : tag_;
  }
  // Gets value() ready, and may move what key() points at.  False, with
  // status(), if that fails; then the run is not valid.
  bool PrepareValue();
  Slice value() const;

  // If the run stands in a plain segment, its file's iterator, else null.  It
  // may be stepped by StepSimple(); TakeKey() afterwards makes key() right.
  FstTableIterator* plain() const {
    return fst_ != nullptr && !behind_ && valid_ && fst_->plain() ? fst_
                                                                  : nullptr;
  }
  void TakeKey();

  size_t number() const { return number_; }
  bool is_memtable() const { return files_.empty(); }
  const Files& files() const { return files_; }

 private:
  static constexpr size_t kNoFile = SIZE_MAX;
  // Entries of one key that are stepped over before the iterator is sought.
  static constexpr int kMostSteps = 8;

  // Makes file i current; false if it cannot be opened.
  bool OpenFile(size_t i);
  void CloseFile();
  bool SharesKey(size_t i) const;
  // The file that comes next on the way has nothing within the bounds.
  bool BeyondBounds(size_t i, bool forward) const;
  // Goes on to files that have entries.  False at the run's end, or with an
  // error.
  bool SkipEmptyFiles(bool forward);
  // The file in which a seek of an internal key begins, or kNoFile.
  size_t FileFor(const Slice& target, bool forward) const;

  // A step, or a seek, of the entries of all files.
  void StepEntry(bool forward);
  void SeekEntry(const Slice& user_key, ROCKSDB_NAMESPACE::SequenceNumber seq,
                 ROCKSDB_NAMESPACE::ValueType type, bool forward);
  // Parses the entry at hand; false at the end.
  bool ParseEntry(ROCKSDB_NAMESPACE::ParsedInternalKey* parsed);

  // From the entry at hand to a key that the view sees.  `passed`: entries of
  // the key passed_ are stepped over.
  void Settle(bool forward, bool passed);
  bool SettleForward(bool passed);
  bool SettleBackward();
  // Of SettleBackward(): the newest entry of passed_ that the view sees, coming
  // from its oldest; false if there is none, or an error.
  bool CopyNewest();
  bool CopyEntry(const ROCKSDB_NAMESPACE::ParsedInternalKey& entry);
  void End();

  const RunContext& context_;
  const size_t number_;
  const Files files_;
  const int level_ = 0;
  const size_t first_file_ = 0;
  size_t file_ = kNoFile;
  std::optional<compat::LiveReader> reader_;  // of files_[file_], if needed
  ROCKSDB_NAMESPACE::InternalIterator* iter_ = nullptr;
  // iter_, if it is walked by keys.
  FstTableIterator* fst_ = nullptr;

  bool valid_ = false;
  // iter_ stands on what comes next; what is shown was copied.
  bool behind_ = false;
  Slice key_;
  uint64_t tag_ = 0;
  std::string passed_;  // the key shown last, if it was walked by entries
  std::string copied_value_;
  std::string target_;
  ROCKSDB_NAMESPACE::Status status_;
};

// Appends all runs of the context's version, the newest first.  Memtables'
// iterators are in `arena`, which outlives them.
void MakeRuns(const RunContext& context,
              const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
              ROCKSDB_NAMESPACE::Arena* arena,
              std::vector<std::unique_ptr<Run>>* runs);

}  // namespace view
}  // namespace memkv
