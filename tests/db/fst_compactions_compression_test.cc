// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What compactions compress with: token tables that are taken over, compression
// by level, and its verification.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "compat/compression.h"
#include "options/cf_options.h"
#include "rocksdb/db.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/statistics.h"
#include "tests/db/fst_compactions_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::Slice;
using rocksdb::Status;

// The token table of the only file: how well it did where it was trained.
class FstDictionariesTest : public FstCompactionsTest {
 protected:
  // Keys of words that the kind of keys has.
  void Load(const std::string& kind, int begin, int end, Model* model) {
    for (int i = begin; i < end; ++i) {
      std::mt19937_64 random(static_cast<uint64_t>(i));
      // At no position of its own, so that it is in tokens, not fixed.
      const std::string word = std::string(random() % 3, '-') + kind;
      const std::string key = NumberKey(i) + "/" + word +
                              std::to_string(random() % 50) + "/" + word + "/" +
                              std::to_string(random() % 1000);
      const std::string value = std::to_string(i);
      ASSERT_NO_FATAL_FAILURE(Put(key, value));
      (*model)[key] = value;
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  std::string Bits() const {
    const auto all = AllProperties();
    EXPECT_EQ(all.size(), 1u);
    const auto& user = all.begin()->second->user_collected_properties;
    const auto bits = user.find("memkv.fst.token.bits");
    return bits == user.end() ? "none" : bits->second;
  }
};

TEST_F(FstDictionariesTest, CompactionTakesOverTheDictionaryOfItsInput) {
  for (const char* comparator : {"bytewise", "reverse"}) {
    SCOPED_TRACE(comparator);
    Destroy();
    Options options = MemkvOptions("segment_size=1K");
    options.write_buffer_size = 4 << 20;
    options.target_file_size_base = 4 << 20;  // one file is enough
    options.disable_auto_compactions = true;
    if (comparator == std::string("reverse")) {
      options.comparator = rocksdb::ReverseBytewiseComparator();
    }
    ASSERT_NO_FATAL_FAILURE(Open(options));
    Model model;
    ASSERT_NO_FATAL_FAILURE(Load("address", 0, 4000, &model));
    EXPECT_EQ(Bits(), "none");
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    const std::string trained = Bits();
    ASSERT_NE(trained, "none");

    // More of the same among the others: the same token table, also after the
    // database was opened anew.
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(Load("address", 4000, 4100, &model));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    EXPECT_EQ(Bits(), trained);

    // Keys that it does not serve well: another.
    ASSERT_NO_FATAL_FAILURE(Load("QUITE_OTHER", 0, 1500, &model));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    const std::string of_both = Bits();
    EXPECT_NE(of_both, "none");
    EXPECT_NE(of_both, trained);

    // Many more keys than it was trained on: another.
    ASSERT_NO_FATAL_FAILURE(Load("address", 4100, 8500, &model));
    ASSERT_NO_FATAL_FAILURE(Load("QUITE_OTHER", 1500, 3200, &model));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    EXPECT_NE(Bits(), "none");
    EXPECT_NE(Bits(), of_both);
    std::unique_ptr<rocksdb::Iterator> it(db()->NewIterator({}));
    size_t found = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      ASSERT_EQ(model.at(it->key().ToString()), it->value().ToString());
      found++;
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    EXPECT_EQ(found, model.size());
  }
}

// The index of a file may end far behind its keys: its last bound is short.
// Keys there are not those that its token table was trained for.
TEST_F(FstDictionariesTest, DictionaryIsThatOfTheFileAndNotOfTheOneBefore) {
  Options options = MemkvOptions("segment_size=1K");
  options.write_buffer_size = 4 << 20;
  options.target_file_size_base = 4 << 20;
  options.disable_auto_compactions = true;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto load = [this](const std::string& scheme, const std::string& word,
                           int begin, int end) {
    for (int i = begin; i < end; ++i) {
      std::mt19937_64 random(static_cast<uint64_t>(i));
      ASSERT_NO_FATAL_FAILURE(
          Put(scheme + NumberKey(i) + "/" + std::string(random() % 3, '-') +
                  word + std::to_string(random() % 50) + "/" + word + "/" +
                  std::to_string(random() % 1000),
              std::to_string(i)));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
  };
  const auto bits = [this](const std::string& scheme) {
    const std::string end = scheme + "~";
    const rocksdb::Range range(scheme, end);
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfTablesInRange(db()->DefaultColumnFamily(),
                                                   &range, 1, &all)
                    .ok());
    EXPECT_EQ(all.size(), 1u);
    const auto& user = all.begin()->second->user_collected_properties;
    const auto found = user.find("memkv.fst.token.bits");
    return found == user.end() ? "none" : found->second;
  };
  const auto compact = [this](const std::string& scheme) {
    const std::string end = scheme + "~";
    const Slice from(scheme);
    const Slice to(end);
    rocksdb::CompactRangeOptions how;
    how.bottommost_level_compaction =
        rocksdb::BottommostLevelCompaction::kForce;
    const Status s = db()->CompactRange(how, &from, &to);
    ASSERT_TRUE(s.ok()) << s.ToString();
  };
  // The first file's last bound is "httpt", or the like.
  for (const char* scheme : {"http://", "https://"}) {
    ASSERT_NO_FATAL_FAILURE(
        load(scheme, scheme[4] == 's' ? "address" : "QUITE_OTHER", 0, 4000));
    ASSERT_NO_FATAL_FAILURE(compact(scheme));
  }
  const std::string of_first = bits("http://");
  const std::string of_second = bits("https://");
  ASSERT_NE(of_first, "none");
  ASSERT_NE(of_second, "none");
  ASSERT_NE(of_second, of_first);
  ASSERT_NO_FATAL_FAILURE(load("https://", "address", 3900, 4100));
  ASSERT_NO_FATAL_FAILURE(compact("https://"));
  EXPECT_EQ(bits("https://"), of_second);
  EXPECT_EQ(bits("http://"), of_first);
}

TEST_F(FstCompactionsTest, CompressionFollowsLevelsAndTheirOptions) {
  Options options = MemkvOptions();
  options.disable_auto_compactions = true;
  options.num_levels = 4;
  options.level_compaction_dynamic_level_bytes = false;
  options.compression_per_level = {
      rocksdb::kNoCompression, rocksdb::kNoCompression,
      rocksdb::kLZ4Compression, rocksdb::kLZ4Compression};
  options.bottommost_compression = rocksdb::kZSTD;
  options.bottommost_compression_opts.enabled = true;
  options.bottommost_compression_opts.level = 7;
  options.compression_opts.level = 3;
  options.statistics = rocksdb::CreateDBStatistics();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const auto count = [&](uint32_t t) {
    return options.statistics->getTickerCount(t);
  };
  const std::string value(100, 'v');
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 300, value));
  EXPECT_GT(count(rocksdb::NUMBER_BLOCK_COMPRESSION_BYPASSED), 0u);
  EXPECT_EQ(count(rocksdb::NUMBER_BLOCK_COMPRESSED), 0u);
  const auto compact_newest_to = [this](int level) {
    // The options' compression, not the default of CompactFiles().
    rocksdb::CompactionOptions as_level;
    as_level.compression = rocksdb::kDisableCompressionOption;
    const Status s = db()->CompactFiles(as_level, {SstFiles().back()}, level);
    ASSERT_TRUE(s.ok()) << s.ToString();
  };
  ASSERT_NO_FATAL_FAILURE(compact_newest_to(3));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(100, 200, value));
  ASSERT_NO_FATAL_FAILURE(compact_newest_to(2));
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 300, value));

  std::map<std::string, std::pair<std::string, std::string>> by_file;
  for (const auto& [name, p] : AllProperties()) {
    by_file[name.substr(name.rfind('/'))] = {p->compression_name,
                                             p->compression_options};
  }
  std::vector<rocksdb::LiveFileMetaData> live;
  db()->GetLiveFilesMetaData(&live);
  ASSERT_EQ(live.size(), 3u);
  for (const auto& file : live) {
    const auto& [compression, opts] = by_file[file.name];
    EXPECT_EQ(compression, file.level == 0   ? "NoCompression"
                           : file.level == 2 ? "LZ4"
                                             : "ZSTD");
    EXPECT_NE(opts.find(file.level == 3 ? "level=7" : "level=3"),
              std::string::npos)
        << opts;
  }
  EXPECT_GT(count(rocksdb::NUMBER_BLOCK_COMPRESSED), 0u);
  EXPECT_GT(count(rocksdb::BYTES_COMPRESSED_FROM),
            2 * count(rocksdb::BYTES_COMPRESSED_TO));
  EXPECT_GT(count(rocksdb::BYTES_COMPRESSED_TO), 0u);
  // Random bytes do not compress.
  const uint64_t rejected = count(rocksdb::NUMBER_BLOCK_COMPRESSION_REJECTED);
  std::mt19937_64 rng(TestSeed());
  ASSERT_NO_FATAL_FAILURE(PutAndFlush(0, 10, RandomBytes(&rng, 20000)));
  ASSERT_NO_FATAL_FAILURE(compact_newest_to(1));
  EXPECT_EQ(count(rocksdb::NUMBER_BLOCK_COMPRESSION_REJECTED), rejected);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_GT(count(rocksdb::NUMBER_BLOCK_COMPRESSION_REJECTED), rejected);
}

TEST_F(FstCompactionsTest, CompressionIsVerifiedIfOptionsAskForIt) {
  // A writer alone reads nothing: what is uncompressed is to verify.
  for (const bool verify : {false, true}) {
    Options options = MemkvOptions(verify ? "verify_compression=true" : "");
    options.compression = rocksdb::kLZ4Compression;
    options.statistics = rocksdb::CreateDBStatistics();
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    ASSERT_TRUE(writer.Open(folder() + "/verified.sst").ok());
    for (int i = 10000; i < 11000; ++i) {
      ASSERT_TRUE(writer.Put(std::to_string(i), std::string(100, 'v')).ok());
    }
    ASSERT_TRUE(writer.Finish().ok());
    const uint64_t compressed =
        options.statistics->getTickerCount(rocksdb::NUMBER_BLOCK_COMPRESSED);
    EXPECT_GT(compressed, 0u);
    EXPECT_EQ(
        options.statistics->getTickerCount(rocksdb::NUMBER_BLOCK_DECOMPRESSED),
        verify ? compressed : 0u);
  }

  // What does not come back as it was is refused, whichever way.
  const Options options;
  const rocksdb::ImmutableOptions ioptions(options);
  compat::BlockCompressor compressor(rocksdb::kLZ4Compression,
                                     rocksdb::CompressionOptions());
  const std::string raw(1000, 'v');
  std::string stored;
  rocksdb::CompressionType type;
  compressor.Compress(raw, 5, &stored, &type);
  ASSERT_EQ(type, rocksdb::kLZ4Compression);
  const auto verify = [&](const Slice& was) {
    return compat::BlockCompressor::Verify(was, stored, type, 5, ioptions);
  };
  EXPECT_TRUE(verify(raw).ok()) << verify(raw).ToString();
  EXPECT_EQ(verify(std::string(1000, 'w')).ToString(),
            "Corruption: Decompressed block did not match pre-compression "
            "block");
  stored.resize(stored.size() / 2);
  EXPECT_EQ(verify(raw).ToString().rfind("Corruption: Could not decompress", 0),
            0u)
      << verify(raw).ToString();
}

}  // namespace
}  // namespace memkv
