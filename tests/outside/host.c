/* Copyright (c) the memkv authors.  All rights reserved.
 * Licensed under the Apache License, Version 2.0; see LICENSE.
 *
 * A C program, without the C++ library, that loads RocksDB and libmemkv.so while
 * it runs and uses a database through their C functions:
 *
 *   host LIBROCKSDB LIBMEMKV DATABASE */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* find(const char* name) {
  void* const symbol = dlsym(RTLD_DEFAULT, name);
  if (symbol == NULL) {
    fprintf(stderr, "no %s: %s\n", name, dlerror());
    exit(1);
  }
  return symbol;
}

static void load(const char* name) {
  if (dlopen(name, RTLD_NOW | RTLD_GLOBAL) == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
}

static void check(const char* what, const char* error) {
  if (error != NULL) {
    fprintf(stderr, "%s: %s\n", what, error);
    exit(1);
  }
}

typedef void (*register_fn)(char**);
typedef void (*count_fn)(void*, void*, void*, const char*, size_t, const char*,
                         size_t, uint64_t*, uint64_t*, char**);
typedef void* (*create_fn)(void);
typedef void (*from_string_fn)(void*, const char*, void*, char**);
typedef void* (*open_fn)(void*, const char*, char**);
typedef void (*put_fn)(void*, void*, const char*, size_t, const char*, size_t,
                       char**);
typedef char* (*get_fn)(void*, void*, const char*, size_t, size_t*, char**);
typedef void (*flush_fn)(void*, void*, char**);
typedef void (*close_fn)(void*);

int main(int argc, char** argv) {
  char* error = NULL;
  char* before = malloc(100);
  if (argc != 4) return 2;
  load(argv[1]);
  load(argv[2]);
  ((register_fn)find("memkv_register"))(&error);
  check("register", error);
  void* const base = ((create_fn)find("rocksdb_options_create"))();
  void* const options = ((create_fn)find("rocksdb_options_create"))();
  ((from_string_fn)find("rocksdb_get_options_from_string"))(
      base, "create_if_missing=true;memtable_factory=art;table_factory=fst",
      options, &error);
  check("options", error);
  void* const db = ((open_fn)find("rocksdb_open"))(options, argv[3], &error);
  check("open", error);
  ((put_fn)find("rocksdb_put"))(
      db, ((create_fn)find("rocksdb_writeoptions_create"))(), "key", 3, "value",
      5, &error);
  check("put", error);
  ((flush_fn)find("rocksdb_flush"))(
      db, ((create_fn)find("rocksdb_flushoptions_create"))(), &error);
  check("flush", error);
  void* const read = ((create_fn)find("rocksdb_readoptions_create"))();
  size_t size = 0;
  char* const value =
      ((get_fn)find("rocksdb_get"))(db, read, "key", 3, &size, &error);
  check("get", error);
  if (size != 5 || memcmp(value, "value", 5) != 0) return 1;
  uint64_t at_least = 0;
  uint64_t at_most = 0;
  ((count_fn)find("memkv_count_keys"))(db, NULL, read, NULL, 0, NULL, 0,
                                       &at_least, &at_most, &error);
  check("count", error);
  if (at_least != 1 || at_most != 1) return 1;
  ((close_fn)find("rocksdb_close"))(db);
  /* What the program had from its allocator before goes back to the same one,
   * and so does what RocksDB gave. */
  free(before);
  free(value);
  puts("host: OK");
  return 0;
}
