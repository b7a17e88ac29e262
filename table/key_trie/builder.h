// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Builds the key trie that Reader reads: distinct byte strings in
// ascending order, each with an ordinal equal to its rank.  The bytes are
// described in format.h.
//
// Not a set: it neither sorts nor removes duplicates.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) Keys are held front coded (front_coded_keys.h): of each key the suffix
//      that it does not share with the one before it, two varints for the sizes
//      of both parts; of each bucket a byte and its separator, front coded in
//      the same way.  Beside that there are the last key, the last separator
//      and a word a key of the bucket that is open; Seal frees these, and all
//      slack.  What is found of the symbols takes less than a kilobyte.
// (I2) Add is O(size of the key) and Finish O(keys + bytes).
// (I3) The same keys, options and tokens give the same bytes.
//
// Literature: cutting buckets where the separator is short is Bayer and
// Unterauer's prefix B-tree (TODS 1977).

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/front_coded_keys.h"
#include "util/byte_buffer.h"

namespace memkv {
namespace key_trie {

class SymbolEncoder;
class TokenEncoder;

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
  ~Builder();

  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // REQUIRES: key is bytewise greater than every key added since Reset.
  void Add(std::string_view key);

  // What keys are held in, in bytes; and allocates as much.
  struct Room {
    size_t size_bytes = 0;
    size_t suffix_bytes = 0;
  };
  Room room() const { return {keys_.size_bytes(), suffix_bytes()}; }
  void Reserve(const Room& room) {
    keys_.Reserve(room.size_bytes, room.suffix_bytes);
  }

  uint32_t num_keys() const { return keys_.size(); }

  // REQUIRES: not sealed
  std::string_view last_key() const { return last_key_.view(); }
  // What keys do not share with the ones before them.
  size_t suffix_bytes() const { return keys_.suffixes().size(); }
  // SIZE_MAX and 0 if there are no keys.
  size_t shortest_key() const { return shortest_key_; }
  size_t longest_key() const { return longest_key_; }

  // At least about what Finish would append now without tokens, in O(1).
  size_t EstimatedSize() const;

  // Calls f(suffix), a std::string_view, with what each key does not share with
  // the one before it: what a token table is trained on.
  template <class F>
  void ForEachSuffix(F f) const {
    keys_.ForEach([&f](const FrontCodedKey& key) { f(key.suffix); });
  }

  // The same with every `every`-th suffix, beginning behind *skip others. *skip
  // becomes how many of the next builder's are to be skipped.
  template <class F>
  void ForEveryNthSuffix(uint64_t every, uint64_t* skip, F f) const {
    FrontCodedKeys::Walk walk = keys_.Begin();
    uint64_t left = num_keys();
    for (; *skip < left; *skip = every - 1) {
      walk.Skip(*skip);
      f(walk.Next().suffix);
      left -= *skip + 1;
    }
    *skip -= left;
  }

  // Says that no key will be added until Reset, and frees what only Add needs.
  void Seal();

  // What is allocated, in bytes.
  size_t MemoryUsage() const;
  // What Finish will hold of whole separators, in bytes.  They share what
  // MemoryUsage() counts once: keys of a long common prefix have much of it.
  size_t whole_separator_bytes() const { return whole_separator_bytes_; }

  // Appends the encoding to *out: suffixes in tokens if tokens is not null, in
  // the symbols that occur otherwise.  False, with *out untouched and *reason
  // set to one sentence, if the encoding is larger than Options::max_size (at
  // most 2^31 - 1 bytes) or there are 2^31 keys or more.
  bool Finish(const TokenEncoder* tokens, std::string* out,
              std::string* reason) const;

  uint32_t num_buckets() const {
    return num_keys() == 0 ? 0
                           : static_cast<uint32_t>(bucket_sizes_.size() + 1);
  }
  // The bits of all codes without tokens, and what they would be if no byte
  // were fixed (table/key_trie/fixed_bytes.h).  O(bytes).
  struct SymbolBits {
    uint64_t with_fixed = 0;
    uint64_t without = 0;
  };
  SymbolBits MeasureSymbols() const;

  // A part of what Finish would append, to know what that will take.
  struct Part {
    uint32_t keys = 0;
    uint64_t code_bytes = 0;   // of `tokens`, of those appended
    uint64_t other_bytes = 0;  // of separators and directory, not appended
  };
  // Appends the buckets [begin, end) as Finish would.
  Part EncodeBuckets(const TokenEncoder* tokens, uint32_t begin, uint32_t end,
                     std::string* out) const;

  // Forgets all keys; keeps the options.
  void Reset();

 private:
  // A key of the bucket that is open.
  struct OpenKey {
    uint32_t lcp;
    char first_byte;  // of its suffix
  };
  struct Coding;
  // Of a bucket being written, to keep its memory.
  struct Scratch;

  // Ends the bucket that is open, which has bucket_keys_ keys and the one added
  // last behind it.
  void CutBucket();
  std::vector<std::string> Separators() const;
  uint32_t KeysOfBucket(uint32_t b, uint32_t head) const {
    return b < bucket_sizes_.size() ? static_cast<uint8_t>(bucket_sizes_[b])
                                    : num_keys() - head;
  }
  // A trial of a part, the choice of tokens and Finish all ask for it, so it is
  // kept until a key is added.
  const SymbolEncoder& Symbols() const;
  Coding CodingOf(const TokenEncoder* tokens) const;
  // Appends the bucket of keys that *scratch has.
  void WriteBucket(const Coding& coding, Scratch* scratch,
                   std::string* out) const;
  // The suffixes of a bucket: the first code of each, then the others.
  static void WriteTokens(const TokenEncoder& tokens, Scratch* scratch,
                          std::string* out);
  bool TooLarge(std::string* reason) const;

  const uint32_t bucket_keys_;
  const uint64_t max_size_;
  bool overflow_ = false;
  FrontCodedKeys keys_;
  ByteBuffer last_key_;
  size_t shortest_key_ = SIZE_MAX;
  size_t longest_key_ = 0;
  // Of every bucket but the last, how many keys it has.
  std::string bucket_sizes_;
  std::vector<OpenKey> open_;  // of the last bucket
  // Of every bucket but the first: how much of the separator before it shares,
  // how much it does not, a varint each, and the latter.
  std::string separators_;
  std::string last_separator_;
  size_t separator_bytes_ = 0;
  size_t whole_separator_bytes_ = 0;
  mutable std::unique_ptr<const SymbolEncoder> symbols_;  // null: not known yet
};

}  // namespace key_trie

// Its name outside of the key trie.
using KeyTrieBuilder = key_trie::Builder;

}  // namespace memkv
