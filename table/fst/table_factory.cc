// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/table_factory.h"

#include <cstddef>
#include <unordered_map>
#include <utility>

#include "cache/cache_reservation_manager.h"
#include "compat/trie_order.h"
#include "options/cf_options.h"
#include "rocksdb/convenience.h"
#include "rocksdb/utilities/options_type.h"
#include "table/fst/table_builder.h"
#include "util/simd.h"
#include "util/string_util.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::CacheEntryRole;
using ROCKSDB_NAMESPACE::CacheEntryRoleOptions;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::DBOptions;
using ROCKSDB_NAMESPACE::OptionType;
using ROCKSDB_NAMESPACE::OptionTypeInfo;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableFactory;

namespace {

using BlockBasedPtr = std::shared_ptr<TableFactory>;

const char kBlockBasedOption[] = "block_based";

// RocksDB takes NotFound from a nested object for the outer option's own, and
// forgets the name of the one that is not found.
Status NameUnknownOption(const std::string& where, const Status& s) {
  return s.IsNotFound() ? Status::InvalidArgument(where, s.ToString()) : s;
}

// Whether RocksDB would have options changed of a factory that is in use.
bool ChangesInUse(const ConfigOptions& config_options) {
  return config_options.mutable_options_only &&
         !compat::kTableOptionsChangeLive;
}

// Not NotSupported, which RocksDB's options framework ignores.
Status CannotChange(const std::string& name) {
  return Status::InvalidArgument(
      "FstTable option " + name,
      "the options of a table change on a live database from RocksDB 9.8 on");
}

// Sets the options of `block_based=<value>`.
Status ConfigureWhole(const ConfigOptions& config_options,
                      const std::string& value, TableFactory* factory) {
  const std::string option =
      std::string("FstTable option ") + kBlockBasedOption;
  std::string id;
  std::unordered_map<std::string, std::string> map;
  // RocksDB 11 leaves a value its braces, and takes empty ones for a name.
  Status s = ROCKSDB_NAMESPACE::Configurable::GetOptionsMap(
      value == "{}" ? std::string() : value, factory->Name(), &id, &map);
  if (s.ok() && id != factory->Name()) {
    s = Status::InvalidArgument(option + "=" + id,
                                "only a BlockBasedTable can be here");
  }
  if (s.ok()) s = factory->ConfigureFromMap(config_options, map);
  return NameUnknownOption(option, s);
}

// Sets the whole of `block_based` or one of its options.  Works on a clone, for
// the present factory may be in use.  Prepares nothing, as SetOptions(), which
// sets one after the other, prepares nothing of a BlockBasedTable: that would
// take back an option which needs another that comes later.
Status ParseBlockBased(const ConfigOptions& config_options,
                       const std::string& name, const std::string& value,
                       void* address) {
  auto* const factory = static_cast<BlockBasedPtr*>(address);
  std::unique_ptr<TableFactory> clone = compat::CloneBlockBased(**factory);
  const Status s = name == kBlockBasedOption
                       ? ConfigureWhole(config_options, value, clone.get())
                       : clone->ConfigureOption(config_options, name, value);
  if (s.ok()) *factory = std::move(clone);
  return s;
}

Status SerializeBlockBased(const ConfigOptions& config_options,
                           const std::string& name, const void* address,
                           std::string* value) {
  const auto& factory = *static_cast<const BlockBasedPtr*>(address);
  ConfigOptions embedded = config_options;
  embedded.delimiter = ";";
  if (name != kBlockBasedOption) {
    return factory->GetOption(embedded, name, value);
  }
  std::string text;
  const Status s = factory->GetOptionString(embedded, &text);
  if (s.ok()) *value = "{" + text + "}";
  return s;
}

bool BlockBasedEqual(const ConfigOptions& config_options,
                     const std::string& /*name*/, const void* a, const void* b,
                     std::string* mismatch) {
  return (*static_cast<const BlockBasedPtr*>(a))
      ->AreEquivalent(config_options,
                      static_cast<const BlockBasedPtr*>(b)->get(), mismatch);
}

// Functions, for options may be parsed before main() begins; and never
// destroyed, for they may be printed after it.
const std::unordered_map<std::string, FstTableOptions::WriteFormat>&
WriteFormats() {
  static const auto& formats =
      *new std::unordered_map<std::string, FstTableOptions::WriteFormat>{
          {"fst", FstTableOptions::WriteFormat::kFst},
          {"block_based", FstTableOptions::WriteFormat::kBlockBased},
      };
  return formats;
}

const std::unordered_map<std::string, FstTableOptions::Residency>&
Residencies() {
  static const auto& residencies =
      *new std::unordered_map<std::string, FstTableOptions::Residency>{
          {"auto", FstTableOptions::Residency::kAuto},
          {"pin", FstTableOptions::Residency::kPin},
          {"cache", FstTableOptions::Residency::kCache},
      };
  return residencies;
}

const std::unordered_map<std::string, FstTableOptions::DefaultFilter>&
DefaultFilters() {
  static const auto& filters =
      *new std::unordered_map<std::string, FstTableOptions::DefaultFilter>{
          {"auto", FstTableOptions::DefaultFilter::kAuto},
          {"none", FstTableOptions::DefaultFilter::kNone},
      };
  return filters;
}

// The sizes among the options, and what they may be.
struct SizeRange {
  const char* name;
  size_t FstTableOptions::*member;
  size_t offset;
  size_t min;
  size_t max;
  bool zero = false;  // 0 is allowed, too
};
const SizeRange kSizeRanges[] = {
    {"segment_size", &FstTableOptions::segment_size,
     offsetof(FstTableOptions, segment_size), size_t{1} << 10, size_t{16} << 20,
     /*zero=*/true},
    {"value_block_size", &FstTableOptions::value_block_size,
     offsetof(FstTableOptions, value_block_size), 64, size_t{64} << 20},
    {"inline_value_size", &FstTableOptions::inline_value_size,
     offsetof(FstTableOptions, inline_value_size), 0, 1024},
    {"pinned_keys_limit", &FstTableOptions::pinned_keys_limit,
     offsetof(FstTableOptions, pinned_keys_limit), 0, size_t{1} << 60},
    {"key_buffer_size", &FstTableOptions::key_buffer_size,
     offsetof(FstTableOptions, key_buffer_size), 0, size_t{1} << 40},
};

Status CheckRange(const SizeRange& range, size_t value) {
  if ((value >= range.min && value <= range.max) ||
      (range.zero && value == 0)) {
    return Status::OK();
  }
  return Status::InvalidArgument(
      std::string("FstTable option ") + range.name + "=" +
          std::to_string(value) + " is out of range",
      (range.zero ? "0 or [" : "[") + std::to_string(range.min) + ", " +
          std::to_string(range.max) + "]");
}

// Checks the range while it parses: SetOptions() does not validate.
OptionTypeInfo SizeOption(const SizeRange& range, size_t base) {
  return OptionTypeInfo(static_cast<int>(base + range.offset),
                        OptionType::kSizeT)
      .SetParseFunc([range](const ConfigOptions&, const std::string&,
                            const std::string& value, void* address) {
        size_t size = 0;
        try {
          size = ROCKSDB_NAMESPACE::ParseSizeT(value);
        } catch (const std::exception&) {
          return Status::InvalidArgument(
              std::string("FstTable option ") + range.name + "=" + value,
              "not a size");
        }
        const Status s = CheckRange(range, size);
        if (s.ok()) *static_cast<size_t*>(address) = size;
        return s;
      });
}

constexpr size_t kPinnedSegment = size_t{256} << 10;
constexpr size_t kCachedSegment = size_t{8} << 10;

// What `segment_size` means for a file that is written now.
FstTableBuilder::SegmentForm SegmentFormOf(const FstTableOptions& fst,
                                           bool stay_in_memory) {
  if (fst.segment_size != 0) return {fst.segment_size, false};
  // One that stays in memory is uncompressed once, and should be whatever is
  // smallest; one that is read alone should be about as large as a data block,
  // and need not be uncompressed where that saves little.
  return stay_in_memory ? FstTableBuilder::SegmentForm{kPinnedSegment, false}
                        : FstTableBuilder::SegmentForm{kCachedSegment, true};
}

template <typename T>
std::string NameOf(const std::unordered_map<std::string, T>& names, T value) {
  for (const auto& [name, v] : names) {
    if (v == value) return name;
  }
  return "?";
}

}  // namespace

const std::unordered_map<std::string, OptionTypeInfo>&
FstTableFactory::TypeInfo() {
  // No option is marked mutable, and yet all change on a live database: what
  // is marked so would be changed in place, under the feet of readers, where
  // SetOptions() changes the others on a clone.
  static const auto kInfo = [] {
    std::unordered_map<std::string, OptionTypeInfo> info = {
        {"write_format",
         OptionTypeInfo::Enum<FstTableOptions::WriteFormat>(
             offsetof(Config, fst) + offsetof(FstTableOptions, write_format),
             &WriteFormats())},
        {"residency",
         OptionTypeInfo::Enum<FstTableOptions::Residency>(
             offsetof(Config, fst) + offsetof(FstTableOptions, residency),
             &Residencies())},
        {"default_filter",
         OptionTypeInfo::Enum<FstTableOptions::DefaultFilter>(
             offsetof(Config, fst) + offsetof(FstTableOptions, default_filter),
             &DefaultFilters())},
        // A "struct" to the framework, so that block_based.<option> finds it.
        {kBlockBasedOption,
         OptionTypeInfo(offsetof(Config, block_based), OptionType::kStruct)
             .SetParseFunc(ParseBlockBased)
             .SetSerializeFunc(SerializeBlockBased)
             .SetEqualsFunc(BlockBasedEqual)},
    };
    for (const SizeRange& range : kSizeRanges) {
      info.emplace(range.name, SizeOption(range, offsetof(Config, fst)));
    }
    return info;
  }();
  return kInfo;
}

FstTableFactory::FstTableFactory(const FstTableOptions& options,
                                 const BlockBasedTableOptions& block_based)
    : config_{options,
              BlockBasedPtr(
                  ROCKSDB_NAMESPACE::NewBlockBasedTableFactory(block_based))},
      shared_(std::make_shared<Shared>()) {
  Initialize();
}

// A copy of its list of options would have addresses in `other`.
// NOLINTNEXTLINE(bugprone-copy-constructor-init): for the reason above
FstTableFactory::FstTableFactory(const FstTableFactory& other)
    : TableFactoryBase(),
      config_{other.config_.fst,
              compat::CloneBlockBased(*other.config_.block_based)},
      shared_(other.shared_) {
  Initialize();
}

void FstTableFactory::Initialize() {
  RegisterOptions(kClassName(), &config_, &TypeInfo());
  UpdateReservation();
}

const BlockBasedTableOptions& FstTableFactory::BlockBasedOptions() const {
  return *config_.block_based->GetOptions<BlockBasedTableOptions>();
}

bool FstTableFactory::IsInstanceOf(const std::string& name) const {
  return name == kBlockBasedTableName() || TableFactory::IsInstanceOf(name);
}

Status FstTableFactory::PrepareOptions(const ConfigOptions& config_options) {
  Status s = TableFactory::PrepareOptions(config_options);
  if (s.ok()) s = config_.block_based->PrepareOptions(config_options);
  UpdateReservation();
  return s;
}

void FstTableFactory::UpdateReservation() {
  const BlockBasedTableOptions& bbto = BlockBasedOptions();
  const auto& overrides = bbto.cache_usage_options.options_overrides;
  const auto role = overrides.find(CacheEntryRole::kBlockBasedTableReader);
  reservation_.reset();
  if (bbto.block_cache != nullptr && !bbto.no_block_cache &&
      role != overrides.end() &&
      role->second.charged == CacheEntryRoleOptions::Decision::kEnabled) {
    using Manager = ROCKSDB_NAMESPACE::CacheReservationManagerImpl<
        CacheEntryRole::kBlockBasedTableReader>;
    reservation_ =
        std::make_shared<ROCKSDB_NAMESPACE::ConcurrentCacheReservationManager>(
            std::make_shared<Manager>(bbto.block_cache));
  }
}

std::string FstTableFactory::GetOptionName(const std::string& long_name) const {
  // "FstTable.<option>" is not shortened, as other factories do it: RocksDB's
  // SetOptions() would change that one in place, on the factory in use.
  std::string element;
  return OptionTypeInfo::Find(long_name, TypeInfo(), &element) != nullptr
             ? long_name
             : std::string(kBlockBasedOption) + "." + long_name;
}

Status FstTableFactory::ParseOption(const ConfigOptions& config_options,
                                    const OptionTypeInfo& info,
                                    const std::string& name,
                                    const std::string& value, void* address) {
  if (ChangesInUse(config_options)) return CannotChange(name);
  const bool block_based = &info == &TypeInfo().at(kBlockBasedOption);
  if (block_based && config_options.mutable_options_only &&
      name.find('.') != std::string::npos) {
    // SetOptions() asks first whether the option can change in place, as
    // `filter_policy.<option>` may: it is not found in another way.  To
    // `filter_policy=nullptr` a BlockBasedTable says so, too, and does nothing;
    // here it comes to the clone.
    return config_.block_based->ConfigureOption(config_options, name, value);
  }
  const Status s =
      TableFactory::ParseOption(config_options, info, name, value, address);
  if (s.ok() && block_based) UpdateReservation();
  return s;
}

Status FstTableFactory::ConfigureOptions(
    const ConfigOptions& config_options,
    const std::unordered_map<std::string, std::string>& options,
    std::unordered_map<std::string, std::string>* unused) {
  if (ChangesInUse(config_options) && !options.empty()) {
    return CannotChange(options.begin()->first);
  }
  using Options = std::unordered_map<std::string, std::string>;
  Options own;       // options of FstTable
  Options whole;     // block_based={...}
  Options elements;  // block_based.<option>
  Options others;    // <option>, of the block-based factory if of any
  for (const auto& [name, value] : options) {
    std::string element;
    const OptionTypeInfo* info =
        OptionTypeInfo::Find(name, TypeInfo(), &element);
    if (info == nullptr) {
      others.emplace(name, value);
    } else if (element != name) {
      elements.emplace(element, value);
    } else {
      (name == kBlockBasedOption ? whole : own).emplace(name, value);
    }
  }
  ConfigOptions unprepared = config_options;
  unprepared.invoke_prepare_options = false;
  Status s;
  BlockBasedPtr clone;
  if (own.size() < options.size()) {
    // On a clone: all are set, or none.  The later ones win.  All are set
    // before any is prepared, for one may need another.
    clone = compat::CloneBlockBased(*config_.block_based);
    for (const auto& [name, value] : whole) {
      s = ConfigureWhole(unprepared,
                         config_options.input_strings_escaped
                             ? ROCKSDB_NAMESPACE::UnescapeOptionString(value)
                             : value,
                         clone.get());
      if (config_options.ignore_unknown_options) s = Status::OK();
    }
    if (s.ok()) s = clone->ConfigureFromMap(unprepared, elements);
    if (s.ok()) s = clone->ConfigureFromMap(unprepared, others, unused);
    if (s.ok() && config_options.invoke_prepare_options) {
      s = clone->PrepareOptions(config_options);
    }
  }
  if (s.ok()) {
    s = TableFactory::ConfigureOptions(
        clone != nullptr ? unprepared : config_options, own, unused);
  }
  if (s.ok() && clone != nullptr) {
    config_.block_based = std::move(clone);
    UpdateReservation();
  }
  return NameUnknownOption(kClassName(), s);
}

Status FstTableFactory::ValidateOptions(
    const DBOptions& db_options, const ColumnFamilyOptions& cf_options) const {
  Status s;
  for (const SizeRange& range : kSizeRanges) {
    if (s.ok()) s = CheckRange(range, config_.fst.*range.member);
  }
  if (s.ok()) s = config_.block_based->ValidateOptions(db_options, cf_options);
  if (s.ok()) s = TableFactory::ValidateOptions(db_options, cf_options);
  return s;
}

std::string FstTableFactory::GetPrintableOptions() const {
  const FstTableOptions& o = config_.fst;
  return "  write_format: " + NameOf(WriteFormats(), o.write_format) +
         "\n  residency: " + NameOf(Residencies(), o.residency) +
         "\n  default_filter: " + NameOf(DefaultFilters(), o.default_filter) +
         "\n  pinned_keys_limit: " + std::to_string(o.pinned_keys_limit) +
         "\n  segment_size: " + std::to_string(o.segment_size) +
         "\n  value_block_size: " + std::to_string(o.value_block_size) +
         "\n  inline_value_size: " + std::to_string(o.inline_value_size) +
         "\n  key_buffer_size: " + std::to_string(o.key_buffer_size) +
         "\n  kernels: " + SimdName(kSimd) + "\n" +
         compat::PreparedBlockBased(config_.block_based)->GetPrintableOptions();
}

ROCKSDB_NAMESPACE::TableBuilder* FstTableFactory::NewTableBuilder(
    const ROCKSDB_NAMESPACE::TableBuilderOptions& options,
    ROCKSDB_NAMESPACE::WritableFileWriter* file) const {
  const auto* const comparator = options.internal_comparator.user_comparator();
  const TrieOrder order = TrieOrderOf(comparator);
  if (order == TrieOrder::kUnsupported &&
      config_.fst.write_format == FstTableOptions::WriteFormat::kFst &&
      !shared_->delegation_logged.exchange(true)) {
    ROCKSDB_NAMESPACE::Warn(
        options.ioptions.logger,
        "[%s] FstTable cannot serve comparator %s%s; its "
        "files are written as BlockBasedTable",
        options.column_family_name.c_str(), comparator->Name(),
        comparator->timestamp_size() != 0 ? " with user-defined timestamps"
                                          : "");
  }
  const auto prepared = compat::PreparedBlockBased(config_.block_based);
  if (order == TrieOrder::kUnsupported ||
      config_.fst.write_format == FstTableOptions::WriteFormat::kBlockBased) {
    return prepared->NewTableBuilder(options, file);
  }
  const auto& bbto = *prepared->GetOptions<BlockBasedTableOptions>();
  // Those of this file will be in memory, too: at least one.
  const bool stay_in_memory =
      config_.fst.residency == FstTableOptions::Residency::kPin ||
      (config_.fst.residency == FstTableOptions::Residency::kAuto &&
       PinBudgetOf(bbto)->FitsAll(config_.fst.pinned_keys_limit,
                                  kPinnedSegment));
  return new FstTableBuilder(
      config_.fst, SegmentFormOf(config_.fst, stay_in_memory), bbto, options,
      DefaultFilterPolicy(bbto), shared_->token_tables, file,
      order == TrieOrder::kMirrored);
}

std::shared_ptr<PinBudget> FstTableFactory::PinBudgetOf(
    const BlockBasedTableOptions& bbto) {
  return PinBudget::Of(bbto.no_block_cache ? nullptr : bbto.block_cache);
}

std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy>
FstTableFactory::DefaultFilterPolicy(const BlockBasedTableOptions& bbto) const {
  using Residency = FstTableOptions::Residency;
  const FstTableOptions& o = config_.fst;
  const bool may_be_held = o.residency == Residency::kPin ||
                           (o.residency == Residency::kAuto &&
                            PinBudgetOf(bbto)->Limit(o.pinned_keys_limit) != 0);
  return may_be_held &&
                 o.default_filter == FstTableOptions::DefaultFilter::kAuto
             ? shared_->default_filter_policy
             : nullptr;
}

std::unique_ptr<TableFactory> FstTableFactory::Clone() const {
  return std::make_unique<FstTableFactory>(*this);
}

}  // namespace memkv
