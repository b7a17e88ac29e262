// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The tree against std::map with the slow obvious comparison: random keys of
// several shapes, both orders, every operation, inserts of both kinds.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "memtable/art/tree_iterator.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

enum class Shape {
  kTinyAlphabet,
  kUrls,
  kBinary,
  kDense,
  kHotKeys,
  kLongSkips,
  kFarApart,
  kChain,
  kComb,
  kPairs,
};

// Each access to memory is checked where there are assertions: as many as these
// find what random operations find there, and the whole number runs in release.
#ifdef NDEBUG
constexpr int kOperations = 40000;
constexpr int kRuns = 300;
#else
constexpr int kOperations = 12000;
constexpr int kRuns = 100;
#endif

const char* ShapeName(Shape shape) {
  switch (shape) {
    case Shape::kTinyAlphabet:
      return "TinyAlphabet";
    case Shape::kUrls:
      return "Urls";
    case Shape::kBinary:
      return "Binary";
    case Shape::kDense:
      return "Dense";
    case Shape::kHotKeys:
      return "HotKeys";
    case Shape::kLongSkips:
      return "LongSkips";
    case Shape::kFarApart:
      return "FarApart";
    case Shape::kChain:
      return "Chain";
    case Shape::kComb:
      return "Comb";
    case Shape::kPairs:
      return "Pairs";
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
      // Wide: 8 bytes, of which few are random.
      for (int i = 0; i < 8; ++i) {
        key.push_back(static_cast<char>(i % 3 == 0 ? r() : 0));
      }
      break;
    }
    case Shape::kDense:
      key = std::to_string(10000 + r() % 8000);
      break;
    case Shape::kHotKeys:
      key = std::string(1 + r() % 3, 'h');
      break;
    case Shape::kLongSkips: {
      // Runs longer than a vector, differing now and then in the middle.
      for (int part = 0; part < 4; ++part) {
        key += std::string(5 + r() % 2 * 60, static_cast<char>('p' + part));
        if (r() % 8 == 0) {
          key[r() % key.size()] = static_cast<char>(r());
        }
      }
      key.resize(r() % 4 == 0 ? r() % (key.size() + 1) : key.size());
      break;
    }
    case Shape::kFarApart: {
      // Farther than the codes of a node reach, and prefixes of each other.
      for (uint64_t part = r() % 5; part > 0; --part) {
        key += std::string(120 + r() % 2 * 150, 'f');
        key.push_back(static_cast<char>('a' + r() % 4));
      }
      break;
    }
    case Shape::kChain:
      // Each a prefix of all longer ones.
      key.assign(r() % 1500, 'c');
      break;
    case Shape::kComb:
      // The same, with branches to either side.
      key.assign(r() % 800, 'm');
      key.push_back("am"[r() % 2]);
      key.push_back("tz"[r() % 2]);
      break;
    case Shape::kPairs: {
      // Two or three that share more than the codes of a node reach, and
      // nothing with the others.
      const uint64_t pair = r() % 2000;
      for (int byte = 0; byte < 2; ++byte) {
        key.push_back(static_cast<char>(pair * 40503 >> 8 * byte));
      }
      key.append(300, 'p');
      key.push_back(static_cast<char>('a' + r() % 3));
      break;
    }
  }
  return key;
}

class ArtTreeModelTest
    : public ::testing::TestWithParam<std::tuple<Shape, ArtOrder, bool>> {
 protected:
  using Model = std::map<TestKey, const char*, SlowLess>;

  ArtTreeModelTest()
      : shape_(std::get<0>(GetParam())),
        order_(std::get<1>(GetParam())),
        ascending_(std::get<2>(GetParam())),
        random_(TestSeed()),
        tree_(order_, &allocator_),
        model_(SlowLess{order_}) {}

  ArtKey Key(const TestKey& key) const { return ToArtKey(key, order_); }

  TestKey RandomTestKey() {
    const bool many_versions = shape_ == Shape::kHotKeys;
    uint64_t sequence = random_() % (many_versions ? 100000 : 4);
    if (many_versions && !ascending_ && random_() % 8 == 0) {
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
    TestKey key = RandomTestKey();
    if (ascending_ && random_() % 16 != 0) {
      // As a database does, also with one sequence for several: such entries
      // may wait.
      newest_ += random_() % 3;
      key.sequence = newest_;
    }
    // The type is not part of the key.
    const ArtRef ref = NewEntry(&tree_, key.user_key, key.sequence,
                                static_cast<uint8_t>(random_() % 3));
    const char* entry = tree_.TEST_Arena().Resolve(ref);
    const bool is_new = model_.emplace(key, entry).second;
    const bool alone = random_() % 8 != 0;
    ASSERT_EQ(is_new, alone ? tree_.InsertSingleWriter(ref) : tree_.Insert(ref))
        << key;
  }

  // Keys in order, as a sorted load brings them, ascending or descending,
  // between any keys there are; now and then one out of order, an old one, a
  // duplicate, another thread's, or a reader.
  void InsertRun() {
    Model run(SlowLess{order_});
    const size_t size = 1 + random_() % 200;
    // Scattered over all keys, or side by side behind one of them.
    const bool side_by_side = random_() % 2 == 0;
    const TestKey first = RandomTestKey();
    for (size_t i = 0; i < size; ++i) {
      TestKey key = side_by_side ? first : RandomTestKey();
      if (side_by_side) {
        key.user_key.push_back(static_cast<char>(random_() % 5));
        key.user_key.push_back(static_cast<char>(random_()));
      }
      run.emplace(std::move(key), nullptr);
    }
    std::vector<TestKey> in_order;
    for (const auto& [key, unused] : run) {
      in_order.push_back(key);
    }
    if (random_() % 2 == 0) {
      std::reverse(in_order.begin(), in_order.end());
    }
    for (TestKey& next : in_order) {
      if (random_() % 64 == 0) {
        ASSERT_NO_FATAL_FAILURE(InsertOne());
      }
      if (ascending_) {
        newest_ += random_() % 8 != 0 ? 1 : 0;
        next.sequence = newest_;
      }
      const ArtRef ref = NewEntry(&tree_, next.user_key, next.sequence);
      const bool is_new =
          model_.emplace(next, tree_.TEST_Arena().Resolve(ref)).second;
      ASSERT_EQ(is_new, tree_.InsertSingleWriter(ref)) << next;
      in_order_ += tree_.TEST_InOrder();
      if (random_() % 64 == 0) {
        ASSERT_NO_FATAL_FAILURE(CheckSome());
      }
    }
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

  Model::const_iterator Before(Model::const_iterator it) const {
    return it == model_.begin() ? model_.end() : std::prev(it);
  }

  // One kind of reading; a reader is the first to come after an insert.
  void CheckSome() {
    const TestKey target = RandomTarget();
    const ArtKey key = Key(target);
    const auto at = model_.lower_bound(target);
    ArtIterator iter(&tree_);
    switch (random_() % 6) {
      case 0: {
        const bool has =
            at != model_.end() && at->first.user_key == target.user_key;
        ASSERT_EQ(has ? at->second : nullptr, tree_.Get(key)) << target;
        break;
      }
      case 1:
        ASSERT_EQ(model_.count(target) != 0, tree_.Contains(key)) << target;
        break;
      case 2: {
        ArtIterator::Disagreement found;
        ASSERT_TRUE(iter.SeekAndCheck(key, &found)) << found.reason;
        CheckAt(iter, at, "SeekAndCheck", target);
        break;
      }
      case 3:
        iter.SeekForPrev(key);
        CheckAt(iter, Before(model_.upper_bound(target)), "SeekForPrev",
                target);
        break;
      case 4:
        CheckCounts();
        break;
      default:
        iter.Seek(key);
        CheckAt(iter, at, "Seek", target);
        break;
    }
  }

  // A walk that turns round, with inserts in between.
  void CheckWalk() {
    const TestKey target = RandomTarget();
    ArtIterator iter(&tree_);
    iter.Seek(Key(target));
    Model::const_iterator it = model_.lower_bound(target);
    ASSERT_NO_FATAL_FAILURE(CheckAt(iter, it, "Seek", target));
    while (random_() % 8 != 0 && iter.Valid()) {
      const bool forward = random_() % 2 == 0;
      for (uint64_t steps = random_() % 30; steps > 0 && iter.Valid();
           --steps) {
        if (random_() % 16 == 0) {
          ASSERT_NO_FATAL_FAILURE(InsertOne());
        }
        forward ? iter.Next() : iter.Prev();
        it = forward ? std::next(it) : Before(it);
        ASSERT_NO_FATAL_FAILURE(CheckAt(iter, it, "walk from", target));
      }
    }
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
    const TestKey from = RandomTarget();
    const TestKey to = RandomTarget();
    const uint64_t counted = tree_.ApproximateNumEntries(Key(from), Key(to));
    if (!model_.key_comp()(from, to)) {
      ASSERT_EQ(0u, counted) << from << " " << to;
      return;
    }
    const uint64_t exact = static_cast<uint64_t>(
        std::distance(model_.lower_bound(from), model_.lower_bound(to)));
    if (exact <= 256) {
      ASSERT_EQ(exact, counted) << from << " " << to;
    } else {
      ASSERT_GE(counted, 256u);
      ASSERT_LE(counted, model_.size());
      ASSERT_LE(counted, 6 * exact) << from << " " << to;
      ASSERT_GE(6 * counted, exact) << from << " " << to;
    }
  }

  const Shape shape_;
  const ArtOrder order_;
  const bool ascending_;
  Random random_;
  HeapAllocator allocator_;
  ArtTree tree_;
  Model model_;
  uint64_t newest_ = 0;
  size_t in_order_ = 0;  // entries that were known to come in order
};

TEST_P(ArtTreeModelTest, RunsInOrderAgreeWithMap) {
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_NO_FATAL_FAILURE(InsertRun());
    if (i % 16 == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
    }
  }
  ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
  EXPECT_GT(in_order_, 100u);
}

TEST_P(ArtTreeModelTest, EveryOperationAgreesWithMap) {
  for (int i = 0; i < kOperations; ++i) {
    ASSERT_NO_FATAL_FAILURE(InsertOne());
    // In half of the time there are few readers, so that entries wait.
    const bool busy = i / 1000 % 2 == 0;
    if (random_() % (busy ? 2 : 100) == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckSome());
    }
    if (random_() % (busy ? 16 : 1000) == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckWalk());
    }
    if (i < 64 || i % 2000 == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
    }
  }
  ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
  ASSERT_GT(model_.size(), 1500u);
}

TEST_P(ArtTreeModelTest, EveryPairOfBoundsIsCountedExactlyWhenSmall) {
  for (int i = 0; i < 40; ++i) {
    ASSERT_NO_FATAL_FAILURE(InsertOne());
  }
  for (auto a = model_.begin(); a != model_.end(); ++a) {
    uint64_t n = 0;
    for (auto b = a; b != model_.end(); ++b, ++n) {
      ASSERT_EQ(n, tree_.ApproximateNumEntries(Key(a->first), Key(b->first)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ArtTreeModelTest,
    ::testing::Combine(
        ::testing::Values(Shape::kTinyAlphabet, Shape::kUrls, Shape::kBinary,
                          Shape::kDense, Shape::kHotKeys, Shape::kLongSkips,
                          Shape::kFarApart, Shape::kChain, Shape::kComb,
                          Shape::kPairs),
        ::testing::Values(ArtOrder::kBytewise, ArtOrder::kReverseBytewise),
        ::testing::Bool()),
    [](const ::testing::TestParamInfo<std::tuple<Shape, ArtOrder, bool>>&
           param) {
      return std::string(ShapeName(std::get<0>(param.param))) +
             (std::get<1>(param.param) == ArtOrder::kBytewise ? "Forward"
                                                              : "Reverse") +
             (std::get<2>(param.param) ? "Ascending" : "");
    });

}  // namespace art_test
}  // namespace memkv
