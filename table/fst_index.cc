// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_index.h"

#include <algorithm>
#include <array>

#include "table/key_trie_format.h"
#include "table/trie_coding.h"

namespace memkv {

namespace {

// Index header, little-endian: u8 flags, 3 zero bytes, u32 segments, u32 bytes
// of the separators.
constexpr size_t kHeaderSize = 12;
constexpr unsigned char kMirrored = 1 << 0;
constexpr unsigned char kHasEmptyKey = 1 << 1;
constexpr unsigned char kKnownFlags = kMirrored | kHasEmptyKey;
constexpr size_t kMaxSegments =
    key_trie::SeparatorTrieBuilder::kMaxSeparators - 1;

}  // namespace

void FileIndexBuilder::AddSegment(std::string_view last_key,
                                  const BlockLocation& location,
                                  uint64_t num_keys, uint64_t num_entries,
                                  uint64_t value_bytes) {
  last_keys_.emplace_back(last_key);
  last_key_bytes_ += last_key.size();
  offsets_.push_back(location.offset);
  sizes_.push_back(location.size);
  keys_.push_back(this->num_keys() + num_keys);
  entries_.push_back((entries_.empty() ? 0 : entries_.back()) + num_entries);
  bytes_.push_back((bytes_.empty() ? 0 : bytes_.back()) + location.size +
                   value_bytes);
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
  const bool has_empty_key = mirrored_ && n > 0 && last_keys_[n - 1].empty();
  std::vector<std::string> separators(1);
  for (size_t i = has_empty_key ? 1 : 0; i < n; ++i) {
    separators.push_back(last_keys_[mirrored_ ? n - 1 - i : i]);
    if (!mirrored_) separators.back().push_back('\0');
  }
  std::string encoded;
  if (!key_trie::SeparatorTrieBuilder::Encode(separators, key_trie::kMaxSize,
                                              &encoded)) {
    *reason = "the last keys of " + std::to_string(n) +
              " segments take more than " + std::to_string(key_trie::kMaxSize) +
              " bytes";
    return false;
  }
  out->push_back(static_cast<char>((mirrored_ ? kMirrored : 0) |
                                   (has_empty_key ? kHasEmptyKey : 0)));
  out->append(3, '\0');
  PutFixed(out, n, 4);
  PutFixed(out, encoded.size(), 4);
  out->append(encoded);
  out->append(key_trie::kPadding, '\0');
  for (const auto* part : {&offsets_, &sizes_, &keys_, &entries_, &bytes_}) {
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
  if ((header[0] & ~kKnownFlags) != 0 || header[0] == kHasEmptyKey ||
      data[1] != 0 || data[2] != 0 || data[3] != 0) {
    *reason = "index: unknown flags";
    return false;
  }
  out->mirrored_ = (header[0] & kMirrored) != 0;
  out->has_empty_key_ = (header[0] & kHasEmptyKey) != 0;
  out->num_segments_ = LoadFixed32(header + 4);
  const uint32_t separators_size = LoadFixed32(header + 8);
  std::string_view rest = data.substr(kHeaderSize);
  if (uint64_t{separators_size} + key_trie::kPadding > rest.size()) {
    *reason = "index: separators of " + std::to_string(separators_size) +
              " bytes in " + std::to_string(rest.size());
    return false;
  }
  if (out->num_segments_ > kMaxSegments ||
      (out->has_empty_key_ && out->num_segments_ == 0)) {
    *reason = "index: " + std::to_string(out->num_segments_) + " segments";
    return false;
  }
  if (!key_trie::SeparatorTrie::Open(
          rest.substr(0, separators_size),
          out->num_segments_ + (out->has_empty_key_ ? 0 : 1), &out->separators_,
          reason)) {
    *reason = "index: " + *reason;
    return false;
  }
  rest.remove_prefix(separators_size);
  if (rest.find_first_not_of('\0') < key_trie::kPadding) {
    *reason = "index: the bytes after the separators are not zero";
    return false;
  }
  rest.remove_prefix(key_trie::kPadding);
  const size_t n = out->num_segments_;
  for (PackedArrayView* part : {&out->offsets_, &out->sizes_, &out->keys_,
                                &out->entries_, &out->bytes_}) {
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

uint32_t FileIndex::SegmentFor(const key_trie::Target& user_key) const {
  if (num_segments_ == 0) return 0;
  key_trie::SeparatorTrie::Place place;
  return separators_.Find(user_key, &place) ? SegmentAt(place) : kCorrupt;
}

void FileIndex::SegmentsFor(const key_trie::Target* const* user_keys, size_t n,
                            uint32_t* segments) const {
  using key_trie::SeparatorTrie;
  if (num_segments_ == 0) {
    std::fill(segments, segments + n, 0);
    return;
  }
  std::array<const SeparatorTrie*, SeparatorTrie::kMaxBatch> tries;
  std::array<SeparatorTrie::Place, SeparatorTrie::kMaxBatch> places;
  std::array<bool, SeparatorTrie::kMaxBatch> whole;
  tries.fill(&separators_);
  SeparatorTrie::FindAll(tries.data(), user_keys, n, places.data(),
                         whole.data());
  for (size_t i = 0; i < n; ++i) {
    segments[i] = whole[i] ? SegmentAt(places[i]) : kCorrupt;
  }
}

bool FileIndex::LastKey(uint32_t i, std::string* user_key) const {
  if (mirrored_) {
    return separators_.Get(num_segments_ - i - (has_empty_key_ ? 1 : 0),
                           user_key);
  }
  if (!separators_.Get(i + 1, user_key) || user_key->empty() ||
      user_key->back() != '\0') {
    return false;
  }
  user_key->pop_back();
  return true;
}

bool FileIndex::ValidateSeparators() const {
  std::vector<std::string> separators(separators_.num_separators());
  for (uint32_t i = 0; i < separators.size(); ++i) {
    if (!separators_.Get(i, &separators[i]) ||
        (i != 0 && separators[i - 1] >= separators[i]) ||
        (i != 0 && !mirrored_ && separators[i].back() != '\0')) {
      return false;
    }
  }
  // There is one way to write them.
  std::string expected;
  return key_trie::SeparatorTrieBuilder::Encode(
             separators, separators_.data().size(), &expected) &&
         expected == separators_.data();
}

bool FileIndex::Validate(std::string* reason) const {
  if (!ValidateSeparators()) {
    *reason = "(X1) the separators are damaged";
    return false;
  }
  for (uint32_t i = 0; i < num_segments_; ++i) {
    if (KeysBefore(i) >= KeysBefore(i + 1) ||
        EntriesBefore(i) >= EntriesBefore(i + 1)) {
      *reason = "(X2) segment " + std::to_string(i) + " has no keys";
      return false;
    }
    if (BytesBefore(i + 1) - BytesBefore(i) < sizes_[i] ||
        BytesBefore(i + 1) < BytesBefore(i)) {
      *reason = "(X2) segment " + std::to_string(i) + " has " +
                std::to_string(sizes_[i]) + " bytes, its sum less";
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
