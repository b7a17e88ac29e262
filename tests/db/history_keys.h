// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// HistoryKeys: the keys and values that a seeded history draws from.
//
// The pool is small, so that keys meet again: overwritten, deleted, merged,
// read under old snapshots. It holds what tells indexes apart: clusters of
// URL-like keys, keys that are prefixes of each other byte by byte, bytes 0x00
// and 0xff, random bytes, big-endian counters, keys of kilobytes, and the
// empty key. Or it is one of the shapes that are hard for an index
// (db_bench_ext/keys/key_shapes.h), made small. A part of the pool is set aside
// for single deletes, whose contract (put once, then single-deleted, and
// nothing else) the history keeps.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"

namespace memkv {

class HistoryKeys {
 public:
  // shape: of db_bench_ext/keys/key_shapes.h, or empty for the pool of all
  // kinds.
  HistoryKeys(RandomSource* random, const std::string& shape);

  // A key of the general part; a few keys are drawn much more often.
  const std::string& Any();
  // A key of the part for single deletes: each starts with kSingleHome, no
  // other key does.
  const std::string& Single();
  // Where to seek: a pool key, or one changed by a byte, cut or extended.
  std::string Target();
  // Two different general keys, in bytewise order, with no single-delete key
  // between them.
  void Range(std::string* begin, std::string* end);

  // Mostly tens of bytes; also none, 8 bytes, kilobytes, and rarely 100 KB.
  std::string Value();

  static const char* const kSingleHome;

 private:
  void AddShape(const std::string& shape);
  void AddClusters();
  void AddPrefixChains();
  void AddRandomBytes();
  void AddCounters();

  RandomSource* const random_;
  std::vector<std::string> general_;  // in bytewise order, distinct
  std::vector<std::string> single_;
  std::vector<size_t> hot_;  // indexes into general_
};

// Printable form of a key for messages.
std::string ShowKey(const std::string& key);

}  // namespace memkv
