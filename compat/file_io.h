// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Appending to an SST and reading it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

#include "compat/version.h"
#include "file/file_prefetch_buffer.h"
#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "options/cf_options.h"
#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "table/block_based/block_type.h"
#include "table/block_based/reader_common.h"
#include "table/block_fetcher.h"
#include "table/format.h"
#include "table/persistent_cache_options.h"

namespace memkv {
namespace compat {

// Appends to an SST.  Below 8.11 RocksDB gives a table's writer no
// WriteOptions.
inline ROCKSDB_NAMESPACE::IOStatus Append(
    const ROCKSDB_NAMESPACE::WriteOptions& write_options,
    ROCKSDB_NAMESPACE::WritableFileWriter* file,
    const ROCKSDB_NAMESPACE::Slice& data) {
#if MEMKV_ROCKSDB >= 811
  ROCKSDB_NAMESPACE::IOOptions io_options;
  ROCKSDB_NAMESPACE::IOStatus s =
      ROCKSDB_NAMESPACE::WritableFileWriter::PrepareIOOptions(write_options,
                                                              io_options);
  return s.ok() ? file->Append(io_options, data) : s;
#else
  (void)write_options;
  return file->Append(data);
#endif
}

// Writes what is buffered; and closes the file.
inline ROCKSDB_NAMESPACE::IOStatus Flush(
    ROCKSDB_NAMESPACE::WritableFileWriter* file) {
#if MEMKV_ROCKSDB >= 811
  return file->Flush(ROCKSDB_NAMESPACE::IOOptions());
#else
  return file->Flush();
#endif
}
inline ROCKSDB_NAMESPACE::IOStatus Close(
    ROCKSDB_NAMESPACE::WritableFileWriter* file) {
#if MEMKV_ROCKSDB >= 811
  return file->Close(ROCKSDB_NAMESPACE::IOOptions());
#else
  return file->Close();
#endif
}

// What direct I/O reads into.
#if MEMKV_ROCKSDB >= 1104
struct DirectBuffer : public ROCKSDB_NAMESPACE::AlignedBufferAllocationContext {
  DirectBuffer() { buffer = &memory; }
  ROCKSDB_NAMESPACE::AlignedBuffer memory;
};
#else
using DirectBuffer = ROCKSDB_NAMESPACE::AlignedBuf;
#endif

// Reads `n` bytes at `offset` into `scratch`, or, if that is null, into
// *aligned, which direct I/O needs.
inline ROCKSDB_NAMESPACE::IOStatus Read(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file, uint64_t offset, size_t n,
    ROCKSDB_NAMESPACE::Slice* result, char* scratch, DirectBuffer* aligned) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  ROCKSDB_NAMESPACE::IOStatus s =
      file->PrepareIOOptions(read_options, io_options);
  if (!s.ok()) return s;
#if MEMKV_ROCKSDB >= 806
  return file->Read(io_options, offset, n, result, scratch, aligned);
#else
  return file->Read(io_options, offset, n, result, scratch, aligned,
                    read_options.rate_limiter_priority);
#endif
}

// Reads all of `requests`, which ascend and do not overlap, with one call: into
// their buffers, or, with direct I/O, into *aligned.
inline ROCKSDB_NAMESPACE::IOStatus MultiRead(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file,
    ROCKSDB_NAMESPACE::FSReadRequest* requests, size_t n,
    DirectBuffer* aligned) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  ROCKSDB_NAMESPACE::IOStatus s =
      file->PrepareIOOptions(read_options, io_options);
  if (!s.ok()) return s;
#if MEMKV_ROCKSDB >= 806
  return file->MultiRead(io_options, requests, n, aligned);
#else
  return file->MultiRead(io_options, requests, n, aligned,
                         read_options.rate_limiter_priority);
#endif
}

// Checks the trailer of a block of `size` bytes that was read from `offset`.
// What RocksDB's function takes has grown.
template <typename TFooter>
ROCKSDB_NAMESPACE::Status VerifyChecksum(
    const TFooter& footer, const char* data, size_t size,
    const std::string& file_name, uint64_t offset,
    ROCKSDB_NAMESPACE::BlockType block_type) {
  using Verify = decltype(ROCKSDB_NAMESPACE::VerifyBlockChecksum);
  if constexpr (std::is_invocable_v<Verify, const TFooter&, const char*, size_t,
                                    const std::string&, uint64_t,
                                    ROCKSDB_NAMESPACE::BlockType>) {
    return ROCKSDB_NAMESPACE::VerifyBlockChecksum(footer, data, size, file_name,
                                                  offset, block_type);
  } else if constexpr (std::is_invocable_v<Verify, const TFooter&, const char*,
                                           size_t, const std::string&,
                                           uint64_t>) {
    return ROCKSDB_NAMESPACE::VerifyBlockChecksum(footer, data, size, file_name,
                                                  offset);
  } else {
    return ROCKSDB_NAMESPACE::VerifyBlockChecksum(footer.checksum_type(), data,
                                                  size, file_name, offset);
  }
}

// Reads `n` bytes at `offset` into *out, through a direct-I/O buffer if the
// file needs one.  A short read is Corruption.
inline ROCKSDB_NAMESPACE::Status ReadExactly(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file, uint64_t offset, size_t n,
    std::string* out) {
  out->resize(n);
  ROCKSDB_NAMESPACE::Slice result;
  ROCKSDB_NAMESPACE::Status s;
  if (file->use_direct_io()) {
    DirectBuffer aligned;
    s = Read(read_options, file, offset, n, &result, nullptr, &aligned);
    if (s.ok()) out->assign(result.data(), result.size());
  } else {
    s = Read(read_options, file, offset, n, &result, out->data(), nullptr);
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

// A file to read that knows its size.  From 10.5 on RocksDB asks an SST for it
// when it reads the footer, and the file system only if the file does not say.
class SizedRandomAccessFile : public ROCKSDB_NAMESPACE::FSRandomAccessFile {
#if MEMKV_ROCKSDB < 1005
 public:
  virtual ROCKSDB_NAMESPACE::IOStatus GetFileSize(uint64_t* result) = 0;
#endif
};

// Whether a table iterator's Seek() may begin to read, and be called again: the
// buffers of versions below need readahead for that.
constexpr bool kSeeksBeginReads = MEMKV_ROCKSDB >= 811;

// Whether the file system reads without waiting; below 8.5 it does not say, and
// RocksDB believes that it does.
inline bool ReadsWithoutWaiting(ROCKSDB_NAMESPACE::FileSystem* fs) {
#if MEMKV_ROCKSDB >= 805
  int64_t ops = 0;
  fs->SupportedOps(ops);
  return ((ops >> ROCKSDB_NAMESPACE::FSSupportedOps::kAsyncIO) & 1) != 0;
#else
  (void)fs;
  return true;
#endif
}

// How to read ahead of what is read in a row.
struct Readahead {
  size_t initial = 0;  // bytes
  size_t max = 0;
  // Begins after `reads_before` reads in a row, and not with the first one.
  bool automatic = false;
  uint64_t reads_before = 0;
  // One half of it while the other one is used.  Below 8.11 the buffer does so
  // by the ReadOptions.
  bool without_waiting = false;
};

// Changes what a buffer is about to read, [*begin, *end) of the file, if that
// is what it was asked for (`asked`) or what comes behind it.  Only from 8.11
// on.
using TrimReadahead =
    std::function<void(bool asked, uint64_t& begin, uint64_t& end)>;
inline bool AsksForTrimmedReadahead(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options) {
#if MEMKV_ROCKSDB >= 811
  return read_options.auto_readahead_size;
#else
  (void)read_options;
  return false;
#endif
}

// A buffer that reads ahead.  ioptions: whose statistics count; may be null.
inline ROCKSDB_NAMESPACE::FilePrefetchBuffer ReadAhead(
    const Readahead& readahead,
    const ROCKSDB_NAMESPACE::ImmutableOptions* ioptions = nullptr,
    const TrimReadahead& trim = nullptr) {
  ROCKSDB_NAMESPACE::FileSystem* const fs =
      ioptions == nullptr ? nullptr : ioptions->fs.get();
  ROCKSDB_NAMESPACE::SystemClock* const clock =
      ioptions == nullptr ? nullptr : ioptions->clock;
  ROCKSDB_NAMESPACE::Statistics* const stats =
      ioptions == nullptr ? nullptr : ioptions->stats;
#if MEMKV_ROCKSDB >= 811
  ROCKSDB_NAMESPACE::ReadaheadParams params;
  params.initial_readahead_size = readahead.initial;
  params.max_readahead_size = readahead.max;
  params.implicit_auto_readahead = readahead.automatic;
  params.num_file_reads_for_auto_readahead = readahead.reads_before;
  params.num_buffers = readahead.without_waiting ? 2 : 1;
  return ROCKSDB_NAMESPACE::FilePrefetchBuffer(params, /*enable=*/true,
                                               /*track_min_offset=*/false, fs,
                                               clock, stats, trim);
#else
  (void)trim;
  return ROCKSDB_NAMESPACE::FilePrefetchBuffer(
      readahead.initial, readahead.max, /*enable=*/true,
      /*track_min_offset=*/false, readahead.automatic, /*num_file_reads=*/0,
      readahead.reads_before,
#if MEMKV_ROCKSDB >= 806 && MEMKV_ROCKSDB < 810
      /*upper_bound_offset=*/0,
#endif
      fs, clock, stats);
#endif
}

// Reads `n` bytes at `offset` into *buffer.
inline ROCKSDB_NAMESPACE::Status Prefetch(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file, uint64_t offset, size_t n,
    ROCKSDB_NAMESPACE::FilePrefetchBuffer* buffer) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  const ROCKSDB_NAMESPACE::Status s =
      file->PrepareIOOptions(read_options, io_options);
  if (!s.ok()) return s;
#if MEMKV_ROCKSDB >= 806
  return buffer->Prefetch(io_options, file, offset, n);
#else
  return buffer->Prefetch(io_options, file, offset, n,
                          read_options.rate_limiter_priority);
#endif
}

// Begins to read `n` bytes at `offset` into *buffer.  TryAgain if that is under
// way: the buffer waits for it when it is asked for these bytes.
inline ROCKSDB_NAMESPACE::Status BeginPrefetch(
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    ROCKSDB_NAMESPACE::RandomAccessFileReader* file, uint64_t offset, size_t n,
    ROCKSDB_NAMESPACE::FilePrefetchBuffer* buffer) {
  ROCKSDB_NAMESPACE::IOOptions io_options;
  const ROCKSDB_NAMESPACE::Status s =
      file->PrepareIOOptions(read_options, io_options);
  ROCKSDB_NAMESPACE::Slice there;
  return s.ok() ? buffer->PrefetchAsync(io_options, file, offset, n, &there)
                : s;
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
