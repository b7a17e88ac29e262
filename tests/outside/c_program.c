/* Copyright (c) the memkv authors.  All rights reserved.
 * Licensed under the Apache License, Version 2.0; see LICENSE.
 *
 * A C program against the installed headers, linked by pkg-config:
 *
 *   c_program DATABASE */

#include <memkv/c.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(const char* what, const char* error) {
  if (error != NULL) {
    fprintf(stderr, "%s: %s\n", what, error);
    exit(1);
  }
}

static rocksdb_readoptions_t* read_options;

/* The number of keys in a range, which is exact here. */
static uint64_t count(rocksdb_t* db, rocksdb_column_family_handle_t* family,
                      const char* start, const char* limit) {
  uint64_t at_least = 0;
  uint64_t at_most = 0;
  char* error = NULL;
  memkv_count_keys(db, family, read_options, start,
                   start == NULL ? 0 : strlen(start), limit,
                   limit == NULL ? 0 : strlen(limit), &at_least, &at_most,
                   &error);
  check("memkv_count_keys", error);
  if (at_least != at_most) {
    fprintf(stderr, "from %d to %d keys, expected a number\n", (int)at_least,
            (int)at_most);
    exit(1);
  }
  return at_least;
}

static void expect(const char* what, uint64_t expected, uint64_t actual) {
  if (actual != expected) {
    fprintf(stderr, "%s: %d keys, expected %d\n", what, (int)actual,
            (int)expected);
    exit(1);
  }
}

int main(int argc, char** argv) {
  char* error = NULL;
  if (argc != 2) return 2;
  read_options = rocksdb_readoptions_create();
  memkv_register(&error);
  check("memkv_register", error);

  rocksdb_options_t* const base = rocksdb_options_create();
  rocksdb_options_t* const options = rocksdb_options_create();
  rocksdb_get_options_from_string(
      base,
      "create_if_missing=true;memtable_factory=art;"
      "table_factory={id=fst;filter_policy=bloomfilter:10}",
      options, &error);
  check("rocksdb_get_options_from_string", error);
  rocksdb_t* const db = rocksdb_open(options, argv[1], &error);
  check("rocksdb_open", error);
  rocksdb_column_family_handle_t* const family =
      rocksdb_create_column_family(db, options, "second", &error);
  check("rocksdb_create_column_family", error);

  rocksdb_writeoptions_t* const write_options = rocksdb_writeoptions_create();
  char key[16];
  int i;
  for (i = 100; i < 200; ++i) {
    snprintf(key, sizeof(key), "key %d", i);
    rocksdb_put(db, write_options, key, strlen(key), "value", 5, &error);
    check("rocksdb_put", error);
  }
  rocksdb_put_cf(db, write_options, family, "only", 4, "one", 3, &error);
  check("rocksdb_put_cf", error);
  expect("the memtable", 100, count(db, NULL, NULL, NULL));
  rocksdb_flushoptions_t* const flush_options = rocksdb_flushoptions_create();
  rocksdb_flush(db, flush_options, &error);
  check("rocksdb_flush", error);

  expect("all", 100, count(db, NULL, NULL, NULL));
  expect("a range", 20, count(db, NULL, "key 120", "key 140"));
  expect("up to a limit", 20, count(db, NULL, NULL, "key 120"));
  expect("a column family", 1, count(db, family, NULL, NULL));

  /* An error replaces the one before. */
  const rocksdb_snapshot_t* const snapshot = rocksdb_create_snapshot(db);
  rocksdb_readoptions_set_snapshot(read_options, snapshot);
  uint64_t at_least = 7;
  uint64_t at_most = 7;
  error = strdup("an earlier error");
  memkv_count_keys(db, NULL, read_options, NULL, 0, NULL, 0, &at_least,
                   &at_most, &error);
  if (strstr(error, "no snapshot") == NULL || at_least != 7 || at_most != 7) {
    fprintf(stderr, "a snapshot: %s\n", error);
    return 1;
  }
  rocksdb_free(error);
  rocksdb_release_snapshot(db, snapshot);
  rocksdb_column_family_handle_destroy(family);
  rocksdb_close(db);
  rocksdb_flushoptions_destroy(flush_options);
  rocksdb_writeoptions_destroy(write_options);
  rocksdb_readoptions_destroy(read_options);
  rocksdb_options_destroy(base);
  rocksdb_options_destroy(options);
  puts("c_program: OK");
  return 0;
}
