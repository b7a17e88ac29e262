// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/token_trie/reader.h"

#include <cassert>
#include <utility>

#include "db_bench_ext/token_trie/cursor.h"
#include "db_bench_ext/token_trie/format.h"

namespace memkv {
namespace token_trie {

namespace {

const uint8_t* Bytes(std::string_view s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

constexpr uint64_t kCacheLine = 64;
constexpr uint64_t kPrefetched = 12 * kCacheLine;

std::string Number(uint64_t n) { return std::to_string(n); }

}  // namespace

const Codes Reader::kBytes;

bool Reader::Open(std::string_view data, const Tokens* tokens, Reader* out,
                  std::string* reason) {
  constexpr size_t kAround = kHeaderSize + kPadding;
  if (data.size() < kAround || data.size() > kMaxSize) {
    *reason = "key trie: " + Number(data.size()) + " bytes, expected " +
              Number(kAround) + " to " + Number(kMaxSize);
    return false;
  }
  const uint8_t* p = Bytes(data);
  if (p[0] != kEncoding) {
    *reason = "key trie: encoding " + Number(p[0]) + ", expected " +
              Number(kEncoding) + "; a newer memkv may be able to read it";
    return false;
  }
  Codes codes;
  codes.coding = static_cast<Coding>(p[1]);
  codes.width = p[2];
  const uint32_t num_levels = p[3];
  const uint32_t num_symbols = LoadFixed16(p + 4);
  if (LoadFixed16(p + 6) != 0) {
    *reason = "key trie: reserved bytes are " + Number(LoadFixed16(p + 6)) +
              ", expected 0";
    return false;
  }
  bool coding_is_known = false;
  if (codes.coding == kSymbols) {
    coding_is_known = codes.width >= 1 && codes.width <= 8 &&
                      num_symbols <= (1u << codes.width) &&
                      (codes.width < 8 || num_symbols == 0);
  } else if (codes.coding == kTokenCodes) {
    if (tokens == nullptr || codes.width != tokens->width()) {
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
  if (num_levels > kMaxLevels || num_symbols > data.size() - kAround) {
    *reason = "key trie: " + Number(num_levels) + " levels and " +
              Number(num_symbols) + " symbols in " + Number(data.size()) +
              " bytes";
    return false;
  }
  if (codes.coding == kTokenCodes) {
    codes.tokens = tokens;
  } else if (codes.width < 8) {
    codes.symbols = p + kHeaderSize;
    codes.num_symbols = num_symbols;
  }
  std::vector<Level> levels(num_levels);
  size_t at = kHeaderSize + num_symbols;
  const size_t end = data.size() - kPadding;
  for (uint32_t i = 0; i < num_levels; ++i) {
    const std::string which = "key trie: level " + Number(i);
    if (end - at < kLevelHeaderSize) {
      *reason = which + " has no header";
      return false;
    }
    Level& level = levels[i];
    level.num_keys = LoadFixed32(p + at);
    level.num_buckets = LoadFixed32(p + at + 4);
    const uint32_t directory_size = LoadFixed32(p + at + 8);
    level.buckets_size = LoadFixed32(p + at + 12);
    at += kLevelHeaderSize;
    if (uint64_t{directory_size} + level.buckets_size > end - at) {
      *reason = which + " of " + Number(directory_size) + " and " +
                Number(level.buckets_size) + " bytes in " + Number(end - at);
      return false;
    }
    const bool highest = i + 1 == num_levels;
    if (level.num_keys == 0 || level.num_keys > kMaxKeys ||
        level.num_buckets > level.num_keys || level.num_buckets == 0 ||
        level.num_keys > uint64_t{level.num_buckets} * kMaxBucketKeys ||
        (level.num_buckets == 1) != highest ||
        (i > 0 && level.num_keys != levels[i - 1].num_buckets)) {
      *reason = which + " of " + Number(num_levels) + " has " +
                Number(level.num_keys) + " keys in " +
                Number(level.num_buckets) + " buckets";
      return false;
    }
    size_t consumed = 0;
    if (!PackedArrayView::Open(data.substr(at, directory_size),
                               size_t{level.num_buckets} + 1, &level.directory,
                               &consumed) ||
        consumed != directory_size) {
      *reason = which + " has a directory of " + Number(directory_size) +
                " bytes that is not a packed array of " +
                Number(level.num_buckets) + " + 1 elements";
      return false;
    }
    level.ordinal_bits = BitWidth(level.num_keys);
    level.buckets = p + at + directory_size;
    at += directory_size + level.buckets_size;
  }
  if (at != end) {
    *reason = "key trie: " + Number(end - at) + " bytes after the levels";
    return false;
  }
  out->codes_ = codes;
  out->levels_ = std::move(levels);
  return true;
}

uint32_t Reader::num_buckets() const {
  uint32_t n = 0;
  for (const Level& level : levels_) {
    n += level.num_buckets;
  }
  return n;
}

bool Reader::OpenBucket(size_t number, uint32_t bucket, Bucket* out) const {
  const Level& level = levels_[number];
  assert(bucket < level.num_buckets);
  uint64_t begin = 0;
  uint64_t end = level.buckets_size;
  uint64_t first = 0;
  uint64_t past = level.num_keys;
  if (level.num_buckets > 1) {
    const uint64_t place = level.directory[bucket];
    const uint64_t next = level.directory[bucket + 1];
    const uint64_t mask = (uint64_t{1} << level.ordinal_bits) - 1;
    begin = place >> level.ordinal_bits;
    end = next >> level.ordinal_bits;
    first = place & mask;
    past = next & mask;
  }
  if (end > level.buckets_size || begin >= end || past > level.num_keys ||
      first >= past || past - first > kMaxBucketKeys) {
    return false;
  }
  // What is looked at depends on what is found; ask for all of it at once.
  for (uint64_t at = begin; at < end && at < begin + kPrefetched;
       at += kCacheLine) {
    __builtin_prefetch(level.buckets + at);
  }
  const Codes& codes = CodesOf(number);
  out->first_ordinal = static_cast<uint32_t>(first);
  return out->Decode(level.buckets + begin, level.buckets + end,
                     static_cast<uint32_t>(past - first), codes.coding,
                     codes.width);
}

bool Reader::BucketOf(size_t number, uint32_t ordinal, uint32_t* bucket) const {
  const Level& level = levels_[number];
  const uint64_t mask = (uint64_t{1} << level.ordinal_bits) - 1;
  uint32_t low = 0;
  for (uint32_t n = level.num_buckets; n > 1;) {
    const uint32_t half = n / 2;
    if ((level.directory[low + half] & mask) <= ordinal) {
      low += half;
      n -= half;
    } else {
      n = half;
    }
  }
  *bucket = low;
  return (level.directory[low] & mask) <= ordinal &&
         ordinal < (level.directory[low + 1] & mask);
}

bool Reader::FindBucket(const Target& key, uint32_t* bucket, uint64_t* matched,
                        bool* whole) const {
  *bucket = 0;
  *matched = 0;
  *whole = true;
  for (size_t level = levels_.size() - 1; level > 0; --level) {
    Bucket bytes;
    if (!OpenBucket(level, *bucket, &bytes)) {
      return false;
    }
    Heads heads;
    heads.Unpack(kBytes, bytes);
    Suffixes suffixes(kBytes, bytes, heads);
    Place place;
    if (!FindInBucket(key, *matched, *whole, kBytes, bytes, heads, &suffixes,
                      &place)) {
      return false;
    }
    const uint32_t ordinal = bytes.first_ordinal + place.index;
    if (place.equal) {
      *matched = place.lcp_at;
      *whole = true;
    } else {
      if (ordinal == 0) {
        return false;  // The first separator is the empty one.
      }
      *matched = place.lcp_before;
      *whole = place.begins_with_before;
      if (place.index == 0) {
        // The greatest separator <= key is the last of the bucket before.
        Bucket before;
        if (!OpenBucket(level, *bucket - 1, &before)) {
          return false;
        }
        *whole = before.LengthAt(before.num_keys - 1) == *matched;
      }
    }
    *bucket = ordinal - !place.equal;
    if (*bucket >= levels_[level - 1].num_buckets) {
      return false;
    }
  }
  return true;
}

bool Reader::GetSeparator(uint32_t bucket, std::string* separator) const {
  // From the highest level down, the separators on the way.
  uint32_t ordinals[kMaxLevels + 1];
  uint32_t buckets[kMaxLevels];
  ordinals[1] = bucket;
  for (size_t level = 1; level < levels_.size(); ++level) {
    if (ordinals[level] >= levels_[level].num_keys ||
        !BucketOf(level, ordinals[level], &buckets[level])) {
      return false;
    }
    ordinals[level + 1] = buckets[level];
  }
  separator->clear();
  for (size_t level = levels_.size() - 1; level > 0; --level) {
    Bucket bytes;
    if (!OpenBucket(level, buckets[level], &bytes) ||
        ordinals[level] < bytes.first_ordinal) {
      return false;
    }
    Heads heads;
    heads.Unpack(kBytes, bytes);
    Suffixes suffixes(kBytes, bytes, heads);
    const uint32_t index = ordinals[level] - bytes.first_ordinal;
    while (suffixes.index() <= index) {
      const uint64_t lcp = heads.LcpAt(suffixes.index());
      if (lcp > separator->size()) {
        return false;
      }
      size_t size = lcp;
      if (!suffixes.Read([separator, &size](uint64_t n) {
            separator->resize(size + n + Tokens::kMaxLength);
            char* const out = &(*separator)[size];
            size += n;
            return out;
          })) {
        return false;
      }
      separator->resize(size);
    }
  }
  return true;
}

bool Reader::Search(std::string_view key, Position* position) const {
  *position = Position();
  if (levels_.empty()) {
    return true;
  }
  const Target target(key);
  uint64_t matched = 0;
  bool whole = false;
  Bucket bucket;
  if (!FindBucket(target, &position->bucket, &matched, &whole) ||
      !OpenBucket(0, position->bucket, &bucket)) {
    return false;
  }
  Heads heads;
  heads.Unpack(codes_, bucket);
  Suffixes suffixes(codes_, bucket, heads);
  if (!FindInBucket(target, matched, whole, codes_, bucket, heads, &suffixes,
                    &position->place)) {
    return false;
  }
  position->ordinal = bucket.first_ordinal + position->place.index;
  return true;
}

uint32_t Reader::Find(std::string_view key) const {
  Position position;
  if (!Search(key, &position)) {
    return kCorrupt;
  }
  return position.place.equal ? position.ordinal : kNotFound;
}

uint32_t Reader::LowerBound(std::string_view key) const {
  Position position;
  return Search(key, &position) ? position.ordinal : kCorrupt;
}

uint32_t Reader::FloorOrdinal(std::string_view key) const {
  Position position;
  if (!Search(key, &position)) {
    return kCorrupt;
  }
  if (position.place.equal) {
    return position.ordinal;
  }
  return position.ordinal == 0 ? kNotFound : position.ordinal - 1;
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

}  // namespace token_trie
}  // namespace memkv
