// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableRep and its factory through RocksDB's own interfaces: every
// virtual of MemTableRep, beside the skip list on the same entries.

#include "memtable/art_memtable_rep.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "memory/arena.h"
#include "memtable/art_memtable_iterator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/utilities/object_registry.h"
#include "tests/db/art_memtable_rep_test_util.h"
#include "util/simd.h"

namespace memkv {
namespace art_test {

using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::BytewiseComparatorWithU64Ts;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::ObjectRegistry;
using ROCKSDB_NAMESPACE::SkipListFactory;

// The comparator, and whether the tree is soon full.
struct RepKind {
  bool reverse;
  bool overflows;
};

class ArtMemTableRepTest : public ::testing::TestWithParam<RepKind> {
 protected:
  ArtMemTableRepTest()
      : random_(TestSeed()),
        factory_(GetParam().overflows ? new OverflowingFactory()
                                      : new ArtMemTableRepFactory()) {}

  const Comparator* comparator() const {
    return GetParam().reverse ? ReverseBytewiseComparator()
                              : BytewiseComparator();
  }

  TestKey RandomKey() {
    std::string key;
    for (size_t i = random_() % 7; i > 0; --i) {
      key.push_back("\0ab\xff"[random_() % 4]);
    }
    return TestKey{key, random_() % 20};
  }

  Random random_;
  const std::unique_ptr<ArtMemTableRepFactory> factory_;
};

TEST_P(ArtMemTableRepTest, EveryInsertFunctionInserts) {
  RepUnderTest rep(factory_.get(), comparator());
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
  compat::FinishBatch(rep.get());
  // RocksDB deletes what a hint points at.
  EXPECT_EQ(nullptr, hint);
  for (const char* key : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
    EXPECT_TRUE(rep->Contains(RepUnderTest::Encode({key, 1}).data())) << key;
    EXPECT_FALSE(rep->Contains(RepUnderTest::Encode({key, 2}).data())) << key;
  }
  EXPECT_TRUE(rep->IsMergeOperatorSupported());
  EXPECT_TRUE(rep->IsSnapshotSupported());
  EXPECT_TRUE(factory_->IsInsertConcurrentlySupported());
  EXPECT_TRUE(factory_->CanHandleDuplicatedKey());
  rep->MarkReadOnly();
  rep->MarkFlushed();
}

TEST_P(ArtMemTableRepTest, MemoryComesFromTheAllocator) {
  ConcurrentArena arena;
  const MemTable::KeyComparator key_cmp{
      InternalKeyComparator(BytewiseComparator())};
  ArtMemTableRep rep(ArtOrder::kBytewise, key_cmp, &arena, nullptr);
  for (int i = 0; i < 5000; ++i) {
    const std::string entry =
        RepUnderTest::Encode({"k" + std::to_string(i), 1});
    char* buf;
    const KeyHandle handle = rep.Allocate(entry.size(), &buf);
    memcpy(buf, entry.data(), entry.size());
    ASSERT_TRUE(rep.InsertKey(handle));
  }
  rep.MarkReadOnly();
  // All but the object itself, which is small: the arena, and the way to the
  // last entry.
  EXPECT_EQ(sizeof(ArtMemTableRep), rep.ApproximateMemoryUsage());
  EXPECT_LE(sizeof(ArtMemTableRep), 3072u);
  EXPECT_EQ(nullptr, rep.overflow());
  const ArtStats stats = rep.tree().GetStats();
  EXPECT_EQ(5000u, stats.entries);
  EXPECT_GE(arena.ApproximateMemoryUsage() + stats.heap_bytes,
            stats.allocated_bytes);
  std::string reason;
  EXPECT_TRUE(rep.tree().Validate(&reason)) << reason;
}

// An iterator of the rep and one of the skip list, moved together.
class IteratorPair {
 public:
  IteratorPair(MemTableRep* art, MemTableRep* list)
      : a_(art->GetIterator()), b_(list->GetIterator()) {}

  void ExpectSame(const char* what, const TestKey& target) {
    ASSERT_EQ(b_->Valid(), a_->Valid()) << what << " " << target;
    if (a_->Valid()) {
      ASSERT_EQ(KeyOf(b_->key()), KeyOf(a_->key())) << what << " " << target;
    }
  }

  // Every kind of seek, and some steps from where each leads.
  void ExpectSameSeeks(const TestKey& target, Random* random) {
    const std::string ikey = InternalKey(target);
    // As MemTableIterator calls, and as MemTableRep::MultiGet does.
    const std::string prefixed = RepUnderTest::Encode(target);
    const bool by_entry = (*random)() % 2 == 0;
    const Slice slice = by_entry ? Slice() : Slice(ikey);
    const char* entry = by_entry ? prefixed.data() : nullptr;
    a_->Seek(slice, entry);
    b_->Seek(slice, entry);
    ASSERT_NO_FATAL_FAILURE(ExpectSame("Seek", target));
    ASSERT_NO_FATAL_FAILURE(Walk(target, random));
    a_->SeekForPrev(slice, entry);
    b_->SeekForPrev(slice, entry);
    ASSERT_NO_FATAL_FAILURE(ExpectSame("SeekForPrev", target));
    ASSERT_NO_FATAL_FAILURE(Walk(target, random));
    ASSERT_TRUE(compat::SeekChecked(&*a_, slice, entry, {}).ok());
    ASSERT_TRUE(compat::SeekChecked(&*b_, slice, entry, {}).ok());
    ASSERT_NO_FATAL_FAILURE(ExpectSame("SeekChecked", target));
  }

  // All entries, in both directions.
  void ExpectSameScans() {
    a_->SeekToFirst();
    b_->SeekToFirst();
    for (; b_->Valid(); a_->Next(), b_->Next()) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame("first to last", {}));
    }
    ASSERT_FALSE(a_->Valid());
    a_->SeekToLast();
    b_->SeekToLast();
    for (; b_->Valid(); a_->Prev(), b_->Prev()) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame("last to first", {}));
    }
    ASSERT_FALSE(a_->Valid());
  }

 private:
  void Walk(const TestKey& target, Random* random) {
    for (int step = 0; step < 6 && a_->Valid() && b_->Valid(); ++step) {
      switch ((*random)() % 4) {
        case 0:
          a_->Next();
          b_->Next();
          break;
        case 1:
          a_->Prev();
          b_->Prev();
          break;
        case 2:
          ASSERT_TRUE(a_->NextAndValidate(true).ok());
          ASSERT_TRUE(b_->NextAndValidate(true).ok());
          break;
        case 3:
          ASSERT_TRUE(a_->PrevAndValidate(true).ok());
          ASSERT_TRUE(b_->PrevAndValidate(true).ok());
          break;
      }
      ASSERT_NO_FATAL_FAILURE(ExpectSame("walk from", target));
    }
  }

  const std::unique_ptr<MemTableRep::Iterator> a_;
  const std::unique_ptr<MemTableRep::Iterator> b_;
};

TEST_P(ArtMemTableRepTest, AnswersAreThoseOfTheSkipList) {
  SkipListFactory skip_list;
  RepUnderTest art(factory_.get(), comparator());
  RepUnderTest list(&skip_list, comparator());
  for (int i = 0; i < 4000; ++i) {
    const TestKey key = RandomKey();
    ASSERT_EQ(list.Insert(key),
              i % 2 == 0 ? art.Insert(key) : art.InsertSingleWriter(key))
        << key;
  }
  const auto* rep = static_cast<ArtMemTableRep*>(art.get());
  ASSERT_EQ(GetParam().overflows, rep->overflow() != nullptr);
  if (GetParam().overflows) {
    // A good part of the entries is in either.
    EXPECT_GT(rep->overflow()->NumEntries(), 500u);
    EXPECT_GT(rep->tree().NumEntries(), 300u);
  }
  IteratorPair iterators(art.get(), list.get());
  for (int i = 0; i < 4000; ++i) {
    const TestKey target = RandomKey();
    ASSERT_NO_FATAL_FAILURE(iterators.ExpectSameSeeks(target, &random_));

    const std::string prefixed = RepUnderTest::Encode(target);
    ASSERT_EQ(list->Contains(prefixed.data()), art->Contains(prefixed.data()));
    const std::vector<TestKey> expected = GetFrom(list.get(), target);
    ASSERT_EQ(expected, GetFrom(art.get(), target)) << target;
    std::vector<TestKey> validated;
    ASSERT_TRUE(compat::GetChecked(art.get(),
                                   LookupKey(target.user_key, target.sequence),
                                   &validated, Collect, {})
                    .ok());
    while (!validated.empty() && validated.back().user_key != target.user_key) {
      validated.pop_back();
    }
    ASSERT_EQ(expected, validated) << target;
  }
  ASSERT_NO_FATAL_FAILURE(iterators.ExpectSameScans());
}

TEST_P(ArtMemTableRepTest, ManyKeysAtOnceGetWhatEachGetsAlone) {
  RepUnderTest rep(factory_.get(), comparator());
  for (int i = 0; i < 3000; ++i) {
    rep.Insert(RandomKey());
  }
  auto* const art = dynamic_cast<ArtMemTableRep*>(rep.get());
  ASSERT_NE(nullptr, art);
  compat::EntryChecks none;
  none.order = false;
  size_t found = 0;
  for (const size_t n : {0, 1, 7, 8, 9, 32, 33, 100}) {
    std::vector<TestKey> targets;
    for (size_t i = 0; i < n; ++i) {
      targets.push_back(RandomKey());
    }
    std::vector<std::string> encoded;
    std::vector<const char*> keys;
    std::vector<std::vector<TestKey>> got(n);
    std::vector<void*> args;
    for (size_t i = 0; i < n; ++i) {
      encoded.push_back(RepUnderTest::Encode(targets[i]));
    }
    for (size_t i = 0; i < n; ++i) {
      keys.push_back(encoded[i].data());
      args.push_back(&got[i]);
    }
    for (const compat::EntryChecks& checks : {none, compat::EntryChecks()}) {
      for (std::vector<TestKey>& of_key : got) {
        of_key.clear();
      }
      ASSERT_TRUE(
          art->GetMany(n, keys.data(), args.data(), Collect, checks).ok());
      for (size_t i = 0; i < n; ++i) {
        // RocksDB's callback ends at another user key; this one does not.
        while (!got[i].empty() &&
               got[i].back().user_key != targets[i].user_key) {
          got[i].pop_back();
        }
        ASSERT_EQ(GetFrom(art, targets[i]), got[i]) << targets[i];
        found += got[i].size();
      }
    }
  }
  EXPECT_GT(found, 100u);
}

TEST_P(ArtMemTableRepTest, IteratorsLiveInAnArenaOrOnTheHeap) {
  RepUnderTest rep(factory_.get(), comparator());
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
    RepUnderTest rep(factory_.get(), comparator());
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
    compat::EntryChecks checks;
    checks.allow_data_in_errors = allow_data;
    expect_corruption(compat::SeekChecked(iter.get(), InternalKey({"aa2zz", 1}),
                                          nullptr, checks));
    EXPECT_FALSE(iter->Valid());
    std::vector<TestKey> keys;
    expect_corruption(compat::GetChecked(rep.get(), LookupKey("aa2zz", 1),
                                         &keys, Collect, checks));
    EXPECT_TRUE(keys.empty());

    // A changed sequence breaks the order of the versions.
    RepUnderTest versions(factory_.get(), comparator());
    char* old_version;
    const KeyHandle handle = versions.NewKey({"k", 5}, &old_version);
    ASSERT_TRUE(versions.Insert({"k", 9}));
    ASSERT_TRUE(versions->InsertKey(handle));
    // varint, key, type byte; then the sequence's lowest byte
    old_version[1 + 1 + 1] = 77;
    keys.clear();
    EXPECT_TRUE(compat::GetChecked(versions.get(), LookupKey("k", 20), &keys,
                                   Collect, checks)
                    .IsCorruption());
  }
}

TEST_P(ArtMemTableRepTest, EntriesAreCheckedByThemselvesIfThatIsAsked) {
  RepUnderTest rep(factory_.get(), comparator());
  for (const uint64_t sequence : {3, 2, 1}) {
    ASSERT_TRUE(rep.Insert({"k", sequence}));
  }
  // RocksDB asks so from 10.7 on, memkv's classes with any version.
  auto* const art = dynamic_cast<ArtMemTableRep*>(rep.get());
  ASSERT_NE(nullptr, art);
  std::vector<const char*> checked;
  const char* refused = nullptr;
  compat::EntryChecks checks;
  checks.allow_data_in_errors = true;
  checks.order = false;
  checks.entry = [&](const char* entry, bool allow_data) {
    EXPECT_TRUE(allow_data);
    checked.push_back(entry);
    return entry == refused ? Status::Corruption("refused") : Status::OK();
  };
  std::vector<TestKey> keys;
  ASSERT_TRUE(art->GetChecked(LookupKey("k", 9), &keys, Collect, checks).ok());
  EXPECT_EQ(3u, keys.size());
  ASSERT_EQ(3u, checked.size());

  // What is refused is not shown, and ends the look-up.
  refused = checked[1];
  keys.clear();
  const Status s = art->GetChecked(LookupKey("k", 9), &keys, Collect, checks);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_EQ(1u, keys.size());
  const std::unique_ptr<MemTableRep::Iterator> iter(art->GetIterator());
  auto* const in_art = dynamic_cast<ArtMemTableIterator*>(iter.get());
  ASSERT_NE(nullptr, in_art);
  EXPECT_TRUE(in_art->SeekChecked(InternalKey({"k", 3}), nullptr, checks).ok());
  EXPECT_TRUE(in_art->Valid());
  EXPECT_TRUE(in_art->SeekChecked(InternalKey({"k", 2}), nullptr, checks)
                  .IsCorruption());
  EXPECT_FALSE(in_art->Valid());
}

TEST_P(ArtMemTableRepTest, ApproximateNumEntriesCountsSmallRanges) {
  RepUnderTest rep(factory_.get(), comparator());
  for (int i = 1000; i < 2000; ++i) {
    ASSERT_TRUE(rep.Insert({std::to_string(i), 1}));
  }
  std::string from = "1100";
  std::string to = "1300";
  if (GetParam().reverse) {
    from.swap(to);
  }
  const uint64_t counted = rep->ApproximateNumEntries(
      InternalKey({from, kArtMaxSequence}), InternalKey({to, kArtMaxSequence}));
  if (GetParam().overflows) {
    // A skip list estimates.
    EXPECT_NEAR(200, static_cast<double>(counted), 150);
  } else {
    EXPECT_EQ(200u, counted);
  }
}

TEST_P(ArtMemTableRepTest, SampleIsUniqueOfTheSizeAskedForAndUniform) {
  RepUnderTest rep(factory_.get(), comparator());
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

INSTANTIATE_TEST_SUITE_P(
    Kinds, ArtMemTableRepTest,
    ::testing::Values(RepKind{false, false}, RepKind{true, false},
                      RepKind{false, true}, RepKind{true, true}),
    [](const ::testing::TestParamInfo<RepKind>& param) {
      return std::string(param.param.reverse ? "Reverse" : "Bytewise") +
             (param.param.overflows ? "Overflowing" : "");
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
  // Which kernels search, once a factory; and nothing of a skip list.
  EXPECT_EQ(
      std::string("memtable_factory=art: kernels: ") + SimdName(kSimd) + "\n",
      logger.text);
  RepUnderTest again(&factory, BytewiseComparator(), &logger);
  EXPECT_EQ(logger.text.find("kernels"), logger.text.rfind("kernels"));
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
}  // namespace art_test
}  // namespace memkv
