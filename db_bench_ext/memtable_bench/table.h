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
#include "db/lookup_key.h"
#include "db/memtable.h"
#include "memory/concurrent_arena.h"
#include "rocksdb/comparator.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/slice.h"
#include "util/coding.h"

namespace memkv {

// A memtable under test.
struct Subject {
  std::string name;
  std::shared_ptr<rocksdb::MemTableRepFactory> factory;
};

// The bytes of an entry, varints and tag included: what a memtable must hold
// whatever its index is.
inline size_t EncodedEntryBytes(size_t key_size, size_t value_size) {
  const size_t internal_size = key_size + rocksdb::kNumInternalBytes;
  return rocksdb::VarintLength(internal_size) + internal_size +
         rocksdb::VarintLength(value_size) + value_size;
}

// Key and value of an entry.
inline void ReadEntry(const char* entry, rocksdb::Slice* internal_key,
                      rocksdb::Slice* value) {
  *internal_key = rocksdb::GetLengthPrefixedSlice(entry);
  *value = rocksdb::GetLengthPrefixedSlice(internal_key->data() +
                                           internal_key->size());
}

// Bytes of user key and value of an entry, all of it read.
inline uint64_t EntryBytes(const char* entry) {
  rocksdb::Slice internal_key;
  rocksdb::Slice value;
  ReadEntry(entry, &internal_key, &value);
  return internal_key.size() - rocksdb::kNumInternalBytes + value.size();
}

// What Gets found, by the rules of MemTable's own callback.
struct Found {
  rocksdb::Slice user_key;
  uint64_t count = 0;
  uint64_t bytes = 0;  // of values
  uint64_t last_sequence = 0;

  static bool Save(void* arg, const char* entry) {
    Found* found = static_cast<Found*>(arg);
    rocksdb::Slice internal_key;
    rocksdb::Slice value;
    ReadEntry(entry, &internal_key, &value);
    if (rocksdb::ExtractUserKey(internal_key) == found->user_key) {
      found->count++;
      found->bytes += value.size();
      found->last_sequence =
          rocksdb::ExtractInternalKeyFooter(internal_key) >> 8;
    }
    return false;
  }
};

// Looks the newest version up that is not newer than `sequence`, and adds what
// it finds to *found.
inline void GetAt(rocksdb::MemTableRep* rep, const rocksdb::Slice& key,
                  uint64_t sequence, Found* found) {
  const rocksdb::LookupKey lookup(key, sequence);
  found->user_key = key;
  rep->Get(lookup, found, Found::Save);
}

class BenchTable {
 public:
  explicit BenchTable(rocksdb::MemTableRepFactory* factory)
      : arena_(kArenaBlockBytes),
        comparator_(
            rocksdb::InternalKeyComparator(rocksdb::BytewiseComparator())),
        rep_(factory->CreateMemTableRep(comparator_, &arena_, nullptr,
                                        nullptr)) {}
  BenchTable(const BenchTable&) = delete;
  BenchTable& operator=(const BenchTable&) = delete;

  // Writes an entry into memory from the rep, and does not index it.
  rocksdb::KeyHandle Encode(const rocksdb::Slice& key, uint64_t sequence,
                            const rocksdb::Slice& value) {
    char* buf = nullptr;
    const rocksdb::KeyHandle handle =
        rep_->Allocate(EncodedEntryBytes(key.size(), value.size()), &buf);
    char* p = rocksdb::EncodeVarint32(
        buf, static_cast<uint32_t>(key.size() + rocksdb::kNumInternalBytes));
    std::memcpy(p, key.data(), key.size());
    p += key.size();
    rocksdb::EncodeFixed64(
        p, rocksdb::PackSequenceAndType(sequence, rocksdb::kTypeValue));
    p += rocksdb::kNumInternalBytes;
    p = rocksdb::EncodeVarint32(p, static_cast<uint32_t>(value.size()));
    std::memcpy(p, value.data(), value.size());
    return handle;
  }

  bool Insert(const rocksdb::Slice& key, uint64_t sequence,
              const rocksdb::Slice& value) {
    return rep_->InsertKey(Encode(key, sequence, value));
  }
  bool InsertConcurrently(const rocksdb::Slice& key, uint64_t sequence,
                          const rocksdb::Slice& value) {
    return rep_->InsertKeyConcurrently(Encode(key, sequence, value));
  }

  rocksdb::MemTableRep* rep() { return rep_.get(); }

  // Everything the Allocator has handed out or lost (alignment, ends of
  // blocks, shards' leftovers; not the untouched rest of the last block), and
  // what the rep says it holds elsewhere.
  size_t UsedBytes() const {
    return arena_.ApproximateMemoryUsage() + rep_->ApproximateMemoryUsage();
  }

 private:
  // What column family options come to by default: an eighth of the write
  // buffer, and no more than this.
  static constexpr size_t kArenaBlockBytes = size_t{1} << 20;

  rocksdb::ConcurrentArena arena_;
  const rocksdb::MemTable::KeyComparator comparator_;
  // Last: it is destroyed first.
  std::unique_ptr<rocksdb::MemTableRep> rep_;
};

}  // namespace memkv
