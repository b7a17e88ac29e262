// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv_sst_dump: RocksDB's sst_dump, all of it, for FST files as well; see
// fst_sst_file_dumper.cc.

#include "rocksdb/sst_dump_tool.h"

int main(int argc, char** argv) {
  return rocksdb::SSTDumpTool().Run(argc, argv);
}
