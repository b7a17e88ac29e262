// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Tally: what an operation found, added up. Cheap enough for a timed loop, and
// equal to the input's own only if every answer was of the right size.
//
// Thread safety: none; one object, one thread, and Add(Tally) afterwards.

#pragma once

#include <cstdint>
#include <string>

#include "rocksdb/slice.h"

namespace memkv {

struct Tally {
  uint64_t found = 0;
  uint64_t bytes = 0;

  void Count(const rocksdb::Slice& key, const rocksdb::Slice& value) {
    Count(key.size() + value.size());
  }
  void Count(uint64_t record_bytes) {
    found++;
    bytes += record_bytes;
  }
  void Add(const Tally& other) {
    found += other.found;
    bytes += other.bytes;
  }
  bool operator==(const Tally& other) const {
    return found == other.found && bytes == other.bytes;
  }
  std::string ToString() const {
    return std::to_string(found) + " records of " + std::to_string(bytes) +
           " bytes";
  }
};

}  // namespace memkv
