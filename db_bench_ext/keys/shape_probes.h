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

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "db_bench_ext/keys/key_shapes.h"
#include "db_bench_ext/keys/record_set.h"
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
  // Ranges of a kind, at most.
  static constexpr size_t kRanges = 1000;
  // Rounds go on until so many entries, unless that would be more bytes.
  static constexpr size_t kLeastEntries = 20000;
  static constexpr size_t kMostBytes = size_t{32} << 20;
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

inline ShapeProbes::ShapeProbes(const KeyShape& shape, uint64_t seed,
                                size_t probes)
    : sorted(shape.entries.size()), first(shape.keys.size() + 1) {
  const std::vector<std::string>& keys = shape.keys;
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](uint32_t a, uint32_t b) {
    const uint32_t key_a = shape.entries[a];
    const uint32_t key_b = shape.entries[b];
    return key_a != key_b ? key_a < key_b
                          : shape.SequenceOf(a) > shape.SequenceOf(b);
  });
  for (size_t i = 0; i < sorted.size(); i++) {
    const uint32_t key = shape.entries[sorted[i]];
    first[key + 1] = static_cast<uint32_t>(i) + 1;
    entry_key_bytes += keys[key].size();
  }
  step_rounds = std::max<size_t>(1, kLeastEntries / sorted.size());
  rounds = std::max<size_t>(
      1, std::min(step_rounds, kMostBytes / (entry_key_bytes + 1)));

  RandomSource random(seed);
  const size_t most_bytes = probes * ((size_t{16} << 20) / kProbes);
  const auto rank_of = [&](const std::string& bound) {
    return static_cast<uint32_t>(
        std::lower_bound(keys.begin(), keys.end(), bound) - keys.begin());
  };
  const auto is_enough = [&](const KeySequence& asked) {
    return asked.size() > 0 &&
           (asked.size() >= probes || asked.bytes() >= most_bytes);
  };
  while (!is_enough(hits.keys)) {
    const auto key = static_cast<uint32_t>(random.Uniform(keys.size()));
    hits.Add(keys[key], key, kNewest, shape.SequenceOf(sorted[first[key]]));
  }
  while (shape.entries.size() > keys.size() && !is_enough(old.keys)) {
    const size_t entry = random.Uniform(shape.entries.size());
    const uint32_t key = shape.entries[entry];
    old.Add(keys[key], key, shape.SequenceOf(entry), shape.SequenceOf(entry));
  }
  while (misses.size() < hits.size() && misses.keys.bytes() < most_bytes) {
    const std::string miss = NearMissOf(shape, &random);
    misses.Add(miss, rank_of(miss), kNewest, 0);
  }

  size_t bytes = 0;
  const auto add = [&](const std::string& begin, const std::string& end,
                       std::vector<Range>* to) {
    to->push_back({begin, end, first[rank_of(end)] - first[rank_of(begin)]});
    bytes += begin.size() + end.size();
  };
  while (keys.size() > 1 && ranges.size() < kRanges && bytes < most_bytes) {
    const size_t a = random.Uniform(keys.size());
    const size_t b = random.Uniform(keys.size());
    if (a != b) {
      add(keys[std::min(a, b)], keys[std::max(a, b)], &ranges);
    }
  }
  bytes = 0;
  for (size_t tries = 0; tries < kRanges && bytes < most_bytes; tries++) {
    const std::string& key = keys[random.Uniform(keys.size())];
    const std::string prefix = key.substr(0, random.Uniform(key.size() + 1));
    const std::string end = PrefixEnd(prefix);
    // A prefix of bytes 0xff alone has no end, nor the empty one.
    if (!end.empty()) {
      add(prefix, end, &prefix_ranges);
    }
  }
}

}  // namespace memkv
