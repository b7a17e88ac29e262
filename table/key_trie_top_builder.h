// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Builds the top trie of a key trie: a byte-wise Patricia trie over the
// separators between buckets, written in preorder.  The nodes' bytes are in
// table/key_trie_format.h.
//
// Separator r is a byte string with s(r-1) < s(r); s(0) is "", so that every
// key has a greatest separator <= it.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) path_ is the rightmost path of the trie, root first; the depths of its
//      nodes ascend; every node not on it is complete and its size is known.
// (I2) A label is a piece of bytes_, which holds each byte by which a separator
//      differs from the one before it once.
// (I3) No recursion: the depth of the trie is bounded only by the keys.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memkv {

class KeyTrieTopBuilder {
 public:
  KeyTrieTopBuilder() { Reset(); }

  // Adds the next separator, whose first shared bytes are those of the one
  // before and whose further bytes are rest.
  // REQUIRES: shared <= the length of the separator before; rest is not empty;
  // the separator is greater than the one before.
  void Add(uint64_t shared, std::string_view rest);

  // About the size of what Finish would write.
  size_t EstimatedSize() const;

  // Appends the trie to *out.  Afterwards only Reset may be called.
  void Finish(std::string* out);

  void Reset();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Node {
    size_t label = 0;  // in bytes_
    size_t label_length = 0;
    uint64_t depth = 0;  // of its end: the bytes from the root to here
    uint64_t size = 0;   // of the subtree's encoding, once complete
    uint64_t max_offset = 0;
    uint32_t rank = 0;      // of the first separator in the subtree
    uint32_t max_rank = 0;  // of a child, from rank
    uint32_t first_child = kNone;
    uint32_t last_child = kNone;
    uint32_t next_sibling = kNone;
    uint32_t num_children = 0;
    uint8_t first_byte = 0;
    bool terminal = false;
  };

  // Completes the last node of path_ and gives it to parent.
  void PopInto(uint32_t parent);
  // Makes the node's size known; its children's sizes are.
  void Complete(Node* node);
  void Write(const Node& node, std::string* out) const;

  std::string bytes_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> path_;
  uint32_t num_separators_ = 0;
};

}  // namespace memkv
