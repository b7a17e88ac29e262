// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How an FST file presents itself: a formally valid block-based file whose
// footer carries a marker, and whose properties carry a directory.  FORMAT.md
// is normative; this header is its constants and the directory's codec.
//
// Everything here is pure and thread-safe.

#pragma once

#include <cstdint>
#include <string>

#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "table/format.h"

namespace memkv {

// The footer is RocksDB's of format version 5.  Its two handles leave padding
// that RocksDB ignores before version 6; the last bytes of it hold the marker.
constexpr uint32_t kFooterFormatVersion = 5;
constexpr size_t kFooterSize =
    ROCKSDB_NAMESPACE::Footer::kNewVersionsEncodedLength;
// Behind each block: its compression and its checksum.
constexpr size_t kTrailerSize = 5;
constexpr char kFooterMarker[] = "MEMKVFST";
constexpr size_t kFooterMarkerSize = sizeof(kFooterMarker) - 1;
constexpr size_t kFooterMarkerOffset =
    1 + 2 * ROCKSDB_NAMESPACE::BlockHandle::kMaxEncodedLength -
    kFooterMarkerSize;
static_assert(kFooterSize == 53 && kFooterMarkerOffset == 33,
              "the marker's place is part of the format");

// Names of the user-collected properties. But for the first, which is the
// directory in binary, their values are decimal numbers.
constexpr char kDirectoryProperty[] = "memkv.fst.directory";
constexpr char kDistinctKeysProperty[] = "memkv.fst.distinct.user.keys";
// Of stored segments, and of stored values.
constexpr char kKeyBytesProperty[] = "memkv.fst.key.bytes";
constexpr char kValueBytesProperty[] = "memkv.fst.value.bytes";
// TokenTable::bits_a_byte, in thousandths; if there is a token table.
constexpr char kTokenBitsProperty[] = "memkv.fst.token.bits";
// Of stored segments, their tags, their values, and all of it.
constexpr char kTagBytesProperty[] = "memkv.fst.tag.bytes";
constexpr char kInlineValueBytesProperty[] = "memkv.fst.inline.value.bytes";
constexpr char kSegmentBytesProperty[] = "memkv.fst.segment.bytes";

// Where a reader begins.
struct FileDirectory {
  static constexpr uint32_t kVersion = 1;
  // Bits a reader must understand.
  // The filter holds prefixes alone: it must not be asked for a key.
  static constexpr uint32_t kFilterHasNoWholeKeys = 1;
  // The index has bounds that are no last keys; see FORMAT.md, "Index".
  static constexpr uint32_t kBounds = 2;
  // Some segments continue the last key of the one before.
  static constexpr uint32_t kContinuations = 4;
  // Some key tries have fixed bytes.
  static constexpr uint32_t kFixedBytes = 8;
  // The token table is of version 2.
  static constexpr uint32_t kTokenSuffixes = 16;
  // Some value runs are numbers.
  static constexpr uint32_t kNumbers = 32;
  // Some segments have key tries without padding.
  static constexpr uint32_t kUnpadded = 64;
  static constexpr uint32_t kKnownFeatures =
      kFilterHasNoWholeKeys | kBounds | kContinuations | kFixedBytes |
      kTokenSuffixes | kNumbers | kUnpadded;

  uint32_t version = kVersion;
  uint32_t features = 0;
  ROCKSDB_NAMESPACE::BlockHandle index;
  ROCKSDB_NAMESPACE::BlockHandle tokens;  // of size 0 if there are none
  ROCKSDB_NAMESPACE::BlockHandle filter;  // of size 0 if there is none
  // FilterPolicy::CompatibilityName() of who wrote it; empty if there is none.
  std::string filter_name;
  uint64_t num_keys = 0;

  void EncodeTo(std::string* out) const;
  // Corruption if the bytes are no directory, NotSupported if they are one of
  // a version or with a feature that this reader does not know.
  ROCKSDB_NAMESPACE::Status DecodeFrom(ROCKSDB_NAMESPACE::Slice in);
};

// True if `footer`, the last kFooterSize bytes of a file, are an FST file's.
bool HasFooterMarker(const ROCKSDB_NAMESPACE::Slice& footer);

}  // namespace memkv
