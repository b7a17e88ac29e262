// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the single writer knows of its newest sequence, beside a set.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memtable/art/sequence_keys.h"

namespace memkv {
namespace art_test {
namespace {

ArtKey KeyOf(const std::string& user_key, uint64_t sequence) {
  return {user_key.data(), user_key.size(), sequence, ArtOrder::kBytewise};
}

std::vector<std::string> UserKeys(size_t n) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < n; ++i) {
    keys.push_back("/usr/share/doc/" + std::to_string(i * 7919) + ".gz");
  }
  return keys;
}

// How many of n new keys are taken for old ones; of old ones none for new.
size_t TakenForOld(ArtSequenceKeys* known, size_t n, uint64_t sequence) {
  const std::vector<std::string> keys = UserKeys(n);
  size_t taken = 0;
  known->Begin(KeyOf(keys[0], sequence));
  EXPECT_FALSE(known->Add(KeyOf(keys[0], sequence)));
  for (size_t i = 1; i < n; ++i) {
    taken += known->Add(KeyOf(keys[i], sequence)) ? 0 : 1;
    EXPECT_FALSE(known->Add(KeyOf(keys[i / 2], sequence)));
  }
  return taken;
}

TEST(ArtSequenceKeysTest, NoKeyThatHasComeIsNewAndFewNewOnesAreOld) {
  std::vector<char> memory(ArtSequenceKeys::kBytes, '\xff');
  ArtSequenceKeys known;
  known.SetMemory(memory.data());
  // What the filter held of a sequence before does not matter.
  EXPECT_EQ(0u, TakenForOld(&known, 2, 1));
  EXPECT_LE(TakenForOld(&known, 512, 2), 512u / 70);
  EXPECT_LE(TakenForOld(&known, 2048, 3), 2048u / 6);
  EXPECT_EQ(0u, TakenForOld(&known, 2, 4));
}

TEST(ArtSequenceKeysTest, KnowsAllOfTheSequenceThatBeganUntilItForgets) {
  const std::string user_key = "key";
  ArtSequenceKeys known;
  EXPECT_FALSE(known.KnowsAll(0));
  EXPECT_FALSE(known.has_memory());
  known.Begin(KeyOf(user_key, 7));
  EXPECT_TRUE(known.KnowsAll(7));
  EXPECT_FALSE(known.KnowsAll(6));
  EXPECT_FALSE(known.KnowsAll(8));
  known.Forget();
  EXPECT_FALSE(known.KnowsAll(7));
  known.Begin(KeyOf(user_key, 8));
  EXPECT_TRUE(known.KnowsAll(8));
}

}  // namespace
}  // namespace art_test
}  // namespace memkv
