// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/iterator_reads.h"

#include <algorithm>
#include <utility>

#include "options/cf_options.h"

namespace memkv {

using ROCKSDB_NAMESPACE::FilePrefetchBuffer;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableReaderCaller;

namespace {

std::unique_ptr<FilePrefetchBuffer> NewBuffer(
    const compat::Readahead& readahead,
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    const compat::TrimReadahead& trim = nullptr) {
  // NOLINTNEXTLINE(modernize-make-unique): it cannot be moved
  return std::unique_ptr<FilePrefetchBuffer>(
      new FilePrefetchBuffer(compat::ReadAhead(readahead, &ioptions, trim)));
}

}  // namespace

IteratorReads::IteratorReads(const FstFile& file,
                             const ReadOptions& read_options,
                             TableReaderCaller caller,
                             size_t compaction_readahead_size)
    : file_(file),
      read_options_(read_options),
      for_compaction_(caller == TableReaderCaller::kCompaction) {
  const auto& ioptions = file.store().ioptions();
  if (ioptions.allow_mmap_reads) return;
  if (for_compaction_) {
    readahead_.initial = compaction_readahead_size;
    readahead_.max = compaction_readahead_size;
    return;
  }
  if (read_options.readahead_size != 0) {
    readahead_.initial = read_options.readahead_size;
    readahead_.max = read_options.readahead_size;
  } else {
    const FstFile::Settings& settings = file.settings();
    // Users may ask for more at first than at most, as of block-based files.
    readahead_.initial = std::min(settings.initial_auto_readahead_size,
                                  settings.max_auto_readahead_size);
    readahead_.max = settings.max_auto_readahead_size;
    readahead_.automatic = true;
    readahead_.reads_before = settings.num_file_reads_for_auto_readahead;
  }
  readahead_.without_waiting =
      read_options.async_io && compat::ReadsWithoutWaiting(ioptions.fs.get());
  begins_reads_ = compat::kSeeksBeginReads && readahead_.without_waiting &&
                  caller == TableReaderCaller::kUserIterator &&
                  read_options.read_tier != ROCKSDB_NAMESPACE::kBlockCacheTier;
}

BlockReadContext IteratorReads::Context() {
  BlockReadContext context{read_options_};
  context.for_compaction = for_compaction_;
  context.block_end = &block_end_;
  return context;
}

FilePrefetchBuffer* IteratorReads::Ahead(
    std::unique_ptr<FilePrefetchBuffer>* buffer) {
  // Who has all it walks over in memory needs none.
  if (*buffer == nullptr && readahead_.initial != 0) {
    compat::TrimReadahead trim;
    if (!for_compaction_ && read_options_.iterate_upper_bound != nullptr &&
        compat::AsksForTrimmedReadahead(read_options_)) {
      trim = [this](bool asked, uint64_t& begin, uint64_t& end) {
        Trim(asked, begin, &end);
      };
    }
    *buffer = NewBuffer(readahead_, file_.store().ioptions(), trim);
  }
  return buffer->get();
}

uint64_t IteratorReads::BoundEnd() {
  if (bound_end_ != kUnknown) return bound_end_;
  const FileIndex& index = file_.index();
  const uint32_t i =
      index.SegmentFor(read_options_.iterate_upper_bound->ToStringView());
  if (i < index.num_segments()) {
    const BlockLocation at = index.Location(i);
    bound_end_ =
        at.offset + at.size + file_.store().footer().GetBlockTrailerSize();
  } else {
    bound_end_ = UINT64_MAX;  // or the index is damaged
  }
  return bound_end_;
}

void IteratorReads::Trim(bool asked, uint64_t begin, uint64_t* end) {
  const uint64_t needed = asked ? block_end_ : begin;
  *end = std::min(*end, std::max(needed, BoundEnd()));
}

Status IteratorReads::GetSegment(uint32_t i, bool sequential,
                                 SegmentEntry* entry) {
  const FileBlockStore& store = file_.store();
  if (scans_ != nullptr && scans_->TakeSegment(i, entry)) return Status::OK();
  BlockReadContext context = Context();
  context.sequential = sequential;
  if (begun_ == i) {
    context.prefetch_buffer = begun_buffer_.get();
  } else if (!store.HoldsSegment(i) && store.IsContiguous(file_.index(), i)) {
    context.prefetch_buffer = Ahead(&segments_ahead_);
  }
  begun_ = kNone;
  return store.GetSegment(context, file_.index(), i, entry);
}

BlockReadContext IteratorReads::ValueContext(const Segment& segment) {
  BlockReadContext context = Context();
  if (segment.values_inline()) return context;
  context.prefetch_buffer = Ahead(&values_ahead_);
  if (scans_ != nullptr) context.together = scans_->values();
  return context;
}

bool IteratorReads::Begin(uint32_t i) {
  if (scans_ != nullptr ||
      file_.store().HasSegment(Context(), file_.index(), i)) {
    return false;
  }
  if (begun_buffer_ == nullptr) {
    compat::Readahead alone;
    alone.without_waiting = true;
    begun_buffer_ = NewBuffer(alone, file_.store().ioptions());
  }
  const Status s = file_.store().BeginSegment(Context(), file_.index(), i,
                                              begun_buffer_.get());
  // What is wrong is said when the segment is read.
  if (s.ok() || s.IsTryAgain()) begun_ = i;
  return s.IsTryAgain();
}

void IteratorReads::Announce(std::vector<compat::ScanRange> ranges,
                             uint64_t most_bytes) {
  scans_.reset();
  if (for_compaction_ || !file_.store().ReadsTogether(Context(), 2)) return;
  scans_ = std::make_unique<AnnouncedScans>(file_, read_options_,
                                            std::move(ranges), most_bytes);
}

}  // namespace memkv
