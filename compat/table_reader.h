// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's TableReader as memkv implements it, and what it is opened with.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "compat/status.h"
#include "compat/version.h"
#include "db/range_tombstone_fragmenter.h"
#include "rocksdb/options.h"
#include "rocksdb/snapshot.h"
#include "rocksdb/table_properties.h"
#include "table/get_context.h"
#include "table/table_builder.h"
#include "table/table_reader.h"

namespace memkv {
namespace compat {

// Functions that have other parameters in some versions end here, and go on
// under another name, with the parameters that FST tables look at.
class TableReaderBase : public ROCKSDB_NAMESPACE::TableReader {
 public:
  // Writes what is in the table as text.
  virtual ROCKSDB_NAMESPACE::Status Dump(
      ROCKSDB_NAMESPACE::WritableFile* out) = 0;
  // Reads and checks the whole table.
  virtual ROCKSDB_NAMESPACE::Status Verify(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) = 0;

  // The file's range deletions with a sequence number up to that one; null if
  // there are none.
  virtual ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator* RangeTombstones(
      ROCKSDB_NAMESPACE::SequenceNumber read_seqno,
      const ROCKSDB_NAMESPACE::Slice* timestamp) = 0;
  // Where in the file a key is or would be, about; and how many bytes are
  // between two keys.
  virtual uint64_t OffsetOf(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& internal_key) const = 0;
  virtual uint64_t SizeBetween(const ROCKSDB_NAMESPACE::ReadOptions& ro,
                               const ROCKSDB_NAMESPACE::Slice& start,
                               const ROCKSDB_NAMESPACE::Slice& end) const = 0;

  ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator*
  NewRangeTombstoneIterator(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) final {
    return RangeTombstones(read_options.snapshot != nullptr
                               ? read_options.snapshot->GetSequenceNumber()
                               : ROCKSDB_NAMESPACE::kMaxSequenceNumber,
                           read_options.timestamp);
  }
#if MEMKV_ROCKSDB >= 807
  ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator*
  NewRangeTombstoneIterator(ROCKSDB_NAMESPACE::SequenceNumber read_seqno,
                            const ROCKSDB_NAMESPACE::Slice* timestamp) final {
    return RangeTombstones(read_seqno, timestamp);
  }
#endif
#if MEMKV_ROCKSDB >= 803
  uint64_t ApproximateOffsetOf(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& internal_key,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return OffsetOf(read_options, internal_key);
  }
  uint64_t ApproximateSize(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& start,
      const ROCKSDB_NAMESPACE::Slice& end,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return SizeBetween(read_options, start, end);
  }
#else
  uint64_t ApproximateOffsetOf(
      const ROCKSDB_NAMESPACE::Slice& internal_key,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return OffsetOf(ROCKSDB_NAMESPACE::ReadOptions(), internal_key);
  }
  uint64_t ApproximateSize(
      const ROCKSDB_NAMESPACE::Slice& start,
      const ROCKSDB_NAMESPACE::Slice& end,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return SizeBetween(ROCKSDB_NAMESPACE::ReadOptions(), start, end);
  }
#endif
#if MEMKV_ROCKSDB >= 1010
  // show_sequence_number_type: block-based files' alone.
  ROCKSDB_NAMESPACE::Status DumpTable(
      ROCKSDB_NAMESPACE::WritableFile* out,
      bool /*show_sequence_number_type*/ = false) final {
    return Dump(out);
  }
#else
  ROCKSDB_NAMESPACE::Status DumpTable(
      ROCKSDB_NAMESPACE::WritableFile* out) final {
    return Dump(out);
  }
#endif
#if MEMKV_ROCKSDB >= 1008
  // meta_blocks_only: of a file that was just written and read again.  More is
  // checked than was asked for.
  ROCKSDB_NAMESPACE::Status VerifyChecksum(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/,
      bool /*meta_blocks_only*/ = false) final {
    return Verify(read_options);
  }
#else
  ROCKSDB_NAMESPACE::Status VerifyChecksum(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      ROCKSDB_NAMESPACE::TableReaderCaller /*caller*/) final {
    return Verify(read_options);
  }
#endif
};

// TableReader::ApproximateOffsetOf() and ApproximateSize(), of any table.
inline uint64_t OffsetOf(ROCKSDB_NAMESPACE::TableReader* reader,
                         const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                         const ROCKSDB_NAMESPACE::Slice& internal_key) {
  constexpr auto kCaller =
      ROCKSDB_NAMESPACE::TableReaderCaller::kUserApproximateSize;
#if MEMKV_ROCKSDB >= 803
  return reader->ApproximateOffsetOf(read_options, internal_key, kCaller);
#else
  (void)read_options;
  return reader->ApproximateOffsetOf(internal_key, kCaller);
#endif
}
inline uint64_t SizeBetween(ROCKSDB_NAMESPACE::TableReader* reader,
                            const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                            const ROCKSDB_NAMESPACE::Slice& start,
                            const ROCKSDB_NAMESPACE::Slice& end) {
  constexpr auto kCaller =
      ROCKSDB_NAMESPACE::TableReaderCaller::kUserApproximateSize;
#if MEMKV_ROCKSDB >= 803
  return reader->ApproximateSize(read_options, start, end, kCaller);
#else
  (void)read_options;
  return reader->ApproximateSize(start, end, kCaller);
#endif
}

// Hands an entry over.  Returns whether older ones are asked for; what went
// wrong is in *read_status, below 9.1 in the context alone.
inline bool SaveValue(ROCKSDB_NAMESPACE::GetContext* get_context,
                      const ROCKSDB_NAMESPACE::ParsedInternalKey& key,
                      const ROCKSDB_NAMESPACE::Slice& value, bool* matched,
                      ROCKSDB_NAMESPACE::Status* read_status,
                      ROCKSDB_NAMESPACE::Cleanable* pinner) {
#if MEMKV_ROCKSDB >= 901
  return get_context->SaveValue(key, value, matched, read_status, pinner);
#else
  (void)read_status;
  return get_context->SaveValue(key, value, matched, pinner);
#endif
}

// What a table is opened with beside its file; all else as by default.
inline ROCKSDB_NAMESPACE::TableReaderOptions ReaderOptionsOf(
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    const std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform>&
        prefix_extractor,
    const ROCKSDB_NAMESPACE::EnvOptions& env_options,
    const ROCKSDB_NAMESPACE::InternalKeyComparator& comparator) {
#if MEMKV_ROCKSDB >= 803
  constexpr uint8_t kProtectionBytes = 0;
#endif
#if MEMKV_ROCKSDB >= 1004
  return {ioptions,    prefix_extractor, /*_compression_manager=*/nullptr,
          env_options, comparator,       kProtectionBytes};
#elif MEMKV_ROCKSDB >= 803
  return {ioptions, prefix_extractor, env_options, comparator,
          kProtectionBytes};
#else
  return {ioptions, prefix_extractor, env_options, comparator};
#endif
}

// Whether a table's keys have their user-defined timestamps, if the comparator
// has any; below 8.4 all have.
inline bool HasTimestamps(
    const ROCKSDB_NAMESPACE::TableProperties& properties) {
#if MEMKV_ROCKSDB >= 804
  return properties.user_defined_timestamps_persisted != 0;
#else
  (void)properties;
  return true;
#endif
}
// Says it to a reader that is to be opened, which does not look itself.
inline void SetHasTimestamps(bool has,
                             ROCKSDB_NAMESPACE::TableReaderOptions* options) {
#if MEMKV_ROCKSDB >= 804
  options->user_defined_timestamps_persisted = has;
#else
  (void)has;
  (void)options;
#endif
}

// What of the caller's ReadOptions an open file's own reads follow, as
// BlockBasedTable::Open has it.
inline ROCKSDB_NAMESPACE::ReadOptions OpenReadOptions(
    const ROCKSDB_NAMESPACE::ReadOptions& from) {
  ROCKSDB_NAMESPACE::ReadOptions ro;
  ro.deadline = from.deadline;
  ro.io_timeout = from.io_timeout;
  ro.rate_limiter_priority = from.rate_limiter_priority;
  ro.verify_checksums = from.verify_checksums;
  ro.fill_cache = from.fill_cache;
#if MEMKV_ROCKSDB >= 803
  ro.io_activity = from.io_activity;
#endif
  return ro;
}

// Bytes at the end of the file that hold all but its data, as far as the
// manifest says: 0 if it does not, as below 8.3.
inline uint64_t TailSizeOf(
    const ROCKSDB_NAMESPACE::TableReaderOptions& options) {
#if MEMKV_ROCKSDB >= 803
  return options.tail_size;
#else
  (void)options;
  return 0;
#endif
}

// Sets it, where there is one.
inline void SetTailSize(uint64_t tail_size,
                        ROCKSDB_NAMESPACE::TableReaderOptions* options) {
#if MEMKV_ROCKSDB >= 803
  options->tail_size = tail_size;
#else
  (void)tail_size;
  (void)options;
#endif
}

// "<what s says> in <file>", of a footer or directory that is not as it should.
// REQUIRES: Corruption or NotSupported
inline ROCKSDB_NAMESPACE::Status InFile(const ROCKSDB_NAMESPACE::Status& s,
                                        const std::string& file) {
  return Appended(s, " in " + file);
}

}  // namespace compat
}  // namespace memkv
