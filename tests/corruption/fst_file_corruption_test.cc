// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A damaged file answers with an error or with the truth: every bit of small
// files is flipped, they are cut at every length and overwritten with garbage,
// and each time everything a table answers is asked and compared.  Without
// checksums wrong answers are possible, but no access outside the file's bytes
// and no walk without end; the sanitizers watch.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "table/fst/format.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "tests/corruption/fst_file_corruption_fixture.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/test_seed.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReader;

TEST_P(FstFileCorruptionTest, UndamagedFileIsWhatTheTestNeeds) {
  // Several segments, value blocks, a size at which every bit can be tried.
  EXPECT_GE(table_.built_properties().num_data_blocks,
            GetParam().versions ? 4u : 5u);
  EXPECT_LE(table_.bytes().size(), 7u << 10);
  const FileDirectory directory = table_.built_directory();
  EXPECT_EQ((directory.features & FileDirectory::kContinuations) != 0,
            GetParam().versions);
  EXPECT_NE(directory.features & FileDirectory::kBounds, 0u);
  EXPECT_EQ(table_.built_properties().num_range_deletions, 2u);
  EXPECT_EQ(truth_.range_deletions.rows.size(), 2u);
  EXPECT_TRUE(truth_.verify.ok()) << truth_.verify.ToString();
  ASSERT_EQ(truth_.forwards.rows.size(), entries_.size() - 2);
  for (size_t i = 0; i + 2 < entries_.size(); ++i) {
    EXPECT_EQ(truth_.forwards.rows[i],
              Row(entries_[i].InternalKey(), entries_[i].value));
  }
  std::vector<std::string> reversed(truth_.backwards.rows.rbegin(),
                                    truth_.backwards.rows.rend());
  EXPECT_EQ(truth_.forwards.rows, reversed);
  size_t found = 0;
  for (const Answer& get : truth_.gets) {
    EXPECT_TRUE(get.status.ok());
    found += get.rows[0][0] == '0' + rocksdb::GetContext::kFound;
  }
  EXPECT_GE(found, 10u);
}

// Below the address sanitizer, which takes ten times as long, two bits of each
// byte, by turns.  Without it, all.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kBitStep = 4;
#else
constexpr int kBitStep = 1;
#endif
int FirstBit(size_t at) { return static_cast<int>(at % kBitStep); }

TEST_P(FstFileCorruptionTest, EveryFlippedBitIsAnErrorOrHarmless) {
  const size_t size = table_.bytes().size();
  std::string bytes = table_.bytes();
  Tally tally;
  // Only what nobody reads but RocksDB without the plugin may go unnoticed: the
  // poison, the stub index behind it, and in the footer its handle and padding.
  const size_t poison = bytes.find("memkv FST table");
  ASSERT_NE(poison, std::string::npos);
  for (size_t at = 0; at < size; ++at) {
    if (AbortsRocksDb(at, at + 1)) continue;
    for (int bit = FirstBit(at); bit < 8; bit += kBitStep) {
      const size_t harmless = tally.harmless;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      ASSERT_NO_FATAL_FAILURE(ExpectHonest(
          bytes, "byte " + std::to_string(at) + " bit " + std::to_string(bit),
          /*in_footer=*/at + kFooterSize >= size, &tally));
      bytes[at] = table_.bytes()[at];
      ASSERT_TRUE(tally.harmless == harmless || at + kFooterSize >= size ||
                  (at >= poison && at < properties_begin_))
          << "byte " << at << " bit " << bit << " went unnoticed";
    }
  }
  EXPECT_GT(tally.open_errors, 0u);
  if (!GetParam().pin) {
    EXPECT_GT(tally.read_errors, 0u);
  }
}

TEST_P(FstFileCorruptionTest, TruncationAtEveryLengthIsAnError) {
  for (size_t size = 0; size < table_.bytes().size(); ++size) {
    // A copy of exactly this size, for the sanitizers.
    const std::string bytes = table_.bytes().substr(0, size);
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ReadOptions(), &reader);
    ASSERT_TRUE(s.IsCorruption()) << size << ": " << s.ToString();
    ExpectNamesThePlace(s, "truncated to " + std::to_string(size),
                        /*in_footer=*/true);
  }
}

TEST_P(FstFileCorruptionTest, BytesLostInTheMiddleAreAnError) {
  // The footer is whole, but nothing is where it says.
  for (size_t lost = 1; lost + kFooterSize < table_.bytes().size(); lost += 7) {
    const std::string bytes = table_.bytes().substr(lost);
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ReadOptions(), &reader);
    ASSERT_FALSE(s.ok()) << lost;
  }
}

TEST_P(FstFileCorruptionTest, GarbageOverAnySpanIsAnErrorOrHarmless) {
  std::mt19937_64 rng(TestSeed());
  const std::string& good = table_.bytes();
  Tally tally;
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = good;
    const size_t at = rng() % good.size();
    const size_t n = 1 + rng() % std::min<size_t>(good.size() - at, 64);
    const unsigned kind = rng() % 3;
    if (AbortsRocksDb(at, at + n)) continue;
    for (size_t k = at; k < at + n; ++k) {
      bytes[k] = kind == 0   ? static_cast<char>(rng())
                 : kind == 1 ? '\0'
                             : '\xff';
    }
    ASSERT_NO_FATAL_FAILURE(
        ExpectHonest(bytes,
                     "garbage " + std::to_string(i) + " at " +
                         std::to_string(at) + "+" + std::to_string(n),
                     /*in_footer=*/at + n + kFooterSize > good.size(), &tally));
  }
}

TEST_P(FstFileCorruptionTest, DamageBehindARightChecksumStaysWithinTheFile) {
  if (kRocksDbAsserts && GetParam().compression != rocksdb::kNoCompression) {
    GTEST_SKIP() << "RocksDB's assertions abort over damaged compression";
  }
  std::string bytes = table_.bytes();
  size_t opened = 0;
  size_t verified = 0;
  for (const rocksdb::BlockHandle& block : blocks_) {
    for (size_t at = block.offset(); at < block.offset() + block.size(); ++at) {
      // The units of the structures try every bit.
      for (const int bit : {0, 3, 7}) {
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        char* const stored = bytes.data() + block.offset();
        rocksdb::EncodeFixed32(stored + block.size() + 1,
                               rocksdb::ComputeBuiltinChecksumWithLastByte(
                                   GetParam().checksum, stored, block.size(),
                                   stored[block.size()]));
        const std::string what =
            "byte " + std::to_string(at) + " bit " + std::to_string(bit);
        Answers answers;
        if (Ask(bytes, ReadOptions(), &answers).ok()) {
          ++opened;
          ASSERT_LT(answers.forwards.rows.size(), StepLimit()) << what;
          ASSERT_LT(answers.backwards.rows.size(), StepLimit()) << what;
          verified += answers.verify.ok();
        }
        bytes[at] = table_.bytes()[at];
      }
    }
    bytes = table_.bytes();
  }
  // The damage was read, not only refused; and what it does to the structure,
  // but for the bytes of values, tags and keys, verification finds.
  EXPECT_GT(opened, 500u);
  EXPECT_LT(verified, opened);
}

TEST_P(FstFileCorruptionTest, WithoutChecksumsDamageStaysWithinTheFile) {
  if (kRocksDbAsserts) {
    GTEST_SKIP() << "RocksDB's assertions abort over unknown compression";
  }
  ReadOptions ro;
  ro.verify_checksums = false;
  std::string bytes = table_.bytes();
  // RocksDB's own blocks, which follow the index, are its to defend.
  const size_t ours = blocks_.front().offset() + blocks_.front().size() + 5;
  std::mt19937_64 rng(TestSeed());
  size_t opened = 0;
  const auto expect_bounded = [&](const std::string& what) {
    Answers answers;
    if (!Ask(bytes, ro, &answers).ok()) return;
    ++opened;
    ASSERT_LT(answers.forwards.rows.size(), StepLimit()) << what;
    ASSERT_LT(answers.backwards.rows.size(), StepLimit()) << what;
  };
  for (size_t at = 0; at < ours; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      ASSERT_NO_FATAL_FAILURE(expect_bounded("byte " + std::to_string(at) +
                                             " bit " + std::to_string(bit)));
      bytes[at] = table_.bytes()[at];
    }
  }
  for (int i = 0; i < 1500; ++i) {
    const size_t at = rng() % ours;
    const size_t n = 1 + rng() % std::min<size_t>(ours - at, 16);
    for (size_t k = at; k < at + n; ++k) bytes[k] = static_cast<char>(rng());
    ASSERT_NO_FATAL_FAILURE(expect_bounded("garbage at " + std::to_string(at) +
                                           "+" + std::to_string(n)));
    bytes = table_.bytes();
  }
  // The damage was read, not only refused.
  EXPECT_GT(opened, 500u);
}

constexpr rocksdb::CompressionType kRaw = rocksdb::kNoCompression;

INSTANTIATE_TEST_SUITE_P(
    Variants, FstFileCorruptionTest,
    ::testing::Values(
        Variant{"Pin", true, false, false, kRaw, rocksdb::kXXH3},
        Variant{"Cache", false, false, false, kRaw, rocksdb::kXXH3},
        Variant{"PinReverseLz4", true, false, true, rocksdb::kLZ4Compression,
                rocksdb::kCRC32c},
        Variant{"CacheReverseZstd", false, false, true, rocksdb::kZSTD,
                rocksdb::kxxHash64},
        Variant{"CacheMapped", false, true, false, kRaw, rocksdb::kxxHash},
        Variant{"PinFilter", true, false, false, kRaw, rocksdb::kXXH3, true},
        Variant{"CacheFilter", false, false, false, kRaw, rocksdb::kXXH3, true},
        Variant{"CacheVersions", false, false, false, kRaw, rocksdb::kXXH3,
                false, true},
        Variant{"PinReverseVersions", true, false, true, kRaw, rocksdb::kXXH3,
                false, true}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace memkv
