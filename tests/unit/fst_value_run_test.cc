// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "table/segment/value_run.h"

namespace memkv {
namespace {

constexpr char kUniform = 0;
constexpr char kEnds = 1;
constexpr char kIndexed = 2;
constexpr char kNumbers = 3;
constexpr char kBigEndian = 16;

std::string Encode(const std::vector<std::string>& values) {
  ValueRunBuilder builder;
  for (const std::string& value : values) builder.Add(value);
  std::string run;
  builder.TakeAll(&run);
  EXPECT_TRUE(builder.empty());
  return run;
}

void ExpectDecodes(std::string_view run,
                   const std::vector<std::string>& values) {
  ValueRunView view;
  size_t consumed = 0;
  std::string reason;
  ASSERT_TRUE(ValueRunView::Open(run, values.size(), &view, &consumed, &reason))
      << reason;
  EXPECT_EQ(consumed, run.size());
  ASSERT_EQ(view.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ValueRunView::NumberBytes number;
    std::string_view value;
    ASSERT_TRUE(view.Get(i, &number, &value)) << i;
    EXPECT_EQ(value, values[i]) << i;
  }
  EXPECT_TRUE(view.Validate(&reason)) << reason;
}

// The last `size` bytes of a number, the lowest one first, or last.
std::string NumberOf(uint64_t number, size_t size, bool big_endian) {
  std::string value;
  for (size_t i = 0; i < size; ++i) {
    const size_t byte = big_endian ? size - 1 - i : i;
    value.push_back(byte < 8 ? static_cast<char>(number >> (8 * byte)) : '\0');
  }
  return value;
}

// Numbers from `first` on, `n` of them, in no order.
std::vector<std::string> Numbers(uint64_t first, size_t n, size_t size,
                                 bool big_endian) {
  std::vector<std::string> values;
  for (size_t i = 0; i < n; ++i) {
    values.push_back(NumberOf(first + i * 7 % n, size, big_endian));
  }
  return values;
}

// One set of values for each kind of run, and its edges.
std::vector<std::vector<std::string>> Examples() {
  std::vector<std::vector<std::string>> examples = {
      {},
      {""},
      {"", "", ""},
      {"four", "byte", "each"},
      {"a", "bb", "", "dddd"},
      {std::string(100000, 'x'), "", std::string(1, '\0')},
  };
  std::vector<std::string> repeated;
  std::vector<std::string> repeated_sizes;
  for (int i = 0; i < 200; ++i) {
    repeated.push_back(i % 3 == 0 ? "main" : "libs");
    repeated_sizes.push_back(std::string(static_cast<size_t>(i % 5), 'v'));
  }
  examples.push_back(repeated);
  examples.push_back(repeated_sizes);
  examples.push_back(Numbers(1000, 50, 2, false));
  examples.push_back(Numbers(uint64_t{1} << 40, 100, 8, false));
  examples.push_back(Numbers(UINT64_MAX - 99, 100, 8, true));
  examples.push_back(Numbers(0xfff0, 60, 3, true));
  return examples;
}

TEST(FstValueRunTest, EveryKindOfRunComesBack) {
  for (const auto& values : Examples()) {
    const std::string run = Encode(values);
    ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, values));
    // What follows a run is not its own.
    ValueRunView view;
    size_t consumed = 0;
    std::string reason;
    ASSERT_TRUE(ValueRunView::Open(run + "more", values.size(), &view,
                                   &consumed, &reason));
    EXPECT_EQ(consumed, run.size());
  }
}

TEST(FstValueRunTest, ValuesOfOneSizeCostNothingButThemselves) {
  const std::string run = Encode({"four", "byte", "each"});
  EXPECT_EQ(run[0], kUniform);
  EXPECT_EQ(run.size(), 2u + 12);
  EXPECT_EQ(Encode({"a", "bb"})[0], kEnds);
}

TEST(FstValueRunTest, NumbersOfEverySizeAndOrderAreKeptInFewBits) {
  for (size_t size = 1; size <= 8; ++size) {
    for (const bool big_endian : {false, true}) {
      // The largest of that size, too.
      const uint64_t most = UINT64_MAX >> (64 - 8 * size);
      for (const uint64_t first : {uint64_t{0}, most / 3, most - 39}) {
        const auto values = Numbers(first, 40, size, big_endian);
        const std::string run = Encode(values);
        ASSERT_EQ(run[0], kNumbers) << size;
        EXPECT_EQ(run[1], static_cast<char>(
                              size | (big_endian && size > 1 ? kBigEndian : 0)))
            << size;
        EXPECT_LE(run.size(), 2 + 11 + 30u) << size;
        ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, values));
        ValueRunView view;
        size_t consumed = 0;
        std::string reason;
        ASSERT_TRUE(ValueRunView::Open(run, 40, &view, &consumed, &reason));
        ASSERT_EQ(view.number_size(), size);
        EXPECT_EQ(view.UniformValues(&consumed), nullptr);
        std::string all(40 * size, '\0');
        view.PutNumbers(all.data());
        ValueRunView::Last last;
        for (size_t i = 0; i < 40; ++i) {
          EXPECT_EQ(all.substr(i * size, size), values[i]);
          ASSERT_TRUE(view.Get(i, &last));
          EXPECT_EQ(last.value, values[i]);
        }
      }
    }
  }
}

TEST(FstValueRunTest, WhatIsNotWorthItIsNoRunOfNumbers) {
  // Few; of several sizes; of none; longer than a number; far from each other.
  auto values = Numbers(5, 31, 8, false);
  EXPECT_EQ(Encode(values)[0], kUniform);
  values.push_back(NumberOf(5 + 31, 8, false));
  EXPECT_EQ(Encode(values)[0], kNumbers);
  values.back().pop_back();
  EXPECT_EQ(Encode(values)[0], kEnds);
  EXPECT_NE(Encode(std::vector<std::string>(100))[0], kNumbers);
  values.assign(40, "");
  for (size_t i = 0; i < 40; ++i) values[i] = NumberOf(i, 9, false);
  EXPECT_EQ(Encode(values)[0], kUniform);
  std::mt19937_64 rng(7);
  for (std::string& value : values) value = NumberOf(rng(), 8, false);
  EXPECT_EQ(Encode(values)[0], kUniform);
  // Equal ones may take less than their range: the smaller kind is taken.
  for (size_t i = 0; i < 40; ++i) {
    values[i] = NumberOf(i % 2 << 40, 8, false);
  }
  EXPECT_EQ(Encode(values)[0], kIndexed);
}

TEST(FstValueRunTest, TheEstimateKnowsWhatNumbersTake) {
  ValueRunBuilder builder;
  for (int times = 0; times < 2; ++times) {
    for (const std::string& value : Numbers(1 << 20, 1000, 8, true)) {
      builder.Add(value);
    }
    const size_t estimate = builder.EstimatedSize();
    std::string run;
    builder.TakeFront(500 * 8, &run);
    ASSERT_EQ(builder.num_values(), 500u);
    EXPECT_EQ(run[0], kNumbers);
    builder.TakeAll(&run);
    EXPECT_NEAR(static_cast<double>(run.size()), static_cast<double>(estimate),
                16);
  }
}

TEST(FstValueRunTest, DamagedNumbersAreReported) {
  const auto values = Numbers(0, 64, 2, false);
  const std::string run = Encode(values);
  ASSERT_EQ(run[0], kNumbers);
  ValueRunView view;
  size_t consumed = 0;
  std::string reason;
  std::string damaged = run;
  for (const char form : {'\x00', '\x09', '\x22'}) {
    damaged[1] = form;
    EXPECT_FALSE(ValueRunView::Open(damaged, 64, &view, &consumed, &reason));
    EXPECT_NE(reason.find("value run: numbers of "), std::string::npos);
  }
  damaged = run;
  damaged[2] = 65;
  EXPECT_FALSE(ValueRunView::Open(damaged, 64, &view, &consumed, &reason));
  EXPECT_EQ(reason, "value run: array of numbers is damaged");
  // A base that makes them too large.
  std::string large = run.substr(0, 3);
  PutVarint64(&large, uint64_t{1} << 16);
  large += run.substr(4);
  ASSERT_TRUE(ValueRunView::Open(large, 64, &view, &consumed, &reason));
  EXPECT_FALSE(view.Validate(&reason));
  EXPECT_EQ(reason, "value run: number 0 does not fit in 2 bytes");
}

TEST(FstValueRunTest, RepeatedValuesAreKeptOnce) {
  std::vector<std::string> values;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(i % 2 == 0 ? std::string(500, 'a') : "b");
  }
  const std::string run = Encode(values);
  EXPECT_EQ(run[0], kIndexed);
  EXPECT_LT(run.size(), 700u);
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, values));
}

TEST(FstValueRunTest, FrontIsTakenUpToTheTargetButAtLeastOne) {
  ValueRunBuilder builder;
  for (const char* value : {"aaa", "bbb", "ccc", "a long value", "d"}) {
    builder.Add(value);
  }
  EXPECT_EQ(builder.num_values(), 5u);
  EXPECT_EQ(builder.value_bytes(), 22u);
  EXPECT_EQ(builder.largest_value(), 12u);
  EXPECT_GE(builder.EstimatedSize(), 22u);
  std::string run;
  builder.TakeFront(6, &run);  // two fit exactly
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"aaa", "bbb"}));
  EXPECT_EQ(builder.num_values(), 3u);
  EXPECT_EQ(builder.value_bytes(), 16u);
  run.clear();
  builder.TakeFront(4, &run);  // a fourth byte serves nobody
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"ccc"}));
  run.clear();
  builder.TakeFront(1, &run);  // more than the target, but one must go
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"a long value"}));
  builder.Add("");
  run.clear();
  builder.TakeFront(1 << 20, &run);
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"d", ""}));
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.largest_value(), 0u);
  EXPECT_EQ(builder.value_bytes(), 0u);

  builder.Add("used again");
  run.clear();
  builder.TakeAll(&run);
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"used again"}));
}

TEST(FstValueRunTest, DistinctValuesAreKeptOnceAndComeBackInOrder) {
  std::mt19937_64 rng(7);
  for (const size_t distinct : {1, 2, 40, 3000}) {
    for (const size_t kept_from : {0, 1, 100}) {
      ValueRunBuilder builder;
      std::vector<std::string> values;
      std::string front;
      size_t taken = 0;
      for (size_t i = 0; i < 1000; ++i) {
        if (i == 50) {
          // Values that have left before do not matter.
          builder.TakeFront(200, &front);
          taken = i - builder.num_values();
        }
        if (i == kept_from) builder.KeepDistinct();
        values.push_back("a long value " + std::to_string(rng() % distinct));
        if (rng() % 2 == 0 && i > 0) values.back() = values[i - 1];
        builder.Add(values.back());
      }
      EXPECT_TRUE(builder.keeps_distinct());
      EXPECT_EQ(builder.num_values(), values.size() - taken);
      size_t bytes = 0;
      for (size_t i = taken; i < values.size(); ++i) bytes += values[i].size();
      EXPECT_EQ(builder.value_bytes(), bytes);
      ASSERT_NO_FATAL_FAILURE(ExpectDecodes(
          front, {values.begin(), values.begin() + std::ptrdiff_t(taken)}));
      values.erase(values.begin(), values.begin() + std::ptrdiff_t(taken));
      const size_t estimate = builder.EstimatedSize();
      std::string run;
      if (distinct == 40) {
        // In pieces, as blocks take them.
        for (size_t at = 0; !builder.empty();) {
          run.clear();
          const size_t before = builder.num_values();
          builder.TakeFront(500, &run);
          const size_t n = before - builder.num_values();
          ASSERT_NO_FATAL_FAILURE(
              ExpectDecodes(run, {values.begin() + std::ptrdiff_t(at),
                                  values.begin() + std::ptrdiff_t(at + n)}));
          at += n;
        }
      } else {
        builder.TakeAll(&run);
        ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, values));
        if (kept_from == 100) {
          EXPECT_EQ(run[0], kIndexed);
          EXPECT_LE(run.size(), estimate + estimate / 4 + 100);
        }
      }
      EXPECT_TRUE(builder.empty());
      EXPECT_FALSE(builder.keeps_distinct());
      EXPECT_EQ(builder.value_bytes(), 0u);
      builder.Add("used again");
      run.clear();
      builder.TakeAll(&run);
      ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, {"used again"}));
    }
  }
}

TEST(FstValueRunTest, TakenValuesAreLetGoOf) {
  // As a table takes them: blocks of some values, for ever, with a rest that is
  // never empty.  Whatever their sizes, and kept once each or not.
  constexpr size_t kBlock = 4096;
  std::mt19937_64 rng(11);
  for (const size_t size : {0, 8, 100, 1000, 100000}) {
    for (const size_t distinct : {1, 50, 1 << 30}) {
      for (const bool keeps_distinct : {false, true}) {
        SCOPED_TRACE(testing::Message() << size << " bytes, " << distinct
                                        << " distinct, " << keeps_distinct);
        ValueRunBuilder builder;
        std::vector<std::string> values;
        std::string reason;
        size_t most = 0;
        const size_t n = size == 100000 ? 300 : 30000;
        for (size_t i = 0; i < n; ++i) {
          if (i == 10 && keeps_distinct) builder.KeepDistinct();
          std::string value = std::to_string(rng() % distinct);
          value.resize(size, 'v');
          builder.Add(value);
          values.push_back(std::move(value));
          // By their numbers, as empty ones have no bytes.
          while (builder.value_bytes() >= kBlock ||
                 builder.num_values() >= 2000) {
            std::string run;
            const size_t before = builder.num_values();
            builder.TakeFront(kBlock, &run);
            const size_t count = before - builder.num_values();
            ASSERT_NO_FATAL_FAILURE(ExpectDecodes(
                run, {values.begin(), values.begin() + ptrdiff_t(count)}));
            values.erase(values.begin(), values.begin() + ptrdiff_t(count));
            ASSERT_TRUE(builder.Validate(&reason)) << reason;
          }
          most = std::max(most, builder.MemoryUsage());
        }
        ASSERT_EQ(builder.num_values(), values.size());
        // A rest, twice, and what it grew for; not the 30 MB that were taken.
        EXPECT_LT(most, 4 * (kBlock + size) + 64 * 2000 +
                            2 * ValueRunBuilder::kKeptCapacity);
        std::string rest;
        builder.TakeAll(&rest);
        ASSERT_NO_FATAL_FAILURE(ExpectDecodes(rest, values));
        ASSERT_TRUE(builder.Validate(&reason)) << reason;
        EXPECT_LE(builder.MemoryUsage(), ValueRunBuilder::kKeptCapacity);
        builder.ReleaseMemory();
        EXPECT_LT(builder.MemoryUsage(), 100u);
      }
    }
  }
}

TEST(FstValueRunTest, OneHugeValueDoesNotStay) {
  ValueRunBuilder builder;
  std::string run;
  builder.Add("small");
  builder.Add(std::string(20 << 20, 'h'));
  builder.Add("small");
  while (!builder.empty()) {
    run.clear();
    builder.TakeFront(64, &run);
    if (builder.num_values() == 1) {
      EXPECT_LT(builder.MemoryUsage(), 2 * ValueRunBuilder::kKeptCapacity);
    }
  }
  EXPECT_LE(builder.MemoryUsage(), ValueRunBuilder::kKeptCapacity);
}

TEST(FstValueRunTest, ValuesAreMovedOnceEachOnAverage) {
  // 200,000 values of which two leave for every two that come: moving the rest
  // each time would copy 200,000 values 100,000 times.
  for (const bool keeps_distinct : {false, true}) {
    ValueRunBuilder builder;
    if (keeps_distinct) builder.KeepDistinct();
    for (int i = 0; i < 200000; ++i) builder.Add(std::to_string(i));
    std::string run;
    for (int i = 0; i < 400000; i += 2) {
      builder.Add(std::to_string(i));
      builder.Add(std::to_string(i + 1));
      run.clear();
      builder.TakeFront(12, &run);
    }
    std::string reason;
    EXPECT_TRUE(builder.Validate(&reason)) << reason;
    EXPECT_LT(builder.MemoryUsage(), 80u << 20);
  }
}

TEST(FstValueRunTest, EmptyValuesFollowTheirNeighboursIntoOneRun) {
  ValueRunBuilder builder;
  for (int i = 0; i < 10; ++i) builder.Add("");
  std::string run;
  builder.TakeFront(64, &run);
  EXPECT_TRUE(builder.empty());
  ASSERT_NO_FATAL_FAILURE(ExpectDecodes(run, std::vector<std::string>(10)));
}

TEST(FstValueRunTest, TruncationAtEveryLengthIsReported) {
  for (const auto& values : Examples()) {
    const std::string run = Encode(values);
    if (run.size() > 5000) continue;
    for (size_t size = 0; size < run.size(); ++size) {
      // Exactly this size, for the sanitizers.
      const std::unique_ptr<char[]> bytes(new char[size]);
      run.copy(bytes.get(), size);
      ValueRunView view;
      size_t consumed = 0;
      std::string reason;
      EXPECT_FALSE(ValueRunView::Open({bytes.get(), size}, values.size(), &view,
                                      &consumed, &reason))
          << size << " of " << run.size();
      EXPECT_EQ(reason.rfind("value run", 0), 0u) << reason;
    }
  }
}

TEST(FstValueRunTest, FlippedBitsNeverLeadOutsideTheRun) {
  size_t opened = 0;
  size_t named = 0;
  for (const auto& values : Examples()) {
    std::string run = Encode(values);
    if (run.size() > 5000) continue;
    for (size_t bit = 0; bit < 8 * run.size(); ++bit) {
      run[bit / 8] = static_cast<char>(run[bit / 8] ^ (1 << bit % 8));
      const std::unique_ptr<char[]> bytes(new char[run.size()]);
      run.copy(bytes.get(), run.size());
      ValueRunView view;
      size_t consumed = 0;
      std::string reason;
      if (ValueRunView::Open({bytes.get(), run.size()}, values.size(), &view,
                             &consumed, &reason)) {
        ++opened;
        EXPECT_LE(consumed, run.size());
        bool all = true;
        for (size_t i = 0; i < view.size(); ++i) {
          ValueRunView::NumberBytes number;
          std::string_view value;
          if (!view.Get(i, &number, &value)) {
            all = false;
            continue;
          }
          EXPECT_TRUE(
              value.empty() || value.data() == number.data() ||
              (value.data() >= bytes.get() &&
               value.data() + value.size() <= bytes.get() + run.size()));
        }
        reason.clear();
        const bool valid = view.Validate(&reason);
        // What Validate accepts can be got, and what it refuses it names.
        EXPECT_TRUE(all || !valid);
        if (!valid) {
          ++named;
          EXPECT_TRUE(reason.find("(V1)") != std::string::npos ||
                      view.number_size() != 0)
              << reason;
          EXPECT_FALSE(reason.empty());
        }
      }
      run[bit / 8] = static_cast<char>(run[bit / 8] ^ (1 << bit % 8));
    }
  }
  EXPECT_GT(opened, 100u);
  EXPECT_GT(named, 10u);
}

// Who walks has the value of another run, and may ask for what that index says.
TEST(FstValueRunTest, AnIndexThatNamesNoValueIsNotTheLastOne) {
  // One distinct value, "A", and an index whose numbers are all 2^64 - 1.
  const std::string run(
      "\x02\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01"
      "A",
      16);
  ValueRunView view;
  size_t consumed = 0;
  std::string reason;
  ASSERT_TRUE(ValueRunView::Open(run, 3, &view, &consumed, &reason)) << reason;
  ValueRunView::Last last;
  last.value = "of another run";
  for (size_t i = 0; i < view.size(); ++i) EXPECT_FALSE(view.Get(i, &last));
  ValueRunView::NumberBytes number;
  std::string_view value;
  EXPECT_FALSE(view.Get(0, &number, &value));
  EXPECT_FALSE(view.Validate(&reason));
}

TEST(FstValueRunTest, UnknownKindIsRefused) {
  ValueRunView view;
  size_t consumed = 0;
  std::string reason;
  EXPECT_FALSE(ValueRunView::Open("\x07zzzz", 1, &view, &consumed, &reason));
  EXPECT_EQ(reason, "value run: unknown kind 7");
  EXPECT_FALSE(ValueRunView::Open("", 0, &view, &consumed, &reason));
  EXPECT_EQ(reason, "value run is empty");
}

}  // namespace
}  // namespace memkv
