// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// An immutable, ordered set of distinct byte strings: key <-> ordinal,
// the ordinal being the key's rank, in [0, num_keys()).  A view of bytes that
// Builder made; the format is in format.h.
//
// It is not a map (values are the caller's, by ordinal), not a filter (answers
// are exact), and it holds no checksum: the container has one.
//
// Keys lie in buckets; a trie of slices over the shortest separators between
// buckets leads to one (separators.h).  There, the LCPs and the first
// codes of the suffixes, unpacked, say at once which key is the next that may
// not be smaller; only that one is compared, and its codes are found by
// counting the ends of keys.  bucket_search.h has the argument.
//
// Thread safety: a value type; const methods are thread-safe.  The bytes given
// to Open must outlive every copy.  Find, Rank, FloorOrdinal and CountRange
// allocate nothing.
//
// Invariants:
// (I1) Whatever the bytes, no method reads outside them and kPadding bytes
//      behind an unpadded one, loops without end, recurses, or allocates more
//      than a small multiple of their number.
//      Bytes that no builder writes give a wrong but well-formed answer or
//      kCorrupt.
// (I2) Open checks that the header and the section sizes agree, in O(1).
// (I3) Validate accepts what Builder writes, whatever way it cuts keys
//      into buckets and suffixes into tokens, and nothing else.
//
// Literature: front coding with LCP-only comparison is Morrison's blind search
// moved to sorted blocks (Ferragina and Grossi, String B-tree, JACM 1999);
// short separators are Bayer and Unterauer's prefix B-tree (TODS 1977).  Here
// the first key of a bucket is not whole either: its separator holds its
// prefix.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "table/key_trie/bucket_search.h"
#include "table/key_trie/separators.h"
#include "util/packed_array.h"

namespace memkv {
namespace key_trie {

class Cursor;

class Reader {
 public:
  static constexpr uint32_t kNotFound = UINT32_MAX;
  static constexpr uint32_t kCorrupt = UINT32_MAX - 1;

  // A key trie of no keys.
  Reader() = default;

  // Makes *out a view of data, which must be exactly one key trie.  tokens is
  // the file's, or nullptr if it has none; it must outlive every copy.  False,
  // with *out untouched and *reason set to one sentence, if (I2) fails.
  [[nodiscard]] static bool Open(std::string_view data, const Tokens* tokens,
                                 Reader* out, std::string* reason) {
    return Open(data, kPadding, tokens, out, reason);
  }
  // The same of a key trie without its padding.
  // REQUIRES: kPadding bytes behind data are readable, and stay so
  [[nodiscard]] static bool OpenUnpadded(std::string_view data,
                                         const Tokens* tokens, Reader* out,
                                         std::string* reason) {
    return Open(data, 0, tokens, out, reason);
  }

  // Whether the key trie that begins so has fixed bytes.
  // REQUIRES: data is one that Builder has written
  static bool HasFixedBytes(std::string_view data);

  uint32_t num_keys() const { return num_keys_; }
  uint32_t num_buckets() const { return num_buckets_; }

  // The key's ordinal, kNotFound or kCorrupt.
  // `beside` is by ordinal; it is asked for on the way.
  uint32_t Find(const SoughtKey& key,
                const PrefetchHint& beside = PrefetchHint()) const;
  uint32_t Find(std::string_view key) const { return Find(SoughtKey(key)); }

  // Sets ordinals[i] to tries[i]->Find(*keys[i]), for all i < n.  What one
  // look-up waits for is asked for while others go on; the tries may be the
  // same or not.
  // REQUIRES: n <= kMaxBatch
  static constexpr size_t kMaxBatch = SeparatorTrie::kMaxBatch;
  static void FindAll(const Reader* const* tries, const SoughtKey* const* keys,
                      size_t n, uint32_t* ordinals);

  // The number of keys < key, which is the first ordinal whose key is >= key
  // or num_keys() if there is none; or kCorrupt.
  uint32_t Rank(std::string_view key) const;

  // The last ordinal whose key is <= key, kNotFound if there is none, or
  // kCorrupt.
  uint32_t FloorOrdinal(std::string_view key) const;

  // The number of keys in [begin, end), 0 if begin >= end; or kCorrupt.  Two
  // look-ups, however many keys there are.
  uint32_t CountRange(std::string_view begin, std::string_view end) const;

  // Sets *key to the key of that rank.  False, with *key unspecified, if the
  // bytes are corrupt.
  // REQUIRES: ordinal < num_keys()
  bool KeyAt(uint32_t ordinal, std::string* key) const;

  // Checks everything (I3): every bucket decodes, keys ascend, separators are
  // the shortest ones, places are exact, every choice of width is the smallest
  // and no byte is unused.  O(bytes).  On failure sets *reason to one sentence.
  [[nodiscard]] bool Validate(std::string* reason) const;

 private:
  [[nodiscard]] static bool Open(std::string_view data, size_t padding,
                                 const Tokens* tokens, Reader* out,
                                 std::string* reason);

  friend class Cursor;
  friend class Validator;

  // Where a key belongs.
  struct Position {
    uint32_t bucket = 0;
    uint32_t ordinal = 0;
    BucketPosition place;  // in the bucket
  };

  // False from the next ones: the bytes are corrupt.
  bool Search(const SoughtKey& key, const PrefetchHint& beside,
              Position* position) const;
  bool SearchInBucket(const SoughtKey& key,
                      const SeparatorTrie::FloorResult& separator,
                      const PrefetchHint& beside, Position* position) const;
  // Where the bucket's bytes and ordinals begin and end.
  struct BucketBounds {
    uint64_t begin;
    uint64_t end;
    uint64_t first;
    uint64_t past;
  };
  bool BoundsOf(uint32_t bucket, BucketBounds* bounds) const;
  bool OpenBucket(uint32_t bucket, Bucket* out) const;
  void PrefetchBucket(uint32_t bucket) const;
  // The bucket of a key.
  // REQUIRES: ordinal < num_keys()
  bool BucketOf(uint32_t ordinal, uint32_t* bucket) const;

  uint32_t num_keys_ = 0;
  uint32_t num_buckets_ = 0;
  uint32_t buckets_size_ = 0;
  uint8_t ordinal_bits_ = 0;
  uint8_t padding_ = kPadding;  // that is part of it
  SuffixCoding codes_;
  SeparatorTrie separators_;  // of the buckets, if there are any
  // Of bucket b, and behind the last one: offset << ordinal_bits_ | ordinal of
  // the first key.
  PackedArrayView bucket_offsets_;
  const uint8_t* buckets_ = nullptr;
};

}  // namespace key_trie

// Its name outside of the key trie.
using KeyTrieReader = key_trie::Reader;

}  // namespace memkv
