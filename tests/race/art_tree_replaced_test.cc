// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, forced: the test plays another writer, locks
// nodes and replaces them; and iterators stand in nodes that are replaced, and
// whose memory is used for something else.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "tests/race/art_tree_look.h"

namespace memkv {
namespace art_test {
namespace {

class ArtTreeReplacedTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  ArtOrder order() const { return GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeReplacedTest,
                         ::testing::ValuesIn(kOrders), ShortOrderName);

// ---- The test plays another writer ----

// Runs something in a thread.
class Other {
 public:
  explicit Other(std::function<void()> work)
      : thread_([this, work] {
          begun_.store(true);
          work();
          finished_.store(true);
        }) {
    // So that what is slept afterwards is for the work.
    while (!begun_.load()) {
      std::this_thread::yield();
    }
  }
  bool Finished() const { return finished_.load(); }
  void Join() { thread_.join(); }

 private:
  std::atomic<bool> begun_{false};
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

class ArtTreeLockTest : public ArtTreeReplacedTest {
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
                         ShortOrderName);

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
        EXPECT_TRUE(
            tree_.InsertSingleWriter(NewEntry(&tree_, inside_.user_key, 3)));
        tree_.DrainIfWaiting();
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
  const ArtNode::Meta meta = ArtNodeOwner::AtRest(node_).meta();
  const ArtNode::Meta above_meta = ArtNodeOwner::AtRest(above_).meta();
  ASSERT_LT(meta.node_class() + 1, kArtNodeClasses);
  ArtIterator iter(&tree_);
  iter.Seek(ToArtKey(inside_, order()));
  const ArtRef larger_ref = arena->AllocateNode(meta.node_class() + 1);
  const ArtNodeOwner larger =
      ArtNodeOwner::OfUnreachable(arena->NodeAt(larger_ref));
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
  larger.SetMeta(ArtNode::Meta(word | kept));
  larger.AppendFrom(ArtNodeOwner::OfLocked(node_, version), 0, meta.count());
  const ArtNodeOwner above = ArtNodeOwner::OfLocked(above_, above_version);
  int item = 0;
  while (above.RefAt(above_meta, item) != path.back()) {
    ++item;
  }
  above.SetRef(above_meta, item, larger_ref);
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

TEST_P(ArtTreeReplacedTest, IteratorsStandInANodeUsedForAnotherPlace) {
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

TEST_P(ArtTreeReplacedTest, IteratorsStandInANodeUsedForEntries) {
  HeapAllocator allocator;
  ArtTree tree(order(), &allocator);
  KeySet keys(SlowLess{order()});
  ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children("a", 0, 64), &keys));
  const ArtRef ref = PathOf(&tree, *keys.begin()).back();
  const char* const node = tree.TEST_Arena().Resolve(ref);
  const size_t bytes = ArtNode::Bytes(kArtNodeClasses - 1);
  Standing standing(&tree, keys);
  ASSERT_EQ(ArtNode::kMaxItems,
            ArtNodeOwner::AtRest(tree.TEST_Arena().NodeAt(ref)).meta().count());
  ASSERT_NO_FATAL_FAILURE(InsertAll(&tree, Children("a", 64, 65), &keys));

  bool used = false;
  for (uint64_t sequence = 2; sequence < 40; ++sequence) {
    // Of bytes that are no code, no symbol and no reference.
    const std::string user_key(80, '\xff');
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
TEST_P(ArtTreeReplacedTest, AStepSeesWhatWasInsertedBeforeIt) {
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
