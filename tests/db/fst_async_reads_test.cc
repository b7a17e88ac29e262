// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ReadOptions::async_io: iterators over FST files begin reads without waiting
// for them, and find what they find without.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "tests/db/fst_reads_fixture.h"
#include "tests/util/wrapping_file_system.h"

namespace memkv {
namespace {

using rocksdb::FSRandomAccessFile;
using rocksdb::FSReadRequest;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;

// Reads only when it is waited for, and writes down in which order it was asked
// to begin and waited for.
class LaterFileSystem : public WrappingFileSystem {
 public:
  using WrappingFileSystem::WrappingFileSystem;
  const char* Name() const override { return "LaterFileSystem"; }

  std::string log;     // b: begun, w: waited for, a: given up
  bool fails = false;  // what is waited for

  void SupportedOps(int64_t& ops) override {
    target_->SupportedOps(ops);
    ops |= 1 << rocksdb::FSSupportedOps::kAsyncIO;
  }

  IOStatus Poll(std::vector<void*>& handles, size_t /*least*/) override {
    for (void* const handle : handles) {
      auto* const later = static_cast<Later*>(handle);
      if (later->done) continue;
      log += 'w';
      if (fails) {
        later->Answer(IOStatus::IOError("made up"));
      } else {
        later->Answer(later->file->Read(
            later->request.offset, later->request.len, later->options,
            &later->request.result, later->request.scratch, nullptr));
      }
    }
    return IOStatus::OK();
  }

  IOStatus AbortIO(std::vector<void*>& handles) override {
    for (void* const handle : handles) {
      auto* const later = static_cast<Later*>(handle);
      if (later->done) continue;
      log += 'a';
      later->Answer(IOStatus::Aborted());
    }
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<FSRandomAccessFile> Wrap(
      std::unique_ptr<FSRandomAccessFile> file) override {
    return std::make_unique<File>(std::move(file), this);
  }

  struct Later {
    void Answer(IOStatus s) {
      done = true;
      request.status = std::move(s);
      answer(request, argument);
    }
    FSRandomAccessFile* file;
    FSReadRequest request;
    IOOptions options;
    std::function<void(FSReadRequest&, void*)> answer;
    void* argument;
    bool done = false;
  };

  class File : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    File(std::unique_ptr<FSRandomAccessFile> file, LaterFileSystem* owner)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), owner_(owner) {}

    IOStatus ReadAsync(FSReadRequest& request, const IOOptions& options,
                       std::function<void(FSReadRequest&, void*)> answer,
                       void* argument, void** handle,
                       rocksdb::IOHandleDeleter* deleter,
                       IODebugContext* /*debug*/) override {
      owner_->log += 'b';
      auto* const later = new Later();
      later->file = target();
      later->request.offset = request.offset;
      later->request.len = request.len;
      later->request.scratch = request.scratch;
      later->options = options;
      later->answer = std::move(answer);
      later->argument = argument;
      *handle = later;
      *deleter = [](void* p) { delete static_cast<Later*>(p); };
      return IOStatus::OK();
    }

   private:
    LaterFileSystem* const owner_;
  };
};

class FstAsyncReadsTest : public FstReadsTest {
 protected:
  // None of the files is in memory.
  void SetUp() override {
    fs_ = std::make_shared<LaterFileSystem>(env()->GetFileSystem());
    env_ = rocksdb::NewCompositeEnv(fs_);
    options_ = ReadsOptions();
    options_.env = env_.get();
    ASSERT_NO_FATAL_FAILURE(Open(options_));
    ASSERT_NO_FATAL_FAILURE(FillLevels(&model_));
    ASSERT_NO_FATAL_FAILURE(Reopen());
  }
  void TearDown() override { Close(); }

  void Reopen() {
    Close();
    ASSERT_NO_FATAL_FAILURE(Open(options_));
    fs_->log.clear();
  }

  static ReadOptions Async() {
    ReadOptions ro;
    ro.async_io = true;
    ro.fill_cache = false;
    return ro;
  }

  std::shared_ptr<LaterFileSystem> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  Options options_;
  Model model_;
};

TEST_F(FstAsyncReadsTest, SeekBeginsInAllFilesBeforeItWaitsForOne) {
  const std::unique_ptr<Iterator> iter(db()->NewIterator(Async()));
  iter->Seek(NumberKey(450));
  ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
  // One file in each of levels 2 and 4, and two or more in level 0.
  EXPECT_EQ(fs_->log.substr(0, 4), "bbbb") << fs_->log;
  EXPECT_NE(fs_->log.find('w'), std::string::npos);
  EXPECT_EQ(fs_->log.find('a'), std::string::npos) << fs_->log;
  // What is at hand is not read again.
  fs_->log.clear();
  iter->Seek(NumberKey(450));
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(fs_->log, "");
}

TEST_F(FstAsyncReadsTest, SeekOfWhatIsInMemoryBeginsNothing) {
  ReadOptions ro;
  ro.async_io = true;
  for (int round = 0; round < 2; ++round) {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    fs_->log.clear();
    iter->Seek(NumberKey(450));
    ASSERT_TRUE(iter->Valid());
    EXPECT_EQ(fs_->log.empty(), round == 1) << fs_->log;
  }
}

TEST_F(FstAsyncReadsTest, WalksEqualThoseThatWait) {
  std::mt19937_64 rng(TestSeed());
  // All reads share one block cache, which some fill.
  for (const bool fill_cache : {false, true}) {
    for (const size_t readahead : {0, 4096, 100000}) {
      ASSERT_NO_FATAL_FAILURE(Reopen());
      ReadOptions ro = Async();
      ro.readahead_size = readahead;
      ro.fill_cache = fill_cache;
      const std::unique_ptr<Iterator> whole(db()->NewIterator(ro));
      ASSERT_NO_FATAL_FAILURE(ExpectScan(whole.get(), model_));
      // Where readahead ends, which is another place for each seek.
      std::string end = NumberKey(999);
      Slice bound(end);
      ro.iterate_upper_bound = &bound;
      const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
      for (int i = 0; i < 300; ++i) {
        const int number = static_cast<int>(rng() % 905);
        const std::string key = NumberKey(number);
        end = NumberKey(number + 1 + static_cast<int>(rng() % 94));
        bound = end;
        const auto last = model_.lower_bound(end);
        auto at = model_.lower_bound(key);
        if (rng() % 4 == 0) {
          iter->SeekForPrev(key);
          at = model_.upper_bound(key);
          if (at == model_.begin()) {
            ASSERT_FALSE(iter->Valid());
            continue;
          }
          --at;
        } else {
          iter->Seek(key);
        }
        for (int steps = 0; steps < 60 && at != last; ++steps, ++at) {
          ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
          ASSERT_EQ(iter->key(), at->first);
          ASSERT_EQ(iter->value(), at->second);
          iter->Next();
        }
        ASSERT_EQ(iter->Valid(), at != last);
        ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      }
      if (!fill_cache) {
        EXPECT_NE(fs_->log.find('b'), std::string::npos);
      }
    }
  }
}

TEST_F(FstAsyncReadsTest, IteratorThatIsGivenUpGivesItsReadsUp) {
  ReadOptions ro = Async();
  ro.readahead_size = 4096;
  {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      if (fs_->log.find('w') != std::string::npos) break;
    }
  }
  const auto count = [this](char c) {
    return std::count(fs_->log.begin(), fs_->log.end(), c);
  };
  EXPECT_GT(count('b'), 0);
  EXPECT_EQ(count('b'), count('w') + count('a')) << fs_->log;
}

// RocksDB's buffers read again, and wait, what they have not got.
TEST_F(FstAsyncReadsTest, ReadThatFailsIsReadAgain) {
  fs_->fails = true;
  for (int i = 0; i < 900; i += 50) {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(Async()));
    const auto at = model_.lower_bound(NumberKey(i));
    iter->Seek(NumberKey(i));
    ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
    EXPECT_EQ(iter->key(), at->first);
    EXPECT_EQ(iter->value(), at->second);
  }
  EXPECT_NE(fs_->log.find('w'), std::string::npos);
}

}  // namespace
}  // namespace memkv
