// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Writes an FST file: RocksDB hands it internal keys in order, at a flush or a
// compaction, and it streams value blocks out as they fill.  Segments wait, as
// RocksDB's blocks wait for a compression dictionary, until the dictionary of
// their keys is trained; after that they are streamed out, too.
//
// Its memory is bounded by that buffer, key_buffer_size bytes of what segments
// really hold; by the segment at hand; by
// training, some 15 bytes for each of a sample of at most 8 MiB and a twelfth
// of the buffer, and 6 MB for the encoder; and by a block before and after its
// compression; not by the file.  The index and a filter come on top, as in
// block-based files.  The buffer is charged to the block cache as that of
// RocksDB's compression dictionaries is; a full cache ends the buffering.
//
// Thread safety: as TableBuilder says; nothing here runs in the background.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_reservation_manager.h"
#include "compat/rocksdb_compat.h"
#include "plugin/memkv.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "table/block_based/block_builder.h"
#include "table/block_based/filter_policy_internal.h"
#include "table/fst/format.h"
#include "table/fst/token_table_registry.h"
#include "table/key_trie/token_encoder.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "table/segment/size_trial.h"
#include "table/table_builder.h"

namespace memkv {

class FstTableBuilder : public ROCKSDB_NAMESPACE::TableBuilder {
 public:
  // `mirrored`: the comparator is reverse bytewise, else it is bytewise.  The
  // checksum, the filter and whether compression is verified are
  // `block_based`'s.  A token table of `token_tables` is used if it does as
  // well here as where it was trained. `file` must outlive the builder;
  // `block_based` and `tbo` need not.
  FstTableBuilder(const FstTableOptions& options,
                  const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
                  const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                  std::shared_ptr<const TokenTableRegistry> token_tables,
                  ROCKSDB_NAMESPACE::WritableFileWriter* file, bool mirrored);
  ~FstTableBuilder() override;

  FstTableBuilder(const FstTableBuilder&) = delete;
  FstTableBuilder& operator=(const FstTableBuilder&) = delete;

  void Add(const ROCKSDB_NAMESPACE::Slice& internal_key,
           const ROCKSDB_NAMESPACE::Slice& value) override;
  ROCKSDB_NAMESPACE::Status status() const override { return status_; }
  ROCKSDB_NAMESPACE::IOStatus io_status() const override { return io_status_; }
  ROCKSDB_NAMESPACE::Status Finish() override;
  void Abandon() override {
    closed_ = true;
    ReleaseBuffer();
  }

  uint64_t NumEntries() const override { return props_.num_entries; }
  uint64_t FileSize() const override { return offset_; }
  // What is written, what the segments still held will take, by what those
  // before them took or by a trial (see SizeTrial), the token table, the index
  // and the filter.  Once finished, the file's size.  O(1).
  uint64_t EstimatedFileSize() const override;
  uint64_t GetTailSize() const override { return tail_size_; }
  bool NeedCompact() const override;
  ROCKSDB_NAMESPACE::TableProperties GetTableProperties() const override {
    return props_;
  }
  std::string GetFileChecksum() const override;
  const char* GetFileChecksumFuncName() const override;
  void SetSeqnoTimeTableProperties(
      const ROCKSDB_NAMESPACE::SeqnoToTimeMapping& relevant_mapping,
      uint64_t oldest_ancestor_time) override;

 private:
  bool ok() const { return status_.ok(); }
  // Whether the segment, which is not empty, shall end before an entry of
  // another user key; of its last key.
  bool CutsBefore(std::string_view user_key);
  bool CutsKey() const;
  void AddEntry(const ROCKSDB_NAMESPACE::Slice& internal_key, uint64_t tag,
                const ROCKSDB_NAMESPACE::Slice& value);
  // Keeps pending values in the segment, if they are tiny, or repeat so much
  // that, each kept once, they take no more than tiny ones; before the
  // segment's end, `all`, one block of them may take more.  False if they go to
  // blocks.
  bool KeepValuesInline(bool all);
  // Otherwise writes pending values as value blocks: those that fill one, or
  // all.
  void WriteValueBlocks(bool all);
  void SealSegment();
  // Holds a sealed segment back.
  void BufferSegment();
  // Writes the segments that wait for the token table, once there is one.
  void WriteBufferedSegments();
  void ReleaseBuffer();
  // Tells the cache what is buffered.  False if that is too much for it.
  bool ChargeBuffer();
  // Makes the file's token table that of another file of these keys, or trains
  // one on them, if that pays.
  void ChooseTokens();
  std::vector<const KeyTrieBuilder*> BufferedKeys() const;
  // The encoder of the token table of another file of these keys, if there is
  // one that does as well here as there, and pays; else null.
  // may_make_encoder: which takes some milliseconds
  const key_trie::TokenEncoder* FindTokens(
      const std::vector<const KeyTrieBuilder*>& keys, bool may_make_encoder);
  // Tries what the buffered segments will take in the file.
  void TrySizes();
  // What a block takes in the file, with its trailer.
  size_t StoredSize(std::string_view raw);
  void WriteSegment(const SegmentBuilder& segment);
  // Makes the filter's builder, if there shall be a filter.
  void StartFilter(const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
                   const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo);
  void AddToFilter(const ROCKSDB_NAMESPACE::Slice& user_key);
  void WriteFilter(FileDirectory* directory);
  ROCKSDB_NAMESPACE::BlockHandle WriteTokens();
  void WriteIndex(FileDirectory* directory);
  ROCKSDB_NAMESPACE::BlockHandle WriteStubIndex();
  ROCKSDB_NAMESPACE::BlockHandle WriteProperties(
      const FileDirectory& directory);
  void WriteFooter(const ROCKSDB_NAMESPACE::BlockHandle& metaindex,
                   const ROCKSDB_NAMESPACE::BlockHandle& stub_index);
  // Appends a block and its trailer, compressed if `compress` and worth it.
  ROCKSDB_NAMESPACE::BlockHandle WriteBlock(const ROCKSDB_NAMESPACE::Slice& raw,
                                            bool compress);
  // Tells statistics and collectors what compression made of a block.
  void CountCompression(const ROCKSDB_NAMESPACE::Slice& raw,
                        const ROCKSDB_NAMESPACE::Slice& stored,
                        ROCKSDB_NAMESPACE::CompressionType type);
  void Append(const ROCKSDB_NAMESPACE::Slice& data);
  void SetStatus(const ROCKSDB_NAMESPACE::Status& s) {
    if (status_.ok()) status_ = s;
  }

  const FstTableOptions options_;
  const size_t segment_size_;
  const ROCKSDB_NAMESPACE::ChecksumType checksum_;
  const bool verify_compression_;
  const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions_;
  // A copy: the caller's is gone after the constructor.
  const ROCKSDB_NAMESPACE::WriteOptions write_options_;
  const std::shared_ptr<const TokenTableRegistry> token_tables_;
  ROCKSDB_NAMESPACE::WritableFileWriter* const file_;
  compat::BlockCompressor compressor_;
  compat::Collectors collectors_;

  ROCKSDB_NAMESPACE::TableProperties props_;
  const bool mirrored_;
  std::unique_ptr<SegmentBuilder> segment_;
  bool continues_ = false;    // the last key of the segment before
  size_t full_size_ = 0;      // of the segment when it was full first
  uint64_t key_entries_ = 0;  // of its last key
  // Segments wait here, sealed, until there are options_.key_buffer_size bytes
  // of them or the file ends; later ones do not.
  std::vector<std::unique_ptr<SegmentBuilder>> buffered_;
  uint64_t buffered_bytes_ = 0;  // that they hold
  bool buffering_ = true;
  // Null if the cache is not to be charged.
  const std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
      reservation_;
  SizeTrial trial_;
  std::vector<const SegmentBuilder*> tried_;  // those of buffered_
  // A token table that was found, and its encoder, which a trial may use.
  TokenTable found_;
  std::unique_ptr<key_trie::TokenEncoder> found_encoder_;
  std::string tokens_block_;    // the token table, empty if there is none
  uint64_t stored_tokens_ = 0;  // what it takes, before it is known an estimate
  double token_bits_a_byte_ = 0;
  std::unique_ptr<key_trie::TokenEncoder> encoder_;
  // Its builder refers to the policy.
  std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> filter_policy_;
  std::unique_ptr<ROCKSDB_NAMESPACE::FilterBitsBuilder> filter_;
  bool filter_keys_ = false;  // go into the filter
  double filter_entry_bytes_ = 0;
  // Their prefixes do, unless it is null.
  std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform> prefix_extractor_;
  FileIndexBuilder index_;
  ROCKSDB_NAMESPACE::BlockBuilder range_del_block_;
  std::string last_internal_key_;
  std::string raw_block_;
  std::string compressed_block_;

  uint64_t offset_ = 0;
  uint64_t written_estimates_ = 0;  // of the segments that are written
  uint64_t key_bytes_ = 0;
  uint64_t segment_bytes_ = 0;  // the same before they were compressed
  uint64_t value_bytes_ = 0;
  // Of key_bytes_.
  uint64_t tag_bytes_ = 0;
  uint64_t inline_value_bytes_ = 0;
  uint64_t tail_size_ = 0;
  ROCKSDB_NAMESPACE::Status status_;
  ROCKSDB_NAMESPACE::IOStatus io_status_;
  bool closed_ = false;
};

}  // namespace memkv
