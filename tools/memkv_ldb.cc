// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv_ldb: RocksDB's ldb, all of it, for databases with FST files.
//
// `art` and `fst` are known when --try_load_options reads an OPTIONS file.
// Without it, and where ldb has no other options to go by (repair), the table
// is `fst` with its defaults: it reads both kinds of file and writes FST files.

#include "plugin/memkv.h"
#include "rocksdb/ldb_tool.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"

int main(int argc, char** argv) {
  memkv::RegisterMemkv();
  rocksdb::Options options;
  options.table_factory.reset(memkv::NewFstTableFactory());
  rocksdb::LDBOptions ldb_options;
  ldb_options.print_help_header = "memkv_ldb - RocksDB's ldb with memkv";
  rocksdb::LDBTool().Run(argc, argv, options, ldb_options);
  return 0;
}
