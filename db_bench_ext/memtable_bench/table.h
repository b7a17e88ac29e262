// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchTable: a memtable's index as MemTable holds it, without the MemTable:
// RocksDB's ConcurrentArena with MemTable's block size, MemTable's own
// KeyComparator over internal keys, and entries encoded byte for byte as
// MemTable::Add does.
//
// Thread safety: InsertConcurrently with itself and with readers of rep(), if
// the factory says so; Insert with readers; the rest with nothing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "db/dbformat.h"
#include "db/memtable.h"
#include "memory/concurrent_arena.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/slice.h"
#include "util/coding.h"

namespace memkv {

// A memtable under test.
struct Subject {
  std::string name;
  std::shared_ptr<ROCKSDB_NAMESPACE::MemTableRepFactory> factory;
};

// The bytes of an entry, varints and tag included: what a memtable must hold
// whatever its index is.
inline size_t EncodedEntryBytes(size_t key_size, size_t value_size) {
  const size_t internal_size = key_size + ROCKSDB_NAMESPACE::kNumInternalBytes;
  return ROCKSDB_NAMESPACE::VarintLength(internal_size) + internal_size +
         ROCKSDB_NAMESPACE::VarintLength(value_size) + value_size;
}

// Key and value of an entry.
inline void ReadEntry(const char* entry, ROCKSDB_NAMESPACE::Slice* internal_key,
                      ROCKSDB_NAMESPACE::Slice* value) {
  *internal_key = ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(entry);
  *value = ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(internal_key->data() +
                                                     internal_key->size());
}

// Bytes of user key and value of an entry, all of it read.
inline uint64_t EntryBytes(const char* entry) {
  ROCKSDB_NAMESPACE::Slice internal_key;
  ROCKSDB_NAMESPACE::Slice value;
  ReadEntry(entry, &internal_key, &value);
  return internal_key.size() - ROCKSDB_NAMESPACE::kNumInternalBytes +
         value.size();
}

// What Gets found, by the rules of MemTable's own callback.
struct Found {
  ROCKSDB_NAMESPACE::Slice user_key;
  uint64_t count = 0;
  uint64_t bytes = 0;  // of values
  uint64_t last_sequence = 0;
};

// Looks the newest version up that is not newer than `sequence`, and adds what
// it finds to *found.
void GetAt(ROCKSDB_NAMESPACE::MemTableRep* rep,
           const ROCKSDB_NAMESPACE::Slice& key, uint64_t sequence,
           Found* found);

class BenchTable {
 public:
  // If `comparisons` is not null, what the rep compares is counted there; which
  // is for counting, not for timing.
  explicit BenchTable(ROCKSDB_NAMESPACE::MemTableRepFactory* factory,
                      uint64_t* comparisons = nullptr);
  BenchTable(const BenchTable&) = delete;
  BenchTable& operator=(const BenchTable&) = delete;

  // Writes an entry into memory from the rep, and does not index it.
  ROCKSDB_NAMESPACE::KeyHandle Encode(const ROCKSDB_NAMESPACE::Slice& key,
                                      uint64_t sequence,
                                      const ROCKSDB_NAMESPACE::Slice& value) {
    char* buf = nullptr;
    const ROCKSDB_NAMESPACE::KeyHandle handle =
        rep_->Allocate(EncodedEntryBytes(key.size(), value.size()), &buf);
    char* p = ROCKSDB_NAMESPACE::EncodeVarint32(
        buf, static_cast<uint32_t>(key.size() +
                                   ROCKSDB_NAMESPACE::kNumInternalBytes));
    std::memcpy(p, key.data(), key.size());
    p += key.size();
    ROCKSDB_NAMESPACE::EncodeFixed64(
        p, ROCKSDB_NAMESPACE::PackSequenceAndType(
               sequence, ROCKSDB_NAMESPACE::kTypeValue));
    p += ROCKSDB_NAMESPACE::kNumInternalBytes;
    p = ROCKSDB_NAMESPACE::EncodeVarint32(p,
                                          static_cast<uint32_t>(value.size()));
    std::memcpy(p, value.data(), value.size());
    return handle;
  }

  bool Insert(const ROCKSDB_NAMESPACE::Slice& key, uint64_t sequence,
              const ROCKSDB_NAMESPACE::Slice& value) {
    return rep_->InsertKey(Encode(key, sequence, value));
  }
  bool InsertConcurrently(const ROCKSDB_NAMESPACE::Slice& key,
                          uint64_t sequence,
                          const ROCKSDB_NAMESPACE::Slice& value) {
    return rep_->InsertKeyConcurrently(Encode(key, sequence, value));
  }

  ROCKSDB_NAMESPACE::MemTableRep* rep() { return rep_.get(); }

  // Everything the Allocator has handed out or lost (alignment, ends of
  // blocks, shards' leftovers; not the untouched rest of the last block), and
  // what the rep says it holds elsewhere.
  size_t UsedBytes() const;

 private:
  ROCKSDB_NAMESPACE::ConcurrentArena arena_;
  const std::unique_ptr<const ROCKSDB_NAMESPACE::Comparator> counting_;
  const ROCKSDB_NAMESPACE::MemTable::KeyComparator comparator_;
  // Last: it is destroyed first.
  std::unique_ptr<ROCKSDB_NAMESPACE::MemTableRep> rep_;
};

}  // namespace memkv
