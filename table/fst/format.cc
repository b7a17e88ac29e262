// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/format.h"

#include <cstring>

#include "table/block_based/block_based_table_builder.h"
#include "util/coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::GetFixed32;
using ROCKSDB_NAMESPACE::GetVarint64;
using ROCKSDB_NAMESPACE::PutFixed32;
using ROCKSDB_NAMESPACE::PutVarint64;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

void FileDirectory::EncodeTo(std::string* out) const {
  PutFixed32(out, version);
  PutFixed32(out, features);
  index.EncodeTo(out);
  tokens.EncodeTo(out);
  filter.EncodeTo(out);
  ROCKSDB_NAMESPACE::PutLengthPrefixedSlice(out, filter_name);
  PutVarint64(out, num_keys);
}

Status FileDirectory::DecodeFrom(Slice in) {
  if (!GetFixed32(&in, &version) || !GetFixed32(&in, &features)) {
    return Status::Corruption("FST directory is cut off");
  }
  if (version != kVersion) {
    return Status::NotSupported("FST format version " +
                                std::to_string(version) +
                                "; this memkv reads version " +
                                std::to_string(kVersion) + ", use a newer one");
  }
  if ((features & ~kKnownFeatures) != 0) {
    return Status::NotSupported("FST file needs features " +
                                std::to_string(features & ~kKnownFeatures) +
                                " unknown to this memkv, use a newer one");
  }
  Status s = index.DecodeFrom(&in);
  if (s.ok()) s = tokens.DecodeFrom(&in);
  if (s.ok()) s = filter.DecodeFrom(&in);
  Slice name;
  if (!s.ok() || !ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(&in, &name) ||
      !GetVarint64(&in, &num_keys) || !in.empty() ||
      name.empty() != (filter.size() == 0) ||
      ((features & kFilterHasNoWholeKeys) != 0 && filter.size() == 0)) {
    return Status::Corruption("FST directory is damaged");
  }
  filter_name = name.ToString();
  return Status::OK();
}

bool HasFooterMarker(const Slice& footer) {
  return footer.size() == kFooterSize &&
         memcmp(footer.data() + kFooterMarkerOffset, kFooterMarker,
                kFooterMarkerSize) == 0 &&
         ROCKSDB_NAMESPACE::DecodeFixed64(footer.data() + kFooterSize - 8) ==
             ROCKSDB_NAMESPACE::kBlockBasedTableMagicNumber;
}

}  // namespace memkv
