// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <cstdio>
#include <memory>
#include <string>

#include "memtable/art_memtable_rep_factory.h"
#include "plugin/memkv.h"
#include "plugin/rocksdb_fit.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/object_registry.h"
#include "table/fst/table_factory.h"

namespace memkv {

bool RegisterMemkv(std::string* error) {
  static const auto* const misfit = [] {
    auto* const sentence = new std::string(RocksDBMisfit());
    if (sentence->empty()) {
      memkv_reg(*ROCKSDB_NAMESPACE::ObjectLibrary::Default(), std::string());
    } else {
      fprintf(stderr, "memkv is not registered: %s\n", sentence->c_str());
    }
    return sentence;
  }();
  if (error != nullptr) {
    *error = *misfit;
  }
  return misfit->empty();
}

ROCKSDB_NAMESPACE::MemTableRepFactory* NewArtMemTableRepFactory(
    const ArtMemTableOptions& options) {
  return RegisterMemkv() ? new ArtMemTableRepFactory(options) : nullptr;
}

ROCKSDB_NAMESPACE::TableFactory* NewFstTableFactory(
    const FstTableOptions& options,
    const ROCKSDB_NAMESPACE::BlockBasedTableOptions* block_based) {
  if (!RegisterMemkv()) {
    return nullptr;
  }
  return block_based == nullptr ? new FstTableFactory(options)
                                : new FstTableFactory(options, *block_based);
}

}  // namespace memkv

extern "C" int memkv_reg(ROCKSDB_NAMESPACE::ObjectLibrary& library,
                         const std::string& /*arg*/) {
  using ROCKSDB_NAMESPACE::MemTableRepFactory;
  using ROCKSDB_NAMESPACE::ObjectLibrary;
  using ROCKSDB_NAMESPACE::TableFactory;
  library.AddFactory<MemTableRepFactory>(
      memkv::ArtMemTableRepFactory::kClassName(),
      [](const std::string& /*uri*/, std::unique_ptr<MemTableRepFactory>* guard,
         std::string* /*errmsg*/) {
        *guard = std::make_unique<memkv::ArtMemTableRepFactory>();
        return guard->get();
      });
  // Both the class name, which OPTIONS files carry, and the nickname.
  library.AddFactory<TableFactory>(
      ObjectLibrary::PatternEntry(memkv::FstTableFactory::kClassName())
          .AnotherName(memkv::FstTableFactory::kNickName()),
      [](const std::string& /*uri*/, std::unique_ptr<TableFactory>* guard,
         std::string* /*errmsg*/) {
        *guard = std::make_unique<memkv::FstTableFactory>();
        return guard->get();
      });
  return 2;
}
