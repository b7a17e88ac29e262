// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Cuts the suffixes of keys into tokens of a token table, the longest first:
// what one token more would save by cutting better is 2 % (measured), and
// trying all cuts takes several times as long.
//
// A step waits for the second level of the cache, and where a token ends is not
// to be predicted.  So several suffixes are cut side by side, a step of each a
// round, without a branch on what is found.  Two thirds of the nodes would have
// one child and no token of their own: paths of these are compressed, so that a
// step takes up to 7 bytes.
//
// Thread safety: immutable after construction; const methods are thread-safe.
//
// Invariants:
// (I1) The codes of a suffix name, in order, exactly its bytes, and the last
//      code alone is that of a token that ends a key.
// (I2) A suffix is cut the same whatever it is cut beside.
//
// Literature: the double array is Aoe's (1989), with children found by
// exclusive or and checked by their byte as in Yata's darts-clone.  Compressed
// paths are Morrison's (1968).

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/tokens.h"
#include "util/trie_coding.h"

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

  // A step reads so many bytes behind a text.
  static constexpr size_t kOverread = 7;

  // A suffix may be cut into its bytes and the end.  Copies them all, as no one
  // may read behind the caller's.
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
    if (text_.size() < begin - n + kOverread) {
      text_.resize(begin - n + kOverread);
    }
    // Those that lie one behind the other, as a builder has them, at once.
    for (size_t i = 0; i < n;) {
      const char* const from = texts[i].data();
      const size_t to = TextBegin(i);
      size_t size = 0;
      do {
        size += texts[i].size();
        ++i;
      } while (i < n && texts[i].data() == from + size);
      if (size != 0) {
        memcpy(&text_[to], from, size);
      }
    }
  }
  // Of suffix i, in text_.
  size_t TextBegin(size_t i) const { return begins_[i] - i; }

  std::string text_;
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
  // A place of the double array, all that a step needs.  Child `byte` of a node
  // is at its base ^ byte if the label there begins with that byte: no two
  // nodes have the same base.  The label of a free place begins with a byte
  // that no one looks for there.
  struct Node {
    // What the node's bytes have more than its parent's, 1 to kMaxLabel bytes:
    //   bits 0-55   the label, its first byte lowest
    //   bits 56-61  64 less the label's bits
    //   bit  62     an ending token has the node's bytes: last_ knows it
    //   bit  63     the highest bit of the plain token
    uint64_t label = 0;
    uint32_t base = 0;
    // The longest plain token that the node's bytes begin with, its lower bits;
    // and how many bytes are behind it.
    uint16_t plain = 0;
    uint8_t behind = 0;
    uint8_t label_size = 0;

    void SetLabel(std::string_view bytes) {
      uint8_t padded[sizeof(label)] = {};
      memcpy(padded, bytes.data(), bytes.size());
      label = LoadFixed64(padded) | (64 - 8 * bytes.size()) << kSizeShift;
      label_size = static_cast<uint8_t>(bytes.size());
    }
    // Whether a text whose first 8 bytes these are begins with the label.
    bool HasLabel(uint64_t text) const {
      return (text ^ label) << (label >> kSizeShift & 63) == 0;
    }
    bool HasLast() const { return (label >> kLastShift & 1) != 0; }
    uint32_t Plain() const {
      return plain | static_cast<uint32_t>(label >> kPlainShift) << 16;
    }

    static constexpr unsigned kSizeShift = 56;
    static constexpr unsigned kLastShift = 62;
    static constexpr unsigned kPlainShift = 63;
  };
  static constexpr size_t kMaxLabel = 7;
  static_assert(kMaxMatched <= size_t{1} << 17 && sizeof(Node) == 16,
                "four a line");

  template <class Number>
  class Cutter;

  // The root is none of them: its base is 0, its children are 0 to 255, with
  // labels of a byte.
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
