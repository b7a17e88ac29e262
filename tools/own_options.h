// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The options of a database by its latest OPTIONS file, for who will write the
// next OPTIONS file with them: all of them, or a Failure that names the one
// that this program does not know. RocksDB itself leaves out some that it
// cannot make, a filter policy for one.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace memkv {

struct OwnOptions {
  rocksdb::DBOptions db;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

// REQUIRES: RegisterMemkv() was called
OwnOptions LoadOwnOptions(const std::string& path);

}  // namespace memkv
