// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_top_builder.h"

#include <cassert>

#include "table/key_trie_format.h"

namespace memkv {

namespace {

// What a separator costs beside its label: the node's head, and the byte,
// offset and rank its parent keeps, at the widths that small tries have.
constexpr size_t kNodeEstimate = 4;

}  // namespace

void KeyTrieTopBuilder::Reset() {
  bytes_.clear();
  nodes_.clear();
  path_.clear();
  Node root;
  root.terminal = true;
  nodes_.push_back(root);
  path_.push_back(0);
  num_separators_ = 1;
}

size_t KeyTrieTopBuilder::EstimatedSize() const {
  return bytes_.size() + nodes_.size() * kNodeEstimate;
}

void KeyTrieTopBuilder::Add(uint64_t shared, std::string_view rest) {
  assert(!rest.empty());
  assert(shared <= nodes_[path_.back()].depth);
  while (path_.size() > 1 && nodes_[path_[path_.size() - 2]].depth >= shared) {
    PopInto(path_[path_.size() - 2]);
  }
  if (nodes_[path_.back()].depth > shared) {
    // The new separator branches off inside the last node's label.
    const uint32_t lower = path_.back();
    const uint64_t above = nodes_[path_[path_.size() - 2]].depth;
    const size_t kept = static_cast<size_t>(shared - above - 1);
    Node middle;
    middle.label = nodes_[lower].label;
    middle.label_length = kept;
    middle.depth = shared;
    middle.rank = nodes_[lower].rank;
    middle.first_byte = nodes_[lower].first_byte;
    nodes_[lower].first_byte =
        static_cast<uint8_t>(bytes_[nodes_[lower].label + kept]);
    nodes_[lower].label += kept + 1;
    nodes_[lower].label_length -= kept + 1;
    const auto id = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(middle);
    PopInto(id);
    path_.push_back(id);
  }
  Node leaf;
  leaf.label = bytes_.size();
  leaf.label_length = rest.size() - 1;
  leaf.depth = shared + rest.size();
  leaf.rank = num_separators_++;
  leaf.first_byte = static_cast<uint8_t>(rest[0]);
  leaf.terminal = true;
  bytes_.append(rest.data() + 1, rest.size() - 1);
  path_.push_back(static_cast<uint32_t>(nodes_.size()));
  nodes_.push_back(leaf);
}

void KeyTrieTopBuilder::PopInto(uint32_t parent) {
  const uint32_t child = path_.back();
  path_.pop_back();
  Complete(&nodes_[child]);
  Node& above = nodes_[parent];
  if (above.first_child == kNone) {
    above.first_child = child;
  } else {
    nodes_[above.last_child].next_sibling = child;
    // The offset of the new last child is the size of its elder siblings,
    // which size holds until the node is complete.
    above.max_offset = above.size;
    above.max_rank = nodes_[child].rank - above.rank;
  }
  above.last_child = child;
  above.size += nodes_[child].size;
  ++above.num_children;
}

void KeyTrieTopBuilder::Complete(Node* node) {
  uint64_t own = 1 + node->label_length;
  if (node->label_length >= kTopLabelEscape) {
    own += VarintLength(node->label_length - kTopLabelEscape);
  }
  if (node->num_children > 0) {
    own +=
        1 + node->num_children +
        (node->num_children - 1) * (TopWidth(TopWidthCode(node->max_offset)) +
                                    TopWidth(TopWidthCode(node->max_rank)));
  }
  node->size += own;
}

void KeyTrieTopBuilder::Write(const Node& node, std::string* out) const {
  const bool leaf = node.num_children == 0;
  const unsigned offset_code = leaf ? 0 : TopWidthCode(node.max_offset);
  const unsigned rank_code = leaf ? 0 : TopWidthCode(node.max_rank);
  const bool long_label = node.label_length >= kTopLabelEscape;
  out->push_back(static_cast<char>(
      (long_label ? kTopLabelEscape : node.label_length) |
      (node.terminal ? kTopTerminalBit : 0) | (offset_code << kTopOffsetShift) |
      (rank_code << kTopRankShift)));
  if (long_label) {
    PutVarint64(out, node.label_length - kTopLabelEscape);
  }
  out->append(bytes_, node.label, node.label_length);
  if (leaf) {
    return;
  }
  out->push_back(static_cast<char>(node.num_children - 1));
  for (uint32_t id = node.first_child; id != kNone;
       id = nodes_[id].next_sibling) {
    out->push_back(static_cast<char>(nodes_[id].first_byte));
  }
  uint64_t offset = 0;
  for (uint32_t id = node.first_child; id != node.last_child;
       id = nodes_[id].next_sibling) {
    offset += nodes_[id].size;
    PutFixed(out, offset, TopWidth(offset_code));
  }
  for (uint32_t id = nodes_[node.first_child].next_sibling; id != kNone;
       id = nodes_[id].next_sibling) {
    PutFixed(out, nodes_[id].rank - node.rank, TopWidth(rank_code));
  }
}

void KeyTrieTopBuilder::Finish(std::string* out) {
  while (path_.size() > 1) {
    PopInto(path_[path_.size() - 2]);
  }
  Complete(&nodes_[0]);
  std::vector<uint32_t> pending = {0};
  while (!pending.empty()) {
    const Node& node = nodes_[pending.back()];
    pending.pop_back();
    Write(node, out);
    if (node.next_sibling != kNone) {
      pending.push_back(node.next_sibling);
    }
    if (node.first_child != kNone) {
      pending.push_back(node.first_child);
    }
  }
}

}  // namespace memkv
