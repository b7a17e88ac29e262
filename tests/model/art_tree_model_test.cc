// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree against std::map with the slow obvious comparison: random keys of
// several shapes, both orders, every operation.

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "memtable/art_tree_iterator.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {

enum class Shape { kTinyAlphabet, kUrls, kBinary, kHotKeys, kLongSkips };

const char* ShapeName(Shape shape) {
  switch (shape) {
    case Shape::kTinyAlphabet:
      return "TinyAlphabet";
    case Shape::kUrls:
      return "Urls";
    case Shape::kBinary:
      return "Binary";
    case Shape::kHotKeys:
      return "HotKeys";
    case Shape::kLongSkips:
      return "LongSkips";
  }
  return "";
}

using Random = std::mt19937_64;

std::string RandomKey(Shape shape, Random* random) {
  Random& r = *random;
  std::string key;
  switch (shape) {
    case Shape::kTinyAlphabet: {
      // Many prefixes of each other, the empty key included.
      const char alphabet[] = {'\0', 'a', '\xff'};
      const size_t size = r() % 9;
      for (size_t i = 0; i < size; ++i) {
        key.push_back(alphabet[r() % 3]);
      }
      break;
    }
    case Shape::kUrls: {
      key = "https://www.site" + std::to_string(r() % 7) + ".example/";
      for (size_t i = r() % 5; i > 0; --i) {
        key += (r() % 2 == 0 ? "directory-" : "d") + std::to_string(r() % 20) +
               "/";
      }
      key += r() % 3 == 0 ? "" : "page" + std::to_string(r() % 300) + ".html";
      break;
    }
    case Shape::kBinary: {
      // Wide nodes: 8 bytes, of which few are random.
      for (int i = 0; i < 8; ++i) {
        key.push_back(static_cast<char>(i % 3 == 0 ? r() : 0));
      }
      break;
    }
    case Shape::kHotKeys:
      key = std::string(1 + r() % 3, 'h');
      break;
    case Shape::kLongSkips: {
      // Runs longer than a window, differing now and then in the middle.
      for (int part = 0; part < 4; ++part) {
        key += std::string(5 + r() % 2 * 20, static_cast<char>('p' + part));
        if (r() % 8 == 0) {
          key[r() % key.size()] = static_cast<char>(r());
        }
      }
      key.resize(r() % 4 == 0 ? r() % (key.size() + 1) : key.size());
      break;
    }
  }
  return key;
}

class ArtTreeModelTest
    : public ::testing::TestWithParam<std::tuple<Shape, ArtOrder>> {
 protected:
  using Model = std::map<TestKey, const char*, SlowLess>;

  ArtTreeModelTest()
      : shape_(std::get<0>(GetParam())),
        order_(std::get<1>(GetParam())),
        random_(TestSeed()),
        tree_(order_, &allocator_),
        model_(SlowLess{order_}) {}

  TestKey RandomTestKey() {
    const bool many_versions = shape_ == Shape::kHotKeys;
    uint64_t sequence = random_() % (many_versions ? 100000 : 4);
    if (many_versions && random_() % 8 == 0) {
      // Every byte of the version space takes part.
      sequence = random_() & kArtMaxSequence;
    }
    return TestKey{RandomKey(shape_, &random_), sequence};
  }

  // Half of the targets are in the map.
  TestKey RandomTarget() {
    TestKey key = RandomTestKey();
    if (random_() % 2 == 0 && !model_.empty()) {
      auto it = model_.lower_bound(key);
      if (it != model_.end()) {
        return it->first;
      }
    }
    if (random_() % 4 == 0) {
      key.sequence = random_() % 2 == 0 ? 0 : kArtMaxSequence;
    }
    return key;
  }

  void InsertOne() {
    const TestKey key = RandomTestKey();
    // The type is not part of the key.
    const char* entry = NewEntry(&allocator_, key.user_key, key.sequence,
                                 static_cast<uint8_t>(random_() % 3));
    const bool is_new = model_.emplace(key, entry).second;
    ASSERT_EQ(is_new, tree_.Insert(entry)) << key;
  }

  void CheckAt(const ArtIterator& iter, Model::const_iterator it,
               const char* what, const TestKey& target) {
    ASSERT_EQ(it != model_.end(), iter.Valid()) << what << " " << target;
    if (iter.Valid()) {
      ASSERT_EQ(it->second, iter.entry())
          << what << " " << target << ": expected " << it->first << ", got "
          << KeyOf(iter.entry());
    }
  }

  // The last entry at or before the target.
  Model::const_iterator Floor(const TestKey& target) {
    auto it = model_.upper_bound(target);
    return it == model_.begin() ? model_.end() : --it;
  }

  void CheckSeeks() {
    const TestKey target = RandomTarget();
    const ArtKey key = ToArtKey(target);
    ArtIterator iter(&tree_);
    iter.Seek(key);
    auto it = model_.lower_bound(target);
    CheckAt(iter, it, "Seek", target);
    ArtIterator::Disagreement found;
    ASSERT_TRUE(iter.SeekAndCheck(key, &found)) << found.reason;
    CheckAt(iter, it, "SeekAndCheck", target);
    ASSERT_EQ(model_.count(target) != 0, tree_.Contains(key)) << target;

    // A short walk that turns round.
    for (int step = 0; step < 10 && iter.Valid(); ++step) {
      if (random_() % 3 != 0) {
        iter.Next();
        ++it;
      } else {
        iter.Prev();
        it = it == model_.begin() ? model_.end() : std::prev(it);
      }
      CheckAt(iter, it, "walk from", target);
    }

    iter.SeekForPrev(key);
    CheckAt(iter, Floor(target), "SeekForPrev", target);

    // The versions of one user key.
    iter.SeekVersions(key);
    for (it = model_.lower_bound(target);
         it != model_.end() && it->first.user_key == target.user_key; ++it) {
      CheckAt(iter, it, "SeekVersions", target);
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid()) << target;
  }

  void CheckWholeWalks() {
    ArtIterator iter(&tree_);
    iter.SeekToFirst();
    for (const auto& [key, entry] : model_) {
      ASSERT_TRUE(iter.Valid()) << key;
      ASSERT_EQ(entry, iter.entry()) << key;
      iter.Next();
    }
    ASSERT_FALSE(iter.Valid());
    iter.SeekToLast();
    for (auto it = model_.rbegin(); it != model_.rend(); ++it) {
      ASSERT_TRUE(iter.Valid()) << it->first;
      ASSERT_EQ(it->second, iter.entry()) << it->first;
      iter.Prev();
    }
    ASSERT_FALSE(iter.Valid());
    std::string reason;
    ASSERT_TRUE(tree_.Validate(&reason)) << reason;
    ASSERT_EQ(model_.size(), tree_.NumEntries());
  }

  void CheckCounts() {
    TestKey from = RandomTarget();
    TestKey to = RandomTarget();
    const auto first = model_.lower_bound(from);
    const auto last = model_.lower_bound(to);
    const uint64_t counted =
        tree_.ApproximateNumEntries(ToArtKey(from), ToArtKey(to));
    if (model_.key_comp()(to, from)) {
      ASSERT_EQ(0u, counted) << from << " " << to;
      return;
    }
    const uint64_t exact = static_cast<uint64_t>(std::distance(first, last));
    if (exact < 1024) {
      ASSERT_EQ(exact, counted) << from << " " << to;
    } else {
      ASSERT_GE(counted, 1024u);
      ASSERT_LE(counted, model_.size());
    }
  }

  const Shape shape_;
  const ArtOrder order_;
  Random random_;
  HeapAllocator allocator_;
  ArtTree tree_;
  Model model_;
};

TEST_P(ArtTreeModelTest, EveryOperationAgreesWithMap) {
  for (int i = 0; i < 12000; ++i) {
    ASSERT_NO_FATAL_FAILURE(InsertOne());
    if (i < 200 || i % 4 == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckSeeks());
    }
    if (i % 100 == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckCounts());
    }
    if (i < 64 || i % 2000 == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
    }
  }
  ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
  ASSERT_GT(model_.size(), 3000u);
}

TEST_P(ArtTreeModelTest, EveryPairOfBoundsIsCountedExactlyWhenSmall) {
  for (int i = 0; i < 40; ++i) {
    ASSERT_NO_FATAL_FAILURE(InsertOne());
  }
  for (auto a = model_.begin(); a != model_.end(); ++a) {
    uint64_t n = 0;
    for (auto b = a; b != model_.end(); ++b, ++n) {
      ASSERT_EQ(n, tree_.ApproximateNumEntries(ToArtKey(a->first),
                                               ToArtKey(b->first)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ArtTreeModelTest,
    ::testing::Combine(
        ::testing::Values(Shape::kTinyAlphabet, Shape::kUrls, Shape::kBinary,
                          Shape::kHotKeys, Shape::kLongSkips),
        ::testing::Values(ArtOrder::kBytewise, ArtOrder::kReverseBytewise)),
    [](const ::testing::TestParamInfo<std::tuple<Shape, ArtOrder>>& param) {
      return std::string(ShapeName(std::get<0>(param.param))) +
             (std::get<1>(param.param) == ArtOrder::kBytewise ? "Forward"
                                                              : "Reverse");
    });

}  // namespace art_test
}  // namespace memkv
