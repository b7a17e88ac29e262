// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Objects that threads use while another one lets them go and holds others.
// What an object is made of is plain memory, which is overwritten before it is
// freed, so that the thread sanitizer sees a use that is not over.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/race/race_time.h"
#include "tests/util/test_seed.h"
#include "util/held_slots.h"

namespace memkv {
namespace {

using art_test::RaceTime;

constexpr uint32_t kSlots = 7;

struct Object {
  explicit Object(uint32_t of) : slot(of), same(of) {}
  ~Object() { slot = same + 1; }
  volatile uint32_t slot;  // so that the destructor's store stays
  volatile uint32_t same;
};

TEST(HeldSlotsRaceTest, NoObjectIsLetGoThatSomebodyUses) {
  const auto slots = std::make_shared<HeldSlots<Object>>(kSlots);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> used{0};
  std::vector<std::thread> users;
  for (unsigned t = 0; t < 3; ++t) {
    users.emplace_back([&, t] {
      std::mt19937_64 rng(TestSeed() + t);
      uint64_t found = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        const auto i = static_cast<uint32_t>(rng() % kSlots);
        HeldSlot<Object>& slot = (*slots)[i];
        const Object* const object = slot.Use(/*counts=*/rng() % 4 == 0);
        if (object == nullptr) continue;
        ASSERT_EQ(object->slot, i);
        if (rng() % 8 == 0) std::this_thread::yield();
        ASSERT_EQ(object->same, i);
        slot.EndUse();
        ++found;
      }
      used.fetch_add(found);
    });
  }
  std::mt19937_64 rng(TestSeed());
  uint64_t let_go = 0;
  uint64_t stayed = 0;
  const RaceTime time(1, 10);
  for (int rounds = 0; !time.IsUp(rounds); ++rounds) {
    for (int step = 0; step < 10000; ++step) {
      const auto i = static_cast<uint32_t>(rng() % kSlots);
      HeldSlot<Object>& slot = (*slots)[i];
      if (!slot.holds()) {
        const Object* const held = slot.Hold(std::make_unique<Object>(i));
        EXPECT_EQ(held->slot, i);
        slot.EndUse();
      } else if (slot.LetGo(/*spare=*/rng() % 2 == 0) != nullptr) {
        ++let_go;
        EXPECT_FALSE(slot.holds());
      } else {
        ++stayed;
      }
    }
  }
  stop.store(true);
  for (std::thread& user : users) user.join();
  EXPECT_GT(used.load(), 100u);
  EXPECT_GT(let_go, 100u);
  EXPECT_GT(stayed, 0u);
}

TEST(HeldSlotsTest, AnObjectThatWasUsedIsSparedOnceAndOneInUseStays) {
  HeldSlot<Object> slot;
  EXPECT_EQ(slot.Use(true), nullptr);
  EXPECT_EQ(slot.LetGo(false), nullptr);
  const Object* const held = slot.Hold(std::make_unique<Object>(5));
  EXPECT_EQ(slot.LetGo(false), nullptr);  // in use
  slot.EndUse();
  EXPECT_EQ(slot.Use(true), held);
  slot.EndUse();
  EXPECT_EQ(slot.LetGo(true), nullptr);  // spared
  EXPECT_EQ(slot.Use(false), held);      // does not count
  slot.EndUse();
  EXPECT_EQ(slot.LetGo(true).get(), held);
  EXPECT_FALSE(slot.holds());
  EXPECT_EQ(slot.Use(true), nullptr);
  // And another one, which is not spared.
  slot.Hold(std::make_unique<Object>(6));
  slot.EndUse();
  EXPECT_EQ(slot.Use(true)->slot, 6u);
  slot.EndUse();
  EXPECT_NE(slot.LetGo(false), nullptr);
  EXPECT_FALSE(slot.holds());
}

}  // namespace
}  // namespace memkv
