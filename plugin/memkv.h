// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The public face of memkv: an ART memtable (`memtable_factory=art`) and an
// FST table (`table_factory=fst`) for RocksDB.
//
// Most programs need one call, RegisterMemkv(), before they parse options:
//
//   memkv::RegisterMemkv();
//   rocksdb::GetColumnFamilyOptionsFromString(
//       rocksdb::ConfigOptions(), base,
//       "memtable_factory=art;"
//       "table_factory={id=fst;filter_policy=bloomfilter:10;block_cache=1G}",
//       &options);
//
// Programs that load libmemkv.so (linked, dlopen()ed or preloaded) need not
// even that: its load registers with the RocksDB that the process has by then.
// A RocksDB built with ROCKSDB_PLUGINS=memkv calls memkv_reg() itself.
//
// Only public RocksDB headers are included here, and nothing of memkv's
// inside shows.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "rocksdb/rocksdb_namespace.h"

namespace ROCKSDB_NAMESPACE {
class ColumnFamilyHandle;
class DB;
class MemTableRepFactory;
class ObjectLibrary;
class Status;
class TableFactory;
struct BlockBasedTableOptions;
struct RangePtr;
struct ReadOptions;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {

// Options of the ART memtable.  None can change on a live database, as
// RocksDB's memtable_factory cannot.
struct ArtMemTableOptions {
  // What a column family gets whose comparator the tree cannot serve (any but
  // bytewise and reverse bytewise, or one with user-defined timestamps).
  enum class Fallback {
    kSkipList,  // RocksDB's skip list, said in the info log
    kNone,      // DB::Open refuses with InvalidArgument
  };
  // String form: fallback=skip_list|none
  Fallback fallback = Fallback::kSkipList;
};

// Options of the FST table.  All can change on a live database by
// DB::SetOptions({{"table_factory.<name>", "<value>"}}): a new value holds for
// files built or opened from then on.
//
// In strings, OPTIONS files and SetOptions(), every option of
// BlockBasedTableOptions stands beside these, by its own name:
// filter_policy=bloomfilter:10, block_cache=1G, ...  It means what it means in
// block_based={filter_policy=...;block_cache=...}, over which it wins if both
// are given.  docs/checklist.md says which of them concern FST files, and which
// block-based files alone.
struct FstTableOptions {
  enum class WriteFormat {
    kFst,         // new files are FST
    kBlockBased,  // new files are block-based: the way back, by compaction
  };
  enum class Residency {
    kAuto,   // a trie stays in memory from its first use on while there is room
             // for it in pinned_keys_limit; the others are as with kCache
    kPin,    // all tries of an open file stay in memory, however many
    kCache,  // tries go through the block cache, as value blocks always do
  };
  enum class DefaultFilter {
    kAuto,  // a Bloom filter of whole keys, 10 bits each; none where nothing
            // may be held: with Residency::kCache, or if pinned_keys_limit,
            // which may follow from the block cache, leaves no bytes
    kNone,
  };

  // String form: write_format=fst|block_based
  WriteFormat write_format = WriteFormat::kFst;

  // String form: residency=auto|pin|cache
  Residency residency = Residency::kAuto;

  // Bytes of tries that all open files which share the block cache may keep in
  // memory with Residency::kAuto.  They are charged to the block cache, and
  // stay until their file is closed or, in files of small segments, others are
  // used more.  0: three quarters of the block cache's
  // capacity; none without a block cache, or with strict_capacity_limit, where
  // reads fail if the cache is full of what is charged to it.  At most 2^60.
  size_t pinned_keys_limit = 0;

  // The filter of new files where no filter_policy is named: with kAuto a Bloom
  // filter of whole keys, 10 bits each, by which a get passes files that do not
  // have its key.  While all tries of a file are in memory, its filter is asked
  // only if at least about a quarter of the gets that come to the file find
  // nothing there.
  // Such a filter is in memory while its file is open, with Residency::kAuto
  // within three quarters of pinned_keys_limit: while there is no room it is
  // not asked.  With kNone new files have none, and none that a file has is
  // asked.  RocksDB's optimize_filters_for_hits leaves that of the last level
  // out.
  // String form: default_filter=auto|none
  DefaultFilter default_filter = DefaultFilter::kAuto;

  // Bytes of user keys, before compression, that one trie ("segment") holds.
  // A segment is the unit that is read, verified and cached.
  // 0: 256 KiB, which is smallest, with Residency::kPin, and with kAuto while
  // the tries of all open files fit in pinned_keys_limit.  Otherwise 8 KiB, and
  // not compressed in the output of a compaction where that would not save an
  // eighth of them.
  // Range: 0, [1 KiB, 16 MiB].
  size_t segment_size = 0;

  // Bytes of values, before compression, in one value block.
  // Range: [64 B, 64 MiB].
  size_t value_block_size = size_t{4} << 10;

  // Values of a segment that are all at most this many bytes are kept beside
  // its trie and cost no I/O of their own.  Range: [0, 1024].
  size_t inline_value_size = 16;

  // Bytes of segments that a file being written keeps in memory until the
  // token table of its keys is trained on them; those of a longer file that
  // come later use it as it is.  A flush, which must be fast, trains none.
  // 0: no token table.  Range: [0, 1 TiB].
  size_t key_buffer_size = size_t{64} << 20;
};

// Registers `art` and `fst` with ObjectLibrary::Default(), so that options
// strings and OPTIONS files can name them.  Idempotent; safe from any thread.
// The functions below do it, too: RocksDB reads the OPTIONS file of a database
// whose factories were made by them.
//
// Returns false, registers nothing and says why, in a sentence on stderr (once)
// and in *error if that is not null, where the RocksDB of the process is not
// the one that memkv was compiled for: another version, or a difference in
// NDEBUG or RTTI, by which its classes have another layout.
bool RegisterMemkv(std::string* error = nullptr);

// Returns a new factory, owned by the caller (as RocksDB's own New*Factory);
// null where RegisterMemkv() returns false.
ROCKSDB_NAMESPACE::MemTableRepFactory* NewArtMemTableRepFactory(
    const ArtMemTableOptions& options = ArtMemTableOptions());

// Returns a new factory, owned by the caller; null where RegisterMemkv()
// returns false.  `block_based` configures what the FST table takes from the
// block-based one (filters, block cache, ...) and the block-based files it
// reads and, where it must, writes; null means BlockBasedTableOptions().
ROCKSDB_NAMESPACE::TableFactory* NewFstTableFactory(
    const FstTableOptions& options = FstTableOptions(),
    const ROCKSDB_NAMESPACE::BlockBasedTableOptions* block_based = nullptr);

// Bounds on a number of keys.
struct KeyCount {
  uint64_t at_least = 0;
  uint64_t at_most = 0;
  bool exact() const { return at_least == at_most; }
};

// Counts the keys of a column family in the range, which is half-open and has
// no bound where a pointer is null, as they are now.  No record is read: the
// keys of an FST file are counted by the ranks of the range's ends in it, in
// the time of two look-ups; only what memtables hold in the range is walked
// over.
//
// Exact where one sorted run alone has something in the range and deletes
// nothing there, as after a full compaction; bounds otherwise, which
// overwritten and deleted keys, range deletions (at_least is 0 then) and
// block-based files (whose entries are counted whole) widen.  Of a
// WritePrepared or WriteUnprepared transaction, what is not committed counts as
// written.
//
// InvalidArgument for a snapshot or timestamp in read_options, NotSupported for
// user-defined timestamps and where RegisterMemkv() returns false; errors of
// opening and reading files.  Safe from any thread.
ROCKSDB_NAMESPACE::Status CountKeys(
    ROCKSDB_NAMESPACE::DB* db,
    ROCKSDB_NAMESPACE::ColumnFamilyHandle* column_family,
    const ROCKSDB_NAMESPACE::ReadOptions& read_options,
    const ROCKSDB_NAMESPACE::RangePtr& range, KeyCount* count);

}  // namespace memkv

// The registrar RocksDB's build calls for ROCKSDB_PLUGINS=memkv.  Returns the
// number of factories added to `library`; `arg` is not used.  It does not ask
// whether RocksDB fits.
extern "C" int memkv_reg(ROCKSDB_NAMESPACE::ObjectLibrary& library,
                         const std::string& arg);
