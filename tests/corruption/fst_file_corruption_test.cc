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
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "db/range_tombstone_fragmenter.h"
#include "rocksdb/filter_policy.h"
#include "table/block_based/block.h"
#include "table/fst/format.h"
#include "table/internal_iterator.h"
#include "table/meta_blocks.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "tests/corruption/fst_memory_table.h"
#include "util/coding.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

uint64_t Seed() {
  const char* const text = std::getenv("MEMKV_TEST_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  std::printf("MEMKV_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// What a table answers to one question, and the status that came with it.
struct Answer {
  std::vector<std::string> rows;
  Status status;
};

// Everything a table can be asked, in fixed order.
struct Answers {
  Answer forwards;
  Answer backwards;
  Answer range_deletions;
  std::vector<Answer> gets;   // per probe
  std::vector<Answer> seeks;  // per probe
  Status verify;
};

struct Variant {
  const char* name;
  bool pin;
  bool mapped;
  bool reverse;
  rocksdb::CompressionType compression;
  rocksdb::ChecksumType checksum;
  bool filter = false;
  // A key of so many versions that some segments are continuations.
  bool versions = false;
};

// RocksDB looks into the properties block before it verifies its checksum (for
// ingestion may have rewritten a sequence number in it), and where it is built
// with assertions it aborts over damage to the number at the end of that block.
// So it does over compression damaged in a way that no checksum has caught.
#ifdef NDEBUG
constexpr bool kRocksDbAsserts = false;
#else
constexpr bool kRocksDbAsserts = true;
#endif

class FstFileCorruptionTest : public ::testing::TestWithParam<Variant> {
 protected:
  FstFileCorruptionTest() : table_(SettingsOf(GetParam())) {
    MakeEntries();
    const Status s = table_.Build(entries_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    ReadOptions ro;
    EXPECT_TRUE(Ask(table_.bytes(), ro, &truth_).ok());
    LocateBlocks();
  }

  // What is inside the block at `at`.
  std::string BlockAt(const rocksdb::BlockHandle& at) const {
    std::string raw;
    const Status s = ReadBlock(table_.bytes(), at, &raw);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return raw;
  }

  // Fills properties_end_ and blocks_.
  void LocateBlocks() {
    const std::string& bytes = table_.bytes();
    rocksdb::Footer footer;
    ASSERT_TRUE(footer
                    .DecodeFrom(bytes.substr(bytes.size() - kFooterSize),
                                bytes.size() - kFooterSize)
                    .ok());
    const std::string contents = BlockAt(footer.metaindex_handle());
    rocksdb::Block metaindex{rocksdb::BlockContents(contents)};
    const std::unique_ptr<rocksdb::InternalIterator> iter(
        metaindex.NewMetaIterator());
    rocksdb::BlockHandle properties;
    ASSERT_TRUE(rocksdb::FindMetaBlock(
                    iter.get(), rocksdb::kPropertiesBlockName, &properties)
                    .ok());
    properties_begin_ = properties.offset();
    properties_end_ = properties.offset() + properties.size();

    FileDirectory directory;
    ASSERT_TRUE(
        directory
            .DecodeFrom(table_.built_properties().user_collected_properties.at(
                kDirectoryProperty))
            .ok());
    blocks_.push_back(directory.index);
    if (GetParam().filter) {
      ASSERT_NE(directory.filter.size(), 0u);
      blocks_.push_back(directory.filter);
    }
    key_trie::Tokens tokens;
    if (directory.tokens.size() != 0) {
      blocks_.push_back(directory.tokens);
      std::string token_reason;
      ASSERT_TRUE(tokens.Open(BlockAt(directory.tokens), &token_reason))
          << token_reason;
    }
    const std::string index_bytes = BlockAt(directory.index);
    FileIndex index;
    std::string reason;
    ASSERT_TRUE(FileIndex::Open(index_bytes, &index, &reason)) << reason;
    for (uint32_t i = 0; i < index.num_segments(); ++i) {
      const BlockLocation at = index.Location(i);
      blocks_.emplace_back(at.offset, at.size);
      const std::string segment_bytes = BlockAt(blocks_.back());
      Segment segment;
      ASSERT_TRUE(Segment::Open(segment_bytes, index.mirrored(), &tokens,
                                &segment, &reason))
          << reason;
      for (uint32_t b = 0; b < segment.num_value_blocks(); ++b) {
        const BlockLocation value_block = segment.ValueBlockLocation(b);
        blocks_.emplace_back(value_block.offset, value_block.size);
      }
    }
    ASSERT_EQ(blocks_.size(), table_.built_properties().num_data_blocks + 1 +
                                  (directory.filter.size() != 0 ? 1 : 0) +
                                  (directory.tokens.size() != 0 ? 1 : 0));
  }

  // True if RocksDB would abort rather than report damage to [begin, end).
  bool AbortsRocksDb(size_t begin, size_t end) const {
    return kRocksDbAsserts && begin < properties_end_ &&
           end > properties_end_ - 4;
  }

  static MemoryTable::Settings SettingsOf(const Variant& v) {
    MemoryTable::Settings settings;
    settings.fst.segment_size = 1 << 10;
    settings.fst.value_block_size = 128;
    settings.fst.residency = v.pin ? FstTableOptions::Residency::kPin
                                   : FstTableOptions::Residency::kCache;
    // A cache shared by all would answer from the undamaged file.
    settings.block_based.no_block_cache = true;
    settings.block_based.checksum = v.checksum;
    if (v.filter) {
      settings.block_based.filter_policy.reset(
          rocksdb::NewBloomFilterPolicy(10));
    }
    settings.compression = v.compression;
    settings.reverse = v.reverse;
    settings.mapped = v.mapped;
    return settings;
  }

  // Segments with values inside and with value blocks, keys of one and of
  // several versions, every kind of entry, the empty key, range deletions.
  void MakeEntries() {
    using rocksdb::kTypeDeletion;
    using rocksdb::kTypeMerge;
    using rocksdb::kTypeSingleDeletion;
    using rocksdb::kTypeValue;
    std::vector<TableEntry> points = {{"", 5, kTypeValue, "of the empty key"}};
    if (GetParam().versions) {
      for (int i = 0; i < 220; ++i) {
        points.push_back({"usr/share/doc/package-15", 900u - i, kTypeValue,
                          "v" + std::to_string(i)});
      }
    }
    for (int i = 0; i < (GetParam().versions ? 12 : 60); ++i) {
      const std::string key =
          "usr/share/doc/package-" + std::to_string(10 + i) + "/copyright";
      const std::string small(static_cast<size_t>(i % 9), 'v');
      const bool large = i >= 36 && i % 3 == 0;
      points.push_back(
          {key, 100, kTypeValue,
           large ? std::string(40, static_cast<char>('A' + i % 26)) : small});
      if (i % 10 == 3) {
        points.push_back({key, 70, kTypeMerge, "operand"});
        points.push_back({key, 40, kTypeMerge, ""});
        points.push_back({key, 12, kTypeValue, small + "old"});
      }
      if (i % 10 == 6) {
        points.push_back({key, 60, kTypeDeletion, ""});
        points.push_back({key, 30, kTypeValue, "before"});
        points.push_back({key, 20, kTypeSingleDeletion, ""});
      }
    }
    const auto icmp = table_.comparator();
    std::sort(points.begin(), points.end(),
              [&icmp](const TableEntry& a, const TableEntry& b) {
                return icmp.Compare(a.InternalKey(), b.InternalKey()) < 0;
              });
    entries_ = points;
    std::vector<TableEntry> ranges = {
        {"usr/share/doc/package-20", 50, rocksdb::kTypeRangeDeletion,
         "usr/share/doc/package-22"},
        {"usr/share/doc/package-60", 90, rocksdb::kTypeRangeDeletion,
         "usr/share/doc/package-61"},
    };
    if (GetParam().reverse) {
      std::reverse(ranges.begin(), ranges.end());
      for (TableEntry& range : ranges) std::swap(range.user_key, range.value);
    }
    entries_.insert(entries_.end(), ranges.begin(), ranges.end());

    for (size_t i = 0; i < points.size(); i += GetParam().versions ? 12 : 4) {
      probes_.emplace_back(points[i].user_key, rocksdb::kMaxSequenceNumber);
      probes_.emplace_back(points[i].user_key, 50);
      if (GetParam().versions) {
        probes_.emplace_back(points[i].user_key, points[i].seq);
      }
      probes_.emplace_back(points[i].user_key + "x",
                           rocksdb::kMaxSequenceNumber);
    }
    probes_.emplace_back("usr", rocksdb::kMaxSequenceNumber);
    probes_.emplace_back("zzz", rocksdb::kMaxSequenceNumber);
  }

  static std::string Row(const Slice& key, const Slice& value) {
    return key.ToString() + " => " + value.ToString();
  }

  // A damaged file may be walked in circles only as far as this.
  size_t StepLimit() const { return 50 * entries_.size(); }

  Answer Get(TableReader* reader, const ReadOptions& ro,
             const std::string& user_key, uint64_t seq) const {
    const rocksdb::InternalKey target(user_key, seq,
                                      rocksdb::kValueTypeForSeek);
    const MemoryTable::LookUpResult found =
        table_.LookUp(user_key, [&](rocksdb::GetContext* context) {
          return reader->Get(ro, target.Encode(), context, nullptr, false);
        });
    Answer answer;
    answer.status = found.status;
    if (found.state == rocksdb::GetContext::kCorrupt && answer.status.ok()) {
      answer.status = Status::Corruption("GetContext");
    }
    answer.rows.push_back(std::to_string(found.state) + " " + found.value);
    answer.rows.insert(answer.rows.end(), found.operands.begin(),
                       found.operands.end());
    return answer;
  }

  // Asks everything; the status is that of opening.
  Status Ask(const std::string& bytes, const ReadOptions& ro,
             Answers* answers) const {
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ro, &reader);
    if (!s.ok()) return s;
    {
      const std::unique_ptr<rocksdb::InternalIterator> iter(reader->NewIterator(
          ro, nullptr, nullptr, false, TableReaderCaller::kUserIterator));
      Answer* answer = &answers->forwards;
      for (iter->SeekToFirst();
           iter->Valid() && answer->rows.size() < StepLimit(); iter->Next()) {
        answer->rows.push_back(Row(iter->key(), iter->value()));
      }
      answer->status = iter->status();
      answer = &answers->backwards;
      for (iter->SeekToLast();
           iter->Valid() && answer->rows.size() < StepLimit(); iter->Prev()) {
        answer->rows.push_back(Row(iter->key(), iter->value()));
      }
      answer->status = iter->status();
      for (const auto& [user_key, seq] : probes_) {
        const rocksdb::InternalKey target(user_key, seq,
                                          rocksdb::kValueTypeForSeek);
        Answer seek;
        iter->Seek(target.Encode());
        if (iter->Valid()) {
          seek.rows.push_back(Row(iter->key(), iter->value()));
        }
        seek.status = iter->status();
        answers->seeks.push_back(seek);
      }
    }
    {
      Answer* const answer = &answers->range_deletions;
      const std::unique_ptr<rocksdb::FragmentedRangeTombstoneIterator> iter(
          reader->NewRangeTombstoneIterator(ro));
      if (iter != nullptr) {
        for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
          answer->rows.push_back(Row(iter->key(), iter->value()));
        }
        answer->status = iter->status();
      }
    }
    for (const auto& [user_key, seq] : probes_) {
      answers->gets.push_back(Get(reader.get(), ro, user_key, seq));
    }
    answers->verify =
        reader->VerifyChecksum(ro, TableReaderCaller::kUserVerifyChecksum);
    return s;
  }

  // An answer is right, or right as far as it goes and then an error.
  static bool Honest(const Answer& answer, const Answer& truth) {
    if (answer.status.ok()) return answer.rows == truth.rows;
    return true;
  }
  static bool HonestScan(const Answer& answer, const Answer& truth) {
    if (answer.status.ok()) return answer.rows == truth.rows;
    return answer.rows.size() <= truth.rows.size() &&
           std::equal(answer.rows.begin(), answer.rows.end(),
                      truth.rows.begin());
  }

  struct Tally {
    size_t harmless = 0;
    size_t open_errors = 0;
    size_t read_errors = 0;
    size_t verify_only = 0;
  };

  // Checks one damaged file.  `what` describes the damage for messages;
  // `in_footer` damage need not be told with an offset.
  void ExpectHonest(const std::string& bytes, const std::string& what,
                    bool in_footer, Tally* tally) const {
    Answers answers;
    const Status s = Ask(bytes, ReadOptions(), &answers);
    if (!s.ok()) {
      ++tally->open_errors;
      ExpectNamesThePlace(s, what, in_footer);
      return;
    }
    ASSERT_TRUE(HonestScan(answers.forwards, truth_.forwards)) << what;
    ASSERT_TRUE(HonestScan(answers.backwards, truth_.backwards)) << what;
    ASSERT_TRUE(HonestScan(answers.range_deletions, truth_.range_deletions))
        << what;
    bool errors = false;
    for (const Answer* a : {&answers.forwards, &answers.backwards}) {
      if (a->status.ok()) continue;
      errors = true;
      if (!in_footer) ExpectNamesThePlace(a->status, what, in_footer);
    }
    for (size_t i = 0; i < probes_.size(); ++i) {
      ASSERT_TRUE(Honest(answers.gets[i], truth_.gets[i]))
          << what << " get of probe " << i;
      ASSERT_TRUE(Honest(answers.seeks[i], truth_.seeks[i]))
          << what << " seek of probe " << i;
      errors |= !answers.gets[i].status.ok() || !answers.seeks[i].status.ok();
    }
    if (errors) {
      ++tally->read_errors;
      // What a scan trips over, verification finds; unless the footer no longer
      // says that the file is FST, and its stub is what is verified.
      ASSERT_TRUE(in_footer || !answers.verify.ok()) << what;
    } else if (!answers.verify.ok()) {
      ++tally->verify_only;
      if (!in_footer) ExpectNamesThePlace(answers.verify, what, in_footer);
    } else {
      ++tally->harmless;
    }
  }

  static void ExpectNamesThePlace(const Status& s, const std::string& what,
                                  bool in_footer) {
    const std::string text = s.ToString();
    EXPECT_NE(text.find(MemoryTable::kFileName), std::string::npos)
        << what << ": " << text;
    if (!in_footer) {
      EXPECT_NE(text.find("offset"), std::string::npos) << what << ": " << text;
    }
  }

  MemoryTable table_;
  std::vector<TableEntry> entries_;
  std::vector<std::pair<std::string, uint64_t>> probes_;
  Answers truth_;
  size_t properties_begin_ = 0;
  size_t properties_end_ = 0;
  std::vector<rocksdb::BlockHandle> blocks_;  // memkv's own
};

TEST_P(FstFileCorruptionTest, UndamagedFileIsWhatTheTestNeeds) {
  // Several segments, value blocks, a size at which every bit can be tried.
  EXPECT_GE(table_.built_properties().num_data_blocks,
            GetParam().versions ? 4u : 5u);
  EXPECT_LE(table_.bytes().size(), 7u << 10);
  FileDirectory directory;
  ASSERT_TRUE(
      directory
          .DecodeFrom(table_.built_properties().user_collected_properties.at(
              kDirectoryProperty))
          .ok());
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

// Below the address sanitizer, which takes ten times as long, every other bit:
// of even bytes the even ones.  Without it, all.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kBitStep = 2;
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
  std::mt19937_64 rng(Seed());
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
  std::mt19937_64 rng(Seed());
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

// A file whose keys are in tokens: enough of them that a token table pays.
class FstTokensCorruptionTest : public ::testing::Test {
 protected:
  FstTokensCorruptionTest() : table_(Settings()) {
    for (int i = 1000; i < 1800; ++i) {
      entries_.push_back({"usr/lib/python3/dist-packages/module-" +
                              std::to_string(i) + "/__init__.py",
                          7, rocksdb::kTypeValue, std::to_string(i)});
    }
    const Status s = table_.Build(entries_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    FileDirectory directory;
    EXPECT_TRUE(
        directory
            .DecodeFrom(table_.built_properties().user_collected_properties.at(
                kDirectoryProperty))
            .ok());
    tokens_ = directory.tokens;
  }

  static MemoryTable::Settings Settings() {
    MemoryTable::Settings settings;
    settings.fst.segment_size = 4 << 10;
    settings.block_based.no_block_cache = true;
    return settings;
  }

  MemoryTable table_;
  std::vector<TableEntry> entries_;
  rocksdb::BlockHandle tokens_;
};

TEST_F(FstTokensCorruptionTest, KeysComeBackFromTheirTokens) {
  ASSERT_NE(tokens_.size(), 0u);
  std::unique_ptr<TableReader> reader;
  ASSERT_TRUE(table_.Open(table_.bytes(), ReadOptions(), &reader).ok());
  EXPECT_TRUE(
      reader->VerifyChecksum(ReadOptions(), TableReaderCaller::kUserIterator)
          .ok());
  const std::unique_ptr<rocksdb::InternalIterator> iter(
      reader->NewIterator(ReadOptions(), nullptr, nullptr, false,
                          TableReaderCaller::kUserIterator));
  size_t n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
    ASSERT_LT(n, entries_.size());
    EXPECT_EQ(iter->key().ToString(), entries_[n].InternalKey());
    EXPECT_EQ(iter->value().ToString(), entries_[n].value);
  }
  EXPECT_TRUE(iter->status().ok());
  EXPECT_EQ(n, entries_.size());
}

TEST_F(FstTokensCorruptionTest, EveryDamagedByteOfTheDictionaryIsReported) {
  ASSERT_NE(tokens_.size(), 0u);
  const size_t end = tokens_.offset() + tokens_.size() + 5;
  for (size_t at = tokens_.offset(); at < end; ++at) {
    std::string bytes = table_.bytes();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ReadOptions(), &reader);
    ASSERT_TRUE(s.IsCorruption()) << at << ": " << s.ToString();
    EXPECT_NE(s.ToString().find(MemoryTable::kFileName), std::string::npos)
        << s.ToString();
  }
}

TEST_F(FstTokensCorruptionTest, ADamagedDictionaryUnverifiedIsSafe) {
  ReadOptions ro;
  ro.verify_checksums = false;
  const size_t end = tokens_.offset() + tokens_.size();
  for (size_t at = tokens_.offset(); at < end; at += 3) {
    std::string bytes = table_.bytes();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    std::unique_ptr<TableReader> reader;
    const Status s = table_.Open(bytes, ro, &reader);
    if (!s.ok()) {
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      continue;
    }
    const std::unique_ptr<rocksdb::InternalIterator> iter(reader->NewIterator(
        ro, nullptr, nullptr, false, TableReaderCaller::kUserIterator));
    size_t n = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) ++n;
    EXPECT_LE(n, entries_.size());
    for (size_t i = 0; i < entries_.size(); i += 97) {
      iter->Seek(entries_[i].InternalKey());
      if (iter->Valid()) iter->Prev();
    }
  }
}

}  // namespace
}  // namespace memkv
