// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/records.h"

#include <algorithm>
#include <numeric>

#include "db_bench_ext/keys/random.h"

namespace memkv {

using rocksdb::Slice;

Slice BenchRecords::Value(size_t i, uint32_t version,
                          std::string* buffer) const {
  if (version == 0 && value_size_ < 0 && i < size()) {
    return source_.value(i);
  }
  const size_t wanted = ValueSize(i);
  const auto random_bytes =
      static_cast<size_t>(static_cast<double>(wanted) * ratio_ + 0.999);
  RandomSource random(seed_ ^ (i * 0x9e3779b97f4a7c15ULL) ^
                      (uint64_t{version} << 48));
  buffer->clear();
  while (buffer->size() < random_bytes) {
    const uint64_t number = random.Next();
    for (int shift = 0; shift < 64 && buffer->size() < random_bytes;
         shift += 8) {
      buffer->push_back(static_cast<char>((number >> shift) & 0xff));
    }
  }
  // What is left repeats what is there, as db_bench's values do.
  while (buffer->size() < wanted) {
    const size_t more =
        std::min(wanted - buffer->size(), std::max<size_t>(1, random_bytes));
    if (random_bytes == 0) {
      buffer->append(more, '.');
    } else {
      buffer->append(*buffer, 0, more);
    }
  }
  return *buffer;
}

uint64_t BenchRecords::ValueBytes() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < size(); i++) {
    sum += ValueSize(i);
  }
  return sum;
}

ModelExpected::ModelExpected(const BenchRecords& records,
                             const BenchModel& model)
    : records_(records), model_(model), inserted_(model.inserted.size()) {
  std::iota(inserted_.begin(), inserted_.end(), 0);
  std::sort(inserted_.begin(), inserted_.end(), [&model](size_t a, size_t b) {
    return Slice(model.inserted[a]).compare(model.inserted[b]) < 0;
  });
  for (size_t k = 0; k < inserted_.size(); k++) {
    places_.push_back(records.keys().LowerBound(model.inserted[inserted_[k]]) +
                      k);
  }
}

bool ModelExpected::IsInserted(size_t i, size_t* which) const {
  const auto it = std::lower_bound(places_.begin(), places_.end(), i);
  const auto before = static_cast<size_t>(it - places_.begin());
  const bool inserted = it != places_.end() && *it == i;
  *which = inserted ? inserted_[before] : i - before;
  return inserted;
}

Slice ModelExpected::key(size_t i) const {
  size_t which = 0;
  return IsInserted(i, &which) ? Slice(model_.inserted[which])
                               : records_.key(which);
}

Slice ModelExpected::value(size_t i, std::string* buffer) const {
  size_t which = 0;
  return IsInserted(i, &which)
             ? records_.Value(records_.size() + which, 0, buffer)
             : records_.Value(which, model_.versions[which], buffer);
}

}  // namespace memkv
