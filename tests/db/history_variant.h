// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The variations that histories run under. What both databases must share
// (comparator, merge operator, prefix extractor, compression, compaction style,
// checks, blob files, open files) is chosen by the seed, and so are the keys,
// the number of writers and what is changed live; the memtable and table of
// each side come from an options string. Buffers, files and segments are tiny,
// so that a short history makes many memtables, levels and segments.
//
// Thread safety: functions without shared state.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rocksdb/options.h"
#include "tests/db/history_runner.h"

namespace memkv {

struct HistoryVariant {
  rocksdb::Options base;
  HistoryPlan plan;
  // For a failing test's message.
  std::string description;
};

// Successive seeds walk through all values of every choice.
HistoryVariant MakeHistoryVariant(uint64_t seed, rocksdb::Env* env);

// The options of one database: at each reopening the next of these, around.
// The stock side has one; the memkv side changes residency, segment sizes and,
// for mixed databases, the format it writes. The stock side under another
// layout ("other") tests the comparison itself.
std::vector<rocksdb::Options> StockOptions(const HistoryVariant& variant);
std::vector<rocksdb::Options> OtherStockOptions(const HistoryVariant& variant);
std::vector<rocksdb::Options> MemkvOptions(const HistoryVariant& variant,
                                           uint64_t seed);

}  // namespace memkv
