// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/sizes.h"

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "rocksdb/table_properties.h"

namespace memkv {

using rocksdb::Status;

namespace {

int64_t Property(const DatabaseUnderTest& subject, const std::string& name) {
  return static_cast<int64_t>(subject.database->Property(name));
}

// The rest: what `total` has beyond the components so far.
void AddRest(const std::string& name, Sizes* sizes) {
  int64_t rest = sizes->total;
  for (const SizeComponent& component : sizes->components) {
    rest -= component.bytes;
  }
  sizes->components.push_back({name, rest});
}

int64_t VarintLength(uint64_t value) {
  int64_t length = 1;
  for (; value >= 128; value >>= 7) {
    length++;
  }
  return length;
}

// Of an entry in a memtable, whatever indexes it: lengths, key, tag, value.
int64_t EntryBytes(uint64_t key_size, uint64_t value_size) {
  const uint64_t internal = key_size + 8;
  return VarintLength(internal) + VarintLength(value_size) +
         static_cast<int64_t>(internal + value_size);
}

}  // namespace

Status MeasureDisk(const DatabaseUnderTest& subject, Sizes* sizes) {
  sizes->total = static_cast<int64_t>(subject.database->SstBytes());
  rocksdb::TablePropertiesCollection tables;
  Status s = subject.database->db()->GetPropertiesOfAllTables(&tables);
  if (!s.ok()) {
    return s;
  }
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
      return found == user.end()
                 ? int64_t{0}
                 : std::strtoll(found->second.c_str(), nullptr, 10);
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
  sizes->components = {{"data blocks: keys, values and tags", data_blocks},
                       {"keys: of segments", keys},
                       {"tags: of segments", tags},
                       {"short values: of segments", short_values},
                       {"value blocks", value_blocks},
                       {"filters", filters}};
  // Not by index_size, which RocksDB counts before it compresses the index.
  AddRest("index and metadata", sizes);
  return s;
}

bool MemoryBefore(JemallocBytes* before) {
  ReleaseFreedMemory();
  return ReadJemallocBytes(before);
}

Status MeasureMemory(const DatabaseUnderTest& subject, bool known,
                     const JemallocBytes& before, Sizes* sizes) {
  JemallocBytes after;
  ReleaseFreedMemory();
  sizes->known = known && ReadJemallocBytes(&after);
  if (!sizes->known) {
    return Status::OK();
  }
  auto grown = [](size_t now, size_t then) {
    return static_cast<int64_t>(now) - static_cast<int64_t>(then);
  };
  sizes->total = grown(after.allocated, before.allocated);
  sizes->active = grown(after.active, before.active);
  sizes->resident = grown(after.resident, before.resident);
  using Names = rocksdb::DB::Properties;
  sizes->components = {
      {"table readers", Property(subject, Names::kEstimateTableReadersMem)},
      {"block cache", Property(subject, Names::kBlockCacheUsage)},
      {"memtables", Property(subject, Names::kSizeAllMemTables)}};
  AddRest("the rest", sizes);
  return Status::OK();
}

Status MeasureMemtable(const BenchConfig& config, const std::string& path,
                       const BenchRecords& records,
                       const std::vector<uint32_t>& order, size_t count,
                       Sizes* sizes) {
  DatabaseUnderTest subject;
  subject.config = config;
  subject.database = std::make_unique<BenchDatabase>(config.name, path);
  subject.model = std::make_unique<BenchModel>(records.size());
  Status s = subject.database->Configure(config.options);
  if (!s.ok()) {
    return s;
  }
  // One memtable, however large.
  rocksdb::Options* const options = subject.database->options();
  options->write_buffer_size = size_t{32} << 30;
  options->db_write_buffer_size = 0;
  options->max_total_wal_size = size_t{1} << 40;
  options->arena_block_size = size_t{1} << 20;
  s = subject.database->Open();
  JemallocBytes before;
  const bool known = MemoryBefore(&before);
  if (s.ok()) {
    s = WriteRecords(records, order, 0, count, false, 1, &subject, nullptr);
  }
  JemallocBytes after;
  ReleaseFreedMemory();
  sizes->known = known && ReadJemallocBytes(&after);
  if (!s.ok()) {
    return s;
  }
  int64_t entries = 0;
  for (size_t i = 0; i < count; i++) {
    entries +=
        EntryBytes(records.key(order[i]).size(), records.ValueSize(order[i]));
  }
  if (sizes->known) {
    sizes->total = static_cast<int64_t>(after.allocated) -
                   static_cast<int64_t>(before.allocated);
    sizes->active = static_cast<int64_t>(after.active) -
                    static_cast<int64_t>(before.active);
    sizes->resident = static_cast<int64_t>(after.resident) -
                      static_cast<int64_t>(before.resident);
    const int64_t used =
        Property(subject, rocksdb::DB::Properties::kCurSizeActiveMemTable);
    sizes->components = {{"memtable entries", entries},
                         {"memtable index", used - entries}};
    AddRest("the rest", sizes);
  }
  s = subject.database->Close();
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return s;
}

}  // namespace memkv
