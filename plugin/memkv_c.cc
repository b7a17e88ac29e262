// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "plugin/memkv_c.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "compat/c_api.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"

namespace {

// As RocksDB's own C functions do it.
void SaveError(char** errptr, const std::string& message) {
  free(*errptr);
  *errptr = strdup(message.c_str());
}

}  // namespace

void memkv_register(char** errptr) {
  std::string misfit;
  if (!memkv::RegisterMemkv(&misfit)) {
    SaveError(errptr, misfit);
  }
}

void memkv_count_keys(rocksdb_t* db,
                      rocksdb_column_family_handle_t* column_family,
                      const rocksdb_readoptions_t* options,
                      const char* start_key, size_t start_key_len,
                      const char* limit_key, size_t limit_key_len,
                      uint64_t* at_least, uint64_t* at_most, char** errptr) {
  using ROCKSDB_NAMESPACE::Slice;
  if (std::string misfit; !memkv::RegisterMemkv(&misfit)) {
    return SaveError(errptr, misfit);
  }
  const Slice start(start_key, start_key_len);
  const Slice limit(limit_key, limit_key_len);
  ROCKSDB_NAMESPACE::DB* const cpp_db = memkv::compat::CppDB(db);
  memkv::KeyCount count;
  const ROCKSDB_NAMESPACE::Status s = memkv::CountKeys(
      cpp_db,
      column_family == nullptr ? cpp_db->DefaultColumnFamily()
                               : memkv::compat::CppColumnFamily(column_family),
      memkv::compat::CppReadOptions(options),
      {start_key == nullptr ? nullptr : &start,
       limit_key == nullptr ? nullptr : &limit},
      &count);
  if (!s.ok()) {
    return SaveError(errptr, s.ToString());
  }
  *at_least = count.at_least;
  *at_most = count.at_most;
}
