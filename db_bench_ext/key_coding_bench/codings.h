// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Ways to keep a set of keys in order and in little memory, behind one face,
// for key_coding_bench:
//
//   front_coding     what each key does not share with the one before it, and a
//                    whole key every 16 with a binary search over those: the
//                    reference
//   key_trie         what tables are made of (table/key_trie/reader.h), in
//                    segments under an index, as in a table
//
// Thread safety: a coding is immutable once built.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace memkv {

class KeyCoding {
 public:
  static constexpr uint64_t kNotFound = UINT64_MAX;

  virtual ~KeyCoding() = default;

  // Builds the key trie of keys, which ascend.  False, with a reason, if it
  // cannot.
  virtual bool Build(const std::vector<std::string_view>& keys,
                     std::string* reason) = 0;
  // Checks all of it. On failure sets *reason.
  virtual bool Validate(std::string* /*reason*/) const { return true; }
  // Bytes of everything a look-up needs.
  virtual size_t Bytes() const = 0;
  // The rank of key, or kNotFound.
  virtual uint64_t Find(std::string_view key) const = 0;
  // How many keys are less than key.
  virtual uint64_t Rank(std::string_view key) const = 0;
  // Sets ranks[i] to Find(keys[i]) for all i < n, which is at most kMaxBatch.
  static constexpr size_t kMaxBatch = 32;
  virtual void FindAll(const std::string_view* keys, size_t n,
                       uint64_t* ranks) const {
    for (size_t i = 0; i < n; ++i) {
      ranks[i] = Find(keys[i]);
    }
  }
  // Rebuilds all keys in order, or in reverse, and returns a sum over them that
  // depends on every one's length and middle.
  virtual uint64_t Scan(bool forwards) const = 0;
};

// What Scan sums up.
inline uint64_t KeySum(std::string_view key) {
  return key.size() +
         (key.empty() ? 0 : static_cast<uint8_t>(key[key.size() / 2]));
}

struct KeyCodingOptions {
  uint32_t bucket_keys = 64;
  size_t segment_keys = 8192;
  // A segment also ends when it is about as large; 0: it does not.
  size_t segment_bytes = 0;
  // Of suffixes, to train the token table with.
  size_t sample_bytes = size_t{8} << 20;
};

// Null for a name that is not above.
std::unique_ptr<KeyCoding> NewKeyCoding(const std::string& name,
                                        const KeyCodingOptions& options);

}  // namespace memkv
