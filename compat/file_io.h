// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reading and appending to an SST.

#pragma once

#include <cstddef>
#include <string>

#include "compat/version.h"
#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "rocksdb/options.h"
#include "table/block_fetcher.h"
#include "table/format.h"
#include "table/persistent_cache_options.h"

namespace memkv {
namespace compat {

// Appends to an SST.
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
// file needs one.  A short read is Corruption.
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
#if MEMKV_ROCKSDB >= 1104
    ROCKSDB_NAMESPACE::AlignedBuffer buffer;
    ROCKSDB_NAMESPACE::AlignedBufferAllocationContext aligned;
    aligned.buffer = &buffer;
#else
    ROCKSDB_NAMESPACE::AlignedBuf aligned;
#endif
    s = file->Read(io_options, offset, n, &result, nullptr, &aligned);
    if (s.ok()) out->assign(result.data(), result.size());
  } else {
    s = file->Read(io_options, offset, n, &result, out->data(), nullptr);
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

// For a block that is to stay compressed.
#if MEMKV_ROCKSDB >= 1004
constexpr std::nullptr_t NoDecompressor() { return nullptr; }
#else
inline const ROCKSDB_NAMESPACE::UncompressionDict& NoDecompressor() {
  return ROCKSDB_NAMESPACE::UncompressionDict::GetEmptyDict();
}
#endif

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
      NoDecompressor(), ROCKSDB_NAMESPACE::PersistentCacheOptions::kEmpty,
      allocator,
      /*memory_allocator_compressed=*/allocator, for_compaction);
  ROCKSDB_NAMESPACE::Status s = fetcher.ReadBlockContents();
#if MEMKV_ROCKSDB >= 1004
  *type = fetcher.compression_type();
#else
  *type = fetcher.get_compression_type();
#endif
  return s;
}

}  // namespace compat
}  // namespace memkv
