// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <random>
#include <string>

#include "plugin/memkv.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/slice_transform.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::RangePtr;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

// The parameter is the table's options.
class FstCountKeysTest : public FstDbTest,
                         public ::testing::WithParamInterface<const char*> {
 protected:
  Options QuietOptions() const {
    Options options = MemkvOptions(GetParam());
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  static std::string Key(uint64_t i) {
    char text[48];
    std::snprintf(text, sizeof(text), "pool/%04llu/%llu",
                  static_cast<unsigned long long>(i / 7),
                  static_cast<unsigned long long>(i));
    return text;
  }

  // The slow, obvious way.
  uint64_t CountByScan(const RangePtr& range) const {
    const rocksdb::Comparator* const order =
        db()->DefaultColumnFamily()->GetComparator();
    const std::unique_ptr<rocksdb::Iterator> iter(
        db()->NewIterator(ReadOptions()));
    uint64_t count = 0;
    range.start == nullptr ? iter->SeekToFirst() : iter->Seek(*range.start);
    for (; iter->Valid(); iter->Next()) {
      if (range.limit != nullptr &&
          order->Compare(iter->key(), *range.limit) >= 0) {
        break;
      }
      ++count;
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    return count;
  }

  KeyCount Count(const RangePtr& range) const {
    KeyCount count;
    const Status s = CountKeys(db(), db()->DefaultColumnFamily(), ReadOptions(),
                               range, &count);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return count;
  }

  // Calls check(range) for ranges with and without bounds, between and on
  // Key(0) to Key(keys - 1), some of them empty or the wrong way round.
  template <class Check>
  void ForManyRanges(uint64_t keys, Check check) {
    std::mt19937_64 rng(TestSeed());
    check(RangePtr());
    for (int i = 0; i < 200; ++i) {
      std::string ends[2];
      for (std::string& end : ends) {
        end = Key(rng() % (keys + 20));
        end.resize(end.size() - rng() % 3);
        end.append(rng() % 2, '\0');
      }
      const Slice start(ends[0]);
      const Slice limit(ends[1]);
      check(RangePtr(rng() % 10 == 0 ? nullptr : &start,
                     rng() % 10 == 0 ? nullptr : &limit));
    }
  }

  void ExpectExact(uint64_t keys) {
    ForManyRanges(keys, [this](const RangePtr& range) {
      const KeyCount count = Count(range);
      EXPECT_TRUE(count.exact()) << count.at_least << " to " << count.at_most;
      EXPECT_EQ(count.at_most, CountByScan(range));
    });
  }

  // Returns whether some range was not exact.
  bool ExpectBounds(uint64_t keys) {
    bool inexact = false;
    ForManyRanges(keys, [&](const RangePtr& range) {
      const KeyCount count = Count(range);
      const uint64_t truth = CountByScan(range);
      EXPECT_LE(count.at_least, truth);
      EXPECT_GE(count.at_most, truth);
      inexact = inexact || !count.exact();
    });
    return inexact;
  }

  void PutKeys(uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(Key(i), "value"));
    }
  }
};

std::string VariantName(const ::testing::TestParamInfo<const char*>& variant) {
  const char* const names[] = {"Default", "CacheSmall"};
  return names[variant.index];
}

INSTANTIATE_TEST_SUITE_P(
    Options, FstCountKeysTest,
    ::testing::Values("",
                      "residency=cache;segment_size=1K;value_block_size=64"),
    VariantName);

TEST_P(FstCountKeysTest, ExactAfterAFullCompaction) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 3000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(PutKeys(1000, 1500));
  for (uint64_t i = 500; i < 2500; i += 3) {
    ASSERT_NO_FATAL_FAILURE(Delete(Key(i)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_GT(Kinds().fst, 0u);
  ExpectExact(3000);
}

TEST_P(FstCountKeysTest, ExactInReverseOrderToo) {
  Options options = QuietOptions();
  options.comparator = rocksdb::ReverseBytewiseComparator();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 2000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ExpectExact(2000);
}

TEST_P(FstCountKeysTest, ExactInAMemTableAlone) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ExpectExact(0);
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(PutKeys(200, 300));
  for (uint64_t i = 0; i < 1000; i += 5) {
    ASSERT_NO_FATAL_FAILURE(Delete(Key(i)));
  }
  ExpectExact(1000);
}

TEST_P(FstCountKeysTest, APrefixFilterOfTheMemTableHidesNothing) {
  Options options = QuietOptions();
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(9));
  options.memtable_prefix_bloom_size_ratio = 0.1;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 100));
  const Slice start("pole/0000");
  const Slice limit("zzzz/0000");
  const KeyCount count = Count(RangePtr(&start, &limit));
  EXPECT_EQ(100u, count.at_least);
  EXPECT_EQ(100u, count.at_most);
}

TEST_P(FstCountKeysTest, ExactWhereRunsDoNotMeet) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(PutKeys(2000, 2500));
  const std::string middle = Key(1500);
  const Slice bound(middle);
  EXPECT_TRUE(Count(RangePtr(nullptr, &bound)).exact());
  EXPECT_EQ(Count(RangePtr(nullptr, &bound)).at_most, 1000u);
  EXPECT_TRUE(Count(RangePtr(&bound, nullptr)).exact());
  EXPECT_EQ(Count(RangePtr(&bound, nullptr)).at_most, 500u);
  const KeyCount both = Count(RangePtr());
  EXPECT_EQ(both.at_least, 1000u);
  EXPECT_EQ(both.at_most, 1500u);
}

TEST_P(FstCountKeysTest, BoundsHoldWhereRunsOverlap) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  std::mt19937_64 rng(TestSeed());
  for (int run = 0; run < 5; ++run) {
    for (int i = 0; i < 600; ++i) {
      const std::string key = Key(rng() % 2000);
      switch (rng() % 4) {
        case 0:
          ASSERT_NO_FATAL_FAILURE(Delete(key));
          break;
        case 1:
          ASSERT_TRUE(db()->Merge(WriteOptions(), key, "operand").ok());
          break;
        default:
          ASSERT_NO_FATAL_FAILURE(Put(key, "value"));
      }
    }
    if (run == 1) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    } else if (run < 4) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    EXPECT_TRUE(ExpectBounds(2000) || run < 2) << "run " << run;
  }
}

TEST_P(FstCountKeysTest, RangeDeletionsLeaveTheUpperBound) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                Key(100), Key(900))
                  .ok());
  EXPECT_TRUE(ExpectBounds(1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_TRUE(ExpectBounds(1000));
  EXPECT_EQ(Count(RangePtr()).at_least, 0u);
  EXPECT_EQ(Count(RangePtr()).at_most, 1000u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ExpectExact(1000);
}

TEST_P(FstCountKeysTest, BlockBasedFilesCountWhole) {
  NEEDS_LIVE_TABLE_OPTIONS();
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ASSERT_NO_FATAL_FAILURE(SetTableOption("write_format", "block_based"));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 500));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_EQ(Kinds().fst, 0u);
  EXPECT_TRUE(ExpectBounds(500));
  EXPECT_EQ(Count(RangePtr()).at_most, 500u);
}

// The file's properties say that it is an FST file; its reader is another.
TEST_P(FstCountKeysTest, FstFilesThatAnotherFactoryOpenedAreCorruption) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 500));
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_EQ(Kinds().fst, 1u);
  Options options = QuietOptions();
  options.table_factory = StockOptions().table_factory;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  KeyCount count;
  const Status s = CountKeys(db(), db()->DefaultColumnFamily(), ReadOptions(),
                             RangePtr(), &count);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.ToString().find("table_factory=fst"), std::string::npos)
      << s.ToString();
}

TEST_P(FstCountKeysTest, OnlyTheColumnFamilyIsCounted) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  rocksdb::ColumnFamilyHandle* other = nullptr;
  ASSERT_TRUE(db()->CreateColumnFamily(QuietOptions(), "other", &other).ok());
  ASSERT_TRUE(db()->Put(WriteOptions(), other, "key", "value").ok());
  ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), other).ok());
  KeyCount count;
  EXPECT_TRUE(CountKeys(db(), other, ReadOptions(), RangePtr(), &count).ok());
  EXPECT_TRUE(count.exact());
  EXPECT_EQ(count.at_most, 1u);
  EXPECT_EQ(Count(RangePtr()).at_most, 0u);
  ASSERT_TRUE(db()->DestroyColumnFamilyHandle(other).ok());
}

TEST_P(FstCountKeysTest, SnapshotsAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Open(QuietOptions()));
  ReadOptions ro;
  ro.snapshot = db()->GetSnapshot();
  KeyCount count;
  const Status s =
      CountKeys(db(), db()->DefaultColumnFamily(), ro, RangePtr(), &count);
  db()->ReleaseSnapshot(ro.snapshot);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  EXPECT_NE(s.ToString().find("snapshot"), std::string::npos);
}

}  // namespace
}  // namespace memkv
