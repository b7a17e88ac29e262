// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv inspect: what an FST file is made of. Facts are made once, as a JSON
// document, which --json prints, and the text for people is made of.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>

#include "compat/table_properties.h"
#include "db_bench_ext/common/check.h"
#include "monitoring/histogram.h"
#include "options/options_helper.h"
#include "rocksdb/utilities/options_type.h"
#include "table/internal_iterator.h"
#include "tools/command.h"
#include "tools/table_file.h"

namespace memkv {

using rocksdb::BlockHandle;
using rocksdb::HistogramStat;

namespace {

// Ordered, so that it reads from the general to the particular.
using Json = nlohmann::ordered_json;

// A property in decimal digits; 0 if the file does not have it.
uint64_t NumberOf(const rocksdb::TableProperties& properties,
                  const char* name) {
  const auto& user = properties.user_collected_properties;
  const auto found = user.find(name);
  return found == user.end()
             ? 0
             : std::strtoull(found->second.c_str(), nullptr, 10);
}

Json FeaturesOf(const FileDirectory& directory) {
  Json names = Json::array();
  for (const auto& [bit, name] :
       {std::make_pair(FileDirectory::kFilterHasNoWholeKeys,
                       "filter without whole keys"),
        std::make_pair(FileDirectory::kBounds, "shortest bounds"),
        std::make_pair(FileDirectory::kContinuations, "continuations"),
        std::make_pair(FileDirectory::kFixedBytes, "fixed bytes"),
        std::make_pair(FileDirectory::kTokenSuffixes, "token suffixes"),
        std::make_pair(FileDirectory::kNumbers, "numbers"),
        std::make_pair(FileDirectory::kUnpadded, "no padding")}) {
    if ((directory.features & bit) != 0) {
      names.push_back(name);
    }
  }
  return names;
}

// What is known only once all segments are read.
struct Walked {
  HistogramStat segment_sizes;  // as stored
  HistogramStat key_lengths;
  uint64_t segment_bytes = 0;  // uncompressed
  uint64_t value_blocks = 0;
  uint64_t value_bytes = 0;  // of those, as stored
};

void Walk(const TableFile& file, Walked* walked) {
  const FstFile& fst = *file.fst();
  const rocksdb::ReadOptions scan = TableFile::ScanOptions();
  const BlockReadContext context{scan};
  for (uint32_t i = 0; i < fst.index().num_segments(); i++) {
    SegmentEntry entry;
    Check(fst.store().GetSegment(context, fst.index(), i, &entry));
    walked->segment_sizes.Add(fst.index().Location(i).size);
    walked->segment_bytes += entry.GetValue()->bytes().size();
    const Segment& segment = entry.GetValue()->segment();
    for (uint32_t b = 0; b < segment.num_value_blocks(); b++) {
      walked->value_blocks++;
      walked->value_bytes += segment.ValueBlockLocation(b).size;
    }
  }
  Check(fst.order_status());
  const auto it = file.NewIterator(scan, /*with_values=*/false);
  std::string before;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Slice key = rocksdb::ExtractUserKey(it->key());
    if (walked->key_lengths.Empty() || key != before) {
      walked->key_lengths.Add(key.size());
      before.assign(key.data(), key.size());
    }
  }
  Check(it->status());
}

// Bytes of each part of the file, which together are all of it.
Json PartsOf(const TableFile& file, const Walked& walked) {
  const FstFile& fst = *file.fst();
  const auto& properties = file.properties();
  const FileDirectory& directory = fst.directory();
  // The file's own account of its segments: they are compressed as wholes.
  const uint64_t tags = NumberOf(properties, kTagBytesProperty);
  const uint64_t values = NumberOf(properties, kInlineValueBytesProperty);
  const uint64_t segments = walked.segment_sizes.sum();
  const BlockHandle& range_deletions = fst.range_del_handle();
  const BlockHandle& metaindex = fst.store().footer().metaindex_handle();
  Json parts = {{"keys", segments - std::min(segments, tags + values)},
                {"tags", tags},
                {"inline_values", values},
                {"value_blocks", walked.value_bytes},
                {"tokens", directory.tokens.size()},
                {"index", directory.index.size()},
                {"filter", directory.filter.size()},
                {"range_deletions",
                 range_deletions.IsNull() ? 0 : range_deletions.size()},
                {"properties", fst.properties_handle().size()},
                {"metaindex", metaindex.size()},
                {"footer", kFooterSize}};
  // Of the blocks above.
  uint64_t blocks = fst.index().num_segments() + walked.value_blocks + 3;
  for (const char* part : {"tokens", "filter", "range_deletions"}) {
    blocks += parts[part] != 0 ? 1 : 0;
  }
  parts["block_trailers"] = blocks * kTrailerSize;
  uint64_t rest = file.size();
  for (const Json& bytes : parts) {
    rest -= std::min(rest, bytes.get<uint64_t>());
  }
  // With their trailers.
  parts["poison_and_stub_index"] = rest;
  return parts;
}

Json HistogramJson(const HistogramStat& histogram) {
  const rocksdb::HistogramBucketMapper mapper;
  Json buckets = Json::array();
  for (size_t b = 0; b < mapper.BucketCount(); b++) {
    if (histogram.bucket_at(b) > 0) {
      buckets.push_back({{"at_most", mapper.BucketLimit(b)},
                         {"count", histogram.bucket_at(b)}});
    }
  }
  const bool none = histogram.Empty();
  return {{"count", histogram.num()},       {"min", none ? 0 : histogram.min()},
          {"average", histogram.Average()}, {"median", histogram.Median()},
          {"max", histogram.max()},         {"buckets", buckets}};
}

std::string ChecksumName(rocksdb::ChecksumType type) {
  std::string name;
  return rocksdb::SerializeEnum(rocksdb::checksum_type_string_map, type, &name)
             ? name
             : std::to_string(static_cast<int>(type));
}

Json FstJson(const TableFile& file, const Walked& walked) {
  const FstFile& fst = *file.fst();
  const auto& properties = file.properties();
  const FileDirectory& directory = fst.directory();
  const FileIndex& index = fst.index();
  const key_trie::Tokens no_tokens;
  const auto& held = fst.store().tokens();
  const key_trie::Tokens& tokens = held != nullptr ? *held : no_tokens;
  uint64_t continuations = 0;
  for (uint32_t i = 0; i < index.num_segments(); i++) {
    continuations += index.IsContinuation(i) ? 1 : 0;
  }
  const auto keys =
      static_cast<double>(std::max<uint64_t>(directory.num_keys, 1));
  return {
      {"file", file.path()},
      {"kind", "fst"},
      {"bytes", file.size()},
      {"bytes_a_key", static_cast<double>(file.size()) / keys},
      {"format_version", directory.version},
      {"feature_bits", directory.features},
      {"features", FeaturesOf(directory)},
      {"footer_version", fst.store().footer().format_version()},
      {"checksum", ChecksumName(fst.store().footer().checksum_type())},
      {"comparator", properties.comparator_name},
      {"mirrored", index.mirrored()},
      {"column_family", properties.column_family_name},
      {"compression", properties.compression_name},
      {"filter_policy", directory.filter_name},
      {"keys", directory.num_keys},
      {"entries", properties.num_entries - properties.num_range_deletions},
      {"deletions", properties.num_deletions - properties.num_range_deletions},
      {"merge_operands", properties.num_merge_operands},
      {"range_deletions", properties.num_range_deletions},
      {"segments", index.num_segments()},
      {"continuations", continuations},
      {"segment_bytes_stored", walked.segment_sizes.sum()},
      {"segment_bytes_uncompressed", walked.segment_bytes},
      {"value_blocks", walked.value_blocks},
      {"tokens", tokens.num_tokens()},
      {"token_code_bits", tokens.width()},
      {"token_bits_a_byte",
       static_cast<double>(NumberOf(properties, kTokenBitsProperty)) / 1000},
      {"parts", PartsOf(file, walked)},
      {"segment_size", HistogramJson(walked.segment_sizes)},
      {"key_length", HistogramJson(walked.key_lengths)}};
}

// A block-based file is RocksDB's: its properties say what there is to say.
Json BlockBasedJson(const TableFile& file) {
  std::unordered_map<std::string, std::string> properties;
  Check(compat::PropertiesByName(file.properties(), &properties));
  return {{"file", file.path()},
          {"kind", "block_based"},
          {"bytes", file.size()},
          {"properties", std::map<std::string, std::string>(properties.begin(),
                                                            properties.end())}};
}

// "bytes a key", of a field.
std::string Title(std::string field) {
  std::replace(field.begin(), field.end(), '_', ' ');
  return field;
}

void PrintText(const Json& document, const Walked& walked) {
  for (const auto& [field, value] : document.items()) {
    std::string shown;
    if (value.is_array()) {
      for (const Json& item : value) {
        shown += (shown.empty() ? "" : ", ") + item.get<std::string>();
      }
    } else if (value.is_object()) {
      continue;
    } else if (value.is_number_float()) {
      shown = fmt::format("{:.3f}", value.get<double>());
    } else {
      shown = value.is_string() ? value.get<std::string>() : value.dump();
    }
    fmt::print("{:<28} {}\n", Title(field), shown.empty() ? "none" : shown);
  }
  fmt::print("\n{:<28} {:>14} {:>8}\n", "part", "bytes", "of all");
  const auto all = document["bytes"].get<double>();
  for (const auto& [part, bytes] : document["parts"].items()) {
    fmt::print("{:<28} {:>14} {:>7.2f}%\n", Title(part), bytes.get<uint64_t>(),
               100 * bytes.get<double>() / all);
  }
  fmt::print("\nsegment size, bytes as stored\n{}",
             walked.segment_sizes.ToString());
  fmt::print("\nkey length, bytes\n{}", walked.key_lengths.ToString());
}

void PrintJson(const Json& document) {
  // Names may be of any bytes.
  fmt::print("{}\n",
             document.dump(2, ' ', false, Json::error_handler_t::replace));
}

int Inspect(const CommandLine& line) {
  std::unique_ptr<TableFile> file;
  Check(TableFile::Open(line.operand(), nullptr, rocksdb::kMaxSequenceNumber,
                        &file));
  if (file->fst() == nullptr) {
    if (line.Has("json")) {
      PrintJson(BlockBasedJson(*file));
    } else {
      fmt::print(
          "{}: a block-based file, none of memkv's; its table "
          "properties:\n  {}\n",
          file->path(), file->properties().ToString("\n  ", ": "));
    }
    return kDone;
  }
  Walked walked;
  Walk(*file, &walked);
  const Json document = FstJson(*file, walked);
  if (line.Has("json")) {
    PrintJson(document);
  } else {
    PrintText(document, walked);
  }
  return kDone;
}

}  // namespace

Command InspectCommand() {
  return {"inspect",
          "FILE.sst",
          "Says what an FST file is made of.",
          "All of the file but its values is read. Of a block-based file the "
          "table\nproperties are shown.\n",
          {{"json", "", "print JSON"}},
          Inspect};
}

}  // namespace memkv
