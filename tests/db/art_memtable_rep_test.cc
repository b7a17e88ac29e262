// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableRep and its factory through RocksDB's own interfaces: every
// virtual of MemTableRep, beside the skip list on the same entries; and small
// databases with memtable_factory=art beside a std::map.

#include "memtable/art_memtable_rep.h"

#include <gtest/gtest.h>

#include <cstdarg>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "db/lookup_key.h"
#include "db/memtable.h"
#include "memory/arena.h"
#include "memory/concurrent_arena.h"
#include "memtable/art_memtable_rep_factory.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/utilities/object_registry.h"
#include "rocksdb/utilities/transaction_db.h"
#include "tests/unit/art_test_util.h"
#include "util/coding.h"

namespace memkv {
namespace art_test {

using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::BytewiseComparator;
using ROCKSDB_NAMESPACE::BytewiseComparatorWithU64Ts;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::Comparator;
using ROCKSDB_NAMESPACE::ConcurrentArena;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::DB;
using ROCKSDB_NAMESPACE::DBOptions;
using ROCKSDB_NAMESPACE::DestroyDB;
using ROCKSDB_NAMESPACE::FlushOptions;
using ROCKSDB_NAMESPACE::InternalKeyComparator;
using ROCKSDB_NAMESPACE::KeyHandle;
using ROCKSDB_NAMESPACE::Logger;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTable;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::MemTableRepFactory;
using ROCKSDB_NAMESPACE::ObjectRegistry;
using ROCKSDB_NAMESPACE::Options;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::ReverseBytewiseComparator;
using ROCKSDB_NAMESPACE::SkipListFactory;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Snapshot;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TransactionDB;
using ROCKSDB_NAMESPACE::TransactionDBOptions;
using ROCKSDB_NAMESPACE::TxnDBWritePolicy;
using ROCKSDB_NAMESPACE::WriteBatch;
using ROCKSDB_NAMESPACE::WriteOptions;

using Random = std::mt19937_64;

// A rep with the comparator and the arena that a MemTable would give it.
class RepUnderTest {
 public:
  RepUnderTest(MemTableRepFactory* factory, const Comparator* comparator,
               Logger* logger = nullptr)
      : key_cmp_(InternalKeyComparator(comparator)),
        rep_(factory->CreateMemTableRep(key_cmp_, &arena_, nullptr, logger)) {}

  MemTableRep* operator->() { return rep_.get(); }
  MemTableRep* get() { return rep_.get(); }

  // The handle of a buffer of the rep's own with an entry in it, not inserted.
  KeyHandle NewKey(const TestKey& key, char** entry = nullptr) {
    const std::string bytes = Encode(key);
    char* buf = nullptr;
    const KeyHandle handle = rep_->Allocate(bytes.size(), &buf);
    memcpy(buf, bytes.data(), bytes.size());
    if (entry != nullptr) {
      *entry = buf;
    }
    return handle;
  }

  bool Insert(const TestKey& key) {
    return rep_->InsertKeyConcurrently(NewKey(key));
  }

  static std::string Encode(const TestKey& key) {
    std::string entry;
    AppendVarint32(&entry, static_cast<uint32_t>(key.user_key.size() + 8));
    entry += key.user_key;
    ROCKSDB_NAMESPACE::PutFixed64(&entry, key.sequence << 8 | kTypeValue);
    AppendVarint32(&entry, 1);
    entry += "v";
    return entry;
  }

 private:
  ConcurrentArena arena_;
  MemTable::KeyComparator key_cmp_;
  std::unique_ptr<MemTableRep> rep_;
};

std::string InternalKey(const TestKey& key) {
  std::string ikey = key.user_key;
  ROCKSDB_NAMESPACE::PutFixed64(
      &ikey, key.sequence << 8 | ROCKSDB_NAMESPACE::kValueTypeForSeek);
  return ikey;
}

bool Collect(void* arg, const char* entry) {
  auto* keys = static_cast<std::vector<TestKey>*>(arg);
  keys->push_back(KeyOf(entry));
  return keys->size() < 5;
}

// What MemTable's callbacks see of Get: entries of the user key only.
std::vector<TestKey> GetFrom(MemTableRep* rep, const TestKey& target) {
  std::vector<TestKey> keys;
  rep->Get(LookupKey(target.user_key, target.sequence), &keys, Collect);
  while (!keys.empty() && keys.back().user_key != target.user_key) {
    keys.pop_back();
  }
  return keys;
}

class CapturingLogger : public Logger {
 public:
  using Logger::Logv;
  void Logv(const char* format, va_list args) override {
    char line[1000];
    vsnprintf(line, sizeof(line), format, args);
    text += line;
    text += '\n';
  }
  std::string text;
};

// Orders keys by size first.
class SizeComparator : public Comparator {
 public:
  const char* Name() const override { return "test.SizeComparator"; }
  int Compare(const Slice& a, const Slice& b) const override {
    return a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : a.compare(b);
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

class ArtMemTableRepTest : public ::testing::TestWithParam<bool> {
 protected:
  ArtMemTableRepTest() : random_(TestSeed()) {}

  const Comparator* comparator() const {
    return GetParam() ? ReverseBytewiseComparator() : BytewiseComparator();
  }

  TestKey RandomKey() {
    std::string key;
    for (size_t i = random_() % 7; i > 0; --i) {
      key.push_back("\0ab\xff"[random_() % 4]);
    }
    return TestKey{key, random_() % 20};
  }

  Random random_;
  ArtMemTableRepFactory factory_;
};

TEST_P(ArtMemTableRepTest, EveryInsertFunctionInserts) {
  RepUnderTest rep(&factory_, comparator());
  ASSERT_NE(nullptr, dynamic_cast<ArtMemTableRep*>(rep.get()));
  void* hint = nullptr;
  rep->Insert(rep.NewKey({"1", 1}));
  rep->InsertWithHint(rep.NewKey({"2", 1}), &hint);
  rep->InsertWithHintConcurrently(rep.NewKey({"3", 1}), &hint);
  rep->InsertConcurrently(rep.NewKey({"4", 1}));
  for (const bool is_new : {true, false}) {
    EXPECT_EQ(is_new, rep->InsertKey(rep.NewKey({"5", 1})));
    EXPECT_EQ(is_new, rep->InsertKeyWithHint(rep.NewKey({"6", 1}), &hint));
    EXPECT_EQ(is_new,
              rep->InsertKeyWithHintConcurrently(rep.NewKey({"7", 1}), &hint));
    EXPECT_EQ(is_new, rep->InsertKeyConcurrently(rep.NewKey({"8", 1})));
  }
  // RocksDB deletes what a hint points at.
  EXPECT_EQ(nullptr, hint);
  for (const char* key : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
    EXPECT_TRUE(rep->Contains(RepUnderTest::Encode({key, 1}).data())) << key;
    EXPECT_FALSE(rep->Contains(RepUnderTest::Encode({key, 2}).data())) << key;
  }
  EXPECT_TRUE(rep->IsMergeOperatorSupported());
  EXPECT_TRUE(rep->IsSnapshotSupported());
  EXPECT_TRUE(factory_.IsInsertConcurrentlySupported());
  EXPECT_TRUE(factory_.CanHandleDuplicatedKey());
  rep->MarkReadOnly();
  rep->MarkFlushed();
}

TEST_P(ArtMemTableRepTest, MemoryComesFromTheAllocator) {
  ConcurrentArena arena;
  ArtMemTableRep rep(ArtOrder::kBytewise, &arena);
  const size_t outside = rep.ApproximateMemoryUsage();
  for (int i = 0; i < 5000; ++i) {
    const std::string entry =
        RepUnderTest::Encode({"k" + std::to_string(i), 1});
    char* buf;
    const KeyHandle handle = rep.Allocate(entry.size(), &buf);
    memcpy(buf, entry.data(), entry.size());
    ASSERT_TRUE(rep.InsertKey(handle));
  }
  rep.MarkReadOnly();
  EXPECT_EQ(outside, rep.ApproximateMemoryUsage());
  const ArtStats stats = rep.tree().GetStats();
  EXPECT_EQ(5000u, stats.entries);
  EXPECT_GE(arena.ApproximateMemoryUsage(),
            stats.allocated_bytes - stats.heap_bytes);
  std::string reason;
  EXPECT_TRUE(rep.tree().Validate(&reason)) << reason;
}

TEST_P(ArtMemTableRepTest, AnswersAreThoseOfTheSkipList) {
  SkipListFactory skip_list;
  RepUnderTest art(&factory_, comparator());
  RepUnderTest list(&skip_list, comparator());
  for (int i = 0; i < 4000; ++i) {
    const TestKey key = RandomKey();
    ASSERT_EQ(list.Insert(key), art.Insert(key)) << key;
  }
  std::unique_ptr<MemTableRep::Iterator> a(art->GetIterator());
  std::unique_ptr<MemTableRep::Iterator> b(list->GetIterator());
  const auto same = [&](const char* what, const TestKey& target) {
    ASSERT_EQ(b->Valid(), a->Valid()) << what << " " << target;
    if (a->Valid()) {
      ASSERT_EQ(KeyOf(b->key()), KeyOf(a->key())) << what << " " << target;
    }
  };
  const auto walk = [&](const TestKey& target) {
    for (int step = 0; step < 6 && a->Valid() && b->Valid(); ++step) {
      switch (random_() % 4) {
        case 0:
          a->Next();
          b->Next();
          break;
        case 1:
          a->Prev();
          b->Prev();
          break;
        case 2:
          ASSERT_TRUE(a->NextAndValidate(true).ok());
          ASSERT_TRUE(b->NextAndValidate(true).ok());
          break;
        case 3:
          ASSERT_TRUE(a->PrevAndValidate(true).ok());
          ASSERT_TRUE(b->PrevAndValidate(true).ok());
          break;
      }
      ASSERT_NO_FATAL_FAILURE(same("walk from", target));
    }
  };
  for (int i = 0; i < 4000; ++i) {
    const TestKey target = RandomKey();
    const std::string ikey = InternalKey(target);
    // As MemTableIterator calls, and as MemTableRep::MultiGet does.
    const std::string prefixed = RepUnderTest::Encode(target);
    const bool by_entry = random_() % 2 == 0;
    const Slice slice = by_entry ? Slice() : Slice(ikey);
    const char* entry = by_entry ? prefixed.data() : nullptr;
    a->Seek(slice, entry);
    b->Seek(slice, entry);
    ASSERT_NO_FATAL_FAILURE(same("Seek", target));
    ASSERT_NO_FATAL_FAILURE(walk(target));
    a->SeekForPrev(slice, entry);
    b->SeekForPrev(slice, entry);
    ASSERT_NO_FATAL_FAILURE(same("SeekForPrev", target));
    ASSERT_NO_FATAL_FAILURE(walk(target));
    ASSERT_TRUE(a->SeekAndValidate(slice, entry, false).ok());
    ASSERT_TRUE(b->SeekAndValidate(slice, entry, false).ok());
    ASSERT_NO_FATAL_FAILURE(same("SeekAndValidate", target));

    ASSERT_EQ(list->Contains(prefixed.data()), art->Contains(prefixed.data()));
    const std::vector<TestKey> expected = GetFrom(list.get(), target);
    ASSERT_EQ(expected, GetFrom(art.get(), target)) << target;
    std::vector<TestKey> validated;
    ASSERT_TRUE(art->GetAndValidate(LookupKey(target.user_key, target.sequence),
                                    &validated, Collect, false)
                    .ok());
    while (!validated.empty() && validated.back().user_key != target.user_key) {
      validated.pop_back();
    }
    ASSERT_EQ(expected, validated) << target;
  }
  a->SeekToFirst();
  b->SeekToFirst();
  for (; b->Valid(); a->Next(), b->Next()) {
    ASSERT_NO_FATAL_FAILURE(same("first to last", {}));
  }
  ASSERT_FALSE(a->Valid());
  a->SeekToLast();
  b->SeekToLast();
  for (; b->Valid(); a->Prev(), b->Prev()) {
    ASSERT_NO_FATAL_FAILURE(same("last to first", {}));
  }
  ASSERT_FALSE(a->Valid());
}

TEST_P(ArtMemTableRepTest, IteratorsLiveInAnArenaOrOnTheHeap) {
  RepUnderTest rep(&factory_, comparator());
  // Deeper than an iterator's inline stack.
  for (size_t size = 0; size < 100; ++size) {
    ASSERT_TRUE(rep.Insert({std::string(size, 'd'), 1}));
  }
  Arena arena;
  MemTableRep::Iterator* in_arena = rep->GetIterator(&arena);
  std::unique_ptr<MemTableRep::Iterator> on_heap(
      rep->GetDynamicPrefixIterator());
  for (MemTableRep::Iterator* iter : {in_arena, on_heap.get()}) {
    EXPECT_FALSE(iter->Valid());
    int n = 0;
    for (iter->SeekToLast(); iter->Valid(); iter->Prev()) {
      ++n;
    }
    EXPECT_EQ(100, n);
    iter->RandomSeek();
    EXPECT_TRUE(iter->Valid());
  }
  in_arena->~Iterator();
}

TEST_P(ArtMemTableRepTest, ChangedKeyIsCorruptionAndNamedOnlyIfAllowed) {
  for (const bool allow_data : {false, true}) {
    RepUnderTest rep(&factory_, comparator());
    std::vector<char*> entries;
    for (const char* key : {"aa1zz", "aa2zz", "aa3zz"}) {
      char* entry;
      ASSERT_TRUE(rep->InsertKey(rep.NewKey({key, 1}, &entry)));
      entries.push_back(entry);
    }
    std::unique_ptr<MemTableRep::Iterator> iter(rep->GetIterator());
    iter->SeekToFirst();
    entries[1][1 + 2] = '9';
    const auto expect_corruption = [&](const Status& s) {
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      EXPECT_EQ(allow_data,
                s.ToString().find("6161397A7A") != std::string::npos)
          << s.ToString();
    };
    expect_corruption(iter->NextAndValidate(allow_data));
    EXPECT_FALSE(iter->Valid());
    iter->SeekToLast();
    expect_corruption(iter->PrevAndValidate(allow_data));
    EXPECT_FALSE(iter->Valid());
    expect_corruption(
        iter->SeekAndValidate(InternalKey({"aa2zz", 1}), nullptr, allow_data));
    EXPECT_FALSE(iter->Valid());
    std::vector<TestKey> keys;
    expect_corruption(
        rep->GetAndValidate(LookupKey("aa2zz", 1), &keys, Collect, allow_data));
    EXPECT_TRUE(keys.empty());

    // A changed sequence breaks the order of the versions.
    RepUnderTest versions(&factory_, comparator());
    char* old_version;
    const KeyHandle handle = versions.NewKey({"k", 5}, &old_version);
    ASSERT_TRUE(versions.Insert({"k", 9}));
    ASSERT_TRUE(versions->InsertKey(handle));
    // varint, key, type byte; then the sequence's lowest byte
    old_version[1 + 1 + 1] = 77;
    keys.clear();
    EXPECT_TRUE(
        versions->GetAndValidate(LookupKey("k", 20), &keys, Collect, allow_data)
            .IsCorruption());
  }
}

TEST_P(ArtMemTableRepTest, ApproximateNumEntriesCountsSmallRanges) {
  RepUnderTest rep(&factory_, comparator());
  for (int i = 1000; i < 2000; ++i) {
    ASSERT_TRUE(rep.Insert({std::to_string(i), 1}));
  }
  std::string from = "1100";
  std::string to = "1300";
  if (GetParam()) {
    from.swap(to);
  }
  EXPECT_EQ(200u,
            rep->ApproximateNumEntries(InternalKey({from, kArtMaxSequence}),
                                       InternalKey({to, kArtMaxSequence})));
}

TEST_P(ArtMemTableRepTest, SampleIsUniqueOfTheSizeAskedForAndUniform) {
  RepUnderTest rep(&factory_, comparator());
  constexpr uint64_t kEntries = 100;
  // Skewed on purpose: half of the entries are versions of one key.
  std::map<const char*, int> hits;
  for (uint64_t i = 0; i < kEntries; ++i) {
    char* entry;
    ASSERT_TRUE(rep->InsertKey(
        rep.NewKey({i % 2 == 0 ? "hot" : "k" + std::to_string(i), i}, &entry)));
    hits[entry] = 0;
  }
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    std::unordered_set<const char*> sample;
    rep->UniqueRandomSample(kEntries, 10, &sample);
    ASSERT_EQ(10u, sample.size());
    for (const char* entry : sample) {
      ASSERT_EQ(1u, hits.count(entry));
      ++hits[entry];
    }
  }
  // Expected 200, standard deviation 13.4.
  for (const auto& [entry, n] : hits) {
    EXPECT_GT(n, 120) << KeyOf(entry);
    EXPECT_LT(n, 280) << KeyOf(entry);
  }
  std::unordered_set<const char*> all;
  rep->UniqueRandomSample(kEntries, 1000, &all);
  EXPECT_EQ(kEntries, all.size());
  // Of many, each is sought by itself.
  for (uint64_t i = kEntries; i < 20000; ++i) {
    ASSERT_TRUE(rep.Insert({"m" + std::to_string(i % 1000), i}));
  }
  rep->UniqueRandomSample(20000, 100, &all);
  EXPECT_NEAR(97.5, all.size(), 2.5);
}

INSTANTIATE_TEST_SUITE_P(Comparators, ArtMemTableRepTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& param) {
                           return param.param ? "Reverse" : "Bytewise";
                         });

TEST(ArtMemTableRepFactoryTest, OtherComparatorsGetTheSkipListAndALogLine) {
  SizeComparator by_size;
  ArtMemTableRepFactory factory;
  const struct {
    const Comparator* comparator;
    const char* reason;
  } cases[] = {
      {&by_size, "test.SizeComparator is neither bytewise nor reverse"},
      {BytewiseComparatorWithU64Ts(), "has user-defined timestamps"},
  };
  for (const auto& c : cases) {
    CapturingLogger logger;
    RepUnderTest rep(&factory, c.comparator, &logger);
    EXPECT_EQ(nullptr, dynamic_cast<ArtMemTableRep*>(rep.get()));
    EXPECT_NE(std::string::npos, logger.text.find(c.reason)) << logger.text;
    EXPECT_NE(std::string::npos, logger.text.find("skip list"));
    EXPECT_TRUE(rep.Insert({"longer key", 1}));
    EXPECT_FALSE(rep.Insert({"longer key", 1}));
  }
  CapturingLogger logger;
  RepUnderTest served(&factory, BytewiseComparator(), &logger);
  EXPECT_EQ("", logger.text);
}

// An options string as a program would pass it, with only `art` registered.
class ArtMemTableOptionsTest : public ::testing::Test {
 protected:
  ArtMemTableOptionsTest() {
    config_.registry = ObjectRegistry::NewInstance();
    config_.registry->AddLibrary("art_test")
        ->AddFactory<MemTableRepFactory>(
            ArtMemTableRepFactory::kClassName(),
            [](const std::string&, std::unique_ptr<MemTableRepFactory>* guard,
               std::string*) {
              guard->reset(new ArtMemTableRepFactory());
              return guard->get();
            });
    config_.ignore_unsupported_options = false;
  }

  Status Parse(const std::string& text, ColumnFamilyOptions* options) {
    return GetColumnFamilyOptionsFromString(config_, ColumnFamilyOptions(),
                                            text, options);
  }

  ConfigOptions config_;
};

TEST_F(ArtMemTableOptionsTest, OptionsRoundTripAsStrings) {
  const char* const texts[] = {"memtable_factory=art",
                               "memtable_factory={id=art}",
                               "memtable_factory={id=art;fallback=skip_list}",
                               "memtable_factory={id=art;fallback=none}"};
  for (const char* text : texts) {
    ColumnFamilyOptions options;
    const Status s = Parse(text, &options);
    ASSERT_TRUE(s.ok()) << text << ": " << s.ToString();
    EXPECT_STREQ("art", options.memtable_factory->Name());
    std::string written;
    ASSERT_TRUE(
        GetStringFromColumnFamilyOptions(config_, options, &written).ok());
    ColumnFamilyOptions again;
    ASSERT_TRUE(Parse(written, &again).ok()) << written;
    std::string mismatch;
    EXPECT_TRUE(options.memtable_factory->AreEquivalent(
        config_, again.memtable_factory.get(), &mismatch))
        << text << ": " << mismatch;
    const auto* parsed = again.memtable_factory->GetOptions<ArtMemTableOptions>(
        "ArtMemTableOptions");
    ASSERT_NE(nullptr, parsed);
    EXPECT_EQ(std::string(text).find("none") != std::string::npos,
              parsed->fallback == ArtMemTableOptions::Fallback::kNone);
  }
}

TEST_F(ArtMemTableOptionsTest, BadOptionsAreRefusedByName) {
  ColumnFamilyOptions options;
  Status s = Parse("memtable_factory={id=art;fallback=btree}", &options);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  for (const char* part : {"fallback", "skip_list or none", "btree"}) {
    EXPECT_NE(std::string::npos, s.ToString().find(part)) << s.ToString();
  }
  s = Parse("memtable_factory={id=art;fall_back=none}", &options);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  EXPECT_NE(std::string::npos, s.ToString().find("fall_back")) << s.ToString();
}

// ---- Databases ----

class AppendOperator : public ROCKSDB_NAMESPACE::AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool Merge(const Slice&, const Slice* existing, const Slice& value,
             std::string* result, Logger*) const override {
    *result = existing != nullptr ? existing->ToString() : "";
    result->append(value.data(), value.size());
    return true;
  }
};

class ArtMemTableDBTest : public ::testing::Test {
 protected:
  ArtMemTableDBTest() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = ::testing::TempDir() + "art_memtable_" + info->name() + "_" +
            std::to_string(getpid());
    options_.create_if_missing = true;
    options_.memtable_factory.reset(new ArtMemTableRepFactory());
    options_.merge_operator.reset(new AppendOperator());
    DestroyDB(path_, Options());
  }
  ~ArtMemTableDBTest() override {
    db_.reset();
    DestroyDB(path_, Options());
  }

  Status Open() {
    db_.reset();
    DB* db = nullptr;
    const Status s = DB::Open(options_, path_, &db);
    db_.reset(db);
    return s;
  }

  using Model = std::map<std::string, std::string>;

  void CheckAll(const Model& model, const Snapshot* snapshot) {
    ReadOptions read;
    read.snapshot = snapshot;
    const bool reverse = options_.comparator != BytewiseComparator();
    std::vector<std::pair<std::string, std::string>> expected(model.begin(),
                                                              model.end());
    if (reverse) {
      std::reverse(expected.begin(), expected.end());
    }
    std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(db_->NewIterator(read));
    size_t i = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++i) {
      ASSERT_LT(i, expected.size());
      ASSERT_EQ(expected[i].first, iter->key().ToString());
      ASSERT_EQ(expected[i].second, iter->value().ToString());
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(expected.size(), i);
    // RocksDB itself does not go backwards over values that may change.
    if (!options_.inplace_update_support) {
      for (iter->SeekToLast(); iter->Valid(); iter->Prev()) {
        ASSERT_GT(i, 0u);
        ASSERT_EQ(expected[--i].first, iter->key().ToString());
        ASSERT_EQ(expected[i].second, iter->value().ToString());
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_EQ(0u, i);
    }
    for (const auto& [key, value] : model) {
      std::string found;
      ASSERT_TRUE(db_->Get(read, key, &found).ok()) << key;
      ASSERT_EQ(value, found) << key;
      const Status s = db_->Get(read, key + "?", &found);
      ASSERT_TRUE(s.IsNotFound()) << s.ToString();
    }
  }

  // Random writes beside a map, with snapshots, flushes and reopenings.
  void RunHistory(bool with_merge, const WriteOptions& write) {
    ASSERT_TRUE(Open().ok());
    Random random(TestSeed());
    Model model;
    std::vector<std::pair<const Snapshot*, Model>> snapshots;
    for (int i = 0; i < 4000; ++i) {
      WriteBatch batch;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        const std::string key = "key" + std::to_string(random() % 300);
        const std::string value = "value" + std::to_string(random());
        const uint64_t op = random() % 10;
        if (op < 2) {
          batch.Delete(key);
          model.erase(key);
        } else if (op < 4 && with_merge) {
          batch.Merge(key, value);
          model[key] += value;
        } else {
          batch.Put(key, value);
          model[key] = value;
        }
      }
      const Status s = db_->Write(write, &batch);
      ASSERT_TRUE(s.ok()) << s.ToString();
      if (i % 500 == 250 && !options_.inplace_update_support) {
        snapshots.emplace_back(db_->GetSnapshot(), model);
      }
      if (i % 1300 == 1299) {
        ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
        for (const auto& [snapshot, then] : snapshots) {
          ASSERT_NO_FATAL_FAILURE(CheckAll(then, snapshot));
        }
        ASSERT_TRUE(db_->Flush(FlushOptions()).ok());
      }
    }
    for (const auto& [snapshot, then] : snapshots) {
      ASSERT_NO_FATAL_FAILURE(CheckAll(then, snapshot));
      db_->ReleaseSnapshot(snapshot);
    }
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
    ASSERT_TRUE(Open().ok());
    ASSERT_NO_FATAL_FAILURE(CheckAll(model, nullptr));
  }

  std::string path_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(ArtMemTableDBTest, HistoryIsRight) { RunHistory(true, WriteOptions()); }

TEST_F(ArtMemTableDBTest, HistoryIsRightInReverseOrder) {
  options_.comparator = ReverseBytewiseComparator();
  RunHistory(true, WriteOptions());
}

TEST_F(ArtMemTableDBTest, HistoryIsRightWithInPlaceUpdates) {
  options_.inplace_update_support = true;
  options_.allow_concurrent_memtable_write = false;
  RunHistory(false, WriteOptions());
}

TEST_F(ArtMemTableDBTest, HistoryIsRightWithParanoidMemoryChecks) {
  options_.paranoid_memory_checks = true;
  options_.memtable_protection_bytes_per_key = 8;
  RunHistory(true, WriteOptions());
}

TEST_F(ArtMemTableDBTest, HistoryIsRightWithHints) {
  options_.memtable_insert_with_hint_prefix_extractor.reset(
      ROCKSDB_NAMESPACE::NewFixedPrefixTransform(4));
  options_.allow_concurrent_memtable_write = false;
  RunHistory(true, WriteOptions());
}

TEST_F(ArtMemTableDBTest, HistoryIsRightWithHintsPerBatch) {
  WriteOptions write;
  write.memtable_insert_hint_per_batch = true;
  RunHistory(true, write);
}

TEST_F(ArtMemTableDBTest, HistoryIsRightWithMemPurge) {
  options_.experimental_mempurge_threshold = 1.0;
  RunHistory(true, WriteOptions());
}

TEST_F(ArtMemTableDBTest, HistoryIsRightOnTheFallback) {
  SizeComparator by_size;
  options_.comparator = &by_size;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(db_->Put(WriteOptions(), "bb", "2").ok());
  ASSERT_TRUE(db_->Put(WriteOptions(), "z", "1").ok());
  std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(
      db_->NewIterator(ReadOptions()));
  iter->SeekToFirst();
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ("z", iter->key().ToString());
  iter.reset();
  db_.reset();

  options_.memtable_factory.reset(new ArtMemTableRepFactory(
      ArtMemTableOptions{ArtMemTableOptions::Fallback::kNone}));
  const Status s = Open();
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  for (const char* part : {"fallback=none", "test.SizeComparator"}) {
    EXPECT_NE(std::string::npos, s.ToString().find(part)) << s.ToString();
  }
  // The database itself is opened and closed with the comparator.
  options_.memtable_factory.reset(new ArtMemTableRepFactory());
  ASSERT_TRUE(Open().ok());
  db_.reset();
  DestroyDB(path_, options_);
}

TEST_F(ArtMemTableDBTest, ConcurrentWritersLoseNothing) {
  options_.write_buffer_size = 256 << 10;
  options_.unordered_write = false;
  ASSERT_TRUE(Open().ok());
  constexpr int kThreads = 4;
  constexpr int kKeys = 3000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      WriteOptions write;
      write.memtable_insert_hint_per_batch = t % 2 == 0;
      for (int i = 0; i < kKeys; ++i) {
        const std::string own =
            std::to_string(i * 7919 % kKeys) + "/" + std::to_string(t);
        ASSERT_TRUE(db_->Put(write, own, own + own).ok());
        ASSERT_TRUE(db_->Merge(write, "everyone's", "+").ok());
        if (i % 100 == 0) {
          std::string value;
          ASSERT_TRUE(db_->Get(ReadOptions(), own, &value).ok());
          ASSERT_EQ(own + own, value);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::string value;
  ASSERT_TRUE(db_->Get(ReadOptions(), "everyone's", &value).ok());
  EXPECT_EQ(static_cast<size_t>(kThreads * kKeys), value.size());
  std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> iter(
      db_->NewIterator(ReadOptions()));
  int n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    ++n;
  }
  EXPECT_TRUE(iter->status().ok());
  EXPECT_EQ(kThreads * kKeys + 1, n);
}

TEST_F(ArtMemTableDBTest, WritePreparedTransactionsTakeDuplicateKeysInABatch) {
  TransactionDBOptions txn_options;
  txn_options.write_policy = TxnDBWritePolicy::WRITE_PREPARED;
  TransactionDB* db = nullptr;
  const Status s = TransactionDB::Open(options_, txn_options, path_, &db);
  ASSERT_TRUE(s.ok()) << s.ToString();
  db_.reset(db);
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("a", "2");
  batch.Put("b", "3");
  ASSERT_TRUE(db_->Write(WriteOptions(), &batch).ok());
  std::string value;
  ASSERT_TRUE(db_->Get(ReadOptions(), "a", &value).ok());
  EXPECT_EQ("2", value);
}

TEST_F(ArtMemTableDBTest, ApproximateMemTableStatsCount) {
  ASSERT_TRUE(Open().ok());
  constexpr uint64_t kKeys = 20000;
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(db_->Put({}, "user:" + std::to_string(100000 + i), "v").ok());
  }
  const auto count = [this](const std::string& from, const std::string& to) {
    uint64_t entries = 0;
    uint64_t size = 0;
    db_->GetApproximateMemTableStats(ROCKSDB_NAMESPACE::Range(from, to),
                                     &entries, &size);
    EXPECT_EQ(entries > 0, size > 0);
    return entries;
  };
  EXPECT_EQ(200u, count("user:100100", "user:100300"));
  EXPECT_EQ(0u, count("user;", "z"));
  EXPECT_EQ(kKeys, count("user:", "user;"));
  EXPECT_EQ(kKeys, count("a", "z"));
  EXPECT_NEAR(count("user:110000", "user;"), 10000.0, 3000.0);
}

}  // namespace art_test
}  // namespace memkv
