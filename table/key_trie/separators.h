// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Finds the greatest of a set of separators that is not greater than a key:
// what leads to a bucket, and to a segment.  The least separator is the empty
// one, so there always is an answer.
//
// A trie whose nodes hold the bytes that all separators below share and then,
// for every group of separators that go on alike, the next 7 bytes of them as
// one number.  So a node is searched by comparing numbers, a look-up needs no
// separator as a whole, and what the key and the answer have in common is known
// from the way.
//
// The bytes, if there are two separators or more (nothing otherwise):
//   1 byte  width of an ordinal, 1, 2 or 4, and, times 16, that of an offset, 2
//           or 4: the smallest ones that hold the number of separators and the
//           number of bytes
// and the nodes, level by level, the root first; a node holds separators that
// are neighbours, the root all but the empty one:
//   4 bytes   length of the label, or 255 if it is that or more; number of
//             groups, times 256; the highest bit if any group goes on below
//   4 bytes   length of the label, if it is 255 or more
//   bytes     label: what they all share from here on
//   8 each    slices of the groups, ascending: the next 7 bytes, the first in
//             the highest byte, zeros where there are none, and in the lowest
//             byte how many there are, or 8 if there are more than 7
//   ordinals  of the first separator of every group
//   offsets   of the node that a group goes on in, 0 if it has ended; only if
//             any goes on
// A node of one separator has the rest of it as its label, and no groups.
//
// Literature: a layer of B-tree nodes for every slice of eight bytes is
// Masstree's (Mao, Kohler and Morris, EuroSys 2012); that what two neighbours
// share need not be compared in between is the string B-tree's (Ferragina and
// Grossi, JACM 1999).
//
// Thread safety: a view; const methods are thread-safe.
//
// Invariants:
// (I1) No access reads outside the bytes, and kPadding bytes behind them,
//      whatever they are; a descent ends because every step uses bytes of the
//      key or, by ordinal, moves on to a higher offset.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/target.h"

namespace memkv {
namespace key_trie {

// Distinct strings in ascending order, each by what it does not share with the
// one before it: what they share, however long, is held once.  The strings must
// come in order, ascending or descending.
//
// Thread safety: none; one thread at a time.
class SeparatorList {
 public:
  // A string as it comes out, in ascending order.
  struct Item {
    uint32_t lcp;   // with the one before it
    uint32_t size;  // of what follows
    uint64_t begin;
  };

  explicit SeparatorList(bool descending = false) : descending_(descending) {}

  // REQUIRES: greater than all before it, or less if they descend; less than
  // 2^32 bytes.
  void Add(std::string_view s);
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  // The one added last; empty if there is none.
  const std::string& last() const { return last_; }
  // How many bytes all of them share.
  size_t shared() const { return shared_; }
  // Bytes that Add(s) would add to those held.
  size_t OwnBytes(std::string_view s) const;
  // Of all, without what they share with their neighbours.
  size_t own_bytes() const { return bytes_.size(); }

  // String i, from 0 in ascending order.
  const Item& operator[](size_t i) const {
    return items_[descending_ ? items_.size() - 1 - i : i];
  }
  // What it does not share with the one before it.
  std::string_view Own(const Item& item) const {
    return std::string_view(bytes_).substr(item.begin, item.size);
  }

 private:
  bool descending_;
  std::string last_;
  size_t shared_ = 0;
  std::vector<Item> items_;  // as they came
  std::string bytes_;
};

class SeparatorTrieBuilder {
 public:
  static constexpr uint32_t kMaxSeparators = (1u << 23) - 1;

  // REQUIRES: separators ascend; the first one is the empty one.
  // False if the bytes would be more than max_size, or there are more than
  // kMaxSeparators.
  static bool Encode(const std::vector<std::string>& separators,
                     uint64_t max_size, std::string* out);
  // The same of an empty separator and, behind it, those of the list, of which
  // none is empty.
  static bool Encode(const SeparatorList& separators, uint64_t max_size,
                     std::string* out);
  // How many bytes that is, without regard to any limit.
  static uint64_t EncodedSize(const SeparatorList& separators);

 private:
  struct Plan;

  // REQUIRES: not empty, fewer than 2^32 - 1
  static void MakePlan(const SeparatorList& separators, Plan* plan);
};

class SeparatorTrie {
 public:
  // Of the empty separator alone.
  SeparatorTrie() = default;

  // False, with *reason set to one sentence, if the head is damaged.  Nodes are
  // checked when they are visited.
  // REQUIRES: kPadding bytes behind data are readable; num_separators > 0
  [[nodiscard]] static bool Open(std::string_view data, uint32_t num_separators,
                                 SeparatorTrie* out, std::string* reason);

  std::string_view data() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  uint32_t num_separators() const { return num_separators_; }

  // Asks for the lines where a search begins.
  void Prefetch() const { PrefetchLines(data_, size_, kPrefetched); }

  struct FloorResult {
    uint32_t ordinal = 0;    // of the greatest separator <= the key
    uint64_t matched = 0;    // the length of their common prefix
    uint32_t num_nodes = 0;  // visited
  };
  // False if the bytes are corrupt.
  [[nodiscard]] bool Find(const SoughtKey& key, FloorResult* place) const;

  // Sets places[i] to where tries[i] leads for *keys[i], and whole[i] to
  // whether it is not corrupt, for all i < n: node by node, each asking for its
  // next one while others are visited.  The tries may be the same or not.
  // REQUIRES: n <= kMaxBatch
  static constexpr size_t kMaxBatch = 32;
  static void FindAll(const SeparatorTrie* const* tries,
                      const SoughtKey* const* keys, size_t n,
                      FloorResult* places, bool* whole);

  // The same for a separator's own ordinal: sets *separator to it.
  // REQUIRES: ordinal < num_separators()
  [[nodiscard]] bool Get(uint32_t ordinal, std::string* separator) const;

  // How many of slices[0, n), each 8 bytes and ascending, are not greater than
  // slice.
  // REQUIRES: kPadding bytes behind them are readable
  static uint32_t CountNotGreater(const uint8_t* slices, uint32_t n,
                                  uint64_t slice);

 private:
  class FloorSearch;

  static constexpr size_t kPrefetched = 3;  // lines

  struct Node {
    uint32_t label_size;
    uint32_t num_groups;
    const uint8_t* label;
    const uint8_t* slices;
    const uint8_t* ordinals;
    const uint8_t* offsets;  // nullptr if there are none
  };
  bool OpenNode(uint64_t offset, Node* node) const;
  uint32_t Ordinal(const uint8_t* p) const {
    return LoadFixed32(p) & (UINT32_MAX >> (32 - 8 * ordinal_width_));
  }
  // The first ordinal of group i, and the offset of its node.
  uint32_t OrdinalAt(const Node& node, uint32_t i) const {
    return Ordinal(node.ordinals + size_t{i} * ordinal_width_);
  }
  uint32_t OffsetAt(const Node& node, uint32_t i) const {
    return node.offsets == nullptr
               ? 0
               : LoadFixed32(node.offsets + size_t{i} * offset_width_) &
                     (UINT32_MAX >> (32 - 8 * offset_width_));
  }

  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
  uint32_t num_separators_ = 1;
  unsigned ordinal_width_ = 1;
  unsigned offset_width_ = 2;
};

}  // namespace key_trie
}  // namespace memkv
