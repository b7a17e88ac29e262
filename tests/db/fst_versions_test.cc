// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Keys of so many versions that their entries lie in several segments: what a
// file answers, against a sorted list of its entries; and what a database
// answers, against stock RocksDB with the same history.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compat/open.h"
#include "compat/table_reader.h"
#include "db/dbformat.h"
#include "plugin/memkv.h"
#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/merge_operator.h"
#include "rocksdb/utilities/debug.h"
#include "table/fst/format.h"
#include "table/fst/table_reader.h"
#include "table/internal_iterator.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::GetContext;
using rocksdb::InternalKey;
using rocksdb::ReadOptions;
using rocksdb::SequenceNumber;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

// What a look-up comes to: its state, the value, and the operands of merges.
std::string Outcome(const MemoryTable& table, const std::string& user_key,
                    const std::function<Status(GetContext*)>& fill) {
  const MemoryTable::LookUpResult found = table.LookUp(user_key, fill);
  std::string outcome = found.status.ToString() + " " +
                        std::to_string(found.state) + " " + found.value;
  for (const std::string& operand : found.operands) outcome += "," + operand;
  return outcome;
}

struct Shape {
  const char* name;
  bool reverse;
  bool pin;
  bool inline_values;
  size_t segment_size;
  bool filter;
};

class FstVersionsTest : public ::testing::TestWithParam<Shape> {
 protected:
  FstVersionsTest() : rng_(TestSeed()), table_(SettingsOf(GetParam())) {}

  static MemoryTable::Settings SettingsOf(const Shape& shape) {
    MemoryTable::Settings settings;
    settings.fst.segment_size = shape.segment_size;
    settings.fst.value_block_size = 256;
    settings.fst.residency = shape.pin ? FstTableOptions::Residency::kPin
                                       : FstTableOptions::Residency::kCache;
    settings.reverse = shape.reverse;
    if (shape.filter) {
      settings.block_based.filter_policy.reset(
          rocksdb::NewBloomFilterPolicy(10));
    }
    return settings;
  }

  // `versions`: how many each key has, in the file's order.
  void MakeEntries(
      const std::vector<std::pair<std::string, size_t>>& versions) {
    for (const auto& [key, n] : versions) {
      SequenceNumber seq = 1000000;
      for (size_t i = 0; i < n; ++i) {
        seq -= 1 + rng_() % 3;
        static constexpr rocksdb::ValueType kTypes[] = {
            rocksdb::kTypeValue, rocksdb::kTypeValue, rocksdb::kTypeMerge,
            rocksdb::kTypeDeletion, rocksdb::kTypeSingleDeletion};
        const rocksdb::ValueType type =
            kTypes[rng_() % 10 < 5 ? 2 : rng_() % 5];
        const bool has_value =
            type == rocksdb::kTypeValue || type == rocksdb::kTypeMerge;
        entries_.push_back({key, seq, type,
                            !has_value
                                ? ""
                                : RandomBytes(&rng_, GetParam().inline_values
                                                         ? rng_() % 10
                                                         : 20 + rng_() % 60)});
      }
    }
    for (const TableEntry& entry : entries_) {
      keys_.push_back(entry.InternalKey());
      user_keys_.insert(entry.user_key);
    }
  }

  void BuildAndOpen() {
    ASSERT_TRUE(std::is_sorted(keys_.begin(), keys_.end(),
                               [&](const std::string& a, const std::string& b) {
                                 return table_.comparator().Compare(a, b) < 0;
                               }));
    ASSERT_TRUE(table_.Build(entries_).ok());
    const Status s = table_.Open(table_.bytes(), ReadOptions(), &reader_);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  const FstTableReader& fst() const {
    return static_cast<const FstTableReader&>(*reader_);
  }

  std::unique_ptr<rocksdb::InternalIterator> NewIterator() {
    return std::unique_ptr<rocksdb::InternalIterator>(
        reader_->NewIterator(ReadOptions(), nullptr, nullptr, false,
                             TableReaderCaller::kUserIterator));
  }

  size_t LowerBound(const std::string& target) const {
    return static_cast<size_t>(
        std::lower_bound(keys_.begin(), keys_.end(), target,
                         [&](const std::string& a, const std::string& b) {
                           return table_.comparator().Compare(a, b) < 0;
                         }) -
        keys_.begin());
  }

  // That the iterator is at entry i, or at none for i == the number of them.
  void ExpectAt(const rocksdb::InternalIterator& iter, size_t i) const {
    ASSERT_TRUE(iter.status().ok()) << iter.status().ToString();
    ASSERT_EQ(iter.Valid(), i < keys_.size());
    if (!iter.Valid()) return;
    ASSERT_TRUE(iter.key() == keys_[i]) << i;
    ASSERT_EQ(iter.value().ToString(), entries_[i].value);
  }

  // Internal keys at and around all entries, and between keys.
  std::vector<std::string> Targets() const {
    std::vector<std::string> targets;
    const auto add = [&](const std::string& user_key, SequenceNumber seq) {
      targets.push_back(InternalKey(user_key, seq, rocksdb::kValueTypeForSeek)
                            .Encode()
                            .ToString());
    };
    for (size_t i = 0; i < entries_.size(); i += 1 + i % 3) {
      const TableEntry& entry = entries_[i];
      targets.push_back(keys_[i]);
      add(entry.user_key, entry.seq);
      add(entry.user_key, entry.seq - 1);
    }
    for (const std::string& key : user_keys_) {
      for (const std::string& near :
           {key, key + '\0', key + "\xff", key.substr(0, key.size() / 2)}) {
        add(near, rocksdb::kMaxSequenceNumber);
        add(near, 0);
      }
    }
    add("", rocksdb::kMaxSequenceNumber);
    add("\xff\xff", 0);
    return targets;
  }

  void ExpectIterates() {
    const auto iter = NewIterator();
    size_t i = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++i) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, i));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, keys_.size()));
    ASSERT_EQ(i, keys_.size());
    for (iter->SeekToLast(); iter->Valid(); iter->Prev()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, --i));
    }
    ASSERT_EQ(i, 0u);
    for (const std::string& target : Targets()) {
      const size_t at = LowerBound(target);
      iter->Seek(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, at));
      if (at < keys_.size()) {
        iter->Next();
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, at + 1));
      }
      if (at > 0 && at < keys_.size()) {
        iter->Seek(target);
        iter->Prev();
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, at - 1));
      }
      const bool equal = at < keys_.size() && keys_[at] == target;
      iter->SeekForPrev(target);
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iter, equal    ? at
                                              : at > 0 ? at - 1
                                                       : keys_.size()));
    }
  }

  void ExpectGets() {
    for (const std::string& target : Targets()) {
      const std::string user_key = rocksdb::ExtractUserKey(target).ToString();
      const std::string found =
          Outcome(table_, user_key, [&](GetContext* context) {
            return reader_->Get(ReadOptions(), target, context, nullptr, false);
          });
      const std::string expected =
          Outcome(table_, user_key, [&](GetContext* context) {
            bool more = true;
            for (size_t i = LowerBound(target);
                 more && i < entries_.size() &&
                 entries_[i].user_key == user_key;
                 ++i) {
              const rocksdb::ParsedInternalKey parsed(user_key, entries_[i].seq,
                                                      entries_[i].type);
              bool matched = false;
              Status read_status;
              more = context->SaveValue(parsed, entries_[i].value, &matched,
                                        &read_status, nullptr);
            }
            return Status::OK();
          });
      ASSERT_EQ(found, expected);
    }
  }

  void ExpectCounts() {
    const rocksdb::Comparator* const order =
        table_.comparator().user_comparator();
    std::vector<std::string> probes(user_keys_.begin(), user_keys_.end());
    for (const std::string& key : user_keys_) probes.push_back(key + "a");
    for (const std::string& probe : probes) {
      const Slice limit = probe;
      uint64_t count = 0;
      ASSERT_TRUE(fst()
                      .CountKeys(ReadOptions(),
                                 rocksdb::RangePtr(nullptr, &limit), &count)
                      .ok());
      uint64_t expected = 0;
      for (const std::string& key : user_keys_) {
        expected += order->Compare(key, probe) < 0 ? 1 : 0;
      }
      ASSERT_EQ(count, expected) << probe;
    }
    EXPECT_EQ(reader_->GetTableProperties()->user_collected_properties.at(
                  kDistinctKeysProperty),
              std::to_string(user_keys_.size()));

    // Offsets follow the keys; what the largest key has is between its own and
    // the next one.
    uint64_t before = 0;
    for (const std::string& key : keys_) {
      const uint64_t offset =
          compat::OffsetOf(reader_.get(), ReadOptions(), key);
      ASSERT_GE(offset, before);
      ASSERT_LE(offset, table_.bytes().size());
      before = offset;
    }
    std::vector<TableReader::Anchor> anchors;
    ASSERT_TRUE(reader_->ApproximateKeyAnchors(ReadOptions(), anchors).ok());
    uint64_t sum = 0;
    for (size_t i = 0; i < anchors.size(); ++i) {
      sum += anchors[i].range_size;
      if (i > 0) {
        ASSERT_LT(order->Compare(anchors[i - 1].user_key, anchors[i].user_key),
                  0);
      }
    }
    EXPECT_EQ(anchors.back().user_key, entries_.back().user_key);
    // What its entries are, or more if more is stored of them.
    const auto properties = reader_->GetTableProperties();
    const uint64_t stored =
        fst().file().index().BytesBefore(fst().file().index().num_segments());
    EXPECT_NEAR(
        static_cast<double>(sum),
        static_cast<double>(std::max(
            stored, properties->raw_key_size + properties->raw_value_size)),
        1.0);
  }

  void ExpectEverything() {
    ASSERT_NO_FATAL_FAILURE(ExpectIterates());
    ASSERT_NO_FATAL_FAILURE(ExpectGets());
    ASSERT_NO_FATAL_FAILURE(ExpectCounts());
    const Status s = reader_->VerifyChecksum(
        ReadOptions(), TableReaderCaller::kUserVerifyChecksum);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  uint32_t NumContinuations() const {
    uint32_t n = 0;
    for (uint32_t i = 0; i < fst().file().index().num_segments(); ++i) {
      n += fst().file().index().IsContinuation(i) ? 1 : 0;
    }
    return n;
  }

  std::mt19937_64 rng_;
  MemoryTable table_;
  std::vector<TableEntry> entries_;
  std::vector<std::string> keys_;
  std::set<std::string> user_keys_;
  std::unique_ptr<TableReader> reader_;
};

TEST_P(FstVersionsTest, KeysOfManyVersionsAmongOthers) {
  std::map<std::string, size_t> versions;
  for (int i = 0; i < 60; ++i) {
    versions["usr/share/doc/package-" + std::to_string(10 + i)] =
        i % 20 == 7   ? 1500
        : i % 20 == 8 ? 700
                      : 1 + rng_() % 4;
  }
  versions[""] = 900;                             // one end of the file
  versions["zz" + std::string(300, 'z')] = 3000;  // and the other
  std::vector<std::pair<std::string, size_t>> list(versions.begin(),
                                                   versions.end());
  if (GetParam().reverse) std::reverse(list.begin(), list.end());
  MakeEntries(list);
  ASSERT_NO_FATAL_FAILURE(BuildAndOpen());
  EXPECT_GE(NumContinuations(), 6u);
  ASSERT_NO_FATAL_FAILURE(ExpectEverything());
}

TEST_P(FstVersionsTest, OneKeyAlone) {
  MakeEntries({{"hot", 5000}});
  ASSERT_NO_FATAL_FAILURE(BuildAndOpen());
  EXPECT_EQ(NumContinuations() + 1, fst().file().index().num_segments());
  EXPECT_GE(NumContinuations(), 2u);
  ASSERT_NO_FATAL_FAILURE(ExpectEverything());
}

TEST_P(FstVersionsTest, KeysOfFewVersionsAreNeverCut) {
  std::vector<std::pair<std::string, size_t>> list;
  for (int i = 1000; i < 1200; ++i) list.emplace_back(std::to_string(i), 64);
  if (GetParam().reverse) std::reverse(list.begin(), list.end());
  MakeEntries(list);
  ASSERT_NO_FATAL_FAILURE(BuildAndOpen());
  EXPECT_GT(fst().file().index().num_segments(), 1u);
  EXPECT_FALSE(fst().file().index().has_continuations());
  const FileDirectory directory = table_.built_directory();
  EXPECT_EQ(directory.features & ~FileDirectory::kUnpadded,
            FileDirectory::kBounds);
  ASSERT_NO_FATAL_FAILURE(ExpectEverything());
}

TEST_P(FstVersionsTest, ALongKeyIsRepeatedOnlyWhereItIsASmallPart) {
  const std::string key(3000, 'k');
  MakeEntries({{key, 2000}});
  ASSERT_NO_FATAL_FAILURE(BuildAndOpen());
  // Without that rule there were some twenty.
  EXPECT_LE(NumContinuations(), 2u);
  ASSERT_NO_FATAL_FAILURE(ExpectIterates());
}

TEST(FstDirectoryTest, FeaturesAndVersionsThatAreNotKnownAreRefused) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    FileDirectory directory;
    directory.features = uint32_t{1} << bit;
    directory.index = directory.tokens = directory.filter =
        rocksdb::BlockHandle(0, 0);
    if (directory.features == FileDirectory::kFilterHasNoWholeKeys) {
      directory.filter = rocksdb::BlockHandle(0, 10);
      directory.filter_name = "policy";
    }
    std::string bytes;
    directory.EncodeTo(&bytes);
    const Status s = FileDirectory().DecodeFrom(bytes);
    if ((directory.features & FileDirectory::kKnownFeatures) != 0) {
      EXPECT_TRUE(s.ok()) << s.ToString();
    } else {
      EXPECT_TRUE(s.IsNotSupported()) << bit << ": " << s.ToString();
    }
    directory.features = 0;
    directory.version = 2;
    bytes.clear();
    directory.EncodeTo(&bytes);
    EXPECT_TRUE(FileDirectory().DecodeFrom(bytes).IsNotSupported());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FstVersionsTest,
    ::testing::Values(Shape{"PinInline", false, true, true, 1024, false},
                      Shape{"CacheInline", false, false, true, 1024, false},
                      Shape{"CacheBlocks", false, false, false, 1024, false},
                      Shape{"PinReverseBlocks", true, true, false, 1024, false},
                      Shape{"CacheReverseInline", true, false, true, 2048,
                            false},
                      Shape{"CacheFilter", false, false, true, 1024, true}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

class FstVersionsDbTest : public FstDbTest {
 protected:
  // A second database with the same history, with RocksDB's own table.
  void OpenBoth(const std::string& fst, bool reverse) {
    rocksdb::Options memkv_options = MemkvOptions(fst);
    rocksdb::Options stock_options = StockOptions();
    for (rocksdb::Options* o : {&memkv_options, &stock_options}) {
      if (reverse) o->comparator = rocksdb::ReverseBytewiseComparator();
      o->write_buffer_size = 16 << 20;  // the test flushes, and compacts
      o->disable_auto_compactions = true;
      o->target_file_size_base = 8 << 20;
    }
    ASSERT_NO_FATAL_FAILURE(Open(memkv_options));
    rocksdb::DB* db = nullptr;
    const std::string stock_path = folder() + "/stock";
    rocksdb::DestroyDB(stock_path, stock_options);
    const Status s =
        rocksdb::DB::Open(stock_options, stock_path, compat::Into(&db));
    ASSERT_TRUE(s.ok()) << s.ToString();
    stock_.reset(db);
  }

  ~FstVersionsDbTest() override { ReleaseSnapshots(); }

  void ReleaseSnapshots() {
    for (const auto& [mine, theirs] : snapshots_) {
      this->db()->ReleaseSnapshot(mine);
      stock_->ReleaseSnapshot(theirs);
    }
    snapshots_.clear();
  }

  // Half of the operations go to three keys, and a snapshot to every one of
  // them, so that compaction keeps what it may.
  void Write(size_t operations, size_t value_size) {
    for (size_t i = 0; i < operations; ++i) {
      const std::string key = rng_() % 2 == 0
                                  ? "hot" + std::to_string(rng_() % 3)
                                  : "key" + std::to_string(rng_() % 300);
      const std::string value = RandomBytes(&rng_, rng_() % value_size);
      const unsigned kind = rng_() % 20;
      for (rocksdb::DB* d : {this->db(), stock_.get()}) {
        Status s;
        if (kind < 12) {
          s = d->Put({}, key, value);
        } else if (kind < 18) {
          s = d->Merge({}, key, value);
        } else {
          s = d->Delete({}, key);
        }
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      if (i % 2 == 0) {
        snapshots_.emplace_back(this->db()->GetSnapshot(),
                                stock_->GetSnapshot());
      }
    }
  }

  void ExpectSame(const ReadOptions& mine, const ReadOptions& theirs) {
    std::vector<std::string> names = {"hot0", "hot1", "hot2", "hot3", "key0"};
    for (int i = 0; i < 20; ++i) {
      names.push_back("key" + std::to_string(rng_() % 320));
    }
    std::sort(names.begin(), names.end());
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<std::string> values[2];
    const std::vector<Status> statuses[2] = {
        this->db()->MultiGet(mine, keys, &values[0]),
        stock_->MultiGet(theirs, keys, &values[1])};
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(statuses[0][i].ToString(), statuses[1][i].ToString());
      if (statuses[0][i].ok()) {
        ASSERT_EQ(values[0][i], values[1][i]);
      }
      std::string value;
      const Status s = this->db()->Get(mine, keys[i], &value);
      ASSERT_EQ(s.ToString(), statuses[1][i].ToString());
      if (s.ok()) {
        ASSERT_EQ(value, values[1][i]);
      }
    }
    const std::unique_ptr<rocksdb::Iterator> a(this->db()->NewIterator(mine));
    const std::unique_ptr<rocksdb::Iterator> b(stock_->NewIterator(theirs));
    const auto same = [&]() {
      ASSERT_TRUE(a->status().ok()) << a->status().ToString();
      ASSERT_EQ(a->Valid(), b->Valid());
      if (!a->Valid()) return;
      ASSERT_EQ(a->key().ToString(), b->key().ToString());
      ASSERT_EQ(a->value().ToString(/*hex=*/true),
                b->value().ToString(/*hex=*/true));
    };
    for (const std::string& name : names) {
      a->Seek(name);
      b->Seek(name);
      ASSERT_NO_FATAL_FAILURE(same());
      for (int n = 0; n < 4 && a->Valid(); ++n) {
        a->Next();
        b->Next();
        ASSERT_NO_FATAL_FAILURE(same());
      }
      a->SeekForPrev(name);
      b->SeekForPrev(name);
      ASSERT_NO_FATAL_FAILURE(same());
      for (int n = 0; n < 4 && a->Valid(); ++n) {
        a->Prev();
        b->Prev();
        ASSERT_NO_FATAL_FAILURE(same());
      }
    }
  }

  void ExpectSameAtAllTimes() {
    ASSERT_NO_FATAL_FAILURE(ExpectSame(ReadOptions(), ReadOptions()));
    for (int i = 0; i < 15 && !snapshots_.empty(); ++i) {
      const auto& [mine, theirs] = snapshots_[rng_() % snapshots_.size()];
      ReadOptions a;
      a.snapshot = mine;
      ReadOptions b;
      b.snapshot = theirs;
      ASSERT_NO_FATAL_FAILURE(ExpectSame(a, b));
    }
    std::vector<rocksdb::KeyVersion> mine;
    std::vector<rocksdb::KeyVersion> theirs;
    ASSERT_TRUE(rocksdb::GetAllKeyVersions(this->db(), Slice(), Slice(),
                                           SIZE_MAX, &mine)
                    .ok());
    ASSERT_TRUE(rocksdb::GetAllKeyVersions(stock_.get(), Slice(), Slice(),
                                           SIZE_MAX, &theirs)
                    .ok());
    ASSERT_EQ(mine.size(), theirs.size());
    for (size_t i = 0; i < mine.size(); ++i) {
      ASSERT_EQ(mine[i].user_key, theirs[i].user_key);
      ASSERT_EQ(mine[i].sequence, theirs[i].sequence);
      ASSERT_EQ(mine[i].type, theirs[i].type);
      ASSERT_EQ(mine[i].value, theirs[i].value);
    }
    const Status s = this->db()->VerifyChecksum();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }

  std::mt19937_64 rng_{TestSeed()};
  std::unique_ptr<rocksdb::DB> stock_;
  std::vector<std::pair<const rocksdb::Snapshot*, const rocksdb::Snapshot*>>
      snapshots_;
};

TEST_F(FstVersionsDbTest, HistoriesOfHotKeysAreThoseOfStockRocksDb) {
  for (const bool reverse : {false, true}) {
    for (const char* residency : {"auto", "pin", "cache"}) {
      for (const size_t value_size : {size_t{12}, size_t{120}}) {
        SCOPED_TRACE(std::string(residency) + (reverse ? " reverse " : " ") +
                     std::to_string(value_size));
        ASSERT_NO_FATAL_FAILURE(
            OpenBoth("segment_size=1024;value_block_size=512;residency=" +
                         std::string(residency),
                     reverse));
        for (int round = 0; round < 2; ++round) {
          ASSERT_NO_FATAL_FAILURE(Write(4000, value_size));
          for (rocksdb::DB* d : {this->db(), stock_.get()}) {
            ASSERT_TRUE(d->Flush({}).ok());
          }
          ASSERT_NO_FATAL_FAILURE(ExpectSameAtAllTimes());
        }
        rocksdb::CompactRangeOptions compact;
        compact.bottommost_level_compaction =
            rocksdb::BottommostLevelCompaction::kForce;
        for (rocksdb::DB* d : {this->db(), stock_.get()}) {
          ASSERT_TRUE(d->CompactRange(compact, nullptr, nullptr).ok());
        }
        ASSERT_NO_FATAL_FAILURE(ExpectSameAtAllTimes());
        uint64_t continued = 0;
        rocksdb::TablePropertiesCollection files;
        ASSERT_TRUE(this->db()->GetPropertiesOfAllTables(&files).ok());
        for (const auto& [name, properties] : files) {
          FileDirectory directory;
          ASSERT_TRUE(directory
                          .DecodeFrom(properties->user_collected_properties.at(
                              kDirectoryProperty))
                          .ok());
          continued += directory.features & FileDirectory::kContinuations;
        }
        EXPECT_GT(continued, 0u);
        // Without snapshots one version of each remains.
        ReleaseSnapshots();
        for (rocksdb::DB* d : {this->db(), stock_.get()}) {
          ASSERT_TRUE(d->CompactRange(compact, nullptr, nullptr).ok());
        }
        ASSERT_NO_FATAL_FAILURE(ExpectSameAtAllTimes());
        stock_.reset();
        Close();
        Destroy();
      }
    }
  }
}

}  // namespace
}  // namespace memkv
