// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The filter of an open FST file, as reads ask it: whether it holds whole keys
// and prefixes, which of them may answer a read, and what is counted of that.
// All this is as BlockBasedTable has it, so that options and statistics mean
// the same for both; it differs in that prefixes are asked for only if the file
// says that they are in its filter.
//
// Prefixes are those of the *file's* prefix extractor.  While the column family
// has another one, or iterators are in auto_prefix_mode, a seek is answered by
// the filter only if all keys from its target to the upper bound have one
// prefix, which is the file's of the target (need_upper_bound_check, as RocksDB
// calls it); and gets and backward seeks are not.
//
// A default filter, which no option names, is passed over by gets while all
// segments of its file are in memory and most keys that are sought are there.
//
// Thread safety: immutable after Open(), except for what FilterUse counts.

#pragma once

#include <cstddef>
#include <memory>

#include "rocksdb/slice_transform.h"
#include "table/fst/block_store.h"
#include "table/fst/filter_use.h"
#include "table/fst/format.h"

namespace memkv {

class FileFilter {
 public:
  // Which seeks of an iterator ask the filter.
  enum class Seeks {
    kNone,
    kAll,      // all but those to the first or last key
    kBounded,  // forwards, if all keys up to the upper bound have one prefix
  };

  // `store` must outlive the filter.
  FileFilter(const FileBlockStore& store, int level);

  // `current` is the column family's extractor, or null; whole_keys: these are
  // asked for if they are in the filter.  default_filter: no option names a
  // policy, so prefixes are not asked for.
  void Open(
      const FileDirectory& directory,
      const ROCKSDB_NAMESPACE::TableProperties& properties,
      const std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform>& current,
      bool whole_keys, bool default_filter);
  // Of statistics that tell the last level's files from others.
  bool at_last_level() const {
    return level_ == store_.ioptions().num_levels - 1;
  }
  // Whether any read could ask; else the filter need not be in memory.
  bool useful() const { return whole_keys_ || extractor_ != nullptr; }
  // Whether gets ask it now.
  bool GetsAsk() const {
    return store_.has_filter() &&
           (!default_filter_ || !store_.HoldsAllSegments() || use_.Pays());
  }
  // Of one that does: whether it should wait for the answer before it does
  // anything else, since most keys are not in the file.
  bool GetsWait() const { return use_.MostAreMissed(); }
  // Of a get, whether it asked or not, or of several: so many keys were in the
  // file, and were not.
  void CountUse(size_t found, size_t missed) const {
    if (default_filter_ && store_.has_filter()) {
      use_.Count(static_cast<int64_t>(found), static_cast<int64_t>(missed));
    }
  }

  // A key of a get on its way through the filter.
  class Question {
   private:
    friend class FileFilter;
    FilterEntry filter_;  // empty: the key is let pass
    FilterBlock::Sought sought_;
    bool counts_ = false;  // whether whole keys or prefixes were to be asked
  };

  // Of gets, in two halves: what lies between, the processor does while it
  // waits for the filter's memory.  `current` as above, at the time of the
  // read; the key's bytes must stay until MayMatch(). REQUIRES: the store has a
  // filter
  ROCKSDB_NAMESPACE::Status Ask(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::SliceTransform* current,
      const ROCKSDB_NAMESPACE::Slice& user_key, Question* question) const;
  // Whether the file may have the key; counts it, and lets go of the filter.
  bool MayMatch(Question* question) const;
  // Both, of n keys, at most MultiGetContext::MAX_BATCH_SIZE: sets may_match[i]
  // to whether the file may have *user_keys[i].
  // REQUIRES: as above
  ROCKSDB_NAMESPACE::Status KeysMayMatch(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::SliceTransform* current, int n,
      ROCKSDB_NAMESPACE::Slice** user_keys, bool* may_match) const;
  // Counts a key that is in the file, whose filter did not stop it.
  void CountTruePositive() const;

  // Of an iterator with these options, while `current` is the extractor.
  Seeks SeeksThatAsk(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                     const ROCKSDB_NAMESPACE::SliceTransform* current) const;
  // Sets *may_match to whether a seek to `user_key` may find what it is for,
  // and *asked to whether the filter was asked; counts it.
  ROCKSDB_NAMESPACE::Status SeekMayMatch(
      const BlockReadContext& context, Seeks seeks, bool forward,
      const ROCKSDB_NAMESPACE::Slice& user_key, bool* may_match,
      bool* asked) const;

 private:
  // Whether `current` is not the extractor of the filter's prefixes.
  bool Changed(const ROCKSDB_NAMESPACE::SliceTransform* current) const;
  // Whether all keys from one of `prefix` to the upper bound have that prefix.
  bool OnePrefix(const ROCKSDB_NAMESPACE::Slice& prefix,
                 const ROCKSDB_NAMESPACE::Slice* upper_bound) const;
  // Of keys, or of their prefixes.
  void CountKeys(std::ptrdiff_t asked, std::ptrdiff_t passed) const;
  // *filter is empty if it is not in memory and may not be read, or a full
  // block cache with a strict limit has no room for it: then every string may
  // match. The tries, which may be in memory, will answer.
  ROCKSDB_NAMESPACE::Status Find(const BlockReadContext& context,
                                 FilterEntry* filter) const;
  // Asks for n strings, without counting by key or prefix.
  ROCKSDB_NAMESPACE::Status AskAll(const BlockReadContext& context, int n,
                                   ROCKSDB_NAMESPACE::Slice** strings,
                                   bool* may_match) const;

  const FileBlockStore& store_;
  const int level_;
  bool whole_keys_ = false;  // are asked for
  bool default_filter_ = false;
  mutable FilterUse use_;
  // Of the prefixes in the filter; null if there are none.
  std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform> extractor_;
};

}  // namespace memkv
