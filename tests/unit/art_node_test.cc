// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the ART is made of: keys, the search in one node, and the arena.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "memtable/art_tree.h"
#include "tests/unit/art_test_util.h"

namespace memkv {
namespace art_test {

using Random = std::mt19937_64;

constexpr ArtOrder kOrders[] = {ArtOrder::kBytewise,
                                ArtOrder::kReverseBytewise};

// Bytes in memory of exactly their size, so that a read behind them shows.
class ExactBytes {
 public:
  explicit ExactBytes(const std::string& bytes)
      : memory_(new char[bytes.size()]) {
    // Not a whole copy at once: there may be nothing to copy.
    std::copy(bytes.begin(), bytes.end(), memory_.get());
  }
  const char* data() const { return memory_.get(); }
  const uint8_t* bytes() const {
    return reinterpret_cast<const uint8_t*>(memory_.get());
  }

 private:
  const std::unique_ptr<char[]> memory_;
};

// ---- Keys ----

TEST(ArtKeyTest, CommonPrefixAgreesWithTheObvious) {
  Random random(TestSeed());
  for (size_t size = 0; size < 140; ++size) {
    std::string a;
    for (size_t i = 0; i < size; ++i) {
      a.push_back(static_cast<char>(random()));
    }
    const ExactBytes x(a);
    for (size_t differ = 0; differ <= size; ++differ) {
      std::string b = a;
      // The rest differs here and there, too.
      for (size_t i = differ; i < size; i += 1 + random() % 40) {
        b[i] = static_cast<char>(b[i] ^ (1 << random() % 8));
      }
      const ExactBytes y(b);
      ASSERT_EQ(differ, ArtCommonPrefixScalar(x.bytes(), y.bytes(), size));
      ASSERT_EQ(differ, ArtCommonPrefix(x.bytes(), y.bytes(), size));
      // What is behind n does not count.
      for (const size_t n : {differ / 2, differ, (differ + size) / 2}) {
        ASSERT_EQ(std::min(n, differ),
                  ArtCommonPrefix(x.bytes(), y.bytes(), n));
      }
    }
  }
}

TEST(ArtKeyTest, DivergeNamesTheFirstSymbolThatDiffers) {
  const auto diverge = [](ArtOrder order, const std::string& a, uint64_t a_seq,
                          const std::string& b, uint64_t b_seq) {
    const TestKey x{a, a_seq};
    const TestKey y{b, b_seq};
    const ArtRank m = ToArtKey(x, order).Diverge(ToArtKey(y, order));
    EXPECT_EQ(m, ToArtKey(y, order).Diverge(ToArtKey(x, order)));
    return m;
  };
  for (const ArtOrder order : kOrders) {
    const bool reverse = order == ArtOrder::kReverseBytewise;
    // The ranks of byte i, and of the end before it.
    const auto byte = [&](size_t i) {
      return static_cast<ArtRank>(reverse ? 2 * i + 1 : i);
    };
    const auto end = [&](size_t i) {
      return static_cast<ArtRank>(reverse ? 2 * i : i);
    };
    EXPECT_EQ(byte(0), diverge(order, "a", 1, "b", 1));
    EXPECT_EQ(end(0), diverge(order, "", 1, "b", 1));
    EXPECT_EQ(end(1), diverge(order, "a", 1, "ab", 1));
    EXPECT_EQ(kArtEqualRank, diverge(order, "", 1, "", 1));
    EXPECT_EQ(kArtVersionRank + 6, diverge(order, "", 1, "", 2));
    EXPECT_EQ(kArtVersionRank + 5, diverge(order, "x", 255, "x", 256));
    EXPECT_EQ(kArtVersionRank, diverge(order, "x", 0, "x", kArtMaxSequence));
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
        const ArtRank rank = x.Diverge(y);
        ASSERT_EQ(a == b, rank == kArtEqualRank) << a << " " << b;
        ASSERT_EQ(a.user_key == b.user_key, x.SameUserKey(y)) << a << b;
        if (rank == kArtEqualRank) {
          continue;
        }
        ASSERT_EQ(less(a, b), x.LessAt(rank, y)) << a << " " << b;
        ASSERT_EQ(less(b, a), y.LessAt(rank, x)) << a << " " << b;
        // Below the rank they agree, symbol by symbol.
        for (ArtRank r = 0; r < std::min<ArtRank>(rank, 16); ++r) {
          ASSERT_EQ(x.SymbolAt(r), y.SymbolAt(r)) << a << b << " at " << r;
        }
        for (ArtRank r = kArtVersionRank; r < rank; ++r) {
          ASSERT_EQ(x.SymbolAt(r), y.SymbolAt(r)) << a << b << " at " << r;
        }
        ASSERT_GE(std::max(x.SymbolAt(rank), y.SymbolAt(rank)), 0);
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
      EXPECT_EQ(kArtEqualRank,
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
void CheckSearches(const ArtNode& node, const TestKey& probe, ArtOrder order,
                   int* found) {
  const ExactBytes exact(probe.user_key);
  const ArtKey key(exact.data(), probe.user_key.size(), probe.sequence, order);
  const ArtNode::Meta meta = node.meta();
  *found = node.SearchScalar(key, meta);
  ASSERT_EQ(*found, node.Search(key, meta)) << probe;
  ASSERT_GE(*found, 0);
  ASSERT_LT(*found, std::max(1, meta.count()));
  if (order == ArtOrder::kBytewise && kArtSimd >= ArtSimd::kAvx2) {
    ASSERT_EQ(*found, node.SearchAvx2(key, meta)) << probe;
  }
  if (order == ArtOrder::kBytewise && kArtSimd >= ArtSimd::kAvx512Vbmi) {
    ASSERT_EQ(*found, node.SearchAvx512(key, meta)) << probe;
  }
}

// Blind search promises an item that shares most with the key; only in nodes
// that hold nothing but entries can that be seen at once.
void CheckSharesMost(ArtTree* tree, const ArtNode& node, const TestKey& probe,
                     int found) {
  const ArtNode::Meta meta = node.meta();
  const ArtKey key = ToArtKey(probe, tree->order());
  ArtRank most = -1;
  ArtRank of_found = -1;
  for (int i = 0; i < meta.count(); ++i) {
    const ArtRef ref = node.RefAt(meta, i);
    if (ArtIsNode(ref)) {
      return;
    }
    const ArtKey item(tree->TEST_Arena().Resolve(ref), tree->order());
    const ArtRank rank = key.Diverge(item);
    most = std::max(most, rank);
    of_found = i == found ? rank : of_found;
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
      ForEachNode(&tree, [&](const ArtNode& node, size_t) {
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
    ArtNode* node = new (memory) ArtNode(node_class);
    const int count =
        2 + static_cast<int>(random() % static_cast<uint64_t>(
                                            ArtNode::Capacity(node_class) - 1));
    node->SetMeta(ArtNode::Meta(static_cast<ArtRank>(random() % 3 * 40), count,
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
      const ArtNode::Meta meta = node->meta();
      std::vector<int> found = {node->SearchScalar(key, meta)};
      if (kArtSimd >= ArtSimd::kAvx2) {
        found.push_back(node->SearchAvx2(key, meta));
      }
      if (kArtSimd >= ArtSimd::kAvx512Vbmi) {
        found.push_back(node->SearchAvx512(key, meta));
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
  for (const ArtRank base : {ArtRank{0}, ArtRank{1}, ArtRank{1000}}) {
    for (ArtRank rank = 0; rank < base + 300; ++rank) {
      const int code = ArtNode::CodeOf(rank, base);
      ASSERT_EQ(rank >= base && rank <= base + ArtNode::kMaxUserCode,
                code >= 0);
      if (code >= 0) {
        ASSERT_LT(code, ArtNode::kVersionCode);
        ASSERT_EQ(rank, ArtNode::RankOf(code, base));
      }
    }
    for (int byte = 0; byte < kArtVersionBytes; ++byte) {
      const ArtRank rank = kArtVersionRank + byte;
      const int code = ArtNode::CodeOf(rank, base);
      ASSERT_GE(code, ArtNode::kVersionCode);
      ASSERT_LT(code, ArtNode::kNoCode);
      ASSERT_EQ(rank, ArtNode::RankOf(code, base));
    }
  }
  const ArtNode::Meta meta(kArtVersionRank + 3, 64, 8, 15, 254);
  EXPECT_EQ(kArtVersionRank + 3, meta.base());
  EXPECT_EQ(64, meta.count());
  EXPECT_EQ(8, meta.node_class());
  EXPECT_EQ(15, meta.height());
  EXPECT_EQ(254, meta.low_code());
}

// ---- The arena ----

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

std::string RandomBytes(size_t size, Random* random) {
  std::string bytes(size, '\0');
  const uint64_t word = (*random)();
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((word >> (8 * (i % 8))) + i / 8);
  }
  return bytes;
}

Filled Fill(ArtRef ref, char* memory, const std::string& bytes) {
  memcpy(memory, bytes.data(), bytes.size());
  return Filled{ref, memory, bytes};
}

void ExpectStatsAddUp(const ArtStats& stats, size_t allocated) {
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

size_t RandomSize(Random* random) {
  const uint64_t kind = (*random)() % 10000;
  if (kind == 0) {
    return 1 + (*random)() % (5 << 20);
  }
  if (kind < 10) {
    return 1 + (*random)() % (80 << 10);
  }
  return 1 + (*random)() % (kind < 8000 ? 60 : 600);
}

TEST(ArtArenaTest, NothingOverlapsAndEveryReferenceResolves) {
  Random random(TestSeed());
  HeapAllocator allocator;
  ArtArena arena(&allocator);
  EXPECT_EQ(0u, allocator.calls());
  struct Node {
    ArtRef ref;
    int node_class;
    Filled content;
  };
  std::vector<Filled> entries;
  std::vector<Node> nodes;
  uint64_t asked = 0;
  uint64_t live[kArtNodeClasses] = {};
  // What the version of a node's memory was when it was given back.
  std::map<ArtRef, uint32_t> versions;
  size_t reused = 0;
  for (int i = 0; i < 60000; ++i) {
    // Now and then nodes are freed by the hundred, so that entries get them.
    const bool frees = i / 500 % 4 == 3;
    if (!frees && random() % 2 == 0) {
      const int c = static_cast<int>(random() % kArtNodeClasses);
      const ArtRef ref = arena.AllocateNode(c);
      ASSERT_NE(kArtNoRef, ref);
      ASSERT_TRUE(ArtIsNode(ref));
      ArtNode* node = arena.NodeAt(ref);
      ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(node) % 16);
      const uint32_t version = node->Version();
      const auto before = versions.find(ref);
      if (before != versions.end()) {
        ASSERT_EQ(before->second, version);
        versions.erase(before);
        ++reused;
      } else {
        ASSERT_EQ(0u, version);
      }
      ASSERT_TRUE(node->TryLock(version));
      node->Unlock(version);
      nodes.push_back(
          {ref, c,
           Fill(ref - 1 + sizeof(ArtNode) / 2,
                reinterpret_cast<char*>(node + 1),
                RandomBytes(ArtNode::Bytes(c) - sizeof(ArtNode), &random))});
      ++live[c];
    } else if (frees && !nodes.empty()) {
      std::swap(nodes[random() % nodes.size()], nodes.back());
      const Node& node = nodes.back();
      ASSERT_TRUE(node.content.Intact(arena));
      versions[node.ref] = arena.NodeAt(node.ref)->Version();
      arena.FreeNode(node.ref, node.node_class);
      --live[node.node_class];
      nodes.pop_back();
    }
    const size_t bytes = RandomSize(&random);
    char* memory = nullptr;
    const ArtRef ref = arena.AllocateEntry(bytes, &memory);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_FALSE(ArtIsNode(ref));
    ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(memory) % 4);
    entries.push_back(Fill(ref, memory, RandomBytes(bytes, &random)));
    asked += bytes;
  }
  for (const Filled& entry : entries) {
    ASSERT_TRUE(entry.Intact(arena)) << entry.bytes.size();
  }
  for (const Node& node : nodes) {
    ASSERT_TRUE(node.content.Intact(arena));
  }
  // Those not given out again: their versions are as they were, whatever the
  // rest of their memory is used for.
  for (const auto& [ref, version] : versions) {
    ASSERT_EQ(version, arena.NodeAt(ref)->Version());
  }
  const ArtStats stats = arena.GetStats();
  EXPECT_EQ(asked, stats.entry_bytes);
  uint64_t free = 0;
  for (int c = 0; c < kArtNodeClasses; ++c) {
    EXPECT_EQ(live[c], stats.live_nodes[c]);
    free += stats.free_nodes[c];
  }
  // Some were given out again, some went to entries.
  EXPECT_GT(reused, 100u);
  EXPECT_LT(free, versions.size());
  ExpectStatsAddUp(stats, allocator.bytes());
}

TEST(ArtArenaTest, ThreadsGetMemoryOfTheirOwn) {
  HeapAllocator allocator;
  ArtArena arena(&allocator);
  constexpr int kThreads = 4;
  std::vector<Filled> entries[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&arena, &mine = entries[t], t] {
      Random random(TestSeed() + static_cast<uint64_t>(t));
      std::vector<std::pair<ArtRef, int>> nodes;
      for (int i = 0; i < 10000; ++i) {
        const size_t bytes = 1 + random() % (random() % 500 == 0 ? 40000 : 100);
        char* memory = nullptr;
        const ArtRef ref = arena.AllocateEntry(bytes, &memory);
        mine.push_back(Fill(ref, memory, RandomBytes(bytes, &random)));
        const int c = static_cast<int>(random() % kArtNodeClasses);
        nodes.emplace_back(arena.AllocateNode(c), c);
        if (i % 100 >= 50) {
          arena.FreeNode(nodes.back().first, nodes.back().second);
          nodes.pop_back();
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& of_one : entries) {
    for (const Filled& entry : of_one) {
      ASSERT_TRUE(entry.Intact(arena));
    }
  }
  ExpectStatsAddUp(arena.GetStats(), allocator.bytes());
}

TEST(ArtArenaTest, EntriesInTheScrapsOfAGrowingTreeStayWhole) {
  for (const ArtOrder order : kOrders) {
    Random random(TestSeed());
    HeapAllocator allocator;
    ArtTree tree(order, &allocator);
    std::vector<Filled> entries;
    uint64_t inserted = 0;
    for (int i = 0; i < 40000; ++i) {
      // Size, 4 bytes of key, tag, and what the tree does not read.
      std::string bytes(1, 12);
      for (int k = 0; k < 4; ++k) {
        bytes.push_back(static_cast<char>(random() % 32));
      }
      bytes += std::string(8, '\1');
      bytes += RandomBytes(random() % 40, &random);
      char* memory = nullptr;
      const ArtRef ref = tree.AllocateEntry(bytes.size(), &memory);
      entries.push_back(Fill(ref, memory, bytes));
      inserted += tree.Insert(ref);
    }
    for (const Filled& entry : entries) {
      ASSERT_TRUE(entry.Intact(tree.TEST_Arena()));
    }
    EXPECT_EQ(inserted, tree.NumEntries());
    std::string reason;
    EXPECT_TRUE(tree.Validate(&reason)) << reason;
    ExpectStatsAddUp(tree.GetStats(), allocator.bytes());
  }
}

TEST(ArtArenaTest, EntriesOfOneSizeTakeLittleMoreThanTheyAre) {
  for (const size_t bytes :
       {10, 100, 1000, 5000, 16000, 16384, 20000, 40000, 70000, 300000}) {
    HeapAllocator allocator;
    ArtArena arena(&allocator);
    uint64_t asked = 0;
    for (; asked < (size_t{32} << 20); asked += bytes) {
      char* memory = nullptr;
      arena.AllocateEntry(bytes, &memory);
    }
    EXPECT_LE(allocator.bytes(), asked + asked / 3) << bytes;
  }
}

// Gives out pieces of blocks, one behind the other, as RocksDB's Arena does.
class BlockAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    asked_ += bytes;
    if (bytes > kBlock / 4) {
      return HeapAllocator::AllocateAligned(bytes);
    }
    if (bytes > left_) {
      next_ = HeapAllocator::AllocateAligned(kBlock);
      left_ = kBlock;
    }
    left_ -= bytes;
    return (next_ += bytes) - bytes;
  }
  size_t BlockSize() const override { return kBlock; }

  static constexpr size_t kBlock = 128 << 10;
  size_t asked() const { return asked_; }
  size_t left() const { return left_; }

 private:
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t asked_ = 0;
};

TEST(ArtArenaTest, ArenaTakesWhatItsAllocatorsBlocksHold) {
  for (const size_t bytes : {10, 100, 300, 1000, 2000, 5000, 16000, 50000}) {
    BlockAllocator allocator;
    ArtArena arena(&allocator);
    size_t asked = 0;
    for (; asked < 8 * BlockAllocator::kBlock; asked += bytes) {
      char* memory = nullptr;
      ASSERT_NE(kArtNoRef, arena.AllocateEntry(bytes, &memory));
      memset(memory, 'e', bytes);
    }
    // Padding of up to 3 bytes an entry, or, if it comes from the allocator, of
    // up to 7; a block's end that is too short for an entry or an extent; and
    // the extent that is not full.
    const size_t padding = asked / bytes * (bytes < 64 ? 3 : 7);
    const size_t ends = 9 * std::max(bytes, BlockAllocator::kBlock / 16);
    EXPECT_LE(allocator.bytes() - allocator.left(), asked + padding + ends)
        << bytes;
    EXPECT_LE(allocator.asked(),
              asked + padding + BlockAllocator::kBlock / 16 + 9 * bytes)
        << bytes;
  }
}

TEST(ArtArenaTest, WhatComesFromOneBlockSharesASlot) {
  BlockAllocator allocator;
  ArtArena arena(&allocator);
  constexpr int kSlotShift = 20;
  std::set<ArtRef> slots;
  size_t entries = 0;
  for (; allocator.asked() < 60 * BlockAllocator::kBlock; ++entries) {
    char* memory = nullptr;
    const ArtRef ref = arena.AllocateEntry(1600, &memory);
    ASSERT_NE(kArtNoRef, ref);
    ASSERT_EQ(memory, arena.Resolve(ref));
    slots.insert(ref >> kSlotShift);
  }
  // Two, if one that was begun below a block ends within it.
  EXPECT_GT(entries, 4000u);
  EXPECT_LE(slots.size(), 2 * allocator.calls());
}

TEST(ArtArenaTest, EntriesThatGotNoMemoryAreNotCounted) {
  class Throwing : public ArtAllocator {
   public:
    char* AllocateAligned(size_t) override { throw std::bad_alloc(); }
  };
  Throwing allocator;
  ArtArena arena(&allocator);
  for (const size_t bytes : {1, 1000, 1000000}) {
    char* memory = nullptr;
    EXPECT_THROW(arena.AllocateEntry(bytes, &memory), std::bad_alloc);
  }
  EXPECT_THROW(arena.AllocateNode(3), std::bad_alloc);
  ExpectStatsAddUp(arena.GetStats(), 0);
}

// Has one block for all that asks for more than a slot, each time from a little
// lower, so that no slot of before reaches it; nor does one of other memory,
// for what comes before in the block is as large as a slot. Nobody looks into
// it.
class SharedBlockAllocator : public HeapAllocator {
 public:
  char* AllocateAligned(size_t bytes) override {
    if (bytes > kShared) {
      if (block_ == nullptr) {
        block_ = HeapAllocator::AllocateAligned(kSlot + 8 * kTimes + bytes);
      }
      ++shared_;
      EXPECT_LE(shared_, kTimes);
      return block_ + kSlot + 8 * (kTimes - shared_);
    }
    return HeapAllocator::AllocateAligned(bytes);
  }
  static constexpr size_t kShared = 3 << 20;
  static constexpr size_t kSlot = 2 << 20;
  static constexpr size_t kTimes = 10000;
  size_t shared_ = 0;

 private:
  char* block_ = nullptr;
};

TEST(ArtArenaTest, FullArenaRefusesEntriesAndTheTreeStaysWhole) {
  SharedBlockAllocator allocator;
  ArtTree tree(ArtOrder::kBytewise, &allocator);
  constexpr int kEntries = 20000;
  std::vector<ArtRef> entries;
  const auto key = [](int i) { return std::to_string(i * 7919 % kEntries); };
  for (int i = 0; i < kEntries; ++i) {
    entries.push_back(NewEntry(&tree, key(i), 1));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(tree.Insert(entries[static_cast<size_t>(i)]));
  }

  const size_t huge = SharedBlockAllocator::kShared + 8;
  char* memory = nullptr;
  int before_nearly = 0;
  for (; !tree.NearlyFull(); ++before_nearly) {
    ASSERT_NE(kArtNoRef, tree.AllocateEntry(huge, &memory));
  }
  // From here on no entry waits.
  ASSERT_TRUE(tree.InsertAlone(entries[100]));
  EXPECT_EQ(101u, tree.NumEntries());
  int behind = 0;
  while (tree.AllocateEntry(huge, &memory) != kArtNoRef) {
    ASSERT_LT(++behind, 5000);
  }
  EXPECT_GT(before_nearly, 2000);
  EXPECT_GT(behind, 1000);
  ASSERT_NE(nullptr, memory);

  // What is left of the last extent and the last region is used up.
  for (const size_t bytes : {1000, 1}) {
    for (int i = 0;; ++i) {
      ASSERT_LT(i, 100000);
      memory = nullptr;
      const ArtRef ref = tree.AllocateEntry(bytes, &memory);
      ASSERT_NE(nullptr, memory);
      memset(memory, 'm', bytes);
      if (ref == kArtNoRef) {
        break;
      }
    }
  }
  for (const size_t bytes : {1, 100, 20000, 300000}) {
    ASSERT_EQ(kArtNoRef, tree.AllocateEntry(bytes, &memory));
    memset(memory, 'n', bytes);
    EXPECT_FALSE(tree.Insert(kArtNoRef));
    EXPECT_FALSE(tree.InsertAlone(kArtNoRef));
  }

  // Nodes cannot grow any more, at some entry.
  int refused = 0;
  uint64_t inserted = 101;
  std::string reason;
  for (int i = 101; i < kEntries; ++i) {
    const bool alone = i % 2 == 0;
    const ArtRef entry = entries[static_cast<size_t>(i)];
    const bool in = alone ? tree.InsertAlone(entry) : tree.Insert(entry);
    inserted += in;
    refused += !in;
    ASSERT_EQ(in, tree.Contains(ToArtKey({key(i), 1}, tree.order())));
    if (i % 1000 == 0) {
      ASSERT_TRUE(tree.Validate(&reason)) << reason;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(inserted, tree.NumEntries());
  ASSERT_TRUE(tree.Validate(&reason)) << reason;
  EXPECT_LE(tree.GetStats().live_node_bytes, tree.GetStats().allocated_bytes);
}

}  // namespace art_test
}  // namespace memkv
