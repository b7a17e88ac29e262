// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/filter_builder.h"

#include <algorithm>
#include <utility>

#include "options/cf_options.h"
#include "table/block_based/block_based_table_factory.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::BlockHandle;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableBuilderOptions;
using ROCKSDB_NAMESPACE::TableProperties;

FileFilterBuilder::FileFilterBuilder(
    const BlockBasedTableOptions& block_based, const TableBuilderOptions& tbo,
    std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> default_policy) {
  const auto& ioptions = tbo.ioptions;
  // As BlockBasedTableBuilder decides it.
  policy_ = block_based.filter_policy;
  whole_keys_ = block_based.whole_key_filtering;
  if (policy_ != nullptr) {
    prefix_extractor_ = tbo.moptions.prefix_extractor;
  } else {
    // Without prefixes: seeks that ask for them find less than all, and nobody
    // who named no filter expects that.
    policy_ = std::move(default_policy);
  }
  const bool wanted =
      policy_ != nullptr && (whole_keys_ || prefix_extractor_ != nullptr) &&
      !compat::SkipsFilters(tbo) &&
      !(ioptions.optimize_filters_for_hits && tbo.is_bottommost);
  if (!wanted) return;
  ROCKSDB_NAMESPACE::FilterBuildingContext context(block_based);
  context.info_log = ioptions.logger;
  context.column_family_name = tbo.column_family_name;
  context.reason = tbo.reason;
  // SstFileWriter, which has no level, knows of no column family either.
  if (tbo.level_at_creation >= 0) {
    context.compaction_style = ioptions.compaction_style;
    context.num_levels = ioptions.num_levels;
    context.level_at_creation = tbo.level_at_creation;
    context.is_bottommost = tbo.is_bottommost;
  }
  bits_.reset(policy_->GetBuilderWithContext(context));
  if (bits_ == nullptr) return;
  constexpr size_t kSize = size_t{1} << 20;
  entry_bytes_ =
      static_cast<double>(kSize) / static_cast<double>(std::max<size_t>(
                                       1, bits_->ApproximateNumEntries(kSize)));
}

void FileFilterBuilder::Add(const Slice& user_key) {
  if (bits_ == nullptr) return;
  // As FullFilterBlockBuilder has it; RocksDB's builder of the bits leaves out
  // a prefix that is that of the key before.
  if (prefix_extractor_ != nullptr && prefix_extractor_->InDomain(user_key)) {
    const Slice prefix = prefix_extractor_->Transform(user_key);
    if (whole_keys_) {
      compat::AddKeyAndPrefix(user_key, prefix, &last_prefix_, bits_.get());
    } else {
      bits_->AddKey(prefix);
    }
  } else if (whole_keys_) {
    bits_->AddKey(user_key);
  }
}

void FileFilterBuilder::Finish(BlockWriter* writer, FileDirectory* directory,
                               TableProperties* props) {
  directory->filter = BlockHandle(0, 0);
  if (bits_ == nullptr || bits_->EstimateEntriesAdded() == 0) return;
  props->num_filter_entries = bits_->EstimateEntriesAdded();
  std::unique_ptr<const char[]> bytes;
  Status s;
  const Slice filter = bits_->Finish(&bytes, &s);
  if (s.ok()) s = bits_->MaybePostVerify(filter);
  if (!s.ok()) {
    writer->Fail(s);
    return;
  }
  directory->filter = writer->Write(filter, /*compress=*/false);
  directory->filter_name = policy_->CompatibilityName();
  if (!whole_keys_) directory->features |= FileDirectory::kFilterHasNoWholeKeys;
  using Names = ROCKSDB_NAMESPACE::BlockBasedTablePropertyNames;
  const auto truth = [](bool is) {
    return is ? ROCKSDB_NAMESPACE::kPropTrue : ROCKSDB_NAMESPACE::kPropFalse;
  };
  props->user_collected_properties[Names::kWholeKeyFiltering] =
      truth(whole_keys_);
  props->user_collected_properties[Names::kPrefixFiltering] =
      truth(prefix_extractor_ != nullptr);
  props->filter_size = filter.size();
  bits_.reset();
}

double FileFilterBuilder::EstimatedSize() const {
  return bits_ == nullptr
             ? 0
             : entry_bytes_ *
                   static_cast<double>(bits_->EstimateEntriesAdded());
}

}  // namespace memkv
