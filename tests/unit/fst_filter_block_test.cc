// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FilterBlock: one key that is sought in two steps gets the answer of RocksDB's
// own reader, with every kind of filter.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "table/fst/blocks.h"

namespace memkv {
namespace {

using rocksdb::BlockContents;
using rocksdb::FilterBitsBuilder;
using rocksdb::FilterBitsReader;
using rocksdb::FilterPolicy;
using rocksdb::Slice;

constexpr int kKeys = 3000;

std::string Key(int i) { return "key/" + std::to_string(i * 7919); }

// Not RocksDB's own, though it says that it writes the same filters.
class OtherPolicy : public FilterPolicy {
 public:
  // Answers by a rule of its own.
  class Reader : public FilterBitsReader {
   public:
    bool MayMatch(const Slice& entry) override { return entry.size() % 2 == 0; }
    void MayMatch(int n, Slice** entries, bool* may_match) override {
      for (int i = 0; i < n; ++i) may_match[i] = MayMatch(*entries[i]);
    }
  };

  const char* Name() const override { return "other"; }
  const char* CompatibilityName() const override {
    return "rocksdb.BuiltinBloomFilter";
  }
  FilterBitsBuilder* GetBuilderWithContext(
      const rocksdb::FilterBuildingContext& /*context*/) const override {
    return nullptr;
  }
  FilterBitsReader* GetFilterBitsReader(
      const Slice& /*contents*/) const override {
    return new Reader;
  }
};

class FstFilterBlockTest : public testing::TestWithParam<const char*> {
 protected:
  // A filter of the first kKeys keys, whose bytes begin `shift` behind a
  // multiple of a cache line.
  std::unique_ptr<FilterBlock> Make(const FilterPolicy& writer,
                                    const FilterPolicy& reader, size_t shift) {
    const rocksdb::BlockBasedTableOptions options;
    rocksdb::FilterBuildingContext context(options);
    const std::unique_ptr<FilterBitsBuilder> builder(
        writer.GetBuilderWithContext(context));
    for (int i = 0; i < kKeys; ++i) builder->AddKey(Key(i));
    std::unique_ptr<const char[]> built;
    const Slice bytes = builder->Finish(&built);
    constexpr size_t kLine = FilterBlock::kBloomLineSize;
    memory_.assign(bytes.size() + 2 * kLine, 0);
    char* const line =
        memory_.data() +
        (kLine - reinterpret_cast<uintptr_t>(memory_.data()) % kLine);
    std::memcpy(line + shift, bytes.data(), bytes.size());
    auto block = std::make_unique<FilterBlock>(
        BlockContents(Slice(line + shift, bytes.size())));
    std::string reason;
    EXPECT_TRUE(block->Parse(reader, &reason)) << reason;
    return block;
  }

 private:
  std::vector<char> memory_;  // the bytes of the last one made
};

TEST_P(FstFilterBlockTest, OneKeyInTwoStepsIsAnsweredAsByRocksDbsReader) {
  std::shared_ptr<const FilterPolicy> policy;
  ASSERT_TRUE(FilterPolicy::CreateFromString(rocksdb::ConfigOptions(),
                                             GetParam(), &policy)
                  .ok());
  for (const size_t shift : {size_t{0}, size_t{1}, size_t{16}, size_t{63}}) {
    const auto block = Make(*policy, *policy, shift);
    int passed = 0;
    for (int i = 0; i < 3 * kKeys; ++i) {
      const std::string key = Key(i);
      const FilterBlock::Sought sought = block->Seek(key);
      bool expected = false;
      Slice entry = key;
      Slice* entries[] = {&entry};
      block->MayMatch(1, entries, &expected);
      ASSERT_EQ(block->MayMatch(sought), expected) << i;
      ASSERT_TRUE(expected || i >= kKeys) << i;
      passed += i >= kKeys && expected ? 1 : 0;
    }
    // It is a filter: of the others it stops most.
    EXPECT_LT(passed, kKeys);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FstFilterBlockTest,
    testing::Values("bloomfilter:10:false", "bloomfilter:3:false",
                    "bloomfilter:24:false", "ribbonfilter:10",
                    "rocksdb.internal.LegacyBloomFilter:10"));

TEST(FstFilterPolicyTest, APolicyThatIsNotRocksDbsIsAskedItself) {
  const std::unique_ptr<const FilterPolicy> bloom(
      rocksdb::NewBloomFilterPolicy(10));
  const rocksdb::BlockBasedTableOptions options;
  const std::unique_ptr<FilterBitsBuilder> builder(
      bloom->GetBuilderWithContext(rocksdb::FilterBuildingContext(options)));
  builder->AddKey("even");
  std::unique_ptr<const char[]> built;
  FilterBlock block{BlockContents(builder->Finish(&built))};
  std::string reason;
  ASSERT_TRUE(block.Parse(OtherPolicy(), &reason)) << reason;
  EXPECT_TRUE(block.MayMatch(block.Seek("even")));
  EXPECT_FALSE(block.MayMatch(block.Seek("odd")));
}

}  // namespace
}  // namespace memkv
