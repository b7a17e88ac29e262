// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Answers RocksDB's questions to an FST file: its TableReader.  A user key that
// is not in the file is decided by the tries, without reading a value, or
// before them by the filter, if the file has one.
//
// Thread safety: as TableReader says, any number of threads may read.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compat/table_reader.h"
#include "table/fst/file.h"
#include "table/multiget_context.h"

namespace memkv {

class FstTableReader : public compat::TableReaderBase {
 public:
  // `reader` itself if it is an FstTableReader, else null.  A process may have
  // readers of FST files that are none: a block-based factory opens them, too.
  // It asks a list of the readers that are open, for RocksDB may be built
  // without run-time type information.
  static const FstTableReader* From(
      const ROCKSDB_NAMESPACE::TableReader& reader);

  ~FstTableReader() override;

  // Keys in a batch of RocksDB's, at most.
  static constexpr size_t kMostKeys =
      ROCKSDB_NAMESPACE::MultiGetContext::MAX_BATCH_SIZE;

  explicit FstTableReader(std::unique_ptr<const FstFile> file);
  FstTableReader(const FstTableReader&) = delete;
  FstTableReader& operator=(const FstTableReader&) = delete;

  const FstFile& file() const { return *file_; }

  ROCKSDB_NAMESPACE::InternalIterator* NewIterator(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
      ROCKSDB_NAMESPACE::Arena* arena, bool skip_filters,
      ROCKSDB_NAMESPACE::TableReaderCaller caller,
      size_t compaction_readahead_size, bool allow_unprepared_value) override;
  ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator* RangeTombstones(
      ROCKSDB_NAMESPACE::SequenceNumber read_seqno,
      const ROCKSDB_NAMESPACE::Slice* timestamp) override;
  ROCKSDB_NAMESPACE::Status Get(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& internal_key,
      ROCKSDB_NAMESPACE::GetContext* get_context,
      const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
      bool skip_filters) override;
  // Skips the keys that the filter does not let pass.  RocksDB built with
  // coroutines calls it before MultiGet(), which then asks no filter.
  ROCKSDB_NAMESPACE::Status MultiGetFilter(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
      ROCKSDB_NAMESPACE::MultiGetContext::Range* mget_range) override;
  // Asks the filter, and then the tries, for all keys at once.
  void MultiGet(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                const ROCKSDB_NAMESPACE::MultiGetContext::Range* mget_range,
                const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
                bool skip_filters) override;

  uint64_t OffsetOf(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& internal_key) const override;
  uint64_t SizeBetween(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                       const ROCKSDB_NAMESPACE::Slice& start,
                       const ROCKSDB_NAMESPACE::Slice& end) const override;
  ROCKSDB_NAMESPACE::Status ApproximateKeyAnchors(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      std::vector<Anchor>& anchors) override;

  void SetupForCompaction() override {}
  std::shared_ptr<const ROCKSDB_NAMESPACE::TableProperties> GetTableProperties()
      const override {
    return file_->properties();
  }
  size_t ApproximateMemoryUsage() const override;
  ROCKSDB_NAMESPACE::Status Dump(ROCKSDB_NAMESPACE::WritableFile* out) override;
  // More than checksums: see FstFile::Verify().
  ROCKSDB_NAMESPACE::Status Verify(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options) override {
    return file_->Verify(read_options);
  }

  // ---- Reads of view/, without RocksDB's contexts ----

  // An entry that a key was found to have.
  struct Newest {
    bool found = false;
    uint64_t tag = 0;
  };
  // A key of FindNewest().
  struct Sought {
    const key_trie::SoughtKey* key = nullptr;
    Newest newest;
    // Of the value, if the entry is kTypeValue; not set otherwise.
    ROCKSDB_NAMESPACE::PinnableSlice* value = nullptr;
    ROCKSDB_NAMESPACE::Status status;
  };
  // Finds of n keys the newest entry whose tag is not greater than `newest`,
  // and reads its value.  The filter is asked as Get() asks it.
  // REQUIRES: n <= kMostKeys; keys ascend or descend; they are distinct;
  //     !file().index().has_continuations()
  void FindNewest(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                  const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
                  uint64_t newest, Sought* const* keys, size_t n) const;
  // The same of one.
  void FindNewest(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
                  const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
                  uint64_t newest, Sought* key) const;

  // Where a key is, or would be: how many of the file's keys come before it,
  // and if it is there the tag of its newest entry.
  struct KeyPosition {
    uint64_t before = 0;
    bool present = false;
    uint64_t tag = 0;
  };
  // REQUIRES: !file().index().has_continuations()
  ROCKSDB_NAMESPACE::Status PositionOf(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::Slice& user_key, KeyPosition* position) const;
  // The key that so many keys of the file come before.
  // REQUIRES: as above; `before` is less than the number of its keys
  ROCKSDB_NAMESPACE::Status KeyAt(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options, uint64_t before,
      std::string* user_key) const;

  // The number of user keys in the range, which is half-open and without a
  // bound where it has none.
  ROCKSDB_NAMESPACE::Status CountKeys(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::RangePtr& range, uint64_t* count) const;

 private:
  // Sets (*may_match)[i] to whether the filter lets key i of the range pass.
  // REQUIRES: the store has a filter
  ROCKSDB_NAMESPACE::Status AskFilter(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
      const ROCKSDB_NAMESPACE::MultiGetContext::Range* mget_range,
      std::array<bool, kMostKeys>* may_match) const;
  // One look-up of several in the tries.
  struct Lookup;
  struct Values;
  using SegmentEntries = std::array<SegmentEntry, kMostKeys>;
  // Finds the entries of keys, at most as many as a batch of RocksDB's has,
  // which go one way.  Those that are found become the first of `lookups`,
  // whose number it returns; of the others errors are in *status.  *entries
  // holds what they refer to.
  size_t LocateAll(const BlockReadContext& context, Lookup* lookups, size_t n,
                   SegmentEntries* entries) const;
  // The same of one key, which the filter is asked for if `filtered`; false if
  // it is not found, or an error.
  bool Locate(const BlockReadContext& context, bool filtered,
              const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
              SegmentEntry* entry, Lookup* lookup) const;
  // Reads the value blocks of keys that were located, with one call if there
  // are several.  Errors are in *lookups[i].values; *values holds them, if any
  // key has its value in a block.
  void ReadValuesTogether(
      const BlockReadContext& context, Lookup* lookups, size_t n,
      std::optional<std::array<Values, kMostKeys>>* values) const;
  // The value of entry e of segment i, from *values if that has its block.
  ROCKSDB_NAMESPACE::Status ReadValue(const BlockReadContext& context,
                                      uint32_t i, const Segment& segment,
                                      uint32_t e, Values* values,
                                      ValueRunView::NumberBytes* number,
                                      ROCKSDB_NAMESPACE::Slice* value) const;
  // Fills in the newest entry of a key that was located.
  ROCKSDB_NAMESPACE::Status TakeNewest(const BlockReadContext& context,
                                       const Lookup& lookup,
                                       Sought* sought) const;
  // Answers from the entries of a key that was located, and those of its
  // continuations.
  ROCKSDB_NAMESPACE::Status DeliverVersions(
      const BlockReadContext& context, const Lookup& lookup,
      const ROCKSDB_NAMESPACE::Slice& internal_key, bool filtered,
      ROCKSDB_NAMESPACE::GetContext* get_context) const;
  // Of one segment.  Sets *matched if the key was found, and *more to whether
  // older entries are asked for.  values: of this segment, or null.
  ROCKSDB_NAMESPACE::Status AnswerFrom(
      const BlockReadContext& context, uint32_t i, const Segment& segment,
      uint32_t begin, uint32_t end,
      const ROCKSDB_NAMESPACE::Slice& internal_key, Values* values,
      ROCKSDB_NAMESPACE::GetContext* get_context, bool* matched,
      bool* more) const;

  // The number of keys before `user_key`.
  ROCKSDB_NAMESPACE::Status KeysBefore(const BlockReadContext& context,
                                       const ROCKSDB_NAMESPACE::Slice& user_key,
                                       uint64_t* keys) const;
  // Stored bytes of all segments and value blocks, and of those before
  // `user_key`.
  uint64_t DataBytes() const {
    return file_->index().BytesBefore(file_->index().num_segments());
  }
  uint64_t DataBytesBefore(const BlockReadContext& context,
                           const ROCKSDB_NAMESPACE::Slice& internal_key) const;

  const std::unique_ptr<const FstFile> file_;
};

}  // namespace memkv
