// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_reader.h"

#include <cassert>

#include "table/key_trie_format.h"

namespace memkv {

namespace {

const uint8_t* Bytes(std::string_view s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

// Sections as the header claims them.
bool SizesAgree(size_t data_size, uint32_t offsets_size, uint32_t top_size,
                uint32_t buckets_size) {
  return uint64_t{offsets_size} + top_size + buckets_size ==
         data_size - kKeyTrieHeaderSize;
}

}  // namespace

bool KeyTrieReader::Open(std::string_view data, KeyTrieReader* out,
                         std::string* reason) {
  if (data.size() < kKeyTrieHeaderSize || data.size() > kMaxKeyTrieSize) {
    *reason = "key trie: " + std::to_string(data.size()) + " bytes, expected " +
              std::to_string(kKeyTrieHeaderSize) + " to " +
              std::to_string(kMaxKeyTrieSize);
    return false;
  }
  const uint8_t* p = Bytes(data);
  if (p[0] != kKeyTrieEncoding) {
    *reason = "key trie: encoding " + std::to_string(p[0]) + ", expected " +
              std::to_string(kKeyTrieEncoding) +
              "; a newer memkv may be able to read it";
    return false;
  }
  const uint32_t bucket_keys = LoadFixed16(p + 2);
  const uint32_t num_keys = LoadFixed32(p + 4);
  const uint32_t offsets_size = LoadFixed32(p + 8);
  const uint32_t top_size = LoadFixed32(p + 12);
  const uint32_t buckets_size = LoadFixed32(p + 16);
  if (p[1] != 0) {
    *reason =
        "key trie: reserved byte is " + std::to_string(p[1]) + ", expected 0";
    return false;
  }
  if (bucket_keys == 0 || bucket_keys > kMaxKeyTrieBucketKeys) {
    *reason = "key trie: " + std::to_string(bucket_keys) +
              " keys a bucket, expected 1 to " +
              std::to_string(kMaxKeyTrieBucketKeys);
    return false;
  }
  if (!SizesAgree(data.size(), offsets_size, top_size, buckets_size)) {
    *reason = "key trie: sections of " + std::to_string(offsets_size) + ", " +
              std::to_string(top_size) + " and " +
              std::to_string(buckets_size) + " bytes in a body of " +
              std::to_string(data.size() - kKeyTrieHeaderSize);
    return false;
  }
  // Every key has a header of at least a byte.
  if (num_keys > buckets_size || (num_keys == 0 && buckets_size != 0)) {
    *reason = "key trie: " + std::to_string(num_keys) + " keys in " +
              std::to_string(buckets_size) + " bytes of buckets";
    return false;
  }
  const uint32_t num_buckets =
      num_keys / bucket_keys + (num_keys % bucket_keys != 0);
  if ((num_buckets > 1) != (top_size > 0)) {
    *reason = "key trie: a top trie of " + std::to_string(top_size) +
              " bytes over " + std::to_string(num_buckets) + " buckets";
    return false;
  }
  PackedArrayView bucket_offsets;
  size_t consumed = 0;
  if (!PackedArrayView::Open(data.substr(kKeyTrieHeaderSize, offsets_size),
                             num_buckets, &bucket_offsets, &consumed) ||
      consumed != offsets_size) {
    *reason = "key trie: bucket offsets of " + std::to_string(offsets_size) +
              " bytes are not a packed array of " +
              std::to_string(num_buckets) + " elements";
    return false;
  }
  out->num_keys_ = num_keys;
  out->bucket_keys_ = bucket_keys;
  out->num_buckets_ = num_buckets;
  out->top_size_ = top_size;
  out->buckets_size_ = buckets_size;
  out->top_ = p + kKeyTrieHeaderSize + offsets_size;
  out->buckets_ = out->top_ + top_size;
  out->bucket_offsets_ = bucket_offsets;
  return true;
}

bool KeyTrieReader::OpenBucket(uint32_t bucket, KeyTrieBucket* out) const {
  assert(bucket < num_buckets_);
  const uint64_t begin = bucket_offsets_[bucket];
  const bool last = bucket + 1 == num_buckets_;
  const uint64_t end = last ? buckets_size_ : bucket_offsets_[bucket + 1];
  if (end > buckets_size_ || begin >= end) {
    return false;
  }
  const uint8_t* limit = buckets_ + end;
  uint32_t headers_size = 0;
  const uint8_t* headers = GetVarint32(buckets_ + begin, limit, &headers_size);
  if (headers == nullptr ||
      headers_size > static_cast<size_t>(limit - headers)) {
    return false;
  }
  out->headers = headers;
  out->suffixes = headers + headers_size;
  out->end = limit;
  out->num_keys = last ? num_keys_ - bucket * bucket_keys_ : bucket_keys_;
  out->max_head_lcp = bucket == 0 ? 0 : top_size_;
  return true;
}

bool KeyTrieReader::FindBucket(std::string_view key, uint32_t* bucket,
                               uint64_t* matched) const {
  *bucket = 0;
  *matched = 0;
  if (num_buckets_ <= 1) {
    return true;
  }
  const uint8_t* const limit = top_ + top_size_;
  const uint8_t* p = top_;
  // The separators below the node at p are those of rank [first, end).  Before
  // it, key agrees with separator first - 1 in before_matched bytes.
  uint64_t first = 0;
  uint64_t end = num_buckets_;
  uint64_t before_matched = 0;
  uint64_t depth = 0;  // the bytes of key that led here
  // Where the search ends: the greatest separator <= key is floor_end - 1.
  uint64_t floor_end = 0;
  for (;;) {
    KeyTrieTopNode node;
    if (!node.Decode(p, limit)) {
      return false;
    }
    const uint64_t rest = key.size() - depth;
    const uint64_t shorter =
        rest < node.label_length ? rest : node.label_length;
    const uint64_t common =
        CommonPrefix(node.label, Bytes(key) + depth, shorter);
    if (common < node.label_length) {
      if (common == rest ||
          static_cast<uint8_t>(key[depth + common]) < node.label[common]) {
        floor_end = first;  // Everything below is greater than key.
        *matched = before_matched;
      } else {
        floor_end = end;  // Everything below is smaller.
        *matched = depth + common;
      }
      break;
    }
    depth += node.label_length;
    uint32_t children_le = 0;
    if (depth < key.size()) {
      children_le =
          node.num_children == 0
              ? 0
              : node.CountLessEqual(static_cast<uint8_t>(key[depth]), limit);
    }
    if (children_le == 0) {
      // The node's own separator, or what comes before the node.
      floor_end = first + node.terminal;
      *matched = node.terminal ? depth : before_matched;
      break;
    }
    const uint32_t child = children_le - 1;
    if (children_le < node.num_children) {
      end = first + node.ChildRank(children_le);
    }
    if (node.bytes[child] != static_cast<uint8_t>(key[depth])) {
      floor_end = end;
      *matched = depth;
      break;
    }
    if (child > 0 || node.terminal) {
      before_matched = depth;
    }
    first += node.ChildRank(child);
    ++depth;
    const uint64_t offset = node.ChildOffset(child);
    if (offset >= static_cast<uint64_t>(limit - node.end)) {
      return false;
    }
    p = node.end + offset;
  }
  if (floor_end == 0 || floor_end > num_buckets_) {
    return false;
  }
  *bucket = static_cast<uint32_t>(floor_end - 1);
  return true;
}

bool KeyTrieReader::GetSeparator(uint32_t bucket,
                                 std::string* separator) const {
  separator->clear();
  if (bucket == 0) {
    return true;
  }
  const uint8_t* const limit = top_ + top_size_;
  const uint8_t* p = top_;
  uint64_t rank = bucket;  // counted from the node at p
  for (;;) {
    KeyTrieTopNode node;
    if (!node.Decode(p, limit)) {
      return false;
    }
    separator->append(reinterpret_cast<const char*>(node.label),
                      node.label_length);
    if (node.terminal && rank == 0) {
      return true;
    }
    if (node.num_children == 0) {
      return false;
    }
    const uint32_t child = node.ChildOfRank(rank);
    const uint64_t child_rank = node.ChildRank(child);
    const uint64_t offset = node.ChildOffset(child);
    if (child_rank > rank ||
        offset >= static_cast<uint64_t>(limit - node.end)) {
      return false;
    }
    separator->push_back(static_cast<char>(node.bytes[child]));
    rank -= child_rank;
    p = node.end + offset;
  }
}

bool KeyTrieReader::Search(std::string_view key, Position* position) const {
  *position = Position();
  if (num_keys_ == 0) {
    return true;
  }
  uint64_t matched = 0;  // what key shares with the greatest entry before it
  KeyTrieBucket bucket;
  if (!FindBucket(key, &position->bucket, &matched) ||
      !OpenBucket(position->bucket, &bucket)) {
    return false;
  }
  KeyTrieEntryStream entry(bucket);
  uint32_t index = 0;
  for (; index < bucket.num_keys; ++index) {
    if (!entry.Next()) {
      return false;
    }
    const uint64_t lcp = entry.lcp();
    if (index == 0 && matched > lcp) {
      // The separator is a byte longer than what the head shares with the
      // entry before it, and that byte is also the first of the suffix.
      matched = lcp;
    }
    if (lcp > matched) {
      continue;  // It differs from key where the entry before it did.
    }
    if (lcp < matched) {
      position->lcp_at = lcp;
      break;  // It is greater where the entry before it still agreed.
    }
    const uint64_t rest = key.size() - matched;
    const uint64_t length = entry.suffix_length();
    const uint64_t common = CommonPrefix(entry.suffix(), Bytes(key) + matched,
                                         length < rest ? length : rest);
    if (common < length &&
        (common == rest || entry.suffix()[common] >
                               static_cast<uint8_t>(key[matched + common]))) {
      position->lcp_at = matched + common;
      break;
    }
    if (common == length && common == rest) {
      position->lcp_at = matched + common;
      position->equal = true;
      break;
    }
    matched += common;
  }
  position->index = index;
  position->lcp_before = matched;
  return true;
}

uint32_t KeyTrieReader::Find(std::string_view key) const {
  Position position;
  if (!Search(key, &position)) {
    return kCorrupt;
  }
  return position.equal ? OrdinalOf(position) : kNotFound;
}

uint32_t KeyTrieReader::LowerBound(std::string_view key) const {
  Position position;
  return Search(key, &position) ? OrdinalOf(position) : kCorrupt;
}

uint32_t KeyTrieReader::FloorOrdinal(std::string_view key) const {
  Position position;
  if (!Search(key, &position)) {
    return kCorrupt;
  }
  const uint32_t ordinal = OrdinalOf(position);
  if (position.equal) {
    return ordinal;
  }
  return ordinal == 0 ? kNotFound : ordinal - 1;
}

bool KeyTrieReader::KeyAt(uint32_t ordinal, std::string* key) const {
  assert(ordinal < num_keys_);
  const uint32_t bucket_number = ordinal / bucket_keys_;
  KeyTrieBucket bucket;
  if (!OpenBucket(bucket_number, &bucket) ||
      !GetSeparator(bucket_number, key)) {
    return false;
  }
  KeyTrieEntryStream entry(bucket);
  for (uint32_t i = 0; i <= ordinal % bucket_keys_; ++i) {
    // Only a head can share more than there is: the stream checks the others.
    if (!entry.Next() || entry.lcp() > key->size()) {
      return false;
    }
    key->resize(entry.lcp());
    key->append(reinterpret_cast<const char*>(entry.suffix()),
                entry.suffix_length());
  }
  return true;
}

}  // namespace memkv
