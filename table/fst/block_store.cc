// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/block_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <type_traits>

#include "compat/compression.h"
#include "compat/file_io.h"
#include "compat/statistics.h"
#include "options/cf_options.h"
#include "table/fst/blocks_together.h"
#include "table/multiget_context.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockContents;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::BlockType;
using ROCKSDB_NAMESPACE::CachableEntry;
using ROCKSDB_NAMESPACE::CacheKey;
using ROCKSDB_NAMESPACE::CompressionType;
using ROCKSDB_NAMESPACE::MemoryAllocator;
using ROCKSDB_NAMESPACE::perf_context;  // for PERF_COUNTER_ADD
using ROCKSDB_NAMESPACE::PerfStepTimer;
using ROCKSDB_NAMESPACE::RecordTick;
using ROCKSDB_NAMESPACE::Status;

namespace {

// As what a kind of block is counted: segments count as index blocks, for they
// take an index's place.
struct Tickers {
  BlockType type;
  ROCKSDB_NAMESPACE::Tickers hit, miss, add, bytes_insert;
};
template <typename TBlock>
constexpr Tickers TickersOf() {
  if constexpr (std::is_same_v<TBlock, SegmentBlock>) {
    return {BlockType::kIndex, ROCKSDB_NAMESPACE::BLOCK_CACHE_INDEX_HIT,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_INDEX_MISS,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_INDEX_ADD,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_INDEX_BYTES_INSERT};
  } else if constexpr (std::is_same_v<TBlock, FilterBlock>) {
    return {BlockType::kFilter, ROCKSDB_NAMESPACE::BLOCK_CACHE_FILTER_HIT,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_FILTER_MISS,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_FILTER_ADD,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_FILTER_BYTES_INSERT};
  } else {
    return {BlockType::kData, ROCKSDB_NAMESPACE::BLOCK_CACHE_DATA_HIT,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_DATA_MISS,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_DATA_ADD,
            ROCKSDB_NAMESPACE::BLOCK_CACHE_DATA_BYTES_INSERT};
  }
}

// Blocks are at least 5 bytes long with their trailer, so the two lowest bits
// of an offset do not tell blocks apart (as in BlockBasedTable::GetCacheKey).
CacheKey KeyOf(const ROCKSDB_NAMESPACE::OffsetableCacheKey& base,
               const BlockHandle& handle) {
  return base.WithOffset(handle.offset() >> 2);
}

BlockHandle HandleOf(const FileIndex& index, uint32_t i) {
  const BlockLocation at = index.Location(i);
  return {at.offset, at.size};
}

// What is made of a block, in two functions: of its bytes; and whether one that
// was made already is that.  In a damaged file a block may have been read as
// another one.

// A segment of a file with that token table, of that store.
struct SegmentParser {
  SegmentParser(const FileIndex& index, const key_trie::Tokens* table,
                uint64_t of)
      : mirrored(index.mirrored()), tokens(table), store(of) {}
  bool operator()(SegmentBlock* block, std::string* reason) const {
    return block->Parse(mirrored, tokens, store, reason);
  }
  bool Made(const SegmentBlock& /*block*/) const { return true; }

  bool mirrored;
  const key_trie::Tokens* tokens;
  uint64_t store;
};

struct ValueParser {
  bool operator()(ValueBlock* block, std::string* reason) const {
    return block->Parse(num_values, reason);
  }
  bool Made(const ValueBlock& block) const {
    return block.values().size() == num_values;
  }

  size_t num_values;
};

struct FilterParser {
  bool operator()(FilterBlock* block, std::string* reason) const {
    return block->Parse(policy, reason);
  }
  bool Made(const FilterBlock& /*block*/) const { return true; }

  const ROCKSDB_NAMESPACE::FilterPolicy& policy;
};

// Where value block b of a segment is, and how many values it should hold, 0
// if the segment's bytes are damaged.
struct ValueBlockPlace {
  BlockHandle handle;
  size_t num_values = 0;
};
ValueBlockPlace PlaceOf(const Segment& segment, uint32_t b) {
  const BlockLocation at = segment.ValueBlockLocation(b);
  const uint32_t begin = segment.ValueBlockFirstEntry(b);
  const uint32_t end = segment.ValueBlockFirstEntry(b + 1);
  return {BlockHandle(at.offset, at.size), begin < end ? end - begin : 0};
}

// Blocks lie before the end of the metaindex.
uint64_t BlocksEnd(const ROCKSDB_NAMESPACE::Footer& footer) {
  return footer.metaindex_handle().offset() + footer.metaindex_handle().size();
}

// Of a batch.
constexpr size_t kMostTogether =
    ROCKSDB_NAMESPACE::MultiGetContext::MAX_BATCH_SIZE;

}  // namespace

bool FileBlockStore::LiesInFile(const BlockHandle& handle) const {
  const uint64_t end = BlocksEnd(footer_);
  return handle.offset() <= end && handle.size() <= end - handle.offset();
}

Status FileBlockStore::Corrupt(uint64_t offset, const std::string& what) const {
  return Status::Corruption(file_->file_name() + ": block at offset " +
                            std::to_string(offset) + ": " + what);
}

Status FileBlockStore::ReadStored(const BlockReadContext& context,
                                  const BlockHandle& handle, BlockType type,
                                  MemoryAllocator* allocator,
                                  BlockContents* contents,
                                  CompressionType* compression) const {
  // A handle that was not written by a builder must not become a huge
  // allocation.
  if (!LiesInFile(handle)) {
    return Corrupt(handle.offset(), "its " + std::to_string(handle.size()) +
                                        " bytes reach beyond the metaindex, "
                                        "which ends at " +
                                        std::to_string(BlocksEnd(footer_)));
  }
  if (context.together != nullptr) {
    bool taken = false;
    const Status s = context.together->Take(handle, type, ioptions_.stats,
                                            contents, compression, &taken);
    if (!s.ok() || taken) return s;
  }
  if (context.block_end != nullptr) {
    *context.block_end =
        handle.offset() + handle.size() + footer_.GetBlockTrailerSize();
  }
  return compat::FetchStoredBlock(context.read_options, ioptions_, file_.get(),
                                  context.prefetch_buffer, footer_, handle,
                                  type, allocator, context.for_compaction,
                                  contents, compression);
}

Status FileBlockStore::ReadRaw(const BlockReadContext& context,
                               const BlockHandle& handle, BlockType type,
                               BlockContents* contents,
                               MemoryAllocator* allocator) const {
  CompressionType compression = ROCKSDB_NAMESPACE::kNoCompression;
  BlockContents stored;
  Status s =
      ReadStored(context, handle, type, allocator, &stored, &compression);
  if (!s.ok() || compression == ROCKSDB_NAMESPACE::kNoCompression) {
    *contents = std::move(stored);
    return s;
  }
  PERF_TIMER_GUARD(block_decompress_time);
  s = compat::Uncompress(stored.data, compression, footer_.format_version(),
                         ioptions_, allocator, contents);
  return s.IsCorruption() ? Corrupt(handle.offset(), s.ToString()) : s;
}

template <typename TBlock, typename ParseFn>
Status FileBlockStore::GetParsed(const BlockReadContext& context,
                                 const BlockHandle& handle,
                                 const ParseFn& parse,
                                 CachableEntry<TBlock>* entry) const {
  const Status s = FindParsed(context, handle, parse, entry);
  return s.ok() && entry->IsEmpty() ? LoadParsed(context, handle, parse, entry)
                                    : s;
}

template <typename TBlock, typename ParseFn>
Status FileBlockStore::FindParsed(const BlockReadContext& context,
                                  const BlockHandle& handle,
                                  const ParseFn& parse,
                                  CachableEntry<TBlock>* entry) const {
  if (!UsesCache(context)) return Status::OK();
  constexpr Tickers kTickers = TickersOf<TBlock>();
  ROCKSDB_NAMESPACE::Statistics* const stats = ioptions_.stats;
  compat::TypedCache<TBlock> cache(block_cache_.get());
  const CacheKey key = KeyOf(base_cache_key_, handle);
  auto* cached = cache.Lookup(key.AsSlice(), stats);
  if (cached != nullptr && !(compat::Holds<TBlock>(*block_cache_, cached) &&
                             parse.Made(*cache.Value(cached)))) {
    cache.Release(cached);
    cached = nullptr;
  }
  if (cached == nullptr) {
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_MISS);
    RecordTick(stats, kTickers.miss);
    return Status::OK();
  }
  RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_HIT);
  RecordTick(stats, kTickers.hit);
  const size_t usage = block_cache_->GetUsage(cached);
  RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_BYTES_READ, usage);
  compat::CountCacheHit(kTickers.type, usage);
  if constexpr (std::is_same_v<TBlock, SegmentBlock>) {
    if (cache.Value(cached)->store() != tokens_store_) {  // (B2)
      BlockContents contents = CopyOf(cache.Value(cached)->bytes(),
                                      block_cache_->memory_allocator());
      // Some caches keep an old entry when another of its key comes in.
      block_cache_->Erase(key.AsSlice());
      cache.Release(cached);
      return KeepParsed(context, handle, parse, std::move(contents), entry);
    }
  }
  entry->SetCachedValue(cache.Value(cached), block_cache_.get(), cached);
  return Status::OK();
}

template <typename TBlock, typename ParseFn>
Status FileBlockStore::LoadParsed(const BlockReadContext& context,
                                  const BlockHandle& handle,
                                  const ParseFn& parse,
                                  CachableEntry<TBlock>* entry) const {
  if (context.read_options.read_tier == ROCKSDB_NAMESPACE::kBlockCacheTier) {
    return Status::Incomplete("no blocking io");
  }
  BlockContents contents;
  const Status s =
      ReadRaw(context, handle, TickersOf<TBlock>().type, &contents,
              UsesCache(context) ? block_cache_->memory_allocator() : nullptr);
  return s.ok() ? KeepParsed(context, handle, parse, std::move(contents), entry)
                : s;
}

template <typename TBlock, typename ParseFn>
Status FileBlockStore::KeepParsed(const BlockReadContext& context,
                                  const BlockHandle& handle,
                                  const ParseFn& parse,
                                  BlockContents&& contents,
                                  CachableEntry<TBlock>* entry) const {
  auto block = std::make_unique<TBlock>(std::move(contents));
  std::string reason;
  if (!parse(block.get(), &reason)) return Corrupt(handle.offset(), reason);

  // A block in a mapped file must not outlive the file in the cache.
  if (!UsesCache(context) || !context.read_options.fill_cache ||
      !block->own_bytes()) {
    entry->SetOwnedValue(std::move(block));
    return Status::OK();
  }
  constexpr Tickers kTickers = TickersOf<TBlock>();
  ROCKSDB_NAMESPACE::Statistics* const stats = ioptions_.stats;
  compat::TypedCache<TBlock> cache(block_cache_.get());
  typename compat::TypedCache<TBlock>::TypedHandle* cached = nullptr;
  const size_t charge = block->ApproximateMemoryUsage();
  const Status s = cache.Insert(KeyOf(base_cache_key_, handle).AsSlice(),
                                block.get(), charge, &cached,
                                std::is_same_v<TBlock, ValueBlock>
                                    ? ROCKSDB_NAMESPACE::Cache::Priority::LOW
                                    : index_priority_);
  if (!s.ok()) {
    // A full cache with a strict limit: the read fails, as BlockBasedTable's
    // does.  The cache has not taken the block.
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_ADD_FAILURES);
    return s;
  }
  RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_ADD);
  RecordTick(stats, kTickers.add);
  RecordTick(stats, kTickers.bytes_insert, charge);
  RecordTick(stats, ROCKSDB_NAMESPACE::BLOCK_CACHE_BYTES_WRITE, charge);
  entry->SetCachedValue(block.release(), block_cache_.get(), cached);
  return s;
}

Status FileBlockStore::ReadTokens(const BlockReadContext& context,
                                  const BlockHandle& handle) {
  BlockContents contents;
  const Status s = ReadRaw(context, handle, BlockType::kData, &contents);
  if (!s.ok()) return s;
  auto tokens = std::make_shared<key_trie::Tokens>();
  std::string reason;
  if (!tokens->Open(contents.data.ToStringView(), &reason)) {
    return Corrupt(handle.offset(), reason);
  }
  tokens_ = std::move(tokens);
  static std::atomic<uint64_t> last_store{0};
  tokens_store_ = last_store.fetch_add(1, std::memory_order_relaxed) + 1;
  return s;
}

Status FileBlockStore::SetFilter(
    const BlockReadContext& context,
    std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> policy,
    const BlockHandle& handle, bool pin,
    std::unique_ptr<PinBudget::FilterShare> share) {
  filter_policy_ = std::move(policy);
  filter_handle_ = handle;
  pinned_filter_.Start(std::move(share));
  return pin || pinned_filter_.budgeted() ? PinFilter(context) : Status::OK();
}

Status FileBlockStore::PinFilter(const BlockReadContext& context) const {
  return pinned_filter_.Add([&](std::unique_ptr<FilterBlock>* out) {
    BlockContents contents;
    const Status s =
        ReadRaw(context, filter_handle_, BlockType::kFilter, &contents);
    if (!s.ok()) return s;
    auto block = std::make_unique<FilterBlock>(std::move(contents));
    std::string reason;
    if (!block->Parse(*filter_policy_, &reason)) {
      return Corrupt(filter_handle_.offset(), reason);
    }
    *out = std::move(block);
    return s;
  });
}

Status FileBlockStore::GetFilter(const BlockReadContext& context,
                                 FilterEntry* entry) const {
  if (!context.bypass_cache) {
    const ROCKSDB_NAMESPACE::ReadOptions& ro = context.read_options;
    FilterBlock* held = pinned_filter_.Find();
    if (held == nullptr && pinned_filter_.budgeted()) {
      // Not through the block cache: what is larger than a shard of it would be
      // read for every get.
      if (ro.read_tier != ROCKSDB_NAMESPACE::kBlockCacheTier && ro.fill_cache) {
        const Status s = PinFilter(context);
        if (!s.ok()) return s;
        held = pinned_filter_.Find();
      }
      if (held == nullptr) return Status::Incomplete("no room for the filter");
    }
    if (held != nullptr) {
      entry->SetUnownedValue(held);
      return Status::OK();
    }
  }
  return GetParsed<FilterBlock>(context, filter_handle_,
                                FilterParser{*filter_policy_}, entry);
}

bool FileBlockStore::IsContiguous(const FileIndex& index, uint32_t i) const {
  const auto follows = [&](uint32_t k) {
    const BlockLocation before = index.Location(k - 1);
    return before.offset + before.size + footer_.GetBlockTrailerSize() ==
           index.Location(k).offset;
  };
  return (i != 0 && follows(i)) ||
         (i + 1 < index.num_segments() && follows(i + 1));
}

Status FileBlockStore::PinSegments(const BlockReadContext& context,
                                   const FileIndex& index,
                                   uint64_t segment_bytes) {
  BlockReadContext alone = context;
  alone.prefetch_buffer = nullptr;
  pinned_.Start(index.num_segments(), segment_bytes, /*share=*/nullptr);
  for (uint32_t i = 0; i < index.num_segments(); ++i) {
    BlockContents contents;
    SegmentEntry entry;
    const Status s = PinSegment(IsContiguous(index, i) ? context : alone, index,
                                i, &contents, &entry);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

Status FileBlockStore::PinSegment(const BlockReadContext& context,
                                  const FileIndex& index, uint32_t i,
                                  BlockContents* contents,
                                  SegmentEntry* entry) const {
  const BlockHandle handle = HandleOf(index, i);
  const Status s = ReadRaw(context, handle, BlockType::kData, contents);
  if (!s.ok()) return s;
  std::string reason;
  pinned_.Add(i, contents, SegmentParser(index, tokens_.get(), tokens_store_),
              entry, &reason);
  return reason.empty() ? s : Corrupt(handle.offset(), reason);
}

Status FileBlockStore::LoadSegment(const BlockReadContext& context,
                                   const FileIndex& index, uint32_t i,
                                   SegmentEntry* entry) const {
  const BlockHandle handle = HandleOf(index, i);
  const SegmentParser parse(index, tokens_.get(), tokens_store_);
  Status s;
  if (MayPin(context, handle.size())) {
    BlockContents contents;
    s = PinSegment(context, index, i, &contents, entry);
    if (!s.ok() || !entry->IsEmpty()) return s;
    MemoryAllocator* const allocator =
        UsesCache(context) ? block_cache_->memory_allocator() : nullptr;
    if (contents.own_bytes() &&
        contents.allocation.get_deleter().allocator != allocator) {
      contents = CopyOf(contents.data, allocator);
    }
    s = KeepParsed(context, handle, parse, std::move(contents),
                   entry->cachable());
  } else {
    s = LoadParsed(context, handle, parse, entry->cachable());
  }
  // A full block cache with a strict limit refuses what it has no room for.
  if ((s.ok() || s.IsMemoryLimit()) && CountsAsUse(context)) {
    pinned_.CountUnheldRead();
  }
  return s;
}

Status FileBlockStore::FindSegment(const BlockReadContext& context,
                                   const FileIndex& index, uint32_t i,
                                   SegmentEntry* entry) const {
  if (!context.bypass_cache && pinned_.Find(i, CountsAsUse(context), entry)) {
    return Status::OK();
  }
  const BlockHandle handle = HandleOf(index, i);
  const SegmentParser parse(index, tokens_.get(), tokens_store_);
  const Status s = FindParsed(context, handle, parse, entry->cachable());
  if (!s.ok() || entry->IsEmpty() ||
      !MayPin(context, entry->GetValue()->ApproximateMemoryUsage())) {
    return s;
  }
  // There is room for it beside the block cache, where it need not stay then.
  BlockContents contents = CopyOf(entry->GetValue()->bytes(), nullptr);
  SegmentEntry pinned;
  std::string reason;  // none: it was parsed
  pinned_.Add(i, &contents, parse, &pinned, &reason);
  if (pinned.IsEmpty()) return s;
  block_cache_->Erase(KeyOf(base_cache_key_, handle).AsSlice());
  *entry = std::move(pinned);
  return s;
}

Status FileBlockStore::GetSegment(const BlockReadContext& context,
                                  const FileIndex& index, uint32_t i,
                                  SegmentEntry* entry) const {
  const Status s = FindSegment(context, index, i, entry);
  return s.ok() && entry->IsEmpty() ? LoadSegment(context, index, i, entry) : s;
}

bool FileBlockStore::ReadsTogether(const BlockReadContext& context,
                                   size_t n) const {
  // A mapped file answers without a call.
  return n > 1 && !ioptions_.allow_mmap_reads &&
         context.read_options.read_tier != ROCKSDB_NAMESPACE::kBlockCacheTier;
}

void FileBlockStore::ReadTogether(const BlockReadContext& context,
                                  BlocksTogether* together) const {
  together->Read(
      context.read_options, footer_, file_.get(),
      UsesCache(context) ? block_cache_->memory_allocator() : nullptr);
}

void FileBlockStore::GetSegments(const BlockReadContext& context,
                                 const FileIndex& index,
                                 const uint32_t* numbers, size_t n,
                                 SegmentEntry* entries,
                                 Status* statuses) const {
  const bool reads_together = ReadsTogether(context, n);
  std::optional<BlocksTogether> together;
  size_t missing = 0;
  for (size_t k = 0; k < n; ++k) {
    statuses[k] = FindSegment(context, index, numbers[k], &entries[k]);
    if (!statuses[k].ok() || !entries[k].IsEmpty()) continue;
    ++missing;
    const BlockHandle handle = HandleOf(index, numbers[k]);
    if (!reads_together || !LiesInFile(handle)) continue;
    if (!together.has_value()) together.emplace();
    together->Add(handle);
  }
  if (missing == 0) return;
  BlockReadContext with = context;
  if (together.has_value()) {
    ReadTogether(context, &*together);
    with.together = &*together;
  }
  for (size_t k = 0; k < n; ++k) {
    if (!statuses[k].ok() || !entries[k].IsEmpty()) continue;
    statuses[k] = LoadSegment(with, index, numbers[k], &entries[k]);
  }
}

bool FileBlockStore::IsCached(const BlockReadContext& context,
                              const BlockHandle& handle) const {
  if (!UsesCache(context)) return false;
  auto* const cached =
      block_cache_->Lookup(KeyOf(base_cache_key_, handle).AsSlice());
  if (cached == nullptr) return false;
  block_cache_->Release(cached);
  return true;
}

bool FileBlockStore::HasSegment(const BlockReadContext& context,
                                const FileIndex& index, uint32_t i) const {
  return HoldsSegment(i) || IsCached(context, HandleOf(index, i));
}

Status FileBlockStore::BeginSegment(
    const BlockReadContext& context, const FileIndex& index, uint32_t i,
    ROCKSDB_NAMESPACE::FilePrefetchBuffer* buffer) const {
  const BlockHandle handle = HandleOf(index, i);
  if (!LiesInFile(handle)) return Corrupt(handle.offset(), "not in the file");
  return compat::BeginPrefetch(
      context.read_options, file_.get(), handle.offset(),
      handle.size() + footer_.GetBlockTrailerSize(), buffer);
}

bool FileBlockStore::AddValues(const BlockReadContext& context,
                               const Segment& segment, uint32_t begin,
                               uint32_t end, BlocksTogether* together) const {
  for (uint32_t b = begin; b < end; ++b) {
    const ValueBlockPlace place = PlaceOf(segment, b);
    if (place.num_values == 0 || !LiesInFile(place.handle) ||
        IsCached(context, place.handle)) {
      continue;
    }
    if (!together->Add(place.handle)) return false;
  }
  return true;
}

Status FileBlockStore::GetValues(const BlockReadContext& context,
                                 const Segment& segment, uint32_t b,
                                 ValueEntry* entry) const {
  const ValueBlockPlace place = PlaceOf(segment, b);
  if (place.num_values == 0) {
    return Corrupt(place.handle.offset(), "value block holds no entries");
  }
  return GetParsed<ValueBlock>(context, place.handle,
                               ValueParser{place.num_values}, entry);
}

void FileBlockStore::GetValuesTogether(const BlockReadContext& context,
                                       const Segment* const* segments,
                                       const uint32_t* blocks, size_t n,
                                       ValueEntry* entries,
                                       Status* statuses) const {
  if (!ReadsTogether(context, n)) return;
  BlocksTogether together;
  std::array<bool, kMostTogether> missed = {};
  std::array<ValueBlockPlace, kMostTogether> places;
  for (size_t k = 0; k < n; ++k) {
    places[k] = PlaceOf(*segments[k], blocks[k]);
    const ValueBlockPlace& place = places[k];
    if (place.num_values == 0 || !LiesInFile(place.handle)) continue;
    statuses[k] = FindParsed(context, place.handle,
                             ValueParser{place.num_values}, &entries[k]);
    missed[k] = statuses[k].ok() && entries[k].IsEmpty();
    if (missed[k]) together.Add(place.handle);
  }
  ReadTogether(context, &together);
  BlockReadContext with = context;
  with.together = &together;
  for (size_t k = 0; k < n; ++k) {
    if (!missed[k]) continue;
    statuses[k] = LoadParsed(with, places[k].handle,
                             ValueParser{places[k].num_values}, &entries[k]);
  }
}

}  // namespace memkv
