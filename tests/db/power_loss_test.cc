// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Power is lost at the n-th write, sync, rename or link of a history, for many
// n: after reopening, the database holds what it held after one of the
// history's writes, no earlier than the last that was acknowledged as durable;
// no file is left over; and it goes on.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/db/fault_database.h"

namespace memkv {
namespace {

using rocksdb::Status;

bool CountsWrites(const FileOperation& operation) {
  switch (operation.op) {
    case FaultOp::kOpen:
    case FaultOp::kRead:
    case FaultOp::kMetadata:
      return false;
    default:
      return true;
  }
}

class PowerLossTest : public FaultTest,
                      public ::testing::WithParamInterface<FaultVariant> {
 protected:
  // Runs the history; power is lost at operation `at`, if that is not 0.
  void RunOnce(uint64_t at, uint64_t seed,
               std::vector<FileOperation>* trace = nullptr) {
    const auto fs = std::make_shared<FaultFileSystem>(env()->GetFileSystem(),
                                                      /*loses_data=*/true);
    const std::unique_ptr<rocksdb::Env> fault_env = NewFaultEnv(fs);
    std::filesystem::remove_all(path());
    FaultDatabase database(path(),
                           FamilyOptions(GetParam(), fault_env.get(),
                                         std::make_shared<FaultListener>()));
    FaultFileSystem::Fault fault;
    fault.what = FaultFileSystem::What::kPowerLoss;
    fault.counts = CountsWrites;
    fault.at = at;
    fault.seed = seed;
    fs->Arm(fault);

    // Since when nothing may be lost, and what was written last.
    size_t durable = 0;
    size_t written = 0;
    fs->SetStep("opening");
    Status s = database.Open();
    std::array<size_t, kFaultFamilies> last_write = {};
    for (auto step = history_.steps.begin();
         s.ok() && step != history_.steps.end(); ++step) {
      fs->SetStep(step->Name());
      written = std::max(written, step->state);
      s = database.Run(*step);
      if (!s.ok()) break;
      for (const FaultStep::Update& update : step->updates) {
        last_write[update.family] = step->state;
      }
      switch (step->kind) {
        case FaultStep::Kind::kWrite:
          if (step->synced) durable = step->state;
          break;
        case FaultStep::Kind::kFlush:
        case FaultStep::Kind::kCompact:
          durable = std::max(durable, last_write[step->family]);
          break;
        default:
          durable = step->state;
      }
    }
    if (trace != nullptr) *trace = fs->trace();
    if (at == 0) {
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_NO_FATAL_FAILURE(database.ExpectHolds(history_.states.back()));
      ASSERT_NO_FATAL_FAILURE(database.ExpectNoStrayFiles());
      return;
    }
    ASSERT_TRUE(fs->fired());
    SCOPED_TRACE(fs->where().Name());
    EXPECT_TRUE(s.ok() || s.IsIOError()) << s.ToString();
    ASSERT_NO_FATAL_FAILURE(Restore(fs.get(), &database, seed));
    // Lost again while it recovers, or soon after.
    fault.at = 1 + seed % 150;
    fs->Arm(fault);
    s = database.Open();
    if (fs->fired()) {
      SCOPED_TRACE("and again: " + fs->where().Name());
      EXPECT_TRUE(s.ok() || s.IsIOError()) << s.ToString();
      ASSERT_NO_FATAL_FAILURE(Restore(fs.get(), &database, seed / 4));
      s = database.Open();
    }
    fs->Heal();
    ASSERT_TRUE(s.ok()) << s.ToString();
    FaultState state;
    s = database.ReadAll(&state);
    ASSERT_TRUE(s.ok()) << s.ToString();
    const auto first = history_.states.begin() + durable;
    const auto last = history_.states.begin() + written + 1;
    ASSERT_NE(std::find(first, last, state), last)
        << "not as after any of the writes " << durable << " to " << written;
    ASSERT_NO_FATAL_FAILURE(database.ExpectWorks(&state));
  }

  // What the machine does until it has power again.
  static void Restore(FaultFileSystem* fs, FaultDatabase* database,
                      uint64_t seed) {
    database->Close();
    ASSERT_EQ(fs->OpenFiles(), 0u);
    const rocksdb::IOStatus s =
        fs->RestorePower(/*directory_too=*/seed % 4 < 2);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  const FaultHistory history_{TestSeed()};
};

TEST_P(PowerLossTest, AcknowledgedWritesAreThere) {
  std::vector<FileOperation> trace;
  FaultDatabase(path(), FamilyOptions(GetParam(), env()))
      .WriteExternalFiles(history_);
  ASSERT_NO_FATAL_FAILURE(RunOnce(0, 0, &trace));
  std::mt19937_64 rng(TestSeed());
  for (const uint64_t at : FaultPoints(
           trace, GetParam().memkv && kFaultsAtLength ? 2 : 1, TestSeed())) {
    SCOPED_TRACE("at operation " + std::to_string(at));
    ASSERT_NO_FATAL_FAILURE(RunOnce(at, rng()));
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, PowerLossTest,
                         ::testing::ValuesIn(FaultVariants(
                             {FaultVariant{true}, FaultVariant{false}})),
                         [](const auto& param_info) {
                           return param_info.param.Name();
                         });

}  // namespace
}  // namespace memkv
