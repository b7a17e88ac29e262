// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What RocksDB makes of `art` and `fst` where they are not registered: a line
// for each, by default and with ignore_unsupported_options=false.

#include <cstdio>
#include <string>

#include "rocksdb/convenience.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"

int main() {
  for (const char* string : {"memtable_factory=art", "table_factory=fst"}) {
    for (const bool strict : {false, true}) {
      rocksdb::ConfigOptions config;
      if (strict) config.ignore_unsupported_options = false;
      rocksdb::Options options;
      const rocksdb::Status s = rocksdb::GetOptionsFromString(
          config, rocksdb::Options(), string, &options);
      std::printf("%s%s: %s, %s, %s\n", string, strict ? ", strict" : "",
                  s.ToString().c_str(), options.memtable_factory->Name(),
                  options.table_factory != nullptr
                      ? options.table_factory->Name()
                      : "no table factory");
    }
  }
  return 0;
}
