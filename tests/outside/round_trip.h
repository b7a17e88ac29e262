// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Opens a database by an options string, writes, flushes, reopens, reads back.

#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "open_database.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/table.h"

// Fails unless `s` is OK, saying where.
#define REQUIRE_OK(s)                                                \
  if (const rocksdb::Status status = (s); !status.ok()) {            \
    std::fprintf(stderr, "%s: %s\n", #s, status.ToString().c_str()); \
    return 1;                                                        \
  }

inline int RoundTrip() {
  rocksdb::ConfigOptions config;
  config.ignore_unsupported_options = false;
  rocksdb::Options options;
  REQUIRE_OK(rocksdb::GetOptionsFromString(
      config, rocksdb::Options(),
      "create_if_missing=true;memtable_factory=art;table_factory=fst",
      &options));
  REQUIRE_OK(rocksdb::DestroyDB("db", options));
  std::string value;
  for (const char* written : {"of the tree", "of the file"}) {
    std::unique_ptr<rocksdb::DB> db;
    REQUIRE_OK(OpenDatabase(
        [&](auto* out) -> decltype(rocksdb::DB::Open(options, "db", out)) {
          return rocksdb::DB::Open(options, "db", out);
        },
        &db));
    if (value.empty()) {
      REQUIRE_OK(db->Put(rocksdb::WriteOptions(), "key", "of the tree"));
      REQUIRE_OK(db->Get(rocksdb::ReadOptions(), "key", &value));
      REQUIRE_OK(db->Put(rocksdb::WriteOptions(), "key", "of the file"));
      REQUIRE_OK(db->Flush(rocksdb::FlushOptions()));
    } else {
      REQUIRE_OK(db->Get(rocksdb::ReadOptions(), "key", &value));
    }
    if (value != written) {
      std::fprintf(stderr, "read '%s', expected '%s'\n", value.c_str(),
                   written);
      return 1;
    }
  }
  std::printf("%s + %s: OK\n", options.memtable_factory->Name(),
              options.table_factory->Name());
  return 0;
}
