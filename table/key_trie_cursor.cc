// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_cursor.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "table/key_trie_format.h"

namespace memkv {

void KeyTrieCursor::Reset(const KeyTrieReader* reader) {
  reader_ = reader;
  bucket_ = kNoBucket;
  separator_bucket_ = kNoBucket;
  Invalidate();
}

void KeyTrieCursor::Invalidate() {
  valid_ = false;
  corrupt_ = false;
}

void KeyTrieCursor::SetCorrupt() {
  valid_ = false;
  corrupt_ = true;
}

bool KeyTrieCursor::LoadBucket(uint32_t bucket) {
  if (bucket_ == bucket) {
    return true;
  }
  bucket_ = kNoBucket;
  KeyTrieBucket bytes;
  if (!reader_->OpenBucket(bucket, &bytes)) {
    return false;
  }
  entries_.resize(bytes.num_keys);
  KeyTrieEntryStream stream(bytes);
  for (Entry& entry : entries_) {
    if (!stream.Next()) {
      return false;
    }
    entry.lcp = static_cast<uint32_t>(stream.lcp());
    entry.suffix_length = static_cast<uint32_t>(stream.suffix_length());
    entry.suffix = stream.suffix();
  }
  bucket_ = bucket;
  return true;
}

void KeyTrieCursor::GrowKey(uint64_t capacity, uint64_t keep) {
  // Doubling, so that keys that grow step by step are not copied each time.
  capacity = std::max(capacity, 2 * key_capacity_);
  std::unique_ptr<char[]> grown(new char[capacity]);
  if (keep > 0) {
    memcpy(grown.get(), key_.get(), keep);
  }
  key_ = std::move(grown);
  key_capacity_ = capacity;
}

void KeyTrieCursor::SetKeyPrefix(std::string_view target, uint64_t length) {
  if (length > key_capacity_) {
    GrowKey(length, 0);  // Longer than the key: target is not a view of it.
  }
  if (length > 0) {
    memmove(key_.get(), target.data(), length);
  }
  key_size_ = length;
}

void KeyTrieCursor::MoveTo(uint32_t index, uint64_t keep) {
  const Entry& target = entries_[index];
  uint64_t missing_end = uint64_t{target.lcp} + target.suffix_length;
  if (keep > missing_end || keep > key_size_) {
    SetCorrupt();
    return;
  }
  if (missing_end > key_capacity_) {
    GrowKey(missing_end, keep);
  }
  key_size_ = missing_end;
  // Bytes [keep, missing_end) are missing.  An entry holds its key's bytes from
  // its LCP on; those before are the key's before it.
  for (uint32_t i = index; missing_end > keep; --i) {
    const Entry& entry = entries_[i];
    if (entry.lcp < missing_end) {
      const uint64_t from = std::max<uint64_t>(entry.lcp, keep);
      memcpy(key_.get() + from, entry.suffix + (from - entry.lcp),
             missing_end - from);
      missing_end = from;
    }
    if (i == 0) {
      break;
    }
  }
  if (missing_end > keep) {
    // The head's: its separator has them.
    if (separator_bucket_ != bucket_) {
      separator_bucket_ = kNoBucket;
      if (!reader_->GetSeparator(bucket_, &separator_)) {
        SetCorrupt();
        return;
      }
      separator_bucket_ = bucket_;
    }
    if (separator_.size() < missing_end) {
      SetCorrupt();
      return;
    }
    memcpy(key_.get() + keep, separator_.data() + keep, missing_end - keep);
  }
  index_ = index;
  ordinal_ = bucket_ * reader_->bucket_keys_ + index;
  valid_ = true;
}

void KeyTrieCursor::MoveToOrdinal(uint32_t ordinal) {
  if (!LoadBucket(ordinal / reader_->bucket_keys_)) {
    SetCorrupt();
    return;
  }
  MoveTo(ordinal % reader_->bucket_keys_, 0);
}

void KeyTrieCursor::SeekToOrdinal(uint32_t ordinal) {
  Invalidate();
  if (ordinal < reader_->num_keys_) {
    MoveToOrdinal(ordinal);
  }
}

void KeyTrieCursor::SeekToFirst() { SeekToOrdinal(0); }

void KeyTrieCursor::SeekToLast() {
  // Without keys, UINT32_MAX is as good as any ordinal that is not there.
  SeekToOrdinal(reader_->num_keys_ - 1);
}

void KeyTrieCursor::Seek(std::string_view target) {
  Invalidate();
  KeyTrieReader::Position position;
  if (!reader_->Search(target, &position)) {
    SetCorrupt();
    return;
  }
  const uint32_t ordinal = reader_->OrdinalOf(position);
  if (ordinal == reader_->num_keys_) {
    return;
  }
  if (position.index == reader_->bucket_keys_) {
    MoveToOrdinal(ordinal);  // The head of the next bucket.
    return;
  }
  if (!LoadBucket(position.bucket)) {
    SetCorrupt();
    return;
  }
  SetKeyPrefix(target, position.lcp_at);
  MoveTo(position.index, position.lcp_at);
}

void KeyTrieCursor::SeekForPrev(std::string_view target) {
  Invalidate();
  KeyTrieReader::Position position;
  if (!reader_->Search(target, &position)) {
    SetCorrupt();
    return;
  }
  const uint32_t ordinal = reader_->OrdinalOf(position);
  const uint32_t back = position.equal ? 0 : 1;
  if (ordinal < back || reader_->num_keys_ == 0) {
    return;
  }
  if (position.index < back) {
    MoveToOrdinal(ordinal - 1);  // The last key of the bucket before.
    return;
  }
  if (!LoadBucket(position.bucket)) {
    SetCorrupt();
    return;
  }
  const uint64_t keep = position.equal ? position.lcp_at : position.lcp_before;
  SetKeyPrefix(target, keep);
  MoveTo(position.index - back, keep);
}

void KeyTrieCursor::Next() {
  assert(valid_);
  if (ordinal_ + 1 == reader_->num_keys_) {
    Invalidate();
    return;
  }
  uint32_t index = index_ + 1;
  if (index == entries_.size()) {
    if (!LoadBucket(bucket_ + 1)) {
      SetCorrupt();
      return;
    }
    index = 0;
  }
  MoveTo(index, entries_[index].lcp);
}

void KeyTrieCursor::Prev() {
  assert(valid_);
  if (ordinal_ == 0) {
    Invalidate();
    return;
  }
  const uint64_t keep = entries_[index_].lcp;
  if (index_ > 0) {
    MoveTo(index_ - 1, keep);
    return;
  }
  if (!LoadBucket(bucket_ - 1)) {
    SetCorrupt();
    return;
  }
  MoveTo(static_cast<uint32_t>(entries_.size()) - 1, keep);
}

}  // namespace memkv
