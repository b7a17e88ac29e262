// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/history_variant.h"

#include <iterator>
#include <stdexcept>

#include "rocksdb/comparator.h"
#include "rocksdb/convenience.h"
#include "rocksdb/slice_transform.h"

namespace memkv {

using rocksdb::Options;

namespace {

Options WithString(const Options& base, const std::string& text) {
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = false;
  config.ignore_unsupported_options = false;
  Options options;
  const rocksdb::Status s =
      rocksdb::GetOptionsFromString(config, base, text, &options);
  if (!s.ok()) {
    // The strings are constants of this file: a bad one is a broken build.
    throw std::invalid_argument(text + ": " + s.ToString());
  }
  return options;
}

// Those of db_bench_ext/keys/key_shapes.h that have different keys, and more
// than one; without those of a megabyte.
constexpr const char* kKeyShapes[] = {
    "random_binary", "chain_up", "comb_up",  "phrases",      "shared_4k",
    "sorted",        "streams",  "one_byte", "extreme_bytes"};

// What each database is told while it runs: both, and memkv alone.
void AddChanges(HistoryPlan* plan) {
  plan->changes_of_both = {{{"write_buffer_size", "32768"}},
                           {{"level0_file_num_compaction_trigger", "2"}}};
  if (plan->has_prefixes) {
    plan->changes_of_both.push_back(
        {{"prefix_extractor", "rocksdb.CappedPrefix.6"}});
    plan->changes_of_both.push_back(
        {{"prefix_extractor", "rocksdb.CappedPrefix.14"}});
  }
  plan->changes_of_second = {
      {{"table_factory.residency", "cache"},
       {"table_factory.segment_size", "1024"}},
      {{"table_factory.write_format", "block_based"}},
      {{"table_factory.value_block_size", "128"},
       {"table_factory.inline_value_size", "0"}},
      {{"table_factory.write_format", "fst"},
       {"table_factory.block_based.filter_policy", "ribbonfilter:8"}},
      {{"table_factory.residency", "pin"},
       {"table_factory.segment_size", "8192"},
       {"table_factory.key_buffer_size", "32768"}},
      {{"table_factory.residency", "auto"},
       {"table_factory.pinned_keys_limit", "20000"},
       {"table_factory.segment_size", "0"}},
      {{"table_factory.inline_value_size", "100"},
       {"table_factory.block_based.whole_key_filtering", "false"}}};
}

}  // namespace

HistoryVariant MakeHistoryVariant(uint64_t seed, rocksdb::Env* env) {
  HistoryVariant variant;
  Options& o = variant.base;
  std::string text =
      "create_if_missing=true;write_buffer_size=65536;arena_block_size=4096;"
      "target_file_size_base=65536;max_bytes_for_level_base=262144;"
      "max_bytes_for_level_multiplier=4;max_write_buffer_number=6;"
      "level0_slowdown_writes_trigger=40;level0_stop_writes_trigger=60;"
      "max_background_jobs=2;paranoid_checks=true;";
  // Choices with coprime periods, so that 30 seeds meet most pairs of them.
  const char* const compressions[] = {"kNoCompression", "kLZ4Compression",
                                      "kZSTD"};
  text += std::string("compression=") + compressions[seed % 3] + ";";
  const char* const merges[] = {"stringappend", "uint64add"};
  text += std::string("merge_operator=") + merges[seed % 2] + ";";
  text += std::string("level0_file_num_compaction_trigger=") +
          std::to_string(3 + seed % 4) + ";";
  text += seed % 5 == 2 ? "compaction_style=kCompactionStyleUniversal;" : "";
  text += seed % 4 == 3 ? "enable_blob_files=true;min_blob_size=512;"
                          "enable_blob_garbage_collection=true;"
                        : "";
  text += seed % 3 == 1 ? "allow_concurrent_memtable_write=false;" : "";
  text += seed % 5 == 4 ? "enable_pipelined_write=true;" : "";
  text += seed % 7 == 5 ? "allow_mmap_reads=true;" : "";
  text += seed % 4 == 1 ? "memtable_protection_bytes_per_key=8;" : "";
  text += seed % 5 == 1 ? "paranoid_memory_checks=true;" : "";
  text += seed % 5 == 3 ? "paranoid_file_checks=true;" : "";
  text += seed % 6 == 2 ? "max_successive_merges=3;" : "";
  // Ten open files: most reads open one.
  text += seed % 6 == 3 ? "max_open_files=20;" : "";
  const bool reverse = seed % 4 == 2;
  HistoryPlan& plan = variant.plan;
  // A prefix must not sort after its key, which rules out the reverse order.
  plan.has_prefixes = !reverse && seed % 3 != 2;
  if (plan.has_prefixes) {
    text += "prefix_extractor=rocksdb.CappedPrefix.14;";
    text += seed % 2 == 0 ? "memtable_prefix_bloom_size_ratio=0.1;"
                            "memtable_whole_key_filtering=true;"
                          : "";
  }
  plan.writers = seed % 4 == 0 ? 8 : 3;
  if (seed % 3 == 0) {
    plan.key_shape = kKeyShapes[seed / 3 % std::size(kKeyShapes)];
  }
  if (seed % 2 == 1) AddChanges(&plan);
  o = WithString(Options(), text);
  o.env = env;
  if (reverse) {
    o.comparator = rocksdb::ReverseBytewiseComparator();
    text += "(reverse bytewise)";
  }
  if (!reverse && seed % 5 == 0) {
    o.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewCappedPrefixTransform(14));
    text += "(insert with hint)";
  }
  variant.description =
      text + "(" + std::to_string(plan.writers) + " writers" +
      (plan.key_shape.empty() ? "" : ", keys of " + plan.key_shape) +
      (plan.changes_of_second.empty() ? ")" : ", options changed live)");
  return variant;
}

std::vector<Options> StockOptions(const HistoryVariant& variant) {
  return {WithString(variant.base,
                     "memtable_factory=skip_list;"
                     "table_factory={id=BlockBasedTable;block_size=1024;"
                     "filter_policy=bloomfilter:10:false;block_cache=256K}")};
}

std::vector<Options> OtherStockOptions(const HistoryVariant& variant) {
  return {WithString(variant.base,
                     "memtable_factory=skip_list;write_buffer_size=98304;"
                     "target_file_size_base=32768;"
                     "table_factory={id=BlockBasedTable;block_size=128;"
                     "block_restart_interval=3;block_cache=64K}")};
}

std::vector<Options> MemkvOptions(const HistoryVariant& variant,
                                  uint64_t seed) {
  const char* const forms[] = {
      ("segment_size=1024;value_block_size=256;residency=pin;"
       "key_buffer_size=16384"),
      "segment_size=4096;value_block_size=1024;residency=cache",
      ("segment_size=2048;value_block_size=64;inline_value_size=0;"
       "residency=cache;block_based={block_cache=64K;"
       "cache_index_and_filter_blocks=true}"),
      "write_format=block_based;block_based={block_size=512}",
      ("segment_size=16384;value_block_size=4096;inline_value_size=64;"
       "residency=pin;key_buffer_size=0;"
       "filter_policy=bloomfilter:10:false"),
      "segment_size=1024;residency=auto;pinned_keys_limit=30000"};
  constexpr size_t kForms = sizeof(forms) / sizeof(forms[0]);
  std::vector<Options> options;
  for (size_t i = 0; i < kForms; i++) {
    options.push_back(
        WithString(variant.base, std::string("memtable_factory=art;"
                                             "table_factory={id=fst;") +
                                     forms[(seed + i) % kForms] + "}"));
  }
  return options;
}

}  // namespace memkv
