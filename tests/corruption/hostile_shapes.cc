// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/corruption/hostile_shapes.h"

#include <algorithm>

#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "tests/util/token_keys.h"

namespace memkv {

namespace {

using rocksdb::kTypeDeletion;
using rocksdb::kTypeMerge;
using rocksdb::kTypeRangeDeletion;
using rocksdb::kTypeSingleDeletion;
using rocksdb::kTypeValue;

// What is put into a shape, before it is sorted.
struct Plan {
  MemoryTable::Settings settings;
  std::vector<TableEntry> points;
  std::vector<TableEntry> ranges;
  // The token table is taken over from a file of these that is open.
  std::vector<TableEntry> of_the_dictionary;
};

std::string PathKey(int i) {
  return "usr/share/doc/package-" + std::to_string(100 + i) + "/copyright";
}

// Values that are longer than what is kept inline, and differ.
std::string LongValue(int i) {
  std::string value(30 + i % 11, static_cast<char>('A' + i % 26));
  return value + std::to_string(i);
}

void AddPaths(int n, bool long_values, Plan* plan) {
  for (int i = 0; i < n; ++i) {
    plan->points.push_back(
        {PathKey(i), 100, kTypeValue,
         long_values ? LongValue(i) : std::string(i % 9, 'v')});
  }
}

// Every kind of entry.
void AddOldVersions(int n, Plan* plan) {
  for (int i = 0; i < n; i += 5) {
    plan->points.push_back({PathKey(i), 170, kTypeMerge, "operand"});
    plan->points.push_back({PathKey(i), 140, kTypeMerge, ""});
    plan->points.push_back({PathKey(i), 60, kTypeDeletion, ""});
    plan->points.push_back({PathKey(i + 1), 30, kTypeValue, "before"});
    plan->points.push_back({PathKey(i + 2), 120, kTypeSingleDeletion, ""});
  }
}

void AddManyVersions(const std::string& key, int n, Plan* plan) {
  for (int i = 0; i < n; ++i) {
    plan->points.push_back(
        {key, 900u - i, kTypeValue, "v" + std::to_string(i)});
  }
}

void AddRanges(Plan* plan) {
  plan->ranges.push_back({PathKey(3), 80, kTypeRangeDeletion, PathKey(6)});
  plan->ranges.push_back({PathKey(5), 110, kTypeRangeDeletion, PathKey(9)});
  plan->ranges.push_back({PathKey(20), 150, kTypeRangeDeletion, PathKey(21)});
}

void AddModules(Plan* plan) {
  for (int i = 0; i < 700; ++i) {
    plan->points.push_back(
        {TokenKey(1000 + i), 7, kTypeValue, std::to_string(i % 10)});
  }
}

const struct {
  const char* name;
  void (*make)(Plan* plan);
} kShapes[] = {
    {"small",
     [](Plan* plan) {
       plan->settings.fst.segment_size = 0;
       plan->points = {{"", 5, kTypeValue, "of the empty key"},
                       {"a", 9, kTypeValue, "1"},
                       {"b", 3, kTypeDeletion, ""}};
     }},
    {"segments", [](Plan* plan) { AddPaths(60, /*long_values=*/true, plan); }},
    {"two prefixes",
     [](Plan* plan) {
       // A separator trie of two levels: bounds share more than a slice.
       AddPaths(400, /*long_values=*/false, plan);
       for (int i = 0; i < 200; ++i) {
         plan->points.push_back(
             {"bin/tool-" + std::to_string(100 + i), 5, kTypeValue, "tool"});
       }
     }},
    {"inline",
     [](Plan* plan) {
       AddPaths(60, /*long_values=*/false, plan);
       plan->settings.block_based.checksum = rocksdb::kCRC32c;
     }},
    {"fixed bytes",
     [](Plan* plan) {
       for (int i = 0; i < 40; ++i) {
         const std::string digits = std::to_string(1000 + i * i * 5 % 9000);
         plan->points.push_back({digits.substr(0, 2) + ":" + digits.substr(2) +
                                     ":00:" + std::to_string(10 + i % 7),
                                 5, kTypeValue, "v"});
       }
     }},
    {"kinds",
     [](Plan* plan) {
       AddPaths(40, /*long_values=*/false, plan);
       AddOldVersions(40, plan);
       AddRanges(plan);
     }},
    {"runs",
     [](Plan* plan) {
       // Distinct values of one size and of several, inline and in blocks.
       for (int i = 0; i < 90; ++i) {
         const std::string value(i < 45 ? 8 : 300 + i % 3,
                                 static_cast<char>('a' + i % 3));
         plan->points.push_back({PathKey(i), 9, kTypeValue, value});
       }
     }},
    {"unpadded",
     [](Plan* plan) {
       // Of a small segment: its values are more than the padding would be.
       for (int i = 0; i < 100; ++i) {
         plan->points.push_back({PathKey(i), 50u + i % 7, kTypeValue,
                                 "value " + std::to_string(i * i)});
       }
       plan->settings.fst.segment_size = 8192;
     }},
    {"numbers",
     [](Plan* plan) {
       // Inline, and in a value block.
       for (int i = 0; i < 120; ++i) {
         // Of two bytes, the lowest first, and last.
         const int number = 300 + i * 501 % 6000;
         std::string value(8, '\0');
         value[i < 60 ? 0 : 7] = static_cast<char>(number % 256);
         value[i < 60 ? 1 : 6] = static_cast<char>(number / 256);
         plan->points.push_back({PathKey(i), 9, kTypeValue, value});
       }
       plan->settings.fst.segment_size = 1024;
     }},
    {"equal values",
     [](Plan* plan) {
       plan->settings.fst.inline_value_size = 0;
       for (int i = 0; i < 50; ++i) {
         plan->points.push_back(
             {PathKey(i), 0, kTypeValue, std::to_string(100 + i)});
       }
     }},
    {"ranges only", [](Plan* plan) { AddRanges(plan); }},
    {"filter",
     [](Plan* plan) {
       AddPaths(30, /*long_values=*/false, plan);
       plan->settings.block_based.filter_policy.reset(
           rocksdb::NewBloomFilterPolicy(10));
     }},
    {"prefix filter",
     [](Plan* plan) {
       AddPaths(30, /*long_values=*/false, plan);
       plan->settings.block_based.filter_policy.reset(
           rocksdb::NewRibbonFilterPolicy(10));
       plan->settings.block_based.whole_key_filtering = false;
       plan->settings.prefix_extractor.reset(
           rocksdb::NewCappedPrefixTransform(23));
     }},
    {"versions",
     [](Plan* plan) {
       AddPaths(12, /*long_values=*/false, plan);
       AddManyVersions(PathKey(5), 220, plan);
     }},
    {"reverse",
     [](Plan* plan) {
       plan->settings.reverse = true;
       AddPaths(20, /*long_values=*/true, plan);
       AddOldVersions(20, plan);
       AddManyVersions(PathKey(7), 150, plan);
       AddRanges(plan);
     }},
    {"long keys",
     [](Plan* plan) {
       for (int i = 0; i < 24; ++i) {
         std::string key(i % 2 == 0 ? 290 : 40, 'k');
         for (int j = 0; j < i / 2; ++j) key += "/" + std::to_string(j * j);
         plan->points.push_back({key, 4, kTypeValue, std::to_string(i)});
         plan->points.push_back({key + "\xff", 4, kTypeValue, LongValue(i)});
       }
     }},
    {"any bytes",
     [](Plan* plan) {
       // More than 128 different ones, so that codes are bytes.
       plan->settings.block_based.checksum = rocksdb::kxxHash64;
       for (int i = 0; i < 256; i += 1) {
         std::string key(1, static_cast<char>(i));
         key += static_cast<char>(i * 7);
         key += static_cast<char>(i * 11);
         plan->points.push_back({key, 1u + i % 3, kTypeValue, ""});
       }
     }},
    {"dictionary",
     [](Plan* plan) {
       AddModules(plan);
       plan->settings.fst.segment_size = 8 << 10;
     }},
    {"dictionary and value blocks",
     [](Plan* plan) {
       AddModules(plan);
       for (TableEntry& entry : plan->points) {
         entry.value = LongValue(static_cast<int>(entry.user_key.size())) +
                       entry.user_key;
       }
       plan->settings.fst.segment_size = 8 << 10;
       plan->settings.fst.value_block_size = 4 << 10;
     }},
    {"dictionary taken over",
     [](Plan* plan) {
       AddModules(plan);
       plan->of_the_dictionary = plan->points;
       plan->points.erase(plan->points.begin(), plan->points.begin() + 200);
       plan->settings.fst.segment_size = 4 << 10;
       plan->settings.compression = rocksdb::kLZ4Compression;
     }},
    {"lz4",
     [](Plan* plan) {
       AddPaths(80, /*long_values=*/true, plan);
       AddOldVersions(30, plan);
       plan->settings.compression = rocksdb::kLZ4Compression;
       plan->settings.block_based.checksum = rocksdb::kxxHash;
     }},
    {"zstd",
     [](Plan* plan) {
       AddPaths(80, /*long_values=*/true, plan);
       AddManyVersions(PathKey(40), 130, plan);
       AddRanges(plan);
       plan->settings.compression = rocksdb::kZSTD;
     }},
    {"ingested",
     [](Plan* plan) {
       AddPaths(40, /*long_values=*/false, plan);
       for (TableEntry& entry : plan->points) entry.seq = 0;
       AddRanges(plan);
       plan->ranges.resize(1);
       for (TableEntry& entry : plan->ranges) entry.seq = 0;
       plan->settings.global_seqno = 77;
     }},
};

MemoryTable::Settings DefaultSettings() {
  MemoryTable::Settings settings;
  settings.fst.segment_size = 1 << 10;
  settings.fst.value_block_size = 256;
  // A cache shared by all would answer from the undamaged file.
  settings.block_based.no_block_cache = true;
  return settings;
}

void SortPoints(const MemoryTable& table, std::vector<TableEntry>* points) {
  const auto& icmp = table.comparator();
  std::sort(points->begin(), points->end(),
            [&icmp](const TableEntry& a, const TableEntry& b) {
              return icmp.Compare(a.InternalKey(), b.InternalKey()) < 0;
            });
}

std::vector<std::pair<std::string, uint64_t>> ProbesOf(
    const std::vector<TableEntry>& entries) {
  const uint64_t latest = rocksdb::kMaxSequenceNumber;
  std::vector<std::pair<std::string, uint64_t>> probes = {
      {"", latest}, {"usr", latest}, {std::string(400, '\xff'), latest}};
  const size_t step = entries.size() / 7 + 1;
  for (size_t i = 0; i < entries.size(); i += step) {
    const TableEntry& entry = entries[i];
    probes.emplace_back(entry.user_key, latest);
    probes.emplace_back(entry.user_key, entry.seq);
    probes.emplace_back(entry.user_key + "x", latest);
    probes.emplace_back(entry.user_key.substr(0, entry.user_key.size() / 2),
                        latest);
  }
  probes.emplace_back(entries.back().user_key, latest);
  return probes;
}

}  // namespace

std::vector<std::string> HostileShapeNames() {
  std::vector<std::string> names;
  for (const auto& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

std::unique_ptr<HostileShape> MakeHostileShape(const std::string& name,
                                               std::string* reason) {
  for (const auto& known : kShapes) {
    if (name != known.name) continue;
    Plan plan;
    plan.settings = DefaultSettings();
    known.make(&plan);
    auto shape = std::make_unique<HostileShape>();
    shape->name = name;
    plan.settings.fst.residency = FstTableOptions::Residency::kPin;
    shape->pinned = std::make_unique<MemoryTable>(plan.settings);
    plan.settings.fst.residency = FstTableOptions::Residency::kCache;
    plan.settings.mapped = true;
    shape->cached = std::make_unique<MemoryTable>(plan.settings);

    std::unique_ptr<rocksdb::TableReader> other;
    std::string other_bytes;
    rocksdb::Status s;
    MemoryTable* const table = shape->pinned.get();
    if (!plan.of_the_dictionary.empty()) {
      s = table->Build(plan.of_the_dictionary);
      other_bytes = table->bytes();
      if (s.ok()) {
        s = table->Open(other_bytes, rocksdb::ReadOptions(), &other);
      }
    }
    SortPoints(*table, &plan.points);
    if (plan.settings.reverse) {
      for (TableEntry& range : plan.ranges)
        std::swap(range.user_key, range.value);
      std::reverse(plan.ranges.begin(), plan.ranges.end());
    }
    shape->entries = plan.points;
    shape->entries.insert(shape->entries.end(), plan.ranges.begin(),
                          plan.ranges.end());
    shape->probes = ProbesOf(shape->entries);
    if (s.ok()) s = table->Build(shape->entries);
    if (!s.ok()) {
      *reason = name + ": " + s.ToString();
      return nullptr;
    }
    shape->bytes = table->bytes();
    if (!FileFields::Parse(shape->bytes, &shape->fields, reason)) {
      *reason = name + ": " + *reason;
      return nullptr;
    }
    return shape;
  }
  *reason = "there is no shape \"" + name + "\"";
  return nullptr;
}

}  // namespace memkv
