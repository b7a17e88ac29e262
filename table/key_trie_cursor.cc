// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_cursor.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "table/key_trie_format.h"

namespace memkv {
namespace key_trie {

void Cursor::Reset(const Reader* reader) {
  reader_ = reader;
  bucket_ = kNoBucket;
  separator_bucket_ = kNoBucket;
  if (reader != nullptr && key_ == nullptr) {
    GrowKey(0, 0);  // A token of no bytes is written too, into the slack.
  }
  Invalidate();
}

void Cursor::Invalidate() {
  valid_ = false;
  corrupt_ = false;
}

void Cursor::SetCorrupt() {
  valid_ = false;
  corrupt_ = true;
}

bool Cursor::LoadBucket(uint32_t bucket) {
  if (bucket_ == bucket) {
    return true;
  }
  bucket_ = kNoBucket;
  read_.clear();
  read_bytes_.clear();
  if (!reader_->OpenBucket(bucket, &bytes_)) {
    return false;
  }
  heads_.Unpack(reader_->codes_, bytes_);
  next_ = Suffixes(reader_->codes_, bytes_, heads_);
  bucket_ = bucket;
  return true;
}

void Cursor::GrowKey(uint64_t size, uint64_t keep) {
  // Doubling, so that keys that grow step by step are not copied each time.
  size = std::max(size, 2 * key_capacity_);
  std::unique_ptr<char[]> grown(new char[size + kSlack]);
  if (keep > 0) {
    memcpy(grown.get(), key_.get(), keep);
  }
  key_ = std::move(grown);
  key_capacity_ = size;
}

void Cursor::SetKeyPrefix(std::string_view target, uint64_t length) {
  if (length > key_capacity_) {
    GrowKey(length, 0);  // Longer than the key: target is not a view of it.
  }
  if (length > 0) {
    memmove(key_.get(), target.data(), length);
  }
  key_size_ = length;
}

void Cursor::ReadNext(uint32_t index) {
  const uint64_t lcp = heads_.LcpAt(index);
  if (lcp > key_size_) {
    SetCorrupt();
    return;
  }
  uint64_t size = lcp;
  const bool whole = next_.Read([this, &size](uint64_t n) {
    if (size + n > key_capacity_) {
      GrowKey(size + n, size);
    }
    char* const out = key_.get() + size;
    size += n;
    return out;
  });
  if (!whole) {
    SetCorrupt();
    return;
  }
  key_size_ = size;
  index_ = index;
  valid_ = true;
}

bool Cursor::LoadSeparator() {
  if (separator_bucket_ != bucket_) {
    separator_bucket_ = kNoBucket;
    if (!reader_->separators_.Get(bucket_, &separator_)) {
      return false;
    }
    separator_bucket_ = bucket_;
  }
  return true;
}

void Cursor::MoveTo(uint32_t index, uint64_t keep) {
  // Read on to the key.
  const uint64_t read_code = read_.empty() ? 0 : read_.back().next_code;
  next_.Set(static_cast<uint32_t>(read_.size()), read_code);
  while (read_.size() <= index) {
    const auto i = static_cast<uint32_t>(read_.size());
    if (i == 0 && !LoadSeparator()) {
      SetCorrupt();
      return;
    }
    const uint64_t length_before =
        i == 0 ? separator_.size()
               : heads_.LcpAt(i - 1) + (read_[i - 1].end - read_[i - 1].begin);
    if (heads_.LcpAt(i) > length_before) {
      SetCorrupt();
      return;
    }
    ReadSuffix suffix;
    suffix.begin = read_.empty() ? 0 : read_.back().end;
    suffix.end = suffix.begin;
    const bool whole = next_.Read([this, &suffix](uint64_t n) {
      if (suffix.end + n + kSlack > read_bytes_.size()) {
        read_bytes_.resize(2 * (suffix.end + n + kSlack));
      }
      char* const out = read_bytes_.data() + suffix.end;
      suffix.end += n;
      return out;
    });
    if (!whole) {
      SetCorrupt();
      return;
    }
    suffix.next_code = next_.code();
    read_.push_back(suffix);
  }
  next_.Set(index + 1, read_[index].next_code);

  uint64_t missing_end =
      heads_.LcpAt(index) + (read_[index].end - read_[index].begin);
  if (keep > missing_end || keep > key_size_) {
    SetCorrupt();
    return;
  }
  if (missing_end > key_capacity_) {
    GrowKey(missing_end, keep);
  }
  key_size_ = missing_end;
  // Bytes [keep, missing_end) are missing.  A suffix holds its key's bytes from
  // its LCP on; those before are the key's before it.
  for (uint32_t i = index; missing_end > keep; --i) {
    const uint64_t lcp = heads_.LcpAt(i);
    if (lcp < missing_end) {
      const uint64_t from = std::max(lcp, keep);
      if (missing_end - lcp > read_[i].end - read_[i].begin) {
        SetCorrupt();
        return;
      }
      memcpy(key_.get() + from,
             read_bytes_.data() + read_[i].begin + (from - lcp),
             missing_end - from);
      missing_end = from;
    }
    if (i == 0) {
      break;
    }
  }
  if (missing_end > keep) {
    // The head's, which are fewer than its separator's.
    memcpy(key_.get() + keep, separator_.data() + keep, missing_end - keep);
  }
  index_ = index;
  valid_ = true;
}

void Cursor::MoveToOrdinal(uint32_t ordinal) {
  uint32_t bucket = 0;
  if (!reader_->BucketOf(ordinal, &bucket) || !LoadBucket(bucket)) {
    SetCorrupt();
    return;
  }
  MoveTo(ordinal - bytes_.first_ordinal, 0);
}

void Cursor::SeekToOrdinal(uint32_t ordinal) {
  Invalidate();
  if (ordinal < reader_->num_keys()) {
    MoveToOrdinal(ordinal);
  }
}

void Cursor::SeekToFirst() { SeekToOrdinal(0); }

void Cursor::SeekToLast() {
  // Without keys, UINT32_MAX is as good as any ordinal that is not there.
  SeekToOrdinal(reader_->num_keys() - 1);
}

bool Cursor::Search(std::string_view key, Reader::Position* position) {
  Invalidate();
  if (reader_->num_keys() == 0) {
    return false;
  }
  const Target target(key);
  SeparatorTrie::Place separator;
  bool whole = reader_->separators_.Find(target, &separator) &&
               LoadBucket(separator.ordinal);
  if (whole) {
    next_.Set(0, 0);
    whole = FindInBucket(target, separator.matched, reader_->codes_, bytes_,
                         heads_, &next_, &position->place);
  }
  if (!whole) {
    SetCorrupt();
    return false;
  }
  position->bucket = separator.ordinal;
  position->ordinal = bytes_.first_ordinal + position->place.index;
  return true;
}

void Cursor::Seek(std::string_view target) {
  Reader::Position position;
  if (!Search(target, &position) || position.ordinal == reader_->num_keys()) {
    return;
  }
  if (position.place.index == bytes_.num_keys) {
    MoveToOrdinal(position.ordinal);  // The head of the next bucket.
    return;
  }
  if (!next_.GoTo(position.place.index)) {
    SetCorrupt();
    return;
  }
  SetKeyPrefix(target, position.place.lcp_at);
  ReadNext(position.place.index);
}

void Cursor::SeekForPrev(std::string_view target) {
  Reader::Position position;
  if (!Search(target, &position)) {
    return;
  }
  const uint32_t back = position.place.equal ? 0 : 1;
  if (position.ordinal < back) {
    return;
  }
  if (position.place.index < back) {
    MoveToOrdinal(position.ordinal - 1);  // The last of the bucket before.
    return;
  }
  const uint64_t keep =
      position.place.equal ? position.place.lcp_at : position.place.lcp_before;
  SetKeyPrefix(target, keep);
  MoveTo(position.place.index - back, keep);
}

void Cursor::Next() {
  assert(valid_);
  uint32_t index = index_ + 1;
  if (index == bytes_.num_keys) {
    if (bucket_ + 1 == reader_->num_buckets()) {
      Invalidate();
      return;
    }
    if (!LoadBucket(bucket_ + 1)) {
      SetCorrupt();
      return;
    }
    index = 0;
  }
  ReadNext(index);
}

void Cursor::Prev() {
  assert(valid_);
  const uint64_t keep = heads_.LcpAt(index_);
  if (index_ > 0) {
    MoveTo(index_ - 1, keep);
    return;
  }
  if (bucket_ == 0) {
    Invalidate();
    return;
  }
  if (!LoadBucket(bucket_ - 1)) {
    SetCorrupt();
    return;
  }
  MoveTo(bytes_.num_keys - 1, keep);
}

}  // namespace key_trie
}  // namespace memkv
