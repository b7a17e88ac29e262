// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/demo_measure.h"

#include <memory>

#include "db_bench_ext/common/tally.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random_source.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr int kSeekSteps = 10;

enum Operation { kHit, kMiss, kSeek, kForwards, kBackwards, kOperations };

const char* const kLabels[kOperations] = {
    "point hit", "point miss", "seek + 10 steps", "full scan forwards",
    "full scan backwards"};

// The probes of one round, and what they must find.
struct Probes {
  std::vector<Slice> keys[kOperations];
  Tally expected[kOperations];
  // The near misses live here; the others are the input's own.
  std::vector<std::string> owned;
};

void MakeProbes(const RecordSet& records, const MeasureOptions& options,
                RandomSource* random, Probes* probes) {
  probes->owned.reserve(options.point_probes + options.seek_probes);
  for (size_t i = 0; i < options.point_probes; i++) {
    const size_t at = random->Uniform(records.size());
    probes->keys[kHit].push_back(records.key(at));
    probes->expected[kHit].Count(records.key(at), records.value(at));
    probes->owned.push_back(NearMiss(records, random));
    probes->keys[kMiss].emplace_back(probes->owned.back());
  }
  for (size_t i = 0; i < options.seek_probes; i++) {
    if (random->OneIn(2)) {
      probes->owned.push_back(NearMiss(records, random));
      probes->keys[kSeek].emplace_back(probes->owned.back());
    } else {
      const size_t at = random->Uniform(records.size());
      probes->keys[kSeek].push_back(records.key(at));
    }
    size_t at = records.LowerBound(probes->keys[kSeek].back());
    for (int step = 0; step <= kSeekSteps && at < records.size(); step++) {
      probes->expected[kSeek].Count(records.key(at), records.value(at));
      at++;
    }
  }
  for (Operation scan : {kForwards, kBackwards}) {
    probes->expected[scan] = {records.size(),
                              records.KeyBytes() + records.ValueBytes()};
  }
}

Status RunGets(rocksdb::DB* db, const std::vector<Slice>& keys, Tally* tally) {
  rocksdb::ReadOptions read;
  rocksdb::PinnableSlice value;
  for (const Slice& key : keys) {
    value.Reset();
    Status s = db->Get(read, db->DefaultColumnFamily(), key, &value);
    if (s.ok()) {
      tally->Count(key, value);
    } else if (!s.IsNotFound()) {
      return s;
    }
  }
  return Status::OK();
}

Status RunSeeks(rocksdb::DB* db, const std::vector<Slice>& keys, Tally* tally) {
  std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions()));
  for (const Slice& key : keys) {
    it->Seek(key);
    for (int step = 0; it->Valid(); step++, it->Next()) {
      tally->Count(it->key(), it->value());
      if (step == kSeekSteps) {
        break;
      }
    }
    if (!it->status().ok()) {
      return it->status();
    }
  }
  return Status::OK();
}

Status RunScan(rocksdb::DB* db, bool forwards, Tally* tally) {
  std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions()));
  if (forwards) {
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      tally->Count(it->key(), it->value());
    }
  } else {
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      tally->Count(it->key(), it->value());
    }
  }
  return it->status();
}

Status RunOperation(Operation operation, const BenchDatabase& database,
                    const Probes& probes, double* nanos) {
  rocksdb::DB* db = database.db();
  const std::vector<Slice>& keys = probes.keys[operation];
  const Tally& expected = probes.expected[operation];
  Tally tally;
  const double start = ThreadCpuNanos();
  Status s;
  if (operation == kForwards || operation == kBackwards) {
    s = RunScan(db, operation == kForwards, &tally);
  } else if (operation == kSeek) {
    s = RunSeeks(db, keys, &tally);
  } else {
    s = RunGets(db, keys, &tally);
  }
  const double spent = ThreadCpuNanos() - start;
  if (s.ok() && !(tally == expected)) {
    s = Status::Corruption(
        "MISMATCH in " + database.name() + ", " + kLabels[operation],
        "expected " + expected.ToString() + ", found " + tally.ToString());
  }
  const size_t count = keys.empty() ? expected.found : keys.size();
  *nanos = spent / static_cast<double>(count);
  return s;
}

}  // namespace

uint64_t MeasureSteps(const MeasureOptions& options) {
  return uint64_t{options.rounds} * kOperations;
}

Status MeasureReads(const BenchDatabase& stock, const BenchDatabase& memkv,
                    const RecordSet& records, const MeasureOptions& options,
                    ProgressBar* progress, std::vector<Timing>* timings) {
  std::vector<double> stock_ns[kOperations];
  std::vector<double> memkv_ns[kOperations];
  RandomSource random(options.seed);
  for (unsigned round = 0; round < options.rounds; round++) {
    Probes probes;
    MakeProbes(records, options, &random, &probes);
    for (int i = 0; i < kOperations; i++) {
      const auto operation = static_cast<Operation>(i);
      for (unsigned turn = 0; turn < 2; turn++) {
        const bool is_stock = (round + turn) % 2 == 0;
        double nanos = 0;
        Status s =
            RunOperation(operation, is_stock ? stock : memkv, probes, &nanos);
        if (!s.ok()) {
          return s;
        }
        (is_stock ? stock_ns : memkv_ns)[operation].push_back(nanos);
      }
      progress->Add(1);
    }
  }
  for (int i = 0; i < kOperations; i++) {
    timings->push_back({kLabels[i], Median(stock_ns[i]), Median(memkv_ns[i])});
  }
  return Status::OK();
}

}  // namespace memkv
