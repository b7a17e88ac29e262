// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Slots for objects that many threads use and that one lets go when nobody uses
// them and nobody has used them of late: the hand of a clock goes over the
// slots, as in RocksDB's HyperClockCache.  A user counts itself in the slot,
// which is in memory for as long as there are slots; so it needs no lock, and
// no object is freed under it.
//
// Invariants
// (H1) While kHeld is set in `state`, `object` is whole and does not change.
// (H2) A user adds one to `state`, and uses the object only if kHeld was set
//      then, until it subtracts one again.  If it was not, it subtracts one at
//      once.
// (H3) An object is let go by one change of `state`, from kHeld alone to 0.  So
//      nobody uses it, and who comes later finds that kHeld is not set.
// (H4) Hold() and LetGo() of a slot do not run together; the owner sees to it.
// Memory order: a user comes with acquire and goes with release; kHeld is set
// with release and cleared with acquire.  So an object is whole when it is
// used, and was used when it is freed.  kUsed is a hint, relaxed.
//
// Where nothing is ever let go, users may take `object` without counting
// themselves: Keep() stores it with release, Kept() loads it with acquire.
//
// Thread safety: all methods but those of (H4), and the destructor.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace memkv {

template <typename T>
class HeldSlot {
 public:
  HeldSlot() = default;
  ~HeldSlot() { delete object_.load(std::memory_order_acquire); }
  HeldSlot(const HeldSlot&) = delete;
  HeldSlot& operator=(const HeldSlot&) = delete;

  // Whether there is an object, at the moment.
  bool holds() const {
    return object_.load(std::memory_order_relaxed) != nullptr;
  }

  // The object, until EndUse(); null if there is none, which needs no EndUse().
  // counts: the hand sees that it was used.
  T* Use(bool counts) {
    if (!holds()) return nullptr;
    const uint32_t before = state_.fetch_add(1, std::memory_order_acquire);
    if ((before & kHeld) == 0) {
      EndUse();
      return nullptr;
    }
    if (counts && (before & kUsed) == 0) {
      state_.fetch_or(kUsed, std::memory_order_relaxed);
    }
    return object_.load(std::memory_order_relaxed);
  }
  void EndUse() { state_.fetch_sub(1, std::memory_order_release); }

  // Holds an object, which the caller uses from then on, until EndUse().
  // REQUIRES: there is none
  T* Hold(std::unique_ptr<T> object) {
    T* const held = object.release();
    object_.store(held, std::memory_order_relaxed);
    state_.fetch_add(kHeld + 1, std::memory_order_release);
    return held;
  }
  // The object, which is in the slot no more; null, and it stays, if somebody
  // uses it, or `spare` and somebody did since the last call.
  std::unique_ptr<T> LetGo(bool spare) {
    uint32_t seen = state_.load(std::memory_order_relaxed);
    if ((seen & kUsed) != 0) {
      state_.fetch_and(~kUsed, std::memory_order_relaxed);
      if (spare) return nullptr;
      seen &= ~kUsed;
    }
    if (seen != kHeld ||
        !state_.compare_exchange_strong(seen, 0, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      return nullptr;
    }
    return std::unique_ptr<T>(
        object_.exchange(nullptr, std::memory_order_relaxed));
  }

  // The same for good, without counting.  REQUIRES: there is none
  T* Keep(std::unique_ptr<T> object) {
    T* const kept = object.release();
    object_.store(kept, std::memory_order_release);
    return kept;
  }
  T* Kept() const { return object_.load(std::memory_order_acquire); }

 private:
  static constexpr uint32_t kHeld = uint32_t{1} << 31;
  static constexpr uint32_t kUsed = uint32_t{1} << 30;

  std::atomic<T*> object_{nullptr};
  // kHeld, kUsed, and the number of users.
  std::atomic<uint32_t> state_{0};
};

// An array of them, which lives for as long as anybody has a reference to it.
template <typename T>
class HeldSlots : public std::enable_shared_from_this<HeldSlots<T>> {
 public:
  explicit HeldSlots(uint32_t size)
      : slots_(std::make_unique<HeldSlot<T>[]>(size)), size_(size) {}

  HeldSlot<T>& operator[](uint32_t i) const { return slots_[i]; }
  uint32_t size() const { return size_; }

 private:
  const std::unique_ptr<HeldSlot<T>[]> slots_;
  const uint32_t size_;
};

}  // namespace memkv
