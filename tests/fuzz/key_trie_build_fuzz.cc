// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// What a builder writes answers as the sorted list of its keys does: keys,
// options, tokens and the sequence of calls are the input's.

#include "table/key_trie/separators.h"
#include "tests/fuzz/key_trie_fuzz.h"
#include "tests/util/separator_check.h"

namespace memkv {

namespace {

using key_trie::SeparatorTrie;
using key_trie::SeparatorTrieBuilder;
using key_trie::SoughtKey;

constexpr int kMaxMoves = 400;

// Moves a cursor, and the rank it must be at, as the input says.
void CheckMoves(FuzzInput* in, const KeyTrieReader& reader,
                const KeyList& keys) {
  const auto n = static_cast<uint32_t>(keys.size());
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  uint32_t at = n;  // n or more: nowhere
  for (int move = 0; move < kMaxMoves && !in->empty(); ++move) {
    const size_t choice = in->Below(16);
    if (choice < 4 && at < n) {
      cursor.Next();
      ++at;
    } else if (choice < 8 && at < n) {
      cursor.Prev();
      at = at == 0 ? n : at - 1;
    } else if (choice < 10) {
      const std::string target = FuzzTarget(in, keys);
      cursor.Seek(target);
      at = ModelRank(keys, target);
    } else if (choice < 12) {
      const std::string target = FuzzTarget(in, keys);
      cursor.SeekForPrev(target);
      at = ModelRank(keys, target);
      if (at == n || keys[at] != target) {
        at = at == 0 ? n : at - 1;
      }
    } else if (choice == 12) {
      at = static_cast<uint32_t>(in->Below(keys.size() + 2));
      cursor.SeekToOrdinal(at);
    } else if (choice == 13) {
      const bool first = in->Flag();
      first ? cursor.SeekToFirst() : cursor.SeekToLast();
      at = first || n == 0 ? 0 : n - 1;
    } else if (choice == 14 && n > 0) {
      const auto ordinal = static_cast<uint32_t>(in->Below(n));
      std::string key;
      ASSERT_TRUE(reader.KeyAt(ordinal, &key));
      ASSERT_EQ(key, keys[ordinal]);
    } else {
      const std::string begin = FuzzTarget(in, keys);
      const std::string end = FuzzTarget(in, keys);
      ExpectLookupsAgree(reader, keys, begin);
      ASSERT_EQ(
          reader.CountRange(begin, end),
          begin < end ? ModelRank(keys, end) - ModelRank(keys, begin) : 0);
    }
    ExpectCursorAt(cursor, keys, at);
  }
}

// Every key is found where it is, walking and looking up.
void CheckAllKeys(const KeyTrieReader& reader, const KeyList& keys) {
  KeyTrieCursor cursor;
  cursor.Reset(&reader);
  uint32_t n = 0;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    ExpectCursorAt(cursor, keys, n);
    ExpectLookupsAgree(reader, keys, keys[n]);
    ++n;
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(n, keys.size());
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
    ExpectCursorAt(cursor, keys, --n);
  }
  ASSERT_FALSE(cursor.corrupt());
  ASSERT_EQ(n, 0u);
}

void CheckTrie(FuzzInput* in) {
  const auto bucket_keys = static_cast<uint32_t>(1 + in->Below(128));
  const KeyList keys = FuzzKeys(in);
  const std::string tokens = FuzzTokens(in, keys);
  OwnedKeyTrie trie(BuildKeyTrie(keys, bucket_keys, tokens), tokens);
  ASSERT_TRUE(trie.Open()) << trie.reason();
  std::string reason;
  ASSERT_TRUE(trie.reader().Validate(&reason)) << reason;
  ASSERT_EQ(trie.reader().num_keys(), keys.size());
  CheckAllKeys(trie.reader(), keys);
  CheckMoves(in, trie.reader(), keys);
}

void CheckSeparators(FuzzInput* in) {
  KeyList separators = FuzzKeys(in);
  separators.push_back("");
  separators = SortedKeys(std::move(separators));
  std::string bytes;
  ASSERT_TRUE(SeparatorTrieBuilder::Encode(separators, UINT32_MAX, &bytes));
  const ExactBytes exact(bytes + std::string(key_trie::kPadding, '\0'));
  SeparatorTrie trie;
  std::string reason;
  ASSERT_TRUE(SeparatorTrie::Open(exact.view().substr(0, bytes.size()),
                                  static_cast<uint32_t>(separators.size()),
                                  &trie, &reason))
      << reason;
  std::string separator;
  for (uint32_t i = 0; i < separators.size(); ++i) {
    ASSERT_TRUE(trie.Get(i, &separator));
    ASSERT_EQ(separator, separators[i]);
  }
  for (const std::string& key : separators) {
    ExpectFindsFloor(trie, separators, key);
    ExpectFindsFloor(trie, separators, key + '\0');
  }
  for (int i = 0; i < kMaxMoves && !in->empty(); ++i) {
    ExpectFindsFloor(trie, separators, FuzzTarget(in, separators));
  }
}

}  // namespace

}  // namespace memkv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  memkv::ThrowOnFailure();
  memkv::FuzzInput in(data, size);
  if (in.Below(8) == 0) {
    memkv::CheckSeparators(&in);
  } else {
    memkv::CheckTrie(&in);
  }
  return 0;
}
