// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/segment/segment.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {

namespace {

// Segment header, little-endian: u8 flags, 3 zero bytes, u32 keys,
// u32 entries, u32 bytes of the trie.
constexpr size_t kHeaderSize = 16;
constexpr unsigned char kManyVersions = 1 << 0;
constexpr unsigned char kValuesInline = 1 << 1;
constexpr unsigned char kUnpadded = 1 << 2;
constexpr unsigned char kKnownFlags = kManyVersions | kValuesInline | kUnpadded;

// Entries and keys of a segment are counted in 31 bits, so that sums of two
// counts stay in 32.
constexpr size_t kMaxCount = 0x7fffffff;

bool TakeArray(size_t n, const char* what, std::string_view* rest,
               PackedArrayView* array, std::string* reason) {
  if (PackedArrayView::Take(rest, n, array)) return true;
  *reason = std::string("segment: array of ") + what + " is damaged";
  return false;
}

}  // namespace

SegmentBuilder::Room SegmentBuilder::room() const {
  assert(!sealed_);
  return {num_entries_, trie_.room(), values_.room()};
}

void SegmentBuilder::Reserve(const Room& room) {
  const auto more = [](size_t n) { return n + n / 16; };
  tags_.reserve(more(room.entries));
  trie_.Reserve({more(room.keys.size_bytes), more(room.keys.suffix_bytes)});
  values_.Reserve(room.values);
}

void SegmentBuilder::AddKey(std::string_view user_key, uint64_t tag,
                            std::string_view value) {
  assert(!sealed_);
  if (mirrored_) {
    suffix_bytes_ += user_key.size() - CommonPrefix(user_key, last_key_);
    key_bytes_.append(user_key.data(), user_key.size());
    key_ends_.push_back(key_bytes_.size());
    last_key_.assign(user_key.data(), user_key.size());
  } else {
    trie_.Add(user_key);
  }
  if (!first_entries_.empty()) first_entries_.push_back(num_entries_);
  ++num_keys_;
  AddEntry(tag, value);
}

void SegmentBuilder::AddVersion(uint64_t tag, std::string_view value) {
  assert(!sealed_ && !empty());
  if (first_entries_.empty()) {
    // The first second version.
    first_entries_.resize(num_keys_);
    std::iota(first_entries_.begin(), first_entries_.end(), uint64_t{0});
  }
  AddEntry(tag, value);
}

size_t SegmentBuilder::EstimatedSize() const {
  if (sealed_) return sealed_estimate_;
  // Two bytes stand for a sequence number and type, which often vanish, and as
  // many for what the trie has beside suffixes.
  return kHeaderSize + trie_.EstimatedSize() + suffix_bytes_ +
         2 * key_ends_.size() + 2 * tags_.size() + values_.EstimatedSize();
}

size_t SegmentBuilder::MemoryUsage() const {
  size_t words = key_ends_.capacity();
  for (const auto* part : {&first_entries_, &tags_}) {
    words += part->capacity();
  }
  return sizeof(*this) + words * sizeof(uint64_t) + last_key_.capacity() +
         key_bytes_.capacity() + sections_.capacity() + values_.MemoryUsage() +
         trie_.MemoryUsage();
}

void SegmentBuilder::Seal() {
  assert(!sealed_);
  for (size_t k = key_ends_.size(); k > 0; --k) {
    const size_t begin = k == 1 ? 0 : key_ends_[k - 2];
    trie_.Add(
        std::string_view(key_bytes_).substr(begin, key_ends_[k - 1] - begin));
  }
  std::string().swap(key_bytes_);
  std::vector<size_t>().swap(key_ends_);
  suffix_bytes_ = 0;
  sealed_estimate_ = EstimatedSize();
  if (!mirrored_) last_key_.assign(trie_.last_key());
  sealed_ = true;
  trie_.Seal();
  last_key_.shrink_to_fit();

  // What does not depend on tokens, as Finish() will write it.
  if (!first_entries_.empty()) {
    PackedArrayBuilder::Encode(first_entries_.data(), num_keys_, &sections_);
  }
  std::vector<uint64_t>().swap(first_entries_);
  std::vector<uint64_t> types(num_entries_);
  for (size_t e = 0; e < num_entries_; ++e) {
    types[e] = tags_[e] & 0xff;
    tags_[e] >>= 8;
  }
  PackedArrayBuilder::Encode(tags_.data(), num_entries_, &sections_);
  std::vector<uint64_t>().swap(tags_);
  PackedArrayBuilder::Encode(types.data(), num_entries_, &sections_);
  std::vector<uint64_t>().swap(types);
  tag_bytes_ = sections_.size();
  values_.Seal(&sections_);
  if (!values_.in_blocks()) inline_value_bytes_ = sections_.size() - tag_bytes_;
  sections_.shrink_to_fit();
}

bool SegmentBuilder::Finish(const key_trie::TokenEncoder* tokens,
                            std::string* out, std::string* reason) const {
  assert(sealed_);
  if (num_entries_ > kMaxCount) {
    *reason = std::to_string(num_entries_) + " entries in one segment; " +
              std::to_string(kMaxCount) + " is the most";
    return false;
  }
  const size_t start = out->size();
  unsigned char flags = 0;
  if (num_entries_ != num_keys_) flags |= kManyVersions;
  if (!values_.in_blocks()) flags |= kValuesInline;
  if (unpadded()) flags |= kUnpadded;
  out->push_back(static_cast<char>(flags));
  out->append(3, '\0');
  PutFixed(out, num_keys_, 4);
  PutFixed(out, num_entries_, 4);
  const size_t trie_size_at = out->size();
  PutFixed(out, 0, 4);
  const size_t trie_at = out->size();
  assert(trie_at == start + kHeaderSize);
  (void)start;
  if (!trie_.Finish(tokens, out, reason)) return false;
  if (unpadded()) out->resize(out->size() - key_trie::kPadding);
  std::string trie_size;
  PutFixed(&trie_size, out->size() - trie_at, 4);
  out->replace(trie_size_at, trie_size.size(), trie_size);
  out->append(sections_);
  return true;
}

size_t SegmentBuilder::head_bytes() const {
  return kHeaderSize + key_trie::kHeaderSize +
         (unpadded() ? 0 : key_trie::kPadding);
}

bool SegmentBuilder::HasFixedBytes(std::string_view encoded) {
  return KeyTrieReader::HasFixedBytes(encoded.substr(kHeaderSize));
}

void SegmentBuilder::Reset() {
  sealed_ = false;
  num_keys_ = 0;
  num_entries_ = 0;
  last_key_.clear();
  key_bytes_.clear();
  key_ends_.clear();
  suffix_bytes_ = 0;
  first_entries_.clear();
  tags_.clear();
  values_.Reset();
  sections_.clear();
  sealed_estimate_ = 0;
  tag_bytes_ = 0;
  inline_value_bytes_ = 0;
  trie_.Reset();
}

bool Segment::Open(std::string_view data, bool mirrored,
                   const key_trie::Tokens* tokens, Segment* out,
                   std::string* reason) {
  out->mirrored_ = mirrored;
  std::string_view rest = data;
  Header header;
  if (!out->TakeHeader(&rest, &header, reason) ||
      !out->TakeTrie(header, tokens, &rest, reason) ||
      !out->TakeTags(&rest, reason) ||
      !(header.values_inline ? out->TakeInlineValues(&rest, reason)
                             : out->TakeValueBlocks(&rest, reason))) {
    return false;
  }
  if (!rest.empty()) {
    *reason = "segment: " + std::to_string(rest.size()) +
              " bytes follow its last section";
    return false;
  }
  return true;
}

bool Segment::TakeHeader(std::string_view* rest, Header* out,
                         std::string* reason) {
  if (rest->size() < kHeaderSize) {
    *reason = "segment: " + std::to_string(rest->size()) +
              " bytes, a header has " + std::to_string(kHeaderSize);
    return false;
  }
  const auto* const header = reinterpret_cast<const uint8_t*>(rest->data());
  const uint8_t flags = header[0];
  if ((flags & ~kKnownFlags) != 0 || header[1] != 0 || header[2] != 0 ||
      header[3] != 0) {
    *reason = "segment: unknown flags";
    return false;
  }
  out->values_inline = (flags & kValuesInline) != 0;
  out->unpadded = (flags & kUnpadded) != 0;
  single_version_ = (flags & kManyVersions) == 0;
  num_keys_ = LoadFixed32(header + 4);
  num_entries_ = LoadFixed32(header + 8);
  out->trie_size = LoadFixed32(header + 12);
  if (num_keys_ == 0 || num_keys_ > num_entries_ || num_entries_ > kMaxCount ||
      (single_version_ && num_keys_ != num_entries_)) {
    *reason = "segment: " + std::to_string(num_keys_) + " keys with " +
              std::to_string(num_entries_) + " entries";
    return false;
  }
  rest->remove_prefix(kHeaderSize);
  return true;
}

bool Segment::TakeTrie(const Header& header, const key_trie::Tokens* tokens,
                       std::string_view* rest, std::string* reason) {
  const uint32_t size = header.trie_size;
  if (size > rest->size()) {
    *reason = "segment: trie of " + std::to_string(size) + " bytes in " +
              std::to_string(rest->size());
    return false;
  }
  if (header.unpadded && rest->size() - size < key_trie::kPadding) {
    *reason = "segment: a trie without padding, and " +
              std::to_string(rest->size() - size) + " bytes behind it";
    return false;
  }
  const std::string_view trie = rest->substr(0, size);
  if (!(header.unpadded
            ? KeyTrieReader::OpenUnpadded(trie, tokens, &trie_, reason)
            : KeyTrieReader::Open(trie, tokens, &trie_, reason))) {
    *reason = "segment: " + *reason;
    return false;
  }
  if (trie_.num_keys() != num_keys_) {
    *reason = "segment: " + std::to_string(num_keys_) + " keys, its trie has " +
              std::to_string(trie_.num_keys());
    return false;
  }
  rest->remove_prefix(size);
  return true;
}

bool Segment::TakeTags(std::string_view* rest, std::string* reason) {
  if (!single_version_ &&
      !TakeArray(num_keys_, "first entries", rest, &first_entries_, reason)) {
    return false;
  }
  if (!TakeArray(num_entries_, "sequence numbers", rest, &seqs_, reason) ||
      !TakeArray(num_entries_, "value types", rest, &types_, reason)) {
    return false;
  }
  // Almost always the array's head says so for all.
  if (seqs_.limit() > kMaxEntrySequence) {
    for (uint32_t e = 0; e < num_entries_; ++e) {
      if (seqs_[e] > kMaxEntrySequence) {
        *reason = "segment: sequence number " + std::to_string(seqs_[e]) +
                  " of entry " + std::to_string(e) + " is out of range";
        return false;
      }
    }
  }
  // (S5) Tags of one key differ, so there is a bit for each entry.  Keys are at
  // most 128 a bucket, which has a byte.
  if (num_entries_ != num_keys_ && same_tags()) {
    *reason = "segment: " + std::to_string(num_keys_) + " keys with " +
              std::to_string(num_entries_) + " entries of one tag";
    return false;
  }
  return true;
}

bool Segment::TakeInlineValues(std::string_view* rest, std::string* reason) {
  size_t used = 0;
  ValueRunView& values = values_.emplace<ValueRunView>();
  if (!ValueRunView::Open(*rest, num_entries_, &values, &used, reason)) {
    return false;
  }
  rest->remove_prefix(used);
  if (!mirrored_ && single_version_) beside_ = values.Places();
  return true;
}

bool Segment::TakeValueBlocks(std::string_view* rest, std::string* reason) {
  const auto* const begin = reinterpret_cast<const uint8_t*>(rest->data());
  uint32_t num_blocks = 0;
  const uint8_t* const p =
      GetVarint32(begin, begin + rest->size(), &num_blocks);
  if (p == nullptr || num_blocks == 0 || num_blocks > num_entries_) {
    *reason = "segment: bad number of value blocks";
    return false;
  }
  rest->remove_prefix(static_cast<size_t>(p - begin));
  ValueBlocks& blocks = values_.emplace<ValueBlocks>();
  if (!TakeArray(num_blocks, "value blocks' first entries", rest,
                 &blocks.first_entries, reason)) {
    return false;
  }
  if (num_blocks > 1 && blocks.first_entries.constant()) {
    *reason = "segment: value blocks without entries";
    return false;
  }
  return TakeArray(num_blocks, "value blocks' offsets", rest, &blocks.offsets,
                   reason) &&
         TakeArray(num_blocks, "value blocks' sizes", rest, &blocks.sizes,
                   reason);
}

void Segment::PrefetchEntry(uint32_t e) const {
  seqs_.PrefetchElement(e);
  types_.PrefetchElement(e);
  if (const auto* const values = std::get_if<ValueRunView>(&values_)) {
    values->Places().Prefetch(e);
  }
}

void Segment::PrefetchInlineValue(uint32_t e) const {
  const ValueRunView* const values = inline_values();
  // Numbers lie where PrefetchEntry() has looked.
  if (values == nullptr || values->number_size() != 0) return;
  ValueRunView::NumberBytes number;
  std::string_view value;
  if (values->Get(e, &number, &value)) {
    PrefetchLines(reinterpret_cast<const uint8_t*>(value.data()), value.size(),
                  kPrefetchedValue);
  }
}

uint32_t Segment::KeysBefore(std::string_view user_key) const {
  if (!mirrored_) return trie_.Rank(user_key);
  const uint32_t floor = trie_.FloorOrdinal(user_key);
  if (floor == kNotFound) return num_keys_;
  return floor == kCorrupt ? kCorrupt : Mirror(floor);
}

uint32_t Segment::SeekEntry(uint32_t begin, uint32_t end, uint64_t tag) const {
  // Tags descend (S2).
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (Tag(middle) > tag) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

uint32_t Segment::ValueBlockOf(uint32_t e) const {
  const ValueBlocks& blocks = *std::get_if<ValueBlocks>(&values_);
  uint32_t lo = 0;
  uint32_t hi = num_value_blocks();
  while (hi - lo > 1) {
    const uint32_t middle = lo + (hi - lo) / 2;
    if (blocks.first_entries[middle] <= e) {
      lo = middle;
    } else {
      hi = middle;
    }
  }
  return lo;
}

uint32_t Segment::ValueBlockFirstEntry(uint32_t b) const {
  if (b == num_value_blocks()) return num_entries_;
  const uint64_t e = std::get_if<ValueBlocks>(&values_)->first_entries[b];
  return e > num_entries_ ? num_entries_ : static_cast<uint32_t>(e);
}

uint64_t Segment::StoredBytesBefore(uint32_t k, uint64_t stored) const {
  if (k == num_keys_) return stored;
  const auto share = [](uint64_t bytes, uint64_t part, uint64_t whole) {
    return static_cast<uint64_t>(static_cast<double>(bytes) *
                                 static_cast<double>(part) /
                                 static_cast<double>(whole));
  };
  uint32_t begin;
  uint32_t end;
  if (values_inline() || !EntriesOf(k, &begin, &end)) {
    return share(stored, k, num_keys_);
  }
  // Value blocks follow each other; what damaged ones say is bounded below.
  const BlockLocation last = ValueBlockLocation(num_value_blocks() - 1);
  const uint64_t values_begin = ValueBlockLocation(0).offset;
  const uint64_t values =
      std::min(stored, last.offset + last.size - values_begin);
  const uint32_t b = ValueBlockOf(begin);
  const BlockLocation block = ValueBlockLocation(b);
  const uint32_t first = ValueBlockFirstEntry(b);
  const uint32_t next = ValueBlockFirstEntry(b + 1);
  uint64_t before = block.offset - values_begin;
  if (first < begin && begin < next) {
    before += share(block.size, begin - first, next - first);
  }
  return share(stored - values, k, num_keys_) + std::min(before, values);
}

bool Segment::Validate(std::string* reason) const {
  if (!trie_.Validate(reason)) {
    *reason = "(S1) " + *reason;
    return false;
  }
  uint32_t expected = 0;
  for (uint32_t k = 0; k < num_keys_; ++k) {
    uint32_t begin;
    uint32_t end;
    if (!EntriesOf(k, &begin, &end) || begin != expected) {
      *reason = "(S2) entries of key " + std::to_string(k) +
                " do not follow those before";
      return false;
    }
    for (uint32_t e = begin + 1; e < end; ++e) {
      if (Tag(e - 1) <= Tag(e)) {
        *reason = "(S2) tags ascend at entry " + std::to_string(e);
        return false;
      }
    }
    expected = end;
  }
  if (expected != num_entries_) {
    *reason = "(S2) keys own " + std::to_string(expected) + " of " +
              std::to_string(num_entries_) + " entries";
    return false;
  }
  for (uint32_t e = 0; e < num_entries_; ++e) {
    if (types_[e] > 0xff) {
      *reason = "(S2) entry " + std::to_string(e) + " has no valid type";
      return false;
    }
  }
  if (const auto* const values = std::get_if<ValueRunView>(&values_)) {
    if (!values->Validate(reason)) {
      *reason = "(S3) " + *reason;
      return false;
    }
  } else {
    const ValueBlocks& blocks = *std::get_if<ValueBlocks>(&values_);
    for (uint32_t b = 0; b < num_value_blocks(); ++b) {
      const bool starts = b != 0 || blocks.first_entries[0] == 0;
      if (!starts || ValueBlockFirstEntry(b) >= ValueBlockFirstEntry(b + 1)) {
        *reason = "(S3) value block " + std::to_string(b) + " holds no entries";
        return false;
      }
    }
  }
  return true;
}

}  // namespace memkv
