// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A position in a KeyTrieReader that moves both ways and rebuilds the key it
// stands on.
//
// Thread safety: none; one thread at a time (cursors over one reader are
// independent of each other).
//
// Cost: a bucket is decoded once when the cursor enters it (one pass over its
// headers).  Next then replaces the tail of the key, O(suffix).  Prev also
// replaces only the bytes that change, but fetches them from the entries that
// hold them: O(changed bytes) plus a walk over at most one bucket of decoded
// headers, and once a bucket a descent of the top trie.
//
// Invariants:
// (I1) Valid() implies that key() is the key with rank ordinal().
// (I2) entries_ describes exactly the bucket bucket_, and every entry is sane:
//      its suffix lies in the bucket and its LCP is at most the length of the
//      key before it.
// (I3) No sequence of calls on hostile bytes reads outside them; a position
//      that cannot be rebuilt makes the cursor invalid and corrupt().
//
// Known weaknesses: entering a bucket decodes all of it, also when one key is
// wanted; the buffer of the longest key visited is kept until destruction.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_reader.h"

namespace memkv {

class KeyTrieCursor {
 public:
  KeyTrieCursor() = default;

  KeyTrieCursor(const KeyTrieCursor&) = delete;
  KeyTrieCursor& operator=(const KeyTrieCursor&) = delete;

  // Binds the cursor to *reader, which must outlive its use (nullptr unbinds).
  // The cursor becomes invalid, and not corrupt; its memory is kept.
  void Reset(const KeyTrieReader* reader);

  bool Valid() const { return valid_; }
  // Whether the last move met bytes that no builder writes.  Implies !Valid().
  bool corrupt() const { return corrupt_; }

  // REQUIRES for every move: bound to a reader.  A move that finds no key
  // leaves the cursor invalid.
  void SeekToFirst();
  void SeekToLast();
  // To the first key >= target.  target may be a view of key().
  void Seek(std::string_view target);
  // To the last key <= target.  target may be a view of key().
  void SeekForPrev(std::string_view target);
  // To the key of that rank; invalid if ordinal >= num_keys().
  void SeekToOrdinal(uint32_t ordinal);
  // REQUIRES: Valid()
  void Next();
  // REQUIRES: Valid()
  void Prev();

  // REQUIRES: Valid()
  uint32_t ordinal() const { return ordinal_; }
  // REQUIRES: Valid().  Stable until the next move.
  std::string_view key() const { return {key_.get(), key_size_}; }

 private:
  struct Entry {
    uint32_t lcp;
    uint32_t suffix_length;
    const uint8_t* suffix;
  };

  static constexpr uint32_t kNoBucket = UINT32_MAX;

  void Invalidate();
  void SetCorrupt();
  // Makes (I2) true for the bucket; false if it does not decode.
  bool LoadBucket(uint32_t bucket);
  // Moves to entry index of the loaded bucket, given that the first keep bytes
  // of key_ are already those of that entry's key.
  void MoveTo(uint32_t index, uint64_t keep);
  void MoveToOrdinal(uint32_t ordinal);
  // Makes room for that many bytes of key; the first keep ones survive.
  void GrowKey(uint64_t capacity, uint64_t keep);
  // Makes the key the first length bytes of target, which may be a view of it.
  void SetKeyPrefix(std::string_view target, uint64_t length);

  const KeyTrieReader* reader_ = nullptr;
  bool valid_ = false;
  bool corrupt_ = false;
  uint32_t ordinal_ = 0;
  uint32_t index_ = 0;  // ordinal_ within bucket_
  uint32_t bucket_ = kNoBucket;
  uint32_t separator_bucket_ = kNoBucket;
  std::vector<Entry> entries_;
  // Not a std::string: its resize would clear what the next copy fills.
  std::unique_ptr<char[]> key_;
  uint64_t key_size_ = 0;
  uint64_t key_capacity_ = 0;
  std::string separator_;  // of separator_bucket_
};

}  // namespace memkv
