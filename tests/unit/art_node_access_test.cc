// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The two ways to a node's content: that there is no other, that a reading
// notices what it has to, and that what a reader may forget does not compile,
// or ends the program where there are assertions.

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>

#include "memtable/art/node_access.h"
#include "memtable/art/path.h"

namespace memkv {
namespace art_test {
namespace {

// ---- What does not compile ----

// Whether Call<T> is a type, which it is not if what it calls is private.
template <template <typename> class Call, typename T, typename = void>
struct Compiles : std::false_type {};
template <template <typename> class Call, typename T>
struct Compiles<Call, T, std::void_t<Call<T>>> : std::true_type {};

using Meta = ArtNode::Meta;

template <typename T>
using CallMeta = decltype(std::declval<T&>().meta());
template <typename T>
using CallCodeAt = decltype(std::declval<T&>().CodeAt(0));
template <typename T>
using CallSymbolAt = decltype(std::declval<T&>().SymbolAt(Meta(), 0));
template <typename T>
using CallRefAt = decltype(std::declval<T&>().RefAt(Meta(), 0));
template <typename T>
using CallSearch =
    decltype(std::declval<T&>().Search(std::declval<ArtKey&>(), Meta()));
template <typename T>
using CallBorderBeside = decltype(std::declval<T&>().BorderBeside(Meta(), 0));
template <typename T>
using CallCopyRefs =
    decltype(std::declval<T&>().CopyRefs(Meta(), std::declval<ArtRef*>()));
template <typename T>
using CallFindItemRange = decltype(std::declval<T&>().FindItemRange(
    Meta(), 0, ArtDepth(), std::declval<int*>(), std::declval<int*>()));
template <typename T>
using CallUnchanged = decltype(std::declval<T&>().Unchanged(0u));
template <typename T>
using CallSetMeta = decltype(std::declval<T&>().SetMeta(Meta()));
template <typename T>
using CallSetRef = decltype(std::declval<T&>().SetRef(Meta(), 0, ArtRef()));
template <typename T>
using CallSetBorder = decltype(std::declval<T&>().SetBorder(Meta(), 0, 0, 0));
template <typename T>
using CallInsert = decltype(std::declval<T&>().Insert(0, 0, 0, 0, ArtRef()));
template <typename T>
using CallAppendFrom =
    decltype(std::declval<T&>().AppendFrom(std::declval<T&>(), 0, 0));

// Not from the node itself, but from a reading; of what both have, and of what
// writes, from an owner.
template <template <typename> class Call>
constexpr bool IsRead() {
  return !Compiles<Call, ArtNode>::value &&
         !Compiles<Call, const ArtNode>::value &&
         Compiles<Call, ArtNodeReading>::value;
}
template <template <typename> class Call>
constexpr bool IsOwned() {
  return !Compiles<Call, ArtNode>::value && Compiles<Call, ArtNodeOwner>::value;
}
template <template <typename> class Call>
constexpr bool IsWritten() {
  return IsOwned<Call>() && !Compiles<Call, ArtNodeReading>::value;
}

static_assert(IsRead<CallMeta>() && IsOwned<CallMeta>(), "");
static_assert(IsRead<CallCodeAt>() && IsOwned<CallCodeAt>(), "");
static_assert(IsRead<CallSymbolAt>() && IsOwned<CallSymbolAt>(), "");
static_assert(IsRead<CallRefAt>() && IsOwned<CallRefAt>(), "");
static_assert(IsRead<CallSearch>() && IsOwned<CallSearch>(), "");
static_assert(IsRead<CallBorderBeside>() && IsOwned<CallBorderBeside>(), "");
static_assert(IsRead<CallCopyRefs>(), "");
static_assert(IsRead<CallFindItemRange>(), "");
static_assert(!Compiles<CallUnchanged, ArtNode>::value, "");
static_assert(IsWritten<CallSetMeta>(), "");
static_assert(IsWritten<CallSetRef>(), "");
static_assert(IsWritten<CallSetBorder>(), "");
static_assert(IsWritten<CallInsert>(), "");
static_assert(IsWritten<CallAppendFrom>(), "");

// A reference that does not count yet is none, and two readings are not one.
static_assert(
    !std::is_convertible<ArtNodeReading::UncheckedRef, ArtRef>::value &&
        !std::is_constructible<ArtRef, ArtNodeReading::UncheckedRef>::value &&
        !std::is_constructible<ArtNodeReading::UncheckedRef, ArtRef>::value,
    "");
static_assert(!std::is_copy_constructible<ArtNodeReading>::value &&
                  !std::is_copy_assignable<ArtNodeReading>::value &&
                  std::is_move_constructible<ArtNodeReading>::value &&
                  std::is_move_assignable<ArtNodeReading>::value,
              "");
static_assert(!std::is_convertible<ArtNode*, ArtNodeOwner>::value &&
                  !std::is_constructible<ArtNodeOwner, ArtNode*>::value,
              "an owner says why");

// ---- What a reading notices ----

// A node of two items.
class Pair {
 public:
  static constexpr ArtRef kFirst = 8;
  static constexpr ArtRef kSecond = 16;
  static constexpr int kCode = 3;
  static constexpr int kSymbol = 'm';

  Pair() : node_(new (memory_) ArtNode(0)) {
    const ArtNodeOwner owner = ArtNodeOwner::OfUnreachable(node_);
    owner.SetMeta(Meta(40, 2, 0, 1, kCode));
    owner.SetBorder(owner.meta(), 1, kCode, kSymbol);
    owner.SetRef(owner.meta(), 0, kFirst);
    owner.SetRef(owner.meta(), 1, kSecond);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  ArtNode* operator->() const { return node_; }
  ArtNode* node() const { return node_; }
  void Change() const {
    const uint32_t version = node_->Version();
    ASSERT_TRUE(node_->TryLock(version));
    ArtNodeOwner::OfLocked(node_, version).SetRef(Meta(40, 2, 0, 1, 3), 1, 24);
    node_->Unlock(version);
  }

 private:
  // Vector reads may go beyond the node.
  alignas(16) char memory_[ArtNode::Bytes(0) + 64] = {};
  ArtNode* const node_;
};

TEST(ArtNodeReadingTest, ReadsWhatTheOwnerHasWritten) {
  const Pair pair;
  const ArtNodeReading reading(pair.node());
  ASSERT_TRUE(reading.BeginAtRoot());
  const Meta meta = reading.meta();
  const ArtNodeReading::UncheckedRef first = reading.RefAt(meta, 0);
  const ArtNodeReading::UncheckedRef second = reading.RefAt(meta, 1);
  EXPECT_EQ(int{Pair::kCode}, reading.CodeAt(1));
  EXPECT_EQ(int{Pair::kSymbol}, reading.SymbolAt(meta, 1));
  EXPECT_EQ(40 + Pair::kCode, reading.BorderBeside(meta, 0));
  const std::string low(44, 'a');
  const std::string high(44, 'z');
  EXPECT_EQ(
      0, reading.Search(ArtKey(low.data(), low.size(), 1, ArtOrder::kBytewise),
                        meta));
  EXPECT_EQ(
      1, reading.Search(
             ArtKey(high.data(), high.size(), 1, ArtOrder::kBytewise), meta));
  int from = -1;
  int to = -1;
  reading.FindItemRange(meta, 1, 42, &from, &to);
  EXPECT_EQ(0, from);
  EXPECT_EQ(1, to);
  ASSERT_TRUE(reading.Holds());
  EXPECT_EQ(ArtRef{Pair::kFirst}, reading.Checked(first));
  EXPECT_EQ(ArtRef{Pair::kSecond}, reading.Checked(second));
  EXPECT_EQ(pair->Version(), reading.version());
  ArtRef refs[ArtNode::kMaxItems];
  ASSERT_TRUE(reading.CopyRefs(meta, refs));
  EXPECT_EQ(ArtRef{Pair::kFirst}, refs[0]);
  EXPECT_EQ(ArtRef{Pair::kSecond}, refs[1]);
  EXPECT_EQ(1, pair->Height());
}

TEST(ArtNodeReadingTest, ALockedNodeGivesNoReading) {
  const Pair pair;
  const Pair above;
  const uint32_t version = pair->Version();
  ASSERT_TRUE(pair->TryLock(version));
  EXPECT_FALSE(ArtNodeReading(pair.node()).BeginAtRoot());
  const ArtNodeReading reading(above.node());
  ASSERT_TRUE(reading.BeginAtRoot());
  EXPECT_FALSE(ArtNodeReading(pair.node()).BeginBelow(reading));
  pair->UnlockUnchanged(version);
  EXPECT_TRUE(ArtNodeReading(pair.node()).BeginAtRoot());
  EXPECT_TRUE(ArtNodeReading(pair.node()).BeginBelow(reading));
}

TEST(ArtNodeReadingTest, BelowANodeThatHasChangedNoneBegins) {
  const Pair pair;
  const Pair above;
  const ArtNodeReading reading(above.node());
  ASSERT_TRUE(reading.BeginAtRoot());
  const ArtNodeReading below(pair.node());
  above.Change();
  EXPECT_FALSE(below.BeginBelow(reading));
}

TEST(ArtNodeReadingTest, AChangedNodeIsNoticed) {
  const Pair pair;
  const ArtNodeReading before(pair.node());
  const ArtNodeReading during(pair.node());
  ASSERT_TRUE(before.BeginAtRoot());
  ASSERT_TRUE(during.BeginAtRoot());
  const Meta meta = before.meta();
  ASSERT_TRUE(before.Holds());
  const uint32_t version = pair->Version();
  ASSERT_TRUE(pair->TryLock(version));
  EXPECT_EQ(2, during.meta().count());
  EXPECT_FALSE(during.Holds());
  pair->Unlock(version);
  ArtRef refs[ArtNode::kMaxItems];
  EXPECT_FALSE(before.CopyRefs(meta, refs));
  // A change that was none leaves the version, and what was kept holds.
  const uint32_t kept = pair->Version();
  ASSERT_TRUE(pair->TryLock(kept));
  EXPECT_FALSE(ArtNodeReading(pair.node(), kept).Holds());
  pair->UnlockUnchanged(kept);
  EXPECT_TRUE(ArtNodeReading(pair.node(), kept).Holds());
  EXPECT_FALSE(ArtNodeReading(pair.node(), version).Holds());
}

TEST(ArtNodeReadingTest, AStepOfAPathResumes) {
  const Pair pair;
  ArtPath path;
  {
    const ArtNodeReading reading(pair.node());
    ASSERT_TRUE(reading.BeginAtRoot());
    const Meta meta = reading.meta();
    const ArtNodeReading::UncheckedRef ref = reading.RefAt(meta, 0);
    ASSERT_TRUE(reading.Holds());
    path.Push(pair.node(), reading.version(), 0, meta, reading.Checked(ref));
  }
  {
    const ArtNodeReading reading = path.back().Resume();
    EXPECT_EQ(int{Pair::kCode}, reading.CodeAt(1));
    EXPECT_TRUE(reading.Holds());
  }
  pair.Change();
  EXPECT_FALSE(path.back().Resume().Holds());
}

TEST(ArtNodeReadingTest, AMovedReadingGoesOn) {
  const Pair pair;
  const Pair other;
  ArtNodeReading reading(pair.node());
  ASSERT_TRUE(reading.BeginAtRoot());
  ArtNodeReading below(other.node());
  ASSERT_TRUE(below.BeginBelow(reading));
  reading = std::move(below);
  pair.Change();
  EXPECT_EQ(2, reading.meta().count());
  EXPECT_TRUE(reading.Holds());
  ArtNodeReading last = std::move(reading);
  EXPECT_EQ(2, last.meta().count());
  other.Change();
  EXPECT_FALSE(last.Holds());
}

// ---- What ends the program ----

#ifndef NDEBUG

TEST(ArtNodeReadingDeathTest, AForgottenCheckDies) {
  const Pair pair;
  const auto read = [&] {
    const ArtNodeReading reading(pair.node());
    if (reading.BeginAtRoot()) {
      reading.meta();
    }
  };
  EXPECT_DEATH(read(), "state_ != State::kUnchecked");
  // So it does behind a check that held.
  const auto read_more = [&] {
    const ArtNodeReading reading(pair.node());
    if (reading.BeginAtRoot() && reading.meta().count() > 0 &&
        reading.Holds()) {
      reading.CodeAt(1);
    }
  };
  EXPECT_DEATH(read_more(), "state_ != State::kUnchecked");
  // And of a reading that was resumed.
  const auto resume = [&] {
    return ArtNodeReading(pair.node(), pair->Version()).CodeAt(1);
  };
  EXPECT_DEATH(resume(), "state_ != State::kUnchecked");
}

TEST(ArtNodeReadingDeathTest, EveryKindOfReadingIsReading) {
  const Pair pair;
  const Meta meta(40, 2, 0, 1, Pair::kCode);
  const std::string user_key(44, 'a');
  const ArtKey key(user_key.data(), user_key.size(), 1, ArtOrder::kBytewise);
  const auto resume = [&] {
    return ArtNodeReading(pair.node(), pair->Version());
  };
  int from;
  int to;
  constexpr char kDies[] = "state_ != State::kUnchecked";
  EXPECT_DEATH(resume().meta(), kDies);
  EXPECT_DEATH(resume().CodeAt(1), kDies);
  EXPECT_DEATH(resume().SymbolAt(meta, 1), kDies);
  EXPECT_DEATH(resume().RefAt(meta, 1), kDies);
  EXPECT_DEATH(resume().Search(key, meta), kDies);
  EXPECT_DEATH(resume().BorderBeside(meta, 1), kDies);
  EXPECT_DEATH(resume().FindItemRange(meta, 1, 0, &from, &to), kDies);
  // But this checks by itself.
  ArtRef refs[ArtNode::kMaxItems];
  EXPECT_TRUE(resume().CopyRefs(meta, refs));
}

TEST(ArtNodeReadingDeathTest, AReadingThatHasNotBegunDies) {
  const Pair pair;
  EXPECT_DEATH(ArtNodeReading(pair.node()).meta(), "state_ == State::");
  EXPECT_DEATH((void)ArtNodeReading(pair.node()).Holds(), "state_ == State::");
  const uint32_t version = pair->Version();
  ASSERT_TRUE(pair->TryLock(version));
  const auto read_locked = [&] {
    const ArtNodeReading reading(pair.node());
    if (!reading.BeginAtRoot()) {
      reading.meta();
    }
  };
  EXPECT_DEATH(read_locked(), "state_ == State::");
  EXPECT_DEATH(ArtNodeReading(pair.node(), pair->Version()), "IsLocked");
  pair->UnlockUnchanged(version);
}

TEST(ArtNodeReadingDeathTest, ReadingOnWhereACheckFailedDies) {
  const Pair pair;
  const auto read = [&] {
    const ArtNodeReading reading(pair.node());
    if (reading.BeginAtRoot()) {
      pair.Change();
      if (!reading.Holds()) {
        reading.meta();
      }
    }
  };
  EXPECT_DEATH(read(), "state_ == State::");
}

TEST(ArtNodeReadingDeathTest, AReferenceBeforeItsCheckDies) {
  const Pair pair;
  const Pair other;
  const Meta meta(40, 2, 0, 1, Pair::kCode);
  const auto follow = [&] {
    const ArtNodeReading reading(pair.node());
    return reading.BeginAtRoot() ? reading.Checked(reading.RefAt(meta, 0))
                                 : kArtNoRef;
  };
  EXPECT_DEATH(follow(), "state_ == State::kChecked");
  const auto keep = [&] {
    const ArtNodeReading reading(pair.node());
    return reading.BeginAtRoot() && reading.meta().count() > 0
               ? reading.version()
               : 0;
  };
  EXPECT_DEATH(keep(), "state_ == State::kChecked");
  // Checked by a reading of another node.
  const ArtNodeReading reading(pair.node());
  const ArtNodeReading elsewhere(other.node());
  ASSERT_TRUE(reading.BeginAtRoot() && elsewhere.BeginAtRoot());
  const ArtNodeReading::UncheckedRef ref = reading.RefAt(meta, 0);
  EXPECT_TRUE(reading.Holds() && elsewhere.Holds());
  EXPECT_DEATH(elsewhere.Checked(ref), "from_ == node_");
}

TEST(ArtNodeReadingDeathTest, AReadingThatIsMovedAwayUncheckedDies) {
  const Pair pair;
  const auto resume = [&] {
    return ArtNodeReading(pair.node(), pair->Version());
  };
  const auto move_from = [&] {
    ArtNodeReading reading = resume();
    reading.meta();
    return ArtNodeReading(std::move(reading)).Holds();
  };
  EXPECT_DEATH(move_from(), "state_ != State::kUnchecked");
  const auto assign_to = [&] {
    ArtNodeReading reading = resume();
    reading.meta();
    reading = resume();
    return reading.Holds();
  };
  EXPECT_DEATH(assign_to(), "state_ != State::kUnchecked");
}

TEST(ArtNodeOwnerDeathTest, AnOwnerWithoutTheLockDies) {
  const Pair pair;
  const uint32_t version = pair->Version();
  EXPECT_DEATH(ArtNodeOwner::OfLocked(pair.node(), version), "version");
  ASSERT_TRUE(pair->TryLock(version));
  EXPECT_EQ(2, ArtNodeOwner::OfLocked(pair.node(), version).meta().count());
  pair->Unlock(version);
  // Somebody else's lock.
  const uint32_t next = pair->Version();
  ASSERT_TRUE(pair->TryLock(next));
  EXPECT_DEATH(ArtNodeOwner::OfLocked(pair.node(), version), "version");
  pair->Unlock(next);
}

#else

TEST(ArtNodeReadingDeathTest, NeedsAssertions) { GTEST_SKIP(); }

#endif

}  // namespace
}  // namespace art_test
}  // namespace memkv
