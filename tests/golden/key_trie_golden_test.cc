// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The worked examples of table/FORMAT.md: a key trie of nine keys, in symbols
// and in tokens, the tokens, and one with fixed bytes, every byte explained.
// The dumps are made by a decoder written from the format's text alone
// (key_trie_dump.h), so the test holds the text, the builder and the dumps
// together.  A change of the format shows here as a readable diff.
//
// To accept a change, copy the dumps that the failing tests print, here and
// into table/FORMAT.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "table/key_trie/builder.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/tokens.h"
#include "tests/golden/key_trie_dump.h"

namespace memkv {
namespace {

using KeyList = std::vector<std::string>;

const char* const kSymbolsGolden = R"(header
    0  02                       encoding 2
    1  00                       suffix coding 0, symbols
    2  05                       codes of 5 bits
    3  00                       reserved, 0
    4  1d 00                    29 symbols
    6  00 00                    reserved, 0
    8  09 00 00 00              9 keys
   12  05 00 00 00              5 buckets
   16  36 00 00 00              54 bytes of separators
   20  0b 00 00 00              11 bytes of directory
   24  45 00 00 00              69 bytes of buckets
symbols
   28  2d 2e 2f 31 32 33 61 62  codes from 0 on: "-./123abcdefghilnoprstuvwxyz\xff"
   36  63 64 65 66 67 68 69 6c
   44  6e 6f 70 72 73 74 75 76
   52  77 78 79 7a ff
separators
   57  21                       ordinals of 1, offsets of 2
   58  00 04 00 80              node at 1: label of 0, 4 groups, of which some go on
   62  05 00 00 62 2f 63 6f 64    slice "doc/b"
   70  07 32 2f 62 2f 63 6f 64    slice "doc/b/2"
   78  01 00 00 00 00 00 00 6c    slice "l"
   86  08 62 69 6c 2f 62 69 6c    slice "lib/lib", goes on
   94  01 02 03 04                first ordinals 1, 2, 3, 4
   98  00 00 00 00 00 00 31 00    offsets 0, 0, 0, 49
  106  01 00 00 00              node at 49: label of 1, 0 groups
  110  7a                         label "z": separator 4
directory
  111  0b                       width 11
  112  00                       base 0
  113  00 90 05 51 8c 83 be 2c  offset and first ordinal: (0, 0), (11, 2), (20, 4), (28, 6), (62, 8), (69, 9)
  121  02
bucket 0
  122  00                       LCPs of 0 bits
  123  00                       LCP of the head: 0
  124  00                       smallest LCP of the others: 0
  125  03                       lengths of 3 bits
  126  00                       smallest length: 0
  127  28                       lengths less that: 0, 5
  128  20 01                    first codes 0, 9
  130  11 09 03                 other codes 17, 8, 2, 6
                                key 0: "" + ""
                                key 1: "" + "doc/a"
bucket 1
  133  00                       LCPs of 0 bits
  134  04                       LCP of the head: 4
  135  05                       smallest LCP of the others: 5
  136  02                       lengths of 2 bits
  137  05                       smallest length: 5
  138  08                       lengths less that: 0, 2
  139  47 00                    first codes 7, 2
  141  03                       other codes 3
                                key 2: "doc/" + "b"
                                key 3: "doc/b" + "/1"
bucket 2
  142  00                       LCPs of 0 bits
  143  06                       LCP of the head: 6
  144  04                       smallest LCP of the others: 4
  145  02                       lengths of 2 bits
  146  05                       smallest length: 5
  147  02                       lengths less that: 2, 0
  148  04 01                    first codes 4, 8
                                key 4: "doc/b/" + "2"
                                key 5: "doc/" + "c"
bucket 3
  150  00                       LCPs of 0 bits
  151  00                       LCP of the head: 0
  152  0d                       smallest LCP of the others: 13
  153  05                       lengths of 5 bits
  154  0d                       smallest length: 13
  155  a0 03                    lengths less that: 0, 29
  157  2f 00                    first codes 15, 1
  159  ee 88 e7 0e 9a 5a d6 48  other codes 14, 7, 2, 15, 14, 7, 8, 19, 26, 18, 21, 17, 20
  167  63 28 00 bb da 80 01 57    17, 1, 5, 0, 24, 14, 21, 13, 0, 6, 0, 23, 10
  175  4d 0d 5e 84 0c 50 bb 96    19, 26, 0, 15, 17, 16, 12, 0, 20, 22, 11, 11, 14
  183  cb                         25
                                key 6: "" + "lib/libcrypto"
                                key 7: "lib/libcrypto" + ".so.3-with-a-very-long-suffix"
bucket 4
  184  00                       LCPs of 0 bits
  185  07                       LCP of the head: 7
  186  00                       smallest LCP of the others: 0
  187  00                       lengths of 0 bits
  188  09                       smallest length: 9
  189  1b                       first codes 27
  190  1c                       other codes 28
                                key 8: "lib/lib" + "z\xff"
padding
  191  00 .. 00                 128 zero bytes
)";

const char* const kTokensGolden = R"(tokens
    0  02                       version 2
    1  09                       codes of 9 bits
    2  00 00                    reserved, 0
    4  09 01 00 00              265 tokens
    8  03 01 00 00              token 259 is the first that ends a key
   12  2f 01 00 00              303 bytes of suffixes
LCPs and sizes of suffixes
   16  10 .. 10                 tokens 0 to 46: LCP 0, and 1
   63  41                       token 47: LCP 1, and 4
   64  10 .. 10                 tokens 48 to 101: LCP 0, and 1
  118  31                       token 102: LCP 1, and 3
  119  10 10 10 10 10 10 10 10  tokens 103 to 110: LCP 0, and 1
  127  61                       token 111: LCP 1, and 6
  128  10 .. 10                 tokens 112 to 258: LCP 0, and 1
  275  00                       token 259: LCP 0, and 0
  276  f0                       token 260: LCP 0, and 15
  277  20                       token 261: LCP 0, and 2
  278  10 10                    tokens 262 to 263: LCP 0, and 1
  280  60                       token 264: LCP 0, and 6
long numbers
  281  18                       token 260: suffix of 24
suffixes
  282  00 .. 2e                 tokens 0 to 46: "\x00" to "."
  329  73 6f 2e 33              token 47: ".so.3"
  333  2f .. 64                 tokens 48 to 101: "/" to "d"
  387  6f 63 2f                 token 102: "doc/"
  390  65 66 67 68 69 6a 6b 6c  tokens 103 to 110: "e" to "l"
  398  69 62 2f 6c 69 62        token 111: "lib/lib"
  404  6d .. ff                 tokens 112 to 258: "m" to "\xff"
                                token 259: ""
  551  2d 77 69 74 68 2d 61 2d  token 260: "-with-a-very-long-suffix"
  559  76 65 72 79 2d 6c 6f 6e
  567  67 2d 73 75 66 66 69 78
  575  2f 31                    token 261: "/1"
  577  61                       token 262: "a"
  578  62                       token 263: "b"
  579  63 72 79 70 74 6f        token 264: "crypto"
)";

const char* const kTokenCodesGolden = R"(header
    0  02                       encoding 2
    1  01                       suffix coding 1, tokens
    2  09                       codes of 9 bits
    3  00                       reserved, 0
    4  00 00                    0 symbols
    6  00 00                    reserved, 0
    8  09 00 00 00              9 keys
   12  02 00 00 00              2 buckets
   16  06 00 00 00              6 bytes of separators
   20  06 00 00 00              6 bytes of directory
   24  1d 00 00 00              29 bytes of buckets
separators
   28  21                       ordinals of 1, offsets of 2
   29  01 00 00 00              node at 1: label of 1, 0 groups
   33  6c                         label "l": separator 1
directory
   34  09                       width 9
   35  00                       base 0
   36  00 0c 66 07              offset and first ordinal: (0, 0), (16, 6), (29, 9)
bucket 0
   40  03                       LCPs of 3 bits
   41  00                       LCP of the head: 0
   42  00                       smallest LCP of the others: 0
   43  60 4d                    LCPs less that: 0, 4, 5, 6, 4
   45  03 cd 1c 2c 38 83 0c     first codes 259, 102, 263, 261, 51, 100
   52  06 07 0e 04              other codes 262, 259, 259
                                key 0: "" + ""
                                key 1: "" + "doc/" "a"
                                key 2: "doc/" + "b"
                                key 3: "doc/b" + "/1"
                                key 4: "doc/b/" + "2" ""
                                key 5: "doc/" + "c" ""
bucket 1
   56  03                       LCPs of 3 bits
   57  00                       LCP of the head: 0
   58  07                       smallest LCP of the others: 7
   59  06                       LCPs less that: 6, 0
   60  6f 5e f4 01              first codes 111, 47, 125
   64  08 09 0a 1c 08           other codes 264, 260, 258, 259
                                key 6: "" + "lib/lib" "crypto"
                                key 7: "lib/libcrypto" + ".so.3" "-with-a-very-long-suffix"
                                key 8: "lib/lib" + "z" "\xff" ""
padding
   69  00 .. 00                 128 zero bytes
)";

const char* const kFixedBytesGolden = R"(header
    0  02                       encoding 2
    1  02                       suffix coding 2, fixed bytes
    2  04                       codes of 4 bits
    3  00                       reserved, 0
    4  10 00                    16 symbols
    6  00 00                    reserved, 0
    8  08 00 00 00              8 keys
   12  01 00 00 00              1 buckets
   16  00 00 00 00              0 bytes of separators
   20  05 00 00 00              5 bytes of directory
   24  32 00 00 00              50 bytes of buckets
symbols
   28  30 31 32 33 34 35 36 37  codes from 0 on: "0123456789abcdef"
   36  38 39 61 62 63 64 65 66
fixed bytes
   44  02 00 00 00              from position 2 on
   48  49 12 00 00 00 00 00 00  at positions 2, 5, 8, 11, 14
   56  3a 3a 3a 3a 3a           the bytes ":::::"
directory
   61  0a                       width 10
   62  00                       base 0
   63  00 a0 0c                 offset and first ordinal: (0, 0), (50, 8)
bucket 0
   66  04                       LCPs of 4 bits
   67  00                       LCP of the head: 0
   68  00                       smallest LCP of the others: 0
   69  00                       lengths of 0 bits
   70  11                       smallest length: 17
   71  39 90 00 00              LCPs less that: 9, 3, 0, 9, 0, 0, 0
   75  90 35 a6 db              first codes 0, 9, 5, 3, 6, 10, 11, 13
   79  10 4b 14 31 ba c7 20 e5  other codes 0, 1, 11, 4, 4, 1, 1, 3, 10, 11, 7, 12, 0, 2, 5, 14
   87  50 c6 00 00 c8 22 bf d4    0, 5, 6, 12, 0, 0, 0, 0, 8, 12, 2, 2, 15, 11, 4, 13
   95  17 0e 1e 98 43 38 7e f2    7, 1, 14, 0, 14, 1, 8, 9, 3, 4, 8, 3, 14, 7, 2, 15
  103  55 1d 28 e7 6b 04 ba cc    5, 5, 13, 1, 8, 2, 7, 14, 11, 6, 4, 0, 10, 11, 12, 12
  111  6a 23 70 9f 64             10, 6, 3, 2, 0, 7, 15, 9, 4, 6
                                key 0: "" + "00:1b:44:11:3a:b7"
                                key 1: "00:1b:44:" + "9c:02:5e"
                                key 2: "00:" + "50:56:c0:00:08"
                                key 3: "" + "3c:22:fb:4d:71:e0"
                                key 4: "3c:22:fb:" + "6e:18:93"
                                key 5: "" + "a4:83:e7:2f:55:d1"
                                key 6: "" + "b8:27:eb:64:0a:bc"
                                key 7: "" + "dc:a6:32:07:f9:46"
padding
  116  00 .. 00                 128 zero bytes
)";

const KeyList& NineKeys() {
  static const KeyList keys = {"",
                               "doc/a",
                               "doc/b",
                               "doc/b/1",
                               "doc/b/2",
                               "doc/c",
                               "lib/libcrypto",
                               "lib/libcrypto.so.3-with-a-very-long-suffix",
                               "lib/libz\xff"};
  return keys;
}

// Every byte, as keys must be cut into something, and a few longer ones.
std::string TokensOfNineKeys() {
  std::vector<std::string> plain = {".so.3", "doc/", "lib/lib"};
  for (int byte = 0; byte < 256; ++byte) {
    plain.emplace_back(1, static_cast<char>(byte));
  }
  std::sort(plain.begin(), plain.end());
  std::vector<key_trie::Tokens::Token> tokens;
  for (const std::string& bytes : plain) {
    tokens.push_back({bytes, false});
  }
  for (const char* bytes :
       {"", "-with-a-very-long-suffix", "/1", "a", "b", "crypto"}) {
    tokens.push_back({bytes, true});
  }
  std::string out;
  key_trie::Tokens::Encode(tokens, &out);
  return out;
}

// The bytes of a key trie, in symbols if token_bytes is empty, which the reader
// accepts.
std::string Build(const KeyList& keys, uint32_t bucket_keys,
                  const std::string& token_bytes) {
  KeyTrieBuilder::Options options;
  options.bucket_keys = bucket_keys;
  KeyTrieBuilder builder(options);
  for (const std::string& key : keys) {
    builder.Add(key);
  }
  std::string bytes;
  std::string reason;
  key_trie::Tokens tokens;
  KeyTrieReader reader;
  std::optional<key_trie::TokenEncoder> encoder;
  const bool symbols = token_bytes.empty();
  if (!symbols) {
    EXPECT_TRUE(tokens.Open(token_bytes, &reason)) << reason;
    encoder.emplace(tokens);
  }
  EXPECT_TRUE(builder.Finish(symbols ? nullptr : &*encoder, &bytes, &reason))
      << reason;
  EXPECT_TRUE(
      KeyTrieReader::Open(bytes, symbols ? nullptr : &tokens, &reader, &reason))
      << reason;
  EXPECT_TRUE(reader.Validate(&reason)) << reason;
  return bytes;
}

// n numbers, of three bytes, the highest first; step apart.
KeyList BigEndianKeys(uint32_t n, uint32_t step) {
  KeyList keys;
  for (uint32_t i = 0; i < n * step; i += step) {
    keys.push_back({static_cast<char>(i >> 16), static_cast<char>(i >> 8),
                    static_cast<char>(i)});
  }
  return keys;
}

// What the decoder says of these keys, which it must read.
std::string DumpOf(const KeyList& keys, uint32_t bucket_keys,
                   const std::string& token_bytes) {
  const std::string bytes = Build(keys, bucket_keys, token_bytes);
  const KeyTrieDump dump = DumpKeyTrie(bytes, token_bytes);
  EXPECT_EQ(dump.keys, keys);
  return dump.text;
}

bool Says(const std::string& dump, const char* what) {
  return dump.find(what) != std::string::npos;
}

}  // namespace

TEST(KeyTrieGoldenTest, SymbolsAreThoseOfTheWorkedExample) {
  const std::string dump = DumpOf(NineKeys(), 2, "");
  EXPECT_EQ(dump, kSymbolsGolden) << "the dump now is\n" << dump;
}

TEST(KeyTrieGoldenTest, TokensAreThoseOfTheWorkedExample) {
  const std::string dump = DumpTokens(TokensOfNineKeys());
  EXPECT_EQ(dump, kTokensGolden) << "the dump now is\n" << dump;
}

TEST(KeyTrieGoldenTest, TokenCodesAreThoseOfTheWorkedExample) {
  const std::string dump = DumpOf(NineKeys(), 7, TokensOfNineKeys());
  EXPECT_EQ(dump, kTokenCodesGolden) << "the dump now is\n" << dump;
}

TEST(KeyTrieGoldenTest, FixedBytesAreThoseOfTheWorkedExample) {
  const std::string dump =
      DumpOf({"00:1b:44:11:3a:b7", "00:1b:44:9c:02:5e", "00:50:56:c0:00:08",
              "3c:22:fb:4d:71:e0", "3c:22:fb:6e:18:93", "a4:83:e7:2f:55:d1",
              "b8:27:eb:64:0a:bc", "dc:a6:32:07:f9:46"},
             8, "");
  EXPECT_EQ(dump, kFixedBytesGolden) << "the dump now is\n" << dump;
}

TEST(KeyTrieGoldenTest, NoKeysAreOneHundredFiftyEightBytes) {
  std::string expected(158, '\0');  // of which 128 are padding
  expected[0] = 2;                  // encoding
  expected[2] = 1;                  // bits a code, the fewest
  expected[20] = 2;                 // bytes of directory: width 0, base 0
  EXPECT_EQ(Build({}, 32, ""), expected);
}

// What the worked example is too small for.
TEST(KeyTrieGoldenTest, WideNumbersAreThoseOfTheText) {
  const std::string four = DumpOf(BigEndianKeys(66000, 250), 1, "");
  EXPECT_TRUE(Says(four, "ordinals of 4, offsets of 4"));
  EXPECT_TRUE(Says(four, "codes of 8 bits"));
  for (const std::string& tokens : {std::string(), TokensOfNineKeys()}) {
    const std::string two = DumpOf(BigEndianKeys(300, 1), 1, tokens);
    EXPECT_TRUE(Says(two, "ordinals of 2, offsets of 2"));
    KeyList keys;
    for (char c = 'a'; c < 'z'; ++c) {
      keys.push_back(std::string(700, 'x') + std::string(300, c));
      keys.push_back(keys.back() + "0");
      keys.push_back(keys.back() + std::string(300, c));
    }
    const std::string labels = DumpOf(keys, 1, tokens);
    EXPECT_TRUE(Says(labels, "  label of 700\n"));
    EXPECT_TRUE(Says(labels, "offsets of 2"));
    EXPECT_TRUE(Says(labels, "goes on"));
    EXPECT_TRUE(Says(DumpOf(keys, 128, tokens), "LCPs of 9 bits"));
  }
}

}  // namespace memkv
