// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/announced_scans.h"

#include <algorithm>
#include <array>
#include <utility>

namespace memkv {

using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;

AnnouncedScans::AnnouncedScans(const FstFile& file,
                               const ReadOptions& read_options,
                               std::vector<compat::ScanRange> ranges,
                               uint64_t most_bytes)
    : file_(file),
      read_options_(read_options),
      most_bytes_((most_bytes == 0
                       ? BlocksTogether::kMostBytes
                       : std::min(most_bytes, BlocksTogether::kMostBytes)) /
                  2) {
  const FileIndex& index = file.index();
  for (compat::ScanRange& range : ranges) {
    Span span;
    span.first = index.SegmentFor(range.start);
    if (span.first >= index.num_segments()) continue;
    span.last = span.first;
    if (range.limit.has_value()) {
      const uint32_t last = index.SegmentFor(*range.limit);
      if (last == FileIndex::kCorrupt) continue;
      span.last = std::min(last, index.num_segments() - 1);
    }
    // Ranges that do not ascend, or a damaged index.
    if (span.last < span.first ||
        (!spans_.empty() && (span.first < spans_.back().first ||
                             span.last < spans_.back().last))) {
      continue;
    }
    span.range = std::move(range);
    spans_.push_back(std::move(span));
  }
}

size_t AnnouncedScans::SpanFrom(uint32_t i) const {
  const auto span =
      std::lower_bound(spans_.begin(), spans_.end(), i,
                       [](const Span& s, uint32_t n) { return s.last < n; });
  return static_cast<size_t>(span - spans_.begin());
}

bool AnnouncedScans::TakeSegment(uint32_t i, SegmentEntry* entry) {
  if (i >= next_) ReadFrom(i);
  const auto read =
      std::lower_bound(read_.begin(), read_.end(), i,
                       [](const Read& r, uint32_t n) { return r.number < n; });
  if (read == read_.end() || read->number != i || read->entry.IsEmpty()) {
    return false;
  }
  *entry = std::move(read->entry);
  return true;
}

void AnnouncedScans::ReadFrom(uint32_t i) {
  const size_t from = SpanFrom(i);
  if (from == spans_.size() || i < spans_[from].first) return;
  std::array<uint32_t, kMostSegments> numbers = {};
  size_t n = 0;
  uint64_t bytes = 0;
  const auto add = [&](uint32_t number) {
    if (n != 0 && number <= numbers[n - 1]) return true;  // of the span before
    bytes += file_.index().Location(number).size;
    if (n != 0 && bytes > most_bytes_) return false;
    numbers[n++] = number;
    return n != kMostSegments;
  };
  bool more = true;
  for (size_t s = from; more && s < spans_.size(); ++s) {
    for (uint32_t number = std::max(i, spans_[s].first);
         more && number <= spans_[s].last; ++number) {
      more = add(number);
    }
  }
  next_ = numbers[n - 1] + 1;

  BlockReadContext context = Context();
  // One range is walked over; many are looked up.
  context.sequential = n > 2 && numbers[n - 1] - numbers[0] + 1 == n;
  std::array<SegmentEntry, kMostSegments> entries;
  std::array<Status, kMostSegments> statuses;
  file_.store().GetSegments(context, file_.index(), numbers.data(), n,
                            entries.data(), statuses.data());
  read_.clear();
  size_t held = 0;
  for (size_t k = 0; k < n; ++k) {
    if (!statuses[k].ok()) continue;
    held += entries[k].GetValue()->ApproximateMemoryUsage();
    if (k != 0 && held > kMostHeld) break;
    read_.emplace_back();
    read_.back().number = numbers[k];
    read_.back().entry = std::move(entries[k]);
  }
  ReadValues();
}

uint32_t AnnouncedScans::EntryFrom(const Segment& segment,
                                   const std::string& user_key) {
  cursor_.Reset(&segment.trie());
  if (segment.mirrored()) {
    cursor_.SeekForPrev(user_key);
  } else {
    cursor_.Seek(user_key);
  }
  uint32_t begin = 0;
  uint32_t end = 0;
  const bool found =
      cursor_.Valid() &&
      segment.EntriesOf(segment.Mirror(cursor_.ordinal()), &begin, &end);
  cursor_.Reset(nullptr);
  return found ? begin : segment.num_entries();
}

void AnnouncedScans::ReadValues() {
  values_.reset();
  auto together = std::make_unique<BlocksTogether>(most_bytes_);
  bool room = true;
  for (const Read& read : read_) {
    const Segment& segment = read.entry.GetValue()->segment();
    if (segment.values_inline()) continue;
    uint32_t next = 0;  // blocks before it were added
    for (size_t s = SpanFrom(read.number);
         room && s < spans_.size() && spans_[s].first <= read.number; ++s) {
      const Span& span = spans_[s];
      const uint32_t begin =
          span.first == read.number ? EntryFrom(segment, span.range.start) : 0;
      uint32_t end = segment.num_entries();
      if (!span.range.limit.has_value()) {
        end = std::min(end, begin + 1);  // nobody knows how far it goes
      } else if (span.last == read.number) {
        end = EntryFrom(segment, *span.range.limit);
      }
      if (begin >= end) continue;
      const uint32_t first = std::max(next, segment.ValueBlockOf(begin));
      next = std::max(next, segment.ValueBlockOf(end - 1) + 1);
      room = file_.store().AddValues(Context(), segment, first, next,
                                     together.get());
    }
  }
  file_.store().ReadTogether(Context(), together.get());
  together->DropFailed();
  values_ = std::move(together);
}

}  // namespace memkv
