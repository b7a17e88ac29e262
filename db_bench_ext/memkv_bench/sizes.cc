// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/sizes.h"

#include <memory>

#include "db_bench_ext/common/check.h"
#include "rocksdb/table_properties.h"
#include "util/coding.h"
#include "util/string_util.h"

namespace memkv {

namespace {

using Names = rocksdb::DB::Properties;

int64_t Property(const BenchDatabase& database, const std::string& name) {
  return static_cast<int64_t>(database.Property(name));
}

// The rest: what `total` has beyond the components so far.
void AddRest(const std::string& name, Sizes* sizes) {
  int64_t rest = sizes->total;
  for (const SizeComponent& component : sizes->components) {
    rest -= component.bytes;
  }
  sizes->components.push_back({name, rest});
}

// Of an entry in a memtable, whatever indexes it: lengths, key, tag, value.
int64_t EntryBytes(uint64_t key_size, uint64_t value_size) {
  const uint64_t internal = key_size + 8;
  return rocksdb::VarintLength(internal) + rocksdb::VarintLength(value_size) +
         static_cast<int64_t>(internal + value_size);
}

// What this process holds more than `before`.
Sizes GrownSince(const JemallocBytes& before) {
  ReleaseFreedMemory();
  const JemallocBytes after = ReadJemallocBytes();
  auto grown = [](size_t now, size_t then) {
    return static_cast<int64_t>(now) - static_cast<int64_t>(then);
  };
  return {grown(after.allocated, before.allocated),
          grown(after.active, before.active),
          grown(after.resident, before.resident),
          {}};
}

}  // namespace

int64_t Sizes::Of(const std::string& name) const {
  for (const SizeComponent& component : components) {
    if (component.name == name) {
      return component.bytes;
    }
  }
  return 0;
}

Sizes MeasureDisk(const BenchDatabase& database) {
  rocksdb::TablePropertiesCollection tables;
  Check(database.db()->GetPropertiesOfAllTables(&tables));
  int64_t data_blocks = 0;
  int64_t keys = 0;
  int64_t tags = 0;
  int64_t short_values = 0;
  int64_t value_blocks = 0;
  int64_t filters = 0;
  for (const auto& [file, properties] : tables) {
    filters += static_cast<int64_t>(properties->filter_size);
    const auto& user = properties->user_collected_properties;
    auto bytes = [&user](const char* name) {
      const auto found = user.find(name);
      return found == user.end() ? 0 : rocksdb::ParseInt64(found->second);
    };
    if (user.count("memkv.fst.key.bytes") > 0) {
      const int64_t file_tags = bytes("memkv.fst.tag.bytes");
      const int64_t file_values = bytes("memkv.fst.inline.value.bytes");
      keys += bytes("memkv.fst.key.bytes") - file_tags - file_values;
      tags += file_tags;
      short_values += file_values;
      value_blocks += bytes("memkv.fst.value.bytes");
    } else {
      data_blocks += static_cast<int64_t>(properties->data_size);
    }
  }
  Sizes sizes;
  sizes.total = static_cast<int64_t>(database.SstBytes());
  sizes.components = {{"data blocks: keys, values and tags", data_blocks},
                      {"keys: of segments", keys},
                      {"tags: of segments", tags},
                      {"short values: of segments", short_values},
                      {"value blocks", value_blocks},
                      {"filters", filters}};
  // Not by index_size, which RocksDB counts before it compresses the index.
  AddRest("index and metadata", &sizes);
  return sizes;
}

JemallocBytes MemoryBefore() {
  ReleaseFreedMemory();
  return ReadJemallocBytes();
}

Sizes MeasureMemory(const BenchDatabase& database,
                    const JemallocBytes& before) {
  Sizes sizes = GrownSince(before);
  sizes.components = {
      {"table readers", Property(database, Names::kEstimateTableReadersMem)},
      {"block cache", Property(database, Names::kBlockCacheUsage)},
      {"memtables", Property(database, Names::kSizeAllMemTables)}};
  AddRest("the rest", &sizes);
  return sizes;
}

Sizes MeasureMemtable(const BenchConfig& config, const std::string& path,
                      const BenchRecords& records,
                      const std::vector<uint32_t>& order, size_t count) {
  DatabaseUnderTest subject;
  subject.config = config;
  subject.database = std::make_unique<BenchDatabase>(config.name, path);
  subject.model = std::make_unique<BenchModel>(records.size());
  Check(subject.database->Configure(config.options));
  // One memtable, however large.
  rocksdb::Options* const options = subject.database->options();
  options->write_buffer_size = size_t{32} << 30;
  options->db_write_buffer_size = 0;
  options->max_total_wal_size = size_t{1} << 40;
  options->arena_block_size = size_t{1} << 20;
  Check(subject.database->Open());
  const JemallocBytes before = MemoryBefore();
  WriteRecords(records, order, 0, count, false, 1, &subject, nullptr);
  Sizes sizes = GrownSince(before);
  int64_t entries = 0;
  for (size_t i = 0; i < count; i++) {
    entries +=
        EntryBytes(records.key(order[i]).size(), records.ValueSize(order[i]));
  }
  const int64_t used =
      Property(*subject.database, Names::kCurSizeActiveMemTable);
  sizes.components = {{"memtable entries", entries},
                      {"memtable index", used - entries}};
  AddRest("the rest", &sizes);
  Check(subject.database->Drop());
  return sizes;
}

}  // namespace memkv
