// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The records of memkv_bench, and what a database must hold of them.
//
// A value is a function of record and version, so that no database's contents
// need be kept beside the keys: version 0 is what is loaded, and each overwrite
// makes the next. All versions of a record are equally long, so what a scan or
// a look-up adds up to is known whatever versions it met.
//
// A difference is a Failure, of Corruption, naming the database, what it was
// asked, what was expected and what was found.
//
// Thread safety: BenchRecords is immutable. In a BenchModel a record belongs
// to one thread at a time, which alone may overwrite it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/slice.h"

namespace memkv {

// Sets *value to so many bytes, of which a compressor cannot shorten the part
// `ratio`.
void FillValue(size_t size, double ratio, RandomSource* random,
               std::string* value);

class BenchRecords {
 public:
  // value_size < 0: version 0 has the values of `source`. `ratio` is the part
  // of a generated value that a compressor cannot shorten.
  BenchRecords(const RecordSet& source, int64_t value_size, double ratio,
               uint64_t seed)
      : source_(source), value_size_(value_size), ratio_(ratio), seed_(seed) {}

  size_t size() const { return source_.size(); }
  rocksdb::Slice key(size_t i) const { return source_.key(i); }
  const RecordSet& keys() const { return source_; }
  size_t ValueSize(size_t i) const {
    return value_size_ >= 0 ? static_cast<size_t>(value_size_)
           : i < size()     ? source_.value(i).size()
                            : kInsertedValueSize;
  }
  // In *buffer, or where the source has it. i may be size() and more, for
  // records that a workload inserts.
  rocksdb::Slice Value(size_t i, uint32_t version, std::string* buffer) const;

  uint64_t ValueBytes() const;

 private:
  static constexpr size_t kInsertedValueSize = 8;

  const RecordSet& source_;
  const int64_t value_size_;
  const double ratio_;
  const uint64_t seed_;
};

// The records of a model, in ascending order of distinct keys: what a database
// must hold. Both must outlive it, unchanged.
class ModelExpected {
 public:
  ModelExpected(const BenchRecords& records, const BenchModel& model);

  size_t size() const { return records_.size() + inserted_.size(); }
  rocksdb::Slice key(size_t i) const;
  rocksdb::Slice value(size_t i, std::string* buffer) const;
  // The first i with key(i) >= target, size() if there is none.
  size_t LowerBound(const rocksdb::Slice& target) const;

  // Compares every record, by Get.
  void VerifyByGet(const BenchDatabase& database) const;
  // By one iterator from end to end, in either direction: keys, values, order
  // and count.
  void VerifyByScan(const BenchDatabase& database, bool forwards) const;

 private:
  // The inserted record at place i of all, or else the loaded record there.
  bool IsInserted(size_t i, size_t* which) const;

  const BenchRecords& records_;
  const BenchModel& model_;
  std::vector<size_t> inserted_;  // ordinals, by key
  std::vector<size_t> places_;    // of those among all records
};

// What one would ask the records just loaded (--demo), answered with ordinary
// RocksDB calls: questions and answers, line by line. For apt-contents as the
// `source`: which packages ship some files, and what lies under one folder. For
// other keys: what shares the first part of a key of the middle.
std::vector<std::string> AnswerQuestions(const BenchDatabase& database,
                                         const RecordSet& records,
                                         const std::string& source);

}  // namespace memkv
