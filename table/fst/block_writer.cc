// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/block_writer.h"

#include <cassert>

#include "compat/file_io.h"
#include "compat/statistics.h"
#include "options/cf_options.h"
#include "table/fst/format.h"
#include "table/table_builder.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::CompressionType;
using ROCKSDB_NAMESPACE::IOStatus;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

namespace {

// Larger blocks do not leave their memory to the next.
constexpr size_t kKeptBlock = size_t{1} << 20;

}  // namespace

void LetGoIfLarge(std::string* block) {
  if (block->capacity() > kKeptBlock) std::string().swap(*block);
}

BlockWriter::BlockWriter(
    const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
    const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
    const compat::Collectors* collectors,
    ROCKSDB_NAMESPACE::WritableFileWriter* file)
    : checksum_(block_based.checksum),
      verify_compression_(block_based.verify_compression),
      ioptions_(tbo.ioptions),
      write_options_(compat::WriteOptionsOf(tbo)),
      collectors_(collectors),
      file_(file),
      compressor_(tbo.compression_type, tbo.compression_opts) {}

BlockHandle BlockWriter::Write(const Slice& raw, bool compress) {
  Slice stored = raw;
  CompressionType type = ROCKSDB_NAMESPACE::kNoCompression;
  if (compress) {
    stored = compressor_.Compress(raw, kFooterFormatVersion, &compressed_block_,
                                  &type);
    CountCompression(raw, stored, type);
    if (verify_compression_ && type != ROCKSDB_NAMESPACE::kNoCompression) {
      Fail(compat::BlockCompressor::Verify(raw, stored, type,
                                           kFooterFormatVersion, ioptions_));
    }
  }
  const BlockHandle handle(offset_, stored.size());
  char trailer[kTrailerSize];
  trailer[0] = static_cast<char>(type);
  ROCKSDB_NAMESPACE::EncodeFixed32(
      trailer + 1, ROCKSDB_NAMESPACE::ComputeBuiltinChecksumWithLastByte(
                       checksum_, stored.data(), stored.size(), trailer[0]));
  Append(stored);
  Append(Slice(trailer, sizeof(trailer)));
  LetGoIfLarge(&compressed_block_);
  return handle;
}

void BlockWriter::CountCompression(const Slice& raw, const Slice& stored,
                                   CompressionType type) {
  // Without samples of how well else it would compress.
  NotifyCollectTableCollectorsOnBlockAdd(*collectors_, raw.size(), 0, 0);
  using compat::Compression;
  compat::CountCompression(
      ioptions_.stats,
      type != ROCKSDB_NAMESPACE::kNoCompression ? Compression::kDone
      : !compressed_block_.empty()              ? Compression::kRejected
                                                : Compression::kBypassed,
      raw.size(), stored.size());
}

void BlockWriter::Append(const Slice& data) {
  if (!status_.ok()) return;
  const IOStatus s = compat::Append(write_options_, file_, data);
  if (s.ok()) {
    offset_ += data.size();
  } else {
    io_status_ = s;
    Fail(s);
  }
}

size_t BlockWriter::StoredSize(std::string_view raw) {
  CompressionType type;
  const size_t size =
      compressor_
          .Compress(Slice(raw.data(), raw.size()), kFooterFormatVersion,
                    &compressed_block_, &type)
          .size();
  LetGoIfLarge(&compressed_block_);
  return size + kTrailerSize;
}

void BlockWriter::WriteFooter(const BlockHandle& metaindex,
                              const BlockHandle& stub_index) {
  if (!status_.ok()) return;
  ROCKSDB_NAMESPACE::FooterBuilder builder;
  const Status s = compat::BuildFooter(kFooterFormatVersion, offset_, checksum_,
                                       metaindex, stub_index, &builder);
  if (!s.ok()) {
    Fail(s);
    return;
  }
  std::string footer = builder.GetSlice().ToString();
  assert(footer.size() == kFooterSize);
  // The handles of any file of less than 2^56 bytes leave the marker's place
  // free.
  const std::string place =
      footer.substr(kFooterMarkerOffset, kFooterMarkerSize);
  if (place.find_first_not_of('\0') != std::string::npos) {
    Fail(Status::NotSupported(file_->file_name(), "file is too large"));
    return;
  }
  footer.replace(kFooterMarkerOffset, kFooterMarkerSize, kFooterMarker);
  Append(footer);
}

}  // namespace memkv
