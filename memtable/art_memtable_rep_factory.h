// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableRepFactory: makes ART memtables, `memtable_factory=art`. Where the
// tree cannot serve a comparator, it makes RocksDB's skip list and says so in
// the info log, or refuses, by option (see ArtMemTableOptions in
// plugin/memkv.h).
//
// Thread safety: as every MemTableRepFactory, CreateMemTableRep may be called
// from any thread.

#pragma once

#include <atomic>
#include <string>
#include <unordered_map>

#include "plugin/memkv.h"
#include "rocksdb/memtablerep.h"

namespace ROCKSDB_NAMESPACE {
class Comparator;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {

class ArtMemTableRepFactory : public ROCKSDB_NAMESPACE::MemTableRepFactory {
 public:
  explicit ArtMemTableRepFactory(
      const ArtMemTableOptions& options = ArtMemTableOptions());

  static const char* kClassName() { return "art"; }
  static const char* kNickName() { return "art"; }
  const char* Name() const override { return kClassName(); }
  const char* NickName() const override { return kNickName(); }

  // Refuses, with fallback=none, a comparator that the tree cannot serve.
  ROCKSDB_NAMESPACE::Status ValidateOptions(
      const ROCKSDB_NAMESPACE::DBOptions& db_opts,
      const ROCKSDB_NAMESPACE::ColumnFamilyOptions& cf_opts) const override;

  // REQUIRES: key_cmp is the one of a MemTable.
  using MemTableRepFactory::CreateMemTableRep;
  ROCKSDB_NAMESPACE::MemTableRep* CreateMemTableRep(
      const ROCKSDB_NAMESPACE::MemTableRep::KeyComparator& key_cmp,
      ROCKSDB_NAMESPACE::Allocator* allocator,
      const ROCKSDB_NAMESPACE::SliceTransform* transform,
      ROCKSDB_NAMESPACE::Logger* logger) override;

  bool IsInsertConcurrentlySupported() const override { return true; }
  bool CanHandleDuplicatedKey() const override { return true; }

 protected:
  // As the base, but names an option that does not exist.
  ROCKSDB_NAMESPACE::Status ConfigureOptions(
      const ROCKSDB_NAMESPACE::ConfigOptions& config_options,
      const std::unordered_map<std::string, std::string>& opts_map,
      std::unordered_map<std::string, std::string>* unused) override;

 private:
  ArtMemTableOptions options_;
  // Whether the info log has which kernels search; once a factory.
  std::atomic<bool> kernels_logged_{false};
};

}  // namespace memkv
