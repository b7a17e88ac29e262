// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// GeneratedRecords: records without a key of them held, for databases larger
// than memory. Keys are generated URLs; a value is a function of its key.
//
// A database is compared with them by the number of its keys, a hash of all of
// them in order, and each value by its key: making keys, half a microsecond
// each, is most of what a program spends beside the database, so they are made
// once to know them all and once for each load. Only if those differ, every key
// is compared with the generator's, to name the first that is wrong.
//
// Thread safety: const methods may run together.

#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/keys/key_stats.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/keys/url_generator.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "rocksdb/write_batch.h"
#include "util/hash.h"

namespace memkv {

class GeneratedRecords {
 public:
  // So many have been done since the call before.
  using Progress = std::function<void(uint64_t)>;

  // `ratio` is the part of a value that a compressor cannot shorten.
  GeneratedRecords(uint64_t seed, uint64_t count, size_t value_size,
                   double ratio)
      : seed_(seed),
        value_size_(value_size),
        ratio_(ratio),
        urls_(seed, count),
        shuffled_(count, seed) {}

  // Makes all keys once; then distinct() and Verify() may be called. `stats`
  // may be null.
  void MakeAll(KeyStats* stats, const Progress& progress) {
    UrlGenerator::SortedStream stream(urls_);
    for (std::string key; stream.Next(&key);) {
      distinct_++;
      key_bytes_ += key.size();
      hash_ = rocksdb::Hash64(key.data(), key.size(), hash_);
      if (stats != nullptr) {
        stats->Add(key);
      }
      if (distinct_ % kBatchRecords == 0) {
        progress(kBatchRecords);
      }
    }
  }

  // Puts all in batches, in order or shuffled. `batch_done` is told after each
  // batch how many have been put so far.
  void Load(bool sorted, const BenchDatabase& database,
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

  // Reads all of the database in order. A difference is a Failure that names
  // database, key, what was expected and found.
  void Verify(const BenchDatabase& database, const Progress& progress) const {
    const std::unique_ptr<rocksdb::Iterator> it(
        database.db()->NewIterator(rocksdb::ReadOptions()));
    uint64_t found = 0;
    uint64_t hash = 0;
    bool values = true;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      hash = rocksdb::Hash64(it->key().data(), it->key().size(), hash);
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

  std::string KeyAt(uint64_t i) const { return urls_.KeyAt(i); }
  std::string ValueOf(const Slice& key) const {
    std::string value;
    if (value_size_ > 0) {
      RandomSource random(rocksdb::Hash64(key.data(), key.size(), seed_));
      FillValue(value_size_, ratio_, &random, &value);
    }
    return value;
  }

  // Those that are made, of which distinct() are distinct.
  uint64_t count() const { return urls_.count(); }
  uint64_t distinct() const { return distinct_; }
  uint64_t key_bytes() const { return key_bytes_; }
  size_t num_hosts() const { return urls_.num_hosts(); }
  size_t value_size() const { return value_size_; }

 private:
  // For a database of which it is known that there is one.
  [[noreturn]] void FindMismatch(const BenchDatabase& database) const {
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

  const uint64_t seed_;
  const size_t value_size_;
  const double ratio_;
  const UrlGenerator urls_;
  const ShuffledRange shuffled_;
  uint64_t distinct_ = 0;
  uint64_t key_bytes_ = 0;  // of those that are distinct
  uint64_t hash_ = 0;       // of those, in order
};

}  // namespace memkv
