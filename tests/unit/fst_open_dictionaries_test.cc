// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_open_dictionaries.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace memkv {
namespace {

using key_trie::Tokens;

TEST(OpenDictionariesTest, TheOneOfMostKeysIsFound) {
  OpenDictionaries dictionaries;
  EXPECT_EQ(dictionaries.Find({"a"}).tokens, nullptr);
  const auto few = std::make_shared<const Tokens>();
  const auto most = std::make_shared<const Tokens>();
  const auto others = std::make_shared<const Tokens>();
  dictionaries.Add({few, 1}, "b", "c");
  dictionaries.Add({most, 2}, "b", "d");
  dictionaries.Add({others, 3}, "e", "z");
  const Dictionary found = dictionaries.Find({"b", "c", "d", "e"});
  EXPECT_EQ(found.tokens, most);
  EXPECT_EQ(found.bits_a_byte, 2);
  EXPECT_EQ(dictionaries.Find({"z"}).tokens, others);
  EXPECT_EQ(dictionaries.Find({"e", "f"}).tokens, others);
}

TEST(OpenDictionariesTest, HalfOfTheKeysIsEnoughAndLessIsNot) {
  OpenDictionaries dictionaries;
  const auto tokens = std::make_shared<const Tokens>();
  dictionaries.Add({tokens, 1}, "c", "d");
  EXPECT_EQ(dictionaries.Find({"a", "b", "c", "d"}).tokens, tokens);
  EXPECT_EQ(dictionaries.Find({"a", "b", "d"}).tokens, nullptr);
  EXPECT_EQ(dictionaries.Find({"c1", "e"}).tokens, tokens);
  EXPECT_EQ(dictionaries.Find({"a", "b"}).tokens, nullptr);
  EXPECT_EQ(dictionaries.Find({}).tokens, nullptr);
}

TEST(OpenDictionariesTest, OfEqualOnesTheLastIsFound) {
  OpenDictionaries dictionaries;
  const auto first = std::make_shared<const Tokens>();
  const auto last = std::make_shared<const Tokens>();
  dictionaries.Add({first, 1}, "a", "z");
  dictionaries.Add({last, 1}, "a", "z");
  EXPECT_EQ(dictionaries.Find({"k"}).tokens, last);
}

TEST(OpenDictionariesTest, WhatNobodyHoldsIsGone) {
  OpenDictionaries dictionaries;
  auto tokens = std::make_shared<const Tokens>();
  const std::weak_ptr<const Tokens> held = tokens;
  dictionaries.Add({tokens, 1}, "a", "z");
  tokens.reset();
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(dictionaries.Find({"k"}).tokens, nullptr);
}

TEST(OpenDictionariesTest, FilesOpenAndCloseWhileOthersAreBuilt) {
  OpenDictionaries dictionaries;
  const auto kept = std::make_shared<const Tokens>();
  dictionaries.Add({kept, 1}, "a", "m");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&dictionaries, &kept] {
      for (int i = 0; i < 1000; i++) {
        dictionaries.Add({std::make_shared<const Tokens>(), 1}, "n", "z");
        ASSERT_EQ(dictionaries.Find({"b", "c"}).tokens, kept);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace memkv
