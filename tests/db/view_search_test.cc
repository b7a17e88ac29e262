// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// View::Search(): its keys are those that a full scan by RocksDB's iterator and
// the pattern's slow twin find, whatever the files, the order and the way.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "plugin/memkv_search.h"
#include "plugin/memkv_view.h"
#include "rocksdb/comparator.h"
#include "rocksdb/slice_transform.h"
#include "tests/db/view_fixture.h"
#include "tests/util/pattern_match.h"
#include "view/search_iterator.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

using Record = std::pair<std::string, std::string>;

// The bytes at the edges, and a separator.
const std::string& Letters() {
  static const std::string& letters = *new std::string("ab/\0\xff", 5);
  return letters;
}
// Patterns have no zero byte, which std::regex is not given.
constexpr char kPatternLetters[] = "ab/\xff";

class ViewSearchTest : public ViewDbTest {
 protected:
  // Several levels, files of level 0 and a memtable, with deletions.
  void Fill(std::mt19937_64* random) {
    for (int i = 0; i < 6000; ++i) {
      const std::string key = RandomWord(random, Letters(), 9);
      switch ((*random)() % 12) {
        case 0:
          Delete(key);
          break;
        case 1:
          // What is below a key, or lies beside it.
          if ((*random)() % 4 == 0) {
            DeleteRange(key,
                        key.substr(0, 4) + RandomWord(random, Letters(), 5));
          }
          break;
        default:
          Put(key, "value" + std::to_string(i));
      }
      if (i % 1500 == 1000) Flush();
      if (i == 3000) CompactAll();
    }
  }
  void DeleteRange(std::string begin, std::string end) {
    const auto* const order = db()->DefaultColumnFamily()->GetComparator();
    if (order->Compare(begin, end) > 0) std::swap(begin, end);
    ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                  db()->DefaultColumnFamily(), begin, end)
                    .ok());
  }

  // All records, in the database's order.
  std::vector<Record> Scan(const ReadOptions& options) const {
    std::vector<Record> records;
    const std::unique_ptr<Iterator> it(db()->NewIterator(options));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      records.emplace_back(it->key().ToString(), it->value().ToString());
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    return records;
  }

  // `at` is where the search should stand; past the end: nowhere.
  static void ExpectAt(const std::vector<Record>& found, size_t at,
                       Iterator* it, const std::string& how) {
    ASSERT_TRUE(it->status().ok()) << it->status().ToString();
    ASSERT_EQ(at < found.size(), it->Valid())
        << how << ", expected "
        << (at < found.size() ? Slice(found[at].first).ToString(true) : "end");
    if (!it->Valid()) return;
    ASSERT_EQ(Slice(found[at].first).ToString(true), it->key().ToString(true))
        << how;
    ASSERT_EQ(found[at].second, it->value().ToString()) << how;
  }

  // Walks the search both ways and to random keys.
  void Compare(const std::vector<Record>& found, std::mt19937_64* random,
               Iterator* it) {
    const auto* const order = db()->DefaultColumnFamily()->GetComparator();
    it->SeekToFirst();
    for (size_t i = 0; i < found.size(); ++i, it->Next()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(found, i, it, "forwards"));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAt(found, found.size(), it, "forwards"));
    it->SeekToLast();
    for (size_t i = found.size(); i > 0; --i, it->Prev()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(found, i - 1, it, "backwards"));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAt(found, found.size(), it, "backwards"));
    for (int i = 0; i < 20; ++i) {
      const std::string target = RandomWord(random, Letters(), 9);
      size_t at = 0;
      while (at < found.size() && order->Compare(found[at].first, target) < 0) {
        ++at;
      }
      if ((*random)() % 2 == 0) {
        it->Seek(target);
      } else {
        it->SeekForPrev(target);
        if (at == found.size() || found[at].first != target) --at;
      }
      for (int step = 0; step < 8; ++step) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(found, at, it, "steps"));
        if (!it->Valid()) break;
        const bool forward = (*random)() % 3 != 0;
        forward ? it->Next() : it->Prev();
        at += forward ? 1 : SIZE_MAX;
      }
    }
  }

  void FindWhatScansFind(const Options& options) {
    Open(options);
    std::mt19937_64 random(TestSeed());
    Fill(&random);
    rocksdb::ManagedSnapshot old(db());
    Fill(&random);
    size_t matches = 0;
    const std::unique_ptr<View> views[] = {OpenView(),
                                           OpenView(old.snapshot())};
    for (int round = 0; round < 150; ++round) {
      RandomPattern pattern = MakeRandomPattern(&random, kPatternLetters);
      ASSERT_TRUE(pattern.status.ok()) << pattern.status.ToString();
      SCOPED_TRACE(pattern.description);
      ReadOptions read;
      std::string lower = RandomWord(&random, Letters(), 4);
      std::string upper = RandomWord(&random, Letters(), 4);
      if (options.comparator->Compare(lower, upper) > 0)
        std::swap(lower, upper);
      const Slice lower_bound(lower);
      const Slice upper_bound(upper);
      if (random() % 4 == 0) read.iterate_lower_bound = &lower_bound;
      if (random() % 4 == 0) read.iterate_upper_bound = &upper_bound;
      const bool of_old = random() % 3 == 0;
      if (of_old) read.snapshot = old.snapshot();
      std::vector<Record> found;
      for (Record& record : Scan(read)) {
        if (pattern.matches(record.first)) found.push_back(std::move(record));
      }
      matches += found.size();
      const std::unique_ptr<Iterator> it(
          views[of_old]->Search(read, std::move(pattern.automaton)));
      ASSERT_NO_FATAL_FAILURE(Compare(found, &random, it.get()));
    }
    EXPECT_GT(matches, 2000u);
  }
};

Options Busy(Options options) {
  options.disable_auto_compactions = true;
  options.level0_slowdown_writes_trigger = 1000;
  options.level0_stop_writes_trigger = 1000;
  return options;
}

TEST_F(ViewSearchTest, FindsWhatAScanOfFstFilesFinds) {
  FindWhatScansFind(Busy(MemkvOptions("segment_size=1024")));
}

TEST_F(ViewSearchTest, FindsWhatAScanOfBlockBasedFilesFinds) {
  FindWhatScansFind(Busy(StockOptions()));
}

TEST_F(ViewSearchTest, FindsWhatAScanInReverseOrderFinds) {
  Options options = Busy(MemkvOptions("segment_size=1024"));
  options.comparator = rocksdb::ReverseBytewiseComparator();
  FindWhatScansFind(options);
}

TEST_F(ViewSearchTest, PrefixExtractorsDoNotNarrowASearch) {
  Options options = Busy(MemkvOptions());
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(2));
  options.memtable_prefix_bloom_size_ratio = 0.1;
  FindWhatScansFind(options);
  std::unique_ptr<Automaton> automaton;
  ASSERT_TRUE(NewGlobAutomaton("*", &automaton).ok());
  ReadOptions same;
  same.prefix_same_as_start = true;
  const std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(view->Search(same, std::move(automaton)));
  EXPECT_TRUE(it->status().IsNotSupported());
}

TEST_F(ViewSearchTest, SeeksPastWhatCannotMatch) {
  Open(MemkvOptions());
  for (int i = 0; i < 20000; ++i) {
    char key[32];
    std::snprintf(key, sizeof(key), "pool/%02d/%06d", i / 1000, i);
    Put(key, "value");
  }
  CompactAll();
  const std::unique_ptr<View> view = OpenView();
  std::unique_ptr<Automaton> automaton;
  ASSERT_TRUE(NewRegexAutomaton("pool/../..[0-9]500", &automaton).ok());
  const std::unique_ptr<Iterator> it(
      view->Search(ReadOptions(), std::move(automaton)));
  size_t found = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++found;
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_EQ(20u, found);
  const auto& search = static_cast<const view::SearchIterator&>(*it);
  EXPECT_GE(search.seeks(), 20u);
  EXPECT_LT(search.steps() + search.seeks(), 4000u);
}

TEST_F(ViewSearchTest, HandsOverAsOtherIteratorsOfAViewDo) {
  Options options = MemkvOptions();
  options.merge_operator = nullptr;
  Open(options);
  for (const char* key : {"a/1", "a/2", "b/1", "c/1"}) {
    ASSERT_TRUE(db()->PutEntity(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), key,
                                {{"", "whole"}, {"column", key}})
                    .ok());
  }
  const std::unique_ptr<View> view = OpenView();
  std::unique_ptr<Automaton> automaton;
  ASSERT_TRUE(NewGlobAutomaton("[ac]/*", &automaton).ok());
  const std::unique_ptr<Iterator> it(
      view->Search(ReadOptions(), std::move(automaton)));
  std::string columns;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    columns += it->columns().back().value().ToString() + " ";
  }
  EXPECT_EQ("a/1 a/2 c/1 ", columns);
  EXPECT_EQ(1u, view->handed_over());
}

// Keys with as many a as b, of a program's own: it knows no dead state.
class Balanced final : public Automaton {
 public:
  State Start() override { return 1000; }
  State Step(State state, uint8_t byte) override {
    return byte == 'a' ? state + 1 : byte == 'b' ? state - 1 : state;
  }
  bool IsMatch(State state) override { return state == 1000; }
};

// Gives up behind so many steps.
class Tired final : public Automaton {
 public:
  State Start() override { return 0; }
  State Step(State /*state*/, uint8_t /*byte*/) override {
    return ++steps_ < 1000 ? 0 : kDead;
  }
  bool IsMatch(State /*state*/) override { return true; }
  Status status() const override {
    return steps_ < 1000 ? Status::OK() : Status::Aborted("tired");
  }

 private:
  int steps_ = 0;
};

TEST_F(ViewSearchTest, TakesAutomataOfAProgramsOwn) {
  Open(Busy(MemkvOptions()));
  std::mt19937_64 random(TestSeed());
  Fill(&random);
  const std::unique_ptr<View> view = OpenView();
  std::vector<Record> found;
  for (Record& record : Scan(ReadOptions())) {
    const std::string& key = record.first;
    if (std::count(key.begin(), key.end(), 'a') ==
        std::count(key.begin(), key.end(), 'b')) {
      found.push_back(std::move(record));
    }
  }
  EXPECT_GT(found.size(), 100u);
  const std::unique_ptr<Iterator> it(
      view->Search(ReadOptions(), std::make_unique<Balanced>()));
  Compare(found, &random, it.get());
}

TEST_F(ViewSearchTest, EndsWithTheStatusOfAnAutomatonThatGivesUp) {
  Open(Busy(MemkvOptions()));
  std::mt19937_64 random(TestSeed());
  Fill(&random);
  const std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(
      view->Search(ReadOptions(), std::make_unique<Tired>()));
  size_t found = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++found;
  EXPECT_TRUE(it->status().IsAborted()) << it->status().ToString();
  EXPECT_GT(found, 50u);
  EXPECT_LT(found, Scan(ReadOptions()).size());
}

TEST_F(ViewSearchTest, OfAnotherOrderIsNotSupported) {
  class ByLength final : public rocksdb::Comparator {
   public:
    const char* Name() const override { return "by length"; }
    int Compare(const Slice& a, const Slice& b) const override {
      if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
      return a.compare(b);
    }
    void FindShortestSeparator(std::string*, const Slice&) const override {}
    void FindShortSuccessor(std::string*) const override {}
  };
  static const ByLength order;
  Options options = MemkvOptions();
  options.comparator = &order;
  Open(options);
  std::unique_ptr<Automaton> automaton;
  ASSERT_TRUE(NewGlobAutomaton("*", &automaton).ok());
  const std::unique_ptr<View> view = OpenView();
  const std::unique_ptr<Iterator> it(
      view->Search(ReadOptions(), std::move(automaton)));
  EXPECT_TRUE(it->status().IsNotSupported());
  EXPECT_FALSE(it->Valid());
}

}  // namespace
}  // namespace memkv
