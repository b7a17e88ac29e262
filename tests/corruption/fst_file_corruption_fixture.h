// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A small file with everything in it, and every question that a table answers:
// of the file as it was built, and of damaged copies.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
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
#include "tests/util/fst_memory_table.h"

namespace memkv {

// What a table answers to one question, and the status that came with it.
struct Answer {
  std::vector<std::string> rows;
  rocksdb::Status status;
};

// Everything a table can be asked, in fixed order.
struct Answers {
  Answer forwards;
  Answer backwards;
  Answer range_deletions;
  std::vector<Answer> gets;   // per probe
  std::vector<Answer> seeks;  // per probe
  rocksdb::Status verify;
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
inline constexpr bool kRocksDbAsserts = false;
#else
inline constexpr bool kRocksDbAsserts = true;
#endif

class FstFileCorruptionTest : public ::testing::TestWithParam<Variant> {
 protected:
  FstFileCorruptionTest() : table_(SettingsOf(GetParam())) {
    MakeEntries();
    const rocksdb::Status s = table_.Build(entries_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    rocksdb::ReadOptions ro;
    EXPECT_TRUE(Ask(table_.bytes(), ro, &truth_).ok());
    LocateBlocks();
  }

  // What is inside the block at `at`.
  std::string BlockAt(const rocksdb::BlockHandle& at) const {
    std::string raw;
    const rocksdb::Status s = ReadBlock(table_.bytes(), at, &raw);
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

    const FileDirectory directory = table_.built_directory();
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

  static std::string Row(const rocksdb::Slice& key,
                         const rocksdb::Slice& value) {
    return key.ToString() + " => " + value.ToString();
  }

  // A damaged file may be walked in circles only as far as this.
  size_t StepLimit() const { return 50 * entries_.size(); }

  Answer Get(rocksdb::TableReader* reader, const rocksdb::ReadOptions& ro,
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
      answer.status = rocksdb::Status::Corruption("GetContext");
    }
    answer.rows.push_back(std::to_string(found.state) + " " + found.value);
    answer.rows.insert(answer.rows.end(), found.operands.begin(),
                       found.operands.end());
    return answer;
  }

  // Asks everything; the status is that of opening.
  rocksdb::Status Ask(const std::string& bytes, const rocksdb::ReadOptions& ro,
                      Answers* answers) const {
    std::unique_ptr<rocksdb::TableReader> reader;
    const rocksdb::Status s = table_.Open(bytes, ro, &reader);
    if (!s.ok()) return s;
    {
      const std::unique_ptr<rocksdb::InternalIterator> iter(
          reader->NewIterator(ro, nullptr, nullptr, false,
                              rocksdb::TableReaderCaller::kUserIterator));
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
    answers->verify = reader->VerifyChecksum(
        ro, rocksdb::TableReaderCaller::kUserVerifyChecksum);
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
    const rocksdb::Status s = Ask(bytes, rocksdb::ReadOptions(), &answers);
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

  static void ExpectNamesThePlace(const rocksdb::Status& s,
                                  const std::string& what, bool in_footer) {
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

}  // namespace memkv
