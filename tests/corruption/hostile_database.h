// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database in memory that has a file of a hostile shape among its files, and
// then a damaged one in its place, as a disk would have damaged it; everything
// that a user does with such a database: open, read, count, verify, compact,
// repair, and hand the file in from outside.
//
// The file has zeros before its metaindex, so that a damaged one may have
// larger parts and still the size that the manifest knows.
//
// Thread safety: none; one object, one thread.  RocksDB's threads work for it.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "tests/corruption/hostile_shapes.h"
#include "tests/corruption/hostile_table.h"

namespace memkv {

class HostileDatabase {
 public:
  // How a database is opened and used; any bits.
  struct Use {
    FstTableOptions::Residency residency = FstTableOptions::Residency::kPin;
    bool mapped = false;
    bool few_open_files = false;
    bool verify_checksums = true;
  };

  // `shape` must outlive this.
  explicit HostileDatabase(const HostileShape& shape) : shape_(shape) {}

  // Makes the database; false, with a reason, if RocksDB fails at it.
  bool Prepare(std::string* reason);

  // What FileWriteOptions::file_size must be for a file in its place.
  size_t file_size() const { return file_size_; }
  const std::string& bytes() const { return bytes_; }

  // Puts the bytes in the file's place, opens and asks.
  void Ask(const std::string& bytes, const Use& use, HostileAnswers* out) const;

 private:
  using Files = std::map<std::string, std::string>;  // by name

  rocksdb::Options OptionsOf(const Use& use, rocksdb::Env* env) const;
  static bool WriteFiles(const Files& files, rocksdb::Env* env);
  void AskOpen(rocksdb::DB* db, const Use& use, HostileAnswers* out) const;
  void Read(rocksdb::DB* db, const Use& use, const std::string& when,
            HostileAnswers* out) const;
  void Scan(rocksdb::DB* db, const rocksdb::ReadOptions& read_options,
            const std::string& when, HostileAnswers* out) const;
  void Repair(const Use& use, rocksdb::Env* env, HostileAnswers* out) const;
  void HandIn(const std::string& bytes, const Use& use,
              HostileAnswers* out) const;

  const HostileShape& shape_;
  std::string bytes_;  // of the file, undamaged
  size_t file_size_ = 0;
  Files files_;
  std::string file_;  // its name
  // By an undamaged database: held at once, and the largest piece.
  size_t held_ = 0;
  size_t allocated_ = 0;
};

}  // namespace memkv
