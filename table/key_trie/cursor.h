// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A position in a Reader that moves both ways and rebuilds the key it
// stands on.
//
// Thread safety: none; one thread at a time (cursors over one reader are
// independent of each other).
//
// Cost: Next replaces the tail of the key, O(suffix), and once a bucket unpacks
// its LCPs.  The first Prev in a bucket rebuilds all keys before it, several at
// once, and descends for its separator; steps to keys that were rebuilt only
// point at them, O(1).  Keys of a bucket that take more than kWindow bytes are
// rebuilt again when the walk comes to those that were given up.
//
// Invariants:
// (I1) Valid() implies that key() is the key with rank ordinal().  It is in the
//      window, or else next_ is at the suffix behind it.
// (I2) heads_ and next_ belong to bucket bucket_; the first num_read_ of read_
//      are its keys from window_first_ on.  window_end_ is behind them if key()
//      is one of these, and 0 otherwise.
// (I3) No sequence of calls on hostile bytes reads outside them; a position
//      that cannot be rebuilt makes the cursor invalid and corrupt().
// (I4) Whatever the bytes are, a key after Next() is greater than the one
//      before it, and after Prev() less: damage that would make it otherwise is
//      corrupt().  So no walk goes in circles.
//
// Known weakness: the buffers, of the longest key visited, of kWindow bytes or
// more, and of a SuffixRun, are kept until destruction.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/bucket_search.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/suffix_run.h"

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
  // Seeks of n cursors to one target, each as Seek(): what one waits for is
  // asked for while others go on.
  // REQUIRES: n <= Reader::kMaxBatch; no cursor's key is what target is a view
  //     of
  static void SeekAll(Cursor* const* cursors, size_t n,
                      const SoughtKey& target);
  // To the last key <= target.  target may be a view of key().
  void SeekForPrev(std::string_view target);
  // To the key of that rank; invalid if ordinal >= num_keys().
  void SeekToOrdinal(uint32_t ordinal);
  // REQUIRES: Valid()
  void Next() {
    assert(valid_);
    if (index_ + 1 >= window_end_) {
      NextBeyondWindow();
      return;
    }
    ShowRead(index_ + 1);
    shared_ = read_[index_ - window_first_].lcp;
  }
  // REQUIRES: Valid()
  void Prev() {
    assert(valid_);
    if (window_end_ == 0 || index_ <= window_first_) {
      PrevSlow();
      return;
    }
    // The later one was made from the other.
    shared_ = read_[index_ - window_first_].lcp;
    ShowRead(index_ - 1);
  }

  // From now on keys are rebuilt one by one: what the other way is tested with.
  void TEST_ReadOneByOne() { one_by_one_ = true; }

  // REQUIRES: Valid()
  uint32_t ordinal() const { return bytes_.first_ordinal + index_; }
  // REQUIRES: Valid(), or Next() or Prev() has found no other key, and this is
  // the one they left.  Stable until the next move.
  std::string_view key() const { return {key_, key_size_}; }

  // In how many first bytes, at least, key() is the key that the last move came
  // from; 0 where that is not known, as after a seek.
  // REQUIRES: Valid()
  uint64_t shared() const { return shared_; }

  // How many bytes behind the key its user may write, and where they are.
  static constexpr size_t kTail = 8;
  // REQUIRES: Valid().  Until the next move.
  char* tail() { return key_ + key_size_; }

 private:
  // A key in the window.
  struct ReadKey {
    uint64_t begin;
    uint64_t size;
    uint64_t lcp;
    uint64_t next_code;
  };

  // Bytes that may be written a token at a time.
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    uint64_t capacity = 0;  // without kSlack

    // Makes room for that many bytes and kSlack; the first keep ones survive.
    void Grow(uint64_t size, uint64_t keep);
  };

  static constexpr uint32_t kNoBucket = UINT32_MAX;
  // Bytes behind a buffer's capacity that may be written: a token is copied as
  // 64 bytes, a key of the window by Join().
  static constexpr size_t kTokenCopy = 64;
  static constexpr size_t kSlack = 192;
  static_assert(Tokens::kMaxLength < kTokenCopy && kTokenCopy <= kSlack &&
                    SuffixRun::kAround + kTail <= kSlack,
                "a token, a joined key and a tail fit behind a key");
  static constexpr uint64_t kWindow = 256 << 10;

  void Invalidate();
  void SetCorrupt();
  // Makes (I2) true for the bucket; false if it does not decode.
  bool LoadBucket(uint32_t bucket);
  // Makes the cursor invalid, finds the key's place and loads its bucket. False
  // if there are no keys or, then corrupt(), the bytes are corrupt.
  bool Search(const SoughtKey& target, Reader::Position* position);
  // The same from the bucket's separator on; `whole` is whether that was found.
  bool SearchInBucket(const SoughtKey& target, bool whole,
                      const SeparatorTrie::FloorResult& separator,
                      Reader::Position* position);
  // Goes to the first key that is not before the place that was found.
  void GoToPosition(std::string_view target, const Reader::Position& position);
  void NextBeyondWindow();
  void PrevSlow();
  // Stands on key `index`, which the window holds.
  void ShowRead(uint32_t index) {
    const ReadKey& read = read_[index - window_first_];
    key_ = window_.bytes.get() + read.begin;
    key_size_ = read.size;
    index_ = index;
  }
  const ReadKey& LastRead() const { return read_[num_read_ - 1]; }
  // Where the next key of the window may begin: at a whole piece of Join().
  static uint64_t BehindInWindow(const ReadKey& read) {
    return (read.begin + read.size + kTail + 31) / 32 * 32;
  }
  // Takes the key, if it is one of the window, into buffer_.
  void LeaveWindow();
  // Appends the suffix of key `index`, where next_ is, to the first *size bytes
  // of *buffer.  Moves next_ to the next one.  False if it does not fit.
  bool AppendSuffix(uint32_t index, Buffer* buffer, uint64_t* size);
  // (I4): of key `index`, the byte behind its LCP, and the one there of the key
  // before it; -1 if there is none.
  bool Ascends(uint32_t index, int byte, int before) const;
  // Moves to key `index` of the loaded bucket, where next_ is, given that key_
  // begins with what that key shares with the one before.
  void ReadNext(uint32_t index);
  // The same from any place.
  void MoveTo(uint32_t index);
  // Adds the key behind the last one to the window.  False if it is corrupt.
  bool ReadOn();
  // Adds up to n keys, together where that is possible.  False if the next one
  // is corrupt.
  bool ReadOnTogether(uint32_t n);
  // Adds up to n of the keys behind the last one.  Returns how many; the next
  // one is for ReadOn() to see to. REQUIRES: num_read_ > 0; n <=
  // SuffixRun::kMaxKeys
  uint32_t ReadTogether(uint32_t n);
  void MoveToOrdinal(uint32_t ordinal);
  // Makes the key the first length bytes of target, which may be a view of it.
  void SetKeyPrefix(std::string_view target, uint64_t length);

  const Reader* reader_ = nullptr;
  bool valid_ = false;
  bool corrupt_ = false;
  uint32_t index_ = 0;  // in the bucket
  uint32_t bucket_ = kNoBucket;
  Bucket bytes_;
  SuffixCursor next_;
  UnpackedBucket heads_;
  uint32_t window_first_ = 0;
  uint32_t window_end_ = 0;
  bool one_by_one_ = false;
  uint32_t num_read_ = 0;
  std::vector<ReadKey> read_;  // of kMaxBucketKeys, once a bucket is loaded
  std::unique_ptr<SuffixRun> run_;  // once it is needed
  Buffer window_;
  Buffer buffer_;  // of the key, unless it is one in the window
  char* key_ = nullptr;
  uint64_t key_size_ = 0;
  uint64_t shared_ = 0;
  std::string separator_;
  std::string behind_;  // the key that Prev() came from
};

}  // namespace key_trie

// Its name outside of the key trie.
using KeyTrieCursor = key_trie::Cursor;

}  // namespace memkv
