// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A segment: the consecutive entries of an FST file that belong to one trie
// of user keys.  It maps user keys to entries, and entries to sequence number,
// value type and the place of the value.  FORMAT.md, "Segment", describes the
// bytes.
//
// It knows no RocksDB type: a *tag* is RocksDB's packed (sequence << 8 | type)
// and a *block location* is a file offset and a stored size.
//
// Vocabulary
//   key      a distinct user key; keys are numbered by *key index* in the
//            file's order (the comparator's), which is the trie's ordinal, or,
//            in a mirrored file (reverse bytewise), counts from the other end.
//   entry    one version of a key; entries are numbered in internal-key order:
//            keys in the file's order, versions newest first.
//
// Thread safety: the builder needs external synchronisation, a Segment is
// immutable after Open().
//
// Invariants
// (S1) Keys are distinct and ascend bytewise in the trie; each has at least
//      one entry.
// (S2) The entries of key k are [FirstEntry(k), FirstEntry(k + 1)), and their
//      tags descend.  The entries of the last key may go on in the next
//      segment, which then holds nothing else (file_index.h: a continuation).
// (S3) Every value is either in the segment's own run or in one value block;
//      value block b holds the values of entries
//      [first_entry(b), first_entry(b + 1)).
// (S4) Every access is bounded by the bytes given to Open(), whatever they
//      hold: damage is reported, never followed.
// (S5) Entries and value blocks are no more than 128 times as many as the bytes
//      given to Open(): whoever walks over all of them comes to an end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "table/key_trie/builder.h"
#include "table/key_trie/format.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/tokens.h"
#include "table/segment/segment_values.h"
#include "table/segment/value_run.h"
#include "util/packed_array.h"

namespace memkv {

// RocksDB gives its largest sequence number, 2^56 - 1, to no entry, and asserts
// that it meets none.
constexpr uint64_t kMaxEntrySequence = (uint64_t{1} << 56) - 2;

// Collects the entries of one segment.  Keys are held front coded, so that a
// file's segments can wait for its token table; those of a mirrored file are,
// once they are sealed.  A sealed segment holds all but its keys as it will be
// written, and nothing else: see MemoryUsage().
class SegmentBuilder {
 public:
  // small: the segment is of some KiB, so it leaves the padding of its key trie
  // out where enough follows that.
  SegmentBuilder(bool mirrored, const SegmentValues::Limits& limits,
                 bool small = false)
      : mirrored_(mirrored), small_(small), values_(limits) {}

  SegmentBuilder(const SegmentBuilder&) = delete;
  SegmentBuilder& operator=(const SegmentBuilder&) = delete;

  // What its tags, its keys (but of a mirrored file) and its values are held
  // in; and allocates as much, and a little more: a segment is about as large
  // as the one before.
  struct Room {
    size_t entries = 0;
    KeyTrieBuilder::Room keys;
    ValueRunBuilder::Room values;
  };
  // REQUIRES: not sealed
  Room room() const;
  void Reserve(const Room& room);

  // Adds the next entry in internal-key order.
  void Add(std::string_view user_key, uint64_t tag, std::string_view value) {
    if (empty() || last_key() != user_key) {
      AddKey(user_key, tag, value);
    } else {
      AddVersion(tag, value);
    }
  }
  // The same of a key behind the last one, and of the last one.
  void AddKey(std::string_view user_key, uint64_t tag, std::string_view value);
  void AddVersion(uint64_t tag, std::string_view value);

  bool empty() const { return num_entries_ == 0; }
  uint32_t num_keys() const { return num_keys_; }
  uint32_t num_entries() const { return static_cast<uint32_t>(num_entries_); }
  // REQUIRES: !empty().
  std::string_view last_key() const {
    return mirrored_ || sealed_ ? last_key_ : trie_.last_key();
  }
  // A little more than Finish() would append now without tokens; the same once
  // it is sealed.
  size_t EstimatedSize() const;
  // What is allocated, in bytes.
  size_t MemoryUsage() const;
  // Bytes of whole keys that it holds, as that of a mirrored file does until it
  // is sealed, and of whole separators of buckets, which Finish() will
  // allocate: much where keys have a long common prefix.
  size_t whole_bytes() const {
    return key_bytes_.size() + trie_.whole_separator_bytes();
  }

  // Ends the segment: no entry may be added until Reset().
  // REQUIRES: values().TakeBlock(true) has said that no value block is due
  void Seal();
  // The keys, to train a token table on.  REQUIRES: sealed
  const KeyTrieBuilder& keys() const { return trie_; }

  // Says which values leave for value blocks; the caller writes these.
  SegmentValues& values() { return values_; }
  const SegmentValues& values() const { return values_; }

  // Appends the encoding to *out, keys in `tokens` if that is not null.  False,
  // with a reason, if a limit of the format is exceeded.
  // REQUIRES: sealed
  bool Finish(const key_trie::TokenEncoder* tokens, std::string* out,
              std::string* reason) const;
  // Whether the key trie of what Finish() has appended has fixed bytes.
  static bool HasFixedBytes(std::string_view encoded);
  // Whether it has no padding.  REQUIRES: sealed
  bool unpadded() const {
    return small_ && sections_.size() >= key_trie::kPadding;
  }
  // What Finish() appends beside the trie's sections and those behind it, in
  // bytes.  REQUIRES: sealed
  size_t head_bytes() const;
  // Whether its own values are numbers.  REQUIRES: sealed
  bool HasNumbers() const {
    return !values_.in_blocks() &&
           ValueRunBuilder::HoldsNumbers(sections().substr(tag_bytes_));
  }
  // Of what Finish() appends: sequence numbers, types and versions; and values.
  // REQUIRES: sealed
  size_t tag_bytes() const { return tag_bytes_; }
  size_t inline_value_bytes() const { return inline_value_bytes_; }

  // What follows the trie.  REQUIRES: sealed
  std::string_view sections() const { return sections_; }

  // Becomes empty.  REQUIRES: sealed
  void Reset();

 private:
  void AddEntry(uint64_t tag, std::string_view value) {
    tags_.push_back(tag);
    ++num_entries_;
    values_.Add(value);
  }

  const bool mirrored_;
  const bool small_;
  bool sealed_ = false;
  uint32_t num_keys_ = 0;
  uint64_t num_entries_ = 0;
  // Until it is sealed, of a mirrored file alone: the trie has it.
  std::string last_key_;
  // Of a mirrored file until it is sealed: keys descend, the trie's ascend.
  std::string key_bytes_;
  std::vector<size_t> key_ends_;
  // Of those: what each has beside its common prefix with the one before.
  size_t suffix_bytes_ = 0;
  // Until it is sealed.  The first entry of each key; none as long as each key
  // has one entry.
  std::vector<uint64_t> first_entries_;
  std::vector<uint64_t> tags_;  // per entry
  SegmentValues values_;
  // Once it is sealed: what follows the trie.
  std::string sections_;
  size_t sealed_estimate_ = 0;
  size_t tag_bytes_ = 0;
  size_t inline_value_bytes_ = 0;
  KeyTrieBuilder trie_;
};

class Segment {
 public:
  static constexpr uint32_t kNotFound = KeyTrieReader::kNotFound;
  static constexpr uint32_t kCorrupt = KeyTrieReader::kCorrupt;

  // Binds to `data` and to the file's token table, null if it has none; both
  // must outlive the segment.
  [[nodiscard]] static bool Open(std::string_view data, bool mirrored,
                                 const key_trie::Tokens* tokens, Segment* out,
                                 std::string* reason);

  uint32_t num_keys() const { return num_keys_; }
  uint32_t num_entries() const { return num_entries_; }
  bool mirrored() const { return mirrored_; }
  // Whether every key has one entry, of the key's index.
  bool single_version() const { return single_version_; }
  const KeyTrieReader& trie() const { return trie_; }

  // Key k; false if damaged.
  bool KeyAt(uint32_t k, std::string* key) const {
    return trie_.KeyAt(Mirror(k), key);
  }
  // Key index <-> trie ordinal; its own inverse.
  uint32_t Mirror(uint32_t i) const {
    return mirrored_ ? num_keys_ - 1 - i : i;
  }
  // The key index of `user_key`, kNotFound or kCorrupt.
  uint32_t FindKey(const key_trie::SoughtKey& user_key) const {
    return IndexOf(trie_.Find(user_key, beside_));
  }
  uint32_t FindKey(std::string_view user_key) const {
    return FindKey(key_trie::SoughtKey(user_key));
  }
  // Of an ordinal as trie().Find() and KeyTrieReader::FindAll() return it.
  uint32_t IndexOf(uint32_t ordinal) const {
    return ordinal >= num_keys_ ? ordinal : Mirror(ordinal);
  }

  // The number of keys before `user_key` in the file's order, which is the
  // index of the first key not before it; or kCorrupt.
  uint32_t KeysBefore(std::string_view user_key) const;

  // [begin, end) of key k's entries; false if damaged (S4).
  bool EntriesOf(uint32_t k, uint32_t* begin, uint32_t* end) const {
    if (single_version_) {
      *begin = k;
      *end = k + 1;
      return true;
    }
    const uint64_t b = first_entries_[k];
    const uint64_t e =
        k + 1 == num_keys_ ? num_entries_ : first_entries_[k + 1];
    if (b >= e || e > num_entries_) return false;
    *begin = static_cast<uint32_t>(b);
    *end = static_cast<uint32_t>(e);
    return true;
  }
  // The tag of entry e.  REQUIRES: e < num_entries().
  uint64_t Tag(uint32_t e) const { return seqs_[e] << 8 | (types_[e] & 0xff); }
  // What is looked at for a key's entries, one after the other; each asks for
  // its lines: where the entries of key k are; the tag of entry e and where its
  // inline value is; that value.
  void PrefetchEntriesOf(uint32_t k) const {
    if (!single_version_) first_entries_.PrefetchElement(k);
  }
  void PrefetchEntry(uint32_t e) const;
  void PrefetchInlineValue(uint32_t e) const;
  // Whether all entries have the tag of the first one.
  bool same_tags() const { return seqs_.constant() && types_.constant(); }
  bool same_types() const { return types_.constant(); }
  // First entry of [begin, end) whose tag is <= `tag`, or end.
  uint32_t SeekEntry(uint32_t begin, uint32_t end, uint64_t tag) const;

  bool values_inline() const {
    return std::holds_alternative<ValueRunView>(values_);
  }
  // See ValueRunView::Get().  REQUIRES: values_inline().
  bool InlineValue(uint32_t e, ValueRunView::NumberBytes* number,
                   std::string_view* value) const {
    return std::get_if<ValueRunView>(&values_)->Get(e, number, value);
  }
  // Null if values are in blocks.
  const ValueRunView* inline_values() const {
    return std::get_if<ValueRunView>(&values_);
  }

  uint32_t num_value_blocks() const {
    const auto* const blocks = std::get_if<ValueBlocks>(&values_);
    return blocks != nullptr ? static_cast<uint32_t>(blocks->sizes.size()) : 0;
  }
  // The value block of entry e.  REQUIRES: !values_inline().
  uint32_t ValueBlockOf(uint32_t e) const;
  // First entry of value block b, num_entries() for b == num_value_blocks().
  uint32_t ValueBlockFirstEntry(uint32_t b) const;
  BlockLocation ValueBlockLocation(uint32_t b) const {
    const auto* const blocks = std::get_if<ValueBlocks>(&values_);
    return {blocks->offsets[b], blocks->sizes[b]};
  }

  // About how many of the `stored` bytes of the segment and its value blocks
  // come before key k: of the value blocks', those of the blocks before its
  // first entry's and a share of that one's.  Ascends with k.
  // REQUIRES: k <= num_keys().
  uint64_t StoredBytesBefore(uint32_t k, uint64_t stored) const;

  // Full check of (S1)-(S3) but for the value blocks themselves.
  [[nodiscard]] bool Validate(std::string* reason) const;

 private:
  static constexpr size_t kPrefetchedValue = 4;  // lines

  // Where values are that are not inline; of each value block.
  struct ValueBlocks {
    PackedArrayView first_entries;
    PackedArrayView offsets;
    PackedArrayView sizes;
  };

  // What the header says of the sections.
  struct Header {
    uint32_t trie_size = 0;
    bool unpadded = false;
    bool values_inline = false;
  };

  // What Open() consists of: each takes its section off *rest.
  bool TakeHeader(std::string_view* rest, Header* out, std::string* reason);
  bool TakeTrie(const Header& header, const key_trie::Tokens* tokens,
                std::string_view* rest, std::string* reason);
  bool TakeTags(std::string_view* rest, std::string* reason);
  bool TakeInlineValues(std::string_view* rest, std::string* reason);
  bool TakeValueBlocks(std::string_view* rest, std::string* reason);

  bool mirrored_ = false;
  bool single_version_ = true;
  uint32_t num_keys_ = 0;
  uint32_t num_entries_ = 0;
  KeyTrieReader trie_;
  // What says where a key's value is, or the value, if that is inline.
  PrefetchHint beside_;
  PackedArrayView first_entries_;
  PackedArrayView seqs_;
  PackedArrayView types_;
  std::variant<ValueRunView, ValueBlocks> values_;
};

}  // namespace memkv
