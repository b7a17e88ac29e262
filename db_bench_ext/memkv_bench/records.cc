// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/records.h"

#include <algorithm>
#include <numeric>

namespace memkv {

using rocksdb::Slice;

void FillValue(size_t size, double ratio, RandomSource* random,
               std::string* value) {
  const auto random_bytes =
      static_cast<size_t>(static_cast<double>(size) * ratio + 0.999);
  value->clear();
  while (value->size() < random_bytes) {
    const uint64_t number = random->Next();
    value->append(reinterpret_cast<const char*>(&number),
                  std::min(sizeof(number), random_bytes - value->size()));
  }
  // What is left repeats what is there, as db_bench's values do.
  while (random_bytes > 0 && value->size() < size) {
    value->append(*value, 0, std::min(size - value->size(), random_bytes));
  }
  value->resize(size, '.');
}

Slice BenchRecords::Value(size_t i, uint32_t version,
                          std::string* buffer) const {
  if (version == 0 && value_size_ < 0 && i < size()) {
    return source_.value(i);
  }
  RandomSource random(seed_ ^ (i * 0x9e3779b97f4a7c15ULL) ^
                      (uint64_t{version} << 48));
  FillValue(ValueSize(i), ratio_, &random, buffer);
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
