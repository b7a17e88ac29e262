// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency; meant for ThreadSanitizer, and true without it.
//
// Free running: writers, point readers and iterators over a few user keys
// whose shape makes them meet in the same nodes. Entries verify themselves:
// <key number, sequence, hash of both behind the tag>. Readers note what was
// completely inserted before they seek, and must find all of it. The same
// scaffold runs without threads first.
//
// Forced: one writer is stopped where it has decided what to do and has no
// lock yet, which is where it allocates (art_tree.h, Writers); another
// changes the tree under it; the first goes on and has to notice.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <thread>

#include "memtable/art_tree_iterator.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {

enum class Shape { kOneNode, kOnePath, kChain, kHotKeys };

uint64_t Hash(uint64_t key, uint64_t sequence) {
  uint64_t h = (key << 32 ^ sequence) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 29;
}

class Barrier {
 public:
  explicit Barrier(int n) : missing_(n) {}
  void Wait() {
    missing_.fetch_sub(1);
    while (missing_.load() > 0) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> missing_;
};

// A tree of keys 0..n-1, each with sequences from all writers: writer w owns
// those that are w modulo the number of writers.
class Scaffold {
 public:
  static constexpr int kWriters = 3;

  Scaffold(Shape shape, ArtOrder order, int keys)
      : order_(order), tree_(order, &allocator_), completed_(keys) {
    for (int k = 0; k < keys; ++k) {
      names_.push_back(Name(shape, k));
      numbers_[names_.back()] = k;
    }
    EXPECT_EQ(names_.size(), numbers_.size());
  }

  int num_keys() const { return static_cast<int>(names_.size()); }

  // Called by one thread a writer.
  void InsertNext(int k, int writer) {
    std::atomic<uint64_t>& done = completed_[k].by_writer[writer];
    const uint64_t sequence =
        done.load(std::memory_order_relaxed) * kWriters + writer;
    const std::string& name = names_[k];
    const uint64_t hash = Hash(k, sequence);
    // The hash goes behind the tag: a reader that gets the entry must see it.
    std::string bytes;
    AppendVarint32(&bytes, static_cast<uint32_t>(name.size() + 8));
    bytes += name;
    const uint64_t words[2] = {sequence << 8 | kTypeValue, hash};
    for (const uint64_t word : words) {
      for (int i = 0; i < 8; ++i) {
        bytes.push_back(static_cast<char>(word >> (8 * i)));
      }
    }
    char* entry = allocator_.AllocateAligned(bytes.size());
    memcpy(entry, bytes.data(), bytes.size());
    ASSERT_TRUE(tree_.Insert(entry));
    done.fetch_add(1, std::memory_order_release);
  }

  // Walks from a random target to an end, and checks (G1), (G2) and (G3).
  void CheckWalk(std::mt19937_64* random) {
    const bool forward = (*random)() % 2 == 0;
    std::vector<std::vector<uint64_t>> before;
    Snapshot(&before);
    const TestKey target = RandomTarget(before, random);

    ArtIterator iter(&tree_);
    std::vector<TestKey> seen;
    if (forward) {
      iter.Seek(ToArtKey(target));
    } else {
      iter.SeekForPrev(ToArtKey(target));
    }
    const SlowLess less{order_};
    const auto precedes = [&](const TestKey& a, const TestKey& b) {
      return forward ? less(a, b) : less(b, a);
    };
    while (iter.Valid()) {
      const TestKey key = KeyOf(iter.entry());
      ASSERT_NO_FATAL_FAILURE(CheckEntry(iter.entry()));
      ASSERT_FALSE(precedes(key, target)) << key << " " << target;
      ASSERT_TRUE(seen.empty() || precedes(seen.back(), key))
          << seen.back() << " " << key;
      seen.push_back(key);
      if (forward) {
        iter.Next();
      } else {
        iter.Prev();
      }
    }
    for (int k = 0; k < num_keys(); ++k) {
      for (int w = 0; w < kWriters; ++w) {
        for (uint64_t i = 0; i < before[k][w]; ++i) {
          const TestKey key{names_[k], i * kWriters + w};
          if (!precedes(key, target)) {
            ASSERT_TRUE(
                std::binary_search(seen.begin(), seen.end(), key, precedes))
                << key << " was inserted before the walk from " << target;
          }
        }
      }
    }
  }

  void CheckLookUp(std::mt19937_64* random) {
    const int k = static_cast<int>((*random)() % names_.size());
    const int w = static_cast<int>((*random)() % kWriters);
    const uint64_t done =
        completed_[k].by_writer[w].load(std::memory_order_acquire);
    if (done == 0) {
      return;
    }
    const uint64_t sequence = (*random)() % done * kWriters + w;
    ASSERT_TRUE(tree_.Contains(ToArtKey({names_[k], sequence})));
    ArtIterator iter(&tree_);
    iter.SeekVersions(ToArtKey({names_[k], sequence}));
    ASSERT_TRUE(iter.Valid());
    ASSERT_EQ((TestKey{names_[k], sequence}), KeyOf(iter.entry()));
    ASSERT_NO_FATAL_FAILURE(CheckEntry(iter.entry()));
    iter.SeekVersions(ToArtKey({names_[k], kArtMaxSequence}));
    ASSERT_TRUE(iter.Valid());
    ASSERT_GE(KeyOf(iter.entry()).sequence, (done - 1) * kWriters + w);
    // No writer ever inserts these.
    ASSERT_FALSE(tree_.Contains(ToArtKey({names_[k] + "?", sequence})));
    ASSERT_FALSE(tree_.Contains(ToArtKey({names_[k], kArtMaxSequence})));
  }

  void CheckAtRest() {
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    uint64_t expected = 0;
    std::vector<std::vector<uint64_t>> all;
    Snapshot(&all);
    for (const auto& by_writer : all) {
      for (const uint64_t n : by_writer) {
        expected += n;
      }
    }
    ASSERT_EQ(expected, tree_.NumEntries());
  }

  const ArtTree& tree() const { return tree_; }

 private:
  struct Completed {
    std::atomic<uint64_t> by_writer[kWriters] = {};
  };

  static std::string Name(Shape shape, int k) {
    switch (shape) {
      case Shape::kOneNode:
        // Children of one node: its growth is the contended thing.
        return std::string("prefix/") + static_cast<char>(k * 97 % 256) +
               "/suffix";
      case Shape::kOnePath: {
        // Splits of one long compressed path, at every position.
        std::string name(64, 'p');
        name[k * 37 % 64] = static_cast<char>('a' + k / 64);
        return name;
      }
      case Shape::kChain:
        return std::string(k, 'c');
      case Shape::kHotKeys:
        return std::string(k, 'h') + "hot";
    }
    return "";
  }

  void CheckEntry(const char* entry) {
    const ArtKey key(entry);
    const auto it = numbers_.find(std::string(key.user_key(), key.user_size()));
    ASSERT_TRUE(it != numbers_.end()) << KeyOf(entry);
    const uint8_t* behind_tag =
        reinterpret_cast<const uint8_t*>(key.user_key()) + key.user_size() + 8;
    ASSERT_EQ(Hash(it->second, key.sequence()),
              ArtLoadLittleEndian64(behind_tag));
  }

  void Snapshot(std::vector<std::vector<uint64_t>>* counts) const {
    for (const Completed& completed : completed_) {
      counts->emplace_back();
      for (const auto& n : completed.by_writer) {
        counts->back().push_back(n.load(std::memory_order_acquire));
      }
    }
  }

  TestKey RandomTarget(const std::vector<std::vector<uint64_t>>& counts,
                       std::mt19937_64* random) const {
    const size_t k = (*random)() % names_.size();
    TestKey target{names_[k], 0};
    const uint64_t newest = counts[k][0] * kWriters;
    target.sequence = (*random)() % (newest + 2);
    if ((*random)() % 4 == 0) {
      target.user_key += "?";
    }
    return target;
  }

  const ArtOrder order_;
  HeapAllocator allocator_;
  ArtTree tree_;
  std::vector<std::string> names_;
  std::map<std::string, int> numbers_;
  std::vector<Completed> completed_;
};

struct Load {
  const char* name;
  Shape shape;
  int keys;
  int inserts_per_writer;
  int rounds;
};

constexpr Load kLoads[] = {
    // Small trees, often: every growth of one node, again and again.
    {"Grow256", Shape::kOneNode, 256, 300, 8},
    {"Grow18", Shape::kOneNode, 18, 60, 40},
    {"SplitPath", Shape::kOnePath, 128, 250, 8},
    {"Chain", Shape::kChain, 60, 250, 8},
    {"HotKeys", Shape::kHotKeys, 3, 900, 4},
};

class ArtTreeRaceTest
    : public ::testing::TestWithParam<std::tuple<int, ArtOrder>> {
 protected:
  const Load& load() const { return kLoads[std::get<0>(GetParam())]; }
  ArtOrder order() const { return std::get<1>(GetParam()); }
};

TEST_P(ArtTreeRaceTest, ScaffoldHoldsWithoutThreads) {
  std::mt19937_64 random(TestSeed());
  Scaffold s(load().shape, order(), load().keys);
  for (int i = 0; i < load().inserts_per_writer; ++i) {
    for (int w = 0; w < Scaffold::kWriters; ++w) {
      ASSERT_NO_FATAL_FAILURE(
          s.InsertNext(static_cast<int>(random() % s.num_keys()), w));
    }
    if (i % 20 == 0) {
      ASSERT_NO_FATAL_FAILURE(s.CheckWalk(&random));
    }
    ASSERT_NO_FATAL_FAILURE(s.CheckLookUp(&random));
  }
  ASSERT_NO_FATAL_FAILURE(s.CheckAtRest());
}

TEST_P(ArtTreeRaceTest, ReadersFindAllThatWasInsertedBeforeTheySought) {
  for (int round = 0; round < load().rounds; ++round) {
    Scaffold s(load().shape, order(), load().keys);
    Barrier start(Scaffold::kWriters + 2);
    std::atomic<int> writers_left{Scaffold::kWriters};
    std::atomic<int> walks{0};
    std::vector<std::thread> threads;
    const uint64_t seed = TestSeed() + 100 * round;
    for (int w = 0; w < Scaffold::kWriters; ++w) {
      threads.emplace_back([&, w] {
        std::mt19937_64 random(seed + w);
        start.Wait();
        for (int i = 0; i < load().inserts_per_writer; ++i) {
          s.InsertNext(static_cast<int>(random() % s.num_keys()), w);
        }
        writers_left.fetch_sub(1);
      });
    }
    threads.emplace_back([&] {
      std::mt19937_64 random(seed + 50);
      start.Wait();
      do {
        s.CheckLookUp(&random);
      } while (writers_left.load() > 0 && !::testing::Test::HasFailure());
    });
    threads.emplace_back([&] {
      std::mt19937_64 random(seed + 60);
      start.Wait();
      do {
        s.CheckWalk(&random);
        walks.fetch_add(1);
      } while (writers_left.load() > 0 && !::testing::Test::HasFailure());
    });
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
    ASSERT_GT(walks.load(), 0);
    ASSERT_NO_FATAL_FAILURE(s.CheckAtRest());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Loads, ArtTreeRaceTest,
    ::testing::Combine(::testing::Range(0, 5),
                       ::testing::Values(ArtOrder::kBytewise,
                                         ArtOrder::kReverseBytewise)),
    [](const ::testing::TestParamInfo<std::tuple<int, ArtOrder>>& param) {
      return std::string(kLoads[std::get<0>(param.param)].name) +
             (std::get<1>(param.param) == ArtOrder::kBytewise ? "Forward"
                                                              : "Reverse");
    });

TEST(ArtTreeDuplicateRaceTest, OneOfEqualInsertsWins) {
  for (int round = 0; round < 40; ++round) {
    HeapAllocator allocator;
    ArtTree tree(ArtOrder::kBytewise, &allocator);
    constexpr int n = 600;
    Barrier start(Scaffold::kWriters);
    std::atomic<int> wins{0};
    std::vector<std::thread> threads;
    for (int w = 0; w < Scaffold::kWriters; ++w) {
      threads.emplace_back([&, w] {
        start.Wait();
        for (int i = 0; i < n; ++i) {
          // All in the same order, so that they stay side by side.
          const std::string key =
              std::string("k") + static_cast<char>(i * 97 % 256);
          if (tree.Insert(NewEntry(&allocator, key, i / 256 + 1,
                                   static_cast<uint8_t>(w)))) {
            wins.fetch_add(1);
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(n, wins.load());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ASSERT_EQ(static_cast<uint64_t>(n), tree.NumEntries());
  }
}

// Stops the thread that has called Arm() at its next allocation.
class GateAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (victim_ == std::this_thread::get_id()) {
        victim_ = std::thread::id();
        stopped_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
      }
    }
    return HeapAllocator::AllocateAligned(bytes);
  }

  void Arm() {
    std::lock_guard<std::mutex> lock(mutex_);
    victim_ = std::this_thread::get_id();
  }
  void Finished() {
    std::lock_guard<std::mutex> lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }
  // False if the victim has finished without an allocation.
  bool AwaitStop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || finished_; });
    return stopped_;
  }
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread::id victim_;
  bool stopped_ = false;
  bool finished_ = false;
  bool open_ = false;
};

// Builds a tree of `first`, starts the insert of `victim` in a thread and stops
// it where it allocates, inserts `others`, lets the victim go on, and checks
// the whole. `victim_wins` is what its Insert must return.
void Interleave(const std::vector<std::string>& first,
                const std::string& victim,
                const std::vector<std::string>& others, bool victim_wins) {
  int stops = 0;
  // A thread whose shard of the pool has room left does not reach the
  // allocator; the next thread gets the next shard.
  for (int attempt = 0; attempt < 16 && stops == 0; ++attempt) {
    HeapAllocator entries;
    GateAllocator nodes;
    ArtTree tree(ArtOrder::kBytewise, &nodes);
    for (const std::string& key : first) {
      ASSERT_TRUE(tree.Insert(NewEntry(&entries, key, 1)));
    }
    ArtIterator standing(&tree);
    standing.SeekToFirst();

    bool inserted = false;
    std::thread thread([&] {
      const char* entry = NewEntry(&entries, victim, 1);
      nodes.Arm();
      inserted = tree.Insert(entry);
      nodes.Finished();
    });
    const bool stopped = nodes.AwaitStop();
    stops += stopped ? 1 : 0;
    // Nobody waits for a writer that has stopped: it holds no lock.
    for (const std::string& key : others) {
      EXPECT_EQ(stopped || key != victim,
                tree.Insert(NewEntry(&entries, key, 1)));
    }
    nodes.Open();
    thread.join();
    EXPECT_EQ(victim_wins || !stopped, inserted);

    std::vector<std::string> all = first;
    all.insert(all.end(), others.begin(), others.end());
    all.push_back(victim);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::string reason;
    ASSERT_TRUE(tree.Validate(&reason)) << reason;
    ArtIterator iter(&tree);
    iter.SeekToFirst();
    for (const std::string& key : all) {
      ASSERT_TRUE(iter.Valid());
      ASSERT_EQ(key, KeyOf(iter.entry()).user_key);
      ASSERT_TRUE(tree.Contains(ToArtKey({key, 1})));
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid());

    // The iterator from before, whose nodes may be obsolete by now, still has
    // all of `first`, in order.
    std::vector<std::string> walked;
    for (; standing.Valid(); standing.Next()) {
      walked.push_back(KeyOf(standing.entry()).user_key);
      ASSERT_TRUE(walked.size() < 2 ||
                  walked[walked.size() - 2] < walked.back());
    }
    for (const std::string& key : first) {
      ASSERT_TRUE(std::binary_search(walked.begin(), walked.end(), key));
    }
  }
  ASSERT_EQ(1, stops) << "no victim was ever stopped";
}

std::vector<std::string> Children(const std::string& prefix, int from, int to) {
  std::vector<std::string> keys;
  for (int i = from; i < to; ++i) {
    keys.push_back(prefix + static_cast<char>(i) + "t");
  }
  return keys;
}

// A: decides to grow the full node -> stopped
// B:     grows it, adds to the larger one
// A:         finds it obsolete, starts again, adds to the larger one
TEST(ArtTreeInterleavingTest, GrowthFindsTheNodeGrownByAnother) {
  for (const int full : {4, 16, 48}) {
    Interleave(Children("p", 0, full), std::string("p\xee") + "t",
               Children("p", full, full + 2), true);
  }
}

// The larger node is itself full and replaced before A goes on.
TEST(ArtTreeInterleavingTest, GrowthFindsTheNodeGrownTwice) {
  Interleave(Children("p", 0, 4), std::string("p\xee") + "t",
             Children("p", 4, 60), true);
}

// A: decides to grow the node below the root -> stopped
// B:     splits the path above it: the parent's slot holds another node
// A:         starts again, grows below the new parent
TEST(ArtTreeInterleavingTest, GrowthFindsANewParent) {
  for (const int full : {4, 16, 48}) {
    Interleave(Children("long prefix", 0, full),
               std::string("long prefix\xee") + "t", {"long", "lonely"}, true);
  }
}

// A: decides to grow a node -> stopped
// B:     grows the parent, which becomes obsolete
// A:         must not store into the obsolete parent
TEST(ArtTreeInterleavingTest, GrowthFindsTheParentObsolete) {
  std::vector<std::string> keys = Children("pq", 0, 4);
  for (const char* key : {"pa", "pb", "pc"}) {
    keys.push_back(key);
  }
  Interleave(keys, std::string("pq\xee") + "t", {"pd", "pe", "pf"}, true);
}

// A: decides to split a path at one position -> stopped
// B:     splits it above, below, and at the same position
// A:         starts again
TEST(ArtTreeInterleavingTest, SplitFindsThePathSplitByAnother) {
  const std::vector<std::string> keys = {"abcdefghijklmnop-1",
                                         "abcdefghijklmnop-2"};
  for (const char* other :
       {"abc", "abcx", "abcdefghx", "abcdefgh", "abcdefghijklx"}) {
    Interleave(keys, "abcdefgh!", {other}, true);
  }
  Interleave(keys, "abcdefgh!", {"abc", "abcdefghx", "abcdefghijklx"}, true);
  // The key ends where the path is split.
  Interleave(keys, "abcdefgh", {"abcdefghx", "abc"}, true);
}

// A: decides to split the path below a node -> stopped
// B:     grows that node
// A:         must not store into the obsolete node
TEST(ArtTreeInterleavingTest, SplitFindsTheNodeObsolete) {
  std::vector<std::string> keys = Children("p", 'a', 'a' + 4);
  Interleave(keys, "pa", {"pw", "px", "py"}, true);
  keys.push_back("pat-and-much-more-1");
  Interleave(keys, "pat-and", {"pw", "px", "py"}, true);
}

// A: decides to put a node above a single entry -> stopped
// B:     inserts the same key
// A:         finds its duplicate
TEST(ArtTreeInterleavingTest, InsertFindsItsDuplicate) {
  Interleave({"one"}, "two", {"two"}, false);
  Interleave(Children("p", 0, 4), std::string("p\xee") + "t",
             {std::string("p\xee") + "t"}, false);
  Interleave({"abcdefghijklmnop-1", "abcdefghijklmnop-2"}, "abcdefgh!",
             {"abcdefghx", "abcdefgh!"}, false);
}

// A: decides to add a child -> waits for the node's lock
// B:     which is held by one who is replacing the node
// A:         gets the lock of an obsolete node, starts again
TEST(ArtTreeInterleavingTest, AddFindsTheNodeReplacedWhileItWaited) {
  HeapAllocator allocator;
  ArtTree tree(ArtOrder::kBytewise, &allocator);
  for (const char* key : {"pa", "pb", "pc"}) {
    ASSERT_TRUE(tree.Insert(NewEntry(&allocator, key, 1)));
  }
  ArtNode* root = tree.TEST_Root();
  ArtNode* node = ArtToNode(root->Find(kArtEndSymbol));
  ASSERT_EQ(ArtNodeType::kNode4, node->type());
  node->Lock();
  std::thread thread([&] {
    ASSERT_TRUE(tree.Insert(NewEntry(&allocator, "px", 1)));
    ASSERT_TRUE(tree.Insert(NewEntry(&allocator, "p", 1)));
  });
  // Time for the thread to arrive at the lock. If it does not, nothing
  // is shown, but nothing is wrong.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ArtNode16 larger;
  node->CopyTo(&larger);
  larger.Add('y', ArtFromEntry(NewEntry(&allocator, "py", 1)));
  root->Lock();
  root->FindSlot(kArtEndSymbol)
      ->store(ArtFromNode(&larger), std::memory_order_release);
  root->Unlock();
  node->UnlockObsolete();
  thread.join();
  for (const char* key : {"p", "pa", "pb", "pc", "px", "py"}) {
    EXPECT_TRUE(tree.Contains(ToArtKey({key, 1}))) << key;
  }
}

TEST(ArtTreeInterleavingTest, ReadersDoNotWaitForLocks) {
  HeapAllocator allocator;
  ArtTree tree(ArtOrder::kBytewise, &allocator);
  const std::vector<std::string> keys = {"", "k", "ka", "kb", "kba", "z"};
  for (const std::string& key : keys) {
    for (const uint64_t sequence : {1, 2}) {
      ASSERT_TRUE(tree.Insert(NewEntry(&allocator, key, sequence)));
    }
  }
  // Lock every node there is.
  std::vector<ArtNode*> nodes = {tree.TEST_Root()};
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i]->Lock();
    int symbol = ArtNode::kBeforeAll;
    ArtRef ref;
    while (nodes[i]->FindAbove(symbol, &symbol, &ref)) {
      if (!ArtIsEntry(ref)) {
        nodes.push_back(ArtToNode(ref));
      }
    }
  }
  ASSERT_GT(nodes.size(), keys.size());
  std::thread reader([&] {
    ArtIterator iter(&tree);
    size_t n = 0;
    for (iter.SeekToFirst(); iter.Valid(); iter.Next()) {
      ++n;
    }
    EXPECT_EQ(2 * keys.size(), n);
    for (const std::string& key : keys) {
      EXPECT_TRUE(tree.Contains(ToArtKey({key, 2})));
      iter.Seek(ToArtKey({key + "!", 1}));
      iter.SeekForPrev(ToArtKey({key + "!", 1}));
      EXPECT_TRUE(iter.Valid());
    }
    EXPECT_EQ(2 * keys.size(),
              tree.ApproximateNumEntries(ToArtKey({"", kArtMaxSequence}),
                                         ToArtKey({"zz", 1})));
  });
  reader.join();
  std::string reason;
  EXPECT_FALSE(tree.Validate(&reason));
  EXPECT_NE(std::string::npos, reason.find("(I6)")) << reason;
  for (ArtNode* node : nodes) {
    node->Unlock();
  }
  EXPECT_TRUE(tree.Validate(&reason)) << reason;
}

TEST(ArtTreeInterleavingTest, IteratorMovesBetweenThreads) {
  HeapAllocator allocator;
  ArtTree tree(ArtOrder::kBytewise, &allocator);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        tree.Insert(NewEntry(&allocator, std::string(i, 'm') + "x", 1)));
  }
  ArtIterator iter(&tree);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t i = 2; !stop.load(); ++i) {
      tree.Insert(NewEntry(&allocator, std::string(i % 100, 'm') + "y", i));
      std::this_thread::yield();
    }
  });
  iter.SeekToFirst();
  std::vector<TestKey> walked;
  while (iter.Valid()) {
    std::thread([&] {
      for (int i = 0; i < 10 && iter.Valid(); ++i) {
        walked.push_back(KeyOf(iter.entry()));
        iter.Next();
      }
    }).join();
  }
  stop.store(true);
  writer.join();
  EXPECT_TRUE(std::is_sorted(walked.begin(), walked.end(), SlowLess()));
  size_t old = 0;
  for (const TestKey& key : walked) {
    old += key.user_key.back() == 'x' ? 1 : 0;
  }
  EXPECT_EQ(100u, old);
}

}  // namespace art_test
}  // namespace memkv
