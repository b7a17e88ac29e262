// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Builds the key dictionary that Reader reads: distinct byte strings in
// ascending order, each with an ordinal equal to its rank.  The bytes are
// described in key_trie_format.h.
//
// Not a set: it neither sorts nor removes duplicates.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) Until Finish, memory is the last key, what each key does not share with
//      the one before it, and a separator a bucket.
// (I2) Add is O(size of the key) and Finish O(keys + bytes).
// (I3) The same keys, options and tokens give the same bytes.
//
// Literature: cutting buckets where the separator is short is Bayer and
// Unterauer's prefix B-tree (TODS 1977).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_token_encoder.h"

namespace memkv {
namespace key_trie {

class Builder {
 public:
  struct Options {
    // The most keys a bucket, clipped to [1, kMaxBucketKeys]; a bucket but the
    // last has at least three quarters of them.  More is smaller and slower.
    uint32_t bucket_keys = 64;
    // The largest encoding, in bytes; clipped to 2^31 - 1, the format's limit.
    uint64_t max_size = UINT32_MAX;
  };

  Builder() : Builder(Options()) {}
  explicit Builder(const Options& options);

  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // REQUIRES: key is bytewise greater than every key added since Reset.
  void Add(std::string_view key);

  uint32_t num_keys() const { return static_cast<uint32_t>(keys_.size()); }

  std::string_view last_key() const { return last_key_; }
  // What keys do not share with the ones before them.
  size_t suffix_bytes() const { return suffixes_.size(); }
  // SIZE_MAX and 0 if there are no keys.
  size_t shortest_key() const { return shortest_key_; }
  size_t longest_key() const { return longest_key_; }

  // At least about what Finish would append now without tokens, in O(1).
  size_t EstimatedSize() const;

  // Calls f(suffix), a std::string_view, with what each key does not share with
  // the one before it: what a dictionary of tokens is trained on.
  template <class F>
  void ForEachSuffix(F f) const {
    for (size_t i = 0; i < keys_.size(); ++i) {
      f(SuffixOf(i));
    }
  }

  // Appends the encoding to *out: suffixes in tokens if tokens is not null, in
  // the symbols that occur otherwise.  False, with *out untouched and *reason
  // set to one sentence, if the encoding is larger than Options::max_size (at
  // most 2^31 - 1 bytes) or there are 2^31 keys or more.  Afterwards only Reset
  // may be called.
  bool Finish(const TokenEncoder* tokens, std::string* out,
              std::string* reason);

  // Forgets all keys; keeps the options.
  void Reset();

 private:
  struct Key {
    uint32_t lcp;         // with the key before
    uint32_t suffix_end;  // in the suffixes
  };
  // How the codes of suffixes are written: tokens, or with symbols.
  struct Coding;

  std::string_view SuffixOf(size_t i) const {
    const size_t begin = i == 0 ? 0 : keys_[i - 1].suffix_end;
    return std::string_view(suffixes_).substr(begin,
                                              keys_[i].suffix_end - begin);
  }
  // Ends the bucket that is open, which has bucket_keys_ keys and the one added
  // last behind it.
  void CutBucket();
  Coding ChooseCoding(const TokenEncoder* tokens) const;
  // Appends the bucket of keys [begin, end).
  void WriteBucket(const Coding& coding, size_t begin, size_t end,
                   std::string* out);
  bool TooLarge(std::string* reason);

  const uint32_t bucket_keys_;
  const uint64_t max_size_;
  bool overflow_ = false;
  std::string last_key_;
  size_t shortest_key_ = SIZE_MAX;
  size_t longest_key_ = 0;
  std::vector<Key> keys_;
  std::string suffixes_;
  // Of every bucket.
  std::vector<uint32_t> heads_;  // the first key
  std::vector<std::string> separators_;
  size_t separator_bytes_ = 0;
  // Of a bucket being written, to keep their memory.
  std::vector<std::string_view> bucket_suffixes_;
  Cuts<uint16_t> codes_;
};

}  // namespace key_trie

// Its name outside of the key trie.
using KeyTrieBuilder = key_trie::Builder;

}  // namespace memkv
