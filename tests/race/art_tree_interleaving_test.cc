// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, forced: a writer is stopped where it has decided
// what to do and has no lock yet, which is where it allocates
// (memtable/art/tree.h, Writers); another changes the tree under it; the first
// goes on and has to notice.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>

#include "tests/race/art_tree_look.h"

namespace memkv {
namespace art_test {
namespace {

// ---- A writer that is stopped where it allocates ----

// Stops the thread that has called Arm() at its next allocation.
class GateAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    char* memory = HeapAllocator::AllocateAligned(bytes);
    std::unique_lock<std::mutex> lock(mutex_);
    begin_ = memory;
    end_ = memory + bytes;
    if (victim_ == std::this_thread::get_id()) {
      victim_ = std::thread::id();
      stopped_ = true;
      memset(memory, kUntouched, bytes);
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
  // True if nobody has written behind the first `bytes` bytes of what the
  // victim waited for.
  bool IsUntouchedBehind(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::all_of(begin_ + bytes, end_,
                       [](char c) { return c == kUntouched; });
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
  static constexpr char kUntouched = 0x5a;

  std::mutex mutex_;
  std::condition_variable changed_;
  // The last block.
  char* begin_ = nullptr;
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

// Whether all were taken for new.
bool InsertOneOrBatch(ArtTree* tree, const std::vector<ArtRef>& entries) {
  if (entries.size() == 1) {
    return tree->Insert(entries[0]);
  }
  ArtWriterBuffer buffer;
  bool inserted = true;
  for (const ArtRef entry : entries) {
    inserted = tree->InsertInBatch(entry, &buffer) && inserted;
  }
  tree->FinishBatch(&buffer);
  return inserted;
}

// To a tree with the keys `first`, starts the insert of `victim` in a thread
// and stops it where it allocates, inserts `others`, lets the victim go on, and
// checks the whole. The keys `behind` are in a batch with the victim's, and
// have descended with it when it is stopped.
void Interleave(ArtOrder order, const std::vector<TestKey>& first,
                const TestKey& victim, const std::vector<TestKey>& others,
                const std::vector<TestKey>& behind = {}) {
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
    std::vector<ArtRef> batch;
    batch.push_back(NewEntry(&tree, victim.user_key, victim.sequence));
    for (const TestKey& key : behind) {
      batch.push_back(NewEntry(&tree, key.user_key, key.sequence));
    }
    gate.UseUp(&tree);
    gate.Arm();
    inserted = InsertOneOrBatch(&tree, batch);
    gate.Finished();
  });
  const bool stopped = gate.AwaitStop();
  stock.GiveBack();
  if (stopped) {
    // Nobody waits for a writer that has stopped: it holds no lock.
    for (const TestKey& key : first) {
      EXPECT_TRUE(tree.Contains(ToArtKey(key, order)));
    }
    // Of a batch some may be in, and are counted with the others.
    EXPECT_TRUE(!behind.empty() || !tree.Contains(ToArtKey(victim, order)));
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
  keys.insert(behind.begin(), behind.end());
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
                         ::testing::ValuesIn(kOrders), ShortOrderName);

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

// A: a batch has descended together; one of its first decides to grow ->
// stopped B:     changes, grows and splits the nodes that the others' paths end
// at A:         finds each path out of date, and starts again for each
TEST_P(ArtTreeInterleavingTest, BatchFindsTheNodesOfAllItsPathsChanged) {
  const std::string far(300, 'q');
  std::vector<TestKey> behind;
  for (int i = 0; i < 15; ++i) {
    const char symbol = static_cast<char>(0xe0 + i);
    behind.push_back(
        {(i % 2 == 0 ? "p" : far) + symbol, static_cast<uint64_t>(i) + 2});
  }
  for (const int full : {4, 8, 16, 32, 56}) {
    std::vector<TestKey> first = Children("p", 0, full);
    for (const TestKey& key : Children(far, 0, full)) {
      first.push_back(key);
    }
    for (const int more : {1, 9, 80}) {
      std::vector<TestKey> others = Children("p", full, full + more);
      for (const TestKey& key : Children(far, full, full + more)) {
        others.push_back(key);
      }
      ASSERT_NO_FATAL_FAILURE(
          Interleave(order(), first, {"p\xdf", 1}, others, behind))
          << full << " " << more;
    }
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
// B:     does so, at a depth above, below, and the same
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

// A: decides to hang a run of the node's items below it -> stopped
// B:     inserts into the run, around it, above, and may split the node itself
// A:         starts again
TEST(ArtTreeChainInterleavingTest, SplitDownwardsFindsAnythingChanged) {
  // In the other order a search for such a key ends elsewhere than where it
  // goes, and the test could not tell what it is about to do.
  const ArtOrder order = ArtOrder::kBytewise;
  std::mt19937_64 random(TestSeed());
  // Close together, so that nodes are full before their codes end.
  const auto random_key = [&random] {
    return TestKey{std::string(random() % 900, 'c'), 1};
  };
  std::vector<TestKey> first;
  TestKey victim;
  {
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    for (;;) {
      ASSERT_LT(first.size(), 900u);
      victim = random_key();
      if (tree.Contains(ToArtKey(victim, order))) {
        continue;
      }
      const size_t depth = PathOf(&tree, victim).size();
      const bool full =
          depth > 1 && MetaAt(&tree, victim, 0).count() == ArtNode::kMaxItems &&
          MetaAt(&tree, victim, 1).count() == ArtNode::kMaxItems;
      size_t nodes = 0;
      ForEachNode(&tree, [&](ArtNodeOwner, size_t) { ++nodes; });
      ASSERT_TRUE(tree.Insert(NewEntry(&tree, victim.user_key, 1)));
      size_t nodes_after = 0;
      ForEachNode(&tree, [&](ArtNodeOwner, size_t) { ++nodes_after; });
      if (full && nodes_after == nodes + 1) {
        break;
      }
      first.push_back(victim);
    }
  }
  // Not more than there are nodes in stock for.
  const size_t at = victim.user_key.size();
  std::vector<TestKey> around;
  for (size_t size = at - std::min<size_t>(at, 20); size < at + 20; size += 5) {
    around.push_back({std::string(size, 'c') + "a", 1});
    around.push_back({std::string(size, 'c'), 2});
  }
  const std::vector<TestKey> one = {around[around.size() / 2]};
  const std::vector<TestKey> beyond = {{std::string(at + 1000, 'c'), 1},
                                       {std::string(at / 2, 'c') + "!", 1}};
  for (const auto& others :
       {one, beyond, around, std::vector<TestKey>{victim}}) {
    ASSERT_NO_FATAL_FAILURE(Interleave(order, first, victim, others));
  }
}

// A: decides to put a node in the place of an entry -> stopped
// B:     is writing the node around that, and it may look like anything
// A:         must not make anything of what it reads there
void PairInANodeBeingWritten(ArtOrder order, std::mt19937_64* random,
                             bool* stopped) {
  GateAllocator gate;
  ArtTree tree(order, &gate);
  KeySet keys(SlowLess{order});
  // Until an entry hangs from a node that has nodes, too.
  TestKey victim;
  ArtNode* node = nullptr;
  while (node == nullptr) {
    ASSERT_LT(keys.size(), 20000u);
    victim = {std::string(1, static_cast<char>((*random)() % 200)) +
                  std::string((*random)() % 20, 'l') +
                  static_cast<char>((*random)() % 256),
              1};
    const std::vector<ArtRef> path = PathOf(&tree, victim);
    if (!path.empty() && MetaAt(&tree, victim, 0).height() > 0 &&
        keys.count(victim) == 0) {
      node = tree.TEST_Arena().NodeAt(path.back());
    } else {
      InsertAll(&tree, {victim}, &keys);
    }
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
  *stopped = gate.AwaitStop();
  if (!*stopped) {
    thread.join();
    return;
  }
  const uint32_t version = node->Version();
  ASSERT_TRUE(node->TryLock(version));
  const ArtNodeOwner owner = ArtNodeOwner::OfLocked(node, version);
  const ArtNode::Meta meta = owner.meta();
  std::vector<std::pair<int, int>> borders;
  for (int i = 0; i < meta.count(); ++i) {
    borders.emplace_back(owner.CodeAt(i), owner.SymbolAt(meta, i));
    owner.SetBorder(meta, i, ArtNode::kVersionCode, 7);
  }
  gate.Open();
  // Time to read it. If it does not, nothing is shown, but nothing is wrong.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (int i = 0; i < meta.count(); ++i) {
    owner.SetBorder(meta, i, borders[i].first, borders[i].second);
  }
  node->Unlock(version);
  thread.join();
  EXPECT_TRUE(inserted);
  // The node it wanted, and two alignments.
  EXPECT_TRUE(gate.IsUntouchedBehind(ArtNode::Bytes(0) + 2 * 16));
  stock.GiveBack();
  keys.insert(victim);
  CheckAll(tree, keys);
}

TEST_P(ArtTreeInterleavingTest, PairingFindsTheNodeBeingWritten) {
  std::mt19937_64 random(TestSeed());
  bool stopped = false;
  // A victim that finds room beside the entry does not stop.
  for (int round = 0; !stopped; ++round) {
    ASSERT_LT(round, 1000);
    ASSERT_NO_FATAL_FAILURE(
        PairInANodeBeingWritten(order(), &random, &stopped));
  }
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
