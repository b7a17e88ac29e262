// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files whose filters hold prefixes.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "rocksdb/slice_transform.h"
#include "rocksdb/statistics.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

inline constexpr char kBoth[] = "filter_policy=bloomfilter:10:false";
inline constexpr char kPrefixesAlone[] =
    "filter_policy=bloomfilter:10:false;whole_key_filtering=false";

// The answer of an iterator at rest.
inline std::string At(const rocksdb::Iterator& iter) {
  EXPECT_TRUE(iter.status().ok()) << iter.status().ToString();
  return iter.Valid() ? iter.key().ToString() + "=" + iter.value().ToString()
                      : "nothing";
}

class FstPrefixFilterTest : public FstDbTest {
 protected:
  // No file is compacted or flushed but by the test.
  rocksdb::Options PrefixOptions(
      const std::string& fst, const rocksdb::SliceTransform* extractor) const {
    rocksdb::Options options = MemkvOptions(fst);
    options.prefix_extractor.reset(extractor);
    options.write_buffer_size = 64 << 20;
    options.target_file_size_base = 64 << 20;
    options.disable_auto_compactions = true;
    options.statistics = rocksdb::CreateDBStatistics();
    return options;
  }
};

}  // namespace memkv
