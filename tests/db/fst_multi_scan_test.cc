// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's MultiScan over FST files of several levels: its ranges are
// announced to every file (TableIteratorBase::AnnounceScans()), and it finds
// what is in them.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/multi_scan.h"
#include "rocksdb/options.h"
#include "tests/db/fst_reads_fixture.h"
#include "tests/util/wrapping_file_system.h"

namespace memkv {
namespace {

using rocksdb::FSRandomAccessFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::MultiScanArgs;
using rocksdb::ReadOptions;

// Counts the calls that read several places of a file.
class MultiReadCounter : public WrappingFileSystem {
 public:
  using WrappingFileSystem::WrappingFileSystem;
  const char* Name() const override { return "MultiReadCounter"; }

  size_t calls = 0;

 private:
  std::unique_ptr<FSRandomAccessFile> Wrap(
      std::unique_ptr<FSRandomAccessFile> file) override {
    return std::make_unique<File>(std::move(file), this);
  }

  class File : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    File(std::unique_ptr<FSRandomAccessFile> file, MultiReadCounter* counter)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), counter_(counter) {}
    IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t n,
                       const IOOptions& options,
                       IODebugContext* debug) override {
      ++counter_->calls;
      return target()->MultiRead(requests, n, options, debug);
    }

   private:
    MultiReadCounter* const counter_;
  };
};

TEST_F(FstReadsTest, MultiScanFindsWhatIsInItsRanges) {
  const auto counter =
      std::make_shared<MultiReadCounter>(env()->GetFileSystem());
  const std::unique_ptr<rocksdb::Env> counting =
      rocksdb::NewCompositeEnv(counter);
  rocksdb::Options options = ReadsOptions();
  options.env = counting.get();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillLevels(&model));
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 60; ++round) {
    // Arguments are views of these.
    std::vector<std::string> keys;
    for (int i = static_cast<int>(rng() % 20); i < 900;) {
      keys.push_back(NumberKey(i));
      i += 1 + static_cast<int>(rng() % 30);
      keys.push_back(NumberKey(i));
      i += static_cast<int>(rng() % 60);
    }
    MultiScanArgs args(rocksdb::BytewiseComparator());
    for (size_t k = 0; k < keys.size(); k += 2) {
      args.insert(keys[k], keys[k + 1]);
    }
    args.max_prefetch_size = round % 3 == 0 ? rng() % 3000 : 0;
    ReadOptions ro;
    ro.fill_cache = round % 2 == 0;
    const auto scans =
        db()->NewMultiScan(ro, db()->DefaultColumnFamily(), args);
    size_t k = 0;
    for (auto scan : *scans) {
      ASSERT_LT(k, keys.size());
      auto at = model.lower_bound(keys[k]);
      const auto end = model.lower_bound(keys[k + 1]);
      for (auto entry : scan) {
        ASSERT_NE(at, end);
        ASSERT_EQ(entry.first, at->first);
        ASSERT_EQ(entry.second, at->second);
        ++at;
      }
      ASSERT_EQ(at, end);
      k += 2;
    }
    ASSERT_EQ(k, keys.size());
  }
  EXPECT_GT(counter->calls, 0u);
  Close();
}

}  // namespace
}  // namespace memkv
