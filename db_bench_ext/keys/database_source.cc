// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/database_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/utilities/options_util.h"

namespace memkv {

using rocksdb::ColumnFamilyDescriptor;
using rocksdb::DB;
using rocksdb::Status;

namespace {

// Files open at a time: a pinned segment is memory as long as its file is open.
constexpr int kOpenFiles = 100;

// Options of the whole and of each column family: of the latest OPTIONS file,
// or RocksDB's own if there is none.
Status FindOptions(const std::string& path, rocksdb::DBOptions* options,
                   std::vector<ColumnFamilyDescriptor>* families) {
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  Status s = rocksdb::LoadLatestOptions(config, path, options, families);
  if (!s.ok()) {
    std::vector<std::string> names;
    s = DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names);
    families->clear();
    for (const std::string& name : names) {
      families->emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
  }
  options->create_if_missing = false;
  options->max_open_files = kOpenFiles;
  return s;
}

// Of a sequence of unknown length, records that lie evenly: each `stride_`-th,
// twice as many as wanted at most. When there are more, every second goes.
class EvenSample {
 public:
  explicit EvenSample(uint64_t wanted) : wanted_(wanted) {}

  void Add(const rocksdb::Slice& key, const rocksdb::Slice& value) {
    if (seen_++ % stride_ != 0) {
      return;
    }
    records_.emplace_back(key.ToString(), value.ToString());
    if (wanted_ > 0 && records_.size() == 2 * wanted_) {
      for (size_t i = 1; i < wanted_; i++) {
        records_[i] = std::move(records_[2 * i]);
      }
      records_.resize(wanted_);
      stride_ *= 2;
    }
  }

  uint64_t seen() const { return seen_; }

  void Take(RecordSet* to) const {
    const size_t n = records_.size();
    const size_t taken =
        wanted_ == 0 ? n : std::min<size_t>(n, static_cast<size_t>(wanted_));
    for (size_t i = 0; i < taken; i++) {
      const auto& [key, value] = records_[i * n / taken];
      to->Add(key, value);
    }
  }

 private:
  const uint64_t wanted_;
  uint64_t seen_ = 0;
  uint64_t stride_ = 1;
  std::vector<std::pair<std::string, std::string>> records_;
};

Status ReadRecords(DB* db, rocksdb::ColumnFamilyHandle* family,
                   EvenSample* sample) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.total_order_seek = true;
  read.readahead_size = size_t{2} << 20;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, family));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    sample->Add(it->key(), it->value());
  }
  return it->status();
}

}  // namespace

Status ReadDatabase(const std::string& path, const std::string& column_family,
                    uint64_t sample, KeySet* input) {
  rocksdb::DBOptions options;
  std::vector<ColumnFamilyDescriptor> families;
  Status s = FindOptions(path, &options, &families);
  if (!s.ok()) {
    return s;
  }
  const auto wanted = std::find_if(
      families.begin(), families.end(),
      [&](const auto& family) { return family.name == column_family; });
  if (wanted == families.end()) {
    std::string names;
    for (const ColumnFamilyDescriptor& family : families) {
      names += (names.empty() ? "" : ", ") + family.name;
    }
    return Status::InvalidArgument(
        path + " has no column family " + column_family, "it has " + names);
  }
  const auto at = static_cast<size_t>(wanted - families.begin());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  DB* opened = nullptr;
  s = DB::OpenForReadOnly(options, path, families, &handles, &opened);
  if (!s.ok()) {
    return s;
  }
  const std::unique_ptr<DB> db(opened);
  EvenSample records(sample);
  s = ReadRecords(db.get(), handles[at], &records);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const Status dropped = db->DestroyColumnFamilyHandle(handle);
    s = s.ok() ? dropped : s;
  }
  if (!s.ok()) {
    return s;
  }
  records.Take(&input->records);
  input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("{}, column family {}: {} of {} records", path, column_family,
                  input->records.size(), records.seen());
  return input->records.size() > 0
             ? Status::OK()
             : Status::InvalidArgument(input->description);
}

}  // namespace memkv
