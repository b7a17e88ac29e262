// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Factories of FST and of block-based tables by string, what their options are,
// and a database of each side by side.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "compat/block_cache.h"
#include "compat/open.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

using FactoryPtr = std::shared_ptr<rocksdb::TableFactory>;
using Map = std::unordered_map<std::string, std::string>;

inline rocksdb::ConfigOptions Strict() {
  rocksdb::ConfigOptions config;
  config.ignore_unsupported_options = false;
  config.ignore_unknown_options = false;
  return config;
}

// Some that each option takes, and many that it does not.
inline constexpr const char* kValues[] = {
    "true",
    "false",
    "0",
    "1",
    "3",
    "17",
    "8192",
    "0.5",
    "-1",
    "kCRC32c",
    "kNoChecksum",
    "kHashSearch",
    "kTwoLevelIndexSearch",
    "kDataBlockBinaryAndHash",
    "kNoShortening",
    "kFlushOnly",
    "{partition_pinning=kAll}",
    "{partition_pinning=kSome}",
    "bloomfilter:10:false",
    "{id=ribbonfilter:5;bloom_before_level=2}",
    "1M",
    "{capacity=2M;num_shard_bits=1}",
    "FlushBlockEveryKeyPolicyFactory",
    "kInterpolation",
    "trie_index",
    "nonsense",
    ""};

inline rocksdb::Status Create(const std::string& text, FactoryPtr* factory,
                              bool prepare = true) {
  rocksdb::ConfigOptions config = Strict();
  config.invoke_prepare_options = prepare;
  return rocksdb::TableFactory::CreateFromString(config, text, factory);
}

inline FactoryPtr Created(const std::string& text) {
  FactoryPtr factory;
  const rocksdb::Status s = Create(text, &factory);
  EXPECT_TRUE(s.ok()) << text << ": " << s.ToString();
  return factory;
}

inline std::set<std::string> NamesOf(const rocksdb::TableFactory& factory) {
  std::unordered_set<std::string> names;
  EXPECT_TRUE(factory.GetOptionNames(Strict(), &names).ok());
  return {names.begin(), names.end()};
}

inline std::set<std::string> BlockBasedNames() {
  const auto names = NamesOf(*Created("BlockBasedTable"));
  EXPECT_GT(names.size(), 30u);
  EXPECT_EQ(names.count("filter_policy"), 1u);
  return names;
}

// Its value, or why there is none to read: RocksDB serializes no cache.
inline std::string OptionOf(const rocksdb::TableFactory& factory,
                            const std::string& name) {
  std::string value;
  const rocksdb::Status s = factory.GetOption(Strict(), name, &value);
  return s.ok() ? value : s.ToString();
}

// All options of the block-based factory that `factory` is or has.
inline std::string BlockBasedText(const rocksdb::TableFactory& factory) {
  const rocksdb::Configurable* inner = factory.Inner();
  std::string text;
  EXPECT_TRUE((inner != nullptr ? inner : &factory)
                  ->GetOptionString(Strict(), &text)
                  .ok());
  // What a string does not say.
  const auto& cache =
      factory.GetOptions<rocksdb::BlockBasedTableOptions>()->block_cache;
  return text + "cache of " +
         (cache != nullptr ? std::to_string(cache->GetCapacity()) : "none");
}

inline void ExpectSays(const rocksdb::Status& s, const std::string& words) {
  EXPECT_FALSE(s.ok());
  EXPECT_NE(s.ToString().find(words), std::string::npos)
      << s.ToString() << "\nhas not: " << words;
}

// The status is `stock`'s, and says what it says.
inline void ExpectSame(const rocksdb::Status& s, const rocksdb::Status& stock) {
  EXPECT_EQ(s.code(), stock.code())
      << s.ToString() << " / stock: " << stock.ToString();
  if (!stock.ok()) ExpectSays(s, stock.getState());
}

class FstBlockBasedOptionsTest : public FstDbTest {
 protected:
  rocksdb::TableFactory& Live() const {
    return *db()->GetOptions().table_factory;
  }

  rocksdb::Status Set(const std::string& name, const std::string& value) {
    return db()->SetOptions({{"table_factory." + name, value}});
  }

  void OpenStock() {
    rocksdb::DB* stock = nullptr;
    const rocksdb::Status s = rocksdb::DB::Open(
        StockOptions(), folder() + "/stock", compat::Into(&stock));
    ASSERT_TRUE(s.ok()) << s.ToString();
    stock_.reset(stock);
  }

  // Sets an option of both databases, and expects of both the same.
  void SetBoth(const std::string& name, const std::string& value) {
    SCOPED_TRACE(name + "=" + value);
    const Map change = {{"table_factory." + name, value}};
    const rocksdb::Status stock = stock_->SetOptions(change);
    ExpectSame(db()->SetOptions(change), stock);
    EXPECT_EQ(BlockBasedText(Live()),
              BlockBasedText(*stock_->GetOptions().table_factory));
  }

  // The newest file is the one that was flushed last.
  rocksdb::Options WithoutCompactions(const std::string& fst) const {
    rocksdb::Options options = MemkvOptions(fst);
    options.disable_auto_compactions = true;
    // What a test writes is one file.
    options.write_buffer_size = size_t{16} << 20;
    return options;
  }

  // Of the file that is written and flushed now.
  rocksdb::TableProperties PropertiesOfNewFile() {
    const std::string before = SstFiles().empty() ? "" : SstFiles().back();
    for (int i = 0; i < 2000; ++i) Put(NumberKey(i), "value");
    Flush();
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    const std::string file = SstFiles().back();
    EXPECT_NE(file, before);
    for (const auto& [name, properties] : all) {
      if (std::filesystem::path(name).filename() ==
          std::filesystem::path(file).filename()) {
        return *properties;
      }
    }
    ADD_FAILURE() << "no properties of " << file;
    return {};
  }

  std::unique_ptr<rocksdb::DB> stock_;
};

}  // namespace memkv
