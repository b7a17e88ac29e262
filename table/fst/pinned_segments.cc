// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/pinned_segments.h"

#include <utility>

namespace memkv {

using ROCKSDB_NAMESPACE::BlockContents;

void PinnedSegments::Start(uint32_t num_segments, uint64_t expected_bytes,
                           std::unique_ptr<PinBudget::Share> share) {
  slots_ = std::make_unique<std::atomic<SegmentBlock*>[]>(num_segments);
  num_segments_ = num_segments;
  share_ = std::move(share);
  bytes_.Expect(expected_bytes);
  memory_usage_.store(num_segments * sizeof(slots_[0]),
                      std::memory_order_relaxed);
}

SegmentBlock* PinnedSegments::Add(uint32_t i, BlockContents* contents,
                                  const ParseFn& parse, std::string* reason) {
  reason->clear();
  const std::lock_guard<std::mutex> lock(mutex_);
  SegmentBlock* const other = slots_[i].load(std::memory_order_relaxed);
  if (other != nullptr) return other;
  // What is damaged shall take nothing, however often it is read.
  SegmentBlock damaged{BlockContents(contents->data)};
  if (!parse(&damaged, reason)) return nullptr;
  // A mapped file's bytes need no copy.
  const bool copies = contents->own_bytes();
  const size_t size = copies ? contents->data.size() : 0;
  size_t piece = copies ? bytes_.NewPieceSize(size) : 0;
  if (share_ != nullptr && !TakeRoom(size, &piece)) return nullptr;
  BlockContents held =
      copies ? BlockContents(bytes_.Add(contents->data.ToStringView(), piece))
             : std::move(*contents);
  auto block = std::make_unique<SegmentBlock>(std::move(held));
  if (!parse(block.get(), reason)) return nullptr;  // never: the same bytes
  memory_usage_.store(memory_usage_.load(std::memory_order_relaxed) + piece +
                          sizeof(SegmentBlock),
                      std::memory_order_relaxed);
  blocks_.push_back(std::move(block));
  slots_[i].store(blocks_.back().get(), std::memory_order_release);
  complete_.store(blocks_.size() == num_segments_, std::memory_order_relaxed);
  return blocks_.back().get();
}

bool PinnedSegments::TakeRoom(size_t size, size_t* piece) {
  constexpr uint64_t kObject = sizeof(SegmentBlock);
  const uint64_t paid = paid_.load(std::memory_order_relaxed);
  if (*piece == 0 && paid >= kObject) {
    paid_.store(paid - kObject, std::memory_order_relaxed);
    return true;
  }
  // A piece, and the objects of all segments in it.
  const uint64_t segments = *piece == 0 ? 1 : *piece / size;
  const uint64_t least = kObject + (*piece == 0 ? 0 : size);
  const uint64_t most = segments * kObject + *piece;
  const uint64_t taken = share_->Take(least, most);
  too_large_.store(taken == 0 ? least : 0, std::memory_order_relaxed);
  if (taken == 0) return false;
  if (taken != most) *piece = taken / least * size;
  paid_.store(paid + taken - *piece - kObject, std::memory_order_relaxed);
  return true;
}

}  // namespace memkv
