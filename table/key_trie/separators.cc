// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/separators.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "table/key_trie/format.h"
#include "table/key_trie/kernels.h"
#include "util/cache_line_counter.h"
#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

namespace {

constexpr uint64_t kMaxNarrowOffset = UINT16_MAX;
constexpr uint32_t kLongLabel = 255;
constexpr uint32_t kGoesOnBit = 1u << 31;

unsigned OrdinalWidth(uint32_t num_separators) {
  return num_separators <= UINT8_MAX ? 1 : num_separators <= UINT16_MAX ? 2 : 4;
}

// The separators [begin, end), which share their first `depth` bytes.
struct NodePlan {
  uint32_t begin;
  uint32_t end;
  uint64_t depth;
  uint64_t label_size = 0;
  // Groups, and where each starts; one more start ends the last.
  uint32_t first_group = 0;  // among all plans' groups
  uint32_t num_groups = 0;
  bool goes_on = false;
  uint64_t offset = 0;
};

struct GroupPlan {
  uint64_t slice;
  uint32_t begin;
  uint32_t child;  // plan, 0 if none
};

// The bytes of separator s > 0, which is the list's string s - 1, from `depth`
// on.  Where a node begins with it they are all its own: it shares fewer with
// the separator before, or there is none.
std::string_view OwnFrom(const SeparatorList& separators, uint32_t s,
                         uint64_t depth) {
  const SeparatorList::Item& item = separators[s - 1];
  assert(item.lcp <= depth);
  return separators.Own(item).substr(depth - item.lcp);
}

}  // namespace

// How a trie is laid out.
struct SeparatorTrieBuilder::Plan {
  std::vector<NodePlan> nodes;
  std::vector<GroupPlan> groups;
  unsigned ordinal_width = 1;
  unsigned offset_width = 2;
  uint64_t size = 0;  // of the whole trie
};

size_t SeparatorList::OwnBytes(std::string_view s) const {
  // Of descending ones, the one before keeps what it does not share with s, and
  // s is kept whole until one follows it; together that is as many.
  return s.size() - CommonPrefix(s, last_);
}

void SeparatorList::Add(std::string_view s) {
  assert(items_.empty() || (descending_ ? s < last_ : s > last_));
  const auto lcp = static_cast<uint32_t>(CommonPrefix(s, last_));
  const auto size = static_cast<uint32_t>(s.size());
  shared_ = items_.empty() ? s.size() : std::min<size_t>(shared_, lcp);
  if (!descending_) {
    items_.push_back({lcp, size - lcp, bytes_.size()});
    bytes_.append(s.substr(lcp));
  } else {
    if (!items_.empty()) {
      // The one before comes behind s.  Of it, the end is now in bytes_ that
      // it keeps: its first bytes are those of s.
      Item& behind = items_.back();
      behind.lcp = lcp;
      behind.size -= lcp;
      bytes_.erase(behind.begin, lcp);
    }
    items_.push_back({0, size, bytes_.size()});
    bytes_.append(s);
  }
  last_.assign(s.data(), s.size());
}

bool SeparatorTrieBuilder::Encode(const std::vector<std::string>& separators,
                                  uint64_t max_size, std::string* out) {
  assert(!separators.empty() && separators[0].empty());
  SeparatorList list;
  for (size_t i = 1; i < separators.size(); ++i) list.Add(separators[i]);
  return Encode(list, max_size, out);
}

void SeparatorTrieBuilder::MakePlan(const SeparatorList& separators,
                                    Plan* plan) {
  const auto n = static_cast<uint32_t>(separators.size() + 1);
  std::vector<NodePlan>& nodes = plan->nodes;
  std::vector<GroupPlan>& groups = plan->groups;
  nodes = {{1, n, 0}};
  for (size_t i = 0; i < nodes.size(); ++i) {
    NodePlan node = nodes[i];
    const std::string_view first = OwnFrom(separators, node.begin, node.depth);
    uint64_t shared = node.depth + first.size();  // of all of them
    for (uint32_t s = node.begin + 1; s < node.end; ++s) {
      shared = std::min<uint64_t>(shared, separators[s - 1].lcp);
    }
    node.label_size = shared - node.depth;
    node.first_group = static_cast<uint32_t>(groups.size());
    if (node.end - node.begin > 1) {
      // The slice's bytes, and one more that tells whether it goes on.
      std::string window(first.substr(node.label_size, kSliceBytes + 1));
      for (uint32_t s = node.begin; s < node.end; ++s) {
        if (s != node.begin) {
          const SeparatorList::Item& item = separators[s - 1];
          window.resize(std::min<uint64_t>(window.size(), item.lcp - shared));
          window.append(
              separators.Own(item).substr(0, kSliceBytes + 1 - window.size()));
        }
        const uint64_t slice = SliceOf(window, 0);
        if (s == node.begin || groups.back().slice != slice) {
          groups.push_back({slice, s, 0});
        }
      }
      node.num_groups = static_cast<uint32_t>(groups.size()) - node.first_group;
      for (uint32_t g = node.first_group; g < groups.size(); ++g) {
        if ((groups[g].slice & kSliceLengthMask) == kSliceGoesOn) {
          node.goes_on = true;
          groups[g].child = static_cast<uint32_t>(nodes.size());
          nodes.push_back(
              {groups[g].begin,
               g + 1 < groups.size() ? groups[g + 1].begin : node.end,
               shared + kSliceBytes});
        }
      }
    }
    nodes[i] = node;
  }
  plan->ordinal_width = OrdinalWidth(n);
  for (plan->offset_width = 2;; plan->offset_width = 4) {
    plan->size = 1;
    for (NodePlan& node : nodes) {
      node.offset = plan->size;
      const uint64_t group_size = sizeof(uint64_t) + plan->ordinal_width +
                                  (node.goes_on ? plan->offset_width : 0);
      plan->size += (node.label_size < kLongLabel ? 4 : 8) + node.label_size +
                    node.num_groups * group_size;
    }
    if (plan->offset_width == 4 || plan->size <= kMaxNarrowOffset) {
      break;
    }
  }
}

uint64_t SeparatorTrieBuilder::EncodedSize(const SeparatorList& separators) {
  if (separators.empty()) {
    return 0;
  }
  Plan plan;
  MakePlan(separators, &plan);
  return plan.size;
}

bool SeparatorTrieBuilder::Encode(const SeparatorList& separators,
                                  uint64_t max_size, std::string* out) {
  if (separators.size() >= kMaxSeparators) {
    return false;
  }
  if (separators.empty()) {
    return true;
  }
  Plan plan;
  MakePlan(separators, &plan);
  if (plan.size > max_size || plan.size > kMaxSize) {
    return false;
  }
  const std::vector<GroupPlan>& groups = plan.groups;
  out->reserve(out->size() + plan.size);
  out->push_back(
      static_cast<char>(plan.ordinal_width | plan.offset_width << 4));
  for (const NodePlan& node : plan.nodes) {
    PutFixed(out,
             std::min<uint64_t>(node.label_size, kLongLabel) |
                 node.num_groups << 8 | (node.goes_on ? kGoesOnBit : 0),
             4);
    if (node.label_size >= kLongLabel) {
      PutFixed(out, node.label_size, 4);
    }
    out->append(
        OwnFrom(separators, node.begin, node.depth).substr(0, node.label_size));
    const auto begin = groups.begin() + node.first_group;
    const auto end = begin + node.num_groups;
    for (auto g = begin; g != end; ++g) {
      PutFixed(out, g->slice, sizeof(uint64_t));
    }
    for (auto g = begin; g != end; ++g) {
      PutFixed(out, g->begin, plan.ordinal_width);
    }
    for (auto g = begin; g != end && node.goes_on; ++g) {
      PutFixed(out, g->child == 0 ? 0 : plan.nodes[g->child].offset,
               plan.offset_width);
    }
  }
  return true;
}

bool SeparatorTrie::Open(std::string_view data, uint32_t num_separators,
                         SeparatorTrie* out, std::string* reason) {
  SeparatorTrie trie;
  trie.data_ = reinterpret_cast<const uint8_t*>(data.data());
  trie.size_ = data.size();
  trie.num_separators_ = num_separators;
  if (num_separators > 1) {
    trie.ordinal_width_ = OrdinalWidth(num_separators);
    trie.offset_width_ = data.size() <= kMaxNarrowOffset ? 2 : 4;
  }
  const bool well_formed =
      num_separators == 1
          ? data.empty()
          : !data.empty() && trie.data_[0] == (trie.ordinal_width_ |
                                               trie.offset_width_ << 4);
  if (!well_formed) {
    *reason =
        "separators: " + std::to_string(num_separators) + " in " +
        std::to_string(data.size()) + " bytes" +
        (data.empty() ? ""
                      : " that begin with " + std::to_string(trie.data_[0]));
    return false;
  }
  *out = trie;
  return true;
}

bool SeparatorTrie::OpenNode(uint64_t offset, Node* node) const {
  if (offset == 0 || offset >= size_) {
    return false;
  }
  const uint8_t* p = data_ + offset;
  CountCacheLine(p);
  const uint32_t head = LoadFixed32(p);
  p += 4;
  node->label_size = head & kLongLabel;
  if (node->label_size == kLongLabel) {
    node->label_size = LoadFixed32(p);
    p += 4;
  }
  node->num_groups = (head & ~kGoesOnBit) >> 8;
  node->label = p;
  node->slices = p + node->label_size;
  node->ordinals = node->slices + sizeof(uint64_t) * node->num_groups;
  const uint8_t* end =
      node->ordinals + size_t{ordinal_width_} * node->num_groups;
  node->offsets = nullptr;
  if ((head & kGoesOnBit) != 0) {
    node->offsets = end;
    end += size_t{offset_width_} * node->num_groups;
  }
  return static_cast<uint64_t>(end - data_) <= size_;
}

uint32_t SeparatorTrie::CountNotGreater(const uint8_t* slices, uint32_t n,
                                        uint64_t slice) {
  uint32_t begin = 0;
  while (n > 16) {
    const uint32_t half = n / 2;
    const uint8_t* const last = slices + 8 * size_t{begin + half - 1};
    CountCacheLine(last);
    const bool beyond = LoadFixed64(last) <= slice;
    begin += beyond ? half : 0;
    n -= beyond ? half : n - half;
  }
  CountCacheLine(slices + 8 * size_t{begin});
  return begin + CountNotGreater16(slices + 8 * size_t{begin}, n, slice);
}

// A search, a node at a time.
class SeparatorTrie::FloorSearch {
 public:
  FloorSearch() = default;
  explicit FloorSearch(const SeparatorTrie& trie)
      : trie_(&trie), found_(trie.num_separators_ == 1) {}

  // Asks for the lines of the next node.  REQUIRES: !found()
  void Prefetch() const {
    if (offset_ < trie_->size_) {
      PrefetchLines(trie_->data_ + offset_, trie_->size_ - offset_,
                    kPrefetched);
    }
  }
  // Visits the next node.  False if the bytes are corrupt.
  // REQUIRES: !found()
  bool Visit(const SoughtKey& key);

  bool found() const { return found_; }
  // REQUIRES: found()
  const FloorResult& place() const { return place_; }

 private:
  // What the answer is: that it is a separator's place.
  bool Found(uint32_t ordinal, uint64_t matched) {
    found_ = true;
    place_.ordinal = ordinal;
    place_.matched = matched;
    return ordinal < trie_->num_separators_;
  }
  // The ordinals of the separators below the node: of the first, and of the
  // one behind the last.
  uint32_t First() const {
    return first_at_ == nullptr ? 1 : trie_->Ordinal(first_at_);
  }
  uint32_t Limit() const {
    return limit_at_ == nullptr ? trie_->num_separators_
                                : trie_->Ordinal(limit_at_);
  }
  bool FoundBefore() {
    return Found(First() - 1,
                 depth_before_ + CommonSlice(slice_before_, slice_there_));
  }

  const SeparatorTrie* trie_ = nullptr;
  bool found_ = true;
  FloorResult place_;
  uint64_t offset_ = 1;
  uint64_t depth_ = 0;
  // Where to read, at the end, which separators are below the node.
  const uint8_t* first_at_ = nullptr;
  const uint8_t* limit_at_ = nullptr;
  // The slice of the one before them, where the key has another, and where.
  // At first that is the empty one.
  uint64_t slice_before_ = 0;
  uint64_t slice_there_ = 0;
  uint64_t depth_before_ = 0;
};

inline bool SeparatorTrie::FloorSearch::Visit(const SoughtKey& key) {
  Node node;
  if (!trie_->OpenNode(offset_, &node)) {
    return false;
  }
  ++place_.num_nodes;
  const uint64_t common =
      key.CommonPrefixAt(depth_, node.label, node.label_size);
  depth_ += common;
  if (common < node.label_size) {
    return depth_ == key.size() || key[depth_] < node.label[common]
               ? FoundBefore()
               : Found(Limit() - 1, depth_);
  }
  if (node.num_groups == 0) {
    return Found(First(), depth_);
  }
  const uint64_t slice = key.SliceAt(depth_);
  const uint32_t count = CountNotGreater(node.slices, node.num_groups, slice);
  if (count == 0) {
    return FoundBefore();
  }
  const auto width = size_t{trie_->ordinal_width_};
  if (count < node.num_groups) {
    limit_at_ = node.ordinals + count * width;
  }
  const uint32_t group = count - 1;
  const uint8_t* const at = node.slices + 8 * size_t{group};
  const uint64_t greatest = LoadFixed64(at);
  if (greatest != slice) {
    return Found(Limit() - 1, depth_ + CommonSlice(greatest, slice));
  }
  first_at_ = node.ordinals + group * width;
  if ((slice & kSliceLengthMask) != kSliceGoesOn) {
    return Found(First(), depth_ + (slice & kSliceLengthMask));
  }
  if (group > 0) {
    slice_before_ = LoadFixed64(at - 8);
    slice_there_ = slice;
    depth_before_ = depth_;
  }
  depth_ += kSliceBytes;
  CountCacheLine(first_at_);
  offset_ = trie_->OffsetAt(node, group);
  return true;
}

bool SeparatorTrie::Find(const SoughtKey& key, FloorResult* place) const {
  FloorSearch descent(*this);
  while (!descent.found()) {
    if (!descent.Visit(key)) {
      return false;
    }
  }
  *place = descent.place();
  return true;
}

void SeparatorTrie::FindAll(const SeparatorTrie* const* tries,
                            const SoughtKey* const* keys, size_t n,
                            FloorResult* places, bool* whole) {
  assert(n <= kMaxBatch);
  std::array<FloorSearch, kMaxBatch> descents;
  std::array<uint8_t, kMaxBatch> under_way;
  size_t left = 0;
  const auto go_on = [&](size_t i) {
    if (descents[i].found()) {
      places[i] = descents[i].place();
    } else {
      descents[i].Prefetch();
      under_way[left++] = static_cast<uint8_t>(i);
    }
  };
  for (size_t i = 0; i < n; ++i) {
    whole[i] = true;
    descents[i] = FloorSearch(*tries[i]);
    go_on(i);
  }
  while (left > 0) {
    const size_t visits = left;
    left = 0;
    for (size_t j = 0; j < visits; ++j) {
      const size_t i = under_way[j];
      whole[i] = descents[i].Visit(*keys[i]);
      if (whole[i]) {
        go_on(i);
      }
    }
  }
}

bool SeparatorTrie::Get(uint32_t ordinal, std::string* separator) const {
  assert(ordinal < num_separators_);
  separator->clear();
  if (ordinal == 0) {
    return true;
  }
  for (uint64_t offset = 1;;) {
    Node node;
    // Nodes do not overlap, so no separator is longer than all of them.
    if (!OpenNode(offset, &node) ||
        separator->size() + node.label_size > size_) {
      return false;
    }
    separator->append(reinterpret_cast<const char*>(node.label),
                      node.label_size);
    if (node.num_groups == 0) {
      return true;
    }
    uint32_t group = 0;
    for (uint32_t n = node.num_groups; n > 1;) {
      const uint32_t half = n / 2;
      if (OrdinalAt(node, group + half) <= ordinal) {
        group += half;
        n -= half;
      } else {
        n = half;
      }
    }
    const uint64_t slice = LoadFixed64(node.slices + 8 * size_t{group});
    const uint64_t length = slice & kSliceLengthMask;
    if (length > kSliceGoesOn) {
      return false;
    }
    for (uint64_t i = 0; i < std::min<uint64_t>(length, kSliceBytes); ++i) {
      separator->push_back(static_cast<char>(slice >> (56 - 8 * i)));
    }
    if (length != kSliceGoesOn) {
      return OrdinalAt(node, group) == ordinal;
    }
    const uint64_t below = OffsetAt(node, group);
    if (below <= offset) {
      return false;  // Nodes are level by level: a child is behind.
    }
    offset = below;
  }
}

}  // namespace key_trie
}  // namespace memkv
