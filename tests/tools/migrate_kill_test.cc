// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A migration that is killed leaves a whole database, and goes on when it is
// run again.

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/tools/tool_fixture.h"

extern char** environ;

namespace memkv {
namespace {

using Clock = std::chrono::steady_clock;

class MigrateKillTest : public ToolTest {
 protected:
  void MakeStockDatabase() {
    ASSERT_NO_FATAL_FAILURE(
        OpenFamilies(Still(StockOptions()), {"other", "third"}));
    MixedWriter writer(TestSeed(), 20000);
    for (int i = 0; i < 3; ++i) {
      ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model_, 20000));
      for (rocksdb::ColumnFamilyHandle* family : {handles_[1], handles_[2]}) {
        ASSERT_NO_FATAL_FAILURE(PutKeys(i * 5000, 20000, 30, family));
      }
      ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
    }
    CloseFamilies();
    original_ = folder() + "/original";
    std::filesystem::rename(path(), original_);
  }

  void Restore() {
    std::filesystem::remove_all(path());
    std::filesystem::copy(original_, path());
  }

  // Starts a migration, and kills it after `delay`; true if that ended it.
  bool KilledAfter(const std::string& to, Clock::duration delay) {
    std::string option = "--to=" + to;
    std::string database = path();
    std::string program = MEMKV_TOOL;
    std::string command = "migrate";
    char* const argv[] = {program.data(), command.data(), database.data(),
                          option.data(), nullptr};
    pid_t child = 0;
    EXPECT_EQ(posix_spawn(&child, MEMKV_TOOL, nullptr, nullptr, argv, environ),
              0);
    std::this_thread::sleep_for(delay);
    kill(child, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
  }

  void ExpectWhole(bool fst) {
    ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
    EXPECT_EQ(fst ? Kinds().block_based : Kinds().fst, 0u);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model_));
    for (const size_t family : {1, 2}) {
      const std::unique_ptr<rocksdb::Iterator> it(
          db()->NewIterator(rocksdb::ReadOptions(), handles_[family]));
      int keys = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next()) ++keys;
      EXPECT_TRUE(it->status().ok()) << it->status().ToString();
      EXPECT_EQ(keys, 30000) << handles_[family]->GetName();
    }
    CloseFamilies();
  }

  Model model_;
  std::string original_;
};

TEST_F(MigrateKillTest, KilledAnywhereItCanBeRunAgain) {
  constexpr int kKills = 8;
  ASSERT_NO_FATAL_FAILURE(MakeStockDatabase());
  for (const bool fst : {true, false}) {
    const std::string to = fst ? "fst" : "block_based";
    SCOPED_TRACE(to);
    ASSERT_NO_FATAL_FAILURE(Restore());
    const auto start = Clock::now();
    EXPECT_TOOL(0, "done", "migrate", path(), "--to=" + to);
    const Clock::duration whole = Clock::now() - start;
    int killed = 0;
    for (int i = 0; i < kKills; ++i) {
      ASSERT_NO_FATAL_FAILURE(Restore());
      killed += KilledAfter(to, whole * i / kKills) ? 1 : 0;
      EXPECT_TOOL(0, " 0 damaged", "verify", path());
      // And once more, somewhere in what is left.
      KilledAfter(to, whole * (kKills - i) / (2 * kKills));
      EXPECT_TOOL(0, "", "migrate", path(), "--to=" + to);
      ASSERT_NO_FATAL_FAILURE(ExpectWhole(fst));
    }
    // At once, and in the first eighth at least.
    EXPECT_GE(killed, 2);
    // The other way begins with what this one made.
    std::filesystem::remove_all(original_);
    std::filesystem::copy(path(), original_);
  }
}

}  // namespace
}  // namespace memkv
