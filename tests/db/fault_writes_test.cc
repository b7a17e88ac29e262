// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The disk is full, or the machine fails to write, sync, close, rename or link,
// at the n-th such operation of a history, for many n.  The error comes out of
// the step that needed it, or of the next; nothing that was acknowledged is
// lost; when the fault is gone the database goes on, by Resume() or opened
// again; and no file that is half written is kept open, or kept at all.
//
// What RocksDB makes of an error (which error in the background, whether it can
// be resumed) is, operation by operation, what it makes of it above its own
// tables.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/sst_file_reader.h"
#include "tests/db/fault_database.h"

namespace memkv {
namespace {

using rocksdb::IOStatus;
using rocksdb::Status;

// What happens when an operation of a name fails.
using Outcomes = std::map<std::string, std::set<std::string>>;

bool NeedsSpace(const FileOperation& operation) {
  switch (operation.op) {
    case FaultOp::kCreate:
    case FaultOp::kAppend:
    case FaultOp::kSync:
    case FaultOp::kRename:
    case FaultOp::kLink:
      return true;
    default:
      return false;
  }
}

bool Writes(const FileOperation& operation) {
  return NeedsSpace(operation) || operation.op == FaultOp::kClose ||
         operation.op == FaultOp::kSyncDirectory;
}

FaultFileSystem::Fault DiskFull() {
  FaultFileSystem::Fault fault;
  fault.error = IOStatus::NoSpace(FaultFileSystem::kInjected);
  fault.error.SetRetryable(true);  // as on a POSIX file system
  fault.counts = NeedsSpace;
  fault.lasts = true;
  return fault;
}

FaultFileSystem::Fault OneError(bool retryable) {
  FaultFileSystem::Fault fault;
  fault.error.SetRetryable(retryable);
  fault.counts = Writes;
  return fault;
}

class FaultWritesTest : public FaultTest {
 protected:
  // Runs the history with this fault, and goes on after it.
  void RunOnce(const FaultVariant& variant, const FaultFileSystem::Fault& fault,
               Outcomes* outcomes, std::vector<FileOperation>* trace) {
    const auto fs = std::make_shared<FaultFileSystem>(env()->GetFileSystem());
    const std::unique_ptr<rocksdb::Env> fault_env = NewFaultEnv(fs);
    const auto listener = std::make_shared<FaultListener>();
    std::filesystem::remove_all(path());
    FaultDatabase database(path(),
                           FamilyOptions(variant, fault_env.get(), listener));
    fs->Arm(fault);
    fs->SetStep("opening");
    std::string outcome;
    Status s = database.Open();
    if (!s.ok()) {
      ASSERT_NO_FATAL_FAILURE(ExpectInjected(s, fault));
      outcome = "opening fails" + SubCodeOf(s);
      fs->Heal();
      s = database.Open();
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    for (const FaultStep& step : history_.steps) {
      fs->SetStep(step.Name());
      s = database.Run(step);
      if (s.ok()) continue;
      ASSERT_TRUE(fs->fired()) << step.Name() << ": " << s.ToString();
      SCOPED_TRACE(fs->where().Name());
      ASSERT_NO_FATAL_FAILURE(ExpectInjected(s, fault));
      // What the listener is told comes last: when it is told, beside a thread
      // that waits for the flush, is chance.
      outcome += std::string(step.Name()) + " fails" + SubCodeOf(s);
      EXPECT_EQ(fs->OpenForWriting("sst"), 0u);
      EXPECT_EQ(fs->OpenForWriting("blob"), 0u);
      fs->Heal();
      ASSERT_NO_FATAL_FAILURE(GoOn(&database, step, *fs, &outcome));
      if (!database.is_open()) {
        outcome += listener->Take();
        (*outcomes)[fs->where().Name()].insert(outcome);
        return;
      }
    }
    if (trace != nullptr) *trace = fs->trace();
    outcome += listener->Take();
    if (fault.at != 0) {
      ASSERT_TRUE(fs->fired());
      (*outcomes)[fs->where().Name()].insert(outcome);
    }
    SCOPED_TRACE(fault.at == 0 ? "no fault" : fs->where().Name());
    fs->Heal();
    ASSERT_NO_FATAL_FAILURE(database.ExpectHolds(history_.states.back()));
    s = database.Open();
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_NO_FATAL_FAILURE(database.ExpectHolds(history_.states.back()));
    ASSERT_NO_FATAL_FAILURE(database.ExpectNoStrayFiles());
    s = database.db()->VerifyChecksum();
    ASSERT_TRUE(s.ok()) << s.ToString();
    database.Close();
    EXPECT_EQ(fs->OpenFiles(), 0u);
  }

  static std::string SubCodeOf(const Status& s) {
    return s.IsNoSpace() ? " for lack of space; " : "; ";
  }

  static void ExpectInjected(const Status& s,
                             const FaultFileSystem::Fault& fault) {
    ASSERT_EQ(s.code(), fault.error.code()) << s.ToString();
    ASSERT_NE(s.ToString().find(FaultFileSystem::kInjected), std::string::npos)
        << s.ToString();
  }

  // After a step that failed: reads answer, the database is resumed or opened
  // again, and the step done unless it was in spite of the error.
  //
  // RocksDB removes the file of an ingestion when it could not sync the record
  // of it in the manifest, which may be there all the same; if it cannot resume
  // either, such a database does not open.  Then it stays closed.
  void GoOn(FaultDatabase* database, const FaultStep& step,
            const FaultFileSystem& fs, std::string* outcome) {
    const FaultState& after = history_.states[step.state];
    const bool updates = step.kind == FaultStep::Kind::kWrite ||
                         step.kind == FaultStep::Kind::kIngest;
    const FaultState& before =
        history_.states[updates ? step.state - 1 : step.state];
    Status s;
    if (database->is_open()) {
      // What was not acknowledged is not there yet, and may come with the log.
      ASSERT_NO_FATAL_FAILURE(database->ExpectHolds(before));
      s = database->db()->Resume();
      *outcome += s.ok() ? "resumed; " : "not resumed; ";
    }
    if (!database->is_open() || !s.ok()) {
      s = database->Open();
      if (s.IsCorruption() && step.kind == FaultStep::Kind::kIngest &&
          fs.where().op == FaultOp::kSync && fs.where().file == "manifest") {
        *outcome += "not opened; ";
        return;
      }
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    FaultState state;
    s = database->ReadAll(&state);
    ASSERT_TRUE(s.ok()) << s.ToString();
    if (state != after) {
      ASSERT_EQ(state, before);
    }
    if (state != after || !updates) {
      s = database->Run(step);
      ASSERT_TRUE(s.ok()) << step.Name() << ": " << s.ToString();
    }
    ASSERT_NO_FATAL_FAILURE(database->ExpectHolds(after));
  }

  // Puts the fault at `each` operations of a kind, below memkv and below the
  // control.
  void Compare(FaultFileSystem::Fault fault, size_t each) {
    Outcomes outcomes[2];
    for (const FaultVariant& variant :
         FaultVariants({FaultVariant{true}, FaultVariant{false}})) {
      SCOPED_TRACE(variant.Name());
      FaultDatabase(path(), FamilyOptions(variant, env()))
          .WriteExternalFiles(history_);
      std::vector<FileOperation> trace;
      fault.at = 0;
      ASSERT_NO_FATAL_FAILURE(RunOnce(variant, fault, nullptr, &trace));
      for (const uint64_t at : FaultPoints(trace, each, TestSeed())) {
        SCOPED_TRACE("at operation " + std::to_string(at));
        fault.at = at;
        ASSERT_NO_FATAL_FAILURE(
            RunOnce(variant, fault, &outcomes[variant.memkv ? 0 : 1], nullptr));
      }
    }
    if (!kFaultsAtLength) return;
    for (const auto& [name, ends] : outcomes[0]) {
      EXPECT_EQ(ends, outcomes[1][name]) << name;
    }
    EXPECT_EQ(outcomes[0].size(), outcomes[1].size());
  }

  // Aborted if it holds something else.
  static Status ReadExternalFile(const rocksdb::Options& options,
                                 const Model& model, const std::string& file) {
    rocksdb::SstFileReader reader(options);
    const Status s = reader.Open(file);
    if (!s.ok()) return s;
    const std::unique_ptr<rocksdb::Iterator> iter(
        reader.NewIterator(rocksdb::ReadOptions()));
    Model found;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      found.emplace_hint(found.end(), iter->key().ToString(),
                         iter->value().ToString());
    }
    if (!iter->status().ok()) return iter->status();
    if (found != model) return Status::Aborted("other records");
    return reader.VerifyChecksum();
  }

  const FaultHistory history_{TestSeed()};
};

TEST_F(FaultWritesTest, FullDiskLosesNothingAndIsResumed) {
  ASSERT_NO_FATAL_FAILURE(Compare(DiskFull(), kFaultsAtLength ? 2 : 1));
}

TEST_F(FaultWritesTest, FailedWritesLoseNothing) {
  ASSERT_NO_FATAL_FAILURE(Compare(OneError(/*retryable=*/false), 1));
}

TEST_F(FaultWritesTest, FailedWritesThatMayBeRetriedAreResumed) {
  ASSERT_NO_FATAL_FAILURE(Compare(OneError(/*retryable=*/true), 1));
}

// A file that was written by itself, with a token table of its keys.
TEST_F(FaultWritesTest, ExternalFilesThatFailedAreNotTakenForGood) {
  const auto fs = std::make_shared<FaultFileSystem>(env()->GetFileSystem());
  const std::unique_ptr<rocksdb::Env> fault_env = NewFaultEnv(fs);
  const std::string file = folder() + "/external.sst";
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    model["path/of/many/" + NumberKey(i)] = RandomBytes(&rng, rng() % 30);
  }
  for (const rocksdb::Options& options :
       FamilyOptions(FaultVariant{}, fault_env.get())) {
    FaultFileSystem::Fault fault = OneError(/*retryable=*/false);
    bool fired = true;
    while (fired) {
      // Most are appends, which are much alike.
      fault.at += fault.at < 20 ? 1 : 1 + rng() % 20;
      fs->Arm(fault);
      const Status s = WriteExternalFile(options, model, file);
      fired = fs->fired();
      fs->Heal();
      SCOPED_TRACE(std::to_string(fault.at) + ": " +
                   (fired ? fs->where().Name() : "no fault"));
      EXPECT_EQ(fs->OpenFiles(), 0u);
      if (fired) {
        ASSERT_NO_FATAL_FAILURE(ExpectInjected(s, fault));
      } else {
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      const Status read = ReadExternalFile(options, model, file);
      ASSERT_EQ(read.ok(), !fired) << read.ToString();
      std::filesystem::remove(file);
    }
    EXPECT_GT(fault.at, 200u);
  }
}

}  // namespace
}  // namespace memkv
