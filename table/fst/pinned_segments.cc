// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/pinned_segments.h"

#include <algorithm>
#include <utility>

namespace memkv {

using ROCKSDB_NAMESPACE::BlockContents;

namespace {

// A file of this many segments and more, of so many bytes on average and fewer,
// was written while keys did not fit in memory.
constexpr uint32_t kFewestToLetGo = 4;
constexpr uint64_t kLargestToLetGo = uint64_t{16} << 10;

}  // namespace

PinnedSegments::~PinnedSegments() {
  if (lets_go_) share_->RemoveHolder(this);
}

void PinnedSegments::Start(uint32_t num_segments, uint64_t expected_bytes,
                           std::unique_ptr<PinBudget::Share> share) {
  slots_ = std::make_shared<SegmentEntry::Slots>(num_segments);
  share_ = std::move(share);
  bytes_.Expect(expected_bytes);
  memory_usage_.store(num_segments * sizeof(SegmentEntry::Slot),
                      std::memory_order_relaxed);
  if (share_ == nullptr || num_segments < kFewestToLetGo) return;
  const uint64_t average = expected_bytes / num_segments;
  lets_go_ = average != 0 && average <= kLargestToLetGo;
  usual_size_.store(average + sizeof(SegmentBlock), std::memory_order_relaxed);
  if (lets_go_) share_->AddHolder(this);
}

void PinnedSegments::Add(uint32_t i, BlockContents* contents,
                         const ParseFn& parse, SegmentEntry* entry,
                         std::string* reason) {
  reason->clear();
  SegmentEntry::Slot& slot = (*slots_)[i];
  const std::lock_guard<std::mutex> lock(mutex_);
  if (FindIn(slot, /*counts=*/true, entry)) return;
  // What is damaged shall take nothing, however often it is read.
  SegmentBlock damaged{BlockContents(contents->data)};
  if (!parse(&damaged, reason)) return;
  size_t usage = 0;
  std::unique_ptr<SegmentBlock> block =
      lets_go_ ? HoldAlone(contents, &usage) : HoldToStay(contents, &usage);
  if (block == nullptr) return;
  parse(block.get(), reason);  // the same bytes
  Count(num_held_ + 1, MemoryUsage() + usage);
  SetEntry(lets_go_ ? slot.Hold(std::move(block)) : slot.Keep(std::move(block)),
           &slot, entry);
}

void PinnedSegments::Count(uint32_t num_held, size_t memory_usage) {
  num_held_ = num_held;
  complete_.store(num_held == slots_->size(), std::memory_order_relaxed);
  memory_usage_.store(memory_usage, std::memory_order_relaxed);
  if (lets_go_ && num_held != 0) {
    const size_t slots = slots_->size() * sizeof(SegmentEntry::Slot);
    usual_size_.store((memory_usage - slots) / num_held,
                      std::memory_order_relaxed);
  }
}

std::unique_ptr<SegmentBlock> PinnedSegments::HoldAlone(BlockContents* contents,
                                                        size_t* usage) {
  // Not in memory that is the block cache's.
  if (contents->own_bytes() &&
      contents->allocation.get_deleter().allocator != nullptr) {
    *contents = CopyOf(contents->data, nullptr);
  }
  *usage = SegmentBlock::MemoryUsageOf(*contents);
  return share_->Take(*usage, *usage) != 0
             ? std::make_unique<SegmentBlock>(std::move(*contents))
             : nullptr;
}

bool PinnedSegments::LetGo(size_t* steps) {
  // To look at what is held is to wait for memory; an empty slot costs little.
  constexpr size_t kEmptySlots = 16;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (num_held_ == 0) return true;
  size_t left = *steps * kEmptySlots;
  // What the block cache has no room for, as it was made smaller, goes at once.
  const uint64_t excess = share_->Excess();
  uint64_t freed = 0;
  for (; left != 0 && hand_ < slots_->size(); ++hand_) {
    SegmentEntry::Slot& slot = (*slots_)[hand_];
    left -= slot.holds() ? std::min(left, kEmptySlots) : 1;
    if (!slot.holds()) continue;
    if (const std::unique_ptr<SegmentBlock> block =
            slot.LetGo(/*spare=*/freed >= excess)) {
      const size_t usage = block->ApproximateMemoryUsage();
      freed += usage;
      Count(num_held_ - 1, MemoryUsage() - usage);
    }
  }
  if (freed != 0) share_->GiveBack(freed);
  *steps = left / kEmptySlots;
  const bool at_end = hand_ == slots_->size();
  if (at_end) hand_ = 0;
  return at_end;
}

std::unique_ptr<SegmentBlock> PinnedSegments::HoldToStay(
    BlockContents* contents, size_t* usage) {
  // A mapped file's bytes need no copy.
  const bool copies = contents->own_bytes();
  const size_t size = copies ? contents->data.size() : 0;
  size_t piece = copies ? bytes_.NewPieceSize(size) : 0;
  if (share_ != nullptr && !TakeRoom(size, &piece)) return nullptr;
  *usage = piece + sizeof(SegmentBlock);
  return std::make_unique<SegmentBlock>(
      copies ? BlockContents(bytes_.Add(contents->data.ToStringView(), piece))
             : std::move(*contents));
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
