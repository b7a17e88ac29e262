// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/cursor.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "table/key_trie/format.h"
#include "table/key_trie/kernels.h"

namespace memkv {
namespace key_trie {

namespace {

// The byte at `at`, or -1 behind the end.
int ByteAt(const char* key, uint64_t size, uint64_t at) {
  return at < size ? static_cast<uint8_t>(key[at]) : -1;
}

static_assert(SuffixRun::kAround >= kJoined, "for Join()");

}  // namespace

void Cursor::Reset(const Reader* reader) {
  reader_ = reader;
  bucket_ = kNoBucket;
  if (reader != nullptr && buffer_.bytes == nullptr) {
    buffer_.Grow(0, 0);  // A token of no bytes is written too, into the slack.
  }
  key_ = buffer_.bytes.get();
  key_size_ = 0;
  window_end_ = 0;
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
  read_.resize(kMaxBucketKeys);
  num_read_ = 0;
  window_first_ = 0;
  if (!reader_->OpenBucket(bucket, &bytes_)) {
    return false;
  }
  heads_.Unpack(reader_->codes_, bytes_);
  next_ = SuffixCursor(reader_->codes_, bytes_, heads_);
  bucket_ = bucket;
  return true;
}

void Cursor::Buffer::Grow(uint64_t size, uint64_t keep) {
  // Doubling, so that keys that grow step by step are not copied each time.
  size = std::max(size, 2 * capacity);
  std::unique_ptr<char[]> grown(new char[size + kSlack]);
  if (keep > 0) {
    memcpy(grown.get(), bytes.get(), keep);
  }
  bytes = std::move(grown);
  capacity = size;
}

void Cursor::SetKeyPrefix(std::string_view target, uint64_t length) {
  if (length > buffer_.capacity) {
    buffer_.Grow(length, 0);  // Longer than what it holds: no view of that.
  }
  if (length > 0) {
    memmove(buffer_.bytes.get(), target.data(), length);
  }
  key_ = buffer_.bytes.get();
  key_size_ = length;
  window_end_ = 0;
}

void Cursor::LeaveWindow() {
  if (window_end_ != 0) {
    SetKeyPrefix(key(), key_size_);
  }
}

bool Cursor::AppendSuffix(uint32_t index, Buffer* buffer, uint64_t* size) {
  if (reader_->codes_.coding == kSymbols) {
    return next_.Read([buffer, size](uint64_t n) {
      if (*size + n > buffer->capacity) {
        buffer->Grow(*size + n, *size);
      }
      char* const out = buffer->bytes.get() + *size;
      *size += n;
      return out;
    });
  }
  // As SuffixCursor::Read, with all that it needs at hand: a byte that is
  // written might be any of it.
  const Tokens::Names names = reader_->codes_.tokens->names();
  const uint32_t first_end = reader_->codes_.tokens->first_end();
  const unsigned width = reader_->codes_.width;
  const uint8_t* const codes = bytes_.codes;
  const uint64_t num_codes = bytes_.num_codes;
  char* bytes = buffer->bytes.get();
  uint64_t capacity = buffer->capacity;
  uint64_t at = next_.code();
  uint32_t code = heads_.FirstCodeAt(index);
  uint64_t done = *size;
  for (;;) {
    const uint32_t length = names.LengthOf(code);
    const uint8_t* const token = names.BytesOf(code);
    if (done + length > capacity) {
      buffer->Grow(done + length, done);
      bytes = buffer->bytes.get();
      capacity = buffer->capacity;
    }
    memcpy(bytes + done, token, Tokens::kOverread);
    if (length > Tokens::kOverread) {
      memcpy(bytes + done + Tokens::kOverread, token + Tokens::kOverread,
             kTokenCopy - Tokens::kOverread);
    }
    done += length;
    if (code >= first_end) {
      break;
    }
    if (at >= num_codes) {
      return false;
    }
    code = width == 16 ? LoadFixed16(codes + 2 * at) : BitsAt(codes, width, at);
    ++at;
  }
  *size = done;
  next_.Set(index + 1, at);
  return true;
}

bool Cursor::Ascends(uint32_t index, int byte, int before) const {
  // The first key of all may be empty.
  return byte > before || bytes_.first_ordinal + index == 0;
}

void Cursor::ReadNext(uint32_t index) {
  uint64_t size = heads_.LcpAt(index);
  if (size > key_size_) {
    SetCorrupt();
    return;
  }
  const uint64_t lcp = size;
  const int before = ByteAt(key_, key_size_, lcp);
  if (!AppendSuffix(index, &buffer_, &size) ||
      !Ascends(index, ByteAt(buffer_.bytes.get(), size, lcp), before)) {
    SetCorrupt();
    return;
  }
  key_ = buffer_.bytes.get();
  key_size_ = size;
  shared_ = lcp;
  index_ = index;
  valid_ = true;
}

uint32_t Cursor::ReadTogether(uint32_t n) {
  if (run_ == nullptr) {
    // NOLINTNEXTLINE(modernize-make-unique): that would fill it
    run_.reset(new SuffixRun);
  }
  const uint32_t index = window_first_ + num_read_;
  ReadKey before = LastRead();
  next_.Set(index, before.next_code);
  n = run_->Read(next_, n);
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t lcp = heads_.LcpAt(index + i);
    const uint64_t size = lcp + run_->LengthOf(i);
    const uint8_t* const suffix = run_->BytesOf(i);
    const uint64_t begin = BehindInWindow(before);
    const char* before_bytes = window_.bytes.get() + before.begin;
    if (lcp > before.size || begin + size > kWindow ||
        !Ascends(index + i, size > lcp ? int{suffix[0]} : -1,
                 ByteAt(before_bytes, before.size, lcp))) {
      return i;
    }
    if (begin + size > window_.capacity) {
      window_.Grow(begin + size, before.begin + before.size);
      before_bytes = window_.bytes.get() + before.begin;
    }
    Join(reinterpret_cast<const uint8_t*>(before_bytes), lcp, suffix, size,
         reinterpret_cast<uint8_t*>(window_.bytes.get() + begin));
    before = {begin, size, lcp, run_->NextCodeOf(i)};
    read_[num_read_++] = before;
  }
  return n;
}

bool Cursor::ReadOnTogether(uint32_t n) {
  const bool together = num_read_ != 0 && !one_by_one_ && HasAvx2();
  return (together && ReadTogether(std::min(n, SuffixRun::kMaxKeys)) != 0) ||
         ReadOn();
}

bool Cursor::ReadOn() {
  const uint32_t index = window_first_ + num_read_;
  const uint64_t lcp = heads_.LcpAt(index);
  ReadKey read = {0, 0, lcp, 0};
  int byte_before = -1;
  if (index == 0) {
    if (!reader_->separators_.Get(bucket_, &separator_) ||
        lcp > separator_.size()) {
      return false;
    }
    if (lcp > window_.capacity || window_.bytes == nullptr) {
      window_.Grow(lcp, 0);
    }
    if (lcp > 0) {
      memcpy(window_.bytes.get(), separator_.data(), lcp);
    }
    next_.Set(0, 0);
  } else {
    const ReadKey before = LastRead();
    if (lcp > before.size) {
      return false;
    }
    byte_before = ByteAt(window_.bytes.get() + before.begin, before.size, lcp);
    read.begin = before.begin + before.size + kTail;
    if (read.begin + lcp > kWindow) {
      num_read_ = 0;
      window_first_ = index;
      read.begin = 0;
    }
    if (read.begin + lcp > window_.capacity) {
      window_.Grow(read.begin + lcp, before.begin + before.size);
    }
    if (lcp > 0) {
      memmove(window_.bytes.get() + read.begin,
              window_.bytes.get() + before.begin, lcp);
    }
    next_.Set(index, before.next_code);
  }
  uint64_t end = read.begin + lcp;
  if (!AppendSuffix(index, &window_, &end)) {
    return false;
  }
  read.size = end - read.begin;
  if (!Ascends(index, ByteAt(window_.bytes.get() + read.begin, read.size, lcp),
               byte_before)) {
    return false;
  }
  read.next_code = next_.code();
  read_[num_read_++] = read;
  return true;
}

void Cursor::MoveTo(uint32_t index) {
  // What failed may have left a window without keys.
  if (index < window_first_ || num_read_ == 0) {
    num_read_ = 0;
    window_first_ = 0;
  }
  for (;;) {
    window_end_ = window_first_ + num_read_;
    if (index < window_end_) {
      break;
    }
    if (!ReadOnTogether(index + 1 - window_end_)) {
      SetCorrupt();
      return;
    }
  }
  ShowRead(index);
  shared_ = 0;
  valid_ = true;
}

void Cursor::MoveToOrdinal(uint32_t ordinal) {
  uint32_t bucket = 0;
  if (!reader_->BucketOf(ordinal, &bucket) || !LoadBucket(bucket)) {
    SetCorrupt();
    return;
  }
  MoveTo(ordinal - bytes_.first_ordinal);
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

bool Cursor::Search(const SoughtKey& target, Reader::Position* position) {
  Invalidate();
  if (reader_->num_keys() == 0) {
    return false;
  }
  SeparatorTrie::FloorResult separator;
  const bool whole = reader_->separators_.Find(target, &separator);
  return SearchInBucket(target, whole, separator, position);
}

bool Cursor::SearchInBucket(const SoughtKey& target, bool whole,
                            const SeparatorTrie::FloorResult& separator,
                            Reader::Position* position) {
  whole = whole && LoadBucket(separator.ordinal);
  if (whole) {
    next_.Set(0, 0);
    whole = FindInBucket(target, separator.matched, reader_->codes_, bytes_,
                         heads_, PrefetchHint(), &next_, &position->place);
  }
  if (!whole) {
    SetCorrupt();
    return false;
  }
  position->bucket = separator.ordinal;
  position->ordinal = bytes_.first_ordinal + position->place.index;
  return true;
}

void Cursor::GoToPosition(std::string_view target,
                          const Reader::Position& position) {
  if (position.ordinal == reader_->num_keys()) {
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
  // What it shares with target beyond its LCP is in its suffix, too.
  SetKeyPrefix(target, std::min(position.place.lcp_at,
                                heads_.LcpAt(position.place.index)));
  ReadNext(position.place.index);
  shared_ = 0;
}

void Cursor::Seek(std::string_view target) {
  Reader::Position position;
  if (Search(SoughtKey(target), &position)) {
    GoToPosition(target, position);
  }
}

void Cursor::SeekAll(Cursor* const* cursors, size_t n,
                     const SoughtKey& target) {
  assert(n <= Reader::kMaxBatch);
  std::array<const SeparatorTrie*, Reader::kMaxBatch> separators = {};
  std::array<const SoughtKey*, Reader::kMaxBatch> targets = {};
  std::array<SeparatorTrie::FloorResult, Reader::kMaxBatch> places;
  std::array<bool, Reader::kMaxBatch> whole;
  for (size_t i = 0; i < n; ++i) {
    cursors[i]->Invalidate();
    separators[i] = &cursors[i]->reader_->separators_;
    targets[i] = &target;
  }
  SeparatorTrie::FindAll(separators.data(), targets.data(), n, places.data(),
                         whole.data());
  const auto to_search = [&](size_t i) {
    return whole[i] && cursors[i]->reader_->num_keys() != 0 &&
           cursors[i]->bucket_ != places[i].ordinal;
  };
  for (size_t i = 0; i < n; ++i) {
    if (to_search(i)) {
      cursors[i]->reader_->bucket_offsets_.PrefetchElement(places[i].ordinal);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    if (to_search(i)) {
      cursors[i]->reader_->PrefetchBucket(places[i].ordinal);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    Reader::Position position;
    if (cursors[i]->reader_->num_keys() != 0 &&
        cursors[i]->SearchInBucket(target, whole[i], places[i], &position)) {
      cursors[i]->GoToPosition(target.view(), position);
    }
  }
}

void Cursor::SeekForPrev(std::string_view target) {
  Reader::Position position;
  if (!Search(SoughtKey(target), &position)) {
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
  MoveTo(position.place.index - back);
}

void Cursor::NextBeyondWindow() {
  uint32_t index = index_ + 1;
  if (index == bytes_.num_keys) {
    if (bucket_ + 1 == reader_->num_buckets()) {
      Invalidate();
      return;
    }
    LeaveWindow();
    if (!LoadBucket(bucket_ + 1)) {
      SetCorrupt();
      return;
    }
    index = 0;
  } else if (window_end_ != 0) {
    next_.Set(index, LastRead().next_code);
    LeaveWindow();
  }
  ReadNext(index);
}

void Cursor::PrevSlow() {
  if (index_ == 0 && bucket_ == 0) {
    Invalidate();
    return;
  }
  // The keys of a window ascend.  Any other key must be compared with; one in
  // the window of another bucket will be written over.
  const bool in_window = window_end_ != 0;
  const bool same_bucket = index_ > 0;
  std::string_view behind = key();
  if (in_window && !same_bucket) {
    behind_.assign(behind);
    behind = behind_;
  }
  if (!same_bucket && !LoadBucket(bucket_ - 1)) {
    SetCorrupt();
    return;
  }
  MoveTo(same_bucket ? index_ - 1 : bytes_.num_keys - 1);
  if (valid_ && (!in_window || !same_bucket) && key() >= behind) {
    SetCorrupt();
  }
  // Neighbours in the window are none of these: Prev() knows them.
  shared_ = 0;
}

}  // namespace key_trie
}  // namespace memkv
