// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// KeySequence: keys one behind the other in memory, in the order in which they
// will be used: a benchmark's loop reads its keys from the front to the back,
// so that the cache misses it meets are those of what it measures.
//
// Thread safety: const methods may run together.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "rocksdb/slice.h"

namespace memkv {

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

}  // namespace memkv
