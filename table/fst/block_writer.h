// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The end of an FST file in the making: appends blocks with their trailers, and
// the footer.  It keeps the first error; after one it appends nothing.
//
// Thread safety: one thread at a time, but for NewCompressor() and Prepare(),
// which any threads may call beside it, each with a compressor of its own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "compat/compression.h"
#include "compat/table_builder.h"
#include "rocksdb/table.h"

namespace memkv {

class BlockWriter {
 public:
  // The checksum and whether compression is verified are `block_based`'s.
  // `file` and `collectors` must outlive the writer; the options need not.
  BlockWriter(const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
              const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
              const compat::Collectors* collectors,
              ROCKSDB_NAMESPACE::WritableFileWriter* file);
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // What a block will be in the file.
  struct Prepared {
    ROCKSDB_NAMESPACE::Slice stored;  // the raw block, or what is below
    ROCKSDB_NAMESPACE::CompressionType type;
    std::string compressed;
    ROCKSDB_NAMESPACE::Status status;  // whether verification has found it good
  };
  std::unique_ptr<compat::BlockCompressor> NewCompressor() const;
  // Compresses a block if that is worth it, and verifies that.
  void Prepare(const ROCKSDB_NAMESPACE::Slice& raw,
               compat::BlockCompressor* compressor, Prepared* out) const;
  // The same without compression.
  static void LeaveUncompressed(const ROCKSDB_NAMESPACE::Slice& raw,
                                Prepared* out);
  // Appends a prepared block and its trailer.
  ROCKSDB_NAMESPACE::BlockHandle Append(const ROCKSDB_NAMESPACE::Slice& raw,
                                        const Prepared& prepared);

  // Appends a block and its trailer, compressed if `compress` and worth it.
  ROCKSDB_NAMESPACE::BlockHandle Write(const ROCKSDB_NAMESPACE::Slice& raw,
                                       bool compress);
  // What a block takes in the file if it is worth to be compressed, with its
  // trailer.
  size_t StoredSize(std::string_view raw);
  void WriteFooter(const ROCKSDB_NAMESPACE::BlockHandle& metaindex,
                   const ROCKSDB_NAMESPACE::BlockHandle& stub_index);

  // Takes an error of the file's user.
  void Fail(const ROCKSDB_NAMESPACE::Status& s) {
    if (status_.ok()) status_ = s;
  }
  const ROCKSDB_NAMESPACE::Status& status() const { return status_; }
  const ROCKSDB_NAMESPACE::IOStatus& io_status() const { return io_status_; }
  // Bytes that are written.
  uint64_t offset() const { return offset_; }
  // The same if no block were compressed.
  uint64_t offset_uncompressed() const { return offset_ + saved_; }
  ROCKSDB_NAMESPACE::WritableFileWriter* file() const { return file_; }

 private:
  // Tells statistics and collectors what compression made of a block.
  void CountCompression(const ROCKSDB_NAMESPACE::Slice& raw,
                        const Prepared& prepared);
  ROCKSDB_NAMESPACE::BlockHandle AppendBlock(
      const ROCKSDB_NAMESPACE::Slice& stored,
      ROCKSDB_NAMESPACE::CompressionType type);
  void AppendBytes(const ROCKSDB_NAMESPACE::Slice& data);

  const ROCKSDB_NAMESPACE::ChecksumType checksum_;
  const bool verify_compression_;
  const ROCKSDB_NAMESPACE::CompressionType compression_type_;
  const ROCKSDB_NAMESPACE::CompressionOptions compression_options_;
  const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions_;
  // A copy: the caller's is gone after the constructor.
  const ROCKSDB_NAMESPACE::WriteOptions write_options_;
  const compat::Collectors* const collectors_;
  ROCKSDB_NAMESPACE::WritableFileWriter* const file_;
  compat::BlockCompressor compressor_;
  Prepared prepared_;
  uint64_t offset_ = 0;
  uint64_t saved_ = 0;  // by compression
  ROCKSDB_NAMESPACE::Status status_;
  ROCKSDB_NAMESPACE::IOStatus io_status_;
};

// Gives up the memory of a block that was large, so that the next ones, which
// mostly are not, do not hold it.
void LetGoIfLarge(std::string* block);

}  // namespace memkv
