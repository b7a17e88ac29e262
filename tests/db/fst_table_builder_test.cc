// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a builder of FST files holds, tells RocksDB of it, and estimates.

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "compat/table_builder.h"
#include "db/dbformat.h"
#include "file/writable_file_writer.h"
#include "options/cf_options.h"
#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/file_system.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "table/fst/format.h"
#include "table/fst/table_reader.h"
#include "table/table_builder.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"
#include "tests/util/idle_writable_file.h"

namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};

void* Allocate(size_t n) {
  void* const p = std::malloc(n);
  if (p == nullptr) std::abort();
  const size_t size = malloc_usable_size(p);
  const size_t live =
      live_bytes.fetch_add(size, std::memory_order_relaxed) + size;
  size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (peak < live && !peak_bytes.compare_exchange_weak(
                            peak, live, std::memory_order_relaxed)) {
  }
  return p;
}

void Free(void* p) {
  if (p == nullptr) return;
  live_bytes.fetch_sub(malloc_usable_size(p), std::memory_order_relaxed);
  std::free(p);
}

}  // namespace

// All that this program allocates with new is counted.
void* operator new(size_t n) { return Allocate(n); }
void* operator new[](size_t n) { return Allocate(n); }
void operator delete(void* p) noexcept { Free(p); }
void operator delete[](void* p) noexcept { Free(p); }
void operator delete(void* p, size_t) noexcept { Free(p); }
void operator delete[](void* p, size_t) noexcept { Free(p); }

namespace memkv {
namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::CacheEntryRole;
using rocksdb::CacheEntryRoleOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Options;
using rocksdb::Slice;
using rocksdb::Status;

// Forgets what is written.
class NullWritableFile : public IdleWritableFile {
 public:
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&,
                  IODebugContext*) override {
    size_ += data.size();
    return IOStatus::OK();
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return size_;
  }

 private:
  uint64_t size_ = 0;
};

compat::NewFile OfLevel(int level) {
  compat::NewFile file;
  file.level = level;
  return file;
}

// A builder as a compaction makes it, of a file that goes nowhere.
class BuilderInMemory {
 public:
  BuilderInMemory(const FstTableOptions& fst,
                  const BlockBasedTableOptions& block_based)
      : options_(OptionsWithCompression()),
        ioptions_(options_),
        moptions_(options_),
        icmp_(options_.comparator),
        factory_(NewFstTableFactory(fst, &block_based)),
        file_(std::make_unique<NullWritableFile>(), "/null/000007.sst",
              rocksdb::FileOptions()),
        builder_(
            static_cast<compat::TableBuilderBase*>(factory_->NewTableBuilder(
                compat::BuilderOptionsOf(
                    ioptions_, moptions_, icmp_, nullptr, options_.compression,
                    options_.compression_opts, column_family_, OfLevel(6)),
                &file_))) {}
  ~BuilderInMemory() {
    if (!done_) builder_->Abandon();
  }

  void Add(const std::string& key, const Slice& value, uint64_t seq = 0) {
    builder_->Add(rocksdb::InternalKey(key, seq, rocksdb::kTypeValue).Encode(),
                  value);
  }
  void Finish() {
    done_ = true;
    const Status s = builder_->Finish();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  void Abandon() {
    done_ = true;
    builder_->Abandon();
  }
  compat::TableBuilderBase* operator->() { return builder_.get(); }

 private:
  static Options OptionsWithCompression() {
    Options options;
    options.compression = rocksdb::kLZ4Compression;
    return options;
  }

  const Options options_;
  const rocksdb::ImmutableOptions ioptions_;
  const rocksdb::MutableCFOptions moptions_;
  const rocksdb::InternalKeyComparator icmp_;
  const std::string column_family_ = "default";
  const std::unique_ptr<rocksdb::TableFactory> factory_;
  rocksdb::WritableFileWriter file_;
  const std::unique_ptr<compat::TableBuilderBase> builder_;
  bool done_ = false;
};

std::string RandomPath(std::mt19937_64* rng) {
  static const char* const kWords[] = {
      "usr",   "share",   "doc",     "lib",    "include", "python3",
      "site",  "locale",  "man",     "bin",    "modules", "kernel",
      "net",   "drivers", "config",  "test",   "src",     "linux",
      "icons", "headers", "hicolor", "static", "fonts",   "java"};
  std::string path;
  for (uint64_t n = 3 + (*rng)() % 4; n > 0; --n) {
    path += kWords[(*rng)() % std::size(kWords)];
    path += '/';
  }
  return path + std::to_string((*rng)() % 100000) + ".html";
}

// Keys of several kinds, ascending, distinct.
std::vector<std::string> KeysOf(const std::string& kind, size_t n) {
  std::mt19937_64 rng(5);
  std::vector<std::string> keys;
  char text[64];
  for (size_t i = 0; i < n; ++i) {
    if (kind == "uuids") {
      std::snprintf(text, sizeof(text), "%08x-%04x-%04x-%04x-%012llx",
                    static_cast<unsigned>(rng()),
                    static_cast<unsigned>(rng() & 0xffff),
                    static_cast<unsigned>(rng() & 0xffff),
                    static_cast<unsigned>(rng() & 0xffff),
                    static_cast<unsigned long long>(rng() & 0xffffffffffff));
      keys.emplace_back(text);
    } else if (kind == "hashes") {
      keys.push_back(RandomBytes(&rng, 20));
    } else if (kind == "paths") {
      keys.push_back(RandomPath(&rng));
    } else {  // of 1 KiB, which compress some 20 times
      std::snprintf(text, sizeof(text), "%08x", static_cast<unsigned>(rng()));
      std::string key = text;
      while (key.size() < 1024) {
        key += "/text that is repeated in every key and within each " +
               std::to_string(rng() % 10);
      }
      keys.push_back(std::move(key));
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

TEST(FstTableBuilderTest, MemoryIsTheBufferASegmentAndTraining) {
  constexpr size_t kBuffer = size_t{8} << 20;
  struct Shape {
    const char* name;
    int keys;
    int versions;
    size_t key_size;
    size_t value_size;
  };
  for (const Shape& shape :
       {Shape{"values of 8 bytes", 1500000, 1, 16, 8},
        Shape{"no values", 1500000, 1, 16, 0},
        Shape{"values of 1000 bytes", 100000, 1, 16, 1000},
        Shape{"values of 8 MiB", 12, 1, 16, 8 << 20},
        Shape{"keys of 1 MiB", 20, 1, 1 << 20, 8},
        Shape{"versions", 100, 2000, 16, 100},
        Shape{"versions of one key", 1, 200000, 16, 100}}) {
    SCOPED_TRACE(shape.name);
    FstTableOptions fst;
    fst.key_buffer_size = kBuffer;
    BuilderInMemory builder(fst, BlockBasedTableOptions());
    std::mt19937_64 rng(1);
    const size_t before = live_bytes;
    {
      std::string value(shape.value_size, 'v');
      std::string key;
      peak_bytes = before;
      for (int i = 0; i < shape.keys; ++i) {
        key = std::to_string(10000000 + 3 * i);
        key.resize(shape.key_size, 'k');
        for (int v = shape.versions; v > 0; --v) {
          for (size_t j = 0; j + 8 <= std::min<size_t>(value.size(), 64);
               j += 8) {
            const uint64_t word = rng();
            value.replace(j, 8, reinterpret_cast<const char*>(&word), 8);
          }
          builder.Add(key, value, static_cast<uint64_t>(v));
        }
      }
      ASSERT_NO_FATAL_FAILURE(builder.Finish());
    }
    // The buffer, training and its encoder; a segment and its encoding, with
    // the words of its entries, grown by doubling; a block before and after its
    // compression, and the copies of a key and a value here; the last keys that
    // the index holds, some times while it is written.
    const size_t bound =
        kBuffer + (size_t{18} << 20) +
        size_t{24} * static_cast<size_t>(shape.versions) +
        5 * shape.value_size +
        shape.key_size * (shape.key_size > 1000 ? 5 + 8 * 20 : 5);
    EXPECT_LT(peak_bytes - before, bound);
  }
}

TEST(FstTableBuilderTest, BufferIsChargedToTheCacheAsItGrowsAndReleased) {
  const std::vector<std::string> keys = KeysOf("paths", 200000);
  for (const auto charged : {CacheEntryRoleOptions::Decision::kFallback,
                             CacheEntryRoleOptions::Decision::kEnabled,
                             CacheEntryRoleOptions::Decision::kDisabled}) {
    for (const bool finish : {false, true}) {
      BlockBasedTableOptions block_based;
      block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
      block_based.cache_usage_options.options_overrides
          [CacheEntryRole::kCompressionDictionaryBuildingBuffer] = {charged};
      BuilderInMemory builder(FstTableOptions(), block_based);
      size_t before = 0;
      size_t raw = 0;
      for (const std::string& key : keys) {
        builder.Add(key, "value of it");
        raw += key.size();
        const size_t pinned = block_based.block_cache->GetPinnedUsage();
        EXPECT_GE(pinned, before);
        before = pinned;
      }
      if (charged == CacheEntryRoleOptions::Decision::kDisabled) {
        EXPECT_EQ(before, 0u);
      } else {
        // What is held: values and suffixes of keys; in steps of 256 KiB.
        EXPECT_GT(before, keys.size() * 11);
        EXPECT_LT(before, keys.size() * 13 + raw);
      }
      if (finish) {
        ASSERT_NO_FATAL_FAILURE(builder.Finish());
      } else {
        builder.Abandon();
      }
      EXPECT_EQ(block_based.block_cache->GetPinnedUsage(), 0u);
    }
  }
}

TEST(FstTableBuilderTest, WithoutABufferNothingIsCharged) {
  BlockBasedTableOptions block_based;
  block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
  FstTableOptions fst;
  fst.key_buffer_size = 0;
  BuilderInMemory builder(fst, block_based);
  for (const std::string& key : KeysOf("paths", 50000)) builder.Add(key, "v");
  EXPECT_EQ(block_based.block_cache->GetPinnedUsage(), 0u);
  EXPECT_GT(builder->FileSize(), 0u);
  ASSERT_NO_FATAL_FAILURE(builder.Finish());
}

TEST(FstTableBuilderTest, WrittenBufferIsReleasedBeforeTheFileEnds) {
  BlockBasedTableOptions block_based;
  block_based.block_cache = rocksdb::NewLRUCache(64 << 20);
  FstTableOptions fst;
  fst.key_buffer_size = 1 << 20;
  BuilderInMemory builder(fst, block_based);
  size_t most = 0;
  for (const std::string& key : KeysOf("paths", 200000)) {
    builder.Add(key, "value of it");
    most = std::max(most, block_based.block_cache->GetPinnedUsage());
  }
  EXPECT_GT(most, size_t{256} << 10);
  EXPECT_LE(most, size_t{3} << 19);
  EXPECT_EQ(block_based.block_cache->GetPinnedUsage(), 0u);
  ASSERT_NO_FATAL_FAILURE(builder.Finish());
}

class FstTableBuilderDbTest : public FstDbTest {};

TEST_F(FstTableBuilderDbTest, FullCacheEndsTheBufferingAndTheFileIsWhole) {
  const std::vector<std::string> keys = KeysOf("paths", 100000);
  for (const size_t capacity : {size_t{0}, size_t{1} << 20}) {
    BlockBasedTableOptions block_based;
    rocksdb::LRUCacheOptions cache;
    cache.capacity = capacity;
    cache.num_shard_bits = 0;
    cache.strict_capacity_limit = true;
    block_based.block_cache = rocksdb::NewLRUCache(cache);
    Options options = StockOptions();
    options.table_factory.reset(
        NewFstTableFactory(FstTableOptions(), &block_based));
    const std::string path = folder() + "/full.sst";
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    ASSERT_TRUE(writer.Open(path).ok());
    for (const std::string& key : keys) {
      const Status s = writer.Put(key, "of " + key);
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_LE(block_based.block_cache->GetPinnedUsage(), capacity);
    }
    const Status s = writer.Finish();
    ASSERT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(block_based.block_cache->GetPinnedUsage(), 0u);

    options.table_factory.reset(NewFstTableFactory(FstTableOptions(), nullptr));
    rocksdb::SstFileReader reader(options);
    ASSERT_TRUE(reader.Open(path).ok());
    ASSERT_TRUE(reader.VerifyChecksum().ok());
    const std::unique_ptr<rocksdb::Iterator> iter(
        reader.NewIterator(rocksdb::ReadOptions()));
    size_t i = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++i) {
      ASSERT_LT(i, keys.size());
      ASSERT_EQ(iter->key(), keys[i]);
      ASSERT_EQ(iter->value(), "of " + keys[i]);
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    EXPECT_EQ(i, keys.size());
  }
}

TEST(FstTableBuilderTest, EstimateIsCloseFromTheFirstMegabyteOn) {
  struct Shape {
    const char* keys;
    size_t n;
    size_t value_size;
    bool filter;
    size_t segment_size;
  };
  for (const Shape& shape :
       {Shape{"uuids", 150000, 8, false, 0}, Shape{"uuids", 150000, 0, true, 0},
        Shape{"hashes", 200000, 0, false, 0},
        Shape{"hashes", 20000, 100, false, 0},
        Shape{"paths", 400000, 0, false, 0}, Shape{"paths", 400000, 8, true, 0},
        Shape{"paths", 50000, 200, false, 0},
        Shape{"paths", 400000, 8, false, 8 << 10},
        Shape{"long", 50000, 8, false, 0},
        Shape{"long", 50000, 0, true, 8 << 10}}) {
    SCOPED_TRACE(testing::Message()
                 << shape.keys << ", values of " << shape.value_size << ", "
                 << (shape.filter ? "filter, " : "") << shape.segment_size);
    const std::vector<std::string> keys = KeysOf(shape.keys, shape.n);
    FstTableOptions fst;
    fst.segment_size = shape.segment_size;
    BlockBasedTableOptions block_based;
    if (shape.filter) {
      block_based.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    }
    const auto add = [&](BuilderInMemory* builder, size_t i,
                         std::mt19937_64* rng) {
      const std::string half = RandomBytes(rng, shape.value_size / 2);
      builder->Add(keys[i], half + std::string(shape.value_size / 2, 'v'));
    };
    // What it says after so many keys, and what a file of those takes.
    std::map<size_t, uint64_t> estimates;
    std::map<size_t, uint64_t> bounds;  // where no file may be larger
    for (size_t n = keys.size(); n > keys.size() / 20; n /= 2) {
      estimates[n] = 0;
    }
    uint64_t whole = 0;
    {
      BuilderInMemory builder(fst, block_based);
      std::mt19937_64 rng(9);
      const auto ask = [&](size_t n) {
        estimates[n] = builder->EstimatedFileSize();
        bounds[n] = estimates[n] + builder->EstimatedTailSize();
      };
      for (size_t i = 0; i < keys.size(); ++i) {
        if (estimates.count(i) != 0) ask(i);
        add(&builder, i, &rng);
      }
      ask(keys.size());
      ASSERT_NO_FATAL_FAILURE(builder.Finish());
      whole = builder->FileSize();
      EXPECT_EQ(builder->EstimatedFileSize(), whole);
      EXPECT_EQ(builder->EstimatedTailSize(), 0u);
    }
    const auto size_of_first = [&](size_t n) {
      if (n == keys.size()) return whole;
      BuilderInMemory builder(fst, block_based);
      std::mt19937_64 rng(9);
      for (size_t i = 0; i < n; ++i) add(&builder, i, &rng);
      builder.Finish();
      return builder->FileSize();
    };
    size_t compared = 0;
    for (const auto& [n, estimate] : estimates) {
      const auto truth = static_cast<double>(size_of_first(n));
      EXPECT_GE(static_cast<double>(bounds[n]), truth) << n << " keys";
      if (truth < (1 << 20)) continue;
      ++compared;
      const double off = std::string(shape.keys) == "long" ? 0.25 : 0.2;
      EXPECT_GT(static_cast<double>(estimate), (1 - off) * truth)
          << n << " keys";
      EXPECT_LT(static_cast<double>(estimate), (1 + off) * truth)
          << n << " keys";
    }
    EXPECT_GT(compared, 0u);
  }
}

// A segment is as large as it is said to be, whatever becomes of its values,
// and in either order of its keys.
TEST(FstTableBuilderTest, SegmentsHoldAsManyKeysMirroredOrWithValuesInBlocks) {
  uint32_t plain = 0;
  for (const bool reverse : {false, true}) {
    for (const size_t value_size : {0, 100}) {
      MemoryTable::Settings settings;
      settings.fst.segment_size = 8 << 10;
      settings.fst.value_block_size = 16 << 10;
      settings.fst.key_buffer_size = 0;
      settings.reverse = reverse;
      MemoryTable table(settings);
      std::mt19937_64 rng(TestSeed());
      std::vector<TableEntry> entries;
      for (int i = 0; i < 20000; ++i) {
        const int at = reverse ? 99999 - i : 10000 + i;
        entries.push_back({std::string(56, 'p') + std::to_string(at * 1000 + 7),
                           7, rocksdb::kTypeValue,
                           RandomBytes(&rng, value_size)});
      }
      ASSERT_TRUE(table.Build(entries).ok());
      std::unique_ptr<rocksdb::TableReader> reader;
      ASSERT_TRUE(
          table.Open(table.bytes(), rocksdb::ReadOptions(), &reader).ok());
      const uint32_t segments =
          FstTableReader::From(*reader)->file().index().num_segments();
      if (plain == 0) plain = segments;
      EXPECT_GT(segments, plain * 2 / 3) << reverse << " " << value_size;
      EXPECT_LT(segments, plain * 3 / 2) << reverse << " " << value_size;
    }
  }
  EXPECT_GT(plain, 10u);
}

TEST_F(FstTableBuilderDbTest, OutputsAreCutAsStockCutsThem) {
  for (const char* kind : {"uuids", "long"}) {
    SCOPED_TRACE(kind);
    const std::vector<std::string> keys =
        KeysOf(kind, std::string(kind) == "long" ? 40000 : 100000);
    std::map<bool, std::vector<uint64_t>> sizes;
    for (const bool fst : {false, true}) {
      ASSERT_NO_FATAL_FAILURE(Destroy());
      Options options = fst ? MemkvOptions() : StockOptions();
      options.write_buffer_size = 256 << 20;
      options.target_file_size_base = 1 << 20;
      options.disable_auto_compactions = true;
      options.paranoid_file_checks = false;
      ASSERT_NO_FATAL_FAILURE(Open(options));
      std::mt19937_64 rng(3);
      rocksdb::WriteOptions wo;
      wo.disableWAL = true;
      for (const std::string& key : keys) {
        ASSERT_TRUE(db()->Put(wo, key, RandomBytes(&rng, 8)).ok());
      }
      ASSERT_NO_FATAL_FAILURE(Flush());
      ASSERT_NO_FATAL_FAILURE(CompactAll());
      for (const std::string& file : SstFiles()) {
        sizes[fst].push_back(ReadFile(file).size());
      }
    }
    uint64_t total = 0;
    for (const uint64_t size : sizes[true]) total += size;
    // As many as its bytes ask for, which are fewer than stock's; and all but
    // the last of the size that was asked for.
    EXPECT_LE(sizes[true].size(), sizes[false].size());
    EXPECT_LE(sizes[true].size(), total / (size_t{800} << 10) + 1);
    EXPECT_GT(sizes[true].size(), 1u);
    for (size_t i = 0; i + 1 < sizes[true].size(); ++i) {
      EXPECT_GT(sizes[true][i], size_t{800} << 10);
      EXPECT_LT(sizes[true][i], size_t{1300} << 10);
    }
  }
}

TEST_F(FstTableBuilderDbTest, SmallFileDoesNotTakeOverALargeDictionary) {
  const std::vector<std::string> keys = KeysOf("paths", 100000);
  Options options = MemkvOptions();
  options.write_buffer_size = 64 << 20;
  options.target_file_size_base = 64 << 20;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (const std::string& key : keys) {
    ASSERT_NO_FATAL_FAILURE(Put(key, "value of it"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  for (const auto& [name, properties] : all) {
    ASSERT_EQ(properties->user_collected_properties.count(kTokenBitsProperty),
              1u);
  }
  // Files of the same factory and of a stock one: of 100 keys no larger than
  // stock's by a tenth; of a fifth of the keys with the token table.
  for (const size_t n : {size_t{100}, keys.size() / 5}) {
    std::map<bool, uint64_t> sizes;
    for (const bool fst : {false, true}) {
      const Options used = fst ? options : StockOptions();
      const std::string path = folder() + "/small.sst";
      rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), used);
      ASSERT_TRUE(writer.Open(path).ok());
      for (size_t i = 0; i < keys.size(); i += keys.size() / n) {
        ASSERT_TRUE(writer.Put(keys[i], "value of it").ok());
      }
      rocksdb::ExternalSstFileInfo info;
      ASSERT_TRUE(writer.Finish(&info).ok());
      sizes[fst] = info.file_size;
      if (!fst) continue;
      rocksdb::SstFileReader reader(used);
      ASSERT_TRUE(reader.Open(path).ok());
      EXPECT_EQ(reader.GetTableProperties()->user_collected_properties.count(
                    kTokenBitsProperty),
                n == 100 ? 0u : 1u);
    }
    EXPECT_LT(static_cast<double>(sizes[true]),
              1.1 * static_cast<double>(sizes[false]));
  }
}

}  // namespace
}  // namespace memkv
