// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What RocksDB puts into a table, on databases of FST files: every kind of
// entry, keys and values of sizes at the edges, many versions.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/wide_columns.h"
#include "tests/db/fst_table_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::WriteOptions;

std::string VariantName(const ::testing::TestParamInfo<const char*>& variant) {
  const char* const names[] = {"Default", "CacheSmall", "PinSmall"};
  return names[variant.index];
}

INSTANTIATE_TEST_SUITE_P(
    Options, FstTableTest,
    ::testing::Values("", "residency=cache;segment_size=1K;value_block_size=64",
                      "segment_size=2K;inline_value_size=0;key_buffer_size=8K"),
    VariantName);

TEST_P(FstTableTest, FileOfOnlyRangeDeletionsHidesWhatIsBelow) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  for (int i = 0; i < 100; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "v"));
    if (i < 20 || i >= 70) model[NumberKey(i)] = "v";
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(20), NumberKey(50))
                  .ok());
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(40), NumberKey(70))
                  .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_EQ(Kinds().fst, 2u);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    if (round < 2) {
      EXPECT_EQ(Get(NumberKey(30), round == 0 ? snapshot : nullptr),
                round == 0 ? "v" : "NOT_FOUND");
    }
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    if (round == 0) {
      db()->ReleaseSnapshot(snapshot);
      ASSERT_NO_FATAL_FAILURE(OpenTable());
    } else {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  EXPECT_EQ(OnlyFileProperties()->num_range_deletions, 0u);
  EXPECT_EQ(OnlyFileProperties()->num_entries, 50u);

  // All that a database has may be a deletion.
  Destroy();
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_TRUE(
      db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(), "a", "z")
          .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), {}));
  EXPECT_TRUE(db()->VerifyChecksum().ok());
}

TEST_P(FstTableTest, MergeOperandsOfManyFilesCombine) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  const auto merge = [&](const std::string& key, const std::string& operand) {
    ASSERT_TRUE(db()->Merge(WriteOptions(), key, operand).ok());
    std::string& value = model[key];
    value += value.empty() ? operand : "," + operand;
  };
  for (int file = 0; file < 5; ++file) {
    for (int i = 0; i < 50; ++i) {
      for (int n = 0; n < i % 4; ++n) {
        ASSERT_NO_FATAL_FAILURE(
            merge(NumberKey(i), std::to_string(file * 10 + n)));
      }
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
  ReadOptions ro;
  std::vector<PinnableSlice> operands(20);
  rocksdb::GetMergeOperandsOptions options;
  options.expected_max_number_of_operands = 20;
  int n = 0;
  ASSERT_TRUE(db()->GetMergeOperands(ro, db()->DefaultColumnFamily(),
                                     NumberKey(3), operands.data(), &options,
                                     &n)
                  .ok());
  // A flush has made one operand of each file's.
  ASSERT_EQ(n, 5);
  EXPECT_EQ(operands[0].ToString(), "0,1,2");
  EXPECT_EQ(operands[4].ToString(), "40,41,42");
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_P(FstTableTest, SingleDeleteRemovesOnePut) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 100; ++i) ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "v"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  Model model;
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) {
      ASSERT_TRUE(db()->SingleDelete(WriteOptions(), NumberKey(i)).ok());
    } else {
      model[NumberKey(i)] = "v";
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  EXPECT_EQ(OnlyFileProperties()->num_entries, model.size());
}

TEST_P(FstTableTest, WideColumnsComeBack) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 200; ++i) {
    const std::string big(static_cast<size_t>(i), 'b');
    const rocksdb::WideColumns columns{
        {rocksdb::kDefaultWideColumnName, "default"}, {"b", big}, {"n", "7"}};
    ASSERT_TRUE(db()->PutEntity(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(i), columns)
                    .ok());
  }
  for (int round = 0; round < 2; ++round) {
    ASSERT_NO_FATAL_FAILURE(Flush());
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
    iter->SeekToFirst();
    for (int i = 0; i < 200; ++i, iter->Next()) {
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      rocksdb::PinnableWideColumns found;
      ASSERT_TRUE(db()->GetEntity(ReadOptions(), db()->DefaultColumnFamily(),
                                  NumberKey(i), &found)
                      .ok());
      ASSERT_EQ(found.columns().size(), 3u);
      EXPECT_EQ(found.columns()[1].value().size(), static_cast<size_t>(i));
      EXPECT_EQ(found.columns(), iter->columns());
      EXPECT_EQ(iter->value(), "default");
      EXPECT_EQ(Get(NumberKey(i)), "default");
    }
    ASSERT_NO_FATAL_FAILURE(CompactAll());
  }
}

TEST_P(FstTableTest, IntegratedBlobsAreCarriedAndCollected) {
  Options options = TableOptions();
  options.enable_blob_files = true;
  options.min_blob_size = 64;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = 1.0;
  options.blob_garbage_collection_force_threshold = 0.0;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      const std::string key = NumberKey(static_cast<int>(rng() % 200));
      model[key] = RandomBytes(&rng, rng() % 400);
      ASSERT_NO_FATAL_FAILURE(Put(key, model[key]));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
  uint64_t blob_files = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.num-blob-files", &blob_files));
  EXPECT_EQ(blob_files, 3u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.num-blob-files", &blob_files));
  EXPECT_LT(blob_files, 3u);
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_P(FstTableTest, ValuesFromNothingTo16MiBComeBack) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (const size_t size : {0, 1, 15, 16, 17, 63, 64, 65, 511, 512, 513, 4095,
                            4096, 4097, 65535, 65536, 1 << 20, 16 << 20}) {
    model["incompressible/" + std::to_string(size)] = RandomBytes(&rng, size);
    model["compressible/" + std::to_string(size)] = std::string(size, 'x');
  }
  for (const auto& [key, value] : model) {
    ASSERT_NO_FATAL_FAILURE(Put(key, value));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  EXPECT_TRUE(db()->VerifyChecksum().ok());
}

TEST_P(FstTableTest, EmptyLongAndBinaryKeysComeBackInOrder) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  std::mt19937_64 rng(TestSeed());
  model[""] = "of the empty key";
  const std::string mib = RandomBytes(&rng, 1 << 20);
  model[mib] = "1 MiB";
  model[mib + "a"] = "1 MiB and a byte";
  model[mib.substr(0, mib.size() - 1)] = "a byte less";
  model[std::string(1 << 20, '\0')] = "zeros";
  model[std::string(1 << 20, '\xff')] = "ones";
  for (int i = 0; i < 256; ++i) {
    const std::string byte(1, static_cast<char>(i));
    model[byte] = "one byte";
    model[byte + byte] = "two bytes";
    model[std::string("\0", 1) + byte] = "after a zero";
    model["a" + byte + std::string("\0", 1)] = "before a zero";
  }
  for (int i = 0; i < 2000; ++i) {
    model[RandomBytes(&rng, rng() % 20)] = std::to_string(i);
  }
  for (const auto& [key, value] : model) {
    ASSERT_NO_FATAL_FAILURE(Put(key, value));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_P(FstTableTest, SnapshotsSeeTheirTimeAcrossCompactions) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  MixedWriter writer(TestSeed(), 300);
  Model model;
  std::vector<std::pair<const rocksdb::Snapshot*, Model>> snapshots;
  for (int i = 0; i < 12; ++i) {
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 250));
    snapshots.emplace_back(db()->GetSnapshot(), model);
    if (i % 2 == 1) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    if (i % 4 == 3) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  for (size_t i = 0; i < snapshots.size(); ++i) {
    SCOPED_TRACE(i);
    ReadOptions ro;
    ro.snapshot = snapshots[i].first;
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), snapshots[i].second, ro));
  }
  // A key with very many versions.
  std::vector<const rocksdb::Snapshot*> versions;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put("counter", std::to_string(i)));
    versions.push_back(db()->GetSnapshot());
  }
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  for (int i = 0; i < 2000; i += 7) {
    ASSERT_EQ(Get("counter", versions[static_cast<size_t>(i)]),
              std::to_string(i));
  }
  for (const auto* snapshot : versions) db()->ReleaseSnapshot(snapshot);
  for (const auto& [snapshot, unused] : snapshots) {
    db()->ReleaseSnapshot(snapshot);
  }
}

}  // namespace
}  // namespace memkv
