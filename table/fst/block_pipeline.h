// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The value blocks and segments of a file in the making, from what a builder
// has collected to bytes in the file: they are encoded and compressed, side by
// side if CompressionOptions::parallel_threads asks for that, and appended in
// the order in which they came.  So the bytes of the file do not depend on how
// many threads there are.
//
// The builder's thread is the owner of the jobs (util/ordered_jobs.h) and one
// of the parallel_threads; the others are started when there is work for them.
// It alone appends to the file, charges the cache, and sees what a job came to,
// an error too.  A worker reads only what nobody changes while there are jobs:
// the token encoder, and the options of the BlockWriter.  All else that a job
// needs is its own: a segment, the block before and after compression, and, by
// thread number, a compressor.
//
// Memory: at most two jobs a thread, and none is added while those that are
// there hold kMostHeld bytes.  With several threads what they hold is charged
// to the block cache, as a compression dictionary's buffer is; if that is too
// much for it, the builder's thread goes on only when they are written.
//
// Errors: the BlockWriter keeps the first.  After it nothing is appended, and
// what the jobs came to is forgotten.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_reservation_manager.h"
#include "rocksdb/table.h"
#include "table/fst/block_writer.h"
#include "table/key_trie/token_encoder.h"
#include "table/segment/segment.h"
#include "table/table_builder.h"
#include "util/ordered_jobs.h"

namespace memkv {

class BlockPipeline {
 public:
  static constexpr size_t kMostHeld = size_t{16} << 20;

  // A block that is in the file.
  struct Written {
    ROCKSDB_NAMESPACE::BlockHandle handle;
    std::string_view raw;     // before it was compressed
    SegmentBuilder* segment;  // null: a value block
    uint64_t worker_micros;   // CPU time of another thread than the builder's
  };
  using OnWritten = std::function<void(const Written&)>;

  // `writer` must outlive the pipeline; the options need not.  on_written is
  // called for each block, in their order, by AddValues(), AddSegment() and
  // WriteAll().
  BlockPipeline(const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
                const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                BlockWriter* writer, OnWritten on_written);
  ~BlockPipeline();
  BlockPipeline(const BlockPipeline&) = delete;
  BlockPipeline& operator=(const BlockPipeline&) = delete;

  // Takes a value block, and leaves *raw empty.
  void AddValues(std::string* raw);
  // Takes a sealed segment, whose keys are written in `tokens`, which must
  // outlive the pipeline, or in symbols if that is null.
  void AddSegment(std::unique_ptr<SegmentBuilder> segment,
                  const key_trie::TokenEncoder* tokens, bool compress);
  // Writes all that were added.
  void WriteAll();

  // A segment that was written, reset, to be used again; or null.
  std::unique_ptr<SegmentBuilder> TakeSpareSegment() {
    return std::move(spare_segment_);
  }

  // Of what is not written: the estimates of segments, and the bytes of value
  // blocks before they are compressed.  0 with one thread.
  uint64_t estimates() const { return estimates_; }
  uint64_t value_bytes() const { return value_bytes_; }

 private:
  class Job;

  std::unique_ptr<Job> NewJob();
  void Add(std::unique_ptr<Job> job);
  // Appends what a job came to, and keeps its memory for another.
  void Write(std::unique_ptr<OrderedJobs::Job> done);

  ROCKSDB_NAMESPACE::SystemClock* const clock_;
  BlockWriter* const writer_;
  const OnWritten on_written_;
  const size_t most_jobs_;
  // Null if nothing is charged.
  const std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
      reservation_;
  // By thread number; each thread makes its own.
  std::vector<std::unique_ptr<compat::BlockCompressor>> compressors_;
  std::vector<std::unique_ptr<Job>> spare_jobs_;
  std::unique_ptr<SegmentBuilder> spare_segment_;
  uint64_t held_ = 0;  // bytes, of jobs that are not written
  uint64_t estimates_ = 0;
  uint64_t value_bytes_ = 0;
  // The last member: its threads end before what they use is destroyed.
  OrderedJobs jobs_;
};

}  // namespace memkv
