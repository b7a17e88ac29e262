// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// How texts are cut into tokens, against a search for the longest token that
// looks every length up.

#include <map>

#include "table/key_trie/token_encoder.h"
#include "table/key_trie/tokens.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace key_trie {

namespace {

using Token = Tokens::Token;
using Numbers = std::vector<uint32_t>;

// The slow twin of TokenMatcher.
class NaiveMatcher {
 public:
  explicit NaiveMatcher(const std::vector<Token>& tokens) {
    for (uint32_t i = 0; i < tokens.size(); ++i) {
      (tokens[i].ends ? ending_ : plain_)[tokens[i].bytes] = i;
    }
  }

  Numbers Cut(std::string_view text) const {
    Numbers numbers;
    for (;;) {
      const auto ending = ending_.find(text);
      if (ending != ending_.end()) {
        numbers.push_back(ending->second);
        return numbers;
      }
      numbers.push_back(TakeLongest(&text));
    }
  }

  // Of a token that is not among these.
  size_t CountOf(const Token& token) const {
    if (token.ends) {
      return Cut(token.bytes).size();
    }
    size_t count = 0;
    for (std::string_view rest = token.bytes; !rest.empty(); ++count) {
      TakeLongest(&rest);
    }
    return count;
  }

 private:
  uint32_t TakeLongest(std::string_view* text) const {
    for (size_t size = std::min(text->size(), Tokens::kMaxLength);; --size) {
      const auto token = plain_.find(text->substr(0, size));
      if (token != plain_.end()) {
        text->remove_prefix(size);
        return token->second;
      }
    }
  }

  std::map<std::string, uint32_t, std::less<>> plain_;
  std::map<std::string, uint32_t, std::less<>> ending_;
};

// With those that every matcher has, in the order of codes.
std::vector<Token> Completed(std::vector<Token> tokens) {
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back({std::string(1, static_cast<char>(byte)), false});
  }
  tokens.push_back({"", true});
  std::sort(tokens.begin(), tokens.end(), Tokens::Before);
  tokens.erase(std::unique(tokens.begin(), tokens.end(),
                           [](const Token& a, const Token& b) {
                             return a.ends == b.ends && a.bytes == b.bytes;
                           }),
               tokens.end());
  return tokens;
}

// A set of tokens, and what it is hostile by.
struct TokenSet {
  const char* name;
  std::vector<Token> (*make)(std::mt19937_64* rng);
};

std::string AnyOf(const std::string& alphabet, size_t size,
                  std::mt19937_64* rng) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = alphabet[(*rng)() % alphabet.size()];
  }
  return bytes;
}

// Some of the prefixes of strings that share much or nothing.
std::vector<Token> PrefixesOf(const std::string& alphabet, size_t strings,
                              size_t each, std::mt19937_64* rng) {
  std::vector<Token> tokens;
  std::string bytes = AnyOf(alphabet, Tokens::kMaxLength, rng);
  for (size_t i = 0; i < strings; ++i) {
    const size_t shared = (*rng)() % bytes.size();
    bytes = bytes.substr(0, shared) +
            AnyOf(alphabet, Tokens::kMaxLength - shared, rng);
    for (size_t k = 0; k < each; ++k) {
      tokens.push_back(
          {bytes.substr(0, 1 + (*rng)() % bytes.size()), (*rng)() % 2 == 0});
    }
  }
  return tokens;
}

const TokenSet kTokenSets[] = {
    {"no tokens but those required",
     [](std::mt19937_64*) { return std::vector<Token>(); }},
    {"all strings of two letters",
     [](std::mt19937_64* rng) { return PrefixesOf("ab", 200, 10, rng); }},
    {"long paths with few branches",
     [](std::mt19937_64* rng) { return PrefixesOf("abcdefghij", 30, 1, rng); }},
    {"any bytes",
     [](std::mt19937_64* rng) {
       std::vector<Token> tokens;
       for (int i = 0; i < 300; ++i) {
         tokens.push_back(
             {RandomBytes(rng, 1 + (*rng)() % Tokens::kMaxLength), i % 3 == 0});
       }
       return tokens;
     }},
    {"zeros and ones",
     [](std::mt19937_64* rng) {
       return PrefixesOf(std::string("\0\xff", 2), 100, 3, rng);
     }},
    {"one token of every length about a label's",
     [](std::mt19937_64* rng) {
       std::vector<Token> tokens;
       for (size_t size = 2; size <= 24; ++size) {
         tokens.push_back(
             {static_cast<char>('a' + size) + AnyOf("xy", size - 1, rng),
              size % 2 == 0});
       }
       return tokens;
     }},
    {"a path of 63 bytes that branches at its last",
     [](std::mt19937_64*) {
       const std::string path(Tokens::kMaxLength - 1, 'x');
       return std::vector<Token>{
           {path + 'x', false}, {path + 'y', false}, {path + 'y', true}};
     }},
};

// Pieces of tokens one behind the other, so that texts end in the middle of
// tokens and leave them anywhere.
std::string TextOf(const std::vector<Token>& tokens, std::mt19937_64* rng) {
  std::string text;
  for (size_t n = (*rng)() % 5; n > 0; --n) {
    const std::string& bytes = tokens[(*rng)() % tokens.size()].bytes;
    text += (*rng)() % 2 == 0 ? bytes
                              : bytes.substr(0, (*rng)() % (bytes.size() + 1));
    if ((*rng)() % 8 == 0) {
      text += static_cast<char>((*rng)());
    }
  }
  return text;
}

template <class Number>
void ExpectCuts(const TokenMatcher& matcher, const NaiveMatcher& naive,
                const std::vector<std::string_view>& texts) {
  Cuts<Number> cuts;
  matcher.Cut(texts.data(), texts.size(), &cuts);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(Numbers(cuts.begin(i), cuts.end(i)), naive.Cut(texts[i]))
        << "text " << i << " of " << texts.size() << ": " << texts[i];
  }
}

}  // namespace

TEST(TokenMatcherTest, CutsAreThoseOfASearchForTheLongestToken) {
  std::mt19937_64 rng(TestSeed());
  for (const TokenSet& set : kTokenSets) {
    SCOPED_TRACE(set.name);
    const std::vector<Token> tokens = Completed(set.make(&rng));
    const TokenMatcher matcher(tokens);
    const NaiveMatcher naive(tokens);
    for (int round = 0; round < 50; ++round) {
      // Each in memory of just its size, so that AddressSanitizer sees what is
      // read behind it; then all in one piece, as a builder has them.
      std::vector<std::unique_ptr<char[]>> owned;
      std::vector<std::string_view> apart;
      std::string all;
      for (size_t n = (rng)() % 40; n > 0; --n) {
        const std::string text = TextOf(tokens, &rng);
        owned.push_back(std::make_unique<char[]>(text.size()));
        std::copy(text.begin(), text.end(), owned.back().get());
        apart.emplace_back(owned.back().get(), text.size());
        all += text;
      }
      std::vector<std::string_view> together;
      size_t begin = 0;
      for (const std::string_view text : apart) {
        together.push_back(std::string_view(all).substr(begin, text.size()));
        begin += text.size();
      }
      for (const auto& texts : {apart, together}) {
        ASSERT_NO_FATAL_FAILURE(ExpectCuts<uint16_t>(matcher, naive, texts));
        ASSERT_NO_FATAL_FAILURE(ExpectCuts<uint32_t>(matcher, naive, texts));
      }
    }
  }
}

TEST(TokenMatcherTest, TextsThatEndAnywhereInATokenAreCut) {
  // The text behind goes on as the token does.
  std::string token;
  for (size_t i = 0; i < Tokens::kMaxLength; ++i) {
    token.push_back(static_cast<char>('A' + i));
  }
  for (const bool ends : {false, true}) {
    const std::vector<Token> tokens = Completed({{token, ends}});
    const TokenMatcher matcher(tokens);
    const NaiveMatcher naive(tokens);
    for (size_t size = 0; size <= token.size(); ++size) {
      const std::string_view all = token;
      ASSERT_NO_FATAL_FAILURE(ExpectCuts<uint16_t>(
          matcher, naive, {all.substr(0, size), all.substr(size)}));
    }
  }
}

TEST(TokenMatcherTest, AsManyTokensAsThereMayBeAreTold) {
  std::mt19937_64 rng(TestSeed());
  std::vector<Token> tokens = Completed({});
  while (tokens.size() < TokenMatcher::kMaxMatched) {
    while (tokens.size() < TokenMatcher::kMaxMatched) {
      tokens.push_back({RandomBytes(&rng, 2 + rng() % 3), rng() % 4 == 0});
    }
    tokens = Completed(std::move(tokens));
  }
  const TokenMatcher matcher(tokens);
  const NaiveMatcher naive(tokens);
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) {
    texts.push_back(TextOf(tokens, &rng));
  }
  ASSERT_NO_FATAL_FAILURE(
      ExpectCuts<uint32_t>(matcher, naive, {texts.begin(), texts.end()}));
}

TEST(TokenMatcherTest, ATokenCountsAsWhatItWouldBeCutInto) {
  std::mt19937_64 rng(TestSeed());
  for (const TokenSet& set : kTokenSets) {
    SCOPED_TRACE(set.name);
    const std::vector<Token> tokens = Completed(set.make(&rng));
    const TokenMatcher matcher(tokens);
    for (int n = 0; n < 40; ++n) {
      std::vector<Token> others = tokens;
      const size_t i = rng() % tokens.size();
      if (tokens[i].bytes.size() == (tokens[i].ends ? 0 : 1)) {
        continue;  // required
      }
      others.erase(others.begin() + static_cast<ptrdiff_t>(i));
      ASSERT_EQ(matcher.CountWithout(tokens[i]),
                NaiveMatcher(others).CountOf(tokens[i]))
          << tokens[i].bytes;
    }
  }
}

}  // namespace key_trie
}  // namespace memkv
