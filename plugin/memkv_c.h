/* Copyright (c) the memkv authors.  All rights reserved.
 * Licensed under the Apache License, Version 2.0; see LICENSE.
 *
 * memkv for C, and for what calls C, beside rocksdb/c.h, whose conventions hold
 * here: on failure *errptr, which is NULL or a malloc()ed message before, is
 * set to a malloc()ed message; on success it stays as it is.  All functions:
 * any thread.
 *
 * Factories are turned on by RocksDB's own function for option strings:
 *
 *   char* error = NULL;
 *   memkv_register(&error);
 *   rocksdb_options_t* options = rocksdb_options_create();
 *   rocksdb_get_options_from_string(
 *       base, "memtable_factory=art;table_factory={id=fst;block_cache=1G}",
 *       options, &error);
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rocksdb/c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* memkv::RegisterMemkv().  Idempotent.  Loading libmemkv.so does it as well,
 * but only this says by *errptr why RocksDB does not fit. */
void memkv_register(char** errptr);

/* memkv::CountKeys(): bounds on the number of keys that are in the range
 * [start_key, limit_key) now, equal if the number is exact.  column_family:
 * NULL is the default one; start_key, limit_key: NULL is no bound.  On failure
 * the bounds are not set. */
void memkv_count_keys(rocksdb_t* db,
                      rocksdb_column_family_handle_t* column_family,
                      const rocksdb_readoptions_t* options,
                      const char* start_key, size_t start_key_len,
                      const char* limit_key, size_t limit_key_len,
                      uint64_t* at_least, uint64_t* at_most, char** errptr);

#ifdef __cplusplus
} /* extern "C" */
#endif
