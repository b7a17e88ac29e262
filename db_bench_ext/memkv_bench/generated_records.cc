// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/generated_records.h"

#include <fmt/format.h>

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
          const BenchDatabase& database)
      : records_(records), database_(database), random_(seed) {}

  // So many other keys for what comes next.
  void Draw(uint64_t count) {
    keys_.clear();
    for (uint64_t i = 0; i < count; i++) {
      keys_.push_back(records_.KeyAt(random_.Uniform(records_.count())));
    }
  }

  // So many keys, and what all of them took.
  Measured Part(uint64_t count) {
    Draw(count);
    Measured measured;
    uint64_t found = 0;
    RunThreads(1, &measured, [&](unsigned) {
      for (const std::string& key : keys_) {
        const Status one = Get(key);
        found += one.ok() && value_.size() == records_.value_size() ? 1 : 0;
      }
    });
    if (found < keys_.size()) {
      CheckEach();
    }
    return measured;
  }

  // Each key by itself, compared when its clock has stopped: its time.
  std::vector<uint64_t> CheckEach() {
    std::vector<uint64_t> nanos;
    for (const std::string& key : keys_) {
      const uint64_t start = WallNanos();
      const Status s = Get(key);
      nanos.push_back(WallNanos() - start);
      const std::string expected = records_.ValueOf(key);
      Expect(s.ok() && value_ == expected, key, Quoted(expected), s);
    }
    return nanos;
  }

  void CheckMisses() {
    for (std::string key : keys_) {
      key.push_back('\x01');
      const Status s = Get(key);
      Expect(s.IsNotFound(), key, "nothing", s);
    }
  }

 private:
  Status Get(const std::string& key) {
    rocksdb::DB* const db = database_.db();
    value_.Reset();
    return db->Get(read_, db->DefaultColumnFamily(), key, &value_);
  }
  void Expect(bool right, const std::string& key, const std::string& expected,
              const Status& s) const {
    if (!right) {
      database_.Mismatch("look-up of " + Quoted(key), expected,
                         s.ok() ? Quoted(value_) : s.ToString());
    }
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

void GeneratedRecords::Load(bool sorted, const BenchDatabase& database,
                            const Progress& batch_done) const {
  UrlGenerator::SortedStream stream(urls_);
  rocksdb::WriteBatch batch;
  uint64_t written = 0;
  std::string key;
  // False at the end.
  auto next = [&] {
    if (sorted) {
      return stream.Next(&key);
    }
    if (written < urls_.count()) {
      key = urls_.KeyAt(shuffled_.At(written));
    }
    return written < urls_.count();
  };
  for (bool more = true; more;) {
    more = next();
    if (more) {
      Check(batch.Put(key, ValueOf(key)));
      written++;
    }
    if (!more || written % kBatchRecords == 0) {
      Check(database.db()->Write(rocksdb::WriteOptions(), &batch));
      batch.Clear();
      batch_done(written);
    }
  }
}

void GeneratedRecords::Verify(const BenchDatabase& database,
                              const Progress& progress) const {
  const std::unique_ptr<rocksdb::Iterator> it(
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
  Check(it->status());
  if (!values || found != distinct_ || hash != hash_) {
    FindMismatch(database);
  }
}

// For a database of which it is known that there is one.
void GeneratedRecords::FindMismatch(const BenchDatabase& database) const {
  UrlGenerator::SortedStream stream(urls_);
  const std::unique_ptr<rocksdb::Iterator> it(
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
  database.Mismatch(fmt::format("key {} of {}", at, distinct_),
                    more ? Quoted(key) : "the end", Quoted(*it));
}

void MeasureLookUps(const GeneratedRecords& records, uint64_t ops,
                    uint64_t seed, const MemoryLimit& limit,
                    const std::string& prefix, const BenchDatabase& database,
                    Json* point) {
  const uint64_t part =
      std::max<uint64_t>(std::min(ops, records.count()) / kParts, 1);
  limit.Apply(database);
  LookUps warm_up(records, seed + 1, database);
  for (uint64_t i = 0; limit.limited() && i < kParts; i++) {
    warm_up.Part(part);
  }
  LookUps look_ups(records, seed, database);
  std::vector<double> cpu;
  std::vector<double> wall;
  uint64_t bytes = 0;
  uint64_t reads = 0;
  for (uint64_t i = 0; i < kParts; i++) {
    const Measured one = look_ups.Part(part);
    cpu.push_back(one.cpu_nanos / static_cast<double>(part));
    wall.push_back(one.wall_nanos / static_cast<double>(part));
    bytes += one.file_bytes;
    reads += one.file_reads;
  }
  look_ups.Draw((kParts * part + 1) / 2);
  std::vector<uint64_t> latencies = look_ups.CheckEach();
  auto set = [&](const char* name, const Json& value) {
    (*point)[prefix + name] = value;
  };
  set("get_cpu_nanos", Median(cpu));
  set("get_wall_nanos", Median(wall));
  set("get_p50_nanos", Percentile(0.5, &latencies));
  set("get_p99_nanos", Percentile(0.99, &latencies));
  if (limit.limited()) {
    const auto all = static_cast<double>(kParts * part);
    set("get_bytes_read", static_cast<double>(bytes) / all);
    set("get_reads", static_cast<double>(reads) / all);
  }
  using Names = rocksdb::DB::Properties;
  set("table_reader_bytes", database.Property(Names::kEstimateTableReadersMem));
  set("block_cache_bytes", database.Property(Names::kBlockCacheUsage));
  look_ups.CheckMisses();
}

}  // namespace memkv
