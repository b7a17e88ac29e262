// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The filter of an FST file in the making: RocksDB's own, over whole keys,
// prefixes, or both, where BlockBasedTableBuilder would make one.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "compat/table_builder.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "table/block_based/filter_policy_internal.h"
#include "table/fst/block_writer.h"
#include "table/fst/format.h"
#include "table/table_builder.h"

namespace memkv {

class FileFilterBuilder {
 public:
  // Neither of the options need outlive the builder.  default_policy: of a
  // filter of whole keys where block_based has no policy; null: there is none.
  FileFilterBuilder(
      const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
      const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
      std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> default_policy);

  // Each user key once, in the file's order.
  void Add(const ROCKSDB_NAMESPACE::Slice& user_key);
  // About what the filter will take; 0 if there is none.
  double EstimatedSize() const;
  // The policy's name; null if there is no filter.
  const char* policy_name() const {
    return bits_ == nullptr ? nullptr : policy_->Name();
  }
  // Writes the filter if anything was added, and says so in *directory and
  // *props.
  void Finish(BlockWriter* writer, FileDirectory* directory,
              ROCKSDB_NAMESPACE::TableProperties* props);

 private:
  // The builder of bits refers to the policy.
  std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> policy_;
  std::unique_ptr<ROCKSDB_NAMESPACE::FilterBitsBuilder> bits_;
  bool whole_keys_ = false;  // go into the filter
  // Their prefixes do, unless it is null.
  std::shared_ptr<const ROCKSDB_NAMESPACE::SliceTransform> prefix_extractor_;
  std::optional<std::string> last_prefix_;  // for compat::AddKeyAndPrefix()
  double entry_bytes_ = 0;
};

}  // namespace memkv
