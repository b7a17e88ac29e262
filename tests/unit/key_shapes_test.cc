// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The shapes of keys that benchmarks look for cliffs with: each is what its
// name says; what is asked of them; and the report that counts the cliffs.

#include "db_bench_ext/keys/key_shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/comparison.h"
#include "db_bench_ext/keys/shape_probes.h"

namespace memkv {
namespace {

constexpr double kScale = 0.05;

KeyShape Make(const std::string& name, double scale = kScale,
              uint64_t seed = 7) {
  ShapeOptions options;
  options.scale = scale;
  options.seed = seed;
  const KeyShape shape = MakeShape(name, options);
  EXPECT_EQ(shape.name, name);
  return shape;
}

// The keys in the order of the entries.
std::vector<std::string> Loaded(const KeyShape& shape) {
  std::vector<std::string> keys;
  for (const uint32_t key : shape.entries) {
    keys.push_back(shape.keys[key]);
  }
  return keys;
}

bool IsPrefix(const std::string& prefix, const std::string& key) {
  return key.compare(0, prefix.size(), prefix) == 0;
}

size_t Shared(const std::string& a, const std::string& b) {
  const size_t n = std::min(a.size(), b.size());
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n),
                    b.begin())
          .first -
      a.begin());
}

// The size of the longest ascending subsequence.
size_t LongestAscending(const std::vector<uint32_t>& numbers) {
  std::vector<uint32_t> ends;
  for (const uint32_t n : numbers) {
    const auto at = std::lower_bound(ends.begin(), ends.end(), n);
    if (at == ends.end()) {
      ends.push_back(n);
    } else {
      *at = n;
    }
  }
  return ends.size();
}

bool IsShuffled(const KeyShape& shape) {
  return LongestAscending(shape.entries) < shape.entries.size() / 2;
}

TEST(KeyShapesTest, EveryShapeIsWhatAnIndexCanBeLoadedWith) {
  std::set<std::string> names;
  for (const ShapeInfo& info : ListShapes()) {
    SCOPED_TRACE(info.name);
    EXPECT_TRUE(names.insert(info.name).second);
    EXPECT_FALSE(info.what.empty());
    for (const double scale : {1e-9, 0.01, kScale}) {
      const KeyShape shape = Make(info.name, scale);
      ASSERT_FALSE(shape.keys.empty());
      // Distinct and ascending.
      ASSERT_EQ(std::adjacent_find(shape.keys.begin(), shape.keys.end(),
                                   std::greater_equal<std::string>()),
                shape.keys.end());
      ASSERT_GE(shape.entries.size(), shape.keys.size());
      ASSERT_EQ(shape.entries.size() > shape.keys.size(), info.versions);
      const std::set<uint32_t> used(shape.entries.begin(), shape.entries.end());
      ASSERT_EQ(used.size(), shape.keys.size());
      ASSERT_EQ(*used.rbegin(), shape.keys.size() - 1);
      // No two entries are equal, and no newer version has a lower sequence.
      std::map<uint32_t, uint64_t> last;
      ASSERT_GE(shape.batch, 1u);
      for (size_t i = 0; i < shape.entries.size(); i++) {
        uint64_t& sequence = last[shape.entries[i]];
        ASSERT_LT(sequence, shape.SequenceOf(i));
        sequence = shape.SequenceOf(i);
      }
      double bytes = 0;
      for (const std::string& key : Loaded(shape)) {
        bytes += static_cast<double>(key.size());
      }
      ASSERT_EQ(shape.MeanEntryKeySize(),
                bytes / static_cast<double>(shape.entries.size()));
    }
  }
  EXPECT_GE(names.size(), 20u);
}

TEST(KeyShapesTest, AShapeIsAFunctionOfItsOptions) {
  for (const ShapeInfo& info : ListShapes()) {
    SCOPED_TRACE(info.name);
    const KeyShape shape = Make(info.name, 0.01);
    const KeyShape same = Make(info.name, 0.01);
    EXPECT_EQ(shape.keys, same.keys);
    EXPECT_EQ(shape.entries, same.entries);
  }
  EXPECT_NE(Make("random_binary", 0.01, 1).keys,
            Make("random_binary", 0.01, 2).keys);
  EXPECT_NE(Make("chain_shuffled", 0.01, 1).entries,
            Make("chain_shuffled", 0.01, 2).entries);
}

TEST(KeyShapesTest, ShapesThatSayTheyHaveTheSameKeysHave) {
  std::set<std::vector<std::string>> seen;
  for (const ShapeInfo& info : ListShapes()) {
    SCOPED_TRACE(info.name);
    EXPECT_EQ(seen.insert(Make(info.name, 0.01).keys).second, !info.same_keys);
  }
}

TEST(KeyShapesTest, ScaleIsOfNumbers) {
  for (const char* name : {"random_binary", "chain_up", "hot_key", "sorted"}) {
    SCOPED_TRACE(name);
    const auto small = static_cast<double>(Make(name, 0.01).entries.size());
    const auto large = static_cast<double>(Make(name, 0.04).entries.size());
    EXPECT_NEAR(large / small, 4, 0.1);
  }
  EXPECT_EQ(Make("chain_up", 1).keys.size(), 11300u);
  EXPECT_EQ(Make("hot_key", 1).entries.size(), 200000u);
}

TEST(KeyShapesTest, EveryKeyOfAChainIsAPrefixOfTheNext) {
  const KeyShape up = Make("chain_up");
  for (size_t i = 0; i < up.keys.size(); i++) {
    ASSERT_EQ(up.keys[i].size(), i);
    ASSERT_TRUE(i == 0 || IsPrefix(up.keys[i - 1], up.keys[i]));
    ASSERT_EQ(up.entries[i], i);
  }
  const KeyShape down = Make("chain_down");
  EXPECT_EQ(down.entries,
            std::vector<uint32_t>(up.entries.rbegin(), up.entries.rend()));
  EXPECT_TRUE(IsShuffled(Make("chain_shuffled")));
}

TEST(KeyShapesTest, ACombBranchesAtEveryStep) {
  const KeyShape shape = Make("comb_up");
  std::string spine;
  size_t teeth = 0;
  while (std::binary_search(shape.keys.begin(), shape.keys.end(), spine)) {
    const bool below =
        std::binary_search(shape.keys.begin(), shape.keys.end(), spine + 'a');
    const bool above =
        std::binary_search(shape.keys.begin(), shape.keys.end(), spine + 'z');
    ASSERT_NE(below, above);
    teeth++;
    spine += 'x';
  }
  EXPECT_EQ(2 * teeth, shape.keys.size());
  const std::vector<std::string> loaded = Loaded(shape);
  EXPECT_TRUE(std::is_sorted(loaded.begin(), loaded.end(),
                             [](const std::string& a, const std::string& b) {
                               return a.size() < b.size();
                             }));
  EXPECT_TRUE(IsShuffled(Make("comb_shuffled")));
}

TEST(KeyShapesTest, PhrasesHaveAllTheirPrefixes) {
  const KeyShape shape = Make("phrases");
  for (const std::string& key : shape.keys) {
    ASSERT_FALSE(key.empty());
    ASSERT_TRUE(key.size() == 1 ||
                std::binary_search(shape.keys.begin(), shape.keys.end(),
                                   key.substr(0, key.size() - 1)));
  }
  EXPECT_TRUE(IsShuffled(shape));
}

TEST(KeyShapesTest, PairsShareThreeHundredBytesToAHundredThousand) {
  const KeyShape shape = Make("pairs", 1);
  size_t least = SIZE_MAX;
  size_t most = 0;
  ASSERT_EQ(shape.keys.size() % 2, 0u);
  for (size_t i = 0; i < shape.keys.size(); i += 2) {
    const size_t shared = Shared(shape.keys[i], shape.keys[i + 1]);
    least = std::min(least, shared);
    most = std::max(most, shared);
    ASSERT_EQ(shared + 9, shape.keys[i].size());
    // Pairs share nothing worth the name with each other.
    ASSERT_TRUE(i == 0 || Shared(shape.keys[i - 1], shape.keys[i]) < 8);
  }
  EXPECT_GE(least, 299u);
  EXPECT_LT(least, 400u);
  EXPECT_LE(most, 100000u);
  EXPECT_GT(most, 90000u);
}

TEST(KeyShapesTest, LongPrefixesAreShared) {
  for (const auto& [name, shared] : std::map<std::string, size_t>{
           {"shared_4k", 4096}, {"mebibyte_shared", (1 << 20) - 16}}) {
    SCOPED_TRACE(name);
    const KeyShape shape = Make(name);
    EXPECT_GE(Shared(shape.keys.front(), shape.keys.back()), shared);
    EXPECT_LT(Shared(shape.keys.front(), shape.keys.back()), shared + 3);
  }
  for (const char* name : {"mebibyte", "mebibyte_shared"}) {
    for (const std::string& key : Make(name).keys) {
      ASSERT_EQ(key.size(), size_t{1} << 20);
    }
  }
}

TEST(KeyShapesTest, AHotKeyHasManyVersions) {
  const KeyShape alone = Make("hot_key");
  EXPECT_EQ(alone.keys.size(), 1u);
  EXPECT_EQ(alone.entries.size(), 10000u);
  EXPECT_TRUE(alone.threads);

  const KeyShape others = Make("hot_among_others");
  std::map<uint32_t, size_t> versions;
  for (const uint32_t key : others.entries) {
    versions[key]++;
  }
  size_t hot = 0;
  for (const auto& [key, count] : versions) {
    hot = std::max(hot, count);
    ASSERT_TRUE(count == 1 || count == others.keys.size() + 1);
  }
  EXPECT_EQ(hot, others.keys.size() + 1);

  const KeyShape bytes = Make("one_byte_versions");
  EXPECT_EQ(bytes.entries.size(), 20 * bytes.keys.size());
}

TEST(KeyShapesTest, EqualSequencesAreOfWholeBatches) {
  const KeyShape shape = Make("equal_sequences");
  EXPECT_EQ(shape.batch, 512u);
  EXPECT_EQ(shape.SequenceOf(0), 1u);
  EXPECT_EQ(shape.SequenceOf(511), 1u);
  EXPECT_EQ(shape.SequenceOf(512), 2u);
  EXPECT_GT(shape.entries.size(), 2 * shape.batch);
}

TEST(KeyShapesTest, SortedShapesAreSorted) {
  const KeyShape sorted = Make("sorted");
  const std::vector<std::string> keys = Loaded(sorted);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  const std::vector<std::string> reverse = Loaded(Make("reverse_sorted"));
  EXPECT_EQ(reverse, std::vector<std::string>(keys.rbegin(), keys.rend()));

  const KeyShape nearly = Make("nearly_sorted");
  const auto n = static_cast<double>(nearly.entries.size());
  const auto displaced =
      n - static_cast<double>(LongestAscending(nearly.entries));
  EXPECT_GT(displaced, 0.005 * n);
  EXPECT_LT(displaced, 0.015 * n);
}

TEST(KeyShapesTest, StreamsAscendAndAreInterleaved) {
  const KeyShape shape = Make("streams");
  std::map<std::string, std::string> last;
  size_t changes = 0;
  std::string stream;
  for (const std::string& key : Loaded(shape)) {
    const std::string of = key.substr(0, key.find('/'));
    ASSERT_LT(last[of], key);
    last[of] = key;
    changes += of != stream;
    stream = of;
  }
  EXPECT_EQ(last.size(), 16u);
  EXPECT_GT(changes, shape.entries.size() / 2);
}

TEST(KeyShapesTest, BytesAreWhatTheNameSays) {
  const KeyShape bytes = Make("one_byte");
  ASSERT_EQ(bytes.keys.size(), 256u);
  for (size_t i = 0; i < 256; i++) {
    ASSERT_EQ(bytes.keys[i], std::string(1, static_cast<char>(i)));
  }
  std::set<char> seen;
  for (const std::string& key : Make("extreme_bytes").keys) {
    ASSERT_LE(key.size(), 24u);
    seen.insert(key.begin(), key.end());
  }
  EXPECT_EQ(seen, (std::set<char>{'\0', '\xff'}));
  seen.clear();
  std::set<size_t> sizes;
  for (const std::string& key : Make("random_binary").keys) {
    seen.insert(key.begin(), key.end());
    sizes.insert(key.size());
  }
  EXPECT_EQ(seen.size(), 256u);
  EXPECT_EQ(sizes.size(), 33u);
}

TEST(KeyShapesTest, ANearMissIsOneByteFromAKey) {
  for (const char* name : {"one_byte", "hot_key", "phrases", "chain_up"}) {
    SCOPED_TRACE(name);
    const KeyShape shape = Make(name, 0.01);
    RandomSource random(3);
    for (int i = 0; i < 100; i++) {
      const std::string miss = NearMissOf(shape, &random);
      ASSERT_FALSE(
          std::binary_search(shape.keys.begin(), shape.keys.end(), miss));
      const bool near = std::any_of(
          shape.keys.begin(), shape.keys.end(), [&](const std::string& key) {
            if (key.size() == miss.size()) {
              const size_t at = Shared(key, miss);
              return key.compare(at + 1, std::string::npos, miss, at + 1,
                                 std::string::npos) == 0;
            }
            return key.size() + 1 == miss.size() && IsPrefix(key, miss);
          });
      ASSERT_TRUE(near);
    }
  }
}

TEST(KeyShapesTest, AListOfShapesIsParsedOrRefused) {
  const ShapeOptions options;
  EXPECT_EQ(ParseShapes("all", options).size(), ListShapes().size());
  EXPECT_EQ(ParseShapes("pairs,chain_up", options),
            (std::vector<std::string>{"pairs", "chain_up"}));
  EXPECT_THROW(ParseShapes("", options), Failure);
  for (const double scale : {0.0, -1.0, 101.0, std::nan("")}) {
    ShapeOptions wrong;
    wrong.scale = scale;
    EXPECT_THROW(ParseShapes("all", wrong), Failure) << scale;
  }
  EXPECT_THROW(MakeShape("ball", options), Failure);
  try {
    ParseShapes("pairs,ball", options);
    ADD_FAILURE();
  } catch (const Failure& failure) {
    EXPECT_NE(failure.status().ToString().find("no shape called ball"),
              std::string::npos);
  }
}

// Every answer, by a look at all entries.
TEST(ShapeProbesTest, AnswersAreThoseOfASlowLook) {
  for (const ShapeInfo& info : ListShapes()) {
    SCOPED_TRACE(info.name);
    const KeyShape shape = Make(info.name, 0.001);
    const ShapeProbes probes(shape, 5);
    const std::vector<std::string> loaded = Loaded(shape);

    ASSERT_EQ(probes.sorted.size(), loaded.size());
    uint64_t bytes = 0;
    for (size_t i = 0; i < loaded.size(); i++) {
      bytes += loaded[i].size();
      if (i > 0) {
        const uint32_t before = probes.sorted[i - 1];
        const uint32_t entry = probes.sorted[i];
        ASSERT_TRUE(loaded[before] < loaded[entry] ||
                    (loaded[before] == loaded[entry] &&
                     shape.SequenceOf(before) > shape.SequenceOf(entry)));
      }
    }
    ASSERT_EQ(probes.entry_key_bytes, bytes);
    ASSERT_GE(probes.rounds, 1u);

    ASSERT_GT(probes.hits.size(), 0u);
    ASSERT_EQ(probes.old.size() > 0, info.versions);
    for (const ShapeProbes::Gets* gets : {&probes.hits, &probes.old}) {
      for (size_t i = 0; i < gets->size(); i += 1 + gets->size() / 100) {
        const std::string key(gets->keys[i].data(), gets->keys[i].size());
        ASSERT_EQ(key, shape.keys[gets->ranks[i]]);
        uint64_t newest = 0;
        for (size_t entry = 0; entry < loaded.size(); entry++) {
          if (loaded[entry] == key &&
              shape.SequenceOf(entry) <= gets->read_at[i]) {
            newest = std::max(newest, shape.SequenceOf(entry));
          }
        }
        ASSERT_EQ(gets->found[i], newest);
      }
    }

    ASSERT_GT(probes.misses.size(), 0u);
    ASSERT_LE(probes.misses.size(), probes.hits.size());
    for (size_t i = 0; i < probes.misses.size();
         i += 1 + probes.misses.size() / 100) {
      const std::string miss(probes.misses.keys[i].data(),
                             probes.misses.keys[i].size());
      ASSERT_EQ(
          static_cast<std::ptrdiff_t>(probes.misses.ranks[i]),
          std::count_if(shape.keys.begin(), shape.keys.end(),
                        [&](const std::string& key) { return key < miss; }));
    }

    ASSERT_EQ(probes.ranges.empty(), shape.keys.size() == 1);
    ASSERT_FALSE(probes.prefix_ranges.empty());
    for (const auto* ranges : {&probes.ranges, &probes.prefix_ranges}) {
      for (size_t i = 0; i < ranges->size(); i += 1 + ranges->size() / 100) {
        const ShapeProbes::Range& range = (*ranges)[i];
        ASSERT_LT(range.begin, range.end);
        ASSERT_EQ(static_cast<std::ptrdiff_t>(range.entries),
                  std::count_if(loaded.begin(), loaded.end(),
                                [&](const std::string& key) {
                                  return range.begin <= key && key < range.end;
                                }));
      }
    }
  }
}

// What a report prints, and the number of slow cells.
std::string Printed(const Comparison& report, size_t* slow) {
  FILE* const file = std::tmpfile();
  *slow = report.PrintRatios(file);
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

TEST(ComparisonTest, ItCountsTheCellsThatAreSlow) {
  using Unit = Comparison::Unit;
  Comparison report({{"list", 0}, {"tree", 0}, {"block", 2}, {"file", 2}},
                    {"insert", "memory", "off"},
                    {{"memory", Unit::kBytes}, {"off", Unit::kFactor}});
  report.AddRow("chain", "3 of 2 B");
  report.AddRow("comb", "4 of 2 B");
  size_t slow = 0;
  EXPECT_NE(Printed(report, &slow).find("shapes: 0 of 0 cells"),
            std::string::npos);
  // Ratios of 2, 4 and 1 by repeat: the median is 2, though the medians of the
  // figures are equal.
  for (const auto& [list, tree] : std::vector<std::pair<double, double>>{
           {1000, 2000}, {500, 2000}, {3000, 3000}}) {
    report.Add("chain", "insert", 0, list);
    report.Add("chain", "insert", 1, tree);
  }
  report.Add("chain", "memory", 0, 10);
  report.Add("chain", "memory", 1, 15);  // not above 1.5
  report.Add("comb", "off", 2, 1);
  report.Add("comb", "off", 3, 1000);
  report.Add("comb", "memory", 3, 1);  // nothing to compare it with
  report.Add("comb", "insert", 2, 0);  // nor here
  report.Add("comb", "insert", 3, 1);
  const std::string text = Printed(report, &slow);
  EXPECT_EQ(slow, 2u);
  for (const char* part :
       {"tree: how many times as much as list",
        "file: how many times as much "
        "as block",
        "2.00!", "1.50 ", "1000.00!", "tree 2.00 us, list 1.00 us",
        "file 1e+03, block 1"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const std::string last =
      "shapes: 2 of 3 cells are above 1.5 times what they are compared with\n";
  EXPECT_EQ(text.substr(text.size() - last.size()), last) << text;
}

}  // namespace
}  // namespace memkv
