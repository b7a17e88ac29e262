// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// KeyStats: what decides how small a sorted set of keys can be: how long keys
// are, how much each shares with the one before it, and what is left. The
// statistics by which generated keys are compared with real ones.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb/slice.h"

namespace memkv {

class KeyStats {
 public:
  static constexpr size_t kMostSuffix = 4095;

  // REQUIRES: keys ascend.
  void Add(const rocksdb::Slice& key) {
    const size_t shared = key.difference_offset(rocksdb::Slice(last_));
    count_++;
    bytes_ += key.size();
    shared_ += shared;
    suffixes_[std::min(key.size() - shared, kMostSuffix)]++;
    last_.assign(key.data(), key.size());
  }

  uint64_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }
  double MeanLength() const { return Mean(bytes_); }
  // Of the prefix shared with the key before.
  double MeanShared() const { return Mean(shared_); }
  // Of the rest of a key, the length that `fraction` of all do not exceed;
  // kMostSuffix stands for that and more.
  uint64_t SuffixQuantile(double fraction) const {
    const double wanted = fraction * static_cast<double>(count_);
    uint64_t size = 0;
    for (uint64_t sum = suffixes_[0];
         size < kMostSuffix && static_cast<double>(sum) < wanted;) {
      sum += suffixes_[++size];
    }
    return size;
  }

 private:
  double Mean(uint64_t sum) const {
    return static_cast<double>(sum) /
           static_cast<double>(std::max<uint64_t>(count_, 1));
  }

  uint64_t count_ = 0;
  uint64_t bytes_ = 0;
  uint64_t shared_ = 0;
  std::string last_;
  std::vector<uint64_t> suffixes_ = std::vector<uint64_t>(kMostSuffix + 1);
};

}  // namespace memkv
