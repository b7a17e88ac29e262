// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How much goes into a write buffer: RocksDB's MemTable over an ART beside the
// same over a skip list, both filled until RocksDB deems them full.

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "db/memtable.h"
#include "memtable/art_memtable_rep.h"
#include "memtable/art_memtable_rep_factory.h"
#include "options/cf_options.h"
#include "rocksdb/options.h"
#include "rocksdb/write_buffer_manager.h"
#include "tests/util/art_test_util.h"

namespace memkv {
namespace art_test {

using ROCKSDB_NAMESPACE::BytewiseComparator;
using ROCKSDB_NAMESPACE::ImmutableOptions;
using ROCKSDB_NAMESPACE::InternalKeyComparator;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::MemTable;
using ROCKSDB_NAMESPACE::MemTableRepFactory;
using ROCKSDB_NAMESPACE::MutableCFOptions;
using ROCKSDB_NAMESPACE::Options;
using ROCKSDB_NAMESPACE::SkipListFactory;
using ROCKSDB_NAMESPACE::WriteBufferManager;

// What a column family with this write buffer gives its memtables.
class Buffer {
 public:
  Buffer(std::shared_ptr<MemTableRepFactory> factory, size_t write_buffer_size,
         size_t arena_block_size)
      : comparator_(BytewiseComparator()) {
    options_.memtable_factory = std::move(factory);
    options_.write_buffer_size = write_buffer_size;
    // As SanitizeOptions() does, if the user leaves it at 0.
    constexpr size_t kPage = 4096;
    options_.arena_block_size =
        arena_block_size != 0
            ? arena_block_size
            : (std::min(size_t{1} << 20, write_buffer_size / 8) + kPage - 1) /
                  kPage * kPage;
    immutable_ = std::make_unique<ImmutableOptions>(options_);
    mem_ = new MemTable(comparator_, *immutable_, MutableCFOptions(options_),
                        &manager_, kMaxSequenceNumber, 0);
    mem_->Ref();
  }
  ~Buffer() { delete mem_->Unref(); }

  MemTable* operator->() { return mem_; }

  void Add(uint64_t sequence, const std::string& key,
           const std::string& value) {
    ASSERT_TRUE(
        mem_->Add(sequence, ROCKSDB_NAMESPACE::kTypeValue, key, value, nullptr)
            .ok());
  }

  // What the memtable's arena has counted.
  size_t allocated() const { return manager_.memory_usage(); }

 private:
  Options options_;
  InternalKeyComparator comparator_;
  WriteBufferManager manager_{size_t{1} << 30};
  std::unique_ptr<ImmutableOptions> immutable_;
  MemTable* mem_;
};

std::string RandomKey(size_t size, std::mt19937_64* random) {
  std::string key;
  while (key.size() < size) {
    key.push_back("0123456789abcdefghijklmnopqrstuvwxyz"[(*random)() % 36]);
  }
  return key;
}

// Keeps this thread on the core it is on: one that moves begins another core's
// part of RocksDB's arena, and part of the buffer stays unused.
class OnOneCore {
 public:
  OnOneCore() {
    EXPECT_EQ(0, sched_getaffinity(0, sizeof(before_), &before_));
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &here);
    EXPECT_EQ(0, sched_setaffinity(0, sizeof(here), &here));
  }
  ~OnOneCore() {
    EXPECT_EQ(0, sched_setaffinity(0, sizeof(before_), &before_));
  }

 private:
  cpu_set_t before_;
};

struct Filling {
  size_t write_buffer_size;
  size_t arena_block_size;
  size_t value_size;
  // Threads write 20 entries each, one after the other.
  bool by_turns;
};

// How many entries a write buffer holds.
size_t HeldOnce(const std::shared_ptr<MemTableRepFactory>& factory,
                const Filling& filling) {
  std::optional<OnOneCore> one_core;
  if (!filling.by_turns) {
    one_core.emplace();
  }
  std::mt19937_64 random(TestSeed());
  Buffer buffer(factory, filling.write_buffer_size, filling.arena_block_size);
  size_t held = 0;
  const auto add = [&] {
    for (int i = 0; i < 20 && !buffer->ShouldScheduleFlush(); ++i) {
      buffer.Add(++held, RandomKey(16, &random),
                 std::string(filling.value_size, 'v'));
    }
  };
  while (!buffer->ShouldScheduleFlush()) {
    if (filling.by_turns) {
      std::thread(add).join();
    } else {
      add();
    }
  }
  return held;
}

// The most of three: RocksDB's arena begins another core's part, and leaves
// some of a small buffer unused, when a busy machine comes between.
size_t Held(const std::shared_ptr<MemTableRepFactory>& factory,
            const Filling& filling) {
  size_t most = 0;
  for (int i = 0; i < (filling.write_buffer_size <= (1 << 20) ? 3 : 1); ++i) {
    most = std::max(most, HeldOnce(factory, filling));
  }
  return most;
}

class ArtWriteBufferTest : public ::testing::Test {
 protected:
  const std::shared_ptr<MemTableRepFactory> art_ =
      std::make_shared<ArtMemTableRepFactory>();
  const std::shared_ptr<MemTableRepFactory> skip_list_ =
      std::make_shared<SkipListFactory>();

  // At least `percent` of what a skip list's holds, or two entries less: how
  // many that is depends on its heights, which are drawn anew every time, and,
  // by turns, on which cores' parts of the arena are begun.
  void ExpectHolds(size_t percent, const Filling& filling) {
    const size_t art = Held(art_, filling);
    const size_t skip_list = Held(skip_list_, filling);
    EXPECT_TRUE(art + 2 >= skip_list || art * 100 >= skip_list * percent)
        << art << " entries beside " << skip_list << ", with values of "
        << filling.value_size << " bytes, in a write buffer of "
        << filling.write_buffer_size << " with blocks of "
        << filling.arena_block_size;
  }
};

TEST_F(ArtWriteBufferTest, HoldsAsManyEntriesAsASkipLists) {
  for (const size_t write_buffer_size :
       {64 << 10, 100 << 10, 110 << 10, 256 << 10, 1 << 20, 4 << 20}) {
    for (const size_t value_size :
         {0, 8, 30, 100, 400, 990, 2000, 5000, 10000}) {
      ExpectHolds(write_buffer_size <= (110 << 10) ? 90 : 95,
                  {write_buffer_size, 0, value_size, false});
    }
  }
  ExpectHolds(97, {64 << 20, 0, 100, false});
  ExpectHolds(97, {64 << 20, 0, 990, false});
}

TEST_F(ArtWriteBufferTest, HoldsMostOfItIfTheBlocksAreTiny) {
  for (const size_t write_buffer_size : {100 << 10, 256 << 10, 1 << 20}) {
    for (const size_t value_size : {8, 30, 100, 400, 990, 5000}) {
      ExpectHolds(85, {write_buffer_size, 4096, value_size, false});
    }
  }
}

TEST_F(ArtWriteBufferTest, ThreadsThatWriteByTurnsFillItToo) {
  for (const size_t write_buffer_size : {256 << 10, 1 << 20}) {
    for (const size_t value_size : {30, 100, 990, 5000}) {
      ExpectHolds(88, {write_buffer_size, 0, value_size, true});
    }
  }
}

TEST_F(ArtWriteBufferTest, OneEntryTakesNoBlock) {
  for (const auto& factory : {art_, skip_list_}) {
    Buffer buffer(factory, 64 << 20, 0);
    const size_t empty = buffer.allocated();
    buffer.Add(1, "key", std::string(100, 'v'));
    EXPECT_EQ(empty, buffer.allocated()) << factory->Name();
    // Beside that, the object itself is counted, and nothing else.
    EXPECT_LE(buffer->ApproximateMemoryUsage(),
              empty + (factory == art_ ? sizeof(ArtMemTableRep) : 0))
        << factory->Name();
  }
}

}  // namespace art_test
}  // namespace memkv
