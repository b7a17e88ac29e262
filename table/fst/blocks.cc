// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/blocks.h"

#include <string_view>

#include "util/trie_coding.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BuiltinFilterPolicy;

namespace {

// What all of RocksDB's own filter policies call the filters they write.
constexpr const char* kBuiltinFilters = "rocksdb.BuiltinBloomFilter";

// RocksDB's filters end in 5 bytes that say what they are.
constexpr size_t kFilterMetadataSize = 5;

// Whether a filter of RocksDB's is its Bloom filter in lines.
// REQUIRES: more bytes than its metadata
bool IsBloomInLines(std::string_view filter) {
  const char* const metadata =
      filter.data() + filter.size() - kFilterMetadataSize;
  return static_cast<int8_t>(metadata[0]) == -1 && metadata[1] == 0;
}

// Whether RocksDB's readers stay within a filter of theirs.  They believe its
// last bytes.  (Ribbon filters round down what they are given.)
// REQUIRES: more bytes than its metadata
bool FilterFits(std::string_view filter) {
  const size_t size = filter.size() - kFilterMetadataSize;
  const auto* const metadata =
      reinterpret_cast<const uint8_t*>(filter.data()) + size;
  const auto kind = static_cast<int8_t>(metadata[0]);
  if (IsBloomInLines(filter)) return size % FilterBlock::kBloomLineSize == 0;
  // The older Bloom filter is so many lines of one size.
  const uint32_t lines = LoadFixed32(metadata + 1);
  return kind < 1 || (lines != 0 && size % lines == 0);
}

}  // namespace

bool SegmentBlock::Parse(bool mirrored, const key_trie::Tokens* tokens,
                         uint64_t store, std::string* reason) {
  store_ = store;
  return Segment::Open(contents_.data.ToStringView(), mirrored, tokens,
                       &segment_, reason);
}

bool ValueBlock::Parse(size_t num_values, std::string* reason) {
  size_t consumed = 0;
  if (!ValueRunView::Open(contents_.data.ToStringView(), num_values, &values_,
                          &consumed, reason)) {
    return false;
  }
  if (consumed != contents_.data.size()) {
    *reason =
        "value block: " + std::to_string(contents_.data.size() - consumed) +
        " bytes follow its values";
    return false;
  }
  return true;
}

bool FilterBlock::Parse(const ROCKSDB_NAMESPACE::FilterPolicy& policy,
                        std::string* reason) {
  // RocksDB takes a filter without more for that of no keys, which is never
  // written.
  if (contents_.data.size() <= kFilterMetadataSize) {
    *reason = "filter: " + std::to_string(contents_.data.size()) +
              " bytes, expected more than " +
              std::to_string(kFilterMetadataSize);
    return false;
  }
  const std::string_view bytes = contents_.data.ToStringView();
  if (std::strcmp(policy.CompatibilityName(), kBuiltinFilters) == 0 &&
      !FilterFits(bytes)) {
    *reason = "filter: " + std::to_string(contents_.data.size()) +
              " bytes, not as its last ones say";
    return false;
  }
  if (policy.IsInstanceOf(BuiltinFilterPolicy::kClassName()) &&
      IsBloomInLines(bytes)) {
    hashed_ = BuiltinFilterPolicy::GetBuiltinFilterBitsReader(contents_.data);
    bits_.reset(hashed_);
    bloom_lines_ = static_cast<uint32_t>((bytes.size() - kFilterMetadataSize) /
                                         kBloomLineSize);
  } else {
    bits_.reset(policy.GetFilterBitsReader(contents_.data));
  }
  return true;
}

}  // namespace memkv
