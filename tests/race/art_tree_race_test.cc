// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, free running; meant for ThreadSanitizer, and true
// without it. (Interleavings that are forced: art_tree_interleaving_test.cc and
// art_tree_stepping_test.cc.)
//
// The idea is that of RocksDB's test of InlineSkipList. What will be inserted
// is known beforehand, as a list in the tree's order, and an entry says where
// in it it stands, under a hash. Writers publish how far they are. A reader
// notes that before it seeks; whatever it steps over afterwards must not have
// been there.
//
// MEMKV_RACE_SECONDS says how long all that may take.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <set>
#include <thread>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_crowd.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                ArtOrder::kReverseBytewise};

double RaceSeconds() {
  const char* env = getenv("MEMKV_RACE_SECONDS");
  return env != nullptr ? atof(env) : 10;
}

// ---- What is inserted ----

uint64_t Hash(const std::string& key, uint64_t sequence, uint64_t place) {
  uint64_t h = sequence * 0x9e3779b97f4a7c15u ^ place;
  for (const unsigned char c : key) {
    h = (h ^ c) * 0x100000001b3u;
  }
  return h ^ h >> 29;
}

enum class Shape {
  kRandom,        // 8 random bytes: wide nodes that split at their ends
  kFewSymbols,    // deep tries of short keys: borders of many depths in a node
  kDeepPrefixes,  // keys that go on for longer than a node can say
  kHotKey,        // versions
  kOneNode,       // one border's worth of siblings
  kOnePath,       // splits of a long common path, everywhere
  kComb,          // prefixes of each other, close together: splits downwards
};

enum class Writing { kTogether, kAlone };

struct Load {
  const char* name;
  Shape shape;
  int keys;
  int inserts;
};

constexpr Load kLoads[] = {
    {"Random", Shape::kRandom, 3000, 6000},
    {"FewSymbols", Shape::kFewSymbols, 1000, 4000},
    {"DeepPrefixes", Shape::kDeepPrefixes, 120, 1500},
    {"HotKey", Shape::kHotKey, 3, 6000},
    {"OneNode", Shape::kOneNode, 256, 1500},
    {"OnePath", Shape::kOnePath, 128, 1500},
    {"Comb", Shape::kComb, 2000, 4000},
};

std::string Name(Shape shape, std::mt19937_64* random) {
  std::string name;
  switch (shape) {
    case Shape::kRandom:
      for (int i = 0; i < 8; ++i) {
        name.push_back(static_cast<char>((*random)()));
      }
      break;
    case Shape::kFewSymbols:
      for (size_t n = (*random)() % 13; n > 0; --n) {
        name.push_back("\x00\x01\xff"[(*random)() % 3]);
      }
      break;
    case Shape::kDeepPrefixes:
      name.assign((*random)() % 900, 'd');
      if ((*random)() % 4 == 0) {
        name.push_back(static_cast<char>((*random)()));
      }
      break;
    case Shape::kHotKey:
      name = "hot" + std::string((*random)() % 3, '!');
      break;
    case Shape::kOneNode:
      name = "prefix/?/suffix";
      name[7] = static_cast<char>((*random)());
      break;
    case Shape::kOnePath:
      name.assign(64, 'p');
      name[(*random)() % 64] = static_cast<char>((*random)());
      break;
    case Shape::kComb:
      name.assign((*random)() % 1000, 'm');
      if ((*random)() % 2 == 0) {
        name += "az"[(*random)() % 2];
      }
      break;
  }
  return name;
}

constexpr size_t kWriters = 3;

// How many of its inserts each writer has completed.
using Progress = std::array<size_t, kWriters>;

// One tree, from the first insert to the last. An entry is known by its place
// in the sorted list of all.
class Round {
 public:
  Round(const Load& load, Writing writing, ArtOrder order, size_t inserts,
        uint64_t seed)
      : order_(order),
        less_{order},
        writing_(writing),
        tree_(order, &allocator_) {
    std::mt19937_64 random(seed);
    std::set<std::string> names;
    for (int i = 0; i < load.keys; ++i) {
      names.insert(Name(load.shape, &random));
    }
    const std::vector<std::string> sorted_names(names.begin(), names.end());
    const bool in_turn = random() % 2 == 0;
    const uint64_t run = random() % 2 == 0 ? 16 : 256;
    std::vector<uint64_t> sequences(inserts);
    for (size_t i = 0; i < inserts; ++i) {
      sequences[i] = 2 * i + 2;
      if (writing == Writing::kAlone && i > 0 && random() % 32 == 0) {
        // Older than another before it.
        sequences[i] -= 3;
      }
    }
    if (writing == Writing::kTogether && random() % 2 == 0) {
      std::shuffle(sequences.begin(), sequences.end(), random);
    }
    size_t name = 0;
    for (size_t i = 0; i < inserts; ++i) {
      // Neighbours one after the other, or no order at all.
      name = in_turn && random() % run != 0 ? name + random() % 2 : random();
      name %= sorted_names.size();
      const size_t writer = writing == Writing::kAlone ? 0 : i % kWriters;
      plan_.push_back(Planned{TestKey{sorted_names[name], sequences[i]}, writer,
                              i / (writing == Writing::kAlone ? 1 : kWriters)});
    }
    std::sort(plan_.begin(), plan_.end(),
              [this](const Planned& a, const Planned& b) {
                return less_(a.key, b.key);
              });
    for (size_t place = 0; place < plan_.size(); ++place) {
      std::vector<size_t>& mine = writers_[plan_[place].writer].places;
      mine.resize(std::max(mine.size(), plan_[place].index + 1));
      mine[plan_[place].index] = place;
    }
  }

  const ArtTree& tree() const { return tree_; }
  size_t size() const { return plan_.size(); }
  size_t writers() const { return writing_ == Writing::kAlone ? 1 : kWriters; }
  bool Finished() const { return finished_.load() == writers(); }
  const TestKey& KeyAt(size_t place) const { return plan_[place].key; }
  ArtKey ArtKeyAt(size_t place) const {
    return ToArtKey(plan_[place].key, order_);
  }
  ArtOrder order() const { return order_; }

  // The place the key has or would have.
  size_t PlaceOf(const TestKey& key) const {
    return static_cast<size_t>(
        std::lower_bound(plan_.begin(), plan_.end(), key,
                         [this](const Planned& a, const TestKey& b) {
                           return less_(a.key, b);
                         }) -
        plan_.begin());
  }

  Progress Done() const {
    Progress done;
    for (size_t w = 0; w < kWriters; ++w) {
      done[w] = writers_[w].done.load(std::memory_order_acquire);
    }
    return done;
  }
  bool WasDone(size_t place, const Progress& done) const {
    return plan_[place].index < done[plan_[place].writer];
  }

  // The next insert of the writer, or some that must fail. False at the end.
  bool WriteOne(size_t w, std::mt19937_64* random) {
    Writer& writer = writers_[w];
    const size_t i = writer.done.load(std::memory_order_relaxed);
    if (i == writer.places.size()) {
      finished_.fetch_add(1);
      return false;
    }
    writer.begun.store(i + 1, std::memory_order_relaxed);
    EXPECT_TRUE(Insert(NewEntry(writer.places[i])));
    writer.done.store(i + 1, std::memory_order_release);
    if ((*random)() % 16 == 0) {
      EXPECT_FALSE(Insert(NewEntry(writer.places[(*random)() % (i + 1)])));
    }
    return true;
  }

  // The place of the entry, which must be whole, and begun to be inserted.
  void CheckEntry(const char* entry, size_t* place) const {
    const ArtKey key(entry, order_);
    const uint8_t* behind = key.data() + key.user_size() + 8;
    *place = ArtLoadLittleEndian64(behind);
    ASSERT_LT(*place, plan_.size());
    const Planned& planned = plan_[*place];
    ASSERT_EQ(planned.key, KeyOf(entry));
    ASSERT_EQ(Hash(planned.key.user_key, planned.key.sequence, *place),
              ArtLoadLittleEndian64(behind + 8));
    ASSERT_LT(planned.index, writers_[planned.writer].begun.load());
  }

  // No entry at the places first..last - 1 was done.
  void CheckNoneDone(size_t first, size_t last, const Progress& done,
                     const char* who) const {
    for (size_t place = first; place < last; ++place) {
      ASSERT_FALSE(WasDone(place, done))
          << who << " has missed " << plan_[place].key << ", place " << place
          << " of " << first << ".." << last;
    }
  }

  void CheckAtRest() {
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    const Progress done = Done();
    size_t expected = 0;
    for (const size_t n : done) {
      expected += n;
    }
    ASSERT_EQ(expected, tree_.NumEntries());
    ArtIterator iter(&tree_);
    iter.SeekToFirst();
    for (size_t i = 0; i < plan_.size(); ++i) {
      if (WasDone(i, done)) {
        ASSERT_TRUE(iter.Valid());
        ASSERT_EQ(plan_[i].key, KeyOf(iter.entry()));
        iter.Next();
      }
    }
    ASSERT_FALSE(iter.Valid());
  }

 private:
  struct Planned {
    TestKey key;
    size_t writer;
    size_t index;
  };
  struct alignas(64) Writer {
    std::vector<size_t> places;
    std::atomic<size_t> begun{0};
    std::atomic<size_t> done{0};
  };

  bool Insert(ArtRef entry) {
    return writing_ == Writing::kAlone ? tree_.InsertSingleWriter(entry)
                                       : tree_.Insert(entry);
  }

  ArtRef NewEntry(size_t place) {
    const TestKey& key = plan_[place].key;
    std::string bytes;
    AppendVarint32(&bytes, static_cast<uint32_t>(key.user_key.size() + 8));
    bytes += key.user_key;
    const uint64_t words[] = {key.sequence << 8 | kTypeValue, place,
                              Hash(key.user_key, key.sequence, place)};
    for (const uint64_t word : words) {
      for (int i = 0; i < 8; ++i) {
        bytes.push_back(static_cast<char>(word >> (8 * i)));
      }
    }
    char* entry = nullptr;
    const ArtRef ref = tree_.AllocateEntry(bytes.size(), &entry);
    memcpy(entry, bytes.data(), bytes.size());
    return ref;
  }

  const ArtOrder order_;
  const SlowLess less_;
  const Writing writing_;
  HeapAllocator allocator_;
  ArtTree tree_;
  std::vector<Planned> plan_;
  Writer writers_[kWriters];
  std::atomic<size_t> finished_{0};
};

// ---- Readers ----

// An iterator, and what it is known to owe. Goes from thread to thread.
class Walker {
 public:
  explicit Walker(const Round* round) : round_(round), iter_(&round->tree()) {}

  // A seek, or some steps in one direction.
  void Work(std::mt19937_64* random) {
    if (!iter_.Valid() || (*random)() % 8 == 0) {
      Seek(random);
      return;
    }
    const bool forward = (*random)() % 3 != 0;
    // Long enough to make it look ahead, at times.
    for (size_t steps = (*random)() % (size_t{4} << ((*random)() % 6));
         steps > 0 && iter_.Valid(); --steps) {
      ASSERT_NO_FATAL_FAILURE(Step(forward));
    }
  }

 private:
  void Seek(std::mt19937_64* random) {
    owed_ = round_->Done();
    const uint64_t kind = (*random)() % 8;
    if (kind == 0) {
      iter_.SeekToFirst();
      Arrive(true, 0, "SeekToFirst");
    } else if (kind == 1) {
      iter_.SeekToLast();
      Arrive(false, round_->size(), "SeekToLast");
    } else if (kind == 2) {
      iter_.SeekToRandom((*random)());
      if (iter_.Valid()) {
        round_->CheckEntry(iter_.entry(), &at_);
      } else {
        round_->CheckNoneDone(0, round_->size(), owed_, "SeekToRandom");
      }
    } else {
      size_t place = (*random)() % round_->size();
      TestKey target = round_->KeyAt(place);
      const bool there = (*random)() % 4 != 0;
      if (!there) {
        // Odd sequences are rare, and there is no such key.
        target.user_key += (*random)() % 2 == 0 ? "?" : "";
        target.sequence |= 1;
        place = round_->PlaceOf(target);
      }
      const bool planned =
          place < round_->size() && round_->KeyAt(place) == target;
      const ArtKey key = ToArtKey(target, round_->order());
      if (kind == 3) {
        ArtIterator::Disagreement found;
        ASSERT_TRUE(iter_.SeekAndCheck(key, &found)) << found.reason;
        Arrive(true, place, "SeekAndCheck");
      } else if (kind < 6) {
        iter_.Seek(key);
        Arrive(true, place, "Seek");
      } else {
        iter_.SeekForPrev(key);
        Arrive(false, planned ? place + 1 : place, "SeekForPrev");
      }
    }
  }

  // Owes what was there before the seek, and what was before the step.
  void Step(bool forward) {
    owed_ = round_->Done();
    if (forward) {
      const size_t from = at_ + 1;
      iter_.Next();
      Arrive(true, from, "Next");
    } else {
      const size_t from = at_;
      iter_.Prev();
      Arrive(false, from, "Prev");
    }
  }

  // At a place not before `from`; backwards, before it.
  void Arrive(bool forward, size_t from, const char* who) {
    at_ = forward ? round_->size() : 0;
    if (iter_.Valid()) {
      ASSERT_NO_FATAL_FAILURE(round_->CheckEntry(iter_.entry(), &at_));
      ASSERT_TRUE(forward ? at_ >= from : at_ < from)
          << who << " from " << from << " to " << at_;
    }
    if (forward) {
      round_->CheckNoneDone(from, at_, owed_, who);
    } else {
      round_->CheckNoneDone(iter_.Valid() ? at_ + 1 : 0, from, owed_, who);
    }
  }

  const Round* const round_;
  ArtIterator iter_;
  size_t at_ = 0;
  Progress owed_;
};

// Walkers that nobody uses at the moment.
class Pool {
 public:
  Pool(const Round* round, int n) {
    for (int i = 0; i < n; ++i) {
      walkers_.push_back(std::make_unique<Walker>(round));
    }
  }
  std::unique_ptr<Walker> Take(uint64_t random) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(walkers_[random % walkers_.size()], walkers_.back());
    std::unique_ptr<Walker> walker = std::move(walkers_.back());
    walkers_.pop_back();
    return walker;
  }
  void Put(std::unique_ptr<Walker> walker) {
    std::lock_guard<std::mutex> lock(mutex_);
    walkers_.push_back(std::move(walker));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Walker>> walkers_;
};

void CheckGet(const Round& round, const TestKey& key, bool* found) {
  const Progress done = round.Done();
  const char* entry = round.tree().Get(ToArtKey(key, round.order()));
  *found = entry != nullptr;
  const size_t from = round.PlaceOf(key);
  size_t at = from;
  if (*found) {
    ASSERT_NO_FATAL_FAILURE(round.CheckEntry(entry, &at));
    ASSERT_EQ(key.user_key, round.KeyAt(at).user_key);
    ASSERT_GE(at, from);
  } else {
    while (at < round.size() && round.KeyAt(at).user_key == key.user_key) {
      ++at;
    }
  }
  round.CheckNoneDone(from, at, done, "Get");
}

void CheckLookUps(const Round& round, std::mt19937_64* random) {
  const size_t place = (*random)() % round.size();
  TestKey key = round.KeyAt(place);
  bool found = false;
  const Progress done = round.Done();
  if (round.tree().Contains(round.ArtKeyAt(place))) {
    ASSERT_NO_FATAL_FAILURE(CheckGet(round, key, &found));
    ASSERT_TRUE(found) << key;
  } else {
    ASSERT_FALSE(round.WasDone(place, done)) << key;
  }
  ASSERT_NO_FATAL_FAILURE(CheckGet(round, key, &found));
  key.sequence = kArtMaxSequence;
  ASSERT_FALSE(round.tree().Contains(ToArtKey(key, round.order())));
  ASSERT_NO_FATAL_FAILURE(CheckGet(round, key, &found));
  key.sequence = (*random)() % (2 * round.size());
  ASSERT_NO_FATAL_FAILURE(CheckGet(round, key, &found));
  key.user_key += "???";
  ASSERT_FALSE(round.tree().Contains(ToArtKey(key, round.order())));

  if ((*random)() % 16 == 0) {
    const size_t end = place + (*random)() % (round.size() - place);
    const Progress before = round.Done();
    uint64_t least = 0;
    for (size_t i = place; i < end; ++i) {
      least += round.WasDone(i, before);
    }
    const uint64_t n = round.tree().ApproximateNumEntries(round.ArtKeyAt(place),
                                                          round.ArtKeyAt(end));
    ASSERT_GE(n, std::min<uint64_t>(least, 256));
    ASSERT_LE(n, round.size());
  }
}

void RunRound(Round* round, uint64_t seed) {
  constexpr int kReaders = 3;
  Pool pool(round, 2 * kReaders);
  Crowd crowd;
  for (size_t w = 0; w < round->writers(); ++w) {
    crowd.Add([round, w, seed] {
      std::mt19937_64 random(seed + w);
      while (round->WriteOne(w, &random)) {
        if (random() % 32 == 0) {
          std::this_thread::yield();
        }
      }
    });
  }
  for (int r = 0; r < kReaders; ++r) {
    crowd.Add([round, &pool, r, seed] {
      std::mt19937_64 random(seed + 100 + r);
      Walker mine(round);
      bool last;
      do {
        last = round->Finished();
        mine.Work(&random);
        CheckLookUps(*round, &random);
        std::unique_ptr<Walker> borrowed = pool.Take(random());
        borrowed->Work(&random);
        pool.Put(std::move(borrowed));
      } while (!last && !::testing::Test::HasFailure());
    });
  }
  if (round->writers() == 1) {
    crowd.Add([round] {
      while (!round->Finished()) {
        round->tree().DrainIfWaiting();
        std::this_thread::yield();
      }
    });
  }
  crowd.Run();
}

class ArtTreeRaceTest
    : public ::testing::TestWithParam<std::tuple<size_t, Writing, ArtOrder>> {
 protected:
  static constexpr double kCases = 28;

  const Load& load() const { return kLoads[std::get<0>(GetParam())]; }
  Writing writing() const { return std::get<1>(GetParam()); }
  ArtOrder order() const { return std::get<2>(GetParam()); }
};

TEST_P(ArtTreeRaceTest, HoldsWithoutThreads) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 4; ++seed) {
    std::mt19937_64 random(seed);
    Round round(load(), writing(), order(), 1000, seed);
    Walker walker(&round);
    while (!round.Finished()) {
      ASSERT_NO_FATAL_FAILURE(
          round.WriteOne(random() % round.writers(), &random));
      if (random() % 8 == 0) {
        ASSERT_NO_FATAL_FAILURE(walker.Work(&random));
        ASSERT_NO_FATAL_FAILURE(CheckLookUps(round, &random));
      }
    }
    ASSERT_NO_FATAL_FAILURE(round.CheckAtRest());
  }
}

TEST_P(ArtTreeRaceTest, ReadersFindAllThatWasInsertedBeforeTheySought) {
  const Clock::time_point end =
      Clock::now() +
      std::chrono::microseconds(std::lround(RaceSeconds() / kCases * 1e6));
  std::mt19937_64 random(TestSeed());
  int rounds = 0;
  do {
    const uint64_t seed = random();
    // Small trees, too: what happens first happens once.
    const size_t inserts = static_cast<size_t>(load().inserts) >>
                           (rounds % 2 == 0 ? 0 : random() % 7);
    Round round(load(), writing(), order(), inserts, seed);
    RunRound(&round, seed);
    ASSERT_FALSE(::testing::Test::HasFailure())
        << "round " << rounds << ", " << inserts << " inserts, seed " << seed;
    ASSERT_NO_FATAL_FAILURE(round.CheckAtRest());
    ++rounds;
  } while (Clock::now() < end);
  RecordProperty("rounds", rounds);
}

INSTANTIATE_TEST_SUITE_P(
    Loads, ArtTreeRaceTest,
    ::testing::Combine(::testing::Range<size_t>(0, std::size(kLoads)),
                       ::testing::Values(Writing::kTogether, Writing::kAlone),
                       ::testing::ValuesIn(kOrders)),
    [](const ::testing::TestParamInfo<ArtTreeRaceTest::ParamType>& param) {
      return std::string(kLoads[std::get<0>(param.param)].name) +
             (std::get<1>(param.param) == Writing::kAlone ? "Alone"
                                                          : "Together") +
             (std::get<2>(param.param) == ArtOrder::kBytewise ? "Bytewise"
                                                              : "Reverse");
    });

// ---- Entries that wait ----

// Each insert is looked for at once by everybody, who all let it in.
TEST(ArtTreeWaitingRaceTest, AWaitingEntryIsFoundByAllAndCountedOnce) {
  for (int round = 0; round < 60; ++round) {
    const ArtOrder order = kOrders[round % 2];
    const uint64_t n = 20 + static_cast<uint64_t>(round) * 7;
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    const auto key_of = [](uint64_t i) {
      return TestKey{"key" + std::to_string(i * 7919 % 1000), i + 1};
    };
    std::atomic<uint64_t> published{0};
    Crowd crowd;
    crowd.Add([&] {
      for (uint64_t i = 0; i < n; ++i) {
        const TestKey key = key_of(i);
        EXPECT_TRUE(tree.InsertSingleWriter(
            NewEntry(&tree, key.user_key, key.sequence)));
        published.store(i + 1, std::memory_order_release);
        if (i % 5 == 4) {
          std::this_thread::yield();
        }
      }
    });
    for (int kind = 0; kind < 5; ++kind) {
      crowd.Add([&, kind] {
        ArtIterator iter(&tree);
        uint64_t seen;
        do {
          seen = published.load(std::memory_order_acquire);
          const TestKey test_key = key_of(seen == 0 ? 0 : seen - 1);
          const ArtKey key = ToArtKey(test_key, order);
          const char* entry = nullptr;
          switch (kind) {
            case 0:
              entry = tree.Get(key);
              break;
            case 1:
              EXPECT_TRUE(tree.Contains(key) || seen == 0);
              continue;
            case 2:
              iter.Seek(key);
              entry = iter.Valid() ? iter.entry() : nullptr;
              break;
            case 3:
              iter.SeekForPrev(key);
              entry = iter.Valid() ? iter.entry() : nullptr;
              break;
            case 4:
              tree.DrainIfWaiting();
              continue;
          }
          if (seen > 0) {
            EXPECT_TRUE(entry != nullptr && KeyOf(entry) == test_key)
                << test_key << " kind " << kind;
          }
        } while (seen < n && !::testing::Test::HasFailure());
      });
    }
    crowd.Run();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
    ASSERT_EQ(n, tree.NumEntries());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
}

// Several let the same entries in at once, and nothing else happens.
TEST(ArtTreeWaitingRaceTest, HelpersAtOnceInsertEachEntryOnce) {
  for (int round = 0; round < 100; ++round) {
    HeapAllocator allocator;
    ArtTree tree(kOrders[round % 2], &allocator);
    uint64_t sequence = 0;
    for (int fill = 1; fill <= 15; fill += 7) {
      for (int i = 0; i < fill; ++i) {
        ++sequence;
        ASSERT_TRUE(tree.InsertSingleWriter(
            NewEntry(&tree, std::to_string(sequence % 5), sequence)));
      }
      Crowd crowd;
      for (int t = 0; t < 3; ++t) {
        crowd.Add([&] {
          tree.DrainIfWaiting();
          EXPECT_TRUE(tree.Contains(ToArtKey(
              {std::to_string(sequence % 5), sequence}, tree.order())));
        });
      }
      crowd.Run();
      ASSERT_EQ(sequence, tree.NumEntries());
    }
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
  }
}

// ---- Equal keys ----

TEST(ArtTreeDuplicateRaceTest, OneOfEqualInsertsWins) {
  constexpr int kInserters = 3;
  for (int round = 0; round < 40; ++round) {
    HeapAllocator allocator;
    ArtTree tree(kOrders[round % 2], &allocator);
    constexpr int n = 600;
    std::vector<std::atomic<int>> wins(n);
    Crowd crowd;
    for (int w = 0; w < kInserters; ++w) {
      crowd.Add([&, w] {
        for (int i = 0; i < n; ++i) {
          // All in the same order, so that they stay side by side.
          const std::string key =
              std::string("k") + static_cast<char>(i * 97 % 256);
          // Another type makes no other key.
          if (tree.Insert(
                  NewEntry(&tree, key, i / 256 + 1, static_cast<uint8_t>(w)))) {
            wins[i].fetch_add(1);
          }
        }
      });
    }
    crowd.Run();
    for (const auto& won : wins) {
      ASSERT_EQ(1, won.load());
    }
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(static_cast<uint64_t>(n), tree.NumEntries());
  }
}

// ---- Iterators ----

TEST(ArtTreeIteratorRaceTest, MovesBetweenThreads) {
  for (const ArtOrder order : kOrders) {
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(tree.Insert(NewEntry(&tree, std::string(i, 'm') + "x", 1)));
    }
    ArtIterator iter(&tree);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      for (uint64_t i = 2; !stop.load(); ++i) {
        tree.Insert(NewEntry(&tree, std::string(i % 100, 'm') + "y", i));
        std::this_thread::yield();
      }
    });
    iter.SeekToFirst();
    std::vector<TestKey> walked;
    // The writer is faster than all of these threads; old entries are enough.
    size_t old = 0;
    while (iter.Valid() && old < 100) {
      std::thread([&] {
        for (int i = 0; i < 5 && iter.Valid(); ++i) {
          walked.push_back(KeyOf(iter.entry()));
          old += walked.back().user_key.back() == 'x' ? 1 : 0;
          iter.Next();
        }
      }).join();
    }
    stop.store(true);
    writer.join();
    EXPECT_TRUE(std::is_sorted(walked.begin(), walked.end(), SlowLess{order}));
    EXPECT_EQ(100u, old);
  }
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
