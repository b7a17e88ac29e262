// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the tests of the ART core share: entries, their order by the slow and
// obvious comparison, both orders by name, seeds, and an allocator that counts.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "memtable/art/tree.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace art_test {

inline constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                       ArtOrder::kReverseBytewise};

inline std::string OrderName(const ::testing::TestParamInfo<ArtOrder>& param) {
  return param.param == ArtOrder::kBytewise ? "Bytewise" : "ReverseBytewise";
}
inline std::string ShortNameOf(ArtOrder order) {
  return order == ArtOrder::kBytewise ? "Bytewise" : "Reverse";
}
inline std::string ShortOrderName(
    const ::testing::TestParamInfo<ArtOrder>& param) {
  return ShortNameOf(param.param);
}

// Malloc behind the ArtAllocator interface; 8 bytes aligned and no more, so
// that the tree's own alignment is tested.
class HeapAllocator : public ArtAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    std::unique_ptr<char[]> block(new char[bytes + 16]);
    char* memory = block.get();
    memory += 8 - reinterpret_cast<uintptr_t>(memory) % 8;
    std::lock_guard<std::mutex> lock(mutex_);
    bytes_ += bytes;
    ++calls_;
    // Half of the blocks start in the middle of 16 bytes.
    if (calls_ % 2 == 0 && reinterpret_cast<uintptr_t>(memory) % 16 == 0) {
      memory += 8;
    }
    blocks_.push_back(std::move(block));
    return memory;
  }

  size_t bytes() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }
  size_t calls() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t bytes_ = 0;
  size_t calls_ = 0;
};

inline void AppendVarint32(std::string* out, uint32_t v) {
  while (v >= 0x80) {
    out->push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out->push_back(static_cast<char>(v));
}

constexpr uint8_t kTypeValue = 1;

// An encoded entry in the tree's memory, not inserted yet; or kArtNoRef if the
// tree takes no more.
inline ArtRef TryNewEntry(ArtTree* tree, const std::string& key,
                          uint64_t sequence, uint8_t type = kTypeValue) {
  std::string bytes;
  AppendVarint32(&bytes, static_cast<uint32_t>(key.size() + 8));
  bytes += key;
  const uint64_t tag = sequence << 8 | type;
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(tag >> (8 * i)));
  }
  char* entry = nullptr;
  const ArtRef ref = tree->AllocateEntry(bytes.size(), &entry);
  if (ref != kArtNoRef) {
    memcpy(entry, bytes.data(), bytes.size());
  }
  return ref;
}

// The same. REQUIRES: the tree takes it.
inline ArtRef NewEntry(ArtTree* tree, const std::string& key, uint64_t sequence,
                       uint8_t type = kTypeValue) {
  const ArtRef ref = TryNewEntry(tree, key, sequence, type);
  if (ref == kArtNoRef) {
    abort();
  }
  return ref;
}

// A user key and a sequence.
struct TestKey {
  std::string user_key;
  uint64_t sequence;
};

inline TestKey KeyOf(const char* entry) {
  // The order decides nothing here.
  const ArtKey key(entry, ArtOrder::kBytewise);
  return TestKey{std::string(key.user_key(), key.user_size()), key.sequence()};
}

// A view of the TestKey.
inline ArtKey ToArtKey(const TestKey& key, ArtOrder order) {
  return ArtKey(key.user_key.data(), key.user_key.size(), key.sequence, order);
}

// The order of the tree, said slowly.
struct SlowLess {
  ArtOrder order = ArtOrder::kBytewise;

  bool operator()(const TestKey& a, const TestKey& b) const {
    const int c = a.user_key.compare(b.user_key);
    if (c != 0) {
      return (c < 0) == (order == ArtOrder::kBytewise);
    }
    return a.sequence > b.sequence;
  }
};

inline bool operator==(const TestKey& a, const TestKey& b) {
  return a.user_key == b.user_key && a.sequence == b.sequence;
}

inline std::ostream& operator<<(std::ostream& out, const TestKey& key) {
  out << '"';
  for (const unsigned char c : key.user_key.substr(0, 64)) {
    if (c >= 0x20 && c < 0x7f) {
      out << c;
    } else {
      char hex[8];
      snprintf(hex, sizeof(hex), "\\x%02x", c);
      out << hex;
    }
  }
  return out << "\"(" << key.user_key.size() << ")@" << key.sequence;
}

// Calls visit(node, depth) for every node, the root's depth being 0.
// REQUIRES: no insert is running.
template <typename Visit>
void ForEachNode(ArtTree* tree, const Visit& visit) {
  tree->DrainIfWaiting();
  std::vector<std::pair<ArtNodeOwner, size_t>> left = {
      {ArtNodeOwner::AtRest(tree->TEST_Root()), 0}};
  while (!left.empty()) {
    const auto [node, depth] = left.back();
    left.pop_back();
    visit(node, depth);
    const ArtNode::Meta meta = node.meta();
    for (int i = 0; i < meta.count(); ++i) {
      const ArtRef ref = node.RefAt(meta, i);
      if (ArtIsNode(ref)) {
        left.emplace_back(ArtNodeOwner::AtRest(tree->TEST_Arena().NodeAt(ref)),
                          depth + 1);
      }
    }
  }
}

}  // namespace art_test
}  // namespace memkv
