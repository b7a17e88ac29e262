// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/shape_probes.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "db_bench_ext/keys/record_set.h"

namespace memkv {

namespace {

// At most.
constexpr size_t kRanges = 1000;
// Rounds go on until so many entries, unless that would be more bytes.
constexpr size_t kLeastEntries = 20000;
constexpr size_t kMostBytes = size_t{32} << 20;

}  // namespace

ShapeProbes::ShapeProbes(const KeyShape& shape, uint64_t seed, size_t probes)
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
