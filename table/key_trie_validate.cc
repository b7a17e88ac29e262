// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// KeyTrieReader::Validate: the whole format, checked in one pass over the
// buckets with one walk of the top trie beside it.
//
// What it leaves out, because Open has checked it: the header and the sizes of
// the sections.  The two together accept exactly what KeyTrieBuilder writes, so
// every refusal below names something that only damage can cause.

#include <algorithm>
#include <string>
#include <vector>

#include "table/key_trie_format.h"
#include "table/key_trie_reader.h"

namespace memkv {

namespace {

std::string At(const char* what, uint64_t number) {
  return std::string("key trie: ") + what + " " + std::to_string(number);
}

// Yields the separators of a top trie in order, checking every byte it passes.
class TopWalker {
 public:
  TopWalker(const uint8_t* top, size_t size)
      : top_(top), next_(top), limit_(top + size) {}

  // Advances to the next separator.  False at the end and on damage: *reason
  // is set only by damage.
  bool Next(std::string* reason) {
    shared_ = path_.size();
    if (stack_.empty()) {
      return next_ == top_ && Enter(reason);
    }
    do {
      // After a terminal node come its children, then its siblings, then those
      // of its ancestors.
      Frame* frame = &stack_.back();
      while (frame->child == frame->node.num_children) {
        stack_.pop_back();
        if (stack_.empty()) {
          return false;
        }
        frame = &stack_.back();
      }
      shared_ = std::min(shared_, frame->path_length);
      path_.resize(frame->path_length);
      const KeyTrieTopNode& node = frame->node;
      const uint32_t child = frame->child++;
      if (static_cast<uint64_t>(next_ - node.end) != node.ChildOffset(child)) {
        *reason = Where(node) + " has its child " + std::to_string(child) +
                  " at offset " + std::to_string(node.ChildOffset(child)) +
                  ", expected " + std::to_string(next_ - node.end);
        return false;
      }
      if (num_separators_ - frame->first_rank != node.ChildRank(child)) {
        *reason = Where(node) + " gives its child " + std::to_string(child) +
                  " rank " + std::to_string(node.ChildRank(child)) +
                  ", expected " +
                  std::to_string(num_separators_ - frame->first_rank);
        return false;
      }
      if (child > 0 && node.bytes[child] <= node.bytes[child - 1]) {
        *reason = Where(node) + " has child bytes that do not ascend";
        return false;
      }
      path_.push_back(static_cast<char>(node.bytes[child]));
      if (!Enter(reason)) {
        return false;
      }
    } while (!stack_.back().node.terminal);
    return true;
  }

  // The separator Next arrived at.
  const std::string& separator() const { return path_; }
  // How many of its bytes are those of the separator before it.
  size_t shared() const { return shared_; }

  bool AtEnd() const { return next_ == limit_; }

 private:
  struct Frame {
    KeyTrieTopNode node;
    size_t path_length;
    uint64_t first_rank;
    uint32_t child;
  };

  std::string Where(const KeyTrieTopNode& node) const {
    return At("the top node ending at", static_cast<uint64_t>(node.end - top_));
  }

  // Decodes and checks the node at next_ and makes it the innermost one.
  bool Enter(std::string* reason) {
    Frame frame;
    KeyTrieTopNode& node = frame.node;
    if (!node.Decode(next_, limit_)) {
      *reason = At("no whole top node at", static_cast<uint64_t>(next_ - top_));
      return false;
    }
    const bool root = stack_.empty();
    if (root && (!node.terminal || node.label_length != 0)) {
      *reason = Where(node) + " is the root, but not the empty separator";
      return false;
    }
    if (node.num_children == 1 && !node.terminal) {
      *reason = Where(node) + " has one child and no separator of its own";
      return false;
    }
    if (node.num_children > 0) {
      const uint32_t last = node.num_children - 1;
      const uint64_t max_rank = last == 0 ? 0 : node.ChildRank(last);
      if (TopWidthCode(node.ChildOffset(last)) != node.offset_code ||
          TopWidthCode(max_rank) != node.rank_code) {
        *reason = Where(node) + " has wider offsets or ranks than it needs";
        return false;
      }
    }
    path_.append(reinterpret_cast<const char*>(node.label), node.label_length);
    frame.path_length = path_.size();
    frame.first_rank = num_separators_;
    frame.child = 0;
    num_separators_ += node.terminal;
    next_ = node.end;
    stack_.push_back(frame);
    return true;
  }

  const uint8_t* const top_;
  const uint8_t* next_;  // where the next node starts
  const uint8_t* const limit_;
  std::vector<Frame> stack_;
  std::string path_;
  size_t shared_ = 0;
  uint64_t num_separators_ = 0;
};

}  // namespace

class KeyTrieValidator {
 public:
  explicit KeyTrieValidator(const KeyTrieReader& trie)
      : trie_(trie), top_(trie.top_, trie.top_size_) {}

  bool Run(std::string* reason) {
    reason->clear();
    if (!trie_.bucket_offsets_.Validate(reason)) {
      return false;
    }
    for (uint32_t b = 0; b < trie_.num_buckets_; ++b) {
      if (!CheckBucket(b, reason)) {
        return false;
      }
    }
    if (trie_.top_size_ > 0) {
      if (top_.Next(reason)) {
        *reason = "key trie: the top trie has more separators than buckets";
      }
      if (!reason->empty()) {
        return false;
      }
      if (!top_.AtEnd()) {
        *reason = "key trie: unused bytes after the top trie";
        return false;
      }
    }
    return true;
  }

 private:
  bool CheckBucket(uint32_t b, std::string* reason) {
    if (b == 0 && trie_.bucket_offsets_[0] != 0) {
      *reason = "key trie: unused bytes before the first bucket";
      return false;
    }
    KeyTrieBucket bucket;
    if (!trie_.OpenBucket(b, &bucket)) {
      *reason = At("no whole bucket", b);
      return false;
    }
    KeyTrieEntryStream entry(bucket);
    for (uint32_t i = 0; i < bucket.num_keys; ++i) {
      if (!entry.Next()) {
        *reason = At("entry", i) + " of bucket " + std::to_string(b) +
                  " does not fit into it";
        return false;
      }
      const bool first = b == 0 && i == 0;
      if (!first && !Ascends(entry)) {
        *reason = At("key", i) + " of bucket " + std::to_string(b) +
                  " is not greater than the key before it, or its LCP with "
                  "that key is not exact";
        return false;
      }
      if (!first) {
        min_lcp_ = std::min(min_lcp_, entry.lcp());
      }
      key_.resize(entry.lcp());
      key_.append(reinterpret_cast<const char*>(entry.suffix()),
                  entry.suffix_length());
      if (i == 0 && trie_.top_size_ > 0 &&
          !CheckSeparator(b, entry.lcp(), reason)) {
        return false;
      }
    }
    if (!entry.AtEnd()) {
      *reason = At("unused bytes in bucket", b);
      return false;
    }
    return true;
  }

  bool Ascends(const KeyTrieEntryStream& entry) const {
    if (entry.lcp() > key_.size() || entry.suffix_length() == 0) {
      return false;
    }
    return entry.lcp() == key_.size() ||
           entry.suffix()[0] > static_cast<uint8_t>(key_[entry.lcp()]);
  }

  // Checks the separator of the bucket whose head is key_: the shortest string
  // that is greater than the key before the head and not greater than the head.
  bool CheckSeparator(uint32_t b, uint64_t head_lcp, std::string* reason) {
    if (!top_.Next(reason)) {
      if (reason->empty()) {
        *reason = At("no separator for bucket", b);
      }
      return false;
    }
    const std::string& separator = top_.separator();
    const uint64_t length = b == 0 ? 0 : head_lcp + 1;
    // What both share with the separator and head before them needs no second
    // look; without this, long common prefixes would cost a pass a bucket.
    const size_t equal =
        static_cast<size_t>(std::min<uint64_t>(top_.shared(), min_lcp_));
    min_lcp_ = UINT64_MAX;
    if (separator.size() != length ||
        (equal < length && separator.compare(equal, std::string::npos, key_,
                                             equal, length - equal) != 0)) {
      *reason = At("wrong separator for bucket", b);
      return false;
    }
    return true;
  }

  const KeyTrieReader& trie_;
  TopWalker top_;
  std::string key_;  // the one before the entry at hand
  // The smallest LCP of neighbours since the last head.
  uint64_t min_lcp_ = UINT64_MAX;
};

bool KeyTrieReader::Validate(std::string* reason) const {
  return KeyTrieValidator(*this).Run(reason);
}

}  // namespace memkv
