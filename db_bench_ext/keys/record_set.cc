// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/record_set.h"

#include <algorithm>

#include "util/string_util.h"

namespace memkv {

using rocksdb::Slice;

char* RecordSet::Allocate(size_t bytes) {
  if (bytes > free_bytes_) {
    const size_t piece = std::max(bytes, kPieceBytes);
    // Not value-initialised: every byte is written before it is read.
    pieces_.emplace_back(new char[piece]);
    free_ = pieces_.back().get();
    free_bytes_ = piece;
  }
  char* result = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  return result;
}

RecordSet::Record RecordSet::Store(const Slice& key, const Slice& value) {
  char* data = Allocate(key.size() + value.size());
  std::copy_n(key.data(), key.size(), data);
  std::copy_n(value.data(), value.size(), data + key.size());
  return {data, static_cast<uint32_t>(key.size()),
          static_cast<uint32_t>(value.size())};
}

void RecordSet::Add(const Slice& key, const Slice& value) {
  records_.push_back(Store(key, value));
}

RecordSet::Record RecordSet::Unite(const Record& a, const Record& b) {
  const std::string list = UnionOfLists({a.data + a.key_size, a.value_size},
                                        {b.data + b.key_size, b.value_size});
  return Store({a.data, a.key_size}, list);
}

size_t RecordSet::SortAndMerge(DuplicateRule rule) {
  auto key_of = [](const Record& r) { return Slice(r.data, r.key_size); };
  // Stable, so that equal keys stay in the order they were added.
  std::stable_sort(records_.begin(), records_.end(),
                   [&](const Record& a, const Record& b) {
                     return key_of(a).compare(key_of(b)) < 0;
                   });
  size_t kept = 0;
  for (size_t i = 0; i < records_.size(); i++) {
    if (kept > 0 && key_of(records_[kept - 1]) == key_of(records_[i])) {
      records_[kept - 1] = rule == DuplicateRule::kLastWins
                               ? records_[i]
                               : Unite(records_[kept - 1], records_[i]);
    } else {
      records_[kept++] = records_[i];
    }
  }
  const size_t merged = records_.size() - kept;
  records_.resize(kept);
  records_.shrink_to_fit();
  return merged;
}

size_t RecordSet::LowerBound(const Slice& target) const {
  auto it = std::lower_bound(records_.begin(), records_.end(), target,
                             [](const Record& r, const Slice& t) {
                               return Slice(r.data, r.key_size).compare(t) < 0;
                             });
  return static_cast<size_t>(it - records_.begin());
}

size_t RecordSet::Find(const Slice& target) const {
  const size_t i = LowerBound(target);
  return i < size() && key(i) == target ? i : kNotFound;
}

uint64_t RecordSet::KeyBytes() const {
  uint64_t sum = 0;
  for (const Record& r : records_) {
    sum += r.key_size;
  }
  return sum;
}

std::string NearMiss(const RecordSet& records, RandomSource* random) {
  for (;;) {
    std::string key = records.key(random->Uniform(records.size())).ToString();
    ChangeAByte(random, &key);
    if (records.Find(key) == RecordSet::kNotFound) {
      return key;
    }
  }
}

std::string UnionOfLists(const Slice& a, const Slice& b) {
  std::string result = a.ToString();
  for (const std::string& item : rocksdb::StringSplit(b.ToString(), ',')) {
    // Framed by commas so that "git" is not found inside "git-doc".
    const bool known =
        ("," + result + ",").find("," + item + ",") != std::string::npos;
    if (!known && !item.empty()) {
      result += (result.empty() ? "" : ",") + item;
    }
  }
  return result;
}

}  // namespace memkv
