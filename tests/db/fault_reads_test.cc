// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The n-th read, opening of a file or question about one fails, or gives too
// few bytes, for n = 1, 2, 3 ... until a call needs no more of them: the error
// comes out of that call, no wrong answer does and no NotFound, and when the
// fault is gone the same database, with the readers it has open and what they
// have put into the cache, answers rightly.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/sst_file_reader.h"
#include "tests/db/fault_database.h"

namespace memkv {
namespace {

using rocksdb::IOStatus;
using rocksdb::Iterator;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using What = FaultFileSystem::What;

// Not of logs: RocksDB takes one that it cannot read for one that ends there.
bool Reads(const FileOperation& operation) {
  return (operation.op == FaultOp::kOpen || operation.op == FaultOp::kRead ||
          operation.op == FaultOp::kMetadata) &&
         operation.file != "wal";
}

enum class Fails { kOnce, kFromThenOn, kShortOnce };

// What is not read from its beginning to its end.
bool MayBeShort(const FileOperation& operation) {
  return operation.op == FaultOp::kRead &&
         (operation.file == "sst" || operation.file == "external sst" ||
          operation.file == "blob");
}

FaultFileSystem::Fault FaultOf(Fails fails, uint64_t at) {
  FaultFileSystem::Fault fault;
  const bool is_short = fails == Fails::kShortOnce;
  fault.what = is_short ? What::kShortRead : What::kError;
  fault.lasts = fails == Fails::kFromThenOn;
  fault.counts = is_short ? MayBeShort : Reads;
  fault.at = at;
  return fault;
}

// What is wrong with an answer, or nothing.
using Wrong = std::string;

class FaultReadsTest : public FaultTest,
                       public ::testing::WithParamInterface<FaultVariant> {
 protected:
  FaultReadsTest()
      : fs_(std::make_shared<FaultFileSystem>(env()->GetFileSystem())),
        fault_env_(NewFaultEnv(fs_)),
        database_(path(), FamilyOptions(GetParam(), fault_env_.get(),
                                        std::make_shared<FaultListener>())) {}

  // The history as far as both external files are in the database and the
  // second has not been compacted yet, and all in files.
  void SetUp() override {
    database_.WriteExternalFiles(history_);
    Status s = database_.Open();
    if (GetParam().reads == FaultReads::kDirect && !s.ok()) {
      GTEST_SKIP() << "no direct reads here: " << s.ToString();
    }
    ASSERT_TRUE(s.ok()) << s.ToString();
    size_t ingested = 0;
    for (const FaultStep& step : history_.steps) {
      s = database_.Run(step);
      ASSERT_TRUE(s.ok()) << s.ToString();
      ingested += step.kind == FaultStep::Kind::kIngest ? 1 : 0;
      state_ = &history_.states[step.state];
      if (ingested == history_.external.size()) break;
    }
    for (size_t i = 0; i < kFaultFamilies; ++i) {
      s = database_.Run(FaultStep(FaultStep::Kind::kFlush, i));
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    ASSERT_NO_FATAL_FAILURE(database_.ExpectHolds(*state_));
  }

  const Model& model(size_t family) const { return (*state_)[family]; }
  // Keys that are there, and others.
  std::vector<std::string> SomeKeys(size_t family, size_t n) const {
    std::vector<std::string> keys;
    size_t i = 0;
    const size_t step = model(family).size() / n + 1;
    for (const auto& [key, value] : model(family)) {
      if (i++ % step == 0) keys.push_back(key);
    }
    for (int k = 0; keys.size() < 2 * n && k < 1000; k += 7) {
      if (model(family).count(NumberKey(k)) == 0) keys.push_back(NumberKey(k));
    }
    return keys;
  }

  // `s` and `value` as the answer for a key.
  Wrong WrongAnswer(size_t family, const std::string& key, const Status& s,
                    const Slice& value) const {
    if (!s.ok() && !s.IsNotFound()) return "";
    const auto at = model(family).find(key);
    if (s.ok() != (at != model(family).end())) {
      return key + (s.ok() ? ": found" : ": not found");
    }
    return s.ok() && value != at->second ? key + ": another value" : "";
  }

  Status Get(size_t family, const std::string& key, Wrong* wrong) const {
    std::string value;
    const Status s = database_.db()->Get(ReadOptions(),
                                         database_.family(family), key, &value);
    *wrong += WrongAnswer(family, key, s, value);
    return s.IsNotFound() ? Status::OK() : s;
  }

  // The first error of any.
  Status MultiGet(size_t family, const std::vector<std::string>& keys,
                  Wrong* wrong) const {
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<Status> statuses(keys.size());
    database_.db()->MultiGet(ReadOptions(), database_.family(family),
                             keys.size(), slices.data(), values.data(),
                             statuses.data());
    Status first;
    for (size_t i = 0; i < keys.size(); ++i) {
      *wrong += WrongAnswer(family, keys[i], statuses[i], values[i]);
      if (!statuses[i].ok() && !statuses[i].IsNotFound() && first.ok()) {
        first = statuses[i];
      }
    }
    return first;
  }

  // From one end to the other.
  static Status Scan(Iterator* iter, const Model& model, bool forward,
                     Wrong* wrong) {
    std::vector<std::pair<std::string, std::string>> rows(model.begin(),
                                                          model.end());
    if (!forward) std::reverse(rows.begin(), rows.end());
    size_t n = 0;
    for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
         forward ? iter->Next() : iter->Prev(), ++n) {
      if (n == rows.size() || iter->key() != rows[n].first ||
          iter->value() != rows[n].second) {
        *wrong += "row " + std::to_string(n) + ": " + iter->key().ToString();
        break;
      }
    }
    if (iter->status().ok() && n != rows.size()) *wrong += "ends early";
    return iter->status();
  }

  // To a key or beside it, and a step or two on or back.
  static Status Seek(Iterator* iter, const Model& model, const std::string& key,
                     Wrong* wrong) {
    const auto check = [&](Model::const_iterator at) {
      if (!iter->Valid()) {
        if (iter->status().ok() && at != model.end()) *wrong += key + ": none";
        return false;
      }
      if (at == model.end() || iter->key() != at->first ||
          iter->value() != at->second) {
        *wrong += key + ": at " + iter->key().ToString();
      }
      return at != model.end();
    };
    const auto before = [&](Model::const_iterator at) {
      return at == model.begin() ? model.end() : std::prev(at);
    };
    auto at = model.lower_bound(key);
    iter->Seek(key);
    if (check(at)) {
      iter->Next();
      if (check(++at)) {
        iter->Prev();
        check(--at);
      }
    }
    if (!iter->status().ok()) return iter->status();
    at = before(model.upper_bound(key));
    iter->SeekForPrev(key);
    if (check(at)) {
      iter->Prev();
      if (check(before(at))) {
        iter->Next();
        check(at);
      }
    }
    return iter->status();
  }

  // How a call with a fault ended.
  struct End {
    Fails fails;
    bool fired;
    FileOperation where;  // if it fired
    Status status;
  };

  // So many of the first reads of a call fail, each in its turn.
  static constexpr uint64_t kDense = kFaultsAtLength ? 16 : 6;

  // Calls `call` with a fault at its first read, its second ... until it needs
  // no more, and each time `check` when the fault is gone.  Of many reads,
  // which are much alike, some are left out.
  void ForEachFault(std::initializer_list<Fails> kinds,
                    const std::function<Status()>& call,
                    const std::function<void(const End&)>& check) {
    for (const Fails fails : kinds) {
      SCOPED_TRACE(fails == Fails::kOnce         ? "one error"
                   : fails == Fails::kFromThenOn ? "errors"
                                                 : "one short read");
      End end{fails, /*fired=*/true, {}, Status::OK()};
      for (uint64_t n = 1; end.fired; n += 1 + rng_() % (1 + n / kDense * 3)) {
        ASSERT_LT(n, 5000u);
        fs_->Arm(FaultOf(fails, n));
        end.status = call();
        end.fired = fs_->fired();
        if (end.fired) end.where = fs_->where();
        fs_->Heal();
        SCOPED_TRACE(std::to_string(n) + ": " +
                     (end.fired ? end.where.Name() : "no fault"));
        if (!end.status.ok()) {
          ASSERT_TRUE(end.fired) << end.status.ToString();
          ASSERT_NO_FATAL_FAILURE(ExpectFault(end));
        }
        ASSERT_NO_FATAL_FAILURE(check(end));
        faults_ += end.fired ? 1 : 0;
      }
    }
  }

  // The error of the fault, and no other; a short read is found out as one.
  static void ExpectFault(const End& end) {
    const Status& s = end.status;
    // RocksDB asks whether there are direct reads by opening this file, and
    // takes an error for no.
    if (end.where.op == FaultOp::kOpen && end.where.file == "current") return;
    // It says at times that a manifest may be corrupt, and why.
    ASSERT_TRUE(s.IsIOError() || s.IsCorruption()) << s.ToString();
    if (end.fails == Fails::kShortOnce) return;
    ASSERT_NE(s.ToString().find(FaultFileSystem::kInjected), std::string::npos)
        << s.ToString();
  }

  // Whether this fault may have come without an error.
  bool MayBeBorne(const End& end) const {
    // What is read ahead is not always needed.
    return end.fails == Fails::kShortOnce;
  }

  // A call that fails or answers rightly, and answers rightly after it failed.
  void Sweep(const std::string& name, const std::function<Status(Wrong*)>& call,
             std::initializer_list<Fails> kinds = {
                 Fails::kOnce, Fails::kFromThenOn, Fails::kShortOnce}) {
    SCOPED_TRACE(name);
    const size_t faults_before = faults_;
    Wrong wrong;
    ForEachFault(
        kinds,
        [&] {
          database_.Chill();
          return call(&wrong);
        },
        [&](const End& end) {
          ASSERT_EQ(wrong, "");
          if (end.fired && end.status.ok()) {
            // RocksDB's own tables do without a filter that they cannot read.
            ASSERT_TRUE(MayBeBorne(end) || !GetParam().memkv) << "no error";
          }
          const Status s = call(&wrong);
          ASSERT_TRUE(s.ok()) << s.ToString();
          ASSERT_EQ(wrong, "");
        });
    if (HasFatalFailure()) return;
    calls_with_faults_ += faults_ > faults_before ? 1 : 0;
  }

  std::mt19937_64 rng_{TestSeed()};
  const FaultHistory history_{TestSeed()};
  const std::shared_ptr<FaultFileSystem> fs_;
  const std::unique_ptr<rocksdb::Env> fault_env_;
  FaultDatabase database_;
  const FaultState* state_ = nullptr;
  size_t faults_ = 0;
  size_t calls_with_faults_ = 0;
};

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
  for (const rocksdb::Options& options :
       FamilyOptions(GetParam(), fault_env_.get())) {
    const std::string file = folder() + "/reader.sst";
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
            // RocksDB opens files for estimates before.
            ASSERT_TRUE(MayBeBorne(end) || GetParam().reopens_files);
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
  EXPECT_GT(failed, 10u);
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
