// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/generated_records.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/verify.h"
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

}  // namespace

GeneratedRecords::GeneratedRecords(uint64_t seed, uint64_t count,
                                   size_t value_size, double ratio)
    : seed_(seed),
      value_size_(value_size),
      random_bytes_(
          static_cast<size_t>(static_cast<double>(value_size) * ratio + 0.999)),
      urls_(seed, count),
      shuffled_(count, seed) {}

std::string GeneratedRecords::ValueOf(const Slice& key) const {
  std::string value;
  if (value_size_ == 0) {
    return value;
  }
  RandomSource random(Hash(seed_, key));
  while (value.size() < value_size_) {
    value.push_back(
        value.size() < random_bytes_ ? static_cast<char>(random.Next() & 0xff)
        : value.empty()
            ? '.'
            : value[value.size() % std::max<size_t>(1, random_bytes_)]);
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
  return Status::Corruption(
      "MISMATCH in " + database.name() + ", key " + std::to_string(at) +
          " of " + std::to_string(distinct_),
      "expected " + (more ? Quoted(key) : "the end") + ", found " +
          (it->Valid() ? Quoted(it->key()) + " with " + Quoted(it->value())
                       : "the end, " + it->status().ToString()));
}

}  // namespace memkv
