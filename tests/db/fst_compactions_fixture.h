// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files under a clock that the test moves, which notes why
// compactions were made.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "compat/wait_for_compact.h"
#include "env/composite_env_wrapper.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/system_clock.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

// Real time, moved on by the test.
class MovedClock : public rocksdb::SystemClockWrapper {
 public:
  MovedClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "MovedClock"; }
  rocksdb::Status GetCurrentTime(int64_t* time) override {
    const rocksdb::Status s = target_->GetCurrentTime(time);
    *time += seconds_;
    return s;
  }
  uint64_t NowMicros() override {
    return target_->NowMicros() +
           static_cast<uint64_t>(seconds_) * uint64_t{1000000};
  }
  void Move(int64_t seconds) { seconds_ += seconds; }

 private:
  std::atomic<int64_t> seconds_{0};
};

// Why compactions were made.
class Reasons : public rocksdb::EventListener {
 public:
  void OnCompactionCompleted(rocksdb::DB*,
                             const rocksdb::CompactionJobInfo& info) override {
    ++counts[static_cast<int>(info.compaction_reason)];
  }
  int Of(rocksdb::CompactionReason reason) const {
    return counts[static_cast<int>(reason)];
  }
  std::atomic<int> counts[64] = {};
};

class FstCompactionsTest : public FstDbTest {
 protected:
  FstCompactionsTest()
      : clock_(std::make_shared<MovedClock>()),
        clock_env_(new rocksdb::CompositeEnvWrapper(env(), clock_)) {}
  // The clock's environment must outlive the database.
  ~FstCompactionsTest() override { Close(); }

  rocksdb::Options ClockOptions(const std::string& fst = "") {
    rocksdb::Options options = MemkvOptions(fst);
    options.env = clock_env_.get();
    options.write_buffer_size = 64 << 20;
    options.listeners.push_back(reasons_ = std::make_shared<Reasons>());
    return options;
  }

  void PutAndFlush(int begin, int end, const std::string& value) {
    for (int i = begin; i < end; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), value));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  }

  void Wait() {
    const rocksdb::Status s = compat::WaitForCompact(db());
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  std::string FilesAt(int level) const {
    std::string files;
    EXPECT_TRUE(db()->GetProperty(
        "rocksdb.num-files-at-level" + std::to_string(level), &files));
    return files;
  }

  rocksdb::TablePropertiesCollection AllProperties() const {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    return all;
  }

  std::shared_ptr<MovedClock> clock_;
  std::unique_ptr<rocksdb::Env> clock_env_;
  std::shared_ptr<Reasons> reasons_;
};

}  // namespace memkv
