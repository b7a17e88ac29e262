// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// An immutable, ordered dictionary of distinct byte strings: key <-> ordinal,
// the ordinal being the key's rank, in [0, num_keys()).  A view of bytes that
// KeyTrieBuilder made; the format is in table/FORMAT.md.
//
// It is not a map (values are the caller's, by ordinal), not a filter (answers
// are exact), and it holds no checksum: the container has one.
//
// Look-up: the top trie, one node per branching of the separators between
// buckets, finds the only bucket that can hold the key and how much of the key
// matches that bucket's separator; one pass over the bucket's headers, which
// are contiguous, then finds the key by comparing LCPs, touching suffix bytes
// only where the LCP equals the length matched so far.  Distinct cache lines of
// a look-up in a dictionary of 8192 keys (URLs, file paths; cold): 6 in the top
// (7 nodes), 1 for the bucket's offset, 1-2 for its headers, 3-4 for suffixes:
// 10 to 12, those of the top and the offset one after the other.  Worst case:
// the top has a node for every byte at which separators part, so as many as the
// smaller of the key's length and the number of buckets.
//
// Thread safety: a value type; const methods are thread-safe.  The bytes given
// to Open must outlive every copy.  Find, LowerBound and FloorOrdinal allocate
// nothing.
//
// Invariants:
// (I1) Whatever the bytes, no method reads outside them, loops without end,
//      recurses, or allocates more than a small multiple of their number.
//      Bytes that no builder writes give a wrong but well-formed answer or
//      kCorrupt.
// (I2) Open checks that the header and the section sizes agree, in O(1).
// (I3) Validate accepts exactly what KeyTrieBuilder writes.
//
// Known weaknesses: suffixes are stored as they are (no FSST, no sharing of
// tails); preorder puts a top node next to its first child only, so a descent
// misses the cache at almost every node; a bucket's headers are decoded one
// after the other.
//
// Literature: front coding with LCP-only comparison is Morrison's blind search
// moved to sorted blocks (Ferragina and Grossi, String B-tree, JACM 1999);
// short separators are Bayer and Unterauer's prefix B-tree (TODS 1977).  Here
// the first key of a bucket is not whole either: the top trie holds its prefix.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "table/packed_array.h"

namespace memkv {

class KeyTrieCursor;
struct KeyTrieBucket;

class KeyTrieReader {
 public:
  using Cursor = KeyTrieCursor;  // in table/key_trie_cursor.h

  static constexpr uint32_t kNotFound = UINT32_MAX;
  static constexpr uint32_t kCorrupt = UINT32_MAX - 1;

  // A dictionary of no keys.
  KeyTrieReader() = default;

  // Makes *out a view of data, which must be exactly one dictionary.  False,
  // with *out untouched and *reason set to one sentence, if (I2) fails.
  static bool Open(std::string_view data, KeyTrieReader* out,
                   std::string* reason);

  uint32_t num_keys() const { return num_keys_; }
  uint32_t bucket_keys() const { return bucket_keys_; }

  // The key's ordinal, kNotFound or kCorrupt.
  uint32_t Find(std::string_view key) const;

  // The number of keys < key, which is the first ordinal whose key is >= key
  // or num_keys() if there is none; or kCorrupt.
  uint32_t LowerBound(std::string_view key) const;

  // The last ordinal whose key is <= key, kNotFound if there is none, or
  // kCorrupt.
  uint32_t FloorOrdinal(std::string_view key) const;

  // Sets *key to the key of that rank.  False, with *key unspecified, if the
  // bytes are corrupt.
  // REQUIRES: ordinal < num_keys()
  bool KeyAt(uint32_t ordinal, std::string* key) const;

  // Checks everything (I3): every bucket decodes, keys ascend, separators are
  // the shortest ones, offsets are exact, every choice of width is the smallest
  // and no byte is unused.  O(bytes).  On failure sets *reason to one sentence.
  bool Validate(std::string* reason) const;

 private:
  friend class KeyTrieCursor;
  friend class KeyTrieValidator;

  // Where a key belongs.
  struct Position {
    uint32_t bucket = 0;
    uint32_t index = 0;  // keys of the bucket that are < the key sought
    bool equal = false;  // whether the key at index is the key sought
    // What the key sought has in common with the keys at index - 1 and at
    // index, where these exist in the bucket.
    uint64_t lcp_before = 0;
    uint64_t lcp_at = 0;
  };

  uint32_t OrdinalOf(const Position& position) const {
    return position.bucket * bucket_keys_ + position.index;
  }

  // False from the next four: the bytes are corrupt.
  bool Search(std::string_view key, Position* position) const;
  // The bucket whose separator is the greatest one <= key, and the length of
  // their common prefix.
  bool FindBucket(std::string_view key, uint32_t* bucket,
                  uint64_t* matched) const;
  bool OpenBucket(uint32_t bucket, KeyTrieBucket* out) const;
  // Sets *separator to the separator of bucket ("" for bucket 0).
  bool GetSeparator(uint32_t bucket, std::string* separator) const;

  uint32_t num_keys_ = 0;
  uint32_t bucket_keys_ = 1;
  uint32_t num_buckets_ = 0;
  uint32_t top_size_ = 0;
  uint32_t buckets_size_ = 0;
  const uint8_t* top_ = nullptr;
  const uint8_t* buckets_ = nullptr;
  PackedArrayView bucket_offsets_;
};

}  // namespace memkv
