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
      compression_type_(tbo.compression_type),
      compression_options_(tbo.compression_opts),
      ioptions_(tbo.ioptions),
      write_options_(compat::WriteOptionsOf(tbo)),
      collectors_(collectors),
      file_(file),
      compressor_(compression_type_, compression_options_) {}

std::unique_ptr<compat::BlockCompressor> BlockWriter::NewCompressor() const {
  return std::make_unique<compat::BlockCompressor>(compression_type_,
                                                   compression_options_);
}

void BlockWriter::Prepare(const Slice& raw, compat::BlockCompressor* compressor,
                          Prepared* out) const {
  out->stored = compressor->Compress(raw, kFooterFormatVersion,
                                     &out->compressed, &out->type);
  out->status =
      verify_compression_ && out->type != ROCKSDB_NAMESPACE::kNoCompression
          ? compat::BlockCompressor::Verify(raw, out->stored, out->type,
                                            kFooterFormatVersion, ioptions_)
          : Status::OK();
}

void BlockWriter::LeaveUncompressed(const Slice& raw, Prepared* out) {
  out->stored = raw;
  out->type = ROCKSDB_NAMESPACE::kNoCompression;
  out->compressed.clear();
  out->status = Status::OK();
}

BlockHandle BlockWriter::Append(const Slice& raw, const Prepared& prepared) {
  CountCompression(raw, prepared);
  Fail(prepared.status);
  if (status_.ok()) saved_ += raw.size() - prepared.stored.size();
  return AppendBlock(prepared.stored, prepared.type);
}

BlockHandle BlockWriter::Write(const Slice& raw, bool compress) {
  if (!compress) return AppendBlock(raw, ROCKSDB_NAMESPACE::kNoCompression);
  Prepare(raw, &compressor_, &prepared_);
  const BlockHandle handle = Append(raw, prepared_);
  LetGoIfLarge(&prepared_.compressed);
  return handle;
}

BlockHandle BlockWriter::AppendBlock(const Slice& stored,
                                     CompressionType type) {
  const BlockHandle handle(offset_, stored.size());
  char trailer[kTrailerSize];
  trailer[0] = static_cast<char>(type);
  ROCKSDB_NAMESPACE::EncodeFixed32(
      trailer + 1, ROCKSDB_NAMESPACE::ComputeBuiltinChecksumWithLastByte(
                       checksum_, stored.data(), stored.size(), trailer[0]));
  AppendBytes(stored);
  AppendBytes(Slice(trailer, sizeof(trailer)));
  return handle;
}

void BlockWriter::CountCompression(const Slice& raw, const Prepared& prepared) {
  // Without samples of how well else it would compress.
  NotifyCollectTableCollectorsOnBlockAdd(*collectors_, raw.size(), 0, 0);
  using compat::Compression;
  compat::CountCompression(
      ioptions_.stats,
      prepared.type != ROCKSDB_NAMESPACE::kNoCompression ? Compression::kDone
      : !prepared.compressed.empty() ? Compression::kRejected
                                     : Compression::kBypassed,
      raw.size(), prepared.stored.size());
}

void BlockWriter::AppendBytes(const Slice& data) {
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
                    &prepared_.compressed, &type)
          .size();
  LetGoIfLarge(&prepared_.compressed);
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
  AppendBytes(footer);
}

}  // namespace memkv
