// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/segment/file_index.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "table/key_trie/format.h"
#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {

namespace {

// Index header, little-endian: u8 flags, 3 zero bytes, u32 segments, u32 bytes
// of the separators.
constexpr size_t kHeaderSize = 12;
constexpr unsigned char kMirrored = 1 << 0;
constexpr unsigned char kHasEmptyBound = 1 << 1;
constexpr unsigned char kHasContinuations = 1 << 2;
constexpr unsigned char kKnownFlags =
    kMirrored | kHasEmptyBound | kHasContinuations;
constexpr uint32_t kMaxGroups =
    key_trie::SeparatorTrieBuilder::kMaxSeparators - 1;
constexpr uint32_t kMaxSegments = 0x7fffffff;

// The shortest bound between two keys that are neighbours in the file's order.
std::string_view BoundBetween(std::string_view last, std::string_view next,
                              bool mirrored) {
  return (mirrored ? last : next).substr(0, CommonPrefix(last, next) + 1);
}

// A bound behind the file's last key, which shares `shared` bytes with all
// other bounds.  It keeps them, as far as it can, and adds the least.
std::string LastBound(std::string_view last_key, size_t shared, bool mirrored) {
  if (mirrored) {
    return std::string(last_key.substr(0, std::max<size_t>(shared, 1)));
  }
  size_t at = last_key.find_first_not_of('\xff', shared);
  if (at == std::string_view::npos) at = last_key.find_last_not_of('\xff');
  if (at == std::string_view::npos) return std::string(last_key) + '\0';
  std::string bound(last_key.substr(0, at + 1));
  ++bound.back();
  return bound;
}

// The first i of [begin, end) that is(i) is true for, if it is so for all
// behind it; or end.
template <class Is>
uint32_t FirstThat(uint32_t begin, uint32_t end, const Is& is) {
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (is(middle)) {
      end = middle;
    } else {
      begin = middle + 1;
    }
  }
  return begin;
}

}  // namespace

void FileIndexBuilder::Cut(std::string_view last_key,
                           std::string_view next_key) {
  const std::string_view bound = BoundBetween(last_key, next_key, mirrored_);
  bounds_.Add(bound);
  ++num_cuts_;
  // One bound that is longer than all others may widen a whole node of the
  // trie.
  const bool longest = bound.size() > longest_bound_ && num_longest_ < 64;
  if (longest) {
    longest_bound_ = bound.size();
    ++num_longest_;
  }
  if (longest || RawBounds() > measured_raw_ + measured_raw_ / 8) {
    measured_raw_ = RawBounds();
    measured_size_ = key_trie::SeparatorTrieBuilder::EncodedSize(bounds_);
  }
  Estimate();
}

size_t FileIndexBuilder::CutBytes(std::string_view last_key,
                                  std::string_view next_key) const {
  return bounds_.OwnBytes(BoundBetween(last_key, next_key, mirrored_));
}

uint64_t FileIndexBuilder::SegmentSize(uint64_t size, uint64_t num_cuts,
                                       uint64_t doubling) {
  for (; num_cuts >= doubling && size < kMaxSegmentSize; num_cuts -= doubling) {
    size = std::min(2 * size, kMaxSegmentSize);
  }
  return size;
}

void FileIndexBuilder::CutKey(uint64_t next_tag) {
  continuations_.Add(++num_cuts_);
  tags_.Add(next_tag);
  Estimate();
}

void FileIndexBuilder::AddSegment(const BlockLocation& location,
                                  uint64_t num_keys, uint64_t num_entries,
                                  uint64_t value_bytes) {
  assert(num_segments() <= num_cuts_);
  const bool continues =
      std::binary_search(continuations_.values.begin(),
                         continuations_.values.end(), num_segments());
  assert(!continues || num_keys == 1);
  const auto add = [](Column* column, uint64_t more) {
    column->Add((column->empty() ? 0 : column->back()) + more);
  };
  add(&keys_, continues ? 0 : num_keys);
  add(&entries_, num_entries);
  add(&bytes_, location.size + value_bytes);
  offsets_.Add(location.offset);
  sizes_.Add(location.size);
  Estimate();
}

void FileIndexBuilder::Estimate() {
  // Before there are segments: columns of two bytes or so.
  constexpr size_t kBytesASegment = 10;
  size_t size = kHeaderSize + key_trie::kPadding;
  if (measured_raw_ != 0) {
    size += static_cast<size_t>(static_cast<double>(measured_size_) *
                                static_cast<double>(RawBounds()) /
                                static_cast<double>(measured_raw_));
  }
  const size_t segments = num_segments();
  if (segments != 0) {
    const size_t columns = offsets_.EncodedSize() + sizes_.EncodedSize() +
                           keys_.EncodedSize() + entries_.EncodedSize() +
                           bytes_.EncodedSize();
    size += static_cast<size_t>(static_cast<double>(columns) /
                                static_cast<double>(segments) *
                                static_cast<double>(num_cuts_ + 1));
  } else {
    size += kBytesASegment * num_cuts_;
  }
  if (!continuations_.empty()) {
    size += continuations_.EncodedSize() + tags_.EncodedSize();
  }
  estimated_size_ = size;
}

bool FileIndexBuilder::Finish(std::string_view last_key, std::string* out,
                              std::string* reason) {
  const uint64_t segments = num_segments();
  assert(segments == num_cuts_ + 1 || (segments == 0 && num_cuts_ == 0));
  const uint64_t groups = segments - num_continuations();
  if (groups > limits_.groups || segments > limits_.segments) {
    *reason = "an index of " + std::to_string(segments) + " segments and " +
              std::to_string(num_continuations()) + " continuations; " +
              std::to_string(limits_.groups) + " of the ones and " +
              std::to_string(limits_.segments) + " of both are the most";
    return false;
  }
  bool has_empty_bound = false;
  if (segments > 0) {
    const size_t shared =
        std::min(bounds_.shared(), CommonPrefix(bounds_.last(), last_key));
    const std::string bound = LastBound(last_key, shared, mirrored_);
    has_empty_bound = bound.empty();
    if (!has_empty_bound) bounds_.Add(bound);
  }
  const size_t start = out->size();
  out->push_back(static_cast<char>(
      (mirrored_ ? kMirrored : 0) | (has_empty_bound ? kHasEmptyBound : 0) |
      (continuations_.empty() ? 0 : kHasContinuations)));
  out->append(3, '\0');
  PutFixed(out, segments, 4);
  const size_t size_at = out->size();
  PutFixed(out, 0, 4);
  const size_t separators_at = out->size();
  bool fits = key_trie::SeparatorTrieBuilder::Encode(
      bounds_, std::min<uint64_t>(limits_.bytes, key_trie::kMaxSize), out);
  if (fits) {
    std::string size;
    PutFixed(&size, out->size() - separators_at, 4);
    out->replace(size_at, size.size(), size);
    out->append(key_trie::kPadding, '\0');
    for (const auto* column :
         {&offsets_, &sizes_, &keys_, &entries_, &bytes_}) {
      PackedArrayBuilder::Encode(column->values.data(), segments, out);
    }
    if (!continuations_.empty()) {
      PutVarint32(out, static_cast<uint32_t>(continuations_.size()));
      for (const auto* column : {&continuations_, &tags_}) {
        PackedArrayBuilder::Encode(column->values.data(), column->size(), out);
      }
    }
    fits = out->size() - start <= limits_.bytes;
  }
  if (!fits) {
    out->resize(start);
    *reason = "the index of " + std::to_string(segments) +
              " segments takes more than " + std::to_string(limits_.bytes) +
              " bytes";
  }
  return fits;
}

bool FileIndex::Open(std::string_view data, FileIndex* out,
                     std::string* reason) {
  if (out->OpenParts(data, reason)) return true;
  *reason = "index: " + *reason;
  return false;
}

bool FileIndex::OpenParts(std::string_view rest, std::string* reason) {
  std::string_view separators;
  bool has_continuations = false;
  if (!TakeHeader(&rest, &separators, &has_continuations, reason) ||
      !TakeColumns(has_continuations, &rest, reason)) {
    return false;
  }
  if (!rest.empty()) {
    *reason = std::to_string(rest.size()) + " bytes follow its last section";
    return false;
  }
  if (!CheckLocations(reason)) return false;
  if (num_groups() > kMaxGroups) {
    *reason = std::to_string(num_groups()) + " groups";
    return false;
  }
  return key_trie::SeparatorTrie::Open(
      separators, num_groups() + (has_empty_bound_ ? 0 : 1), &separators_,
      reason);
}

bool FileIndex::TakeHeader(std::string_view* rest, std::string_view* separators,
                           bool* has_continuations, std::string* reason) {
  if (rest->size() < kHeaderSize) {
    *reason = std::to_string(rest->size()) + " bytes, a header has " +
              std::to_string(kHeaderSize);
    return false;
  }
  const auto* const header = reinterpret_cast<const uint8_t*>(rest->data());
  const uint8_t flags = header[0];
  if ((flags & ~kKnownFlags) != 0 ||
      (flags & (kMirrored | kHasEmptyBound)) == kHasEmptyBound ||
      header[1] != 0 || header[2] != 0 || header[3] != 0) {
    *reason = "unknown flags";
    return false;
  }
  mirrored_ = (flags & kMirrored) != 0;
  has_empty_bound_ = (flags & kHasEmptyBound) != 0;
  *has_continuations = (flags & kHasContinuations) != 0;
  num_segments_ = LoadFixed32(header + 4);
  const uint32_t separators_size = LoadFixed32(header + 8);
  rest->remove_prefix(kHeaderSize);
  if (uint64_t{separators_size} + key_trie::kPadding > rest->size()) {
    *reason = "separators of " + std::to_string(separators_size) +
              " bytes in " + std::to_string(rest->size());
    return false;
  }
  *separators = rest->substr(0, separators_size);
  rest->remove_prefix(separators_size);
  if (rest->find_first_not_of('\0') < key_trie::kPadding) {
    *reason = "the bytes after the separators are not zero";
    return false;
  }
  rest->remove_prefix(key_trie::kPadding);
  if (num_segments_ > kMaxSegments ||
      (has_empty_bound_ && num_segments_ == 0)) {
    *reason = std::to_string(num_segments_) + " segments";
    return false;
  }
  return true;
}

bool FileIndex::TakeColumns(bool has_continuations, std::string_view* rest,
                            std::string* reason) {
  for (PackedArrayView* column :
       {&offsets_, &sizes_, &keys_, &entries_, &bytes_}) {
    if (!PackedArrayView::Take(rest, num_segments_, column)) {
      *reason = "an array is damaged";
      return false;
    }
  }
  continuations_ = PackedArrayView();
  tags_ = PackedArrayView();
  if (!has_continuations) return true;
  uint32_t n = 0;
  const auto* const begin = reinterpret_cast<const uint8_t*>(rest->data());
  const uint8_t* const p = GetVarint32(begin, begin + rest->size(), &n);
  if (p == nullptr || n == 0 || n >= num_segments_) {
    *reason = "bad number of continuations";
    return false;
  }
  rest->remove_prefix(static_cast<size_t>(p - begin));
  if (!PackedArrayView::Take(rest, n, &continuations_) ||
      !PackedArrayView::Take(rest, n, &tags_)) {
    *reason = "an array is damaged";
    return false;
  }
  return true;
}

bool FileIndex::CheckLocations(std::string* reason) const {
  uint64_t end = 0;
  for (uint32_t i = 0; i < num_segments_; ++i) {
    const BlockLocation at = Location(i);
    if (at.offset < end || at.size == 0 || at.size > UINT64_MAX - at.offset) {
      *reason = "(X3) segment " + std::to_string(i) + " of " +
                std::to_string(at.size) + " bytes begins at " +
                std::to_string(at.offset) + ", the one before ends at " +
                std::to_string(end);
      return false;
    }
    end = at.offset + at.size;
  }
  return true;
}

uint32_t FileIndex::NumContinuations(uint32_t i) const {
  return FirstThat(0, static_cast<uint32_t>(continuations_.size()),
                   [&](uint32_t j) { return continuations_[j] >= i; });
}

uint32_t FileIndex::NumBeforeGroup(uint32_t g) const {
  // As many segments as groups are before number j that are none of the
  // continuations.
  return FirstThat(0, static_cast<uint32_t>(continuations_.size()),
                   [&](uint32_t j) { return continuations_[j] - j > g; });
}

bool FileIndex::IsContinuation(uint32_t i) const {
  const uint32_t j = NumContinuations(i);
  return j < continuations_.size() && continuations_[j] == i;
}

uint32_t FileIndex::NextGroup(uint32_t i) const {
  if (!has_continuations()) return i + 1;
  const uint32_t j = NumContinuations(i + 1);
  // Those that follow without a gap.
  const uint32_t end =
      FirstThat(j, static_cast<uint32_t>(continuations_.size()),
                [&](uint32_t k) { return continuations_[k] - k > i + 1 - j; });
  return std::min(i + 1 + (end - j), num_segments_);
}

uint32_t FileIndex::Continue(uint32_t i, uint64_t tag) const {
  if (!has_continuations()) return i;
  const uint32_t j = NumContinuations(i + 1);
  const uint32_t n = NextGroup(i) - i - 1;
  return i + FirstThat(0, n, [&](uint32_t k) { return tags_[j + k] < tag; });
}

uint32_t FileIndex::SegmentAt(
    const key_trie::SeparatorTrie::FloorResult& place) const {
  const uint32_t group =
      mirrored_ ? num_groups() - (place.ordinal + (has_empty_bound_ ? 1 : 0))
                : place.ordinal;
  if (!has_continuations()) return group;
  if (group == num_groups()) return num_segments_;
  const uint32_t i = group + NumBeforeGroup(group);
  return i < num_segments_ ? i : kCorrupt;
}

uint32_t FileIndex::SegmentFor(const key_trie::SoughtKey& user_key) const {
  if (num_segments_ == 0) return 0;
  key_trie::SeparatorTrie::FloorResult place;
  return separators_.Find(user_key, &place) ? SegmentAt(place) : kCorrupt;
}

void FileIndex::SegmentsFor(const key_trie::SoughtKey* const* user_keys,
                            size_t n, uint32_t* segments) const {
  using key_trie::SeparatorTrie;
  if (num_segments_ == 0) {
    std::fill(segments, segments + n, 0);
    return;
  }
  std::array<const SeparatorTrie*, SeparatorTrie::kMaxBatch> tries;
  std::array<SeparatorTrie::FloorResult, SeparatorTrie::kMaxBatch> places;
  std::array<bool, SeparatorTrie::kMaxBatch> whole;
  tries.fill(&separators_);
  SeparatorTrie::FindAll(tries.data(), user_keys, n, places.data(),
                         whole.data());
  for (size_t i = 0; i < n; ++i) {
    segments[i] = whole[i] ? SegmentAt(places[i]) : kCorrupt;
  }
}

bool FileIndex::Bound(uint32_t i, std::string* bound) const {
  // Of a continuation, that of the group it belongs to.
  const uint32_t group = i - NumContinuations(i + 1);
  if (group >= num_groups()) return false;
  return separators_.Get(
      mirrored_ ? num_groups() - group - (has_empty_bound_ ? 1 : 0) : group + 1,
      bound);
}

bool FileIndex::ValidateSeparators() const {
  key_trie::SeparatorList separators;
  std::string separator;
  for (uint32_t i = 1; i < separators_.num_separators(); ++i) {
    if (!separators_.Get(i, &separator) || separator.empty() ||
        (i != 1 && separators.last() >= separator)) {
      return false;
    }
    separators.Add(separator);
  }
  // There is one way to write them.
  std::string expected;
  return key_trie::SeparatorTrieBuilder::Encode(
             separators, separators_.data().size(), &expected) &&
         expected == separators_.data();
}

bool FileIndex::ValidateContinuations(std::string* reason) const {
  for (uint32_t j = 0; j < continuations_.size(); ++j) {
    const uint64_t i = continuations_[j];
    const uint64_t before = j == 0 ? 0 : continuations_[j - 1];
    if (i <= before || i >= num_segments_) {
      *reason = "(X4) continuation " + std::to_string(j) + " is segment " +
                std::to_string(i);
      return false;
    }
    if (j != 0 && i == before + 1 && tags_[j] >= tags_[j - 1]) {
      *reason = "(X4) continuation " + std::to_string(j) +
                " does not begin with an older entry than the one before";
      return false;
    }
  }
  return true;
}

bool FileIndex::Validate(std::string* reason) const {
  if (!ValidateSeparators()) {
    *reason = "(X1) the separators are damaged";
    return false;
  }
  if (!ValidateContinuations(reason)) return false;
  for (uint32_t i = 0; i < num_segments_; ++i) {
    const bool continues = IsContinuation(i);
    if (continues ? KeysBefore(i) != KeysBefore(i + 1)
                  : KeysBefore(i) >= KeysBefore(i + 1)) {
      *reason = "(X2) segment " + std::to_string(i) +
                (continues ? " continues one and has keys" : " has no keys");
      return false;
    }
    if (EntriesBefore(i) >= EntriesBefore(i + 1)) {
      *reason = "(X2) segment " + std::to_string(i) + " has no entries";
      return false;
    }
    if (BytesBefore(i + 1) - BytesBefore(i) < sizes_[i] ||
        BytesBefore(i + 1) < BytesBefore(i)) {
      *reason = "(X2) segment " + std::to_string(i) + " has " +
                std::to_string(sizes_[i]) + " bytes, its sum less";
      return false;
    }
  }
  return true;
}

}  // namespace memkv
