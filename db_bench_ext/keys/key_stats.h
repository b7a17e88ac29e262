// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// KeyStats: what decides how small a sorted set of keys can be: how long keys
// are, how much each shares with the one before it, and what is left. The
// statistics by which generated keys are compared with real ones.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb/slice.h"

namespace memkv {

class KeyStats {
 public:
  // REQUIRES: keys ascend.
  void Add(const rocksdb::Slice& key);

  uint64_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }
  double MeanLength() const;
  // Of the prefix shared with the key before.
  double MeanShared() const;
  // Of the rest of a key, the length that `fraction` of all do not exceed;
  // kMostSuffix stands for that and more.
  uint64_t SuffixQuantile(double fraction) const;

  static constexpr size_t kMostSuffix = 4095;

 private:
  uint64_t count_ = 0;
  uint64_t bytes_ = 0;
  uint64_t shared_ = 0;
  std::string last_;
  std::vector<uint64_t> suffixes_ = std::vector<uint64_t>(kMostSuffix + 1);
};

}  // namespace memkv
