// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Every operation, in random order, against a sorted list.

#include "tests/util/key_trie_test_util.h"

namespace memkv {

namespace {

constexpr size_t kNumKeys = 700;
constexpr int kNumMoves = 3000;

// A cursor on each side, moved alike.
class ModelPair {
 public:
  ModelPair(const KeyTrieReader& reader, const KeyList& keys)
      : reader_(reader), keys_(keys), at_(Size()) {
    cursor_.Reset(&reader);
    other_.Reset(&reader);
    slow_.Reset(&reader);
    slow_.TEST_ReadOneByOne();
  }

  void RandomMove(std::mt19937_64* rng) {
    const uint64_t choice = (*rng)() % 100;
    if (choice < 4) {
      const uint32_t ordinal = static_cast<uint32_t>((*rng)() % (Size() + 1));
      cursor_.SeekToOrdinal(ordinal);
      at_ = ordinal;
    } else if (choice < 6) {
      cursor_.SeekToFirst();
      at_ = 0;
    } else if (choice < 8) {
      cursor_.SeekToLast();
      at_ = Size() - 1;
    } else if (choice < 20 || at_ >= Size()) {
      const std::string target = NearKey(keys_, rng);
      const uint32_t rank = ModelRank(keys_, target);
      if (choice % 4 == 0) {
        KeyTrieCursor* both[] = {&cursor_, &other_};
        KeyTrieCursor::SeekAll(both, 2, key_trie::SoughtKey(target));
        at_ = rank;
        ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(other_, keys_, at_));
      } else if (choice % 2 == 0) {
        cursor_.Seek(target);
        at_ = rank;
      } else {
        cursor_.SeekForPrev(target);
        const bool found = rank < Size() && keys_[rank] == target;
        at_ = found ? rank : rank == 0 ? Size() : rank - 1;
      }
      ASSERT_NO_FATAL_FAILURE(ExpectLookupsAgree(reader_, keys_, target));
    } else if (choice < 60) {
      cursor_.Next();
      ++at_;
    } else if (choice < 94) {
      cursor_.Prev();
      at_ = at_ == 0 ? Size() : at_ - 1;
    } else if (choice < 97) {
      ASSERT_NO_FATAL_FAILURE(Walk(rng));
    } else {
      std::string key;
      ASSERT_TRUE(reader_.KeyAt(at_, &key));
      ASSERT_EQ(key, keys_[at_]);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor_, keys_, at_));
  }

 private:
  uint32_t Size() const { return static_cast<uint32_t>(keys_.size()); }

  // Many steps one way, beside a cursor that rebuilds keys one by one.
  void Walk(std::mt19937_64* rng) {
    slow_.SeekToOrdinal(at_);
    const bool forward = (*rng)() % 2 == 0;
    for (uint64_t steps = (*rng)() % 200; steps > 0 && at_ < Size(); --steps) {
      for (KeyTrieCursor* cursor : {&cursor_, &slow_}) {
        forward ? cursor->Next() : cursor->Prev();
      }
      at_ = forward ? at_ + 1 : at_ == 0 ? Size() : at_ - 1;
      ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(slow_, keys_, at_));
      ASSERT_NO_FATAL_FAILURE(ExpectCursorAt(cursor_, keys_, at_));
      if (at_ < Size()) {
        ASSERT_LE(cursor_.shared(), keys_[at_].size());
        const std::string& left = keys_[forward ? at_ - 1 : at_ + 1];
        ASSERT_EQ(
            keys_[at_].compare(0, cursor_.shared(), left, 0, cursor_.shared()),
            0);
      }
    }
  }

  const KeyTrieReader& reader_;
  const KeyList& keys_;
  KeyTrieCursor cursor_;
  KeyTrieCursor other_;  // sought together with the first
  KeyTrieCursor slow_;
  uint32_t at_;  // Size(): nowhere
};

class KeyTrieModelTest : public testing::TestWithParam<KeyShape> {};

}  // namespace

TEST_P(KeyTrieModelTest, AgreesWithASortedListUnderRandomMoves) {
  std::mt19937_64 rng(TestSeed());
  for (const key_trie::Coding coding : kKeyTrieCodings) {
    for (uint32_t bucket_keys : {1u, 2u, 7u, 64u, 128u}) {
      SCOPED_TRACE(std::string(NameOf(coding)) + ", " +
                   std::to_string(bucket_keys) + " keys a bucket");
      const KeyList keys = MakeKeys(GetParam(), kNumKeys, &rng);
      const std::string tokens = TokensFor(keys, coding);
      OwnedKeyTrie trie(BuildKeyTrie(keys, bucket_keys, tokens), tokens);
      ASSERT_TRUE(trie.Open()) << trie.reason();
      std::string reason;
      ASSERT_TRUE(trie.reader().Validate(&reason)) << reason;
      ModelPair pair(trie.reader(), keys);
      for (int i = 0; i < kNumMoves; ++i) {
        ASSERT_NO_FATAL_FAILURE(pair.RandomMove(&rng)) << "move " << i;
      }
    }
  }
}

TEST_P(KeyTrieModelTest, EveryNumberOfKeysAroundTheBucketEdges) {
  std::mt19937_64 rng(TestSeed());
  for (uint32_t bucket_keys : {1u, 2u, 7u}) {
    for (size_t n = 0; n <= 3 * bucket_keys + 1; ++n) {
      SCOPED_TRACE(std::to_string(n) + " keys");
      ASSERT_NO_FATAL_FAILURE(
          ExpectBehavesLike(MakeKeys(GetParam(), n, &rng), {bucket_keys}));
    }
  }
  // Places in the vectors that a bucket is searched with.
  for (size_t n : {31, 32, 33, 63, 64, 65, 127, 128, 129}) {
    SCOPED_TRACE(std::to_string(n) + " keys");
    ASSERT_NO_FATAL_FAILURE(
        ExpectBehavesLike(MakeKeys(GetParam(), n, &rng), {64, 128}));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, KeyTrieModelTest,
                         testing::ValuesIn(KeyShapes()),
                         [](const testing::TestParamInfo<KeyShape>& shape) {
                           return shape.param.name;
                         });

}  // namespace memkv
