// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// How FstFile is verified.

#include <string>
#include <utility>

#include "compat/file_io.h"
#include "table/fst/file.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockContents;
using ROCKSDB_NAMESPACE::BlockType;
using ROCKSDB_NAMESPACE::FilePrefetchBuffer;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableProperties;

bool FstFile::FollowsIndex(const Segment& segment, uint32_t i,
                           LastEntry* last_entry, std::string* reason) const {
  const bool continues = index_.IsContinuation(i);
  const uint64_t keys = index_.KeysBefore(i + 1) - index_.KeysBefore(i);
  if (segment.num_keys() != (continues ? 1 : keys) ||
      (continues && keys != 0) ||
      segment.num_entries() !=
          index_.EntriesBefore(i + 1) - index_.EntriesBefore(i)) {
    *reason = "its counts are not the index's";
    return false;
  }
  std::string first;
  std::string last;
  std::string begin;
  std::string end;
  if (!segment.KeyAt(0, &first) ||
      !segment.KeyAt(segment.num_keys() - 1, &last) || !index_.Bound(i, &end) ||
      (i != 0 && !index_.Bound(i - 1, &begin))) {
    *reason = "damaged trie";
    return false;
  }
  const bool within =
      index_.mirrored() ? last >= end && (i == 0 || continues || first < begin)
                        : last < end && (i == 0 || continues || first >= begin);
  if (!within) {
    *reason = "its keys are not within the index's bounds";
    return false;
  }
  if (continues) {
    if (first != last_entry->user_key || segment.Tag(0) >= last_entry->tag) {
      *reason = "it does not continue the key before it";
      return false;
    }
    if (segment.Tag(0) != index_.FirstTag(i)) {
      *reason = "its first tag is not the index's";
      return false;
    }
  } else if (i != 0 && internal_comparator_->user_comparator()->Compare(
                           last_entry->user_key, first) >= 0) {
    *reason = "its keys do not follow the segment before";
    return false;
  }
  last_entry->user_key = std::move(last);
  last_entry->tag = segment.Tag(segment.num_entries() - 1);
  return true;
}

Status FstFile::VerifySegment(const BlockReadContext& segment_context,
                              const BlockReadContext& context, uint32_t i,
                              LastEntry* last_entry) const {
  SegmentEntry entry;
  Status s = store_.GetSegment(segment_context, index_, i, &entry);
  if (!s.ok()) return s;
  const Segment& segment = entry.GetValue()->segment();
  std::string reason;
  if (!segment.Validate(&reason) ||
      !FollowsIndex(segment, i, last_entry, &reason)) {
    return CorruptSegment(i, reason);
  }
  for (uint32_t b = 0; b < segment.num_value_blocks(); ++b) {
    ValueEntry values;
    s = store_.GetValues(context, segment, b, &values);
    if (!s.ok()) return s;
    if (!values.GetValue()->values().Validate(&reason)) {
      return store_.Corrupt(segment.ValueBlockLocation(b).offset, reason);
    }
  }
  return s;
}

Status FstFile::VerifySegments(const ReadOptions& read_options) const {
  const size_t readahead = read_options.readahead_size != 0
                               ? read_options.readahead_size
                               : settings_.max_auto_readahead_size;
  const bool mapped = store_.ioptions().allow_mmap_reads;
  // As in an iterator.
  FilePrefetchBuffer values_ahead = compat::ReadAhead({readahead, readahead});
  FilePrefetchBuffer segments_ahead = compat::ReadAhead({readahead, readahead});
  BlockReadContext context{read_options};
  context.prefetch_buffer = mapped ? nullptr : &values_ahead;
  context.bypass_cache = true;
  BlockReadContext segment_context = context;
  LastEntry last_entry;
  for (uint32_t i = 0; i < index_.num_segments(); ++i) {
    segment_context.prefetch_buffer =
        !mapped && store_.IsContiguous(index_, i) ? &segments_ahead : nullptr;
    const Status s = VerifySegment(segment_context, context, i, &last_entry);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

Status FstFile::Verify(const ReadOptions& read_options) const {
  ReadOptions ro = read_options;
  ro.verify_checksums = true;
  ro.read_tier = ROCKSDB_NAMESPACE::kReadAllTier;
  Status s = VerifySegments(ro);
  if (!s.ok()) return s;
  BlockReadContext context{ro};
  context.bypass_cache = true;
  BlockContents contents;
  s = store_.ReadRaw(context, directory_.index, BlockType::kIndex, &contents);
  if (!s.ok()) return s;
  FileIndex index;
  std::string reason;
  if (!FileIndex::Open(contents.data.ToStringView(), &index, &reason) ||
      !index.Validate(&reason)) {
    return store_.Corrupt(directory_.index.offset(), reason);
  }
  if (directory_.filter.size() != 0) {
    s = store_.ReadRaw(context, directory_.filter, BlockType::kFilter,
                       &contents);
    if (!s.ok()) return s;
  }
  if (directory_.tokens.size() != 0) {
    s = store_.ReadRaw(context, directory_.tokens, BlockType::kData, &contents);
    if (!s.ok()) return s;
    if (!key_trie::Tokens().Open(contents.data.ToStringView(), &reason)) {
      return store_.Corrupt(directory_.tokens.offset(), reason);
    }
  }
  if (!range_del_handle_.IsNull()) {
    s = store_.ReadRaw(context, range_del_handle_, BlockType::kRangeDeletion,
                       &contents);
    if (!s.ok()) return s;
  }
  std::unique_ptr<TableProperties> properties;
  s = FetchProperties(context, &properties);
  if (!s.ok()) return s;
  return store_.ReadRaw(context, store_.footer().metaindex_handle(),
                        BlockType::kMetaIndex, &contents);
}

}  // namespace memkv
