// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/existing_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "compat/open.h"
#include "compat/status.h"
#include "db_bench_ext/common/check.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"

namespace memkv {

using rocksdb::ColumnFamilyDescriptor;
using rocksdb::ColumnFamilyHandle;
using rocksdb::DB;

namespace {

// Files open at a time: what a reader keeps of one is memory as long.
constexpr int kOpenFiles = 100;

// Reads files of both kinds, and pins none; null if `own` makes other tables.
std::shared_ptr<rocksdb::TableFactory> ReadingFactory(
    const rocksdb::TableFactory& own) {
  const auto* const block_based =
      own.GetOptions<rocksdb::BlockBasedTableOptions>();
  if (block_based == nullptr) {
    return nullptr;
  }
  FstTableOptions fst;
  fst.residency = FstTableOptions::Residency::kCache;
  return std::shared_ptr<rocksdb::TableFactory>(
      NewFstTableFactory(fst, block_based));
}

// Options of the whole and of each column family.
void FindOptions(const std::string& path, rocksdb::DBOptions* options,
                 std::vector<ColumnFamilyDescriptor>* families) {
  std::vector<std::string> names;
  Check(DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names));
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  std::vector<ColumnFamilyDescriptor> known;
  // If there is no such file, RocksDB's own options do.
  rocksdb::LoadLatestOptions(config, path, options, &known)
      .PermitUncheckedError();
  for (const std::string& name : names) {
    const auto found = std::find_if(
        known.begin(), known.end(),
        [&name](const ColumnFamilyDescriptor& f) { return f.name == name; });
    families->emplace_back(name, found == known.end()
                                     ? rocksdb::ColumnFamilyOptions()
                                     : found->options);
  }
}

}  // namespace

Status ExplainOpen(const Status& status) {
  const std::string text = status.ToString();
  if (status.IsInvalidArgument() &&
      text.find("comparator") != std::string::npos) {
    return compat::Appended(
        status, "; a comparator of the application's is not known here");
  }
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    return compat::Appended(status, "; another process has the database open");
  }
  return status;
}

void CheckFamily(const std::string& path, const std::string& name,
                 const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    Refuse(path + " has no column family " + name,
           fmt::format("it has {}", fmt::join(names, ", ")));
  }
}

ExistingDatabase::ExistingDatabase(const std::string& path, Damage damage,
                                   const std::string& secondary) {
  rocksdb::DBOptions options;
  std::vector<ColumnFamilyDescriptor> families;
  FindOptions(path, &options, &families);
  for (ColumnFamilyDescriptor& family : families) {
    own_options_.emplace(family.name, family.options);
    auto reading = ReadingFactory(*family.options.table_factory);
    if (reading != nullptr) {
      family.options.table_factory = std::move(reading);
    }
  }
  options.create_if_missing = false;
  // RocksDB wants all files of a secondary instance to be open.
  options.max_open_files = secondary.empty() ? kOpenFiles : -1;
  options.skip_stats_update_on_db_open = true;
  if (damage == Damage::kTolerate) {
    options.paranoid_checks = false;
  }
  // Where the database is open elsewhere, logs and tables are deleted between
  // the look into the folder or the MANIFEST and the look into the file.
  constexpr int kTries = 3;
  DB* opened = nullptr;
  Status s;
  for (int i = 0; i < kTries && opened == nullptr; i++) {
    s = secondary.empty()
            ? DB::OpenForReadOnly(options, path, families, &handles_,
                                  compat::Into(&opened))
            : DB::OpenAsSecondary(options, path, secondary, families, &handles_,
                                  compat::Into(&opened));
  }
  Check(ExplainOpen(s));
  db_.reset(opened);
}

ExistingDatabase::~ExistingDatabase() {
  for (ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
}

ColumnFamilyHandle* ExistingDatabase::Family(const std::string& name) const {
  std::vector<std::string> names;
  for (ColumnFamilyHandle* handle : handles_) {
    if (handle->GetName() == name) {
      return handle;
    }
    names.push_back(handle->GetName());
  }
  CheckFamily(db_->GetName(), name, names);
  return nullptr;
}

}  // namespace memkv
