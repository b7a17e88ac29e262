// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The automata of searches: what they match, compared with their slow twins
// (std::regex, fnmatch, tables of edits, lists of prefixes) on random patterns
// and keys, what they refuse and where, and their bounds.

#include <fnmatch.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "plugin/memkv_search.h"
#include "tests/util/pattern_match.h"
#include "tests/util/random_bytes.h"
#include "tests/util/test_seed.h"
#include "view/automaton_program.h"

namespace memkv {
namespace {

using rocksdb::Slice;
using rocksdb::Status;
using Made = std::unique_ptr<Automaton>;

constexpr char kLetters[] = "ab/c\xff";

bool Matches(Automaton* automaton, const std::string& key) {
  Automaton::State state = automaton->Start();
  for (size_t i = 0; i < key.size() && state != Automaton::kDead; ++i) {
    state = automaton->Step(state, static_cast<uint8_t>(key[i]));
  }
  return state != Automaton::kDead && automaton->IsMatch(state);
}

Made Regex(const std::string& pattern) {
  Made made;
  const Status s = NewRegexAutomaton(pattern, &made);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return made;
}
Made Glob(const std::string& pattern) {
  Made made;
  const Status s = NewGlobAutomaton(pattern, &made);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return made;
}

TEST(AutomataTest, MatchWhatTheirTwinsMatch) {
  std::mt19937_64 random(TestSeed());
  size_t matches = 0;
  for (int round = 0; round < 3000; ++round) {
    RandomPattern pattern = MakeRandomPattern(&random, kLetters);
    ASSERT_TRUE(pattern.status.ok()) << pattern.status.ToString();
    for (int i = 0; i < 60; ++i) {
      const std::string key = RandomWord(&random, kLetters, 8);
      const bool expected = pattern.matches(key);
      matches += expected;
      ASSERT_EQ(expected, Matches(pattern.automaton.get(), key))
          << pattern.description << ", key "
          << Slice(key).ToString(/*hex=*/true);
    }
  }
  EXPECT_GT(matches, 1000u);
}

TEST(AutomataTest, SayOfStatesWhatStepsSay) {
  std::mt19937_64 random(TestSeed());
  size_t all = 0;
  size_t dead = 0;
  for (int round = 0; round < 1000; ++round) {
    RandomPattern pattern = MakeRandomPattern(&random, kLetters);
    ASSERT_TRUE(pattern.status.ok()) << pattern.status.ToString();
    Automaton& automaton = *pattern.automaton;
    Automaton::State state = automaton.Start();
    std::string read;
    while (state != Automaton::kDead && read.size() < 8) {
      // The slow way of the interface itself.
      ASSERT_EQ(automaton.Automaton::NextBytes(state),
                automaton.NextBytes(state))
          << pattern.description;
      const std::string rest = RandomWord(&random, kLetters, 5);
      if (automaton.IsMatch(state) && automaton.MatchesAll(state)) {
        ++all;
        ASSERT_TRUE(pattern.matches(read + rest)) << pattern.description;
        ASSERT_EQ(state, automaton.Step(state, 'x'));
      }
      read += kLetters[random() % 5];
      state = automaton.Step(state, static_cast<uint8_t>(read.back()));
      if (state == Automaton::kDead) {
        ++dead;
        ASSERT_FALSE(pattern.matches(read + rest)) << pattern.description;
      }
    }
  }
  EXPECT_GT(all, 100u);
  EXPECT_GT(dead, 300u);
}

TEST(AutomataTest, GlobsMatchWhatFnmatchMatches) {
  std::mt19937_64 random(TestSeed());
  const std::string letters = "ab/.-";
  const std::vector<std::string> specials = {
      "*",    "?",           "[ab]",         "[!a]", "[^a]", "[a-c]", "[]a]",
      "[a-]", "[[:alpha:]]", "[![:alpha:]]", "\\*",  "\\a",  "[\\]]"};
  size_t matches = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string glob = RandomGlob(&random, letters, specials);
    if (glob.find("**") != std::string::npos) continue;  // is another thing
    const Made made = Glob(glob);
    for (int i = 0; i < 30; ++i) {
      const std::string key = RandomWord(&random, "ab/.-*]", 6);
      const bool expected =
          fnmatch(glob.c_str(), key.c_str(), FNM_PATHNAME) == 0;
      matches += expected;
      ASSERT_EQ(expected, Matches(made.get(), key)) << glob << " of " << key;
    }
  }
  EXPECT_GT(matches, 300u);
}

TEST(AutomataTest, RegexesTakeBytesAndClasses) {
  EXPECT_TRUE(Matches(Regex("").get(), ""));
  EXPECT_FALSE(Matches(Regex("").get(), "a"));
  EXPECT_TRUE(Matches(Regex("^pool/.*\\.deb$").get(), "pool/a.deb"));
  EXPECT_TRUE(Matches(Regex("a.b").get(), std::string("a\0b", 3)));
  EXPECT_TRUE(Matches(Regex("a.b").get(), "a\nb"));
  EXPECT_TRUE(
      Matches(Regex(R"(\x00\0\xff\\\.)").get(), std::string("\0\0\xff\\.", 5)));
  EXPECT_TRUE(Matches(Regex(R"([\x80-\xff]{3})").get(), "\x80\xc0\xff"));
  EXPECT_TRUE(Matches(Regex(R"([]^-]+)").get(), "]^-"));
  EXPECT_TRUE(Matches(Regex(R"([\d\-z]+\D)").get(), "1-z1a"));
  EXPECT_FALSE(Matches(Regex(R"(\W)").get(), "_"));
  EXPECT_TRUE(Matches(Regex("(?i)AbC[x-z]").get(), "aBcY"));
  EXPECT_FALSE(Matches(Regex("(?i)a").get(), "b"));
  EXPECT_TRUE(Matches(Regex("[[:upper:][:digit:]]{2}").get(), "A1"));
  EXPECT_TRUE(Matches(Regex("(|a)(b|)").get(), ""));
  EXPECT_TRUE(Matches(Regex("(a{0}b)*").get(), "bb"));
  EXPECT_TRUE(Matches(Regex("\xc3\xa9+").get(), "\xc3\xa9\xa9"));
}

TEST(AutomataTest, EitherCaseInBracketsIsWhatStdRegexTakesForIt) {
  std::mt19937_64 random(TestSeed());
  const std::vector<std::string> items = {"a", "Z",   "1",   "a-m",
                                          "P", "k-z", "C-E", "0-5"};
  size_t matches = 0;
  for (int round = 0; round < 200; ++round) {
    std::string brackets = round % 2 == 0 ? "[" : "[^";
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      brackets += items[random() % items.size()];
    }
    brackets += ']';
    const std::regex twin(brackets, std::regex::ECMAScript | std::regex::icase);
    const Made made = Regex("(?i)" + brackets);
    for (char byte = 1; byte < 127; ++byte) {
      const std::string key(1, byte);
      const bool expected = std::regex_match(key, twin);
      matches += expected;
      ASSERT_EQ(expected, Matches(made.get(), key))
          << brackets << " of " << key;
    }
  }
  EXPECT_GT(matches, 5000u);
}

TEST(AutomataTest, AWrongPatternIsRefusedWithThePlaceOfTheFault) {
  const struct {
    const char* pattern;
    const char* says;
  } kWrong[] = {
      {"a(b", "byte 1: ( without )"},
      {"ab)c", "byte 2: ) without ("},
      {"a[bc", "byte 1: [ without ]"},
      {"[z-a]", "byte 1: a range that does not ascend"},
      {"[a-\\d]", "byte 1: a range that does not ascend"},
      {"[[:none:]]", "byte 3: there is no class [:none:]"},
      {"*a", "byte 0: nothing is before *"},
      {"(+)", "byte 1: nothing is before +"},
      {"a**", "byte 2: a repetition is repeated"},
      {"a*+", "byte 2: a repetition is repeated"},
      {"a{2", "byte 1: { without }"},
      {"a{x}", "byte 2: a number is expected here"},
      {"a{3,2}", "byte 1: the least is more than the most"},
      {"a{1001}", "byte 2: a number of up to 1000"},
      {"a\\", "byte 2: nothing is behind the last \\"},
      {"a\\1", "byte 2: \\1 means nothing here"},
      {"\\bword", "byte 1: \\b means nothing here"},
      {"\\xg0", "byte 2: expected two hexadecimal digits"},
      {"a^b", "byte 1: ^ is taken at the beginning alone"},
      {"a$b", "byte 1: $ is taken at the end alone"},
      {"(?=a)", "byte 0: (? is taken as (?: alone"},
      {"x(a{1000}){1000}", "more than 20000 instructions"},
  };
  for (const auto& wrong : kWrong) {
    Made made;
    const Status s = NewRegexAutomaton(wrong.pattern, &made);
    EXPECT_TRUE(s.IsInvalidArgument()) << wrong.pattern;
    EXPECT_NE(s.ToString().find(wrong.says), std::string::npos)
        << wrong.pattern << ": " << s.ToString();
    EXPECT_EQ(nullptr, made);
  }
  Made made;
  EXPECT_TRUE(NewGlobAutomaton("a[b", &made).IsInvalidArgument());
  EXPECT_TRUE(NewGlobAutomaton("a\\", &made).IsInvalidArgument());
  EXPECT_TRUE(
      NewGlobAutomaton(std::string(20001, '?'), &made).IsInvalidArgument());
  EXPECT_TRUE(NewEditDistanceAutomaton(std::string(3000, 'a'), 2, &made)
                  .IsInvalidArgument());
  EXPECT_TRUE(
      NewEditDistanceAutomaton("a", SIZE_MAX, &made).IsInvalidArgument());
  EXPECT_EQ(nullptr, made);
}

TEST(AutomataTest, HostilePatternsEndSoon) {
  // Deeper than a stack should go, or with more copies than memory has.
  Made made;
  EXPECT_TRUE(
      NewRegexAutomaton(std::string(100000, '('), &made).IsInvalidArgument());
  std::string nested = "a";
  std::string hollow;
  for (int i = 0; i < 150; ++i) {
    nested = "(" + nested + "){1000}";
    hollow = "(" + hollow + "){1000}";
  }
  EXPECT_TRUE(NewRegexAutomaton(nested, &made).IsInvalidArgument());
  EXPECT_EQ(nullptr, made);
  EXPECT_TRUE(Matches(Regex(hollow).get(), ""));
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 6000; ++i) {
    const std::string pattern = RandomWord(&random, "ab()[]{}1,*+?|\\^$-:", 12);
    Made any;
    const Status s = NewRegexAutomaton(pattern, &any);
    ASSERT_EQ(s.ok(), any != nullptr);
    ASSERT_TRUE(s.ok() || s.IsInvalidArgument()) << s.ToString();
    if (s.ok()) Matches(any.get(), RandomWord(&random, "ab()", 6));
    Made glob;
    const Status g = NewGlobAutomaton(pattern, &glob);
    ASSERT_EQ(g.ok(), glob != nullptr);
  }
}

TEST(AutomataTest, StatesAreBounded) {
  // A state for each subset of the last thousand bytes.
  const Made made = Regex(".*a.{1000}");
  std::mt19937_64 random(TestSeed());
  Automaton::State state = made->Start();
  size_t steps = 0;
  while (state != Automaton::kDead && steps < 100000) {
    state = made->Step(state, random() % 2 == 0 ? 'a' : 'b');
    ++steps;
  }
  EXPECT_EQ(Automaton::kDead, state);
  EXPECT_TRUE(made->status().IsMemoryLimit()) << made->status().ToString();
  EXPECT_LT(static_cast<const view::LazyDfa&>(*made).states(), steps + 1);
  EXPECT_GT(steps, 1000u);
}

TEST(AutomataTest, ManyPrefixesAreSearchedAsFewAre) {
  std::mt19937_64 random(TestSeed());
  std::vector<std::string> prefixes;
  for (int i = 0; i < 20000; ++i) prefixes.push_back(RandomBytes(&random, 3));
  Made made;
  ASSERT_TRUE(NewPrefixesAutomaton(prefixes, &made).ok());
  for (const std::string& prefix : prefixes) {
    ASSERT_TRUE(Matches(made.get(), prefix + "x"));
    ASSERT_FALSE(Matches(made.get(), prefix.substr(0, 2)));
  }
  for (int i = 0; i < 200; ++i) {
    const std::string key = RandomBytes(&random, 4);
    ASSERT_EQ(BeginsWithOneOf(prefixes, key), Matches(made.get(), key));
  }
}

}  // namespace
}  // namespace memkv
