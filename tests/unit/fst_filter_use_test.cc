// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <random>

#include "table/fst/filter_use.h"

namespace memkv {
namespace {

// How many of the answers were that it pays, of `calls` calls in which a key is
// missed with `probability`.
int Paid(FilterUse* use, int calls, double probability) {
  std::mt19937 random(1);
  std::bernoulli_distribution misses(probability);
  int paid = 0;
  for (int i = 0; i < calls; ++i) {
    const bool missed = misses(random);
    use->CountAll(missed ? 0 : 1, missed ? 1 : 0);
    if (use->Pays()) ++paid;
  }
  return paid;
}

TEST(FilterUseTest, PaysWhereAQuarterIsMissed) {
  constexpr int kCalls = 10000;
  // After as many calls as lead from one bound to the other at these rates.
  constexpr int kSettle = 2000;
  for (const double rare : {0.0, 0.05, 0.15}) {
    SCOPED_TRACE(rare);
    FilterUse use;
    EXPECT_TRUE(use.Pays());
    Paid(&use, kSettle, rare);
    EXPECT_LE(Paid(&use, kCalls, rare), kCalls / 100);
  }
  for (const double often : {0.35, 0.5, 1.0}) {
    SCOPED_TRACE(often);
    FilterUse use;
    Paid(&use, kSettle, 0);
    EXPECT_FALSE(use.Pays());
    Paid(&use, kSettle, often);
    EXPECT_GE(Paid(&use, kCalls, often), kCalls * 99 / 100);
  }
}

TEST(FilterUseTest, KnowsWhereThreeQuartersAreMissed) {
  constexpr int kSettle = 2000;
  FilterUse use;
  EXPECT_FALSE(use.MostAreMissed());
  for (const double often : {0.85, 0.95, 1.0}) {
    Paid(&use, kSettle, 0);
    EXPECT_FALSE(use.MostAreMissed()) << often;
    Paid(&use, kSettle, often);
    EXPECT_TRUE(use.MostAreMissed()) << often;
  }
  for (const double rare : {0.0, 0.3, 0.5, 0.6}) {
    Paid(&use, kSettle, 1.0);
    EXPECT_TRUE(use.MostAreMissed()) << rare;
    Paid(&use, kSettle, rare);
    EXPECT_FALSE(use.MostAreMissed()) << rare;
  }
}

TEST(FilterUseTest, ABatchCountsAsItsKeysDo) {
  FilterUse one_by_one;
  FilterUse batches;
  for (int i = 0; i < 200; ++i) {
    // First most are found, then most are missed.
    const int found = i < 100 ? 7 : 1;
    batches.CountAll(found, 8 - found);
    for (int k = 0; k < 8; ++k) {
      one_by_one.CountAll(k < found ? 1 : 0, k < found ? 0 : 1);
    }
    if (i % 100 > 50) {
      EXPECT_EQ(batches.Pays(), one_by_one.Pays()) << i;
      EXPECT_EQ(batches.MostAreMissed(), one_by_one.MostAreMissed()) << i;
    }
  }
}

TEST(FilterUseTest, LooksAtOneCallOfAFew) {
  FilterUse use;
  // The first of these that is looked at changes the answer.
  int calls = 0;
  while (use.Pays()) {
    use.Count(/*found=*/2 * FilterUse::kBound, /*missed=*/0);
    ASSERT_LT(++calls, 100 * FilterUse::kSampled);
  }
  int sampled = 0;
  for (int i = 0; i < 1000 * FilterUse::kSampled; ++i) {
    FilterUse fresh;
    fresh.Count(2 * FilterUse::kBound, 0);
    if (!fresh.Pays()) ++sampled;
  }
  EXPECT_NEAR(sampled, 1000, 200);
}

}  // namespace
}  // namespace memkv
