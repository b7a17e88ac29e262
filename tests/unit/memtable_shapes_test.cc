// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench --sets=shapes notices a memtable that answers wrongly, in each
// of the ways in which it asks.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "db/lookup_key.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/memtable_bench/cases.h"
#include "memtable/art_memtable_rep_factory.h"

namespace memkv {
namespace {

using rocksdb::Slice;
using ROCKSDB_NAMESPACE::Allocator;
using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::KeyHandle;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::MemTableRepFactory;

enum class Fault {
  kNone,
  kLosesInserts,
  kLosesConcurrentInserts,
  kRefusesInserts,
  kGetFindsNothing,
  kGetFindsTheOldest,
  kMissFindsANeighbour,
  kSeekGoesTooFar,
  kPrevStopsEarly,
  kSamplesNothing,
};

// An iterator with a fault.
class FaultyIterator : public MemTableRep::Iterator {
 public:
  FaultyIterator(MemTableRep::Iterator* right, Fault fault)
      : right_(right), fault_(fault) {}
  bool Valid() const override { return right_->Valid(); }
  const char* key() const override { return right_->key(); }
  void Next() override { right_->Next(); }
  void Prev() override {
    if (fault_ == Fault::kPrevStopsEarly && ++steps_ > 10) {
      right_->SeekToFirst();
    }
    right_->Prev();
  }
  void Seek(const Slice& key, const char* memtable_key) override {
    right_->Seek(key, memtable_key);
    if (fault_ == Fault::kSeekGoesTooFar && right_->Valid()) {
      right_->Next();
    }
  }
  void SeekForPrev(const Slice& key, const char* memtable_key) override {
    right_->SeekForPrev(key, memtable_key);
  }
  void SeekToFirst() override { right_->SeekToFirst(); }
  void SeekToLast() override { right_->SeekToLast(); }

 private:
  const std::unique_ptr<MemTableRep::Iterator> right_;
  const Fault fault_;
  int steps_ = 0;
};

// A skip list with a fault.
class FaultyRep : public MemTableRep {
 public:
  FaultyRep(MemTableRep* right, Allocator* allocator, Fault fault)
      : MemTableRep(allocator), right_(right), fault_(fault) {}

  KeyHandle Allocate(const size_t len, char** buf) override {
    return right_->Allocate(len, buf);
  }
  void Insert(KeyHandle handle) override { InsertKey(handle); }
  bool InsertKey(KeyHandle handle) override {
    const bool tenth = ++inserts_ % 10 == 0;
    if (tenth && fault_ == Fault::kLosesInserts) {
      return true;
    }
    return right_->InsertKey(handle) &&
           !(tenth && fault_ == Fault::kRefusesInserts);
  }
  bool InsertKeyConcurrently(KeyHandle handle) override {
    if (++inserts_ % 10 == 0 && fault_ == Fault::kLosesConcurrentInserts) {
      return true;
    }
    return right_->InsertKeyConcurrently(handle);
  }
  bool Contains(const char* key) const override {
    return right_->Contains(key);
  }
  void Get(const LookupKey& k, void* args,
           bool (*callback)(void* arg, const char* entry)) override {
    if (fault_ == Fault::kGetFindsNothing) {
      return;
    }
    if (fault_ == Fault::kGetFindsTheOldest) {
      const LookupKey oldest(k.user_key(), 1);
      right_->Get(oldest, args, callback);
      return;
    }
    if (fault_ == Fault::kMissFindsANeighbour) {
      // The callback takes the entry for the one that is sought.
      std::unique_ptr<MemTableRep::Iterator> it(right_->GetIterator());
      it->Seek(k.internal_key(), nullptr);
      if (it->Valid()) {
        static_cast<Found*>(args)->user_key = ROCKSDB_NAMESPACE::ExtractUserKey(
            ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(it->key()));
        callback(args, it->key());
      }
      return;
    }
    right_->Get(k, args, callback);
  }
  uint64_t ApproximateNumEntries(const Slice& begin,
                                 const Slice& end) override {
    return right_->ApproximateNumEntries(begin, end);
  }
  void UniqueRandomSample(const uint64_t num_entries, const uint64_t target,
                          std::unordered_set<const char*>* entries) override {
    if (fault_ != Fault::kSamplesNothing) {
      right_->UniqueRandomSample(num_entries, target, entries);
    }
  }
  size_t ApproximateMemoryUsage() override {
    return right_->ApproximateMemoryUsage();
  }
  MemTableRep::Iterator* GetIterator(Arena* /*arena*/) override {
    return new FaultyIterator(right_->GetIterator(), fault_);
  }

 private:
  const std::unique_ptr<MemTableRep> right_;
  const Fault fault_;
  std::atomic<uint64_t> inserts_{0};
};

class FaultyFactory : public MemTableRepFactory {
 public:
  explicit FaultyFactory(Fault fault) : fault_(fault) {}
  const char* Name() const override { return "faulty"; }
  bool IsInsertConcurrentlySupported() const override { return true; }
  using MemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(
      const MemTableRep::KeyComparator& comparator, Allocator* allocator,
      const ROCKSDB_NAMESPACE::SliceTransform* transform,
      ROCKSDB_NAMESPACE::Logger* logger) override {
    return new FaultyRep(
        right_.CreateMemTableRep(comparator, allocator, transform, logger),
        allocator, fault_);
  }

 private:
  const Fault fault_;
  ROCKSDB_NAMESPACE::SkipListFactory right_;
};

// Runs these shapes with a skip list and `factory` beside it.
rocksdb::Status RunBeside(std::shared_ptr<MemTableRepFactory> factory,
                          const std::vector<std::string>& shapes,
                          std::string* report) {
  ShapeRunOptions options;
  options.shapes = shapes;
  options.shape.scale = 0.005;
  options.repeats = 1;
  FILE* const out = std::tmpfile();
  rocksdb::Status s;
  try {
    RunMemtableShapes(
        {{"skip_list", std::make_shared<ROCKSDB_NAMESPACE::SkipListFactory>()},
         {"other", std::move(factory)}},
        options, 8, out);
  } catch (const Failure& failure) {
    s = failure.status();
  }
  report->resize(static_cast<size_t>(std::ftell(out)));
  std::rewind(out);
  EXPECT_EQ(std::fread(report->data(), 1, report->size(), out), report->size());
  std::fclose(out);
  return s;
}

TEST(MemtableShapesTest, RightMemtablesPass) {
  std::string report;
  for (const auto& factory : std::vector<std::shared_ptr<MemTableRepFactory>>{
           std::make_shared<FaultyFactory>(Fault::kNone),
           std::make_shared<ArtMemTableRepFactory>()}) {
    const rocksdb::Status s =
        RunBeside(factory, {"hot_among_others", "chain_shuffled"}, &report);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_NE(report.find("\nchain_shuffled"), std::string::npos) << report;
    EXPECT_NE(report.find("\nhot_among_others, 8 threads"), std::string::npos);
  }
}

TEST(MemtableShapesTest, AMemtableThatAnswersWronglyIsCorruption) {
  for (const auto& [fault, words] : std::vector<std::pair<Fault, std::string>>{
           {Fault::kLosesInserts, "wrong answers"},
           {Fault::kLosesConcurrentInserts, "does not hold its entries"},
           {Fault::kRefusesInserts, "an insert was refused"},
           {Fault::kGetFindsNothing, "hit: wrong answers"},
           {Fault::kGetFindsTheOldest, "wrong answers"},
           {Fault::kMissFindsANeighbour, "miss: wrong answers"},
           {Fault::kSeekGoesTooFar, "seeks met other entries"},
           {Fault::kPrevStopsEarly, "steps met other entries"},
           {Fault::kSamplesNothing, "a sample of nothing"}}) {
    std::string report;
    const rocksdb::Status s = RunBeside(std::make_shared<FaultyFactory>(fault),
                                        {"hot_among_others"}, &report);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
    EXPECT_NE(s.ToString().find("other, hot_among_others"), std::string::npos);
    EXPECT_NE(s.ToString().find(words), std::string::npos) << s.ToString();
  }
}

}  // namespace
}  // namespace memkv
