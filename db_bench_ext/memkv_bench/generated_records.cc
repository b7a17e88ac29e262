// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/generated_records.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "rocksdb/write_batch.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

// Of `before` and the key, eight bytes at a time.
uint64_t Hash(uint64_t before, const Slice& key) {
  uint64_t hash = before + key.size();
  for (size_t at = 0; at < key.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, key.data() + at,
                std::min(sizeof(word), key.size() - at));
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 32;
  }
  return hash;
}

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
        Fail(key, Quoted(expected), s);
      }
    }
    return nanos;
  }

  void CheckMisses() {
    for (std::string key : keys_) {
      key.push_back('\x01');
      const Status s = Get(key);
      if (!s.IsNotFound()) {
        Fail(key, "nothing", s);
      }
    }
  }

 private:
  Status Get(const std::string& key) {
    rocksdb::DB* const db = database_.db();
    value_.Reset();
    return db->Get(read_, db->DefaultColumnFamily(), key, &value_);
  }
  void Fail(const std::string& key, const std::string& expected,
            const Status& s) const {
    Check(database_.Mismatch("look-up of " + Quoted(key), expected,
                             s.ok() ? Quoted(value_) : s.ToString()));
  }

  const GeneratedRecords& records_;
  const BenchDatabase& database_;
  RandomSource random_;
  const rocksdb::ReadOptions read_;
  rocksdb::PinnableSlice value_;
  std::vector<std::string> keys_;
};

}  // namespace

GeneratedRecords::GeneratedRecords(uint64_t seed, uint64_t count,
                                   size_t value_size, double ratio)
    : seed_(seed),
      value_size_(value_size),
      ratio_(ratio),
      urls_(seed, count),
      shuffled_(count, seed) {}

std::string GeneratedRecords::ValueOf(const Slice& key) const {
  std::string value;
  if (value_size_ > 0) {
    RandomSource random(Hash(seed_, key));
    FillValue(value_size_, ratio_, &random, &value);
  }
  return value;
}

void GeneratedRecords::MakeAll(KeyStats* stats, const Progress& progress) {
  UrlGenerator::SortedStream stream(urls_);
  for (std::string key; stream.Next(&key);) {
    distinct_++;
    key_bytes_ += key.size();
    hash_ = Hash(hash_, key);
    if (stats != nullptr) {
      stats->Add(key);
    }
    if (distinct_ % kBatchRecords == 0) {
      progress(kBatchRecords);
    }
  }
}

Status GeneratedRecords::Load(
    bool sorted, BenchDatabase* database,
    const std::function<void(uint64_t)>& batch_done) const {
  UrlGenerator::SortedStream stream(urls_);
  rocksdb::WriteBatch batch;
  uint64_t written = 0;
  Status s;
  std::string key;
  for (bool more = true; s.ok() && more;) {
    if (sorted) {
      more = stream.Next(&key);
    } else {
      more = written < urls_.count();
      if (more) {
        key = urls_.KeyAt(shuffled_.At(written));
      }
    }
    if (more) {
      s = batch.Put(key, ValueOf(key));
      written++;
    }
    if (s.ok() && (!more || written % kBatchRecords == 0)) {
      s = database->db()->Write(rocksdb::WriteOptions(), &batch);
      batch.Clear();
      batch_done(written);
    }
  }
  return s;
}

Status GeneratedRecords::Verify(const BenchDatabase& database,
                                const Progress& progress) const {
  std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions()));
  uint64_t found = 0;
  uint64_t hash = 0;
  bool values = true;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    hash = Hash(hash, it->key());
    values = values && it->value() == ValueOf(it->key());
    if (++found % kBatchRecords == 0) {
      progress(kBatchRecords);
    }
  }
  if (!it->status().ok()) {
    return it->status();
  }
  return values && found == distinct_ && hash == hash_ ? Status::OK()
                                                       : FindMismatch(database);
}

// For a database of which it is known that there is one.
Status GeneratedRecords::FindMismatch(const BenchDatabase& database) const {
  UrlGenerator::SortedStream stream(urls_);
  std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions()));
  uint64_t at = 0;
  std::string key;
  bool more = stream.Next(&key);
  for (it->SeekToFirst();
       more && it->Valid() && it->key() == key && it->value() == ValueOf(key);
       it->Next()) {
    more = stream.Next(&key);
    at++;
  }
  return database.Mismatch(
      "key " + std::to_string(at) + " of " + std::to_string(distinct_),
      more ? Quoted(key) : "the end",
      it->Valid() ? Quoted(it->key()) + " with " + Quoted(it->value())
                  : "the end, " + it->status().ToString());
}

void MeasureLookUps(const GeneratedRecords& records, uint64_t ops,
                    uint64_t seed, const MemoryLimit& limit,
                    const std::string& prefix, BenchDatabase* database,
                    Json* point) {
  const uint64_t part =
      std::max<uint64_t>(std::min(ops, records.count()) / kParts, 1);
  const auto timed = static_cast<double>(kParts * part);
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
    const Measured before = all;
    look_ups.Draw(part);
    look_ups.Part(&all);
    cpu.push_back((all.cpu_nanos - before.cpu_nanos) /
                  static_cast<double>(part));
    wall.push_back((all.wall_nanos - before.wall_nanos) /
                   static_cast<double>(part));
  }
  look_ups.Draw((kParts * part + 1) / 2);
  std::vector<uint64_t> latencies = look_ups.CheckEach();
  auto field = [&](const char* name) -> Json& {
    return (*point)[prefix + name];
  };
  field("get_cpu_nanos") = Median(cpu);
  field("get_wall_nanos") = Median(wall);
  field("get_p50_nanos") = Percentile(0.5, &latencies);
  field("get_p99_nanos") = Percentile(0.99, &latencies);
  if (limit.limited()) {
    field("get_bytes_read") = static_cast<double>(all.file_bytes) / timed;
    field("get_reads") = static_cast<double>(all.file_reads) / timed;
  }
  using Names = rocksdb::DB::Properties;
  field("table_reader_bytes") =
      database->Property(Names::kEstimateTableReadersMem);
  field("block_cache_bytes") = database->Property(Names::kBlockCacheUsage);
  look_ups.CheckMisses();
}

}  // namespace memkv
