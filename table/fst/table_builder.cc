// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_builder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string_view>
#include <utility>

#include "monitoring/statistics_impl.h"
#include "options/cf_options.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/table.h"
#include "table/block_based/block_based_table_factory.h"
#include "table/key_trie/token_trainer.h"
#include "table/key_trie/tokens.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::BlockBuilder;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::CompressionType;
using ROCKSDB_NAMESPACE::IOStatus;
using ROCKSDB_NAMESPACE::MetaIndexBuilder;
using ROCKSDB_NAMESPACE::PropertyBlockBuilder;
using ROCKSDB_NAMESPACE::RecordTick;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableBuilderOptions;
using ROCKSDB_NAMESPACE::TableFileCreationReason;
using ROCKSDB_NAMESPACE::ValueType;
using ROCKSDB_NAMESPACE::WritableFileWriter;

namespace {

// The block that the stub index points to: a block-based reader takes its last
// four bytes for a number of restart points that cannot be, and answers
// Corruption.
std::string PoisonBlock() {
  std::string block = "memkv FST table: open it with memkv";
  ROCKSDB_NAMESPACE::PutFixed32(&block, 0x7fffffffu);
  return block;
}

// FORMAT.md, "Limits" and "Segment", says what these are for.
// A bound may add this part of its segment to the index,
constexpr size_t kIndexShare = 16;
// unless the segment has grown to so many times what it was when it was full.
constexpr size_t kLargestSegment = 4;
// A key goes on in a segment of its own if it has so many entries in the one
// before it, and is no more than this part of it.
constexpr uint64_t kEntriesToContinue = 64;
constexpr size_t kKeyShare = 16;

constexpr size_t kMaxSegmentBytes = 0x7fffffff;

// A short internal key that is not before `internal_key`; as RocksDB's index
// has it for the last block of a file.
std::string ShortSuccessor(const Slice& internal_key,
                           const ROCKSDB_NAMESPACE::Comparator& comparator) {
  const Slice user_key = ROCKSDB_NAMESPACE::ExtractUserKey(internal_key);
  std::string successor = user_key.ToString();
  comparator.FindShortSuccessor(&successor);
  if (successor.size() >= user_key.size() ||
      comparator.Compare(user_key, successor) >= 0) {
    return internal_key.ToString();
  }
  ROCKSDB_NAMESPACE::PutFixed64(&successor,
                                ROCKSDB_NAMESPACE::PackSequenceAndType(
                                    ROCKSDB_NAMESPACE::kMaxSequenceNumber,
                                    ROCKSDB_NAMESPACE::kValueTypeForSeek));
  return successor;
}

// A token table of other keys may take this much more for these than for those.
constexpr double kAsGood = 1.02;

constexpr size_t kTrailerSize = 5;

// Of whole separators in a segment; see SegmentBuilder::separator_bytes().
constexpr size_t kMaxSeparatorBytes = size_t{16} << 20;
// Larger blocks do not leave their memory to the next.
constexpr size_t kKeptBlock = size_t{1} << 20;
// A token table takes more than this in the memory of its reader.
constexpr double kLeastDictionary = 4096;

void LetGo(std::string* block) {
  if (block->capacity() > kKeptBlock) std::string().swap(*block);
}

// As BlockBasedTableBuilder charges the buffer of its dictionaries.
std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager> ReservationFor(
    const BlockBasedTableOptions& block_based) {
  constexpr auto kRole =
      ROCKSDB_NAMESPACE::CacheEntryRole::kCompressionDictionaryBuildingBuffer;
  const auto& usage = block_based.cache_usage_options;
  const auto role = usage.options_overrides.find(kRole);
  const auto charged = role != usage.options_overrides.end()
                           ? role->second.charged
                           : usage.options.charged;
  if (block_based.block_cache == nullptr ||
      charged ==
          ROCKSDB_NAMESPACE::CacheEntryRoleOptions::Decision::kDisabled) {
    return nullptr;
  }
  return std::make_unique<
      ROCKSDB_NAMESPACE::CacheReservationManagerImpl<kRole>>(
      block_based.block_cache);
}

size_t SegmentSizeOf(const FstTableOptions& options) {
  // A segment that is read alone should be about as large as a data block; one
  // that stays in memory, whatever is smallest.
  constexpr size_t kCached = size_t{8} << 10;
  constexpr size_t kPinned = size_t{256} << 10;
  return options.segment_size != 0 ? options.segment_size
         : options.residency == FstTableOptions::Residency::kCache ? kCached
                                                                   : kPinned;
}

}  // namespace

FstTableBuilder::FstTableBuilder(
    const FstTableOptions& options, const BlockBasedTableOptions& block_based,
    const TableBuilderOptions& tbo,
    std::shared_ptr<const TokenTableRegistry> token_tables,
    WritableFileWriter* file, bool mirrored)
    : options_(options),
      segment_size_(SegmentSizeOf(options)),
      checksum_(block_based.checksum),
      verify_compression_(block_based.verify_compression),
      ioptions_(tbo.ioptions),
      write_options_(tbo.write_options),
      token_tables_(std::move(token_tables)),
      file_(file),
      compressor_(tbo.compression_type, tbo.compression_opts),
      mirrored_(mirrored),
      segment_(std::make_unique<SegmentBuilder>(mirrored)),
      // A flush must be fast, and what it writes is soon compacted.
      buffering_(options.key_buffer_size != 0 &&
                 tbo.reason != TableFileCreationReason::kFlush &&
                 tbo.reason != TableFileCreationReason::kRecovery),
      reservation_(buffering_ ? ReservationFor(block_based) : nullptr),
      trial_([this](std::string_view raw) { return StoredSize(raw); }),
      index_(mirrored),
      range_del_block_(/*block_restart_interval=*/1) {
  compat::MakeCollectors(tbo, &collectors_);
  StartFilter(block_based, tbo);
  props_.column_family_id = tbo.column_family_id;
  props_.column_family_name = tbo.column_family_name;
  props_.oldest_key_time = tbo.oldest_key_time;
  props_.newest_key_time = tbo.newest_key_time;
  props_.file_creation_time = tbo.file_creation_time;
  props_.orig_file_number = tbo.cur_file_num;
  props_.db_id = tbo.db_id;
  props_.db_session_id = tbo.db_session_id;
  props_.db_host_id = ioptions_.db_host_id;
  ROCKSDB_NAMESPACE::ReifyDbHostIdProperty(ioptions_.env, &props_.db_host_id)
      .PermitUncheckedError();
  props_.format_version = kFooterFormatVersion;
  props_.key_largest_seqno = 0;
  props_.comparator_name = ioptions_.user_comparator->Name();
  props_.merge_operator_name = ioptions_.merge_operator != nullptr
                                   ? ioptions_.merge_operator->Name()
                                   : "nullptr";
  props_.prefix_extractor_name = tbo.moptions.prefix_extractor != nullptr
                                     ? tbo.moptions.prefix_extractor->AsString()
                                     : "nullptr";
  props_.compression_name =
      ROCKSDB_NAMESPACE::CompressionTypeToString(tbo.compression_type);
  props_.compression_options =
      compat::CompressionOptionsName(tbo.compression_opts);
  props_.property_collectors_names = "[";
  for (const auto& factory : ioptions_.table_properties_collector_factories) {
    if (props_.property_collectors_names.size() > 1) {
      props_.property_collectors_names += ",";
    }
    props_.property_collectors_names += factory->Name();
  }
  props_.property_collectors_names += "]";
}

FstTableBuilder::~FstTableBuilder() {
  assert(closed_);  // Finish() or Abandon() was called
}

void FstTableBuilder::StartFilter(const BlockBasedTableOptions& block_based,
                                  const TableBuilderOptions& tbo) {
  // As BlockBasedTableBuilder decides it.
  filter_keys_ = block_based.whole_key_filtering;
  prefix_extractor_ = tbo.moptions.prefix_extractor;
  const bool wanted =
      block_based.filter_policy != nullptr &&
      (filter_keys_ || prefix_extractor_ != nullptr) && !tbo.skip_filters &&
      !(ioptions_.optimize_filters_for_hits && tbo.is_bottommost);
  if (!wanted) return;
  ROCKSDB_NAMESPACE::FilterBuildingContext context(block_based);
  context.info_log = ioptions_.logger;
  context.column_family_name = tbo.column_family_name;
  context.reason = tbo.reason;
  // SstFileWriter, which has no level, knows of no column family either.
  if (tbo.level_at_creation >= 0) {
    context.compaction_style = ioptions_.compaction_style;
    context.num_levels = ioptions_.num_levels;
    context.level_at_creation = tbo.level_at_creation;
    context.is_bottommost = tbo.is_bottommost;
  }
  filter_policy_ = block_based.filter_policy;
  filter_.reset(filter_policy_->GetBuilderWithContext(context));
  if (filter_ == nullptr) return;
  props_.filter_policy_name = filter_policy_->Name();
  constexpr size_t kSize = size_t{1} << 20;
  filter_entry_bytes_ = static_cast<double>(kSize) /
                        static_cast<double>(std::max<size_t>(
                            1, filter_->ApproximateNumEntries(kSize)));
}

void FstTableBuilder::Add(const Slice& internal_key, const Slice& value) {
  assert(!closed_);
  if (!ok()) return;
  const uint64_t tag =
      ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key);
  SequenceNumber seq;
  ValueType type;
  ROCKSDB_NAMESPACE::UnPackSequenceAndType(tag, &seq, &type);
  if (ROCKSDB_NAMESPACE::IsValueType(type)) {
    AddEntry(internal_key, tag, value);
  } else if (type == ROCKSDB_NAMESPACE::kTypeRangeDeletion) {
    range_del_block_.Add(internal_key, value);
  } else {
    SetStatus(Status::InvalidArgument(
        "FstTableBuilder::Add() received a key with invalid value type " +
        std::to_string(static_cast<unsigned>(type))));
    return;
  }
  NotifyCollectTableCollectorsOnAdd(internal_key, value, offset_, collectors_,
                                    ioptions_.logger);

  props_.key_largest_seqno = std::max(props_.key_largest_seqno, seq);
  props_.num_entries++;
  props_.raw_key_size += internal_key.size();
  props_.raw_value_size += value.size();
  switch (type) {
    case ROCKSDB_NAMESPACE::kTypeDeletion:
    case ROCKSDB_NAMESPACE::kTypeSingleDeletion:
    case ROCKSDB_NAMESPACE::kTypeDeletionWithTimestamp:
      props_.num_deletions++;
      break;
    case ROCKSDB_NAMESPACE::kTypeRangeDeletion:
      props_.num_deletions++;
      props_.num_range_deletions++;
      break;
    case ROCKSDB_NAMESPACE::kTypeMerge:
      props_.num_merge_operands++;
      break;
    default:
      break;
  }
}

bool FstTableBuilder::CutsBefore(std::string_view user_key) {
  // A continuation holds one key.
  if (continues_ || segment_->separator_bytes() >= kMaxSeparatorBytes) {
    return true;
  }
  const size_t size = segment_->EstimatedSize();
  if (size < FileIndexBuilder::SegmentSize(segment_size_, index_.num_cuts())) {
    return false;
  }
  if (full_size_ == 0) full_size_ = size;
  return size / kLargestSegment >= full_size_ ||
         index_.CutBytes(segment_->last_key(), user_key) <= size / kIndexShare;
}

bool FstTableBuilder::CutsKey() const {
  const size_t size = segment_->EstimatedSize();
  return key_entries_ >= kEntriesToContinue &&
         key_entries_ >= segment_->num_entries() / 2 &&
         size / kKeyShare >= segment_->last_key().size() &&
         size >=
             FileIndexBuilder::SegmentSize(segment_size_, index_.num_cuts());
}

void FstTableBuilder::AddEntry(const Slice& internal_key, uint64_t tag,
                               const Slice& value) {
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(internal_key).ToStringView();
  const bool same_key = !segment_->empty() && segment_->last_key() == user_key;
  // A reader takes it for damage.
  if (same_key &&
      tag >= ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(last_internal_key_)) {
    SetStatus(Status::Corruption(file_->file_name() +
                                 ": entries of a key that do not descend"));
    return;
  }
  if (!segment_->empty() && (same_key ? CutsKey() : CutsBefore(user_key))) {
    if (same_key) {
      index_.CutKey(tag);
    } else {
      index_.Cut(segment_->last_key(), user_key);
    }
    SealSegment();
    if (!ok()) return;
    continues_ = same_key;
    full_size_ = 0;
    key_entries_ = 0;
  }
  if (!same_key) {
    key_entries_ = 0;
    if (filter_ != nullptr) AddToFilter(user_key);
  }
  ++key_entries_;
  segment_->Add(user_key, tag, value.ToStringView());
  last_internal_key_.assign(internal_key.data(), internal_key.size());
  WriteValueBlocks(/*all=*/false);
}

bool FstTableBuilder::KeepValuesInline(bool all) {
  const ValueRunBuilder& pending = segment_->pending_values();
  if (segment_->has_value_blocks()) return false;
  if (pending.largest_value() <= options_.inline_value_size) return true;
  if (!pending.keeps_distinct()) {
    // A look now and then, and when a block is full.
    const size_t n = pending.num_values();
    const bool look = pending.value_bytes() >= options_.value_block_size ||
                      (n & (n - 1)) == 0;
    if (!look || !pending.SeemsRepetitive()) return false;
    segment_->KeepDistinctValues();
  }
  return pending.EstimatedSize() <=
         options_.inline_value_size * pending.num_values() +
             (all ? 0 : options_.value_block_size);
}

void FstTableBuilder::AddToFilter(const Slice& user_key) {
  // As FullFilterBlockBuilder has it; RocksDB's builder of the bits leaves out
  // a prefix that is that of the key before.
  if (prefix_extractor_ != nullptr && prefix_extractor_->InDomain(user_key)) {
    const Slice prefix = prefix_extractor_->Transform(user_key);
    if (filter_keys_) {
      filter_->AddKeyAndAlt(user_key, prefix);
    } else {
      filter_->AddKey(prefix);
    }
  } else if (filter_keys_) {
    filter_->AddKey(user_key);
  }
}

void FstTableBuilder::WriteValueBlocks(bool all) {
  const ValueRunBuilder& pending = segment_->pending_values();
  if (KeepValuesInline(all)) return;
  while (ok() && !pending.empty() &&
         (all || pending.value_bytes() >= options_.value_block_size)) {
    raw_block_.clear();
    segment_->TakePendingValues(options_.value_block_size, &raw_block_);
    const BlockHandle handle = WriteBlock(raw_block_, /*compress=*/true);
    segment_->AddValueBlock({handle.offset(), handle.size()});
    value_bytes_ += handle.size();
    props_.num_data_blocks++;
    LetGo(&raw_block_);
  }
}

void FstTableBuilder::SealSegment() {
  WriteValueBlocks(/*all=*/true);
  if (!ok()) return;
  segment_->Seal();
  if (buffering_) {
    BufferSegment();
  } else {
    WriteSegment(*segment_);
    segment_->Reset();
  }
}

void FstTableBuilder::BufferSegment() {
  buffered_bytes_ += segment_->MemoryUsage();
  buffered_.push_back(std::move(segment_));
  segment_ = std::make_unique<SegmentBuilder>(mirrored_);
  if (buffered_bytes_ >= options_.key_buffer_size || !ChargeBuffer()) {
    WriteBufferedSegments();
  } else {
    TrySizes();
  }
}

bool FstTableBuilder::ChargeBuffer() {
  if (reservation_ == nullptr) return true;
  const Status s = reservation_->UpdateCacheReservation(buffered_bytes_);
  // No other failure is known, and none would be a reason to give up.
  return !s.IsMemoryLimit();
}

void FstTableBuilder::ReleaseBuffer() {
  tried_.clear();
  buffered_.clear();
  buffered_bytes_ = 0;
  buffering_ = false;
  // To release never fails.
  ChargeBuffer();
}

const key_trie::TokenEncoder* FstTableBuilder::FindTokens(
    const std::vector<const KeyTrieBuilder*>& keys, bool may_make_encoder) {
  std::vector<std::string_view> last_keys;
  uint64_t num_keys = 0;
  for (const auto& segment : buffered_) {
    last_keys.emplace_back(segment->last_key());
    num_keys += segment->num_keys();
  }
  if (mirrored_) std::reverse(last_keys.begin(), last_keys.end());
  TokenTable found = token_tables_->Find(last_keys);
  if (found.tokens == nullptr ||
      !key_trie::TokensMayPay(
          *found.tokens, key_trie::MeasureSuffixes(nullptr, keys), num_keys)) {
    return nullptr;
  }
  if (found.tokens != found_.tokens) {
    if (!may_make_encoder) return nullptr;
    found_encoder_.reset();
    found_ = std::move(found);
    found_encoder_ = std::make_unique<key_trie::TokenEncoder>(*found_.tokens);
  }
  const key_trie::SuffixSizes sizes =
      key_trie::MeasureSuffixes(found_encoder_.get(), keys);
  return sizes.bits_a_byte() <= kAsGood * found_.bits_a_byte &&
                 key_trie::TokensPay(*found_.tokens, sizes)
             ? found_encoder_.get()
             : nullptr;
}

std::vector<const KeyTrieBuilder*> FstTableBuilder::BufferedKeys() const {
  std::vector<const KeyTrieBuilder*> keys;
  for (const auto& segment : buffered_) keys.push_back(&segment->keys());
  return keys;
}

void FstTableBuilder::ChooseTokens() {
  const std::vector<const KeyTrieBuilder*> keys = BufferedKeys();
  const bool take_over = FindTokens(keys, /*may_make_encoder=*/true) != nullptr;
  const TokenTable found = std::move(found_);
  std::unique_ptr<key_trie::TokenEncoder> encoder = std::move(found_encoder_);
  if (take_over) {
    encoder_ = std::move(encoder);
    token_bits_a_byte_ = found.bits_a_byte;
    key_trie::Tokens::Encode(found.tokens->List(), &tokens_block_);
    stored_tokens_ = StoredSize(tokens_block_);
    return;
  }
  encoder.reset();
  stored_tokens_ = 0;
  if (key_trie::MeasureSuffixes(nullptr, keys).symbol_bytes <=
      kLeastDictionary) {
    return;
  }
  key_trie::TrainTokens(keys, key_trie::kTokenSampleBytes, &tokens_block_);
  if (tokens_block_.empty()) return;
  key_trie::Tokens tokens;
  std::string reason;
  if (!tokens.Open(tokens_block_, &reason)) {
    SetStatus(Status::Corruption(file_->file_name() + ": " + reason));
    return;
  }
  encoder = std::make_unique<key_trie::TokenEncoder>(tokens);
  const key_trie::SuffixSizes sizes =
      key_trie::MeasureSuffixes(encoder.get(), keys);
  if (!key_trie::TokensPay(tokens, sizes)) {
    tokens_block_.clear();
    return;
  }
  encoder_ = std::move(encoder);
  token_bits_a_byte_ = sizes.bits_a_byte();
  stored_tokens_ = StoredSize(tokens_block_);
}

void FstTableBuilder::TrySizes() {
  tried_.push_back(buffered_.back().get());
  trial_.Add(tried_, [this]() -> const key_trie::TokenEncoder* {
    // The encoder of another may be in use.
    const bool may_make = found_.tokens == nullptr;
    return FindTokens(BufferedKeys(), may_make);
  });
  // One that is found is no larger than in memory.
  stored_tokens_ = trial_.uses_found() ? found_.tokens->MemoryUsage()
                                       : trial_.token_table_bytes();
}

size_t FstTableBuilder::StoredSize(std::string_view raw) {
  CompressionType type;
  const size_t size =
      compressor_
          .Compress(Slice(raw.data(), raw.size()), kFooterFormatVersion,
                    &compressed_block_, &type)
          .size();
  LetGo(&compressed_block_);
  return size + kTrailerSize;
}

void FstTableBuilder::WriteBufferedSegments() {
  ChooseTokens();
  for (auto& segment : buffered_) {
    if (ok()) WriteSegment(*segment);
    segment.reset();
  }
  ReleaseBuffer();
}

void FstTableBuilder::WriteSegment(const SegmentBuilder& segment) {
  raw_block_.clear();
  std::string reason;
  bool fits = segment.Finish(encoder_.get(), &raw_block_, &reason);
  if (fits && raw_block_.size() > kMaxSegmentBytes) {
    fits = false;
    reason = "a segment of " + std::to_string(raw_block_.size()) + " bytes; " +
             std::to_string(kMaxSegmentBytes) + " is the most";
  }
  if (!fits) {
    SetStatus(
        Status::NotSupported(file_->file_name() + ": " + reason,
                             "write_format=block_based has no such limit"));
    return;
  }
  const BlockHandle handle = WriteBlock(raw_block_, /*compress=*/true);
  index_.AddSegment({handle.offset(), handle.size()}, segment.num_keys(),
                    segment.num_entries(), segment.value_block_bytes());
  key_bytes_ += handle.size();
  segment_bytes_ += raw_block_.size();
  tag_bytes_ += handle.size() * segment.tag_bytes() / raw_block_.size();
  inline_value_bytes_ +=
      handle.size() * segment.inline_value_bytes() / raw_block_.size();
  written_estimates_ += segment.EstimatedSize();
  props_.num_data_blocks++;
  props_.data_size = offset_;
  LetGo(&raw_block_);
}

Status FstTableBuilder::Finish() {
  assert(!closed_);
  closed_ = true;
  if (ok() && !segment_->empty()) SealSegment();
  if (ok() && buffering_) WriteBufferedSegments();
  ReleaseBuffer();
  if (!ok()) return status_;
  props_.tail_start_offset = offset_;

  FileDirectory directory;
  WriteFilter(&directory);
  directory.tokens = WriteTokens();
  WriteIndex(&directory);
  directory.num_keys = index_.num_keys();
  MetaIndexBuilder metaindex;
  if (!range_del_block_.empty()) {
    metaindex.Add(ROCKSDB_NAMESPACE::kRangeDelBlockName,
                  WriteBlock(range_del_block_.Finish(), /*compress=*/false));
  }
  const BlockHandle stub_index = WriteStubIndex();
  metaindex.Add(ROCKSDB_NAMESPACE::kPropertiesBlockName,
                WriteProperties(directory));
  WriteFooter(WriteBlock(metaindex.Finish(), /*compress=*/false), stub_index);
  tail_size_ = offset_ - props_.tail_start_offset;
  return status_;
}

void FstTableBuilder::WriteFilter(FileDirectory* directory) {
  directory->filter = BlockHandle(0, 0);
  if (filter_ == nullptr || filter_->EstimateEntriesAdded() == 0) return;
  props_.num_filter_entries = filter_->EstimateEntriesAdded();
  std::unique_ptr<const char[]> bytes;
  Status s;
  const Slice filter = filter_->Finish(&bytes, &s);
  if (s.ok()) s = filter_->MaybePostVerify(filter);
  if (!s.ok()) {
    SetStatus(s);
    return;
  }
  directory->filter = WriteBlock(filter, /*compress=*/false);
  directory->filter_name = filter_policy_->CompatibilityName();
  if (!filter_keys_)
    directory->features |= FileDirectory::kFilterHasNoWholeKeys;
  using Names = ROCKSDB_NAMESPACE::BlockBasedTablePropertyNames;
  const auto truth = [](bool is) {
    return is ? ROCKSDB_NAMESPACE::kPropTrue : ROCKSDB_NAMESPACE::kPropFalse;
  };
  props_.user_collected_properties[Names::kWholeKeyFiltering] =
      truth(filter_keys_);
  props_.user_collected_properties[Names::kPrefixFiltering] =
      truth(prefix_extractor_ != nullptr);
  props_.filter_size = filter.size();
  filter_.reset();
}

BlockHandle FstTableBuilder::WriteTokens() {
  if (tokens_block_.empty()) return BlockHandle(0, 0);
  const BlockHandle handle = WriteBlock(tokens_block_, /*compress=*/true);
  std::string().swap(tokens_block_);
  return handle;
}

void FstTableBuilder::WriteIndex(FileDirectory* directory) {
  if (index_.num_segments() != 0) directory->features |= FileDirectory::kBounds;
  if (index_.num_continuations() != 0) {
    directory->features |= FileDirectory::kContinuations;
  }
  std::string_view last_key;
  if (!last_internal_key_.empty()) {
    last_key =
        ROCKSDB_NAMESPACE::ExtractUserKey(last_internal_key_).ToStringView();
  }
  raw_block_.clear();
  std::string reason;
  if (!index_.Finish(last_key, &raw_block_, &reason)) {
    SetStatus(
        Status::NotSupported(file_->file_name() + ": " + reason,
                             "write_format=block_based has no such limit"));
  }
  const BlockHandle handle = WriteBlock(raw_block_, /*compress=*/true);
  props_.index_size = handle.size();
  directory->index = handle;
}

BlockHandle FstTableBuilder::WriteStubIndex() {
  BlockBuilder stub(/*block_restart_interval=*/1);
  if (!last_internal_key_.empty()) {
    std::string poison;
    WriteBlock(PoisonBlock(), /*compress=*/false).EncodeTo(&poison);
    stub.Add(ShortSuccessor(last_internal_key_, *ioptions_.user_comparator),
             poison);
  }
  return WriteBlock(stub.Finish(), /*compress=*/false);
}

BlockHandle FstTableBuilder::WriteProperties(const FileDirectory& directory) {
  auto* const user = &props_.user_collected_properties;
  directory.EncodeTo(&(*user)[kDirectoryProperty]);
  // What is 0 is left out: beside a few keys it would show.
  const auto put = [user](const std::string& name, uint64_t n) {
    if (n != 0) (*user)[name] = std::to_string(n);
  };
  (*user)[kDistinctKeysProperty] = std::to_string(index_.num_keys());
  put(kKeyBytesProperty, key_bytes_);
  put(kValueBytesProperty, value_bytes_);
  if (encoder_ != nullptr) {
    put(kTokenBitsProperty,
        static_cast<uint64_t>(std::llround(token_bits_a_byte_ * 1000)));
  }
  put(kTagBytesProperty, tag_bytes_);
  put(kInlineValueBytesProperty, inline_value_bytes_);
  put(kSegmentBytesProperty, segment_bytes_);
  PropertyBlockBuilder block;
  block.AddTableProperty(props_);
  // Adds our own, above, too.
  NotifyCollectTableCollectorsOnFinish(collectors_, ioptions_.logger, &block,
                                       props_.user_collected_properties,
                                       props_.readable_properties);
  return WriteBlock(block.Finish(), /*compress=*/false);
}

void FstTableBuilder::WriteFooter(const BlockHandle& metaindex,
                                  const BlockHandle& stub_index) {
  if (!ok()) return;
  ROCKSDB_NAMESPACE::FooterBuilder builder;
  const Status s = builder.Build(ROCKSDB_NAMESPACE::kBlockBasedTableMagicNumber,
                                 kFooterFormatVersion, offset_, checksum_,
                                 metaindex, stub_index);
  if (!s.ok()) {
    SetStatus(s);
    return;
  }
  std::string footer = builder.GetSlice().ToString();
  assert(footer.size() == kFooterSize);
  // The handles of any file of less than 2^56 bytes leave the marker's place
  // free.
  const std::string place =
      footer.substr(kFooterMarkerOffset, kFooterMarkerSize);
  if (place.find_first_not_of('\0') != std::string::npos) {
    SetStatus(Status::NotSupported(file_->file_name(), "file is too large"));
    return;
  }
  footer.replace(kFooterMarkerOffset, kFooterMarkerSize, kFooterMarker);
  Append(footer);
}

BlockHandle FstTableBuilder::WriteBlock(const Slice& raw, bool compress) {
  Slice stored = raw;
  CompressionType type = ROCKSDB_NAMESPACE::kNoCompression;
  if (compress) {
    stored = compressor_.Compress(raw, kFooterFormatVersion, &compressed_block_,
                                  &type);
    CountCompression(raw, stored, type);
    if (verify_compression_ && type != ROCKSDB_NAMESPACE::kNoCompression) {
      SetStatus(compat::BlockCompressor::Verify(
          raw, stored, type, kFooterFormatVersion, ioptions_));
    }
  }
  const BlockHandle handle(offset_, stored.size());
  char trailer[kTrailerSize];
  trailer[0] = static_cast<char>(type);
  ROCKSDB_NAMESPACE::EncodeFixed32(
      trailer + 1, ROCKSDB_NAMESPACE::ComputeBuiltinChecksumWithLastByte(
                       checksum_, stored.data(), stored.size(), trailer[0]));
  Append(stored);
  Append(Slice(trailer, sizeof(trailer)));
  LetGo(&compressed_block_);
  return handle;
}

void FstTableBuilder::CountCompression(const Slice& raw, const Slice& stored,
                                       CompressionType type) {
  // Without samples of how well else it would compress.
  NotifyCollectTableCollectorsOnBlockAdd(collectors_, raw.size(), 0, 0);
  auto* const stats = ioptions_.stats;
  if (type != ROCKSDB_NAMESPACE::kNoCompression) {
    RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_BLOCK_COMPRESSED);
    RecordTick(stats, ROCKSDB_NAMESPACE::BYTES_COMPRESSED_FROM, raw.size());
    RecordTick(stats, ROCKSDB_NAMESPACE::BYTES_COMPRESSED_TO, stored.size());
  } else if (!compressed_block_.empty()) {
    RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_BLOCK_COMPRESSION_REJECTED);
    RecordTick(stats, ROCKSDB_NAMESPACE::BYTES_COMPRESSION_REJECTED,
               raw.size());
  } else {
    RecordTick(stats, ROCKSDB_NAMESPACE::NUMBER_BLOCK_COMPRESSION_BYPASSED);
    RecordTick(stats, ROCKSDB_NAMESPACE::BYTES_COMPRESSION_BYPASSED,
               raw.size());
  }
}

void FstTableBuilder::Append(const Slice& data) {
  if (!ok()) return;
  const IOStatus s = compat::Append(write_options_, file_, data);
  if (s.ok()) {
    offset_ += data.size();
  } else {
    io_status_ = s;
    SetStatus(s);
  }
}

uint64_t FstTableBuilder::EstimatedFileSize() const {
  if (closed_) return offset_;
  const double written = written_estimates_ == 0
                             ? trial_.ratio()
                             : static_cast<double>(key_bytes_) /
                                   static_cast<double>(written_estimates_);
  const double held =
      static_cast<double>(buffering_ ? trial_.stored_bytes() : 0) +
      (segment_->empty()
           ? 0
           : written * static_cast<double>(segment_->EstimatedSize()));
  const uint64_t filter_entries =
      filter_ == nullptr ? 0 : filter_->EstimateEntriesAdded();
  const double rest = held + static_cast<double>(stored_tokens_) +
                      static_cast<double>(index_.EstimatedSize()) +
                      filter_entry_bytes_ * static_cast<double>(filter_entries);
  return offset_ + static_cast<uint64_t>(rest);
}

bool FstTableBuilder::NeedCompact() const {
  return std::any_of(collectors_.begin(), collectors_.end(),
                     [](const auto& c) { return c->NeedCompact(); });
}

std::string FstTableBuilder::GetFileChecksum() const {
  return file_ != nullptr ? file_->GetFileChecksum()
                          : ROCKSDB_NAMESPACE::kUnknownFileChecksum;
}

const char* FstTableBuilder::GetFileChecksumFuncName() const {
  return file_ != nullptr ? file_->GetFileChecksumFuncName()
                          : ROCKSDB_NAMESPACE::kUnknownFileChecksumFuncName;
}

void FstTableBuilder::SetSeqnoTimeTableProperties(
    const ROCKSDB_NAMESPACE::SeqnoToTimeMapping& relevant_mapping,
    uint64_t oldest_ancestor_time) {
  relevant_mapping.EncodeTo(props_.seqno_to_time_mapping);
  props_.creation_time = oldest_ancestor_time;
}

}  // namespace memkv
