// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Readers of a Round, each of which knows what it is owed.
//
// Thread safety: a Walker belongs to one thread at a time; a Pool to all.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/race/art_crowd.h"
#include "tests/race/art_tree_race_round.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

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

// `entry` is what a look-up of the key has got that began when so much was
// done.
inline void CheckGot(const Round& round, const TestKey& key,
                     const Progress& done, const char* entry, bool* found) {
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

inline void CheckGet(const Round& round, const TestKey& key, bool* found) {
  Progress done = round.Done();
  const ArtKey sought = ToArtKey(key, round.order());
  const char* const entry = round.tree().Get(sought);
  ASSERT_NO_FATAL_FAILURE(CheckGot(round, key, done, entry, found));
  done = round.Done();
  const ArtKey both[] = {sought, sought};
  const char* entries[] = {nullptr, nullptr};
  round.tree().GetMany(both, 2, entries);
  for (const char* const of_both : entries) {
    ASSERT_NO_FATAL_FAILURE(CheckGot(round, key, done, of_both, found));
  }
}

inline void CheckLookUps(const Round& round, std::mt19937_64* random) {
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

inline void RunRound(Round* round, uint64_t seed) {
  constexpr int kReaders = 3;
  // Of each reader, though the writers may be through before it begins.
  constexpr int kLeastLooks = 20;
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
      int looks = 0;
      do {
        last = round->Finished();
        mine.Work(&random);
        CheckLookUps(*round, &random);
        std::unique_ptr<Walker> borrowed = pool.Take(random());
        borrowed->Work(&random);
        pool.Put(std::move(borrowed));
        ++looks;
      } while ((!last || looks < kLeastLooks) &&
               !::testing::Test::HasFailure());
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

}  // namespace art_test
}  // namespace memkv
