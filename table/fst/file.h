// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// An FST file that is open: its index, segments and value blocks, filter, token
// table, properties and range deletions, as FORMAT.md has them, and what an
// entry is.  Who answers RocksDB's questions (FstTableReader, FstTableIterator)
// stands on it.
//
// Thread safety: any number of threads may read.  Everything is immutable after
// Open().

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "compat/write_time.h"
#include "db/dbformat.h"
#include "db/range_tombstone_fragmenter.h"
#include "plugin/memkv.h"
#include "table/fst/block_store.h"
#include "table/fst/entry_block.h"
#include "table/fst/filter.h"
#include "table/fst/format.h"
#include "table/fst/pin_budget.h"
#include "table/fst/token_table_registry.h"
#include "table/segment/file_index.h"
#include "table/table_builder.h"

namespace memkv {

class FstFile {
 public:
  struct Settings {
    FstTableOptions::Residency residency = FstTableOptions::Residency::kAuto;
    // With kAuto: what segments may be held in memory, and
    // FstTableOptions::pinned_keys_limit.
    std::shared_ptr<PinBudget> pin_budget;
    uint64_t pinned_keys_limit = 0;
    // If the filter is held, however large.  Else it goes through the block
    // cache, which may be too small to keep it.
    bool pin_filter = true;
    std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache;  // may be null
    // Of segments and filters in the block cache.
    ROCKSDB_NAMESPACE::Cache::Priority index_priority =
        ROCKSDB_NAMESPACE::Cache::Priority::HIGH;
    // Charges what the file holds from the beginning to the block cache if not
    // null.
    std::shared_ptr<ROCKSDB_NAMESPACE::CacheReservationManager> reservation;
    // Whether filters are asked for keys that are in them.
    bool whole_key_filtering = true;
    // Reads the files' filters if not null; else they are not consulted.
    std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> filter_policy;
    // The options name no policy: filters are asked for whole keys alone, and
    // with kAuto only while pin_budget has room for them.
    bool default_filter = false;
    // Where the file's token table is to be found while it is open, if not
    // null.
    std::shared_ptr<TokenTableRegistry> token_tables;
    // Automatic readahead of iterators, as BlockBasedTableOptions has it.
    size_t initial_auto_readahead_size = 0;
    size_t max_auto_readahead_size = 0;
    uint64_t num_file_reads_for_auto_readahead = 0;
  };

  // Opens `file`, whose last kFooterSize bytes are `footer`.
  // REQUIRES: what the footer points to lies in the file
  static ROCKSDB_NAMESPACE::Status Open(
      const Settings& settings,
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::TableReaderOptions& options,
      std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader>&& file,
      uint64_t file_size, const std::string& footer,
      std::unique_ptr<const FstFile>* out);

  const Settings& settings() const { return settings_; }
  uint64_t size() const { return size_; }
  const FileBlockStore& store() const { return store_; }
  const FileIndex& index() const { return index_; }
  const FileFilter& filter() const { return filter_; }
  // Of statistics that tell it from the others.
  bool at_last_level() const { return filter_.at_last_level(); }
  // Lives as long as the column family: what a reader hands out (iterators over
  // range deletions) may outlive the file and refers to it.
  const ROCKSDB_NAMESPACE::InternalKeyComparator& internal_comparator() const {
    return *internal_comparator_;
  }
  // OK if that is the comparator asked for.  Else keys are served to RepairDB
  // alone: it opens each file with the default column family's comparator, for
  // its properties, and scans it.
  const ROCKSDB_NAMESPACE::Status& order_status() const {
    return order_status_;
  }
  const std::shared_ptr<const ROCKSDB_NAMESPACE::TableProperties>& properties()
      const {
    return properties_;
  }
  // Where blocks are; that of range deletions is null if there are none.
  const FileDirectory& directory() const { return directory_; }
  const ROCKSDB_NAMESPACE::BlockHandle& properties_handle() const {
    return properties_handle_;
  }
  const ROCKSDB_NAMESPACE::BlockHandle& range_del_handle() const {
    return range_del_handle_;
  }
  // Null if there are none.
  const std::shared_ptr<ROCKSDB_NAMESPACE::FragmentedRangeTombstoneList>&
  range_deletions() const {
    return range_dels_;
  }
  const compat::WriteTimes& write_times() const { return write_times_; }
  // In memory, pinned segments and filter included.
  size_t MemoryUsage() const;

  // The tag of an entry as RocksDB shall see it: of an ingested file, all
  // entries carry the file's global sequence number.
  uint64_t EffectiveTag(const Segment& segment, uint32_t e) const;
  // Whether a tag's value type is one RocksDB has entries of; RocksDB trusts a
  // table in that.
  static bool HasValueType(uint64_t tag) {
    return ROCKSDB_NAMESPACE::IsValueType(
        static_cast<ROCKSDB_NAMESPACE::ValueType>(tag & 0xff));
  }
  // First entry of [begin, end) whose effective tag is <= `tag`, or end.
  uint32_t SeekEntry(const Segment& segment, uint32_t begin, uint32_t end,
                     uint64_t tag) const;
  // The value of entry e of `segment`, which is segment i; see
  // ValueRunView::Get() for where it is.  *block holds its
  // value block, whose number in the segment is *block_number; if it is another
  // one, it is replaced, and the old one goes to `pinner`, unless that is null.
  ROCKSDB_NAMESPACE::Status ReadValue(const BlockReadContext& context,
                                      uint32_t i, const Segment& segment,
                                      uint32_t e, ValueEntry* block,
                                      uint32_t* block_number,
                                      ROCKSDB_NAMESPACE::Cleanable* pinner,
                                      ValueRunView::NumberBytes* number,
                                      ROCKSDB_NAMESPACE::Slice* value) const;
  // FileIndex::Continue(), by effective tags.
  uint32_t Continue(uint32_t i, uint64_t tag) const {
    // Those of an ingested file do not tell the entries of a key apart.
    return global_seqno_ == ROCKSDB_NAMESPACE::kDisableGlobalSequenceNumber
               ? index_.Continue(i, tag)
               : i;
  }
  // Segment i, a continuation of `user_key`.
  ROCKSDB_NAMESPACE::Status GetContinuation(
      const BlockReadContext& context, uint32_t i,
      const ROCKSDB_NAMESPACE::Slice& user_key, SegmentEntry* entry) const;

  ROCKSDB_NAMESPACE::Status CorruptSegment(uint32_t i,
                                           const std::string& what) const;
  ROCKSDB_NAMESPACE::Status CorruptIndex() const;

  // Reads every block from the file, checks its checksum, and checks the
  // structure of the index, the segments and the value blocks.
  ROCKSDB_NAMESPACE::Status Verify(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) const;

 private:
  FstFile(const Settings& settings,
          const ROCKSDB_NAMESPACE::TableReaderOptions& options,
          std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader>&& file,
          uint64_t file_size, const ROCKSDB_NAMESPACE::Footer& footer);

  // The steps of Open(), in order.
  ROCKSDB_NAMESPACE::Status ReadMetaindex(const BlockReadContext& context);
  ROCKSDB_NAMESPACE::Status ReadProperties(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::TableReaderOptions& options);
  ROCKSDB_NAMESPACE::Status ReadIndex(const BlockReadContext& context);
  ROCKSDB_NAMESPACE::Status ReadTokens(const BlockReadContext& context);
  ROCKSDB_NAMESPACE::Status ReadFilter(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::TableReaderOptions& options);
  ROCKSDB_NAMESPACE::Status ReadRangeDeletions(const BlockReadContext& context);
  ROCKSDB_NAMESPACE::Status PinSegments(BlockReadContext context, bool mapped);
  // Makes the file's token table known to builders, by its keys.
  void RegisterTokens();
  ROCKSDB_NAMESPACE::Status ReserveMemory();

  // Whether RocksDB may read a block of its own making; see CheckEntryBlock().
  ROCKSDB_NAMESPACE::Status CheckEntries(
      const ROCKSDB_NAMESPACE::Slice& block, const char* name,
      const ROCKSDB_NAMESPACE::BlockHandle& handle,
      const EntryCheck& check = [](std::string_view, std::string_view,
                                   std::string*) { return true; }) const;
  bool CheckRangeDeletion(std::string_view key, std::string_view value,
                          std::string* reason) const;
  // Reads and checks the properties block.
  ROCKSDB_NAMESPACE::Status FetchProperties(
      const BlockReadContext& context,
      std::unique_ptr<ROCKSDB_NAMESPACE::TableProperties>* properties) const;

  // The last entry of the segments that are verified.
  struct LastEntry {
    std::string user_key;
    uint64_t tag = 0;
  };
  // `segment_context` and `context`: for the segment, and for its values.
  ROCKSDB_NAMESPACE::Status VerifySegment(
      const BlockReadContext& segment_context, const BlockReadContext& context,
      uint32_t i, LastEntry* last_entry) const;
  ROCKSDB_NAMESPACE::Status VerifySegments(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) const;
  // Whether the segment's keys and entries are as the index says, and follow
  // those before it; else why not.
  bool FollowsIndex(const Segment& segment, uint32_t i, LastEntry* last_entry,
                    std::string* reason) const;

  const Settings settings_;
  // The file's order: the caller's comparator, which outlives the file, or a
  // static one.
  const ROCKSDB_NAMESPACE::InternalKeyComparator* internal_comparator_;
  ROCKSDB_NAMESPACE::Status order_status_;
  const uint64_t size_;
  FileBlockStore store_;
  // That builders may find the file's token table, while it is open.
  TokenTableRegistry::Registration token_table_;
  FileFilter filter_;
  ROCKSDB_NAMESPACE::BlockHandle properties_handle_;
  ROCKSDB_NAMESPACE::BlockHandle range_del_handle_;
  std::shared_ptr<const ROCKSDB_NAMESPACE::TableProperties> properties_;
  compat::WriteTimes write_times_;
  FileDirectory directory_;
  ROCKSDB_NAMESPACE::SequenceNumber global_seqno_ =
      ROCKSDB_NAMESPACE::kDisableGlobalSequenceNumber;
  ROCKSDB_NAMESPACE::BlockContents index_contents_;
  FileIndex index_;
  std::shared_ptr<ROCKSDB_NAMESPACE::FragmentedRangeTombstoneList> range_dels_;
  std::unique_ptr<
      ROCKSDB_NAMESPACE::CacheReservationManager::CacheReservationHandle>
      reservation_handle_;
};

}  // namespace memkv
