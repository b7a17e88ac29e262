// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_builder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string_view>
#include <utility>

#include "options/cf_options.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/table.h"
#include "table/block_based/block_based_table_factory.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::BlockBuilder;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::MetaIndexBuilder;
using ROCKSDB_NAMESPACE::PropertyBlockBuilder;
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

// Up to here a segment is small; see SegmentBuilder.
constexpr size_t kSmallSegment = size_t{16} << 10;

// Of whole keys and separators in a segment of more than kFewKeys that are so
// long; see SegmentBuilder::whole_bytes().
constexpr size_t kMaxWholeBytes = size_t{16} << 20;
constexpr size_t kFewKeys = 4;
// Of a segment, so that its key trie stays below the format's 2 GiB.
constexpr size_t kMaxSegmentEstimate = size_t{1} << 30;

// Stub index, properties, metaindex and footer; collectors may add to them.
constexpr uint64_t kRestOfTail = 4096;
// What is not written may take this part more than is estimated: by what was
// written, or by a trial.
constexpr uint64_t kEstimateError = 16;
constexpr uint64_t kTrialError = 4;

}  // namespace

FstTableBuilder::FstTableBuilder(
    const FstTableOptions& options, const SegmentForm& form,
    const BlockBasedTableOptions& block_based, const TableBuilderOptions& tbo,
    std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> default_filter,
    std::shared_ptr<const TokenTableRegistry> token_tables,
    WritableFileWriter* file, bool mirrored)
    : options_(options),
      segment_form_(form),
      ioptions_(tbo.ioptions),
      writer_(block_based, tbo, &collectors_, file),
      filter_(block_based, tbo, std::move(default_filter)),
      mirrored_(mirrored),
      index_(mirrored),
      range_del_block_(/*block_restart_interval=*/1) {
  compat::MakeCollectors(tbo, &collectors_);
  pipeline_ = std::make_unique<BlockPipeline>(
      block_based, tbo, &writer_,
      [this](const BlockPipeline::Written& block) { AddWritten(block); });
  segment_ = NewSegment();
  // A flush must be fast, and what it writes is soon compacted.
  if (options.key_buffer_size != 0 &&
      tbo.reason != TableFileCreationReason::kFlush &&
      tbo.reason != TableFileCreationReason::kRecovery) {
    waiting_ = std::make_unique<WaitingSegments>(
        block_based, std::move(token_tables), options.key_buffer_size, mirrored,
        [this](std::string_view raw) { return writer_.StoredSize(raw); },
        /*tries_compression=*/form.may_stay_uncompressed);
  }
  EstimateClosed();
  if (filter_.policy_name() != nullptr) {
    props_.filter_policy_name = filter_.policy_name();
  }
  props_.column_family_id = tbo.column_family_id;
  props_.column_family_name = tbo.column_family_name;
  compat::SetKeyTimes(tbo, &props_);
  props_.file_creation_time = tbo.file_creation_time;
  props_.orig_file_number = tbo.cur_file_num;
  props_.db_id = tbo.db_id;
  props_.db_session_id = tbo.db_session_id;
  props_.db_host_id = ioptions_.db_host_id;
  ROCKSDB_NAMESPACE::ReifyDbHostIdProperty(ioptions_.env, &props_.db_host_id)
      .PermitUncheckedError();
  props_.format_version = kFooterFormatVersion;
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

void FstTableBuilder::Add(const Slice& internal_key, const Slice& value) {
  assert(!closed_);
  if (!ok()) return;
  const uint64_t tag =
      ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key);
  SequenceNumber seq;
  ValueType type;
  ROCKSDB_NAMESPACE::UnPackSequenceAndType(tag, &seq, &type);
  if (seq > kMaxEntrySequence) {
    writer_.Fail(Status::InvalidArgument(
        writer_.file()->file_name() + ": sequence number " +
        std::to_string(seq) + " is RocksDB's for no entry"));
    return;
  }
  if (ROCKSDB_NAMESPACE::IsValueType(type)) {
    AddEntry(internal_key, tag, value);
  } else if (type == ROCKSDB_NAMESPACE::kTypeRangeDeletion) {
    range_del_block_.Add(internal_key, value);
  } else {
    writer_.Fail(Status::InvalidArgument(
        "FstTableBuilder::Add() received a key with invalid value type " +
        std::to_string(static_cast<unsigned>(type))));
    return;
  }
  NotifyCollectTableCollectorsOnAdd(internal_key, value, writer_.offset(),
                                    collectors_, ioptions_.logger);

  largest_seqno_ = std::max(largest_seqno_, seq);
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
  const size_t size = segment_estimate_;
  const size_t whole = segment_->whole_bytes();
  // A continuation holds one key.
  if (continues_ || size + user_key.size() > kMaxSegmentEstimate ||
      (whole >= kMaxWholeBytes &&
       whole / kFewKeys >= segment_->last_key().size())) {
    return true;
  }
  if (size < SegmentSize()) return false;
  if (full_size_ == 0) full_size_ = size;
  return size / kLargestSegment >= full_size_ ||
         index_.CutBytes(segment_->last_key(), user_key) <= size / kIndexShare;
}

bool FstTableBuilder::CutsKey() const {
  const size_t size = segment_estimate_;
  return key_entries_ >= kEntriesToContinue &&
         key_entries_ >= segment_->num_entries() / 2 &&
         size / kKeyShare >= segment_->last_key().size() &&
         size >= SegmentSize();
}

void FstTableBuilder::AddEntry(const Slice& internal_key, uint64_t tag,
                               const Slice& value) {
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(internal_key).ToStringView();
  const bool same_key = !segment_->empty() && segment_->last_key() == user_key;
  // A reader takes it for damage.
  if (same_key && tag >= last_tag_) {
    writer_.Fail(Status::Corruption(writer_.file()->file_name() +
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
    filter_.Add(user_key);
  }
  ++key_entries_;
  if (same_key && !segment_->empty()) {
    segment_->AddVersion(tag, value.ToStringView());
  } else {
    segment_->AddKey(user_key, tag, value.ToStringView());
  }
  last_tag_ = tag;
  WriteValueBlocks(/*all=*/false);
  // RocksDB asks for the file's after every entry.
  segment_estimate_ = segment_->EstimatedSize();
}

void FstTableBuilder::WriteValueBlocks(bool all) {
  while (ok() && segment_->values().TakeBlock(all, &raw_block_)) {
    pipeline_->AddValues(&raw_block_);
    EstimateClosed();
  }
}

std::unique_ptr<SegmentBuilder> FstTableBuilder::NewSegment() {
  std::unique_ptr<SegmentBuilder> spare = pipeline_->TakeSpareSegment();
  if (spare != nullptr) return spare;
  return std::make_unique<SegmentBuilder>(
      mirrored_,
      SegmentValues::Limits{options_.inline_value_size,
                            options_.value_block_size},
      /*small=*/segment_form_.size <= kSmallSegment);
}

void FstTableBuilder::SealSegment() {
  WriteValueBlocks(/*all=*/true);
  // The segment holds where they are.
  if (segment_->values().in_blocks()) pipeline_->WriteAll();
  if (!ok()) return;
  last_user_key_ = segment_->last_key();
  const SegmentBuilder::Room room = segment_->room();
  segment_->Seal();
  if (waiting_ == nullptr) {
    pipeline_->AddSegment(std::move(segment_), tokens_.encoder.get(),
                          compress_segments_);
  } else {
    const bool wait = waiting_->Add(std::move(segment_));
    compress_segments_ =
        waiting_->compression() != SizeTrial::Compression::kDoesNotPay;
    if (!wait) WriteWaitingSegments();
  }
  segment_ = NewSegment();
  if (!closed_) segment_->Reserve(room);
  segment_estimate_ = 0;
  EstimateClosed();
}

void FstTableBuilder::WriteWaitingSegments() {
  std::string reason;
  if (!waiting_->ChooseTokens(&tokens_, &reason)) {
    writer_.Fail(
        Status::Corruption(writer_.file()->file_name() + ": " + reason));
  }
  for (std::unique_ptr<SegmentBuilder>& segment : waiting_->segments()) {
    if (!ok()) break;
    pipeline_->AddSegment(std::move(segment), tokens_.encoder.get(),
                          compress_segments_);
  }
  waiting_.reset();
}

void FstTableBuilder::AddWritten(const BlockPipeline::Written& block) {
  const uint64_t stored = block.handle.size();
  props_.num_data_blocks++;
  worker_cpu_micros_ += block.worker_micros;
  if (block.segment == nullptr) {
    segment_->values().AddBlock({block.handle.offset(), stored});
    value_bytes_ += stored;
    raw_value_bytes_ += block.raw.size();
    has_numbers_ = has_numbers_ || ValueRunBuilder::HoldsNumbers(block.raw);
    return;
  }
  const SegmentBuilder& segment = *block.segment;
  index_.AddSegment({block.handle.offset(), stored}, segment.num_keys(),
                    segment.num_entries(), segment.values().block_bytes());
  key_bytes_ += stored;
  segment_bytes_ += block.raw.size();
  tag_bytes_ += stored * segment.tag_bytes() / block.raw.size();
  inline_value_bytes_ +=
      stored * segment.inline_value_bytes() / block.raw.size();
  written_estimates_ += segment.EstimatedSize();
  has_fixed_bytes_ =
      has_fixed_bytes_ || SegmentBuilder::HasFixedBytes(block.raw);
  has_numbers_ = has_numbers_ || segment.HasNumbers();
  has_unpadded_ = has_unpadded_ || segment.unpadded();
  props_.data_size = writer_.offset();
}

Status FstTableBuilder::Finish() {
  assert(!closed_);
  closed_ = true;
  if (ok() && !segment_->empty()) SealSegment();
  if (ok() && waiting_ != nullptr) WriteWaitingSegments();
  if (ok()) pipeline_->WriteAll();
  pipeline_.reset();
  waiting_.reset();
  if (!ok()) return status();
  const uint64_t tail_start = writer_.offset();
  compat::SetTailStart(tail_start, &props_);

  FileDirectory directory;
  filter_.Finish(&writer_, &directory, &props_);
  directory.tokens = WriteTokens();
  WriteIndex(&directory);
  directory.num_keys = index_.num_keys();
  MetaIndexBuilder metaindex;
  if (!range_del_block_.empty()) {
    metaindex.Add(ROCKSDB_NAMESPACE::kRangeDelBlockName,
                  writer_.Write(range_del_block_.Finish(), /*compress=*/false));
  }
  const BlockHandle stub_index = WriteStubIndex();
  metaindex.Add(ROCKSDB_NAMESPACE::kPropertiesBlockName,
                WriteProperties(directory));
  writer_.WriteFooter(writer_.Write(metaindex.Finish(), /*compress=*/false),
                      stub_index);
  tail_size_ = writer_.offset() - tail_start;
  return status();
}

BlockHandle FstTableBuilder::WriteTokens() {
  if (tokens_.block.empty()) return BlockHandle(0, 0);
  const BlockHandle handle = writer_.Write(tokens_.block, /*compress=*/true);
  std::string().swap(tokens_.block);
  return handle;
}

void FstTableBuilder::WriteIndex(FileDirectory* directory) {
  if (index_.num_segments() != 0) directory->features |= FileDirectory::kBounds;
  if (index_.num_continuations() != 0) {
    directory->features |= FileDirectory::kContinuations;
  }
  if (has_fixed_bytes_) directory->features |= FileDirectory::kFixedBytes;
  if (directory->tokens.size() != 0) {
    directory->features |= FileDirectory::kTokenSuffixes;
  }
  if (has_numbers_) directory->features |= FileDirectory::kNumbers;
  if (has_unpadded_) directory->features |= FileDirectory::kUnpadded;
  raw_block_.clear();
  std::string reason;
  if (!index_.Finish(last_user_key_, &raw_block_, &reason)) {
    writer_.Fail(
        Status::NotSupported(writer_.file()->file_name() + ": " + reason,
                             "write_format=block_based has no such limit"));
  }
  const BlockHandle handle = writer_.Write(raw_block_, /*compress=*/true);
  props_.index_size = handle.size();
  directory->index = handle;
}

BlockHandle FstTableBuilder::WriteStubIndex() {
  BlockBuilder stub(/*block_restart_interval=*/1);
  if (index_.num_segments() != 0) {
    std::string poison;
    writer_.Write(PoisonBlock(), /*compress=*/false).EncodeTo(&poison);
    std::string last_key = last_user_key_;
    ROCKSDB_NAMESPACE::PutFixed64(&last_key, last_tag_);
    stub.Add(ShortSuccessor(last_key, *ioptions_.user_comparator), poison);
  }
  return writer_.Write(stub.Finish(), /*compress=*/false);
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
  if (tokens_.encoder != nullptr) {
    put(kTokenBitsProperty,
        static_cast<uint64_t>(std::llround(tokens_.bits_a_byte * 1000)));
  }
  put(kTagBytesProperty, tag_bytes_);
  put(kInlineValueBytesProperty, inline_value_bytes_);
  put(kSegmentBytesProperty, segment_bytes_);
  // The stub index's.
  ROCKSDB_NAMESPACE::PutFixed32(
      &(*user)[ROCKSDB_NAMESPACE::BlockBasedTablePropertyNames::kIndexType],
      BlockBasedTableOptions::kBinarySearch);
  compat::SetLargestSeqno(largest_seqno_, &props_);
  PropertyBlockBuilder block;
  block.AddTableProperty(props_);
  compat::FinishCollectors(collectors_, ioptions_.logger, &block, &props_);
  return writer_.Write(block.Finish(), /*compress=*/false);
}

void FstTableBuilder::EstimateClosed() {
  ratio_ = waiting_ != nullptr ? waiting_->ratio()
           : written_estimates_ != 0
               ? static_cast<double>(key_bytes_) /
                     static_cast<double>(written_estimates_)
               : SizeTrial::kUntried;
  value_ratio_ = raw_value_bytes_ == 0
                     ? 1
                     : static_cast<double>(value_bytes_) /
                           static_cast<double>(raw_value_bytes_);
  closed_estimate_ =
      static_cast<double>(writer_.offset() + index_.EstimatedSize()) +
      ratio_ * static_cast<double>(pipeline_->estimates()) +
      value_ratio_ * static_cast<double>(pipeline_->value_bytes()) +
      static_cast<double>(waiting_ != nullptr
                              ? waiting_->EstimatedBytes() +
                                    waiting_->EstimatedTokenBytes()
                              : tokens_.stored_bytes);
}

uint64_t FstTableBuilder::EstimatedFileSize() const {
  if (closed_) return writer_.offset();
  return static_cast<uint64_t>(
      closed_estimate_ + ratio_ * static_cast<double>(segment_estimate_) +
      value_ratio_ * static_cast<double>(segment_->values().waiting_bytes()) +
      filter_.EstimatedSize());
}

uint64_t FstTableBuilder::EstimatedTailSize() const {
  if (closed_) return 0;
  // After an error the estimate is not kept up.
  const uint64_t not_written =
      std::max(EstimatedFileSize(), writer_.offset()) - writer_.offset();
  uint64_t tail = range_del_block_.CurrentSizeEstimate() + kRestOfTail +
                  not_written / (waiting_ ? kTrialError : kEstimateError);
  if (ratio_ == SizeTrial::kUntried) {
    tail += static_cast<uint64_t>((1 - ratio_) *
                                  static_cast<double>(segment_estimate_));
  }
  return tail;
}

bool FstTableBuilder::NeedCompact() const {
  return std::any_of(collectors_.begin(), collectors_.end(),
                     [](const auto& c) { return c->NeedCompact(); });
}

std::string FstTableBuilder::GetFileChecksum() const {
  return writer_.file() != nullptr ? writer_.file()->GetFileChecksum()
                                   : ROCKSDB_NAMESPACE::kUnknownFileChecksum;
}

const char* FstTableBuilder::GetFileChecksumFuncName() const {
  return writer_.file() != nullptr
             ? writer_.file()->GetFileChecksumFuncName()
             : ROCKSDB_NAMESPACE::kUnknownFileChecksumFuncName;
}

void FstTableBuilder::SetTimes(std::string seqno_times,
                               uint64_t oldest_ancestor_time) {
  props_.seqno_to_time_mapping = std::move(seqno_times);
  props_.creation_time = oldest_ancestor_time;
}

}  // namespace memkv
