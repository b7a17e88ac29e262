// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The token tables of the files that a table factory has open, by the keys they
// are of.  A compaction replaces files by others of the same keys; what it
// writes can mostly be written in a token table that one of its inputs has, and
// to train another takes as long as writing the keys (decision 0008).
//
// They are in a treap: a binary search tree by first key and number, a heap by
// random priorities, where each node knows which node of its subtree reaches
// furthest.  So those whose range has a key are found without the others.
//
// What Find() may miss: it looks at kMaxCandidates ranges that have the middle
// key, those that begin last first.  Where more files than that have one key
// (thousands of column families of the same keys that share a factory), it may
// not see the best one; the caller then trains a token table of its own.  Keys
// of more than kMaxKeyBytes are known by their beginning: a range seems a
// little wider than it is.
//
// Thread safety: all methods are safe from any thread.
//
// Invariants
// (D1) Nodes ascend by (first key, number), and none has a smaller priority
//      than its parent's.
// (D2) `furthest` of a node is a node of its subtree whose last key is the
//      greatest there.
// (D3) A node exists exactly as long as its Registration.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/tokens.h"

namespace memkv {

// A token table, and what it was made for.
struct TokenTable {
  std::shared_ptr<const key_trie::Tokens> tokens;
  // The bits a byte of its keys' suffixes took, in the file that it was trained
  // for; see key_trie::MeasureSuffixes().
  double bits_a_byte = 0;
  uint64_t num_keys = 0;  // of the file that has it
};

class TokenTableRegistry {
 private:
  struct Node;

 public:
  static constexpr size_t kMaxCandidates = 64;
  static constexpr size_t kMaxKeyBytes = 1024;

  // That a token table can be found: its destruction ends that.  Whoever has
  // the file open owns it.  It keeps the TokenTableRegistry alive.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept { *this = std::move(other); }
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    friend class TokenTableRegistry;

    std::shared_ptr<TokenTableRegistry> owner_;
    Node* node_ = nullptr;  // the owner's
  };

  TokenTableRegistry();
  ~TokenTableRegistry();
  TokenTableRegistry(const TokenTableRegistry&) = delete;
  TokenTableRegistry& operator=(const TokenTableRegistry&) = delete;

  // The token table is of a file with keys from `first` to `last`, bytewise,
  // and can be found in *to until the registration ends.  O(log n) expected.
  [[nodiscard]] static Registration Add(
      const std::shared_ptr<TokenTableRegistry>& to,
      const TokenTable& token_table, std::string first, std::string last);

  // The token table whose file has most of `keys` between its first and its
  // last one, and at least half of them; of equal ones the one added last.
  // Without tokens if there is none.  O(log n) expected for each of at most 2 *
  // kMaxCandidates ranges.  REQUIRES: keys ascend bytewise
  TokenTable Find(const std::vector<std::string_view>& keys) const;

  size_t size() const;
  // Checks (D1) and (D2), in O(n).
  bool Validate(std::string* reason) const;

 private:
  static bool Before(const Node& a, const Node& b);
  static Node* Furthest(Node* node);
  static void Update(Node* node);
  // Those before `at`, and the others.
  static void Split(Node* node, const Node& at, Node** before, Node** others);
  static Node* Merge(Node* before, Node* others);
  // Adds to *found the nodes whose range has `key`, the last to begin first,
  // until there are kMaxCandidates.
  static void FindAt(const Node* node, std::string_view key,
                     std::vector<const Node*>* found);
  void Remove(Node* node);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Node* root_ = nullptr;
  size_t size_ = 0;
  uint64_t next_number_ = 0;
  std::minstd_rand priorities_;
};

}  // namespace memkv
