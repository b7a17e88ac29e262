// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The writers of ArtTree; (W1)... are those of tree.h.

#include <cassert>
#include <cstdlib>

#include "memtable/art/tree.h"

namespace memkv {

// A node nobody can reach yet. Goes back to the arena unless it is released.
class ArtTree::NewNode {
 public:
  NewNode(ArtArena* arena, int node_class)
      : arena_(arena),
        class_(node_class),
        ref_(arena->AllocateNode(node_class)) {}
  ~NewNode() {
    if (ref_ != kArtNoRef) {
      arena_->FreeNode(ref_, class_);
    }
  }
  NewNode(const NewNode&) = delete;
  NewNode& operator=(const NewNode&) = delete;

  bool ok() const { return ref_ != kArtNoRef; }
  ArtNodeOwner node() const {
    return ArtNodeOwner::OfUnreachable(arena_->NodeAt(ref_));
  }
  ArtNode::Meta Empty(ArtDepth base, int height) const {
    return ArtNode::Meta(base, 0, class_, height, ArtNode::kNoCode);
  }
  // On a path, with the version that it has before anybody can reach it.
  ArtPath::Step StepTo(int item, ArtRef ref) const {
    ArtNode* const at = arena_->NodeAt(ref_);
    return {at, node().meta(), at->Version(), item, ref};
  }
  ArtRef Release() {
    const ArtRef ref = ref_;
    ref_ = kArtNoRef;
    return ref;
  }

 private:
  ArtArena* const arena_;
  const int class_;
  ArtRef ref_;
};

bool ArtTree::Insert(ArtRef entry) {
  if (entry == kArtNoRef) {
    return false;
  }
  NoteOthersInsert();
  ArtPath path;
  DrainInsertBuffer(&path);
  const ArtKey key(EntryAt(entry), order_);
  if (InsertFromRoot(&path, key, entry) != Outcome::kInserted) {
    return false;
  }
  arena_.CountEntries(1, key.sequence());
  return true;
}

ArtTree::Outcome ArtTree::InsertFromRoot(ArtPath* path, const ArtKey& key,
                                         ArtRef entry) {
  Outcome outcome;
  for (int spins = 0; (outcome = InsertAt(path, Descend(key, path), key,
                                          entry)) == Outcome::kRestart;
       ArtPause(spins++)) {
  }
  return outcome;
}

bool ArtTree::FindBranchPointNear(const ArtPath& path, const ArtKey& key,
                                  const ArtKey& other, ArtDepth depth,
                                  BranchPoint* out) const {
  if (!FindBranchPoint(path, key, other, depth, out)) {
    return false;
  }
  // What is on the other side of the key must not share more with it than the
  // depth: the border there is of a lower depth, or, behind the key, of the
  // same and a higher symbol. (Before it, of the same depth, that cannot be
  // told.)
  int border = out->before ? out->first : out->last + 1;
  for (size_t level = out->level;; --level) {
    const ArtPath::Step& at = path[level];
    const ArtNodeReading reading = at.Resume();
    const bool here = border > 0 && border < at.meta.count();
    bool shares_less = true;
    if (here) {
      const ArtDepth next =
          ArtNode::DepthOf(reading.CodeAt(border), at.meta.base());
      shares_less = next < depth ||
                    (next == depth && !out->before &&
                     key.SymbolAt(depth) < reading.SymbolAt(at.meta, border));
    }
    if (!reading.Holds() || !shares_less) {
      return false;
    }
    if (here || level == 0) {
      return true;
    }
    border = path[level - 1].item + (out->before ? 0 : 1);
  }
}

ArtTree::Outcome ArtTree::InsertAt(ArtPath* path, Found found,
                                   const ArtKey& key, ArtRef entry) {
  for (;;) {
    if (found == Found::kRestart) {
      return Outcome::kRestart;
    }
    if (found == Found::kNo) {
      return InsertFirst(path, entry);
    }
    const ArtKey other(EntryAt(path->back().ref), order_);
    const ArtDepth depth = key.Diverge(other);
    if (depth == kArtEqualDepth) {
      return Outcome::kDuplicate;  // (W1)
    }
    BranchPoint d;
    if (!FindBranchPoint(*path, key, other, depth, &d)) {
      return Outcome::kRestart;
    }
    const Outcome outcome = InsertAtBranchPoint(path, d, key, other, entry);
    if (outcome != Outcome::kAgain) {
      return outcome;
    }
    found = DescendOn(key, path);
  }
}

ArtTree::Outcome ArtTree::InsertAtBranchPoint(ArtPath* path, BranchPoint d,
                                              const ArtKey& key,
                                              const ArtKey& other,
                                              ArtRef entry) {
  const int symbol = (d.before ? other : key).SymbolAt(d.depth);
  assert(symbol >= 0);
  if (d.level > 0 && d.depth < (*path)[d.level].meta.base()) {
    // Before the base, all of the node is on one side: the key becomes its
    // neighbour in the node above; or, where that is made to hold higher nodes,
    // in a node between.
    const int height = (*path)[d.level].meta.height();
    --d.level;
    d.first = d.last = (*path)[d.level].item;
    if ((*path)[d.level].meta.height() > height) {
      return SplitItem(path, d.level, d, symbol, entry);
    }
  }
  if (d.level == 0) {
    return SplitItem(path, 0, d, symbol, entry);
  }
  const ArtPath::Step& at = (*path)[d.level];
  const ArtNode::Meta meta = at.meta;
  const int code = ArtNode::CodeOf(d.depth, meta.base());
  if (code < 0 && d.first < d.last) {
    // Versions, told apart far behind where the user keys end.
    return d.last - d.first + 1 == meta.count()
               ? Rebase(path, d.level, d.depth)
               : SplitDown(path, d.level, d.first, d.last);
  }
  if (code < 0 ||
      (meta.height() > 0 && d.first == d.last && !ArtIsNode(at.ref))) {
    // Too far behind the base, the item is alone (but for versions, above). In
    // a node that was made to hold nodes, two entries get a node of their own.
    return SplitItem(path, d.level, d, symbol, entry);
  }
  if (meta.count() < meta.capacity()) {
    return AddItem(path, d, code, symbol, entry);
  }
  if (meta.count() < ArtNode::kMaxItems) {
    return Grow(path, d.level, &d, code, symbol, entry);
  }
  return MakeRoom(path, d.level, GrowthOf(d, meta.count()), d.first, d.last, 0);
}

ArtTree::Outcome ArtTree::InsertFirst(ArtPath* path, ArtRef entry) {
  const ArtPath::Step root = path->back();
  path->Clear();
  if (!root.node->TryLock(root.version)) {
    return Outcome::kRestart;
  }
  root.Owned().SetRef(root.meta, 0, entry);
  root.Owned().SetMeta(root.meta.With(1, ArtNode::kNoCode));
  root.node->Unlock(root.version);
  return Outcome::kInserted;
}

ArtTree::Outcome ArtTree::AddItem(ArtPath* path, const BranchPoint& d, int code,
                                  int symbol, ArtRef entry) {
  path->Truncate(d.level + 1);
  ArtPath::Step& at = path->back();
  if (!at.node->TryLock(at.version)) {
    return Outcome::kRestart;
  }
  // A border before the others is that of what comes first now.
  const int item = d.before ? d.first : d.last + 1;
  const ArtNodeOwner node = at.Owned();
  node.Insert(item, d.before ? item + 1 : item, code, symbol, entry);
  at.meta = node.meta();
  at.node->Unlock(at.version);
  // The path leads to the entry, and stays true.
  at.version += 2;
  at.item = item;
  at.ref = entry;
  return Outcome::kInserted;
}

bool ArtTree::LockBoth(const ArtPath::Step& above, const ArtPath::Step& at) {
  if (!above.node->TryLock(above.version)) {
    return false;
  }
  if (!at.node->TryLock(at.version)) {
    above.node->UnlockUnchanged(above.version);
    return false;
  }
  return true;
}

void ArtTree::UnlockReplaced(const ArtPath::Step& above,
                             const ArtPath::Step& at) {
  at.node->Unlock(at.version);
  above.node->Unlock(above.version);
  arena_.FreeNode(above.ref, at.meta.node_class());
}

ArtTree::Outcome ArtTree::Grow(ArtPath* path, size_t level,
                               const BranchPoint* d, int code, int symbol,
                               ArtRef entry) {
  const ArtPath::Step& above = (*path)[level - 1];
  const ArtPath::Step& at = (*path)[level];
  // Keys that come in order will fill it.
  const int more = IsInOrder(path) ? std::max(at.meta.node_class(), 1) : 1;
  NewNode grown(&arena_,
                std::min(at.meta.node_class() + more, kArtNodeClasses - 1));
  if (!grown.ok()) {
    return Outcome::kFull;
  }
  if (!LockBoth(above, at)) {
    return Outcome::kRestart;
  }
  grown.node().SetMeta(grown.Empty(at.meta.base(), at.meta.height()));
  grown.node().AppendFrom(at.Owned(), 0, at.meta.count());
  if (d == nullptr) {
    above.Owned().SetRef(above.meta, above.item, grown.Release());
    UnlockReplaced(above, at);
    path->Truncate(level);
    return Outcome::kAgain;
  }
  const int item = d->before ? d->first : d->last + 1;
  grown.node().Insert(item, d->before ? item + 1 : item, code, symbol, entry);
  const ArtPath::Step leads = grown.StepTo(item, entry);
  const ArtRef ref = grown.Release();
  above.Owned().SetRef(above.meta, above.item, ref);
  UnlockReplaced(above, at);
  path->Truncate(level);
  path->LeadOn(ref, leads);
  return Outcome::kInserted;
}

ArtTree::Outcome ArtTree::Rebase(ArtPath* path, size_t level, ArtDepth depth) {
  const ArtPath::Step& above = (*path)[level - 1];
  const ArtPath::Step& at = (*path)[level];
  const ArtNodeReading reading = above.Resume();
  const ArtDepth base =
      BaseFor(reading.BorderBeside(above.meta, above.item), depth);
  if (!reading.Holds()) {
    return Outcome::kRestart;
  }
  NewNode moved(&arena_, at.meta.node_class());
  if (!moved.ok()) {
    return Outcome::kFull;
  }
  if (!LockBoth(above, at)) {
    return Outcome::kRestart;
  }
  moved.node().SetMeta(moved.Empty(base, at.meta.height()));
  moved.node().AppendFrom(at.Owned(), 0, at.meta.count());
  above.Owned().SetRef(above.meta, above.item, moved.Release());
  UnlockReplaced(above, at);
  path->Truncate(level);
  return Outcome::kAgain;
}

ArtDepth ArtTree::BaseFor(ArtDepth beside, ArtDepth depth) {
  // Nothing below the borders beside it can come to stand in the node.
  return ArtNode::CodeOf(depth, beside) >= 0
             ? beside
             : depth - ArtNode::kMaxUserCode / 2;
}

ArtTree::Outcome ArtTree::SplitItem(ArtPath* path, size_t level,
                                    const BranchPoint& d, int symbol,
                                    ArtRef entry) {
  // Keys in order make leaf after leaf of one kind.
  const int node_class =
      IsInOrder(path)
          ? ArtNode::ClassFor(std::clamp<int>(in_order_.leaf_items, 2, 16))
          : 0;
  NewNode pair(&arena_, node_class);
  if (!pair.ok()) {
    return Outcome::kFull;
  }
  path->Truncate(level + 1);
  const ArtPath::Step at = path->back();
  const ArtNodeReading reading = at.Resume();
  const ArtDepth base =
      BaseFor(reading.BorderBeside(at.meta, at.item), d.depth);
  // What was read of a node that is being written may be no depth at all, and
  // must not go into a Meta: what is written by it would lie elsewhere.
  if (!reading.Holds()) {
    return Outcome::kRestart;
  }
  const int code = ArtNode::CodeOf(d.depth, base);
  // A node at the top is higher than what was the top; elsewhere it takes the
  // item's place among its like.
  int height = 0;
  if (ArtIsNode(at.ref)) {
    height = arena_.NodeAt(at.ref)->Height() + (level == 0 ? 1 : 0);
    height = std::min(height, ArtNode::kMaxHeight);
  }
  const ArtNode::Meta meta(base, 2, node_class, height, code);
  pair.node().SetMeta(meta);
  pair.node().SetBorder(meta, 1, code, symbol);
  pair.node().SetRef(meta, 0, d.before ? entry : at.ref);
  pair.node().SetRef(meta, 1, d.before ? at.ref : entry);
  const ArtPath::Step leads = pair.StepTo(d.before ? 0 : 1, entry);
  if (!at.node->TryLock(at.version)) {
    return Outcome::kRestart;
  }
  const ArtRef ref = pair.Release();
  at.Owned().SetRef(at.meta, at.item, ref);
  at.node->Unlock(at.version);
  path->LeadOn(ref, leads);
  return Outcome::kInserted;
}

int ArtTree::LowestBorder(const ArtNodeReading& node, int first, int last,
                          int wanted) {
  int lowest = first + 1;
  for (int i = first + 2; i <= last; ++i) {
    const int more = node.CodeAt(i) - node.CodeAt(lowest);
    if (more < 0 ||
        (more == 0 && std::abs(i - wanted) < std::abs(lowest - wanted))) {
      lowest = i;
    }
  }
  return lowest;
}

ArtTree::Growth ArtTree::GrowthOf(const BranchPoint& d, int count) {
  if (d.before && d.first == 0) {
    return Growth::kFront;
  }
  return !d.before && d.last + 1 == count ? Growth::kBack : Growth::kInside;
}

void ArtTree::ChooseRun(const ArtNodeReading& node, int count, Growth growth,
                        int* first, int* last) {
  const int from = *first;
  const int to = *last;
  *first = 0;
  *last = count - 1;
  // At the end that grows, the smallest run the key goes into, but no fewer
  // items than pay for the work.
  while (growth != Growth::kInside) {
    const bool back = growth == Growth::kBack;
    const int cut =
        LowestBorder(node, *first, *last, back ? *last : *first + 1);
    const int f = back ? cut : *first;
    const int l = back ? *last : cut - 1;
    if (l - f + 1 < kFewItems || from < f || to > l) {
      break;
    }
    *first = f;
    *last = l;
  }
  if (*last - *first + 1 <= count / 2) {
    return;
  }
  // Elsewhere, as near to half of the items as there is one: from the whole
  // node always into the larger side, until that is no nearer. It is between a
  // third and two thirds of them.
  *first = 0;
  *last = count - 1;
  for (;;) {
    const int n = *last - *first + 1;
    const int cut = LowestBorder(node, *first, *last, (*first + *last + 1) / 2);
    const int larger = std::max(cut - *first, *last + 1 - cut);
    if (n < count && std::abs(2 * larger - count) >= std::abs(2 * n - count)) {
      return;
    }
    if (cut - *first == larger) {
      *last = cut - 1;
    } else {
      *first = cut;
    }
  }
}

ArtTree::Outcome ArtTree::MakeRoom(ArtPath* path, size_t level, Growth growth,
                                   int first, int last, int below) {
  const ArtPath::Step& above = (*path)[level - 1];
  const ArtPath::Step& at = (*path)[level];
  const int count = at.meta.count();
  // A node that grows at one end will go on to.
  int wanted = count / 2;
  if (growth == Growth::kBack) {
    wanted = count - 1;
  } else if (growth == Growth::kFront) {
    wanted = 1;
  }
  const ArtNodeReading reading = at.Resume();
  const int cut = LowestBorder(reading, 0, count - 1, wanted);
  const ArtDepth depth = ArtNode::DepthOf(reading.CodeAt(cut), at.meta.base());
  if (!reading.Holds()) {
    return Outcome::kRestart;
  }
  // The border goes into the node above; but where that is higher than its
  // children are yet, into a node between, so that the children there can be
  // are not all of the lowest kind (Binna et al.: intermediate nodes).
  const int height = std::min(at.meta.height() + 1, ArtNode::kMaxHeight);
  const int code = level == 1 || height < above.meta.height()
                       ? -1
                       : ArtNode::CodeOf(depth, above.meta.base());
  if (code < 0 || above.meta.count() < above.meta.capacity()) {
    return SplitUp(path, level, cut, code, growth);
  }
  if (above.meta.count() < ArtNode::kMaxItems) {
    return Grow(path, level - 1, nullptr, 0, 0, kArtNoRef);
  }
  // The node above is full, too. What the border cuts off must be worth making
  // room there; at an end that grows, more will come.
  const int left = growth == Growth::kFront ? count : cut;
  const int right = growth == Growth::kBack ? count : count - cut;
  if (std::min(left, right) < kFewItems) {
    ChooseRun(reading, count, growth, &first, &last);
    return reading.Holds() ? SplitDown(path, level, first, last)
                           : Outcome::kRestart;
  }
  if (below == kMaxFullAbove) {
    return SplitUp(path, level, cut, -1, growth);
  }
  // Above, it grows at the same end if this node is there.
  const int item = above.item;
  if ((growth == Growth::kFront && item > 0) ||
      (growth == Growth::kBack && item + 1 < above.meta.count())) {
    growth = Growth::kInside;
  }
  return MakeRoom(path, level - 1, growth, item, item, below + 1);
}

ArtTree::Outcome ArtTree::SplitDown(ArtPath* path, size_t level, int first,
                                    int last) {
  const ArtPath::Step& above = (*path)[level - 1];
  const ArtPath::Step& at = (*path)[level];
  const int count = at.meta.count();
  const int n = last - first + 1;
  assert(n > 1 && n < count);
  NewNode rest(&arena_, ArtNode::ClassFor(count - n + 2));
  NewNode run(&arena_, ArtNode::ClassFor(n + 1));
  if (!rest.ok() || !run.ok()) {
    return Outcome::kFull;
  }
  if (!LockBoth(above, at)) {
    return Outcome::kRestart;
  }
  // It holds a node now, of more entries than a leaf.
  const ArtNodeOwner from = at.Owned();
  rest.node().SetMeta(
      rest.Empty(at.meta.base(), std::max(at.meta.height(), 1)));
  rest.node().AppendFrom(from, 0, first + 1);
  rest.node().AppendFrom(from, last + 1, count);
  // No border of the run is of a lower depth than those beside it.
  const ArtDepth beside = rest.node().BorderBeside(rest.node().meta(), first);
  run.node().SetMeta(run.Empty(beside, at.meta.height()));
  run.node().AppendFrom(from, first, last + 1);
  rest.node().SetRef(rest.node().meta(), first, run.Release());
  above.Owned().SetRef(above.meta, above.item, rest.Release());
  UnlockReplaced(above, at);
  path->Truncate(level);
  return Outcome::kAgain;
}

ArtTree::Outcome ArtTree::SplitUp(ArtPath* path, size_t level, int cut,
                                  int code, Growth growth) {
  const ArtPath::Step& above = (*path)[level - 1];
  const ArtPath::Step& at = (*path)[level];
  const int count = at.meta.count();
  const int height = std::min(at.meta.height() + 1, ArtNode::kMaxHeight);
  const ArtNodeReading reading = at.Resume();
  const ArtDepth depth = ArtNode::DepthOf(reading.CodeAt(cut), at.meta.base());
  const int symbol = reading.SymbolAt(at.meta, cut);
  if (!reading.Holds()) {
    return Outcome::kRestart;
  }
  const bool left_alone = cut == 1;
  const bool right_alone = cut == count - 1;
  const auto class_for = [&](int items, Growth side) {
    return growth == side && IsInOrder(path)
               ? kArtNodeClasses - 1
               : ArtNode::ClassFor(std::min(items + 1, ArtNode::kMaxItems));
  };
  NewNode left(&arena_, class_for(cut, Growth::kFront));
  NewNode right(&arena_, class_for(count - cut, Growth::kBack));
  NewNode pair(&arena_, 0);
  if (!left.ok() || !right.ok() || !pair.ok()) {
    return Outcome::kFull;
  }
  if (!LockBoth(above, at)) {
    return Outcome::kRestart;
  }
  const ArtNodeOwner from = at.Owned();
  const ArtNodeOwner into = above.Owned();
  ArtRef left_ref = from.RefAt(at.meta, 0);
  if (!left_alone) {
    left.node().SetMeta(left.Empty(depth, at.meta.height()));
    left.node().AppendFrom(from, 0, cut);
    left_ref = left.Release();
  }
  ArtRef right_ref = from.RefAt(at.meta, count - 1);
  if (!right_alone) {
    right.node().SetMeta(right.Empty(depth, at.meta.height()));
    right.node().AppendFrom(from, cut, count);
    right_ref = right.Release();
  }
  if (code >= 0) {
    into.SetRef(above.meta, above.item, left_ref);
    into.Insert(above.item + 1, above.item + 1, code, symbol, right_ref);
  } else {
    const ArtDepth base =
        BaseFor(into.BorderBeside(above.meta, above.item), depth);
    const int pair_code = ArtNode::CodeOf(depth, base);
    const ArtNode::Meta meta(base, 2, 0, height, pair_code);
    pair.node().SetMeta(meta);
    pair.node().SetBorder(meta, 1, pair_code, symbol);
    pair.node().SetRef(meta, 0, left_ref);
    pair.node().SetRef(meta, 1, right_ref);
    into.SetRef(above.meta, above.item, pair.Release());
  }
  UnlockReplaced(above, at);
  path->Truncate(level);
  return Outcome::kAgain;
}

}  // namespace memkv
