// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/key_stats.h"

#include <algorithm>

namespace memkv {

void KeyStats::Add(const rocksdb::Slice& key) {
  const size_t shared = key.difference_offset(rocksdb::Slice(last_));
  count_++;
  bytes_ += key.size();
  shared_ += shared;
  suffixes_[std::min(key.size() - shared, kMostSuffix)]++;
  last_.assign(key.data(), key.size());
}

double KeyStats::MeanLength() const {
  return count_ == 0
             ? 0
             : static_cast<double>(bytes_) / static_cast<double>(count_);
}

double KeyStats::MeanShared() const {
  return count_ == 0
             ? 0
             : static_cast<double>(shared_) / static_cast<double>(count_);
}

uint64_t KeyStats::SuffixQuantile(double fraction) const {
  const double wanted = fraction * static_cast<double>(count_);
  uint64_t sum = 0;
  for (size_t size = 0; size <= kMostSuffix; size++) {
    sum += suffixes_[size];
    if (static_cast<double>(sum) >= wanted) {
      return size;
    }
  }
  return kMostSuffix;
}

}  // namespace memkv
