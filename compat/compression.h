// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Compressing and uncompressing blocks, with the algorithms that are RocksDB's
// own: a compression_manager (10.4 and later) is for block-based files.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "compat/version.h"
#include "rocksdb/options.h"
#include "table/block_based/block_based_table_builder.h"
#include "table/format.h"
#include "util/coding.h"
#include "util/compression.h"
#if MEMKV_ROCKSDB >= 1004
#include "rocksdb/advanced_compression.h"
#endif

namespace memkv {
namespace compat {

#if MEMKV_ROCKSDB >= 1004
// Of every type that RocksDB was built with.  Any thread.
inline ROCKSDB_NAMESPACE::Decompressor& BuiltinDecompressor() {
  static const auto* const decompressor =
      new std::shared_ptr<ROCKSDB_NAMESPACE::Decompressor>(
          ROCKSDB_NAMESPACE::GetBuiltinV2CompressionManager()
              ->GetDecompressor());
  return **decompressor;
}
#endif

// ZSTD of before its format was final; RocksDB has no name for it from 10.2 on.
constexpr auto kOldZstd = static_cast<ROCKSDB_NAMESPACE::CompressionType>(0x40);

// How many bytes `stored` compressed ones can become.  0 if there is no such
// compression.
inline uint64_t MostUncompressed(ROCKSDB_NAMESPACE::CompressionType type,
                                 uint64_t stored) {
  if (type == kOldZstd) type = ROCKSDB_NAMESPACE::kZSTD;
  switch (type) {
    case ROCKSDB_NAMESPACE::kSnappyCompression:
      return 22 * stored;  // 64 bytes by 3
    case ROCKSDB_NAMESPACE::kZlibCompression:
      return 1032 * stored;
    case ROCKSDB_NAMESPACE::kLZ4Compression:
    case ROCKSDB_NAMESPACE::kLZ4HCCompression:
      return 255 * stored;
    case ROCKSDB_NAMESPACE::kZSTD:
      return 32768 * stored;  // a block of 128 KiB by 4
    case ROCKSDB_NAMESPACE::kBZip2Compression:
    case ROCKSDB_NAMESPACE::kXpressCompression:
      return UINT64_MAX;
    default:
      return 0;
  }
}

// Uncompresses what FetchStoredBlock() has read.  RocksDB allocates what a
// block says of its size, which must be possible.
inline ROCKSDB_NAMESPACE::Status Uncompress(
    const ROCKSDB_NAMESPACE::Slice& stored,
    ROCKSDB_NAMESPACE::CompressionType type, uint32_t format_version,
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    ROCKSDB_NAMESPACE::MemoryAllocator* allocator,
    ROCKSDB_NAMESPACE::BlockContents* contents) {
  using ROCKSDB_NAMESPACE::Status;
  const uint64_t most = MostUncompressed(type, stored.size());
  if (most == 0 && !stored.empty()) {
    return Status::Corruption(
        "compression type " +
        std::to_string(static_cast<unsigned>(static_cast<uint8_t>(type))) +
        " is not known");
  }
  // All compressed forms but Xpress's begin with it.
  ROCKSDB_NAMESPACE::Slice in = stored;
  uint32_t size = 0;
  if (most != UINT64_MAX &&
      (!ROCKSDB_NAMESPACE::GetVarint32(&in, &size) || size > most)) {
    return Status::Corruption(std::to_string(stored.size()) +
                              " compressed bytes cannot be " +
                              std::to_string(size) + " uncompressed ones");
  }
#if MEMKV_ROCKSDB >= 1004
  (void)format_version;
  return ROCKSDB_NAMESPACE::DecompressBlockData(stored.data(), stored.size(),
                                                type, BuiltinDecompressor(),
                                                contents, ioptions, allocator);
#else
  const ROCKSDB_NAMESPACE::UncompressionContext context(type);
  const ROCKSDB_NAMESPACE::UncompressionInfo info(
      context, ROCKSDB_NAMESPACE::UncompressionDict::GetEmptyDict(), type);
  return ROCKSDB_NAMESPACE::UncompressBlockData(
      info, stored.data(), stored.size(), contents, format_version, ioptions,
      allocator);
#endif
}

// Compresses blocks as a level's options ask.  One thread at a time.
class BlockCompressor {
 public:
  BlockCompressor(ROCKSDB_NAMESPACE::CompressionType type,
                  const ROCKSDB_NAMESPACE::CompressionOptions& options);

  // Returns what to store, either `raw` or *buffer, and its type.
  ROCKSDB_NAMESPACE::Slice Compress(const ROCKSDB_NAMESPACE::Slice& raw,
                                    uint32_t format_version,
                                    std::string* buffer,
                                    ROCKSDB_NAMESPACE::CompressionType* type);

  // Uncompresses what Compress() returned and compares it with what it was.
  // The errors are BlockBasedTableBuilder's.
  static ROCKSDB_NAMESPACE::Status Verify(
      const ROCKSDB_NAMESPACE::Slice& raw,
      const ROCKSDB_NAMESPACE::Slice& stored,
      ROCKSDB_NAMESPACE::CompressionType type, uint32_t format_version,
      const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions) {
    ROCKSDB_NAMESPACE::BlockContents contents;
    const ROCKSDB_NAMESPACE::Status s =
        Uncompress(stored, type, format_version, ioptions,
                   /*allocator=*/nullptr, &contents);
    if (!s.ok()) {
      return ROCKSDB_NAMESPACE::Status::Corruption(
          "Could not decompress: " +
          std::string(s.getState() == nullptr ? "" : s.getState()));
    }
    if (contents.data != raw) {
      return ROCKSDB_NAMESPACE::Status::Corruption(
          "Decompressed block did not match pre-compression block");
    }
    return ROCKSDB_NAMESPACE::Status::OK();
  }

 private:
  // What a 32-bit length in the compressed form cannot say stays as it is, as
  // in BlockBasedTableBuilder.
  static constexpr size_t kSizeLimit = 0x7fffffff;

  const ROCKSDB_NAMESPACE::CompressionOptions options_;
#if MEMKV_ROCKSDB >= 1004
  // Null if nothing is compressed.
  std::unique_ptr<ROCKSDB_NAMESPACE::Compressor> compressor_;
  ROCKSDB_NAMESPACE::Compressor::ManagedWorkingArea working_area_;
#else
  const ROCKSDB_NAMESPACE::CompressionType type_;
  ROCKSDB_NAMESPACE::CompressionContext context_;
#endif
};

#if MEMKV_ROCKSDB >= 1004

inline BlockCompressor::BlockCompressor(
    ROCKSDB_NAMESPACE::CompressionType type,
    const ROCKSDB_NAMESPACE::CompressionOptions& options)
    : options_(options),
      compressor_(type == ROCKSDB_NAMESPACE::kNoCompression
                      ? nullptr
                      : ROCKSDB_NAMESPACE::GetBuiltinV2CompressionManager()
                            ->GetCompressor(options_, type)) {
  if (compressor_ != nullptr) {
    working_area_ = compressor_->ObtainWorkingArea();
  }
}

inline ROCKSDB_NAMESPACE::Slice BlockCompressor::Compress(
    const ROCKSDB_NAMESPACE::Slice& raw, uint32_t /*format_version*/,
    std::string* buffer, ROCKSDB_NAMESPACE::CompressionType* type) {
  buffer->clear();
  *type = ROCKSDB_NAMESPACE::kNoCompression;
  if (compressor_ == nullptr || raw.size() >= kSizeLimit) return raw;
  const auto most = static_cast<size_t>(
      (static_cast<uint64_t>(options_.max_compressed_bytes_per_kb) *
       raw.size()) >>
      10);
#if MEMKV_ROCKSDB >= 1006
  buffer->resize(most);
  size_t size = most;
  const ROCKSDB_NAMESPACE::Status s = compressor_->CompressBlock(
      raw, &(*buffer)[0], &size, type, &working_area_);
  const bool fits = s.ok();
  if (fits) buffer->resize(size);
#else
  const ROCKSDB_NAMESPACE::Status s =
      compressor_->CompressBlock(raw, buffer, type, &working_area_);
  const bool fits = s.ok() && buffer->size() <= most;
#endif
  if (!fits) *type = ROCKSDB_NAMESPACE::kNoCompression;
  return *type == ROCKSDB_NAMESPACE::kNoCompression
             ? raw
             : ROCKSDB_NAMESPACE::Slice(*buffer);
}

#else

inline BlockCompressor::BlockCompressor(
    ROCKSDB_NAMESPACE::CompressionType type,
    const ROCKSDB_NAMESPACE::CompressionOptions& options)
    : options_(options),
      type_(type),
#if MEMKV_ROCKSDB >= 806
      context_(type, options_) {
}
#else
      context_(type) {
}
#endif

inline ROCKSDB_NAMESPACE::Slice BlockCompressor::Compress(
    const ROCKSDB_NAMESPACE::Slice& raw, uint32_t format_version,
    std::string* buffer, ROCKSDB_NAMESPACE::CompressionType* type) {
  buffer->clear();
  *type = ROCKSDB_NAMESPACE::kNoCompression;
  if (raw.size() >= kSizeLimit) return raw;
  const ROCKSDB_NAMESPACE::CompressionInfo info(
      options_, context_, ROCKSDB_NAMESPACE::CompressionDict::GetEmptyDict(),
      type_, /*sample_for_compression=*/0);
  return ROCKSDB_NAMESPACE::CompressBlock(raw, info, type, format_version,
                                          /*do_sample=*/false, buffer, nullptr,
                                          nullptr);
}

#endif

}  // namespace compat
}  // namespace memkv
