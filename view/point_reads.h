// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// PointReads: look-ups of keys in a pinned version, with the answers of
// DB::Get() at its sequence number.
//
// Memtables answer as in DB::Get().  FST files are asked by concrete calls, in
// the order of RocksDB's FilePicker, several keys of one file together.  What
// is not served here is handed over, key by key: RocksDB's iterator over the
// same version is sought for it.  That is a key whose newest entry is no plain
// value or deletion, and one that the way down the files brings to a file that
// is not FST or cuts keys into several segments; or all keys, where the
// comparator is none that a trie serves.
//
// Thread safety: none; it belongs to one call.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "table/fst/table_reader.h"
#include "view/file_readers.h"
#include "view/pinned_version.h"

namespace memkv {
namespace view {

class PointReads {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using PinnableSlice = ROCKSDB_NAMESPACE::PinnableSlice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // A key, and its answer.
  struct Lookup {
    // Set by the caller; what they point at outlives the look-up.
    const Slice* key = nullptr;
    PinnableSlice* value = nullptr;
    // The answer is there, and *value if it is OK.
    bool done = false;
    Status status;

    std::optional<key_trie::SoughtKey> sought_key;
    FstTableReader::Sought sought;
  };
  static constexpr size_t kMostKeys = FstTableReader::kMostKeys;

  // All outlive this.  *handed_over is raised once for each key that is handed
  // over.
  PointReads(const PinnedVersion& pinned,
             const ROCKSDB_NAMESPACE::ReadOptions& read_options,
             std::atomic<uint64_t>* handed_over);

  // Finds n keys.
  // REQUIRES: n <= kMostKeys; they are in the comparator's order, and distinct
  void Find(Lookup* lookups, size_t n);

 private:
  // Looks at the memtables.  Those that are left need files.
  void FindInMemTables(Lookup* lookup);
  void FindInLevel(int level, Lookup* lookups, size_t n);
  // Asks file i of a level for the keys of batch_, and empties that.
  void AskFile(int level, size_t i);
  // Of a file that deletes ranges, with the greatest sequence number of those
  // that the key is in.
  void TakeAnswer(int level, ROCKSDB_NAMESPACE::SequenceNumber deleted_up_to,
                  Lookup* lookup);
  void HandOver(Lookup* lookup);

  const PinnedVersion& pinned_;
  const ROCKSDB_NAMESPACE::ReadOptions& read_options_;
  std::atomic<uint64_t>* const handed_over_;
  ROCKSDB_NAMESPACE::Statistics* const stats_;
  const ROCKSDB_NAMESPACE::SliceTransform* const prefix_extractor_;
  const ROCKSDB_NAMESPACE::Comparator* const order_;
  std::array<Lookup*, kMostKeys> batch_;
  size_t batch_size_ = 0;
};

}  // namespace view
}  // namespace memkv
