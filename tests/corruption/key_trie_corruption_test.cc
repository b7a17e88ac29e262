// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Bytes that no builder wrote.  The sanitizers judge most of it: an access
// outside the bytes, which lie in an allocation of exactly their size, is
// fatal.

#include <functional>

#include "table/trie_coding.h"
#include "tests/unit/key_trie_test_util.h"

namespace memkv {

namespace {

// Small, and with everything in it: seven buckets, labels and suffixes with and
// without escapes, separators that are prefixes of others, a wide node.
KeyList SampleKeys() {
  return {"",
          "a",
          "a/1",
          "a/2",
          "a/2/x",
          "b",
          "banana",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes!",
          "banana-and-a-suffix-of-more-than-thirty-one-bytes!!",
          std::string("c\0", 2),
          std::string("c\0\xff", 3),
          "\xff",
          "\xff\xff"};
}

constexpr uint32_t kSampleBucketKeys = 2;

const size_t kHeaderSize = 20;
const size_t kOffsetsSizeAt = 8;
const size_t kTopSizeAt = 12;
const size_t kBucketsSizeAt = 16;

uint32_t LoadField(const std::string& bytes, size_t at) {
  return LoadFixed32(reinterpret_cast<const uint8_t*>(bytes.data()) + at);
}

void StoreField(std::string* bytes, size_t at, uint32_t value) {
  std::string encoded;
  PutFixed(&encoded, value, 4);
  bytes->replace(at, 4, encoded);
}

// Whether the dictionary is what its builder would make of its keys.
void ExpectCanonical(const KeyTrieReader& reader, std::string_view bytes) {
  KeyList keys;
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    keys.emplace_back(cursor.key());
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(keys.size(), reader.num_keys());
  for (size_t i = 1; i < keys.size(); ++i) {
    ASSERT_LT(keys[i - 1], keys[i]);
  }
  ASSERT_EQ(BuildKeyTrie(keys, reader.bucket_keys()), bytes);
}

// Calls everything there is; no answer may be out of range, and no walk longer
// than there are keys.
void ExpectSafe(const KeyTrieReader& reader, const KeyList& targets) {
  const uint32_t n = reader.num_keys();
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  const auto walk = [&](void (KeyTrieCursor::*step)()) {
    for (int steps = 0; cursor.Valid() && steps < 20; ++steps) {
      ASSERT_LT(cursor.ordinal(), n);
      (cursor.*step)();
    }
  };
  for (const std::string& target : targets) {
    const uint32_t found = reader.Find(target);
    ASSERT_TRUE(found < n || found >= KeyTrieReader::kCorrupt);
    const uint32_t lower = reader.LowerBound(target);
    ASSERT_TRUE(lower <= n || lower == KeyTrieReader::kCorrupt);
    const uint32_t floor = reader.FloorOrdinal(target);
    ASSERT_TRUE(floor < n || floor >= KeyTrieReader::kCorrupt);
    cursor.Seek(target);
    ASSERT_NO_FATAL_FAILURE(walk(&KeyTrieCursor::Next));
    cursor.SeekForPrev(target);
    ASSERT_NO_FATAL_FAILURE(walk(&KeyTrieCursor::Prev));
  }
  uint32_t steps = 0;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    ASSERT_LE(++steps, n);
  }
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
    ASSERT_LE(++steps, 2 * n);
  }
  ASSERT_TRUE(!cursor.corrupt() || !cursor.Valid());
  std::string key;
  for (uint32_t i = 0; i < std::min(n, 100u); ++i) {
    reader.KeyAt(i, &key);
    cursor.SeekToOrdinal(i);
    ASSERT_NO_FATAL_FAILURE(walk(&KeyTrieCursor::Prev));
  }
}

// What happened to damaged bytes.
struct Tally {
  int open_refused = 0;
  int validate_refused = 0;
  int other_dictionary = 0;  // valid: the damage made other keys
};

void ExpectDamageIsSafe(const std::string& bytes, const KeyList& targets,
                        Tally* tally) {
  OwnedKeyTrie trie(bytes);
  if (!trie.Open()) {
    ASSERT_FALSE(trie.reason().empty());
    ++tally->open_refused;
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSafe(trie.reader(), targets));
  std::string reason;
  if (!trie.reader().Validate(&reason)) {
    ASSERT_FALSE(reason.empty());
    ++tally->validate_refused;
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectCanonical(trie.reader(), bytes)) << reason;
  ++tally->other_dictionary;
}

}  // namespace

TEST(KeyTrieCorruptionTest, TruncationAtEveryLengthIsRefused) {
  const std::string bytes = BuildKeyTrie(SampleKeys(), kSampleBucketKeys);
  for (size_t size = 0; size < bytes.size(); ++size) {
    OwnedKeyTrie trie(bytes.substr(0, size));
    EXPECT_FALSE(trie.Open()) << size;
    EXPECT_FALSE(trie.reason().empty());
    EXPECT_EQ(trie.reader().num_keys(), 0u);
  }
}

TEST(KeyTrieCorruptionTest, BytesAfterTheEndAreRefused) {
  OwnedKeyTrie trie(BuildKeyTrie(SampleKeys(), kSampleBucketKeys) + '\0');
  EXPECT_FALSE(trie.Open());
}

TEST(KeyTrieCorruptionTest, EverySingleFlippedBitIsSafe) {
  const KeyList keys = SampleKeys();
  Tally tally;
  for (uint32_t bucket_keys : {1u, kSampleBucketKeys, 32u}) {
    const std::string bytes = BuildKeyTrie(keys, bucket_keys);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, keys, &tally))
          << "bit " << bit << " of " << bucket_keys << " keys a bucket";
    }
  }
  EXPECT_GT(tally.open_refused, 300);
  EXPECT_GT(tally.validate_refused, 500);
  // Bits inside a suffix, which make another key.
  EXPECT_GT(tally.other_dictionary, 100);
}

TEST(KeyTrieCorruptionTest, EveryByteReplacedByTelltaleValuesIsSafe) {
  const KeyList keys = SampleKeys();
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys);
  Tally tally;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value : {0x00, 0x01, 0x07, 0x7f, 0x80, 0xf7, 0xf8, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, keys, &tally))
          << "byte " << at;
    }
  }
  EXPECT_GT(tally.validate_refused, 300);
}

TEST(KeyTrieCorruptionTest, SectionsCutShortWithMatchingSizesAreSafe) {
  const KeyList keys = SampleKeys();
  const std::string bytes = BuildKeyTrie(keys, kSampleBucketKeys);
  size_t end = kHeaderSize;
  for (size_t field : {kOffsetsSizeAt, kTopSizeAt, kBucketsSizeAt}) {
    const uint32_t size = LoadField(bytes, field);
    end += size;
    Tally tally;
    for (uint32_t cut = 1; cut <= size; ++cut) {
      std::string damaged = bytes;
      damaged.erase(end - cut, cut);
      StoreField(&damaged, field, size - cut);
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, keys, &tally));
    }
    EXPECT_EQ(tally.other_dictionary, 0) << "field at " << field;
    // And longer than they are.
    for (const char* more : {"\x00", "\xff", "\x08"}) {
      std::string damaged = bytes;
      damaged.insert(end, std::string(more, 1));
      StoreField(&damaged, field, size + 1);
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(damaged, keys, &tally));
    }
    EXPECT_EQ(tally.other_dictionary, 0) << "field at " << field;
  }
}

TEST(KeyTrieCorruptionTest, HostileHeadersAreRefused) {
  const std::string bytes = BuildKeyTrie(SampleKeys(), kSampleBucketKeys);
  const struct {
    const char* what;
    std::function<void(std::string*)> damage;
  } kCases[] = {
      {"encoding", [](std::string* s) { (*s)[0] = 2; }},
      {"reserved", [](std::string* s) { (*s)[1] = 1; }},
      {"no keys a bucket", [](std::string* s) { s->replace(2, 2, 2, '\0'); }},
      {"1025 keys a bucket",
       [](std::string* s) { s->replace(2, 2, "\x01\x04"); }},
      {"2^32 - 1 keys", [](std::string* s) { StoreField(s, 4, UINT32_MAX); }},
      {"no keys", [](std::string* s) { StoreField(s, 4, 0); }},
      {"one bucket, yet a top", [](std::string* s) { StoreField(s, 4, 2); }},
      {"sections that wrap",
       [](std::string* s) {
         StoreField(s, 8, LoadField(*s, 8) + 0x80000000u);
         StoreField(s, 12, LoadField(*s, 12) + 0x80000000u);
       }},
      {"sections that shift",
       [](std::string* s) {
         StoreField(s, 8, LoadField(*s, 8) + 1);
         StoreField(s, 12, LoadField(*s, 12) - 1);
       }},
  };
  for (const auto& c : kCases) {
    std::string damaged = bytes;
    c.damage(&damaged);
    OwnedKeyTrie trie(damaged);
    EXPECT_FALSE(trie.Open()) << c.what;
    EXPECT_FALSE(trie.reason().empty()) << c.what;
  }
}

TEST(KeyTrieCorruptionTest, BytesAtRandomAreSafe) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  Tally tally;
  for (int round = 0; round < 3000; ++round) {
    // A header that Open accepts more often than not, and noise behind it.
    const uint32_t bucket_keys = 1 + static_cast<uint32_t>(rng() % 4);
    const uint32_t num_keys = static_cast<uint32_t>(rng() % 40);
    const uint32_t num_buckets = (num_keys + bucket_keys - 1) / bucket_keys;
    const std::string top =
        num_buckets > 1 ? RandomBytes(&rng, 1 + rng() % 200) : "";
    const std::string buckets =
        num_keys > 0 ? RandomBytes(&rng, num_keys + rng() % 300) : "";
    std::vector<uint64_t> begins;
    for (uint32_t i = 0; i < num_buckets; ++i) {
      begins.push_back(i == 0 ? 0 : rng() % (buckets.size() + 3));
    }
    if (rng() % 8 != 0) {
      std::sort(begins.begin(), begins.end());
    }
    std::string offsets;
    PackedArrayBuilder::Encode(begins.data(), begins.size(), &offsets);
    std::string bytes(4, '\0');
    bytes[0] = 1;
    bytes[2] = static_cast<char>(bucket_keys);
    for (size_t field :
         {size_t{num_keys}, offsets.size(), top.size(), buckets.size()}) {
      PutFixed(&bytes, field, 4);
    }
    bytes += offsets + top + buckets;
    ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(
        bytes, {"", "a", RandomBytes(&rng, 5), RandomBytes(&rng, 50)}, &tally))
        << "round " << round;
  }
  EXPECT_GT(tally.validate_refused, 2000);
}

TEST(KeyTrieCorruptionTest, SeveralDamagedBytesInLargerDictionariesAreSafe) {
  std::mt19937_64 rng(KeyTrieTestSeed());
  Tally tally;
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    const KeyList keys = MakeKeys(shape, 150, &rng);
    for (int round = 0; round < 60; ++round) {
      std::string bytes =
          BuildKeyTrie(keys, 1 + static_cast<uint32_t>(rng() % 9));
      for (uint64_t n = 1 + rng() % 6; n > 0; --n) {
        bytes[kHeaderSize + rng() % (bytes.size() - kHeaderSize)] =
            static_cast<char>(rng() % 3 == 0 ? 0xff : rng());
      }
      const KeyList targets = {NearKey(keys, &rng), NearKey(keys, &rng), ""};
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsSafe(bytes, targets, &tally));
    }
  }
  EXPECT_GT(tally.validate_refused, 100);
}

TEST(KeyTrieCorruptionTest, TopsThatDoNotFitTheBucketsAreRefused) {
  const auto top_of = [](const KeyList& keys, uint32_t bucket_keys) {
    const std::string bytes = BuildKeyTrie(keys, bucket_keys);
    return bytes.substr(kHeaderSize + LoadField(bytes, kOffsetsSizeAt),
                        LoadField(bytes, kTopSizeAt));
  };
  const struct {
    const char* what;
    KeyList keys;
    uint32_t bucket_keys;
    std::string top;
    const char* reason;
  } kCases[] = {
      // "aan" for "ban", which shares as much with "aam" as the top claims, but
      // not with the key in between.
      {"other prefixes",
       {"", "aal", "aam", "bam", "ban"},
       2,
       top_of({"", "aal", "aam", "aamz", "aan"}, 2),
       "wrong separator for bucket 2"},
      {"shorter separators",
       {"a", "prefix-1", "prefix-2"},
       1,
       top_of({"a", "b", "c"}, 1),
       "wrong separator for bucket 1"},
      {"too few separators",
       {"a", "b", "c"},
       1,
       top_of({"a", "b"}, 1),
       "no separator for bucket 2"},
      {"too many separators",
       {"a", "b", "c"},
       1,
       top_of({"a", "b", "c", "d"}, 1),
       "more separators than buckets"},
      // The root, then 'x' as a node of its own over 'b': not a Patricia trie.
      {"a node with one way on",
       {"xa", "xb"},
       1,
       std::string("\x58\x00x\x50\x00"
                   "b\x08",
                   7),
       "one child"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    std::string bytes = BuildKeyTrie(c.keys, c.bucket_keys);
    const size_t top_at = kHeaderSize + LoadField(bytes, kOffsetsSizeAt);
    bytes.replace(top_at, LoadField(bytes, kTopSizeAt), c.top);
    StoreField(&bytes, kTopSizeAt, static_cast<uint32_t>(c.top.size()));
    OwnedKeyTrie trie(bytes);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    ASSERT_NO_FATAL_FAILURE(ExpectSafe(trie.reader(), c.keys));
    std::string reason;
    EXPECT_FALSE(trie.reader().Validate(&reason));
    EXPECT_NE(reason.find(c.reason), std::string::npos) << reason;
  }
}

TEST(KeyTrieCorruptionTest, AHeadLongerThanItsSeparatorCannotBeRebuilt) {
  // The buckets of one dictionary under the top of another: "prefix-2" shares 7
  // bytes with the key before it, its separator has one.
  std::string bytes = BuildKeyTrie({"a", "prefix-1", "prefix-2"}, 1);
  const std::string other = BuildKeyTrie({"a", "bcdefghij", "c"}, 1);
  const size_t top_at = kHeaderSize + LoadField(bytes, kOffsetsSizeAt);
  const uint32_t top_size = LoadField(other, kTopSizeAt);
  bytes.replace(
      top_at, LoadField(bytes, kTopSizeAt),
      other.substr(kHeaderSize + LoadField(other, kOffsetsSizeAt), top_size));
  StoreField(&bytes, kTopSizeAt, top_size);
  OwnedKeyTrie trie(bytes);
  ASSERT_TRUE(trie.Open()) << trie.reason();
  KeyTrieCursor cursor;
  cursor.Reset(&trie.reader());
  cursor.SeekToOrdinal(2);
  EXPECT_FALSE(cursor.Valid());
  EXPECT_TRUE(cursor.corrupt());
  std::string key;
  EXPECT_FALSE(trie.reader().KeyAt(2, &key));
  cursor.SeekToFirst();
  EXPECT_TRUE(cursor.Valid());
  EXPECT_FALSE(cursor.corrupt());
}

TEST(KeyTrieCorruptionTest, HugeClaimsDoNotAllocate) {
  // One bucket whose only entry claims a suffix of 2^31, and a head that claims
  // to share as much with a key before it that does not exist.
  for (const std::string& headers :
       {std::string("\xf8\xff\xff\xff\xff\x07", 6),
        std::string("\x0f\xff\xff\xff\xff\x0f", 6)}) {
    std::string buckets(1, static_cast<char>(headers.size()));
    buckets += headers + "x";
    std::string bytes("\x01\x00\x20\x00", 4);
    PutFixed(&bytes, 1, 4);
    PutFixed(&bytes, 2, 4);
    PutFixed(&bytes, 0, 4);
    PutFixed(&bytes, buckets.size(), 4);
    bytes += std::string(2, '\0') + buckets;
    OwnedKeyTrie trie(bytes);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    EXPECT_EQ(trie.reader().Find("x"), KeyTrieReader::kCorrupt);
    EXPECT_EQ(trie.reader().LowerBound("x"), KeyTrieReader::kCorrupt);
    EXPECT_EQ(trie.reader().FloorOrdinal("x"), KeyTrieReader::kCorrupt);
    std::string key;
    EXPECT_FALSE(trie.reader().KeyAt(0, &key));
    KeyTrieCursor cursor;
    cursor.Reset(&trie.reader());
    cursor.SeekToFirst();
    EXPECT_FALSE(cursor.Valid());
    EXPECT_TRUE(cursor.corrupt());
    std::string reason;
    EXPECT_FALSE(trie.reader().Validate(&reason));
    EXPECT_FALSE(reason.empty());
    cursor.Reset(&trie.reader());
    EXPECT_FALSE(cursor.corrupt());
  }
}

}  // namespace memkv
