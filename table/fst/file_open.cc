// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How FstFile opens: footer, metaindex, properties, tokens, index
// and range deletions are read and checked, in that order.

#include <algorithm>
#include <cstdlib>

#include "compat/file_io.h"
#include "compat/table_builder.h"
#include "compat/table_reader.h"
#include "compat/trie_order.h"
#include "rocksdb/db.h"
#include "table/block_based/block.h"
#include "table/block_based/block_based_table_reader.h"
#include "table/fst/file.h"
#include "table/key_trie/token_encoder.h"
#include "table/meta_blocks.h"
#include "table/sst_file_writer_collectors.h"
#include "table/unique_id_impl.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Block;
using ROCKSDB_NAMESPACE::BlockContents;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::BlockType;
using ROCKSDB_NAMESPACE::DataBlockIter;
using ROCKSDB_NAMESPACE::FilePrefetchBuffer;
using ROCKSDB_NAMESPACE::Footer;
using ROCKSDB_NAMESPACE::FragmentedRangeTombstoneList;
using ROCKSDB_NAMESPACE::InternalIterator;
using ROCKSDB_NAMESPACE::kDisableGlobalSequenceNumber;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::RandomAccessFileReader;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableProperties;
using ROCKSDB_NAMESPACE::TableReaderOptions;
using ROCKSDB_NAMESPACE::ValueType;

namespace {

// RocksDB believes these properties.
bool CheckBelieved(const TableProperties& properties, uint64_t file_size,
                   std::string* reason) {
  // It adds these up over files, subtracts them from each other, and divides by
  // their sums.  An entry's key has 8 bytes of its own.
  constexpr uint64_t kMostRawBytes = uint64_t{1} << 50;
  const uint64_t entries = properties.num_entries;
  const uint64_t deletions = properties.num_deletions;
  if (deletions > entries || properties.num_range_deletions > deletions ||
      properties.raw_key_size / 8 < entries ||
      properties.raw_key_size > kMostRawBytes ||
      properties.raw_value_size > kMostRawBytes) {
    *reason = std::to_string(entries) + " entries, of which " +
              std::to_string(deletions) + " delete, " +
              std::to_string(properties.num_range_deletions) +
              " of them ranges, with " +
              std::to_string(properties.raw_key_size) + " bytes of keys and " +
              std::to_string(properties.raw_value_size) + " of values";
    return false;
  }
  // RepairDB() subtracts this one from the file's size.
  const uint64_t tail_start = compat::TailStart(properties);
  if (tail_start > file_size) {
    *reason = "the tail begins at " + std::to_string(tail_start) +
              " of a file of " + std::to_string(file_size) + " bytes";
    return false;
  }
  // And it makes a column family of every number that it does not know, and
  // expects names to differ.
  const uint64_t unknown = ROCKSDB_NAMESPACE::TablePropertiesCollectorFactory::
      Context::kUnknownColumnFamily;
  const uint64_t id = properties.column_family_id;
  const std::string& name = properties.column_family_name;
  if (id != unknown && !name.empty() &&
      (id == 0) != (name == ROCKSDB_NAMESPACE::kDefaultColumnFamilyName)) {
    *reason = "column family " + std::to_string(id) + " is called \"" + name +
              "\"; 0 is \"default\"";
    return false;
  }
  return true;
}

// The sequence number of an ingested file's entries, or
// kDisableGlobalSequenceNumber.  RocksDB writes it to the manifest
// (`largest_seqno`, kMaxSequenceNumber if not known) and, in an older way,
// into the property; see BlockBasedTable's function of this name.
Status GetGlobalSequenceNumber(const TableProperties& properties,
                               SequenceNumber largest_seqno,
                               SequenceNumber* seqno) {
  using Names = ROCKSDB_NAMESPACE::ExternalSstFilePropertyNames;
  *seqno = kDisableGlobalSequenceNumber;
  const auto& user = properties.user_collected_properties;
  const auto version_at = user.find(Names::kVersion);
  const auto seqno_at = user.find(Names::kGlobalSeqno);
  if (version_at == user.end()) {
    return seqno_at == user.end() ? Status::OK()
                                  : Status::Corruption(
                                        "a global sequence number in a file "
                                        "that was not ingested");
  }
  uint32_t version = 0;
  Slice encoded = version_at->second;
  if (!ROCKSDB_NAMESPACE::GetFixed32(&encoded, &version) || version != 2) {
    return Status::Corruption("external file version " +
                              std::to_string(version) + ", expected 2");
  }
  uint64_t global = 0;
  if (seqno_at != user.end()) {
    encoded = seqno_at->second;
    if (!ROCKSDB_NAMESPACE::GetFixed64(&encoded, &global)) {
      return Status::Corruption("global sequence number is cut off");
    }
  }
  if (largest_seqno < kMaxSequenceNumber) {
    if (global == 0) global = largest_seqno;
    if (global != largest_seqno) {
      return Status::Corruption(
          "global sequence number " + std::to_string(global) +
          " in the properties, " + std::to_string(largest_seqno) +
          " in the manifest");
    }
  }
  if (global > kMaxEntrySequence) {
    return Status::Corruption("global sequence number " +
                              std::to_string(global) + " is out of range");
  }
  *seqno = global;
  return Status::OK();
}

// The order of a file, for as long as the process lives.
const ROCKSDB_NAMESPACE::InternalKeyComparator* ComparatorOf(bool mirrored) {
  using ROCKSDB_NAMESPACE::InternalKeyComparator;
  static const auto* const bytewise =
      new InternalKeyComparator(ROCKSDB_NAMESPACE::BytewiseComparator());
  static const auto* const reverse =
      new InternalKeyComparator(ROCKSDB_NAMESPACE::ReverseBytewiseComparator());
  return mirrored ? reverse : bytewise;
}

}  // namespace

Status FstFile::Open(const Settings& settings, const ReadOptions& read_options,
                     const TableReaderOptions& options,
                     std::unique_ptr<RandomAccessFileReader>&& file,
                     uint64_t file_size, const std::string& footer_bytes,
                     std::unique_ptr<const FstFile>* out) {
  Footer footer;
  Status s = footer.DecodeFrom(footer_bytes, file_size - footer_bytes.size());
  if (s.ok() && footer.format_version() != kFooterFormatVersion) {
    s = Status::Corruption(
        "footer of format version " + std::to_string(footer.format_version()) +
        ", an FST file has " + std::to_string(kFooterFormatVersion));
  }
  if (!s.ok()) {
    return compat::InFile(s, file->file_name());
  }

  const ReadOptions ro = compat::OpenReadOptions(read_options);
  // One read for all that is at the end of the file.
  FilePrefetchBuffer tail;
  const bool mapped =
      options.ioptions.allow_mmap_reads || options.env_options.use_mmap_reads;
  BlockReadContext context{ro};
  const uint64_t tail_size = compat::TailSizeOf(options);
  if (!mapped && tail_size != 0 && tail_size <= file_size) {
    s = compat::Prefetch(ro, file.get(), file_size - tail_size, tail_size,
                         &tail);
    if (!s.ok()) return s;
    context.prefetch_buffer = &tail;
  }

  std::unique_ptr<FstFile> opened(
      new FstFile(settings, options, std::move(file), file_size, footer));
  s = opened->ReadMetaindex(context);
  if (s.ok()) s = opened->ReadProperties(context, options);
  if (s.ok()) s = opened->ReadIndex(context);
  if (s.ok()) s = opened->ReadTokens(context);
  if (s.ok()) s = opened->ReadFilter(context, options);
  if (s.ok()) s = opened->ReadRangeDeletions(context);
  if (s.ok()) s = opened->PinSegments(context, mapped);
  if (s.ok()) opened->RegisterTokens();
  if (s.ok()) s = opened->ReserveMemory();
  if (s.ok()) *out = std::move(opened);
  return s;
}

FstFile::FstFile(const Settings& settings, const TableReaderOptions& options,
                 std::unique_ptr<RandomAccessFileReader>&& file,
                 uint64_t file_size, const Footer& footer)
    : settings_(settings),
      internal_comparator_(&options.internal_comparator),
      size_(file_size),
      store_(options.ioptions, settings.block_cache, settings.index_priority,
             std::move(file), footer),
      filter_(store_, options.level) {}

Status FstFile::CheckEntries(const Slice& block, const char* name,
                             const BlockHandle& handle,
                             const EntryCheck& check) const {
  std::string reason;
  return CheckEntryBlock(block.ToStringView(), check, &reason)
             ? Status::OK()
             : store_.Corrupt(handle.offset(),
                              std::string(name) + ": " + reason);
}

Status FstFile::ReadMetaindex(const BlockReadContext& context) {
  BlockContents contents;
  Status s = store_.ReadRaw(context, store_.footer().metaindex_handle(),
                            BlockType::kMetaIndex, &contents);
  if (!s.ok()) return s;
  s = CheckEntries(contents.data, "metaindex",
                   store_.footer().metaindex_handle());
  if (!s.ok()) return s;
  Block block(std::move(contents));
  std::unique_ptr<InternalIterator> iter(block.NewMetaIterator());
  s = ROCKSDB_NAMESPACE::FindMetaBlock(
      iter.get(), ROCKSDB_NAMESPACE::kPropertiesBlockName, &properties_handle_);
  if (s.ok()) {
    s = ROCKSDB_NAMESPACE::FindOptionalMetaBlock(
        iter.get(), ROCKSDB_NAMESPACE::kRangeDelBlockName, &range_del_handle_);
  }
  return s.ok() ? s
                : store_.Corrupt(store_.footer().metaindex_handle().offset(),
                                 "metaindex: " + s.ToString());
}

Status FstFile::FetchProperties(
    const BlockReadContext& context,
    std::unique_ptr<TableProperties>* properties) const {
  // Ingestion may have written into the properties, which the helper knows how
  // to verify; but it looks into them before, and believes what it sees.
  ReadOptions unverified = context.read_options;
  unverified.verify_checksums = false;
  BlockReadContext unverified_context{unverified};
  unverified_context.prefetch_buffer = context.prefetch_buffer;
  BlockContents contents;
  ROCKSDB_NAMESPACE::CompressionType compression;
  Status s = store_.ReadStored(unverified_context, properties_handle_,
                               BlockType::kProperties, nullptr, &contents,
                               &compression);
  if (s.ok()) {
    s = CheckEntries(contents.data, "properties", properties_handle_);
  }
  if (!s.ok()) return s;
  s = ROCKSDB_NAMESPACE::ReadTablePropertiesHelper(
      context.read_options, properties_handle_, store_.file(),
      context.prefetch_buffer, store_.footer(), store_.ioptions(), properties);
  if (s.IsCorruption()) {
    return store_.Corrupt(properties_handle_.offset(),
                          "properties: " + s.ToString());
  }
  if (!s.ok()) return s;
  std::string reason;
  if (!CheckBelieved(**properties, size_, &reason)) {
    return store_.Corrupt(properties_handle_.offset(), "properties: " + reason);
  }
  return s;
}

Status FstFile::ReadProperties(const BlockReadContext& context,
                               const TableReaderOptions& options) {
  std::unique_ptr<TableProperties> properties;
  Status s = FetchProperties(context, &properties);
  if (!s.ok()) return s;
  properties_ = std::move(properties);
  const uint64_t at = properties_handle_.offset();

  if (options.unique_id != ROCKSDB_NAMESPACE::kNullUniqueId64x2) {
    ROCKSDB_NAMESPACE::UniqueId64x2 actual{};
    s = ROCKSDB_NAMESPACE::GetSstInternalUniqueId(
        properties_->db_id, properties_->db_session_id,
        properties_->orig_file_number, &actual, /*force=*/true);
    if (s.ok() && actual != options.unique_id) {
      ROCKSDB_NAMESPACE::UniqueId64x2 expected = options.unique_id;
      s = store_.Corrupt(
          at, "mismatch in unique ID, expected " +
                  ROCKSDB_NAMESPACE::InternalUniqueIdToHumanString(&expected) +
                  ", found " +
                  ROCKSDB_NAMESPACE::InternalUniqueIdToHumanString(&actual));
    }
    if (!s.ok()) return s;
  }

  s = GetGlobalSequenceNumber(*properties_, options.largest_seqno,
                              &global_seqno_);
  if (!s.ok()) return store_.Corrupt(at, s.ToString());

  // As BlockBasedTable has it, no reason not to read the file.
  s = write_times_.DecodeFrom(properties_->seqno_to_time_mapping);
  if (!s.ok()) {
    ROCKSDB_NAMESPACE::Warn(
        store_.ioptions().logger, "%s",
        store_.Corrupt(at, "times of sequence numbers: " + s.ToString())
            .ToString()
            .c_str());
  }

  const auto& user = properties_->user_collected_properties;
  const auto directory = user.find(kDirectoryProperty);
  if (directory == user.end()) {
    return store_.Corrupt(at,
                          std::string("properties lack ") + kDirectoryProperty);
  }
  s = directory_.DecodeFrom(directory->second);
  if (!s.ok()) {
    return compat::InFile(s, store_.file()->file_name());
  }

  ROCKSDB_NAMESPACE::OffsetableCacheKey key;
  ROCKSDB_NAMESPACE::BlockBasedTable::SetupBaseCacheKey(
      properties_.get(), options.cur_db_session_id, options.cur_file_num, &key);
  store_.SetCacheKey(key);
  return s;
}

Status FstFile::ReadIndex(const BlockReadContext& context) {
  const uint64_t at = directory_.index.offset();
  const Status s = store_.ReadRaw(context, directory_.index, BlockType::kIndex,
                                  &index_contents_);
  if (!s.ok()) return s;
  std::string reason;
  if (!FileIndex::Open(index_contents_.data.ToStringView(), &index_, &reason)) {
    return store_.Corrupt(at, reason);
  }
  const uint64_t keys = index_.KeysBefore(index_.num_segments());
  const uint64_t entries = index_.EntriesBefore(index_.num_segments());
  if (keys != directory_.num_keys ||
      entries != properties_->num_entries - properties_->num_range_deletions) {
    return store_.Corrupt(
        at, "index of " + std::to_string(keys) + " keys and " +
                std::to_string(entries) + " entries, properties say " +
                std::to_string(directory_.num_keys) + " and " +
                std::to_string(properties_->num_entries -
                               properties_->num_range_deletions));
  }
  if (index_.has_continuations() !=
      ((directory_.features & FileDirectory::kContinuations) != 0)) {
    return store_.Corrupt(at,
                          "index: continuations in the index or in the "
                          "directory's features, but not in both");
  }
  if (TrieOrderOf(internal_comparator_->user_comparator()) !=
      (index_.mirrored() ? TrieOrder::kMirrored : TrieOrder::kBytewise)) {
    order_status_ = Status::InvalidArgument(
        store_.file()->file_name() + ": written with comparator " +
            properties_->comparator_name,
        std::string("opened with ") +
            internal_comparator_->user_comparator()->Name());
    internal_comparator_ = ComparatorOf(index_.mirrored());
  }
  return s;
}

Status FstFile::ReadTokens(const BlockReadContext& context) {
  if (directory_.tokens.size() == 0) return Status::OK();
  return store_.ReadTokens(context, directory_.tokens);
}

Status FstFile::ReadFilter(const BlockReadContext& context,
                           const TableReaderOptions& options) {
  // A policy knows only what one of its compatibility name has written.
  if (directory_.filter.size() == 0 || settings_.filter_policy == nullptr ||
      directory_.filter_name != settings_.filter_policy->CompatibilityName()) {
    return Status::OK();
  }
  filter_.Open(directory_, *properties_, options.prefix_extractor,
               settings_.whole_key_filtering, settings_.default_filter);
  if (!filter_.useful()) return Status::OK();
  std::unique_ptr<PinBudget::FilterShare> share;
  if (settings_.default_filter && settings_.pin_budget != nullptr) {
    share = std::make_unique<PinBudget::FilterShare>(
        settings_.pin_budget, settings_.pinned_keys_limit,
        directory_.filter.size());
  }
  return store_.SetFilter(context, settings_.filter_policy, directory_.filter,
                          settings_.pin_filter, std::move(share));
}

Status FstFile::PinSegments(BlockReadContext context, bool mapped) {
  using Residency = FstTableOptions::Residency;
  if (settings_.residency == Residency::kCache) return Status::OK();
  const auto& user = properties_->user_collected_properties;
  const auto bytes = user.find(kSegmentBytesProperty);
  // What it says must not become a huge allocation.
  constexpr uint64_t kMostExpansion = 16;
  const uint64_t segment_bytes =
      bytes == user.end()
          ? 0
          : std::min<uint64_t>(
                std::strtoull(bytes->second.c_str(), nullptr, 10),
                kMostExpansion * size_);
  if (settings_.residency == Residency::kAuto) {
    store_.PinSegmentsOnUse(
        index_, segment_bytes,
        std::make_unique<PinBudget::Share>(
            settings_.pin_budget, settings_.pinned_keys_limit, segment_bytes));
    return Status::OK();
  }
  const size_t readahead = settings_.max_auto_readahead_size;
  FilePrefetchBuffer ahead = compat::ReadAhead({readahead, readahead});
  context.prefetch_buffer = mapped || readahead == 0 ? nullptr : &ahead;
  return store_.PinSegments(context, index_, segment_bytes);
}

void FstFile::RegisterTokens() {
  if (store_.tokens() == nullptr || settings_.token_tables == nullptr ||
      index_.num_segments() == 0 ||
      !key_trie::TokenEncoder::CanCut(*store_.tokens())) {
    return;
  }
  // Files of the past do not say how well their token table does, and those of
  // the future may have some that not every key can be written in.
  const auto& user = properties_->user_collected_properties;
  const auto bits = user.find(kTokenBitsProperty);
  if (bits == user.end()) return;
  const uint32_t last_segment = index_.num_segments() - 1;
  std::string first;
  std::string last;
  if (settings_.residency == FstTableOptions::Residency::kPin) {
    // They are at hand, and so are the file's first and last key.
    SegmentEntry begin;
    SegmentEntry end;
    const ReadOptions ro;
    const BlockReadContext context{ro};
    if (!store_.GetSegment(context, index_, 0, &begin).ok() ||
        !store_.GetSegment(context, index_, last_segment, &end).ok() ||
        !begin.GetValue()->segment().KeyAt(0, &first) ||
        !end.GetValue()->segment().KeyAt(
            end.GetValue()->segment().num_keys() - 1, &last)) {
      return;
    }
  } else {
    // What is between the first group and the last one is known from the index.
    // The bound of the last one may be far behind its keys.  Of a file of two
    // groups nothing is known, and it is not worth a read: it is small.
    uint32_t last_group = last_segment;
    while (index_.IsContinuation(last_group)) --last_group;
    if (index_.NextGroup(0) >= last_group || !index_.Bound(0, &first) ||
        !index_.Bound(last_group - 1, &last)) {
      return;
    }
  }
  if (index_.mirrored()) first.swap(last);
  token_table_ = TokenTableRegistry::Add(
      settings_.token_tables,
      {store_.tokens(), std::strtod(bits->second.c_str(), nullptr) / 1000,
       directory_.num_keys},
      std::move(first), std::move(last));
}

Status FstFile::ReadRangeDeletions(const BlockReadContext& context) {
  uint64_t count = 0;
  BlockContents contents;
  Status s;
  if (!range_del_handle_.IsNull()) {
    s = store_.ReadRaw(context, range_del_handle_, BlockType::kRangeDeletion,
                       &contents);
    if (s.ok()) {
      s = CheckEntries(
          contents.data, "range deletions", range_del_handle_,
          [this, &count](std::string_view key, std::string_view value,
                         std::string* reason) {
            ++count;
            return CheckRangeDeletion(key, value, reason);
          });
    }
  }
  // RepairDB() believes that a file has entries, and asserts it.
  if (s.ok() && count != properties_->num_range_deletions) {
    s = store_.Corrupt(properties_handle_.offset(),
                       std::to_string(count) +
                           " range deletions, properties say " +
                           std::to_string(properties_->num_range_deletions));
  }
  if (!s.ok() || range_del_handle_.IsNull()) return s;
  // The list outlives the reader where an iterator or a compaction holds it,
  // and then the mapping of the file is gone.
  OwnBytes(&contents);
  auto block = std::make_unique<Block>(std::move(contents));
  std::unique_ptr<DataBlockIter> iter(block->NewDataIterator(
      internal_comparator_->user_comparator(), global_seqno_,
      /*iter=*/nullptr, store_.ioptions().stats,
      /*block_contents_pinned=*/true));
  if (!iter->status().ok()) {
    return store_.Corrupt(range_del_handle_.offset(),
                          "range deletions: " + iter->status().ToString());
  }
  // The list keeps the iterator, for it refers to the block's bytes.
  iter->RegisterCleanup(
      [](void* arg, void*) { delete static_cast<Block*>(arg); },
      block.release(), nullptr);
  range_dels_ = std::make_shared<FragmentedRangeTombstoneList>(
      std::move(iter), *internal_comparator_);
  return s;
}

bool FstFile::CheckRangeDeletion(std::string_view key, std::string_view value,
                                 std::string* reason) const {
  using ROCKSDB_NAMESPACE::kNumInternalBytes;
  if (key.size() < kNumInternalBytes) {
    *reason = "a key of " + std::to_string(key.size()) + " bytes, expected " +
              std::to_string(kNumInternalBytes) + " or more";
    return false;
  }
  const Slice internal_key(key.data(), key.size());
  SequenceNumber seqno;
  ValueType type;
  ROCKSDB_NAMESPACE::UnPackSequenceAndType(
      ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key), &seqno, &type);
  if (type != ROCKSDB_NAMESPACE::kTypeRangeDeletion ||
      seqno > kMaxEntrySequence ||
      (global_seqno_ != kDisableGlobalSequenceNumber && seqno != 0)) {
    *reason = "an entry of type " + std::to_string(unsigned{type}) +
              " and sequence number " + std::to_string(seqno);
    return false;
  }
  // RocksDB lets none in that ends before it begins, and asserts that.
  if (internal_comparator_->user_comparator()->Compare(
          ROCKSDB_NAMESPACE::ExtractUserKey(internal_key),
          Slice(value.data(), value.size())) > 0) {
    *reason = "a range ends before it begins";
    return false;
  }
  return true;
}

Status FstFile::ReserveMemory() {
  if (settings_.reservation == nullptr) return Status::OK();
  // The budget has charged what it gave.
  const size_t charged = store_.charged_filter_bytes();
  const Status s = settings_.reservation->MakeCacheReservation(
      MemoryUsage() - charged, &reservation_handle_);
  if (!s.IsMemoryLimit()) return s;
  return Status::MemoryLimit(
      store_.file()->file_name() + ": no room in the block cache for " +
      std::to_string(MemoryUsage()) +
      " bytes of pinned segments; residency=auto takes what there is");
}

}  // namespace memkv
