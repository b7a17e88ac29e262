// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The n-th read, opening of a file or question about one fails, or gives too
// few bytes, for n = 1, 2, 3 ... until a call needs no more of them: the error
// comes out of that call, no wrong answer does and no NotFound, and when the
// fault is gone the same database, with the readers it has open and what they
// have put into the cache, answers rightly.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "compat/database.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/sst_file_reader.h"
#include "tests/db/fault_database.h"
#include "tests/db/fault_reads_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using What = FaultFileSystem::What;

TEST_P(FaultReadsTest, LookUpsFailOrAreRight) {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    for (const std::string& key : SomeKeys(i, 6)) {
      Sweep("Get", [&](Wrong* wrong) { return Get(i, key, wrong); });
      if (HasFatalFailure()) return;
    }
    Sweep("MultiGet",
          [&](Wrong* wrong) { return MultiGet(i, SomeKeys(i, 20), wrong); });
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(calls_with_faults_, 20u);
}

TEST_P(FaultReadsTest, IteratorsFailOrAreRight) {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    for (const bool forward : {true, false}) {
      Sweep(forward ? "forwards" : "backwards", [&](Wrong* wrong) {
        const std::unique_ptr<Iterator> iter(database_.NewIterator(i));
        return Scan(iter.get(), model(i), forward, wrong);
      });
      if (HasFatalFailure()) return;
    }
    for (const std::string& key : SomeKeys(i, 4)) {
      Sweep("Seek", [&](Wrong* wrong) {
        const std::unique_ptr<Iterator> iter(database_.NewIterator(i));
        return Seek(iter.get(), model(i), key, wrong);
      });
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(faults_, 100u);
}

TEST_P(FaultReadsTest, SeeksOfPrefixesFailOrAreRight) {
  const Model& keys = model(kFilteredFamily);
  ReadOptions options;
  options.prefix_same_as_start = true;
  for (const int i : {0, 55, 100, 720}) {
    const std::string target = NumberKey(i);
    const std::string prefix = target.substr(0, kFaultPrefix);
    Sweep("prefix", [&](Wrong* wrong) {
      const std::unique_ptr<Iterator> iter(database_.db()->NewIterator(
          options, database_.family(kFilteredFamily)));
      auto at = keys.lower_bound(target);
      for (iter->Seek(target); iter->Valid(); iter->Next(), ++at) {
        if (at == keys.end() || iter->key() != at->first ||
            iter->value() != at->second) {
          *wrong += "at " + iter->key().ToString();
          break;
        }
      }
      if (iter->status().ok() && at != keys.end() &&
          at->first.compare(0, kFaultPrefix, prefix) == 0) {
        *wrong += "ends early";
      }
      return iter->status();
    });
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(calls_with_faults_, 4u);
}

TEST_P(FaultReadsTest, IteratorsGoOnAfterAnError) {
  if (!GetParam().memkv || GetParam().reopens_files) {
    GTEST_SKIP() << "RocksDB's iterators keep the error of a block of its own "
                    "tables, and of a file that could not be opened";
  }
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    for (const bool forward : {true, false}) {
      const std::unique_ptr<Iterator> iter(database_.NewIterator(i));
      const std::string key = SomeKeys(i, 4)[2];
      Sweep("the same iterator", [&](Wrong* wrong) {
        const Status s = Scan(iter.get(), model(i), forward, wrong);
        return s.ok() ? Seek(iter.get(), model(i), key, wrong) : s;
      });
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(calls_with_faults_, 2 * kFaultFamilies);
}

TEST_P(FaultReadsTest, ChecksAndPropertiesFailOrAreRight) {
  Sweep("VerifyChecksum",
        [&](Wrong* /*wrong*/) { return database_.db()->VerifyChecksum(); },
        {Fails::kOnce, Fails::kShortOnce});
  if (HasFatalFailure()) return;
  EXPECT_EQ(calls_with_faults_, 1u);
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    Sweep("properties", [&](Wrong* wrong) {
      rocksdb::TablePropertiesCollection properties;
      const Status s = database_.db()->GetPropertiesOfAllTables(
          database_.family(i), &properties);
      uint64_t entries = 0;
      for (const auto& [file, of_file] : properties) {
        entries += of_file->num_entries;
      }
      if (s.ok() && entries < model(i).size()) *wrong += "too few entries";
      return s;
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(FaultReadsTest, CountsFailOrAreRight) {
  if (!GetParam().memkv) GTEST_SKIP() << "only memkv counts keys";
  const std::string first = NumberKey(20);
  const std::string last = NumberKey(120);
  const Slice begin(first);
  const Slice end(last);
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    for (const rocksdb::RangePtr& range : {rocksdb::RangePtr(nullptr, nullptr),
                                           rocksdb::RangePtr(&begin, &end)}) {
      const auto count = [&](KeyCount* keys) {
        return CountKeys(database_.db(), database_.family(i), ReadOptions(),
                         range, keys);
      };
      KeyCount expected;
      ASSERT_TRUE(count(&expected).ok());
      Sweep("CountKeys", [&](Wrong* wrong) {
        KeyCount keys;
        const Status s = count(&keys);
        if (s.ok() && (keys.at_least != expected.at_least ||
                       keys.at_most != expected.at_most)) {
          *wrong += "another count";
        }
        return s;
      });
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(faults_, 0u);
}

// They have no status to come out of: an error makes them coarser.
TEST_P(FaultReadsTest, EstimatesStayWithinTheFiles) {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    uint64_t most = 0;
    ASSERT_TRUE(database_.db()->GetIntProperty(
        database_.family(i), rocksdb::DB::Properties::kTotalSstFilesSize,
        &most));
    const std::string begin = NumberKey(20);
    const std::string end = NumberKey(75);
    const rocksdb::Range range(begin, end);
    uint64_t size = 0;
    const auto estimate = [&] {
      return database_.db()->GetApproximateSizes(database_.family(i), &range, 1,
                                                 &size);
    };
    ASSERT_TRUE(estimate().ok());
    const uint64_t expected = size;
    ForEachFault(
        {Fails::kOnce, Fails::kFromThenOn, Fails::kShortOnce},
        [&] {
          database_.Chill();
          return estimate();
        },
        [&](const End& /*end*/) {
          ASSERT_LE(size, most);
          ASSERT_TRUE(estimate().ok());
          ASSERT_EQ(size, expected);
        });
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(faults_, 0u);
}

TEST_P(FaultReadsTest, ReadersOfExternalFilesFailOrAreRight) {
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 300; ++i) {
    model[NumberKey(i)] = RandomBytes(&rng, rng() % 100);
  }
  int files = 0;
  for (const rocksdb::Options& options :
       FamilyOptions(GetParam(), fault_env_.get())) {
    // The file system of RocksDB 11's fault injection writes no file anew.
    const std::string file =
        folder() + "/reader" + std::to_string(files++) + ".sst";
    const Status s = WriteExternalFile(options, model, file);
    ASSERT_TRUE(s.ok()) << s.ToString();
    Sweep("SstFileReader", [&](Wrong* wrong) {
      rocksdb::SstFileReader reader(options);
      Status read = reader.Open(file);
      for (const bool forward : {true, false}) {
        if (!read.ok()) break;
        const std::unique_ptr<Iterator> iter(reader.NewIterator(ReadOptions()));
        read = Scan(iter.get(), model, forward, wrong);
      }
      return read.ok() ? reader.VerifyChecksum() : read;
    });
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(calls_with_faults_, kFaultFamilies);
}

TEST_P(FaultReadsTest, CompactionsFailAndChangeNothing) {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    ForEachFault(
        {Fails::kOnce, Fails::kShortOnce},
        [&] {
          database_.Chill();
          return database_.Run(FaultStep(FaultStep::Kind::kCompact, i));
        },
        [&](const End& end) {
          ASSERT_NO_FATAL_FAILURE(database_.ExpectHolds(*state_));
          if (!end.status.ok()) {
            // What cannot be resumed, as on RocksDB's own tables, is opened.
            if (!database_.db()->Resume().ok()) {
              ASSERT_TRUE(database_.Open().ok());
            }
          } else if (end.fired) {
            // RocksDB opens files for estimates before; and where blob files
            // may stay, it looks into one before it deletes it.
            ASSERT_TRUE(
                MayBeBorne(end) || GetParam().reopens_files ||
                (compat::kUnfinishedBlobFilesStay && end.where.file == "blob"));
          }
          ASSERT_NO_FATAL_FAILURE(database_.ExpectNoStrayFiles());
        });
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(faults_, 10u);
}

TEST_P(FaultReadsTest, IngestionsFailAndLeaveNothing) {
  FaultState state = *state_;
  for (const Fails fails : {Fails::kOnce, Fails::kShortOnce}) {
    // So that the file is all there is, or nothing is.
    Status s = database_.db()->DeleteRange(
        rocksdb::WriteOptions(), database_.family(0), NumberKey(0), "last");
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_TRUE(database_.Run(FaultStep(FaultStep::Kind::kFlush)).ok());
    state[0].clear();
    ForEachFault(
        {fails},
        [&] { return database_.Run(FaultStep(FaultStep::Kind::kIngest)); },
        [&](const End& end) {
          if (end.status.ok()) state[0] = history_.external[0];
          if (end.status.ok() && end.fired) {
            // The file that it has become is opened once before it is needed.
            ASSERT_TRUE(MayBeBorne(end) || GetParam().reopens_files);
          }
          ASSERT_NO_FATAL_FAILURE(database_.ExpectHolds(state));
          ASSERT_NO_FATAL_FAILURE(database_.ExpectNoStrayFiles());
        });
    if (HasFatalFailure()) return;
    ASSERT_EQ(state[0], history_.external[0]);
  }
  EXPECT_GT(faults_, 10u);
}

class FaultOpeningTest : public FaultReadsTest {};

TEST_P(FaultOpeningTest, FailsOrIsRightAndSucceedsAfterwards) {
  size_t failed = 0;
  ForEachFault(
      {Fails::kOnce, Fails::kShortOnce},
      [&] {
        database_.Close();
        return database_.Open();
      },
      [&](const End& end) {
        if (!end.status.ok()) {
          ++failed;
          ASSERT_EQ(fs_->OpenFiles(), 0u);
          const Status s = database_.Open();
          ASSERT_TRUE(s.ok()) << s.ToString();
        } else if (end.fired) {
          // Of what to delete and to count RocksDB makes no error; and files
          // that need not stay open are opened again.
          ASSERT_TRUE(end.where.op == FaultOp::kMetadata || MayBeBorne(end) ||
                      GetParam().reopens_files);
        }
        ASSERT_NO_FATAL_FAILURE(database_.ExpectHolds(*state_));
        ASSERT_NO_FATAL_FAILURE(database_.ExpectNoStrayFiles());
      });
  if (HasFatalFailure()) return;
  // The first reads, of the manifest and its like, each fail in their turn;
  // of later ones, which file is read before it is needed is the seed's.
  EXPECT_GE(failed, kDense / 2);
}

constexpr auto kVariantName = [](const auto& param_info) {
  return param_info.param.Name();
};

INSTANTIATE_TEST_SUITE_P(
    Variants, FaultReadsTest,
    ::testing::ValuesIn(
        FaultVariants({FaultVariant{true, FaultReads::kBuffered, false},
                       FaultVariant{true, FaultReads::kBuffered, true},
                       FaultVariant{true, FaultReads::kMapped, true},
                       FaultVariant{true, FaultReads::kDirect, false},
                       FaultVariant{false, FaultReads::kBuffered, true}})),
    kVariantName);

INSTANTIATE_TEST_SUITE_P(
    Variants, FaultOpeningTest,
    ::testing::ValuesIn(
        FaultVariants({FaultVariant{true, FaultReads::kBuffered, false},
                       FaultVariant{true, FaultReads::kMapped, false},
                       FaultVariant{true, FaultReads::kBuffered, true},
                       FaultVariant{false, FaultReads::kBuffered, false}})),
    kVariantName);

}  // namespace
}  // namespace memkv
