// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RecordSet: the input of a benchmark, held compactly in memory and sorted
// bytewise. It is the reference that databases are compared with, so it is
// built from nothing but memcmp order and the rule for duplicates below; it
// shares no code with a database.
//
// It is not an index to be fast with: Find is a binary search over pointers.
//
// Thread safety: const methods may run together; Add and SortAndMerge may not
// run beside anything.
//
// Invariants, after SortAndMerge:
//   (I1) keys strictly ascend in unsigned bytewise order.
//   (I2) key(i) and value(i) stay where they are until the set is destroyed.
//
// Memory: key and value bytes once, in 16 MiB pieces that are never copied,
// plus 16 bytes a record.
//
// Known weakness: a merged duplicate leaves its old bytes behind unused.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"
#include "rocksdb/slice.h"

namespace memkv {

// What SortAndMerge does with records of equal keys.
enum class DuplicateRule {
  // The record added last wins, as it does when written to a database.
  kLastWins,
  // Values are comma-separated lists; the record holds their union in the
  // order of first appearance.
  kUnionOfLists,
};

class RecordSet {
 public:
  static constexpr size_t kNotFound = static_cast<size_t>(-1);

  RecordSet() = default;
  RecordSet(const RecordSet&) = delete;
  RecordSet& operator=(const RecordSet&) = delete;

  void Add(const rocksdb::Slice& key, const rocksdb::Slice& value);

  // Establishes (I1). Returns how many records fell to the rule.
  size_t SortAndMerge(DuplicateRule rule);

  size_t size() const { return records_.size(); }
  rocksdb::Slice key(size_t i) const {
    return {records_[i].data, records_[i].key_size};
  }
  rocksdb::Slice value(size_t i) const {
    return {records_[i].data + records_[i].key_size, records_[i].value_size};
  }

  // The first i with key(i) >= target, size() if there is none.
  // REQUIRES: SortAndMerge was called.
  size_t LowerBound(const rocksdb::Slice& target) const;
  // The i with key(i) == target, or kNotFound.
  // REQUIRES: SortAndMerge was called.
  size_t Find(const rocksdb::Slice& target) const;

  uint64_t KeyBytes() const;

 private:
  static constexpr size_t kPieceBytes = size_t{16} << 20;

  struct Record {
    const char* data;  // key bytes, then value bytes
    uint32_t key_size;
    uint32_t value_size;
  };

  char* Allocate(size_t bytes);
  Record Store(const rocksdb::Slice& key, const rocksdb::Slice& value);
  Record Unite(const Record& a, const Record& b);

  std::vector<std::unique_ptr<char[]>> pieces_;
  char* free_ = nullptr;
  size_t free_bytes_ = 0;
  std::vector<Record> records_;
};

// A key that differs from a record's by one changed or appended byte, and is
// not a record's.
// REQUIRES: records is not empty, and SortAndMerge was called on it.
std::string NearMiss(const RecordSet& records, RandomSource* random);

// The comma-separated union of two comma-separated lists.
std::string UnionOfLists(const rocksdb::Slice& a, const rocksdb::Slice& b);

}  // namespace memkv
