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
  size_t bytes() const { return bytes_.size(); }
  rocksdb::Slice operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

struct ShapeProbes {
  // Of each kind of question, at most, unless more are asked for.
  static constexpr size_t kProbes = 20000;
  // Reads the newest version: RocksDB's greatest sequence number.
  static constexpr uint64_t kNewest = (uint64_t{1} << 56) - 1;

  struct Gets {
    KeySequence keys;
    std::vector<uint32_t> ranks;    // how many keys of the shape are less
    std::vector<uint64_t> read_at;  // the sequence number to read at
    std::vector<uint64_t> found;    // that of the version to be found, 0: none

    void Add(const rocksdb::Slice& key, uint32_t rank, uint64_t at,
             uint64_t sequence) {
      keys.Add(key);
      ranks.push_back(rank);
      read_at.push_back(at);
      found.push_back(sequence);
    }
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

  // The entries in the order of an index: keys ascending, newest first.
  std::vector<uint32_t> sorted;
  // Of each key, where its entries begin there; and the end.
  std::vector<uint32_t> first;
  // Bytes of the keys of all entries.
  uint64_t entry_key_bytes = 0;
  // How often to load so few entries, or to read all their bytes, that a clock
  // sees it; 1 for most shapes.
  size_t rounds = 1;
  // How often to step over all entries without reading all their bytes.
  size_t step_rounds = 1;

  Gets hits;    // of the newest versions
  Gets old;     // of a random version; empty if no key has several
  Gets misses;  // of keys one byte from one of the shape's; not more than hits
  // Between two keys of the shape; none if there is only one.
  std::vector<Range> ranges;
  // All keys with a prefix that some key has.
  std::vector<Range> prefix_ranges;
};

}  // namespace memkv
