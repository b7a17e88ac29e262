// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Databases of FST files over block-based options of the test's own.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "plugin/memkv.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

class FstFeaturesTest : public FstDbTest {
 protected:
  // Options whose table is FST over these block-based options.
  rocksdb::Options OptionsOver(
      const rocksdb::BlockBasedTableOptions& bbto,
      const FstTableOptions& fst = FstTableOptions()) const {
    rocksdb::Options options = MemkvOptions();
    options.table_factory.reset(NewFstTableFactory(fst, &bbto));
    // It would bring new files into the cache.
    options.paranoid_file_checks = false;
    return options;
  }

  void Fill(Model* model, int keys, size_t value_size) {
    std::mt19937_64 rng(TestSeed());
    for (int i = 0; i < keys; ++i) {
      const std::string key = "key/" + std::to_string(rng() % 1000000);
      (*model)[key] = RandomBytes(&rng, rng() % (value_size + 1));
      ASSERT_NO_FATAL_FAILURE(Put(key, (*model)[key]));
    }
  }

  static uint64_t TickerOf(const rocksdb::Options& options, uint32_t ticker) {
    return options.statistics->getTickerCount(ticker);
  }
};

}  // namespace memkv
