// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How many entries of an ArtTree are in a range, counted or estimated.
//
// The paths to the first entry of the range and to the first behind it part in
// one node. What hangs between them, beside either path below that node, is the
// range: items of path nodes, each an entry or a node. A Counter goes down from
// them a level at a time. Of a level it looks into all nodes if they are few,
// and else into a sample, in which a node stands for others: of all children,
// evenly spread, it reads the first line, which tells height and items; of
// these it looks into some, the larger the likelier (sampling with
// probabilities proportional to size: Hansen and Hurwitz, 1943).

#include <algorithm>
#include <limits>
#include <vector>

#include "memtable/art/tree.h"
#include "memtable/art/tree_iterator.h"

namespace memkv {

// Counts what hangs from some items of the nodes of two paths. Reads as the
// readers of tree.h do; if anything has changed, ok() is false.
class ArtTree::Counter {
 public:
  // Reads the first lines of `lines` nodes of a level at most, and looks into
  // `width` of these; into 1024 in all, but for the path's.
  Counter(const ArtTree& tree, size_t lines, size_t width)
      : tree_(tree), lines_(lines), width_(width) {}

  // What hangs from the items from..to - 1 of the step, which is at `level`.
  void Add(const ArtPath::Step& step, size_t level, int from, int to) {
    if (from < to) {
      top_.push_back({level, from, to, step});
    }
  }
  // For `lines` and `width`.
  static constexpr size_t kAll = std::numeric_limits<size_t>::max();

  // To be called once, after Add in the order of the levels.
  void Count();

  bool ok() const { return ok_; }
  // True if every node was looked into.
  bool exact() const { return estimated_ == 0; }
  double entries() const { return entries_; }
  // Of these, what nodes stand for that were not looked into.
  double estimated() const { return estimated_; }

 private:
  static constexpr size_t kMaxNodes = 1024;

  struct Top {
    size_t level;
    int from;
    int to;
    ArtPath::Step step;
  };
  // A node that was looked into, and how many nodes hang from its items
  // from..to - 1.
  struct Parent {
    const ArtNode* node;
    ArtNode::Meta meta;
    uint32_t version;
    int from;
    int to;
    size_t nodes;
    // For how many nodes it stands.
    double weight;

    ArtNodeReading Resume() const { return ArtNodeReading(node, version); }
  };
  struct Child {
    const ArtNode* node;
    size_t parent;
    ArtNode::Meta meta;
    uint32_t version;
    double weight;
  };

  // What hangs from a node, at a guess.
  static double Guess(int items, int height) {
    double guess = items;
    for (int h = 0; h < std::min(height, 4); ++h) {
      guess *= 40;
    }
    return guess;
  }
  void LookInto(const ArtNode* node, ArtNode::Meta meta, uint32_t version,
                int from, int to, double weight, std::vector<Parent>* level);
  // The children of which the first line is to be read.
  void ChooseChildren(const std::vector<Parent>& parents,
                      std::vector<Child>* children);
  // Leaves `room` of them, which stand for all.
  static void ChooseLarge(size_t room, std::vector<Child>* children);

  const ArtTree& tree_;
  const size_t lines_;
  const size_t width_;
  std::vector<Top> top_;
  bool ok_ = true;
  double entries_ = 0;
  double estimated_ = 0;
  size_t looked_into_ = 0;
};

namespace {

// Points at equal distances on a line, the first half a distance from its
// start; the line is laid out piece by piece.
class Points {
 public:
  Points(double length, size_t n) : step_(length / static_cast<double>(n)) {}
  double step() const { return step_; }
  // How many fall on the next piece.
  int Next(double piece) {
    end_ += piece;
    int n = 0;
    for (; next_ * step_ < end_; next_ += 1) {
      ++n;
    }
    return n;
  }

 private:
  const double step_;
  double end_ = 0;
  double next_ = 0.5;
};

// Up to here a count is exact, whatever the tree looks like.
constexpr uint64_t kExactEntries = 256;

}  // namespace

void ArtTree::Counter::LookInto(const ArtNode* node, ArtNode::Meta meta,
                                uint32_t version, int from, int to,
                                double weight, std::vector<Parent>* level) {
  ArtRef refs[ArtNode::kMaxItems];
  if (!ArtNodeReading(node, version).CopyRefs(meta, refs)) {
    ok_ = false;
    return;
  }
  size_t nodes = 0;
  for (int i = from; i < to; ++i) {
    nodes += ArtIsNode(refs[i]) ? 1 : 0;
  }
  const double entries =
      static_cast<double>(to - from) - static_cast<double>(nodes);
  entries_ += weight * entries;
  estimated_ += (weight - 1) * entries;
  if (nodes > 0) {
    level->push_back({node, meta, version, from, to, nodes, weight});
  }
}

void ArtTree::Counter::ChooseChildren(const std::vector<Parent>& parents,
                                      std::vector<Child>* children) {
  size_t nodes = 0;
  double length = 0;
  const auto score = [](const Parent& parent) {
    return parent.weight * Guess(1, parent.meta.height() - 1);
  };
  for (const Parent& parent : parents) {
    nodes += parent.nodes;
    length += score(parent) * static_cast<double>(parent.nodes);
  }
  const bool all = nodes <= lines_;
  Points points(length, std::min(nodes, lines_));
  children->clear();
  for (size_t p = 0; p < parents.size(); ++p) {
    const Parent& parent = parents[p];
    ArtRef refs[ArtNode::kMaxItems];
    if (!parent.Resume().CopyRefs(parent.meta, refs)) {
      ok_ = false;
      return;
    }
    for (int i = parent.from; i < parent.to; ++i) {
      if (!ArtIsNode(refs[i])) {
        continue;
      }
      double weight = parent.weight;
      if (!all) {
        weight *= points.Next(score(parent)) * points.step() / score(parent);
      }
      if (weight > 0) {
        const ArtNode* const node = tree_.arena_.NodeAt(refs[i]);
        __builtin_prefetch(node);
        children->push_back({node, p, ArtNode::Meta(), 0, weight});
      }
    }
  }
  for (Child& child : *children) {
    const Parent& parent = parents[child.parent];
    const ArtNodeReading reading(child.node);
    if (!reading.BeginBelow(parent.Resume())) {
      ok_ = false;
      return;
    }
    child.meta = reading.meta();
    if (!reading.Holds()) {
      ok_ = false;
      return;
    }
    child.version = reading.version();
  }
}

void ArtTree::Counter::ChooseLarge(size_t room, std::vector<Child>* children) {
  if (children->size() <= room) {
    return;
  }
  const auto guess = [](const Child& child) {
    return Guess(child.meta.count(), child.meta.height());
  };
  double length = 0;
  for (const Child& child : *children) {
    length += child.weight * guess(child);
  }
  // Those that any choice would hit stand for themselves.
  const double sure = length / static_cast<double>(room);
  size_t left = room;
  for (const Child& child : *children) {
    if (child.weight * guess(child) >= sure) {
      length -= child.weight * guess(child);
      --left;
    }
  }
  Points points(length, std::max<size_t>(left, 1));
  size_t kept = 0;
  for (Child& child : *children) {
    const double size = child.weight * guess(child);
    if (size < sure) {
      child.weight = points.Next(size) * points.step() / guess(child);
    }
    if (child.weight > 0) {
      (*children)[kept++] = child;
    }
  }
  children->resize(kept);
}

void ArtTree::Counter::Count() {
  std::vector<Parent> parents;
  std::vector<Parent> below;
  std::vector<Child> children;
  size_t top = 0;
  for (size_t level = 0;; ++level) {
    for (; top < top_.size() && top_[top].level == level; ++top) {
      const ArtPath::Step& step = top_[top].step;
      LookInto(step.node, step.meta, step.version, top_[top].from, top_[top].to,
               1, &parents);
    }
    if (!ok_ || (top == top_.size() && parents.empty())) {
      return;
    }
    ChooseChildren(parents, &children);
    if (!ok_) {
      return;
    }
    if (looked_into_ == kMaxNodes) {
      for (const Child& child : children) {
        const double guess =
            child.weight * Guess(child.meta.count(), child.meta.height());
        entries_ += guess;
        estimated_ += guess;
      }
      parents.clear();
      continue;
    }
    // The deeper, the fewer, so that a deep path comes to its end.
    const size_t left = kMaxNodes - looked_into_;
    ChooseLarge(width_ == kAll ? left : std::min(width_, 4 + left / 32),
                &children);
    looked_into_ += children.size();
    for (const Child& child : children) {
      child.node->Prefetch();
    }
    below.clear();
    for (const Child& child : children) {
      LookInto(child.node, child.meta, child.version, 0, child.meta.count(),
               child.weight, &below);
    }
    parents.swap(below);
  }
}

// The paths to the first entry of a range and to the first behind it.
class ArtTree::RangePaths {
 public:
  // kNo if nothing is in [start, end). Where nothing is behind the range, the
  // path behind it is the item behind the root's last.
  // REQUIRES: start < end
  Found TryFind(const ArtTree& tree, const ArtKey& start, const ArtKey& end);

  // Sets *count; false if anything has changed below the paths.
  // REQUIRES: TryFind() has found it
  bool TryCount(const ArtTree& tree, uint64_t* count) const;

 private:
  static constexpr size_t kWidth = 24;
  static constexpr size_t kLines = 128;

  // The first item of the level's node that the path does not lead through. The
  // entry that the path ends with is behind it.
  static int ItemBehind(const ArtPath& path, size_t level) {
    return path[level].item + (level + 1 < path.size() ? 1 : 0);
  }
  size_t num_levels() const { return std::max(first_.size(), last_.size()); }

  // What hangs in the range, and what hangs on either side of it.
  void AddInside(Counter* counter) const;
  void AddOutside(Counter* counter) const;

  ArtPath first_;
  ArtPath last_;
  size_t fork_ = 0;  // the level of the node in which they part
};

ArtTree::Found ArtTree::RangePaths::TryFind(const ArtTree& tree,
                                            const ArtKey& start,
                                            const ArtKey& end) {
  const Found found = tree.TrySeek(start, true, true, &first_, nullptr);
  if (found != Found::kYes) {
    return found;
  }
  const Found behind = tree.TrySeek(end, true, true, &last_, nullptr);
  if (behind == Found::kRestart) {
    return behind;
  }
  if (behind == Found::kNo) {
    const ArtPath::Step root = first_[0];
    last_.Clear();
    last_.Push(root.node, root.version, root.item + 1, root.meta, root.ref);
  }
  for (size_t level = 0; level < first_.size() && level < last_.size();
       ++level) {
    const ArtPath::Step& a = first_[level];
    const ArtPath::Step& b = last_[level];
    if (a.node != b.node || a.version != b.version) {
      return Found::kRestart;
    }
    if (a.item != b.item) {
      fork_ = level;
      return a.item < b.item ? Found::kYes : Found::kNo;
    }
  }
  return Found::kNo;
}

void ArtTree::RangePaths::AddInside(Counter* counter) const {
  counter->Add(first_[fork_], fork_, ItemBehind(first_, fork_),
               last_[fork_].item);
  for (size_t level = fork_ + 1; level < num_levels(); ++level) {
    if (level < first_.size()) {
      counter->Add(first_[level], level, ItemBehind(first_, level),
                   first_[level].meta.count());
    }
    if (level < last_.size()) {
      counter->Add(last_[level], level, 0, last_[level].item);
    }
  }
}

void ArtTree::RangePaths::AddOutside(Counter* counter) const {
  for (size_t level = 0; level < num_levels(); ++level) {
    if (level < first_.size()) {
      counter->Add(first_[level], level, 0, first_[level].item);
    }
    if (level < last_.size()) {
      counter->Add(last_[level], level, ItemBehind(last_, level),
                   last_[level].meta.count());
    }
  }
}

bool ArtTree::RangePaths::TryCount(const ArtTree& tree, uint64_t* count) const {
  Counter inside(tree, kLines, kWidth);
  AddInside(&inside);
  inside.Count();
  if (!inside.ok()) {
    return false;
  }
  if (inside.exact()) {
    *count = static_cast<uint64_t>(inside.entries());
    return true;
  }
  if (inside.entries() < 4 * kExactEntries) {
    // Few entries in many nodes.
    Counter all(tree, Counter::kAll, Counter::kAll);
    AddInside(&all);
    all.Count();
    if (!all.ok()) {
      return false;
    }
    if (all.exact()) {
      *count = static_cast<uint64_t>(all.entries());
      return true;
    }
  }
  const double all = static_cast<double>(tree.NumEntries());
  double entries = inside.entries();
  if (2 * entries > all) {
    // What is outside is less, and says as much, since all together are known.
    // The difference belongs to where more was estimated.
    Counter outside(tree, kLines, kWidth);
    AddOutside(&outside);
    outside.Count();
    if (outside.ok()) {
      entries += (all - inside.entries() - outside.entries()) *
                 inside.estimated() /
                 (inside.estimated() + outside.estimated());
    }
  }
  // More than that many nodes, of two items or more.
  *count = static_cast<uint64_t>(
      std::max<double>(kExactEntries, std::min(entries, all)));
  return true;
}

uint64_t ArtTree::CountEntries(const ArtKey& start, const ArtKey& end,
                               uint64_t most) const {
  uint64_t counted = 0;
  ArtIterator iter(this);
  for (iter.Seek(start); iter.Valid() && counted < most; iter.Next()) {
    const ArtKey key(iter.entry(), order_);
    const ArtDepth at = key.Diverge(end);
    if (at == kArtEqualDepth || end.LessAt(at, key)) {
      break;
    }
    ++counted;
  }
  return counted;
}

uint64_t ArtTree::ApproximateNumEntries(const ArtKey& start,
                                        const ArtKey& end) const {
  constexpr int kTries = 8;
  DrainIfWaiting();
  const ArtDepth depth = start.Diverge(end);
  if (depth == kArtEqualDepth || end.LessAt(depth, start)) {
    return 0;
  }
  RangePaths paths;
  for (int tries = 0; tries < kTries; ++tries) {
    const Found found = paths.TryFind(*this, start, end);
    if (found == Found::kNo) {
      return 0;
    }
    uint64_t count = 0;
    if (found == Found::kYes && paths.TryCount(*this, &count)) {
      return count;
    }
    ArtPause(tries);
  }
  // Under many inserts at this very place: as far as an iterator comes.
  return CountEntries(start, end, kExactEntries);
}

}  // namespace memkv
