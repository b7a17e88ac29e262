// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// When entries were written, as far as a file says: RocksDB keeps samples of
// sequence numbers and their times as a property of the file, and, from 9.1 on,
// asks an iterator for the time of its entry.  Below 9.1 only compactions ask,
// and they read the property themselves.

#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "compat/version.h"
#include "db/dbformat.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#if MEMKV_ROCKSDB >= 901
#include "db/seqno_to_time_mapping.h"
#endif

namespace memkv {
namespace compat {

// Whether the value of an entry with that tag ends with a sequence number, by
// which the entry is older than by its own.
constexpr bool HasPreferredSeqno(uint64_t tag) {
#if MEMKV_ROCKSDB >= 901
  return (tag & 0xff) == ROCKSDB_NAMESPACE::kTypeValuePreferredSeqno;
#else
  (void)tag;
  return false;
#endif
}

// Thread safety: immutable after DecodeFrom().
class WriteTimes {
 public:
  static constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

  // From the property.
  ROCKSDB_NAMESPACE::Status DecodeFrom(const std::string& property) {
#if MEMKV_ROCKSDB >= 901
    return mapping_.DecodeFrom(property);
#else
    (void)property;
    return ROCKSDB_NAMESPACE::Status::OK();
#endif
  }

  // In seconds since 1970, or kUnknown, as BlockBasedTableIterator answers.
  // `value` is looked into if it has a preferred sequence number.
  uint64_t Of(uint64_t tag, const ROCKSDB_NAMESPACE::Slice& value) const {
#if MEMKV_ROCKSDB >= 901
    ROCKSDB_NAMESPACE::SequenceNumber seqno;
    ROCKSDB_NAMESPACE::ValueType type;
    ROCKSDB_NAMESPACE::UnPackSequenceAndType(tag, &seqno, &type);
    if (seqno == ROCKSDB_NAMESPACE::kUnknownSeqnoBeforeAll) {
      return ROCKSDB_NAMESPACE::kUnknownTimeBeforeAll;
    }
    if (mapping_.Empty()) return kUnknown;
    if (HasPreferredSeqno(tag)) {
      seqno = ROCKSDB_NAMESPACE::ParsePackedValueForSeqno(value);
    }
    return mapping_.GetProximalTimeBeforeSeqno(seqno);
#else
    (void)tag;
    (void)value;
    return kUnknown;
#endif
  }

#if MEMKV_ROCKSDB >= 901
 private:
  ROCKSDB_NAMESPACE::SeqnoToTimeMapping mapping_;
#endif
};

}  // namespace compat
}  // namespace memkv
