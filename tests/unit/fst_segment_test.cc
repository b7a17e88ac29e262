// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "table/segment/segment.h"
#include "tests/util/exact_bytes.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

struct Entry {
  std::string key;
  uint64_t tag;
  std::string value;
};

// A built segment, its value blocks beside it.
struct Built {
  std::string bytes;
  std::vector<std::string> blocks;
  std::vector<BlockLocation> locations;
};

// Values in blocks of that size, or inside if it is 0.
SegmentValues::Limits Limits(size_t block_size) {
  return block_size == 0 ? SegmentValues::Limits{SIZE_MAX, SIZE_MAX}
                         : SegmentValues::Limits{0, block_size};
}

// Builds as a table does; block_size 0 keeps the values inside.
Built Build(const std::vector<Entry>& entries, bool mirrored,
            size_t block_size = 0, bool small = false) {
  Built built;
  SegmentBuilder builder(mirrored, Limits(block_size), small);
  uint64_t offset = 1000;
  const auto write_blocks = [&](bool all) {
    std::string block;
    while (builder.values().TakeBlock(all, &block)) {
      built.locations.push_back({offset, block.size()});
      builder.values().AddBlock(built.locations.back());
      offset += block.size() + 5;
      built.blocks.push_back(block);
      block.clear();
    }
  };
  for (const Entry& entry : entries) {
    builder.Add(entry.key, entry.tag, entry.value);
    write_blocks(false);
  }
  write_blocks(true);
  EXPECT_EQ(builder.num_entries(), entries.size());
  EXPECT_GT(builder.EstimatedSize(), 0u);
  builder.Seal();
  EXPECT_EQ(builder.keys().num_keys(), builder.num_keys());
  std::string reason;
  EXPECT_TRUE(builder.Finish(nullptr, &built.bytes, &reason)) << reason;
  // It can be written again, and says the same.
  std::string again;
  EXPECT_TRUE(builder.Finish(nullptr, &again, &reason)) << reason;
  EXPECT_EQ(again, built.bytes);
  // Its parts are all of it; places of value blocks are known by what is left.
  const size_t header = 16;
  const size_t trie = LoadFixed32(
      reinterpret_cast<const uint8_t*>(built.bytes.data()) + header - 4);
  const size_t parts =
      header + trie + builder.tag_bytes() + builder.inline_value_bytes();
  if (block_size == 0) {
    EXPECT_EQ(parts, built.bytes.size());
  } else {
    EXPECT_LT(parts, built.bytes.size());
    EXPECT_EQ(builder.inline_value_bytes(), 0u);
  }
  EXPECT_GT(builder.tag_bytes(), 0u);
  builder.Reset();
  EXPECT_TRUE(builder.empty());
  return built;
}

std::string ValueOf(const Segment& segment, const Built& built, uint32_t e) {
  ValueRunView::NumberBytes number;
  std::string_view value;
  if (segment.values_inline()) {
    EXPECT_TRUE(segment.InlineValue(e, &number, &value));
    return std::string(value);
  }
  const uint32_t b = segment.ValueBlockOf(e);
  EXPECT_LT(b, segment.num_value_blocks());
  const uint32_t first = segment.ValueBlockFirstEntry(b);
  const uint32_t end = segment.ValueBlockFirstEntry(b + 1);
  EXPECT_LE(first, e);
  EXPECT_LT(e, end);
  EXPECT_EQ(segment.ValueBlockLocation(b).offset, built.locations[b].offset);
  EXPECT_EQ(segment.ValueBlockLocation(b).size, built.locations[b].size);
  ValueRunView run;
  size_t consumed = 0;
  std::string reason;
  EXPECT_TRUE(ValueRunView::Open(built.blocks[b], end - first, &run, &consumed,
                                 &reason))
      << reason;
  EXPECT_TRUE(run.Get(e - first, &number, &value));
  return std::string(value);
}

// Everything the segment says is what was added.
void ExpectHolds(const Built& built, const std::vector<Entry>& entries,
                 bool mirrored) {
  Segment segment;
  std::string reason;
  ASSERT_TRUE(Segment::Open(built.bytes, mirrored, nullptr, &segment, &reason))
      << reason;
  ASSERT_TRUE(segment.Validate(&reason)) << reason;
  ASSERT_EQ(segment.num_entries(), entries.size());
  uint32_t k = 0;
  for (uint32_t e = 0; e < entries.size();) {
    uint32_t begin = 0;
    uint32_t end = 0;
    ASSERT_TRUE(segment.EntriesOf(k, &begin, &end));
    ASSERT_EQ(begin, e);
    const std::string& key = entries[e].key;
    ASSERT_EQ(segment.FindKey(key), k) << key;
    ASSERT_EQ(segment.KeysBefore(key), k) << key;
    std::string found;
    ASSERT_TRUE(segment.trie().KeyAt(segment.Mirror(k), &found));
    ASSERT_EQ(found, key);
    for (; e < end; ++e) {
      ASSERT_EQ(entries[e].key, key);
      ASSERT_EQ(segment.Tag(e), entries[e].tag);
      ASSERT_EQ(ValueOf(segment, built, e), entries[e].value);
    }
    ++k;
  }
  ASSERT_EQ(segment.num_keys(), k);
}

uint64_t Tag(uint64_t seq, uint8_t type = 1) { return seq << 8 | type; }

std::vector<Entry> Reversed(std::vector<Entry> entries) {
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const Entry& a, const Entry& b) { return a.key > b.key; });
  return entries;
}

std::vector<Entry> ManyVersions() {
  std::vector<Entry> entries = {{"", Tag(9), "of the empty key"}};
  for (int i = 0; i < 40; ++i) {
    const std::string key = "key/" + std::to_string(100 + i);
    for (int v = i % 4; v >= 0; --v) {
      entries.push_back(
          {key,
           Tag(static_cast<uint64_t>(10 * v + 1), static_cast<uint8_t>(v % 3)),
           std::string(static_cast<size_t>(i % 7), 'v')});
    }
  }
  return entries;
}

TEST(FstSegmentTest, OneKeyIsASegment) {
  for (const char* key : {"", "k"}) {
    const std::vector<Entry> entries = {{key, 0, ""}};
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(Build(entries, false), entries, false));
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(Build(entries, true), entries, true));
  }
}

TEST(FstSegmentTest, ManyVersionsComeBackInBothOrdersInlineAndInBlocks) {
  for (const size_t block_size : {0, 1, 16, 64, 1 << 20}) {
    SCOPED_TRACE(block_size);
    const std::vector<Entry> entries = ManyVersions();
    ASSERT_NO_FATAL_FAILURE(
        ExpectHolds(Build(entries, false, block_size), entries, false));
    const std::vector<Entry> reversed = Reversed(entries);
    ASSERT_NO_FATAL_FAILURE(
        ExpectHolds(Build(reversed, true, block_size), reversed, true));
  }
}

TEST(FstSegmentTest, SmallOnesLeaveThePaddingOutWhereEnoughFollows) {
  size_t unpadded = 0;
  for (const bool mirrored : {false, true}) {
    for (const size_t block_size : {0, 100}) {
      std::vector<Entry> entries;
      for (int i = 100; i < 160; ++i) {
        const Entry entry = {"key " + std::to_string(i), Tag(3 * i % 50),
                             std::to_string(i * i)};
        entries.insert(mirrored ? entries.begin() : entries.end(), entry);
        const Built padded = Build(entries, mirrored, block_size);
        Built small = Build(entries, mirrored, block_size, /*small=*/true);
        // So that they end where they are allocated.
        small.bytes.shrink_to_fit();
        const size_t trie = LoadFixed32(
            reinterpret_cast<const uint8_t*>(padded.bytes.data()) + 12);
        const bool enough =
            padded.bytes.size() - 16 - trie >= key_trie::kPadding;
        ASSERT_EQ(padded.bytes.size() - small.bytes.size(),
                  enough ? key_trie::kPadding : 0);
        unpadded += enough ? 1 : 0;
        ASSERT_NO_FATAL_FAILURE(ExpectHolds(small, entries, mirrored));
      }
    }
  }
  EXPECT_GT(unpadded, 50u);
  // A byte more decides.
  std::set<size_t> follow;
  for (size_t size = 60; size < 200; ++size) {
    const std::vector<Entry> entries = {
        {"key", Tag(7), std::string(size, 'v')}};
    const Built padded = Build(entries, false);
    const Built small = Build(entries, false, 0, /*small=*/true);
    const size_t trie =
        LoadFixed32(reinterpret_cast<const uint8_t*>(padded.bytes.data()) + 12);
    follow.insert(padded.bytes.size() - 16 - trie);
    ASSERT_EQ(padded.bytes.size() - small.bytes.size(),
              *follow.rbegin() >= key_trie::kPadding ? key_trie::kPadding : 0);
    const ExactBytes exact(small.bytes);
    Segment segment;
    std::string reason;
    ASSERT_TRUE(Segment::Open(
        {reinterpret_cast<const char*>(exact.bytes()), small.bytes.size()},
        false, nullptr, &segment, &reason))
        << reason;
    ASSERT_TRUE(segment.Validate(&reason)) << reason;
    for (const char* key : {"", "k", "key", "keys", "z"}) {
      ASSERT_EQ(segment.FindKey(key),
                key == std::string("key") ? 0 : Segment::kNotFound);
    }
  }
  EXPECT_EQ(follow.count(key_trie::kPadding - 1), 1u);
  EXPECT_EQ(follow.count(key_trie::kPadding), 1u);
}

TEST(FstSegmentTest, RoomIsWhatIsHeldAndOfRepeatedValuesNone) {
  for (const bool repeat : {false, true}) {
    SegmentBuilder builder(false, {8, 1 << 20});
    for (int i = 10000; i < 12000; ++i) {
      std::string value(100, 'v');
      if (!repeat) value = std::to_string(i);
      builder.Add("key " + std::to_string(i), Tag(1), value);
      std::string block;
      ASSERT_FALSE(builder.values().TakeBlock(false, &block));
    }
    const SegmentBuilder::Room room = builder.room();
    EXPECT_EQ(room.entries, 2000u);
    EXPECT_EQ(room.values.values, repeat ? 0u : 2000u);
    EXPECT_EQ(room.values.bytes, repeat ? 0u : 2000u * 5);
    SegmentBuilder next(false, {8, 1 << 20});
    const size_t empty = next.MemoryUsage();
    next.Reserve(room);
    EXPECT_GT(next.MemoryUsage(), empty);
    EXPECT_LE(next.MemoryUsage(),
              empty + builder.MemoryUsage() + builder.MemoryUsage() / 16);
  }
}

TEST(FstSegmentTest, BuilderCanBeUsedAgain) {
  SegmentBuilder builder(false, Limits(0));
  std::string reason;
  for (int round = 0; round < 3; ++round) {
    std::string bytes;
    builder.Add("a", Tag(2), "1");
    builder.Add("a", Tag(1), "2");
    builder.Add("b" + std::to_string(round), Tag(1), "3");
    EXPECT_EQ(builder.last_key(), "b" + std::to_string(round));
    EXPECT_EQ(builder.num_keys(), 2u);
    builder.Seal();
    ASSERT_TRUE(builder.Finish(nullptr, &bytes, &reason)) << reason;
    builder.Reset();
    Segment segment;
    ASSERT_TRUE(Segment::Open(bytes, false, nullptr, &segment, &reason))
        << reason;
    EXPECT_EQ(segment.num_entries(), 3u);
    EXPECT_EQ(segment.FindKey("b" + std::to_string(round)), 1u);
  }
}

TEST(FstSegmentTest, SealedSegmentHoldsWhatItWillWriteAndNoMore) {
  // What a segment takes while it waits for the token table, whatever keys,
  // values and versions are: as much as it will take in the file, in symbols
  // of whole bytes, and the object.
  struct Shape {
    const char* name;
    int keys;
    int versions;
    size_t value_size;
    SegmentValues::Limits limits;
    bool mirrored;
    bool same_values;
  };
  const SegmentValues::Limits limits{16, 4096};
  for (const Shape& shape : {
           Shape{"values of 8 bytes", 20000, 1, 8, limits, false, false},
           Shape{"mirrored", 20000, 1, 8, limits, true, false},
           Shape{"no values", 20000, 1, 0, limits, false, false},
           Shape{"values in blocks", 5000, 1, 900, limits, false, false},
           Shape{"values that repeat", 20000, 1, 100, limits, false, true},
           Shape{"long values", 500, 1, 500, Limits(0), false, false},
           Shape{"versions", 200, 100, 8, limits, false, false},
           Shape{"versions in blocks", 2, 10000, 300, limits, false, false},
           Shape{"one key", 1, 20000, 0, limits, false, false},
       }) {
    SCOPED_TRACE(shape.name);
    SegmentBuilder builder(shape.mirrored, shape.limits);
    std::vector<std::string> keys;
    for (int i = 0; i < shape.keys; ++i) {
      keys.push_back("some/common/prefix/" + std::to_string(100000 + 7 * i));
    }
    if (shape.mirrored) std::reverse(keys.begin(), keys.end());
    uint64_t at = 0;
    std::string block;
    const auto write_blocks = [&](bool all) {
      while (builder.values().TakeBlock(all, &block)) {
        builder.values().AddBlock({at, block.size()});
        at += block.size() + 5;
        block.clear();
      }
    };
    int n = 0;
    for (const std::string& key : keys) {
      for (int v = shape.versions; v > 0; --v) {
        std::string value =
            shape.same_values ? "the same" : std::to_string(1000000 + n++);
        value.resize(shape.value_size, 'v');
        builder.Add(key, Tag(static_cast<uint64_t>(v)), value);
        write_blocks(false);
      }
    }
    write_blocks(true);
    EXPECT_EQ(
        builder.values().in_blocks(),
        shape.value_size > shape.limits.inline_size && !shape.same_values);
    const size_t open = builder.MemoryUsage();
    builder.Seal();
    std::string bytes;
    std::string reason;
    ASSERT_TRUE(builder.Finish(nullptr, &bytes, &reason)) << reason;
    // Symbols of these keys have half a byte each, and sizes of keys some bits.
    const size_t suffixes = builder.keys().suffix_bytes();
    EXPECT_LE(builder.MemoryUsage(), sizeof(SegmentBuilder) + bytes.size() +
                                         suffixes / 2 + 2 * keys.size() + 500);
    EXPECT_LT(builder.MemoryUsage(), open);
  }
}

TEST(FstSegmentTest, SeekFindsTheNewestVersionNotAfterTheTag) {
  std::vector<Entry> entries;
  for (uint64_t seq = 100; seq > 0; --seq) {
    entries.push_back({"key", Tag(10 * seq), std::to_string(seq)});
  }
  const Built built = Build(entries, false);
  Segment segment;
  std::string reason;
  ASSERT_TRUE(Segment::Open(built.bytes, false, nullptr, &segment, &reason))
      << reason;
  for (uint64_t seq = 0; seq <= 1010; ++seq) {
    const uint32_t e = segment.SeekEntry(0, 100, Tag(seq, 0xff));
    uint32_t expected = 0;
    while (expected < 100 && entries[expected].tag > Tag(seq, 0xff)) {
      ++expected;
    }
    ASSERT_EQ(e, expected) << seq;
  }
}

TEST(FstSegmentTest, AbsentKeysAreBetweenTheirNeighboursInBothOrders) {
  std::vector<Entry> entries;
  for (const char* key : {"b", "ba", "bb", "d"}) {
    entries.push_back({key, Tag(1), "v"});
  }
  const Built forward = Build(entries, false);
  const Built mirrored = Build(Reversed(entries), true);
  Segment up;
  Segment down;
  std::string reason;
  ASSERT_TRUE(Segment::Open(forward.bytes, false, nullptr, &up, &reason))
      << reason;
  ASSERT_TRUE(Segment::Open(mirrored.bytes, true, nullptr, &down, &reason))
      << reason;
  const std::map<std::string, uint32_t> before = {
      {"", 0}, {"a", 0}, {"b\x01", 1}, {"baa", 2}, {"c", 3}, {"e", 4}};
  for (const auto& [key, keys] : before) {
    EXPECT_EQ(up.FindKey(key), Segment::kNotFound) << key;
    EXPECT_EQ(down.FindKey(key), Segment::kNotFound) << key;
    EXPECT_EQ(up.KeysBefore(key), keys) << key;
    EXPECT_EQ(down.KeysBefore(key), 4 - keys) << key;
  }
  EXPECT_EQ(up.KeysBefore("bb"), 2u);
  EXPECT_EQ(down.KeysBefore("bb"), 1u);
}

TEST(FstSegmentTest, BottomLevelTagsVanish) {
  std::vector<Entry> zero;
  std::vector<Entry> busy;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(10000 + i);
    zero.push_back({key, Tag(0), ""});
    busy.push_back({key, Tag(static_cast<uint64_t>(i * 7919 % 65536)), ""});
  }
  const size_t without = Build(zero, false).bytes.size();
  EXPECT_GE(Build(busy, false).bytes.size(), without + 2 * 1000);
}

TEST(FstSegmentTest, TagsUseAll56BitsAndEveryType) {
  std::vector<Entry> entries;
  for (int type = 255; type >= 0; --type) {
    entries.push_back(
        {"key", Tag(kMaxEntrySequence, static_cast<uint8_t>(type)), "v"});
  }
  entries.push_back({"key", 0, "v"});
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(Build(entries, false), entries, false));
}

// Whether the head of the array tells it or an element has to.
TEST(FstSegmentTest, RocksDBsLargestSequenceNumberIsRefused) {
  const std::vector<Entry> all = {{"key", Tag(kMaxEntrySequence + 1), "v"}};
  std::vector<Entry> one = {{"a", Tag(kMaxEntrySequence + 1), "v"}};
  std::vector<Entry> none = {{"a", Tag(kMaxEntrySequence), "v"}};
  for (const char* key : {"b", "c"}) {
    one.push_back({key, Tag(0), "v"});
    none.push_back({key, Tag(0), "v"});
  }
  for (const auto& entries : {all, one}) {
    const Built built = Build(entries, false);
    Segment segment;
    std::string reason;
    EXPECT_FALSE(Segment::Open(built.bytes, false, nullptr, &segment, &reason));
    EXPECT_EQ(reason,
              "segment: sequence number 72057594037927935 of entry 0 is out of "
              "range");
  }
  // Of the same width, but no element is too large.
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(Build(none, false), none, false));
}

TEST(FstSegmentTest, ValidateNamesTheInvariantThatIsBroken) {
  std::string reason;
  Segment segment;
  // Versions oldest first.
  Built built = Build({{"k", Tag(1), "a"}, {"k", Tag(2), "b"}}, false);
  ASSERT_TRUE(Segment::Open(built.bytes, false, nullptr, &segment, &reason))
      << reason;
  EXPECT_FALSE(segment.Validate(&reason));
  EXPECT_EQ(reason.rfind("(S2) tags ascend", 0), 0u) << reason;
  // The same version twice.
  built = Build({{"k", Tag(2), "a"}, {"k", Tag(1), "b"}, {"k", Tag(1), "c"}},
                false);
  ASSERT_TRUE(Segment::Open(built.bytes, false, nullptr, &segment, &reason))
      << reason;
  EXPECT_FALSE(segment.Validate(&reason));
  EXPECT_EQ(reason.rfind("(S2)", 0), 0u) << reason;
}

// Bytes of an array of equal numbers, however many.
std::string EqualNumbers(uint64_t number) {
  std::string bytes(1, '\0');
  PutVarint64(&bytes, number);
  return bytes;
}

TEST(FstSegmentTest, CountsThatNoBytesStandForAreRefused) {
  std::string reason;
  Segment segment;
  // Two billion entries of one key, and of one tag.
  const Built one = Build({{"k", Tag(1), ""}}, false);
  const size_t trie_end =
      16 + LoadFixed32(reinterpret_cast<const uint8_t*>(one.bytes.data()) + 12);
  std::string bytes = one.bytes.substr(0, trie_end);
  bytes[0] = 3;  // several versions, inline
  std::string count;
  PutFixed(&count, 0x7fffffff, 4);
  bytes.replace(8, 4, count);
  bytes += EqualNumbers(0) + EqualNumbers(1) + EqualNumbers(1);
  bytes += std::string(2, '\0');  // values of no bytes
  EXPECT_FALSE(Segment::Open(bytes, false, nullptr, &segment, &reason));
  EXPECT_NE(reason.find("1 keys with 2147483647 entries of one tag"),
            std::string::npos)
      << reason;
  // As many value blocks as entries, all at one place.
  std::vector<Entry> entries;
  for (int i = 0; i < 100; ++i)
    entries.push_back({std::to_string(100 + i), Tag(1), "v"});
  const Built many = Build(entries, false);
  bytes = many.bytes.substr(
      0, 16 + LoadFixed32(reinterpret_cast<const uint8_t*>(many.bytes.data()) +
                          12));
  bytes[0] = 0;
  bytes += EqualNumbers(1) + EqualNumbers(1);
  PutVarint32(&bytes, 100);
  bytes += EqualNumbers(0) + EqualNumbers(1000) + EqualNumbers(50);
  EXPECT_FALSE(Segment::Open(bytes, false, nullptr, &segment, &reason));
  EXPECT_NE(reason.find("value blocks without entries"), std::string::npos)
      << reason;
}

TEST(FstSegmentTest, TruncationAtEveryLengthIsReported) {
  for (const size_t block_size : {0, 16}) {
    const Built built = Build(ManyVersions(), false, block_size);
    for (size_t size = 0; size < built.bytes.size(); ++size) {
      // Exactly this size, for the sanitizers.
      const std::unique_ptr<char[]> bytes(new char[size]);
      built.bytes.copy(bytes.get(), size);
      Segment segment;
      std::string reason;
      ASSERT_FALSE(
          Segment::Open({bytes.get(), size}, false, nullptr, &segment, &reason))
          << size;
      EXPECT_FALSE(reason.empty());
    }
    Segment segment;
    std::string reason;
    EXPECT_FALSE(
        Segment::Open(built.bytes + '\0', false, nullptr, &segment, &reason));
    EXPECT_EQ(reason, "segment: 1 bytes follow its last section");
  }
}

TEST(FstSegmentTest, FlippedBitsNeverLeadOutsideAndAreNamed) {
  std::map<std::string, int> named;
  for (const bool mirrored : {false, true}) {
    for (const size_t block_size : {0, 16}) {
      const std::vector<Entry> entries =
          mirrored ? Reversed(ManyVersions()) : ManyVersions();
      const Built built = Build(entries, mirrored, block_size);
      const size_t size = built.bytes.size();
      const std::unique_ptr<char[]> bytes(new char[size]);
      built.bytes.copy(bytes.get(), size);
      for (size_t bit = 0; bit < 8 * size; ++bit) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        Segment segment;
        std::string reason;
        if (Segment::Open({bytes.get(), size}, mirrored, nullptr, &segment,
                          &reason)) {
          for (const Entry& entry : entries) {
            const uint32_t k = segment.FindKey(entry.key);
            segment.KeysBefore(entry.key);
            uint32_t begin = 0;
            uint32_t end = 0;
            if (k >= segment.num_keys() ||
                !segment.EntriesOf(k, &begin, &end)) {
              continue;
            }
            ASSERT_LE(end, segment.num_entries());
            for (uint32_t e = begin; e < end; ++e) {
              segment.Tag(e);
              ValueRunView::NumberBytes number;
              std::string_view value;
              if (segment.values_inline()) {
                segment.InlineValue(e, &number, &value);
              } else {
                const uint32_t b = segment.ValueBlockOf(e);
                ASSERT_LT(b, segment.num_value_blocks());
                ASSERT_LE(segment.ValueBlockFirstEntry(b),
                          segment.num_entries());
                segment.ValueBlockLocation(b);
              }
            }
          }
          if (!segment.Validate(&reason)) {
            ASSERT_EQ(reason[0], '(') << reason;
            ++named[reason.substr(0, 4)];
          }
        } else {
          ASSERT_FALSE(reason.empty());
          ++named["Open"];
        }
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      }
    }
  }
  for (const char* invariant : {"Open", "(S1)", "(S2)", "(S3)"}) {
    EXPECT_GT(named[invariant], 20) << invariant;
  }
}

}  // namespace
}  // namespace memkv
