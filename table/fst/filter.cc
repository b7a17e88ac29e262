// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/filter.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>

#include "compat/statistics.h"
#include "options/cf_options.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "table/block_based/block_based_table_factory.h"
#include "table/multiget_context.h"

namespace memkv {

using ROCKSDB_NAMESPACE::perf_context;  // for PERF_COUNTER_ADD
using ROCKSDB_NAMESPACE::perf_level;
using ROCKSDB_NAMESPACE::PerfContextByLevel;
using ROCKSDB_NAMESPACE::PerfLevel;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::RecordTick;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableProperties;

FileFilter::FileFilter(const FileBlockStore& store, int level)
    : store_(store), level_(level) {}

void FileFilter::Open(const FileDirectory& directory,
                      const TableProperties& properties,
                      const std::shared_ptr<const SliceTransform>& current,
                      bool whole_keys, bool default_filter) {
  whole_keys_ = whole_keys && (directory.features &
                               FileDirectory::kFilterHasNoWholeKeys) == 0;
  default_filter_ = default_filter;
  const auto& user = properties.user_collected_properties;
  const auto has_prefixes = user.find(
      ROCKSDB_NAMESPACE::BlockBasedTablePropertyNames::kPrefixFiltering);
  const std::string& name = properties.prefix_extractor_name;
  if (default_filter || has_prefixes == user.end() ||
      has_prefixes->second != ROCKSDB_NAMESPACE::kPropTrue || name.empty()) {
    return;
  }
  if (current != nullptr && current->AsString() == name) {
    extractor_ = current;
    return;
  }
  Status s;
  try {
    s = SliceTransform::CreateFromString(ROCKSDB_NAMESPACE::ConfigOptions(),
                                         name, &extractor_);
  } catch (const std::exception& e) {
    // A number in a damaged name may be too large for RocksDB's parser.
    s = Status::InvalidArgument(name, e.what());
  }
  if (!s.ok()) {
    // As BlockBasedTable has it, no reason not to read the file.
    extractor_.reset();
    ROCKSDB_NAMESPACE::Warn(store_.ioptions().logger,
                            "%s: no prefix extractor %s, so its filter is not "
                            "asked for prefixes: %s",
                            store_.file()->file_name().c_str(), name.c_str(),
                            s.ToString().c_str());
  }
}

bool FileFilter::Changed(const SliceTransform* current) const {
  if (current == nullptr || extractor_ == nullptr) return true;
  return current != extractor_.get() &&
         current->AsString() != extractor_->AsString();
}

Status FileFilter::Find(const BlockReadContext& context,
                        FilterEntry* filter) const {
  const Status s = store_.GetFilter(context, filter);
  return s.IsIncomplete() || s.IsMemoryLimit() ? Status::OK() : s;
}

Status FileFilter::Ask(const BlockReadContext& context,
                       const SliceTransform* current, const Slice& user_key,
                       Question* question) const {
  Slice entry = user_key;
  if (!whole_keys_) {
    if (Changed(current) || !extractor_->InDomain(user_key)) {
      return Status::OK();
    }
    entry = extractor_->Transform(user_key);
  }
  question->counts_ = true;
  const Status s = Find(context, &question->filter_);
  if (const FilterBlock* const filter = question->filter_.GetValue()) {
    question->sought_ = filter->Seek(entry);
  }
  return s;
}

bool FileFilter::MayMatch(Question* question) const {
  bool may_match = true;
  if (const FilterBlock* const filter = question->filter_.GetValue()) {
    may_match = filter->MayMatch(question->sought_);
    question->filter_.Reset();
    if (may_match) {
      PERF_COUNTER_ADD(bloom_sst_hit_count, 1);
    } else {
      PERF_COUNTER_ADD(bloom_sst_miss_count, 1);
    }
  }
  if (question->counts_) CountKeys(1, may_match ? 1 : 0);
  return may_match;
}

Status FileFilter::AskAll(const BlockReadContext& context, int n,
                          Slice** strings, bool* may_match) const {
  std::fill(may_match, may_match + n, true);
  FilterEntry filter;
  const Status s = Find(context, &filter);
  if (filter.GetValue() == nullptr) return s;
  filter.GetValue()->MayMatch(n, strings, may_match);
  const auto passed =
      static_cast<uint64_t>(std::count(may_match, may_match + n, true));
  PERF_COUNTER_ADD(bloom_sst_hit_count, passed);
  PERF_COUNTER_ADD(bloom_sst_miss_count, static_cast<uint64_t>(n) - passed);
  return s;
}

Status FileFilter::KeysMayMatch(const BlockReadContext& context,
                                const SliceTransform* current, int n,
                                Slice** user_keys, bool* may_match) const {
  constexpr size_t kMost = ROCKSDB_NAMESPACE::MultiGetContext::MAX_BATCH_SIZE;
  if (whole_keys_) {
    const Status s = AskAll(context, n, user_keys, may_match);
    CountKeys(n, std::count(may_match, may_match + n, true));
    return s;
  }
  std::fill(may_match, may_match + n, true);
  if (Changed(current)) return Status::OK();
  std::array<Slice, kMost> prefixes;
  std::array<Slice*, kMost> asked;
  std::array<size_t, kMost> key_of;
  size_t m = 0;
  for (int i = 0; i < n; ++i) {
    if (!extractor_->InDomain(*user_keys[i])) continue;
    prefixes[m] = extractor_->Transform(*user_keys[i]);
    asked[m] = &prefixes[m];
    key_of[m++] = static_cast<size_t>(i);
  }
  if (m == 0) return Status::OK();
  std::array<bool, kMost> found;
  const Status s =
      AskAll(context, static_cast<int>(m), asked.data(), found.data());
  for (size_t j = 0; j < m; ++j) may_match[key_of[j]] = found[j];
  CountKeys(static_cast<std::ptrdiff_t>(m),
            std::count(found.data(), found.data() + m, true));
  return s;
}

void FileFilter::CountKeys(std::ptrdiff_t asked, std::ptrdiff_t passed) const {
  ROCKSDB_NAMESPACE::Statistics* const stats = store_.ioptions().stats;
  const auto positive = static_cast<uint64_t>(passed);
  const auto useful = static_cast<uint64_t>(asked - passed);
  if (!whole_keys_) {
    RecordTick(stats, ROCKSDB_NAMESPACE::BLOOM_FILTER_PREFIX_CHECKED,
               static_cast<uint64_t>(asked));
  }
  if (positive != 0) {
    if (whole_keys_) {
      RecordTick(stats, ROCKSDB_NAMESPACE::BLOOM_FILTER_FULL_POSITIVE,
                 positive);
    }
    PERF_COUNTER_BY_LEVEL_ADD(bloom_filter_full_positive, positive, level_);
  }
  if (useful != 0) {
    RecordTick(stats,
               whole_keys_ ? ROCKSDB_NAMESPACE::BLOOM_FILTER_USEFUL
                           : ROCKSDB_NAMESPACE::BLOOM_FILTER_PREFIX_USEFUL,
               useful);
    PERF_COUNTER_BY_LEVEL_ADD(bloom_filter_useful, useful, level_);
  }
}

void FileFilter::CountTruePositive() const {
  compat::CountTruePositive(store_.ioptions().stats, whole_keys_);
  PERF_COUNTER_BY_LEVEL_ADD(bloom_filter_full_true_positive, 1, level_);
}

FileFilter::Seeks FileFilter::SeeksThatAsk(
    const ReadOptions& read_options, const SliceTransform* current) const {
  if (!store_.has_filter() || extractor_ == nullptr || current == nullptr ||
      (read_options.total_order_seek && !read_options.auto_prefix_mode &&
       !read_options.prefix_same_as_start)) {
    return Seeks::kNone;
  }
  return read_options.auto_prefix_mode || Changed(current) ? Seeks::kBounded
                                                           : Seeks::kAll;
}

Status FileFilter::SeekMayMatch(const BlockReadContext& context, Seeks seeks,
                                bool forward, const Slice& user_key,
                                bool* may_match, bool* asked) const {
  *may_match = true;
  *asked = false;
  if (seeks == Seeks::kNone || (seeks == Seeks::kBounded && !forward) ||
      !extractor_->InDomain(user_key)) {
    return Status::OK();
  }
  Slice prefix = extractor_->Transform(user_key);
  if (seeks == Seeks::kBounded &&
      !OnePrefix(prefix, context.read_options.iterate_upper_bound)) {
    return Status::OK();
  }
  Slice* strings[] = {&prefix};
  const Status s = AskAll(context, 1, strings, may_match);
  *asked = s.ok();
  if (!s.ok()) return s;
  compat::CountFilteredSeek(store_.ioptions().stats, *may_match,
                            at_last_level());
  return s;
}

bool FileFilter::OnePrefix(const Slice& prefix,
                           const Slice* upper_bound) const {
  if (upper_bound == nullptr || !extractor_->InDomain(*upper_bound)) {
    return false;
  }
  if (extractor_->Transform(*upper_bound) == prefix) return true;
  // Or the bound is the prefix after this one, and no key between is shorter
  // than a prefix.  RocksDB asks IsSameLengthImmediateSuccessor(), by which
  // "b\0" is the one after "a\xff"; the key "b" is between them.
  size_t length = 0;
  return extractor_->FullLengthEnabled(&length) &&
         upper_bound->size() == length && prefix.size() == length &&
         length != 0 &&
         store_.ioptions().user_comparator ==
             ROCKSDB_NAMESPACE::BytewiseComparator() &&
         memcmp(prefix.data(), upper_bound->data(), length - 1) == 0 &&
         static_cast<unsigned char>(prefix[length - 1]) + 1 ==
             static_cast<unsigned char>((*upper_bound)[length - 1]);
}

}  // namespace memkv
