// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, forced.
//
// A writer is stopped where it has decided what to do and has no lock yet,
// which is where it allocates (art_tree.h, Writers); another changes the tree
// under it; the first goes on and has to notice. Or the test plays another
// writer itself: it locks nodes, and replaces them. Or iterators stand in nodes
// that are replaced and whose memory is used for something else.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <set>
#include <thread>

#include "memtable/art_tree_iterator.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                ArtOrder::kReverseBytewise};

using KeySet = std::set<TestKey, SlowLess>;

ArtArena* ArenaOf(ArtTree* tree) {
  return const_cast<ArtArena*>(&tree->TEST_Arena());
}

// The references of the nodes on the way to where blind search ends, below the
// root's.
std::vector<ArtRef> PathOf(ArtTree* tree, const TestKey& key) {
  std::vector<ArtRef> path;
  const ArtNode* node = tree->TEST_Root();
  for (;;) {
    const ArtNode::Meta meta = node->meta();
    const ArtRef ref =
        node->RefAt(meta, node->Search(ToArtKey(key, tree->order()), meta));
    if (!ArtIsNode(ref)) {
      return path;
    }
    path.push_back(ref);
    node = tree->TEST_Arena().NodeAt(ref);
  }
}

// Of the node `up` steps above the entry where blind search ends.
ArtNode::Meta MetaAt(ArtTree* tree, const TestKey& key, size_t up) {
  const std::vector<ArtRef> path = PathOf(tree, key);
  return up < path.size()
             ? tree->TEST_Arena().NodeAt(path[path.size() - 1 - up])->meta()
             : tree->TEST_Root()->meta();
}

bool IsFull(const ArtNode::Meta& meta) {
  return meta.count() == meta.capacity() && meta.count() > 1;
}

// All entries, by everything that finds them.
void CheckAll(const ArtTree& tree, const KeySet& keys) {
  std::string reason;
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  ASSERT_EQ(keys.size(), tree.NumEntries());
  ArtIterator iter(&tree);
  iter.SeekToFirst();
  for (const TestKey& key : keys) {
    ASSERT_TRUE(iter.Valid()) << key;
    ASSERT_EQ(key, KeyOf(iter.entry()));
    ASSERT_TRUE(tree.Contains(ToArtKey(key, tree.order())));
    iter.Next();
  }
  ASSERT_FALSE(iter.Valid());
  iter.SeekToLast();
  for (auto it = keys.rbegin(); it != keys.rend(); ++it) {
    ASSERT_TRUE(iter.Valid()) << *it;
    ASSERT_EQ(*it, KeyOf(iter.entry()));
    iter.Prev();
  }
  ASSERT_FALSE(iter.Valid());
}

void InsertAll(ArtTree* tree, const std::vector<TestKey>& keys, KeySet* set) {
  for (const TestKey& key : keys) {
    ASSERT_EQ(set->insert(key).second,
              tree->Insert(NewEntry(tree, key.user_key, key.sequence)))
        << key;
  }
}

std::vector<TestKey> Children(const std::string& prefix, int from, int to) {
  std::vector<TestKey> keys;
  for (int i = from; i < to; ++i) {
    keys.push_back({prefix + static_cast<char>(i) + "t", 1});
  }
  return keys;
}

// ---- A writer that is stopped where it allocates ----

// Stops the thread that has called Arm() at its next allocation.
class GateAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    char* memory = HeapAllocator::AllocateAligned(bytes);
    std::unique_lock<std::mutex> lock(mutex_);
    end_ = memory + bytes;
    if (victim_ == std::this_thread::get_id()) {
      victim_ = std::thread::id();
      stopped_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    }
    return memory;
  }

  // Takes what this thread may get from the arena without an allocation, as far
  // as a node needs it.
  void UseUp(ArtTree* tree) {
    const size_t before = calls();
    for (;;) {
      char* memory = nullptr;
      tree->AllocateEntry(4, &memory);
      // What follows an extent's end is slack, 72 bytes or less.
      std::lock_guard<std::mutex> lock(mutex_);
      const ptrdiff_t left = end_ - memory;
      if (calls() > before && left > 0 && left < 72 + 32) {
        return;
      }
    }
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
  char* end_ = nullptr;
  std::thread::id victim_;
  bool stopped_ = false;
  bool finished_ = false;
  bool open_ = false;
};

// Nodes taken out of the arena: all the free ones, and some of each class. The
// stopped writer finds none, and has the arena's lock; so the others must find
// some.
class Stock {
 public:
  explicit Stock(ArtTree* tree) : arena_(ArenaOf(tree)) {
    for (int c = 0; c < kArtNodeClasses; ++c) {
      for (int i = 0; i < 12 || arena_->GetStats().free_nodes[c] > 0; ++i) {
        nodes_.emplace_back(arena_->AllocateNode(c), c);
      }
    }
  }
  void GiveBack() {
    for (const auto& [ref, node_class] : nodes_) {
      arena_->FreeNode(ref, node_class);
    }
  }

 private:
  ArtArena* const arena_;
  std::vector<std::pair<ArtRef, int>> nodes_;
};

// To a tree with the keys `first`, starts the insert of `victim` in a thread
// and stops it where it allocates, inserts `others`, lets the victim go on, and
// checks the whole.
void Interleave(ArtOrder order, const std::vector<TestKey>& first,
                const TestKey& victim, const std::vector<TestKey>& others) {
  GateAllocator gate;
  ArtTree tree(order, &gate);
  KeySet keys(SlowLess{order});
  ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, first, &keys));
  const KeySet before = keys;
  ArtIterator from_first(&tree);
  ArtIterator from_last(&tree);
  ArtIterator at_victim(&tree);
  from_first.SeekToFirst();
  from_last.SeekToLast();
  at_victim.Seek(ToArtKey(victim, order));
  std::vector<ArtRef> refs;
  for (const TestKey& key : others) {
    refs.push_back(NewEntry(&tree, key.user_key, key.sequence));
  }
  Stock stock(&tree);

  bool inserted = false;
  std::thread thread([&] {
    const ArtRef entry = NewEntry(&tree, victim.user_key, victim.sequence);
    gate.UseUp(&tree);
    gate.Arm();
    inserted = tree.Insert(entry);
    gate.Finished();
  });
  const bool stopped = gate.AwaitStop();
  stock.GiveBack();
  if (stopped) {
    // Nobody waits for a writer that has stopped: it holds no lock.
    for (const TestKey& key : first) {
      EXPECT_TRUE(tree.Contains(ToArtKey(key, order)));
    }
    EXPECT_FALSE(tree.Contains(ToArtKey(victim, order)));
    for (size_t i = 0; i < others.size(); ++i) {
      EXPECT_EQ(keys.insert(others[i]).second, tree.Insert(refs[i]))
          << others[i];
    }
    EXPECT_EQ(keys.size() - before.size(), tree.NumEntries() - first.size());
  }
  gate.Open();
  thread.join();
  ASSERT_TRUE(stopped);
  EXPECT_EQ(keys.insert(victim).second, inserted);
  ASSERT_NO_FATAL_FAILURE(CheckAll(tree, keys));

  // The iterators from before have all that was there, and nobody inserts now.
  auto it = keys.find(KeyOf(from_first.entry()));
  for (; from_first.Valid(); from_first.Next(), ++it) {
    ASSERT_EQ(*it, KeyOf(from_first.entry()));
  }
  ASSERT_TRUE(it == keys.end());
  it = keys.find(KeyOf(from_last.entry()));
  for (; from_last.Valid(); from_last.Prev()) {
    ASSERT_EQ(*it, KeyOf(from_last.entry()));
    ASSERT_EQ(it == keys.begin(), *it == *keys.begin());
    it = it == keys.begin() ? keys.end() : std::prev(it);
  }
  ASSERT_TRUE(it == keys.end());
  if (at_victim.Valid()) {
    it = keys.find(KeyOf(at_victim.entry()));
    at_victim.Prev();
    ASSERT_EQ(it == keys.begin(), !at_victim.Valid());
    if (at_victim.Valid()) {
      ASSERT_EQ(*std::prev(it), KeyOf(at_victim.entry()));
    }
  }
}

class ArtTreeInterleavingTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  ArtOrder order() const { return GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeInterleavingTest,
                         ::testing::ValuesIn(kOrders),
                         [](const ::testing::TestParamInfo<ArtOrder>& param) {
                           return param.param == ArtOrder::kBytewise
                                      ? "Bytewise"
                                      : "Reverse";
                         });

// A: decides to grow the full node -> stopped
// B:     grows it, adds to the larger one
// A:         finds its version raised, starts again
TEST_P(ArtTreeInterleavingTest, GrowthFindsTheNodeGrownByAnother) {
  for (const int full : {4, 8, 16, 32, 56}) {
    const TestKey victim{"p\xee", 1};
    for (const int more : {1, 2, 9}) {
      ASSERT_NO_FATAL_FAILURE(Interleave(order(), Children("p", 0, full),
                                         victim,
                                         Children("p", full, full + more)))
          << full << " " << more;
    }
    // And its duplicate in there, too.
    ASSERT_NO_FATAL_FAILURE(
        Interleave(order(), Children("p", 0, full), victim, {victim}));
  }
}

// The old node is used again, for a part of the new one, before A goes on.
TEST_P(ArtTreeInterleavingTest, GrowthFindsTheNodeUsedElsewhere) {
  for (const int full : {4, 8, 56}) {
    const std::string far(300, 'q');
    std::vector<TestKey> others = Children("p", full, full + 1);
    for (const TestKey& key : Children(far, 0, full + 1)) {
      others.push_back(key);
    }
    ASSERT_NO_FATAL_FAILURE(
        Interleave(order(), Children("p", 0, full), {"p\xee", 1}, others));
  }
}

// A: decides to grow the node below the root -> stopped
// B:     puts a node between
// A:         must not put the larger one where the old one was
TEST_P(ArtTreeInterleavingTest, GrowthFindsANewNodeAbove) {
  const std::string far(300, 'q');
  for (const int full : {4, 8, 16}) {
    ASSERT_NO_FATAL_FAILURE(Interleave(order(), Children(far, 0, full),
                                       {far + "\xee", 1},
                                       {{"qqr", 1}, {"qqa", 1}}));
  }
}

// A: decides to put a node in the place of an entry -> stopped
// B:     does so, at a rank above, below, and the same
// A:         starts again
TEST_P(ArtTreeInterleavingTest, PairingFindsThePairOfAnother) {
  const std::vector<TestKey> first = {{"abcdefgh-1", 1}};
  const TestKey victim{"abcd!", 1};
  for (const char* other : {"abc", "abcx", "abcdx", "abcd", "abcd!x", "abcdefx",
                            "abcdefgh-2", "abcd!"}) {
    ASSERT_NO_FATAL_FAILURE(Interleave(order(), first, victim, {{other, 1}}));
  }
  ASSERT_NO_FATAL_FAILURE(
      Interleave(order(), first, victim, {{"abcdefgh-1", 7}, {"abcd!", 2}}));
  ASSERT_NO_FATAL_FAILURE(
      Interleave(order(), first, {"abcdefgh-1", 5},
                 {{"abcdefgh-1", 7}, {"abcdefgh-1", 3}, {"abcd!", 2}}));
}

// The same for an item of a node, too far behind its base to be said there.
TEST_P(ArtTreeInterleavingTest, PairingFindsTheItemPairedByAnother) {
  const std::string far(600, 'f');
  std::vector<TestKey> first = Children("f", 'a', 'd');
  first.push_back({far, 1});
  const TestKey victim{far.substr(0, 500) + "!", 1};
  for (const size_t at : {100, 260, 499, 500, 501, 599}) {
    ASSERT_NO_FATAL_FAILURE(
        Interleave(order(), first, victim, {{far.substr(0, at) + "x", 1}}));
    ASSERT_NO_FATAL_FAILURE(Interleave(
        order(), first, victim,
        {{far, 2}, {far.substr(0, at), 1}, {far.substr(0, at) + "?", 1}}));
  }
  // The node around it is grown, and so replaced.
  ASSERT_NO_FATAL_FAILURE(
      Interleave(order(), first, victim, Children("f", 'p', 'u')));
}

// A: decides on anything deep in a tree of some levels -> stopped
// B:     inserts much into the same node, into its siblings, everywhere
// A:         starts again
TEST_P(ArtTreeInterleavingTest, AnyWriterFindsAnythingChanged) {
  struct What {
    const char* name;
    std::function<bool(ArtTree*, const TestKey&)> holds;
  };
  const What whats[] = {
      {"grow",
       [](ArtTree* tree, const TestKey& key) {
         const ArtNode::Meta at = MetaAt(tree, key, 0);
         return PathOf(tree, key).size() > 1 && IsFull(at) &&
                at.count() < ArtNode::kMaxItems;
       }},
      {"split",
       [](ArtTree* tree, const TestKey& key) {
         return PathOf(tree, key).size() > 1 &&
                MetaAt(tree, key, 0).count() == ArtNode::kMaxItems &&
                !IsFull(MetaAt(tree, key, 1));
       }},
      {"split below the root",
       [](ArtTree* tree, const TestKey& key) {
         return PathOf(tree, key).size() == 1 &&
                MetaAt(tree, key, 0).count() == ArtNode::kMaxItems;
       }},
      {"split below a full node",
       [](ArtTree* tree, const TestKey& key) {
         const ArtNode::Meta above = MetaAt(tree, key, 1);
         return PathOf(tree, key).size() > 1 &&
                MetaAt(tree, key, 0).count() == ArtNode::kMaxItems &&
                IsFull(above) && above.count() < ArtNode::kMaxItems;
       }},
      {"split below one to be split",
       [](ArtTree* tree, const TestKey& key) {
         return PathOf(tree, key).size() > 1 &&
                MetaAt(tree, key, 0).count() == ArtNode::kMaxItems &&
                MetaAt(tree, key, 1).count() == ArtNode::kMaxItems;
       }},
  };
  std::mt19937_64 random(TestSeed());
  const auto random_key = [&random] {
    std::string key;
    for (int i = 0; i < 3; ++i) {
      key.push_back(static_cast<char>(random() % 32 * 8));
    }
    return TestKey{key, 1 + random() % 4};
  };
  for (const What& what : whats) {
    std::vector<TestKey> first;
    TestKey victim;
    {
      HeapAllocator allocator;
      ArtTree tree(order(), &allocator);
      while (first.size() < 20000) {
        victim = random_key();
        if (what.holds(&tree, victim) &&
            !tree.Contains(ToArtKey(victim, order()))) {
          break;
        }
        if (tree.Insert(NewEntry(&tree, victim.user_key, victim.sequence))) {
          first.push_back(victim);
        }
      }
    }
    ASSERT_LT(first.size(), 20000u) << what.name;
    SCOPED_TRACE(what.name);
    for (const size_t n : {1, 3, 40}) {
      std::vector<TestKey> near;
      std::vector<TestKey> anywhere;
      for (size_t i = 0; i < n; ++i) {
        near.push_back({victim.user_key.substr(0, 2) + random_key().user_key,
                        victim.sequence});
        anywhere.push_back(random_key());
      }
      ASSERT_NO_FATAL_FAILURE(Interleave(order(), first, victim, near));
      ASSERT_NO_FATAL_FAILURE(Interleave(order(), first, victim, anywhere));
      near.insert(near.begin(), victim);
      ASSERT_NO_FATAL_FAILURE(Interleave(order(), first, victim, near));
    }
  }
}

// ---- The test plays another writer ----

// Runs something in a thread.
class Other {
 public:
  explicit Other(std::function<void()> work)
      : thread_([this, work] {
          work();
          finished_.store(true);
        }) {}
  bool Finished() const { return finished_.load(); }
  void Join() { thread_.join(); }

 private:
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

class ArtTreeLockTest : public ArtTreeInterleavingTest {
 protected:
  ArtTreeLockTest() : tree_(order(), &allocator_), keys_(SlowLess{order()}) {
    for (int i = 0; i < 40; ++i) {
      const std::string prefix(1, static_cast<char>('a' + i % 20));
      InsertAll(&tree_, Children(prefix, i / 20 * 20, i / 20 * 20 + 20),
                &keys_);
    }
    const std::vector<ArtRef> path = PathOf(&tree_, inside_);
    EXPECT_GT(path.size(), 1u);
    node_ = tree_.TEST_Arena().NodeAt(path.back());
    above_ = path.size() > 1 ? tree_.TEST_Arena().NodeAt(path[path.size() - 2])
                             : tree_.TEST_Root();
    // Items that are nodes are no place for an iterator to step from.
    outside_ = *keys_.begin();
    if (PathOf(&tree_, outside_).back() == path.back()) {
      outside_ = *keys_.rbegin();
    }
    EXPECT_NE(path.back(), PathOf(&tree_, outside_).back());
  }

  const TestKey inside_{std::string("k\x05") + "t", 1};
  TestKey outside_;
  HeapAllocator allocator_;
  ArtTree tree_;
  KeySet keys_;
  ArtNode* node_;
  ArtNode* above_;
};

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeLockTest, ::testing::ValuesIn(kOrders),
                         [](const ::testing::TestParamInfo<ArtOrder>& param) {
                           return param.param == ArtOrder::kBytewise
                                      ? "Bytewise"
                                      : "Reverse";
                         });

TEST_P(ArtTreeLockTest, WhoMeetsALockedNodeWaitsAndNobodyElse) {
  const ArtKey key = ToArtKey(inside_, order());
  const auto it = keys_.find(inside_);
  const TestKey next = *std::next(it);
  const TestKey prev = *std::prev(it);
  ArtIterator iter(&tree_);
  std::vector<std::function<void()>> works = {
      [&] { EXPECT_EQ(inside_, KeyOf(tree_.Get(key))); },
      [&] { EXPECT_TRUE(tree_.Contains(key)); },
      [&] {
        iter.Seek(key);
        EXPECT_EQ(inside_, KeyOf(iter.entry()));
      },
      // From here on the iterator stands in the node.
      [&] {
        iter.Next();
        EXPECT_EQ(next, KeyOf(iter.entry()));
      },
      [&] {
        iter.SeekForPrev(key);
        EXPECT_EQ(inside_, KeyOf(iter.entry()));
      },
      [&] {
        iter.Prev();
        EXPECT_EQ(prev, KeyOf(iter.entry()));
      },
      [&] {
        EXPECT_EQ(1u,
                  tree_.ApproximateNumEntries(key, ToArtKey(next, order())));
      },
      [&] {
        ArtIterator::Disagreement found;
        EXPECT_TRUE(iter.SeekAndCheck(key, &found)) << found.reason;
      },
      [&] {
        EXPECT_FALSE(tree_.Insert(NewEntry(&tree_, inside_.user_key, 1)));
      },
      [&] { EXPECT_TRUE(tree_.Insert(NewEntry(&tree_, inside_.user_key, 2))); },
      [&] {
        EXPECT_TRUE(tree_.InsertAlone(NewEntry(&tree_, inside_.user_key, 3)));
        tree_.Help();
      },
  };
  for (size_t i = 0; i < works.size(); ++i) {
    // Before the last of them, nothing has replaced the node.
    node_ = tree_.TEST_Arena().NodeAt(PathOf(&tree_, inside_).back());
    const uint32_t version = node_->Version();
    ASSERT_TRUE(node_->TryLock(version));
    ASSERT_FALSE(node_->TryLock(version));
    Other other(works[i]);
    // Whoever does not meet the node does not care; but a reader that finds an
    // entry waiting, as the last of them leaves one, has to let it in.
    if (i + 1 < works.size()) {
      EXPECT_TRUE(tree_.Contains(ToArtKey(outside_, order())));
      ArtIterator elsewhere(&tree_);
      elsewhere.Seek(ToArtKey(outside_, order()));
      EXPECT_EQ(outside_, KeyOf(elsewhere.entry()));
    }
    // Time to arrive. If it does not, nothing is shown, but nothing is wrong.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(other.Finished()) << i;
    if (i % 2 == 0) {
      node_->Unlock(version);
      EXPECT_FALSE(node_->TryLock(version));
    } else {
      node_->UnlockUnchanged(version);
    }
    other.Join();
  }
  keys_.insert({inside_.user_key, 2});
  keys_.insert({inside_.user_key, 3});
  CheckAll(tree_, keys_);
}

// What a step stays inside of it need not ask above.
TEST_P(ArtTreeLockTest, AStepInsideANodeMeetsNoLockAbove) {
  ArtIterator iter(&tree_);
  iter.Seek(ToArtKey(inside_, order()));
  const uint32_t version = above_->Version();
  ASSERT_TRUE(above_->TryLock(version));
  Other other([&] {
    iter.Next();
    EXPECT_EQ(*std::next(keys_.find(inside_)), KeyOf(iter.entry()));
    iter.Prev();
    EXPECT_EQ(inside_, KeyOf(iter.entry()));
  });
  other.Join();
  above_->UnlockUnchanged(version);
  CheckAll(tree_, keys_);
}

// A: wants to add an item -> waits for the node's lock
// B:     which is held by one who is replacing the node
// A:         starts again, and adds to the larger one
TEST_P(ArtTreeLockTest, AddFindsTheNodeReplacedWhileItWaited) {
  const std::vector<ArtRef> path = PathOf(&tree_, inside_);
  ArtArena* const arena = ArenaOf(&tree_);
  const ArtNode::Meta meta = node_->meta();
  const ArtNode::Meta above_meta = above_->meta();
  ASSERT_LT(meta.node_class() + 1, kArtNodeClasses);
  ArtIterator iter(&tree_);
  iter.Seek(ToArtKey(inside_, order()));
  const ArtRef larger_ref = arena->AllocateNode(meta.node_class() + 1);
  ArtNode* const larger = arena->NodeAt(larger_ref);
  const uint32_t version = node_->Version();
  const uint32_t above_version = above_->Version();
  ASSERT_TRUE(above_->TryLock(above_version));
  ASSERT_TRUE(node_->TryLock(version));
  Other writer([&] {
    for (const uint64_t sequence : {7, 5, 9}) {
      EXPECT_TRUE(tree_.Insert(NewEntry(&tree_, inside_.user_key, sequence)));
    }
  });
  Other reader([&] {
    iter.Next();
    iter.Prev();
    EXPECT_EQ(inside_.user_key, KeyOf(iter.entry()).user_key);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(writer.Finished());
  EXPECT_FALSE(reader.Finished());

  const uint64_t word = ArtNode::Meta(meta.base(), 0, meta.node_class() + 1,
                                      false, ArtNode::kNoCode)
                            .word();
  // What the node is made to hold stays.
  const uint64_t kept = meta.word() & uint64_t{0x00f0800000000000};
  larger->SetMeta(ArtNode::Meta(word | kept));
  larger->AppendFrom(*node_, 0, meta.count());
  int item = 0;
  while (above_->RefAt(above_meta, item) != path.back()) {
    ++item;
  }
  above_->SetRef(above_meta, item, larger_ref);
  node_->Unlock(version);
  above_->Unlock(above_version);
  arena->FreeNode(path.back(), meta.node_class());
  writer.Join();
  reader.Join();
  for (const uint64_t sequence : {7, 5, 9}) {
    keys_.insert({inside_.user_key, sequence});
  }
  CheckAll(tree_, keys_);
}

// ---- Iterators in nodes that are no more ----

// One iterator at each key; afterwards each takes a step both ways.
class Standing {
 public:
  Standing(const ArtTree* tree, const KeySet& keys) {
    for (const TestKey& key : keys) {
      for (int i = 0; i < 2; ++i) {
        iters_.push_back(std::make_unique<ArtIterator>(tree));
        iters_.back()->Seek(ToArtKey(key, tree->order()));
      }
    }
  }
  void CheckSteps(const KeySet& keys) {
    for (size_t i = 0; i < iters_.size(); ++i) {
      ArtIterator& iter = *iters_[i];
      auto it = keys.find(KeyOf(iter.entry()));
      ASSERT_TRUE(it != keys.end());
      if (i % 2 == 0) {
        iter.Next();
        ++it;
      } else {
        iter.Prev();
        it = it == keys.begin() ? keys.end() : std::prev(it);
      }
      ASSERT_EQ(it != keys.end(), iter.Valid());
      if (iter.Valid()) {
        ASSERT_EQ(*it, KeyOf(iter.entry()));
      }
    }
  }

 private:
  std::vector<std::unique_ptr<ArtIterator>> iters_;
};

TEST_P(ArtTreeInterleavingTest, IteratorsStandInANodeUsedForAnotherPlace) {
  for (const int full : {4, 8, 16, 40}) {
    HeapAllocator allocator;
    ArtTree tree(order(), &allocator);
    KeySet keys(SlowLess{order()});
    ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children("a", 0, full), &keys));
    const ArtRef ref = PathOf(&tree, *keys.begin()).back();
    Standing standing(&tree, keys);
    // Replaced here, and, once that many far keys are together, used there.
    ASSERT_NO_FATAL_FAILURE(
        InsertAll(&tree, Children("a", full, full + 1), &keys));
    ASSERT_NE(ref, PathOf(&tree, *keys.begin()).back());
    const std::string far(400, 'f');
    for (int i = 0; i < full; ++i) {
      ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children(far, i, i + 1), &keys));
    }
    ASSERT_EQ(ref, PathOf(&tree, Children(far, 1, 2)[0]).back()) << full;
    ASSERT_NO_FATAL_FAILURE(standing.CheckSteps(keys));
    ASSERT_NO_FATAL_FAILURE(CheckAll(tree, keys));
  }
}

TEST_P(ArtTreeInterleavingTest, IteratorsStandInANodeUsedForEntries) {
  HeapAllocator allocator;
  ArtTree tree(order(), &allocator);
  KeySet keys(SlowLess{order()});
  ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children("a", 0, 64), &keys));
  const ArtRef ref = PathOf(&tree, *keys.begin()).back();
  const char* const node = tree.TEST_Arena().Resolve(ref);
  const size_t bytes = ArtNode::Bytes(kArtNodeClasses - 1);
  Standing standing(&tree, keys);
  const ArtNode::Meta meta = tree.TEST_Arena().NodeAt(ref)->meta();
  ASSERT_EQ(ArtNode::kMaxItems, meta.count());
  ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children("a", 64, 65), &keys));

  bool used = false;
  for (uint64_t sequence = 2; sequence < 40; ++sequence) {
    // Of bytes that are no code, no symbol and no reference.
    const std::string user_key(300, '\xff');
    const ArtRef entry = NewEntry(&tree, user_key, sequence);
    const char* const at = tree.TEST_Arena().Resolve(entry);
    used = used || (at > node && at < node + bytes);
    ASSERT_TRUE(tree.Insert(entry));
    keys.insert({user_key, sequence});
  }
  ASSERT_TRUE(used);
  ASSERT_NO_FATAL_FAILURE(standing.CheckSteps(keys));
  ASSERT_NO_FATAL_FAILURE(CheckAll(tree, keys));
}

// (G2): a step sees what was inserted before it, wherever that went: into the
// iterator's node, the next one, or one above either.
TEST_P(ArtTreeInterleavingTest, AStepSeesWhatWasInsertedBeforeIt) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 16; ++round) {
    HeapAllocator allocator;
    ArtTree tree(order(), &allocator);
    KeySet keys(SlowLess{order()});
    const int symbols = 2 + round / 2 % 4 * 10;
    const auto random_key = [&] {
      std::string key;
      if (round >= 8) {
        // Clusters that share more than a node can say, and loose ends of them.
        key.assign(random() % 4 != 0 ? 300 : random() % 300,
                   static_cast<char>(random() % 4));
      }
      for (size_t n = 1 + random() % (round < 8 ? 12 : 2); n > 0; --n) {
        key.push_back(static_cast<char>(random() % symbols));
      }
      return TestKey{key, 1 + random() % 3};
    };
    for (int i = 0; i < (round < 8 ? 8000 : 600); ++i) {
      const TestKey key = random_key();
      ASSERT_EQ(keys.insert(key).second,
                tree.Insert(NewEntry(&tree, key.user_key, key.sequence)));
    }
    const bool forward = round % 2 == 0;
    const auto step = [&](KeySet::const_iterator it) {
      return forward              ? std::next(it)
             : it == keys.begin() ? keys.end()
                                  : std::prev(it);
    };
    ArtIterator iter(&tree);
    if (forward) {
      iter.SeekToFirst();
    } else {
      iter.SeekToLast();
    }
    auto it = keys.find(KeyOf(iter.entry()));
    while (it != keys.end()) {
      // Not far from where it stands, and often right behind that.
      const auto next = step(it);
      for (int i = 0; i < 3 && random() % 4 == 0; ++i) {
        TestKey near = random() % 2 == 0 || next == keys.end() ? *it : *next;
        near.user_key.resize(random() % (near.user_key.size() + 1));
        for (size_t n = random() % 3; n > 0; --n) {
          near.user_key.push_back(static_cast<char>(random() % symbols));
        }
        if (keys.insert(near).second) {
          ASSERT_TRUE(
              tree.Insert(NewEntry(&tree, near.user_key, near.sequence)));
        }
      }
      it = step(it);
      if (forward) {
        iter.Next();
      } else {
        iter.Prev();
      }
      ASSERT_EQ(it != keys.end(), iter.Valid()) << "round " << round;
      if (iter.Valid()) {
        ASSERT_EQ(*it, KeyOf(iter.entry())) << "round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
