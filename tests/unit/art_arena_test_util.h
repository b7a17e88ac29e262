// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Memory of an arena with something of its own in it, to see that it stays.

#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "memtable/art/arena.h"
#include "memtable/art/tree.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

using Random = std::mt19937_64;

// Memory with something of its own in it.
struct Filled {
  ArtRef ref;
  char* memory;
  std::string bytes;

  bool Intact(const ArtArena& arena) const {
    return arena.Resolve(ref) == memory &&
           memcmp(memory, bytes.data(), bytes.size()) == 0;
  }
};

// Of other bytes than before, in less time than random ones.
inline std::string PatternedBytes(size_t size, Random* random) {
  std::string bytes(size, '\0');
  const uint64_t word = (*random)();
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((word >> (8 * (i % 8))) + i / 8);
  }
  return bytes;
}

inline Filled Fill(ArtRef ref, char* memory, const std::string& bytes) {
  memcpy(memory, bytes.data(), bytes.size());
  return Filled{ref, memory, bytes};
}

inline void ExpectStatsAddUp(const ArtStats& stats, size_t allocated) {
  EXPECT_EQ(allocated, stats.allocated_bytes);
  uint64_t live = 0;
  uint64_t free = 0;
  for (int c = 0; c < kArtNodeClasses; ++c) {
    live += stats.live_nodes[c] * ArtNode::Bytes(c);
    free += stats.free_nodes[c] * ArtNode::Bytes(c);
  }
  EXPECT_EQ(live, stats.live_node_bytes);
  EXPECT_EQ(free, stats.free_node_bytes);
  EXPECT_LE(live + free + stats.entry_bytes + stats.entry_padding,
            stats.allocated_bytes);
}

inline size_t RandomSize(Random* random) {
  const uint64_t kind = (*random)() % 10000;
  if (kind == 0) {
    return 1 + (*random)() % (5 << 20);
  }
  if (kind < 10) {
    return 1 + (*random)() % (80 << 10);
  }
  return 1 + (*random)() % (kind < 8000 ? 60 : 600);
}

}  // namespace art_test
}  // namespace memkv
