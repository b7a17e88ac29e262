// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/database.h"

#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>

#include "compat/block_cache.h"
#include "compat/clock_cache.h"
#include "compat/open.h"
#include "compat/temperature.h"
#include "compat/wait_for_compact.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "rocksdb/convenience.h"
#include "rocksdb/listener.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "util/string_util.h"

namespace memkv {

using Names = rocksdb::DB::Properties;

std::string Quoted(const Slice& bytes) {
  constexpr size_t kMost = 200;
  std::string text = "\"";
  for (size_t i = 0; i < bytes.size() && i < kMost; i++) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      text.push_back(bytes[i]);
    } else {
      text += fmt::format("\\x{:02x}", c);
    }
  }
  return bytes.size() > kMost
             ? fmt::format("{}\"... ({} bytes)", text, bytes.size())
             : text + "\"";
}

std::string Quoted(const rocksdb::Iterator& it) {
  return it.Valid() ? Quoted(it.key()) + " with " + Quoted(it.value())
                    : "the end, " + it.status().ToString();
}

namespace {

class CountTableBytes : public rocksdb::EventListener {
 public:
  explicit CountTableBytes(std::shared_ptr<std::atomic<uint64_t>> bytes)
      : bytes_(std::move(bytes)) {}
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    bytes_->fetch_add(info.file_size);
  }

 private:
  const std::shared_ptr<std::atomic<uint64_t>> bytes_;
};

// Takes this program's own option out of `options`, a string of RocksDB's:
// bytes of a HyperClockCache, which no string of RocksDB's makes.  0 if it is
// not there.
Status TakeHyperClockCache(std::string* options, uint64_t* bytes) {
  *bytes = 0;
  std::unordered_map<std::string, std::string> map;
  const Status s = rocksdb::StringToMap(*options, &map);
  const auto found = map.find("hyper_clock_cache");
  if (!s.ok() || found == map.end()) return s;
  *bytes = ParseBytes(found->second);
  map.erase(found);
  options->clear();
  for (const auto& [name, value] : map) {
    *options += fmt::format("{}={{{}}};", name, value);
  }
  return s;
}

}  // namespace

void BenchDatabase::Configure() {
  rocksdb::Options base;
  base.create_if_missing = true;
  base.max_background_jobs = 2;
  base.max_subcompactions = 2;
  base.listeners.push_back(std::make_shared<CountTableBytes>(table_bytes_));
  // Changes nothing but that RocksDB counts the calls that read table files.
  compat::SetTemperature(rocksdb::Temperature::kHot, &base);
  rocksdb::ConfigOptions strict;
  // Silence would be a database that is not the one asked for.
  strict.ignore_unknown_options = false;
  strict.ignore_unsupported_options = false;
  // As long as it is true, a block-based table goes without what it cannot make
  // by name: a filter policy, an index.
  strict.input_strings_escaped = false;
  std::string string = config_.options;
  uint64_t clock_cache = 0;
  Status s = TakeHyperClockCache(&string, &clock_cache);
  if (s.ok()) {
    s = rocksdb::GetOptionsFromString(strict, base, string, &options_);
  }
  if (s.ok() && options_.table_factory == nullptr) {
    s = Status::InvalidArgument("no table factory");
  }
  if (s.ok() && clock_cache != 0) {
    auto* const table =
        options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
    if (table == nullptr) {
      s = Status::InvalidArgument("hyper_clock_cache without a block cache");
    } else {
      table->block_cache = compat::NewHyperClockCache(clock_cache);
    }
  }
  if (!s.ok()) {
    Refuse("options of " + name() + " (" + config_.options + ")", s.ToString());
  }
}

void BenchDatabase::Open() {
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::Open(options_, path_, compat::Into(&db)));
  db_.reset(db);
}

void BenchDatabase::Close() {
  const Status s = db_->Close();
  db_.reset();
  Check(s);
}

void BenchDatabase::Drop() {
  Close();
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void BenchDatabase::Settle() {
  Check(db_->Flush(rocksdb::FlushOptions()));
  Check(compat::WaitForCompact(db_.get()));
}

void BenchDatabase::CompactAll() {
  rocksdb::CompactRangeOptions all;
  all.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  Check(db_->CompactRange(all, nullptr, nullptr));
}

uint64_t BenchDatabase::Property(const std::string& property) const {
  uint64_t value = 0;
  return db_->GetIntProperty(property, &value) ? value : 0;
}

rocksdb::Cache* BenchDatabase::BlockCache() const {
  const auto* const table =
      options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  // A cache that is not wanted goes only when the database is opened.
  return table == nullptr || table->no_block_cache ? nullptr
                                                   : table->block_cache.get();
}

void BenchDatabase::SetBlockCache(uint64_t bytes) {
  const rocksdb::Cache* const cache = BlockCache();
  if (cache == nullptr) {
    Refuse("--memory: " + name() + " has no block cache");
  }
  // Not SetCapacity(): how many shards a cache has depends on its first one.
  options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()
      ->block_cache =
      std::string(cache->Name()).find("HyperClock") != std::string::npos
          ? compat::NewHyperClockCache(bytes)
          : rocksdb::NewLRUCache(bytes);
}

void BenchDatabase::Mismatch(const std::string& asked,
                             const std::string& expected,
                             const std::string& found) const {
  throw Failure(
      Status::Corruption("MISMATCH in " + name() + ", " + asked,
                         "expected " + expected + ", found " + found));
}

void MemoryLimit::Prepare(BenchDatabase* database) const {
  rocksdb::Cache* const cache = database->BlockCache();
  if (limited() && cache == nullptr) {
    Refuse("--memory_limit: " + database->name() + " has no block cache");
  }
  if (limited()) {
    database->options()->use_direct_reads = true;
  }
  const uint64_t capacity = limited() ? bytes_ : otherwise_;
  if (cache != nullptr && capacity > 0) {
    cache->SetCapacity(capacity);
  }
}

void MemoryLimit::Apply(const BenchDatabase& database) const {
  if (!limited()) {
    return;
  }
  const uint64_t readers = database.Property(Names::kEstimateTableReadersMem);
  if (readers + kLeastBlockCache > bytes_) {
    Check(Status::MemoryLimit(
        fmt::format("--memory_limit={}: {} needs {} bytes for table readers "
                    "and the least of block caches",
                    bytes_, database.name(), readers + kLeastBlockCache),
        "residency=cache pins no segments; cache_index_and_filter_blocks "
        "no index"));
  }
  database.BlockCache()->SetCapacity(bytes_ - readers);
}

void Sizes::AddRest(const std::string& name) {
  int64_t rest = total;
  for (const SizeComponent& component : components) {
    rest -= component.bytes;
  }
  components.push_back({name, rest});
}

Sizes MeasureDisk(const BenchDatabase& database) {
  rocksdb::TablePropertiesCollection tables;
  Check(database.db()->GetPropertiesOfAllTables(&tables));
  Sizes sizes;
  sizes.total =
      static_cast<int64_t>(database.Property(Names::kLiveSstFilesSize));
  sizes.components = {{"data blocks: keys, values and tags"},
                      {"keys: of segments"},
                      {"tags: of segments"},
                      {"short values: of segments"},
                      {"value blocks"},
                      {"filters"}};
  enum { kData, kKeys, kTags, kShortValues, kValueBlocks, kFilters };
  auto add = [&sizes](size_t component, int64_t bytes) {
    sizes.components[component].bytes += bytes;
  };
  for (const auto& [file, properties] : tables) {
    add(kFilters, static_cast<int64_t>(properties->filter_size));
    const auto& user = properties->user_collected_properties;
    auto bytes = [&user](const std::string& name) {
      const auto found = user.find("memkv.fst." + name + ".bytes");
      return found == user.end() ? 0 : rocksdb::ParseInt64(found->second);
    };
    if (user.count("memkv.fst.key.bytes") == 0) {
      add(kData, static_cast<int64_t>(properties->data_size));
    } else {
      add(kKeys, bytes("key") - bytes("tag") - bytes("inline.value"));
      add(kTags, bytes("tag"));
      add(kShortValues, bytes("inline.value"));
      add(kValueBlocks, bytes("value"));
    }
  }
  // Not by index_size, which RocksDB counts before it compresses the index.
  sizes.AddRest("index and metadata");
  return sizes;
}

JemallocBytes MemoryBefore() {
  ReleaseFreedMemory();
  return ReadJemallocBytes();
}

Sizes GrownSince(const JemallocBytes& before) {
  const JemallocBytes after = MemoryBefore();
  auto grown = [](size_t now, size_t then) {
    return static_cast<int64_t>(now) - static_cast<int64_t>(then);
  };
  return {grown(after.allocated, before.allocated),
          grown(after.active, before.active),
          grown(after.resident, before.resident)};
}

Sizes MeasureMemory(const BenchDatabase& database,
                    const JemallocBytes& before) {
  Sizes sizes = GrownSince(before);
  const auto property = [&database](const std::string& name) {
    return static_cast<int64_t>(database.Property(name));
  };
  // No iterator is open, so what is pinned in the block cache is charged for
  // segments that table readers hold, and count.
  sizes.components = {
      {"table readers", property(Names::kEstimateTableReadersMem)},
      {"block cache", property(Names::kBlockCacheUsage) -
                          property(Names::kBlockCachePinnedUsage)},
      {"memtables", property(Names::kSizeAllMemTables)}};
  sizes.AddRest("the rest");
  return sizes;
}

}  // namespace memkv
