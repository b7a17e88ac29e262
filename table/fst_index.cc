// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_index.h"

#include "table/key_trie_builder.h"
#include "table/trie_coding.h"

namespace memkv {

namespace {

// Index header, little-endian: u8 flags, 3 zero bytes, u32 segments, u32 bytes
// of the trie.
constexpr size_t kHeaderSize = 12;
constexpr unsigned char kMirrored = 1 << 0;
constexpr size_t kMaxSegments = 0x7fffffff;

}  // namespace

void FileIndexBuilder::AddSegment(std::string_view last_key,
                                  const BlockLocation& location,
                                  uint64_t num_keys, uint64_t num_entries) {
  last_keys_.emplace_back(last_key);
  last_key_bytes_ += last_key.size();
  offsets_.push_back(location.offset);
  sizes_.push_back(location.size);
  keys_.push_back(this->num_keys() + num_keys);
  entries_.push_back((entries_.empty() ? 0 : entries_.back()) + num_entries);
}

size_t FileIndexBuilder::EstimatedSize() const {
  return kHeaderSize + last_key_bytes_ + 16 * offsets_.size();
}

bool FileIndexBuilder::Finish(std::string* out, std::string* reason) {
  const size_t n = num_segments();
  if (n > kMaxSegments) {
    *reason = std::to_string(n) + " segments; " + std::to_string(kMaxSegments) +
              " is the most";
    return false;
  }
  KeyTrieBuilder trie;
  for (size_t i = 0; i < n; ++i) {
    trie.Add(last_keys_[mirrored_ ? n - 1 - i : i]);
  }
  std::string encoded_trie;
  if (!trie.Finish(&encoded_trie, reason)) return false;
  out->push_back(static_cast<char>(mirrored_ ? kMirrored : 0));
  out->append(3, '\0');
  PutFixed(out, n, 4);
  PutFixed(out, encoded_trie.size(), 4);
  out->append(encoded_trie);
  for (const auto* part : {&offsets_, &sizes_, &keys_, &entries_}) {
    PackedArrayBuilder::Encode(part->data(), n, out);
  }
  return true;
}

bool FileIndex::Open(std::string_view data, FileIndex* out,
                     std::string* reason) {
  if (data.size() < kHeaderSize) {
    *reason = "index: " + std::to_string(data.size()) +
              " bytes, a header has " + std::to_string(kHeaderSize);
    return false;
  }
  const uint8_t* const header = reinterpret_cast<const uint8_t*>(data.data());
  if ((header[0] & ~kMirrored) != 0 || data[1] != 0 || data[2] != 0 ||
      data[3] != 0) {
    *reason = "index: unknown flags";
    return false;
  }
  out->mirrored_ = (header[0] & kMirrored) != 0;
  out->num_segments_ = LoadFixed32(header + 4);
  const uint32_t trie_size = LoadFixed32(header + 8);
  std::string_view rest = data.substr(kHeaderSize);
  if (trie_size > rest.size()) {
    *reason = "index: trie of " + std::to_string(trie_size) + " bytes in " +
              std::to_string(rest.size());
    return false;
  }
  if (!KeyTrieReader::Open(rest.substr(0, trie_size), &out->last_keys_,
                           reason)) {
    *reason = "index: " + *reason;
    return false;
  }
  if (out->last_keys_.num_keys() != out->num_segments_) {
    *reason = "index: " + std::to_string(out->num_segments_) +
              " segments, its trie has " +
              std::to_string(out->last_keys_.num_keys()) + " keys";
    return false;
  }
  rest.remove_prefix(trie_size);
  const size_t n = out->num_segments_;
  for (PackedArrayView* part :
       {&out->offsets_, &out->sizes_, &out->keys_, &out->entries_}) {
    size_t used = 0;
    if (!PackedArrayView::Open(rest, n, part, &used)) {
      *reason = "index: an array is damaged";
      return false;
    }
    rest.remove_prefix(used);
  }
  if (!rest.empty()) {
    *reason = "index: " + std::to_string(rest.size()) +
              " bytes follow its last section";
    return false;
  }
  return true;
}

uint32_t FileIndex::SegmentFor(std::string_view user_key) const {
  const uint32_t ordinal = mirrored_ ? last_keys_.FloorOrdinal(user_key)
                                     : last_keys_.LowerBound(user_key);
  if (ordinal == kCorrupt) return kCorrupt;
  return ordinal >= num_segments_ ? num_segments_ : Mirror(ordinal);
}

bool FileIndex::LastKey(uint32_t i, std::string* user_key) const {
  return last_keys_.KeyAt(Mirror(i), user_key);
}

bool FileIndex::Validate(std::string* reason) const {
  if (num_segments_ != 0 && !last_keys_.Validate(reason)) {
    *reason = "(X1) " + *reason;
    return false;
  }
  for (uint32_t i = 0; i < num_segments_; ++i) {
    if (KeysBefore(i) >= KeysBefore(i + 1) ||
        EntriesBefore(i) >= EntriesBefore(i + 1)) {
      *reason = "(X2) segment " + std::to_string(i) + " has no keys";
      return false;
    }
    if (i != 0 && offsets_[i] < offsets_[i - 1] + sizes_[i - 1]) {
      *reason = "(X3) segment " + std::to_string(i) + " begins at " +
                std::to_string(offsets_[i]) + ", within the one before";
      return false;
    }
  }
  return true;
}

}  // namespace memkv
