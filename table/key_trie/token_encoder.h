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

  // Cuts n texts, which end keys.
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

  // The root is none of them: its base is 0, its children are 0 to 255.
  std::vector<Node> nodes_;
  std::vector<uint32_t> last_;  // of a node: the token that ends a key there
  uint32_t empty_ = 0;          // the token of no bytes
};

template <class Number>
void TokenMatcher::Cut(const std::string_view* texts, size_t n,
                       Cuts<Number>* cuts) const {
  // A text that is being cut: it was read up to p, and the bytes behind the
  // last number are those of the node at place.
  struct Lane {
    const uint8_t* p;
    const uint8_t* end;
    Node node;
    Number* out;
    uint32_t place;
    uint32_t text;
  };
  cuts->Prepare(texts, n);
  const Node* const nodes = nodes_.data();
  uint32_t next_text = 0;
  // False if there is no text left.
  const auto start = [&](Lane* lane) {
    for (; next_text < n; ++next_text) {
      const std::string_view text = texts[next_text];
      Number* const out = &cuts->numbers_[cuts->begins_[next_text]];
      if (!text.empty()) {
        lane->p = reinterpret_cast<const uint8_t*>(text.data());
        lane->end = lane->p + text.size();
        lane->place = *lane->p++;
        lane->node = nodes[lane->place];
        lane->out = out;
        lane->text = next_text++;
        return true;
      }
      out[0] = static_cast<Number>(empty_);
      cuts->sizes_[next_text] = 1;
    }
    return false;
  };
  // Ends a token before the end of the text, or the text.
  const auto at_end = [&](Lane* lane) {
    while (lane->p == lane->end) {
      if (!HasLast(lane->node)) {
        *lane->out++ = static_cast<Number>(Plain(lane->node));
        lane->p -= Behind(lane->node);
        if (lane->p != lane->end) {
          lane->place = *lane->p++;
          lane->node = nodes[lane->place];
          continue;
        }
      }
      *lane->out++ = static_cast<Number>(
          HasLast(lane->node) ? last_[lane->place] : empty_);
      cuts->sizes_[lane->text] = static_cast<size_t>(
          lane->out - &cuts->numbers_[cuts->begins_[lane->text]]);
      if (!start(lane)) {
        return false;
      }
    }
    return true;
  };
  const auto step = [nodes](Lane* lane) {
    const uint32_t byte = *lane->p;
    const uint32_t child = Base(lane->node) ^ byte;
    const Node found = nodes[child];
    // What follows if there is no such child, reckoned in any case.
    const uint8_t* const back = lane->p - Behind(lane->node);
    const bool is_child = Check(found) == (kTaken | byte);
    *lane->out = static_cast<Number>(Plain(lane->node));
    lane->out += is_child ? 0 : 1;
    lane->place = is_child ? child : *back;
    lane->node = is_child ? found : nodes[*back];
    lane->p = (is_child ? lane->p : back) + 1;
  };
  constexpr size_t kLanes = 6;
  Lane lanes[kLanes];
  size_t busy = 0;
  while (busy < kLanes && start(&lanes[busy])) {
    ++busy;
  }
  while (busy == kLanes) {
    for (Lane& lane : lanes) {
      if (lane.p == lane.end && !at_end(&lane)) {
        lane = lanes[--busy];
        break;
      }
      step(&lane);
    }
  }
  for (size_t i = 0; i < busy; ++i) {
    while (at_end(&lanes[i])) {
      step(&lanes[i]);
    }
  }
}

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
