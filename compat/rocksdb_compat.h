// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What memkv's adapters use of RocksDB's internals whose shape changes from
// release to release: the one place where such differences may show.  No
// adapter tests the version itself.
//
// Written for and tested with RocksDB 9.10; where a signature is known to
// differ elsewhere, the function here says so.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "db/table_properties_collector.h"
#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "rocksdb/options.h"
#include "rocksdb/version.h"
#include "table/block_based/block_based_table_builder.h"
#include "table/block_fetcher.h"
#include "table/format.h"
#include "table/get_context.h"
#include "table/meta_blocks.h"
#include "table/persistent_cache_options.h"
#include "table/table_builder.h"

#if ROCKSDB_MAJOR * 100 + ROCKSDB_MINOR < 910 || ROCKSDB_MAJOR > 9
#error "memkv needs RocksDB 9.10 or a later 9.x"
#endif

namespace memkv {
namespace compat {

using Collector = ROCKSDB_NAMESPACE::InternalTblPropColl;
using Collectors = std::vector<std::unique_ptr<Collector>>;

// Makes the table properties collectors that `tbo` asks for.  Before 9.0 the
// types had other names and fewer arguments.
inline void MakeCollectors(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                           Collectors* out) {
  if (tbo.internal_tbl_prop_coll_factories == nullptr) return;
  for (const auto& factory : *tbo.internal_tbl_prop_coll_factories) {
    std::unique_ptr<Collector> collector(factory->CreateInternalTblPropColl(
        tbo.column_family_id, tbo.level_at_creation, tbo.ioptions.num_levels,
        tbo.last_level_inclusive_max_seqno_threshold));
    if (collector != nullptr) out->push_back(std::move(collector));
  }
}

// Appends to an SST.  Before 8.11 there were no IOOptions to pass.
inline ROCKSDB_NAMESPACE::IOStatus Append(
    const ROCKSDB_NAMESPACE::WriteOptions& write_options,
    ROCKSDB_NAMESPACE::WritableFileWriter* file,
    const ROCKSDB_NAMESPACE::Slice& data) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  ROCKSDB_NAMESPACE::IOStatus s =
      ROCKSDB_NAMESPACE::WritableFileWriter::PrepareIOOptions(write_options,
                                                              io_options);
  return s.ok() ? file->Append(io_options, data) : s;
}

// Reads `n` bytes at `offset` into *out, through a direct-I/O buffer if the
// file needs one.  A short read is Corruption.  From 11.5 on the buffer
// argument has another type.
inline ROCKSDB_NAMESPACE::Status ReadExactly(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file, uint64_t offset, size_t n,
    std::string* out) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  ROCKSDB_NAMESPACE::Status s =
      file->PrepareIOOptions(read_options, io_options);
  if (!s.ok()) return s;
  out->resize(n);
  ROCKSDB_NAMESPACE::Slice result;
  if (file->use_direct_io()) {
    ROCKSDB_NAMESPACE::AlignedBuf buffer;
    s = file->Read(io_options, offset, n, &result, nullptr, &buffer);
    if (s.ok()) out->assign(result.data(), result.size());
  } else {
    s = file->Read(io_options, offset, n, &result, &(*out)[0], nullptr);
    // A memory-mapped file answers with its own memory, not with the buffer.
    if (s.ok() && result.data() != out->data()) {
      out->assign(result.data(), result.size());
    }
  }
  if (s.ok() && result.size() != n) {
    s = ROCKSDB_NAMESPACE::Status::Corruption(
        file->file_name() + ": read " + std::to_string(result.size()) +
        " bytes at offset " + std::to_string(offset) + ", expected " +
        std::to_string(n) + "; the file is truncated");
  }
  return s;
}

// Reads the block at `handle` as it is stored: from `prefetch_buffer` if it
// holds it, checked against its trailer's checksum if
// read_options.verify_checksums.  Sets *type to how it is compressed.
inline ROCKSDB_NAMESPACE::Status FetchStoredBlock(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file,
    ROCKSDB_NAMESPACE::FilePrefetchBuffer* prefetch_buffer,
    const ROCKSDB_NAMESPACE::Footer& footer,
    const ROCKSDB_NAMESPACE::BlockHandle& handle,
    ROCKSDB_NAMESPACE::BlockType block_type,
    ROCKSDB_NAMESPACE::MemoryAllocator* allocator, bool for_compaction,
    ROCKSDB_NAMESPACE::BlockContents* contents,
    ROCKSDB_NAMESPACE::CompressionType* type) {
  // Of one allocator, whether it is compressed or not: else it would be copied.
  ROCKSDB_NAMESPACE::BlockFetcher fetcher(
      file, prefetch_buffer, footer, read_options, handle, contents, ioptions,
      /*do_uncompress=*/false, /*maybe_compressed=*/true, block_type,
      ROCKSDB_NAMESPACE::UncompressionDict::GetEmptyDict(),
      ROCKSDB_NAMESPACE::PersistentCacheOptions::kEmpty, allocator,
      /*memory_allocator_compressed=*/allocator, for_compaction);
  ROCKSDB_NAMESPACE::Status s = fetcher.ReadBlockContents();
  *type = fetcher.get_compression_type();
  return s;
}

// How many bytes `stored` compressed ones can become.  0 if there is no such
// compression.
inline uint64_t MostUncompressed(ROCKSDB_NAMESPACE::CompressionType type,
                                 uint64_t stored) {
  switch (type) {
    case ROCKSDB_NAMESPACE::kSnappyCompression:
      return 22 * stored;  // 64 bytes by 3
    case ROCKSDB_NAMESPACE::kZlibCompression:
      return 1032 * stored;
    case ROCKSDB_NAMESPACE::kLZ4Compression:
    case ROCKSDB_NAMESPACE::kLZ4HCCompression:
      return 255 * stored;
    case ROCKSDB_NAMESPACE::kZSTD:
    case ROCKSDB_NAMESPACE::kZSTDNotFinalCompression:
      return 32768 * stored;  // a block of 128 KiB by 4
    case ROCKSDB_NAMESPACE::kBZip2Compression:
    case ROCKSDB_NAMESPACE::kXpressCompression:
      return UINT64_MAX;
    default:
      return 0;
  }
}

// Uncompresses what FetchStoredBlock() has read.  RocksDB allocates what a
// block says of its size, which must be possible.  From 10.4 on there are
// Decompressors.
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
  const ROCKSDB_NAMESPACE::UncompressionContext context(type);
  const ROCKSDB_NAMESPACE::UncompressionInfo info(
      context, ROCKSDB_NAMESPACE::UncompressionDict::GetEmptyDict(), type);
  return ROCKSDB_NAMESPACE::UncompressBlockData(
      info, stored.data(), stored.size(), contents, format_version, ioptions,
      allocator);
}

// Compresses `raw` as a level's options ask.  Returns what to store, either
// `raw` or *buffer, and its type.  From 10.4 on there are Compressors.
class BlockCompressor {
 public:
  BlockCompressor(ROCKSDB_NAMESPACE::CompressionType type,
                  const ROCKSDB_NAMESPACE::CompressionOptions& options)
      : type_(type), options_(options), context_(type, options_) {}

  ROCKSDB_NAMESPACE::Slice Compress(const ROCKSDB_NAMESPACE::Slice& raw,
                                    uint32_t format_version,
                                    std::string* buffer,
                                    ROCKSDB_NAMESPACE::CompressionType* type) {
    // What a 32-bit length in the compressed form cannot say stays as it is,
    // as in BlockBasedTableBuilder.
    constexpr size_t kCompressionSizeLimit = 0x7fffffff;
    buffer->clear();
    *type = ROCKSDB_NAMESPACE::kNoCompression;
    if (raw.size() >= kCompressionSizeLimit) return raw;
    ROCKSDB_NAMESPACE::CompressionInfo info(
        options_, context_, ROCKSDB_NAMESPACE::CompressionDict::GetEmptyDict(),
        type_, /*sample_for_compression=*/0);
    return ROCKSDB_NAMESPACE::CompressBlock(raw, info, type, format_version,
                                            /*do_sample=*/false, buffer,
                                            nullptr, nullptr);
  }

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
  const ROCKSDB_NAMESPACE::CompressionType type_;
  const ROCKSDB_NAMESPACE::CompressionOptions options_;
  ROCKSDB_NAMESPACE::CompressionContext context_;
};

// RocksDB's text for compression options, as the properties carry it.  9.10
// asks for a mutable argument.
inline std::string CompressionOptionsName(
    ROCKSDB_NAMESPACE::CompressionOptions options) {
  return ROCKSDB_NAMESPACE::CompressionOptionsToString(options);
}

}  // namespace compat
}  // namespace memkv
