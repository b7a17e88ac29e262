// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/block_pipeline.h"

#include <algorithm>
#include <utility>

#include "table/fst/build_memory.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableBuilderOptions;

namespace {

constexpr size_t kMaxSegmentBytes = 0x7fffffff;

// A block may be as large before it is compressed, and after it.
constexpr uint64_t kCopies = 2;

// The number of the builder's thread; see OrderedJobs, (J4).
constexpr unsigned kOwner = 0;

}  // namespace

// A segment, or the values of a block.
class BlockPipeline::Job final : public OrderedJobs::Job {
 public:
  explicit Job(BlockPipeline* pipeline) : pipeline_(pipeline) {}

  void Do(unsigned thread) override {
    worker_micros = 0;
    if (thread == kOwner) {
      Make(thread);
      return;
    }
    const uint64_t begin = pipeline_->clock_->CPUMicros();
    Make(thread);
    worker_micros = pipeline_->clock_->CPUMicros() - begin;
  }

  std::unique_ptr<SegmentBuilder> segment;
  const key_trie::TokenEncoder* tokens = nullptr;
  bool compress = true;
  std::string raw;
  BlockWriter::Prepared prepared;
  std::string reason;  // why the format cannot hold it, if not empty
  uint64_t estimate = 0;
  uint64_t value_bytes = 0;
  uint64_t held = 0;
  uint64_t worker_micros = 0;

 private:
  void Make(unsigned thread) {
    if (segment != nullptr) {
      raw.clear();
      if (!segment->Finish(tokens, &raw, &reason)) return;
      if (raw.size() > kMaxSegmentBytes) {
        reason = "a segment of " + std::to_string(raw.size()) + " bytes; " +
                 std::to_string(kMaxSegmentBytes) + " is the most";
        return;
      }
    }
    if (!compress) {
      BlockWriter::LeaveUncompressed(raw, &prepared);
      return;
    }
    auto& compressor = pipeline_->compressors_[thread];
    if (compressor == nullptr) compressor = pipeline_->writer_->NewCompressor();
    pipeline_->writer_->Prepare(raw, compressor.get(), &prepared);
  }

  BlockPipeline* const pipeline_;
};

BlockPipeline::BlockPipeline(const BlockBasedTableOptions& block_based,
                             const TableBuilderOptions& tbo,
                             BlockWriter* writer, OnWritten on_written)
    : clock_(tbo.ioptions.clock),
      writer_(writer),
      on_written_(std::move(on_written)),
      most_jobs_(tbo.compression_opts.parallel_threads > 1
                     ? size_t{2} * tbo.compression_opts.parallel_threads
                     : 1),
      reservation_(most_jobs_ == 1 ? nullptr
                                   : NewBuildReservation(block_based)),
      compressors_(
          std::max<uint32_t>(1, tbo.compression_opts.parallel_threads)),
      jobs_(static_cast<unsigned>(compressors_.size())) {}

BlockPipeline::~BlockPipeline() = default;

std::unique_ptr<BlockPipeline::Job> BlockPipeline::NewJob() {
  if (spare_jobs_.empty()) return std::make_unique<Job>(this);
  std::unique_ptr<Job> job = std::move(spare_jobs_.back());
  spare_jobs_.pop_back();
  return job;
}

void BlockPipeline::AddValues(std::string* raw) {
  std::unique_ptr<Job> job = NewJob();
  job->raw.clear();
  job->raw.swap(*raw);
  job->compress = true;
  job->estimate = 0;
  job->value_bytes = job->raw.size();
  job->held = kCopies * job->raw.size();
  Add(std::move(job));
}

void BlockPipeline::AddSegment(std::unique_ptr<SegmentBuilder> segment,
                               const key_trie::TokenEncoder* tokens,
                               bool compress) {
  std::unique_ptr<Job> job = NewJob();
  job->compress = compress;
  job->estimate = segment->EstimatedSize();
  job->value_bytes = 0;
  job->held = segment->MemoryUsage() + kCopies * job->estimate;
  job->segment = std::move(segment);
  job->tokens = tokens;
  Add(std::move(job));
}

void BlockPipeline::Add(std::unique_ptr<Job> job) {
  held_ += job->held;
  estimates_ += job->estimate;
  value_bytes_ += job->value_bytes;
  jobs_.Add(std::move(job));
  while (jobs_.size() >= most_jobs_ ||
         (jobs_.size() != 0 && held_ >= kMostHeld)) {
    Write(jobs_.Take());
  }
  while (std::unique_ptr<OrderedJobs::Job> done = jobs_.TakeIfDone()) {
    Write(std::move(done));
  }
  if (!ChargeBuild(reservation_.get(), held_)) WriteAll();
}

void BlockPipeline::WriteAll() {
  while (jobs_.size() != 0) Write(jobs_.Take());
  ChargeBuild(reservation_.get(), held_);
}

void BlockPipeline::Write(std::unique_ptr<OrderedJobs::Job> done) {
  std::unique_ptr<Job> job(static_cast<Job*>(done.release()));
  held_ -= job->held;
  estimates_ -= job->estimate;
  value_bytes_ -= job->value_bytes;
  if (!job->reason.empty()) {
    writer_->Fail(
        Status::NotSupported(writer_->file()->file_name() + ": " + job->reason,
                             "write_format=block_based has no such limit"));
    job->reason.clear();
  } else if (writer_->status().ok()) {
    const BlockHandle handle = writer_->Append(job->raw, job->prepared);
    on_written_({handle, job->raw, job->segment.get(), job->worker_micros});
  }
  // Another one of the same kind is likely to follow.
  if (job->segment != nullptr && spare_segment_ == nullptr) {
    job->segment->Reset();
    spare_segment_ = std::move(job->segment);
  }
  job->segment.reset();
  LetGoIfLarge(&job->raw);
  LetGoIfLarge(&job->prepared.compressed);
  spare_jobs_.push_back(std::move(job));
}

}  // namespace memkv
