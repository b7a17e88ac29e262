// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What an iterator of an FST file reads, and when.
//
// Ahead of a walk: segments and values separately, since a segment lies behind
// its values, as BlockBasedTable reads ahead.  With ReadOptions::async_io one
// half of it is read while the other one is used.  With auto_readahead_size
// nothing behind the upper bound is read before it is asked for.
//
// Before a seek needs it: with async_io the Seek() of a user's iterator begins
// to read its segment, and ends with Status::TryAgain.  RocksDB's merging
// iterator lets all files begin so, and then seeks again in each of them, as it
// does with block-based files.
//
// Announced ranges (RocksDB's MultiScan): see AnnouncedScans.
//
// Thread safety: none; it is the iterator's.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "compat/file_io.h"
#include "compat/table_iterator.h"
#include "rocksdb/table_reader_caller.h"
#include "table/fst/announced_scans.h"
#include "table/fst/file.h"

namespace memkv {

class IteratorReads {
 public:
  // Both must outlive the object's use.
  IteratorReads(const FstFile& file,
                const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                ROCKSDB_NAMESPACE::TableReaderCaller caller,
                size_t compaction_readahead_size);

  bool for_compaction() const { return for_compaction_; }

  // A seek begins: the upper bound may be another one than before.
  void StartSeek() { bound_end_ = kUnknown; }

  // Segment i; sequential: from one beside it.
  ROCKSDB_NAMESPACE::Status GetSegment(uint32_t i, bool sequential,
                                       SegmentEntry* entry);
  // To read values of `segment` with.
  BlockReadContext ValueContext(const Segment& segment);

  // Whether Begin() ever begins anything.
  bool BeginsReads() const { return begins_reads_; }
  // Begins to read segment i, unless it is in memory.  True if that is under
  // way; GetSegment(i) then waits for it.
  bool Begin(uint32_t i);

  // See compat::TableIteratorBase.
  void Announce(std::vector<compat::ScanRange> ranges, uint64_t most_bytes);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint64_t kUnknown = 0;  // no block ends there

  BlockReadContext Context();
  // What reads ahead, made when it is first needed; null if nothing is to be.
  ROCKSDB_NAMESPACE::FilePrefetchBuffer* Ahead(
      std::unique_ptr<ROCKSDB_NAMESPACE::FilePrefetchBuffer>* buffer);

  // Where in the file the segment ends that the upper bound is in: all that is
  // before the bound lies before it.  UINT64_MAX if that is the whole file.
  uint64_t BoundEnd();
  // See compat::TrimReadahead.
  void Trim(bool asked, uint64_t begin, uint64_t* end);

  const FstFile& file_;
  const ROCKSDB_NAMESPACE::ReadOptions& read_options_;
  const bool for_compaction_;
  uint64_t bound_end_ = kUnknown;
  uint64_t block_end_ = 0;  // of the block that is being read
  bool begins_reads_ = false;
  // An initial size of 0: nothing is read ahead.
  compat::Readahead readahead_;
  std::unique_ptr<ROCKSDB_NAMESPACE::FilePrefetchBuffer> values_ahead_;
  std::unique_ptr<ROCKSDB_NAMESPACE::FilePrefetchBuffer> segments_ahead_;
  // Of segment begun_, if that is not kNone.
  std::unique_ptr<ROCKSDB_NAMESPACE::FilePrefetchBuffer> begun_buffer_;
  uint32_t begun_ = kNone;
  std::unique_ptr<AnnouncedScans> scans_;
};

}  // namespace memkv
