// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Cuts the suffixes of keys into tokens of a token table, the longest first:
// what one token more would save by cutting better is 2 % (measured), and
// trying all cuts takes several times as long.
//
// A step waits for the second level of the cache, and where a token ends is not
// to be predicted.  So several suffixes are cut side by side, a byte of each a
// round, without a branch on what is found.
//
// Thread safety: immutable after construction; const methods are thread-safe.
//
// Invariants:
// (I1) The codes of a suffix name, in order, exactly its bytes, and the last
//      code alone is that of a token that ends a key.
// (I2) A suffix is cut the same whatever it is cut beside.
//
// Literature: the double array is Aoe's (1989), with children found by
// exclusive or and checked by their byte as in Yata's darts-clone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/tokens.h"

namespace memkv {
namespace key_trie {

// What suffixes are cut into, one row of numbers each.
template <class Number>
class Cuts {
 public:
  // The numbers of suffix i are [begin(i), end(i)).
  const Number* begin(size_t i) const { return &numbers_[begins_[i]]; }
  const Number* end(size_t i) const { return begin(i) + sizes_[i]; }

 private:
  friend class TokenMatcher;

  // A suffix may be cut into its bytes and the end.
  void Prepare(const std::string_view* texts, size_t n) {
    size_t begin = 0;
    begins_.resize(n);
    sizes_.resize(n);
    for (size_t i = 0; i < n; ++i) {
      begins_[i] = begin;
      begin += texts[i].size() + 1;
    }
    if (numbers_.size() < begin) {
      numbers_.resize(begin);
    }
  }

  std::vector<Number> numbers_;
  std::vector<size_t> begins_;
  std::vector<size_t> sizes_;
};

// Finds the longest token at the beginning of a text.
class TokenMatcher {
 public:
  // Numbers are the tokens' places in the vector.
  // REQUIRES: distinct tokens in the order of codes (Tokens::Before), at most
  // kMaxMatched of them; at least one of every byte alone that does not end a
  // key, and the one of no bytes that does
  explicit TokenMatcher(const std::vector<Tokens::Token>& tokens);

  static constexpr size_t kMaxMatched = size_t{1} << 17;

  // Cuts n texts, which end keys.  Number is uint16_t or uint32_t.
  template <class Number>
  void Cut(const std::string_view* texts, size_t n, Cuts<Number>* cuts) const;

  // How many tokens the text of this token, and its end if it is an ending one,
  // would be cut into if it were not there.
  // REQUIRES: it is not one of those required
  size_t CountWithout(const Tokens::Token& token) const;

 private:
  // A place of the double array, all that a step needs in one word.  Child
  // `byte` of a node is at Base(node) ^ byte if the check there is of that
  // byte: no two nodes have the same base.
  //   bits 0-22   base
  //   bits 23-31  check: 256 + byte, 0 if the place is free
  //   bits 32-48  the longest plain token that the node's bytes begin with
  //   bits 49-54  how many bytes are behind that token
  //   bit  55     an ending token has the node's bytes: last_ knows it
  using Node = uint64_t;
  static constexpr unsigned kBaseBits = 23;
  static constexpr unsigned kCheckBits = 9;
  static constexpr unsigned kPlainBits = 17;
  static constexpr unsigned kBehindBits = 6;
  static constexpr unsigned kPlainShift = kBaseBits + kCheckBits;
  static constexpr unsigned kBehindShift = kPlainShift + kPlainBits;
  static constexpr unsigned kLastShift = kBehindShift + kBehindBits;
  static_assert(kLastShift < 64 && kMaxMatched <= 1u << kPlainBits &&
                    Tokens::kMaxLength < 1u << kBehindBits,
                "a node is a word");
  static constexpr uint32_t kTaken = 256;

  static uint32_t Base(Node node) {
    return static_cast<uint32_t>(node & ((1u << kBaseBits) - 1));
  }
  static uint32_t Check(Node node) {
    return static_cast<uint32_t>(node >> kBaseBits) & ((1u << kCheckBits) - 1);
  }
  static uint32_t Plain(Node node) {
    return static_cast<uint32_t>(node >> kPlainShift) &
           ((1u << kPlainBits) - 1);
  }
  static uint32_t Behind(Node node) {
    return static_cast<uint32_t>(node >> kBehindShift) &
           ((1u << kBehindBits) - 1);
  }
  static bool HasLast(Node node) { return (node >> kLastShift) != 0; }

  template <class Number>
  class Cutter;

  // The root is none of them: its base is 0, its children are 0 to 255.
  std::vector<Node> nodes_;
  std::vector<uint32_t> last_;  // of a node: the token that ends a key there
  uint32_t empty_ = 0;          // the token of no bytes
};

class TokenEncoder {
 public:
  // Whether every string can be cut into these tokens: they have what
  // TokenMatcher requires.
  static bool CanCut(const Tokens& tokens);

  // REQUIRES: CanCut(tokens)
  explicit TokenEncoder(const Tokens& tokens);

  // The bits of a code.
  unsigned width() const { return width_; }

  // Sets *codes to those of n suffixes (I1).
  void Encode(const std::string_view* suffixes, size_t n,
              Cuts<uint16_t>* codes) const {
    matcher_.Cut(suffixes, n, codes);
  }

 private:
  const unsigned width_;
  const TokenMatcher matcher_;
};

}  // namespace key_trie
}  // namespace memkv
