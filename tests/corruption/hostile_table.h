// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Everything that a table reader can be asked, of any bytes, and what it
// answered; how long it may take and how much memory, and whether the answers
// are true.  Entries must come in their order even from a damaged file, for
// RocksDB would go in circles, or abort where it is built with assertions.
//
// Thread safety: functions without shared state, but for what memkv keeps of a
// process (open readers, the watch over allocations): one call at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb/options.h"
#include "rocksdb/status.h"
#include "tests/corruption/hostile_shapes.h"

namespace memkv {

// What was answered to one question: a hash of each row, in order.
struct HostileAnswer {
  std::string question;
  std::vector<uint64_t> rows;
  rocksdb::Status status;
  // May end early with an error: what came before it is still right.
  bool scan = false;

  void Add(const rocksdb::Slice& key, const rocksdb::Slice& value);
};

struct HostileAnswers {
  std::vector<HostileAnswer> answers;
  // The limit that was exceeded, if any was.
  std::string broken;

  HostileAnswer* New(const std::string& question, bool scan = false);
};

// How much a file of so many bytes may cause.  What a builder writes cannot
// reach these: an entry takes a bit or more of an uncompressed block, and LZ4
// and Zstandard make at most 255 and 32768 bytes of one.
struct HostileLimits {
  // Bytes of blocks may be so many times the file's.
  static size_t Expansion(const HostileShape& shape);
  // Steps of an iterator.
  static size_t Steps(const HostileShape& shape, size_t file_size);
  // The largest allocation, and all at once, of a table reader and its
  // iterators.
  static size_t Allocation(const HostileShape& shape, size_t file_size);
  static size_t Memory(const HostileShape& shape, size_t file_size);
};

// Opens the bytes as the shape's file and asks.  If they do not open, the only
// answer is that of "open".
void AskHostileTable(const HostileShape& shape, bool cached,
                     const std::string& bytes,
                     const rocksdb::ReadOptions& read_options,
                     HostileAnswers* out);

// The first question that was answered without an error and differently, or
// empty.  A scan that ends with an error must be right as far as it goes.
std::string FirstLie(const HostileAnswers& answers,
                     const HostileAnswers& truth);

}  // namespace memkv
