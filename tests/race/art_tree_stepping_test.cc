// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree under concurrency, an instruction at a time. A thread is stopped
// anywhere in an operation, by the processor's trap flag; another one changes
// the tree, in ways that use memory again; the first goes on. So every order of
// one operation and one burst of inserts is tried, not only those that happen.
//
// MEMKV_RACE_SECONDS says how long all that may take; with some minutes, every
// instruction has its turn.

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_stopper.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {
namespace {

using KeySet = std::set<TestKey, SlowLess>;

#if defined(MEMKV_STEPPING)

// A tree with what was there before the operation, and what came meanwhile.
class Scene {
 public:
  Scene(ArtOrder order, uint64_t seed)
      : random_(seed),
        tree_(order, &allocator_),
        before_(SlowLess{order}),
        all_(SlowLess{order}) {
    // From one node, or less, to three levels.
    static constexpr int kSizes[] = {1, 2, 4, 9, 40, 64, 65, 300, 2500};
    const int size = kSizes[random_() % 9];
    symbols_ = random_() % 2 == 0 ? 256 : 3;
    far_ = random_() % 4 == 0;
    for (int i = 0; i < size; ++i) {
      Add(RandomKey(), false);
    }
    before_ = all_;
    near_ = *std::next(all_.begin(),
                       static_cast<std::ptrdiff_t>(random_() % all_.size()));
    burst_ = 1 + random_() % (random_() % 2 == 0 ? 4 : 150);
  }

  ArtTree& tree() { return tree_; }
  ArtOrder order() const { return tree_.order(); }
  const KeySet& before() const { return before_; }
  // A key that is there, and that what comes meanwhile comes near to.
  const TestKey& near() const { return near_; }
  uint64_t Random() { return random_(); }

  TestKey RandomKey() {
    std::string key;
    if (far_ && random_() % 2 == 0) {
      key.assign(random_() % 2 == 0 ? 300 : random_() % 300, '\x01');
    }
    for (size_t n = random_() % 7; n > 0; --n) {
      key.push_back(static_cast<char>(random_() % symbols_));
    }
    return TestKey{key, 2 + random_() % 5};
  }
  TestKey KeyNear() {
    TestKey key = near_;
    key.user_key.resize(random_() % (key.user_key.size() + 1));
    key.user_key += RandomKey().user_key.substr(0, 3);
    key.sequence = 2 + random_() % 5;
    return key;
  }

  // Not what the operation itself is about to insert.
  void Burst(const TestKey* except) {
    for (size_t i = 0; i < burst_; ++i) {
      const TestKey key = random_() % 2 == 0 ? KeyNear() : RandomKey();
      if (except == nullptr || !(key == *except)) {
        Add(key, false);
      }
    }
  }
  // The sequence makes the entry wait.
  void AddWaiting(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      Add({KeyNear().user_key, ++newest_}, true);
    }
  }
  void NoteInserted(const TestKey& key) { all_.insert(key); }
  void NoteBefore() { before_ = all_; }

  // An entry that has bytes behind it which are nothing.
  ArtRef NewLongEntry(const TestKey& key) {
    const size_t size = key.user_key.size() + 8;
    std::string bytes;
    AppendVarint32(&bytes, static_cast<uint32_t>(size));
    bytes += key.user_key;
    for (int i = 0; i < 8; ++i) {
      bytes.push_back(static_cast<char>((key.sequence << 8) >> (8 * i)));
    }
    bytes.append(random_() % 100, '\xff');
    char* entry = nullptr;
    const ArtRef ref = tree_.AllocateEntry(bytes.size(), &entry);
    memcpy(entry, bytes.data(), bytes.size());
    return ref;
  }

  // From before, nothing lies in (from, to); nullptr: there is no end. `to` is
  // one of all.
  void CheckStep(const TestKey* from, const TestKey* to) const {
    const SlowLess less{tree_.order()};
    if (from != nullptr && to != nullptr) {
      ASSERT_TRUE(less(*from, *to)) << *from << " " << *to;
    }
    const auto it =
        from == nullptr ? before_.begin() : before_.upper_bound(*from);
    ASSERT_TRUE(it == before_.end() || (to != nullptr && !less(*it, *to)))
        << "missed " << *it;
  }
  void CheckIsThere(const TestKey& key) const {
    ASSERT_EQ(1u, all_.count(key)) << key;
  }

  void CheckAtRest() {
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    ASSERT_EQ(all_.size(), tree_.NumEntries());
    ArtIterator iter(&tree_);
    iter.SeekToFirst();
    for (const TestKey& key : all_) {
      ASSERT_TRUE(iter.Valid());
      ASSERT_EQ(key, KeyOf(iter.entry()));
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid());
  }

 private:
  void Add(const TestKey& key, bool waits) {
    const ArtRef entry = NewLongEntry(key);
    ASSERT_EQ(all_.insert(key).second,
              waits ? tree_.InsertSingleWriter(entry) : tree_.Insert(entry))
        << key;
  }

  std::mt19937_64 random_;
  HeapAllocator allocator_;
  ArtTree tree_;
  KeySet before_;
  KeySet all_;
  TestKey near_;
  size_t symbols_;
  bool far_;
  size_t burst_;
  uint64_t newest_ = 100;
};

class ArtTreeSteppingTest : public ::testing::TestWithParam<ArtOrder> {
 protected:
  // What is given a scene makes an operation, and a check of it.
  struct Act {
    Act(std::function<void()> work_arg, std::function<void()> check_arg,
        std::function<void()> meanwhile_arg = nullptr,
        const TestKey* inserts_arg = nullptr)
        : work(std::move(work_arg)),
          check(std::move(check_arg)),
          meanwhile(std::move(meanwhile_arg)),
          inserts(inserts_arg) {}

    std::function<void()> work;
    std::function<void()> check;
    // Instead of inserts.
    std::function<void()> meanwhile;
    // What the operation itself inserts.
    const TestKey* inserts;
  };

  void Play(const std::function<Act(Scene*)>& prepare) {
    PlayOften([&](uint64_t seed, long at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", instruction " +
                   std::to_string(at));
      long count = 0;
      PlayOnce(seed, at, prepare, &count);
      return count;
    });
  }

 private:
  static void PlayOnce(uint64_t seed, long at,
                       const std::function<Act(Scene*)>& prepare, long* count) {
    Scene scene(GetParam(), seed);
    const Act act = prepare(&scene);
    *count = Stopper::Run(at, act.work, [&] {
      if (act.meanwhile) {
        act.meanwhile();
      } else {
        scene.Burst(act.inserts);
      }
    });
    ASSERT_NO_FATAL_FAILURE(act.check());
    if (act.inserts != nullptr) {
      scene.NoteInserted(*act.inserts);
    }
    ASSERT_NO_FATAL_FAILURE(scene.CheckAtRest());
  }
};

INSTANTIATE_TEST_SUITE_P(Orders, ArtTreeSteppingTest,
                         ::testing::ValuesIn(kOrders), ShortOrderName);

TEST_P(ArtTreeSteppingTest, Get) {
  const char* entry;
  Play([&](Scene* scene) {
    return Act{[=, &entry] {
                 entry =
                     scene->tree().Get(ToArtKey(scene->near(), scene->order()));
               },
               [=, &entry] {
                 ASSERT_NE(nullptr, entry);
                 ASSERT_EQ(scene->near(), KeyOf(entry));
               }};
  });
}

TEST_P(ArtTreeSteppingTest, GetOfWhatIsNotThere) {
  const char* entry;
  TestKey key;
  Play([&](Scene* scene) {
    key = scene->KeyNear();
    key.sequence = scene->Random() % 8;
    return Act{
        [=, &entry, &key] {
          entry = scene->tree().Get(ToArtKey(key, scene->order()));
        },
        [=, &entry, &key] {
          auto it = scene->before().lower_bound(key);
          if (entry == nullptr) {
            ASSERT_TRUE(it == scene->before().end() ||
                        it->user_key != key.user_key);
            return;
          }
          const TestKey found = KeyOf(entry);
          ASSERT_EQ(key.user_key, found.user_key);
          ASSERT_LE(found.sequence, key.sequence);
          scene->CheckIsThere(found);
          if (it != scene->before().end() && it->user_key == key.user_key) {
            ASSERT_GE(found.sequence, it->sequence);
          }
        }};
  });
}

TEST_P(ArtTreeSteppingTest, Contains) {
  bool there;
  bool not_there;
  Play([&](Scene* scene) {
    return Act{[=, &there, &not_there] {
                 const ArtTree& tree = scene->tree();
                 TestKey key = scene->near();
                 there = tree.Contains(ToArtKey(key, scene->order()));
                 key.sequence = 1;
                 not_there = tree.Contains(ToArtKey(key, scene->order()));
               },
               [&there, &not_there] {
                 ASSERT_TRUE(there);
                 ASSERT_FALSE(not_there);
               }};
  });
}

TEST_P(ArtTreeSteppingTest, Seek) {
  std::unique_ptr<ArtIterator> iter;
  TestKey key;
  Play([&](Scene* scene) {
    iter = std::make_unique<ArtIterator>(&scene->tree());
    key = scene->KeyNear();
    // Behind every other version, and not there.
    key.sequence = 1;
    return Act{[=, &iter, &key] { iter->Seek(ToArtKey(key, scene->order())); },
               [=, &iter, &key] {
                 TestKey found;
                 if (iter->Valid()) {
                   found = KeyOf(iter->entry());
                   ASSERT_NO_FATAL_FAILURE(scene->CheckIsThere(found));
                 }
                 scene->CheckStep(&key, iter->Valid() ? &found : nullptr);
               }};
  });
}

TEST_P(ArtTreeSteppingTest, SeekForPrev) {
  std::unique_ptr<ArtIterator> iter;
  TestKey key;
  Play([&](Scene* scene) {
    iter = std::make_unique<ArtIterator>(&scene->tree());
    key = scene->KeyNear();
    key.sequence = 1;
    return Act{
        [=, &iter, &key] { iter->SeekForPrev(ToArtKey(key, scene->order())); },
        [=, &iter, &key] {
          TestKey found;
          if (iter->Valid()) {
            found = KeyOf(iter->entry());
            ASSERT_NO_FATAL_FAILURE(scene->CheckIsThere(found));
          }
          const auto next = scene->before().lower_bound(key);
          scene->CheckStep(iter->Valid() ? &found : nullptr,
                           next == scene->before().end() ? nullptr : &*next);
        }};
  });
}

TEST_P(ArtTreeSteppingTest, SeekToEdgeAndToRandom) {
  std::unique_ptr<ArtIterator> iter;
  std::vector<const char*> found;
  Play([&](Scene* scene) {
    iter = std::make_unique<ArtIterator>(&scene->tree());
    found.assign(3, nullptr);
    return Act{[&iter, &found] {
                 iter->SeekToFirst();
                 found[0] = iter->entry();
                 iter->SeekToLast();
                 found[1] = iter->entry();
                 iter->SeekToRandom(7);
                 found[2] = iter->entry();
               },
               [=, &found] {
                 const TestKey first = KeyOf(found[0]);
                 const TestKey last = KeyOf(found[1]);
                 scene->CheckStep(nullptr, &first);
                 scene->CheckStep(&last, nullptr);
                 scene->CheckIsThere(first);
                 scene->CheckIsThere(last);
                 scene->CheckIsThere(KeyOf(found[2]));
               }};
  });
}

// Enough steps to look ahead, out of a node and into the next.
TEST_P(ArtTreeSteppingTest, Walk) {
  constexpr int kSteps = 40;
  std::unique_ptr<ArtIterator> iter;
  std::vector<const char*> walked;
  Play([&](Scene* scene) {
    const bool forward = scene->Random() % 2 == 0;
    // What comes meanwhile comes where the walk is then.
    const uint64_t lead = scene->Random() % kSteps;
    iter = std::make_unique<ArtIterator>(&scene->tree());
    iter->Seek(ToArtKey(scene->near(), scene->order()));
    for (uint64_t i = 0; i < lead && iter->Valid(); ++i) {
      forward ? iter->Prev() : iter->Next();
    }
    if (!iter->Valid()) {
      forward ? iter->SeekToFirst() : iter->SeekToLast();
    }
    walked.assign(1, iter->entry());
    walked.reserve(kSteps + 1);
    return Act{[=, &iter, &walked] {
                 for (int i = 0; i < kSteps && iter->Valid(); ++i) {
                   forward ? iter->Next() : iter->Prev();
                   walked.push_back(iter->Valid() ? iter->entry() : nullptr);
                 }
               },
               [=, &walked] {
                 for (size_t i = 1; i < walked.size(); ++i) {
                   const TestKey from = KeyOf(walked[i - 1]);
                   TestKey to;
                   const TestKey* end = nullptr;
                   if (walked[i] != nullptr) {
                     to = KeyOf(walked[i]);
                     end = &to;
                     ASSERT_NO_FATAL_FAILURE(scene->CheckIsThere(to));
                   }
                   ASSERT_NO_FATAL_FAILURE(forward
                                               ? scene->CheckStep(&from, end)
                                               : scene->CheckStep(end, &from));
                 }
               }};
  });
}

TEST_P(ArtTreeSteppingTest, Insert) {
  ArtRef entry;
  bool inserted;
  TestKey key;
  Play([&](Scene* scene) {
    key = scene->KeyNear();
    key.sequence = 1;
    entry = scene->NewLongEntry(key);
    return Act{
        [=, &entry, &inserted] { inserted = scene->tree().Insert(entry); },
        [&inserted] { ASSERT_TRUE(inserted); }, nullptr, &key};
  });
}

// Two insert the same.
TEST_P(ArtTreeSteppingTest, InsertOfEquals) {
  ArtRef entries[2];
  bool inserted[2];
  TestKey key;
  Play([&](Scene* scene) {
    key = scene->KeyNear();
    key.sequence = 1;
    entries[0] = scene->NewLongEntry(key);
    entries[1] = scene->NewLongEntry(key);
    inserted[1] = false;
    return Act{[=, &entries, &inserted] {
                 inserted[0] = scene->tree().Insert(entries[0]);
               },
               [=, &entries, &inserted] {
                 inserted[1] = inserted[1] || scene->tree().Insert(entries[1]);
                 ASSERT_NE(inserted[0], inserted[1]);
               },
               [=, &entries, &inserted, &key] {
                 scene->Burst(&key);
                 inserted[1] = scene->tree().Insert(entries[1]);
               },
               &key};
  });
}

// A reader lets entries in that wait, while their writer goes on, and the ring
// goes round.
TEST_P(ArtTreeSteppingTest, Help) {
  const char* entry;
  Play([&](Scene* scene) {
    scene->AddWaiting(1 + scene->Random() % (scene->Random() % 2 * 12 + 3));
    scene->NoteBefore();
    const size_t more = 1 + scene->Random() % 100;
    return Act{[=, &entry] {
                 entry =
                     scene->tree().Get(ToArtKey(scene->near(), scene->order()));
               },
               [=, &entry] {
                 ASSERT_NE(nullptr, entry);
                 ASSERT_EQ(scene->near(), KeyOf(entry));
               },
               [=] { scene->AddWaiting(more); }};
  });
}

// Searches of a node, each of which gets to an end, and stays within the node,
// whatever is written meanwhile.
TEST_P(ArtTreeSteppingTest, Search) {
  constexpr int kClass = kArtNodeClasses - 1;
  alignas(64) static char memory[ArtNode::Bytes(kClass) + 64];
  PlayOften([&](uint64_t seed, long at) {
    std::mt19937_64 random(seed);
    // The test plays the reader and the writer.
    const ArtNodeOwner node =
        ArtNodeOwner::OfUnreachable(new (memory) ArtNode(kClass));
    node.SetMeta(ArtNode::Meta(0, 1, kClass, 0, ArtNode::kNoCode));
    const auto insert = [&] {
      const int item = static_cast<int>(
          random() % static_cast<uint64_t>(node.meta().count()));
      node.Insert(item, item + 1, static_cast<int>(random() % 40),
                  static_cast<int>(random() % 256), 8);
    };
    for (uint64_t n = 2 + random() % 50; n > 0; --n) {
      insert();
    }
    std::string user_key;
    for (int i = 0; i < 50; ++i) {
      user_key.push_back(static_cast<char>(random() % 256));
    }
    const ArtKey key(user_key.data(), user_key.size(), 1, GetParam());
    const ArtNode::Meta meta = node.meta();
    // Those the machine would not take by itself, too.
    const uint64_t kind = random() % 3;
    const bool simd =
        GetParam() == ArtOrder::kBytewise && kSimd != Simd::kScalar;
    const bool scrap = random() % 2 == 0;
    int found = -1;
    const long count = Stopper::Run(
        at,
        [&] {
          found = kind == 0 && simd ? node.SearchAvx2(key, meta)
                  : kind == 1       ? node.SearchScalar(key, meta)
                                    : node.Search(key, meta);
        },
        [&] {
          if (scrap) {
            for (size_t i = sizeof(ArtNode); i < ArtNode::Bytes(kClass); ++i) {
              memory[i] = static_cast<char>(random());
            }
            return;
          }
          for (uint64_t n = 1 + random() % 10; n > 0; --n) {
            insert();
          }
        });
    EXPECT_GE(found, 0);
    EXPECT_LT(found, meta.count());
    return count;
  });
}

#else

TEST(ArtTreeSteppingTest, NeedsATrapFlag) { GTEST_SKIP(); }

#endif

}  // namespace
}  // namespace art_test
}  // namespace memkv
