// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// One tree, from the first insert to the last, under writers and readers at
// once.
//
// The idea is that of RocksDB's test of InlineSkipList.  What will be inserted
// is known beforehand, as a list in the tree's order, and an entry says where
// in it it stands, under a hash.  Writers publish how far they are.  A reader
// notes that before it seeks; whatever it steps over afterwards must not have
// been there.
//
// Thread safety: a Round may be used from its writers' and readers' threads.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

inline uint64_t Hash(const std::string& key, uint64_t sequence,
                     uint64_t place) {
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

// kBatches: together, each with a writer buffer.
enum class Writing { kTogether, kBatches, kAlone };

inline const char* NameOf(Writing writing) {
  constexpr const char* kNames[] = {"Together", "Batches", "Alone"};
  return kNames[static_cast<int>(writing)];
}

struct Load {
  const char* name;
  Shape shape;
  int keys;
  int inserts;
};

inline constexpr Load kLoads[] = {
    {"Random", Shape::kRandom, 3000, 6000},
    {"FewSymbols", Shape::kFewSymbols, 1000, 4000},
    {"DeepPrefixes", Shape::kDeepPrefixes, 120, 1500},
    {"HotKey", Shape::kHotKey, 3, 6000},
    {"OneNode", Shape::kOneNode, 256, 1500},
    {"OnePath", Shape::kOnePath, 128, 1500},
    {"Comb", Shape::kComb, 2000, 4000},
};

inline std::string Name(Shape shape, std::mt19937_64* random) {
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

inline constexpr size_t kWriters = 3;

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
    if (writing != Writing::kAlone && random() % 2 == 0) {
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
    const size_t i = writer.begun.load(std::memory_order_relaxed);
    if (i == writer.places.size()) {
      FinishBatch(&writer);
      finished_.fetch_add(std::exchange(writer.finished, true) ? 0 : 1);
      return false;
    }
    writer.begun.store(i + 1, std::memory_order_relaxed);
    EXPECT_TRUE(Insert(&writer, NewEntry(writer.places[i])));
    if (writing_ != Writing::kBatches || (*random)() % 24 == 0) {
      FinishBatch(&writer);
    }
    if ((*random)() % 16 == 0) {
      EXPECT_FALSE(
          Insert(&writer, NewEntry(writer.places[(*random)() % (i + 1)])));
    }
    return true;
  }

  // The place of the entry, which must be whole, and begun to be inserted.
  void CheckEntry(const char* entry, size_t* place) const {
    const ArtKey key(entry, order_);
    const uint8_t* behind = key.data() + key.user_size() + 8;
    *place = LoadFixed64(behind);
    ASSERT_LT(*place, plan_.size());
    const Planned& planned = plan_[*place];
    ASSERT_EQ(planned.key, KeyOf(entry));
    ASSERT_EQ(Hash(planned.key.user_key, planned.key.sequence, *place),
              LoadFixed64(behind + 8));
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
    ArtWriterBuffer buffer;
    bool finished = false;
  };

  bool Insert(Writer* writer, ArtRef entry) {
    switch (writing_) {
      case Writing::kAlone:
        return tree_.InsertSingleWriter(entry);
      case Writing::kBatches:
        return tree_.InsertInBatch(entry, &writer->buffer);
      case Writing::kTogether:
        break;
    }
    return tree_.Insert(entry);
  }

  // All that has begun is done.
  void FinishBatch(Writer* writer) {
    tree_.FinishBatch(&writer->buffer);
    writer->done.store(writer->begun.load(std::memory_order_relaxed),
                       std::memory_order_release);
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

}  // namespace art_test
}  // namespace memkv
