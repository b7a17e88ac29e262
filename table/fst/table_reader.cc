// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_reader.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_set>

#include "memory/arena.h"
#include "table/fst/table_iterator.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Cleanable;
using ROCKSDB_NAMESPACE::Footer;
using ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator;
using ROCKSDB_NAMESPACE::InternalIterator;
using ROCKSDB_NAMESPACE::kDisableGlobalSequenceNumber;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::RandomAccessFileReader;
using ROCKSDB_NAMESPACE::RangePtr;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableReader;
using ROCKSDB_NAMESPACE::TableReaderCaller;
using ROCKSDB_NAMESPACE::TableReaderOptions;
using ROCKSDB_NAMESPACE::ValueType;

namespace {

// The readers that are open in this process.
struct OpenReaders {
  std::mutex mutex;
  std::unordered_set<const TableReader*> readers;  // guarded by mutex

  // Never destroyed: a reader may be closed while the process ends.
  static OpenReaders& Get() {
    static auto* const open = new OpenReaders;
    return *open;
  }
};

}  // namespace

const FstTableReader* FstTableReader::From(const TableReader& reader) {
  OpenReaders& open = OpenReaders::Get();
  const std::lock_guard<std::mutex> lock(open.mutex);
  return open.readers.count(&reader) == 0
             ? nullptr
             : static_cast<const FstTableReader*>(&reader);
}

FstTableReader::~FstTableReader() {
  OpenReaders& open = OpenReaders::Get();
  const std::lock_guard<std::mutex> lock(open.mutex);
  open.readers.erase(this);
}

FstTableReader::FstTableReader(const Settings& settings,
                               const TableReaderOptions& options,
                               std::unique_ptr<RandomAccessFileReader>&& file,
                               uint64_t file_size, const Footer& footer)
    : settings_(settings),
      internal_comparator_(&options.internal_comparator),
      file_size_(file_size),
      store_(options.ioptions, settings.block_cache, settings.index_priority,
             std::move(file), footer),
      filter_(store_, options.level) {
  OpenReaders& open = OpenReaders::Get();
  const std::lock_guard<std::mutex> lock(open.mutex);
  open.readers.insert(this);
}

InternalIterator* FstTableReader::NewIterator(
    const ReadOptions& read_options, const SliceTransform* prefix_extractor,
    ROCKSDB_NAMESPACE::Arena* arena, bool skip_filters,
    TableReaderCaller caller, size_t compaction_readahead_size,
    bool allow_unprepared_value) {
  if (!order_status_.ok() && caller != TableReaderCaller::kRepair) {
    return ROCKSDB_NAMESPACE::NewErrorInternalIterator<Slice>(order_status_,
                                                              arena);
  }
  const FileFilter::Seeks filtered_seeks =
      skip_filters ? FileFilter::Seeks::kNone
                   : filter_.SeeksThatAsk(read_options, prefix_extractor);
  if (arena == nullptr) {
    return new FstTableIterator(*this, read_options, filtered_seeks, caller,
                                compaction_readahead_size,
                                allow_unprepared_value);
  }
  // A cursor holds vectors, which ask for more than an arena aligns to.
  size_t space = sizeof(FstTableIterator) + alignof(FstTableIterator) - 1;
  void* memory = arena->AllocateAligned(space);
  memory = std::align(alignof(FstTableIterator), sizeof(FstTableIterator),
                      memory, space);
  return new (memory)
      FstTableIterator(*this, read_options, filtered_seeks, caller,
                       compaction_readahead_size, allow_unprepared_value);
}

FragmentedRangeTombstoneIterator* FstTableReader::NewRangeTombstoneIterator(
    const ReadOptions& read_options) {
  const SequenceNumber seqno = read_options.snapshot != nullptr
                                   ? read_options.snapshot->GetSequenceNumber()
                                   : kMaxSequenceNumber;
  return NewRangeTombstoneIterator(seqno, read_options.timestamp);
}

FragmentedRangeTombstoneIterator* FstTableReader::NewRangeTombstoneIterator(
    SequenceNumber read_seqno, const Slice* timestamp) {
  if (range_dels_ == nullptr) return nullptr;
  return new FragmentedRangeTombstoneIterator(
      range_dels_, *internal_comparator_, read_seqno, timestamp);
}

uint64_t FstTableReader::EffectiveTag(const Segment& segment,
                                      uint32_t e) const {
  const uint64_t tag = segment.Tag(e);
  if (global_seqno_ == kDisableGlobalSequenceNumber) return tag;
  return ROCKSDB_NAMESPACE::PackSequenceAndType(
      global_seqno_, static_cast<ValueType>(tag & 0xff));
}

uint32_t FstTableReader::SeekEntry(const Segment& segment, uint32_t begin,
                                   uint32_t end, uint64_t tag) const {
  if (global_seqno_ == kDisableGlobalSequenceNumber) {
    return segment.SeekEntry(begin, end, tag);
  }
  while (begin < end && EffectiveTag(segment, begin) > tag) ++begin;
  return begin;
}

Status FstTableReader::ReadValue(const BlockReadContext& context, uint32_t i,
                                 const Segment& segment, uint32_t e,
                                 ValueEntry* block, uint32_t* block_number,
                                 Cleanable* pinner, Slice* value) const {
  std::string_view bytes;
  uint64_t at;
  bool found;
  if (segment.values_inline()) {
    at = index_.Location(i).offset;
    found = segment.InlineValue(e, &bytes);
  } else {
    // A scan mostly stays in its block, and need not search for it.
    uint32_t b = *block_number;
    const bool same_block = block->GetValue() != nullptr &&
                            e >= segment.ValueBlockFirstEntry(b) &&
                            e < segment.ValueBlockFirstEntry(b + 1);
    if (!same_block) b = segment.ValueBlockOf(e);
    at = segment.ValueBlockLocation(b).offset;
    if (!same_block) {
      ReleaseTo(pinner, block);
      const Status s = store_.GetValues(context, segment, b, block);
      if (!s.ok()) return s;
      *block_number = b;
    }
    const ValueRunView& values = block->GetValue()->values();
    const uint32_t first = segment.ValueBlockFirstEntry(b);
    found = e >= first && e - first < values.size() &&
            values.Get(e - first, &bytes);
  }
  if (!found) {
    return store_.Corrupt(
        at, "value of entry " + std::to_string(e) + " lies outside it");
  }
  // RocksDB cuts the preferred sequence number off without a look at the size.
  if ((segment.Tag(e) & 0xff) == ROCKSDB_NAMESPACE::kTypeValuePreferredSeqno &&
      bytes.size() < sizeof(uint64_t)) {
    return store_.Corrupt(at, "a preferred sequence number in " +
                                  std::to_string(bytes.size()) +
                                  " bytes, expected 8 or more");
  }
  *value = Slice(bytes.data(), bytes.size());
  return Status::OK();
}

Status FstTableReader::CorruptSegment(uint32_t i,
                                      const std::string& what) const {
  return store_.Corrupt(index_.Location(i).offset, "segment: " + what);
}

Status FstTableReader::CorruptIndex() const {
  return store_.Corrupt(directory_.index.offset(), "index: damaged trie");
}

Status FstTableReader::KeysBefore(const BlockReadContext& context,
                                  const Slice& user_key, uint64_t* keys) const {
  const std::string_view key = user_key.ToStringView();
  const uint32_t i = index_.SegmentFor(key);
  if (i == FileIndex::kCorrupt) return CorruptIndex();
  *keys = index_.KeysBefore(i);
  if (i == index_.num_segments()) return Status::OK();
  SegmentEntry entry;
  Status s = store_.GetSegment(context, index_, i, &entry);
  if (!s.ok()) return s;
  const uint32_t before = entry.GetValue()->segment().KeysBefore(key);
  if (before == Segment::kCorrupt) return CorruptSegment(i, "damaged trie");
  *keys += before;
  return s;
}

Status FstTableReader::CountKeys(const ReadOptions& read_options,
                                 const RangePtr& range, uint64_t* count) const {
  const BlockReadContext context{read_options};
  uint64_t begin = 0;
  uint64_t end = index_.KeysBefore(index_.num_segments());
  Status s;
  if (range.start != nullptr) {
    s = KeysBefore(context, *range.start, &begin);
  }
  if (s.ok() && range.limit != nullptr) {
    s = KeysBefore(context, *range.limit, &end);
  }
  *count = end > begin ? end - begin : 0;
  return s;
}

uint64_t FstTableReader::DataBytesBefore(const BlockReadContext& context,
                                         const Slice& internal_key) const {
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(internal_key).ToStringView();
  const uint32_t i = index_.SegmentFor(user_key);
  if (i >= index_.num_segments()) return DataBytes();
  const uint64_t begin = index_.BytesBefore(i);
  const uint64_t end = index_.BytesBefore(i + 1);
  SegmentEntry entry;
  if (!store_.GetSegment(context, index_, i, &entry).ok()) {
    return begin + (end - begin) / 2;
  }
  const Segment& segment = entry.GetValue()->segment();
  const uint32_t before = segment.KeysBefore(user_key);
  if (before > segment.num_keys()) return begin + (end - begin) / 2;
  if (before == segment.num_keys()) {
    return index_.BytesBefore(index_.NextGroup(i));
  }
  return begin + segment.StoredBytesBefore(before, end - begin);
}

uint64_t FstTableReader::ApproximateOffsetOf(const ReadOptions& read_options,
                                             const Slice& internal_key,
                                             TableReaderCaller /*caller*/) {
  // Only range deletions: as BlockBasedTable, neither end.
  if (DataBytes() == 0) return file_size_ / 2;
  // The file's metadata is spread over its data in proportion.
  const BlockReadContext context{read_options};
  return static_cast<uint64_t>(
      static_cast<double>(DataBytesBefore(context, internal_key)) /
      static_cast<double>(DataBytes()) * static_cast<double>(file_size_));
}

uint64_t FstTableReader::ApproximateSize(const ReadOptions& read_options,
                                         const Slice& start, const Slice& end,
                                         TableReaderCaller caller) {
  if (DataBytes() == 0) return file_size_;
  const uint64_t from = ApproximateOffsetOf(read_options, start, caller);
  const uint64_t to = ApproximateOffsetOf(read_options, end, caller);
  return to > from ? to - from : 0;
}

Status FstTableReader::ApproximateKeyAnchors(const ReadOptions& read_options,
                                             std::vector<Anchor>& anchors) {
  constexpr uint32_t kAnchors = 128;
  const uint32_t segments = index_.num_segments();
  if (segments == 0) return Status::OK();
  const BlockReadContext context{read_options};
  // Many segments: every step-th is an anchor.  Few: several keys of each are.
  const uint32_t per_segment = std::max(1u, kAnchors / segments);
  const uint32_t step = std::max(1u, segments / kAnchors);
  uint64_t done = 0;
  const auto add = [&](const std::string& key, uint64_t at) {
    if (!anchors.empty() && anchors.back().user_key == key) {
      anchors.back().range_size += at - done;
    } else {
      anchors.emplace_back(key, at - done);
    }
    done = at;
  };
  for (uint32_t i = 0; i < segments; ++i) {
    const bool last = i + 1 == segments;
    if ((i + 1) % step != 0 && !last) continue;
    const uint64_t begin = index_.BytesBefore(i);
    const uint64_t end = index_.BytesBefore(i + 1);
    std::string key;
    SegmentEntry entry;
    if (last || per_segment > 1) {
      const Status s = store_.GetSegment(context, index_, i, &entry);
      if (!s.ok()) return s;
      const Segment& segment = entry.GetValue()->segment();
      // Of a continuation there is none: its key began before it.
      for (uint32_t a = 1; a < per_segment; ++a) {
        const auto k = static_cast<uint32_t>(uint64_t{segment.num_keys()} * a /
                                             per_segment);
        if (k == 0) continue;
        if (!segment.KeyAt(k - 1, &key)) {
          return CorruptSegment(i, "damaged trie");
        }
        add(key,
            std::max(done, begin + segment.StoredBytesBefore(k, end - begin)));
      }
    }
    // A key's segments have no anchor between them.
    if (!last && index_.IsContinuation(i + 1)) continue;
    if (!last) {
      if (!index_.Bound(i, &key)) return CorruptIndex();
    } else {
      const Segment& segment = entry.GetValue()->segment();
      if (!segment.KeyAt(segment.num_keys() - 1, &key)) {
        return CorruptSegment(i, "damaged trie");
      }
    }
    add(key, end);
  }
  return Status::OK();
}

size_t FstTableReader::ApproximateMemoryUsage() const {
  return sizeof(*this) + store_.pinned_bytes() +
         index_contents_.ApproximateMemoryUsage() +
         (properties_ != nullptr ? properties_->ApproximateMemoryUsage() : 0);
}

}  // namespace memkv
