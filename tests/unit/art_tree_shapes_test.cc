// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtTree with keys of every shape, in every order of arrival: that it is
// right, that it is no deeper than memtable/art/tree.h says, that no insert
// changes many nodes, and that ranges are estimated well. Nodes are counted,
// not time.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/util/art_scaffold.h"
#include "tests/util/random_bytes.h"

namespace memkv {
namespace art_test {
namespace {

using Keys = std::vector<std::string>;

struct KeyShape {
  const char* name;
  std::function<Keys(Random*)> make;
  // The most nodes on a path.
  size_t depth;
};

Keys Chain(size_t n, size_t step) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    keys.emplace_back(i * step, 'x');
  }
  return keys;
}

// A path of n steps, with these branches at each.
Keys Comb(size_t n, const std::vector<std::string>& teeth) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    for (const std::string& tooth : teeth) {
      keys.push_back(std::string(i, 'm') + tooth);
    }
  }
  return keys;
}

// A path of n steps that goes anywhere.
Keys CrookedComb(size_t n, Random* random) {
  Keys keys;
  std::string path;
  for (size_t i = 0; i < n; ++i) {
    keys.push_back(path + static_cast<char>('a' + (*random)() % 26));
    path.push_back(static_cast<char>('a' + (*random)() % 26));
  }
  return keys;
}

// Every prefix of phrases of a few words.
Keys Phrases(size_t n, Random* random) {
  const char* const words[] = {"the ", "tree ", "trees ", "of ",    "often ",
                               "node", "nodes", "is ",    "island", "a "};
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    std::string phrase;
    for (int word = 0; word < 8; ++word) {
      phrase += words[(*random)() % std::size(words)];
    }
    for (size_t size = 0; size <= phrase.size(); ++size) {
      keys.push_back(phrase.substr(0, size));
    }
  }
  return keys;
}

Keys Pairs(size_t n, size_t common, Random* random) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    const std::string prefix = RandomBytes(random, common);
    keys.push_back(prefix + "a");
    keys.push_back(prefix + "b");
  }
  return keys;
}

// Mostly the same symbol, so that few branches lead to most keys.
Keys Skewed(size_t n, Random* random) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    std::string key;
    while ((*random)() % 16 != 0) {
      key.push_back((*random)() % 8 != 0
                        ? 'a'
                        : static_cast<char>('a' + (*random)() % 26));
    }
    keys.push_back(key);
  }
  return keys;
}

Keys Words(size_t n, Random* random) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) {
    keys.push_back(RandomBytes(random, 8));
  }
  return keys;
}

Keys Streams(size_t streams, size_t n) {
  Keys keys;
  for (size_t i = 0; i < streams * n; ++i) {
    keys.push_back("stream" + std::to_string(i % streams) + "/" +
                   std::to_string(100000 + i / streams));
  }
  return keys;
}

Keys ChainAmongWords(Random* random) {
  Keys keys = Words(20000, random);
  for (std::string& key : Comb(700, {"", "a", "z"})) {
    keys.push_back(std::move(key));
  }
  return keys;
}

// The bounds of chains are a thirtieth of their branches and some; of far ones,
// a node for each.
const std::vector<KeyShape>& Shapes() {
  static const std::vector<KeyShape> shapes = {
      {"Chain", [](Random*) { return Chain(1500, 1); }, 1500 / 30 + 10},
      {"ChainInSteps", [](Random*) { return Chain(600, 20); }, 600 / 4 + 10},
      {"FarChain", [](Random*) { return Chain(100, 250); }, 101},
      {"Comb",
       [](Random*) {
         return Comb(600, {"a", "z"});
       },
       1200 / 30 + 10},
      {"CombWithTeeth",
       [](Random*) {
         return Comb(400, {"at", "bt", "xt", "yt"});
       },
       1600 / 30 + 10},
      {"CrookedComb", [](Random* r) { return CrookedComb(1500, r); },
       1500 / 20 + 10},
      {"Phrases", [](Random* r) { return Phrases(100, r); }, 20},
      {"Pairs", [](Random* r) { return Pairs(1000, 300, r); }, 8},
      {"FarPairs", [](Random* r) { return Pairs(20, 20000, r); }, 8},
      {"Skewed", [](Random* r) { return Skewed(4000, r); }, 12},
      {"OneByte",
       [](Random*) {
         Keys keys = {""};
         for (int c = 0; c < 256; ++c) {
           keys.emplace_back(1, static_cast<char>(c));
         }
         return keys;
       },
       5},
      {"Words", [](Random* r) { return Words(4000, r); }, 6},
      {"Streams", [](Random*) { return Streams(7, 500); }, 8},
      {"ChainAmongWords", ChainAmongWords, 2100 / 30 + 10},
  };
  return shapes;
}

enum class Arrival { kAscending, kDescending, kShuffled, kNearlySorted };

class ArtTreeShapesTest
    : public ::testing::TestWithParam<std::tuple<size_t, Arrival, ArtOrder>> {
 protected:
  ArtTreeShapesTest() : random_(TestSeed()) {
    keys_ = shape().make(&random_);
    if (arrival() == Arrival::kShuffled) {
      // Streams stay as they are made: each of them ascends.
      if (std::string(shape().name) != "Streams") {
        std::shuffle(keys_.begin(), keys_.end(), random_);
      }
      return;
    }
    std::sort(keys_.begin(), keys_.end());
    if (arrival() == Arrival::kDescending) {
      std::reverse(keys_.begin(), keys_.end());
    }
    if (arrival() == Arrival::kNearlySorted) {
      for (size_t i = 0; i + 1 < keys_.size(); ++i) {
        const size_t near = std::min<size_t>(20, keys_.size() - i);
        std::swap(keys_[i], keys_[i + random_() % near]);
      }
    }
  }

  const KeyShape& shape() const { return Shapes()[std::get<0>(GetParam())]; }
  Arrival arrival() const { return std::get<1>(GetParam()); }
  ArtOrder order() const { return std::get<2>(GetParam()); }

  Random random_;
  Keys keys_;
};

TEST_P(ArtTreeShapesTest, TreeIsRightAndNoDeeperThanItSays) {
  Scaffold s(order());
  uint64_t sequence = 0;
  size_t checked = 0;
  for (const std::string& key : keys_) {
    ++sequence;
    // In turn one by one, and in batches that wait.
    if (sequence / 256 % 2 == 0) {
      ASSERT_TRUE(s.InsertSingleWriter(key, sequence));
    } else {
      ASSERT_TRUE(s.Insert(key, sequence));
    }
    if (sequence >= 2 * checked) {
      checked = sequence;
      ASSERT_NO_FATAL_FAILURE(s.CheckTree()) << sequence;
    }
  }
  ASSERT_NO_FATAL_FAILURE(s.CheckTree());
  // A symbol of the reverse order is two, so a step may be.
  const size_t more = order() == ArtOrder::kBytewise ? 1 : 2;
  EXPECT_LE(s.Depth(), more * shape().depth);
  for (int i = 0; i < 200; ++i) {
    std::string key = keys_[random_() % keys_.size()];
    ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({key, random_() % (2 * sequence)}));
    key.resize(random_() % (key.size() + 1));
    ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({key, kArtMaxSequence}));
    key.push_back(static_cast<char>(random_()));
    ASSERT_NO_FATAL_FAILURE(s.CheckSeeks({key, 1}));
  }
}

// Every writing of a node raises its version, and a node that is replaced is
// another or has another version: so nodes that were not there before, or in
// another version, are those an insert has changed.
TEST_P(ArtTreeShapesTest, AnInsertChangesFewNodes) {
  HeapAllocator allocator;
  ArtTree tree(order(), &allocator);
  std::map<const ArtNode*, uint32_t> before;
  size_t all = 0;
  const size_t n = std::min<size_t>(keys_.size(), 1500);
  for (size_t i = 0; i < n; ++i) {
    tree.Insert(NewEntry(&tree, keys_[i], i + 1));
    std::map<const ArtNode*, uint32_t> after;
    size_t changed = 0;
    ForEachNode(&tree, [&](ArtNodeOwner owner, size_t) {
      const ArtNode& node = *owner.node();
      after[&node] = node.Version();
      const auto it = before.find(&node);
      changed += it == before.end() || it->second != node.Version() ? 1 : 0;
    });
    before.swap(after);
    all += changed;
    // Four splits, of a node into two or three, and one above them.
    ASSERT_LE(changed, 13u) << "insert " << i;
  }
  EXPECT_LE(all, 4 * n);
}

TEST_P(ArtTreeShapesTest, RangesAreCountedOrEstimatedWell) {
  Scaffold s(order());
  uint64_t sequence = 0;
  for (const std::string& key : keys_) {
    s.InsertSingleWriter(key, ++sequence);
  }
  const std::vector<TestKey> sorted(s.sorted().begin(), s.sorted().end());
  int off = 0;
  constexpr int kRanges = 400;
  for (int i = 0; i < kRanges; ++i) {
    size_t from = random_() % sorted.size();
    size_t to = random_() % sorted.size();
    if (i % 4 == 0) {
      to = from + random_() % (sorted.size() - from);
    } else if (i % 4 == 1) {
      from = random_() % std::min<size_t>(20, sorted.size());
    }
    if (from > to) {
      std::swap(from, to);
    }
    const uint64_t exact = to - from;
    const uint64_t got =
        s.tree().ApproximateNumEntries(s.Key(sorted[from]), s.Key(sorted[to]));
    if (exact <= 256) {
      ASSERT_EQ(exact, got) << sorted[from] << " " << sorted[to];
    }
    ASSERT_LE(got, 4 * exact) << sorted[from] << " " << sorted[to];
    ASSERT_GE(4 * got, exact) << sorted[from] << " " << sorted[to];
    off += got > 2 * exact || 2 * got < exact ? 1 : 0;
  }
  EXPECT_LE(off, kRanges / 50);
  // Bounds that no key is near to: everything.
  const TestKey low = {order() == ArtOrder::kBytewise ? "" : "\xff\xff\xff",
                       kArtMaxSequence};
  const TestKey high = {order() == ArtOrder::kBytewise ? "\xff\xff\xff" : "",
                        0};
  if (!(s.sorted().key_comp()(*s.sorted().begin(), low) ||
        s.sorted().key_comp()(high, *s.sorted().rbegin()))) {
    EXPECT_EQ(sorted.size(),
              s.tree().ApproximateNumEntries(s.Key(low), s.Key(high)));
  }
}

std::string CaseName(
    const ::testing::TestParamInfo<ArtTreeShapesTest::ParamType>& param) {
  const char* const arrivals[] = {"Ascending", "Descending", "Shuffled",
                                  "NearlySorted"};
  return std::string(Shapes()[std::get<0>(param.param)].name) +
         arrivals[static_cast<int>(std::get<1>(param.param))] +
         ShortNameOf(std::get<2>(param.param));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ArtTreeShapesTest,
    ::testing::Combine(::testing::Range<size_t>(0, Shapes().size()),
                       ::testing::Values(Arrival::kAscending,
                                         Arrival::kDescending,
                                         Arrival::kShuffled,
                                         Arrival::kNearlySorted),
                       ::testing::ValuesIn(kOrders)),
    CaseName);

}  // namespace
}  // namespace art_test
}  // namespace memkv
