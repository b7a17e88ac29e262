// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Builds the key dictionary that KeyTrieReader reads: distinct byte strings in
// ascending order, each with an ordinal equal to its rank.  The bytes are
// described in table/FORMAT.md; the parts are the buckets (this class) and the
// top trie over them (table/key_trie_top_builder.h).
//
// Not a set: it neither sorts nor removes duplicates.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) Memory is the encoding built so far plus the last key added.  No
//      separator is kept whole: the top trie receives only the bytes by which
//      one differs from the one before, so a million long keys with a common
//      prefix cost one copy of it.
// (I2) Add is O(size of the key) and Finish O(buckets + bytes).
// (I3) The same keys and options give the same bytes.
//
// Known weakness: the first encoding stores suffixes as they are, uncompressed;
// docs/decisions/0002-first-key-trie-encoding.md has the figures.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_top_builder.h"

namespace memkv {

class KeyTrieBuilder {
 public:
  struct Options {
    // Keys a bucket, clipped to [1, kMaxKeyTrieBucketKeys].  More is smaller
    // and slower: a look-up decodes half a bucket's headers on average.
    uint32_t bucket_keys = 32;
    // The largest encoding, in bytes; clipped to 2^31 - 1, the format's limit.
    uint64_t max_size = UINT32_MAX;
  };

  KeyTrieBuilder() : KeyTrieBuilder(Options()) {}
  explicit KeyTrieBuilder(const Options& options);

  KeyTrieBuilder(const KeyTrieBuilder&) = delete;
  KeyTrieBuilder& operator=(const KeyTrieBuilder&) = delete;

  // REQUIRES: key is bytewise greater than every key added since Reset.
  void Add(std::string_view key);

  uint32_t num_keys() const { return num_keys_; }

  // The size Finish would append now, within a few percent, in O(1).
  size_t EstimatedSize() const;

  // Appends the encoding to *out.  False, with *out untouched and *reason set
  // to one sentence, if the encoding is larger than Options::max_size (at most
  // 2^31 - 1 bytes) or there are 2^31 keys or more.  Afterwards only Reset may
  // be called.
  bool Finish(std::string* out, std::string* reason);

  // Forgets all keys; keeps the options and the memory.
  void Reset();

 private:
  void FlushBucket();

  const uint32_t bucket_keys_;
  const uint64_t max_size_;
  uint32_t num_keys_ = 0;
  bool overflow_ = false;
  std::string last_key_;

  // The bucket being filled: entry headers and suffix bytes.
  std::string headers_;
  std::string suffixes_;
  uint32_t keys_in_bucket_ = 0;
  uint64_t last_lcp_ = 0;

  // The finished buckets.
  std::string buckets_;
  std::vector<uint64_t> bucket_offsets_;

  KeyTrieTopBuilder top_;
  // The length of the last separator given to top_, and the smallest LCP of
  // neighbouring keys since that separator's key: together they bound what the
  // next separator shares with it.
  uint64_t separator_length_ = 0;
  uint64_t min_lcp_ = UINT64_MAX;
};

}  // namespace memkv
