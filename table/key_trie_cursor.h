// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A position in a Reader that moves both ways and rebuilds the key it
// stands on.
//
// Thread safety: none; one thread at a time (cursors over one reader are
// independent of each other).
//
// Cost: Next replaces the tail of the key, O(suffix), and once a bucket unpacks
// its LCPs.  The first Prev in a bucket reads all suffixes before it; those
// that follow replace only the bytes that change, but fetch them from the keys
// that hold them: O(changed bytes) plus a walk over at most one bucket, and
// once a bucket a descent for its separator.
//
// Invariants:
// (I1) Valid() implies that key() is the key with rank ordinal(), and that
//      next_ is at the suffix behind it.
// (I2) heads_ and next_ belong to bucket bucket_; read_ holds the suffixes of
//      its first keys, as many as it has elements; if it has any, separator_ is
//      the bucket's.
// (I3) No sequence of calls on hostile bytes reads outside them; a position
//      that cannot be rebuilt makes the cursor invalid and corrupt().
//
// Known weakness: the buffer of the longest key visited is kept until
// destruction.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie_bucket_search.h"
#include "table/key_trie_reader.h"

namespace memkv {
namespace key_trie {

class Cursor {
 public:
  Cursor() = default;

  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Binds the cursor to *reader, which must outlive its use (nullptr unbinds).
  // The cursor becomes invalid, and not corrupt; its memory is kept.
  void Reset(const Reader* reader);

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
  uint32_t ordinal() const { return bytes_.first_ordinal + index_; }
  // REQUIRES: Valid().  Stable until the next move.
  std::string_view key() const { return {key_.get(), key_size_}; }

 private:
  struct ReadSuffix {
    size_t begin;  // in read_bytes_
    size_t end;
    uint64_t next_code;
  };

  static constexpr uint32_t kNoBucket = UINT32_MAX;
  // Bytes behind the key that may be written: what a token is at most.
  static constexpr size_t kSlack = Tokens::kMaxLength;

  void Invalidate();
  void SetCorrupt();
  // Makes (I2) true for the bucket; false if it does not decode.
  bool LoadBucket(uint32_t bucket);
  // Makes the cursor invalid, finds target's place and loads its bucket.  False
  // if there are no keys or, then corrupt(), the bytes are corrupt.
  bool Search(std::string_view target, Reader::Position* position);
  // Makes separator_ that of bucket_; false if it is corrupt.
  bool LoadSeparator();
  // Moves to key `index` of the loaded bucket, where next_ is, given that key_
  // begins with what that key shares with the one before.
  void ReadNext(uint32_t index);
  // The same from any place, given that the first keep bytes of key_ are
  // already those of that key.
  void MoveTo(uint32_t index, uint64_t keep);
  void MoveToOrdinal(uint32_t ordinal);
  // Makes room for that many bytes of key and kSlack; the first keep ones
  // survive.
  void GrowKey(uint64_t size, uint64_t keep);
  // Makes the key the first length bytes of target, which may be a view of it.
  void SetKeyPrefix(std::string_view target, uint64_t length);

  const Reader* reader_ = nullptr;
  bool valid_ = false;
  bool corrupt_ = false;
  uint32_t index_ = 0;  // in the bucket
  uint32_t bucket_ = kNoBucket;
  uint32_t separator_bucket_ = kNoBucket;
  Bucket bytes_;
  Suffixes next_;
  Heads heads_;
  std::vector<ReadSuffix> read_;
  std::vector<char> read_bytes_;
  // Not a std::string: its resize would clear what the next copy fills.
  std::unique_ptr<char[]> key_;
  uint64_t key_size_ = 0;
  uint64_t key_capacity_ = 0;  // without kSlack
  std::string separator_;      // of separator_bucket_
};

}  // namespace key_trie

// Its name outside of the key trie.
using KeyTrieCursor = key_trie::Cursor;

}  // namespace memkv
