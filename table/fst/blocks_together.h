// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Blocks of one file that a batch of look-ups or scans needs, read with one
// call (RandomAccessFileReader::MultiRead), as BlockBasedTable reads data
// blocks: neighbours with one request, direct I/O aligned and merged by
// RocksDB.
//
// A read that failed is the error of all blocks that it was for, neighbours
// among them, as with BlockBasedTable.  A block that came short, or with a
// wrong checksum, is not handed out: its reader then reads it alone, and says
// what is wrong as it does for a single look-up, or finds that it is not.  So
// damage is an error of the keys of its block alone.
//
// Memory: at most kMostBytes of stored blocks, while the object lives; those of
// a request of one uncompressed block go to who takes it, others are copied.
//
// Thread safety: none; it belongs to one thread at a time.

#pragma once

#include <cstdint>
#include <vector>

#include "compat/block_cache.h"
#include "compat/file_io.h"
#include "rocksdb/file_system.h"
#include "table/format.h"

namespace memkv {

class BlocksTogether {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{4} << 20;

  // most_bytes: of stored blocks, kMostBytes at most.
  explicit BlocksTogether(uint64_t most_bytes = kMostBytes)
      : most_bytes_(most_bytes) {}
  BlocksTogether(const BlocksTogether&) = delete;
  BlocksTogether& operator=(const BlocksTogether&) = delete;

  // In any order.  One that is too much, or overlaps another, is left out;
  // false if it is too much.  REQUIRES: the block lies in the file
  bool Add(const ROCKSDB_NAMESPACE::BlockHandle& handle);

  // Reads them, if they are several.  `allocator`: where the bytes of blocks
  // come from, null for malloc.
  void Read(const ROCKSDB_NAMESPACE::ReadOptions& read_options,
            const ROCKSDB_NAMESPACE::Footer& footer,
            ROCKSDB_NAMESPACE::RandomAccessFileReader* file,
            ROCKSDB_NAMESPACE::MemoryAllocator* allocator);

  // Forgets blocks whose read has failed: they are to be read alone.
  void DropFailed();

  // Hands out a block as it is stored, once, verified if the options of Read()
  // say so, and sets *taken.  OK without it: the block is to be read alone.
  // *contents owns its bytes if they are not compressed; else they are this
  // object's.
  ROCKSDB_NAMESPACE::Status Take(
      const ROCKSDB_NAMESPACE::BlockHandle& handle,
      ROCKSDB_NAMESPACE::BlockType type, ROCKSDB_NAMESPACE::Statistics* stats,
      ROCKSDB_NAMESPACE::BlockContents* contents,
      ROCKSDB_NAMESPACE::CompressionType* compression, bool* taken);

 private:
  struct Block {
    ROCKSDB_NAMESPACE::BlockHandle handle;
    size_t request = 0;
    size_t at = 0;  // in the request's bytes
    bool taken = false;
  };
  uint64_t StoredSize(const Block& block) const {
    return block.handle.size() + trailer_size_;
  }
  // Makes the requests of blocks_, which are in order.
  void MakeRequests(bool direct);

  std::vector<Block> blocks_;
  const uint64_t most_bytes_;
  uint64_t bytes_ = 0;
  // Of Read().
  size_t trailer_size_ = 0;
  bool verify_ = false;
  const ROCKSDB_NAMESPACE::Footer* footer_ = nullptr;
  ROCKSDB_NAMESPACE::RandomAccessFileReader* file_ = nullptr;
  ROCKSDB_NAMESPACE::MemoryAllocator* allocator_ = nullptr;
  std::vector<ROCKSDB_NAMESPACE::FSReadRequest> requests_;
  // Of requests, unless direct I/O reads into aligned_.
  std::vector<ROCKSDB_NAMESPACE::CacheAllocationPtr> buffers_;
  compat::DirectBuffer aligned_;
};

}  // namespace memkv
