// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/pin_budget.h"

#include <algorithm>
#include <utility>

namespace memkv {

using ROCKSDB_NAMESPACE::Cache;
using ROCKSDB_NAMESPACE::CacheEntryRole;

namespace {

std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager> ReservationIn(
    const std::shared_ptr<Cache>& block_cache) {
  if (block_cache == nullptr) return nullptr;
  return std::make_unique<ROCKSDB_NAMESPACE::CacheReservationManagerImpl<
      CacheEntryRole::kBlockBasedTableReader>>(block_cache);
}

}  // namespace

std::shared_ptr<PinBudget> PinBudget::Of(
    const std::shared_ptr<Cache>& block_cache) {
  // A budget keeps its cache, so no other cache can be where that one is.
  // Never destroyed: files may be closed after main() has ended.
  static auto& mutex = *new std::mutex;
  static auto& budgets = *new std::map<const Cache*, std::weak_ptr<PinBudget>>;
  const std::lock_guard<std::mutex> lock(mutex);
  for (auto it = budgets.begin(); it != budgets.end();) {
    it = it->second.expired() ? budgets.erase(it) : std::next(it);
  }
  std::weak_ptr<PinBudget>& known = budgets[block_cache.get()];
  std::shared_ptr<PinBudget> budget = known.lock();
  if (budget == nullptr) {
    budget = std::make_shared<PinBudget>(block_cache);
    known = budget;
  }
  return budget;
}

PinBudget::PinBudget(std::shared_ptr<Cache> block_cache)
    : block_cache_(std::move(block_cache)),
      reservation_(ReservationIn(block_cache_)) {}

uint64_t PinBudget::Limit(uint64_t limit) const {
  if (limit != 0) return limit;
  // Reads fail where what is charged leaves no room in a shard of the cache.
  if (block_cache_ == nullptr || block_cache_->HasStrictCapacityLimit()) {
    return 0;
  }
  return block_cache_->GetCapacity() / 4 * 3;
}

bool PinBudget::Charge(uint64_t used) {
  // No other failure than that of a full cache with a strict limit is known.
  return reservation_ == nullptr ||
         !reservation_->UpdateCacheReservation(used).IsMemoryLimit();
}

bool PinBudget::Use(uint64_t bytes) {
  if (!Charge(used() + bytes)) {
    Charge(used());
    return false;
  }
  used_.store(used() + bytes, std::memory_order_relaxed);
  return true;
}

void PinBudget::GiveBack(uint64_t bytes) {
  used_.store(used() - bytes, std::memory_order_relaxed);
  Charge(used());
}

void PinBudget::CountUnheldRead() {
  const uint64_t before = unheld_reads_.fetch_add(1, std::memory_order_relaxed);
  if ((before + 1) % kReadsAMove != 0) return;
  const std::unique_lock<std::mutex> lock(holders_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;  // another thread moves it
  size_t steps = kStepsAMove;
  for (size_t n = holders_.size(); n != 0 && steps != 0; --n) {
    if (hand_ >= holders_.size()) hand_ = 0;
    if (holders_[hand_]->LetGo(&steps)) ++hand_;
  }
}

PinBudget::Share::Share(std::shared_ptr<PinBudget> budget, uint64_t limit,
                        uint64_t segments)
    : budget_(std::move(budget)),
      asked_limit_(limit),
      segments_(segments),
      limit_(budget_->Limit(limit)) {
  budget_->segments_.fetch_add(segments_, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  ++budget_->asked_limits_[limit];
}

PinBudget::Share::~Share() {
  budget_->segments_.fetch_sub(segments_, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  if (taken_ != 0) budget_->GiveBack(taken_);
  const auto limit = budget_->asked_limits_.find(asked_limit_);
  if (--limit->second == 0) budget_->asked_limits_.erase(limit);
}

uint64_t PinBudget::Share::Take(uint64_t least, uint64_t most) {
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  const uint64_t limit = budget_->Limit(asked_limit_);
  limit_.store(limit, std::memory_order_relaxed);
  const uint64_t spoken_for =
      budget_->used() + budget_->owed_.load(std::memory_order_relaxed);
  if (spoken_for + least > limit) return 0;
  uint64_t taken = std::min(most, limit - spoken_for);
  bool charged = !little_room_ && budget_->Use(taken);
  if (!charged) {
    // A block cache with a strict limit has let go of what it could to make
    // room: it is not asked for so much again.
    little_room_ = true;
    taken = least;
    charged = budget_->Use(taken);
  }
  refused_.store(!charged, std::memory_order_relaxed);
  if (!charged) return 0;
  taken_ += taken;
  return taken;
}

void PinBudget::Share::GiveBack(uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  taken_ -= bytes;
  budget_->GiveBack(bytes);
  refused_.store(false, std::memory_order_relaxed);
}

uint64_t PinBudget::Share::Excess() const {
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  uint64_t largest = 0;
  for (const auto& [limit, files] : budget_->asked_limits_) {
    largest = std::max(largest, budget_->Limit(limit));
  }
  return budget_->used() - std::min(budget_->used(), largest);
}

void PinBudget::Share::AddHolder(Holder* holder) {
  const std::lock_guard<std::mutex> lock(budget_->holders_mutex_);
  holder->place_ = budget_->holders_.size();
  budget_->holders_.push_back(holder);
}

void PinBudget::Share::RemoveHolder(Holder* holder) {
  const std::lock_guard<std::mutex> lock(budget_->holders_mutex_);
  auto& holders = budget_->holders_;
  holders[holder->place_] = holders.back();
  holders[holder->place_]->place_ = holder->place_;
  holders.pop_back();
}

PinBudget::FilterShare::FilterShare(std::shared_ptr<PinBudget> budget,
                                    uint64_t limit, uint64_t bytes)
    : budget_(std::move(budget)),
      asked_limit_(limit),
      bytes_(bytes),
      limit_(budget_->Limit(limit)) {
  budget_->segments_.fetch_add(bytes_, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  Promise(limit_.load(std::memory_order_relaxed));
}

PinBudget::FilterShare::~FilterShare() {
  budget_->segments_.fetch_sub(bytes_, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  if (promised_.load(std::memory_order_relaxed)) {
    budget_->filters_.fetch_sub(bytes_, std::memory_order_relaxed);
    if (!taken_) budget_->owed_.fetch_sub(bytes_, std::memory_order_relaxed);
  }
  if (taken_) budget_->GiveBack(bytes_);
}

void PinBudget::FilterShare::Promise(uint64_t limit) {
  if (promised_.load(std::memory_order_relaxed) ||
      budget_->filters() + bytes_ > FilterLimit(limit)) {
    return;
  }
  budget_->filters_.fetch_add(bytes_, std::memory_order_relaxed);
  budget_->owed_.fetch_add(bytes_, std::memory_order_relaxed);
  promised_.store(true, std::memory_order_relaxed);
}

bool PinBudget::FilterShare::MayTake() const {
  const uint64_t limit = limit_.load(std::memory_order_relaxed);
  return promised_.load(std::memory_order_relaxed)
             ? budget_->used() + bytes_ <= limit
             : budget_->filters() + bytes_ <= FilterLimit(limit);
}

bool PinBudget::FilterShare::Take() {
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  if (taken_) return true;
  const uint64_t limit = budget_->Limit(asked_limit_);
  limit_.store(limit, std::memory_order_relaxed);
  Promise(limit);
  if (!promised_.load(std::memory_order_relaxed) ||
      budget_->used() + bytes_ > limit) {
    return false;
  }
  if (!budget_->Use(bytes_)) {
    // The block cache is full: not for every get anew.
    limit_.store(budget_->used(), std::memory_order_relaxed);
    return false;
  }
  budget_->owed_.fetch_sub(bytes_, std::memory_order_relaxed);
  taken_ = true;
  return true;
}

void PinBudget::FilterShare::PutBack() {
  const std::lock_guard<std::mutex> lock(budget_->mutex_);
  budget_->GiveBack(bytes_);
  budget_->owed_.fetch_add(bytes_, std::memory_order_relaxed);
  taken_ = false;
}

}  // namespace memkv
