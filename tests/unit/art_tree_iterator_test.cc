// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Walks in a tree that changes, and entries that wait to be inserted.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/util/art_scaffold.h"

namespace memkv {
namespace art_test {

using ArtIteratorTest = ArtScaffoldTest;
using ArtInsertSingleWriterTest = ArtScaffoldTest;
using Set = Scaffold::Set;

// Keys with room between neighbours: bytes are odd multiples of 4.
constexpr int kShapes = 5;

std::string SparseKey(int shape, Random* random) {
  const auto letter = [random](uint64_t letters) {
    return static_cast<char>(4 + 8 * ((*random)() % letters));
  };
  std::string key;
  switch (shape) {
    case 0:  // Nodes of nodes of nodes.
      for (int i = 0; i < 5; ++i) {
        key.push_back(letter(8));
      }
      break;
    case 1:  // Wide.
      key = {letter(31), letter(31)};
      break;
    case 2:  // Farther apart than a node's codes reach.
      for (int i = 0; i < 4; ++i) {
        key.push_back(letter(6));
        key += std::string(260, 'f');
      }
      break;
    case 3:  // Prefixes of each other.
      for (uint64_t i = (*random)() % 12; i > 0; --i) {
        key.push_back(letter(3));
      }
      break;
    default:  // Some behind others.
      for (int i = 0; i < 4; ++i) {
        key.push_back(letter((*random)() % 2 == 0 ? 2 : 20));
        key += std::string(i == 1 ? 70 : 0, 'f');
      }
      break;
  }
  return key;
}

constexpr uint64_t kMiddleSequence = uint64_t{1} << 20;

void FillSparsely(Scaffold* s, int shape, size_t n, Random* random) {
  for (size_t i = 0; i < n; ++i) {
    const uint64_t sequence = kMiddleSequence + (*random)() % 8 * 256;
    s->Insert(SparseKey(shape, random), sequence);
  }
}

// A key between two neighbours, of one of four kinds, if there is one.
constexpr int kBetween = 4;

bool KeyBetween(const TestKey& a, const TestKey& b, int kind, ArtOrder order,
                TestKey* out) {
  *out = a;
  switch (kind) {
    case 0: {  // Leaves both where they leave each other.
      const size_t shorter = std::min(a.user_key.size(), b.user_key.size());
      size_t i = 0;
      while (i < shorter && a.user_key[i] == b.user_key[i]) {
        ++i;
      }
      const auto byte = [i](const TestKey& key) {
        return i < key.user_key.size()
                   ? static_cast<unsigned char>(key.user_key[i])
                   : 0;
      };
      out->user_key.resize(i);
      out->user_key.push_back(static_cast<char>((byte(a) + byte(b)) / 2));
      break;
    }
    case 1:  // Leaves the one at its end.
      if (order == ArtOrder::kReverseBytewise) {
        *out = b;
      }
      out->user_key.push_back('\1');
      break;
    case 2:
      out->sequence -= out->sequence > 0 ? 1 : 0;
      break;
    default:
      *out = b;
      out->sequence += 1;
      break;
  }
  const SlowLess less{order};
  return less(a, *out) && less(*out, b);
}

// ---- Walks ----

TEST_P(ArtIteratorTest, WalksTurnRoundAnywhere) {
  for (int shape = 0; shape < kShapes; ++shape) {
    Scaffold s(GetParam());
    FillSparsely(&s, shape, 700, &random_);
    const std::vector<TestKey> keys(s.sorted().begin(), s.sorted().end());
    const int n = static_cast<int>(keys.size());
    ArtIterator iter(&s.tree());
    // Lengths around those at which the iterator looks ahead.
    for (const int length : {0, 1, 4, 5, 6, 11, 12, 13, 14, 24, 60}) {
      for (int at = 0; at < n; ++at) {
        for (const int step : {1, -1}) {
          int i = at - step * length;
          if (i < 0 || i >= n) {
            continue;
          }
          const auto go = [&](int steps, int by) {
            for (; steps > 0 && iter.Valid(); --steps) {
              by > 0 ? iter.Next() : iter.Prev();
              i += by;
              ASSERT_EQ(i >= 0 && i < n, iter.Valid()) << i;
              if (iter.Valid()) {
                ASSERT_EQ(keys[static_cast<size_t>(i)], KeyOf(iter.entry()));
              }
            }
          };
          const ArtKey key = s.Key(keys[static_cast<size_t>(i)]);
          at % 2 == 0 ? iter.Seek(key) : iter.SeekForPrev(key);
          ASSERT_TRUE(iter.Valid());
          ASSERT_NO_FATAL_FAILURE(go(length, step));
          ASSERT_NO_FATAL_FAILURE(go(1 + at % 4, -step));
          ASSERT_NO_FATAL_FAILURE(go(2 + at % 5, step));
          if (at % 8 == 0) {
            ASSERT_NO_FATAL_FAILURE(go(20, -step));
            ASSERT_NO_FATAL_FAILURE(go(30, step));
          }
        }
      }
    }
  }
}

TEST_P(ArtIteratorTest, RandomZigzagIsExact) {
  for (int shape = 0; shape < kShapes; ++shape) {
    Scaffold s(GetParam());
    FillSparsely(&s, shape, 2000, &random_);
    ArtIterator iter(&s.tree());
    auto at = s.sorted().begin();
    iter.SeekToFirst();
    for (int turn = 0; turn < 3000; ++turn) {
      const bool forward = random_() % 2 == 0;
      for (uint64_t steps = random_() % 40; steps > 0; --steps) {
        if (forward) {
          ++at;
          iter.Next();
        } else {
          at = s.Before(at);
          iter.Prev();
        }
        if (at == s.sorted().end()) {
          ASSERT_FALSE(iter.Valid());
          break;
        }
        ASSERT_TRUE(iter.Valid());
        ASSERT_EQ(*at, KeyOf(iter.entry()));
      }
      if (at == s.sorted().end()) {
        random_() % 2 == 0 ? iter.SeekToRandom(random_()) : iter.SeekToLast();
        ASSERT_TRUE(iter.Valid());
        at = s.sorted().find(KeyOf(iter.entry()));
      }
    }
  }
}

TEST_P(ArtIteratorTest, StepFindsWhatWasInsertedBesideTheIterator) {
  // At every position: walk there, insert before the neighbour, step. Of a
  // walk the iterator may know what comes in the next nodes already.
  for (int shape = 0; shape < kShapes; ++shape) {
    for (int kind = 0; kind < kBetween; ++kind) {
      for (const int walk : {0, 1, 20, 50}) {
        Scaffold s(GetParam());
        FillSparsely(&s, shape, 800, &random_);
        const std::vector<TestKey> keys(s.sorted().begin(), s.sorted().end());
        std::vector<size_t> positions(keys.size());
        for (size_t i = 0; i < positions.size(); ++i) {
          positions[i] = i;
        }
        std::shuffle(positions.begin(), positions.end(), random_);
        uint64_t newest = uint64_t{1} << 30;
        ArtIterator iter(&s.tree());
        for (const size_t position : positions) {
          const bool forward = random_() % 2 == 0;
          auto at = s.sorted().find(keys[position]);
          int steps = 0;
          for (; steps < walk; ++steps) {
            const auto before = forward ? s.Before(at) : std::next(at);
            if (before == s.sorted().end()) {
              break;
            }
            at = before;
          }
          iter.Seek(s.Key(*at));
          for (; steps > 0; --steps) {
            ASSERT_TRUE(iter.Valid());
            forward ? iter.Next() : iter.Prev();
            at = forward ? std::next(at) : s.Before(at);
          }
          ASSERT_TRUE(iter.Valid());
          ASSERT_EQ(*at, KeyOf(iter.entry()));
          const auto next = forward ? std::next(at) : s.Before(at);
          TestKey between;
          if (next != s.sorted().end() &&
              KeyBetween(forward ? *at : *next, forward ? *next : *at, kind,
                         GetParam(), &between)) {
            if (kind < 2 && random_() % 2 == 0) {
              between.sequence = ++newest;
              s.InsertSingleWriter(between.user_key, between.sequence);
            } else {
              s.Insert(between.user_key, between.sequence);
            }
          }
          const auto expected = forward ? std::next(at) : s.Before(at);
          forward ? iter.Next() : iter.Prev();
          ASSERT_NO_FATAL_FAILURE(s.CheckAt(iter, expected, between))
              << "shape " << shape << ", kind " << kind << ", walk " << walk
              << ", from " << *at;
        }
        ASSERT_NO_FATAL_FAILURE(s.CheckTree());
      }
    }
  }
}

TEST_P(ArtIteratorTest, WalkFindsWhatWasInsertedAheadOfIt) {
  for (int shape = 0; shape < kShapes; ++shape) {
    for (const uint64_t seldom : {2, 6, 30}) {
      Scaffold s(GetParam());
      FillSparsely(&s, shape, 500, &random_);
      uint64_t newest = uint64_t{1} << 30;
      ArtIterator iter(&s.tree());
      for (int round = 0; round < 6; ++round) {
        const bool forward = round % 2 == 0;
        // So that the walk ends, whatever comes ahead of it.
        int inserts = 1500;
        forward ? iter.SeekToFirst() : iter.SeekToLast();
        auto at = forward ? s.sorted().begin() : std::prev(s.sorted().end());
        while (at != s.sorted().end()) {
          ASSERT_TRUE(iter.Valid()) << *at;
          ASSERT_EQ(*at, KeyOf(iter.entry()));
          if (inserts > 0 && random_() % seldom == 0) {
            // A burst next to the iterator, or anywhere: nodes grow and split.
            for (uint64_t n = 1 + random_() % 6; n > 0; --n, --inserts) {
              TestKey key{SparseKey(shape, &random_), random_() % 1000};
              const auto next = forward ? std::next(at) : s.Before(at);
              if (random_() % 3 != 0 && next != s.sorted().end()) {
                KeyBetween(forward ? *at : *next, forward ? *next : *at,
                           static_cast<int>(random_() % kBetween), GetParam(),
                           &key);
              }
              random_() % 2 == 0 ? s.Insert(key.user_key, key.sequence)
                                 : s.InsertSingleWriter(key.user_key, ++newest);
            }
          }
          if (forward) {
            iter.Next();
            ++at;
          } else {
            iter.Prev();
            at = s.Before(at);
          }
        }
        ASSERT_FALSE(iter.Valid());
      }
      ASSERT_NO_FATAL_FAILURE(s.CheckTree());
    }
  }
}

// ---- Entries that wait ----

TEST_P(ArtInsertSingleWriterTest, WhoeverReadsFindsWhatWaits) {
  // What a reader says first after some entries were inserted.
  using Reader = std::function<void(Scaffold*)>;
  const auto first = [](Scaffold* s) { return *s->sorted().begin(); };
  const auto last = [](Scaffold* s) { return *s->sorted().rbegin(); };
  const std::vector<Reader> readers = {
      [&](Scaffold* s) {
        const char* got = s->tree().Get(s->Key(first(s)));
        ASSERT_NE(nullptr, got);
        ASSERT_EQ(first(s), KeyOf(got));
      },
      [&](Scaffold* s) { ASSERT_TRUE(s->tree().Contains(s->Key(last(s)))); },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        iter.Seek(s->Key(first(s)));
        ASSERT_NO_FATAL_FAILURE(s->CheckAt(iter, s->sorted().begin(), {}));
      },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        iter.SeekForPrev(s->Key(first(s)));
        ASSERT_NO_FATAL_FAILURE(s->CheckAt(iter, s->sorted().begin(), {}));
      },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        iter.SeekToFirst();
        ASSERT_NO_FATAL_FAILURE(s->CheckAt(iter, s->sorted().begin(), {}));
      },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        iter.SeekToLast();
        ASSERT_NO_FATAL_FAILURE(
            s->CheckAt(iter, std::prev(s->sorted().end()), {}));
      },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        iter.SeekToRandom(7);
        ASSERT_TRUE(iter.Valid());
      },
      [&](Scaffold* s) {
        ArtIterator iter(&s->tree());
        ArtIterator::Disagreement found;
        ASSERT_TRUE(iter.SeekAndCheck(s->Key(last(s)), &found));
        ASSERT_NO_FATAL_FAILURE(
            s->CheckAt(iter, std::prev(s->sorted().end()), {}));
      },
      [&](Scaffold* s) {
        ASSERT_EQ(
            s->sorted().size() - 1,
            s->tree().ApproximateNumEntries(s->Key(first(s)), s->Key(last(s))));
      },
      [](Scaffold* s) {
        std::string reason;
        ASSERT_TRUE(s->tree().Validate(&reason)) << reason;
        ASSERT_EQ(s->sorted().size(), s->tree().NumEntries());
      },
      [](Scaffold* s) {
        s->tree().DrainIfWaiting();
        ASSERT_EQ(s->sorted().size(), s->tree().NumEntries());
      },
  };
  for (size_t reader = 0; reader < readers.size(); ++reader) {
    for (uint64_t waiting = 1; waiting <= 40; ++waiting) {
      for (const bool ascending : {true, false}) {
        Scaffold s(GetParam());
        for (uint64_t i = 1; i <= waiting; ++i) {
          ASSERT_TRUE(s.InsertSingleWriter(
              std::to_string(ascending ? 100 + i : 200 - i), i));
        }
        ASSERT_NO_FATAL_FAILURE(readers[reader](&s))
            << "reader " << reader << ", " << waiting << " entries";
        ASSERT_NO_FATAL_FAILURE(s.CheckAll());
      }
    }
  }
}

TEST_P(ArtInsertSingleWriterTest, StandingIteratorFindsWhatWaits) {
  // Long enough after the last reader, so that entries wait again.
  Scaffold& s = scaffold_;
  uint64_t sequence = 0;
  ASSERT_TRUE(s.InsertSingleWriter("m", ++sequence));
  ArtIterator iter(&s.tree());
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 90; ++i) {
      ASSERT_TRUE(
          s.InsertSingleWriter("away" + std::to_string(random_()), ++sequence));
    }
    const auto at = s.sorted().find({"m", 1});
    iter.Seek(s.Key({"m", 1}));
    ASSERT_TRUE(iter.Valid());
    for (int i = 0; i < 90; ++i) {
      ASSERT_TRUE(
          s.InsertSingleWriter("zoo" + std::to_string(random_()), ++sequence));
    }
    // Right beside, on either side.
    ASSERT_TRUE(
        s.InsertSingleWriter("m" + std::string(40 - round, '\1'), ++sequence));
    ASSERT_TRUE(
        s.InsertSingleWriter("l" + std::string(1 + round, '\xff'), ++sequence));
    if (round % 2 == 0) {
      iter.Next();
      ASSERT_NO_FATAL_FAILURE(s.CheckAt(iter, std::next(at), *at));
    } else {
      iter.Prev();
      ASSERT_NO_FATAL_FAILURE(s.CheckAt(iter, s.Before(at), *at));
    }
  }
  ASSERT_NO_FATAL_FAILURE(s.CheckAll());
}

TEST_P(ArtInsertSingleWriterTest, DuplicatesAreRefusedExactlyWhenEqual) {
  // The scaffold expects of each call what the set says.
  for (int before = 0; before < 40; ++before) {
    Scaffold s(GetParam());
    uint64_t sequence = 100;
    for (int i = 0; i < before; ++i) {
      s.InsertSingleWriter("x" + std::to_string(i), ++sequence);
    }
    EXPECT_TRUE(s.InsertSingleWriter("k", ++sequence));
    // The same again, with it waiting.
    EXPECT_FALSE(s.InsertSingleWriter("k", sequence));
    EXPECT_FALSE(s.Insert("k", sequence));
    // Equal but for the key, or the sequence; older ones, twice.
    EXPECT_TRUE(s.InsertSingleWriter("l", sequence));
    EXPECT_FALSE(s.InsertSingleWriter("l", sequence));
    EXPECT_TRUE(s.InsertSingleWriter("k", sequence - 1));
    EXPECT_TRUE(s.InsertSingleWriter("k", 5));
    EXPECT_FALSE(s.InsertSingleWriter("k", 5));
    EXPECT_TRUE(s.InsertSingleWriter("k", 0));
    EXPECT_FALSE(s.InsertSingleWriter("k", 0));
    // Behind one that was inserted with a higher sequence.
    EXPECT_TRUE(s.Insert("k", sequence + 10));
    EXPECT_FALSE(s.InsertSingleWriter("k", sequence + 10));
    EXPECT_TRUE(s.InsertSingleWriter("k", sequence + 9));
    EXPECT_TRUE(s.InsertSingleWriter("k", sequence + 11));
    EXPECT_FALSE(s.InsertSingleWriter("k", sequence + 11));
    EXPECT_TRUE(s.InsertSingleWriter("k", kArtMaxSequence));
    EXPECT_FALSE(s.InsertSingleWriter("k", kArtMaxSequence));
    EXPECT_TRUE(s.InsertSingleWriter("k", kArtMaxSequence - 1));
    EXPECT_FALSE(s.InsertSingleWriter("x0", 101) && before > 0);
    ASSERT_NO_FATAL_FAILURE(s.CheckAll());
  }
}

TEST_P(ArtInsertSingleWriterTest, EntriesOfOneSequenceWaitUnlessAKeyRepeats) {
  for (const size_t batch : {2, 3, 17, 200, 3000}) {
    Scaffold s(GetParam());
    size_t waited = 0;
    size_t refused = 0;
    uint64_t sequence = 0;
    for (size_t i = 0; i < 6000; ++i) {
      sequence += i % batch == 0 ? 1 : 0;
      const std::string key = std::to_string(i * 7919 % 6007);
      // Of another thread, before or behind the first of the sequence.
      if (random_() % (10 * batch) == 0) {
        s.Insert(random_() % 2 == 0 ? key : "x" + key, sequence);
      }
      s.InsertSingleWriter(key, sequence);
      waited += s.tree().NumEntries() < s.sorted().size() ? 1 : 0;
      // One of the batch again.
      if (random_() % 50 == 0) {
        const size_t back = random_() % (i % batch + 1);
        refused += s.InsertSingleWriter(
                       std::to_string((i - back) * 7919 % 6007), sequence)
                       ? 0
                       : 1;
      }
    }
    EXPECT_GT(waited, 3000u) << batch;
    EXPECT_GT(refused, 80u) << batch;
    ASSERT_NO_FATAL_FAILURE(s.CheckAll());
  }
}

TEST_P(ArtInsertSingleWriterTest, AnyOrderOfKeysGetsInWhole) {
  constexpr int kEntries = 12000;
  const std::vector<std::function<std::string(int)>> kinds = {
      [](int i) { return std::to_string(100000 + i); },
      [](int i) { return std::to_string(200000 - i); },
      [](int i) { return std::to_string(100000 + i * 7919 % kEntries); },
      // Runs that ascend, here and there.
      [](int i) {
        return std::to_string(i / 20 * 7919 % 997) + "/" +
               std::to_string(1000 + i);
      },
      // Few keys, many versions.
      [](int i) { return "hot" + std::to_string(i * 7919 % 7); },
      // One key, then another, in turn.
      [](int i) { return i % 2 == 0 ? std::to_string(i) : "hot"; },
      // Each other's prefixes, or far apart.
      [](int i) {
        return std::string(static_cast<size_t>(i * 31 % 700), 'p') +
               (i % 3 == 0 ? "q" : "");
      },
  };
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    // How often a reader comes between.
    for (const uint64_t seldom : {3, 150, 100000}) {
      Scaffold s(GetParam());
      for (int i = 0; i < kEntries; ++i) {
        ASSERT_TRUE(
            s.InsertSingleWriter(kinds[kind](i), static_cast<uint64_t>(i + 1)));
        if (random_() % seldom == 0) {
          const int other = static_cast<int>(random_() % kEntries);
          const TestKey target{kinds[kind](other),
                               static_cast<uint64_t>(other + 1)};
          ASSERT_EQ(s.sorted().count(target) != 0,
                    s.tree().Contains(s.Key(target)));
        }
      }
      ASSERT_NO_FATAL_FAILURE(s.CheckTree()) << "kind " << kind;
      // So did what Insert does to the same entries.
      for (int i = 0; i < kEntries; i += 97) {
        ASSERT_FALSE(s.Insert(kinds[kind](i), static_cast<uint64_t>(i + 1)));
        ASSERT_NO_FATAL_FAILURE(
            s.CheckSeeks({kinds[kind](i), static_cast<uint64_t>(i)}));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, ArtIteratorTest, ::testing::ValuesIn(kOrders),
                         OrderName);
INSTANTIATE_TEST_SUITE_P(Orders, ArtInsertSingleWriterTest,
                         ::testing::ValuesIn(kOrders), OrderName);

}  // namespace art_test
}  // namespace memkv
