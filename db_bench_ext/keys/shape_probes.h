// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ShapeProbes: what is asked of an index that holds a shape's entries
// (key_shapes.h), with the right answers. Of each kind of question there are
// so many at most, fewer if their keys are long, but one at least.
//
// Thread safety: immutable once made.
//
// Memory: 16 MiB of keys or so of each kind, with the default of probes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/key_shapes.h"
#include "rocksdb/slice.h"

namespace memkv {

// Keys one behind the other in memory, in the order in which they will be used,
// so that the cache misses that a loop meets are those of what it measures.
class KeySequence {
 public:
  void Add(const rocksdb::Slice& key) {
    bytes_.append(key.data(), key.size());
    ends_.push_back(bytes_.size());
  }
  size_t size() const { return ends_.size(); }
  rocksdb::Slice operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

class ShapeProbes {
 public:
  // Of each kind of question, at most, unless more are asked for.
  static constexpr size_t kProbes = 20000;
  // Reads the newest version: RocksDB's greatest sequence number.
  static constexpr uint64_t kNewest = (uint64_t{1} << 56) - 1;

  // Look-ups of keys that are there.
  struct Gets {
    KeySequence keys;
    std::vector<uint32_t> ranks;    // of the keys, in the shape's
    std::vector<uint64_t> read_at;  // the sequence number to read at
    std::vector<uint64_t> found;    // that of the version to be found
    size_t size() const { return ranks.size(); }
  };
  // The entries in [begin, end).
  struct Range {
    std::string begin;
    std::string end;
    uint64_t entries;
  };

  // `shape` must outlive this.
  ShapeProbes(const KeyShape& shape, uint64_t seed, size_t probes = kProbes);

  const Gets& hits() const { return hits_; }  // of the newest versions
  // Of a random version; empty if no key has several.
  const Gets& old() const { return old_; }
  // Keys one byte from one of the shape's, and how many of those are less. Not
  // more than hits.
  const KeySequence& misses() const { return misses_; }
  const std::vector<uint32_t>& miss_ranks() const { return miss_ranks_; }
  // Between two keys of the shape; none if there is only one.
  const std::vector<Range>& ranges() const { return ranges_; }
  // All keys with a prefix that some key has.
  const std::vector<Range>& prefix_ranges() const { return prefix_ranges_; }

  // The entries in the order of an index: keys ascending, newest first.
  const std::vector<uint32_t>& sorted() const { return sorted_; }
  // Where the entries of the keys of this rank and more begin there.
  size_t FirstOf(size_t rank) const { return first_[rank]; }
  // Bytes of the keys of all entries.
  uint64_t entry_key_bytes() const { return entry_key_bytes_; }
  // How often to load so few entries, or to read all their bytes, that a clock
  // sees it; 1 for most shapes.
  size_t rounds() const { return rounds_; }
  // How often to step over all entries without reading all their bytes.
  size_t step_rounds() const { return step_rounds_; }

 private:
  void MakeHits(RandomSource* random);
  void MakeMisses(RandomSource* random);
  void MakeRanges(RandomSource* random);
  uint64_t EntriesBetween(size_t begin, size_t end) const {
    return first_[end] - first_[begin];
  }

  const KeyShape& shape_;
  const size_t most_;        // of each kind
  const size_t most_bytes_;  // and of their keys
  Gets hits_;
  Gets old_;
  KeySequence misses_;
  std::vector<uint32_t> miss_ranks_;
  std::vector<Range> ranges_;
  std::vector<Range> prefix_ranges_;
  std::vector<uint32_t> sorted_;
  // Of each key, where its entries begin in sorted_; and the end.
  std::vector<uint32_t> first_;
  uint64_t entry_key_bytes_ = 0;
  size_t rounds_ = 1;
  size_t step_rounds_ = 1;
};

}  // namespace memkv
