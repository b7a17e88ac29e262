// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Compares a database with the records it was loaded from, record by record.
// A difference is Corruption naming the database, the operation, the key, what
// was expected and what was found. `progress` may be null.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>

#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/keys/record_set.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace memkv {

// What a database must hold, in ascending order of distinct keys.
class ExpectedRecords {
 public:
  virtual ~ExpectedRecords() = default;
  virtual size_t size() const = 0;
  virtual rocksdb::Slice key(size_t i) const = 0;
  // In *buffer, or elsewhere.
  virtual rocksdb::Slice value(size_t i, std::string* buffer) const = 0;
};

// The records of a set, which must outlive it.
class RecordSetExpected : public ExpectedRecords {
 public:
  explicit RecordSetExpected(const RecordSet& records) : records_(records) {}
  size_t size() const override { return records_.size(); }
  rocksdb::Slice key(size_t i) const override { return records_.key(i); }
  rocksdb::Slice value(size_t i, std::string* /*buffer*/) const override {
    return records_.value(i);
  }

 private:
  const RecordSet& records_;
};

// Every record by Get. Compares values byte by byte.
rocksdb::Status VerifyByGet(const BenchDatabase& database,
                            const ExpectedRecords& records,
                            ProgressBar* progress);

// Every record by one iterator from end to end, in either direction. Compares
// keys, values, order and count.
rocksdb::Status VerifyByScan(const BenchDatabase& database,
                             const ExpectedRecords& records, bool forwards,
                             ProgressBar* progress);

// `bytes` in quotes, what is not printable as \xNN, cut short if very long.
std::string Quoted(const rocksdb::Slice& bytes);

}  // namespace memkv
