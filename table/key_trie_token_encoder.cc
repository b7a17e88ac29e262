// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_token_encoder.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace memkv {
namespace key_trie {

namespace {

constexpr uint32_t kBlock = 256;
// Blocks that are tried before a new one is added, and places in each.
constexpr uint32_t kOpenBlocks = 8;

std::vector<Tokens::Token> TokensOf(const Tokens& tokens) {
  std::vector<Tokens::Token> list(tokens.num_tokens());
  for (uint32_t code = 0; code < tokens.num_tokens(); ++code) {
    list[code].bytes = tokens.TokenOf(code);
    list[code].ends = code >= tokens.first_end();
  }
  return list;
}

}  // namespace

TokenMatcher::TokenMatcher(const std::vector<Tokens::Token>& tokens) {
  std::vector<uint32_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&tokens](uint32_t a, uint32_t b) {
    return tokens[a].bytes < tokens[b].bytes;
  });
  AddBlock();
  nodes_[kRoot] = MakeNode(0, kRoot, kNoPlain);
  // A node: the tokens [begin, end) of the order share their first depth bytes.
  struct Range {
    uint32_t node;
    uint32_t begin;
    uint32_t end;
    uint32_t depth;
  };
  std::vector<Range> pending = {
      {kRoot, 0, static_cast<uint32_t>(order.size()), 0}};
  std::vector<uint32_t> starts;
  std::vector<uint8_t> children;
  for (size_t i = 0; i < pending.size(); ++i) {
    const Range range = pending[i];
    uint32_t plain = kNoPlain;
    uint32_t begin = range.begin;
    while (begin < range.end &&
           tokens[order[begin]].bytes.size() == range.depth) {
      (tokens[order[begin]].ends ? last_[range.node] : plain) = order[begin];
      ++begin;
    }
    starts.clear();
    children.clear();
    for (uint32_t k = begin; k < range.end; ++k) {
      const auto byte =
          static_cast<uint8_t>(tokens[order[k]].bytes[range.depth]);
      if (children.empty() || children.back() != byte) {
        children.push_back(byte);
        starts.push_back(k);
      }
    }
    starts.push_back(range.end);
    // No place has a leaf as its check.
    const uint32_t base = children.empty()
                              ? range.node & ~(kBlock - 1)
                              : FindBase(children.data(), children.size());
    for (size_t c = 0; c < children.size(); ++c) {
      const uint32_t child = base ^ children[c];
      nodes_[child] = MakeNode(0, range.node, kNoPlain);
      pending.push_back({child, starts[c], starts[c + 1], range.depth + 1});
    }
    nodes_[range.node] = MakeNode(base, Check(nodes_[range.node]), plain);
  }
}

void TokenMatcher::AddBlock() {
  assert(nodes_.size() + kBlock <= kNoPlace);
  nodes_.resize(nodes_.size() + kBlock, MakeNode(0, kNoPlace, kNoPlain));
  last_.resize(nodes_.size(), kNone);
}

uint32_t TokenMatcher::FindBase(const uint8_t* children, size_t n) {
  const auto blocks = static_cast<uint32_t>(nodes_.size() / kBlock);
  first_open_ =
      std::max(first_open_, blocks < kOpenBlocks ? 0 : blocks - kOpenBlocks);
  for (uint32_t block = first_open_; block < blocks; ++block) {
    const uint32_t begin = block * kBlock;
    for (uint32_t place = begin; place < begin + kBlock; ++place) {
      if (Check(nodes_[place]) != kNoPlace) {
        continue;
      }
      const uint32_t base = place ^ children[0];
      size_t c = 1;
      while (c < n && Check(nodes_[base ^ children[c]]) == kNoPlace) {
        ++c;
      }
      if (c == n) {
        return base;
      }
    }
  }
  AddBlock();
  return blocks * kBlock;
}

TokenEncoder::TokenEncoder(const Tokens& tokens)
    : width_(tokens.width()), matcher_(TokensOf(tokens)) {}

}  // namespace key_trie
}  // namespace memkv
