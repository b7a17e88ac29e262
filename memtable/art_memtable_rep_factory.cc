// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_memtable_rep_factory.h"

#include "compat/trie_order.h"
#include "db/memtable.h"
#include "memtable/art_memtable_rep.h"
#include "rocksdb/comparator.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/utilities/options_type.h"
#include "util/simd.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Allocator;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::Comparator;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::DBOptions;
using ROCKSDB_NAMESPACE::InfoLogLevel;
using ROCKSDB_NAMESPACE::Logger;
using ROCKSDB_NAMESPACE::MemTable;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::OptionTypeInfo;
using ROCKSDB_NAMESPACE::SkipListFactory;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;

namespace {

using Fallback = ArtMemTableOptions::Fallback;

OptionTypeInfo FallbackTypeInfo() {
  static const std::unordered_map<std::string, Fallback> names = {
      {"skip_list", Fallback::kSkipList},
      {"none", Fallback::kNone},
  };
  OptionTypeInfo info = OptionTypeInfo::Enum<Fallback>(
      offsetof(struct ArtMemTableOptions, fallback), &names);
  // RocksDB's own parser of enums does not say what it expected.
  info.SetParseFunc([](const ConfigOptions&, const std::string& name,
                       const std::string& value, void* addr) {
    const auto it = names.find(value);
    if (it == names.end()) {
      return Status::InvalidArgument("memtable_factory=art: option " + name +
                                         ": expected skip_list or none, found",
                                     value);
    }
    *static_cast<Fallback*>(addr) = it->second;
    return Status::OK();
  });
  return info;
}

const std::unordered_map<std::string, OptionTypeInfo>& TypeInfo() {
  static const std::unordered_map<std::string, OptionTypeInfo> info = {
      {"fallback", FallbackTypeInfo()},
  };
  return info;
}

// The user comparator of RocksDB's memtable, or null if `key_cmp` is not that
// of a MemTable; without run-time type information it is taken for one, for
// RocksDB has no other.
const Comparator* UserComparatorOf(const MemTableRep::KeyComparator& key_cmp) {
#if defined(__cpp_rtti)
  const auto* const known =
      dynamic_cast<const MemTable::KeyComparator*>(&key_cmp);
  if (known == nullptr) return nullptr;
#else
  const auto* const known =
      static_cast<const MemTable::KeyComparator*>(&key_cmp);
#endif
  return known->comparator.user_comparator();
}

// Fills *order and returns true if the tree can serve the comparator; fills
// *reason if it cannot.
bool ServesComparator(const Comparator* comparator, ArtOrder* order,
                      std::string* reason) {
  if (comparator == nullptr) {
    *reason = "the comparator of keys is not RocksDB's memtable's";
    return false;
  }
  switch (TrieOrderOf(comparator)) {
    case TrieOrder::kBytewise:
      *order = ArtOrder::kBytewise;
      return true;
    case TrieOrder::kMirrored:
      *order = ArtOrder::kReverseBytewise;
      return true;
    case TrieOrder::kUnsupported:
      break;
  }
  *reason = std::string("comparator ") + comparator->Name() +
            (comparator->timestamp_size() > 0
                 ? " has user-defined timestamps"
                 : " is neither bytewise nor reverse bytewise");
  return false;
}

}  // namespace

ArtMemTableRepFactory::ArtMemTableRepFactory(const ArtMemTableOptions& options)
    : options_(options) {
  RegisterOptions("ArtMemTableOptions", &options_, &TypeInfo());
}

Status ArtMemTableRepFactory::ConfigureOptions(
    const ConfigOptions& config_options,
    const std::unordered_map<std::string, std::string>& opts_map,
    std::unordered_map<std::string, std::string>* unused) {
  const Status s =
      MemTableRepFactory::ConfigureOptions(config_options, opts_map, unused);
  if (!s.IsNotFound()) {
    return s;
  }
  // RocksDB would report the name of the outer option only.
  std::string unknown;
  for (const auto& option : opts_map) {
    if (TypeInfo().count(option.first) == 0) {
      unknown.append(" ").append(option.first);
    }
  }
  return Status::InvalidArgument(
      "memtable_factory=art: the options are: fallback; unknown:", unknown);
}

Status ArtMemTableRepFactory::ValidateOptions(
    const DBOptions& db_opts, const ColumnFamilyOptions& cf_opts) const {
  ArtOrder order;
  std::string reason;
  if (options_.fallback == Fallback::kNone &&
      !ServesComparator(cf_opts.comparator, &order, &reason)) {
    return Status::InvalidArgument(
        "memtable_factory=art: option fallback=none, but " + reason +
        "; use fallback=skip_list or another memtable_factory");
  }
  return MemTableRepFactory::ValidateOptions(db_opts, cf_opts);
}

MemTableRep* ArtMemTableRepFactory::CreateMemTableRep(
    const MemTableRep::KeyComparator& key_cmp, Allocator* allocator,
    const SliceTransform* transform, Logger* logger) {
  const Comparator* const comparator = UserComparatorOf(key_cmp);
  ArtOrder order;
  std::string reason;
  if (ServesComparator(comparator, &order, &reason)) {
    if (!kernels_logged_.exchange(true, std::memory_order_relaxed)) {
      ROCKSDB_NAMESPACE::Log(InfoLogLevel::INFO_LEVEL, logger,
                             "memtable_factory=art: kernels: %s",
                             SimdName(kSimd));
    }
    return new ArtMemTableRep(order, key_cmp, allocator, logger);
  }
  // Not ROCKS_LOG_WARN: it shortens file names by the length of RocksDB's own
  // path, which does not fit a file outside its tree.
  ROCKSDB_NAMESPACE::Log(
      InfoLogLevel::WARN_LEVEL, logger,
      "memtable_factory=art: %s; this memtable is a skip list", reason.c_str());
  return SkipListFactory().CreateMemTableRep(key_cmp, allocator, transform,
                                             logger);
}

}  // namespace memkv
