// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A segment as a reader has it: a reference to one in the block cache or in a
// slot of its file (table/fst/pinned_segments.h); one of its own; or one that
// stays as long as its file is open, which needs no reference.
//
// Thread safety: none; an entry belongs to one thread at a time.

#pragma once

#include <memory>
#include <utility>

#include "rocksdb/cleanable.h"
#include "table/block_based/cachable_entry.h"
#include "table/fst/blocks.h"
#include "util/held_slots.h"

namespace memkv {

class SegmentEntry {
 public:
  using Slots = HeldSlots<SegmentBlock>;
  using Slot = HeldSlot<SegmentBlock>;

  SegmentEntry() = default;
  ~SegmentEntry() { Reset(); }
  SegmentEntry(SegmentEntry&& other) noexcept
      : entry_(std::move(other.entry_)),
        slots_(other.slots_),
        slot_(std::exchange(other.slot_, nullptr)) {}
  SegmentEntry& operator=(SegmentEntry&& other) noexcept {
    if (this != &other) {
      Reset();
      entry_ = std::move(other.entry_);
      slots_ = other.slots_;
      slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
  }

  bool IsEmpty() const { return entry_.IsEmpty(); }
  SegmentBlock* GetValue() const { return entry_.GetValue(); }

  // REQUIRES of those that set it: IsEmpty()
  void SetKept(SegmentBlock* block) { entry_.SetUnownedValue(block); }
  // What slot->Use() or slot->Hold() has returned.
  void SetUsed(Slots* slots, Slot* slot, SegmentBlock* block) {
    entry_.SetUnownedValue(block);
    slots_ = slots;
    slot_ = slot;
  }
  // To be set as cached or owned.
  ROCKSDB_NAMESPACE::CachableEntry<SegmentBlock>* cachable() { return &entry_; }

  void Reset() {
    entry_.Reset();
    if (slot_ != nullptr) std::exchange(slot_, nullptr)->EndUse();
  }
  // Gives the reference to `pinner`, whose cleanup may come when the file is
  // closed: RocksDB deletes the iterators that it has pinned before.
  void TransferTo(ROCKSDB_NAMESPACE::Cleanable* pinner) {
    entry_.TransferTo(pinner);
    if (slot_ == nullptr) return;
    struct Reference {
      std::shared_ptr<Slots> slots;
      Slot* slot;
    };
    pinner->RegisterCleanup(
        [](void* reference, void* /*unused*/) {
          const std::unique_ptr<Reference> given(
              static_cast<Reference*>(reference));
          given->slot->EndUse();
        },
        new Reference{slots_->shared_from_this(),
                      std::exchange(slot_, nullptr)},
        nullptr);
  }

 private:
  ROCKSDB_NAMESPACE::CachableEntry<SegmentBlock> entry_;
  Slots* slots_ = nullptr;  // if slot_ is not null
  Slot* slot_ = nullptr;
};

}  // namespace memkv
