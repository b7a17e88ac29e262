// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Where the records of a benchmark come from:
//
//   Contents   Debian's Contents indices, as fetch_contents.sh writes them:
//              `path   section/package[,section/package...]`. Key: the path
//              without a leading slash; value: the package list. Lines with
//              '@' are dropped (templates of units and the like; the set that
//              remains is the one quoted elsewhere for these lists). A path
//              that several lists name becomes one record with the union of
//              their packages.
//   key file   one key a line, `-` for standard input; after a first tab comes
//              the value, and without a tab the value is the line's number,
//              from 1, as 8 bytes little-endian. Any bytes but newline; an
//              empty line is the empty key. Keys may be unsorted and repeat:
//              the last one wins, as in a database.
//   generated  URL-like keys (url_generator.h), random hexadecimal digits, or
//              random numbers; value: a record number as for key files.
//   database   of RocksDB, of stock or memkv tables (existing_database.h).
//
// A source that cannot be read, or without a record, is a Failure.
//
// Thread safety: functions without shared state.

#pragma once

#include <cstdint>
#include <string>

#include "db_bench_ext/keys/record_set.h"

namespace memkv {

struct KeySet {
  RecordSet records;  // sorted
  // One sentence: where from, how many lines, how many dropped and merged.
  std::string description;
};

// A source as --keys names it: apt-contents; gen:urls:N[:seed];
// gen:hex:N[:seed], 16 random hexadecimal digits; gen:uint64:N[:seed], 8 random
// bytes; or a key file. `seed` is for a source that names none. Reads at most
// `limit` lines (0: all). --fetch_script, a flag of every program that has
// this, writes the Contents lists.
void ReadKeys(const std::string& source, uint64_t limit, uint64_t seed,
              KeySet* input);

// Reads the column family `column_family` of the database at `path`: all of
// it, or in a second pass `sample` records (0: all) that lie evenly among all,
// in runs of `run` neighbours, of which the first begins with the first record.
// See ExistingDatabase.
//
// Known weakness: of wide columns only the default column is taken, and keys
// are compared bytewise from here on, whatever the database's comparator is.
// REQUIRES: RegisterMemkv() was called.
void ReadDatabase(const std::string& path, const std::string& column_family,
                  uint64_t sample, uint64_t run, KeySet* input);

}  // namespace memkv
