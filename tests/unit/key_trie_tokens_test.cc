// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The token table: its bytes, how it is trained, and how suffixes are
// cut into it.

#include <map>

#include "table/key_trie/token_choice.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/token_trainer.h"
#include "table/key_trie/tokens.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace key_trie {

namespace {

using Token = Tokens::Token;

constexpr size_t kLengthsAt = Tokens::kHeaderSize;

std::string Encoded(const std::vector<Token>& tokens) {
  std::string bytes;
  Tokens::Encode(tokens, &bytes);
  return bytes;
}

// The tokens of a token table's bytes.
std::vector<Token> TokensIn(const std::string& bytes) {
  Tokens tokens;
  std::string reason;
  EXPECT_TRUE(tokens.Open(bytes, &reason)) << reason;
  std::vector<Token> list;
  for (uint32_t code = 0; code < tokens.num_tokens(); ++code) {
    list.push_back({tokens.TokenOf(code), code >= tokens.first_end()});
  }
  return list;
}

void ExpectSameTokens(const std::vector<Token>& a,
                      const std::vector<Token>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].bytes, b[i].bytes) << i;
    ASSERT_EQ(a[i].ends, b[i].ends) << i;
  }
}

// What is trained on all suffixes of these keys.
std::string Trained(const KeyList& keys, double share, uint64_t plain_bytes) {
  TokenTrainer trainer;
  for (const std::string& key : keys) {
    trainer.Add(key);
  }
  std::string out;
  trainer.Train(share, plain_bytes, &out);
  EXPECT_EQ(trainer.sample_bytes(), 0u);  // forgotten
  return out;
}

// Paths in order: what neighbours do not share is still alike.
KeyList Paths(size_t n) {
  KeyList keys;
  for (size_t i = 0; i < n; ++i) {
    keys.push_back("usr/share/package-" + std::to_string(i / 8) +
                   "/component-" + std::to_string(i % 8) + "/documentation/" +
                   (i % 3 == 0 ? "README.gz" : "changelog.Debian.gz"));
  }
  return SortedKeys(keys);
}

std::string TrainTokensOn(const std::vector<KeyList>& lists,
                          size_t sample_bytes) {
  std::vector<std::unique_ptr<Builder>> builders;
  std::vector<const Builder*> pointers;
  for (const KeyList& keys : lists) {
    builders.push_back(NewKeyTrieBuilder(keys, {}));
    pointers.push_back(builders.back().get());
  }
  std::string out;
  TrainTokens(pointers, sample_bytes, &out);
  return out;
}

// Whether the codes of every suffix name its bytes, and its end alone ends it.
void ExpectRoundTrip(const std::string& token_table, const KeyList& suffixes) {
  Tokens tokens;
  std::string reason;
  ASSERT_TRUE(tokens.Open(token_table, &reason)) << reason;
  const TokenEncoder encoder(tokens);
  ASSERT_EQ(encoder.width(), tokens.width());
  const std::vector<std::string_view> views(suffixes.begin(), suffixes.end());
  Cuts<uint16_t> cuts;
  encoder.Encode(views.data(), views.size(), &cuts);
  // The slow twin: the longest token of each kind, byte string by byte string.
  std::map<std::string, uint32_t> plain;
  std::map<std::string, uint32_t> last;
  for (uint32_t code = 0; code < tokens.num_tokens(); ++code) {
    (code < tokens.first_end() ? plain : last)[tokens.TokenOf(code)] = code;
  }
  for (size_t i = 0; i < suffixes.size(); ++i) {
    std::vector<uint32_t> expected;
    std::string rest = suffixes[i];
    for (;;) {
      const auto end = last.find(rest);
      if (end != last.end()) {
        expected.push_back(end->second);
        break;
      }
      size_t length = std::min(rest.size(), Tokens::kMaxLength);
      while (plain.count(rest.substr(0, length)) == 0) {
        ASSERT_GT(length, 1u);
        --length;
      }
      expected.push_back(plain[rest.substr(0, length)]);
      rest.erase(0, length);
    }
    ASSERT_EQ(std::vector<uint32_t>(cuts.begin(i), cuts.end(i)), expected);
    std::string bytes;
    for (const uint32_t code : expected) {
      bytes += tokens.TokenOf(code);
    }
    ASSERT_EQ(bytes, suffixes[i]);
  }
}

}  // namespace

TEST(KeyTrieTokensTest, OpenedTokensAreThoseEncoded) {
  std::vector<Token> tokens;
  for (const bool ends : {false, true}) {
    for (size_t length = ends ? 0 : 1; length <= Tokens::kMaxLength; ++length) {
      tokens.push_back({std::string(length, 'x'), ends});
    }
    tokens.push_back({"xyz and what is more than a slice", ends});
    tokens.push_back({"\xff", ends});
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSameTokens(TokensIn(Encoded(tokens)), tokens));
  ASSERT_NO_FATAL_FAILURE(
      ExpectSameTokens(TokensIn(WholeTokensOf(tokens)), tokens));
}

TEST(KeyTrieTokensTest, DictionariesOfEveryWidthAreThoseEncoded) {
  std::mt19937_64 rng(TestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[0], 100, &rng);
  for (unsigned width = Tokens::kMinWidth; width <= Tokens::kMaxWidth;
       ++width) {
    const std::string bytes = TokenTableOfWidth(width, keys, &rng);
    Tokens tokens;
    std::string reason;
    ASSERT_TRUE(tokens.Open(bytes, &reason)) << reason;
    EXPECT_EQ(tokens.width(), width);
    EXPECT_EQ(Encoded(TokensIn(bytes)), bytes);
    ExpectSameTokens(TokensIn(WholeTokensOf(TokensIn(bytes))), TokensIn(bytes));
    // Codes that no token has name no bytes, and end a key.
    for (uint32_t code = tokens.num_tokens(); code < 1u << width; ++code) {
      ASSERT_EQ(tokens.TokenOf(code), "");
    }
    EXPECT_GT(tokens.MemoryUsage(), bytes.size() / 2);
  }
}

TEST(KeyTrieTokensTest, WidthsAreTheSmallestThatNameAllTokens) {
  EXPECT_EQ(Tokens::WidthFor(1), 9u);
  EXPECT_EQ(Tokens::WidthFor(512), 9u);
  EXPECT_EQ(Tokens::WidthFor(513), 10u);
  EXPECT_EQ(Tokens::WidthFor(32768), 15u);
  EXPECT_EQ(Tokens::WidthFor(32769), 16u);
  EXPECT_EQ(Tokens::WidthFor(Tokens::kMaxTokens), 16u);
}

TEST(KeyTrieTokensTest, CodesOfAByteAreThoseOfTokensThatBeginWithIt) {
  std::mt19937_64 rng(TestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[3], 500, &rng);
  const std::string some = Encoded({{"a", false},
                                    {"ab", false},
                                    {"c", false},
                                    {"", true},
                                    {"b", true},
                                    {"\xff\xff", true}});
  for (const std::string& bytes : {some, TokenTableOfWidth(11, keys, &rng)}) {
    Tokens tokens;
    std::string reason;
    ASSERT_TRUE(tokens.Open(bytes, &reason)) << reason;
    for (int byte = 0; byte < 256; ++byte) {
      const Tokens::CodeRange codes =
          tokens.CodesFor(static_cast<uint8_t>(byte));
      for (uint32_t code = 0; code < tokens.num_tokens(); ++code) {
        const std::string token = tokens.TokenOf(code);
        const bool begins =
            !token.empty() && static_cast<uint8_t>(token[0]) == byte;
        const bool ends = code >= tokens.first_end();
        ASSERT_EQ(codes.plain <= code && code < codes.plain_end,
                  begins && !ends);
        ASSERT_EQ(codes.last <= code && code < codes.last_end, begins && ends);
      }
      ASSERT_LE(codes.plain_end, tokens.first_end());
      ASSERT_GE(codes.last, tokens.first_end());
    }
  }
}

struct DamageCase {
  const char* what;
  std::string bytes;
  const char* reason;
};

// Six tokens, the second of them "ab".
const std::vector<Token>& TokensToDamage() {
  static const auto* const tokens =
      new std::vector<Token>{{"a", false}, {"ab", false}, {"b", false},
                             {"", true},   {"c", true},   {"cd", true}};
  return *tokens;
}

// A refusal has its reason, and leaves what was there.
void ExpectRefused(const std::string& bytes,
                   const std::vector<DamageCase>& cases) {
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    Tokens tokens;
    std::string reason;
    ASSERT_TRUE(tokens.Open(bytes, &reason)) << reason;
    EXPECT_FALSE(tokens.Open(c.bytes, &reason));
    EXPECT_NE(reason.find(c.reason), std::string::npos) << reason;
    EXPECT_EQ(tokens.num_tokens(), 6u);
    EXPECT_EQ(tokens.TokenOf(1), "ab");
  }
}

TEST(KeyTrieTokensTest, OpenRefusesDamageWithItsReason) {
  const std::string bytes = Encoded(TokensToDamage());
  const auto with = [&bytes](size_t at, const std::string& replacement) {
    std::string damaged = bytes;
    return damaged.replace(at, replacement.size(), replacement);
  };
  constexpr size_t kSuffixesAt = kLengthsAt + 6;
  ExpectRefused(
      bytes,
      {{"more suffixes than there are", with(12, "\x06"),
        "with 6 bytes in a body of 11"},
       {"fewer bytes of suffixes", with(12, "\x04"),
        "token 5 shares 1 bytes of 1 and adds 1"},
       {"bytes cut off", bytes.substr(0, bytes.size() - 1),
        "with 5 bytes in a body of 10"},
       {"the first token shares", with(kLengthsAt, "\x11"),
        "token 0 shares 1 bytes of 0 and adds 1"},
       {"the first that ends shares", with(kLengthsAt + 3, "\x01"),
        "token 3 shares 1 bytes of 0 and adds 0"},
       {"more is shared than there is", with(kLengthsAt + 1, "\x12"),
        "token 1 shares 2 bytes of 1 and adds 1"},
       {"more could be shared", with(kSuffixesAt + 2, "a"),
        "token 2 shares 0 bytes of 2 and adds 1"},
       {"suffixes that are not there", with(kLengthsAt + 5, "\x21"),
        "token 5 shares 1 bytes of 1 and adds 2"},
       {"a long number that is not there", with(kLengthsAt + 5, "\xf1"),
        "0 long numbers are not enough"},
       {"a long number that is short",
        with(kLengthsAt + 5, "\xf1").insert(kSuffixesAt, "\x0e"),
        "long number 0 is 14"},
       {"a long number beyond tokens",
        with(kLengthsAt + 5, "\xf1").insert(kSuffixesAt, "\x40"),
        "long number 0 is 64"},
       {"a long number that is not used",
        std::string(bytes).insert(kSuffixesAt, "\x0f"), "1 unused bytes"},
       {"two equal tokens", Encoded({{"a", false}, {"a", false}, {"b", true}}),
        "token 1 does not ascend"},
       {"tokens that descend", with(kSuffixesAt, "z"),
        "token 2 does not ascend"},
       {"ending tokens that descend",
        Encoded({{"a", false}, {"b", true}, {"a", true}}),
        "token 2 does not ascend"},
       {"a token of no bytes that ends no key",
        Encoded({{"", false}, {"a", true}}), "token 0 of 0 bytes at 0 of 1"}});
}

TEST(KeyTrieTokensTest, OpenRefusesDamageOfWholeTokensWithItsReason) {
  const std::string bytes = WholeTokensOf(TokensToDamage());
  const auto with = [&bytes](size_t at, const std::string& replacement) {
    std::string damaged = bytes;
    return damaged.replace(at, replacement.size(), replacement);
  };
  const std::vector<DamageCase> kCases = {
      {"nothing", "", "tokens: 0 bytes"},
      {"less than a header", bytes.substr(0, 15), "tokens: 15 bytes"},
      {"another version", with(0, "\3"),
       "tokens: version 3, expected 1 or 2; a newer memkv may be able to read "
       "it"},
      {"narrow codes", with(1, "\x08"), "6 tokens with codes of 8 bits"},
      {"wide codes", with(1, "\x0a"), "6 tokens with codes of 10 bits"},
      {"reserved byte", with(2, "\1"), "reserved bytes are not 0"},
      {"other reserved byte", with(3, "\1"), "reserved bytes are not 0"},
      {"no tokens", with(4, std::string(4, '\0')), "0 tokens with codes of 9"},
      {"65536 tokens", with(4, std::string("\0\0\1\0", 4)),
       "65536 tokens with codes of 9 bits"},
      {"2^32 - 1 tokens", with(4, "\xff\xff\xff\xff"),
       "4294967295 tokens with codes of 9 bits"},
      {"more tokens than there are", with(4, "\x07"),
       "with 7 bytes in a body of 13"},
      {"no token ends a key", with(8, "\x06"),
       "the first that ends a key is 6 of 6"},
      {"the first end is anywhere", with(8, "\xff\xff\xff\xff"),
       "the first that ends a key is 4294967295 of 6"},
      {"fewer bytes than there are", with(12, "\x06"),
       "with 6 bytes in a body of 13"},
      {"2^32 - 1 bytes", with(12, "\xff\xff\xff\xff"),
       "with 4294967295 bytes in a body of 13"},
      {"bytes cut off", bytes.substr(0, bytes.size() - 1),
       "with 7 bytes in a body of 12"},
      {"a token of 64 bytes", with(kLengthsAt, "\x40"),
       "token 0 of 64 bytes at 0 of 7"},
      {"a token of 255 bytes", with(kLengthsAt, "\xff"),
       "token 0 of 255 bytes at 0 of 7"},
      {"a token beyond the bytes", with(kLengthsAt + 5, "\3"),
       "token 5 of 3 bytes at 5 of 7"},
      {"bytes of no token", with(kLengthsAt + 5, "\1"),
       "token 5 does not ascend"},
      {"bytes behind the last token",
       with(kLengthsAt, std::string("\1\2\1\0\1\1"
                                    "aabbcdx",
                                    13)),
       "1 unused bytes"},
      {"a token of no bytes that ends no key",
       with(kLengthsAt, std::string(1, '\0')), "token 0 of 0 bytes at 0 of 7"},
      {"two equal tokens", with(kLengthsAt + 1, "\1"),
       "token 1 does not ascend"},
      {"tokens that descend", with(kLengthsAt + 6, "z"),
       "token 1 does not ascend"},
      {"ending tokens that descend", with(kLengthsAt + 6 + 5, "a"),
       "token 5 does not ascend"},
  };
  ExpectRefused(bytes, kCases);
}

TEST(KeyTrieTokensTest, EveryTruncationIsRefused) {
  const std::string encoded = TokenTableOf(
      {{"abc", false}, {std::string(20, 'a'), false}, {"abc", true}});
  for (const std::string& bytes : {encoded, WholeTokensOf(TokensIn(encoded))}) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      Tokens tokens;
      std::string reason;
      EXPECT_FALSE(tokens.Open(bytes.substr(0, size), &reason));
      EXPECT_FALSE(reason.empty());
      EXPECT_TRUE(tokens.empty());
    }
  }
}

TEST(KeyTrieTokensTest, EncoderCutsTheLongestTokenFirst) {
  Tokens tokens;
  std::string reason;
  ASSERT_TRUE(tokens.Open(TokenTableOf({{"ab", false},
                                        {"abcd", false},
                                        {"cde", false},
                                        {"de", true},
                                        {"abcde", true}}),
                          &reason))
      << reason;
  const TokenEncoder encoder(tokens);
  const struct {
    const char* suffix;
    KeyList cut;
  } kCases[] = {
      {"", {""}},
      {"a", {"a", ""}},
      {"abcd", {"abcd", ""}},
      {"abcde", {"abcde"}},
      {"abcdex", {"abcd", "e", "x", ""}},
      {"abcx", {"ab", "c", "x", ""}},
      {"xde", {"x", "de"}},
      {"xcde", {"x", "cde", ""}},
  };
  for (const auto& c : kCases) {
    const std::string_view suffix = c.suffix;
    Cuts<uint16_t> codes;
    encoder.Encode(&suffix, 1, &codes);
    KeyList cut;
    for (const uint16_t* code = codes.begin(0); code != codes.end(0); ++code) {
      cut.push_back(tokens.TokenOf(*code));
    }
    EXPECT_EQ(cut, c.cut) << c.suffix;
  }
}

TEST(KeyTrieTokensTest, WhatIsEncodedNamesTheSuffix) {
  std::mt19937_64 rng(TestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(shape.name);
    const KeyList keys = MakeKeys(shape, 400, &rng);
    KeyList suffixes = {"", std::string(1000, '\0'), std::string(64, '\xff')};
    for (int i = 0; i < 1000; ++i) {
      suffixes.push_back(NearKey(keys, &rng));
    }
    ASSERT_NO_FATAL_FAILURE(
        ExpectRoundTrip(TokensFor(keys, kTokenCodes), suffixes));
    ASSERT_NO_FATAL_FAILURE(
        ExpectRoundTrip(TokenTableOfWidth(12, keys, &rng), suffixes));
  }
}

TEST(KeyTrieTokensTest, TrainedDictionariesHaveTheTokensRequired) {
  std::mt19937_64 rng(TestSeed());
  for (const KeyList& keys : {KeyList(), KeyList{""}, KeyList{"a"}, Paths(500),
                              MakeKeys(KeyShapes()[3], 500, &rng)}) {
    bool alone[256] = {};
    bool empty = false;
    bool is_sorted = true;
    const std::vector<Token> tokens = TokensIn(Trained(keys, 1, UINT64_MAX));
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].bytes.size() == 1 && !tokens[i].ends) {
        alone[static_cast<uint8_t>(tokens[i].bytes[0])] = true;
      }
      empty = empty || (tokens[i].bytes.empty() && tokens[i].ends);
      is_sorted = is_sorted && (i == 0 || tokens[i - 1].ends < tokens[i].ends ||
                                (tokens[i - 1].ends == tokens[i].ends &&
                                 tokens[i - 1].bytes < tokens[i].bytes));
    }
    EXPECT_EQ(std::count(alone, alone + 256, true), 256);
    EXPECT_TRUE(empty);
    EXPECT_TRUE(is_sorted);
  }
}

TEST(KeyTrieTokensTest, TheSameSampleTrainsTheSameDictionary) {
  std::mt19937_64 rng(TestSeed());
  for (const KeyShape& shape : KeyShapes()) {
    const KeyList keys = MakeKeys(shape, 500, &rng);
    EXPECT_EQ(Trained(keys, 0.01, UINT64_MAX), Trained(keys, 0.01, UINT64_MAX));
  }
  // A trainer that was used before is as good as a new one.
  TokenTrainer trainer;
  std::string first;
  std::string second;
  for (std::string* out : {&first, &second}) {
    for (const std::string& path : Paths(300)) {
      trainer.Add(path);
    }
    trainer.Train(0.01, UINT64_MAX, out);
  }
  EXPECT_EQ(first, second);
  EXPECT_EQ(first, Trained(Paths(300), 0.01, UINT64_MAX));
}

TEST(KeyTrieTokensTest, NoTokensAreTrainedWhereTheyDoNotPay) {
  const KeyList paths = Paths(1000);
  size_t size = 0;
  for (const std::string& path : paths) {
    size += path.size();
  }
  EXPECT_NE(Trained(paths, 0.01, size), "");
  EXPECT_EQ(Trained(paths, 0.01, size / 100), "");
  EXPECT_EQ(Trained(paths, 0.01, 0), "");
  // Keys that nothing can be merged in take 9 bits a byte.
  std::mt19937_64 rng(TestSeed());
  KeyList random;
  for (int i = 0; i < 3000; ++i) {
    random.push_back(RandomBytes(&rng, 20));
  }
  EXPECT_EQ(Trained(random, 0.01, random.size() * 20), "");
}

TEST(KeyTrieTokensTest, OfKeysThatLookRandomThoseOfManyWordsGetTokens) {
  std::mt19937_64 rng(TestSeed());
  // After the first rounds both take about what they take in symbols.
  KeyList vocabulary;
  for (int i = 0; i < 8000; ++i) {
    std::string word;
    for (int k = 0; k < 8; ++k) {
      word += static_cast<char>('a' + rng() % 26);
    }
    vocabulary.push_back(word);
  }
  KeyList words;
  KeyList digits;  // in groups, so that 17 symbols take 5 bits each
  size_t word_bytes = 0;
  size_t digit_bytes = 0;
  for (int i = 0; i < 30000; ++i) {
    words.emplace_back();
    for (int k = 0; k < 4; ++k) {
      words.back() += vocabulary[rng() % vocabulary.size()] + ' ';
    }
    word_bytes += words.back().size();
  }
  // As many as a training needs to believe in tokens that are the sample's own.
  for (int i = 0; i < 80000; ++i) {
    digits.emplace_back();
    for (int k = 0; k < 36; ++k) {
      digits.back() += k % 9 == 8 ? '-' : "0123456789abcdef"[rng() % 16];
    }
    digit_bytes += digits.back().size();
  }
  EXPECT_NE(Trained(words, 0.01, word_bytes * 5 / 8), "");
  EXPECT_EQ(Trained(digits, 0.01, digit_bytes * 5 / 8), "");
}

TEST(KeyTrieTokensTest, TokensThatSaveLittleDoNotPay) {
  Tokens tokens;
  std::string reason;
  ASSERT_TRUE(tokens.Open(TokenTableOf({}), &reason)) << reason;
  const auto memory = static_cast<double>(tokens.MemoryUsage());
  SuffixSizes sizes;
  sizes.bytes = 10000000;
  sizes.symbol_bytes = 8000000;
  const double most =
      sizes.symbol_bytes * (1 - TokenTrainer::kLeastSaving) - memory;
  sizes.token_bytes = most - 1;
  EXPECT_TRUE(TokensPay(tokens, sizes));
  sizes.token_bytes = most + 1;
  EXPECT_FALSE(TokensPay(tokens, sizes));
  EXPECT_TRUE(TokensMayPay(tokens, sizes, 1000000));
  EXPECT_FALSE(TokensMayPay(tokens, sizes, 8000000));
}

TEST(KeyTrieTokensLargeTest, FilesOfPathsGetTokensAndFilesOfRandomKeysDoNot) {
  std::mt19937_64 rng(TestSeed());
  KeyList random;
  for (int i = 0; i < 20000; ++i) {
    random.push_back(RandomBytes(&rng, 16));
  }
  EXPECT_EQ(TrainTokensOn({SortedKeys(random)}, kTokenSampleBytes), "");
  EXPECT_EQ(TrainTokensOn({}, kTokenSampleBytes), "");
  EXPECT_EQ(TrainTokensOn({{}, {""}}, kTokenSampleBytes), "");
  EXPECT_EQ(TrainTokensOn({Paths(5)}, kTokenSampleBytes), "")
      << "less than what is worth a dictionary";

  const KeyList paths = Paths(20000);
  const std::string tokens = TrainTokensOn({paths}, kTokenSampleBytes);
  ASSERT_NE(tokens, "");
  EXPECT_EQ(tokens, TrainTokensOn({paths}, kTokenSampleBytes));
  EXPECT_LT(BuildKeyTrie(paths, 96, tokens).size() + tokens.size(),
            BuildKeyTrie(paths, 96).size());
  ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip(tokens, paths));
}

TEST(KeyTrieTokensTest, OneDictionaryServesAllTriesOfAFile) {
  const KeyList paths = Paths(9000);
  const std::vector<KeyList> lists = {
      KeyList(paths.begin(), paths.begin() + 3000),
      KeyList(paths.begin() + 3000, paths.begin() + 6000),
      KeyList(paths.begin() + 6000, paths.end())};
  const std::string tokens = TrainTokensOn(lists, kTokenSampleBytes);
  ASSERT_NE(tokens, "");
  for (const KeyList& keys : lists) {
    OwnedKeyTrie trie(BuildKeyTrie(keys, 96, tokens), tokens);
    ASSERT_TRUE(trie.Open()) << trie.reason();
    for (uint32_t i = 0; i < keys.size(); i += 7) {
      ASSERT_NO_FATAL_FAILURE(
          ExpectLookupsAgree(trie.reader(), keys, keys[i] + "x"));
      ASSERT_EQ(trie.reader().Find(keys[i]), i);
    }
  }
}

}  // namespace key_trie
}  // namespace memkv
