// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Writes an FST file: RocksDB hands it internal keys in order, at a flush or a
// compaction, and it streams value blocks out as they fill.  Segments wait (see
// WaitingSegments) until the token table of their keys is trained; after that
// they are streamed out, too.
//
// Its memory is bounded by what waits, key_buffer_size bytes of what segments
// really hold; by the segment at hand; by training, some 15 bytes for each of a
// sample of at most 8 MiB and a twelfth of what waits, and 6 MB for the
// encoder; and by a block before and after its compression; not by the file.
// The index and a filter come on top, as in block-based files.  What waits is
// charged to the block cache; a full cache ends the waiting.
//
// Thread safety: as TableBuilder says.  Other threads encode and compress what
// is in the BlockPipeline, and touch nothing else.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compat/table_builder.h"
#include "plugin/memkv.h"
#include "table/block_based/block_builder.h"
#include "table/fst/block_pipeline.h"
#include "table/fst/block_writer.h"
#include "table/fst/filter_builder.h"
#include "table/fst/format.h"
#include "table/fst/token_table_registry.h"
#include "table/fst/waiting_segments.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "table/segment/size_trial.h"
#include "table/table_builder.h"

namespace memkv {

class FstTableBuilder : public compat::TableBuilderBase {
 public:
  // What options.segment_size means; and whether segments are stored as they
  // are in the output of a compaction where compression hardly pays.
  struct SegmentForm {
    size_t size;
    bool may_stay_uncompressed;
  };
  // `mirrored`: the comparator is reverse bytewise, else it is bytewise.  The
  // checksum, the filter and whether compression is verified are
  // `block_based`'s.  A token table of `token_tables` is used if it does as
  // well here as where it was trained. `default_filter`: see FileFilterBuilder.
  // `file` must outlive the builder; `block_based` and `tbo` need not.
  FstTableBuilder(
      const FstTableOptions& options, const SegmentForm& form,
      const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
      const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
      std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> default_filter,
      std::shared_ptr<const TokenTableRegistry> token_tables,
      ROCKSDB_NAMESPACE::WritableFileWriter* file, bool mirrored);
  ~FstTableBuilder() override;

  FstTableBuilder(const FstTableBuilder&) = delete;
  FstTableBuilder& operator=(const FstTableBuilder&) = delete;

  void Add(const ROCKSDB_NAMESPACE::Slice& internal_key,
           const ROCKSDB_NAMESPACE::Slice& value) override;
  ROCKSDB_NAMESPACE::Status status() const override { return writer_.status(); }
  ROCKSDB_NAMESPACE::IOStatus io_status() const override {
    return writer_.io_status();
  }
  ROCKSDB_NAMESPACE::Status Finish() override;
  void Abandon() override {
    closed_ = true;
    pipeline_.reset();
    waiting_.reset();
  }

  uint64_t NumEntries() const override { return props_.num_entries; }
  uint64_t FileSize() const override { return writer_.offset(); }
  // What is written, what the segments and value blocks still held will take,
  // by what those before them took or by a trial (see SizeTrial), the token
  // table, the index and the filter.  Once finished, the file's size.  O(1).
  uint64_t EstimatedFileSize() const override;
  // What is still to come at the file's end and is not in EstimatedFileSize(),
  // and by how much that may be too small: RocksDB cuts files by the sum of
  // both where no file may be larger than its target
  // (target_file_size_is_upper_bound).  0 once finished.
  uint64_t EstimatedTailSize() const override;
  uint64_t GetTailSize() const override { return tail_size_; }
  // The file's size if nothing in it were compressed by RocksDB's algorithms.
  uint64_t PreCompressionSize() const override {
    return writer_.offset_uncompressed();
  }
  // Of threads that encode and compress beside the caller's.
  uint64_t GetWorkerCPUMicros() const override { return worker_cpu_micros_; }
  bool NeedCompact() const override;
  ROCKSDB_NAMESPACE::TableProperties GetTableProperties() const override {
    return props_;
  }
  std::string GetFileChecksum() const override;
  const char* GetFileChecksumFuncName() const override;
  void SetTimes(std::string seqno_times,
                uint64_t oldest_ancestor_time) override;

 private:
  bool ok() const { return writer_.status().ok(); }
  // Whether the segment, which is not empty, shall end before an entry of
  // another user key; of its last key.
  bool CutsBefore(std::string_view user_key);
  bool CutsKey() const;
  void AddEntry(const ROCKSDB_NAMESPACE::Slice& internal_key, uint64_t tag,
                const ROCKSDB_NAMESPACE::Slice& value);
  // Writes the value blocks that are due; with `all`, those of a segment that
  // ends.
  void WriteValueBlocks(bool all);
  std::unique_ptr<SegmentBuilder> NewSegment();
  void SealSegment();
  // Writes the segments that wait for the token table, once there is one.
  void WriteWaitingSegments();
  // Estimates all but the segment at hand and the filter: RocksDB asks for the
  // size after every entry, and this changes with blocks.
  void EstimateClosed();
  // Takes note of a block that the pipeline has written.
  void AddWritten(const BlockPipeline::Written& block);
  ROCKSDB_NAMESPACE::BlockHandle WriteTokens();
  void WriteIndex(FileDirectory* directory);
  ROCKSDB_NAMESPACE::BlockHandle WriteStubIndex();
  ROCKSDB_NAMESPACE::BlockHandle WriteProperties(
      const FileDirectory& directory);

  // Of the segment at hand.
  uint64_t SegmentSize() const {
    return FileIndexBuilder::SegmentSize(segment_form_.size, index_.num_cuts());
  }

  const FstTableOptions options_;
  const SegmentForm segment_form_;
  // Unless a trial says that it does not pay: then a reader finds all segments
  // of the file as they are searched.
  bool compress_segments_ = true;
  const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions_;
  compat::Collectors collectors_;
  BlockWriter writer_;
  FileFilterBuilder filter_;

  ROCKSDB_NAMESPACE::TableProperties props_;
  ROCKSDB_NAMESPACE::SequenceNumber largest_seqno_ = 0;
  const bool mirrored_;
  std::unique_ptr<SegmentBuilder> segment_;
  bool continues_ = false;       // the last key of the segment before
  size_t segment_estimate_ = 0;  // the segment's EstimatedSize()
  size_t full_size_ = 0;         // the same when it was full first
  uint64_t key_entries_ = 0;     // of its last key
  // Null if segments do not wait, or no longer.
  std::unique_ptr<WaitingSegments> waiting_;
  WaitingSegments::Choice tokens_;  // of what is written
  // Null once all is written.
  std::unique_ptr<BlockPipeline> pipeline_;
  FileIndexBuilder index_;
  ROCKSDB_NAMESPACE::BlockBuilder range_del_block_;
  // The last entry's key, once its segment is sealed, and its tag.
  std::string last_user_key_;
  uint64_t last_tag_ = 0;
  std::string raw_block_;
  uint64_t written_estimates_ = 0;  // of the segments that are written
  // What segments take of their estimates, and value blocks of theirs; and what
  // the file will take without the segment at hand and the filter.
  double ratio_ = SizeTrial::kUntried;
  double value_ratio_ = 1;
  double closed_estimate_ = 0;
  uint64_t key_bytes_ = 0;
  uint64_t segment_bytes_ = 0;  // the same before they were compressed
  uint64_t value_bytes_ = 0;
  uint64_t raw_value_bytes_ = 0;  // the same before they were compressed
  // Of key_bytes_.
  uint64_t tag_bytes_ = 0;
  uint64_t inline_value_bytes_ = 0;
  bool has_fixed_bytes_ = false;  // some key trie
  bool has_numbers_ = false;      // some value run
  bool has_unpadded_ = false;     // some segment
  uint64_t tail_size_ = 0;
  uint64_t worker_cpu_micros_ = 0;
  bool closed_ = false;
};

}  // namespace memkv
