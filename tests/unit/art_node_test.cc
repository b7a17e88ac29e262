// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the ART is made of: keys, and the search in one node.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "memtable/art/tree.h"
#include "tests/util/art_test_util.h"
#include "tests/util/exact_bytes.h"

namespace memkv {
namespace art_test {

using Random = std::mt19937_64;

// ---- Keys ----

TEST(ArtKeyTest, DivergeNamesTheFirstSymbolThatDiffers) {
  const auto diverge = [](ArtOrder order, const std::string& a, uint64_t a_seq,
                          const std::string& b, uint64_t b_seq) {
    const TestKey x{a, a_seq};
    const TestKey y{b, b_seq};
    const ArtDepth m = ToArtKey(x, order).Diverge(ToArtKey(y, order));
    EXPECT_EQ(m, ToArtKey(y, order).Diverge(ToArtKey(x, order)));
    return m;
  };
  for (const ArtOrder order : kOrders) {
    const bool reverse = order == ArtOrder::kReverseBytewise;
    // The depths of byte i, and of the end before it.
    const auto byte = [&](size_t i) {
      return static_cast<ArtDepth>(reverse ? 2 * i + 1 : i);
    };
    const auto end = [&](size_t i) {
      return static_cast<ArtDepth>(reverse ? 2 * i : i);
    };
    EXPECT_EQ(byte(0), diverge(order, "a", 1, "b", 1));
    EXPECT_EQ(end(0), diverge(order, "", 1, "b", 1));
    EXPECT_EQ(end(1), diverge(order, "a", 1, "ab", 1));
    EXPECT_EQ(kArtEqualDepth, diverge(order, "", 1, "", 1));
    EXPECT_EQ(kArtVersionDepth + 6, diverge(order, "", 1, "", 2));
    EXPECT_EQ(kArtVersionDepth + 5, diverge(order, "x", 255, "x", 256));
    EXPECT_EQ(kArtVersionDepth, diverge(order, "x", 0, "x", kArtMaxSequence));
    for (size_t size = 0; size < 80; ++size) {
      const std::string a(size, 'k');
      EXPECT_EQ(end(size), diverge(order, a, 1, a + "k", 1));
      for (size_t i = 0; i < size; ++i) {
        std::string b = a;
        b[i] = static_cast<char>(b[i] ^ 0x80);
        EXPECT_EQ(byte(i), diverge(order, a, 1, b, 2));
      }
    }
  }
}

TEST(ArtKeyTest, SymbolsAscendAsTheSlowOrderDoes) {
  Random random(TestSeed());
  std::vector<TestKey> keys = {{"", 0}, {"", 7}, {"", kArtMaxSequence}};
  for (int i = 0; i < 250; ++i) {
    std::string key(random() % 5, '\0');
    for (char& c : key) {
      c = "\x00\x01\x7f\x80\xfe\xff"[random() % 6];
    }
    keys.push_back({key, random() >> (8 + random() % 56)});
  }
  for (const ArtOrder order : kOrders) {
    const SlowLess less{order};
    for (const TestKey& a : keys) {
      for (const TestKey& b : keys) {
        const ArtKey x = ToArtKey(a, order);
        const ArtKey y = ToArtKey(b, order);
        const ArtDepth depth = x.Diverge(y);
        ASSERT_EQ(a == b, depth == kArtEqualDepth) << a << " " << b;
        ASSERT_EQ(a.user_key == b.user_key, x.SameUserKey(y)) << a << b;
        if (depth == kArtEqualDepth) {
          continue;
        }
        ASSERT_EQ(less(a, b), x.LessAt(depth, y)) << a << " " << b;
        ASSERT_EQ(less(b, a), y.LessAt(depth, x)) << a << " " << b;
        // Below the depth they agree, symbol by symbol.
        for (ArtDepth r = 0; r < std::min<ArtDepth>(depth, 16); ++r) {
          ASSERT_EQ(x.SymbolAt(r), y.SymbolAt(r)) << a << b << " at " << r;
        }
        for (ArtDepth r = kArtVersionDepth; r < depth; ++r) {
          ASSERT_EQ(x.SymbolAt(r), y.SymbolAt(r)) << a << b << " at " << r;
        }
        ASSERT_GE(std::max(x.SymbolAt(depth), y.SymbolAt(depth)), 0);
      }
    }
  }
}

TEST(ArtKeyTest, EntriesOfEveryVarintSizeAreDecoded) {
  HeapAllocator allocator;
  for (const ArtOrder order : kOrders) {
    ArtTree tree(order, &allocator);
    for (const size_t size :
         {0, 1, 7, 8, 119, 120, 16375, 16376, 2097143, 2097144}) {
      const std::string key(size, 's');
      const ArtRef ref = NewEntry(&tree, key, 0x123456789abcde, 0x7f);
      const ArtKey decoded(tree.TEST_Arena().Resolve(ref), order);
      EXPECT_EQ(key, std::string(decoded.user_key(), decoded.user_size()));
      EXPECT_EQ(0x123456789abcdeu, decoded.sequence());
      EXPECT_EQ(order, decoded.order());
      EXPECT_EQ(kArtEqualDepth,
                decoded.Diverge(ToArtKey({key, 0x123456789abcde}, order)));
    }
  }
}

// ---- Search in a node ----

constexpr int kShapes = 7;

TestKey RandomKey(int shape, Random* random) {
  Random& r = *random;
  std::string key;
  uint64_t sequence = r() % 3;
  const auto append = [&](size_t n, const char* alphabet, size_t letters) {
    for (size_t i = 0; i < n; ++i) {
      key.push_back(alphabet[r() % letters]);
    }
  };
  switch (shape) {
    case 0:  // Deep, many prefixes of each other.
      append(r() % 12,
             "\x00"
             "a\xff",
             3);
      break;
    case 1:  // What differs lies far behind what is shared.
      key = std::string(70, 'p');
      append(r() % 20, "xyz", 3);
      break;
    case 2:  // Versions of few keys.
      append(r() % 3, "v", 1);
      sequence = r() >> (8 + r() % 56);
      break;
    case 3:  // Flat.
      for (int i = 0; i < 6; ++i) {
        key.push_back(static_cast<char>(r()));
      }
      break;
    case 4:  // Each other's prefixes.
      append(r() % 240, "a", 1);
      sequence = r() % 4 == 0 ? r() >> 8 : 1;
      break;
    case 5:  // Codes all over what a node can say.
      for (size_t i = 0; i < 240; ++i) {
        key.push_back(static_cast<char>(i));
      }
      for (int n = 0; n < 2; ++n) {
        key[r() % key.size()] = static_cast<char>(r());
      }
      if (r() % 3 == 0) {
        key.resize(r() % key.size());
      }
      break;
    default:  // The edges of the window and of its quarters.
      key = std::string(60, 'w');
      append(r() % 10, "vwx", 3);
      for (const size_t at : {0, 15, 16, 31, 32, 47, 48, 59}) {
        if (r() % 5 == 0) {
          key[at] = static_cast<char>(r());
        }
      }
      break;
  }
  return {key, sequence};
}

// Asks all ways of searching that there are on this machine.
void CheckSearches(ArtNodeOwner node, const TestKey& probe, ArtOrder order,
                   int* found) {
  const ExactBytes exact(probe.user_key);
  const ArtKey key(exact.data(), probe.user_key.size(), probe.sequence, order);
  const ArtNode::Meta meta = node.meta();
  *found = node.SearchScalar(key, meta);
  ASSERT_EQ(*found, node.Search(key, meta)) << probe;
  ASSERT_GE(*found, 0);
  ASSERT_LT(*found, std::max(1, meta.count()));
  if (order == ArtOrder::kBytewise && kSimd >= Simd::kAvx2) {
    ASSERT_EQ(*found, node.SearchAvx2(key, meta)) << probe;
  }
  if (order == ArtOrder::kBytewise && kSimd >= Simd::kAvx512) {
    ASSERT_EQ(*found, node.SearchAvx512(key, meta)) << probe;
  }
}

// Blind search promises an item that shares most with the key; only in nodes
// that hold nothing but entries can that be seen at once.
void CheckSharesMost(ArtTree* tree, ArtNodeOwner node, const TestKey& probe,
                     int found) {
  const ArtNode::Meta meta = node.meta();
  const ArtKey key = ToArtKey(probe, tree->order());
  ArtDepth most = -1;
  ArtDepth of_found = -1;
  for (int i = 0; i < meta.count(); ++i) {
    const ArtRef ref = node.RefAt(meta, i);
    if (ArtIsNode(ref)) {
      return;
    }
    const ArtKey item(tree->TEST_Arena().Resolve(ref), tree->order());
    const ArtDepth depth = key.Diverge(item);
    most = std::max(most, depth);
    of_found = i == found ? depth : of_found;
  }
  ASSERT_EQ(most, of_found) << probe;
}

TEST(ArtNodeTest, AllWaysOfSearchingEndAtTheItemThatSharesMost) {
  Random random(TestSeed());
  uint64_t nodes = 0;
  uint64_t far_codes = 0;
  uint64_t full = 0;
  for (const ArtOrder order : kOrders) {
    for (int round = 0; round < 40 * kShapes; ++round) {
      const int shape = round % kShapes;
      const size_t sizes[] = {2, 3, 5, 9, 30, 64, 65, 130, 400, 1200};
      const size_t size = sizes[round / kShapes % 10];
      HeapAllocator allocator;
      ArtTree tree(order, &allocator);
      std::vector<TestKey> keys;
      for (size_t i = 0; i < size; ++i) {
        // In batches of alike keys nodes become fuller than by chance.
        keys.push_back(RandomKey(shape, &random));
        tree.Insert(
            NewEntry(&tree, keys.back().user_key, keys.back().sequence));
      }
      std::vector<TestKey> probes = {{"", 0}, {"", kArtMaxSequence}};
      for (int i = 0; i < 60; ++i) {
        probes.push_back(keys[random() % keys.size()]);
        TestKey other = RandomKey(shape, &random);
        probes.push_back(other);
        other.user_key.resize(random() % (other.user_key.size() + 1));
        probes.push_back(other);
        other = keys[random() % keys.size()];
        other.user_key.resize(random() % (other.user_key.size() + 1));
        probes.push_back(other);
        other = keys[random() % keys.size()];
        other.user_key.push_back(static_cast<char>(random()));
        other.sequence = random() >> 8;
        probes.push_back(other);
      }
      ForEachNode(&tree, [&](ArtNodeOwner node, size_t) {
        ++nodes;
        const ArtNode::Meta meta = node.meta();
        full += meta.count() == ArtNode::kMaxItems;
        for (int i = 1; i < meta.count(); ++i) {
          const int code = node.CodeAt(i);
          far_codes += code >= 64 && code <= ArtNode::kMaxUserCode;
        }
        if (HasFatalFailure()) {
          return;
        }
        for (const TestKey& probe : probes) {
          int found = -1;
          ASSERT_NO_FATAL_FAILURE(CheckSearches(node, probe, order, &found));
          ASSERT_NO_FATAL_FAILURE(CheckSharesMost(&tree, node, probe, found));
        }
      });
      ASSERT_FALSE(HasFatalFailure()) << "shape " << shape << ", " << size;
    }
  }
  // What there was to search.
  EXPECT_GT(nodes, 1000u);
  EXPECT_GT(far_codes, 1000u);
  EXPECT_GT(full, 0u);
}

TEST(ArtNodeTest, SearchOfWhatIsNoNodeEndsAtAnItem) {
  // So a reader may find it while a writer uses the memory for something else:
  // only the first 16 bytes are a node's.
  Random random(TestSeed());
  for (int round = 0; round < 20000; ++round) {
    const int node_class = round % kArtNodeClasses;
    const size_t bytes = ArtNode::Bytes(node_class);
    // A vector read may go beyond the node.
    alignas(16) char memory[ArtNode::Bytes(kArtNodeClasses - 1) + 64];
    const ArtNodeOwner node =
        ArtNodeOwner::OfUnreachable(new (memory) ArtNode(node_class));
    const int count =
        2 + static_cast<int>(random() % static_cast<uint64_t>(
                                            ArtNode::Capacity(node_class) - 1));
    node.SetMeta(ArtNode::Meta(static_cast<ArtDepth>(random() % 3 * 40), count,
                               node_class, 0,
                               static_cast<int>(random() % 256)));
    const unsigned spread = 1 + static_cast<unsigned>(random() % 256);
    for (size_t i = sizeof(ArtNode); i < sizeof(memory); ++i) {
      memory[i] = static_cast<char>(
          i < bytes && random() % 16 != 0 ? random() % spread : random());
    }
    for (int probe = 0; probe < 10; ++probe) {
      TestKey test_key = RandomKey(round % kShapes, &random);
      const ExactBytes exact(test_key.user_key);
      const ArtKey key(exact.data(), test_key.user_key.size(),
                       test_key.sequence, ArtOrder::kBytewise);
      const ArtNode::Meta meta = node.meta();
      std::vector<int> found = {node.SearchScalar(key, meta)};
      if (kSimd >= Simd::kAvx2) {
        found.push_back(node.SearchAvx2(key, meta));
      }
      if (kSimd >= Simd::kAvx512) {
        found.push_back(node.SearchAvx512(key, meta));
      }
      for (const int item : found) {
        ASSERT_GE(item, 0);
        ASSERT_LT(item, count);
      }
    }
  }
}

TEST(ArtNodeTest, CapacitiesAndCodesAreWhatTheLayoutSays) {
  for (int items = 1; items <= ArtNode::kMaxItems; ++items) {
    const int node_class = ArtNode::ClassFor(items);
    EXPECT_GE(ArtNode::Capacity(node_class), items);
    if (node_class > 0) {
      EXPECT_LT(ArtNode::Capacity(node_class - 1), items);
    }
  }
  for (const ArtDepth base : {ArtDepth{0}, ArtDepth{1}, ArtDepth{1000}}) {
    for (ArtDepth depth = 0; depth < base + 300; ++depth) {
      const int code = ArtNode::CodeOf(depth, base);
      ASSERT_EQ(depth >= base && depth <= base + ArtNode::kMaxUserCode,
                code >= 0);
      if (code >= 0) {
        ASSERT_LT(code, ArtNode::kVersionCode);
        ASSERT_EQ(depth, ArtNode::DepthOf(code, base));
      }
    }
    for (int byte = 0; byte < kArtVersionBytes; ++byte) {
      const ArtDepth depth = kArtVersionDepth + byte;
      const int code = ArtNode::CodeOf(depth, base);
      ASSERT_GE(code, ArtNode::kVersionCode);
      ASSERT_LT(code, ArtNode::kNoCode);
      ASSERT_EQ(depth, ArtNode::DepthOf(code, base));
    }
  }
  const ArtNode::Meta meta(kArtVersionDepth + 3, 64, 8, 15, 254);
  EXPECT_EQ(kArtVersionDepth + 3, meta.base());
  EXPECT_EQ(64, meta.count());
  EXPECT_EQ(8, meta.node_class());
  EXPECT_EQ(15, meta.height());
  EXPECT_EQ(254, meta.low_code());
}

}  // namespace art_test
}  // namespace memkv
