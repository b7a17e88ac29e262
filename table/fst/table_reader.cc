// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_reader.h"

#include <algorithm>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "memory/arena.h"
#include "rocksdb/convenience.h"  // RangePtr, or
#include "rocksdb/db.h"           // that
#include "table/fst/table_iterator.h"

namespace memkv {

using ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator;
using ROCKSDB_NAMESPACE::InternalIterator;
using ROCKSDB_NAMESPACE::ParsedInternalKey;
using ROCKSDB_NAMESPACE::RangePtr;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableReader;
using ROCKSDB_NAMESPACE::TableReaderCaller;

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

FstTableReader::FstTableReader(std::unique_ptr<const FstFile> file)
    : file_(std::move(file)) {
  OpenReaders& open = OpenReaders::Get();
  const std::lock_guard<std::mutex> lock(open.mutex);
  open.readers.insert(this);
}

FstTableReader::~FstTableReader() {
  OpenReaders& open = OpenReaders::Get();
  const std::lock_guard<std::mutex> lock(open.mutex);
  open.readers.erase(this);
}

InternalIterator* FstTableReader::NewIterator(
    const ReadOptions& read_options, const SliceTransform* prefix_extractor,
    ROCKSDB_NAMESPACE::Arena* arena, bool skip_filters,
    TableReaderCaller caller, size_t compaction_readahead_size,
    bool allow_unprepared_value) {
  if (!file_->order_status().ok() && caller != TableReaderCaller::kRepair) {
    return ROCKSDB_NAMESPACE::NewErrorInternalIterator<Slice>(
        file_->order_status(), arena);
  }
  const FileFilter::Seeks filtered_seeks =
      skip_filters
          ? FileFilter::Seeks::kNone
          : file_->filter().SeeksThatAsk(read_options, prefix_extractor);
  if (arena == nullptr) {
    return new FstTableIterator(*file_, read_options, filtered_seeks, caller,
                                compaction_readahead_size,
                                allow_unprepared_value);
  }
  // A cursor holds vectors, which ask for more than an arena aligns to.
  size_t space = sizeof(FstTableIterator) + alignof(FstTableIterator) - 1;
  void* memory = arena->AllocateAligned(space);
  memory = std::align(alignof(FstTableIterator), sizeof(FstTableIterator),
                      memory, space);
  return new (memory)
      FstTableIterator(*file_, read_options, filtered_seeks, caller,
                       compaction_readahead_size, allow_unprepared_value);
}

FragmentedRangeTombstoneIterator* FstTableReader::RangeTombstones(
    SequenceNumber read_seqno, const Slice* timestamp) {
  if (file_->range_deletions() == nullptr) return nullptr;
  return new FragmentedRangeTombstoneIterator(file_->range_deletions(),
                                              file_->internal_comparator(),
                                              read_seqno, timestamp);
}

Status FstTableReader::KeysBefore(const BlockReadContext& context,
                                  const Slice& user_key, uint64_t* keys) const {
  const FileIndex& index = file_->index();
  const std::string_view key = user_key.ToStringView();
  const uint32_t i = index.SegmentFor(key);
  if (i == FileIndex::kCorrupt) return file_->CorruptIndex();
  *keys = index.KeysBefore(i);
  if (i == index.num_segments()) return Status::OK();
  SegmentEntry entry;
  Status s = file_->store().GetSegment(context, index, i, &entry);
  if (!s.ok()) return s;
  const uint32_t before = entry.GetValue()->segment().KeysBefore(key);
  if (before == Segment::kCorrupt) {
    return file_->CorruptSegment(i, "damaged trie");
  }
  *keys += before;
  return s;
}

Status FstTableReader::PositionOf(const ReadOptions& read_options,
                                  const Slice& user_key,
                                  KeyPosition* position) const {
  const FileIndex& index = file_->index();
  const key_trie::SoughtKey key(user_key.ToStringView());
  *position = KeyPosition();
  const uint32_t i = index.SegmentFor(key);
  if (i == FileIndex::kCorrupt) return file_->CorruptIndex();
  position->before = index.KeysBefore(i);
  if (i == index.num_segments()) return Status::OK();
  SegmentEntry entry;
  Status s = file_->store().GetSegment(BlockReadContext{read_options}, index, i,
                                       &entry);
  if (!s.ok()) return s;
  const Segment& segment = entry.GetValue()->segment();
  uint32_t before = segment.FindKey(key);
  position->present = before < segment.num_keys();
  if (before == Segment::kNotFound) before = segment.KeysBefore(key.view());
  uint32_t begin = 0;
  uint32_t end = 0;
  if (before == Segment::kCorrupt ||
      (position->present && !segment.EntriesOf(before, &begin, &end))) {
    return file_->CorruptSegment(i, "damaged trie or entries");
  }
  position->before += before;
  if (position->present) position->tag = file_->EffectiveTag(segment, begin);
  return s;
}

Status FstTableReader::KeyAt(const ReadOptions& read_options, uint64_t before,
                             std::string* user_key) const {
  const FileIndex& index = file_->index();
  // The last segment that so many keys, or fewer, come before.
  uint32_t i = 0;
  for (uint32_t n = index.num_segments(); n > 1;) {
    const uint32_t half = n / 2;
    if (index.KeysBefore(i + half) <= before) i += half;
    n -= half;
  }
  SegmentEntry entry;
  const Status s = file_->store().GetSegment(BlockReadContext{read_options},
                                             index, i, &entry);
  if (!s.ok()) return s;
  const Segment& segment = entry.GetValue()->segment();
  const uint64_t k = before - index.KeysBefore(i);
  if (k >= segment.num_keys() ||
      !segment.KeyAt(static_cast<uint32_t>(k), user_key)) {
    return file_->CorruptSegment(i, "damaged trie");
  }
  return s;
}

Status FstTableReader::CountKeys(const ReadOptions& read_options,
                                 const RangePtr& range, uint64_t* count) const {
  const FileIndex& index = file_->index();
  const BlockReadContext context{read_options};
  uint64_t begin = 0;
  uint64_t end = index.KeysBefore(index.num_segments());
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
  const FileIndex& index = file_->index();
  const std::string_view user_key =
      ROCKSDB_NAMESPACE::ExtractUserKey(internal_key).ToStringView();
  const uint32_t i = index.SegmentFor(user_key);
  const uint64_t all = DataBytes();
  if (i >= index.num_segments()) return all;
  // Of a damaged index they need not ascend.
  const uint64_t begin = std::min(index.BytesBefore(i), all);
  const uint64_t end = std::clamp(index.BytesBefore(i + 1), begin, all);
  SegmentEntry entry;
  if (!file_->store().GetSegment(context, index, i, &entry).ok()) {
    return begin + (end - begin) / 2;
  }
  const Segment& segment = entry.GetValue()->segment();
  const uint32_t before = segment.KeysBefore(user_key);
  if (before > segment.num_keys()) return begin + (end - begin) / 2;
  if (before == segment.num_keys()) {
    return std::min(index.BytesBefore(index.NextGroup(i)), all);
  }
  return begin + segment.StoredBytesBefore(before, end - begin);
}

uint64_t FstTableReader::OffsetOf(const ReadOptions& read_options,
                                  const Slice& internal_key) const {
  // Only range deletions: as BlockBasedTable, neither end.
  if (DataBytes() == 0) return file_->size() / 2;
  // The file's metadata is spread over its data in proportion.
  const BlockReadContext context{read_options};
  return static_cast<uint64_t>(
      static_cast<double>(DataBytesBefore(context, internal_key)) /
      static_cast<double>(DataBytes()) * static_cast<double>(file_->size()));
}

uint64_t FstTableReader::SizeBetween(const ReadOptions& read_options,
                                     const Slice& start,
                                     const Slice& end) const {
  if (DataBytes() == 0) return file_->size();
  const uint64_t from = OffsetOf(read_options, start);
  const uint64_t to = OffsetOf(read_options, end);
  return to > from ? to - from : 0;
}

namespace {

// RocksDB makes a compaction as many subcompactions, which are threads, as the
// inputs' ranges are times the target size of files, up to max_subcompactions.
// What they share is the work, and that is by keys and values, not by what is
// left of them in a file: by that, memkv would get a third of stock's threads
// for the same entries.  So ranges are as large as their entries.
// How many times as large they are as what is stored of them.
double EntriesToStored(const ROCKSDB_NAMESPACE::TableProperties& properties,
                       uint64_t stored) {
  // Whatever a damaged file says.
  constexpr double kMost = 1e15;
  const double entries =
      std::min(kMost, static_cast<double>(properties.raw_key_size) +
                          static_cast<double>(properties.raw_value_size));
  return std::max(1.0,
                  entries / static_cast<double>(std::max<uint64_t>(1, stored)));
}

}  // namespace

Status FstTableReader::ApproximateKeyAnchors(const ReadOptions& read_options,
                                             std::vector<Anchor>& anchors) {
  const FileIndex& index = file_->index();
  constexpr uint32_t kAnchors = 128;
  const uint32_t segments = index.num_segments();
  if (segments == 0) return Status::OK();
  // A compaction asks, whose inputs go.
  ReadOptions once(read_options);
  once.fill_cache = false;
  const BlockReadContext context{once};
  // Many segments: every step-th is an anchor.  Few: several keys of each are.
  const uint32_t per_segment = std::max(1u, kAnchors / segments);
  const uint32_t step = std::max(1u, segments / kAnchors);
  const double scale =
      EntriesToStored(*file_->properties(), index.BytesBefore(segments));
  const auto scaled = [scale](uint64_t bytes) {
    return static_cast<uint64_t>(scale * static_cast<double>(bytes));
  };
  uint64_t done = 0;
  const auto add = [&](const std::string& key, uint64_t at) {
    const uint64_t size = scaled(at) - scaled(done);
    if (!anchors.empty() && anchors.back().user_key == key) {
      anchors.back().range_size += size;
    } else {
      anchors.emplace_back(key, size);
    }
    done = at;
  };
  for (uint32_t i = 0; i < segments; ++i) {
    const bool last = i + 1 == segments;
    if ((i + 1) % step != 0 && !last) continue;
    // Of a damaged index they need not ascend.
    const uint64_t end = std::max(index.BytesBefore(i + 1), done);
    const uint64_t begin = std::min(index.BytesBefore(i), end);
    std::string key;
    SegmentEntry entry;
    if (last || per_segment > 1) {
      const Status s = file_->store().GetSegment(context, index, i, &entry);
      if (!s.ok()) return s;
      const Segment& segment = entry.GetValue()->segment();
      // Of a continuation there is none: its key began before it.
      for (uint32_t a = 1; a < per_segment; ++a) {
        const auto k = static_cast<uint32_t>(uint64_t{segment.num_keys()} * a /
                                             per_segment);
        if (k == 0) continue;
        if (!segment.KeyAt(k - 1, &key)) {
          return file_->CorruptSegment(i, "damaged trie");
        }
        add(key,
            std::max(done, begin + segment.StoredBytesBefore(k, end - begin)));
      }
    }
    // A key's segments have no anchor between them.
    if (!last && index.IsContinuation(i + 1)) continue;
    if (!last) {
      if (!index.Bound(i, &key)) return file_->CorruptIndex();
    } else {
      const Segment& segment = entry.GetValue()->segment();
      if (!segment.KeyAt(segment.num_keys() - 1, &key)) {
        return file_->CorruptSegment(i, "damaged trie");
      }
    }
    add(key, end);
  }
  return Status::OK();
}

size_t FstTableReader::ApproximateMemoryUsage() const {
  return sizeof(*this) + file_->MemoryUsage();
}

Status FstTableReader::Dump(ROCKSDB_NAMESPACE::WritableFile* out) {
  const FileIndex& index = file_->index();
  std::string text =
      "FST table " + file_->store().file()->file_name() + "\n  " +
      file_->store().footer().ToString() + "\nTable properties\n  " +
      file_->properties()->ToString("\n  ", ": ") + "\nSegments\n";
  for (uint32_t i = 0; i < index.num_segments(); ++i) {
    std::string bound;
    if (!index.Bound(i, &bound)) return file_->CorruptIndex();
    text +=
        "  " + std::to_string(i) + ": offset " +
        std::to_string(index.Location(i).offset) + ", size " +
        std::to_string(index.Location(i).size) + ", keys " +
        std::to_string(index.KeysBefore(i + 1) - index.KeysBefore(i)) +
        ", entries " +
        std::to_string(index.EntriesBefore(i + 1) - index.EntriesBefore(i)) +
        ", bound " + Slice(bound).ToString(/*hex=*/true) +
        (index.IsContinuation(i) ? ", a continuation\n" : "\n");
  }
  Status s = out->Append(text);
  if (!s.ok()) return s;
  const ReadOptions ro;
  FstTableIterator iter(*file_, ro, FileFilter::Seeks::kNone,
                        TableReaderCaller::kSSTDumpTool,
                        /*compaction_readahead_size=*/0,
                        /*allow_unprepared_value=*/false);
  for (iter.SeekToFirst(); s.ok() && iter.Valid(); iter.Next()) {
    ParsedInternalKey parsed;
    s = ROCKSDB_NAMESPACE::ParseInternalKey(iter.key(), &parsed,
                                            /*log_err_key=*/true);
    if (s.ok()) {
      s = out->Append(parsed.DebugString(/*log_err_key=*/true, /*hex=*/true) +
                      " => " + iter.value().ToString(/*hex=*/true) + "\n");
    }
  }
  return s.ok() ? iter.status() : s;
}

}  // namespace memkv
