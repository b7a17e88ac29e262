// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/blocks_together.h"

#include <algorithm>
#include <string>
#include <utility>

#include "compat/statistics.h"
#include "file/random_access_file_reader.h"
#include "table/fst/blocks.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockContents;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::perf_context;  // for PERF_COUNTER_ADD
using ROCKSDB_NAMESPACE::perf_level;
using ROCKSDB_NAMESPACE::PerfLevel;
using ROCKSDB_NAMESPACE::PerfStepTimer;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

bool BlocksTogether::Add(const BlockHandle& handle) {
  if (handle.size() > most_bytes_ - bytes_) return false;
  bytes_ += handle.size();
  blocks_.emplace_back();
  blocks_.back().handle = handle;
  return true;
}

void BlocksTogether::MakeRequests(bool direct) {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    auto* const before = requests_.empty() ? nullptr : &requests_.back();
    // RocksDB merges direct reads itself, by their aligned ends.
    if (!direct && before != nullptr &&
        before->offset + before->len == block.handle.offset()) {
      block.at = before->len;
      before->len += StoredSize(block);
    } else {
      requests_.emplace_back();
      requests_.back().offset = block.handle.offset();
      requests_.back().len = StoredSize(block);
    }
    block.request = requests_.size() - 1;
  }
  for (auto& request : requests_) {
    request.scratch = nullptr;
    if (direct) continue;
    buffers_.push_back(
        ROCKSDB_NAMESPACE::AllocateBlock(request.len, allocator_));
    request.scratch = buffers_.back().get();
  }
}

void BlocksTogether::Read(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                          const ROCKSDB_NAMESPACE::Footer& footer,
                          ROCKSDB_NAMESPACE::RandomAccessFileReader* file,
                          ROCKSDB_NAMESPACE::MemoryAllocator* allocator) {
  footer_ = &footer;
  file_ = file;
  allocator_ = allocator;
  verify_ = read_options.verify_checksums;
  trailer_size_ = footer.GetBlockTrailerSize();
  std::sort(blocks_.begin(), blocks_.end(), [](const Block& a, const Block& b) {
    return a.handle.offset() < b.handle.offset();
  });
  // RocksDB asserts that requests do not overlap.  Blocks of a damaged file
  // may.
  uint64_t end = 0;
  uint64_t bytes = 0;
  const auto overlaps = [&](const Block& block) {
    if (block.handle.offset() < end) return true;
    end = block.handle.offset() + StoredSize(block);
    bytes += StoredSize(block);
    return false;
  };
  blocks_.erase(std::remove_if(blocks_.begin(), blocks_.end(), overlaps),
                blocks_.end());
  if (blocks_.size() > 1) {
    MakeRequests(file->use_direct_io());
    PERF_TIMER_GUARD(block_read_time);
    const auto s = compat::MultiRead(read_options, file, requests_.data(),
                                     requests_.size(), &aligned_);
    PERF_COUNTER_ADD(block_read_count, blocks_.size());
    PERF_COUNTER_ADD(block_read_byte, bytes);
    if (s.ok()) return;
    for (auto& request : requests_) request.status = s;
  } else {
    blocks_.clear();
  }
}

void BlocksTogether::DropFailed() {
  for (Block& block : blocks_) {
    if (!requests_[block.request].status.ok()) block.taken = true;
  }
}

Status BlocksTogether::Take(const BlockHandle& handle,
                            ROCKSDB_NAMESPACE::BlockType type,
                            ROCKSDB_NAMESPACE::Statistics* stats,
                            BlockContents* contents,
                            ROCKSDB_NAMESPACE::CompressionType* compression,
                            bool* taken) {
  *taken = false;
  const auto block =
      std::lower_bound(blocks_.begin(), blocks_.end(), handle.offset(),
                       [](const Block& one, uint64_t offset) {
                         return one.handle.offset() < offset;
                       });
  if (block == blocks_.end() || block->taken ||
      block->handle.offset() != handle.offset() ||
      block->handle.size() != handle.size()) {
    return Status::OK();
  }
  const auto& request = requests_[block->request];
  if (!request.status.ok()) return request.status;
  if (request.result.size() != request.len) return Status::OK();
  block->taken = true;
  const size_t size = handle.size();
  const char* const data = request.result.data() + block->at;
  if (verify_) {
    PERF_TIMER_GUARD(block_checksum_time);
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CHECKSUM_COMPUTE_COUNT);
    if (!compat::VerifyChecksum(*footer_, data, size, file_->file_name(),
                                handle.offset(), type)
             .ok()) {
      return Status::OK();
    }
  }
  *compression = static_cast<ROCKSDB_NAMESPACE::CompressionType>(data[size]);
  if (*compression != ROCKSDB_NAMESPACE::kNoCompression) {
    *contents = BlockContents(Slice(data, size));
  } else if (!buffers_.empty() && request.len == size + trailer_size_ &&
             data == buffers_[block->request].get()) {
    *contents = BlockContents(std::move(buffers_[block->request]), size);
  } else {
    *contents = CopyOf(Slice(data, size), allocator_);
  }
  *taken = true;
  return Status::OK();
}

}  // namespace memkv
