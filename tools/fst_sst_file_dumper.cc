// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's tools read single files with SstFileDumper, which chooses the table
// by a file's magic number, and FST files have that of block-based ones.  The
// one function that chooses is replaced.  Programs with this in them are linked
// against RocksDB's shared library, whose calls of its own functions go to
// those of the program.

#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <string>

#include "plugin/memkv.h"
#include "rocksdb/table_properties.h"
#include "table/block_based/block_based_table_factory.h"
#include "table/fst/format.h"
#include "table/sst_file_dumper.h"

namespace ROCKSDB_NAMESPACE {

Status SstFileDumper::SetTableOptionsByMagicNumber(
    uint64_t table_magic_number) {
  // RocksDB's own, which ours has come before, by its name in the library.
  using Original = Status (*)(SstFileDumper*, uint64_t);
  static const auto original = reinterpret_cast<Original>(dlsym(
      RTLD_NEXT, "_ZN7rocksdb13SstFileDumper28SetTableOptionsByMagicNumberEm"));
  if (original == nullptr) {
    return Status::NotSupported(
        "this program is not linked against RocksDB's shared library");
  }
  // From 10.7 on it takes any factory that calls itself one of block-based
  // tables for RocksDB's own, and writes into it.
  if (options_.table_factory->Name() !=
      std::string(TableFactory::kBlockBasedTableName())) {
    options_.table_factory = std::make_shared<BlockBasedTableFactory>();
  }
  Status s = original(this, table_magic_number);
  if (s.ok() && options_.table_factory->IsInstanceOf(
                    TableFactory::kBlockBasedTableName())) {
    // Reads either kind, by what the file is.
    options_.table_factory.reset(memkv::NewFstTableFactory());
    if (!silent_ && table_properties_->user_collected_properties.count(
                        memkv::kDirectoryProperty) > 0) {
      fprintf(stdout, "  of memkv: an FST file\n");
    }
  }
  return s;
}

}  // namespace ROCKSDB_NAMESPACE
