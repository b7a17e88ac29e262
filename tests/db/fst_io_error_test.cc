// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The n-th read or write of a file fails, for n = 1, 2, 3 ... until none does:
// the error comes out as it is, nothing wrong is answered or kept, and what is
// asked again after the error is answered.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "tests/db/fst_db_test_util.h"

namespace memkv {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSRandomAccessFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr char kInjected[] = "injected error";

// Counts the reads and the appends of SST files, and fails one of them.
class FailingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FailingFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "FailingFileSystem"; }

  // The n-th operation from now on fails, counting from 1; 0: none does.
  void FailAt(uint64_t n) {
    left_ =
        n == 0 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(n);
    failed_ = false;
  }
  bool failed() const { return failed_; }

  IOStatus NewRandomAccessFile(const std::string& name,
                               const FileOptions& options,
                               std::unique_ptr<FSRandomAccessFile>* result,
                               IODebugContext* dbg) override {
    IOStatus s = target()->NewRandomAccessFile(name, options, result, dbg);
    if (s.ok()) {
      *result = std::make_unique<Reader>(this, std::move(*result));
    }
    return s;
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* result,
                           IODebugContext* dbg) override {
    IOStatus s = target()->NewWritableFile(name, options, result, dbg);
    if (s.ok() && name.find(".sst") != std::string::npos) {
      *result = std::make_unique<Writer>(this, std::move(*result));
    }
    return s;
  }

 private:
  IOStatus Count() {
    if (--left_ != 0) return IOStatus::OK();
    failed_ = true;
    return IOStatus::IOError(kInjected);
  }

  class Reader : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    Reader(FailingFileSystem* fs, std::unique_ptr<FSRandomAccessFile>&& file)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), fs_(fs) {}
    IOStatus Read(uint64_t offset, size_t n, const IOOptions& options,
                  Slice* result, char* scratch,
                  IODebugContext* dbg) const override {
      const IOStatus s = fs_->Count();
      return s.ok() ? target()->Read(offset, n, options, result, scratch, dbg)
                    : s;
    }
    // So that every read is counted.
    IOStatus Prefetch(uint64_t, size_t, const IOOptions&,
                      IODebugContext*) override {
      return IOStatus::NotSupported("counted reads only");
    }

   private:
    FailingFileSystem* const fs_;
  };

  class Writer : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Writer(FailingFileSystem* fs, std::unique_ptr<FSWritableFile>&& file)
        : FSWritableFileOwnerWrapper(std::move(file)), fs_(fs) {}
    using FSWritableFileOwnerWrapper::Append;
    IOStatus Append(const Slice& data, const IOOptions& options,
                    IODebugContext* dbg) override {
      const IOStatus s = fs_->Count();
      return s.ok() ? target()->Append(data, options, dbg) : s;
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
      return target()->Flush(options, dbg);
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
      return target()->Flush(options, dbg);
    }

   private:
    FailingFileSystem* const fs_;
  };

  std::atomic<int64_t> left_{std::numeric_limits<int64_t>::max()};
  std::atomic<bool> failed_{false};
};

class FstIoErrorTest : public FstDbTest {
 protected:
  FstIoErrorTest()
      : fs_(std::make_shared<FailingFileSystem>()),
        env_(rocksdb::NewCompositeEnv(fs_)) {}
  // Before the file system goes.
  ~FstIoErrorTest() override { Close(); }

  Options FailingOptions(const std::string& fst) const {
    Options options = MemkvOptions(fst + ";no_block_cache=true");
    options.env = env_.get();
    return options;
  }

  Model SomeRecords(int n) const {
    Model model;
    std::mt19937_64 rng(TestSeed());
    for (int i = 0; i < n; ++i) {
      model["key/" + std::to_string(10000 + i)] =
          RandomBytes(&rng, rng() % 100);
    }
    return model;
  }

  // All steps, until one fails.
  static Status WriteFileOf(const Model& model, const Options& options,
                            const std::string& file) {
    // A buffer of one block, so that appends reach the file one by one.
    rocksdb::EnvOptions env_options;
    env_options.writable_file_max_buffer_size = 1 << 10;
    rocksdb::SstFileWriter writer(env_options, options);
    Status s = writer.Open(file);
    for (auto at = model.begin(); s.ok() && at != model.end(); ++at) {
      s = writer.Put(at->first, at->second);
    }
    if (s.ok()) s = writer.DeleteRange("a", "b");
    return s.ok() ? writer.Finish() : s;
  }

  static Status ReadFileOf(const Model& model, const Options& options,
                           const std::string& file, bool forward) {
    rocksdb::SstFileReader reader(options);
    const Status s = reader.Open(file);
    if (!s.ok()) return s;
    const std::unique_ptr<rocksdb::Iterator> iter(
        reader.NewIterator(ReadOptions()));
    size_t n = 0;
    std::vector<std::pair<std::string, std::string>> rows(model.begin(),
                                                          model.end());
    if (!forward) rows.assign(model.rbegin(), model.rend());
    for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
         forward ? iter->Next() : iter->Prev(), ++n) {
      if (n == rows.size() || iter->key() != rows[n].first ||
          iter->value() != rows[n].second) {
        return Status::Aborted("wrong answer");
      }
    }
    if (iter->status().ok() && n != rows.size()) {
      return Status::Aborted("scan ended early");
    }
    return iter->status().ok() ? reader.VerifyChecksum() : iter->status();
  }

  const std::shared_ptr<FailingFileSystem> fs_;
  const std::unique_ptr<rocksdb::Env> env_;
};

TEST_F(FstIoErrorTest, FailedWriteComesOutAndNoFileIsGood) {
  const Model model = SomeRecords(10000);
  const Options options = FailingOptions("segment_size=8K");
  uint64_t n = 1;
  for (;; ++n) {
    ASSERT_LT(n, 5000u);
    const std::string file = folder() + "/" + std::to_string(n) + ".sst";
    fs_->FailAt(n);
    const Status s = WriteFileOf(model, options, file);
    const bool failed = fs_->failed();
    fs_->FailAt(0);
    if (!failed) {
      ASSERT_TRUE(s.ok()) << s.ToString();
      EXPECT_TRUE(ReadFileOf(model, options, file, true).ok());
      break;
    }
    ASSERT_TRUE(s.IsIOError()) << n << ": " << s.ToString();
    ASSERT_NE(s.ToString().find(kInjected), std::string::npos);
    EXPECT_FALSE(ReadFileOf(model, options, file, true).ok()) << n;
  }
  EXPECT_GT(n, 10u);
}

TEST_F(FstIoErrorTest, FailedReadComesOutAndNothingWrongIsAnswered) {
  const Model model = SomeRecords(300);
  for (const char* residency : {"pin", "cache"}) {
    for (const bool forward : {true, false}) {
      const Options options = FailingOptions(
          std::string("segment_size=1K;value_block_size=256;residency=") +
          residency);
      const std::string file = folder() + "/table.sst";
      ASSERT_TRUE(WriteFileOf(model, options, file).ok());
      uint64_t n = 1;
      for (;; ++n) {
        ASSERT_LT(n, 5000u);
        fs_->FailAt(n);
        const Status s = ReadFileOf(model, options, file, forward);
        const bool failed = fs_->failed();
        fs_->FailAt(0);
        if (!failed) {
          ASSERT_TRUE(s.ok()) << s.ToString();
          break;
        }
        ASSERT_TRUE(s.IsIOError()) << n << ": " << s.ToString();
        ASSERT_NE(s.ToString().find(kInjected), std::string::npos);
      }
      EXPECT_GT(n, 10u);
    }
  }
}

TEST_F(FstIoErrorTest, DatabaseAnswersAgainAfterAFailedRead) {
  Options options = FailingOptions("segment_size=1K;residency=cache");
  options.disable_auto_compactions = true;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const Model model = SomeRecords(500);
  for (const auto& [key, value] : model) {
    ASSERT_NO_FATAL_FAILURE(Put(key, value));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  size_t errors = 0;
  for (const auto& [key, value] : model) {
    for (uint64_t n = 1; n < 4; ++n) {
      std::string found;
      fs_->FailAt(n);
      const Status s = db()->Get(ReadOptions(), key, &found);
      if (fs_->failed()) {
        ASSERT_TRUE(s.IsIOError()) << s.ToString();
        ++errors;
      } else {
        ASSERT_TRUE(s.ok()) << s.ToString();
        ASSERT_EQ(found, value);
      }
      fs_->FailAt(0);
    }
    ASSERT_EQ(Get(key), value);
  }
  EXPECT_GT(errors, model.size() / 2);

  // An iterator that failed goes on when it is positioned anew.
  const std::unique_ptr<rocksdb::Iterator> iter(
      db()->NewIterator(ReadOptions()));
  fs_->FailAt(3);
  size_t seen = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) ++seen;
  EXPECT_TRUE(iter->status().IsIOError()) << iter->status().ToString();
  EXPECT_LT(seen, model.size());
  fs_->FailAt(0);
  seen = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) ++seen;
  EXPECT_TRUE(iter->status().ok());
  EXPECT_EQ(seen, model.size());
}

}  // namespace
}  // namespace memkv
