// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "db_bench_ext/keys/key_source.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/utilities/options_util.h"

namespace memkv {

using rocksdb::ColumnFamilyDescriptor;
using rocksdb::DB;
using rocksdb::Slice;
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

// Calls take(key, value) for each record.
template <typename Take>
Status ForEachRecord(DB* db, rocksdb::ColumnFamilyHandle* family,
                     const Take& take) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.total_order_seek = true;
  read.readahead_size = size_t{2} << 20;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, family));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    take(it->key(), it->value());
  }
  return it->status();
}

// Adds all records, or if `sample` is less those that lie evenly, of which the
// first is one. Sets *count to the number of all.
Status ReadRecords(DB* db, rocksdb::ColumnFamilyHandle* family, uint64_t sample,
                   uint64_t* count, RecordSet* records) {
  *count = 0;
  if (sample == 0) {
    return ForEachRecord(db, family, [&](const Slice& key, const Slice& value) {
      records->Add(key, value);
      ++*count;
    });
  }
  Status s = ForEachRecord(db, family,
                           [count](const Slice&, const Slice&) { ++*count; });
  const uint64_t wanted = std::min(sample, *count);
  uint64_t at = 0;
  uint64_t taken = 0;
  auto take = [&](const Slice& key, const Slice& value) {
    if (taken < wanted && at++ == taken * *count / wanted) {
      records->Add(key, value);
      taken++;
    }
  };
  return s.ok() ? ForEachRecord(db, family, take) : s;
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
  uint64_t count = 0;
  s = ReadRecords(db.get(), handles[at], sample, &count, &input->records);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const Status dropped = db->DestroyColumnFamilyHandle(handle);
    s = s.ok() ? dropped : s;
  }
  if (!s.ok()) {
    return s;
  }
  input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("{}, column family {}: {} of {} records", path, column_family,
                  input->records.size(), count);
  return input->records.size() > 0
             ? Status::OK()
             : Status::InvalidArgument(input->description);
}

}  // namespace memkv
