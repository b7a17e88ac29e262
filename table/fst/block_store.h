// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The blocks of one open FST file: reads, verifies, uncompresses and parses
// them, and keeps them where the options say.  Value blocks always go through
// the block cache.  Segments do too (residency=cache), or are held from the
// beginning (pin) or from their first use on, as far as a budget goes (auto),
// until the file is closed or others are used more.  A filter is held, or goes
// through the block cache, or is held once a budget has room for it and is not
// asked before.
//
// Thread safety: ReadTokens(), SetFilter(), PinSegments() and
// PinSegmentsOnUse() come first; then every Get*() may be called from any
// thread.  All that changes then is in PinnedSegments and PinnedFilter.
//
// Lifetime: an entry keeps its block alive.  But that of a segment which stays
// until the file is closed, refers to the store, and that of a held one which
// does not, to its slots.  A FileBlockStore outlives the readers and iterators
// that use it (the table reader owns it); an iterator may be destroyed after it
// if it shares the slots.
//
// A segment in the block cache refers to the token table of the store that put
// it there, and may outlive it: the cache keeps segments of files that were
// closed.  It does no harm.
// (B1) The token table is followed only in a search or by a cursor, and those
//      are the reader's and the iterators' that got the segment from their own
//      store, which ends after them.  What a user may keep for longer, as
//      pinned values, are bytes of the block, and a block dies without a look
//      at the token table.
// (B2) GetSegment() returns no segment that refers to another store's
//      token table.  If the cache has one, because the file was opened again,
//      it makes one of the same bytes that refers to its own, and puts that in
//      its place.  Two stores are told apart by a number, not by the token
//      table's address, which may come back.

#pragma once

#include <memory>
#include <string>

#include "cache/cache_key.h"
#include "cache/cache_reservation_manager.h"
#include "file/random_access_file_reader.h"
#include "rocksdb/filter_policy.h"
#include "table/block_based/block_type.h"
#include "table/format.h"
#include "table/fst/blocks.h"
#include "table/fst/pinned_filter.h"
#include "table/fst/pinned_segments.h"
#include "table/fst/segment_entry.h"
#include "table/key_trie/tokens.h"
#include "table/segment/file_index.h"

namespace memkv {

class BlocksTogether;

// What a read of a block depends on beside the block itself.
struct BlockReadContext {
  const ROCKSDB_NAMESPACE::ReadOptions& read_options;
  ROCKSDB_NAMESPACE::FilePrefetchBuffer* prefetch_buffer = nullptr;
  bool for_compaction = false;
  // Neither looks into the block cache nor fills it.
  bool bypass_cache = false;
  // Of a segment: it is the next one of a walk.
  bool sequential = false;
  // Set to where in the file the block ends that is about to be read; or null.
  uint64_t* block_end = nullptr;
  // Blocks that were read before, which are taken from it.
  BlocksTogether* together = nullptr;
};

class FileBlockStore {
 public:
  FileBlockStore(
      const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
      std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache,
      ROCKSDB_NAMESPACE::Cache::Priority index_priority,
      std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader>&& file,
      const ROCKSDB_NAMESPACE::Footer& footer)
      : ioptions_(ioptions),
        block_cache_(std::move(block_cache)),
        index_priority_(index_priority),
        file_(std::move(file)),
        footer_(footer) {}

  // Must precede any read through the block cache.
  void SetCacheKey(const ROCKSDB_NAMESPACE::OffsetableCacheKey& key) {
    base_cache_key_ = key;
  }

  // Reads a block as it is stored.  `allocator`: where the bytes come from,
  // null for malloc.
  ROCKSDB_NAMESPACE::Status ReadStored(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle,
      ROCKSDB_NAMESPACE::BlockType type,
      ROCKSDB_NAMESPACE::MemoryAllocator* allocator,
      ROCKSDB_NAMESPACE::BlockContents* contents,
      ROCKSDB_NAMESPACE::CompressionType* compression) const;
  // Reads a block and uncompresses it.
  ROCKSDB_NAMESPACE::Status ReadRaw(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle,
      ROCKSDB_NAMESPACE::BlockType type,
      ROCKSDB_NAMESPACE::BlockContents* contents,
      ROCKSDB_NAMESPACE::MemoryAllocator* allocator = nullptr) const;

  // Reads the file's token table; must precede any read of a segment.
  ROCKSDB_NAMESPACE::Status ReadTokens(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle);
  // Null if there is none.  Whoever shares it keeps it for longer than the
  // file is open.
  const std::shared_ptr<const key_trie::Tokens>& tokens() const {
    return tokens_;
  }

  // From now on there is a filter, of `policy`, at `handle`; if `pin`, reads it
  // and holds it.  If `share` is not null, as soon as there is room in it.
  ROCKSDB_NAMESPACE::Status SetFilter(
      const BlockReadContext& context,
      std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> policy,
      const ROCKSDB_NAMESPACE::BlockHandle& handle, bool pin,
      std::unique_ptr<PinBudget::FilterShare> share);
  // Whether there is a filter that may be asked now.
  bool has_filter() const {
    return filter_policy_ != nullptr &&
           (!pinned_filter_.budgeted() || pinned_filter_.Find() != nullptr ||
            pinned_filter_.MayAdd());
  }

  // From now on holds segments of `index` when they are used, as far as there
  // is room for them in `share`.  segment_bytes: what they are together, 0 if
  // that is not known.
  void PinSegmentsOnUse(const FileIndex& index, uint64_t segment_bytes,
                        std::unique_ptr<PinBudget::Share> share) {
    pinned_.Start(index.num_segments(), segment_bytes, std::move(share));
  }
  // Reads all segments of `index`, ahead where they lie in a row, and holds
  // them from then on.  segment_bytes: as above.
  ROCKSDB_NAMESPACE::Status PinSegments(const BlockReadContext& context,
                                        const FileIndex& index,
                                        uint64_t segment_bytes);

  // Whether segment i is held, at the moment.
  bool HoldsSegment(uint32_t i) const { return pinned_.Holds(i); }
  // Whether all are.
  bool HoldsAllSegments() const { return pinned_.complete(); }

  // See PinnedSegments.
  std::shared_ptr<const void> ShareSlots() const {
    return pinned_.ShareSlots();
  }

  // Whether segment i lies beside the one before or behind it, with no value
  // blocks between: whether reading ahead of segments alone reads what will be
  // asked for.
  bool IsContiguous(const FileIndex& index, uint32_t i) const;

  // Of all that follow: Status::Incomplete if the block is not in memory and
  // read_options.read_tier is kBlockCacheTier.
  ROCKSDB_NAMESPACE::Status GetSegment(const BlockReadContext& context,
                                       const FileIndex& index, uint32_t i,
                                       SegmentEntry* entry) const;
  // The same of n of them, which ascend or descend.  What is not in memory is
  // read with one call, if it is several.
  // REQUIRES: n <= MultiGetContext::MAX_BATCH_SIZE; *entries are empty
  void GetSegments(const BlockReadContext& context, const FileIndex& index,
                   const uint32_t* numbers, size_t n, SegmentEntry* entries,
                   ROCKSDB_NAMESPACE::Status* statuses) const;
  // REQUIRES: SetFilter().  Status::Incomplete, too, if there is no room for it
  // now, or the read is not to keep what it reads.
  ROCKSDB_NAMESPACE::Status GetFilter(const BlockReadContext& context,
                                      FilterEntry* entry) const;
  // Value block b of `segment`.
  ROCKSDB_NAMESPACE::Status GetValues(const BlockReadContext& context,
                                      const Segment& segment, uint32_t b,
                                      ValueEntry* entry) const;
  // The value blocks blocks[i] of *segments[i], of n, which are distinct: as
  // GetSegments().  An entry that stays empty without an error is left to
  // GetValues().
  void GetValuesTogether(const BlockReadContext& context,
                         const Segment* const* segments, const uint32_t* blocks,
                         size_t n, ValueEntry* entries,
                         ROCKSDB_NAMESPACE::Status* statuses) const;

  // Whether segment i is in memory.
  bool HasSegment(const BlockReadContext& context, const FileIndex& index,
                  uint32_t i) const;
  // Begins to read segment i into *buffer.  TryAgain if that is under way: a
  // read of it with that buffer waits for it.  OK if it is there already.
  ROCKSDB_NAMESPACE::Status BeginSegment(
      const BlockReadContext& context, const FileIndex& index, uint32_t i,
      ROCKSDB_NAMESPACE::FilePrefetchBuffer* buffer) const;
  // Adds those of the value blocks [begin, end) of `segment` that are not in
  // memory, to be read by ReadTogether().  False if they are too much.
  bool AddValues(const BlockReadContext& context, const Segment& segment,
                 uint32_t begin, uint32_t end, BlocksTogether* together) const;
  // Whether reading several blocks with one call is better than one by one.
  bool ReadsTogether(const BlockReadContext& context, size_t n) const;
  void ReadTogether(const BlockReadContext& context,
                    BlocksTogether* together) const;

  // "<file>: block at offset N: <what>", as Corruption.
  ROCKSDB_NAMESPACE::Status Corrupt(uint64_t offset,
                                    const std::string& what) const;

  ROCKSDB_NAMESPACE::RandomAccessFileReader* file() const {
    return file_.get();
  }
  const ROCKSDB_NAMESPACE::Footer& footer() const { return footer_; }
  const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions() const {
    return ioptions_;
  }
  // Of segments and a filter that are held, and of the token table.
  size_t pinned_bytes() const {
    return pinned_.MemoryUsage() + pinned_filter_.MemoryUsage() +
           (tokens_ != nullptr ? tokens_->MemoryUsage() : 0);
  }
  // Of a filter's bytes: those that a budget has charged.
  size_t charged_filter_bytes() const { return pinned_filter_.charged_bytes(); }

 private:
  // Reads segment i and holds it.  If there is no room *entry is empty, and
  // *contents what was read.
  ROCKSDB_NAMESPACE::Status PinSegment(
      const BlockReadContext& context, const FileIndex& index, uint32_t i,
      ROCKSDB_NAMESPACE::BlockContents* contents, SegmentEntry* entry) const;
  // Segment i, held or cached; *entry stays empty if it is neither.
  ROCKSDB_NAMESPACE::Status FindSegment(const BlockReadContext& context,
                                        const FileIndex& index, uint32_t i,
                                        SegmentEntry* entry) const;
  // Reads it, and holds it or puts it into the block cache.
  ROCKSDB_NAMESPACE::Status LoadSegment(const BlockReadContext& context,
                                        const FileIndex& index, uint32_t i,
                                        SegmentEntry* entry) const;
  // Reads the filter and holds it, if there is room.
  ROCKSDB_NAMESPACE::Status PinFilter(const BlockReadContext& context) const;
  // Whether what a read of a segment brings may stay.
  bool KeepsSegments(const BlockReadContext& context) const {
    const ROCKSDB_NAMESPACE::ReadOptions& ro = context.read_options;
    return !context.bypass_cache && ro.fill_cache && !context.for_compaction &&
           ro.read_tier != ROCKSDB_NAMESPACE::kBlockCacheTier;
  }
  // Whether it is a use for which a segment shall be held: not of a walk.
  bool CountsAsUse(const BlockReadContext& context) const {
    return KeepsSegments(context) && !context.sequential;
  }
  // Whether segment i would be held if it were read.
  bool MayPin(const BlockReadContext& context, uint64_t stored) const {
    return KeepsSegments(context) && pinned_.MayAdd(stored, context.sequential);
  }
  // Whether the block lies where blocks can be.
  bool LiesInFile(const ROCKSDB_NAMESPACE::BlockHandle& handle) const;
  bool UsesCache(const BlockReadContext& context) const {
    return block_cache_ != nullptr && !context.bypass_cache;
  }
  // Whether the block is in the block cache; counts nothing.
  bool IsCached(const BlockReadContext& context,
                const ROCKSDB_NAMESPACE::BlockHandle& handle) const;
  // FindParsed(), and then LoadParsed().
  template <typename TBlock, typename ParseFn>
  ROCKSDB_NAMESPACE::Status GetParsed(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle, const ParseFn& parse,
      ROCKSDB_NAMESPACE::CachableEntry<TBlock>* entry) const;
  // Looks into the block cache.  OK and an empty entry if the block is not
  // there.
  template <typename TBlock, typename ParseFn>
  ROCKSDB_NAMESPACE::Status FindParsed(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle, const ParseFn& parse,
      ROCKSDB_NAMESPACE::CachableEntry<TBlock>* entry) const;
  // Reads the block; puts it into the block cache, if the options say so.
  template <typename TBlock, typename ParseFn>
  ROCKSDB_NAMESPACE::Status LoadParsed(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle, const ParseFn& parse,
      ROCKSDB_NAMESPACE::CachableEntry<TBlock>* entry) const;
  template <typename TBlock, typename ParseFn>
  ROCKSDB_NAMESPACE::Status KeepParsed(
      const BlockReadContext& context,
      const ROCKSDB_NAMESPACE::BlockHandle& handle, const ParseFn& parse,
      ROCKSDB_NAMESPACE::BlockContents&& contents,
      ROCKSDB_NAMESPACE::CachableEntry<TBlock>* entry) const;

  const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions_;
  const std::shared_ptr<ROCKSDB_NAMESPACE::Cache> block_cache_;
  // In the cache: of segments and filters.
  const ROCKSDB_NAMESPACE::Cache::Priority index_priority_;
  const std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader> file_;
  const ROCKSDB_NAMESPACE::Footer footer_;
  ROCKSDB_NAMESPACE::OffsetableCacheKey base_cache_key_;
  std::shared_ptr<const key_trie::Tokens> tokens_;
  uint64_t tokens_store_ = 0;  // (B2): the store's number, 0 without tokens
  std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> filter_policy_;
  ROCKSDB_NAMESPACE::BlockHandle filter_handle_;
  // Look-ups, which are const, add to these.
  mutable PinnedFilter pinned_filter_;
  mutable PinnedSegments pinned_;
};

}  // namespace memkv
