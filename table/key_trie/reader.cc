// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/reader.h"

#include <array>
#include <cassert>
#include <utility>

#include "table/key_trie/cursor.h"
#include "table/key_trie/format.h"
#include "util/cache_line_counter.h"

namespace memkv {
namespace key_trie {

namespace {

const uint8_t* Bytes(std::string_view s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

constexpr size_t kPrefetched = 12;  // lines of a bucket

std::string Number(uint64_t n) { return std::to_string(n); }

}  // namespace

bool Reader::Open(std::string_view data, size_t padding, const Tokens* tokens,
                  Reader* out, std::string* reason) {
  const size_t around = kHeaderSize + padding;
  if (data.size() < around || data.size() > kMaxSize) {
    *reason = "key trie: " + Number(data.size()) + " bytes, expected " +
              Number(around) + " to " + Number(kMaxSize);
    return false;
  }
  const uint8_t* p = Bytes(data);
  if (p[0] != kEncoding) {
    *reason = "key trie: encoding " + Number(p[0]) + ", expected " +
              Number(kEncoding) + "; a newer memkv may be able to read it";
    return false;
  }
  SuffixCoding codes;
  codes.coding = static_cast<Coding>(p[1]);
  codes.width = p[2];
  const bool has_fixed = codes.coding == kFixedSymbols;
  const unsigned max_width = has_fixed ? 7 : 8;
  const uint32_t num_symbols = LoadFixed16(p + 4);
  const uint32_t reserved = p[3] + uint32_t{LoadFixed16(p + 6)};
  if (reserved != 0) {
    *reason = "key trie: reserved bytes are not 0";
    return false;
  }
  bool coding_is_known = false;
  if (codes.coding == kSymbols || has_fixed) {
    coding_is_known = codes.width >= 1 && codes.width <= max_width &&
                      num_symbols <= (1u << codes.width) &&
                      (codes.width < 8 || num_symbols == 0);
  } else if (codes.coding == kTokenCodes) {
    if (tokens == nullptr || tokens->empty() ||
        codes.width != tokens->width()) {
      *reason = "key trie: codes of " + Number(codes.width) +
                " bits, but the file's tokens have " +
                (tokens == nullptr ? "none" : Number(tokens->width()));
      return false;
    }
    coding_is_known = num_symbols == 0;
  }
  if (!coding_is_known) {
    *reason = "key trie: suffix coding " + Number(codes.coding) +
              " with codes of " + Number(codes.width) + " bits and " +
              Number(num_symbols) + " symbols";
    return false;
  }
  Reader reader;
  reader.num_keys_ = LoadFixed32(p + 8);
  reader.num_buckets_ = LoadFixed32(p + 12);
  const uint32_t separators_size = LoadFixed32(p + 16);
  const uint32_t directory_size = LoadFixed32(p + 20);
  reader.buckets_size_ = LoadFixed32(p + 24);
  size_t at = kHeaderSize + num_symbols;
  size_t fixed_size = 0;
  if (has_fixed) {
    // What is not within the data makes sizes that do not fit.
    fixed_size = FixedBytes::kHeaderSize;
    if (at + fixed_size <= data.size()) {
      codes.fixed.base = LoadFixed32(p + at);
      codes.fixed.mask = LoadFixed64(p + at + 4);
      codes.fixed.bytes = p + at + fixed_size;
      fixed_size += codes.fixed.count();
    }
  }
  const uint64_t sections = uint64_t{num_symbols} + fixed_size +
                            separators_size + directory_size +
                            reader.buckets_size_;
  if (sections != data.size() - around) {
    *reason = "key trie: sections of " + Number(sections) + " bytes in " +
              Number(data.size() - around);
    return false;
  }
  if (reader.num_keys_ > kMaxKeys || reader.num_buckets_ > reader.num_keys_ ||
      reader.num_keys_ > uint64_t{reader.num_buckets_} * kMaxBucketKeys ||
      reader.num_buckets_ > reader.buckets_size_) {
    *reason = "key trie: " + Number(reader.num_keys_) + " keys in " +
              Number(reader.num_buckets_) + " buckets of " +
              Number(reader.buckets_size_) + " bytes";
    return false;
  }
  if (has_fixed && (codes.fixed.mask & 1) == 0) {
    *reason = "key trie: fixed bytes that begin with none";
    return false;
  }
  if (codes.coding == kTokenCodes) {
    codes.tokens = tokens;
  } else if (codes.width < 8) {
    codes.symbols = p + kHeaderSize;
    codes.num_symbols = num_symbols;
  }
  if (has_fixed) {
    codes.coding = kSymbols;
  }
  reader.codes_ = codes;
  at += fixed_size;
  if (reader.num_buckets_ == 0) {
    if (separators_size != 0) {
      *reason = "key trie: separators of no buckets";
      return false;
    }
  } else if (!SeparatorTrie::Open(data.substr(at, separators_size),
                                  reader.num_buckets_, &reader.separators_,
                                  reason)) {
    return false;
  }
  at += separators_size;
  size_t consumed = 0;
  if (!PackedArrayView::Open(data.substr(at, directory_size),
                             size_t{reader.num_buckets_} + 1,
                             &reader.bucket_offsets_, &consumed) ||
      consumed != directory_size) {
    *reason = "key trie: a directory of " + Number(directory_size) +
              " bytes that is not a packed array of " +
              Number(reader.num_buckets_) + " + 1 elements";
    return false;
  }
  at += directory_size;
  reader.ordinal_bits_ = static_cast<uint8_t>(BitWidth(reader.num_keys_));
  reader.buckets_ = p + at;
  reader.padding_ = static_cast<uint8_t>(padding);
  *out = reader;
  return true;
}

bool Reader::HasFixedBytes(std::string_view data) {
  return Bytes(data)[1] == kFixedSymbols;
}

bool Reader::BoundsOf(uint32_t bucket, BucketBounds* bounds) const {
  assert(bucket < num_buckets_);
  const uint64_t place = bucket_offsets_[bucket];
  const uint64_t next = bucket_offsets_[bucket + 1];
  const uint64_t mask = (uint64_t{1} << ordinal_bits_) - 1;
  *bounds = {place >> ordinal_bits_, next >> ordinal_bits_, place & mask,
             next & mask};
  CountCacheLine(bucket_offsets_.AddressOf(bucket));
  return bounds->end <= buckets_size_ && bounds->begin < bounds->end &&
         bounds->past <= num_keys_ && bounds->first < bounds->past &&
         bounds->past - bounds->first <= kMaxBucketKeys;
}

bool Reader::OpenBucket(uint32_t bucket, Bucket* out) const {
  BucketBounds at;
  if (!BoundsOf(bucket, &at)) {
    return false;
  }
  // What is looked at depends on what is found; ask for all of it at once.
  CountCacheLine(buckets_ + at.begin);
  PrefetchLines(buckets_ + at.begin, at.end - at.begin, kPrefetched);
  out->first_ordinal = static_cast<uint32_t>(at.first);
  return out->Decode(buckets_ + at.begin, buckets_ + at.end,
                     static_cast<uint32_t>(at.past - at.first), codes_.coding,
                     codes_.width);
}

void Reader::PrefetchBucket(uint32_t bucket) const {
  BucketBounds at;
  if (BoundsOf(bucket, &at)) {
    PrefetchLines(buckets_ + at.begin, at.end - at.begin, kPrefetched);
  }
}

bool Reader::BucketOf(uint32_t ordinal, uint32_t* bucket) const {
  const uint64_t mask = (uint64_t{1} << ordinal_bits_) - 1;
  uint32_t low = 0;
  for (uint32_t n = num_buckets_; n > 1;) {
    const uint32_t half = n / 2;
    if ((bucket_offsets_[low + half] & mask) <= ordinal) {
      low += half;
      n -= half;
    } else {
      n = half;
    }
  }
  *bucket = low;
  return (bucket_offsets_[low] & mask) <= ordinal &&
         ordinal < (bucket_offsets_[low + 1] & mask);
}

bool Reader::Search(const SoughtKey& key, const PrefetchHint& beside,
                    Position* position) const {
  *position = Position();
  if (num_keys_ == 0) {
    return true;
  }
  SeparatorTrie::FloorResult separator;
  // Which of these lines are needed is known one after the other.
  separators_.Prefetch();
  bucket_offsets_.Prefetch();
  return separators_.Find(key, &separator) &&
         SearchInBucket(key, separator, beside, position);
}

bool Reader::SearchInBucket(const SoughtKey& key,
                            const SeparatorTrie::FloorResult& separator,
                            const PrefetchHint& beside,
                            Position* position) const {
  Bucket bucket;
  if (!OpenBucket(separator.ordinal, &bucket)) {
    return false;
  }
  UnpackedBucket heads;
  heads.Unpack(codes_, bucket);
  SuffixCursor suffixes(codes_, bucket, heads);
  if (!FindInBucket(key, separator.matched, codes_, bucket, heads, beside,
                    &suffixes, &position->place)) {
    return false;
  }
  position->bucket = separator.ordinal;
  position->ordinal = bucket.first_ordinal + position->place.index;
  return true;
}

uint32_t Reader::Find(const SoughtKey& key, const PrefetchHint& beside) const {
  Position position;
  if (!Search(key, beside, &position)) {
    return kCorrupt;
  }
  return position.place.equal ? position.ordinal : kNotFound;
}

void Reader::FindAll(const Reader* const* tries, const SoughtKey* const* keys,
                     size_t n, uint32_t* ordinals) {
  assert(n <= kMaxBatch);
  std::array<const SeparatorTrie*, kMaxBatch> separators = {};
  std::array<SeparatorTrie::FloorResult, kMaxBatch> places;
  std::array<bool, kMaxBatch> whole;
  for (size_t i = 0; i < n; ++i) {
    separators[i] = &tries[i]->separators_;
  }
  SeparatorTrie::FindAll(separators.data(), keys, n, places.data(),
                         whole.data());
  const auto to_search = [&](size_t i) {
    return whole[i] && tries[i]->num_keys_ != 0;
  };
  for (size_t i = 0; i < n; ++i) {
    if (to_search(i)) {
      tries[i]->bucket_offsets_.PrefetchElement(places[i].ordinal);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    if (to_search(i)) tries[i]->PrefetchBucket(places[i].ordinal);
  }
  for (size_t i = 0; i < n; ++i) {
    Position position;
    ordinals[i] = !whole[i] || (to_search(i) && !tries[i]->SearchInBucket(
                                                    *keys[i], places[i],
                                                    PrefetchHint(), &position))
                      ? kCorrupt
                  : position.place.equal ? position.ordinal
                                         : kNotFound;
  }
}

uint32_t Reader::Rank(std::string_view key) const {
  Position position;
  return Search(SoughtKey(key), PrefetchHint(), &position) ? position.ordinal
                                                           : kCorrupt;
}

uint32_t Reader::FloorOrdinal(std::string_view key) const {
  Position position;
  if (!Search(SoughtKey(key), PrefetchHint(), &position)) {
    return kCorrupt;
  }
  if (position.place.equal) {
    return position.ordinal;
  }
  return position.ordinal == 0 ? kNotFound : position.ordinal - 1;
}

uint32_t Reader::CountRange(std::string_view begin,
                            std::string_view end) const {
  if (begin >= end) {
    return 0;
  }
  const uint32_t first = Rank(begin);
  const uint32_t past = Rank(end);
  // Only damage makes ranks descend.
  return first == kCorrupt || past == kCorrupt || past < first ? kCorrupt
                                                               : past - first;
}

bool Reader::KeyAt(uint32_t ordinal, std::string* key) const {
  assert(ordinal < num_keys());
  Cursor cursor;
  cursor.Reset(this);
  cursor.SeekToOrdinal(ordinal);
  if (!cursor.Valid()) {
    return false;
  }
  key->assign(cursor.key());
  return true;
}

}  // namespace key_trie
}  // namespace memkv
