// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/generated_look_ups.h"

#include <algorithm>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/verify.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

using rocksdb::Status;

namespace {

// Of the look-ups that are timed together.
constexpr uint64_t kParts = 10;

class LookUps {
 public:
  LookUps(const GeneratedRecords& records, uint64_t seed,
          BenchDatabase* database)
      : records_(records), database_(*database), random_(seed) {}

  // Other keys for what comes next.
  void Draw(uint64_t count) {
    keys_.clear();
    for (uint64_t i = 0; i < count; i++) {
      keys_.push_back(records_.KeyAt(random_.Uniform(records_.count())));
    }
  }

  // All keys drawn, and what that took.
  void Part(Measured* measured) {
    uint64_t found = 0;
    RunThreads(1, measured, [&](unsigned) {
      for (const std::string& key : keys_) {
        const Status one = Get(key);
        found += one.ok() && value_.size() == records_.value_size() ? 1 : 0;
      }
    });
    if (found < keys_.size()) {
      CheckEach();
    }
  }

  // Each of them by itself, compared when its clock has stopped: its time.
  std::vector<uint64_t> CheckEach() {
    std::vector<uint64_t> nanos;
    for (const std::string& key : keys_) {
      const uint64_t start = WallNanos();
      const Status s = Get(key);
      nanos.push_back(WallNanos() - start);
      const std::string expected = records_.ValueOf(key);
      if (!s.ok() || value_ != expected) {
        Mismatch(key, Quoted(expected), s);
      }
    }
    return nanos;
  }

  void CheckMisses() {
    for (std::string key : keys_) {
      key.push_back('\x01');
      const Status s = Get(key);
      if (!s.IsNotFound()) {
        Mismatch(key, "nothing", s);
      }
    }
  }

 private:
  Status Get(const std::string& key) {
    rocksdb::DB* const db = database_.db();
    value_.Reset();
    return db->Get(read_, db->DefaultColumnFamily(), key, &value_);
  }
  [[noreturn]] void Mismatch(const std::string& key,
                             const std::string& expected,
                             const Status& s) const {
    throw Failure(Status::Corruption(
        "MISMATCH in " + database_.name() + ", look-up of " + Quoted(key),
        "expected " + expected + ", found " +
            (s.ok() ? Quoted(value_) : s.ToString())));
  }

  const GeneratedRecords& records_;
  const BenchDatabase& database_;
  RandomSource random_;
  const rocksdb::ReadOptions read_;
  rocksdb::PinnableSlice value_;
  std::vector<std::string> keys_;
};

}  // namespace

void MeasureLookUps(const GeneratedRecords& records, uint64_t ops,
                    uint64_t seed, const MemoryLimit& limit,
                    const std::string& prefix, BenchDatabase* database,
                    Json* point) {
  const uint64_t part =
      std::max<uint64_t>(std::min(ops, records.count()) / kParts, 1);
  Check(limit.Apply(database));
  LookUps warm_up(records, seed + 1, database);
  for (uint64_t i = 0; limit.limited() && i < kParts; i++) {
    Measured untimed;
    warm_up.Draw(part);
    warm_up.Part(&untimed);
  }
  LookUps look_ups(records, seed, database);
  std::vector<double> cpu;
  std::vector<double> wall;
  Measured all;
  for (uint64_t i = 0; i < kParts; i++) {
    Measured one;
    look_ups.Draw(part);
    look_ups.Part(&one);
    cpu.push_back(one.cpu_nanos / static_cast<double>(part));
    wall.push_back(one.wall_nanos / static_cast<double>(part));
    all.file_bytes += one.file_bytes;
    all.file_reads += one.file_reads;
  }
  look_ups.Draw((kParts * part + 1) / 2);
  std::vector<uint64_t> latencies = look_ups.CheckEach();
  const double timed = static_cast<double>(kParts * part);
  (*point)[prefix + "get_cpu_nanos"] = Median(cpu);
  (*point)[prefix + "get_wall_nanos"] = Median(wall);
  (*point)[prefix + "get_p50_nanos"] = Percentile(0.5, &latencies);
  (*point)[prefix + "get_p99_nanos"] = Percentile(0.99, &latencies);
  if (limit.limited()) {
    (*point)[prefix + "get_bytes_read"] =
        static_cast<double>(all.file_bytes) / timed;
    (*point)[prefix + "get_reads"] =
        static_cast<double>(all.file_reads) / timed;
  }
  using Names = rocksdb::DB::Properties;
  (*point)[prefix + "table_reader_bytes"] =
      database->Property(Names::kEstimateTableReadersMem);
  (*point)[prefix + "block_cache_bytes"] =
      database->Property(Names::kBlockCacheUsage);
  look_ups.CheckMisses();
}

}  // namespace memkv
