// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// No answer depends on filters of prefixes, whichever extractor wrote the file
// and whichever reads it: random histories beside a sorted map.

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "rocksdb/slice_transform.h"
#include "tests/db/fst_prefix_filter_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::SliceTransform;
using rocksdb::Status;

struct InOrder {
  const rocksdb::Comparator* comparator;
  bool operator()(const std::string& a, const std::string& b) const {
    return comparator->Compare(a, b) < 0;
  }
};

class FstAnyPrefixTest
    : public FstPrefixFilterTest,
      public ::testing::WithParamInterface<const rocksdb::Comparator*> {
 protected:
  using Truth = std::map<std::string, std::string, InOrder>;

  // Few letters, so that keys share prefixes, the ends of the byte among them.
  std::string AnyKey() {
    std::string key(rng_() % 7, '\0');
    for (char& c : key) c = "ab\0\xff"[rng_() % 4];
    return key;
  }

  void Write(size_t operations) {
    const rocksdb::WriteOptions wo;
    for (size_t n = 0; n < operations; ++n) {
      const std::string key = AnyKey();
      const std::string value = std::to_string(rng_() % 1000);
      const uint64_t what = rng_() % 100;
      Status s;
      if (what < 1) {
        std::string end = AnyKey();
        std::string begin = key;
        if (InOrder{GetParam()}(end, begin)) begin.swap(end);
        // Not too much of it.
        if (truth_.lower_bound(end) != truth_.end() &&
            std::distance(truth_.lower_bound(begin), truth_.lower_bound(end)) >
                20) {
          continue;
        }
        s = db()->DeleteRange(wo, db()->DefaultColumnFamily(), begin, end);
        truth_.erase(truth_.lower_bound(begin), truth_.lower_bound(end));
      } else if (what < 30) {
        s = db()->Delete(wo, key);
        truth_.erase(key);
      } else if (what < 50) {
        s = db()->Merge(wo, key, value);
        const auto [at, fresh] = truth_.emplace(key, value);
        if (!fresh) at->second += "," + value;
      } else {
        s = db()->Put(wo, key, value);
        truth_[key] = value;
      }
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  void ExpectGets() {
    std::vector<std::string> keys;
    for (int i = 0; i < 30; ++i) keys.push_back(AnyKey());
    std::vector<std::string> values;
    const std::vector<Slice> slices(keys.begin(), keys.end());
    const std::vector<Status> statuses =
        db()->MultiGet(ReadOptions(), slices, &values);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto at = truth_.find(keys[i]);
      const std::string expected =
          at == truth_.end() ? "NOT_FOUND" : at->second;
      ASSERT_EQ(Get(keys[i]), expected) << Slice(keys[i]).ToString(true);
      ASSERT_EQ(statuses[i].ok() ? values[i] : "NOT_FOUND", expected)
          << Slice(keys[i]).ToString(true);
    }
  }

  // All that lies between a target and a bound, in auto_prefix_mode.
  void ExpectRange(const std::string& target, const std::string& end) {
    const Slice upper(end);
    ReadOptions ro;
    ro.auto_prefix_mode = true;
    ro.iterate_upper_bound = &upper;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    auto at = truth_.lower_bound(target);
    for (iter->Seek(target); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, truth_.end());
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_TRUE(at == truth_.end() || !InOrder{GetParam()}(at->first, end))
        << Slice(at->first).ToString(true) << " from "
        << Slice(target).ToString(true) << " to " << upper.ToString(true);
    // Backwards, from the target to the front.
    if (!InOrder{GetParam()}(target, end)) return;
    at = truth_.upper_bound(target);
    for (iter->SeekForPrev(target); iter->Valid(); iter->Prev()) {
      ASSERT_NE(at, truth_.begin());
      --at;
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_EQ(at, truth_.begin());
  }

  // All keys of the target's prefix, from the target on and backwards.
  void ExpectPrefix(const SliceTransform& extractor,
                    const std::string& target) {
    if (!extractor.InDomain(target)) return;
    const std::string prefix = extractor.Transform(target).ToString();
    const auto has_prefix = [&](const Slice& key) {
      return extractor.InDomain(key) && extractor.Transform(key) == prefix;
    };
    for (const bool same_as_start : {false, true}) {
      // Which RocksDB asserts meets no key out of the domain.
      if (same_as_start && !extractor.InDomain("")) continue;
      ReadOptions ro;
      ro.prefix_same_as_start = same_as_start;
      const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
      auto at = truth_.lower_bound(target);
      for (iter->Seek(target); iter->Valid() && has_prefix(iter->key());
           iter->Next(), ++at) {
        ASSERT_NE(at, truth_.end());
        ASSERT_EQ(iter->key(), at->first);
        ASSERT_EQ(iter->value(), at->second);
      }
      ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
      ASSERT_TRUE(at == truth_.end() || !has_prefix(at->first))
          << Slice(at->first).ToString(true) << " from "
          << Slice(target).ToString(true);

      at = truth_.upper_bound(target);
      for (iter->SeekForPrev(target); iter->Valid() && has_prefix(iter->key());
           iter->Prev()) {
        ASSERT_NE(at, truth_.begin());
        --at;
        ASSERT_EQ(iter->key(), at->first);
        ASSERT_EQ(iter->value(), at->second);
      }
      ASSERT_TRUE(at == truth_.begin() || !has_prefix(std::prev(at)->first));
    }
  }

  void ExpectTotalOrder() {
    ReadOptions ro;
    ro.total_order_seek = true;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    auto at = truth_.begin();
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++at) {
      ASSERT_NE(at, truth_.end());
      ASSERT_EQ(iter->key(), at->first);
      ASSERT_EQ(iter->value(), at->second);
    }
    ASSERT_EQ(at, truth_.end());
    for (int i = 0; i < 20; ++i) {
      const std::string target = AnyKey();
      at = truth_.lower_bound(target);
      iter->Seek(target);
      ASSERT_EQ(At(*iter),
                at == truth_.end() ? "nothing" : at->first + "=" + at->second);
    }
  }

  std::mt19937_64 rng_;
  Truth truth_{InOrder{GetParam()}};
};

TEST_P(FstAnyPrefixTest, NoAnswerDependsOnTheExtractorsOfFilesAndReader) {
  NEEDS_LIVE_TABLE_OPTIONS();
  rng_.seed(TestSeed());
  Options options = PrefixOptions(kBoth, nullptr);
  options.comparator = GetParam();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const char* const kExtractors[] = {
      "rocksdb.FixedPrefix.2",  "rocksdb.FixedPrefix.3", "nullptr",
      "rocksdb.CappedPrefix.2", "rocksdb.FixedPrefix.1", "rocksdb.Noop"};
  uint64_t answered = 0;
  for (int round = 0; round < 24; ++round) {
    const std::string extractor_name = kExtractors[rng_() % 6];
    SCOPED_TRACE("round " + std::to_string(round) + ", " + extractor_name);
    ASSERT_TRUE(db()->SetOptions({{"prefix_extractor", extractor_name}}).ok());
    ASSERT_NO_FATAL_FAILURE(SetTableOption("whole_key_filtering",
                                           rng_() % 2 == 0 ? "true" : "false"));
    ASSERT_NO_FATAL_FAILURE(Write(60));
    ASSERT_NO_FATAL_FAILURE(Flush());
    if (round % 8 == 7) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
    // Files that are open were opened with options of their time.
    if (round % 5 == 4) {
      const Options now = db()->GetOptions();
      options.prefix_extractor = now.prefix_extractor;
      options.table_factory = now.table_factory;
      ASSERT_NO_FATAL_FAILURE(Open(options));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectTotalOrder());
    const std::shared_ptr<const SliceTransform> extractor =
        db()->GetOptions().prefix_extractor;
    for (int i = 0; i < 60; ++i) {
      const std::string target = AnyKey();
      std::string end = AnyKey();
      if (i % 2 == 0) {
        // Often within the target's prefix, or the next one.
        end = target + "\xff";
        end.resize(rng_() % (end.size() + 1));
        if (!end.empty()) ++end.back();
      }
      ASSERT_NO_FATAL_FAILURE(ExpectRange(target, end));
      if (extractor != nullptr) {
        ASSERT_NO_FATAL_FAILURE(ExpectPrefix(*extractor, target));
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectGets());
    for (const auto ticker : {rocksdb::LAST_LEVEL_SEEK_FILTERED,
                              rocksdb::NON_LAST_LEVEL_SEEK_FILTERED,
                              rocksdb::BLOOM_FILTER_PREFIX_USEFUL}) {
      answered += options.statistics->getAndResetTickerCount(ticker);
    }
  }
  EXPECT_GT(Kinds().fst, 0u);
  EXPECT_EQ(Kinds().block_based, 0u);
  // Filters did answer.
  EXPECT_GT(answered, 500u);
  ASSERT_TRUE(db()->VerifyChecksum().ok());
}

INSTANTIATE_TEST_SUITE_P(
    Comparators, FstAnyPrefixTest,
    ::testing::Values(rocksdb::BytewiseComparator(),
                      rocksdb::ReverseBytewiseComparator()),
    [](const auto& test) {
      return test.param == rocksdb::BytewiseComparator() ? "Bytewise"
                                                         : "ReverseBytewise";
    });

}  // namespace
}  // namespace memkv
