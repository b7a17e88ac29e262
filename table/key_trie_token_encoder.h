// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Cuts the suffixes of keys into tokens of a dictionary, the longest first:
// what one token more would save by cutting better is 2 % (measured), and
// trying all cuts takes several times as long.
//
// Thread safety: immutable after construction; const methods are thread-safe.
//
// Invariants:
// (I1) What Encode appends names, in order, exactly the bytes of the suffix,
//      and its last code alone is that of a token that ends a key.
//
// Literature: the double array is Aoe's (1989), with children found by
// exclusive or as in Yata's darts-clone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_tokens.h"

namespace memkv {
namespace key_trie {

// Finds the longest token at the beginning of a text.
class TokenMatcher {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Numbers are the tokens' places in the vector.
  // REQUIRES: at least one token of every byte alone that does not end a key,
  // and the one of no bytes that does; fewer than 2^17 of them.
  explicit TokenMatcher(const std::vector<Tokens::Token>& tokens);

  // Appends the numbers of the tokens that text, with its end if `ends`, is cut
  // into.  If `without` is not kNone, that token is not used; it must not be
  // one of those required.
  template <class Number>
  void Cut(std::string_view text, bool ends, std::vector<Number>* numbers,
           uint32_t without = kNone) const;

 private:
  // A place of the double array, all that a step needs in one word.  Child
  // `byte` of the node at i is at Base(nodes_[i]) ^ byte if the check there is
  // i.  plain is the token that ends at the node and does not end a key.
  using Node = uint64_t;  // base | check << kPlaceBits | plain << 2 kPlaceBits
  static constexpr unsigned kPlaceBits = 23;
  static constexpr uint32_t kNoPlace = (1u << kPlaceBits) - 1;
  static constexpr uint32_t kNoPlain = (1u << (64 - 2 * kPlaceBits)) - 1;
  static constexpr uint32_t kRoot = 0;

  static Node MakeNode(uint32_t base, uint32_t check, uint32_t plain) {
    return base | uint64_t{check} << kPlaceBits |
           uint64_t{plain} << (2 * kPlaceBits);
  }
  static uint32_t Base(Node node) {
    return static_cast<uint32_t>(node & kNoPlace);
  }
  static uint32_t Check(Node node) {
    return static_cast<uint32_t>((node >> kPlaceBits) & kNoPlace);
  }
  static uint32_t Plain(Node node) {
    return static_cast<uint32_t>(node >> (2 * kPlaceBits));
  }

  // The base of a node with these children: places that are free.
  uint32_t FindBase(const uint8_t* children, size_t n);
  void AddBlock();

  std::vector<Node> nodes_;
  std::vector<uint32_t> last_;  // of a node: the token that ends a key there
  uint32_t first_open_ = 0;     // blocks before it are not worth looking at
};

template <class Number>
void TokenMatcher::Cut(std::string_view text, bool ends,
                       std::vector<Number>* numbers, uint32_t without) const {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = p + text.size();
  for (;;) {
    uint32_t place = kRoot;
    Node node = nodes_[kRoot];
    uint32_t best = kNoPlain;
    const uint8_t* best_end = p;
    const uint8_t* q = p;
    while (q < end) {
      const uint32_t next = Base(node) ^ *q;
      if (Check(nodes_[next]) != place) {
        break;
      }
      place = next;
      node = nodes_[next];
      ++q;
      if (Plain(node) != kNoPlain && Plain(node) != without) {
        best = Plain(node);
        best_end = q;
      }
    }
    if (ends && q == end && last_[place] != kNone && last_[place] != without) {
      numbers->push_back(static_cast<Number>(last_[place]));
      return;
    }
    if (p == end) {
      return;
    }
    numbers->push_back(static_cast<Number>(best));
    p = best_end;
  }
}

class TokenEncoder {
 public:
  // REQUIRES: the dictionary has the tokens that TokenMatcher requires
  explicit TokenEncoder(const Tokens& tokens);

  // The bits of a code.
  unsigned width() const { return width_; }

  // Appends the codes of the suffix (I1).
  void Encode(std::string_view suffix, std::vector<uint16_t>* codes) const {
    matcher_.Cut(suffix, true, codes);
  }

 private:
  const unsigned width_;
  const TokenMatcher matcher_;
};

}  // namespace key_trie
}  // namespace memkv
