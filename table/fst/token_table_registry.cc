// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/token_table_registry.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace memkv {

struct TokenTableRegistry::Node {
  TokenTable token_table;
  std::string first;
  std::string last;
  uint64_t number = 0;  // in the order of Add()
  uint32_t priority = 0;
  Node* left = nullptr;
  Node* right = nullptr;
  Node* furthest = nullptr;
};

TokenTableRegistry::TokenTableRegistry() = default;

TokenTableRegistry::~TokenTableRegistry() {
  assert(root_ == nullptr);  // registrations keep it alive
}

TokenTableRegistry::Registration& TokenTableRegistry::Registration::operator=(
    Registration&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(node_, other.node_);
  return *this;
}

TokenTableRegistry::Registration::~Registration() {
  if (owner_ != nullptr) owner_->Remove(node_);
}

bool TokenTableRegistry::Before(const Node& a, const Node& b) {
  const int order = a.first.compare(b.first);
  return order != 0 ? order < 0 : a.number < b.number;
}

TokenTableRegistry::Node* TokenTableRegistry::Furthest(Node* node) {
  Node* furthest = node;
  for (Node* child : {node->left, node->right}) {
    if (child != nullptr && child->furthest->last > furthest->last) {
      furthest = child->furthest;
    }
  }
  return furthest;
}

void TokenTableRegistry::Update(Node* node) { node->furthest = Furthest(node); }

void TokenTableRegistry::Split(Node* node, const Node& at, Node** before,
                               Node** others) {
  if (node == nullptr) {
    *before = nullptr;
    *others = nullptr;
  } else if (Before(*node, at)) {
    Split(node->right, at, &node->right, others);
    *before = node;
    Update(node);
  } else {
    Split(node->left, at, before, &node->left);
    *others = node;
    Update(node);
  }
}

TokenTableRegistry::Node* TokenTableRegistry::Merge(Node* before,
                                                    Node* others) {
  if (before == nullptr) return others;
  if (others == nullptr) return before;
  Node* root;
  if (before->priority <= others->priority) {
    root = before;
    before->right = Merge(before->right, others);
  } else {
    root = others;
    others->left = Merge(before, others->left);
  }
  Update(root);
  return root;
}

TokenTableRegistry::Registration TokenTableRegistry::Add(
    const std::shared_ptr<TokenTableRegistry>& to,
    const TokenTable& token_table, std::string first, std::string last) {
  // The range of what stands for a long key has the key.
  if (first.size() > kMaxKeyBytes) first.resize(kMaxKeyBytes);
  if (last.size() > kMaxKeyBytes) {
    last.resize(kMaxKeyBytes);
    while (!last.empty() && last.back() == '\xff') last.pop_back();
    if (!last.empty()) {
      last.back() = static_cast<char>(last.back() + 1);
    } else {
      last.assign(kMaxKeyBytes + 1, '\xff');
    }
  }
  first.shrink_to_fit();
  last.shrink_to_fit();
  auto* const node = new Node;
  node->token_table = token_table;
  node->first = std::move(first);
  node->last = std::move(last);
  node->furthest = node;
  Registration registration;
  registration.owner_ = to;
  registration.node_ = node;
  const std::lock_guard<std::mutex> lock(to->mutex_);
  node->number = to->next_number_++;
  node->priority = static_cast<uint32_t>(to->priorities_());
  Node* before = nullptr;
  Node* others = nullptr;
  Split(to->root_, *node, &before, &others);
  to->root_ = Merge(Merge(before, node), others);
  ++to->size_;
  return registration;
}

void TokenTableRegistry::Remove(Node* node) {
  // Its tokens may be the last ones' owner: freed without the lock.
  const std::unique_ptr<Node> owned(node);
  const std::lock_guard<std::mutex> lock(mutex_);
  // The way to the node, to renew what its ancestors know.
  std::vector<Node**> way;
  Node** at = &root_;
  while (*at != node) {
    way.push_back(at);
    at = Before(*node, **at) ? &(*at)->left : &(*at)->right;
  }
  *at = Merge(node->left, node->right);
  for (size_t i = way.size(); i > 0; --i) Update(*way[i - 1]);
  --size_;
}

void TokenTableRegistry::FindAt(const Node* node, std::string_view key,
                                std::vector<const Node*>* found) {
  if (node == nullptr || std::string_view(node->furthest->last) < key ||
      found->size() == kMaxCandidates) {
    return;
  }
  if (std::string_view(node->first) <= key) {
    FindAt(node->right, key, found);
    if (found->size() < kMaxCandidates && std::string_view(node->last) >= key) {
      found->push_back(node);
    }
  }
  FindAt(node->left, key, found);
}

TokenTable TokenTableRegistry::Find(
    const std::vector<std::string_view>& keys) const {
  if (keys.empty()) return TokenTable();
  const size_t n = keys.size();
  const std::lock_guard<std::mutex> lock(mutex_);
  const Node* best = nullptr;
  size_t most = (n + 1) / 2;
  // A range that has half of the keys has one of those in the middle.
  std::vector<const Node*> candidates;
  for (const size_t middle : {(n - 1) / 2, n / 2}) {
    candidates.clear();
    FindAt(root_, keys[middle], &candidates);
    for (const Node* node : candidates) {
      const auto begin = std::lower_bound(keys.begin(), keys.end(),
                                          std::string_view(node->first));
      const auto end =
          std::upper_bound(begin, keys.end(), std::string_view(node->last));
      const auto within = static_cast<size_t>(end - begin);
      if (within > most || (within == most &&
                            (best == nullptr || node->number > best->number))) {
        best = node;
        most = within;
      }
    }
    if (n % 2 == 1) break;
  }
  return best == nullptr ? TokenTable() : best->token_table;
}

size_t TokenTableRegistry::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return size_;
}

bool TokenTableRegistry::Validate(std::string* reason) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<const Node*> pending;
  const Node* before = nullptr;
  size_t n = 0;
  for (Node* node = root_; node != nullptr || !pending.empty();) {
    if (node != nullptr) {
      for (const Node* child : {node->left, node->right}) {
        if (child != nullptr && child->priority < node->priority) {
          *reason = "(D1) a priority is smaller than its parent's";
          return false;
        }
      }
      if (node->furthest->last != Furthest(node)->last) {
        *reason = "(D2) a node does not know who reaches furthest";
        return false;
      }
      pending.push_back(node);
      node = node->left;
      continue;
    }
    const Node* const next = pending.back();
    pending.pop_back();
    if (before != nullptr && !Before(*before, *next)) {
      *reason = "(D1) nodes do not ascend";
      return false;
    }
    before = next;
    ++n;
    node = next->right;
  }
  if (n != size_) {
    *reason = "(D3) " + std::to_string(n) + " nodes of " +
              std::to_string(size_) + " registrations";
    return false;
  }
  return true;
}

}  // namespace memkv
