// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/shape_probes.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "db_bench_ext/keys/key_prefix.h"

namespace memkv {

namespace {

// At most.
constexpr size_t kRanges = 1000;
// Rounds go on until so many entries, unless that would be more bytes.
constexpr size_t kLeastEntries = 20000;
constexpr size_t kMostBytes = size_t{32} << 20;

}  // namespace

ShapeProbes::ShapeProbes(const KeyShape& shape, uint64_t seed, size_t probes)
    : shape_(shape),
      most_(probes),
      most_bytes_(probes * ((size_t{16} << 20) / kProbes)),
      sorted_(shape.entries.size()),
      first_(shape.keys.size() + 1) {
  std::iota(sorted_.begin(), sorted_.end(), 0);
  std::sort(sorted_.begin(), sorted_.end(), [&](uint32_t a, uint32_t b) {
    const uint32_t key_a = shape_.entries[a];
    const uint32_t key_b = shape_.entries[b];
    return key_a != key_b ? key_a < key_b
                          : shape_.SequenceOf(a) > shape_.SequenceOf(b);
  });
  for (size_t i = 0; i < sorted_.size(); i++) {
    const uint32_t key = shape_.entries[sorted_[i]];
    first_[key + 1] = static_cast<uint32_t>(i) + 1;
    entry_key_bytes_ += shape_.keys[key].size();
  }
  step_rounds_ = std::max<size_t>(1, kLeastEntries / sorted_.size());
  rounds_ = std::max<size_t>(
      1, std::min(step_rounds_, kMostBytes / (entry_key_bytes_ + 1)));
  RandomSource random(seed);
  MakeHits(&random);
  MakeMisses(&random);
  MakeRanges(&random);
}

void ShapeProbes::MakeHits(RandomSource* random) {
  auto make = [this](Gets* gets, auto add_one) {
    size_t bytes = 0;
    while (gets->size() == 0 || (gets->size() < most_ && bytes < most_bytes_)) {
      add_one(gets);
      bytes += gets->keys[gets->size() - 1].size();
    }
  };
  make(&hits_, [&](Gets* gets) {
    const auto key = static_cast<uint32_t>(random->Uniform(shape_.keys.size()));
    gets->keys.Add(shape_.keys[key]);
    gets->ranks.push_back(key);
    gets->read_at.push_back(kNewest);
    gets->found.push_back(shape_.SequenceOf(sorted_[first_[key]]));
  });
  if (shape_.entries.size() == shape_.keys.size()) {
    return;
  }
  make(&old_, [&](Gets* gets) {
    const size_t entry = random->Uniform(shape_.entries.size());
    gets->keys.Add(shape_.keys[shape_.entries[entry]]);
    gets->ranks.push_back(shape_.entries[entry]);
    gets->read_at.push_back(shape_.SequenceOf(entry));
    gets->found.push_back(shape_.SequenceOf(entry));
  });
}

void ShapeProbes::MakeMisses(RandomSource* random) {
  size_t bytes = 0;
  while (misses_.size() < hits_.size() && bytes < most_bytes_) {
    const std::string miss = NearMissOf(shape_, random);
    misses_.Add(miss);
    miss_ranks_.push_back(static_cast<uint32_t>(
        std::lower_bound(shape_.keys.begin(), shape_.keys.end(), miss) -
        shape_.keys.begin()));
    bytes += miss.size();
  }
}

void ShapeProbes::MakeRanges(RandomSource* random) {
  const std::vector<std::string>& keys = shape_.keys;
  size_t bytes = 0;
  while (keys.size() > 1 && ranges_.size() < kRanges && bytes < most_bytes_) {
    size_t a = random->Uniform(keys.size());
    size_t b = random->Uniform(keys.size());
    if (a == b) {
      continue;
    }
    if (a > b) {
      std::swap(a, b);
    }
    ranges_.push_back({keys[a], keys[b], EntriesBetween(a, b)});
    bytes += keys[a].size() + keys[b].size();
  }
  bytes = 0;
  for (size_t tries = 0; tries < kRanges && bytes < most_bytes_; tries++) {
    const std::string& key = keys[random->Uniform(keys.size())];
    const std::string prefix = key.substr(0, random->Uniform(key.size() + 1));
    const std::string end = PrefixEnd(prefix);
    // A prefix of bytes 0xff alone has no end, nor the empty one.
    if (!end.empty()) {
      auto rank = [&](const std::string& bound) {
        return static_cast<size_t>(
            std::lower_bound(keys.begin(), keys.end(), bound) - keys.begin());
      };
      prefix_ranges_.push_back(
          {prefix, end, EntriesBetween(rank(prefix), rank(end))});
      bytes += prefix.size() + end.size();
    }
  }
}

}  // namespace memkv
