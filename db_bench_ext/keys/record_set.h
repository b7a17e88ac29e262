// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RecordSet: the input of a benchmark, held compactly in memory and sorted
// bytewise. It is the reference that databases are compared with, so it shares
// no code with a database but an arena. Find is a binary search over pointers.
//
// Thread safety: const methods may run together; Add and SortAndMerge may not
// run beside anything.
//
// Invariants, after SortAndMerge:
//   (I1) keys strictly ascend in unsigned bytewise order.
//   (I2) key(i) and value(i) stay where they are until the set is destroyed.
//
// Memory: key and value bytes once, and 16 bytes a record. A merged duplicate
// leaves its old bytes behind unused.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"
#include "memory/arena.h"
#include "rocksdb/slice.h"
#include "util/string_util.h"

namespace memkv {

// The comma-separated union of two comma-separated lists.
inline std::string UnionOfLists(const rocksdb::Slice& a,
                                const rocksdb::Slice& b) {
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

  void Add(const rocksdb::Slice& key, const rocksdb::Slice& value) {
    const size_t bytes = key.size() + value.size();
    char* const data = arena_.Allocate(std::max<size_t>(bytes, 1));
    std::copy_n(key.data(), key.size(), data);
    std::copy_n(value.data(), value.size(), data + key.size());
    records_.push_back({data, static_cast<uint32_t>(key.size()),
                        static_cast<uint32_t>(value.size())});
  }

  // Establishes (I1). Returns how many records fell to the rule.
  size_t SortAndMerge(DuplicateRule rule) {
    // Stable, so that equal keys stay in the order they were added.
    std::stable_sort(records_.begin(), records_.end(),
                     [&](const Record& a, const Record& b) {
                       return a.key().compare(b.key()) < 0;
                     });
    const size_t all = records_.size();
    size_t kept = 0;
    for (size_t i = 0; i < all; i++) {
      if (kept == 0 || records_[kept - 1].key() != records_[i].key()) {
        records_[kept++] = records_[i];
      } else if (rule == DuplicateRule::kLastWins) {
        records_[kept - 1] = records_[i];
      } else {
        const Record& last = records_[kept - 1];
        Add(last.key(), UnionOfLists(last.value(), records_[i].value()));
        records_[kept - 1] = records_.back();
        records_.pop_back();
      }
    }
    records_.resize(kept);
    records_.shrink_to_fit();
    return all - kept;
  }

  size_t size() const { return records_.size(); }
  rocksdb::Slice key(size_t i) const { return records_[i].key(); }
  rocksdb::Slice value(size_t i) const { return records_[i].value(); }

  // The first i with key(i) >= target, size() if there is none.
  // REQUIRES: SortAndMerge was called.
  size_t LowerBound(const rocksdb::Slice& target) const {
    const auto it =
        std::lower_bound(records_.begin(), records_.end(), target,
                         [](const Record& r, const rocksdb::Slice& t) {
                           return r.key().compare(t) < 0;
                         });
    return static_cast<size_t>(it - records_.begin());
  }
  // The i with key(i) == target, or kNotFound.
  // REQUIRES: SortAndMerge was called.
  size_t Find(const rocksdb::Slice& target) const {
    const size_t i = LowerBound(target);
    return i < size() && key(i) == target ? i : kNotFound;
  }

  uint64_t KeyBytes() const {
    uint64_t sum = 0;
    for (const Record& record : records_) {
      sum += record.key_size;
    }
    return sum;
  }

 private:
  struct Record {
    const char* data;  // key bytes, then value bytes
    uint32_t key_size;
    uint32_t value_size;

    rocksdb::Slice key() const { return {data, key_size}; }
    rocksdb::Slice value() const { return {data + key_size, value_size}; }
  };

  rocksdb::Arena arena_{size_t{16} << 20};
  std::vector<Record> records_;
};

inline std::vector<std::string> KeysOf(const RecordSet& records) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < records.size(); i++) {
    keys.push_back(records.key(i).ToString());
  }
  return keys;
}

// A key that differs from a record's by one changed or appended byte, and is
// not a record's.
// REQUIRES: records is not empty, and SortAndMerge was called on it.
inline std::string NearMiss(const RecordSet& records, RandomSource* random) {
  for (;;) {
    std::string key = records.key(random->Uniform(records.size())).ToString();
    ChangeAByte(random, &key);
    if (records.Find(key) == RecordSet::kNotFound) {
      return key;
    }
  }
}

// The least key above all keys with this prefix; empty if there is none.
inline std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) {
    prefix.pop_back();
  }
  if (!prefix.empty()) {
    prefix.back()++;
  }
  return prefix;
}

// A key up to its last separator that is not its last byte, or its first half:
// a prefix as those have who look for everything below one.
inline std::string ExamplePrefix(const rocksdb::Slice& key) {
  const std::string text = key.ToString();
  const size_t cut = text.size() < 2
                         ? std::string::npos
                         : text.find_last_of("/.:-_ ", text.size() - 2);
  return text.substr(
      0, cut == std::string::npos ? (text.size() + 1) / 2 : cut + 1);
}

}  // namespace memkv
