// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reads that fail, one after the other, on a database of FST files, until a
// call needs no more of them.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/fault_database.h"

namespace memkv {

using What = FaultFileSystem::What;

// Not of logs: RocksDB takes one that it cannot read for one that ends there.
inline bool Reads(const FileOperation& operation) {
  return (operation.op == FaultOp::kOpen || operation.op == FaultOp::kRead ||
          operation.op == FaultOp::kMetadata) &&
         operation.file != "wal";
}

enum class Fails { kOnce, kFromThenOn, kShortOnce };

// What is not read from its beginning to its end.
inline bool MayBeShort(const FileOperation& operation) {
  return operation.op == FaultOp::kRead &&
         (operation.file == "sst" || operation.file == "external sst" ||
          operation.file == "blob");
}

inline FaultFileSystem::Fault FaultOf(Fails fails, uint64_t at) {
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
    rocksdb::Status s = database_.Open();
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
  Wrong WrongAnswer(size_t family, const std::string& key,
                    const rocksdb::Status& s,
                    const rocksdb::Slice& value) const {
    if (!s.ok() && !s.IsNotFound()) return "";
    const auto at = model(family).find(key);
    if (s.ok() != (at != model(family).end())) {
      return key + (s.ok() ? ": found" : ": not found");
    }
    return s.ok() && value != at->second ? key + ": another value" : "";
  }

  rocksdb::Status Get(size_t family, const std::string& key,
                      Wrong* wrong) const {
    std::string value;
    const rocksdb::Status s = database_.db()->Get(
        rocksdb::ReadOptions(), database_.family(family), key, &value);
    *wrong += WrongAnswer(family, key, s, value);
    return s.IsNotFound() ? rocksdb::Status::OK() : s;
  }

  // The first error of any.
  rocksdb::Status MultiGet(size_t family, const std::vector<std::string>& keys,
                           Wrong* wrong) const {
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    database_.db()->MultiGet(rocksdb::ReadOptions(), database_.family(family),
                             keys.size(), slices.data(), values.data(),
                             statuses.data());
    rocksdb::Status first;
    for (size_t i = 0; i < keys.size(); ++i) {
      *wrong += WrongAnswer(family, keys[i], statuses[i], values[i]);
      if (!statuses[i].ok() && !statuses[i].IsNotFound() && first.ok()) {
        first = statuses[i];
      }
    }
    return first;
  }

  // From one end to the other.
  static rocksdb::Status Scan(rocksdb::Iterator* iter, const Model& model,
                              bool forward, Wrong* wrong) {
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
  static rocksdb::Status Seek(rocksdb::Iterator* iter, const Model& model,
                              const std::string& key, Wrong* wrong) {
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
    rocksdb::Status status;
  };

  // So many of the first reads of a call fail, each in its turn.
  static constexpr uint64_t kDense = kFaultsAtLength ? 16 : 6;

  // Calls `call` with a fault at its first read, its second ... until it needs
  // no more, and each time `check` when the fault is gone.  Of many reads,
  // which are much alike, some are left out.
  void ForEachFault(std::initializer_list<Fails> kinds,
                    const std::function<rocksdb::Status()>& call,
                    const std::function<void(const End&)>& check) {
    for (const Fails fails : kinds) {
      SCOPED_TRACE(fails == Fails::kOnce         ? "one error"
                   : fails == Fails::kFromThenOn ? "errors"
                                                 : "one short read");
      End end{fails, /*fired=*/true, {}, rocksdb::Status::OK()};
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
    const rocksdb::Status& s = end.status;
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
  void Sweep(const std::string& name,
             const std::function<rocksdb::Status(Wrong*)>& call,
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
          const rocksdb::Status s = call(&wrong);
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

}  // namespace memkv
