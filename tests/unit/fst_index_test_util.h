// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Indexes of groups of segments: made of lists, and checked against them.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "table/key_trie/format.h"
#include "table/segment/file_index.h"
#include "util/trie_coding.h"

namespace memkv {

using Keys = std::vector<std::string>;

inline bool Before(const std::string& a, const std::string& b, bool mirrored) {
  return mirrored ? a > b : a < b;
}

// A group of segments: its keys in the file's order, and the tags that its
// continuations begin with.
struct Group {
  Keys keys;
  std::vector<uint64_t> tags;
};

inline constexpr uint64_t kSegmentBytes = 100;
inline constexpr uint64_t kValueBytes = 7;

// Segments of 100 bytes with a trailer, and two entries a key; continuations
// have ten.
inline void AddAll(const std::vector<Group>& groups,
                   FileIndexBuilder* builder) {
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

inline std::string Build(const std::vector<Group>& groups, bool mirrored) {
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
inline std::vector<Group> Singles(const Keys& keys) {
  std::vector<Group> groups;
  for (const std::string& key : keys) groups.push_back({{key}, {}});
  return groups;
}

// The same as files had it whose directory lacks feature bit 1: bounds are last
// keys, bytewise with a zero byte.
inline std::string BuildOld(const Keys& last_keys, bool mirrored) {
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

inline Keys Numbers(size_t n, bool mirrored) {
  Keys keys;
  for (size_t i = 0; i < n; ++i) keys.push_back(std::to_string(1000 + 10 * i));
  if (mirrored) std::reverse(keys.begin(), keys.end());
  return keys;
}

// Strings of few different bytes, so that many share prefixes and some are
// prefixes of others.
inline std::string RandomKey(std::mt19937_64* rng) {
  static constexpr char kBytes[] = {'\0', 'a', 'b', '\xff'};
  std::string key;
  for (size_t n = (*rng)() % 12; n > 0; --n) key += kBytes[(*rng)() % 4];
  return key;
}

// `n` distinct keys at most, cut into groups; continuations in some of them.
inline std::vector<Group> RandomGroups(size_t n, bool mirrored, bool continued,
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
inline std::vector<uint32_t> FirstSegments(const std::vector<Group>& groups) {
  std::vector<uint32_t> first = {0};
  for (const Group& group : groups) {
    first.push_back(first.back() + 1 +
                    static_cast<uint32_t>(group.tags.size()));
  }
  return first;
}

// What an index says of segments: of each its place, what is before it, and a
// bound between its group and the next one.
inline void ExpectSegmentsOf(const std::vector<Group>& groups,
                             const std::vector<uint32_t>& first,
                             const FileIndex& index) {
  const bool mirrored = index.mirrored();
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
  }
  ASSERT_EQ(index.KeysBefore(first.back()), keys);
  ASSERT_EQ(index.EntriesBefore(first.back()), entries);
}

// Where to go on for a tag: linearly.
inline void ExpectContinues(const std::vector<Group>& groups,
                            const std::vector<uint32_t>& first,
                            const FileIndex& index, std::mt19937_64* rng) {
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int round = 0; round < 10; ++round) {
      const uint64_t tag = (1 << 20) - (*rng)() % 600;
      uint32_t expected = first[g];
      for (const uint64_t t : groups[g].tags) expected += t >= tag ? 1 : 0;
      ASSERT_EQ(index.Continue(first[g], tag), expected);
    }
    ASSERT_EQ(index.Continue(first[g], UINT64_MAX), first[g]);
    ASSERT_EQ(index.Continue(first[g], 0), first[g + 1] - 1);
  }
}

// The keys, their neighbours, and others.
inline Keys ProbesOf(const std::vector<Group>& groups, std::mt19937_64* rng) {
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
  return probes;
}

// Keys lead to their groups; others to one that nothing before it, and nothing
// behind it, could hold them in the place of.  Eight at once lead where each
// does.
inline void ExpectProbesLead(const std::vector<Group>& groups,
                             const std::vector<uint32_t>& first,
                             const FileIndex& index, const Keys& probes) {
  const bool mirrored = index.mirrored();
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

// Everything an index answers, against the groups it was made of.
inline void ExpectIndexOf(const std::vector<Group>& groups,
                          const std::string& bytes, bool mirrored,
                          std::mt19937_64* rng) {
  FileIndex index;
  std::string reason;
  ASSERT_TRUE(FileIndex::Open(bytes, &index, &reason)) << reason;
  ASSERT_TRUE(index.Validate(&reason)) << reason;
  ASSERT_EQ(index.mirrored(), mirrored);
  const std::vector<uint32_t> first = FirstSegments(groups);
  ASSERT_EQ(index.num_segments(), first.back());
  ASSERT_EQ(index.has_continuations(), first.back() != groups.size());
  ASSERT_NO_FATAL_FAILURE(ExpectSegmentsOf(groups, first, index));
  ASSERT_NO_FATAL_FAILURE(ExpectContinues(groups, first, index, rng));
  ASSERT_NO_FATAL_FAILURE(
      ExpectProbesLead(groups, first, index, ProbesOf(groups, rng)));
}

inline std::vector<Group> SomeOfEach(bool mirrored) {
  std::vector<Group> groups = Singles(Numbers(30, mirrored));
  groups[3].tags = {700, 650, 600};
  groups[7].tags = {90};
  groups[29].tags = {44, 33};
  return groups;
}

}  // namespace memkv
