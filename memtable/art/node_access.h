// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The two ways to the content of an ArtNode: ArtNodeReading, for who shares the
// node with writers, and ArtNodeOwner, for whom nobody can change it. They are
// views: they own no memory, take no lock and release none. The rules (R1) to
// (R5), and why they are enough, are in tree.h.
//
//   const ArtNodeReading reading(node);        // reads the version
//   if (!reading.BeginBelow(above)) restart;   // (R1), (R2)
//   const ArtNode::Meta meta = reading.meta();
//   const auto ref = reading.RefAt(meta, reading.Search(key, meta));
//   if (!reading.Holds()) restart;             // (R3), (R4)
//   Follow(reading.Checked(ref));
//
// What is forgotten:
//   the reading            does not compile: the content is private
//   the answer of a check  does not compile where warnings are errors
//   to release a reference does not compile: an UncheckedRef is no ArtRef
//   to begin, to check     ends the program in builds with assertions, each
//                          time, and not only when a writer was near
//
// Thread safety: one thread at a time has a view. The memory orders are those
// of ArtNode's functions, which the views call (tree.h).
//
// Literature: Leis et al., "The ART of Practical Synchronization", DaMoN 2016.
// The read_critical_section of unodb is of this kind. There each field is
// wrapped, and a section may end without a check; here the content is private
// as a whole, and what was read must be checked.

#pragma once

#include <cassert>
#include <cstdint>
#include <type_traits>

#include "memtable/art/node.h"

namespace memkv {

// How far a reading has come: (R1) to (R4), as assertions. Without assertions
// it is empty, and does nothing.
#ifdef NDEBUG
class ArtReadingState {
 protected:
  bool OnBegin(bool begins) const { return begins; }
  bool OnCheck(bool holds) const { return holds; }
  void OnRead() const {}
  void OnRelease() const {}
};
#else
class ArtReadingState {
 protected:
  enum class State {
    kNew,        // nobody has asked whether it begins
    kChecked,    // what was read counts
    kUnchecked,  // something was read since
    kOver,       // it did not begin, does not hold, or was moved away
  };

  ArtReadingState() = default;
  ArtReadingState(ArtReadingState&& other) noexcept : state_(other.state_) {
    other.End();
  }
  ArtReadingState& operator=(ArtReadingState&& other) noexcept {
    const State state = other.state_;
    End();
    other.End();
    state_ = state;
    return *this;
  }
  ~ArtReadingState() { End(); }

  bool OnBegin(bool begins) const {
    assert(state_ == State::kNew);
    state_ = begins ? State::kChecked : State::kOver;
    return begins;
  }
  bool OnCheck(bool holds) const {
    assert(state_ == State::kChecked || state_ == State::kUnchecked);
    state_ = holds ? State::kChecked : State::kOver;
    return holds;
  }
  void OnRead() const {
    assert(state_ == State::kChecked || state_ == State::kUnchecked);
    state_ = State::kUnchecked;
  }
  void OnRelease() const { assert(state_ == State::kChecked); }

 private:
  void End() const {
    assert(state_ != State::kUnchecked);
    state_ = State::kOver;
  }

  mutable State state_ = State::kNew;
};
#endif

class ArtNodeReading : private ArtReadingState {
 public:
  // A reference that was read and does not count yet.
  class UncheckedRef {
   private:
    friend class ArtNodeReading;
#ifdef NDEBUG
    UncheckedRef(ArtRef ref, const ArtNode*) : ref_(ref) {}
#else
    UncheckedRef(ArtRef ref, const ArtNode* from) : ref_(ref), from_(from) {}
#endif
    ArtRef ref_;
#ifndef NDEBUG
    const ArtNode* from_;
#endif
  };

  // Reads the version. The next call is one of Begin...().
  explicit ArtNodeReading(const ArtNode* node)
      : node_(node), version_(node->Version()) {}
  // Resumes a reading of that node that began with that version, and held.
  ArtNodeReading(const ArtNode* node, uint32_t version)
      : node_(node), version_(version) {
    (void)OnBegin(true);
    assert(!ArtNode::IsLocked(version));
  }
  // A reading that is moved from, or assigned to, ends.
  ArtNodeReading(ArtNodeReading&&) = default;
  ArtNodeReading& operator=(ArtNodeReading&&) = default;
  ArtNodeReading(const ArtNodeReading&) = delete;
  ArtNodeReading& operator=(const ArtNodeReading&) = delete;

  // False if the node is locked: then there is no reading. REQUIRES: the node
  // is the root, which is always in its place.
  [[nodiscard]] bool BeginAtRoot() const {
    return OnBegin(!ArtNode::IsLocked(version_));
  }
  // The same for the node that a reference of `above` leads to; also false if
  // that does not hold any more. REQUIRES: `above` held with that reference.
  [[nodiscard]] bool BeginBelow(const ArtNodeReading& above) const {
    return OnBegin(!ArtNode::IsLocked(version_) && above.Holds());
  }

  // True if nothing has changed since the version was read: all that was read
  // before this call was there at one moment, and counts.
  [[nodiscard]] bool Holds() const {
    return OnCheck(node_->Unchanged(version_));
  }
  // The reference. REQUIRES: Holds() was true, and nothing was read since.
  ArtRef Checked(UncheckedRef ref) const {
    OnRelease();
#ifndef NDEBUG
    assert(ref.from_ == node_);
#endif
    return ref.ref_;
  }
  // To resume the reading by. REQUIRES: as Checked.
  uint32_t version() const {
    OnRelease();
    return version_;
  }

  // ---- Content, as ArtNode has it. REQUIRES: it has begun, and holds ----

  ArtNode::Meta meta() const {
    OnRead();
    return node_->meta();
  }
  int CodeAt(int i) const {
    OnRead();
    return node_->CodeAt(i);
  }
  int SymbolAt(ArtNode::Meta m, int i) const {
    OnRead();
    return node_->SymbolAt(m, i);
  }
  UncheckedRef RefAt(ArtNode::Meta m, int i) const {
    OnRead();
    return UncheckedRef(node_->RefAt(m, i), node_);
  }
  // If ArtNode::Prefetch leaves the item's reference out, prefetches it, and
  // returns true.
  bool PrefetchRef(ArtNode::Meta m, int i) const {
    return node_->PrefetchRef(m, i);
  }
  int Search(const ArtKey& key, ArtNode::Meta m) const {
    OnRead();
    return node_->Search(key, m);
  }
  void FindItemRange(ArtNode::Meta m, int item, ArtDepth depth, int* first,
                     int* last) const {
    OnRead();
    node_->FindItemRange(m, item, depth, first, last);
  }
  ArtDepth BorderBeside(ArtNode::Meta m, int item) const {
    OnRead();
    return node_->BorderBeside(m, item);
  }
  // All references, and the check: if false, they do not count.
  [[nodiscard]] bool CopyRefs(ArtNode::Meta m, ArtRef* to) const {
    OnRead();
    node_->CopyRefs(m, to);
    return Holds();
  }

 private:
  const ArtNode* node_;
  uint32_t version_;
};
#ifdef NDEBUG
static_assert(sizeof(ArtNodeReading) <= 2 * sizeof(void*) &&
                  std::is_trivially_copyable<ArtNodeReading>::value,
              "two registers, and nothing to do at the end");
#endif

// A node that nobody but the caller can change. It says by its making why.
class ArtNodeOwner {
 public:
  // The caller has locked it: TryLock(version) was true.
  static ArtNodeOwner OfLocked(ArtNode* node, uint32_t version) {
    assert(node->Version() == (version | 1));
    (void)version;
    return ArtNodeOwner(node);
  }
  // The caller has made it, and nobody can reach it yet.
  static ArtNodeOwner OfUnreachable(ArtNode* node) {
    return ArtNodeOwner(node);
  }
  // No insert is running.
  static ArtNodeOwner AtRest(ArtNode* node) { return ArtNodeOwner(node); }

  ArtNode* node() const { return node_; }

  // ---- Content, as ArtNode has it ----

  ArtNode::Meta meta() const { return node_->meta(); }
  int CodeAt(int i) const { return node_->CodeAt(i); }
  int SymbolAt(ArtNode::Meta m, int i) const { return node_->SymbolAt(m, i); }
  ArtRef RefAt(ArtNode::Meta m, int i) const { return node_->RefAt(m, i); }
  ArtDepth BorderBeside(ArtNode::Meta m, int item) const {
    return node_->BorderBeside(m, item);
  }
  int Search(const ArtKey& key, ArtNode::Meta m) const {
    return node_->Search(key, m);
  }
  // For comparisons of the ways of searching.
  int SearchScalar(const ArtKey& key, ArtNode::Meta m) const {
    return node_->SearchScalar(key, m);
  }
  int SearchAvx2(const ArtKey& key, ArtNode::Meta m) const {
    return node_->SearchAvx2(key, m);
  }
  int SearchAvx512(const ArtKey& key, ArtNode::Meta m) const {
    return node_->SearchAvx512(key, m);
  }

  // REQUIRES: locked or unreachable.
  void SetMeta(ArtNode::Meta m) const { node_->SetMeta(m); }
  void SetRef(ArtNode::Meta m, int i, ArtRef ref) const {
    node_->SetRef(m, i, ref);
  }
  void SetBorder(ArtNode::Meta m, int i, int code, int symbol) const {
    node_->SetBorder(m, i, code, symbol);
  }
  void Insert(int item, int border, int code, int symbol, ArtRef ref) const {
    node_->Insert(item, border, code, symbol, ref);
  }
  void AppendFrom(const ArtNodeOwner& from, int first, int last) const {
    node_->AppendFrom(*from.node_, first, last);
  }

 private:
  explicit ArtNodeOwner(ArtNode* node) : node_(node) {}

  ArtNode* node_;
};

}  // namespace memkv
