// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ExistingDatabase: a database of somebody's, of stock or memkv tables, that is
// opened read-only and left as it is. Its options are those of its OPTIONS file
// as far as this program knows them, or RocksDB's own; files of both kinds are
// read, whatever table factory they name, and none of them is pinned. What its
// write-ahead log has is read as well.
//
// What cannot be opened is a Failure. The database may be open elsewhere; files
// that are deleted there meanwhile are missing here, unless it is opened as a
// secondary instance, which keeps all files open.
//
// Thread safety: as DB's.
//
// REQUIRES: RegisterMemkv() was called.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

class ExistingDatabase {
 public:
  // What to do about files that are damaged or missing.
  enum class Damage {
    kRefuse,    // as the database's options have it
    kTolerate,  // opens what there is; reads of damaged files fail
  };

  // `secondary`: a folder for the info log of a secondary instance; empty: the
  // database is opened read-only.
  explicit ExistingDatabase(const std::string& path,
                            Damage damage = Damage::kRefuse,
                            const std::string& secondary = "");
  ~ExistingDatabase();
  ExistingDatabase(const ExistingDatabase&) = delete;
  ExistingDatabase& operator=(const ExistingDatabase&) = delete;

  rocksdb::DB* db() const { return db_.get(); }
  const std::vector<rocksdb::ColumnFamilyHandle*>& families() const {
    return handles_;
  }
  // A Failure that names those that there are, if there is none of this name.
  rocksdb::ColumnFamilyHandle* Family(const std::string& name) const;
  // As its OPTIONS file has them, with a table factory of its own.
  const rocksdb::ColumnFamilyOptions& OwnOptions(
      rocksdb::ColumnFamilyHandle* family) const {
    return own_options_.at(family->GetName());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::map<std::string, rocksdb::ColumnFamilyOptions> own_options_;
};

// `name` if it is one of `names`; else a Failure that says which `path` has.
void CheckFamily(const std::string& path, const std::string& name,
                 const std::vector<std::string>& names);

// What a database that was not opened says, and what may help.
rocksdb::Status ExplainOpen(const rocksdb::Status& status);

}  // namespace memkv
