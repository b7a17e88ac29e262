// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "table/key_trie/format.h"
#include "table/segment/file_index.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

using Keys = std::vector<std::string>;

uint64_t Seed() {
  const char* const text = std::getenv("MEMKV_TEST_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  std::printf("MEMKV_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

bool Before(const std::string& a, const std::string& b, bool mirrored) {
  return mirrored ? a > b : a < b;
}

// A group of segments: its keys in the file's order, and the tags that its
// continuations begin with.
struct Group {
  Keys keys;
  std::vector<uint64_t> tags;
};

constexpr uint64_t kSegmentBytes = 100;
constexpr uint64_t kValueBytes = 7;

// Segments of 100 bytes with a trailer, and two entries a key; continuations
// have ten.
void AddAll(const std::vector<Group>& groups, FileIndexBuilder* builder) {
  const auto add = [&](uint64_t keys, uint64_t entries) {
    builder->AddSegment({105 * builder->num_segments(), kSegmentBytes}, keys,
                        entries, kValueBytes);
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    for (const uint64_t tag : group.tags) builder->CutKey(tag);
    if (g + 1 < groups.size()) {
      builder->Cut(group.keys.back(), groups[g + 1].keys.front());
    }
    add(group.keys.size(), 2 * group.keys.size());
    for (size_t c = 0; c < group.tags.size(); ++c) add(1, 10);
  }
}

std::string Build(const std::vector<Group>& groups, bool mirrored) {
  FileIndexBuilder builder(mirrored);
  AddAll(groups, &builder);
  std::string bytes;
  std::string reason;
  EXPECT_TRUE(builder.Finish(groups.empty() ? "" : groups.back().keys.back(),
                             &bytes, &reason))
      << reason;
  return bytes;
}

// Groups of one key each.
std::vector<Group> Singles(const Keys& keys) {
  std::vector<Group> groups;
  for (const std::string& key : keys) groups.push_back({{key}, {}});
  return groups;
}

// The same as files had it whose directory lacks feature bit 1: bounds are last
// keys, bytewise with a zero byte.
std::string BuildOld(const Keys& last_keys, bool mirrored) {
  const size_t n = last_keys.size();
  const bool has_empty = mirrored && n > 0 && last_keys.back().empty();
  Keys separators(1);
  for (size_t i = has_empty ? 1 : 0; i < n; ++i) {
    separators.push_back(last_keys[mirrored ? n - 1 - i : i]);
    if (!mirrored) separators.back().push_back('\0');
  }
  std::string trie;
  EXPECT_TRUE(
      key_trie::SeparatorTrieBuilder::Encode(separators, UINT32_MAX, &trie));
  std::string out(1,
                  static_cast<char>((mirrored ? 1 : 0) | (has_empty ? 2 : 0)));
  out.append(3, '\0');
  PutFixed(&out, n, 4);
  PutFixed(&out, trie.size(), 4);
  out += trie + std::string(key_trie::kPadding, '\0');
  std::vector<uint64_t> columns[5];
  for (size_t i = 0; i < n; ++i) {
    columns[0].push_back(105 * i);
    columns[1].push_back(kSegmentBytes);
    columns[2].push_back(i + 1);
    columns[3].push_back(2 * (i + 1));
    columns[4].push_back((kSegmentBytes + kValueBytes) * (i + 1));
  }
  for (const auto& column : columns) {
    PackedArrayBuilder::Encode(column.data(), n, &out);
  }
  return out;
}

Keys Numbers(size_t n, bool mirrored) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) keys.push_back(std::to_string(1000 + 10 * i));
  if (mirrored) std::reverse(keys.begin(), keys.end());
  return keys;
}

// Strings of few different bytes, so that many share prefixes and some are
// prefixes of others.
std::string RandomKey(std::mt19937_64* rng) {
  static constexpr char kBytes[] = {'\0', 'a', 'b', '\xff'};
  std::string key;
  for (size_t n = (*rng)() % 12; n > 0; --n) key += kBytes[(*rng)() % 4];
  return key;
}

// `n` distinct keys at most, cut into groups; continuations in some of them.
std::vector<Group> RandomGroups(size_t n, bool mirrored, bool continued,
                                std::mt19937_64* rng) {
  std::set<std::string> sorted;
  for (size_t i = 0; i < n; ++i) sorted.insert(RandomKey(rng));
  Keys keys(sorted.begin(), sorted.end());
  if (mirrored) std::reverse(keys.begin(), keys.end());
  std::vector<Group> groups;
  for (const std::string& key : keys) {
    if (groups.empty() || (*rng)() % 4 == 0) groups.emplace_back();
    groups.back().keys.push_back(key);
  }
  for (Group& group : groups) {
    if (!continued || (*rng)() % 3 != 0) continue;
    uint64_t tag = 1 << 20;
    for (size_t c = 1 + (*rng)() % 5; c > 0; --c) {
      tag -= 1 + (*rng)() % 100;
      group.tags.push_back(tag);
    }
  }
  return groups;
}

// The segment each group begins with, and how many there are.
std::vector<uint32_t> FirstSegments(const std::vector<Group>& groups) {
  std::vector<uint32_t> first = {0};
  for (const Group& group : groups) {
    first.push_back(first.back() + 1 +
                    static_cast<uint32_t>(group.tags.size()));
  }
  return first;
}

// Everything an index answers, against the groups it was made of.
void ExpectIndexOf(const std::vector<Group>& groups, const std::string& bytes,
                   bool mirrored, std::mt19937_64* rng) {
  FileIndex index;
  std::string reason;
  ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
  ASSERT_TRUE(index.Validate(&reason)) << reason;
  ASSERT_EQ(index.mirrored(), mirrored);
  const std::vector<uint32_t> first = FirstSegments(groups);
  ASSERT_EQ(index.num_segments(), first.back());
  ASSERT_EQ(index.has_continuations(), first.back() != groups.size());

  uint64_t keys = 0;
  uint64_t entries = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    for (uint32_t i = first[g]; i < first[g + 1]; ++i) {
      const bool continues = i != first[g];
      ASSERT_EQ(index.IsContinuation(i), continues);
      ASSERT_EQ(index.NextGroup(i), first[g + 1]);
      ASSERT_EQ(index.Location(i).offset, 105u * i);
      ASSERT_EQ(index.Location(i).size, kSegmentBytes);
      ASSERT_EQ(index.KeysBefore(i), keys);
      ASSERT_EQ(index.EntriesBefore(i), entries);
      ASSERT_EQ(index.BytesBefore(i), (kSegmentBytes + kValueBytes) * i);
      keys += continues ? 0 : group.keys.size();
      entries += continues ? 10 : 2 * group.keys.size();
      if (continues) {
        ASSERT_EQ(index.FirstTag(i), group.tags[i - first[g] - 1]);
      }
      // The bound is between the group and the next one.
      std::string bound;
      ASSERT_TRUE(index.Bound(i, &bound));
      if (mirrored) {
        ASSERT_GE(group.keys.back(), bound);
        if (g + 1 < groups.size()) {
          ASSERT_LT(groups[g + 1].keys.front(), bound);
        }
      } else {
        ASSERT_LT(group.keys.back(), bound);
        if (g + 1 < groups.size()) {
          ASSERT_GE(groups[g + 1].keys.front(), bound);
        }
      }
    }
    // Where to go on for a tag: linearly.
    for (int round = 0; round < 10; ++round) {
      const uint64_t tag = (1 << 20) - (*rng)() % 600;
      uint32_t expected = first[g];
      for (const uint64_t t : group.tags) expected += t >= tag ? 1 : 0;
      ASSERT_EQ(index.Continue(first[g], tag), expected);
    }
    ASSERT_EQ(index.Continue(first[g], UINT64_MAX), first[g]);
    ASSERT_EQ(index.Continue(first[g], 0), first[g + 1] - 1);
  }
  ASSERT_EQ(index.KeysBefore(first.back()), keys);
  ASSERT_EQ(index.EntriesBefore(first.back()), entries);

  // Keys lead to their groups; others to one that nothing before it, and
  // nothing behind it, could hold them in the place of.
  Keys probes;
  for (const Group& group : groups) {
    for (const std::string& key : group.keys) {
      probes.push_back(key);
      probes.push_back(key + '\0');
      probes.push_back(key + '\xff');
      if (!key.empty()) probes.push_back(key.substr(0, key.size() - 1));
    }
  }
  for (int i = 0; i < 100; ++i) probes.push_back(RandomKey(rng));
  probes.push_back(std::string(40, '\xff'));
  for (size_t p = 0; p < probes.size(); p += 8) {
    std::deque<key_trie::SoughtKey> targets;
    std::vector<const key_trie::SoughtKey*> pointers;
    const size_t n = std::min<size_t>(8, probes.size() - p);
    for (size_t k = 0; k < n; ++k) {
      pointers.push_back(&targets.emplace_back(probes[p + k]));
    }
    std::vector<uint32_t> together(n);
    index.SegmentsFor(pointers.data(), n, together.data());
    for (size_t k = 0; k < n; ++k) {
      const std::string& probe = probes[p + k];
      const uint32_t i = index.SegmentFor(probe);
      ASSERT_EQ(i, together[k]);
      const auto g = static_cast<size_t>(
          std::lower_bound(first.begin(), first.end(), i) - first.begin());
      ASSERT_EQ(first[g], i) << "a continuation";
      if (g > 0) {
        ASSERT_TRUE(Before(groups[g - 1].keys.back(), probe, mirrored));
      }
      if (g + 1 < groups.size()) {
        ASSERT_TRUE(Before(probe, groups[g + 1].keys.front(), mirrored));
      }
    }
  }
}

TEST(FstIndexTest, GroupsAndKeysComeBackInBothOrders) {
  std::mt19937_64 rng(Seed());
  for (const bool mirrored : {false, true}) {
    for (const bool continued : {false, true}) {
      for (int round = 0; round < 150; ++round) {
        const std::vector<Group> groups =
            RandomGroups(1 + rng() % (round % 10 == 0 ? 3000 : 40), mirrored,
                         continued, &rng);
        ASSERT_NO_FATAL_FAILURE(
            ExpectIndexOf(groups, Build(groups, mirrored), mirrored, &rng));
      }
    }
  }
}

TEST(FstIndexTest, IndexesOfThePastAnswerLikewise) {
  std::mt19937_64 rng(Seed());
  for (const bool mirrored : {false, true}) {
    for (const size_t n : {1, 2, 3, 17, 500}) {
      const Keys keys = Numbers(n, mirrored);
      ASSERT_NO_FATAL_FAILURE(ExpectIndexOf(
          Singles(keys), BuildOld(keys, mirrored), mirrored, &rng));
    }
    for (int round = 0; round < 50; ++round) {
      // The empty key is among them, mostly.
      std::set<std::string> sorted = {""};
      while (sorted.size() < 20) sorted.insert(RandomKey(&rng));
      Keys keys(sorted.begin(), sorted.end());
      if (mirrored) std::reverse(keys.begin(), keys.end());
      ASSERT_NO_FATAL_FAILURE(ExpectIndexOf(
          Singles(keys), BuildOld(keys, mirrored), mirrored, &rng));
    }
  }
}

TEST(FstIndexTest, BoundsAreTheShortest) {
  // Every string of up to three of these bytes is tried.
  Keys all = {""};
  for (size_t i = 0; all[i].size() < 3; ++i) {
    for (const char c : {'\0', 'a', 'b', '\xff'}) all.push_back(all[i] + c);
  }
  for (const bool mirrored : {false, true}) {
    for (const std::string& last : all) {
      for (const std::string& next : all) {
        if (!Before(last, next, mirrored)) continue;
        const std::string bytes = Build(Singles({last, next}), mirrored);
        FileIndex index;
        std::string reason;
        ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
        std::string bound;
        ASSERT_TRUE(index.Bound(0, &bound));
        size_t shortest = SIZE_MAX;
        for (const std::string& b : all) {
          const bool between =
              mirrored ? next < b && b <= last : last < b && b <= next;
          if (between) shortest = std::min(shortest, b.size());
        }
        ASSERT_EQ(bound.size(), shortest);
        ASSERT_TRUE(index.Bound(1, &bound));
        ASSERT_LE(bound.size(), next.size() + 1);
      }
    }
  }
}

TEST(FstIndexTest, LastBoundAddsAByteToWhatTheOthersShare) {
  const struct {
    std::vector<std::string> keys;  // one a segment, as they ascend
    std::string bound, mirrored_bound;
  } kCases[] = {
      {{""}, std::string(1, '\0'), ""},
      {{"abc"}, "b", "a"},
      {{"\xff\xff\x01z"}, "\xff\xff\x02", "\xff"},
      {{"\xff\xff"}, std::string("\xff\xff\0", 3), "\xff"},
      // The other bounds are "http://b", "http://c".
      {{"http://a", "http://b", "http://cz"}, "http://d", "http://"},
      // Not "http://", which is all of the last key.
      {{"http://a", "http://b"}, "http://c", "http://"},
      {{"a\xff", "a\xff\xff"}, "b", "a\xff"},
      {{"Http://a", "http://b", "http://c"}, "hu", "H"},
      {{"", "http://b"}, "hu", ""},
  };
  for (const auto& c : kCases) {
    for (const bool mirrored : {false, true}) {
      Keys keys = c.keys;
      if (mirrored) std::reverse(keys.begin(), keys.end());
      const std::string bytes = Build(Singles(keys), mirrored);
      FileIndex index;
      std::string reason;
      ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
      std::string bound;
      ASSERT_TRUE(index.Bound(index.num_segments() - 1, &bound));
      EXPECT_EQ(bound, mirrored ? c.mirrored_bound : c.bound)
          << c.keys.back() << " mirrored " << mirrored;
    }
  }
}

TEST(FstIndexTest, IndexOfNoSegmentsHoldsNoKey) {
  for (const bool mirrored : {false, true}) {
    const std::string bytes = Build({}, mirrored);
    FileIndex index;
    std::string reason;
    ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
    EXPECT_TRUE(index.Validate(&reason)) << reason;
    EXPECT_EQ(index.num_segments(), 0u);
    EXPECT_EQ(index.SegmentFor(""), 0u);
    EXPECT_EQ(index.SegmentFor("key"), 0u);
    EXPECT_EQ(index.KeysBefore(0), 0u);
  }
}

TEST(FstIndexTest, LongKeysThatShareMuchTakeLittle) {
  // 64 KiB that all share, and 8 bytes that tell them apart: the builder holds
  // the long part once, and so does the index.
  for (const bool mirrored : {false, true}) {
    const std::string shared(64 << 10, 's');
    std::vector<Group> groups;
    for (int i = 0; i < 2000; ++i) {
      char tail[16];
      std::snprintf(tail, sizeof(tail), "%08d", mirrored ? 9999 - i : i);
      groups.push_back({{shared + tail}, {}});
    }
    FileIndexBuilder builder(mirrored);
    AddAll(groups, &builder);
    EXPECT_LT(builder.EstimatedSize(), 200u << 10);
    std::string bytes;
    std::string reason;
    ASSERT_TRUE(builder.Finish(groups.back().keys.back(), &bytes, &reason));
    EXPECT_LT(bytes.size(), 200u << 10);
    // And where what tells them apart comes first, nothing of the rest.
    for (Group& group : groups) {
      group.keys[0] = group.keys[0].substr(shared.size()) + shared;
    }
    EXPECT_LT(Build(groups, mirrored).size(), 60u << 10);
    // What a cut adds is known before it is made.
    FileIndexBuilder empty(mirrored);
    EXPECT_EQ(empty.CutBytes(mirrored ? "ab" : "aa", mirrored ? "aa" : "ab"),
              2u);
  }
}

TEST(FstIndexTest, EstimateIsWithinATenth) {
  std::mt19937_64 rng(Seed());
  for (const bool mirrored : {false, true}) {
    for (const bool continued : {false, true}) {
      for (const size_t n : {300, 3000, 30000}) {
        for (int kind = 0; kind < 3; ++kind) {
          std::set<std::string> sorted;
          while (sorted.size() < n) {
            std::string key;
            if (kind == 0) {
              key = std::to_string(rng());
            } else if (kind == 1) {
              key = "usr/share/doc/" + std::to_string(rng() % 500) + "/" +
                    std::to_string(rng() % 1000) + "/copyright";
            } else {
              for (int b = 0; b < 60; ++b) key += static_cast<char>(rng() % 3);
            }
            sorted.insert(key);
          }
          std::vector<Group> groups =
              Singles(Keys(sorted.begin(), sorted.end()));
          if (mirrored) std::reverse(groups.begin(), groups.end());
          for (size_t g = 0; continued && g < n; g += 5) {
            groups[g].tags = {rng() >> 8, 5};
          }
          FileIndexBuilder builder(mirrored);
          AddAll(groups, &builder);
          const auto estimate = static_cast<double>(builder.EstimatedSize());
          std::string bytes;
          std::string reason;
          ASSERT_TRUE(
              builder.Finish(groups.back().keys.back(), &bytes, &reason))
              << reason;
          EXPECT_NEAR(estimate, static_cast<double>(bytes.size()),
                      static_cast<double>(bytes.size()) / 10)
              << n << " of kind " << kind;
        }
      }
    }
  }
}

TEST(FstIndexTest, LimitsAreRefusedWithAReason) {
  const std::vector<Group> groups = {{{"a"}, {9, 8}}, {{"b"}, {}}, {{"c"}, {}}};
  const auto finish = [&](const FileIndexBuilder::Limits& limits,
                          std::string* reason) {
    FileIndexBuilder builder(false, limits);
    AddAll(groups, &builder);
    std::string bytes = "before";
    const bool ok = builder.Finish("c", &bytes, reason);
    EXPECT_EQ(bytes == "before", !ok);
    return ok;
  };
  std::string reason;
  FileIndexBuilder::Limits limits;
  limits.groups = 3;
  limits.segments = 5;
  EXPECT_TRUE(finish(limits, &reason)) << reason;
  limits.groups = 2;
  EXPECT_FALSE(finish(limits, &reason));
  EXPECT_EQ(reason,
            "an index of 5 segments and 2 continuations; 2 of the ones and 5 "
            "of both are the most");
  limits.groups = 3;
  limits.segments = 4;
  EXPECT_FALSE(finish(limits, &reason));
  limits.segments = 5;
  limits.bytes = Build(groups, false).size();
  EXPECT_TRUE(finish(limits, &reason));
  for (; limits.bytes > 0; --limits.bytes) {
    FileIndexBuilder::Limits less = limits;
    --less.bytes;
    ASSERT_FALSE(finish(less, &reason)) << less.bytes;
    EXPECT_EQ(reason, "the index of 5 segments takes more than " +
                          std::to_string(less.bytes) + " bytes");
  }
  // Those of the format.
  EXPECT_EQ(FileIndexBuilder::Limits().groups, (1u << 23) - 2);
  EXPECT_EQ(FileIndexBuilder::Limits().segments, (uint64_t{1} << 31) - 1);
  EXPECT_EQ(FileIndexBuilder::Limits().bytes, (uint64_t{1} << 31) - 1);
}

TEST(FstIndexTest, SegmentsGrowBeforeThereAreTooMany) {
  const auto size = [](uint64_t first, uint64_t cuts) {
    return FileIndexBuilder::SegmentSize(first, cuts, 4);
  };
  EXPECT_EQ(size(1000, 0), 1000u);
  EXPECT_EQ(size(1000, 3), 1000u);
  EXPECT_EQ(size(1000, 4), 2000u);
  EXPECT_EQ(size(1000, 8), 4000u);
  EXPECT_EQ(size(1000, 1 << 20), 16u << 20);
  EXPECT_EQ(size(16 << 20, 1 << 20), 16u << 20);
  EXPECT_EQ(size(32 << 20, 1 << 20), 32u << 20);
  // As FORMAT.md says, from the smallest size on.
  uint64_t file = 0;
  const uint64_t limit = FileIndexBuilder::Limits().groups;
  for (uint64_t cuts = 0; cuts < limit; cuts += FileIndexBuilder::kDoubling) {
    file += FileIndexBuilder::SegmentSize(1024, cuts) *
            std::min(FileIndexBuilder::kDoubling, limit - cuts);
  }
  EXPECT_GE(file, uint64_t{23} << 40);
}

TEST(FstIndexTest, ValidateNamesTheInvariantThatIsBroken) {
  FileIndex index;
  std::string reason;
  std::string bytes;
  const auto expect = [&](FileIndexBuilder* builder, const char* invariant) {
    bytes.clear();
    ASSERT_TRUE(builder->Finish("b", &bytes, &reason)) << reason;
    ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
    EXPECT_FALSE(index.Validate(&reason));
    EXPECT_EQ(reason.rfind(invariant, 0), 0u) << reason;
  };
  FileIndexBuilder without_keys(false);
  without_keys.Cut("a", "b");
  without_keys.AddSegment({0, 100}, 1, 1, 7);
  without_keys.AddSegment({105, 100}, 0, 1, 7);
  expect(&without_keys, "(X2)");

  FileIndexBuilder without_entries(false);
  without_entries.CutKey(5);
  without_entries.AddSegment({0, 100}, 1, 1, 7);
  without_entries.AddSegment({105, 100}, 1, 0, 7);
  expect(&without_entries, "(X2)");

  FileIndexBuilder overlapping(false);
  overlapping.Cut("a", "b");
  overlapping.AddSegment({0, 100}, 1, 1, 7);
  overlapping.AddSegment({99, 100}, 1, 1, 7);
  bytes.clear();
  ASSERT_TRUE(overlapping.Finish("b", &bytes, &reason)) << reason;
  EXPECT_FALSE(FileIndex::Open(bytes, &index, &reason));
  EXPECT_EQ(reason.rfind("index: (X3)", 0), 0u) << reason;

  for (const auto& [first, second] : {std::pair{7, 7}, {7, 8}}) {
    FileIndexBuilder ascending(false);
    ascending.CutKey(static_cast<uint64_t>(first));
    ascending.CutKey(static_cast<uint64_t>(second));
    ascending.AddSegment({0, 100}, 1, 1, 7);
    ascending.AddSegment({105, 100}, 1, 1, 7);
    ascending.AddSegment({210, 100}, 1, 1, 7);
    expect(&ascending, "(X4)");
  }
}

TEST(FstIndexTest, CountsThatNoBytesStandForAreRefused) {
  // A million segments, all in one place.
  std::string bytes(4, '\0');
  PutFixed(&bytes, 1 << 20, 4);
  const std::string separators("\x24\0\0\0\0", 5);
  PutFixed(&bytes, separators.size(), 4);
  bytes += separators + std::string(key_trie::kPadding, '\0');
  for (const uint64_t number : {1000, 50, 7, 7, 50}) {
    PackedArrayBuilder::Encode(&number, 1, &bytes);
  }
  FileIndex index;
  std::string reason;
  EXPECT_FALSE(FileIndex::Open(bytes, &index, &reason));
  EXPECT_EQ(reason.rfind("index: (X3) segment 1 ", 0), 0u) << reason;
}

std::vector<Group> SomeOfEach(bool mirrored) {
  std::vector<Group> groups = Singles(Numbers(30, mirrored));
  groups[3].tags = {700, 650, 600};
  groups[7].tags = {90};
  groups[29].tags = {44, 33};
  return groups;
}

TEST(FstIndexTest, TruncationAtEveryLengthIsReported) {
  for (const bool continued : {false, true}) {
    const std::string good = Build(
        continued ? SomeOfEach(false) : Singles(Numbers(30, false)), false);
    for (size_t size = 0; size < good.size(); ++size) {
      // Exactly this size, for the sanitizers.
      const std::unique_ptr<char[]> bytes(new char[size]);
      good.copy(bytes.get(), size);
      FileIndex index;
      std::string reason;
      ASSERT_FALSE(FileIndex::Open({bytes.get(), size}, &index, &reason))
          << size;
      EXPECT_EQ(reason.rfind("index: ", 0), 0u) << reason;
    }
    FileIndex index;
    std::string reason;
    EXPECT_FALSE(FileIndex::Open(good + "x", &index, &reason));
    EXPECT_EQ(reason, "index: 1 bytes follow its last section");
  }
}

TEST(FstIndexTest, FlippedBitsNeverLeadOutsideAndAreNamed) {
  std::map<std::string, int> named;
  for (const bool mirrored : {false, true}) {
    const std::vector<Group> groups = SomeOfEach(mirrored);
    const std::string good = Build(groups, mirrored);
    const std::unique_ptr<char[]> bytes(new char[good.size()]);
    good.copy(bytes.get(), good.size());
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      FileIndex index;
      std::string reason;
      if (FileIndex::Open({bytes.get(), good.size()}, &index, &reason)) {
        for (const Group& group : groups) {
          const uint32_t i = index.SegmentFor(group.keys.back());
          ASSERT_TRUE(i <= index.num_segments() || i == FileIndex::kCorrupt);
          if (i >= index.num_segments()) continue;
          std::string bound;
          index.Bound(i, &bound);
          index.Location(i);
          index.KeysBefore(i + 1);
          const uint32_t next = index.NextGroup(i);
          ASSERT_GT(next, i);
          ASSERT_LE(next, index.num_segments());
          const uint32_t at = index.Continue(i, 650);
          ASSERT_GE(at, i);
          ASSERT_LT(at, next);
          if (index.IsContinuation(i)) index.FirstTag(i);
        }
        if (!index.Validate(&reason)) {
          ++named[reason.substr(0, 4)];
        }
      } else {
        ++named[reason.rfind("index: (X3)", 0) == 0 ? "(X3)" : "Open"];
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
  }
  for (const char* invariant : {"Open", "(X1)", "(X2)", "(X3)", "(X4)"}) {
    EXPECT_GT(named[invariant], 5) << invariant;
  }
}

}  // namespace
}  // namespace memkv
